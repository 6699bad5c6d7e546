//! Statistics of a run of points: what a block stores of itself, and the state of an aggregate.
//!
//! Merging is exact for counts, integer sums, extremes, first and last; for the sum of squared
//! deviations it is Chan, Golub and LeVeque's pairwise update (1979).

use std::borrow::Cow;
use std::ops::Range;

use super::summary::{self, Floats, Ints};
use crate::model::{Bitmap, Column, FieldType, Timestamp, Values};

/// First and last value of a run with their times; ties keep the first-seen first and the
/// last-seen last.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends<T> {
    /// The earliest value.
    pub first: T,
    /// The time of the earliest value.
    pub first_time: Timestamp,
    /// The latest value.
    pub last: T,
    /// The time of the latest value.
    pub last_time: Timestamp,
}

impl<T> Ends<T> {
    /// Takes in the ends of a later-arrived run.
    fn merge(&mut self, other: Self) {
        if other.first_time < self.first_time {
            self.first = other.first;
            self.first_time = other.first_time;
        }
        if other.last_time >= self.last_time {
            self.last = other.last;
            self.last_time = other.last_time;
        }
    }
}

/// Statistics of doubles. `min` and `max` pass over NaN unless there is nothing else; `sum`, and
/// so `m2`, take NaN and infinities as IEEE 754 adds them.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatStats {
    /// Values that are not null, NaN among them.
    pub count: u64,
    /// Values that are NaN.
    pub nans: u64,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// The sum.
    pub sum: f64,
    /// The sum of squared deviations from the mean.
    pub m2: f64,
    /// First and last.
    pub ends: Ends<f64>,
}

/// Statistics of integers; the sum is exact.
#[derive(Clone, Debug, PartialEq)]
pub struct IntStats {
    /// Values that are not null.
    pub count: u64,
    /// The least value.
    pub min: i64,
    /// The greatest value.
    pub max: i64,
    /// The sum.
    pub sum: i128,
    /// The sum of squared deviations from the mean.
    pub m2: f64,
    /// First and last.
    pub ends: Ends<i64>,
}

/// Statistics of truth values.
#[derive(Clone, Debug, PartialEq)]
pub struct BoolStats {
    /// Values that are not null.
    pub count: u64,
    /// Values that are true.
    pub trues: u64,
    /// First and last.
    pub ends: Ends<bool>,
}

/// Statistics of strings; never stored with a block, for they have no fixed size.
#[derive(Clone, Debug, PartialEq)]
pub struct StrStats {
    /// Values that are not null.
    pub count: u64,
    /// The least value in byte order.
    pub min: String,
    /// The greatest value in byte order.
    pub max: String,
    /// First and last.
    pub ends: Ends<String>,
}

/// Statistics of a run of points of one field. `None` where the run has no point.
#[derive(Clone, Debug, PartialEq)]
pub enum Stats {
    /// Of doubles.
    F64(FloatStats),
    /// Of integers.
    I64(IntStats),
    /// Of truth values.
    Bool(BoolStats),
    /// Of strings.
    Str(StrStats),
}

impl Stats {
    /// The statistics of the rows `range` of a column with its times, `None` when all are null.
    /// `times` ascend. Values are squeezed together before they are added, so that equal points
    /// give equal statistics, bit for bit, however their nulls are held.
    pub fn of(times: &[Timestamp], column: &Column, range: Range<usize>) -> Option<Self> {
        let nulls = column.validity.as_ref().filter(|v| range.clone().any(|i| !v.get(i)));
        let valid = |i: &usize| nulls.is_none_or(|v| v.get(*i));
        let rows = || range.clone().filter(valid);
        let (start, end) = (rows().next()?, rows().next_back()?);
        let (first_time, last_time) = (times[start], times[end]);
        Some(match &column.values {
            Values::F64(v) => {
                let v = squeezed(v, &range, nulls);
                let Floats { nans, min, max, sum, m2 } = summary::floats(&v);
                let (count, first, last) = (v.len() as u64, v[0], v[v.len() - 1]);
                let ends = Ends { first, first_time, last, last_time };
                Self::F64(FloatStats { count, nans, min, max, sum, m2, ends })
            }
            Values::I64(v) => {
                let v = squeezed(v, &range, nulls);
                let Ints { min, max, sum, m2 } = summary::ints(&v);
                let (count, first, last) = (v.len() as u64, v[0], v[v.len() - 1]);
                let ends = Ends { first, first_time, last, last_time };
                Self::I64(IntStats { count, min, max, sum, m2, ends })
            }
            Values::Bool(v) => {
                let v = squeezed(v, &range, nulls);
                let trues = v.iter().map(|&bit| u64::from(bit)).sum();
                let (count, first, last) = (v.len() as u64, v[0], v[v.len() - 1]);
                let ends = Ends { first, first_time, last, last_time };
                Self::Bool(BoolStats { count, trues, ends })
            }
            Values::Str(v) => {
                let count = rows().count() as u64;
                let min = rows().map(|i| v.get(i)).min()?.to_owned();
                let max = rows().map(|i| v.get(i)).max()?.to_owned();
                let (first, last) = (v.get(start).to_owned(), v.get(end).to_owned());
                let ends = Ends { first, first_time, last, last_time };
                Self::Str(StrStats { count, min, max, ends })
            }
        })
    }

    /// Takes in the statistics of a run that comes after this one in arrival.
    ///
    /// # Panics
    /// When the types differ: a field has one type for the life of its table.
    pub fn merge(&mut self, other: Self) {
        match (self, other) {
            (Self::F64(a), Self::F64(b)) => {
                let numbers = (a.count - a.nans, b.count - b.nans);
                (a.min, a.max) = match numbers {
                    (_, 0) => (a.min, a.max),
                    (0, _) => (b.min, b.max),
                    _ => (a.min.min(b.min), a.max.max(b.max)),
                };
                a.m2 = merged_m2((a.count, a.sum, a.m2), (b.count, b.sum, b.m2));
                a.count += b.count;
                a.nans += b.nans;
                a.sum += b.sum;
                a.ends.merge(b.ends);
            }
            (Self::I64(a), Self::I64(b)) => {
                let (left, right) = ((a.count, a.sum as f64, a.m2), (b.count, b.sum as f64, b.m2));
                a.m2 = merged_m2(left, right);
                a.min = a.min.min(b.min);
                a.max = a.max.max(b.max);
                a.count += b.count;
                a.sum += b.sum;
                a.ends.merge(b.ends);
            }
            (Self::Bool(a), Self::Bool(b)) => {
                a.count += b.count;
                a.trues += b.trues;
                a.ends.merge(b.ends);
            }
            (Self::Str(a), Self::Str(b)) => {
                a.count += b.count;
                if b.min < a.min {
                    a.min = b.min;
                }
                if b.max > a.max {
                    a.max = b.max;
                }
                a.ends.merge(b.ends);
            }
            (a, b) => panic!("{:?} cannot take in {:?}", a.field_type(), b.field_type()),
        }
    }

    /// Merges `other` into `into`, either of which may be of no point.
    pub fn merge_into(into: &mut Option<Self>, other: Option<Self>) {
        match (into.as_mut(), other) {
            (Some(into), Some(other)) => into.merge(other),
            (None, other) => *into = other,
            (Some(_), None) => {}
        }
    }

    /// The type of the values.
    pub fn field_type(&self) -> FieldType {
        match self {
            Self::F64(_) => FieldType::F64,
            Self::I64(_) => FieldType::I64,
            Self::Bool(_) => FieldType::Bool,
            Self::Str(_) => FieldType::Str,
        }
    }

    /// How many values are not null.
    pub fn count(&self) -> u64 {
        match self {
            Self::F64(s) => s.count,
            Self::I64(s) => s.count,
            Self::Bool(s) => s.count,
            Self::Str(s) => s.count,
        }
    }
}

/// The values of the rows that are not null.
pub(super) fn squeezed<'a, T: Copy>(
    values: &'a [T],
    rows: &Range<usize>,
    nulls: Option<&Bitmap>,
) -> Cow<'a, [T]> {
    match nulls {
        None => Cow::Borrowed(&values[rows.clone()]),
        Some(v) => Cow::Owned(rows.clone().filter(|&i| v.get(i)).map(|i| values[i]).collect()),
    }
}

/// Sum of squared deviations of two runs together, each given as (count, sum, m2).
fn merged_m2(a: (u64, f64, f64), b: (u64, f64, f64)) -> f64 {
    let (n, m) = (a.0 as f64, b.0 as f64);
    let delta = b.1 / m - a.1 / n;
    a.2 + b.2 + delta * delta * (n * m / (n + m))
}
