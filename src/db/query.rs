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
        let source = self.source(table, &Vec::new(), TimeRange::ALL)?;
        Ok(source.series(&TagFilter::default(), TimeRange::ALL)?.len() as u64)
    }

    /// Runs a query on one table at this moment.
    fn answer<T: Send>(
        &self,
        table: &str,
        filter: &Filter,
        range: TimeRange,
        run: impl Fn(&TableSnapshot) -> Result<T> + Sync,
    ) -> Result<T> {
        let mut tries = 0;
        loop {
            let (version, answer) = match self.source(table, filter, range) {
                Ok(source) => (source.version(), self.inner.pool.install(|| run(&source))),
                Err(error) => (self.inner.state.read().view.manifest.version, Err(error)),
            };
            match answer {
                // The writer beside a live reader removes segments that a newer version no longer
                // lists, and knows nothing of the reader.
                Err(Error::NotFound(_))
                    if matches!(self.inner.role, Role::Live(_))
                        && tries < TRIES
                        && self.version()? != version =>
                {
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// One table at this moment.
    fn source(&self, table: &str, filter: &Filter, range: TimeRange) -> Result<TableSnapshot> {
        self.ready()?;
        self.refresh()?;
        let state = self.inner.state.read();
        let view = Arc::clone(&state.view);
        // While the lock is held: the version that follows is shown, and its clean-up looks at
        // the pins, only after.
        let pin = Pin::new(view.manifest.version, &self.inner.pins);
        let schema = &table_state(&view, table)?.schema;
        let tags = query::tag_filter(schema, filter)?;
        let captured = capture(&state.head, table, &tags, range);
        drop(state);
        TableSnapshot::new(&self.inner.shared, (&view, pin), table, captured, now(), range)
    }
}
