//! Times and numbers as texts.

use super::calendar::Civil;
use crate::error::{Error, Result};
use crate::model::parse_time;

/// Reads an ISO 8601 time, UTC unless it says otherwise.
pub(super) fn parse(text: &str) -> Result<i64> {
    parse_time(text.trim())
}

/// A time as `2016-01-02 03:04:05.5+00`.
pub(super) fn text(time: i64) -> String {
    format!("{}+00", naive(time, ' '))
}

/// A time as `2016-01-02T03:04:05.5Z`.
pub(crate) fn iso(time: i64) -> String {
    format!("{}Z", naive(time, 'T'))
}

fn naive(time: i64, between: char) -> String {
    let Civil { year, month, day, nanos } = Civil::of(time);
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text =
        format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}");
    if fraction != 0 {
        text.push('.');
        text.push_str(format!("{fraction:09}").trim_end_matches('0'));
    }
    text
}

/// The shortest text that reads back as the same double: plain from 1e-4 up to 1e16, else with
/// an exponent, as DuckDB and Python write it.
pub(super) fn float_text(value: f64) -> String {
    if !value.is_finite() {
        return match (value.is_nan(), value > 0.0) {
            (true, _) => "nan".to_owned(),
            (false, true) => "inf".to_owned(),
            (false, false) => "-inf".to_owned(),
        };
    }
    if value == 0.0 || (1e-4..1e16).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

/// A text as a double, or why not.
pub(super) fn parse_float(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

/// A text as a whole number: digits, or a number that is rounded, halves away from zero.
pub(super) fn parse_int(text: &str) -> Option<i64> {
    let text = text.trim();
    text.parse().ok().or_else(|| whole(text.parse::<f64>().ok()?.round()))
}

/// A double without a fraction as a whole number, if it is in range.
pub(super) fn whole(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (-LIMIT..LIMIT).contains(&value).then_some(value as i64)
}

/// A text as a truth value.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// The error for a sum or bucket that leaves int64 nanoseconds.
pub(super) fn out_of_range(what: impl std::fmt::Display) -> Error {
    Error::invalid(format!("{what} is a time outside 1677-09-21 .. 2262-04-11"))
}
