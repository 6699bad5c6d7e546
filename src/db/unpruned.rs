//! A table with nothing left out before it is looked at and nothing known before it is decoded:
//! what tests hold the answers of [`TableSnapshot`] against.

use std::sync::Arc;

use super::Database;
use super::snapshot::TableSnapshot;
use crate::chunk::{Part, PartData, PlainChunk};
use crate::error::Result;
use crate::kernels::{Guard, Partials};
use crate::model::{Column, TableSchema, TimeRange};
use crate::query::{ChunkSource, RolledUp, SeriesRef, TagFilter};

impl Database {
    /// A handle on the same state whose queries prune nothing: every segment, series and chunk of
    /// the table is taken, each block is decoded, and no statistics are asked. For tests; answers
    /// are the same but for the order in which doubles are added.
    #[doc(hidden)]
    pub fn unpruned(&self) -> Self {
        Self { pruning: false, ..self.clone() }
    }
}

/// One table of one view, whole and decoded.
pub(super) struct Unpruned<'a>(pub(super) &'a TableSnapshot);

impl ChunkSource for Unpruned<'_> {
    fn schema(&self) -> &Arc<TableSchema> {
        self.0.schema()
    }

    fn prunes(&self) -> bool {
        false
    }

    fn series(&self, filter: &TagFilter, _range: TimeRange) -> Result<Vec<SeriesRef>> {
        let mut series = self.0.series(&TagFilter::default(), TimeRange::ALL)?;
        series.retain(|one| filter.matches(&one.key));
        Ok(series)
    }

    /// `fields` stay: which rows there are depends on the fields that they were written with.
    fn parts(&self, series: &SeriesRef, _range: TimeRange, fields: &[usize]) -> Result<Vec<Part>> {
        let parts = self.0.parts(series, TimeRange::ALL, fields)?;
        parts.into_iter().map(|part| Ok(Part { data: decoded(part.data)?, ..part })).collect()
    }

    fn levels(&self, range: TimeRange) -> Vec<RolledUp> {
        self.0.levels(range)
    }

    fn partials(
        &self,
        series: &SeriesRef,
        range: TimeRange,
        fields: &[usize],
        guard: &dyn Guard,
    ) -> Result<Vec<Partials>> {
        self.0.partials(series, range, fields, guard)
    }
}

fn decoded(data: PartData) -> Result<PartData> {
    if matches!(data, PartData::Plain(_)) {
        return Ok(data);
    }
    let mut times = Vec::with_capacity(data.rows());
    let mut columns: Vec<Column> =
        (0..data.columns()).map(|column| Column::empty(data.column_type(column))).collect();
    for block in 0..data.blocks() {
        data.decode_times(block, &mut times)?;
        for (at, column) in columns.iter_mut().enumerate() {
            data.decode_column(at, block, column)?;
        }
    }
    Ok(PartData::Plain(Arc::new(PlainChunk { times, columns })))
}
