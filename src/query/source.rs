//! The one trait through which queries see storage.

use std::sync::Arc;

use crate::chunk::{Part, Stats};
use crate::error::Result;
use crate::model::{SeriesKey, TableSchema, TimeRange};

/// Which series a query wants: every named tag must hold one of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagFilter {
    /// A tag's position in the table with the values that pass; `None` among them lets series
    /// without the tag pass. No entry: every series passes.
    pub any_of: Vec<(usize, Vec<Option<String>>)>,
}

impl TagFilter {
    /// Whether a series passes.
    pub fn matches(&self, key: &SeriesKey) -> bool {
        self.any_of.iter().all(|(tag, values)| {
            let own = key.tags.get(*tag).and_then(Option::as_deref);
            values.iter().any(|value| value.as_deref() == own)
        })
    }
}

/// One series that matched, with a handle by which the source finds its parts.
#[derive(Clone, Debug)]
pub struct SeriesRef {
    /// Its tags.
    pub key: Arc<SeriesKey>,
    /// The source's own handle.
    pub handle: u64,
}

/// A consistent state of one table: every call answers from the same snapshot.
pub trait ChunkSource: Send + Sync {
    /// The table.
    fn schema(&self) -> &Arc<TableSchema>;

    /// The series that pass `filter` and may have rows in `range`, ordered by key.
    ///
    /// # Errors
    /// When storage cannot be read.
    fn series(&self, filter: &TagFilter, range: TimeRange) -> Result<Vec<SeriesRef>>;

    /// No fewer than [`Self::series`] gives, told without making them, so that a budget can refuse
    /// them first; 0 where the source cannot tell.
    ///
    /// # Errors
    /// As [`Self::series`].
    fn series_at_most(&self, _filter: &TagFilter, _range: TimeRange) -> Result<usize> {
        Ok(0)
    }

    /// The parts of a series that overlap `range` and hold any of `fields` (ids, ascending; empty
    /// means every part), ordered by [`Part::order`]. Called from many threads at once.
    ///
    /// # Errors
    /// When storage cannot be read, or bytes are damaged.
    fn parts(&self, series: &SeriesRef, range: TimeRange, fields: &[usize]) -> Result<Vec<Part>>;

    /// Of [`Self::parts`] at least the one that ends last and all that overlap it: where the latest
    /// row is, unless it is deleted.
    ///
    /// # Errors
    /// As [`Self::parts`].
    fn tail(&self, series: &SeriesRef, range: TimeRange, fields: &[usize]) -> Result<Vec<Part>> {
        self.parts(series, range, fields)
    }

    /// A field of one series over `range` in as few parts as the source's cumulative statistics
    /// allow.
    ///
    /// # Errors
    /// As [`Self::parts`].
    fn summary(&self, series: &SeriesRef, range: TimeRange, field: usize) -> Result<Summary> {
        Ok(Summary::of_parts(self.parts(series, range, &[field])?))
    }
}

/// A field of one series over a range: what statistics already answer, and what must be looked at.
#[derive(Debug, Default)]
pub struct Summary {
    /// Statistics of runs of chunks that lie whole inside the range and that nothing hides.
    pub covered: Option<Stats>,
    /// The parts that remain, ordered by [`Part::order`]; none overlaps what is covered where
    /// duplicates replace.
    pub rest: Vec<Part>,
}

impl Summary {
    /// Nothing answered yet.
    pub fn of_parts(rest: Vec<Part>) -> Self {
        Self { covered: None, rest }
    }
}
