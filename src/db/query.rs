//! The query verbs: each takes a snapshot of one table and runs a plan on it in the private pool.

use std::sync::Arc;

use arrow_array::RecordBatch;

use super::open::now;
use super::snapshot::{TableSnapshot, capture, table_state};
use super::{Database, Pin, Role};
use crate::chunk::Stats;
use crate::error::{Error, Result};
use crate::model::TimeRange;
use crate::query::{
    self, AggregateQuery, AnomalyQuery, CorrelateQuery, Filter, LastQuery, QueryContext, ReadQuery,
    SeriesQuery, SumQuery, TagFilter,
};

/// How often a live reader asks again when a version passes beneath its query.
const TRIES: usize = 10;

impl Database {
    /// Rows as they were written.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] for an unknown name, [`crate::Error::InvalidArgument`] for a
    /// range that ends before it starts, [`crate::Error::LimitExceeded`] past a budget.
    pub fn read(
        &self,
        table: &str,
        query: &ReadQuery,
        context: &QueryContext,
    ) -> Result<RecordBatch> {
        self.answer(table, &query.filter, query.range, |source| query::read(source, query, context))
    }

    /// Aggregates by bucket and tags.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn aggregate(
        &self,
        table: &str,
        query: &AggregateQuery,
        context: &QueryContext,
    ) -> Result<RecordBatch> {
        self.answer(table, &query.filter, query.range, |source| {
            query::aggregate(source, query, context)
        })
    }

    /// The latest row of each group.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn last(
        &self,
        table: &str,
        query: &LastQuery,
        context: &QueryContext,
    ) -> Result<RecordBatch> {
        self.answer(table, &query.filter, query.range, |source| query::last(source, query, context))
    }

    /// The statistics of one field over a range, from cumulative statistics where they are kept;
    /// `None` when there is no point.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn sum(
        &self,
        table: &str,
        query: &SumQuery,
        context: &QueryContext,
    ) -> Result<Option<Stats>> {
        self.answer(table, &query.filter, query.range, |source| query::sum(source, query, context))
    }

    /// The series of a table with their first and last time and their rows.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn series(
        &self,
        table: &str,
        query: &SeriesQuery,
        context: &QueryContext,
    ) -> Result<RecordBatch> {
        self.answer(table, &query.filter, query.range, |source| {
            query::series(source, query, context)
        })
    }

    /// The nodes farthest from the others' median.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn top_anomalies(
        &self,
        table: &str,
        query: &AnomalyQuery,
        context: &QueryContext,
    ) -> Result<RecordBatch> {
        self.answer(table, &query.filter, query.range, |source| {
            query::top_anomalies(source, query, context)
        })
    }

    /// Pearson's r of two fields, node by node.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn correlate(
        &self,
        table: &str,
        query: &CorrelateQuery,
        context: &QueryContext,
    ) -> Result<RecordBatch> {
        self.answer(table, &query.filter, query.range, |source| {
            query::correlate(source, query, context)
        })
    }

    /// How many series a table has.
    pub(super) fn series_count(&self, table: &str) -> Result<u64> {
        use crate::query::ChunkSource;
        let sources = self.sources(&[(table, &Vec::new(), TimeRange::ALL)])?;
        let series = sources
            .iter()
            .map(|source| Ok(source.series(&TagFilter::default(), TimeRange::ALL)?.len() as u64));
        series.sum()
    }

    /// Runs a query on one table at this moment.
    pub(super) fn answer<T: Send>(
        &self,
        table: &str,
        filter: &Filter,
        range: TimeRange,
        run: impl Fn(&TableSnapshot) -> Result<T> + Sync,
    ) -> Result<T> {
        self.answer_all(&[(table, filter, range)], |sources| match sources {
            [source] => run(source),
            _ => Err(Error::Internal(format!("{} sources of one table", sources.len()))),
        })
    }

    /// Runs a query on several tables, or on one several times, at one moment.
    pub(super) fn answer_all<T: Send>(
        &self,
        wanted: &[(&str, &Filter, TimeRange)],
        run: impl Fn(&[TableSnapshot]) -> Result<T> + Sync,
    ) -> Result<T> {
        let mut tries = 0;
        loop {
            let (version, answer) = match self.sources(wanted) {
                Ok(sources) => {
                    let version = sources.first().map(TableSnapshot::version);
                    (version, self.inner.pool.install(|| run(&sources)))
                }
                Err(error) => (Some(self.inner.state.read().view.manifest.version), Err(error)),
            };
            match answer {
                // The writer beside a live reader removes segments that a newer version no longer
                // lists, and knows nothing of the reader.
                Err(Error::NotFound(_))
                    if matches!(self.inner.role, Role::Live(_))
                        && tries < TRIES
                        && Some(self.version()?) != version =>
                {
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// Tables at this moment.
    fn sources(&self, wanted: &[(&str, &Filter, TimeRange)]) -> Result<Vec<TableSnapshot>> {
        self.ready()?;
        self.refresh()?;
        let state = self.inner.state.read();
        let view = Arc::clone(&state.view);
        let mut captured = Vec::with_capacity(wanted.len());
        for (table, filter, range) in wanted {
            // While the lock is held: the version that follows is shown, and its clean-up looks at
            // the pins, only after.
            let pin = Pin::new(view.manifest.version, &self.inner.pins);
            let schema = &table_state(&view, table)?.schema;
            let tags = query::tag_filter(schema, filter)?;
            captured.push((*table, *range, pin, capture(&state.head, table, &tags, *range)));
        }
        drop(state);
        let now = now();
        captured
            .into_iter()
            .map(|(table, range, pin, captured)| {
                TableSnapshot::new(&self.inner.shared, (&view, pin), table, captured, now, range)
            })
            .collect()
    }
}
