//! Functions of values of any one type.

use std::cmp::Ordering;

use super::call::{Any, views};
use super::{Call, Scalar};
use crate::error::{Error, Result};
use crate::query::expr::coerce::{coerce, common};
use crate::query::expr::compare::{below, compare};
use crate::query::expr::compile::case;
use crate::query::expr::node::{Kind, Node};
use crate::query::expr::value::{collect_floats, collect_longs, collect_texts, collect_truths};
use crate::query::expr::{Operator, Type};

pub(super) fn build(call: Call) -> Result<Node> {
    let scalar = call.scalar;
    let about = |why: Error| why.within(scalar.signature());
    match scalar {
        Scalar::Coalesce => coalesce(call.arguments).map_err(about),
        Scalar::Greatest => extreme(call.arguments, true).map_err(about),
        Scalar::Least => extreme(call.arguments, false).map_err(about),
        Scalar::NullIf => {
            let [x, y] = call.exactly()?;
            let equal = compare(x.clone(), Operator::Equal, y).map_err(about)?.fold()?;
            case(vec![(equal, Node::null(x.ty))], x)
        }
        Scalar::If => {
            let [condition, x, y] = call.exactly()?;
            case(vec![(condition, x)], y).map_err(about)
        }
        _ => Err(call.unknown()),
    }
}

/// The arguments in the type in which they meet.
fn aligned(arguments: Vec<Node>) -> Result<(Type, Vec<Node>)> {
    let all: Vec<&Node> = arguments.iter().collect();
    let ty = common(&all)?;
    let arguments = arguments.into_iter().map(|one| coerce(one, ty)).collect::<Result<_>>()?;
    Ok((ty, arguments))
}

fn coalesce(arguments: Vec<Node>) -> Result<Node> {
    let (ty, mut arguments) = aligned(arguments)?;
    arguments.retain(|node| !node.is_null());
    if let Some(place) = arguments.iter().position(|node| node.as_constant().is_some()) {
        arguments.truncate(place + 1);
    }
    Ok(match arguments.len() {
        0 => Node::null(ty),
        1 => arguments.swap_remove(0),
        _ => Node { ty, kind: Kind::Coalesce(arguments) },
    })
}

/// The greatest or least of each row that is not null.
fn extreme(arguments: Vec<Node>, greatest: bool) -> Result<Node> {
    let (ty, arguments) = aligned(arguments)?;
    if ty == Type::Null {
        return Ok(Node::null(ty));
    }
    Ok(Node::apply(ty, arguments, move |values, rows| {
        let views = &views(values)?;
        let betters = |ordering: Ordering| match greatest {
            true => ordering.is_gt(),
            false => ordering.is_lt(),
        };
        match ty {
            Type::Float => {
                let float = |view: &Any<'_>, row| match view {
                    Any::Floats(view) => view.get(row),
                    _ => None,
                };
                let betters =
                    |a: &f64, b: &f64| if greatest { below(*b, *a) } else { below(*a, *b) };
                collect_floats(rows, |row| Ok(best(views, |view| float(view, row), betters)))
            }
            Type::Str => collect_texts(rows, |row| {
                let text = best(views, |view| view.text(row), |a, b| betters(a.cmp(b)));
                Ok(text.map(Into::into))
            }),
            Type::Bool => {
                let truth = |view: &Any<'_>, row| match view {
                    Any::Truths(view) => view.get(row),
                    _ => None,
                };
                collect_truths(rows, |row| {
                    Ok(best(views, |view| truth(view, row), |a, b| betters(a.cmp(b))))
                })
            }
            _ => {
                let long = |view: &Any<'_>, row| match view {
                    Any::Longs(view) => view.get(row),
                    _ => None,
                };
                collect_longs(ty, rows, |row| {
                    Ok(best(views, |view| long(view, row), |a, b| betters(a.cmp(b))))
                })
            }
        }
    }))
}

/// Of the values that there are, the first that no other betters.
fn best<'a, T>(
    views: &[Any<'a>],
    get: impl Fn(&Any<'a>) -> Option<T>,
    betters: impl Fn(&T, &T) -> bool,
) -> Option<T> {
    views
        .iter()
        .filter_map(get)
        .reduce(|best, next| if betters(&next, &best) { next } else { best })
}
