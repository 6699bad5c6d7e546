//! The statistics of a block as they are stored: of fixed size for each type, none for strings.
//!
//! A dense column's record leaves out what its block tells anyway: how many points there are,
//! and when the first and the last of them were.

use super::layout::Shape;
use super::{BoolStats, Ends, FloatStats, IntStats, Stats};
use crate::error::{Error, Result};
use crate::model::{FieldType, Timestamp};

/// u16 count, i64 time of the first point, i64 time of the last.
const SPARSE: usize = 2 + 8 + 8;
/// u16 NaNs, f64 min, max, sum, sum of squared deviations, first, last.
const F64: usize = 2 + 6 * 8;
/// i64 min, max, i128 sum, f64 sum of squared deviations, i64 first, last.
const I64: usize = 2 * 8 + 16 + 8 + 2 * 8;
/// u16 trues, u8 first in bit 0 and last in bit 1.
const BOOL: usize = 2 + 1;

/// Bytes of a record; `None` where none is stored.
pub(super) fn size(shape: Shape) -> Option<usize> {
    let values = match shape.ty {
        FieldType::F64 => F64,
        FieldType::I64 => I64,
        FieldType::Bool => BOOL,
        FieldType::Str => return None,
    };
    Some(if shape.dense { values } else { SPARSE + values })
}

/// Appends a record; of zeros where the block has no point.
pub(super) fn write(stats: Option<&Stats>, shape: Shape, out: &mut Vec<u8>) {
    let end = out.len() + size(shape).unwrap_or(0);
    if !shape.dense {
        let (first_time, last_time) = match stats {
            Some(Stats::F64(s)) => (s.ends.first_time, s.ends.last_time),
            Some(Stats::I64(s)) => (s.ends.first_time, s.ends.last_time),
            Some(Stats::Bool(s)) => (s.ends.first_time, s.ends.last_time),
            Some(Stats::Str(_)) | None => (0, 0),
        };
        out.extend(small(stats.map_or(0, Stats::count)));
        out.extend(first_time.to_le_bytes());
        out.extend(last_time.to_le_bytes());
    }
    match stats {
        Some(Stats::F64(s)) => {
            out.extend(small(s.nans));
            for value in [s.min, s.max, s.sum, s.m2, s.ends.first, s.ends.last] {
                out.extend(value.to_bits().to_le_bytes());
            }
        }
        Some(Stats::I64(s)) => {
            out.extend(s.min.to_le_bytes());
            out.extend(s.max.to_le_bytes());
            out.extend(s.sum.to_le_bytes());
            out.extend(s.m2.to_bits().to_le_bytes());
            out.extend(s.ends.first.to_le_bytes());
            out.extend(s.ends.last.to_le_bytes());
        }
        Some(Stats::Bool(s)) => {
            out.extend(small(s.trues));
            out.push(u8::from(s.ends.first) | u8::from(s.ends.last) << 1);
        }
        Some(Stats::Str(_)) | None => {}
    }
    out.resize(end, 0);
}

/// A number of rows of a block, which are at most 1,024.
fn small(rows: u64) -> [u8; 2] {
    u16::try_from(rows).expect("a block has at most 1,024 rows").to_le_bytes()
}

/// Checks that the counts of a record of a block of `rows` rows can be.
pub(super) fn check(record: &[u8], shape: Shape, rows: usize) -> Result<()> {
    let mut from = Fields(record);
    let count = if shape.dense { rows } else { from.small() as usize };
    if !shape.dense {
        let (first_time, last_time) = (from.i64(), from.i64());
        if first_time > last_time {
            return Err(Error::corrupt("chunk: statistics whose first point is after the last"));
        }
    }
    let some = match shape.ty {
        FieldType::F64 | FieldType::Bool => from.small() as usize,
        FieldType::I64 | FieldType::Str => 0,
    };
    if count > rows || some > count {
        return Err(Error::corrupt(format!(
            "chunk: statistics of {count} points, {some} of them special, in {rows} rows"
        )));
    }
    Ok(())
}

/// Reads a record that [`check`] passed; `None` where the block has no point.
pub(super) fn read(
    record: &[u8],
    shape: Shape,
    rows: usize,
    span: (Timestamp, Timestamp),
) -> Option<Stats> {
    let mut from = Fields(record);
    let (count, first_time, last_time) = if shape.dense {
        (rows as u64, span.0, span.1)
    } else {
        (from.small(), from.i64(), from.i64())
    };
    if count == 0 {
        return None;
    }
    match shape.ty {
        FieldType::F64 => {
            let nans = from.small();
            let [min, max, sum, m2, first, last] = [(); 6].map(|()| from.f64());
            let ends = Ends { first, first_time, last, last_time };
            Some(Stats::F64(FloatStats { count, nans, min, max, sum, m2, ends }))
        }
        FieldType::I64 => {
            let (min, max, sum, m2) = (from.i64(), from.i64(), from.i128(), from.f64());
            let ends = Ends { first: from.i64(), first_time, last: from.i64(), last_time };
            Some(Stats::I64(IntStats { count, min, max, sum, m2, ends }))
        }
        FieldType::Bool => {
            let (trues, bits) = (from.small(), from.take::<1>()[0]);
            let ends = Ends { first: bits & 1 == 1, first_time, last: bits & 2 == 2, last_time };
            Some(Stats::Bool(BoolStats { count, trues, ends }))
        }
        FieldType::Str => None,
    }
}

/// What is left of a record, whose size was checked with the chunk.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (front, rest) = self.0.split_first_chunk::<N>().expect("a record is of its size");
        self.0 = rest;
        *front
    }

    fn small(&mut self) -> u64 {
        u16::from_le_bytes(self.take()).into()
    }

    fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.take())
    }

    fn i128(&mut self) -> i128 {
        i128::from_le_bytes(self.take())
    }

    fn f64(&mut self) -> f64 {
        f64::from_bits(u64::from_le_bytes(self.take()))
    }
}
