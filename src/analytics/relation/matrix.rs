//! The correlations of all pairs of many columns: fields of series.
//!
//! Each pair has the rows that are complete in both. Where the series share their times, or most of
//! them, most pairs come from products of matrices ([`Product`]).

use std::borrow::Cow;

use rayon::prelude::*;

use super::align::{self, Points};
use super::correlate::Method;
use super::product::Product;
use crate::analytics::numeric::distributions::CorrelationTail;
use crate::analytics::{Column, Input, Options, Table};
use crate::error::Result;
use crate::kernels::Guard;

/// Bytes that a pair's row is charged for.
const ROW_BYTES: usize = 192;

/// A field of a series.
struct Lane<'a> {
    series: u32,
    field: &'a str,
    times: &'a [i64],
    values: &'a [f64],
}

/// Runs `correlation_matrix`; see the module of relations.
pub(super) fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let method = Method::take(options)?;
    let tolerance = options.duration("tolerance")?.map(i64::unsigned_abs);
    options.finish("correlation_matrix")?;
    let lanes: Vec<Lane<'_>> = inputs
        .iter()
        .enumerate()
        .flat_map(|(series, input)| {
            input.fields.iter().map(move |(field, values)| Lane {
                series: series as u32,
                field,
                times: input.times,
                values,
            })
        })
        .collect();
    let count = lanes.len() * lanes.len().saturating_sub(1) / 2;
    let bytes = count.saturating_mul(ROW_BYTES);
    guard.charge(bytes)?;
    let found = correlations(&lanes, method, tolerance, guard)?;
    let table = table(&lanes, &found);
    guard.release(bytes);
    Ok(table)
}

/// r, p and n of each pair of columns, (0, 1), (0, 2), .. (1, 2), ..
fn correlations(
    lanes: &[Lane<'_>],
    method: Method,
    tolerance: Option<u64>,
    guard: &dyn Guard,
) -> Result<Vec<(f64, f64, i64)>> {
    let shared = match tolerance {
        None => shared_rows(lanes),
        Some(_) => None,
    };
    let Some(columns) = shared else { return of_points(lanes, method, tolerance, guard) };
    let product = Product::of(&columns, method, guard)?;
    let rows = columns.first().map_or(0, |values| values.len());
    // What the degrees of freedom alone determine is the same for many pairs.
    let tails: Vec<CorrelationTail> = if rows <= lanes.len() * lanes.len() {
        (0..=rows).map(|n| CorrelationTail::new(n as f64 - 2.0)).collect()
    } else {
        Vec::new()
    };
    let tail =
        |n: usize| tails.get(n).copied().unwrap_or_else(|| CorrelationTail::new(n as f64 - 2.0));
    of_pairs(lanes.len(), guard, |a, b| match product.found(a, b) {
        Some((r, n)) => (r, tail(n).two_sided(r), n as i64),
        None => {
            let (x, y): (Vec<f64>, Vec<f64>) = columns[a]
                .iter()
                .zip(columns[b].iter())
                .filter(|(x, y)| !x.is_nan() && !y.is_nan())
                .unzip();
            let (r, p) = method.of(&x, &y);
            (r, p, x.len() as i64)
        }
    })
}

/// The columns over shared times, NaN where a series has no row; `None` where there are equal times
/// in a series, or the series share too few of their times.
fn shared_rows<'a>(lanes: &[Lane<'a>]) -> Option<Vec<Cow<'a, [f64]>>> {
    let first = lanes.first()?.times;
    // One series: its rows are rows, whatever their times. Several: points at one time are paired
    // in their order, which slots of single times cannot tell.
    let one = lanes.iter().all(|lane| lane.series == lanes[0].series);
    let ascends = |times: &[i64]| times.windows(2).all(|pair| pair[0] < pair[1]);
    if lanes.iter().all(|lane| lane.times == first) && ascends(first) {
        return Some(lanes.iter().map(|lane| Cow::Borrowed(lane.values)).collect());
    }
    if one || !lanes.par_iter().all(|lane| ascends(lane.times)) {
        return None;
    }
    let longest = lanes.iter().map(|lane| lane.times.len()).max()?;
    let mut all = first.to_vec();
    for lane in &lanes[1..] {
        if lane.times == first {
            continue;
        }
        all.extend_from_slice(lane.times);
        // Two ascending runs: the sort finds and merges them.
        all.sort();
        all.dedup();
        if all.len() > 2 * longest {
            return None;
        }
    }
    let on_all = |lane: &Lane<'_>| {
        let mut own = lane.times.iter().zip(lane.values).peekable();
        let value = |time: &i64| {
            own.next_if(|(next, _)| *next == time).map_or(f64::NAN, |(_, value)| *value)
        };
        Cow::Owned(all.iter().map(value).collect::<Vec<f64>>())
    };
    Some(lanes.par_iter().map(on_all).collect())
}

/// Pair by pair, from points.
fn of_points(
    lanes: &[Lane<'_>],
    method: Method,
    tolerance: Option<u64>,
    guard: &dyn Guard,
) -> Result<Vec<(f64, f64, i64)>> {
    let points: Vec<Points> =
        lanes.par_iter().map(|lane| Points::of(lane.times, lane.values)).collect();
    of_pairs(lanes.len(), guard, |a, b| {
        let (x, y) = if lanes[a].series == lanes[b].series {
            align::of_rows(lanes[a].times, lanes[a].values, lanes[b].values, tolerance)
        } else {
            align::of_points(&points[a], &points[b], tolerance)
        };
        let (r, p) = method.of(&x, &y);
        (r, p, x.len() as i64)
    })
}

fn of_pairs(
    count: usize,
    guard: &dyn Guard,
    of: impl Fn(usize, usize) -> (f64, f64, i64) + Sync,
) -> Result<Vec<(f64, f64, i64)>> {
    let row = |a: usize| {
        let own = (a + 1..count).map(|b| {
            if b.is_multiple_of(64) {
                guard.poll()?;
            }
            Ok(of(a, b))
        });
        own.collect::<Result<Vec<_>>>()
    };
    let rows = (0..count).into_par_iter().map(row).collect::<Result<Vec<_>>>()?;
    Ok(rows.into_iter().flatten().collect())
}

fn table(lanes: &[Lane<'_>], found: &[(f64, f64, i64)]) -> Table {
    let places = || (0..lanes.len()).flat_map(|a| (a + 1..lanes.len()).map(move |b| (a, b)));
    let text = |lane: &Lane<'_>| Some(lane.field.to_owned());
    Table::new([
        ("a", Column::Series(places().map(|(a, _)| lanes[a].series).collect())),
        ("field_a", Column::Text(places().map(|(a, _)| text(&lanes[a])).collect())),
        ("b", Column::Series(places().map(|(_, b)| lanes[b].series).collect())),
        ("field_b", Column::Text(places().map(|(_, b)| text(&lanes[b])).collect())),
        ("r", Column::Float(found.iter().map(|row| row.0).collect())),
        ("p", Column::Float(found.iter().map(|row| row.1).collect())),
        ("n", Column::Int(found.iter().map(|row| row.2).collect())),
    ])
}
