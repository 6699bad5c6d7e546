//! Narrow frames: one column names the metric of each row, another holds its value.

use arrow_array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow_schema::Schema;
use rayon::prelude::*;

use super::bad::{BadRows, Settled, settle};
use super::fields::{self, Kind};
use super::frame::{Frame, Plan, check_names};
use super::intern::{UNSET, renumber};
use super::tags::{self, Series, Strings};
use super::{FrameOptions, Ingested, arrow_failed, time};
use crate::error::{Error, Result};
use crate::model::limits::MAX_FIELDS;
use crate::model::{Batch, FieldDef, FieldType, Timestamp};

/// Reads a narrow frame: every metric becomes a field, with a batch and times of its own, in the
/// order in which metrics are first seen.
///
/// A null value is no point; its row counts as taken. A row whose metric is null, or cannot name
/// a field, is bad.
///
/// # Errors
/// As [`super::wide`]; [`Error::InvalidArgument`] as well when the frame has columns beside time,
/// tags, metric and value, which would be lost.
pub fn events(
    batches: &[RecordBatch],
    schema: &Schema,
    metric: &str,
    value: &str,
    opts: &FrameOptions<'_>,
) -> Result<Ingested> {
    read_events(batches, schema, metric, value, opts)
        .map_err(|e| e.within(format!("table {:?}", opts.table)))
}

/// The rows of a narrow frame, column by column.
struct Rows<'a> {
    opts: &'a FrameOptions<'a>,
    times: Vec<Timestamp>,
    series: Series<'a>,
    values: ArrayRef,
    kind: Kind,
}

fn read_events(
    batches: &[RecordBatch],
    schema: &Schema,
    metric: &str,
    value: &str,
    opts: &FrameOptions<'_>,
) -> Result<Ingested> {
    let frame = Frame::new(batches, schema)?;
    let plan = Plan::new(&frame, opts)?;
    let (metric_column, value_column) = roles(&frame, &plan, metric, value)?;
    let kind = fields::kind_of(value, frame.data_type(value_column))?;

    let ((timed, tagged), (named, values)) = rayon::join(
        || {
            rayon::join(
                || time::times(&frame, plan.time, opts.on_error),
                || tags::series(&frame, &plan.tags, opts),
            )
        },
        || {
            rayon::join(
                || tags::strings(&frame, metric_column, "metric", opts.on_error, MAX_FIELDS),
                || fields::plain(&frame, value_column, kind),
            )
        },
    );
    let (times, time_bad) = timed?;
    let (series, tags_bad) = tagged?;
    let (metrics, key_bad) = named?;
    if metrics.values.len() > MAX_FIELDS {
        return Err(Error::LimitExceeded(format!(
            "column {metric:?} names more than {MAX_FIELDS} metrics, each of which would be a field; \
             names that are data (hosts, sensors, customers) belong into the values of a tag"
        )));
    }
    let rows = Rows { opts, times, series, values: values?, kind };
    let metric_bad = unusable(&metrics, opts);

    let mut bad = vec![(opts.time, time_bad)];
    bad.extend(opts.tags.iter().map(String::as_str).zip(tags_bad));
    bad.extend([(metric, key_bad), (metric, metric_bad)]);
    let mut out = vec![false; frame.rows()];
    for row in bad.iter().flat_map(|(_, bad)| bad.rows()) {
        if let Some(out) = out.get_mut(*row as usize) {
            *out = true;
        }
    }

    let grouped = group(&metrics, &out, &rows.values);
    let jobs = rows.jobs(&metrics, &grouped, frame.data_type(value_column))?;
    let scratch = || vec![UNSET; rows.series.distinct()];
    let spread = jobs
        .into_par_iter()
        .map_init(scratch, |scratch, job| rows.batch(&job, scratch))
        .collect::<Result<Vec<_>>>()?;
    let mut batches = Vec::with_capacity(spread.len());
    for (batch, value_bad) in spread {
        batches.extend(batch);
        bad.push((value, value_bad));
    }
    let Settled { skipped, skipped_rows, .. } = settle(frame.rows(), bad)?;
    let rows = frame.rows() as u64 - skipped_rows;
    Ok(Ingested { batches, rows, skipped, skipped_rows })
}

/// The metric and the value column; every column must have exactly one role.
fn roles(frame: &Frame<'_>, plan: &Plan, metric: &str, value: &str) -> Result<(usize, usize)> {
    let metric_column = frame.require("metric column", metric)?;
    let value_column = frame.require("value column", value)?;
    let mut others = plan.others(frame);
    for (what, name, column) in [("metric", metric, metric_column), ("value", value, value_column)]
    {
        let Some(at) = others.iter().position(|(c, _)| *c == column) else {
            return Err(Error::invalid(format!(
                "column {name:?} cannot be the {what} and the time, a tag or the metric as well; \
                 name another column"
            )));
        };
        others.remove(at);
    }
    match others.as_slice() {
        [] => Ok((metric_column, value_column)),
        lost => Err(Error::invalid(format!(
            "columns {:?} are neither time, tag, metric nor value; drop them, or name them as tags",
            lost.iter().map(|(_, name)| name).collect::<Vec<_>>()
        ))),
    }
}

/// The rows whose metric cannot be a field.
fn unusable(metrics: &Strings<'_>, opts: &FrameOptions<'_>) -> BadRows {
    let why: Vec<Option<String>> = metrics
        .values
        .iter()
        .map(|name| match name {
            None => Some("null is no metric; every row needs the name of one".to_owned()),
            Some(name) => {
                let def = FieldDef { name: (*name).to_owned(), ty: FieldType::F64 };
                check_names(opts, vec![def]).err().map(|e| e.to_string())
            }
        })
        .collect();
    let mut bad = BadRows::new(opts.on_error);
    if why.iter().any(Option::is_some) {
        for (row, code) in metrics.codes.iter().enumerate() {
            if let Some(why) = &why[*code as usize] {
                bad.push(row, || why.clone());
            }
        }
    }
    bad
}

/// The points of each metric, as rows, ascending: those that are not `out` and whose value is
/// not null. A counting sort.
struct Grouped {
    rows: Vec<u32>,
    /// Where each metric's rows end.
    ends: Vec<usize>,
}

impl Grouped {
    fn of(&self, metric: usize) -> &[u32] {
        let start = if metric == 0 { 0 } else { self.ends[metric - 1] };
        &self.rows[start..self.ends[metric]]
    }
}

fn group(metrics: &Strings<'_>, out: &[bool], values: &ArrayRef) -> Grouped {
    // A Null array has no validity of its own, yet no value either.
    let nulls = values.logical_nulls();
    let point = |row: usize| !out[row] && nulls.as_ref().is_none_or(|n| n.is_valid(row));
    let mut ends = vec![0usize; metrics.values.len()];
    for (row, code) in metrics.codes.iter().enumerate() {
        ends[*code as usize] += usize::from(point(row));
    }
    let mut total = 0;
    for end in &mut ends {
        // For now where the metric's rows begin; filling moves it to where they end.
        total += std::mem::replace(end, total);
    }
    let mut rows = vec![0; total];
    for (row, code) in metrics.codes.iter().enumerate() {
        if point(row) {
            let at = &mut ends[*code as usize];
            rows[*at] = row as u32;
            *at += 1;
        }
    }
    Grouped { rows, ends }
}

/// One metric to spread.
struct Job<'g> {
    name: &'g str,
    ty: FieldType,
    rows: &'g [u32],
}

impl Rows<'_> {
    /// The metrics that have points, with the types that they are stored in.
    fn jobs<'g>(
        &self,
        metrics: &Strings<'g>,
        grouped: &'g Grouped,
        given: &arrow_schema::DataType,
    ) -> Result<Vec<Job<'g>>> {
        let known: std::collections::HashMap<&str, FieldType> =
            self.opts.fields.iter().map(|f| (f.name.as_str(), f.ty)).collect();
        let mut jobs = Vec::new();
        for (code, name) in metrics.values.iter().enumerate() {
            let (Some(name), rows) = (*name, grouped.of(code)) else { continue };
            let ty = known.get(name).copied().or(self.kind.implied());
            if let (false, Some(ty)) = (rows.is_empty(), ty) {
                fields::check_types(name, ty, self.kind, given)?;
                jobs.push(Job { name, ty, rows });
            }
        }
        Ok(jobs)
    }

    /// The batch of one metric, `None` when none of its rows can be stored. `scratch` is unset
    /// for every series, before and after.
    fn batch(&self, job: &Job<'_>, scratch: &mut [u32]) -> Result<(Option<Batch>, BadRows)> {
        let mut bad = BadRows::new(self.opts.on_error);
        let of = |rows: &[u32], bad: &mut BadRows| {
            let at = UInt32Array::from(rows.to_vec());
            let raw = arrow_select::take::take(&self.values, &at, None).map_err(arrow_failed)?;
            fields::convert(&raw, self.kind, job.ty, bad, |i| rows[i] as usize)
        };
        let mut array = of(job.rows, &mut bad)?;
        let mut good = std::borrow::Cow::Borrowed(job.rows);
        if !bad.rows().is_empty() {
            good.to_mut().retain(|row| bad.rows().binary_search(row).is_err());
            array = of(&good, &mut BadRows::new(self.opts.on_error))?;
        }
        if good.is_empty() {
            return Ok((None, bad));
        }
        let times = good.iter().map(|row| self.times[*row as usize]).collect();
        let own = good.iter().map(|row| self.series.codes[*row as usize]);
        let (codes, used) = renumber(own, scratch);
        let keys = used.iter().map(|series| self.series.key(*series)).collect();
        let fields = vec![(job.name.to_owned(), array)];
        Ok((Some(Batch::new(self.opts.table, keys, codes, times, fields)?), bad))
    }
}
