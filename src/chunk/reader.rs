//! A chunk's payloads to rows.

use super::layout::{Layout, Shape};
use crate::codec::{self, Encoding, varint};
use crate::error::{Error, Result};
use crate::model::{Bitmap, Column, StrValues, Timestamp, Values};

/// Appends the times of a block.
pub(super) fn times(
    layout: &Layout,
    bytes: &[u8],
    block: usize,
    out: &mut Vec<Timestamp>,
) -> Result<()> {
    let span = *layout
        .spans
        .get(block)
        .ok_or_else(|| Error::Internal(format!("block {block} of {}", layout.spans.len())))?;
    let start = out.len();
    ascending(layout.payload(bytes, 0, block), layout.block_rows(block).len(), out)?;
    let found = out.get(start).copied().zip(out.last().copied());
    if found != Some(span) {
        out.truncate(start);
        return Err(Error::corrupt(format!(
            "chunk: the times of block {block} go {found:?} where its span is {span:?}"
        )));
    }
    Ok(())
}

/// Appends `rows` times, which must ascend.
pub(super) fn ascending(payload: &[u8], rows: usize, out: &mut Vec<Timestamp>) -> Result<()> {
    let start = out.len();
    codec::decode_times(payload, rows, out)?;
    if !out[start..].is_sorted() {
        out.truncate(start);
        return Err(Error::corrupt("chunk: times that do not ascend"));
    }
    Ok(())
}

/// The name of the encoding of `values`, which a decoder may yet refuse.
pub(super) fn encoding_name(values: &[u8]) -> &'static str {
    Encoding::of(values).map_or("unknown", Encoding::name)
}

/// A payload's encoded validity, if it has any, and its encoded values.
pub(super) fn split(shape: Shape, mut payload: &[u8]) -> Result<(Option<&[u8]>, &[u8])> {
    if shape.dense {
        return Ok((None, payload));
    }
    let length = varint::read(&mut payload)?;
    let validity = varint::take(&mut payload, length)?;
    Ok(((length > 0).then_some(validity), payload))
}

/// Appends the rows of a column's block.
pub(super) fn column(
    layout: &Layout,
    bytes: &[u8],
    column: usize,
    block: usize,
    out: &mut Column,
) -> Result<()> {
    let (shape, blocks) = (layout.columns.get(column), layout.spans.len());
    let shape = *shape.filter(|_| block < blocks).ok_or_else(|| {
        let columns = layout.columns.len();
        Error::Internal(format!("column {column} of {columns}, block {block} of {blocks}"))
    })?;
    if out.values.field_type() != shape.ty {
        let (have, want) = (shape.ty.name(), out.values.field_type().name());
        return Err(Error::Internal(format!("a column of {have} cannot go into one of {want}")));
    }
    let rows = layout.block_rows(block).len();
    let (validity, values) = split(shape, layout.payload(bytes, column + 1, block))?;
    let Some(validity) = validity else {
        decode(values, rows, &mut out.values)?;
        if let Some(bits) = &mut out.validity {
            bits.extend_with(rows, true);
        }
        return Ok(());
    };
    let mut bits = Vec::new();
    codec::decode_bool(validity, rows, &mut bits)?;
    let before = out.values.len();
    let points = bits.iter().filter(|bit| **bit).count();
    match &mut out.values {
        Values::F64(v) => {
            codec::decode_f64(values, points, v)?;
            scatter(&bits, before, v);
        }
        Values::I64(v) => {
            codec::decode_i64(values, points, v)?;
            scatter(&bits, before, v);
        }
        Values::Bool(v) => {
            codec::decode_bool(values, points, v)?;
            scatter(&bits, before, v);
        }
        Values::Str(v) => {
            let mut squeezed = StrValues::default();
            codec::decode_str(values, points, &mut squeezed)?;
            if v.byte_len() + squeezed.byte_len() > u32::MAX as usize {
                return Err(Error::corrupt("chunk: strings past 4 GiB"));
            }
            let mut next = 0;
            for &bit in &bits {
                v.push(if bit { squeezed.get(next) } else { "" });
                next += usize::from(bit);
            }
        }
    }
    let all = out.validity.get_or_insert_with(|| Bitmap::filled(before, true));
    bits.iter().for_each(|&bit| all.push(bit));
    Ok(())
}

fn decode(bytes: &[u8], n: usize, out: &mut Values) -> Result<()> {
    match out {
        Values::F64(v) => codec::decode_f64(bytes, n, v),
        Values::I64(v) => codec::decode_i64(bytes, n, v),
        Values::Bool(v) => codec::decode_bool(bytes, n, v),
        Values::Str(v) => codec::decode_str(bytes, n, v),
    }
}

/// Moves the values from `start` on, one for each set bit, to the slots of those bits, and puts
/// zeros into the others.
fn scatter<T: Copy + Default>(bits: &[bool], start: usize, values: &mut Vec<T>) {
    let mut next = values.len();
    values.resize(start + bits.len(), T::default());
    for (row, &bit) in bits.iter().enumerate().rev() {
        // A value never stands past its slot, so from the last on nothing is overwritten unread.
        values[start + row] = if bit {
            next -= 1;
            values[next]
        } else {
            T::default()
        };
    }
}
