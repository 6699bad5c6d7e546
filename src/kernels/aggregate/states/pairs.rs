//! Two inputs together: moments of pairs, and a value where another is least or greatest.

use std::cmp::Ordering;
use std::ops::Range;

use super::number;
use crate::kernels::aggregate::output::push;
use crate::kernels::aggregate::plan::PairNeeds;
use crate::kernels::function::Function;
use crate::model::{Column, Timestamp, Value, Values};

/// One state a bucket.
#[derive(Debug)]
pub(in crate::kernels::aggregate) enum PairStates {
    Moments(Vec<Moments>),
    /// `true`: where the second input is greatest.
    Best(bool, Vec<Option<Best>>),
}

/// Means and summed products of deviations, merged pairwise as Chan, Golub and LeVeque (1979) do.
#[derive(Clone, Copy, Debug)]
pub(in crate::kernels::aggregate) struct Moments {
    count: u64,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
    /// Equal ends tell what does not vary: rounding of a mean would give it a deviation.
    ends_x: (f64, f64),
    ends_y: (f64, f64),
}

const NO_MOMENTS: Moments = Moments {
    count: 0,
    mean_x: 0.0,
    mean_y: 0.0,
    xx: 0.0,
    yy: 0.0,
    xy: 0.0,
    ends_x: (f64::INFINITY, f64::NEG_INFINITY),
    ends_y: (f64::INFINITY, f64::NEG_INFINITY),
};

/// The greatest or least `key` so far, when it was, and the other input then.
#[derive(Clone, Debug)]
pub(in crate::kernels::aggregate) struct Best {
    key: Value,
    time: Timestamp,
    value: Value,
}

impl PairStates {
    pub(in crate::kernels::aggregate) fn new(needs: PairNeeds) -> Self {
        match needs {
            PairNeeds::Moments => Self::Moments(Vec::new()),
            PairNeeds::Least => Self::Best(false, Vec::new()),
            PairNeeds::Greatest => Self::Best(true, Vec::new()),
        }
    }

    pub(in crate::kernels::aggregate) fn state_bytes(&self) -> usize {
        match self {
            Self::Moments(_) => size_of::<Moments>(),
            Self::Best(..) => size_of::<Best>(),
        }
    }

    pub(in crate::kernels::aggregate) fn push_empty(&mut self) {
        match self {
            Self::Moments(states) => states.push(NO_MOMENTS),
            Self::Best(_, states) => states.push(None),
        }
    }

    pub(in crate::kernels::aggregate) fn clear(&mut self) {
        match self {
            Self::Moments(states) => states.clear(),
            Self::Best(_, states) => states.clear(),
        }
    }

    /// Takes in rows, which arrived later than those taken in before.
    pub(in crate::kernels::aggregate) fn take_rows(
        &mut self,
        slot: usize,
        times: &[Timestamp],
        [a, b]: [&Column; 2],
        rows: Range<usize>,
    ) {
        match self {
            Self::Moments(states) => {
                let pairs =
                    || rows.clone().filter_map(|row| Some((number(a, row)?, number(b, row)?)));
                states[slot].join(&Moments::of(pairs));
            }
            Self::Best(greatest, states) => {
                let mut best: Option<usize> = None;
                for row in rows.filter(|&row| a.is_valid(row) && b.is_valid(row)) {
                    // Rows come by time, so that the first of equals is the earliest.
                    if best.is_none_or(|best| wins(compare(&b.values, row, best), *greatest)) {
                        best = Some(row);
                    }
                }
                if let Some(row) = best {
                    let (key, value) = (b.values.value(row), a.values.value(row));
                    join_best(&mut states[slot], Best { key, time: times[row], value }, *greatest);
                }
            }
        }
    }

    /// Takes in the state of a bucket of `other`, which arrived later.
    pub(in crate::kernels::aggregate) fn join(&mut self, slot: usize, other: &Self, from: usize) {
        match (self, other) {
            (Self::Moments(own), Self::Moments(theirs)) => own[slot].join(&theirs[from]),
            (Self::Best(greatest, own), Self::Best(_, theirs)) => {
                if let Some(best) = &theirs[from] {
                    join_best(&mut own[slot], best.clone(), *greatest);
                }
            }
            _ => {}
        }
    }

    /// Appends what `function` makes of the states at `slots`.
    pub(in crate::kernels::aggregate) fn output(
        &self,
        function: Function,
        slots: &[usize],
        out: &mut Column,
    ) {
        for &slot in slots {
            let done = match self {
                Self::Moments(states) => push(out, states[slot].output(function)),
                Self::Best(_, states) => states[slot].as_ref().and_then(|b| match &b.value {
                    Value::F64(v) => push(out, Some(*v)),
                    Value::I64(v) => push(out, Some(*v)),
                    Value::Bool(v) => push(out, Some(*v)),
                    Value::Str(v) => push(out, Some(v.as_str())),
                }),
            };
            if done.is_none() {
                out.push_null();
            }
        }
    }
}

impl Moments {
    /// Two passes: the means, then the deviations from them.
    fn of<I: Iterator<Item = (f64, f64)>>(pairs: impl Fn() -> I) -> Self {
        let mut own = NO_MOMENTS;
        let (mut sum_x, mut sum_y) = (0.0, 0.0);
        for (x, y) in pairs() {
            own.count += 1;
            sum_x += x;
            sum_y += y;
            own.ends_x = (own.ends_x.0.min(x), own.ends_x.1.max(x));
            own.ends_y = (own.ends_y.0.min(y), own.ends_y.1.max(y));
        }
        if own.count > 0 {
            (own.mean_x, own.mean_y) = (sum_x / own.count as f64, sum_y / own.count as f64);
        }
        for (x, y) in pairs() {
            let (x, y) = (x - own.mean_x, y - own.mean_y);
            own.xx += x * x;
            own.yy += y * y;
            own.xy += x * y;
        }
        own
    }

    fn join(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (n, m) = (self.count as f64, other.count as f64);
        let (x, y) = (other.mean_x - self.mean_x, other.mean_y - self.mean_y);
        let share = n * m / (n + m);
        self.xx += other.xx + x * x * share;
        self.yy += other.yy + y * y * share;
        self.xy += other.xy + x * y * share;
        self.mean_x += x * (m / (n + m));
        self.mean_y += y * (m / (n + m));
        self.count += other.count;
        let ends = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        self.ends_x = ends(self.ends_x, other.ends_x);
        self.ends_y = ends(self.ends_y, other.ends_y);
    }

    /// The first input of a function is y, where that makes a difference.
    fn output(&self, function: Function) -> Option<f64> {
        // The states call the first input x.
        let Self { mean_x: mean_y, mean_y: mean_x, xx: yy, yy: xx, xy, .. } = *self;
        let n = self.count as f64;
        let enough = match function {
            Function::CovarPop => self.count >= 1,
            _ => self.count >= 2,
        };
        if !enough {
            return None;
        }
        if xy.is_nan() || xx.is_nan() || yy.is_nan() {
            return Some(f64::NAN);
        }
        let (still_y, still_x) = (self.ends_x.0 == self.ends_x.1, self.ends_y.0 == self.ends_y.1);
        let r = || {
            let r = xy / (xx.sqrt() * yy.sqrt());
            if r.is_nan() { r } else { r.clamp(-1.0, 1.0) }
        };
        match function {
            Function::CovarPop => Some(if still_x || still_y { 0.0 } else { xy / n }),
            Function::CovarSamp => Some(if still_x || still_y { 0.0 } else { xy / (n - 1.0) }),
            _ if still_x => None,
            Function::Corr => (!still_y).then(r),
            Function::RegrSlope => Some(if still_y { 0.0 } else { xy / xx }),
            Function::RegrIntercept => {
                Some(if still_y { mean_y } else { mean_y - xy / xx * mean_x })
            }
            Function::RegrR2 => Some(if still_y { 1.0 } else { r() * r() }),
            _ => None,
        }
    }
}

fn join_best(own: &mut Option<Best>, other: Best, greatest: bool) {
    let replaces = own.as_ref().is_none_or(|own| match order(&other.key, &own.key) {
        Rank::Equal => other.time < own.time,
        rank => wins(rank, greatest),
    });
    if replaces {
        *own = Some(other);
    }
}

/// How a value stands to another; NaN loses to all else, whatever is looked for.
enum Rank {
    Less,
    Equal,
    Greater,
    Loses,
    Beats,
}

fn wins(rank: Rank, greatest: bool) -> bool {
    match rank {
        Rank::Less => !greatest,
        Rank::Greater => greatest,
        Rank::Beats => true,
        Rank::Equal | Rank::Loses => false,
    }
}

fn ranked(order: Ordering) -> Rank {
    match order {
        Ordering::Less => Rank::Less,
        Ordering::Equal => Rank::Equal,
        Ordering::Greater => Rank::Greater,
    }
}

fn rank_floats(a: f64, b: f64) -> Rank {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Rank::Equal,
        (true, false) => Rank::Loses,
        (false, true) => Rank::Beats,
        _ => ranked(a.partial_cmp(&b).unwrap_or(Ordering::Equal)),
    }
}

fn compare(values: &Values, a: usize, b: usize) -> Rank {
    match values {
        Values::F64(v) => rank_floats(v[a], v[b]),
        Values::I64(v) => ranked(v[a].cmp(&v[b])),
        Values::Bool(v) => ranked(v[a].cmp(&v[b])),
        Values::Str(v) => ranked(v.get(a).cmp(v.get(b))),
    }
}

fn order(a: &Value, b: &Value) -> Rank {
    match (a, b) {
        (Value::F64(a), Value::F64(b)) => rank_floats(*a, *b),
        (Value::I64(a), Value::I64(b)) => ranked(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => ranked(a.cmp(b)),
        (Value::Str(a), Value::Str(b)) => ranked(a.cmp(b)),
        _ => Rank::Equal,
    }
}
