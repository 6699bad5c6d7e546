//! Conditions: what of them picks times and series, and what is left for rows.

use crate::error::Result;
use crate::model::{TableSchema, TimeRange};
use crate::query::Filter;
use crate::query::expr::{Evaluator, Expr, Literal, Operator};
use crate::query::predicate::times;

/// The conditions of WHERE, by what they pick.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sql) struct Pushed {
    pub(in crate::sql) range: TimeRange,
    pub(in crate::sql) filter: Filter,
    pub(in crate::sql) predicate: Option<Expr>,
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
        if let Some(own) = times(&condition)? {
            range = range.intersect(&own);
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
