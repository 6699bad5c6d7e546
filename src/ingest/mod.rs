//! Ingest: Arrow frames of any producer (Polars, pandas, PyArrow) into batches.
//!
//! A frame is a run of record batches that share a schema. [`wide`] takes frames whose columns
//! are fields, [`events`] narrow ones in which a column names the metric of each row. Columns
//! that have a field's type already are shared with the batch, not copied.

mod bad;
mod events;
mod fields;
mod frame;
mod intern;
mod tags;
mod time;

#[cfg(test)]
mod tests;

use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::Schema;
use rayon::prelude::*;

pub use bad::SkippedRow;
pub use events::events;

use crate::error::{Error, Result};
use crate::model::{Batch, FieldArray, FieldDef};
use bad::{BadRows, Settled, settle};
use frame::Frame;

/// What a row that cannot be stored does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// It fails the whole frame: nothing is stored.
    #[default]
    Raise,
    /// It is left out and reported.
    Skip,
}

/// How to read a frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameOptions<'a> {
    /// The table that the rows go to.
    pub table: &'a str,
    /// The column that holds the time.
    pub time: &'a str,
    /// The table's tags, in its order. A tag that the frame lacks is absent from every row.
    pub tags: &'a [String],
    /// Those of `tags` that the caller named: the frame must have them.
    pub frame_tags: &'a [String],
    /// The fields that the table has so far.
    pub fields: &'a [FieldDef],
    /// Most series that the table takes.
    pub max_series: u64,
    /// What a row that cannot be stored does.
    pub on_error: OnError,
}

/// A frame, ready to be stored.
#[derive(Clone, Debug)]
pub struct Ingested {
    /// The rows: one batch for a wide frame, one a metric for a narrow one; none when there is
    /// nothing to store.
    pub batches: Vec<Batch>,
    /// Rows of the frame that were taken, those of which every field is null among them.
    pub rows: u64,
    /// The first 1,000 of the rows that were left out, ascending.
    pub skipped: Vec<SkippedRow>,
    /// How many rows were left out.
    pub skipped_rows: u64,
}

/// The fields that a wide frame implies: all columns but the time and the tags. A column of
/// Arrow's Null type implies none.
///
/// # Errors
/// [`Error::InvalidArgument`] for a column whose type no field can hold, [`Error::NotFound`] when
/// there is no time column.
pub fn field_defs(schema: &Schema, time: &str, tags: &[String]) -> Result<Vec<FieldDef>> {
    let frame = Frame::new(&[], schema)?;
    frame.require("time column", time)?;
    let mut defs = Vec::new();
    for field in schema.fields() {
        if field.name() == time || tags.contains(field.name()) {
            continue;
        }
        if let Some(ty) = fields::kind_of(field.name(), field.data_type())?.implied() {
            defs.push(FieldDef { name: field.name().clone(), ty });
        }
    }
    Ok(defs)
}

/// Reads a wide frame: every column but the time and the tags is a field.
///
/// Takes a field's type from the table where it has the field, else from the frame; integers and
/// floats convert into each other where that is exact.
///
/// # Errors
/// [`Error::NotFound`] with the nearest names for a missing column; [`Error::InvalidArgument`]
/// for a column of a type that does not work and, under [`OnError::Raise`], for the first row
/// that cannot be stored; [`Error::LimitExceeded`] past `u32::MAX` rows and past
/// the limits of a table, before memory is spent on them.
pub fn wide(batches: &[RecordBatch], schema: &Schema, opts: &FrameOptions<'_>) -> Result<Ingested> {
    read_wide(batches, schema, opts).map_err(|e| e.within(format!("table {:?}", opts.table)))
}

fn read_wide(
    batches: &[RecordBatch],
    schema: &Schema,
    opts: &FrameOptions<'_>,
) -> Result<Ingested> {
    let frame = Frame::new(batches, schema)?;
    let plan = frame::Plan::new(&frame, opts)?;
    let jobs = plan.wide_fields(&frame, opts)?;
    let (timed, (tagged, columns)) = rayon::join(
        || time::times(&frame, plan.time, opts.on_error),
        || {
            rayon::join(
                || tags::series(&frame, &plan.tags, opts),
                || {
                    jobs.par_iter()
                        .map(|job| {
                            let mut bad = BadRows::new(opts.on_error);
                            let raw = fields::plain(&frame, job.column, job.kind)?;
                            let row = |i| i;
                            let array = fields::convert(&raw, job.kind, job.ty, &mut bad, row)?;
                            Ok((array, bad))
                        })
                        .collect::<Result<Vec<(FieldArray, BadRows)>>>()
                },
            )
        },
    );
    let (mut times, time_bad) = timed?;
    let (mut tagged, tags_bad) = tagged?;
    let mut bad = vec![(opts.time, time_bad)];
    bad.extend(opts.tags.iter().map(String::as_str).zip(tags_bad));
    let mut fields = Vec::with_capacity(jobs.len());
    for (job, (array, column_bad)) in jobs.iter().zip(columns?) {
        bad.push((job.name, column_bad));
        fields.push((job.name.to_owned(), array));
    }

    let Settled { keep, skipped, skipped_rows } = settle(frame.rows(), bad)?;
    if let Some(keep) = keep {
        retain(&mut times, &keep);
        retain(&mut tagged.codes, &keep);
        let mask = BooleanArray::from(keep);
        for (_, array) in &mut fields {
            *array = filter(array, &mask)?;
        }
        tagged.renumber();
    }
    let rows = times.len() as u64;
    let batches = if fields.is_empty() || rows == 0 {
        Vec::new()
    } else {
        vec![Batch::new(opts.table, tagged.keys(), tagged.codes, times, fields)?]
    };
    Ok(Ingested { batches, rows, skipped, skipped_rows })
}

/// Leaves those rows of `values` for which `keep` is true.
fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut flags = keep.iter();
    values.retain(|_| flags.next().is_none_or(|k| *k));
}

fn filter(array: &FieldArray, mask: &BooleanArray) -> Result<FieldArray> {
    let keep = |a: &dyn Array| arrow_select::filter::filter(a, mask).map_err(arrow_failed);
    fields::from_plain(&match array {
        FieldArray::F64(a) => keep(a),
        FieldArray::I64(a) => keep(a),
        FieldArray::Bool(a) => keep(a),
        FieldArray::Str(a) => keep(a),
    }?)
}

/// An Arrow kernel failed on types that were checked before.
fn arrow_failed(error: arrow_schema::ArrowError) -> Error {
    Error::Internal(format!("Arrow kernel: {error}"))
}
