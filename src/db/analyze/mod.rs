//! Analyses, of tables and of arrays: series are gathered, the analysis runs on them, and its table
//! becomes a record batch with the series' tags.

mod arrays;
mod beside;
mod detector;
mod result;

pub use arrays::{analyze_arrays, watched};
pub use detector::LiveDetector;

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{DataType, Field, Schema};

use super::Database;
use crate::analytics::{self, Input, Options, Table, Value};
use crate::error::{Error, Result};
use crate::kernels::Guard;
use crate::model::TableSchema;
use crate::query::execute::Finisher;
use crate::query::expr::{Evaluator, Expr, Literal, Type};
use crate::query::{AnalyzeQuery, ChunkSource, QueryContext, Setting, gather};
use result::{Keys, batch};

impl Database {
    /// Runs an analysis on the series of a table.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown analysis, [`Error::InvalidArgument`] for options that it
    /// does not take, and as [`Self::read`].
    pub fn analyze(
        &self,
        table: &str,
        query: &AnalyzeQuery,
        context: &QueryContext,
    ) -> Result<RecordBatch> {
        self.answer_all(&query.scopes(table), context, |sources, context| {
            analyze(sources, query, context)
        })
    }
}

/// Runs an analysis on the series of the first source, in the current pool; a second one has events.
pub(super) fn analyze(
    sources: &[&dyn ChunkSource],
    query: &AnalyzeQuery,
    context: &QueryContext,
) -> Result<RecordBatch> {
    let Some((source, events)) = sources.split_first() else {
        return Err(Error::Internal("an analysis without a source".to_owned()));
    };
    // An option that is wrong is told before anything is read.
    let own = function(&query.function, query.fields.len())?;
    let gathered = gather(*source, query, context)?;
    let fields: Vec<Vec<(&str, &[f64])>> = gathered
        .series
        .iter()
        .map(|one| {
            let named = query.fields.iter().zip(&one.fields);
            named.map(|(name, values)| (name.as_str(), &**values)).collect()
        })
        .collect();
    let inputs: Vec<Input<'_>> = gathered
        .series
        .iter()
        .zip(&fields)
        .map(|(one, fields)| Input { times: &one.times, fields })
        .collect();
    let mut table = run(own, &inputs, &query.settings, context)?;
    beside::explain(&mut table, &gathered, query, events.first().copied(), context)?;
    let keys: Vec<&[Option<String>]> = gathered.series.iter().map(|one| &*one.key).collect();
    let rows = batch(table, &Keys::Tags(&gathered.tags, &keys))?;
    finished(rows, query)
}

/// The columns of an analysis' result, by running it on no series; `None` where its options speak
/// of series that there are.
///
/// # Errors
/// [`Error::NotFound`] for an unknown analysis, [`Error::InvalidArgument`] for a number of fields
/// or options that it does not take.
pub(super) fn columns(
    query: &AnalyzeQuery,
    schema: &TableSchema,
) -> Result<Option<Vec<(String, Type)>>> {
    let own = function(&query.function, query.fields.len())?;
    let table = match run(own, &[], &query.settings, &QueryContext::default()) {
        Ok(table) => table,
        // One label a series: with no series they are too many.
        Err(Error::InvalidArgument(_)) if own.name == "classify" => return Ok(None),
        Err(error) => return Err(error),
    };
    let rows = batch(table, &Keys::Tags(query.tags(schema), &[]))?;
    let fields = rows.schema();
    let typed = fields.fields().iter();
    Ok(Some(typed.map(|f| (f.name().clone(), Type::of(f.data_type()))).collect()))
}

/// The analysis of a name, for so many fields.
fn function(name: &str, fields: usize) -> Result<&'static analytics::Function> {
    let function = analytics::function(name)?;
    let (least, most) = function.fields;
    if (least..=most).contains(&fields) {
        return Ok(function);
    }
    let wanted = match (least, most) {
        (1, 1) => "one field".to_owned(),
        (least, most) if least == most => format!("{least} fields"),
        (least, usize::MAX) => format!("{least} fields or more"),
        (least, most) => format!("{least} to {most} fields"),
    };
    Err(Error::invalid(format!("{name} is of {wanted}, got {fields}")))
}

/// The options of an analysis.
fn options(of: &str, settings: &[(String, Setting)]) -> Result<Options> {
    let mut given = Vec::with_capacity(settings.len());
    for (name, setting) in settings {
        if given.iter().any(|(known, _)| known == name) {
            return Err(Error::invalid(format!("{of} is given {name} twice")));
        }
        given.push((name.clone(), value(name, setting)?));
    }
    Ok(Options::new(given))
}

fn run(
    function: &analytics::Function,
    inputs: &[Input<'_>],
    settings: &[(String, Setting)],
    context: &QueryContext,
) -> Result<Table> {
    context.poll()?;
    let table = (function.run)(inputs, &mut options(function.name, settings)?, context)?;
    context.charge(table.rows() * table.columns.len() * size_of::<f64>())?;
    Ok(table)
}

/// A setting as analyses have it: times in nanoseconds, lengths of time as text.
fn value(name: &str, setting: &Setting) -> Result<Value> {
    Ok(match setting {
        Setting::One(Literal::Null) => Value::Null,
        Setting::One(Literal::Bool(value)) => Value::Bool(*value),
        Setting::One(Literal::Int(value) | Literal::Time(value)) => Value::Int(*value),
        Setting::One(Literal::Float(value)) => Value::Float(*value),
        Setting::One(Literal::Str(value)) => Value::Text(value.clone()),
        Setting::One(Literal::Interval(length)) if length.months == 0 => {
            Value::Text(format!("{}ns", length.nanos))
        }
        Setting::One(Literal::Interval(length)) => {
            return Err(Error::invalid(format!(
                "{name} takes a length of time of one size such as 30d, not {length}: months differ"
            )));
        }
        Setting::List(values) => {
            Value::List(values.iter().map(|one| value(name, one)).collect::<Result<_>>()?)
        }
        Setting::Map(values) => {
            let named = values.iter().map(|(key, one)| Ok((key.clone(), value(name, one)?)));
            Value::Map(named.collect::<Result<_>>()?)
        }
    })
}

/// The rows marked, and what else becomes of them.
fn finished(mut rows: RecordBatch, query: &AnalyzeQuery) -> Result<RecordBatch> {
    if let Some(alert) = &query.alert {
        rows = marked(rows, alert)?;
    }
    Finisher::new(&query.finish, &rows.schema())?.apply(rows)
}

/// The rows with a column that tells for which of them a condition holds.
fn marked(rows: RecordBatch, alert: &Expr) -> Result<RecordBatch> {
    let schema = rows.schema();
    let columns: Vec<(String, Type)> = schema
        .fields()
        .iter()
        .map(|field| (field.name().clone(), Type::of(field.data_type())))
        .collect();
    let condition = Evaluator::new(alert, &columns).map_err(|e| e.within("alert"))?;
    if !matches!(condition.ty(), Type::Bool | Type::Null) {
        return Err(Error::invalid(format!(
            "alert must be true or false, as in score > 0.8, and this one is {}",
            condition.ty().name()
        )));
    }
    let marks = condition.filter(rows.columns(), rows.num_rows())?;
    let mut fields: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone()).collect();
    fields.push(Field::new("alert", DataType::Boolean, false));
    let mut arrays = rows.columns().to_vec();
    arrays.push(Arc::new(BooleanArray::new(marks, None)) as ArrayRef);
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| Error::Internal(e.to_string()))
}
