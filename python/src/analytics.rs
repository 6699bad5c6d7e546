//! Analyses, of tables and of arrays.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use kymograph::analytics::{self, Input as Series};
use kymograph::db::analyze_arrays;
use kymograph::query::expr::{Interval, Literal};
use kymograph::query::{AnalyzeQuery, CancelToken, Events, QueryContext, Setting};
use kymograph::{Error, Result};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use crate::database::{Database, Filter};
use crate::frame::{Frame, Input};
use crate::gil::{run_cancellable, run_interruptible};
use crate::query::{Bounds, Every};
use crate::sql::Condition;

/// An option's value with its kind: see `options.py`.
pub(crate) struct Given(Setting);

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (kind, value): (String, Bound<'py, PyAny>) = object.extract()?;
        Ok(Self(match kind.as_str() {
            "list" => {
                let values: Vec<Self> = value.extract()?;
                Setting::List(values.into_iter().map(|one| one.0).collect())
            }
            "map" => {
                let values: Vec<(String, Self)> = value.extract()?;
                Setting::Map(values.into_iter().map(|(name, one)| (name, one.0)).collect())
            }
            "null" => Setting::One(Literal::Null),
            "bool" => Setting::One(Literal::Bool(value.extract()?)),
            "int" => Setting::One(Literal::Int(value.extract()?)),
            "float" => Setting::One(Literal::Float(value.extract()?)),
            "text" => Setting::One(Literal::Str(value.extract()?)),
            "time" => Setting::One(Literal::Time(value.extract()?)),
            "interval" => {
                let length = Interval { months: 0, nanos: value.extract()? };
                Setting::One(Literal::Interval(length))
            }
            other => return Err(PyTypeError::new_err(format!("no option is a {other}"))),
        }))
    }
}

/// Options by name.
pub(crate) type Settings = Vec<(String, Given)>;

pub(crate) fn settings(given: Settings) -> Vec<(String, Setting)> {
    given.into_iter().map(|(name, given)| (name, given.0)).collect()
}

/// The table of events, the field that names them, how long before, in ns.
#[derive(FromPyObject)]
pub(crate) struct Told(String, Option<String>, i64);

/// What makes the series of an analysis: where, condition, by, every.
#[derive(FromPyObject)]
pub(crate) struct Which(Filter, Option<Condition>, Option<Vec<String>>, Option<Every>);

/// What is asked about anomalies: related fields, events, the condition of an alert.
#[derive(FromPyObject)]
pub(crate) struct Besides(Vec<String>, Option<Told>, Option<String>);

#[pymethods]
impl Database {
    #[expect(clippy::too_many_arguments, reason = "one a Python keyword")]
    fn analyze(
        &self,
        py: Python<'_>,
        table: &str,
        function: String,
        fields: Vec<String>,
        which: Which,
        besides: Besides,
        options: Settings,
        bounds: Bounds,
    ) -> PyResult<Frame> {
        let cancel = CancelToken::default();
        let rows = run_cancellable(py, &self.db, &cancel, || {
            let context = bounds.context(Some(&self.db), &cancel)?;
            let Which(filter, condition, by, every) = which;
            let Besides(related, events, alert) = besides;
            let mut query = AnalyzeQuery {
                function,
                fields,
                by,
                filter,
                range: bounds.range(),
                predicate: self.rows(table, condition)?,
                every: every.map(Every::bucket),
                settings: settings(options),
                related,
                events: events.map(|Told(table, field, within)| Events {
                    table,
                    field,
                    filter: Vec::new(),
                    within,
                }),
                ..AnalyzeQuery::new("", &[])
            };
            if let Some(text) = alert {
                query.alert = Some(self.db.alert(table, &query, &text)?);
            }
            self.db.analyze(table, &query, &context)
        });
        rows.map(Frame::from)
    }
}

/// The columns of an array's frame: `time`, then the fields.
pub(crate) struct Arrays {
    rows: RecordBatch,
    /// Fields with nulls, as copies with NaN.
    filled: Vec<Option<Vec<f64>>>,
}

impl Arrays {
    pub(crate) fn of(input: Input) -> Result<Self> {
        let schema = input.schema;
        let rows = match <[RecordBatch; 1]>::try_from(input.batches) {
            Ok([one]) => one,
            Err(several) if several.is_empty() => RecordBatch::new_empty(schema.clone()),
            Err(_) => return Err(Error::invalid("the columns of an analysis come in one chunk")),
        };
        let filled = rows.columns().iter().skip(1).map(|column| {
            let column = column.as_primitive_opt::<Float64Type>()?;
            (column.null_count() > 0)
                .then(|| column.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
        });
        let filled = filled.collect();
        Ok(Self { rows, filled })
    }

    pub(crate) fn times(&self) -> Result<&[i64]> {
        let times = self.rows.columns().first();
        let times = times.and_then(|times| times.as_primitive_opt::<Int64Type>());
        times.map(|times| &**times.values()).ok_or_else(|| Error::invalid("times are int64"))
    }

    /// The values of its one field.
    pub(crate) fn values(&self) -> Result<&[f64]> {
        match self.fields()?.as_slice() {
            [values] => Ok(values),
            fields => {
                Err(Error::invalid(format!("a detector is of one field, got {}", fields.len())))
            }
        }
    }

    fn fields(&self) -> Result<Vec<&[f64]>> {
        let each = self.rows.columns().iter().skip(1).zip(&self.filled);
        each.map(|(column, filled)| match (filled, column.as_primitive_opt::<Float64Type>()) {
            (Some(filled), _) => Ok(filled.as_slice()),
            (None, Some(column)) => Ok(&**column.values()),
            (None, None) => Err(Error::invalid("fields are float64")),
        })
        .collect()
    }
}

/// Runs an analysis on series: frames of `time` (int64 ns) and `fields` (float64).
#[pyfunction]
pub(crate) fn analyze(
    py: Python<'_>,
    function: &str,
    series: Vec<Input>,
    fields: Vec<String>,
    several: bool,
    options: Settings,
    bounds: Bounds,
) -> PyResult<Frame> {
    let cancel = CancelToken::default();
    let rows = run_interruptible(py, &cancel, || {
        let context: QueryContext = bounds.context(None, &cancel)?;
        let series = series.into_iter().map(Arrays::of).collect::<Result<Vec<_>>>()?;
        let named = |one| -> Result<Vec<(&str, &[f64])>> {
            let values = Arrays::fields(one)?;
            Ok(fields.iter().map(String::as_str).zip(values).collect())
        };
        let each = series.iter().map(named).collect::<Result<Vec<_>>>()?;
        let inputs: Vec<Series<'_>> = series
            .iter()
            .zip(&each)
            .map(|(one, fields)| Ok(Series { times: one.times()?, fields }))
            .collect::<Result<_>>()?;
        analyze_arrays(function, &inputs, several, &settings(options), &context)
    });
    rows.map(Frame::from)
}

/// Each analysis' name with the fewest and the most fields that it takes.
#[pyfunction]
pub(crate) fn analyses() -> Vec<(&'static str, usize, usize)> {
    analytics::functions().map(|f| (f.name, f.fields.0, f.fields.1)).collect()
}
