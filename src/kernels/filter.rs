//! Which rows of a block pass a test of one field: by its statistics, else by its codes where these
//! can be compared, else by its values.
//!
//! Numbers compare as in DuckDB: NaN equals itself and is greater than all else. A null passes the
//! test for null and no other.

use crate::chunk::{PartData, Stats};
use crate::error::{Error, Result};
use crate::model::{Column, Values};

/// What is asked of a field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Nothing passes.
    Never,
    /// It is null.
    Null,
    /// It is not null.
    Valid,
    /// It lies in one of these inclusive spans, or is NaN where NaN passes.
    Doubles {
        /// The least and the greatest of each.
        spans: Vec<(f64, f64)>,
        /// Whether NaN passes.
        nan: bool,
    },
    /// It lies in one of these inclusive spans.
    Integers(Vec<(i64, i64)>),
}

/// How many rows of a block pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// None of them.
    None,
    /// Some may: they must be looked at.
    Some,
    /// All of them.
    All,
}

impl Verdict {
    /// Of two tests that must both be passed.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::All, Self::All) => Self::All,
            _ => Self::Some,
        }
    }
}

fn meet<T: Copy + PartialOrd>(a: &[(T, T)], b: &[(T, T)]) -> Vec<(T, T)> {
    let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
    let met =
        pairs.map(|(a, b)| (if a.0 > b.0 { a.0 } else { b.0 }, if a.1 < b.1 { a.1 } else { b.1 }));
    met.filter(|(low, high)| low <= high).collect()
}

fn verdict_of<T: Copy + PartialOrd>(spans: &[(T, T)], least: T, most: T) -> Verdict {
    if spans.iter().any(|span| span.0 <= least && most <= span.1) {
        Verdict::All
    } else if spans.iter().any(|span| span.0 <= most && least <= span.1) {
        Verdict::Some
    } else {
        Verdict::None
    }
}

impl Test {
    /// Both tests of one field.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Doubles { spans: a, nan: x }, Self::Doubles { spans: b, nan: y }) => {
                Self::Doubles { spans: meet(&a, &b), nan: x && y }
            }
            (Self::Integers(a), Self::Integers(b)) => Self::Integers(meet(&a, &b)),
            (Self::Null, Self::Null) => Self::Null,
            (Self::Null | Self::Never, _) | (_, Self::Null | Self::Never) => Self::Never,
            (Self::Valid, other) | (other, Self::Valid) => other,
            (Self::Doubles { .. }, Self::Integers(_))
            | (Self::Integers(_), Self::Doubles { .. }) => Self::Never,
        }
    }

    /// What statistics tell of a block of `rows` rows. `stats` as [`PartData::stats`] gives them.
    pub fn verdict(&self, stats: Option<Option<&Stats>>, rows: usize) -> Verdict {
        let Some(stats) = stats else { return Verdict::Some };
        let valid = stats.map_or(0, Stats::count) as usize;
        let of_valid = match (self, stats) {
            (Self::Never, _) => return Verdict::None,
            (Self::Null, _) => {
                return match valid {
                    0 => Verdict::All,
                    all if all == rows => Verdict::None,
                    _ => Verdict::Some,
                };
            }
            (_, None) => return Verdict::None,
            (Self::Valid, _) => Verdict::All,
            (Self::Doubles { spans, nan }, Some(Stats::F64(stats))) => {
                let of_nan = if *nan { Verdict::All } else { Verdict::None };
                let numbers = || verdict_of(spans, stats.min, stats.max);
                match stats.nans {
                    0 => numbers(),
                    all if all == stats.count => of_nan,
                    _ if numbers() == of_nan => of_nan,
                    _ => Verdict::Some,
                }
            }
            (Self::Integers(spans), Some(Stats::I64(stats))) => {
                verdict_of(spans, stats.min, stats.max)
            }
            _ => Verdict::Some,
        };
        if of_valid == Verdict::All && valid < rows { Verdict::Some } else { of_valid }
    }

    /// Whether the value of a row passes.
    pub fn passes(&self, column: &Column, row: usize) -> bool {
        match (self, &column.values) {
            (Self::Never, _) => false,
            (Self::Null, _) => !column.is_valid(row),
            _ if !column.is_valid(row) => false,
            (Self::Valid, _) => true,
            (Self::Doubles { spans, nan }, Values::F64(v)) => {
                let value = v[row];
                if value.is_nan() {
                    *nan
                } else {
                    spans.iter().any(|s| s.0 <= value && value <= s.1)
                }
            }
            (Self::Integers(spans), Values::I64(v)) => {
                spans.iter().any(|s| s.0 <= v[row] && v[row] <= s.1)
            }
            _ => false,
        }
    }

    /// Takes the rows of a block that do not pass out of `keep`, which has a slot for each of them.
    /// `column` is the part's, `None` where it lacks the field: all are null.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the block does not decode.
    pub fn retain(
        &self,
        data: &PartData,
        column: Option<usize>,
        block: usize,
        keep: &mut [bool],
        scratch: &mut Vec<bool>,
    ) -> Result<()> {
        let Some(column) = column else {
            if *self != Self::Null {
                keep.fill(false);
            }
            return Ok(());
        };
        if self.compared(data, column, block, keep, scratch)? {
            return Ok(());
        }
        let mut values = Column::empty(data.column_type(column));
        data.decode_column(column, block, &mut values)?;
        if values.len() != keep.len() {
            return Err(Error::corrupt("a chunk's block has columns of unequal length"));
        }
        for (row, keep) in keep.iter_mut().enumerate() {
            *keep = *keep && self.passes(&values, row);
        }
        Ok(())
    }

    /// By the codes of a block without nulls and NaN; false, and nothing done, where that is not
    /// to be had.
    fn compared(
        &self,
        data: &PartData,
        column: usize,
        block: usize,
        keep: &mut [bool],
        scratch: &mut Vec<bool>,
    ) -> Result<bool> {
        let PartData::Encoded(chunk) = data else { return Ok(false) };
        if !chunk.is_dense(column) {
            return Ok(false);
        }
        let mut within = |of: &mut dyn FnMut(usize, &mut Vec<bool>) -> Result<()>, spans: usize| {
            let mut any = vec![false; keep.len()];
            for span in 0..spans {
                scratch.clear();
                of(span, scratch)?;
                any.iter_mut().zip(&*scratch).for_each(|(any, own)| *any |= own);
            }
            keep.iter_mut().zip(any).for_each(|(keep, any)| *keep &= any);
            Ok(true)
        };
        match self {
            Self::Doubles { spans, nan } => {
                let nans = match chunk.stats(column, block) {
                    Some(Some(Stats::F64(stats))) => stats.nans,
                    _ => 1,
                };
                if *nan && nans > 0 {
                    return Ok(false);
                }
                within(
                    &mut |at, out| chunk.doubles_within(column, block, spans[at], out),
                    spans.len(),
                )
            }
            Self::Integers(spans) => within(
                &mut |at, out| chunk.integers_within(column, block, spans[at], out),
                spans.len(),
            ),
            _ => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::chunk::{Chunk, PlainChunk};
    use crate::model::Bitmap;

    fn doubles() -> impl Strategy<Value = f64> {
        prop_oneof![
            6 => (-40..40i32).prop_map(|v| f64::from(v) / 4.0),
            1 => Just(f64::NAN),
            1 => Just(-0.0),
            1 => Just(f64::INFINITY),
        ]
    }

    fn tests() -> impl Strategy<Value = Test> {
        let spans = prop::collection::vec((-40..40i32, 0..30i32), 0..3);
        prop_oneof![
            1 => Just(Test::Null),
            1 => Just(Test::Valid),
            1 => Just(Test::Never),
            5 => (spans.clone(), any::<bool>()).prop_map(|(spans, nan)| {
                let span = |(low, more): (i32, i32)| {
                    (f64::from(low) / 4.0, f64::from(low + more) / 4.0)
                };
                Test::Doubles { spans: spans.into_iter().map(span).collect(), nan }
            }),
            3 => spans.prop_map(|spans| {
                let span = |(low, more): (i32, i32)| (i64::from(low), i64::from(low + more));
                Test::Integers(spans.into_iter().map(span).collect())
            }),
        ]
    }

    proptest! {
        #[test]
        fn blocks_keep_what_passes(
            values in prop::collection::vec((doubles(), any::<u8>()), 1..400),
            all_valid in any::<bool>(),
            numbers_only in any::<bool>(),
            test in tests(),
            other in tests(),
        ) {
            let keep_nan = |v: f64| if numbers_only && !v.is_finite() { 1.25 } else { v };
            let numbers: Vec<f64> = values.iter().map(|(v, _)| keep_nan(*v)).collect();
            let valid: Bitmap = values.iter().map(|(_, bits)| all_valid || bits % 5 > 0).collect();
            let integers = matches!(test, Test::Integers(_));
            let values = if integers {
                Values::I64(numbers.iter().map(|v| *v as i64).collect())
            } else {
                Values::F64(numbers)
            };
            let column = Column { values, validity: (!all_valid).then_some(valid) };
            let times: Vec<i64> = (0..column.len() as i64).collect();
            let mut bytes = Vec::new();
            Chunk::encode(&times, std::slice::from_ref(&column), &[], &mut bytes).expect("a chunk");
            let chunk = Chunk::open(bytes.into()).expect("its own bytes");
            let plain = PlainChunk { times: times.clone(), columns: vec![column.clone()] };
            let both = test.clone().and(other.clone());
            let expected: Vec<bool> =
                (0..column.len()).map(|row| test.passes(&column, row)).collect();
            for row in 0..column.len() {
                prop_assert_eq!(
                    both.passes(&column, row),
                    test.passes(&column, row) && other.passes(&column, row),
                );
            }
            for data in [PartData::Encoded(chunk), PartData::Plain(Arc::new(plain))] {
                let mut keep = vec![true; times.len()];
                test.retain(&data, Some(0), 0, &mut keep, &mut Vec::new()).expect("a block");
                prop_assert_eq!(&keep, &expected);
                let stats = data.stats(0, 0);
                let verdict = test.verdict(stats.as_ref().map(Option::as_ref), times.len());
                match verdict {
                    Verdict::None => prop_assert!(expected.iter().all(|keep| !keep)),
                    Verdict::All => prop_assert!(expected.iter().all(|keep| *keep)),
                    Verdict::Some => {}
                }
            }
        }
    }
}
