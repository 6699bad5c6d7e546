//! The query verbs: each takes a snapshot of one table and runs a plan on it in the private pool.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::RecordBatch;

use super::memory::Reservation;
use super::snapshot::{TableSnapshot, capture, table_state};
use super::unpruned::Unpruned;
use super::{Database, Role};
use crate::chunk::Stats;
use crate::error::{Error, Result};
use crate::kernels::Guard;
use crate::model::TimeRange;
use crate::query::{
    self, AggregateQuery, AnomalyQuery, ChunkSource, CorrelateQuery, Filter, LastQuery,
    QueryContext, ReadQuery, SeriesQuery, Share, SumQuery, TagFilter,
};

/// How often a live reader asks again when a version passes beneath its query.
const TRIES: usize = 10;
/// Bytes that a query reserves before it is known what it needs.
const FIRST: usize = 16 << 20;
/// Queries that run at once at least, however little memory there is for them.
const LEAST_AT_ONCE: usize = 16;
/// How often a query that waits for memory looks whether it was cancelled.
const LOOK: Duration = Duration::from_millis(50);

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
        self.answer(table, &query.filter, query.range, context, |source, context| {
            query::read(source, query, context)
        })
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
        self.answer(table, &query.filter, query.range, context, |source, context| {
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
        self.answer(table, &query.filter, query.range, context, |source, context| {
            query::last(source, query, context)
        })
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
        self.answer(table, &query.filter, query.range, context, |source, context| {
            query::sum(source, query, context)
        })
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
        self.answer(table, &query.filter, query.range, context, |source, context| {
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
        self.answer(table, &query.filter, query.range, context, |source, context| {
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
        self.answer(table, &query.filter, query.range, context, |source, context| {
            query::correlate(source, query, context)
        })
    }

    /// How many series a table has.
    pub(super) fn series_count(&self, table: &str) -> Result<u64> {
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
        context: &QueryContext,
        run: impl Fn(&dyn ChunkSource, &QueryContext) -> Result<T> + Sync,
    ) -> Result<T> {
        self.answer_all(&[(table, filter, range)], context, |sources, context| match sources {
            [source] => run(*source, context),
            _ => Err(Error::Internal(format!("{} sources of one table", sources.len()))),
        })
    }

    /// Runs a query on several tables, or on one several times, at one moment; in a reservation of
    /// the memory that queries share, for which it waits.
    pub(super) fn answer_all<T: Send>(
        &self,
        wanted: &[(&str, &Filter, TimeRange)],
        context: &QueryContext,
        run: impl Fn(&[&dyn ChunkSource], &QueryContext) -> Result<T> + Sync,
    ) -> Result<T> {
        self.ready()?;
        let memory = &self.inner.memory;
        let mut bytes = FIRST.min(memory.total() / LEAST_AT_ONCE).min(context.memory.limit());
        loop {
            let reservation = Arc::new(match rayon::current_thread_index() {
                None => memory.reserve(bytes, || waits(context))?,
                Some(_) => memory.reserve_now(bytes),
            });
            let share: Arc<dyn Share> = Arc::clone(&reservation) as _;
            let own = QueryContext { memory: context.memory.within(share), ..context.clone() };
            let answer = self.answer_now(wanted, |sources| run(sources, &own));
            match (answer, reservation.instead()) {
                (Err(Error::LimitExceeded(_)), Some(instead)) => bytes = instead,
                (answer, _) => {
                    // A result stays with the query, which may have more parts.
                    context.memory.charge(own.memory.used())?;
                    return answer;
                }
            }
        }
    }

    fn answer_now<T: Send>(
        &self,
        wanted: &[(&str, &Filter, TimeRange)],
        run: impl Fn(&[&dyn ChunkSource]) -> Result<T> + Sync,
    ) -> Result<T> {
        let mut tries = 0;
        loop {
            let (version, answer) = match self.sources(wanted) {
                Ok(sources) => {
                    let version = sources.first().map(TableSnapshot::version);
                    (version, self.inner.pool.install(|| self.run_on(&sources, &run)))
                }
                Err(error) => (Some(self.inner.state.read().view.manifest.version), Err(error)),
            };
            match answer {
                // A writer knows nothing of a live reader without a lease, and removes segments that
                // a newer version no longer lists.
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

    fn run_on<T>(
        &self,
        sources: &[TableSnapshot],
        run: impl Fn(&[&dyn ChunkSource]) -> Result<T>,
    ) -> Result<T> {
        if self.pruning {
            return run(&sources.iter().map(|source| source as _).collect::<Vec<_>>());
        }
        let whole: Vec<Unpruned<'_>> = sources.iter().map(Unpruned).collect();
        run(&whole.iter().map(|source| source as _).collect::<Vec<_>>())
    }

    /// Tables at this moment.
    fn sources(&self, wanted: &[(&str, &Filter, TimeRange)]) -> Result<Vec<TableSnapshot>> {
        let everything: Vec<(&str, &Filter, TimeRange)>;
        let none = Filter::new();
        let wanted = if self.pruning {
            wanted
        } else {
            everything = wanted.iter().map(|(table, ..)| (*table, &none, TimeRange::ALL)).collect();
            &everything
        };
        self.ready()?;
        let _kept = self.refresh()?;
        let state = self.inner.state.read();
        let view = Arc::clone(&state.view);
        let mut captured = Vec::with_capacity(wanted.len());
        for (table, filter, range) in wanted {
            // While the lock is held: the version that follows is shown, and its clean-up looks at
            // the pins, only after.
            let pin = self.inner.pins.pin(view.manifest.version);
            let schema = &table_state(&view, table)?.schema;
            let tags = query::tag_filter(schema, filter)?;
            captured.push((*table, *range, pin, capture(&state.head, table, &tags, *range)));
        }
        drop(state);
        let now = self.now();
        captured
            .into_iter()
            .map(|(table, range, pin, captured)| {
                let shared = &self.inner.shared;
                TableSnapshot::new(shared, (&view, pin), table, captured, now, range)?
                    .with_levels(&view, now, range)
            })
            .collect()
    }
}

impl Share for Reservation {
    fn cover(&self, bytes: usize) -> bool {
        Self::cover(self, bytes)
    }
}

/// What a query does that waits for memory.
fn waits(context: &QueryContext) -> Result<Duration> {
    context.poll()?;
    Ok(LOOK)
}
