//! Casts between types.

use std::borrow::Cow;

use super::instant::{self, float_text, parse_bool, parse_float, parse_int, whole};
use super::node::Node;
use super::value::{Value, collect_floats, collect_longs, collect_texts, collect_truths};
use super::{Interval, Literal, Type};
use crate::error::{Error, Result};

/// Whether values of the one type can be cast to the other at all; else what would work.
fn possible(from: Type, to: Type) -> Result<(), &'static str> {
    use Type::{Bool, Float, Int, Interval, Null, Other, Str, Time};
    match (from, to) {
        (Other, _) | (_, Other | Null) => Err("there is no such cast"),
        (Int | Float, Time) => Err("to_timestamp(x) takes seconds, make_timestamp_ns(x) \
                                    nanoseconds since 1970"),
        (Time, Int | Float) => Err("epoch(x) gives seconds, epoch_ns(x) nanoseconds since 1970"),
        (Interval, Int | Float) => Err("epoch(x) gives seconds, epoch_ns(x) nanoseconds"),
        (Int | Float, Interval) => Err("multiply an interval, as in x * INTERVAL '1s'"),
        (Bool, Time | Interval) | (Time | Interval, Bool) | (Time, Interval) | (Interval, Time) => {
            Err("there is no such cast")
        }
        (Null | Bool | Int | Float | Str, _) | (Time | Interval, _) => Ok(()),
    }
}

/// A cast; with `attempt` null where a value cannot be cast.
///
/// # Errors
///
/// [`Error::InvalidArgument`] where no value of the type can be cast.
pub(super) fn cast(of: Node, to: Type, attempt: bool) -> Result<Node> {
    let from = of.ty;
    if from == to {
        return Ok(of);
    }
    possible(from, to)
        .map_err(|hint| Error::invalid(format!("{from} cannot be cast to {to}; {hint}")))?;
    if of.is_null() {
        return Ok(Node::null(to));
    }
    if let (Some(text), Type::Interval) = (of.as_text(), to) {
        // Read here, for a column of lengths has no months, but a constant may.
        return match Interval::parse(text) {
            Err(_) if attempt => Ok(Node::null(to)),
            read => read.map(|length| Node::constant(Literal::Interval(length))),
        };
    }
    Ok(Node::strict(to, vec![of], move |values, rows| {
        let value = &values[0];
        match (from, to) {
            (Type::Str, _) => from_text(value, to, rows, attempt),
            (_, Type::Str) => to_text(value, from, rows),
            (Type::Bool, Type::Int) => {
                let of = value.truths()?;
                collect_longs(to, rows, |row| Ok(of.get(row).map(i64::from)))
            }
            (Type::Bool, _) => {
                let of = value.truths()?;
                collect_floats(rows, |row| Ok(of.get(row).map(|truth| f64::from(u8::from(truth)))))
            }
            (Type::Int, Type::Bool) => {
                let of = value.longs()?;
                collect_truths(rows, |row| Ok(of.get(row).map(|value| value != 0)))
            }
            (Type::Int, _) => {
                let of = value.longs()?;
                collect_floats(rows, |row| Ok(of.get(row).map(|value| value as f64)))
            }
            (_, Type::Bool) => {
                let of = value.floats()?;
                collect_truths(rows, |row| Ok(of.get(row).map(|value| value != 0.0)))
            }
            _ => {
                let of = value.floats()?;
                collect_longs(to, rows, |row| {
                    let Some(value) = of.get(row) else { return Ok(None) };
                    match whole(value.round_ties_even()) {
                        None if !attempt => Err(fails(from, to, &float_text(value))),
                        found => Ok(found),
                    }
                })
            }
        }
    }))
}

fn fails(from: Type, to: Type, value: &str) -> Error {
    let why = if from == Type::Str { "cannot be read as" } else { "is out of the range of" };
    let value: String = value.chars().take(64).collect();
    let value = if from == Type::Str { format!("{value:?}") } else { value };
    Error::invalid(format!("{value} {why} {to}; TRY_CAST gives NULL instead"))
}

fn from_text(value: &Value, to: Type, rows: usize, attempt: bool) -> Result<Value> {
    let of = value.texts()?;
    // A closure for each type, that is null where the text does not read and that may be.
    fn read<T>(
        text: Option<&str>,
        to: Type,
        attempt: bool,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(text) = text else { return Ok(None) };
        match parse(text) {
            None if !attempt => Err(fails(Type::Str, to, text)),
            found => Ok(found),
        }
    }
    match to {
        Type::Bool => collect_truths(rows, |row| read(of.get(row), to, attempt, parse_bool)),
        Type::Int => collect_longs(to, rows, |row| read(of.get(row), to, attempt, parse_int)),
        Type::Float => collect_floats(rows, |row| read(of.get(row), to, attempt, parse_float)),
        Type::Time => collect_longs(to, rows, |row| match of.get(row).map(instant::parse) {
            Some(Err(_)) if attempt => Ok(None),
            found => found.transpose(),
        }),
        _ => collect_longs(to, rows, |row| {
            let read = |text| Interval::parse(text).and_then(Interval::without_months);
            match of.get(row).map(read) {
                Some(Err(_)) if attempt => Ok(None),
                found => found.transpose(),
            }
        }),
    }
}

fn to_text(value: &Value, from: Type, rows: usize) -> Result<Value> {
    let own = |text: Option<String>| Ok(text.map(Cow::Owned));
    match from {
        Type::Bool => {
            let of = value.truths()?;
            collect_texts(rows, |row| {
                Ok(of.get(row).map(|truth| Cow::Borrowed(if truth { "true" } else { "false" })))
            })
        }
        Type::Int => {
            let of = value.longs()?;
            collect_texts(rows, |row| own(of.get(row).map(|value| value.to_string())))
        }
        Type::Float => {
            let of = value.floats()?;
            collect_texts(rows, |row| own(of.get(row).map(float_text)))
        }
        Type::Time => {
            let of = value.longs()?;
            collect_texts(rows, |row| own(of.get(row).map(instant::text)))
        }
        _ => {
            if let Value::One(Literal::Interval(interval)) = value {
                return Ok(Value::One(Literal::Str(interval.to_string())));
            }
            let of = value.longs()?;
            collect_texts(rows, |row| {
                own(of.get(row).map(|nanos| Interval { months: 0, nanos }.to_string()))
            })
        }
    }
}
