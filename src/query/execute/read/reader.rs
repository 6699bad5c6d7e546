//! Reads the rows of one series, merged and filtered.

use crate::chunk::Part;
use crate::error::Result;
use crate::kernels::merge::blocks_in;
use crate::kernels::{Guard, Rows, merge_every_row, merge_parts_guarded};
use crate::model::{Column, Duplicates, FieldType, SeriesKey, TimeRange, Timestamp};
use crate::query::execute::rolled::tells_rows_apart;
use crate::query::expr::Expr;
use crate::query::plan::field_ids;
use crate::query::predicate::Predicate;
use crate::query::{ChunkSource, QueryContext, SeriesRef};

/// Reads the same fields of many series.
pub(in crate::query::execute) struct Reader<'a> {
    pub(super) source: &'a dyn ChunkSource,
    pub(super) context: &'a QueryContext,
    /// The fields that are read: those asked for, then those that only the predicate needs.
    pub(super) fields: Vec<usize>,
    /// How many of these are asked for.
    pub(super) asked: usize,
    /// The fields to ask the source for; none asks for all.
    sorted: Vec<usize>,
    /// Of all fields of the table.
    pub(super) types: Vec<FieldType>,
    pub(super) every_row: bool,
    /// Rows without a point of the named fields are left out: where duplicates replace, which of
    /// them there are depends on which writes were merged.
    pub(super) points_only: bool,
    pub(super) predicate: Option<Predicate>,
}

impl<'a> Reader<'a> {
    pub(in crate::query::execute) fn new(
        source: &'a dyn ChunkSource,
        fields: Option<&[String]>,
        every_row: bool,
        predicate: Option<&Expr>,
        context: &'a QueryContext,
    ) -> Result<Self> {
        let schema = source.schema();
        let mut ids = field_ids(schema, fields)?;
        let asked = ids.len();
        let predicate = predicate.map(|expr| Predicate::new(schema, expr)).transpose()?;
        for field in predicate.iter().flat_map(Predicate::fields) {
            if !ids.contains(field) {
                ids.push(*field);
            }
        }
        let mut sorted = if fields.is_some() && !every_row { ids.clone() } else { Vec::new() };
        sorted.sort_unstable();
        let types = schema.fields.iter().map(|f| f.ty).collect();
        let points_only =
            schema.duplicates == Duplicates::Last && !sorted.is_empty() && fields.is_some();
        Ok(Self {
            source,
            context,
            fields: ids,
            asked,
            sorted,
            types,
            every_row,
            points_only,
            predicate,
        })
    }

    /// Of a range the times that can have rows.
    pub(in crate::query::execute) fn range(&self, range: TimeRange) -> TimeRange {
        self.predicate.as_ref().map_or(range, |predicate| range.intersect(&predicate.range()))
    }

    /// Of some series those that can have rows.
    pub(in crate::query::execute) fn series(
        &self,
        series: Vec<SeriesRef>,
    ) -> Result<Vec<SeriesRef>> {
        match &self.predicate {
            Some(predicate) => predicate.series(series),
            None => Ok(series),
        }
    }

    pub(in crate::query::execute) fn parts(
        &self,
        series: &SeriesRef,
        range: TimeRange,
    ) -> Result<Vec<Part>> {
        self.context.poll()?;
        self.source.parts(series, range, &self.sorted)
    }

    /// What bounds the query.
    pub(in crate::query::execute) fn guard(&self) -> &dyn Guard {
        self.context
    }

    /// The parts among which the latest row of a series is, unless it is deleted.
    pub(in crate::query::execute) fn tail(
        &self,
        series: &SeriesRef,
        range: TimeRange,
    ) -> Result<Vec<Part>> {
        self.context.poll()?;
        self.source.tail(series, range, &self.sorted)
    }

    /// The latest row of a series that was rolled up: its time and the fields that are read, where
    /// no condition would have to look at more than that row.
    pub(in crate::query::execute) fn last_that_remains(
        &self,
        series: &SeriesRef,
        range: TimeRange,
    ) -> Result<Option<(Timestamp, Vec<Column>)>> {
        if self.predicate.as_ref().is_some_and(tells_rows_apart) {
            return Ok(None);
        }
        let mut sorted = self.fields.clone();
        sorted.sort_unstable();
        let levels = self.source.partials(series, range, &sorted, self.context)?;
        // Of one time the finer level, which comes last, knows of what arrived later.
        let latest = levels.iter().filter_map(|level| level.latest(range));
        let latest = latest.max_by_key(|(time, _)| *time);
        Ok(latest.map(|(time, values)| {
            let column = |field: &usize| {
                let mut column = Column::empty(self.types[*field]);
                let value = sorted.binary_search(field).ok().and_then(|at| values[at].as_ref());
                column.push_value(value);
                column
            };
            (time, self.fields.iter().map(column).collect())
        }))
    }

    /// At least the first `wanted` rows of a series, and all when there are fewer.
    pub(super) fn rows(
        &self,
        parts: &[Part],
        key: &SeriesKey,
        range: TimeRange,
        wanted: usize,
    ) -> Result<Rows> {
        let mut blocks: Vec<(Timestamp, usize)> = Vec::new();
        if wanted != usize::MAX {
            for part in parts {
                let data = &part.data;
                let of_part = blocks_in(data, range);
                blocks.extend(of_part.map(|b| (data.block_span(b).1, data.block_rows(b).len())));
            }
            blocks.sort_unstable();
        }
        // Duplicates and deletions can leave fewer rows than there seem to be: look further, then.
        let mut enough = wanted;
        loop {
            let mut seen = 0usize;
            let until = blocks.iter().find(|(_, rows)| {
                seen += rows;
                seen >= enough
            });
            let until = until.and_then(|(last, _)| last.checked_add(1));
            let near = range.intersect(&TimeRange::new(None, until));
            let rows = self.merge(parts, key, near)?;
            if until.is_none() || rows.times.len() >= wanted {
                let bytes: usize = rows.columns.iter().map(Column::memory).sum();
                self.context.charge(bytes + rows.times.len() * 8)?;
                return Ok(rows);
            }
            enough = enough.saturating_mul(4).max(1);
        }
    }

    /// The rows of a series, given its parts.
    pub(in crate::query::execute) fn merge(
        &self,
        parts: &[Part],
        key: &SeriesKey,
        range: TimeRange,
    ) -> Result<Rows> {
        let duplicates = self.source.schema().duplicates;
        let merge = if self.every_row { merge_every_row } else { merge_parts_guarded };
        let rows = merge(parts, range, &self.fields, &self.types, duplicates, self.context)?;
        let rows = if self.points_only { rows.with_points() } else { rows };
        let Some(predicate) = &self.predicate else { return Ok(rows) };
        let column = |field: usize| {
            let at = self.fields.iter().position(|own| *own == field);
            at.and_then(|at| rows.columns.get(at))
        };
        let kept = predicate.apply(key, &rows.times, &column)?;
        Ok(rows.take(&kept))
    }

    /// Whether the latest row of a series may have been left out of what [`Self::merge`] gives.
    pub(in crate::query::execute) fn leaves_rows_out(&self) -> bool {
        self.points_only || self.predicate.is_some()
    }
}
