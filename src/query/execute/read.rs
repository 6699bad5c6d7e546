//! Rows as they were written.

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::{Frame, Tags};
use crate::error::Result;
use crate::kernels::merge::blocks_in;
use crate::kernels::{Guard, Rows, merge_every_row, merge_parts_guarded};
use crate::model::{Column, Duplicates, FieldType, TableSchema, TimeRange, Timestamp};
use crate::query::plan::{check_range, field_ids, tag_filter};
use crate::query::{ChunkSource, QueryContext, ReadQuery, SeriesRef};

/// Series that are read at once under a limit.
const AT_ONCE: usize = 8;

/// Reads rows; [`ReadQuery`] says what comes out.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] for a range that ends before it starts or a field named
/// twice,
/// [`crate::Error::NotFound`] for unknown names, and what the source and the context report.
pub fn read(
    source: &dyn ChunkSource,
    query: &ReadQuery,
    context: &QueryContext,
) -> Result<RecordBatch> {
    check_range(query.range)?;
    let schema = source.schema();
    let reader = Reader::new(source, query.fields.as_deref(), query.every_row, context)?;
    let series = source.series(&tag_filter(schema, &query.filter)?, query.range)?;
    let mut found: Vec<(&SeriesRef, Rows)> = Vec::new();
    match query.limit {
        None => {
            let rows = series.par_iter().map(|one| reader.rows(one, query.range, usize::MAX));
            found.extend(series.iter().zip(rows.collect::<Result<Vec<_>>>()?));
        }
        Some(limit) => {
            let mut missing = limit;
            for some in series.chunks(AT_ONCE) {
                if missing == 0 {
                    break;
                }
                let rows = some.par_iter().map(|one| reader.rows(one, query.range, missing));
                for (one, mut rows) in some.iter().zip(rows.collect::<Result<Vec<_>>>()?) {
                    truncate(&mut rows, missing);
                    missing -= rows.times.len();
                    found.push((one, rows));
                }
            }
        }
    }
    reader.frame(found).into_batch()
}

/// Reads the same fields of many series.
pub(super) struct Reader<'a> {
    source: &'a dyn ChunkSource,
    context: &'a QueryContext,
    fields: Vec<usize>,
    /// The fields to ask the source for; none asks for all.
    sorted: Vec<usize>,
    types: Vec<FieldType>,
    every_row: bool,
    /// Rows without a point of the named fields are left out: where duplicates replace, which of
    /// them there are depends on which writes were merged.
    points_only: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        source: &'a dyn ChunkSource,
        fields: Option<&[String]>,
        every_row: bool,
        context: &'a QueryContext,
    ) -> Result<Self> {
        let schema = source.schema();
        let ids = field_ids(schema, fields)?;
        let mut sorted = if fields.is_some() && !every_row { ids.clone() } else { Vec::new() };
        sorted.sort_unstable();
        let types = schema.fields.iter().map(|f| f.ty).collect();
        let points_only =
            schema.duplicates == Duplicates::Last && !sorted.is_empty() && fields.is_some();
        Ok(Self { source, context, fields: ids, sorted, types, every_row, points_only })
    }

    pub(super) fn parts(
        &self,
        series: &SeriesRef,
        range: TimeRange,
    ) -> Result<Vec<crate::chunk::Part>> {
        self.context.poll()?;
        self.source.parts(series, range, &self.sorted)
    }

    /// At least the first `wanted` rows of a series, and all when there are fewer.
    pub(super) fn rows(&self, series: &SeriesRef, range: TimeRange, wanted: usize) -> Result<Rows> {
        let parts = self.parts(series, range)?;
        let mut blocks: Vec<(Timestamp, usize)> = Vec::new();
        if wanted != usize::MAX {
            for part in &parts {
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
            let rows = self.merge(&parts, near)?;
            if until.is_none() || rows.times.len() >= wanted {
                let bytes: usize = rows.columns.iter().map(Column::memory).sum();
                self.context.charge(bytes + rows.times.len() * 8)?;
                return Ok(rows);
            }
            enough = enough.saturating_mul(4).max(1);
        }
    }

    pub(super) fn merge(&self, parts: &[crate::chunk::Part], range: TimeRange) -> Result<Rows> {
        let duplicates = self.source.schema().duplicates;
        let merge = if self.every_row { merge_every_row } else { merge_parts_guarded };
        let rows = merge(parts, range, &self.fields, &self.types, duplicates, self.context)?;
        Ok(if self.points_only { with_points(rows) } else { rows })
    }

    /// Whether the latest row of a series may have been left out of what [`Self::merge`] gives.
    pub(super) fn leaves_rows_out(&self) -> bool {
        self.points_only
    }

    /// `time`, every tag and the fields of the rows of some series.
    pub(super) fn frame(&self, found: Vec<(&SeriesRef, Rows)>) -> Frame {
        let schema: &TableSchema = self.source.schema();
        let mut tags = vec![Tags::default(); schema.tags.len()];
        let mut all = Rows {
            times: Vec::new(),
            columns: self.fields.iter().map(|&field| Column::empty(self.types[field])).collect(),
        };
        for (series, rows) in found {
            let count = rows.times.len();
            if count == 0 {
                continue;
            }
            for (at, tag) in tags.iter_mut().enumerate() {
                tag.push(series.key.tags.get(at).and_then(Option::as_deref), count);
            }
            if all.times.is_empty() {
                all = rows;
                continue;
            }
            all.times.extend_from_slice(&rows.times);
            for (to, from) in all.columns.iter_mut().zip(&rows.columns) {
                to.extend_from(from, 0..count);
            }
        }
        let names = self.fields.iter().map(|&field| schema.fields[field].name.clone());
        Frame {
            rows: all.times.len(),
            time: Some(all.times),
            tags: schema.tags.iter().cloned().zip(tags).collect(),
            times: Vec::new(),
            columns: names.zip(all.columns).collect(),
        }
    }
}

/// Keeps the first `limit` rows.
fn truncate(rows: &mut Rows, limit: usize) {
    if rows.times.len() > limit {
        rows.times.truncate(limit);
        for column in &mut rows.columns {
            let mut kept = Column::empty(column.values.field_type());
            kept.extend_from(column, 0..limit);
            *column = kept;
        }
    }
}

/// The rows in which at least one column has a value.
fn with_points(rows: Rows) -> Rows {
    let has_point = |row: usize| rows.columns.iter().any(|column| column.is_valid(row));
    if (0..rows.times.len()).all(has_point) {
        return rows;
    }
    let kept: Vec<usize> = (0..rows.times.len()).filter(|row| has_point(*row)).collect();
    let columns = rows.columns.iter().map(|column| {
        let mut out = Column::empty(column.values.field_type());
        kept.iter().for_each(|row| out.push_from(column, *row));
        out
    });
    Rows { columns: columns.collect(), times: kept.iter().map(|row| rows.times[*row]).collect() }
}
