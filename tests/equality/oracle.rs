//! Aggregates of a handful of points, one function after the other, as a textbook has them.

use kymograph::query::Function;

use crate::common::Cell;

/// Points of one field in one group: by series, and each series' in the order of time and arrival.
pub(crate) type Points<'a> = [Vec<(i64, &'a Cell)>];

fn number(cell: &Cell) -> f64 {
    match cell {
        Cell::Float(v) => *v,
        Cell::Int(v) => *v as f64,
        Cell::Bool(v) => f64::from(u8::from(*v)),
        other => panic!("{other:?} is no number"),
    }
}

/// Orders values of one type, NaN last.
fn rank(a: &Cell, b: &Cell) -> std::cmp::Ordering {
    match (a, b) {
        (Cell::Float(a), Cell::Float(b)) => match (a.is_nan(), b.is_nan()) {
            (false, false) => a.partial_cmp(b).expect("no NaN"),
            (a, b) => a.cmp(&b),
        },
        (Cell::Text(a), Cell::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        _ => a.partial_cmp(b).expect("values of one type"),
    }
}

/// The sum of squared deviations in two passes.
fn deviations(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

fn percentile(values: &[&Cell], percent: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().map(|cell| number(cell)).collect();
    sorted.sort_by(|a, b| a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(b)));
    let rank = (sorted.len() - 1) as f64 * (percent / 100.0);
    let (low, part) = (rank.floor() as usize, rank - rank.floor());
    if part == 0.0 || sorted[low] == sorted[low + 1] {
        return sorted[low];
    }
    sorted[low] + part * (sorted[low + 1] - sorted[low])
}

/// How often each distinct value is there, ascending; zeros of both signs are one value.
fn tally(values: &[&Cell]) -> Vec<(Cell, usize)> {
    let mut sorted: Vec<&Cell> = values.to_vec();
    sorted.sort_by(|a, b| rank(a, b));
    sorted.chunk_by(|a, b| rank(a, b).is_eq()).map(|same| (same[0].clone(), same.len())).collect()
}

/// A function of the points that are not null.
pub(crate) fn aggregate(function: Function, points: &Points<'_>) -> Cell {
    let mut by_time: Vec<(i64, &Cell)> = points.iter().flatten().copied().collect();
    // Of points at one time the series' order counts, then arrival.
    by_time.sort_by_key(|(time, _)| *time);
    let values: Vec<&Cell> = by_time.iter().map(|(_, cell)| *cell).collect();
    let count = values.len();
    let whole = |n: usize| Cell::Int(n as i64);
    match function {
        Function::Count => return whole(count),
        Function::Distinct => return whole(tally(&values).len()),
        Function::Delta | Function::Increase => return course(function, points),
        _ if count == 0 => return Cell::Null,
        _ => {}
    }
    let numbers = || values.iter().map(|cell| number(cell)).collect::<Vec<f64>>();
    let some = |n: usize, value: f64| if count < n { Cell::Null } else { Cell::Float(value) };
    let mean = |values: &[&Cell]| match values[0] {
        Cell::Int(_) => exact(values) as f64 / count as f64,
        _ => numbers().iter().sum::<f64>() / count as f64,
    };
    match function {
        Function::Sum => match values[0] {
            Cell::Float(_) => Cell::Float(numbers().iter().sum()),
            Cell::Int(_) => Cell::Int(exact(&values) as i64),
            _ => Cell::Int(values.iter().filter(|cell| ***cell == Cell::Bool(true)).count() as i64),
        },
        Function::Mean => Cell::Float(mean(&values)),
        Function::Min => (*values.iter().min_by(|a, b| rank(a, b)).expect("a value")).clone(),
        Function::Max => {
            let is_nan = |cell: &Cell| matches!(cell, Cell::Float(v) if v.is_nan());
            let numbers: Vec<&Cell> = values.iter().copied().filter(|cell| !is_nan(cell)).collect();
            let some = if numbers.is_empty() { &values } else { &numbers };
            (*some.iter().max_by(|a, b| rank(a, b)).expect("a value")).clone()
        }
        Function::Var => some(2, deviations(&numbers()) / (count as f64 - 1.0)),
        Function::Std => some(2, (deviations(&numbers()) / (count as f64 - 1.0)).sqrt()),
        Function::VarPop => Cell::Float(deviations(&numbers()) / count as f64),
        Function::StdPop => Cell::Float((deviations(&numbers()) / count as f64).sqrt()),
        Function::First => values[0].clone(),
        Function::Last => values[count - 1].clone(),
        Function::Median => Cell::Float(percentile(&values, 50.0)),
        Function::Percentile(percent) => Cell::Float(percentile(&values, percent)),
        Function::Mode => {
            let tally = tally(&values);
            let most = tally.iter().map(|(_, n)| *n).max();
            tally.into_iter().find(|(_, n)| Some(*n) == most).expect("a value").0
        }
        other => panic!("{other:?} has no oracle"),
    }
}

fn exact(values: &[&Cell]) -> i128 {
    let each = values.iter().map(|cell| match cell {
        Cell::Int(v) => i128::from(*v),
        other => panic!("{other:?} is no integer"),
    });
    each.sum()
}

/// Each series on its own, then added up; null where none has two points.
fn course(function: Function, points: &Points<'_>) -> Cell {
    let each = points.iter().filter(|own| own.len() >= 2).map(|own| {
        let values: Vec<f64> = own.iter().map(|(_, cell)| number(cell)).collect();
        let delta = values[values.len() - 1] - values[0];
        // A counter that falls starts again from 0: what it had until then is not lost.
        let lost: f64 = values.windows(2).filter(|w| w[1] < w[0]).map(|w| w[0]).sum();
        if function == Function::Increase { delta + lost } else { delta }
    });
    let each: Vec<f64> = each.collect();
    if each.is_empty() { Cell::Null } else { Cell::Float(each.iter().sum()) }
}
