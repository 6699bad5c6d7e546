//! A chunk's payloads to rows.

use super::Stats;
use super::layout::{Layout, Reader, Shape};
use crate::codec::{self, varint};
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
    layout.times.decode(layout.payload(bytes, 0, block), layout.block_rows(block), out)?;
    let own = &out[start..];
    let found = own.first().copied().zip(own.last().copied());
    if found == Some(span) && own.is_sorted() {
        return Ok(());
    }
    let sorted = if own.is_sorted() { "ascend" } else { "do not ascend" };
    let error = Error::corrupt(format!(
        "chunk: the times of block {block} go {found:?} and {sorted}, its span is {span:?}"
    ));
    out.truncate(start);
    Err(error)
}

/// What there is to tell of a column's reader.
pub(super) fn detail(reader: &Reader) -> String {
    match reader {
        Reader::F64(doubles) => doubles.detail(),
        Reader::I64(longs) => longs.detail(),
        Reader::Bool => String::new(),
        Reader::Str(strings) => strings.detail(),
    }
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
    let (own, blocks) = (layout.columns.get(column), layout.spans.len());
    let own = own.filter(|_| block < blocks).ok_or_else(|| {
        let columns = layout.columns.len();
        Error::Internal(format!("column {column} of {columns}, block {block} of {blocks}"))
    })?;
    let shape = own.shape;
    if out.values.field_type() != shape.ty {
        let (have, want) = (shape.ty.name(), out.values.field_type().name());
        return Err(Error::Internal(format!("a column of {have} cannot go into one of {want}")));
    }
    let rows = layout.block_rows(block).len();
    let (validity, values) = split(shape, layout.payload(bytes, column + 1, block))?;
    let reader = own.reader(bytes)?;
    let Some(validity) = validity else {
        decode(reader, values, rows, &mut out.values)?;
        if let Some(bits) = &mut out.validity {
            bits.extend_with(rows, true);
        }
        return Ok(());
    };
    let mut bits = Vec::new();
    codec::decode_bool(validity, rows, &mut bits)?;
    let before = out.values.len();
    let points = bits.iter().filter(|bit| **bit).count();
    if let Values::Str(v) = &mut out.values {
        let mut squeezed = Values::Str(StrValues::default());
        decode(reader, values, points, &mut squeezed)?;
        let Values::Str(squeezed) = squeezed else { return Err(mixed()) };
        if v.byte_len() + squeezed.byte_len() > u32::MAX as usize {
            return Err(Error::corrupt("chunk: strings past 4 GiB"));
        }
        let mut next = 0;
        for &bit in &bits {
            v.push(if bit { squeezed.get(next) } else { "" });
            next += usize::from(bit);
        }
    } else {
        decode(reader, values, points, &mut out.values)?;
        match &mut out.values {
            Values::F64(v) => scatter(&bits, before, v),
            Values::I64(v) => scatter(&bits, before, v),
            Values::Bool(v) => scatter(&bits, before, v),
            Values::Str(_) => {}
        }
    }
    let all = out.validity.get_or_insert_with(|| Bitmap::filled(before, true));
    bits.iter().for_each(|&bit| all.push(bit));
    Ok(())
}

fn decode(reader: &Reader, bytes: &[u8], n: usize, out: &mut Values) -> Result<()> {
    match (reader, out) {
        (Reader::F64(doubles), Values::F64(v)) => doubles.decode(bytes, n, v),
        (Reader::I64(longs), Values::I64(v)) => longs.decode(bytes, n, v),
        (Reader::Bool, Values::Bool(v)) => codec::decode_bool(bytes, n, v),
        (Reader::Str(strings), Values::Str(v)) => strings.decode(bytes, n, v),
        _ => Err(mixed()),
    }
}

/// Appends the numbers of a dense block of clean decimals.
pub(super) fn numbers(
    layout: &Layout,
    bytes: &[u8],
    column: usize,
    block: usize,
    out: &mut Vec<i64>,
) -> Result<Option<u8>> {
    let Some(own) = layout.columns.get(column).filter(|_| block < layout.spans.len()) else {
        return Err(Error::Internal(format!("column {column}, block {block} of a chunk")));
    };
    match own.reader(bytes)? {
        Reader::F64(doubles) if own.shape.dense => {
            let rows = layout.block_rows(block).len();
            doubles.decode_numbers(layout.payload(bytes, column + 1, block), rows, out)
        }
        _ => Ok(None),
    }
}

/// Fills slots with the numbers of a dense block of clean decimals.
pub(super) fn fill_numbers(
    layout: &Layout,
    bytes: &[u8],
    column: usize,
    block: usize,
    out: &mut [i64],
) -> Result<Option<u8>> {
    let own =
        layout.columns.get(column).filter(|own| own.shape.dense && block < layout.spans.len());
    match own.map(|own| own.reader(bytes)).transpose()? {
        Some(Reader::F64(doubles)) if layout.block_rows(block).len() == out.len() => {
            doubles.fill_numbers(layout.payload(bytes, column + 1, block), out)
        }
        _ => Ok(None),
    }
}

/// Appends the integers of a dense block of integers or clean decimals.
pub(super) fn integers(
    layout: &Layout,
    bytes: &[u8],
    column: usize,
    block: usize,
    out: &mut Vec<i64>,
) -> Result<Option<u8>> {
    let own = layout.columns.get(column).filter(|_| block < layout.spans.len());
    if let Some(own) = own.filter(|own| own.shape.dense)
        && let Reader::I64(longs) = own.reader(bytes)?
    {
        let rows = layout.block_rows(block).len();
        longs.decode(layout.payload(bytes, column + 1, block), rows, out)?;
        return Ok(Some(0));
    }
    numbers(layout, bytes, column, block, out)
}

/// What reads a dense block of so many rows; `None` where it is not such.
fn dense<'a>(
    layout: &'a Layout,
    bytes: &[u8],
    column: usize,
    block: usize,
    rows: usize,
) -> Result<Option<&'a Reader>> {
    let own =
        layout.columns.get(column).filter(|own| own.shape.dense && block < layout.spans.len());
    match own {
        Some(own) if layout.block_rows(block).len() == rows => own.reader(bytes).map(Some),
        _ => Ok(None),
    }
}

/// Fills slots with a dense block of doubles; false where it is not such.
pub(super) fn fill_doubles(
    layout: &Layout,
    bytes: &[u8],
    column: usize,
    block: usize,
    out: &mut [f64],
) -> Result<bool> {
    if let Some(Reader::F64(doubles)) = dense(layout, bytes, column, block, out.len())? {
        doubles.fill(layout.payload(bytes, column + 1, block), out)?;
        return Ok(true);
    }
    Ok(false)
}

/// The same of integers.
pub(super) fn fill_integers(
    layout: &Layout,
    bytes: &[u8],
    column: usize,
    block: usize,
    out: &mut [i64],
) -> Result<bool> {
    if let Some(Reader::I64(longs)) = dense(layout, bytes, column, block, out.len())? {
        longs.fill(layout.payload(bytes, column + 1, block), out)?;
        return Ok(true);
    }
    Ok(false)
}

/// The least and the greatest value that are asked for.
#[derive(Clone, Copy)]
pub(super) enum Span {
    F64((f64, f64)),
    I64((i64, i64)),
}

/// Tells of each row of a dense block whether its value lies in a span.
pub(super) fn within(
    layout: &Layout,
    bytes: &[u8],
    column: usize,
    block: usize,
    span: Span,
    out: &mut Vec<bool>,
) -> Result<()> {
    let own = layout.columns.get(column).filter(|own| own.shape.dense);
    let Some(own) = own.filter(|_| block < layout.spans.len()) else {
        return Err(Error::Internal(format!("no dense column {column}, block {block}")));
    };
    let rows = layout.block_rows(block).len();
    let payload = layout.payload(bytes, column + 1, block);
    match (own.reader(bytes)?, span) {
        (Reader::F64(doubles), Span::F64((low, high))) => {
            doubles.within(payload, rows, low, high, out)
        }
        (Reader::I64(longs), Span::I64((low, high))) => longs.within(payload, rows, low, high, out),
        _ => Err(mixed()),
    }
}

/// Compares the stored sum of a block with the sum of its codes, where that is exact.
pub(super) fn verify_sum(
    layout: &Layout,
    bytes: &[u8],
    column: usize,
    block: usize,
    stored: &Stats,
) -> Result<()> {
    let own = &layout.columns[column];
    if !own.shape.dense || !own.shape.whole {
        return Ok(());
    }
    let (rows, payload) =
        (layout.block_rows(block).len(), layout.payload(bytes, column + 1, block));
    let same = match (own.reader(bytes)?, stored) {
        (Reader::F64(doubles), Stats::F64(stored)) => {
            doubles.sum_numbers(payload, rows)?.is_none_or(|(sum, exponent)| {
                codec::decimal_sum(sum, exponent).to_bits() == stored.sum.to_bits()
            })
        }
        (Reader::I64(longs), Stats::I64(stored)) => longs.sum(payload, rows)? == stored.sum,
        _ => true,
    };
    if same {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "chunk: the stored sum of column {column}, block {block} is not that of its values"
    )))
}

fn mixed() -> Error {
    Error::Internal("a column of one type in a reader of another".to_owned())
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
