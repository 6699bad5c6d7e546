//! Chunks: up to 64 blocks of 1,024 rows of one series, columns sharing one set of times.
//!
//! A chunk is immutable and self-contained: rows in, bytes out, and back bit for bit.
//! `FORMAT.md` has the layout byte by byte.

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

use crate::error::Result;
use crate::model::{Column, FieldType, Timestamp};
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
    /// come back.
    ///
    /// # Panics
    /// Unless there are 1 to [`CHUNK_ROWS`] times, ascending, and at most 65,535 columns with a
    /// slot and, where there is a validity, a bit for each; or when the chunk would pass 4 GiB.
    pub fn encode(times: &[Timestamp], columns: &[Column], out: &mut Vec<u8>) {
        encode::encode(times, columns, out);
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
        self.layout.columns[column].ty
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
        let shape = self.layout.columns[column];
        let record = self.layout.record(&self.bytes, column, block)?;
        Some(record::read(record, shape, self.block_rows(block).len(), self.block_span(block)))
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

    /// The name of the encoding and the bytes, validity included, of a column's block.
    ///
    /// # Panics
    /// When `column` or `block` is past the last.
    pub fn encoding(&self, column: usize, block: usize) -> (&'static str, usize) {
        let payload = self.layout.payload(&self.bytes, column + 1, block);
        let values = reader::split(self.layout.columns[column], payload).map_or(&[][..], |s| s.1);
        (reader::encoding_name(values), payload.len())
    }

    /// The name of the encoding and the bytes of a block's times.
    ///
    /// # Panics
    /// When `block` is past the last.
    pub fn times_encoding(&self, block: usize) -> (&'static str, usize) {
        let payload = self.layout.payload(&self.bytes, 0, block);
        (reader::encoding_name(payload), payload.len())
    }
}
