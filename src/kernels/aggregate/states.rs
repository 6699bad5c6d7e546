//! The states of one field's aggregates, one a bucket.

use std::ops::Range;

use super::output::{bool_output, float_output, int_output, push, str_output};
use crate::chunk::{BoolStats, Ends, FloatStats, IntStats, Stats, StrStats};
use crate::codec::units;
use crate::error::{Error, Result};
use crate::kernels::function::{Function, Needs};
use crate::kernels::percentile::percentile;
use crate::kernels::slices;
use crate::model::{Bitmap, Column, FieldType, StrValues, Timestamp, Values};

/// One state a bucket. What `needs` does not ask for is not computed and holds nothing of use.
///
/// Invariant: a state of doubles that saw no number has `min > max`, NaN or not.
#[derive(Debug)]
pub(super) struct FieldStates {
    needs: Needs,
    states: States,
    /// The values themselves where percentiles need them, one list a bucket.
    values: Vec<Vec<f64>>,
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

impl FieldStates {
    pub(super) fn new(ty: FieldType, needs: Needs) -> Self {
        let states = match ty {
            FieldType::F64 => States::F64(Vec::new()),
            FieldType::I64 => States::I64(Vec::new()),
            FieldType::Bool => States::Bool(Vec::new()),
            FieldType::Str => States::Str(Vec::new()),
        };
        let (doubles, integers) = (Vec::new(), Vec::new());
        Self { needs, states, values: Vec::new(), doubles, integers }
    }

    /// Bytes of one state.
    pub(super) fn state_bytes(&self) -> usize {
        let values = if self.needs.values { size_of::<Vec<f64>>() } else { 0 };
        values
            + match &self.states {
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
            States::Str(s) => s.push(StrStats {
                count: 0,
                min: String::new(),
                max: String::new(),
                ends: no_ends(),
            }),
        }
        if self.needs.values {
            self.values.push(Vec::new());
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

    /// Takes in rows of a column; `times` may be empty where the ends are not needed. Returns how
    /// many values it keeps.
    pub(super) fn take_rows(
        &mut self,
        slot: usize,
        times: &[Timestamp],
        column: &Column,
        rows: Range<usize>,
    ) -> usize {
        let Some((first, last)) = valid_ends(column.validity.as_ref(), &rows) else { return 0 };
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
                if needs.values {
                    self.values[slot].extend_from_slice(dense);
                    return dense.len();
                }
            }
            (States::I64(s), Values::I64(v)) => {
                let dense = dense(v, validity, rows, &mut self.integers);
                let ends = Ends { first: v[first], first_time, last: v[last], last_time };
                join_ints(&mut s[slot], fold_ints(dense, ends, needs));
                if needs.values {
                    self.values[slot].extend(dense.iter().map(|&v| v as f64));
                    return dense.len();
                }
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
        0
    }

    /// Takes in numbers that count tenths of a power of ten, in a state of doubles; `times` may be
    /// empty where the ends are not needed.
    pub(super) fn take_numbers(
        &mut self,
        slot: usize,
        times: &[Timestamp],
        numbers: &[i64],
        exponent: u8,
    ) {
        let (&[first, ..], &[.., last]) = (numbers, numbers) else { return };
        let States::F64(states) = &mut self.states else { return };
        let time = |time: Option<&Timestamp>| time.copied().unwrap_or_default();
        let ends = Ends {
            first: units::decimal(first, exponent),
            first_time: time(times.first()),
            last: units::decimal(last, exponent),
            last_time: time(times.last()),
        };
        join_floats(&mut states[slot], fold_numbers(numbers, exponent, ends, self.needs));
    }

    /// Takes in the state of a bucket of `other`, which arrived later.
    pub(super) fn take_state(&mut self, slot: usize, other: &mut Self, from: usize) {
        use std::mem::replace;
        match (&mut self.states, &mut other.states) {
            (States::F64(s), States::F64(o)) => {
                join_floats(&mut s[slot], replace(&mut o[from], no_floats()));
            }
            (States::I64(s), States::I64(o)) => {
                join_ints(&mut s[slot], replace(&mut o[from], no_ints()));
            }
            (States::Bool(s), States::Bool(o)) => join_bools(&mut s[slot], o[from].clone()),
            (States::Str(s), States::Str(o)) => join_strs(&mut s[slot], o[from].clone()),
            _ => {}
        }
        if self.needs.values {
            let values = std::mem::take(&mut other.values[from]);
            if self.values[slot].is_empty() {
                self.values[slot] = values;
            } else {
                self.values[slot].extend_from_slice(&values);
            }
        }
    }

    /// Whether a bucket has a point.
    pub(super) fn has_points(&self, slot: usize) -> bool {
        let count = match &self.states {
            States::F64(s) => s[slot].count,
            States::I64(s) => s[slot].count,
            States::Bool(s) => s[slot].count,
            States::Str(s) => s[slot].count,
        };
        count > 0
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

    /// What `function` makes of the states at `slots`, in that order.
    pub(super) fn output(&mut self, function: Function, slots: &[usize]) -> Result<Column> {
        let ty = match self.states {
            States::F64(_) => FieldType::F64,
            States::I64(_) => FieldType::I64,
            States::Bool(_) => FieldType::Bool,
            States::Str(_) => FieldType::Str,
        };
        let mut out = Column::empty(function.output(ty)?);
        for &slot in slots {
            let done = match (&self.states, function) {
                (_, Function::Median | Function::Percentile(_)) => {
                    let percent = match function {
                        Function::Percentile(percent) => percent,
                        _ => 50.0,
                    };
                    push(&mut out, percentile(&mut self.values[slot], percent))
                }
                (States::F64(s), _) => float_output(&mut out, function, &s[slot]),
                (States::I64(s), _) => int_output(&mut out, function, &s[slot])?,
                (States::Bool(s), _) => bool_output(&mut out, function, &s[slot]),
                (States::Str(s), _) => str_output(&mut out, function, &s[slot]),
            };
            if done.is_none() {
                out.push_null();
            }
        }
        Ok(out)
    }
}

fn no_floats() -> FloatStats {
    let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
    FloatStats { count: 0, nans: 0, min, max, sum: 0.0, m2: 0.0, ends: no_ends() }
}

fn no_ints() -> IntStats {
    IntStats { count: 0, min: i64::MAX, max: i64::MIN, sum: 0, m2: 0.0, ends: no_ends() }
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

/// The valid values of `rows`, copied only where there are nulls.
fn dense<'a, T: Copy>(
    values: &'a [T],
    validity: Option<&Bitmap>,
    rows: Range<usize>,
    scratch: &'a mut Vec<T>,
) -> &'a [T] {
    match validity {
        None => &values[rows],
        Some(bits) => {
            scratch.clear();
            scratch.extend(rows.filter(|&i| bits.get(i)).map(|i| values[i]));
            scratch
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

fn fold_numbers(numbers: &[i64], exponent: u8, ends: Ends<f64>, needs: Needs) -> FloatStats {
    let mut stats = FloatStats { count: numbers.len() as u64, ends, ..no_floats() };
    if needs.sum {
        stats.sum = units::decimal_sum(slices::sum_i64(numbers), exponent);
    }
    if needs.deviations {
        let mean = slices::sum_i64(numbers) as f64 / numbers.len() as f64;
        let unit = units::decimal(1, exponent);
        stats.m2 = slices::deviations_i64(numbers, mean) * unit * unit;
    }
    if needs.extremes {
        let (min, max) = slices::extremes_i64(numbers);
        (stats.min, stats.max) = (units::decimal(min, exponent), units::decimal(max, exponent));
    }
    stats
}

fn fold_ints(values: &[i64], ends: Ends<i64>, needs: Needs) -> IntStats {
    let mut stats = IntStats { count: values.len() as u64, ends, ..no_ints() };
    if needs.sum {
        stats.sum = slices::sum_i64(values);
    }
    if needs.deviations {
        stats.m2 = slices::deviations_i64(values, stats.sum as f64 / values.len() as f64);
    }
    if needs.extremes {
        (stats.min, stats.max) = slices::extremes_i64(values);
    }
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
