//! How much fits into a database: bounds that are checked before memory is spent on what passes
//! them.

use arrow_array::{Array, StringViewArray};

use super::{Batch, FieldArray, TableSchema};
use crate::error::{Error, Result};

/// Tables of a database: each is in every manifest.
pub const MAX_TABLES: usize = 10_000;
/// Tags of a table.
pub const MAX_TAGS: usize = 128;
/// Fields of a table.
pub const MAX_FIELDS: usize = 16_384;
/// Bytes of the value of a tag.
pub const MAX_TAG_VALUE: usize = 1 << 16;
/// Bytes of the strings of one row: a block of such rows still fits into memory and its format.
pub const MAX_ROW_STRINGS: usize = 1 << 20;

impl TableSchema {
    /// Checks that a table has no more tags and fields than fit.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] with the count and the limit.
    pub fn check_size(&self) -> Result<()> {
        let counts =
            [("tags", self.tags.len(), MAX_TAGS), ("fields", self.fields.len(), MAX_FIELDS)];
        for (what, count, most) in counts {
            if count > most {
                return Err(Error::LimitExceeded(format!(
                    "table {:?} would have {count} {what}, and at most {most} fit; names that are \
                     data (hosts, sensors, customers) belong into the values of a tag",
                    self.name
                )));
            }
        }
        Ok(())
    }
}

/// Checks the lengths of a batch's tag values and strings.
///
/// # Errors
/// [`Error::LimitExceeded`] with the tag or the row, the length and the limit.
pub fn check_lengths(batch: &Batch, tags: &[String]) -> Result<()> {
    for key in batch.series() {
        for (tag, value) in tags.iter().zip(&key.tags) {
            let len = value.as_deref().map_or(0, str::len);
            if len > MAX_TAG_VALUE {
                return Err(Error::LimitExceeded(format!(
                    "a value of tag {tag:?} of table {:?} has {len} bytes, and at most \
                     {MAX_TAG_VALUE} fit; long texts belong into a field",
                    batch.table()
                )));
            }
        }
    }
    let strings: Vec<(&str, &StringViewArray)> = batch
        .fields()
        .iter()
        .filter_map(|(name, array)| match array {
            FieldArray::Str(strings) => Some((name.as_str(), strings)),
            _ => None,
        })
        .collect();
    // The low half of a view's first word is the string's length.
    let longest = |array: &StringViewArray| {
        array.views().iter().map(|view| *view as u32 as usize).max().unwrap_or(0)
    };
    let bound: usize = strings.iter().map(|(_, array)| longest(array)).sum();
    if bound <= MAX_ROW_STRINGS {
        return Ok(());
    }
    for row in 0..batch.rows() {
        let length = |array: &StringViewArray| {
            if array.is_valid(row) { array.views()[row] as u32 as usize } else { 0 }
        };
        let bytes: usize = strings.iter().map(|(_, array)| length(array)).sum();
        if bytes > MAX_ROW_STRINGS {
            let most = strings.iter().max_by_key(|(_, array)| length(array));
            return Err(Error::LimitExceeded(format!(
                "the strings of a row of table {:?} (at time {}, most of it in field {:?}) have \
                 {bytes} bytes, and at most {MAX_ROW_STRINGS} fit in a row; store such objects \
                 elsewhere and their names here",
                batch.table(),
                batch.times()[row],
                most.map_or("", |(name, _)| name)
            )));
        }
    }
    Ok(())
}

/// Most series of a table, and the way to say that there would be more.
#[derive(Clone, Copy, Debug)]
pub struct SeriesCap(pub u64);

impl SeriesCap {
    /// The error for a table that would pass it; `count` says how many there would be.
    pub fn passed(self, table: &str, count: &str) -> Error {
        Error::LimitExceeded(format!(
            "table {table:?} would have {count} series, and the database takes {} a table \
             (max_series=); a tag whose values hardly repeat (ids, times, addresses) belongs into \
             a field, or open the database with a larger max_series",
            self.0
        ))
    }

    /// The cap as a count of what fits into memory.
    pub fn most(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}
