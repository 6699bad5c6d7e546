//! The database's query verbs.

use std::time::{Duration, Instant};

use kymograph::chunk::Stats;
use kymograph::db;
use kymograph::kernels::Function;
use kymograph::model::TimeRange;
use kymograph::query::{
    AggregateQuery, AnomalyQuery, Bucket, Budget, CancelToken, CorrelateQuery, Expr, Fill, Finish,
    Interval, LastQuery, QueryContext, ReadQuery, SeriesQuery, SumQuery,
};
use kymograph::{Error, Result};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use crate::database::{Database, Filter};
use crate::frame::Frame;
use crate::gil::run_cancellable;
use crate::sql::{Condition, parameters};

/// Half-open range and bounds that every query has: start and end in ns, seconds, bytes.
#[derive(FromPyObject)]
pub(crate) struct Bounds(Option<i64>, Option<i64>, Option<f64>, Option<usize>);

impl Bounds {
    pub(crate) fn range(&self) -> TimeRange {
        TimeRange::new(self.0, self.1)
    }

    /// What bounds the query: as it says itself, else as the database does.
    pub(crate) fn context(
        &self,
        db: Option<&db::Database>,
        cancel: &CancelToken,
    ) -> Result<QueryContext> {
        let deadline = match self.2 {
            None => db
                .and_then(db::Database::query_timeout)
                .and_then(|timeout| Instant::now().checked_add(timeout)),
            Some(seconds) => Some(
                Duration::try_from_secs_f64(seconds)
                    .ok()
                    .and_then(|timeout| Instant::now().checked_add(timeout))
                    .ok_or_else(|| {
                        Error::invalid(format!(
                            "timeout={seconds} cannot be used; it is a positive number of seconds"
                        ))
                    })?,
            ),
        };
        let memory = self.3.map_or_else(Budget::default, Budget::new);
        Ok(QueryContext { cancel: cancel.clone(), deadline, memory })
    }
}

/// Buckets: months, nanoseconds, origin in ns, time zone, step in ns.
#[derive(FromPyObject)]
pub(crate) struct Every(i32, i64, Option<i64>, Option<String>, Option<i64>);

impl Every {
    pub(crate) fn bucket(self) -> Bucket {
        let Self(months, nanos, origin, timezone, step) = self;
        Bucket { width: Interval { months, nanos }, origin, timezone, step }
    }
}

impl Database {
    fn framed(
        &self,
        py: Python<'_>,
        bounds: &Bounds,
        query: impl FnOnce(&QueryContext) -> Result<arrow_array::RecordBatch> + Send,
    ) -> PyResult<Frame> {
        let cancel = CancelToken::default();
        run_cancellable(py, &self.db, &cancel, || query(&bounds.context(Some(&self.db), &cancel)?))
            .map(Frame::from)
    }

    /// A condition on rows, from its text.
    pub(crate) fn rows(&self, table: &str, condition: Option<Condition>) -> Result<Option<Expr>> {
        condition
            .map(|Condition(text, positional, named)| {
                self.db.condition(table, &text, &parameters(positional, named))
            })
            .transpose()
    }
}

fn fill(given: Option<(&str, Option<f64>)>) -> Result<Option<Fill>> {
    Ok(Some(match given {
        None => return Ok(None),
        Some(("null", _)) => Fill::Null,
        Some(("previous", _)) => Fill::Previous,
        Some(("linear", _)) => Fill::Linear,
        Some(("value", Some(value))) => Fill::Value(value),
        Some((name, _)) => {
            return Err(Error::invalid(format!(
                "fill={name:?} is not known; it is None, \"null\", \"previous\", \"linear\" or a \
                 number"
            )));
        }
    }))
}

#[pymethods]
impl Database {
    #[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
    fn aggregate(
        &self,
        py: Python<'_>,
        table: &str,
        fields: Vec<(String, Vec<String>)>,
        every: Option<Every>,
        by: Vec<String>,
        filter: Filter,
        condition: Option<Condition>,
        fill: Option<(String, Option<f64>)>,
        having: Option<String>,
        limit: Option<usize>,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let range = bounds.range();
        self.framed(py, &bounds, |context| {
            let mut wanted = Vec::with_capacity(fields.len());
            for (field, names) in fields {
                if names.is_empty() {
                    return Err(Error::invalid(format!(
                        "field {field:?} has no functions; give it one at least, such as \"mean\""
                    )));
                }
                let functions = names.iter().map(|name| Function::parse(name));
                wanted.push((field, functions.collect::<Result<Vec<_>>>()?));
            }
            let fill = self::fill(fill.as_ref().map(|(name, value)| (name.as_str(), *value)))?;
            let mut query = AggregateQuery {
                bucket: every.map(Every::bucket),
                by,
                filter,
                range,
                predicate: self.rows(table, condition)?,
                fill: fill.into_iter().collect(),
                finish: Finish::limit(limit),
                ..AggregateQuery::of_fields(&wanted)
            };
            if let Some(text) = having {
                query.finish.having = Some(self.db.having(table, &query, &text)?);
            }
            self.db.aggregate(table, &query, context)
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
    fn read(
        &self,
        py: Python<'_>,
        table: &str,
        fields: Option<Vec<String>>,
        filter: Filter,
        condition: Option<Condition>,
        limit: Option<usize>,
        every_row: bool,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        self.framed(py, &bounds, |context| {
            let query = ReadQuery {
                fields,
                filter,
                range: bounds.range(),
                predicate: self.rows(table, condition)?,
                finish: Finish::limit(limit),
                every_row,
            };
            self.db.read(table, &query, context)
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
    fn last(
        &self,
        py: Python<'_>,
        table: &str,
        by: Option<Vec<String>>,
        fields: Option<Vec<String>>,
        filter: Filter,
        condition: Option<Condition>,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        self.framed(py, &bounds, |context| {
            let predicate = self.rows(table, condition)?;
            let query = LastQuery {
                by,
                fields,
                filter,
                range: bounds.range(),
                predicate,
                ..LastQuery::default()
            };
            self.db.last(table, &query, context)
        })
    }

    fn series(
        &self,
        py: Python<'_>,
        table: &str,
        filter: Filter,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let query = SeriesQuery { filter, range: bounds.range() };
        self.framed(py, &bounds, |context| self.db.series(table, &query, context))
    }

    /// The sum as float or int, `None` when there is no point.
    fn sum<'py>(
        &self,
        py: Python<'py>,
        table: &str,
        field: String,
        filter: Filter,
        bounds: Bounds,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let query = SumQuery { field, filter, range: bounds.range() };
        let cancel = CancelToken::default();
        let stats = run_cancellable(py, &self.db, &cancel, || {
            let stats = self.db.sum(table, &query, &bounds.context(Some(&self.db), &cancel)?)?;
            if matches!(stats, Some(Stats::Str(_))) {
                return Err(Error::invalid(format!(
                    "field {:?} of table {table:?} is a string, which has no sum; sum takes f64, \
                     i64 and bool fields",
                    query.field
                )));
            }
            Ok(stats)
        })?;
        stats
            .map(|stats| match stats {
                Stats::F64(s) => s.sum.into_bound_py_any(py),
                Stats::I64(s) => s.sum.into_bound_py_any(py),
                Stats::Bool(s) => s.trues.into_bound_py_any(py),
                Stats::Str(_) => Ok(py.None().into_bound(py)),
            })
            .transpose()
    }

    #[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
    fn top_anomalies(
        &self,
        py: Python<'_>,
        table: &str,
        field: String,
        k: usize,
        by: Vec<String>,
        filter: Filter,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let query = AnomalyQuery { field, k, by, filter, range: bounds.range() };
        self.framed(py, &bounds, |context| self.db.top_anomalies(table, &query, context))
    }

    #[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
    fn correlate(
        &self,
        py: Python<'_>,
        table: &str,
        x: String,
        y: String,
        by: Vec<String>,
        filter: Filter,
        tolerance: Option<i64>,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let query = CorrelateQuery { x, y, by, filter, range: bounds.range(), tolerance };
        self.framed(py, &bounds, |context| self.db.correlate(table, &query, context))
    }
}
