//! The series of a table, with where each begins and ends and how many rows it has.

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::{Frame, Tags, series_of};
use crate::chunk::{Part, PartData};
use crate::error::Result;
use crate::kernels::merge::all_live;
use crate::kernels::{Guard, Partials, merge_parts_guarded};
use crate::model::{Column, Duplicates, TimeRange, Timestamp, Values};
use crate::query::plan::check_range;
use crate::query::{ChunkSource, QueryContext, SeriesQuery};

/// Lists series that have rows, or aggregates of rows that are gone: every tag, `first_time`, `last_time` and `rows`, ordered by key.
/// Times are decoded only where rows are deleted, cut by the range, or may share a time.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] for a range that ends before it starts,
/// [`crate::Error::NotFound`] for unknown names, and what the source and the context report.
pub fn series(
    source: &dyn ChunkSource,
    query: &SeriesQuery,
    context: &QueryContext,
) -> Result<RecordBatch> {
    check_range(query.range)?;
    let schema = source.schema();
    let series = series_of(source, &query.filter, query.range, context)?;
    let extents = series
        .par_iter()
        .map(|one| {
            context.poll()?;
            let parts = source.parts(one, query.range, &[])?;
            let rows = extent(&parts, query.range, schema.duplicates, context)?;
            let gone = source.partials(one, query.range, &[], context)?;
            Ok(gone
                .iter()
                .filter_map(extent_of_partials)
                .chain(rows)
                .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1), a.2 + b.2)))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut tags = vec![Tags::default(); schema.tags.len()];
    let (mut first, mut last, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for (one, extent) in series.iter().zip(extents) {
        let Some((from, to, count)) = extent else { continue };
        for (at, tag) in tags.iter_mut().enumerate() {
            tag.push(one.key.tags.get(at).and_then(Option::as_deref), 1);
        }
        first.push(from);
        last.push(to);
        rows.push(count as i64);
    }
    let frame = Frame {
        rows: rows.len(),
        time: None,
        tags: schema.tags.iter().cloned().zip(tags).collect(),
        times: vec![("first_time".to_owned(), first), ("last_time".to_owned(), last)],
        columns: vec![("rows".to_owned(), Column::new(Values::I64(rows)))],
    };
    frame.into_batch()
}

/// The same of rows that are gone.
fn extent_of_partials(partials: &Partials) -> Option<(Timestamp, Timestamp, usize)> {
    let (first, last) =
        partials.spans.iter().copied().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    Some((first, last, partials.rows.iter().sum::<u64>() as usize))
}

/// The first and the last time and the number of rows.
fn extent(
    parts: &[Part],
    range: TimeRange,
    duplicates: Duplicates,
    guard: &dyn Guard,
) -> Result<Option<(Timestamp, Timestamp, usize)>> {
    let mut spans: Vec<(Timestamp, Timestamp)> =
        parts.iter().filter_map(|part| part.data.span()).collect();
    spans.sort_unstable();
    let apart = spans.windows(2).all(|w| w[0].1 < w[1].0);
    let live = |part: &Part| part.data.span().is_none_or(|span| all_live(part, range, span));
    let resolved =
        |part: &Part| duplicates == Duplicates::Keep || matches!(part.data, PartData::Encoded(_));
    if apart && parts.iter().all(|part| live(part) && resolved(part)) {
        let rows = parts.iter().map(|part| part.data.rows()).sum();
        return Ok(spans.first().zip(spans.last()).map(|(a, b)| (a.0, b.1, rows)));
    }
    let times = merge_parts_guarded(parts, range, &[], &[], duplicates, guard)?.times;
    Ok(times.first().zip(times.last()).map(|(&first, &last)| (first, last, times.len())))
}
