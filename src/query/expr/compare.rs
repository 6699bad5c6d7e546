//! `= <> < <= > >=`: doubles as numbers, NaN equal to itself and above all else.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{Array, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::coerce::{coerce, common};
use super::node::Node;
use super::value::{Texts, Value, View, collect_truths};
use super::{Literal, Operator, Type};
use crate::error::{Error, Result};

/// Whether doubles are equal: NaN equals NaN.
pub(super) fn same(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan())
}

/// Whether a double is below another: NaN is above all else.
pub(super) fn below(a: f64, b: f64) -> bool {
    a < b || (b.is_nan() && !a.is_nan())
}

/// A comparison of two values that meet in a type.
pub(super) fn compare(a: Node, operator: Operator, b: Node) -> Result<Node> {
    let ty = common(&[&a, &b])?;
    let (a, b) = (coerce(a, ty)?, coerce(b, ty)?);
    let kernel: fn(&[Value], usize, Operator) -> Result<Value> = match ty {
        Type::Null => return Ok(Node::null(Type::Bool)),
        Type::Float => |values, rows, operator| {
            let (a, b) = (values[0].floats()?, values[1].floats()?);
            Ok(match operator {
                Operator::Equal => test(a, b, rows, same),
                Operator::NotEqual => test(a, b, rows, |a, b| !same(a, b)),
                Operator::Less => test(a, b, rows, below),
                Operator::AtMost => test(a, b, rows, |a, b| !below(b, a)),
                Operator::Greater => test(a, b, rows, |a, b| below(b, a)),
                _ => test(a, b, rows, |a, b| !below(a, b)),
            })
        },
        Type::Int | Type::Time | Type::Interval => |values, rows, operator| {
            let (a, b) = (values[0].longs()?, values[1].longs()?);
            Ok(match operator {
                Operator::Equal => test(a, b, rows, |a, b| a == b),
                Operator::NotEqual => test(a, b, rows, |a, b| a != b),
                Operator::Less => test(a, b, rows, |a, b| a < b),
                Operator::AtMost => test(a, b, rows, |a, b| a <= b),
                Operator::Greater => test(a, b, rows, |a, b| a > b),
                _ => test(a, b, rows, |a, b| a >= b),
            })
        },
        Type::Str => {
            |values, rows, operator| texts(values[0].texts()?, values[1].texts()?, rows, operator)
        }
        Type::Bool => |values, rows, operator| {
            let (a, b) = (values[0].truths()?, values[1].truths()?);
            collect_truths(rows, |row| {
                Ok(a.get(row).zip(b.get(row)).map(|(a, b)| holds(a.cmp(&b), operator)))
            })
        },
        Type::Other => {
            return Err(Error::Internal("lists were compared".to_owned()));
        }
    };
    Ok(Node::strict(Type::Bool, vec![a, b], move |values, rows| kernel(values, rows, operator)))
}

fn holds(ordering: Ordering, operator: Operator) -> bool {
    match operator {
        Operator::Equal => ordering.is_eq(),
        Operator::NotEqual => ordering.is_ne(),
        Operator::Less => ordering.is_lt(),
        Operator::AtMost => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    }
}

fn test<T: Copy>(a: View<'_, T>, b: View<'_, T>, rows: usize, f: impl Fn(T, T) -> bool) -> Value {
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    let values = match (a, b) {
        (View::One(None), _) | (_, View::One(None)) => return Value::One(Literal::Null),
        (View::One(Some(a)), View::One(Some(b))) => return Value::One(Literal::Bool(f(a, b))),
        (View::One(Some(a)), View::Many(b, _)) => {
            BooleanBuffer::collect_bool(rows.min(b.len()), |row| f(a, b[row]))
        }
        (View::Many(a, _), View::One(Some(b))) => {
            BooleanBuffer::collect_bool(rows.min(a.len()), |row| f(a[row], b))
        }
        (View::Many(a, _), View::Many(b, _)) => {
            BooleanBuffer::collect_bool(rows.min(a.len()).min(b.len()), |row| f(a[row], b[row]))
        }
    };
    Value::Many(Arc::new(BooleanArray::new(values, nulls)))
}

fn texts(a: Texts<'_>, b: Texts<'_>, rows: usize, operator: Operator) -> Result<Value> {
    // Equality first asks for the length.
    if let (Texts::Many(a), Texts::One(Some(b)), Operator::Equal | Operator::NotEqual) =
        (a, b, operator)
    {
        let wanted = operator == Operator::Equal;
        let values = BooleanBuffer::collect_bool(rows, |row| (a.value(row) == b) == wanted);
        return Ok(Value::Many(Arc::new(BooleanArray::new(values, a.nulls().cloned()))));
    }
    collect_truths(rows, |row| {
        Ok(a.get(row).zip(b.get(row)).map(|(a, b)| holds(a.cmp(b), operator)))
    })
}
