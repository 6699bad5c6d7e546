//! How nodes relate: which stand apart from the rest, and how two fields of one go together.

mod aligned;
mod anomalies;
mod correlate;
mod medians;
mod moments;

pub use anomalies::{AnomalyQuery, top_anomalies};
pub use correlate::{CorrelateQuery, correlate};

use super::execute::{Frame, Group, Tags, groups, series_of};
use super::plan::{Filter, tag_ids};
use super::{ChunkSource, QueryContext, SeriesRef};
use crate::chunk::Part;
use crate::error::{Error, Result};
use crate::kernels::{Rows, merge_parts_guarded};
use crate::model::{Column, FieldType, TableSchema, TimeRange, Timestamp, Values};

fn frame<'a>(
    by: &[String],
    nodes: impl Iterator<Item = &'a Group>,
    columns: Vec<(String, Column)>,
) -> Frame {
    let mut tags = vec![Tags::default(); by.len()];
    for node in nodes {
        for (tag, value) in tags.iter_mut().zip(&node.key) {
            tag.push(value.as_deref(), 1);
        }
    }
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    let tags = by.iter().cloned().zip(tags).collect();
    Frame { rows, time: None, tags, times: Vec::new(), columns }
}

fn nodes(
    source: &dyn ChunkSource,
    by: &[String],
    filter: &Filter,
    range: TimeRange,
    context: &QueryContext,
) -> Result<Vec<Group>> {
    let by = tag_ids(source.schema(), by)?;
    Ok(groups(series_of(source, filter, range, context)?, &by))
}

fn number_field(schema: &TableSchema, name: &str) -> Result<usize> {
    let field = schema.require_field(name)?;
    match schema.fields[field].ty {
        FieldType::F64 | FieldType::I64 => Ok(field),
        ty => Err(Error::invalid(format!(
            "field {name:?} is {}; this works on f64 and i64",
            ty.name()
        ))),
    }
}

/// The parts of a series that hold any of `fields`.
fn parts_of(
    source: &dyn ChunkSource,
    series: &SeriesRef,
    range: TimeRange,
    fields: &[usize],
) -> Result<Vec<Part>> {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    source.parts(series, range, &sorted)
}

/// The rows of a series that these parts hold.
fn rows_of(
    source: &dyn ChunkSource,
    parts: &[Part],
    range: TimeRange,
    fields: &[usize],
    context: &QueryContext,
) -> Result<Rows> {
    let schema = source.schema();
    let types: Vec<FieldType> = schema.fields.iter().map(|f| f.ty).collect();
    merge_parts_guarded(parts, range, fields, &types, schema.duplicates, context)
}

fn number(column: &Column, row: usize) -> Option<f64> {
    match &column.values {
        Values::F64(v) if column.is_valid(row) => Some(v[row]),
        Values::I64(v) if column.is_valid(row) => Some(v[row] as f64),
        _ => None,
    }
}

/// The points of a column that are not null.
fn points_of(rows: &Rows, column: usize) -> impl Iterator<Item = (Timestamp, f64)> + '_ {
    let column = &rows.columns[column];
    rows.times.iter().enumerate().filter_map(|(i, &time)| Some((time, number(column, i)?)))
}
