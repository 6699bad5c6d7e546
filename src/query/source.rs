//! The one trait through which queries see storage.

use std::sync::Arc;

use crate::chunk::{Part, Stats};
use crate::error::Result;
use crate::kernels::{Guard, Partials};
use crate::model::{SeriesKey, TableSchema, TimeRange, Timestamp};

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

    /// Whether a query may stop before it has looked at all that it could need; tests hold answers
    /// against those of a source where it may not.
    fn prunes(&self) -> bool {
        true
    }

    /// The series that pass `filter` and may have rows, or aggregates of rows that are gone, in
    /// `range`, ordered by key.
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

    /// What remains of rows that were rolled up: the levels that may have aggregates of buckets that
    /// start in `range`, finest first.
    fn levels(&self, _range: TimeRange) -> Vec<RolledUp> {
        Vec::new()
    }

    /// Those aggregates of one series, of `fields` (ids, ascending), level by level, the coarsest
    /// first: what is in it mostly arrived first. No row that [`Self::parts`] gives is in them.
    ///
    /// # Errors
    /// As [`Self::parts`], and as the guard decides.
    fn partials(
        &self,
        _series: &SeriesRef,
        _range: TimeRange,
        _fields: &[usize],
        _guard: &dyn Guard,
    ) -> Result<Vec<Partials>> {
        Ok(Vec::new())
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

/// A level of aggregates of rows that are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolledUp {
    /// The length of its buckets in nanoseconds.
    pub step: i64,
    /// The start of its first bucket.
    pub from: Timestamp,
    /// The end of its last bucket.
    pub until: Timestamp,
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
