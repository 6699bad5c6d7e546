//! Parts: the rows of one series that share their times, encoded or plain, read block by block.

use std::sync::Arc;

use super::{BLOCK_ROWS, Chunk, Stats};
use crate::codec::EvenTimes;
use crate::error::{Error, Result};
use crate::model::{Column, FieldType, TimeRange, Timestamp};

/// Rows of one series sorted by time, in memory and not encoded.
///
/// Invariant: `times` ascend and every column has as many rows.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainChunk {
    /// Each row's time, ascending.
    pub times: Vec<Timestamp>,
    /// One column a field.
    pub columns: Vec<Column>,
}

/// Rows of one series that share their times, sorted by time, in blocks of at most
/// [`BLOCK_ROWS`] rows.
#[derive(Clone, Debug)]
pub enum PartData {
    /// Encoded, as a segment or a sealed head block holds them.
    Encoded(Chunk),
    /// Plain, as the open tail of the head gives them.
    Plain(Arc<PlainChunk>),
}

impl PartData {
    /// How many rows there are.
    pub fn rows(&self) -> usize {
        match self {
            Self::Encoded(chunk) => chunk.rows(),
            Self::Plain(plain) => plain.times.len(),
        }
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.rows().div_ceil(BLOCK_ROWS)
    }

    /// The rows of block `block`, counted from the part's first.
    pub fn block_rows(&self, block: usize) -> std::ops::Range<usize> {
        let start = block * BLOCK_ROWS;
        start..self.rows().min(start + BLOCK_ROWS)
    }

    /// The first and the last time of block `block`.
    pub fn block_span(&self, block: usize) -> (Timestamp, Timestamp) {
        match self {
            Self::Encoded(chunk) => chunk.block_span(block),
            Self::Plain(plain) => {
                let rows = self.block_rows(block);
                (plain.times[rows.start], plain.times[rows.end - 1])
            }
        }
    }

    /// The first and the last time, `None` when there is no row.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let blocks = self.blocks();
        (blocks > 0).then(|| (self.block_span(0).0, self.block_span(blocks - 1).1))
    }

    /// The stored statistics of a column's block. The outer `None`: none are stored, decode;
    /// the inner: the block has no point of that column.
    pub fn stats(&self, column: usize, block: usize) -> Option<Option<Stats>> {
        match self {
            Self::Encoded(chunk) => chunk.stats(column, block),
            Self::Plain(_) => None,
        }
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        match self {
            Self::Encoded(chunk) => chunk.columns(),
            Self::Plain(plain) => plain.columns.len(),
        }
    }

    /// The type of column `column`.
    ///
    /// # Panics
    /// When there is no such column.
    pub fn column_type(&self, column: usize) -> FieldType {
        match self {
            Self::Encoded(chunk) => chunk.column_type(column),
            Self::Plain(plain) => plain.columns[column].values.field_type(),
        }
    }

    /// The statistics of a whole column, from the blocks' own where they are stored.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a block does not decode.
    pub fn total(&self, column: usize) -> Result<Option<Stats>> {
        let mut total = None;
        for block in 0..self.blocks() {
            let stats = match self.stats(column, block) {
                Some(stats) => stats,
                None => {
                    let mut times = Vec::new();
                    let mut values = Column::empty(self.column_type(column));
                    self.decode_times(block, &mut times)?;
                    self.decode_column(column, block, &mut values)?;
                    Stats::of(&times, &values, 0..times.len())
                }
            };
            Stats::merge_into(&mut total, stats);
        }
        Ok(total)
    }

    /// The times of block `block`, where they are even and need no decoding.
    pub fn even_times(&self, block: usize) -> Option<EvenTimes> {
        match self {
            Self::Encoded(chunk) => chunk.even_times(block),
            Self::Plain(_) => None,
        }
    }

    /// Appends the times of block `block` to `out`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the block does not decode.
    pub fn decode_times(&self, block: usize, out: &mut Vec<Timestamp>) -> Result<()> {
        match self {
            Self::Encoded(chunk) => chunk.decode_times(block, out),
            Self::Plain(plain) => {
                out.extend_from_slice(&plain.times[self.block_rows(block)]);
                Ok(())
            }
        }
    }

    /// Whether no row of a column is known to be null.
    pub fn is_dense(&self, column: usize) -> bool {
        match self {
            Self::Encoded(chunk) => chunk.is_dense(column),
            Self::Plain(plain) => {
                plain.columns.get(column).is_some_and(|column| column.validity.is_none())
            }
        }
    }

    /// Fills `out` with the numbers of a block of doubles, as [`Chunk::fill_numbers`].
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the block does not decode.
    pub fn fill_numbers(&self, column: usize, block: usize, out: &mut [i64]) -> Result<Option<u8>> {
        match self {
            Self::Encoded(chunk) => chunk.fill_numbers(column, block, out),
            Self::Plain(_) => Ok(None),
        }
    }

    /// Appends the rows of column `column` of block `block` to `out`, which must be of its type.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the block does not decode.
    pub fn decode_column(&self, column: usize, block: usize, out: &mut Column) -> Result<()> {
        match self {
            Self::Encoded(chunk) => chunk.decode_column(column, block, out),
            Self::Plain(plain) => {
                let from = plain.columns.get(column).ok_or_else(|| {
                    Error::Internal(format!("column {column} of {}", plain.columns.len()))
                })?;
                out.extend_from(from, self.block_rows(block));
                Ok(())
            }
        }
    }
}

/// Rows of one series that share their times, with what a query must know of them.
#[derive(Clone, Debug)]
pub struct Part {
    /// The rows.
    pub data: PartData,
    /// For each of the data's columns the id (position in the table's schema) of its field,
    /// ascending.
    pub fields: Arc<[usize]>,
    /// Its place in the order of arrival: of two parts the one with the higher order wins.
    pub order: u64,
    /// Rows inside these ranges are deleted and must not be seen. Mostly empty.
    pub deleted: Arc<[TimeRange]>,
}

impl Part {
    /// The data's column that holds field `field`.
    pub fn column_of(&self, field: usize) -> Option<usize> {
        self.fields.binary_search(&field).ok()
    }
}
