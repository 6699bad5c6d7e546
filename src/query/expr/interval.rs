//! Lengths of time: their texts, and arithmetic that keeps months apart.

use std::fmt;

use super::Interval;
use crate::error::{Error, Result};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

enum Length {
    Months(i64),
    Nanos(i64),
}

/// What a unit's name stands for, in lower case.
fn length(unit: &str) -> Option<Length> {
    Some(match unit {
        "ns" | "nanosecond" | "nanoseconds" => Length::Nanos(1),
        "us" | "µs" | "μs" | "usec" | "usecs" | "microsecond" | "microseconds" => {
            Length::Nanos(1_000)
        }
        "ms" | "msec" | "msecs" | "millisecond" | "milliseconds" => Length::Nanos(1_000_000),
        "s" | "sec" | "secs" | "second" | "seconds" => Length::Nanos(SECOND),
        "m" | "min" | "mins" | "minute" | "minutes" => Length::Nanos(60 * SECOND),
        "h" | "hr" | "hrs" | "hour" | "hours" => Length::Nanos(3_600 * SECOND),
        "d" | "day" | "days" => Length::Nanos(DAY),
        "w" | "week" | "weeks" => Length::Nanos(7 * DAY),
        "mo" | "mon" | "mons" | "month" | "months" => Length::Months(1),
        "q" | "quarter" | "quarters" => Length::Months(3),
        "y" | "yr" | "yrs" | "year" | "years" => Length::Months(12),
        "decade" | "decades" => Length::Months(120),
        _ => return None,
    })
}

impl Interval {
    /// Reads a length of time: numbers with units, compact (`5m`, `1h30m`, `1mo`) or in words
    /// (`1 month 2 days`), then perhaps `03:04:05.5`, then perhaps `ago`. `m` is minutes and `mo`
    /// months. A sign holds up to the next space before a number.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for other text, for fractions of a month or a nanosecond, and
    /// for what passes 64 bits of nanoseconds or 32 of months.
    pub fn parse(text: &str) -> Result<Self> {
        read(text).map_err(|why| {
            Error::invalid(format!(
                "{:?} is no interval: {why}; write '5m', '1h30m', '1 month' or '2 days 03:04:05'",
                text.chars().take(64).collect::<String>()
            ))
        })
    }

    /// The nanoseconds.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if there are months.
    pub(super) fn without_months(self) -> Result<i64> {
        if self.months == 0 {
            return Ok(self.nanos);
        }
        Err(Error::invalid(format!(
            "INTERVAL '{self}': how long a month is depends on where it starts, so months can only \
             be added to a time, taken from one, or be the width of a time_bucket; write days \
             instead"
        )))
    }

    pub(super) fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            months: self.months.checked_add(other.months)?,
            nanos: self.nanos.checked_add(other.nanos)?,
        })
    }

    pub(super) fn checked_neg(self) -> Option<Self> {
        Some(Self { months: self.months.checked_neg()?, nanos: self.nanos.checked_neg()? })
    }

    pub(super) fn checked_mul(self, by: i64) -> Option<Self> {
        Some(Self {
            months: i32::try_from(i64::from(self.months).checked_mul(by)?).ok()?,
            nanos: self.nanos.checked_mul(by)?,
        })
    }
}

const RANGE: &str = "it is out of range";

fn read(text: &str) -> Result<Interval, String> {
    let (mut months, mut nanos) = (0_i128, 0_i128);
    let mut negative = false;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("it is empty".to_owned());
    }
    while !rest.is_empty() {
        if rest.eq_ignore_ascii_case("ago") && rest.len() < text.trim_start().len() {
            (months, nanos) = (-months, -nanos);
            break;
        }
        if let Some(tail) = rest.strip_prefix('-') {
            (negative, rest) = (true, tail.trim_start());
        } else if let Some(tail) = rest.strip_prefix('+') {
            (negative, rest) = (false, tail.trim_start());
        }
        let sign = if negative { -1 } else { 1 };
        let (whole, tail) = digits(rest);
        if let (Some(tail), false) = (tail.strip_prefix(':'), whole.is_empty()) {
            let (clock, tail) = clock(whole, tail)?;
            nanos += sign * clock;
            rest = tail;
        } else {
            let (fraction, tail) = match tail.strip_prefix('.') {
                Some(tail) => digits(tail),
                None => ("", tail),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(format!("there is no number at {rest:?}"));
            }
            let tail = tail.trim_start();
            let end = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            if unit == "M" {
                return Err("'M' could be either: write 'mo' for months, 'm' for minutes".into());
            }
            match length(&unit.to_lowercase()) {
                Some(Length::Nanos(one)) => nanos += sign * scaled(whole, fraction, one)?,
                Some(Length::Months(one)) => months += sign * scaled(whole, fraction, one)?,
                None if unit.is_empty() => return Err(format!("{whole} has no unit")),
                None => return Err(format!("{unit:?} is no unit of time")),
            }
            rest = tail;
        }
        let tail = rest.trim_start_matches([' ', ',', '\t', '\n']);
        if tail.len() < rest.len() {
            negative = false;
        }
        rest = tail;
    }
    let months = i32::try_from(months).map_err(|_| RANGE)?;
    let nanos = i64::try_from(nanos).map_err(|_| RANGE)?;
    Ok(Interval { months, nanos })
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// A decimal number times the unit, which must come out whole.
fn scaled(whole: &str, fraction: &str, unit: i64) -> Result<i128, String> {
    let fraction = fraction.trim_end_matches('0');
    if whole.len() > 20 || fraction.len() > 15 {
        return Err(RANGE.to_owned());
    }
    let number = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<i128>() };
    let (Ok(whole), Ok(part)) = (number(whole), number(fraction)) else {
        return Err(RANGE.to_owned());
    };
    let power = (0..fraction.len()).fold(1_i128, |power, _| power * 10);
    let part = part * i128::from(unit);
    if part % power != 0 {
        return Err("its fraction is finer than a nanosecond, or cuts a month".to_owned());
    }
    Ok(whole * i128::from(unit) + part / power)
}

/// `hh:mm[:ss[.fraction]]`, after the hours; its nanoseconds and what follows it.
fn clock<'a>(hours: &str, rest: &'a str) -> Result<(i128, &'a str), String> {
    const FORM: &str = "a time of day is hh:mm or hh:mm:ss";
    let (minutes, mut rest) = digits(rest);
    let (mut seconds, mut fraction) = ("", "");
    if let Some(tail) = rest.strip_prefix(':') {
        (seconds, rest) = digits(tail);
        if seconds.is_empty() {
            return Err(FORM.to_owned());
        }
        if let Some(tail) = rest.strip_prefix('.') {
            (fraction, rest) = digits(tail);
        }
    }
    let below_60 = |text: &str| text.len() <= 2 && text.parse().is_ok_and(|n: u8| n < 60);
    if !below_60(minutes) || !(seconds.is_empty() || below_60(seconds)) {
        return Err(FORM.to_owned());
    }
    let nanos = scaled(hours, "", 3_600 * SECOND)?
        + scaled(minutes, "", 60 * SECOND)?
        + scaled(seconds, fraction, SECOND)?;
    Ok((nanos, rest))
}

/// As [`Interval::parse`] reads it: `1 year 2 months 3 days 04:05:06.5`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (months, nanos) = (i64::from(self.months), i128::from(self.nanos));
        let mut parts = Vec::new();
        let mut part = |count: i128, unit: &str| {
            if count != 0 {
                parts.push(format!("{count} {unit}{}", if count.abs() == 1 { "" } else { "s" }));
            }
        };
        part(i128::from(months / 12), "year");
        part(i128::from(months % 12), "month");
        part(nanos / i128::from(DAY), "day");
        let rest = nanos % i128::from(DAY);
        if rest != 0 || parts.is_empty() {
            let sign = if rest < 0 { "-" } else { "" };
            let (seconds, fraction) = (rest.abs() / 1_000_000_000, rest.abs() % 1_000_000_000);
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let mut clock = format!("{sign}{hours:02}:{minutes:02}:{:02}", seconds % 60);
            if fraction != 0 {
                clock.push('.');
                clock.push_str(format!("{fraction:09}").trim_end_matches('0'));
            }
            parts.push(clock);
        }
        f.write_str(&parts.join(" "))
    }
}
