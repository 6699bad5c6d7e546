//! Rows to a chunk's bytes.

use std::borrow::Cow;
use std::ops::Range;

use super::layout::{FULL, FULL_FROM, SHORT, Shape, block_rows};
use super::record::{self, Form, Numbers};
use super::stats::squeezed;
use super::{BLOCK_ROWS, CHUNK_ROWS, Stats, array};
use crate::codec::{self, Choice, Effort, Encoded, Encoding, varint};
use crate::error::Result;
use crate::model::{Bitmap, Column, StrValues, Timestamp, Values};

/// Appends a chunk.
pub(super) fn encode(
    times: &[Timestamp],
    columns: &[Column],
    choices: &[Choice],
    out: &mut Vec<u8>,
) -> Result<()> {
    let rows = times.len();
    assert!((1..=CHUNK_ROWS).contains(&rows), "a chunk of {rows} rows");
    assert!(columns.len() <= usize::from(u16::MAX), "a chunk of {} columns", columns.len());
    assert!(times.is_sorted(), "the times of a chunk ascend");
    assert!(choices.is_empty() || choices.len() == columns.len(), "a choice a column, or none");
    for column in columns {
        let bits = column.validity.as_ref().map_or(rows, Bitmap::len);
        assert!(column.len() == rows && bits == rows, "a ragged column in a chunk");
    }
    let choice = |at: usize| choices.get(at).copied().unwrap_or_default();
    let effort = choices.first().map_or(Effort::Hot, |choice| choice.effort);
    let encoded = columns
        .iter()
        .enumerate()
        .map(|(at, column)| EncodedColumn::of(column, choice(at)))
        .collect::<Result<Vec<_>>>()?;
    let start = out.len();
    write(times, effort, columns, &encoded, out);
    let sum = crc32fast::hash(&out[start..]);
    out.extend(sum.to_le_bytes());
    assert!(u32::try_from(out.len() - start).is_ok(), "a chunk stays under 4 GiB");
    Ok(())
}

/// The payloads of a column.
struct EncodedColumn {
    dense: bool,
    values: Encoded,
    /// What stands in front of each block's values, for a column with nulls.
    validity: Vec<Vec<u8>>,
}

impl EncodedColumn {
    fn of(column: &Column, choice: Choice) -> Result<Self> {
        let rows = column.len();
        let blocks = rows.div_ceil(BLOCK_ROWS);
        let validity = column.validity.as_ref().filter(|_| column.nulls() > 0);
        let Some(validity) = validity else {
            let ends: Vec<usize> = (0..blocks).map(|block| block_rows(rows, block).end).collect();
            let values = encode_values(&column.values, &ends, choice)?;
            return Ok(Self { dense: true, values, validity: Vec::new() });
        };
        let (mut ends, mut bits, mut points) = (Vec::new(), Vec::new(), 0);
        for block in 0..blocks {
            let own: Vec<bool> = block_rows(rows, block).map(|row| validity.get(row)).collect();
            let valid = own.iter().filter(|bit| **bit).count();
            points += valid;
            ends.push(points);
            let mut encoded = Vec::new();
            if valid < own.len() {
                codec::encode_bool(&own, &mut encoded);
            }
            let mut front = Vec::new();
            varint::write(encoded.len() as u64, &mut front);
            front.append(&mut encoded);
            bits.push(front);
        }
        let valid = (0..rows).filter(|&row| validity.get(row));
        let squeezed = match &column.values {
            Values::F64(v) => Values::F64(valid.map(|row| v[row]).collect()),
            Values::I64(v) => Values::I64(valid.map(|row| v[row]).collect()),
            Values::Bool(v) => Values::Bool(valid.map(|row| v[row]).collect()),
            Values::Str(v) => Values::Str(valid.map(|row| v.get(row)).collect::<StrValues>()),
        };
        let values = encode_values(&squeezed, &ends, choice)?;
        Ok(Self { dense: false, values, validity: bits })
    }

    fn shape(&self, column: &Column, whole: bool) -> Shape {
        let ty = column.values.field_type();
        Shape { ty, dense: self.dense, whole, encoding: self.values.encoding }
    }

    fn write_shared(&self, out: &mut Vec<u8>) {
        varint::write(self.values.shared.len() as u64, out);
        out.extend_from_slice(&self.values.shared);
    }

    fn payload_len(&self, block: usize) -> usize {
        self.validity.get(block).map_or(0, Vec::len) + self.values.block(block).len()
    }

    fn write_payloads(&self, out: &mut Vec<u8>) {
        if self.dense {
            return out.extend_from_slice(&self.values.blocks);
        }
        for (block, validity) in self.validity.iter().enumerate() {
            out.extend_from_slice(validity);
            out.extend_from_slice(self.values.block(block));
        }
    }
}

fn encode_values(values: &Values, ends: &[usize], choice: Choice) -> Result<Encoded> {
    Ok(match values {
        Values::F64(v) => codec::encode_f64(v, ends, choice)?,
        Values::I64(v) => codec::encode_i64(v, ends, choice.effort),
        Values::Bool(v) => codec::encode_truths(v, ends),
        Values::Str(v) => codec::encode_strs(v, ends),
    })
}

fn write(
    times: &[Timestamp],
    effort: Effort,
    columns: &[Column],
    encoded: &[EncodedColumn],
    out: &mut Vec<u8>,
) {
    let full = times.len() >= FULL_FROM;
    let encoded_times = codec::encode_times(times, effort);
    out.push(if full { FULL } else { SHORT });
    varint::write(times.len() as u64, out);
    varint::write(columns.len() as u64, out);
    out.push(encoded_times.encoding.id());
    varint::write(encoded_times.shared.len() as u64, out);
    out.extend_from_slice(&encoded_times.shared);
    let blocks = times.len().div_ceil(BLOCK_ROWS);
    if full {
        write_lengths((0..blocks).map(|block| encoded_times.block(block).len()), out);
        if encoded_times.encoding != Encoding::Regular {
            write_spans(times, out);
        }
    } else {
        varint::write(encoded_times.blocks.len() as u64, out);
    }
    for (column, encoded) in columns.iter().zip(encoded) {
        if full {
            let (form, points) = statistics(times, column, encoded);
            let shape = encoded.shape(column, matches!(form, Form::Numbers(..)));
            out.push(shape.byte());
            encoded.write_shared(out);
            write_lengths((0..blocks).map(|block| encoded.payload_len(block)), out);
            record::write(&form, shape, points.as_deref(), out);
        } else {
            out.push(encoded.shape(column, false).byte());
            encoded.write_shared(out);
            varint::write(encoded.payload_len(0) as u64, out);
        }
    }
    out.extend_from_slice(&encoded_times.blocks);
    encoded.iter().for_each(|column| column.write_payloads(out));
}

fn write_lengths(lengths: impl Iterator<Item = usize> + Clone, out: &mut Vec<u8>) {
    array::write(lengths.map(|length| length as u128), out);
}

fn write_spans(times: &[Timestamp], out: &mut Vec<u8>) {
    let blocks = times.len().div_ceil(BLOCK_ROWS);
    let span = |block: usize| {
        let rows = block_rows(times.len(), block);
        (times[rows.start], times[rows.end - 1])
    };
    let distance = |from: i64, to: i64| u128::from(to.wrapping_sub(from) as u64);
    varint::write_signed(times[0], out);
    let gap = |block: usize| {
        if block == 0 { 0 } else { distance(span(block - 1).1, span(block).0) }
    };
    array::write((0..blocks).map(gap), out);
    array::write((0..blocks).map(|block| distance(span(block).0, span(block).1)), out);
}

/// The statistics of a column's blocks, and, where it has nulls, where their points are.
fn statistics(
    times: &[Timestamp],
    column: &Column,
    encoded: &EncodedColumn,
) -> (Form, Option<Vec<[u64; 3]>>) {
    let rows = |block: usize| block_rows(times.len(), block);
    let blocks = times.len().div_ceil(BLOCK_ROWS);
    let points = column.validity.as_ref().filter(|_| !encoded.dense).map(|validity| {
        let own = |block: usize| {
            let rows = rows(block);
            let mut valid = rows.clone().filter(|&row| validity.get(row));
            let Some(first) = valid.next() else { return [0; 3] };
            let (count, last) = valid.fold((1, first), |(count, _), row| (count + 1, row));
            let distance = |from: usize, to: usize| times[to].wrapping_sub(times[from]) as u64;
            [count, distance(rows.start, first), distance(last, rows.end - 1)]
        };
        (0..blocks).map(own).collect()
    });
    let form = numbers(column, encoded, rows, blocks).unwrap_or_else(|| {
        Form::Plain((0..blocks).map(|block| Stats::of(times, column, rows(block))).collect())
    });
    (form, points)
}

/// Statistics as those of whole numbers, where the values are such.
fn numbers(
    column: &Column,
    encoded: &EncodedColumn,
    rows: impl Fn(usize) -> Range<usize>,
    blocks: usize,
) -> Option<Form> {
    let exponent = match &column.values {
        Values::F64(_) => encoded.values.exponent?,
        _ => 0,
    };
    let nulls = column.validity.as_ref().filter(|_| !encoded.dense);
    let mut all = Vec::with_capacity(blocks);
    let mut scratch = [0; BLOCK_ROWS];
    for block in 0..blocks {
        let rows = rows(block);
        let numbers = match &column.values {
            Values::I64(v) => squeezed(v, &rows, nulls),
            Values::F64(v) => {
                let values = squeezed(v, &rows, nulls);
                let numbers = &mut scratch[..values.len()];
                // A list of clean decimals holds none that is not; still nothing is taken on trust.
                if !codec::units::whole(&values, exponent, numbers) {
                    return None;
                }
                Cow::Borrowed(&*numbers)
            }
            Values::Bool(_) | Values::Str(_) => return None,
        };
        all.push(if numbers.is_empty() { None } else { Some(Numbers::of(&numbers)?) });
    }
    Some(Form::Numbers(exponent, all))
}
