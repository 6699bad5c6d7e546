//! The database's query language.

use kymograph::db::SqlAnswer;
use kymograph::query::CancelToken;
use kymograph::query::expr::{Interval, Literal};
use kymograph::sql::{AsofJoin, Parameter, Parameters};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::database::Database;
use crate::frame::Frame;
use crate::gil::run_cancellable;
use crate::query::Bounds;

/// A query's parts, for Polars to finish.
#[pyclass(frozen, module = "kymograph._core")]
pub(crate) struct Unfinished {
    /// What Polars is asked.
    #[pyo3(get)]
    sql: String,
    #[pyo3(get)]
    reason: String,
    #[pyo3(get)]
    explained: Option<Vec<String>>,
    joins: Vec<AsofJoin>,
    parts: Vec<(String, arrow_array::RecordBatch)>,
}

#[pymethods]
impl Unfinished {
    fn parts(&self) -> Vec<(String, Frame)> {
        let parts = self.parts.iter();
        parts.map(|(name, batch)| (name.clone(), Frame::from(batch.clone()))).collect()
    }

    #[getter]
    fn joins<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let shown = |join: &AsofJoin| {
            let dict = PyDict::new(py);
            dict.set_item("name", &join.name)?;
            dict.set_item("left", &join.left)?;
            dict.set_item("right", &join.right)?;
            dict.set_item("on", &join.on)?;
            dict.set_item("by", &join.by)?;
            dict.set_item("keep", join.keep)?;
            dict.set_item("equal", join.equal)?;
            Ok(dict)
        };
        self.joins.iter().map(shown).collect()
    }
}

/// A kind and a value: see `sql.py`.
pub(crate) struct Given(Parameter);

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let (kind, value): (String, Bound<'py, PyAny>) = object.extract()?;
        let literal = match kind.as_str() {
            "list" => {
                let values: Vec<Self> = value.extract()?;
                let one = |given: Self| match given.0 {
                    Parameter::One(literal) => Ok(literal),
                    Parameter::List(_) => Err(PyTypeError::new_err("a list within a list")),
                };
                return Ok(Self(Parameter::List(
                    values.into_iter().map(one).collect::<PyResult<_>>()?,
                )));
            }
            "null" => Literal::Null,
            "bool" => Literal::Bool(value.extract()?),
            "int" => Literal::Int(value.extract()?),
            "float" => Literal::Float(value.extract()?),
            "text" => Literal::Str(value.extract()?),
            "time" => Literal::Time(value.extract()?),
            "interval" => Literal::Interval(Interval { months: 0, nanos: value.extract()? }),
            other => return Err(PyTypeError::new_err(format!("no parameter is a {other}"))),
        };
        Ok(Self(Parameter::One(literal)))
    }
}

/// A text with the values of its placeholders, by position or by name.
#[derive(FromPyObject)]
pub(crate) struct Condition(
    pub(crate) String,
    pub(crate) Option<Vec<Given>>,
    pub(crate) Option<Vec<(String, Given)>>,
);

/// The values of placeholders.
pub(crate) fn parameters(
    positional: Option<Vec<Given>>,
    named: Option<Vec<(String, Given)>>,
) -> Parameters {
    match (positional, named) {
        (Some(list), _) => Parameters::Positional(list.into_iter().map(|g| g.0).collect()),
        (None, Some(named)) => {
            Parameters::Named(named.into_iter().map(|(name, given)| (name, given.0)).collect())
        }
        (None, None) => Parameters::None,
    }
}

/// Rows, or what Polars makes rows of.
#[derive(IntoPyObject)]
pub(crate) enum Answer {
    Rows(Frame),
    Unfinished(Unfinished),
}

#[pymethods]
impl Database {
    fn sql(
        &self,
        py: Python<'_>,
        text: &str,
        positional: Option<Vec<Given>>,
        named: Option<Vec<(String, Given)>>,
        bounds: Bounds,
    ) -> PyResult<Answer> {
        let parameters = parameters(positional, named);
        let cancel = CancelToken::default();
        let answer = run_cancellable(py, &self.db, &cancel, || {
            self.db.sql(text, &parameters, &bounds.context(Some(&self.db), &cancel)?)
        })?;
        Ok(match answer {
            SqlAnswer::Rows(batch) => Answer::Rows(Frame::from(batch)),
            SqlAnswer::Unfinished { outside, parts, explained } => Answer::Unfinished(Unfinished {
                sql: outside.sql,
                reason: outside.reason,
                explained,
                joins: outside.joins,
                parts,
            }),
        })
    }
}
