//! Pearson's correlation of two fields.

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::moments::{Moments, Sums};
use super::{frame, nodes, number, number_field, parts_of, points_of, rows_of};
use crate::chunk::{BLOCK_ROWS, Part, PartData};
use crate::error::{Error, Result};
use crate::kernels::merge::{all_live, blocks_in, column_of};
use crate::kernels::{Guard, Rows};
use crate::model::{Column, FieldType, TimeRange, Timestamp, Values};
use crate::query::execute::needs_rows;
use crate::query::plan::{Filter, check_range};
use crate::query::{ChunkSource, QueryContext, SeriesRef};

/// Pearson's correlation of two fields, for each node.
#[derive(Clone, Debug, PartialEq)]
pub struct CorrelateQuery {
    /// The name of one field.
    pub x: String,
    /// The name of the other.
    pub y: String,
    /// The tags that make a node; none: all series together are one.
    pub by: Vec<String>,
    /// Which series.
    pub filter: Filter,
    /// Which times.
    pub range: TimeRange,
    /// `None` pairs points of exactly equal times; else each x goes with the nearest y at most so
    /// many nanoseconds away, the earlier of two as near.
    pub tolerance: Option<i64>,
}

/// Pearson's r of `x` and `y` for each node, over the pairs of each of its series together. Without
/// `by` all series are one node.
/// Columns: `by`, `r` (f64; null for fewer than two pairs or when either does not vary), `n` (i64,
/// how many pairs); ordered by node. A pair with NaN makes r NaN.
///
/// # Errors
/// [`Error::InvalidArgument`] for a field that holds no numbers, a negative tolerance or a range that
/// ends before it starts; [`Error::NotFound`] for unknown names; and what the source and the
/// context report.
pub fn correlate(
    source: &dyn ChunkSource,
    query: &CorrelateQuery,
    context: &QueryContext,
) -> Result<RecordBatch> {
    check_range(query.range)?;
    let schema = source.schema();
    let fields = [number_field(schema, &query.x)?, number_field(schema, &query.y)?];
    let tolerance = match query.tolerance {
        Some(ns) => Some(u64::try_from(ns).map_err(|_| {
            Error::invalid(format!(
                "tolerance must not be negative, got {ns} ns; None pairs equal times only"
            ))
        })?),
        None => None,
    };
    needs_rows(source, query.range, "correlate")?;
    let nodes = nodes(source, &query.by, &query.filter, query.range, context)?;
    let found = nodes
        .par_iter()
        .map(|node| {
            let own = |one| of_series(source, one, query.range, fields, tolerance, context);
            let own = node.series.par_iter().map(own).collect::<Result<Vec<_>>>()?;
            Ok(own.into_iter().fold(Moments::default(), Moments::merge))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut r = Column::empty(FieldType::F64);
    for moments in &found {
        match moments.correlation() {
            Some(value) => r.push_from(&Column::new(Values::F64(vec![value])), 0),
            None => r.push_null(),
        }
    }
    let n = Column::new(Values::I64(found.iter().map(|moments| moments.n as i64).collect()));
    let columns = vec![("r".to_owned(), r), ("n".to_owned(), n)];
    frame(&query.by, nodes.iter(), columns).into_batch()
}

/// Of one series: from its blocks as they are encoded where that is enough, else from its rows.
fn of_series(
    source: &dyn ChunkSource,
    series: &SeriesRef,
    range: TimeRange,
    fields: [usize; 2],
    tolerance: Option<u64>,
    context: &QueryContext,
) -> Result<Moments> {
    context.poll()?;
    let parts = parts_of(source, series, range, &fields)?;
    if tolerance.is_none()
        && let Some(moments) = of_blocks(source, &parts, range, fields, context)?
    {
        return Ok(moments);
    }
    let rows = rows_of(source, &parts, range, &fields, context)?;
    let mut pairs = Vec::new();
    match tolerance {
        None => equal_pairs(&rows, &mut pairs),
        Some(tolerance) => near_pairs(&rows, tolerance, &mut pairs),
    }
    let bytes = pairs.len() * size_of::<(f64, f64)>();
    context.charge(bytes)?;
    let moments = Moments::of_pairs(&pairs);
    context.release(bytes);
    Ok(moments)
}

/// Of parts that each hold both fields, without nulls, as whole numbers of some power of ten, no
/// row of which is deleted, and which follow each other in time; else `None`.
fn of_blocks(
    source: &dyn ChunkSource,
    parts: &[Part],
    range: TimeRange,
    fields: [usize; 2],
    context: &QueryContext,
) -> Result<Option<Moments>> {
    let schema = source.schema();
    let mut spans: Vec<_> = parts.iter().filter_map(|part| part.data.span()).collect();
    spans.sort_unstable();
    if spans.windows(2).any(|pair| pair[0].1 >= pair[1].0) {
        return Ok(None);
    }
    let (mut xs, mut ys) = (Vec::with_capacity(BLOCK_ROWS), Vec::with_capacity(BLOCK_ROWS));
    let mut times = Vec::new();
    let mut moments = Moments::default();
    for part in parts {
        let PartData::Encoded(chunk) = &part.data else { return Ok(None) };
        let column = |field: usize| column_of(part, field, schema.fields[field].ty);
        let (Some(x), Some(y)) = (column(fields[0])?, column(fields[1])?) else { return Ok(None) };
        let mut sums = None::<(Sums, [u8; 2])>;
        for block in blocks_in(&part.data, range) {
            context.poll()?;
            let span = chunk.block_span(block);
            let mut rows = 0..chunk.block_rows(block).len();
            let all = all_live(part, range, span);
            if !all {
                if part.deleted.iter().any(|deleted| deleted.overlaps(span.0, span.1)) {
                    return Ok(None);
                }
                times.clear();
                chunk.decode_times(block, &mut times)?;
                rows = range.rows(&times);
            }
            xs.clear();
            ys.clear();
            let (Some(a), Some(b)) = (
                chunk.decode_integers(x, block, &mut xs)?,
                chunk.decode_integers(y, block, &mut ys)?,
            ) else {
                return Ok(None);
            };
            let (Some(xs), Some(ys)) = (xs.get(rows.clone()), ys.get(rows.clone())) else {
                return Err(Error::corrupt("a chunk's block has columns of unequal length"));
            };
            let Some((&first_x, &first_y)) = xs.first().zip(ys.first()) else { continue };
            let (sums, units) = sums.get_or_insert_with(|| (Sums::above(first_x, first_y), [a, b]));
            let known = [chunk.integer_ends(x, block), chunk.integer_ends(y, block)];
            let known =
                known.map(|ends| ends.filter(|_| all).map(|(_, least, most)| (least, most)));
            if *units != [a, b] || !sums.add(xs, ys, known) {
                return Ok(None);
            }
        }
        if let Some((sums, units)) = sums {
            moments = moments.merge(sums.moments(units));
        }
    }
    Ok(Some(moments))
}

/// Pairs x and y of one row; what is left over at one time is paired in its order.
fn equal_pairs(rows: &Rows, pairs: &mut Vec<(f64, f64)>) {
    let (mut lone_x, mut lone_y) = (Vec::new(), Vec::new());
    let mut row = 0;
    for same in rows.times.chunk_by(|a, b| a == b) {
        lone_x.clear();
        lone_y.clear();
        for row in row..row + same.len() {
            match (number(&rows.columns[0], row), number(&rows.columns[1], row)) {
                (Some(x), Some(y)) => pairs.push((x, y)),
                (Some(x), None) => lone_x.push(x),
                (None, Some(y)) => lone_y.push(y),
                (None, None) => {}
            }
        }
        row += same.len();
        pairs.extend(lone_x.iter().copied().zip(lone_y.iter().copied()));
    }
}

/// Pairs each x with the nearest y.
fn near_pairs(rows: &Rows, tolerance: u64, pairs: &mut Vec<(f64, f64)>) {
    let ys: Vec<(Timestamp, f64)> = points_of(rows, 1).collect();
    // Of the y after x only the first can be nearest; before or at x, the first of the last time.
    let (mut after, mut before) = (0, None::<usize>);
    for (time, x) in points_of(rows, 0) {
        while after < ys.len() && ys[after].0 <= time {
            if before.is_none_or(|b| ys[b].0 != ys[after].0) {
                before = Some(after);
            }
            after += 1;
        }
        let near = [before, (after < ys.len()).then_some(after)].into_iter().flatten();
        // `min_by_key` keeps the first of equals: the earlier.
        let nearest = near.min_by_key(|&y| ys[y].0.abs_diff(time));
        if let Some(y) = nearest.filter(|&y| ys[y].0.abs_diff(time) <= tolerance) {
            pairs.push((x, ys[y].1));
        }
    }
}
