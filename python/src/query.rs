//! The database's query verbs.

use std::time::{Duration, Instant};

use kymograph::chunk::Stats;
use kymograph::kernels::Function;
use kymograph::model::TimeRange;
use kymograph::query::{
    AggregateQuery, AnomalyQuery, Budget, CancelToken, CorrelateQuery, Fill, Having, LastQuery,
    QueryContext, ReadQuery, SeriesQuery, SumQuery,
};
use kymograph::{Error, Result};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;

use crate::database::{Database, Filter};
use crate::frame::Frame;
use crate::gil::run_cancellable;

/// Half-open range and bounds that every query has: start and end in ns, seconds, bytes.
#[derive(FromPyObject)]
pub(crate) struct Bounds(Option<i64>, Option<i64>, Option<f64>, Option<usize>);

impl Bounds {
    fn range(&self) -> TimeRange {
        TimeRange::new(self.0, self.1)
    }

    fn context(&self, cancel: &CancelToken) -> Result<QueryContext> {
        let deadline = match self.2 {
            None => None,
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

fn framed(
    py: Python<'_>,
    bounds: &Bounds,
    query: impl FnOnce(&QueryContext) -> Result<arrow_array::RecordBatch> + Send,
) -> PyResult<Frame> {
    let cancel = CancelToken::default();
    run_cancellable(py, &cancel, || query(&bounds.context(&cancel)?)).map(Frame::from)
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
        every: Option<i64>,
        by: Vec<String>,
        filter: Filter,
        fill: Option<(String, Option<f64>)>,
        having: Option<String>,
        limit: Option<usize>,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let range = bounds.range();
        framed(py, &bounds, |context| {
            let mut columns = Vec::new();
            let mut wanted = Vec::with_capacity(fields.len());
            for (field, names) in fields {
                columns.extend(names.iter().map(|name| format!("{field}_{name}")));
                let functions = names.iter().map(|name| Function::parse(name));
                wanted.push((field, functions.collect::<Result<Vec<_>>>()?));
            }
            let having = having.map(|text| Having::parse(&text, &columns)).transpose()?;
            let fill = self::fill(fill.as_ref().map(|(name, value)| (name.as_str(), *value)))?;
            let query = AggregateQuery {
                every,
                by,
                filter,
                range,
                having,
                fill,
                limit,
                ..AggregateQuery::new(wanted)
            };
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
        limit: Option<usize>,
        every_row: bool,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let query = ReadQuery { fields, filter, range: bounds.range(), limit, every_row };
        framed(py, &bounds, |context| self.db.read(table, &query, context))
    }

    fn last(
        &self,
        py: Python<'_>,
        table: &str,
        by: Option<Vec<String>>,
        fields: Option<Vec<String>>,
        filter: Filter,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let query = LastQuery { by, fields, filter, range: bounds.range() };
        framed(py, &bounds, |context| self.db.last(table, &query, context))
    }

    fn series(
        &self,
        py: Python<'_>,
        table: &str,
        filter: Filter,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let query = SeriesQuery { filter, range: bounds.range() };
        framed(py, &bounds, |context| self.db.series(table, &query, context))
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
        let stats = run_cancellable(py, &cancel, || {
            let stats = self.db.sum(table, &query, &bounds.context(&cancel)?)?;
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
        framed(py, &bounds, |context| self.db.top_anomalies(table, &query, context))
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
        framed(py, &bounds, |context| self.db.correlate(table, &query, context))
    }
}
