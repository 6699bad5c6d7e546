//! Where everything stands in a chunk's bytes.

use std::ops::Range;

use super::{BLOCK_ROWS, CHUNK_ROWS, reader, record};
use crate::codec::varint;
use crate::error::{Error, Result};
use crate::model::{FieldType, Timestamp};

/// The first byte of a chunk with tables and statistics.
pub(super) const FULL: u8 = 1;
/// The first byte of a chunk of one block with neither.
pub(super) const SHORT: u8 = 2;
/// Rows from which a chunk is full.
pub(super) const FULL_FROM: usize = 128;
/// Bytes in front of a full chunk's tables.
pub(super) const FULL_HEAD: usize = 8;
/// Bytes of a block's span.
pub(super) const SPAN: usize = 16;
/// Bytes of an offset.
pub(super) const OFFSET: usize = 4;
/// Bytes of the checksum at the end.
pub(super) const CHECKSUM: usize = 4;
/// In a column's byte: no row is null. The two lowest bits are the type.
const DENSE: u8 = 0x10;

/// What a chunk says of one of its columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The type of its values.
    pub(super) ty: FieldType,
    /// No row is null, so that blocks store no validity.
    pub(super) dense: bool,
}

impl Shape {
    pub(super) fn byte(self) -> u8 {
        let ty = match self.ty {
            FieldType::F64 => 0,
            FieldType::I64 => 1,
            FieldType::Bool => 2,
            FieldType::Str => 3,
        };
        if self.dense { ty | DENSE } else { ty }
    }

    fn from_byte(byte: u8) -> Result<Self> {
        let ty = match byte & !DENSE {
            0 => FieldType::F64,
            1 => FieldType::I64,
            2 => FieldType::Bool,
            3 => FieldType::Str,
            _ => return Err(Error::corrupt(format!("chunk: unknown column type {byte:#04x}"))),
        };
        Ok(Self { ty, dense: byte & DENSE != 0 })
    }
}

/// A chunk's structure, checked.
///
/// Invariants: one span a block; `payloads` has one offset for each block of the times and then
/// of each column, and one for the end, ascending and inside the bytes; so are `records`, where
/// each column's statistics begin.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) columns: Box<[Shape]>,
    pub(super) spans: Box<[(Timestamp, Timestamp)]>,
    payloads: Box<[u32]>,
    records: Box<[Option<u32>]>,
}

impl Layout {
    /// The structure of a whole chunk.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        if u32::try_from(bytes.len()).is_err() {
            return Err(Error::corrupt(format!("chunk: {} bytes pass 4 GiB", bytes.len())));
        }
        let (body, sum) = bytes
            .split_last_chunk::<CHECKSUM>()
            .ok_or_else(|| Error::corrupt(format!("chunk: only {} bytes", bytes.len())))?;
        let (stored, computed) = (u32::from_le_bytes(*sum), crc32fast::hash(body));
        if stored != computed {
            return Err(Error::corrupt(format!(
                "chunk: its checksum is {stored:#010x}, its bytes give {computed:#010x}"
            )));
        }
        match body.first() {
            Some(&FULL) => Self::parse_full(body),
            Some(&SHORT) => Self::parse_short(body),
            other => Err(Error::corrupt(format!("chunk: unknown layout {other:?}"))),
        }
    }

    fn parse_full(body: &[u8]) -> Result<Self> {
        let mut rest = body;
        let head: [u8; FULL_HEAD] = array(&mut rest)?;
        let [_, flags, c0, c1, r0, r1, r2, r3] = head;
        let count = usize::from(u16::from_le_bytes([c0, c1]));
        let rows = u32::from_le_bytes([r0, r1, r2, r3]) as usize;
        if flags != 0 || !(FULL_FROM..=CHUNK_ROWS).contains(&rows) {
            return Err(Error::corrupt(format!("chunk: flags {flags:#04x} and {rows} rows")));
        }
        let blocks = rows.div_ceil(BLOCK_ROWS);
        let columns = shapes(&mut rest, count)?;

        let table = varint::take(&mut rest, (blocks * SPAN) as u64)?;
        let time = |bytes: &[u8; 8]| Timestamp::from_le_bytes(*bytes);
        let spans: Box<[_]> = table
            .as_chunks::<8>()
            .0
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[first, last]| (time(first), time(last)))
            .collect();
        if !spans.is_sorted_by(|a, b| a.1 <= b.0) || spans.iter().any(|s| s.0 > s.1) {
            return Err(Error::corrupt("chunk: block spans do not ascend"));
        }

        let table = varint::take(&mut rest, (((count + 1) * blocks + 1) * OFFSET) as u64)?;
        let mut payloads: Box<[u32]> =
            table.as_chunks::<OFFSET>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();

        let mut records = Vec::with_capacity(count);
        for shape in &columns {
            records.push(record::size(*shape).map(|_| (body.len() - rest.len()) as u32));
            let Some(size) = record::size(*shape) else { continue };
            let table = varint::take(&mut rest, (blocks * size) as u64)?;
            for (block, bytes) in table.chunks_exact(size).enumerate() {
                record::check(bytes, *shape, block_rows(rows, block).len())?;
            }
        }

        let whole = payloads.first() == Some(&0)
            && payloads.is_sorted()
            && payloads.last().is_some_and(|&end| end as usize == rest.len());
        if !whole {
            return Err(Error::corrupt("chunk: payload offsets do not ascend to the end"));
        }
        let start = (body.len() - rest.len()) as u32;
        payloads.iter_mut().for_each(|offset| *offset += start);
        Ok(Self { rows, columns, spans, payloads, records: records.into() })
    }

    fn parse_short(body: &[u8]) -> Result<Self> {
        let mut rest = &body[1..];
        let rows = varint::read(&mut rest)?;
        if !(1..FULL_FROM as u64).contains(&rows) {
            return Err(Error::corrupt(format!("chunk: {rows} rows in the short layout")));
        }
        let count = varint::read(&mut rest)?;
        if count > u64::from(u16::MAX) {
            return Err(Error::corrupt(format!("chunk: {count} columns")));
        }
        let columns = shapes(&mut rest, count as usize)?;
        let lengths: Vec<u64> =
            (0..count).map(|_| varint::read(&mut rest)).collect::<Result<_>>()?;
        let mut payloads = vec![(body.len() - rest.len()) as u32];
        for length in lengths {
            varint::take(&mut rest, length)?;
            payloads.push((body.len() - rest.len()) as u32);
        }
        payloads.push(body.len() as u32);
        let mut layout = Self {
            rows: rows as usize,
            records: vec![None; columns.len()].into(),
            columns,
            spans: Box::default(),
            payloads: payloads.into(),
        };
        let mut times = Vec::new();
        reader::ascending(layout.payload(body, 0, 0), layout.rows, &mut times)?;
        layout.spans = times.first().copied().zip(times.last().copied()).into_iter().collect();
        Ok(layout)
    }

    fn blocks(&self) -> usize {
        self.rows.div_ceil(BLOCK_ROWS)
    }

    pub(super) fn block_rows(&self, block: usize) -> Range<usize> {
        block_rows(self.rows, block)
    }

    /// The bytes of a block of the times (0) or of a column, counted from 1.
    pub(super) fn payload<'a>(&self, bytes: &'a [u8], column: usize, block: usize) -> &'a [u8] {
        assert!(block < self.blocks(), "block {block} of {}", self.blocks());
        let at = column * self.blocks() + block;
        &bytes[self.payloads[at] as usize..self.payloads[at + 1] as usize]
    }

    /// The bytes of the statistics of a column's block, where there are any.
    pub(super) fn record<'a>(
        &self,
        bytes: &'a [u8],
        column: usize,
        block: usize,
    ) -> Option<&'a [u8]> {
        assert!(block < self.blocks(), "block {block} of {}", self.blocks());
        let size = record::size(self.columns[column])?;
        let at = self.records[column]? as usize + block * size;
        Some(&bytes[at..at + size])
    }
}

/// The rows of a block of a chunk of `rows`.
pub(super) fn block_rows(rows: usize, block: usize) -> Range<usize> {
    let start = block * BLOCK_ROWS;
    start..rows.min(start + BLOCK_ROWS)
}

fn shapes(rest: &mut &[u8], count: usize) -> Result<Box<[Shape]>> {
    varint::take(rest, count as u64)?.iter().map(|&byte| Shape::from_byte(byte)).collect()
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (front, tail) = rest
        .split_first_chunk::<N>()
        .ok_or_else(|| Error::corrupt(format!("chunk: {} bytes where {N} belong", rest.len())))?;
    *rest = tail;
    Ok(*front)
}
