//! `+ - * / // %` and the sign, of numbers, times and lengths of time.

use std::sync::Arc;

use arrow_array::Float64Array;
use arrow_buffer::NullBuffer;

use super::calendar::add_months;
use super::coerce::coerce;
use super::instant::{iso, out_of_range, whole};
use super::node::Node;
use super::value::{Value, View, collect_longs, long_array};
use super::{Interval, Literal, Operator, Type};
use crate::error::{Error, Result};

/// One of the operators of arithmetic.
pub(super) fn binary(a: Node, operator: Operator, b: Node) -> Result<Node> {
    use Operator::{Add, Divide, Multiply, Subtract};
    let (a, b) = (read_beside(a, &b, operator)?, b);
    let (b, a) = (read_beside(b, &a, operator)?, a);
    match (a.ty, operator, b.ty) {
        (Type::Null, _, Type::Null) => Ok(Node::null(Type::Null)),
        (Type::Null, _, ty) | (ty, _, Type::Null) => match (ty, operator) {
            (Type::Int, Divide) | (Type::Float, _) => Ok(Node::null(Type::Float)),
            (Type::Int, _) => Ok(Node::null(Type::Int)),
            (Type::Time | Type::Interval, Add | Subtract | Multiply | Divide) => {
                Ok(Node::null(Type::Null))
            }
            _ => Err(unfit(a.ty, operator, b.ty)),
        },
        (Type::Int, operator, Type::Int) if operator != Divide => Ok(ints(a, operator, b)),
        (x, _, y) if x.is_number() && y.is_number() => {
            Ok(floats(coerce(a, Type::Float)?, operator, coerce(b, Type::Float)?))
        }
        (Type::Time, Add, Type::Interval) => shift(a, b, false),
        (Type::Interval, Add, Type::Time) => shift(b, a, false),
        (Type::Time, Subtract, Type::Interval) => shift(a, b, true),
        (Type::Time, Subtract, Type::Time) => Ok(longs(Type::Interval, a, b, |a, b| {
            a.checked_sub(b).ok_or_else(|| too_long(format_args!("{} - {}", iso(a), iso(b))))
        })),
        (Type::Interval, Add | Subtract, Type::Interval) => lengths(a, operator, b),
        (Type::Interval, Multiply | Divide, y) if y.is_number() => scale(a, operator, b),
        (x, Multiply, Type::Interval) if x.is_number() => scale(b, operator, a),
        (x, _, y) => Err(unfit(x, operator, y)),
    }
}

fn unfit(a: Type, operator: Operator, b: Type) -> Error {
    let hint = match (a, b) {
        (Type::Time, Type::Int | Type::Float) | (Type::Int | Type::Float, Type::Time) => {
            "add an interval, as in time + INTERVAL '5m'"
        }
        (Type::Str, _) | (_, Type::Str) if operator == Operator::Add => {
            "texts are joined by ||, and CAST(x AS DOUBLE) reads a number"
        }
        (Type::Str, _) | (_, Type::Str) => "CAST(x AS DOUBLE) reads a number",
        (Type::Bool, _) | (_, Type::Bool) => "CAST(x AS BIGINT) makes 0 or 1 of a condition",
        _ => "it takes two numbers, a time and an interval, or two intervals or times",
    };
    Error::invalid(format!("there is no {a} {} {b}; {hint}", operator.sign()))
}

/// A constant text as what fits beside the other: a number, a length of time or a time.
fn read_beside(node: Node, other: &Node, operator: Operator) -> Result<Node> {
    let Some(text) = node.as_text() else { return Ok(node) };
    if !matches!(operator, Operator::Add | Operator::Subtract)
        || !matches!(other.ty, Type::Time | Type::Interval)
    {
        return Ok(node);
    }
    match (coerce(node.clone(), Type::Interval), other.ty, operator) {
        (Ok(read), ..) => Ok(read),
        // A time beside a time can only be subtracted; one beside an interval can be shifted.
        (Err(why), ty, operator) if ty == Type::Interval || operator == Operator::Subtract => {
            coerce(node.clone(), Type::Time)
                .map_err(|_| why.within(format_args!("'{text}' beside {} is no time", other.ty)))
        }
        (Err(why), ..) => Err(why),
    }
}

/// Of each row the operator's value, with the nulls of both; `None` if one side is null.
fn zip<T: Copy, O: Clone>(
    a: View<'_, T>,
    b: View<'_, T>,
    rows: usize,
    mut f: impl FnMut(T, T) -> O,
) -> Option<(Vec<O>, Option<NullBuffer>)> {
    let nulls = NullBuffer::union(a.nulls(), b.nulls());
    let values = match (a, b) {
        (View::One(a), View::One(b)) => vec![f(a?, b?); rows],
        (View::One(a), View::Many(b, _)) => {
            let a = a?;
            b.iter().map(|b| f(a, *b)).collect()
        }
        (View::Many(a, _), View::One(b)) => {
            let b = b?;
            a.iter().map(|a| f(*a, b)).collect()
        }
        (View::Many(a, _), View::Many(b, _)) => a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect(),
    };
    Some((values, nulls))
}

fn floats(a: Node, operator: Operator, b: Node) -> Node {
    let f: fn(f64, f64) -> f64 = match operator {
        Operator::Add => |a, b| a + b,
        Operator::Subtract => |a, b| a - b,
        Operator::Multiply => |a, b| a * b,
        Operator::Divide => |a, b| a / b,
        Operator::DivideWhole => |a, b| (a / b).floor(),
        _ => |a, b| a % b,
    };
    Node::strict(Type::Float, vec![a, b], move |values, rows| {
        let (a, b) = (values[0].floats()?, values[1].floats()?);
        // Each operator's own loop, for a call a row would cost more than the operation.
        let found = match operator {
            Operator::Add => zip(a, b, rows, |a, b| a + b),
            Operator::Subtract => zip(a, b, rows, |a, b| a - b),
            Operator::Multiply => zip(a, b, rows, |a, b| a * b),
            Operator::Divide => zip(a, b, rows, |a, b| a / b),
            _ => zip(a, b, rows, f),
        };
        Ok(match found {
            Some((values, nulls)) => Value::Many(Arc::new(Float64Array::new(values.into(), nulls))),
            None => Value::One(Literal::Null),
        })
    })
}

fn ints(a: Node, operator: Operator, b: Node) -> Node {
    match operator {
        Operator::Add => checked(a, operator, b, i64::overflowing_add),
        Operator::Subtract => checked(a, operator, b, i64::overflowing_sub),
        Operator::Multiply => checked(a, operator, b, i64::overflowing_mul),
        Operator::DivideWhole => divided(a, b, |a, b| {
            a.checked_div(b).ok_or_else(|| overflow(a, Operator::DivideWhole, b))
        }),
        _ => divided(a, b, |a, b| Ok(a.wrapping_rem(b))),
    }
}

fn overflow(a: i64, operator: Operator, b: i64) -> Error {
    Error::invalid(format!(
        "integer overflow in {a} {} {b}; cast one side to DOUBLE",
        operator.sign()
    ))
}

fn checked(a: Node, operator: Operator, b: Node, f: fn(i64, i64) -> (i64, bool)) -> Node {
    Node::strict(Type::Int, vec![a, b], move |values, rows| {
        let (a, b) = (values[0].longs()?, values[1].longs()?);
        let mut over = false;
        let mut noting = |(value, overflows): (i64, bool)| {
            over |= overflows;
            value
        };
        let found = match operator {
            Operator::Add => zip(a, b, rows, |a, b| noting(a.overflowing_add(b))),
            Operator::Subtract => zip(a, b, rows, |a, b| noting(a.overflowing_sub(b))),
            _ => zip(a, b, rows, |a, b| noting(f(a, b))),
        };
        let Some((values, nulls)) = found else { return Ok(Value::One(Literal::Null)) };
        if over {
            // What stands under a null may overflow.
            for row in 0..rows {
                if let (Some(a), Some(b)) = (a.get(row), b.get(row))
                    && f(a, b).1
                {
                    return Err(overflow(a, operator, b));
                }
            }
        }
        Ok(Value::Many(long_array(Type::Int, values, nulls)?))
    })
}

/// Null where the divisor is zero.
fn divided(a: Node, b: Node, f: fn(i64, i64) -> Result<i64>) -> Node {
    Node::strict(Type::Int, vec![a, b], move |values, rows| {
        let (a, b) = (values[0].longs()?, values[1].longs()?);
        collect_longs(Type::Int, rows, |row| match (a.get(row), b.get(row)) {
            (Some(a), Some(b)) if b != 0 => f(a, b).map(Some),
            _ => Ok(None),
        })
    })
}

fn longs(
    ty: Type,
    a: Node,
    b: Node,
    f: impl Fn(i64, i64) -> Result<i64> + Send + Sync + 'static,
) -> Node {
    Node::strict(ty, vec![a, b], move |values, rows| {
        let (a, b) = (values[0].longs()?, values[1].longs()?);
        collect_longs(ty, rows, |row| match (a.get(row), b.get(row)) {
            (Some(a), Some(b)) => f(a, b).map(Some),
            _ => Ok(None),
        })
    })
}

fn too_long(what: impl std::fmt::Display) -> Error {
    Error::invalid(format!("{what} is an interval of over 292 years, which does not fit"))
}

/// The time an interval later, or earlier.
fn shift(time: Node, by: Node, back: bool) -> Result<Node> {
    let sign = if back { '-' } else { '+' };
    let beyond = move |time, by: Interval| {
        out_of_range(format_args!("{} {sign} INTERVAL '{by}'", iso(time)))
    };
    if let Some(Literal::Interval(by)) = by.as_constant() {
        let by = *by;
        let step = if back { by.checked_neg() } else { Some(by) };
        let step = step.ok_or_else(|| too_long(format_args!("- INTERVAL '{by}'")))?;
        return Ok(Node::strict(Type::Time, vec![time], move |values, rows| {
            let times = values[0].longs()?;
            collect_longs(Type::Time, rows, |row| {
                let Some(time) = times.get(row) else { return Ok(None) };
                let moved =
                    if step.months == 0 { Some(time) } else { add_months(time, step.months) };
                let moved = moved.and_then(|moved| moved.checked_add(step.nanos));
                moved.map(Some).ok_or_else(|| beyond(time, by))
            })
        }));
    }
    Ok(longs(Type::Time, time, by, move |time, nanos| {
        let moved = if back { time.checked_sub(nanos) } else { time.checked_add(nanos) };
        moved.ok_or_else(|| beyond(time, Interval { months: 0, nanos }))
    }))
}

/// The sum or difference of intervals.
fn lengths(a: Node, operator: Operator, b: Node) -> Result<Node> {
    let add = operator == Operator::Add;
    if let (Some(Literal::Interval(a)), Some(Literal::Interval(b))) =
        (a.as_constant(), b.as_constant())
    {
        let second = if add { Some(*b) } else { b.checked_neg() };
        let sum = second.and_then(|b| a.checked_add(b));
        let sum = sum.ok_or_else(|| {
            too_long(format_args!("INTERVAL '{a}' {} INTERVAL '{b}'", operator.sign()))
        })?;
        return Ok(Node::constant(Literal::Interval(sum)));
    }
    Ok(longs(Type::Interval, a, b, move |a, b| {
        let sum = if add { a.checked_add(b) } else { a.checked_sub(b) };
        sum.ok_or_else(|| too_long("a sum of intervals"))
    }))
}

/// An interval times a number, or divided by one; null when divided by zero.
fn scale(interval: Node, operator: Operator, by: Node) -> Result<Node> {
    if let (Some(Literal::Interval(of)), Some(Literal::Int(by)), Operator::Multiply) =
        (interval.as_constant(), by.as_constant(), operator)
    {
        let product = of.checked_mul(*by);
        let product = product.ok_or_else(|| too_long(format_args!("INTERVAL '{of}' * {by}")))?;
        return Ok(Node::constant(Literal::Interval(product)));
    }
    if operator == Operator::Multiply && by.ty == Type::Int {
        return Ok(longs(Type::Interval, interval, by, |nanos, by| {
            nanos.checked_mul(by).ok_or_else(|| too_long("a product of an interval"))
        }));
    }
    let divide = operator == Operator::Divide;
    Ok(Node::strict(
        Type::Interval,
        vec![interval, coerce(by, Type::Float)?],
        move |values, rows| {
            let (of, by) = (values[0].longs()?, values[1].floats()?);
            collect_longs(Type::Interval, rows, |row| {
                let (Some(of), Some(by)) = (of.get(row), by.get(row)) else { return Ok(None) };
                if divide && by == 0.0 {
                    return Ok(None);
                }
                let product = if divide { of as f64 / by } else { of as f64 * by };
                let nanos =
                    whole(product.round()).ok_or_else(|| too_long("a multiple of an interval"))?;
                Ok(Some(nanos))
            })
        },
    ))
}

/// The number or length with the other sign.
pub(super) fn negate(of: Node) -> Result<Node> {
    match (of.ty, of.as_constant()) {
        (Type::Null, _) => Ok(of),
        (Type::Interval, Some(Literal::Interval(length))) => {
            let negated = length.checked_neg();
            let negated = negated.ok_or_else(|| too_long(format_args!("- INTERVAL '{length}'")))?;
            Ok(Node::constant(Literal::Interval(negated)))
        }
        (Type::Float, _) => Ok(Node::strict(Type::Float, vec![of], |values, rows| {
            super::value::map_floats(&values[0], rows, |value| -value)
        })),
        (ty @ (Type::Int | Type::Interval), _) => {
            Ok(Node::strict(ty, vec![of], move |values, rows| {
                let of = values[0].longs()?;
                collect_longs(ty, rows, |row| {
                    let Some(value) = of.get(row) else { return Ok(None) };
                    value.checked_neg().map(Some).ok_or_else(|| {
                        Error::invalid(format!("integer overflow in -({value}); cast it to DOUBLE"))
                    })
                })
            }))
        }
        (ty, _) => {
            Err(Error::invalid(format!("there is no - {ty}; it takes a number or interval")))
        }
    }
}
