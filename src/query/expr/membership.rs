//! `x IN (a, b)`: constant lists by hash, others by one comparison each.

use std::sync::Arc;

use hashbrown::HashSet;

use super::coerce::{coerce, common};
use super::compare::compare;
use super::logic::connect;
use super::node::Node;
use super::value::{Value, collect_truths};
use super::{Literal, Operator, Type};
use crate::error::Result;

/// The values of a constant list, as they are compared.
enum Members {
    Longs(HashSet<i64>),
    Texts(HashSet<String>),
    Truths([bool; 2]),
}

/// What equal doubles share: one zero and one NaN.
fn key(value: f64) -> i64 {
    let canonical = if value.is_nan() { f64::NAN } else { value + 0.0 };
    canonical.to_bits().cast_signed()
}

/// Whether x equals one of the list; null when it does not, and it or one of them is null.
pub(super) fn within(of: Node, list: Vec<Node>) -> Result<Node> {
    let all: Vec<&Node> = std::iter::once(&of).chain(&list).collect();
    let ty = common(&all)?;
    let of = coerce(of, ty)?;
    let list: Vec<Node> = list.into_iter().map(|one| coerce(one, ty)).collect::<Result<_>>()?;
    if list.is_empty() {
        return Ok(Node::constant(Literal::Bool(false)));
    }
    if ty == Type::Null {
        return Ok(Node::null(Type::Bool));
    }
    let Some(constants) =
        list.iter().map(|one| one.as_constant().cloned()).collect::<Option<Vec<Literal>>>()
    else {
        let mut found = Node::constant(Literal::Bool(false));
        for one in list {
            found = connect(found, Operator::Or, compare(of.clone(), Operator::Equal, one)?)?;
        }
        return Ok(found);
    };
    let with_null = constants.contains(&Literal::Null);
    let members = Arc::new(members(ty, &constants)?);
    let answer = move |found: bool| if found || !with_null { Some(found) } else { None };
    Ok(Node::strict(Type::Bool, vec![of], move |values, rows| match (&*members, ty) {
        (Members::Longs(members), Type::Float) => {
            let of = values[0].floats()?;
            collect_truths(rows, |row| {
                Ok(of.get(row).and_then(|value| answer(members.contains(&key(value)))))
            })
        }
        (Members::Longs(members), _) => {
            let of = values[0].longs()?;
            collect_truths(rows, |row| {
                Ok(of.get(row).and_then(|value| answer(members.contains(&value))))
            })
        }
        (Members::Texts(members), _) => {
            let of = values[0].texts()?;
            collect_truths(rows, |row| {
                Ok(of.get(row).and_then(|value| answer(members.contains(value))))
            })
        }
        (Members::Truths(members), _) => {
            let of = values[0].truths()?;
            collect_truths(rows, |row| {
                Ok(of.get(row).and_then(|value| answer(members[usize::from(value)])))
            })
        }
    }))
}

fn members(ty: Type, constants: &[Literal]) -> Result<Members> {
    let mut longs = HashSet::new();
    let mut texts = HashSet::new();
    let mut truths = [false; 2];
    for literal in constants {
        match literal {
            Literal::Null => {}
            Literal::Bool(value) => truths[usize::from(*value)] = true,
            Literal::Float(value) => {
                longs.insert(key(*value));
            }
            Literal::Str(value) => {
                texts.insert(value.clone());
            }
            Literal::Int(_) | Literal::Time(_) | Literal::Interval(_) => {
                if let Some(value) = Value::One(literal.clone()).longs()?.get(0) {
                    longs.insert(value);
                }
            }
        }
    }
    Ok(match ty {
        Type::Str => Members::Texts(texts),
        Type::Bool => Members::Truths(truths),
        _ => Members::Longs(longs),
    })
}
