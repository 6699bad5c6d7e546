//! Chunks: up to 64 blocks of 1,024 rows of one series, columns sharing one set of times.
//!
//! A chunk is immutable and self-contained: rows in, bytes out, and back bit for bit.
//! `FORMAT.md` has the layout byte by byte.

mod array;
mod encode;
mod layout;
mod part;
mod reader;
mod record;
mod stats;
mod summary;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

pub use part::{Part, PartData, PlainChunk};
pub use stats::{BoolStats, Ends, FloatStats, IntStats, Stats, StrStats};

use crate::codec::{Choice, Encoding, EvenTimes};
use crate::error::Result;
use crate::model::{Column, FieldType, Timestamp, Value};
use layout::Layout;

/// Most rows of a block.
pub const BLOCK_ROWS: usize = 1024;
/// Most blocks of a chunk.
pub const CHUNK_BLOCKS: usize = 64;
/// Most rows of a chunk.
pub const CHUNK_ROWS: usize = BLOCK_ROWS * CHUNK_BLOCKS;

/// An encoded chunk, opened: its bytes, shared, and where everything stands in them. Cloning
/// copies two pointers.
#[derive(Clone, Debug)]
pub struct Chunk {
    bytes: Bytes,
    layout: Arc<Layout>,
}

impl Chunk {
    /// Encodes rows and appends the chunk to `out`. Whatever the slots of null rows hold, zeros
    /// come back. `choices`: how to encode each column, or empty for the best of each.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] when an encoding asked for does not hold its column.
    ///
    /// # Panics
    /// Unless there are 1 to [`CHUNK_ROWS`] times, ascending, and at most 65,535 columns with a
    /// slot and, where there is a validity, a bit for each; or when the chunk would pass 4 GiB.
    pub fn encode(
        times: &[Timestamp],
        columns: &[Column],
        choices: &[Choice],
        out: &mut Vec<u8>,
    ) -> Result<()> {
        encode::encode(times, columns, choices, out)
    }

    /// Opens the bytes of one chunk: checks its checksum, structure, statistics and every offset,
    /// so that later reads fail in payloads only.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when any check fails.
    pub fn open(bytes: Bytes) -> Result<Self> {
        let layout = Arc::new(Layout::parse(&bytes)?);
        Ok(Self { bytes, layout })
    }

    /// The bytes that it was opened from.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.layout.rows
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.layout.spans.len()
    }

    /// The rows of block `block`, counted from the chunk's first.
    pub fn block_rows(&self, block: usize) -> std::ops::Range<usize> {
        self.layout.block_rows(block)
    }

    /// How many columns there are, the times aside.
    pub fn columns(&self) -> usize {
        self.layout.columns.len()
    }

    /// The type of column `column`.
    ///
    /// # Panics
    /// When `column` is past the last.
    pub fn column_type(&self, column: usize) -> FieldType {
        self.layout.columns[column].shape.ty
    }

    /// The first and the last time of block `block`.
    ///
    /// # Panics
    /// When `block` is past the last.
    pub fn block_span(&self, block: usize) -> (Timestamp, Timestamp) {
        self.layout.spans[block]
    }

    /// The statistics stored of a column's block. The outer `None`: none are stored, for the
    /// chunk is short or the column holds strings; the inner: all of the block's rows are null.
    ///
    /// # Panics
    /// When `column` or `block` is past the last.
    pub fn stats(&self, column: usize, block: usize) -> Option<Option<Stats>> {
        let records = self.layout.records(column)?;
        let (rows, span) = (self.block_rows(block).len(), self.block_span(block));
        Some(records.read(&self.bytes, block, rows, span))
    }

    /// The statistics of a whole column, merged from those of its blocks; `None` as in
    /// [`Self::stats`].
    ///
    /// # Panics
    /// When `column` is past the last.
    pub fn chunk_stats(&self, column: usize) -> Option<Option<Stats>> {
        let mut all = None;
        for block in 0..self.blocks() {
            Stats::merge_into(&mut all, self.stats(column, block)?);
        }
        Some(all)
    }

    /// The times of a block, where they are even and need no decoding.
    ///
    /// # Panics
    /// When `block` is past the last.
    pub fn even_times(&self, block: usize) -> Option<EvenTimes> {
        let payload = self.layout.payload(&self.bytes, 0, block);
        self.layout.times.even(payload, self.block_rows(block))
    }

    /// Appends the times of block `block` to `out`: ascending, from the span's first to its last.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when they are not; [`crate::Error::Internal`] when there is no
    /// such block. `out` is then as it was.
    pub fn decode_times(&self, block: usize, out: &mut Vec<Timestamp>) -> Result<()> {
        reader::times(&self.layout, &self.bytes, block, out)
    }

    /// Appends the rows of column `column` of block `block` to `out`: a slot a row, the type's
    /// zero where it is null. A validity appears in `out` with the first null.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when the block does not decode; [`crate::Error::Internal`] when
    /// there is no such block or `out` is of another type. `out` is then as it was.
    pub fn decode_column(&self, column: usize, block: usize, out: &mut Column) -> Result<()> {
        reader::column(&self.layout, &self.bytes, column, block, out)
    }

    /// Fills `out`, which has a slot for each row, with a block of doubles without nulls; false
    /// where it is not such.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when the block does not decode.
    pub fn fill_doubles(&self, column: usize, block: usize, out: &mut [f64]) -> Result<bool> {
        reader::fill_doubles(&self.layout, &self.bytes, column, block, out)
    }

    /// The same of integers.
    ///
    /// # Errors
    /// As [`Self::fill_doubles`].
    pub fn fill_integers(&self, column: usize, block: usize, out: &mut [i64]) -> Result<bool> {
        reader::fill_integers(&self.layout, &self.bytes, column, block, out)
    }

    /// Fills `out`, which has a slot for each row, with the numbers of a block of doubles as they are
    /// encoded, and tells of which power of ten they count tenths; `None` where the column has nulls
    /// or is encoded otherwise.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when the block does not decode.
    pub fn fill_numbers(&self, column: usize, block: usize, out: &mut [i64]) -> Result<Option<u8>> {
        reader::fill_numbers(&self.layout, &self.bytes, column, block, out)
    }

    /// Appends the integers of a block without nulls: of an i64 column its values, of doubles their
    /// numbers of tenths as they are encoded; tells of which power of ten (of integers: 0). `None`,
    /// and `out` as it was, where a block has neither.
    ///
    /// # Errors
    /// As [`Self::decode_column`].
    pub fn decode_integers(
        &self,
        column: usize,
        block: usize,
        out: &mut Vec<i64>,
    ) -> Result<Option<u8>> {
        reader::integers(&self.layout, &self.bytes, column, block, out)
    }

    /// The power of ten, the least and the greatest of what [`Self::decode_integers`] gives of a
    /// block, from its statistics; `None` where they do not tell, or where the block has nulls.
    ///
    /// # Panics
    /// When `column` or `block` is past the last.
    pub fn integer_ends(&self, column: usize, block: usize) -> Option<(u8, i64, i64)> {
        let dense = self.layout.columns[column].shape.dense;
        self.layout.records(column).filter(|_| dense)?.number_ends(&self.bytes, block)
    }

    /// The value of a block's last row, from its statistics; `None` where they do not tell, or
    /// where the column has nulls.
    ///
    /// # Panics
    /// When `column` or `block` is past the last.
    pub fn last_value(&self, column: usize, block: usize) -> Option<Value> {
        let dense = self.layout.columns[column].shape.dense;
        self.layout.records(column).filter(|_| dense)?.last(&self.bytes, block)
    }

    /// Whether no row of a column is null.
    ///
    /// # Panics
    /// When `column` is past the last.
    pub fn is_dense(&self, column: usize) -> bool {
        self.layout.columns[column].shape.dense
    }

    /// Tells of each double of a block without nulls whether it lies in the inclusive `span`, as
    /// NaN never does; compares codes where it can.
    ///
    /// # Errors
    /// As [`Self::decode_column`], and [`crate::Error::Internal`] for a column with nulls.
    pub fn doubles_within(
        &self,
        column: usize,
        block: usize,
        span: (f64, f64),
        out: &mut Vec<bool>,
    ) -> Result<()> {
        reader::within(&self.layout, &self.bytes, column, block, reader::Span::F64(span), out)
    }

    /// The same of integers.
    ///
    /// # Errors
    /// As [`Self::doubles_within`].
    pub fn integers_within(
        &self,
        column: usize,
        block: usize,
        span: (i64, i64),
        out: &mut Vec<bool>,
    ) -> Result<()> {
        reader::within(&self.layout, &self.bytes, column, block, reader::Span::I64(span), out)
    }

    /// Whether its times are known, without decoding, to be those of another chunk.
    pub fn same_times(&self, other: &Self) -> bool {
        self.layout.same_times(&self.bytes, &other.layout, &other.bytes)
    }

    /// Checks the stored sum of a block against that of its codes, where whole numbers make both
    /// exact; all else is left to decoding.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when the block does not decode, or its sum is another.
    ///
    /// # Panics
    /// When `column` or `block` is past the last.
    pub fn verify_sum(&self, column: usize, block: usize) -> Result<()> {
        let Some(Some(stored)) = self.stats(column, block) else { return Ok(()) };
        reader::verify_sum(&self.layout, &self.bytes, column, block, &stored)
    }

    /// How a column is encoded, and its bytes: those that its blocks share, and each block's with
    /// its validity.
    ///
    /// # Panics
    /// When `column` is past the last.
    pub fn encoding(&self, column: usize) -> (Encoding, usize) {
        let own = &self.layout.columns[column];
        (own.shape.encoding, own.shared_len() + self.payload_len(column + 1))
    }

    /// How the times are encoded, and their bytes.
    pub fn times_encoding(&self) -> (Encoding, usize) {
        (self.layout.times_encoding, self.layout.times_shared_len() + self.payload_len(0))
    }

    /// What more there is to tell of how a column is encoded: the exponent, the length of a list,
    /// whether it is cold.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when what the blocks share does not decode.
    ///
    /// # Panics
    /// When `column` is past the last.
    pub fn encoding_detail(&self, column: usize) -> Result<String> {
        Ok(reader::detail(self.layout.columns[column].reader(&self.bytes)?))
    }

    fn payload_len(&self, column: usize) -> usize {
        (0..self.blocks()).map(|b| self.layout.payload(&self.bytes, column, b).len()).sum()
    }
}
