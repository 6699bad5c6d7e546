//! Times as ISO 8601 text.

use super::Timestamp;
use crate::error::{Error, Result};

/// What to say of a time that int64 nanoseconds do not hold.
pub(crate) const RANGE: &str = "time outside int64 nanoseconds (1677-09-21 .. 2262-04-11)";
/// What works where text is no time.
const ISO: &str = "use ISO 8601, like 2016-01-01T00:00:00.123456789Z";

const DAY: i64 = 86_400 * SECOND;
const SECOND: i64 = 1_000_000_000;

/// Reads an ISO 8601 time: a date, or a date and a time of day set apart by `T` or a space, down
/// to nanoseconds; `Z`, `UTC` or an offset such as `+02:00` may follow, UTC is taken otherwise.
/// Returns nanoseconds since 1970-01-01T00:00:00 UTC.
///
/// # Errors
/// [`Error::InvalidArgument`] for other text, and for times outside int64 nanoseconds.
pub fn parse_time(text: &str) -> Result<Timestamp> {
    parse(text).map_err(Error::invalid)
}

/// [`parse_time`] with its error as text.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    match nanoseconds(text.as_bytes()) {
        Some(ns) => i64::try_from(ns).map_err(|_| format!("{text:?} is a {RANGE}")),
        // A view array may hold megabytes in a cell; the message needs its beginning.
        None => Err(format!("{:?} is no time; {ISO}", text.chars().take(64).collect::<String>())),
    }
}

/// i128, because years 0 to 9999 pass int64 nanoseconds; the caller tells the two errors apart.
fn nanoseconds(text: &[u8]) -> Option<i128> {
    let mut rest = text;
    let year = number(&mut rest, 4)?;
    literal(&mut rest, b'-')?;
    let month = number(&mut rest, 2)?;
    literal(&mut rest, b'-')?;
    let day = number(&mut rest, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let midnight = i128::from(days(year, month, day)) * i128::from(DAY);
    let Some((separator, mut rest)) = rest.split_first() else { return Some(midnight) };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let hour = number(&mut rest, 2)?;
    literal(&mut rest, b':')?;
    let minute = number(&mut rest, 2)?;
    let (mut second, mut fraction) = (0, 0);
    if rest.first() == Some(&b':') {
        literal(&mut rest, b':')?;
        second = number(&mut rest, 2)?;
        if matches!(rest.first(), Some(b'.' | b',')) {
            rest = &rest[1..];
            fraction = sub_second(&mut rest)?;
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset = offset(rest)?;
    let seconds = hour * 3600 + minute * 60 + second - offset;
    Some(midnight + i128::from(seconds) * i128::from(SECOND) + i128::from(fraction))
}

/// Exactly `digits` digits.
fn number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (head, tail) = rest.split_at_checked(digits)?;
    let mut value = 0;
    for byte in head {
        value = value * 10 + i64::from(byte.is_ascii_digit().then(|| byte - b'0')?);
    }
    *rest = tail;
    Some(value)
}

fn literal(rest: &mut &[u8], byte: u8) -> Option<()> {
    let (first, tail) = rest.split_first()?;
    (*first == byte).then(|| *rest = tail)
}

/// Nanoseconds of a fraction; digits past the ninth must be 0, for they could not be kept.
fn sub_second(rest: &mut &[u8]) -> Option<i64> {
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (head, tail) = rest.split_at_checked(digits)?;
    *rest = tail;
    let (kept, lost) = head.split_at(digits.min(9));
    if kept.is_empty() || lost.iter().any(|b| *b != b'0') {
        return None;
    }
    let value = kept.iter().fold(0, |value, b| value * 10 + i64::from(b - b'0'));
    Some((kept.len()..9).fold(value, |value, _| value * 10))
}

/// Seconds east of UTC.
fn offset(rest: &[u8]) -> Option<i64> {
    let (sign, mut rest) = match rest {
        b"" | b"Z" | b"z" | b"UTC" | b" UTC" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let hours = number(&mut rest, 2)?;
    if rest.first() == Some(&b':') {
        rest = &rest[1..];
        if rest.is_empty() {
            return None;
        }
    }
    let minutes = if rest.is_empty() { 0 } else { number(&mut rest, 2)? };
    (rest.is_empty() && hours <= 23 && minutes <= 59).then(|| sign * (hours * 3600 + minutes * 60))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Hinnant, `days_from_civil`): years
/// begin in March, so that the leap day ends them.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
