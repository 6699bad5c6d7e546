//! The latest row of each group; only the last blocks are decoded.

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::finish::Finisher;
use super::read::{Found, Reader};
use super::{groups, series_of};
use crate::chunk::Part;
use crate::error::Result;
use crate::kernels::merge::{blocks_in, live_rows};
use crate::kernels::{Guard, Rows};
use crate::model::{Column, TimeRange, Timestamp};
use crate::query::plan::{check_range, tag_ids};
use crate::query::{ChunkSource, LastQuery, QueryContext, SeriesRef};

/// Reads the latest row of each group, ordered by the tags of `by` (or by series). Of several rows
/// at a group's latest time it is the last as [`super::read`] orders them. Of a series whose rows
/// were all rolled up it is the latest that its aggregates know of, unless there is a condition on
/// fields.
///
/// # Errors
/// As [`super::read`].
pub fn last(
    source: &dyn ChunkSource,
    query: &LastQuery,
    context: &QueryContext,
) -> Result<RecordBatch> {
    check_range(query.range)?;
    let schema = source.schema();
    let predicate = query.predicate.as_ref();
    let reader = Reader::new(source, query.fields.as_deref(), query.every_row, predicate, context)?;
    let nothing = reader.frame(Vec::new())?.into_batch()?;
    let finisher = Finisher::new(&query.finish, &nothing.schema())?;
    let range = reader.range(query.range);
    let all: Vec<usize> = (0..schema.tags.len()).collect();
    let by = query.by.as_deref().map_or(Ok(all), |by| tag_ids(schema, by))?;
    let series = reader.series(series_of(source, &query.filter, range, context)?)?;
    let groups = groups(series, &by);
    let found = groups
        .par_iter()
        .map(|group| {
            let of = |one| {
                let found = match latest_row(&reader, one, range)? {
                    Some(found) => Some(found),
                    None => last_that_remains(&reader, one, range)?,
                };
                Ok(found.map(|(time, row)| (time, one, row)))
            };
            let rows = group.series.par_iter().map(of).collect::<Result<Vec<_>>>()?;
            let latest = rows.into_iter().flatten().max_by_key(|(time, ..)| *time);
            Ok(latest.map(|(_, one, row)| (one, row)))
        })
        .collect::<Result<Vec<Option<(&SeriesRef, Found)>>>>()?;
    finisher.apply(reader.frame(found.into_iter().flatten().collect())?.into_batch()?)
}

/// The latest row of a series, with its time.
fn latest_row(
    reader: &Reader<'_>,
    series: &SeriesRef,
    range: TimeRange,
) -> Result<Option<(Timestamp, Found)>> {
    if reader.leaves_rows_out() {
        let rows = last_that_is_read(reader, series, range)?;
        return Ok(rows.map(|rows| (rows.times[0], Found::Rows(rows))));
    }
    if let Some(found) = reader.last_of_block(&reader.tail(series, range)?, range)? {
        return Ok(Some(found));
    }
    let parts = reader.parts(series, range)?;
    let Some(time) = latest(&parts, range, reader.guard())? else { return Ok(None) };
    let instant = TimeRange::new(Some(time), time.checked_add(1));
    let row = last_row(reader.merge(&parts, &series.key, instant)?);
    Ok(Some((time, Found::Rows(row))))
}

/// The latest row that was rolled up, in a series that has no other.
fn last_that_remains(
    reader: &Reader<'_>,
    series: &SeriesRef,
    range: TimeRange,
) -> Result<Option<(Timestamp, Found)>> {
    let Some((time, values)) = reader.last_that_remains(series, range)? else { return Ok(None) };
    let rows = Rows { times: vec![time], columns: values };
    Ok(Some((time, Found::Rows(rows))))
}

/// The latest row that the reader does not leave out: reads the last block, then four times as
/// many, and so on, until there is one.
fn last_that_is_read(
    reader: &Reader<'_>,
    series: &SeriesRef,
    range: TimeRange,
) -> Result<Option<Rows>> {
    let parts = reader.parts(series, range)?;
    let of_part = |part: &Part| {
        let data = part.data.clone();
        blocks_in(&data, range).map(move |block| data.block_span(block))
    };
    let mut spans: Vec<(Timestamp, Timestamp)> = parts.iter().flat_map(of_part).collect();
    spans.sort_unstable_by_key(|span| std::cmp::Reverse(span.1));
    let mut taken = 1;
    loop {
        let from = spans.iter().take(taken).map(|span| span.0).min();
        let Some(from) = from else { return Ok(None) };
        // Blocks further back may still reach into this span: the merge takes all that do.
        let rows = reader.merge(
            &parts,
            &series.key,
            range.intersect(&TimeRange::new(Some(from), None)),
        )?;
        if !rows.times.is_empty() {
            return Ok(Some(last_row(rows)));
        }
        if taken >= spans.len() {
            return Ok(None);
        }
        taken = taken.saturating_mul(4);
    }
}

/// The latest live time in `range`.
pub(super) fn latest(
    parts: &[Part],
    range: TimeRange,
    guard: &dyn Guard,
) -> Result<Option<Timestamp>> {
    let of_part = |part: usize| {
        let data = &parts[part].data;
        blocks_in(data, range).map(move |block| (data.block_span(block).1, part, block))
    };
    let mut blocks: Vec<(Timestamp, usize, usize)> = (0..parts.len()).flat_map(of_part).collect();
    blocks.sort_unstable_by(|a, b| b.cmp(a));
    let (mut best, mut times) = (None, Vec::new());
    for (end, part, block) in blocks {
        if best.is_some_and(|best| end <= best) {
            break;
        }
        guard.poll()?;
        let part = &parts[part];
        if range.contains(end) && !part.deleted.iter().any(|d| d.contains(end)) {
            best = Some(end);
            break;
        }
        times.clear();
        part.data.decode_times(block, &mut times)?;
        let live = live_rows(&times, range, &part.deleted);
        best = best.max(live.last().map(|rows| times[rows.end - 1]));
    }
    Ok(best)
}

fn last_row(rows: Rows) -> Rows {
    let from = rows.times.len().saturating_sub(1);
    let columns = rows.columns.iter().map(|column| {
        let mut last = Column::empty(column.values.field_type());
        last.extend_from(column, from..column.len());
        last
    });
    Rows { columns: columns.collect(), times: rows.times[from..].to_vec() }
}
