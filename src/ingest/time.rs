//! Times: whatever a frame holds them in, to nanoseconds since the epoch, UTC.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_schema::{DataType, TimeUnit};

use super::OnError;
use super::bad::BadRows;
use super::fields::for_keys;
use super::frame::Frame;
use crate::error::{Error, Result};
use crate::model::Timestamp;

const RANGE: &str = "time outside int64 nanoseconds (1677-09-21 .. 2262-04-11)";
const WORKS: &str = "use timestamps, dates, integers of nanoseconds since 1970 (UTC) or ISO 8601 \
                     strings";
const ISO: &str = "use ISO 8601, like 2016-01-01T00:00:00.123456789Z";

const DAY: i64 = 86_400 * SECOND;
const SECOND: i64 = 1_000_000_000;

/// The time of every row, in nanoseconds; 0 where the row is bad.
pub(super) fn times(
    frame: &Frame<'_>,
    column: usize,
    on_error: OnError,
) -> Result<(Vec<Timestamp>, BadRows)> {
    let mut bad = BadRows::new(on_error);
    let mut out = Vec::with_capacity(frame.rows());
    supported(frame.name(column), frame.data_type(column))?;
    for chunk in frame.chunks(column) {
        let base = out.len();
        append(chunk, &mut out, &mut |i, why| bad.push(base + i, || why))?;
    }
    Ok((out, bad))
}

fn supported(name: &str, ty: &DataType) -> Result<()> {
    let plain = match ty {
        DataType::Dictionary(_, values) => values.as_ref(),
        plain => plain,
    };
    match plain {
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => Ok(()),
        DataType::Int64 | DataType::UInt64 => Ok(()),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(()),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Err(Error::invalid(format!(
            "time column {name:?} (from row 0) has type {ty}, in which instants get rounded; {WORKS}"
        ))),
        _ => Err(Error::invalid(format!(
            "time column {name:?} (from row 0) has type {ty}, which is no time; {WORKS}"
        ))),
    }
}

type Misfit<'a> = dyn FnMut(usize, String) + 'a;

/// Appends one chunk; the rows that are no time go to `bad`, ascending.
fn append(array: &dyn Array, out: &mut Vec<Timestamp>, bad: &mut Misfit<'_>) -> Result<()> {
    match array.data_type() {
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            scaled::<TimestampNanosecondType>(array, 1, out, bad);
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            scaled::<TimestampMicrosecondType>(array, 1_000, out, bad);
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            scaled::<TimestampMillisecondType>(array, 1_000_000, out, bad);
        }
        DataType::Timestamp(TimeUnit::Second, _) => {
            scaled::<TimestampSecondType>(array, SECOND, out, bad);
        }
        DataType::Date32 => scaled::<Date32Type>(array, DAY, out, bad),
        DataType::Date64 => scaled::<Date64Type>(array, 1_000_000, out, bad),
        DataType::Int64 => scaled::<Int64Type>(array, 1, out, bad),
        DataType::UInt64 => unsigned(array, out, bad),
        DataType::Utf8 => strings(array.as_string::<i32>().iter(), out, bad),
        DataType::LargeUtf8 => strings(array.as_string::<i64>().iter(), out, bad),
        DataType::Utf8View => strings(array.as_string_view().iter(), out, bad),
        DataType::Dictionary(..) => dictionary(array, out, bad)?,
        other => return Err(Error::Internal(format!("a time of type {other}"))),
    }
    Ok(())
}

fn null() -> String {
    "null is no time; every row needs one".to_owned()
}

/// Values that count `unit` nanoseconds each.
fn scaled<T>(array: &dyn Array, unit: i64, out: &mut Vec<Timestamp>, bad: &mut Misfit<'_>)
where
    T: ArrowPrimitiveType,
    T::Native: Into<i64>,
{
    let array = array.as_primitive::<T>();
    let (least, most) = (i64::MIN / unit, i64::MAX / unit);
    let fits = |v: i64| v >= least && v <= most;
    let values = array.values().iter().map(|v| (*v).into());
    let all_fit = unit == 1 || values.clone().fold(true, |all, v| all & fits(v));
    let start = out.len();
    out.extend(values.clone().map(|v| v.wrapping_mul(unit)));
    if all_fit && array.null_count() == 0 {
        return;
    }
    for ((i, v), slot) in values.enumerate().zip(&mut out[start..]) {
        if array.is_null(i) {
            *slot = 0;
            bad(i, null());
        } else if !fits(v) {
            *slot = 0;
            bad(i, format!("{v} {} is a {RANGE}", unit_name(unit)));
        }
    }
}

fn unit_name(unit: i64) -> &'static str {
    match unit {
        1 => "ns",
        1_000 => "us",
        1_000_000 => "ms",
        SECOND => "s",
        _ => "days since 1970-01-01",
    }
}

fn unsigned(array: &dyn Array, out: &mut Vec<Timestamp>, bad: &mut Misfit<'_>) {
    let values = array.as_primitive::<UInt64Type>().iter().enumerate();
    out.extend(values.map(|(i, value)| match value.map(|v| (v, i64::try_from(v))) {
        Some((_, Ok(time))) => time,
        Some((v, Err(_))) => {
            bad(i, format!("{v} ns is a {RANGE}"));
            0
        }
        None => {
            bad(i, null());
            0
        }
    }));
}

fn strings<'a>(
    values: impl Iterator<Item = Option<&'a str>>,
    out: &mut Vec<Timestamp>,
    bad: &mut Misfit<'_>,
) {
    out.extend(values.enumerate().map(|(i, text)| {
        let parsed = text.ok_or_else(null).and_then(parse);
        parsed.unwrap_or_else(|why| {
            bad(i, why);
            0
        })
    }));
}

/// Reads each value of the dictionary once.
fn dictionary(array: &dyn Array, out: &mut Vec<Timestamp>, bad: &mut Misfit<'_>) -> Result<()> {
    let Some(dictionary) = array.as_any_dictionary_opt() else {
        return Err(Error::Internal("a dictionary of no key type".to_owned()));
    };
    let mut values = Vec::with_capacity(dictionary.values().len());
    let mut wrong = std::collections::HashMap::new();
    append(dictionary.values(), &mut values, &mut |i, why| {
        wrong.insert(i, why);
    })?;
    for_keys(array, |i, key| {
        let time = match key {
            None => Err(null()),
            Some(key) => match (values.get(key), wrong.get(&key)) {
                (_, Some(why)) => Err(why.clone()),
                (Some(time), None) => Ok(*time),
                (None, None) => Err(format!("key {key} points past the column's dictionary")),
            },
        };
        out.push(time.unwrap_or_else(|why| {
            bad(i, why);
            0
        }));
    });
    Ok(())
}

/// Reads an ISO 8601 time: a date, or a date and a time of day set apart by `T` or a space, down
/// to nanoseconds; `Z`, `UTC` or an offset such as `+02:00` may follow, UTC is taken otherwise.
/// Returns nanoseconds since 1970-01-01T00:00:00 UTC.
///
/// # Errors
/// [`Error::InvalidArgument`] for other text, and for times outside int64 nanoseconds.
pub fn parse_time(text: &str) -> Result<Timestamp> {
    parse(text).map_err(Error::invalid)
}

fn parse(text: &str) -> Result<Timestamp, String> {
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
