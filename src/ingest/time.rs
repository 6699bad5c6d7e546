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
use crate::model::iso::{RANGE, parse};

const WORKS: &str = "use timestamps, dates, integers of nanoseconds since 1970 (UTC) or ISO 8601 \
                     strings";

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
