//! Conditions: what of them picks times and series, and what is left for rows.

use crate::error::Result;
use crate::model::{TableSchema, TimeRange};
use crate::query::Filter;
use crate::query::expr::{Evaluator, Expr, Literal, Operator, Type};

/// The conditions of WHERE, by what they pick.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sql) struct Pushed {
    pub(in crate::sql) range: TimeRange,
    pub(in crate::sql) filter: Filter,
    pub(in crate::sql) predicate: Option<Expr>,
}

/// The operands of AND, to any depth.
pub(super) fn conjuncts(expr: Expr) -> Vec<Expr> {
    let (mut todo, mut parts) = (vec![expr], Vec::new());
    while let Some(expr) = todo.pop() {
        match expr {
            Expr::Binary(left, Operator::And, right) => {
                todo.push(*right);
                todo.push(*left);
            }
            other => parts.push(other),
        }
    }
    parts
}

/// Splits conditions that all must hold.
///
/// # Errors
/// When a condition does not fit the types of the columns.
pub(in crate::sql) fn pushed(conditions: Vec<Expr>, schema: &TableSchema) -> Result<Pushed> {
    let columns = super::row::columns(schema);
    let mut range = TimeRange::ALL;
    let (mut filter, mut rest) = (Filter::new(), Vec::new());
    for condition in conditions {
        let checked = Evaluator::new(&condition, &columns)?;
        if checked.constant() == Some(Literal::Bool(true)) {
            continue;
        }
        if let Some(span) = span(&condition) {
            range = range.intersect(&span);
        } else if let Some((tag, values)) = picked(&condition, schema) {
            filter.push((tag, values));
        } else {
            rest.push(condition);
        }
    }
    // A range that ends before it starts is no error here: nothing passes.
    if let Some(end) = range.end
        && end < range.start
    {
        range = TimeRange::new(Some(range.start), Some(range.start));
    }
    let predicate = rest.into_iter().reduce(|a, b| a.binary(Operator::And, b));
    Ok(Pushed { range, filter, predicate })
}

/// The times that a comparison of `time` with a constant lets through.
fn span(condition: &Expr) -> Option<TimeRange> {
    let Expr::Binary(left, operator, right) = condition else { return None };
    let time = Expr::column("time");
    let (operator, constant) = if **left == time {
        (*operator, right)
    } else if **right == time {
        (mirrored(*operator)?, left)
    } else {
        return None;
    };
    let at = time_of(constant)?;
    let next = at.checked_add(1);
    // Past the last time there is none.
    let none = TimeRange::new(Some(i64::MAX), Some(i64::MAX));
    Some(match operator {
        Operator::AtLeast => TimeRange::new(Some(at), None),
        Operator::Greater => next.map_or(none, |next| TimeRange::new(Some(next), None)),
        Operator::Less => TimeRange::new(None, Some(at)),
        Operator::AtMost => TimeRange::new(None, next),
        Operator::Equal => TimeRange::new(Some(at), next),
        _ => return None,
    })
}

/// A constant as a time.
fn time_of(expr: &Expr) -> Option<i64> {
    if !expr.columns().is_empty() {
        return None;
    }
    let cast = Expr::Cast { of: Box::new(expr.clone()), to: Type::Time, attempt: false };
    match Evaluator::new(&cast, &[]).ok()?.constant()? {
        Literal::Time(ns) => Some(ns),
        _ => None,
    }
}

fn mirrored(operator: Operator) -> Option<Operator> {
    Some(match operator {
        Operator::Less => Operator::Greater,
        Operator::AtMost => Operator::AtLeast,
        Operator::Greater => Operator::Less,
        Operator::AtLeast => Operator::AtMost,
        Operator::Equal => Operator::Equal,
        _ => return None,
    })
}

/// The values of a tag that a condition lets through: `tag = 'a'`, `tag IN ('a', 'b')`,
/// `tag IS NULL`.
fn picked(condition: &Expr, schema: &TableSchema) -> Option<(String, Vec<Option<String>>)> {
    let tag = |expr: &Expr| match expr {
        Expr::Column(name) if schema.tags.contains(name) => Some(name.clone()),
        _ => None,
    };
    let text = |expr: &Expr| match expr {
        Expr::Literal(Literal::Str(text)) => Some(text.clone()),
        _ => None,
    };
    match condition {
        Expr::IsNull(of) => Some((tag(of)?, vec![None])),
        Expr::Binary(left, Operator::Equal, right) => {
            let (tag, value) = match (tag(left), tag(right)) {
                (Some(tag), None) => (tag, text(right)?),
                (None, Some(tag)) => (tag, text(left)?),
                _ => return None,
            };
            Some((tag, vec![Some(value)]))
        }
        Expr::In(of, list) => {
            let values = list.iter().map(|one| text(one).map(Some)).collect::<Option<Vec<_>>>()?;
            Some((tag(of)?, values))
        }
        _ => None,
    }
}
