//! Bounds of a database that a write must keep to.

use std::collections::HashSet;
use std::sync::Arc;

use super::state::View;
use super::{Database, Writer};
use crate::error::{Error, Result};
use crate::model::limits::{MAX_TABLES, SeriesCap};
use crate::model::{Batch, SeriesId, SeriesKey, TableSchema};

/// How many series the segments of a table have, in the version in which they were counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    version: u64,
    series: u64,
}

impl Database {
    /// Checks that one more table fits.
    pub(super) fn check_tables(&self, view: &View, name: &str) -> Result<()> {
        if view.manifest.tables.len() < MAX_TABLES || view.manifest.tables.contains_key(name) {
            return Ok(());
        }
        Err(Error::LimitExceeded(format!(
            "table {name:?} would be one more than {MAX_TABLES}, which is what a database takes; \
             tables that differ by a name only are one table with a tag"
        )))
    }

    /// Checks that the series of a write fit into its table.
    ///
    /// The sum over the segments is a bound that costs nothing; only past the cap are they counted.
    pub(super) fn check_series(
        &self,
        writer: &mut Writer,
        view: &View,
        schema: &TableSchema,
        batches: &[&Batch],
    ) -> Result<()> {
        let cap = SeriesCap(self.inner.options.max_series);
        let segments =
            view.manifest.tables.get(&schema.name).map(|table| table.segments.as_slice());
        let segments = segments.unwrap_or_default();
        let in_heads: u64 = {
            let state = self.inner.state.read();
            let heads = state.view.frozen.iter().map(|f| &f.head).chain([&state.head]);
            heads.filter_map(|h| h.table(&schema.name)).map(|t| t.series_count() as u64).sum()
        };
        let written: u64 = batches.iter().map(|batch| batch.series().len() as u64).sum();
        let stored: u64 = segments.iter().map(|meta| meta.series).sum();
        if stored.saturating_add(in_heads).saturating_add(written) <= cap.0 {
            return Ok(());
        }
        let counted = match writer.counted.get(&schema.name) {
            Some(counted) if counted.version == view.manifest.version => counted.series,
            _ => {
                let series = self.count_stored(view, schema)?;
                let version = view.manifest.version;
                writer.counted.insert(schema.name.clone(), Counted { version, series });
                series
            }
        };
        let mut new: HashSet<SeriesId, foldhash::fast::RandomState> = HashSet::default();
        let segments = segments
            .iter()
            .map(|meta| self.inner.shared.segment_of(meta, schema))
            .collect::<Result<Vec<_>>>()?;
        let mut add = |key: &SeriesKey| -> Result<()> {
            for segment in &segments {
                if segment.find(key)?.is_some() {
                    return Ok(());
                }
            }
            new.insert(key.id(&schema.name, &schema.tags));
            Ok(())
        };
        let waiting: Vec<Arc<SeriesKey>> = {
            let state = self.inner.state.read();
            let heads = state.view.frozen.iter().map(|f| &f.head).chain([&state.head]);
            let tables = heads.filter_map(|head| head.table(&schema.name));
            tables
                .flat_map(|t| (0..t.series_count() as u32).map(|at| Arc::clone(t.series(at).1)))
                .collect()
        };
        waiting.iter().try_for_each(|key| add(key))?;
        batches.iter().flat_map(|batch| batch.series()).try_for_each(&mut add)?;
        let count = counted.saturating_add(new.len() as u64);
        if count > cap.0 {
            return Err(
                cap.passed(&schema.name, &format!("{count} (it has {counted} in segments)"))
            );
        }
        Ok(())
    }

    /// How many different series the segments of a table have.
    fn count_stored(&self, view: &View, schema: &TableSchema) -> Result<u64> {
        let segments =
            view.manifest.tables.get(&schema.name).map(|table| table.segments.as_slice());
        let segments = segments.unwrap_or_default();
        if let [only] = segments {
            return Ok(only.series);
        }
        let mut ids: Vec<SeriesId> = Vec::new();
        for meta in segments {
            let segment = self.inner.shared.segment_of(meta, schema)?;
            for ordinal in 0..segment.series_count() {
                ids.push(segment.series_id(ordinal)?);
            }
            ids.sort_unstable();
            ids.dedup();
        }
        Ok(ids.len() as u64)
    }
}
