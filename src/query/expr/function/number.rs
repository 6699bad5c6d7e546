//! Functions of numbers.

use super::{Call, Scalar};
use crate::error::{Error, Result};
use crate::query::expr::node::Node;
use crate::query::expr::value::map_floats;
use crate::query::expr::{Literal, Operator, Type, arithmetic};

pub(super) fn build(mut call: Call) -> Result<Node> {
    let scalar = call.scalar;
    let unary: fn(f64) -> f64 = match scalar {
        Scalar::Floor => f64::floor,
        Scalar::Ceil => f64::ceil,
        Scalar::Sqrt => f64::sqrt,
        Scalar::Cbrt => f64::cbrt,
        Scalar::Exp => f64::exp,
        Scalar::Ln => f64::ln,
        Scalar::Log if !call.has(1) => f64::log10,
        Scalar::Log10 => f64::log10,
        Scalar::Log2 => f64::log2,
        Scalar::Sin => f64::sin,
        Scalar::Cos => f64::cos,
        Scalar::Tan => f64::tan,
        Scalar::Asin => f64::asin,
        Scalar::Acos => f64::acos,
        Scalar::Atan => f64::atan,
        Scalar::Sinh => f64::sinh,
        Scalar::Cosh => f64::cosh,
        Scalar::Tanh => f64::tanh,
        Scalar::Degrees => f64::to_degrees,
        Scalar::Radians => f64::to_radians,
        Scalar::Abs => match call.number(0)? {
            Type::Int => {
                return Ok(call.longs(Type::Int, |row| {
                    let value = row.long(0)?;
                    value.checked_abs().map(Some).ok_or_else(|| {
                        Error::invalid(format!(
                            "integer overflow in abs({value}); cast it to DOUBLE"
                        ))
                    })
                }));
            }
            _ => f64::abs,
        },
        Scalar::Round | Scalar::Trunc => return digits(call),
        Scalar::Sign => {
            return Ok(match call.number(0)? {
                Type::Int => call.longs(Type::Int, |row| Ok(Some(row.long(0)?.signum()))),
                _ => call.longs(Type::Int, |row| {
                    let value = row.float(0)?;
                    Ok(Some(i64::from(value > 0.0) - i64::from(value < 0.0)))
                }),
            });
        }
        Scalar::IsNan | Scalar::IsFinite | Scalar::IsInf => {
            call.coerce(0, Type::Float)?;
            let test: fn(f64) -> bool = match scalar {
                Scalar::IsNan => f64::is_nan,
                Scalar::IsFinite => f64::is_finite,
                _ => f64::is_infinite,
            };
            return Ok(call.truths(move |row| Ok(Some(test(row.float(0)?)))));
        }
        Scalar::Log | Scalar::Pow | Scalar::Atan2 => {
            call.coerce_all(Type::Float)?;
            let f: fn(f64, f64) -> f64 = match scalar {
                Scalar::Log => |base, x| x.log10() / base.log10(),
                Scalar::Pow => f64::powf,
                _ => f64::atan2,
            };
            return Ok(call.floats(move |row| Ok(Some(f(row.float(0)?, row.float(1)?)))));
        }
        Scalar::Mod => {
            call.number(0)?;
            call.number(1)?;
            let [x, divisor] = call.exactly()?;
            return arithmetic::binary(x, Operator::Remainder, divisor);
        }
        Scalar::Pi => return Ok(Node::constant(Literal::Float(std::f64::consts::PI))),
        _ => return Err(call.unknown()),
    };
    call.coerce(0, Type::Float)?;
    Ok(Node::strict(Type::Float, call.arguments, move |values, rows| {
        map_floats(&values[0], rows, unary)
    }))
}

/// `round` and `trunc`, which take digits and keep the type.
fn digits(mut call: Call) -> Result<Node> {
    let round = call.scalar == Scalar::Round;
    let ty = call.number(0)?;
    if !call.has(1) {
        call.arguments.push(Node::constant(Literal::Int(0)));
    }
    call.coerce(1, Type::Int)?;
    Ok(match ty {
        Type::Int => call.longs(ty, move |row| {
            let (value, digits) = (row.long(0)?, row.long(1)?);
            whole(value, digits, round).map(Some).ok_or_else(|| {
                Error::invalid(format!(
                    "integer overflow in round({value}, {digits}); cast it to DOUBLE"
                ))
            })
        }),
        _ => {
            let f: fn(f64) -> f64 = if round { f64::round } else { f64::trunc };
            call.floats(move |row| Ok(Some(to_digits(row.float(0)?, row.long(1)?, f))))
        }
    })
}

/// A whole number to digits before the point.
fn whole(value: i64, digits: i64, round: bool) -> Option<i64> {
    let Some(power) = u32::try_from(-digits).ok().filter(|power| *power > 0) else {
        return Some(if digits < 0 { 0 } else { value });
    };
    // 19 digits and more leave nothing, but a 19th may round up, and past the range.
    let Some(unit) = 10_i128.checked_pow(power) else { return Some(0) };
    let value = i128::from(value);
    let kept = value / unit * unit;
    let up = round && (value - kept).abs() * 2 >= unit;
    i64::try_from(if up { kept + unit * value.signum() } else { kept }).ok()
}

/// A double to digits after the point, or with negative ones before it.
fn to_digits(value: f64, digits: i64, f: impl Fn(f64) -> f64) -> f64 {
    let power = i32::try_from(digits.unsigned_abs()).unwrap_or(i32::MAX);
    let unit = 10_f64.powi(power);
    if digits >= 0 {
        let found = f(value * unit) / unit;
        if found.is_finite() { found } else { value }
    } else {
        let found = f(value / unit) * unit;
        if found.is_finite() || !value.is_finite() { found } else { 0.0 }
    }
}
