//! How nodes relate: which stand apart from the rest, and how two fields of one go together.

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::execute::{Frame, Group, Tags, groups};
use super::plan::{Filter, check_range, tag_filter, tag_ids};
use super::{ChunkSource, QueryContext};
use crate::error::{Error, Result};
use crate::kernels::percentile::median;
use crate::kernels::{Guard, Rows, merge_parts_guarded};
use crate::model::{Column, FieldType, TableSchema, TimeRange, Timestamp, Values};

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
    let nodes = nodes(source, &query.by, &query.filter, query.range)?;
    if u32::try_from(nodes.len()).is_err() {
        return Err(Error::LimitExceeded(format!("{} nodes are too many", nodes.len())));
    }
    let points = nodes
        .par_iter()
        .enumerate()
        .map(|(node, group)| {
            let mut points = Vec::new();
            for rows in rows_of(source, group, query.range, &[field], context) {
                let rows = rows?;
                let numbers = points_of(&rows, 0).filter(|(_, value)| !value.is_nan());
                points.extend(numbers.map(|(time, value)| Point {
                    time,
                    node: node as u32,
                    value,
                }));
            }
            context.charge(points.len() * 2 * size_of::<Point>())?;
            Ok(points)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut points = points.concat();
    // Stable, so that a node's deviations are added in one order, whatever the threads.
    points.par_sort_by_key(|point| point.time);
    let mut scores = vec![(0.0f64, 0u64); nodes.len()];
    let mut values = Vec::new();
    for (nth, same) in points.chunk_by(|a, b| a.time == b.time).enumerate() {
        if nth % 1024 == 0 {
            context.poll()?;
        }
        values.clear();
        values.extend(same.iter().map(|point| point.value));
        let Some(middle) = median(&mut values) else { continue };
        for point in same {
            let (sum, count) = &mut scores[point.node as usize];
            *sum += if point.value == middle { 0.0 } else { (point.value - middle).abs() };
            *count += 1;
        }
    }
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
    let nodes = nodes(source, &query.by, &query.filter, query.range)?;
    let found = nodes
        .par_iter()
        .map(|node| {
            let mut pairs = Vec::new();
            for rows in rows_of(source, node, query.range, &fields, context) {
                let rows = rows?;
                let before = pairs.len();
                match tolerance {
                    None => equal_pairs(&rows, &mut pairs),
                    Some(tolerance) => near_pairs(&rows, tolerance, &mut pairs),
                }
                context.charge((pairs.len() - before) * size_of::<(f64, f64)>())?;
            }
            let found = (pearson(&pairs), pairs.len());
            context.release(pairs.len() * size_of::<(f64, f64)>());
            Ok(found)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut r = Column::empty(FieldType::F64);
    for (value, _) in &found {
        match value {
            Some(value) => r.push_from(&Column::new(Values::F64(vec![*value])), 0),
            None => r.push_null(),
        }
    }
    let n = Column::new(Values::I64(found.iter().map(|(_, n)| *n as i64).collect()));
    let columns = vec![("r".to_owned(), r), ("n".to_owned(), n)];
    frame(&query.by, nodes.iter(), columns).into_batch()
}

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
) -> Result<Vec<Group>> {
    let schema = source.schema();
    let by = tag_ids(schema, by)?;
    Ok(groups(source.series(&tag_filter(schema, filter)?, range)?, &by))
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

/// The rows of each series of a node.
fn rows_of<'a>(
    source: &'a dyn ChunkSource,
    node: &'a Group,
    range: TimeRange,
    fields: &'a [usize],
    context: &'a QueryContext,
) -> impl Iterator<Item = Result<Rows>> + 'a {
    let schema = source.schema();
    let types: Vec<FieldType> = schema.fields.iter().map(|f| f.ty).collect();
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    node.series.iter().map(move |one| {
        context.poll()?;
        let parts = source.parts(one, range, &sorted)?;
        merge_parts_guarded(&parts, range, fields, &types, schema.duplicates, context)
    })
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

/// Pearson's r in two passes: the means, then the deviations from them.
fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 2 {
        return None;
    }
    if pairs.iter().any(|(x, y)| x.is_nan() || y.is_nan()) {
        return Some(f64::NAN);
    }
    // Rounding of the mean gives equal values a deviation, so equality is asked outright.
    let varies = |of: fn(&(f64, f64)) -> f64| pairs.iter().any(|pair| of(pair) != of(&pairs[0]));
    if !varies(|p| p.0) || !varies(|p| p.1) {
        return None;
    }
    let n = pairs.len() as f64;
    let mean_x = pairs.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_y = pairs.iter().map(|p| p.1).sum::<f64>() / n;
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    let r = xy / (xx.sqrt() * yy.sqrt());
    Some(if r.is_nan() { r } else { r.clamp(-1.0, 1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pearson_of_little_or_constant_is_null() {
        assert_eq!(pearson(&[]), None);
        assert_eq!(pearson(&[(1.0, 2.0)]), None);
        assert_eq!(pearson(&[(0.1, 1.0), (0.1, 2.0), (0.1, 5.0)]), None);
        assert!(pearson(&[(f64::NAN, 1.0), (1.0, 2.0)]).is_some_and(f64::is_nan));
        let line = pearson(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]);
        assert!(line.is_some_and(|r| (1.0 - r).abs() < 1e-15 && r <= 1.0));
    }

    #[test]
    fn pearson_is_stable_far_from_zero() {
        // numpy.corrcoef([1, 2, 3, 4], [1, 3, 2, 4])[0, 1] = 0.8
        let pairs = [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (4.0, 4.0)];
        let far: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (x + 1e9, y - 1e9)).collect();
        for pairs in [&pairs[..], &far] {
            assert!((pearson(pairs).unwrap_or(0.0) - 0.8).abs() < 1e-9);
        }
    }
}
