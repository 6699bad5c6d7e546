//! The nodes that stand furthest from the median of all.

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::aligned::Aligned;
use super::medians::{distance, median};
use super::{frame, nodes, number_field, parts_of, points_of, rows_of};
use crate::error::{Error, Result};
use crate::kernels::Guard;
use crate::kernels::guard::Hold;
use crate::kernels::merge::blocks_in;
use crate::model::{Column, TimeRange, Timestamp, Values};
use crate::query::execute::{Group, needs_rows};
use crate::query::plan::{Filter, check_range};
use crate::query::{ChunkSource, QueryContext};

/// Points of a piece of time, about.
const PIECE: u64 = 1 << 20;
/// Pieces that are worked on at once; fixed, so that a score does not depend on the threads.
const AT_ONCE: usize = 4;
/// Bins of time in which rows are counted to find the pieces.
const BINS: usize = 1 << 14;

/// The nodes that stand furthest from the median of all nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct AnomalyQuery {
    /// The field's name.
    pub field: String,
    /// How many nodes.
    pub k: usize,
    /// The tags that make a node.
    pub by: Vec<String>,
    /// Which series.
    pub filter: Filter,
    /// Which times.
    pub range: TimeRange,
}

/// One point of a node.
#[derive(Clone, Copy)]
struct Point {
    time: Timestamp,
    node: u32,
    value: f64,
}

/// The `k` nodes with the highest mean of |value - median|, where the median is that of all nodes'
/// values at the same time. Points that are NaN or null do not count, nor do nodes without points.
/// Columns: `by`, `score` (f64), `count` (i64); the highest score first, then by name.
///
/// # Errors
/// [`Error::InvalidArgument`] for a `k` of 0, no `by`, a field that holds no numbers or a range
/// that ends before it starts; [`Error::NotFound`] for unknown names; and what the source and the
/// context report.
pub fn top_anomalies(
    source: &dyn ChunkSource,
    query: &AnomalyQuery,
    context: &QueryContext,
) -> Result<RecordBatch> {
    check_range(query.range)?;
    if query.k == 0 {
        return Err(Error::invalid("k is 0; ask for one node at least"));
    }
    if query.by.is_empty() {
        return Err(Error::invalid(
            "by is empty; name the tags that make a node, such as \"host\"",
        ));
    }
    let schema = source.schema();
    let field = number_field(schema, &query.field)?;
    needs_rows(source, query.range, "top_anomalies")?;
    let nodes = nodes(source, &query.by, &query.filter, query.range, context)?;
    if u32::try_from(nodes.len()).is_err() {
        return Err(Error::LimitExceeded(format!("{} nodes are too many", nodes.len())));
    }
    let scores = match Aligned::of(source, &nodes, field, query.range, context)? {
        Some(aligned) => aligned.scores(nodes.len(), context)?,
        None => scattered(source, &nodes, field, query.range, context)?,
    };
    let mut ranked: Vec<(f64, u64, &Group)> = scores
        .into_iter()
        .zip(&nodes)
        .filter(|((_, count), _)| *count > 0)
        .map(|((sum, count), node)| (sum / count as f64, count, node))
        .collect();
    // Nodes come by name, and the sort is stable; a score of infinities that is NaN comes last.
    ranked.sort_by(|a, b| a.0.is_nan().cmp(&b.0.is_nan()).then(b.0.total_cmp(&a.0)));
    ranked.truncate(query.k);
    let counts = ranked.iter().map(|r| r.1 as i64).collect();
    let columns = vec![
        ("score".to_owned(), Column::new(Values::F64(ranked.iter().map(|r| r.0).collect()))),
        ("count".to_owned(), Column::new(Values::I64(counts))),
    ];
    frame(&query.by, ranked.iter().map(|r| r.2), columns).into_batch()
}

/// The sum and the number of each node's distances, of points at any times: piece by piece of time,
/// so that the memory does not grow with the range.
fn scattered(
    source: &dyn ChunkSource,
    nodes: &[Group],
    field: usize,
    range: TimeRange,
    context: &QueryContext,
) -> Result<Vec<(f64, u64)>> {
    let mut scores = vec![(0.0, 0); nodes.len()];
    for some in pieces(source, nodes, field, range, context)?.chunks(AT_ONCE) {
        let found = some
            .par_iter()
            .map(|piece| piece_scores(source, nodes, field, *piece, context))
            .collect::<Result<Vec<_>>>()?;
        for own in found {
            for (score, own) in scores.iter_mut().zip(own) {
                *score = (score.0 + own.0, score.1 + own.1);
            }
        }
    }
    Ok(scores)
}

/// Of the points in `range`.
fn piece_scores(
    source: &dyn ChunkSource,
    nodes: &[Group],
    field: usize,
    range: TimeRange,
    context: &QueryContext,
) -> Result<Vec<(f64, u64)>> {
    let mut hold = Hold::new(context);
    hold.grow(nodes.len() * size_of::<(f64, u64)>())?;
    let mut scores = vec![(0.0, 0); nodes.len()];
    let mut points: Vec<Point> = Vec::new();
    for (node, group) in nodes.iter().enumerate() {
        for one in &group.series {
            context.poll()?;
            let parts = parts_of(source, one, range, &[field])?;
            let rows = rows_of(source, &parts, range, &[field], context)?;
            let before = points.len();
            let numbers = points_of(&rows, 0).filter(|(_, value)| !value.is_nan());
            let node = node as u32;
            points.extend(numbers.map(|(time, value)| Point { time, node, value }));
            hold.grow((points.len() - before) * 2 * size_of::<Point>())?;
        }
    }
    // Stable, so that a node's deviations are added in one order.
    points.sort_by_key(|point| point.time);
    let mut values = Vec::new();
    for same in points.chunk_by(|a, b| a.time == b.time) {
        values.clear();
        values.extend(same.iter().map(|point| point.value));
        let Some(middle) = median(&mut values) else { continue };
        for point in same {
            let (sum, count) = &mut scores[point.node as usize];
            *sum += distance(point.value, middle);
            *count += 1;
        }
    }
    Ok(scores)
}

/// Cuts a range so that a piece has about [`PIECE`] points, by the blocks' spans.
fn pieces(
    source: &dyn ChunkSource,
    nodes: &[Group],
    field: usize,
    range: TimeRange,
    context: &QueryContext,
) -> Result<Vec<TimeRange>> {
    let spans = |node: &Group, see: &mut dyn FnMut((Timestamp, Timestamp), u64)| -> Result<()> {
        for one in &node.series {
            context.poll()?;
            for part in parts_of(source, one, range, &[field])? {
                let blocks = blocks_in(&part.data, range);
                blocks.for_each(|b| {
                    see(part.data.block_span(b), part.data.block_rows(b).len() as u64)
                });
            }
        }
        Ok(())
    };
    let of_node = |node: &Group| {
        let (mut ends, mut rows) = (None::<(Timestamp, Timestamp)>, 0);
        spans(node, &mut |span, own| {
            ends = Some(ends.map_or(span, |ends| (ends.0.min(span.0), ends.1.max(span.1))));
            rows += own;
        })?;
        Ok::<_, Error>((ends, rows))
    };
    let found = nodes.par_iter().map(of_node).collect::<Result<Vec<_>>>()?;
    let rows: u64 = found.iter().map(|(_, rows)| rows).sum();
    let ends = found.iter().filter_map(|(ends, _)| *ends);
    let Some((first, last)) = ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
        return Ok(Vec::new());
    };
    if rows <= PIECE {
        return Ok(vec![range]);
    }
    let (first, last) = (first.max(range.start), last);
    let width = last.abs_diff(first) / BINS as u64 + 1;
    let bin = |time: Timestamp| (time.max(first).abs_diff(first) / width) as usize;
    let mut counts = vec![0u64; BINS];
    for node in nodes {
        spans(node, &mut |(from, to), rows| {
            let bins = bin(from)..=bin(to).min(BINS - 1);
            let each = rows.div_ceil(bins.clone().count() as u64);
            counts[bins].iter_mut().for_each(|count| *count += each);
        })?;
    }
    let mut pieces = Vec::new();
    let (mut start, mut own) = (range.start, 0);
    for (bin, count) in counts.into_iter().enumerate() {
        let cut = first.checked_add_unsigned(width.saturating_mul(bin as u64));
        if own > 0
            && own + count > PIECE
            && let Some(cut) = cut.filter(|cut| *cut > start)
        {
            pieces.push(TimeRange::new(Some(start), Some(cut)));
            (start, own) = (cut, 0);
        }
        own += count;
    }
    pieces.push(TimeRange::new(Some(start), range.end));
    Ok(pieces)
}
