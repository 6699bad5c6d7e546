//! Columns of times.
//!
//! Times that come in even steps, but for some gaps, are the first one, the step and the gaps:
//! nothing grows with their number, and the time of any row is one multiplication away. Times
//! whose distances are few but lie far apart are places in a list of those. All others are
//! integers, for which `integers` finds the unit that they share and the line that they keep to.

mod steps;
mod strides;

use std::ops::Range;

use super::integers::column::Reader;
use super::{BLOCK, Effort, Encoded, Encoding, longs, whole_blocks};
use crate::error::{Error, Result};
use steps::Steps;
use strides::Strides;

/// Bytes that are not worth a comparison.
const FEW: usize = 24;

/// Encodes times of rows in whole blocks.
pub(crate) fn encode(values: &[i64], effort: Effort) -> Encoded {
    let ends = whole_blocks(values.len());
    let regular = Steps::of(values).map(|steps| {
        let mut shared = Vec::new();
        steps.write(&mut shared);
        Encoded::of_blocks(Encoding::Regular, shared, &ends, |_, _| {})
    });
    // Few bytes whatever else there is.
    if let Some(regular) = regular.as_ref().filter(|regular| regular.size() <= FEW) {
        return regular.clone();
    }
    let integers = longs::encode(values, &ends, effort);
    let strides = strides::encode(values, &ends, integers.size(), effort);
    [Some(integers), strides, regular]
        .into_iter()
        .flatten()
        .min_by_key(Encoded::size)
        .expect("integers hold any times")
}

/// What is needed to read a column of times.
#[derive(Debug)]
pub struct Times(Form);

#[derive(Debug)]
enum Form {
    Steps(Steps),
    Strides(Strides),
    Integers(Reader),
}

/// Times of a run of rows that are a step apart.
///
/// Invariant: the step is not negative, and no time of the run passes those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvenTimes {
    /// The first.
    pub first: i64,
    /// From one to the next.
    pub step: i64,
    /// How many there are.
    pub rows: usize,
}

impl EvenTimes {
    fn checked(first: i64, step: i64, rows: usize) -> Option<Self> {
        let steps = i64::try_from(rows.checked_sub(1)?).ok()?;
        first.checked_add(step.checked_mul(steps)?)?;
        (step >= 0).then_some(Self { first, step, rows })
    }

    /// The time of a row.
    pub fn at(&self, row: usize) -> i64 {
        self.first.wrapping_add(self.step.wrapping_mul(row as i64))
    }

    /// How many rows are before `time`.
    pub fn before(&self, time: i64) -> usize {
        if time <= self.first || self.step == 0 {
            return if time <= self.first { 0 } else { self.rows };
        }
        let rows = time.abs_diff(self.first).div_ceil(self.step as u64);
        usize::try_from(rows).map_or(self.rows, |rows| rows.min(self.rows))
    }
}

impl Times {
    /// Reads what the blocks of a column share.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not of that encoding.
    pub fn open(encoding: Encoding, mut shared: &[u8]) -> Result<Self> {
        let form = match encoding {
            Encoding::Regular => Form::Steps(Steps::read(&mut shared)?),
            Encoding::Strides => Form::Strides(Strides::read(&mut shared)?),
            Encoding::Integers => Form::Integers(Reader::open(&mut shared)?),
            other => return Err(super::misplaced(other, "time")),
        };
        if shared.is_empty() { Ok(Self(form)) } else { Err(super::too_long(encoding)) }
    }

    /// The time of a row, where it needs no decoding.
    pub fn at(&self, row: usize) -> Option<i64> {
        match &self.0 {
            Form::Steps(steps) => Some(steps.at(row)),
            Form::Strides(_) | Form::Integers(_) => None,
        }
    }

    /// The times of the rows `rows`, where they are even and need no decoding.
    pub fn even(&self, block: &[u8], rows: Range<usize>) -> Option<EvenTimes> {
        match &self.0 {
            Form::Steps(steps) if block.is_empty() => {
                let (first, step) = steps.even(&rows)?;
                EvenTimes::checked(first, step, rows.len())
            }
            _ => None,
        }
    }

    /// Appends the times of the rows `rows`, at most [`BLOCK`] of them, out of their block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly these; `out` is then as it was.
    pub fn decode(&self, block: &[u8], rows: Range<usize>, out: &mut Vec<i64>) -> Result<()> {
        if rows.len() > BLOCK {
            return Err(Error::Internal(format!("a block of {} times", rows.len())));
        }
        super::append(out, rows.len(), |slots| match &self.0 {
            Form::Steps(steps) if block.is_empty() => {
                steps.fill(rows.start, slots);
                Ok(())
            }
            Form::Steps(_) => Err(Error::corrupt("regular: bytes in a block")),
            Form::Strides(strides) => strides.decode(block, slots),
            Form::Integers(reader) => reader.decode(block, slots),
        })
    }
}
