//! The rows of an analysis, series by series, as slices of numbers.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use rayon::prelude::*;

use super::{AnalyzeQuery, Rows};
use crate::error::{Error, Result};
use crate::kernels::Guard;
use crate::model::TableSchema;
use crate::query::execute::{aggregate, needs_rows, read};
use crate::query::plan::tag_ids;
use crate::query::{ChunkSource, QueryContext};

/// The series of an analysis.
#[derive(Debug)]
pub struct Gathered {
    /// The tags that make a series.
    pub tags: Vec<String>,
    /// The fields, in the order that was asked for.
    pub fields: Vec<String>,
    /// By their keys.
    pub series: Vec<Series>,
}

/// One series: memory of the rows that were read where that is possible, else a copy.
#[derive(Debug)]
pub struct Series {
    /// One value a tag.
    pub key: Vec<Option<String>>,
    /// Nanoseconds UTC, ascending.
    pub times: ScalarBuffer<i64>,
    /// One a field, as long as `times`; a missing value is NaN.
    pub fields: Vec<ScalarBuffer<f64>>,
}

/// Reads the series of an analysis.
///
/// # Errors
/// [`Error::NotFound`] for unknown names, [`Error::InvalidArgument`] for a field of text and for a
/// range of which only aggregates remain when `every` is not given, and what the source and the
/// context report.
pub fn gather(
    source: &dyn ChunkSource,
    query: &AnalyzeQuery,
    context: &QueryContext,
) -> Result<Gathered> {
    let schema = source.schema();
    let fields = query.read_fields();
    let tags = query.tags(schema).to_vec();
    tag_ids(schema, &tags)?;
    let rows = match query.rows(schema)? {
        Rows::Read(rows) => {
            needs_rows(source, query.range, &query.function)?;
            read(source, &rows, context)?
        }
        Rows::Aggregate(rows) => aggregate(source, &rows, context)?,
    };
    // Rows of a read come by series, and a group may have several of those.
    let all: &[String] = if query.every.is_some() { &tags } else { &schema.tags };
    let mut groups: BTreeMap<Vec<Option<String>>, Vec<Range<usize>>> = BTreeMap::new();
    for run in runs(&rows, all)? {
        groups.entry(key(&rows, &tags, run.start)?).or_default().push(run);
    }
    let table = Columns::of(&rows, &fields, schema)?;
    let series = groups
        .into_par_iter()
        .map(|(key, runs)| table.series(key, &runs, context))
        .collect::<Result<_>>()?;
    Ok(Gathered { tags, fields, series })
}

/// Runs of rows whose tags are the same.
fn runs(rows: &RecordBatch, tags: &[String]) -> Result<Vec<Range<usize>>> {
    let mut keys = Vec::with_capacity(tags.len());
    for tag in tags {
        let column = column(rows, tag)?;
        let tag = column.as_dictionary_opt::<UInt32Type>().ok_or_else(|| odd(tag))?;
        keys.push(tag.keys());
    }
    let same = |a: usize, b: usize| {
        keys.iter().all(|keys| match (keys.is_valid(a), keys.is_valid(b)) {
            (true, true) => keys.value(a) == keys.value(b),
            (a, b) => a == b,
        })
    };
    let mut runs: Vec<Range<usize>> = Vec::new();
    for row in 0..rows.num_rows() {
        match runs.last_mut() {
            Some(run) if same(run.start, row) => run.end = row + 1,
            _ => runs.push(row..row + 1),
        }
    }
    Ok(runs)
}

/// The tags of a row.
fn key(rows: &RecordBatch, tags: &[String], row: usize) -> Result<Vec<Option<String>>> {
    let one = |tag: &String| {
        let column = column(rows, tag)?;
        let tag = column.as_dictionary_opt::<UInt32Type>().ok_or_else(|| odd(tag))?;
        let values = tag.values().as_string_opt::<i32>().ok_or_else(|| odd("tags"))?;
        Ok(tag.key(row).map(|key| values.value(key).to_owned()))
    };
    tags.iter().map(one).collect()
}

fn column<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef> {
    rows.column_by_name(name).ok_or_else(|| odd(name))
}

fn odd(column: &str) -> Error {
    Error::Internal(format!("rows that were read have no column {column:?} of its type"))
}

/// The columns of what was read.
struct Columns {
    times: ScalarBuffer<i64>,
    fields: Vec<ArrayRef>,
}

impl Columns {
    fn of(rows: &RecordBatch, fields: &[String], schema: &TableSchema) -> Result<Self> {
        let times = column(rows, "time")?;
        let times = times.as_primitive_opt::<TimestampNanosecondType>().ok_or_else(|| odd("time"));
        // Fields come behind `time` and the tags, in the order of the table or as asked for.
        let fields = fields.iter().map(|field| {
            schema.require_field(field)?;
            Ok(ArrayRef::clone(column(rows, field)?))
        });
        Ok(Self { times: times?.values().clone(), fields: fields.collect::<Result<_>>()? })
    }

    fn series(
        &self,
        key: Vec<Option<String>>,
        runs: &[Range<usize>],
        context: &QueryContext,
    ) -> Result<Series> {
        context.poll()?;
        if let [run] = runs {
            let times = self.times.slice(run.start, run.len());
            let fields = self.fields.iter().map(|field| numbers(field, run.clone(), context));
            return Ok(Series { key, times, fields: fields.collect::<Result<_>>()? });
        }
        let rows: usize = runs.iter().map(Range::len).sum();
        context.charge(rows * (8 * (1 + self.fields.len()) + 2 * size_of::<usize>()))?;
        let mut times: Vec<i64> = Vec::with_capacity(rows);
        runs.iter().for_each(|run| times.extend(&self.times[run.clone()]));
        let mut order: Vec<usize> = (0..rows).collect();
        // Stable: rows of one time stay in the order of their series.
        order.sort_by_key(|&row| times[row]);
        let fields = self.fields.iter().map(|field| {
            let mut own: Vec<f64> = Vec::with_capacity(rows);
            for run in runs {
                own.extend(numbers(field, run.clone(), context)?.iter());
            }
            Ok(order.iter().map(|&row| own[row]).collect::<Vec<f64>>().into())
        });
        let fields = fields.collect::<Result<_>>()?;
        let times: Vec<i64> = order.iter().map(|&row| times[row]).collect();
        context.release(rows * 2 * size_of::<usize>());
        Ok(Series { key, times: times.into(), fields })
    }
}

/// Rows of a column as numbers: its own memory where it has doubles and no nulls.
fn numbers(
    column: &ArrayRef,
    rows: Range<usize>,
    context: &QueryContext,
) -> Result<ScalarBuffer<f64>> {
    let own = column.slice(rows.start, rows.len());
    if let Some(doubles) = own.as_primitive_opt::<Float64Type>()
        && doubles.null_count() == 0
    {
        return Ok(doubles.values().clone());
    }
    context.charge(rows.len() * size_of::<f64>())?;
    let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let numbers: Vec<f64> = match own.data_type() {
        DataType::Float64 => own.as_primitive::<Float64Type>().iter().map(or_nan).collect(),
        DataType::Int64 => {
            let whole = own.as_primitive::<Int64Type>().iter();
            whole.map(|value| or_nan(value.map(|value| value as f64))).collect()
        }
        DataType::Boolean => {
            let truths = own.as_boolean().iter();
            truths.map(|value| or_nan(value.map(|value| f64::from(u8::from(value))))).collect()
        }
        other => return Err(Error::Internal(format!("a column of {other} holds no numbers"))),
    };
    Ok(numbers.into())
}
