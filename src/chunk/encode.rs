//! Rows to a chunk's bytes.

use std::ops::Range;

use super::layout::{FULL, FULL_FROM, FULL_HEAD, OFFSET, SHORT, SPAN, Shape, block_rows};
use super::{BLOCK_ROWS, CHUNK_ROWS, Stats, record};
use crate::codec::{self, varint};
use crate::model::{Bitmap, Column, StrValues, Timestamp, Values};

/// Appends a chunk.
pub(super) fn encode(times: &[Timestamp], columns: &[Column], out: &mut Vec<u8>) {
    let rows = times.len();
    assert!((1..=CHUNK_ROWS).contains(&rows), "a chunk of {rows} rows");
    assert!(columns.len() <= usize::from(u16::MAX), "a chunk of {} columns", columns.len());
    assert!(times.is_sorted(), "the times of a chunk ascend");
    for column in columns {
        let bits = column.validity.as_ref().map_or(rows, Bitmap::len);
        assert!(column.len() == rows && bits == rows, "a ragged column in a chunk");
    }
    let start = out.len();
    if rows < FULL_FROM {
        short(times, columns, out);
    } else {
        full(times, columns, out);
    }
    let sum = crc32fast::hash(&out[start..]);
    out.extend(sum.to_le_bytes());
    assert!(u32::try_from(out.len() - start).is_ok(), "a chunk stays under 4 GiB");
}

fn shape(column: &Column) -> Shape {
    Shape { ty: column.values.field_type(), dense: column.nulls() == 0 }
}

fn short(times: &[Timestamp], columns: &[Column], out: &mut Vec<u8>) {
    out.push(SHORT);
    varint::write(times.len() as u64, out);
    varint::write(columns.len() as u64, out);
    out.extend(columns.iter().map(|column| shape(column).byte()));
    let mut payloads = Vec::new();
    let mut before = 0;
    codec::encode_times(times, &mut payloads);
    for column in columns {
        // The last payload's length follows from the chunk's.
        varint::write((payloads.len() - before) as u64, out);
        before = payloads.len();
        payload(column, 0..times.len(), &mut payloads);
    }
    out.extend_from_slice(&payloads);
}

fn full(times: &[Timestamp], columns: &[Column], out: &mut Vec<u8>) {
    let rows = times.len();
    let blocks = rows.div_ceil(BLOCK_ROWS);
    let shapes: Vec<Shape> = columns.iter().map(shape).collect();
    let count = u16::try_from(columns.len()).expect("checked with the rows");

    let mut head = [FULL, 0, 0, 0, 0, 0, 0, 0];
    head[2..4].copy_from_slice(&count.to_le_bytes());
    head[4..].copy_from_slice(&(rows as u32).to_le_bytes());
    const { assert!(FULL_HEAD == 8 && SPAN == 16) };
    out.extend(head);
    out.extend(shapes.iter().map(|shape| shape.byte()));
    for block in (0..blocks).map(|block| &times[block_rows(rows, block)]) {
        out.extend(block[0].to_le_bytes());
        out.extend(block[block.len() - 1].to_le_bytes());
    }
    let mut offset_at = out.len();
    out.resize(offset_at + ((columns.len() + 1) * blocks + 1) * OFFSET, 0);
    for (column, &shape) in columns.iter().zip(&shapes) {
        if record::size(shape).is_none() {
            continue;
        }
        for block in 0..blocks {
            let stats = Stats::of(times, column, block_rows(rows, block));
            record::write(stats.as_ref(), shape, out);
        }
    }
    let start = out.len();
    let mut note = |out: &mut Vec<u8>| {
        let offset = u32::try_from(out.len() - start).expect("a chunk stays under 4 GiB");
        out[offset_at..offset_at + OFFSET].copy_from_slice(&offset.to_le_bytes());
        offset_at += OFFSET;
    };
    for block in 0..blocks {
        note(out);
        codec::encode_times(&times[block_rows(rows, block)], out);
    }
    for column in columns {
        for block in 0..blocks {
            note(out);
            payload(column, block_rows(rows, block), out);
        }
    }
    note(out);
}

/// Appends a column's block: its validity, where the column has nulls, then its values without
/// those of null rows.
fn payload(column: &Column, rows: Range<usize>, out: &mut Vec<u8>) {
    let validity = match &column.validity {
        Some(validity) if column.nulls() > 0 => validity,
        _ => return dense(&column.values, rows, out),
    };
    let bits: Vec<bool> = rows.clone().map(|i| validity.get(i)).collect();
    if bits.iter().all(|bit| *bit) {
        varint::write(0, out);
        return dense(&column.values, rows, out);
    }
    let mut encoded = Vec::new();
    codec::encode_bool(&bits, &mut encoded);
    varint::write(encoded.len() as u64, out);
    out.extend_from_slice(&encoded);
    let valid = rows.filter(|&i| validity.get(i));
    match &column.values {
        Values::F64(v) => codec::encode_f64(&valid.map(|i| v[i]).collect::<Vec<_>>(), out),
        Values::I64(v) => codec::encode_i64(&valid.map(|i| v[i]).collect::<Vec<_>>(), out),
        Values::Bool(v) => codec::encode_bool(&valid.map(|i| v[i]).collect::<Vec<_>>(), out),
        Values::Str(v) => codec::encode_str(&valid.map(|i| v.get(i)).collect(), out),
    };
}

fn dense(values: &Values, rows: Range<usize>, out: &mut Vec<u8>) {
    match values {
        Values::F64(v) => codec::encode_f64(&v[rows], out),
        Values::I64(v) => codec::encode_i64(&v[rows], out),
        Values::Bool(v) => codec::encode_bool(&v[rows], out),
        Values::Str(v) if rows.len() == v.len() => codec::encode_str(v, out),
        Values::Str(v) => codec::encode_str(&rows.map(|i| v.get(i)).collect::<StrValues>(), out),
    };
}
