//! Where everything stands in a chunk's bytes.

use std::ops::Range;
use std::sync::OnceLock;

use super::array::Array;
use super::record::Records;
use super::{BLOCK_ROWS, CHUNK_ROWS};
use crate::codec::{Doubles, Encoding, Longs, Strings, Times, varint};
use crate::error::{Error, Result};
use crate::model::{FieldType, Timestamp};

/// The first byte of a chunk with tables and statistics.
pub(super) const FULL: u8 = 3;
/// The first byte of a chunk of one block with neither.
pub(super) const SHORT: u8 = 4;
/// Rows from which a chunk is full.
pub(super) const FULL_FROM: usize = 128;
/// Bytes of the checksum at the end.
pub(super) const CHECKSUM: usize = 4;
/// In a column's byte: no row is null. The two lowest bits are the type, the four highest the
/// encoding.
const DENSE: u8 = 4;
/// In a column's byte: the statistics are of whole numbers.
const WHOLE: u8 = 8;

/// What a chunk says of one of its columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// The type of its values.
    pub(super) ty: FieldType,
    /// No row is null, so that blocks store no validity.
    pub(super) dense: bool,
    /// Its statistics are of whole numbers.
    pub(super) whole: bool,
    pub(super) encoding: Encoding,
}

impl Shape {
    pub(super) fn byte(self) -> u8 {
        let ty = match self.ty {
            FieldType::F64 => 0,
            FieldType::I64 => 1,
            FieldType::Bool => 2,
            FieldType::Str => 3,
        };
        let flags = if self.dense { DENSE } else { 0 } | if self.whole { WHOLE } else { 0 };
        const { assert!(Encoding::ALL.len() <= 16) };
        ty | flags | self.encoding.id() << 4
    }

    fn from_byte(byte: u8) -> Result<Self> {
        let ty = match byte & 3 {
            0 => FieldType::F64,
            1 => FieldType::I64,
            2 => FieldType::Bool,
            _ => FieldType::Str,
        };
        let encoding = Encoding::from_id(byte >> 4)
            .ok_or_else(|| Error::corrupt(format!("chunk: unknown encoding id {}", byte >> 4)))?;
        let whole = byte & WHOLE != 0;
        if whole && !matches!(ty, FieldType::F64 | FieldType::I64) {
            return Err(Error::corrupt(format!("chunk: whole numbers of type {}", ty.name())));
        }
        Ok(Self { ty, dense: byte & DENSE != 0, whole, encoding })
    }
}

/// What is needed to read the blocks of a column.
#[derive(Debug)]
pub(super) enum Reader {
    F64(Doubles),
    I64(Longs),
    Bool,
    Str(Strings),
}

/// One column of a chunk.
#[derive(Debug)]
pub(super) struct ColumnLayout {
    pub(super) shape: Shape,
    shared: Range<u32>,
    records: Option<Records>,
    /// Made when a block is first read: a list can be long.
    reader: OnceLock<Reader>,
}

impl ColumnLayout {
    /// What is needed to read its blocks.
    pub(super) fn reader(&self, bytes: &[u8]) -> Result<&Reader> {
        if let Some(reader) = self.reader.get() {
            return Ok(reader);
        }
        let shared = within(bytes, &self.shared);
        let encoding = self.shape.encoding;
        let reader = match self.shape.ty {
            FieldType::F64 => Reader::F64(Doubles::open(encoding, shared)?),
            FieldType::I64 => Reader::I64(Longs::open(encoding, shared)?),
            FieldType::Str => Reader::Str(Strings::open(encoding, shared)?),
            FieldType::Bool if encoding == Encoding::Truths && shared.is_empty() => Reader::Bool,
            FieldType::Bool => {
                return Err(Error::corrupt(format!("chunk: truth values in {}", encoding.name())));
            }
        };
        Ok(self.reader.get_or_init(|| reader))
    }

    /// Bytes of what its blocks share.
    pub(super) fn shared_len(&self) -> usize {
        self.shared.len()
    }
}

/// A chunk's structure, checked.
///
/// Invariants: one span a block; `payloads` has one offset for each block of the times and then
/// of each column, and one for the end, ascending and inside the bytes.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) columns: Box<[ColumnLayout]>,
    pub(super) spans: Box<[(Timestamp, Timestamp)]>,
    pub(super) times: Times,
    pub(super) times_encoding: Encoding,
    times_shared: Range<u32>,
    payloads: Box<[u32]>,
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
        if stored != computed && !crate::planted::is(crate::planted::Bug::ChunkChecksumIgnored) {
            return Err(Error::corrupt(format!(
                "chunk: its checksum is {stored:#010x}, its bytes give {computed:#010x}"
            )));
        }
        match body.split_first() {
            Some((&FULL, rest)) => Self::parse_full(body, rest),
            Some((&SHORT, rest)) => Self::parse_short(body, rest),
            other => Err(Error::corrupt(format!(
                "chunk: unknown layout {:?}",
                other.map(|(layout, _)| layout)
            ))),
        }
    }

    fn parse_full(body: &[u8], mut rest: &[u8]) -> Result<Self> {
        let (rows, count) = counts(&mut rest)?;
        if !(FULL_FROM..=CHUNK_ROWS).contains(&rows) {
            return Err(Error::corrupt(format!("chunk: {rows} rows in the full layout")));
        }
        let blocks = rows.div_ceil(BLOCK_ROWS);
        let lengths_of: Vec<usize> = (0..blocks).map(|b| block_rows(rows, b).len()).collect();
        let mut lengths = Vec::with_capacity((count + 1) * blocks);
        let mut payload_lengths = |rest: &mut &[u8]| -> Result<()> {
            let array = Array::take(body, rest, blocks)?;
            lengths.extend((0..blocks).map(|block| array.get(body, block)));
            Ok(())
        };

        let (times_encoding, times_shared) = times_head(body, &mut rest)?;
        let times = Times::open(times_encoding, within(body, &times_shared))?;
        payload_lengths(&mut rest)?;
        let spans = match times.at(0) {
            Some(_) => (0..blocks)
                .map(|block| block_rows(rows, block))
                .map(|own| Some((times.at(own.start)?, times.at(own.end - 1)?)))
                .collect::<Option<Box<[_]>>>()
                .ok_or_else(|| Error::Internal("times at no row".to_owned()))?,
            None => stored_spans(body, &mut rest, blocks)?,
        };
        if !spans.is_sorted_by(|a, b| a.1 <= b.0) || spans.iter().any(|s| s.0 > s.1) {
            return Err(Error::corrupt("chunk: block spans do not ascend"));
        }

        let mut columns = Vec::with_capacity(count.min(rest.len()));
        for _ in 0..count {
            let shape = Shape::from_byte(varint::take(&mut rest, 1)?[0])?;
            let shared = take_shared(body, &mut rest)?;
            payload_lengths(&mut rest)?;
            let records = Records::take(body, &mut rest, shape, &lengths_of, &spans)?;
            let (records, reader) = (records.any().then_some(records), OnceLock::new());
            columns.push(ColumnLayout { shape, shared, records, reader });
        }
        let payloads = offsets(body, rest, &lengths)?;
        let columns = columns.into();
        Ok(Self { rows, columns, spans, times, times_encoding, times_shared, payloads })
    }

    fn parse_short(body: &[u8], mut rest: &[u8]) -> Result<Self> {
        let (rows, count) = counts(&mut rest)?;
        if !(1..FULL_FROM).contains(&rows) {
            return Err(Error::corrupt(format!("chunk: {rows} rows in the short layout")));
        }
        let (times_encoding, times_shared) = times_head(body, &mut rest)?;
        let times = Times::open(times_encoding, within(body, &times_shared))?;
        let mut lengths = vec![u128::from(varint::read(&mut rest)?)];
        let mut columns = Vec::with_capacity(count.min(rest.len()));
        for _ in 0..count {
            let shape = Shape::from_byte(varint::take(&mut rest, 1)?[0])?;
            if shape.whole {
                return Err(Error::corrupt("chunk: statistics in the short layout"));
            }
            let shared = take_shared(body, &mut rest)?;
            lengths.push(varint::read(&mut rest)?.into());
            let reader = OnceLock::new();
            columns.push(ColumnLayout { shape, shared, records: None, reader });
        }
        let payloads = offsets(body, rest, &lengths)?;
        let mut own = Vec::new();
        let payload = &body[payloads[0] as usize..payloads[1] as usize];
        times.decode(payload, 0..rows, &mut own)?;
        if !own.is_sorted() {
            return Err(Error::corrupt("chunk: times that do not ascend"));
        }
        let spans = own.first().copied().zip(own.last().copied()).into_iter().collect();
        let columns = columns.into();
        Ok(Self { rows, columns, spans, times, times_encoding, times_shared, payloads })
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

    /// Bytes of what the blocks of the times share.
    pub(super) fn times_shared_len(&self) -> usize {
        self.times_shared.len()
    }

    /// Whether two chunks, each with its bytes, hold their times in the same bytes.
    pub(super) fn same_times(&self, bytes: &[u8], other: &Self, others: &[u8]) -> bool {
        self.rows == other.rows
            && self.times_encoding == other.times_encoding
            && within(bytes, &self.times_shared) == within(others, &other.times_shared)
            && (0..self.blocks())
                .all(|block| self.payload(bytes, 0, block) == other.payload(others, 0, block))
    }

    /// The statistics of a column, where there are any.
    pub(super) fn records(&self, column: usize) -> Option<&Records> {
        self.columns[column].records.as_ref()
    }
}

/// The rows of a block of a chunk of `rows`.
pub(super) fn block_rows(rows: usize, block: usize) -> Range<usize> {
    let start = block * BLOCK_ROWS;
    start..rows.min(start + BLOCK_ROWS)
}

/// Rows and columns.
fn counts(rest: &mut &[u8]) -> Result<(usize, usize)> {
    let (rows, columns) = (varint::read(rest)?, varint::read(rest)?);
    if rows > CHUNK_ROWS as u64 || columns > u64::from(u16::MAX) {
        return Err(Error::corrupt(format!("chunk: {rows} rows of {columns} columns")));
    }
    Ok((rows as usize, columns as usize))
}

fn take_shared(body: &[u8], rest: &mut &[u8]) -> Result<Range<u32>> {
    let length = varint::read(rest)?;
    let start = (body.len() - rest.len()) as u32;
    varint::take(rest, length)?;
    Ok(start..(body.len() - rest.len()) as u32)
}

fn times_head(body: &[u8], rest: &mut &[u8]) -> Result<(Encoding, Range<u32>)> {
    let id = varint::take(rest, 1)?[0];
    let encoding = Encoding::from_id(id)
        .ok_or_else(|| Error::corrupt(format!("chunk: unknown encoding id {id}")))?;
    Ok((encoding, take_shared(body, rest)?))
}

fn within<'a>(bytes: &'a [u8], range: &Range<u32>) -> &'a [u8] {
    &bytes[range.start as usize..range.end as usize]
}

/// First and last times: the first of all, then what lies between a block's and the one before,
/// and between its own.
fn stored_spans(body: &[u8], rest: &mut &[u8], blocks: usize) -> Result<Box<[(i64, i64)]>> {
    let mut at = varint::read_signed(rest)?;
    let (gaps, lengths) = (Array::take(body, rest, blocks)?, Array::take(body, rest, blocks)?);
    let mut later = |by: u128| -> Result<i64> {
        at = u64::try_from(by)
            .ok()
            .and_then(|by| at.checked_add_unsigned(by))
            .ok_or_else(|| Error::corrupt("chunk: block spans past the end of time"))?;
        Ok(at)
    };
    (0..blocks)
        .map(|block| Ok((later(gaps.get(body, block))?, later(lengths.get(body, block))?)))
        .collect()
}

/// Where payloads begin, from their lengths: they fill what is left.
fn offsets(body: &[u8], rest: &[u8], lengths: &[u128]) -> Result<Box<[u32]>> {
    let mut at = (body.len() - rest.len()) as u128;
    let mut offsets = Vec::with_capacity(lengths.len() + 1);
    offsets.push(at as u32);
    for length in lengths {
        at = at.saturating_add(*length);
        if at > body.len() as u128 {
            return Err(Error::corrupt("chunk: payloads past the end"));
        }
        offsets.push(at as u32);
    }
    if at != body.len() as u128 {
        return Err(Error::corrupt("chunk: bytes after the payloads"));
    }
    Ok(offsets.into())
}
