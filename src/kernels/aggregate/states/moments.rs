//! Counts, sums, deviations, extremes and ends.

use std::ops::Range;

use super::dense;
use crate::chunk::{BoolStats, Ends, FloatStats, IntStats, Stats, StrStats};
use crate::codec::simd::dispatched;
use crate::codec::units::Tenths;
use crate::error::{Error, Result};
use crate::kernels::aggregate::fold::Cut;
use crate::kernels::aggregate::output::{bool_output, float_output, int_output, str_output};
use crate::kernels::function::{Function, Needs};
use crate::kernels::slices::{self, Integers};
use crate::model::{Bitmap, Column, FieldType, StrValues, Timestamp, Values};

/// One state a bucket. What `needs` does not ask for is not computed and holds nothing of use.
///
/// Invariant: a state of doubles that saw no number has `min > max`, NaN or not.
#[derive(Debug)]
pub(super) struct Moments {
    needs: Needs,
    states: States,
    doubles: Vec<f64>,
    integers: Vec<i64>,
}

#[derive(Debug)]
enum States {
    F64(Vec<FloatStats>),
    I64(Vec<IntStats>),
    Bool(Vec<BoolStats>),
    Str(Vec<StrStats>),
}

fn no_ends<T: Default>() -> Ends<T> {
    Ends { first: T::default(), first_time: 0, last: T::default(), last_time: 0 }
}

/// Takes in the ends of a run that arrived later; `new`: there were none before.
fn join_ends<T>(ends: &mut Ends<T>, other: Ends<T>, new: bool) {
    if new || other.first_time < ends.first_time {
        (ends.first, ends.first_time) = (other.first, other.first_time);
    }
    if new || other.last_time >= ends.last_time {
        (ends.last, ends.last_time) = (other.last, other.last_time);
    }
}

/// Chan, Golub and LeVeque's pairwise update of (count, sum, sum of squared deviations).
fn join_deviations(a: (u64, f64, f64), b: (u64, f64, f64)) -> f64 {
    if a.0 == 0 {
        return b.2;
    }
    let (n, m) = (a.0 as f64, b.0 as f64);
    let delta = b.1 / m - a.1 / n;
    a.2 + b.2 + delta * delta * (n * m / (n + m))
}

fn join_floats(into: &mut FloatStats, other: FloatStats) {
    if other.count == 0 {
        return;
    }
    join_ends(&mut into.ends, other.ends, into.count == 0);
    into.m2 = join_deviations((into.count, into.sum, into.m2), (other.count, other.sum, other.m2));
    into.count += other.count;
    into.nans += other.nans;
    into.sum += other.sum;
    into.min = if other.min < into.min { other.min } else { into.min };
    into.max = if other.max > into.max { other.max } else { into.max };
}

fn join_ints(into: &mut IntStats, other: IntStats) {
    if other.count == 0 {
        return;
    }
    join_ends(&mut into.ends, other.ends, into.count == 0);
    into.m2 = join_deviations(
        (into.count, into.sum as f64, into.m2),
        (other.count, other.sum as f64, other.m2),
    );
    into.count += other.count;
    into.sum += other.sum;
    into.min = into.min.min(other.min);
    into.max = into.max.max(other.max);
}

fn join_bools(into: &mut BoolStats, other: BoolStats) {
    if other.count == 0 {
        return;
    }
    join_ends(&mut into.ends, other.ends, into.count == 0);
    into.count += other.count;
    into.trues += other.trues;
}

fn join_strs(into: &mut StrStats, other: StrStats) {
    if other.count == 0 {
        return;
    }
    let new = into.count == 0;
    join_ends(&mut into.ends, other.ends, new);
    into.count += other.count;
    if new || other.min < into.min {
        into.min = other.min;
    }
    if new || other.max > into.max {
        into.max = other.max;
    }
}

impl Moments {
    pub(super) fn new(ty: FieldType, needs: Needs) -> Self {
        let states = match ty {
            FieldType::F64 => States::F64(Vec::new()),
            FieldType::I64 => States::I64(Vec::new()),
            FieldType::Bool => States::Bool(Vec::new()),
            FieldType::Str => States::Str(Vec::new()),
        };
        let (doubles, integers) = (Vec::new(), Vec::new());
        Self { needs, states, doubles, integers }
    }

    /// Bytes of one state.
    pub(super) fn state_bytes(&self) -> usize {
        match &self.states {
            States::F64(_) => size_of::<FloatStats>(),
            States::I64(_) => size_of::<IntStats>(),
            States::Bool(_) => size_of::<BoolStats>(),
            States::Str(_) => size_of::<StrStats>(),
        }
    }

    /// Appends the state of a bucket without points.
    pub(super) fn push_empty(&mut self) {
        match &mut self.states {
            States::F64(s) => s.push(no_floats()),
            States::I64(s) => s.push(no_ints()),
            States::Bool(s) => s.push(BoolStats { count: 0, trues: 0, ends: no_ends() }),
            States::Str(s) => s.push(no_strs()),
        }
    }

    /// Forgets every bucket and keeps the memory.
    pub(super) fn clear(&mut self) {
        match &mut self.states {
            States::F64(s) => s.clear(),
            States::I64(s) => s.clear(),
            States::Bool(s) => s.clear(),
            States::Str(s) => s.clear(),
        }
    }

    /// Takes in stored statistics.
    pub(super) fn take_stats(&mut self, slot: usize, stats: Stats) -> Result<()> {
        match (&mut self.states, stats) {
            (States::F64(s), Stats::F64(mut stats)) => {
                if stats.nans == stats.count {
                    (stats.min, stats.max) = (f64::INFINITY, f64::NEG_INFINITY);
                }
                join_floats(&mut s[slot], stats);
            }
            (States::I64(s), Stats::I64(stats)) => join_ints(&mut s[slot], stats),
            (States::Bool(s), Stats::Bool(stats)) => join_bools(&mut s[slot], stats),
            (States::Str(s), Stats::Str(stats)) => join_strs(&mut s[slot], stats),
            (_, stats) => {
                return Err(Error::corrupt(format!(
                    "a block's statistics are of {} and its column is not",
                    stats.field_type().name()
                )));
            }
        }
        Ok(())
    }

    /// Takes in rows of a column; `times` may be empty where the ends are not needed. Returns
    /// whether there is a point among them.
    pub(super) fn take_rows(
        &mut self,
        slot: usize,
        times: &[Timestamp],
        column: &Column,
        rows: Range<usize>,
    ) -> bool {
        let Some((first, last)) = valid_ends(column.validity.as_ref(), &rows) else {
            return false;
        };
        let validity = column.validity.as_ref();
        let (first_time, last_time) = match self.needs.ends {
            true => (times[first], times[last]),
            false => (0, 0),
        };
        let needs = self.needs;
        match (&mut self.states, &column.values) {
            (States::F64(s), Values::F64(v)) => {
                let dense = dense(v, validity, rows, &mut self.doubles);
                let ends = Ends { first: v[first], first_time, last: v[last], last_time };
                join_floats(&mut s[slot], fold_floats(dense, ends, needs));
            }
            (States::I64(s), Values::I64(v)) => {
                let dense = dense(v, validity, rows, &mut self.integers);
                let ends = Ends { first: v[first], first_time, last: v[last], last_time };
                join_ints(&mut s[slot], fold_ints(dense, ends, needs));
            }
            (States::Bool(s), Values::Bool(v)) => {
                let ends = Ends { first: v[first], first_time, last: v[last], last_time };
                let mut stats = BoolStats { count: 0, trues: 0, ends };
                for row in rows.filter(|&i| column.is_valid(i)) {
                    stats.count += 1;
                    stats.trues += u64::from(v[row]);
                }
                join_bools(&mut s[slot], stats);
            }
            (States::Str(s), Values::Str(v)) => {
                let ends = Ends { first, first_time, last, last_time };
                fold_strs(&mut s[slot], v, rows.filter(|&i| column.is_valid(i)), ends, needs);
            }
            (_, values) => unreachable!("a column of {:?} was checked", values.field_type()),
        }
        true
    }

    /// Takes in numbers that count tenths of a power of ten, in states of doubles, cut by cut;
    /// `times` may be empty where the ends are not needed.
    pub(super) fn take_numbers(
        &mut self,
        cuts: &[Cut],
        times: &[Timestamp],
        numbers: &[i64],
        exponent: u8,
    ) {
        let States::F64(states) = &mut self.states else { return };
        let tenths = Tenths::new(exponent);
        if self.needs.ends {
            // Two cuts can be of one bucket: rows between them are deleted.
            let mut before = None;
            for Cut { slot, rows, .. } in cuts {
                let (first, last) = (rows.start, rows.end - 1);
                let ends = Ends {
                    first: tenths.value(numbers[first]),
                    first_time: times[first],
                    last: tenths.value(numbers[last]),
                    last_time: times[last],
                };
                let state = &mut states[*slot];
                join_ends(&mut state.ends, ends, state.count == 0 && before != Some(*slot));
                before = Some(*slot);
            }
        }
        fold_numbers(states, cuts, numbers, tenths, self.needs.deviations);
    }

    /// Counts `rows` points, where nothing else is needed.
    pub(super) fn take_count(&mut self, slot: usize, rows: usize) {
        let rows = rows as u64;
        match &mut self.states {
            States::F64(s) => s[slot].count += rows,
            States::I64(s) => s[slot].count += rows,
            States::Bool(s) => s[slot].count += rows,
            States::Str(s) => s[slot].count += rows,
        }
    }

    /// Takes in the state of a bucket of `other`, which arrived later.
    pub(super) fn join(&mut self, slot: usize, other: &mut Self, from: usize, keep: bool) {
        match (&mut self.states, &mut other.states) {
            (States::F64(s), States::F64(o)) => join_floats(&mut s[slot], o[from].clone()),
            (States::I64(s), States::I64(o)) => join_ints(&mut s[slot], o[from].clone()),
            (States::Bool(s), States::Bool(o)) => join_bools(&mut s[slot], o[from].clone()),
            (States::Str(s), States::Str(o)) if keep => join_strs(&mut s[slot], o[from].clone()),
            (States::Str(s), States::Str(o)) => {
                join_strs(&mut s[slot], std::mem::replace(&mut o[from], no_strs()));
            }
            _ => {}
        }
    }

    /// How many points a bucket has.
    pub(super) fn count(&self, slot: usize) -> u64 {
        match &self.states {
            States::F64(s) => s[slot].count,
            States::I64(s) => s[slot].count,
            States::Bool(s) => s[slot].count,
            States::Str(s) => s[slot].count,
        }
    }

    /// The state of a bucket as statistics, `None` without points. Whole only where all but the
    /// values are needed.
    pub(super) fn stats(&self, slot: usize) -> Option<Stats> {
        let stats = match &self.states {
            States::F64(s) => {
                let mut stats = s[slot].clone();
                if stats.min > stats.max {
                    (stats.min, stats.max) = (f64::NAN, f64::NAN);
                }
                Stats::F64(stats)
            }
            States::I64(s) => Stats::I64(s[slot].clone()),
            States::Bool(s) => Stats::Bool(s[slot].clone()),
            States::Str(s) => Stats::Str(s[slot].clone()),
        };
        (stats.count() > 0).then_some(stats)
    }

    /// Appends what `function` makes of a state; `None` where there is nothing to append.
    pub(super) fn output(
        &self,
        function: Function,
        slot: usize,
        out: &mut Column,
    ) -> Result<Option<()>> {
        Ok(match &self.states {
            States::F64(s) => float_output(out, function, &s[slot]),
            States::I64(s) => int_output(out, function, &s[slot])?,
            States::Bool(s) => bool_output(out, function, &s[slot]),
            States::Str(s) => str_output(out, function, &s[slot]),
        })
    }
}

fn no_floats() -> FloatStats {
    let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
    FloatStats { count: 0, nans: 0, min, max, sum: 0.0, m2: 0.0, ends: no_ends() }
}

fn no_ints() -> IntStats {
    IntStats { count: 0, min: i64::MAX, max: i64::MIN, sum: 0, m2: 0.0, ends: no_ends() }
}

fn no_strs() -> StrStats {
    StrStats { count: 0, min: String::new(), max: String::new(), ends: no_ends() }
}

/// The first and the last valid row of `rows`.
fn valid_ends(validity: Option<&Bitmap>, rows: &Range<usize>) -> Option<(usize, usize)> {
    match validity {
        None => (!rows.is_empty()).then(|| (rows.start, rows.end - 1)),
        Some(bits) => {
            let first = rows.clone().find(|&i| bits.get(i))?;
            Some((first, rows.clone().rev().find(|&i| bits.get(i))?))
        }
    }
}

fn fold_floats(values: &[f64], ends: Ends<f64>, needs: Needs) -> FloatStats {
    let mut stats = FloatStats { count: values.len() as u64, ends, ..no_floats() };
    if needs.sum {
        stats.sum = slices::sum_f64(values);
        if stats.sum.is_nan() {
            stats.nans = slices::nans(values);
        }
    }
    if needs.deviations {
        stats.m2 = slices::deviations_f64(values, stats.sum / values.len() as f64);
    }
    if needs.extremes {
        (stats.min, stats.max) = slices::extremes_f64(values);
    }
    stats
}

dispatched! {
    /// Folds each cut of numbers into the state of its slot, the ends aside.
    fn fold_numbers(
        states: &mut [FloatStats],
        cuts: &[Cut],
        numbers: &[i64],
        tenths: Tenths,
        deviations: bool,
    ) {
        let unit = tenths.value(1);
        for Cut { slot, rows, .. } in cuts {
            let (numbers, state) = (&numbers[rows.clone()], &mut states[*slot]);
            let all = Integers::of(numbers);
            let sum = match all.modest_sum() {
                Some(sum) => tenths.sum(sum as f64),
                None => tenths.sum(all.sum(numbers) as f64),
            };
            let count = numbers.len() as u64;
            if deviations {
                let own = (count, sum, all.deviations(numbers) * unit * unit);
                state.m2 = join_deviations((state.count, state.sum, state.m2), own);
            }
            state.count += count;
            state.sum += sum;
            let (min, max) = (tenths.value(all.least), tenths.value(all.most));
            state.min = if min < state.min { min } else { state.min };
            state.max = if max > state.max { max } else { state.max };
        }
    }
}

fn fold_ints(values: &[i64], ends: Ends<i64>, needs: Needs) -> IntStats {
    let mut stats = IntStats { count: values.len() as u64, ends, ..no_ints() };
    let all = if needs.deviations {
        let (all, deviations) = slices::integers_and_deviations(values);
        stats.m2 = deviations;
        all
    } else {
        slices::integers(values)
    };
    (stats.sum, stats.min, stats.max) = (all.sum(values), all.least, all.most);
    stats
}

/// Strings are compared in place and copied only when they win.
fn fold_strs(
    state: &mut StrStats,
    values: &StrValues,
    rows: impl Iterator<Item = usize>,
    ends: Ends<usize>,
    needs: Needs,
) {
    let new = state.count == 0;
    if needs.ends {
        if new || ends.first_time < state.ends.first_time {
            values.get(ends.first).clone_into(&mut state.ends.first);
            state.ends.first_time = ends.first_time;
        }
        if new || ends.last_time >= state.ends.last_time {
            values.get(ends.last).clone_into(&mut state.ends.last);
            state.ends.last_time = ends.last_time;
        }
    }
    let (mut least, mut greatest) = (None, None);
    for value in rows.map(|row| values.get(row)) {
        state.count += 1;
        if needs.extremes {
            least = Some(least.map_or(value, |l: &str| l.min(value)));
            greatest = Some(greatest.map_or(value, |g: &str| g.max(value)));
        }
    }
    if let Some(least) = least.filter(|l| new || *l < state.min.as_str()) {
        least.clone_into(&mut state.min);
    }
    if let Some(greatest) = greatest.filter(|g| new || *g > state.max.as_str()) {
        greatest.clone_into(&mut state.max);
    }
}
