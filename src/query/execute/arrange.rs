//! Which rows of an aggregate's result stay, and in which order.

use std::cmp::Ordering;

use super::Frame;
use super::aggregate::Asked;
use crate::error::{Error, Result};
use crate::model::{Column, FieldType, Values};
use crate::query::{AggregateQuery, Having, OrderBy};

/// Checks that output names are distinct, and that having and order name columns that work.
pub(super) fn check_columns(query: &AggregateQuery, asked: &Asked) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    let time = query.every.map(|_| "time".to_owned());
    for name in time.iter().chain(&query.by).chain(&asked.names) {
        if !seen.insert(name.as_str()) {
            return Err(Error::invalid(format!(
                "two columns of the result would be called {name:?}; ask for each function once, \
                 and not beside a tag of that name"
            )));
        }
    }
    for name in query.having.iter().flat_map(Having::columns) {
        let at = asked.names.iter().position(|known| known == name).ok_or_else(|| {
            let known = asked.names.iter().map(String::as_str);
            let near = crate::error::nearest(name, known);
            Error::invalid(format!("having: unknown column {name:?}; {near}"))
        })?;
        if !matches!(asked.types[at], FieldType::F64 | FieldType::I64) {
            return Err(Error::invalid(format!(
                "having compares numbers, and {name:?} is {}",
                asked.types[at].name()
            )));
        }
    }
    for by in &query.order {
        if !seen.contains(by.column.as_str()) {
            let near = crate::error::nearest(&by.column, seen.iter().copied());
            return Err(Error::invalid(format!("order: unknown column {:?}; {near}", by.column)));
        }
    }
    Ok(())
}

/// Keeps the rows that pass.
pub(super) fn having(frame: &mut Frame, condition: &Having) -> Result<()> {
    let mut rows = Vec::new();
    for row in 0..frame.rows {
        let get = |name: &str| {
            let column = frame.columns.iter().find(|(known, _)| known == name);
            Ok(column.filter(|(_, c)| c.is_valid(row)).and_then(|(_, c)| number(c, row)))
        };
        if condition.passes(&get)? {
            rows.push(row);
        }
    }
    if rows.len() < frame.rows {
        take(frame, &rows);
    }
    Ok(())
}

fn number(column: &Column, row: usize) -> Option<f64> {
    match &column.values {
        Values::F64(v) => Some(v[row]),
        Values::I64(v) => Some(v[row] as f64),
        Values::Bool(_) | Values::Str(_) => None,
    }
}

/// Sorts by output columns; rows that tie keep their order.
pub(super) fn order(frame: &mut Frame, by: &[OrderBy]) -> Result<()> {
    if by.is_empty() {
        return Ok(());
    }
    let mut rows: Vec<usize> = (0..frame.rows).collect();
    rows.sort_by(|&a, &b| {
        let pairs = by.iter().map(|by| compare(frame, by, a, b));
        pairs.fold(Ordering::Equal, Ordering::then)
    });
    take(frame, &rows);
    Ok(())
}

fn compare(frame: &Frame, by: &OrderBy, a: usize, b: usize) -> Ordering {
    let turned = |o: Ordering| if by.descending { o.reverse() } else { o };
    if let (Some(time), "time") = (&frame.time, by.column.as_str()) {
        return turned(time[a].cmp(&time[b]));
    }
    if let Some((_, tags)) = frame.tags.iter().find(|(name, _)| *name == by.column) {
        return nulls_last(tags.get(a), tags.get(b), |x, y| turned(x.cmp(y)));
    }
    let Some((_, column)) = frame.columns.iter().find(|(name, _)| *name == by.column) else {
        return Ordering::Equal;
    };
    let at = |row: usize| column.is_valid(row).then_some(row);
    nulls_last(at(a), at(b), |x, y| {
        turned(match &column.values {
            Values::F64(v) => floats(v[x], v[y]),
            Values::I64(v) => v[x].cmp(&v[y]),
            Values::Bool(v) => v[x].cmp(&v[y]),
            Values::Str(v) => v.get(x).cmp(v.get(y)),
        })
    })
}

/// By value, NaN greatest; zeros of either sign are equal.
pub(crate) fn floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn nulls_last<T>(a: Option<T>, b: Option<T>, compare: impl Fn(T, T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// Keeps the first `limit` rows.
pub(super) fn limit(frame: &mut Frame, limit: Option<usize>) {
    if let Some(limit) = limit.filter(|&limit| limit < frame.rows) {
        let rows: Vec<usize> = (0..limit).collect();
        take(frame, &rows);
    }
}

fn take(frame: &mut Frame, rows: &[usize]) {
    frame.rows = rows.len();
    if let Some(time) = &mut frame.time {
        *time = rows.iter().map(|&row| time[row]).collect();
    }
    frame.tags.iter_mut().for_each(|(_, tags)| tags.take(rows));
    for (_, column) in &mut frame.columns {
        let mut taken = Column::empty(column.values.field_type());
        rows.iter().for_each(|&row| taken.push_from(column, row));
        *column = taken;
    }
}
