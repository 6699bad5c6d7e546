//! Functions of times.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;

use super::{Call, Scalar};
use crate::error::{Error, Result};
use crate::query::expr::bucket::Buckets;
use crate::query::expr::calendar::{
    Civil, DAY, SECOND, Unit, Zone, days_in, iso_week, singular, weekday,
};
use crate::query::expr::instant::{self, float_text, iso, out_of_range, whole};
use crate::query::expr::node::Node;
use crate::query::expr::value::collect_longs;
use crate::query::expr::{Literal, Type};

pub(super) fn build(mut call: Call) -> Result<Node> {
    let scalar = call.scalar;
    match scalar {
        Scalar::DateTrunc => date_trunc(call),
        Scalar::DatePart => {
            let part = Part::parse(&call.word(0, "a part of a time")?)?;
            call.arguments.remove(0);
            date_part(call, part)
        }
        Scalar::Year => date_part(call, Part::Year),
        Scalar::Quarter => date_part(call, Part::Quarter),
        Scalar::Month => date_part(call, Part::Month),
        Scalar::Week => date_part(call, Part::Week),
        Scalar::Day => date_part(call, Part::Day),
        Scalar::DayOfWeek => date_part(call, Part::DayOfWeek),
        Scalar::IsoDayOfWeek => date_part(call, Part::IsoDayOfWeek),
        Scalar::DayOfYear => date_part(call, Part::DayOfYear),
        Scalar::Hour => date_part(call, Part::Hour),
        Scalar::Minute => date_part(call, Part::Minute),
        Scalar::Second => date_part(call, Part::Second),
        Scalar::Epoch => {
            nanoseconds(&mut call)?;
            Ok(call.floats(|row| Ok(Some(seconds(row.long(0)?)))))
        }
        Scalar::EpochMs => epoch(call, 1_000_000),
        Scalar::EpochUs => epoch(call, 1_000),
        Scalar::EpochNs => epoch(call, 1),
        Scalar::ToTimestamp => to_timestamp(call),
        Scalar::MakeTimestamp => make_timestamp(call),
        Scalar::MakeTimestampMs => from_epoch(call, 1_000_000),
        Scalar::MakeTimestampUs => from_epoch(call, 1_000),
        Scalar::MakeTimestampNs => from_epoch(call, 1),
        Scalar::Strftime => strftime(call),
        Scalar::Strptime | Scalar::TryStrptime => strptime(call),
        Scalar::TimeBucket => time_bucket(call),
        Scalar::Age => {
            call.coerce_all(Type::Time)?;
            Ok(call.longs(Type::Interval, |row| {
                let (time, since) = (row.long(0)?, row.long(1)?);
                time.checked_sub(since).map(Some).ok_or_else(|| {
                    Error::invalid(format!("{} is over 292 years from {}", iso(time), iso(since)))
                })
            }))
        }
        Scalar::DateDiff => {
            let unit = Unit::parse(&call.word(0, "a unit of time")?)?;
            call.arguments.remove(0);
            call.coerce_all(Type::Time)?;
            Ok(call.longs(Type::Int, move |row| {
                let (from, to) = (row.long(0)?, row.long(1)?);
                unit.between(from, to).map(Some).ok_or_else(|| {
                    Error::invalid(format!("{} is over 292 years from {}", iso(to), iso(from)))
                })
            }))
        }
        _ => Err(call.unknown()),
    }
}

/// The zone that an argument names, if there is one; it leaves the arguments.
fn zone(call: &mut Call, place: usize) -> Result<Option<Zone>> {
    if !call.has(place) {
        return Ok(None);
    }
    let zone = Zone::parse(&call.word(place, "a time zone")?)?;
    call.arguments.remove(place);
    Ok(Some(zone))
}

fn date_trunc(mut call: Call) -> Result<Node> {
    let unit = Unit::parse(&call.word(0, "a unit of time")?)?;
    let zone = zone(&mut call, 2)?;
    call.arguments.remove(0);
    call.coerce(0, Type::Time)?;
    let beyond = move |time| out_of_range(format_args!("the start of the unit of {}", iso(time)));
    Ok(Node::strict(Type::Time, call.arguments, move |values, rows| {
        let times = values[0].longs()?;
        // The last unit, for times mostly come in order.
        let mut last = None::<(i64, i64)>;
        collect_longs(Type::Time, rows, |row| {
            let Some(time) = times.get(row) else { return Ok(None) };
            if let Some((start, end)) = last
                && start <= time
                && time < end
            {
                return Ok(Some(start));
            }
            let (start, end) = match (&zone, unit) {
                (None, _) => {
                    let start = unit.start(time).ok_or_else(|| beyond(time))?;
                    (start, unit.next(start))
                }
                (Some(zone), Unit::Nanos(width)) if width < DAY => {
                    // By the clocks of the moment, so that an hour that comes twice stays two.
                    let local = zone.local(time).ok_or_else(|| beyond(time))?;
                    (time - local.rem_euclid(width), None)
                }
                (Some(zone), _) => {
                    let local = zone.local(time).and_then(|local| unit.start(local));
                    let local = local.ok_or_else(|| beyond(time))?;
                    let start = zone.time(local).ok_or_else(|| beyond(time))?;
                    (start, unit.next(local).and_then(|next| zone.time(next)))
                }
            };
            last = end.filter(|end| *end > time).map(|end| (start, end));
            Ok(Some(start))
        })
    }))
}

/// What can be read off a time.
#[derive(Clone, Copy)]
enum Part {
    Century,
    Decade,
    Year,
    IsoYear,
    Quarter,
    Month,
    Week,
    YearWeek,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
    Epoch,
}

const PARTS: [(&str, Part); 22] = [
    ("century", Part::Century),
    ("decade", Part::Decade),
    ("year", Part::Year),
    ("isoyear", Part::IsoYear),
    ("quarter", Part::Quarter),
    ("month", Part::Month),
    ("week", Part::Week),
    ("weekofyear", Part::Week),
    ("yearweek", Part::YearWeek),
    ("day", Part::Day),
    ("dow", Part::DayOfWeek),
    ("dayofweek", Part::DayOfWeek),
    ("isodow", Part::IsoDayOfWeek),
    ("doy", Part::DayOfYear),
    ("dayofyear", Part::DayOfYear),
    ("hour", Part::Hour),
    ("minute", Part::Minute),
    ("second", Part::Second),
    ("millisecond", Part::Millisecond),
    ("microsecond", Part::Microsecond),
    ("nanosecond", Part::Nanosecond),
    ("epoch", Part::Epoch),
];

impl Part {
    fn parse(name: &str) -> Result<Self> {
        let wanted = singular(name);
        PARTS.iter().find(|(known, _)| *known == wanted).map(|(_, part)| *part).ok_or_else(|| {
            let known: Vec<&str> = PARTS.iter().map(|(known, _)| *known).collect();
            Error::invalid(format!("{name:?} is no part of a time; use {}", known.join(", ")))
        })
    }

    /// The part of what clocks show.
    fn of(self, local: i64) -> i64 {
        let civil = || Civil::of(local);
        let day = local.rem_euclid(DAY);
        let minute = local.rem_euclid(60 * SECOND);
        match self {
            Self::Century => (civil().year - 1).div_euclid(100) + 1,
            Self::Decade => civil().year.div_euclid(10),
            Self::Year => civil().year,
            Self::IsoYear => iso_week(local).0,
            Self::Quarter => (civil().month + 2) / 3,
            Self::Month => civil().month,
            Self::Week => iso_week(local).1,
            Self::YearWeek => {
                let (year, week) = iso_week(local);
                year * 100 + week
            }
            Self::Day => civil().day,
            Self::DayOfWeek => (weekday(local) + 1) % 7,
            Self::IsoDayOfWeek => weekday(local) + 1,
            Self::DayOfYear => {
                let Civil { year, month, day, .. } = civil();
                (1..month).map(|month| days_in(year, month)).sum::<i64>() + day
            }
            Self::Hour => day / (3_600 * SECOND),
            Self::Minute => day / (60 * SECOND) % 60,
            Self::Second => minute / SECOND,
            Self::Millisecond => minute / 1_000_000,
            Self::Microsecond => minute / 1_000,
            Self::Nanosecond | Self::Epoch => minute,
        }
    }
}

/// A part of the only argument, by the clocks of the zone that may follow it.
fn date_part(mut call: Call, part: Part) -> Result<Node> {
    let zone = zone(&mut call, 1)?;
    if let Part::Epoch = part {
        nanoseconds(&mut call)?;
        return Ok(call.floats(|row| Ok(Some(seconds(row.long(0)?)))));
    }
    call.coerce(0, Type::Time)?;
    Ok(call.longs(Type::Int, move |row| {
        let time = row.long(0)?;
        let local = match &zone {
            Some(zone) => zone.local(time).ok_or_else(|| out_of_range(iso(time)))?,
            None => time,
        };
        Ok(Some(part.of(local)))
    }))
}

/// Checks that the argument is a time or an interval, which both are nanoseconds.
fn nanoseconds(call: &mut Call) -> Result<()> {
    if call.ty(0) == Type::Interval { Ok(()) } else { call.coerce(0, Type::Time) }
}

/// The double nearest to it, or next to that if it has nanoseconds after days of seconds.
fn seconds(nanos: i64) -> f64 {
    const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
    if nanos.unsigned_abs() <= EXACT {
        nanos as f64 / 1e9
    } else if nanos % 1_000 == 0 {
        (nanos / 1_000) as f64 / 1e6
    } else {
        (nanos / SECOND) as f64 + (nanos % SECOND) as f64 / 1e9
    }
}

/// Units since 1970, halves away from it.
fn epoch(mut call: Call, unit: i64) -> Result<Node> {
    nanoseconds(&mut call)?;
    Ok(call.longs(Type::Int, move |row| {
        let nanos = row.long(0)?;
        let (count, rest) = (nanos / unit, nanos % unit);
        Ok(Some(count + if rest.abs() * 2 >= unit { rest.signum() } else { 0 }))
    }))
}

fn from_epoch(mut call: Call, unit: i64) -> Result<Node> {
    call.coerce(0, Type::Int)?;
    let signature = call.scalar.signature();
    Ok(call.longs(Type::Time, move |row| {
        let count = row.long(0)?;
        count
            .checked_mul(unit)
            .map(Some)
            .ok_or_else(|| out_of_range(format_args!("{signature} of {count}")))
    }))
}

fn to_timestamp(mut call: Call) -> Result<Node> {
    if call.ty(0) == Type::Int {
        return from_epoch(call, SECOND);
    }
    call.coerce(0, Type::Float)?;
    Ok(call.longs(Type::Time, |row| {
        let seconds = row.float(0)?;
        // The fraction apart, as it has more digits alone than behind the seconds.
        let nanos =
            whole(seconds.floor()).and_then(|whole| whole.checked_mul(SECOND)).and_then(|nanos| {
                nanos.checked_add(whole(((seconds - seconds.floor()) * 1e9).round())?)
            });
        let nanos = nanos
            .ok_or_else(|| out_of_range(format_args!("to_timestamp({})", float_text(seconds))))?;
        Ok(Some(nanos))
    }))
}

fn make_timestamp(mut call: Call) -> Result<Node> {
    (0..5).try_for_each(|place| call.coerce(place, Type::Int))?;
    call.coerce(5, Type::Float)?;
    Ok(call.longs(Type::Time, |row| {
        let (year, month, day) = (row.long(0)?, row.long(1)?, row.long(2)?);
        let (hour, minute, second) = (row.long(3)?, row.long(4)?, row.float(5)?);
        let fits = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0.0..60.0).contains(&second);
        let shown = format!("{year}-{month}-{day} {hour}:{minute}:{}", float_text(second));
        if !fits {
            return Err(Error::invalid(format!("make_timestamp: there is no time {shown}")));
        }
        let seconds = whole((second * 1e9).round()).unwrap_or_default();
        let nanos = (hour * 3_600 + minute * 60) * SECOND + seconds;
        Civil { year, month, day, nanos }.time().map(Some).ok_or_else(|| out_of_range(shown))
    }))
}

fn strftime(mut call: Call) -> Result<Node> {
    let format = call.word(1, "a format")?;
    let zone = match zone(&mut call, 2)? {
        Some(zone) => zone.into_inner(),
        None => TimeZone::UTC,
    };
    call.arguments.truncate(1);
    call.coerce(0, Type::Time)?;
    let write = move |time: i64| {
        let zoned =
            Timestamp::from_nanosecond(i128::from(time)).map(|stamp| stamp.to_zoned(zone.clone()));
        zoned
            .and_then(|zoned| BrokenDownTime::from(&zoned).to_string(&format))
            .map_err(|why| Error::invalid(format!("strftime by the format '{format}': {why}")))
    };
    write(0)?;
    Ok(call.texts(move |row| Ok(Some(Cow::Owned(write(row.long(0)?)?)))))
}

fn strptime(mut call: Call) -> Result<Node> {
    let attempt = call.scalar == Scalar::TryStrptime;
    let format = call.word(1, "a format")?;
    call.arguments.truncate(1);
    call.coerce(0, Type::Str)?;
    Ok(call.longs(Type::Time, move |row| {
        let text = row.text(0)?;
        match read(text, &format) {
            Ok(time) => Ok(Some(time)),
            Err(_) if attempt => Ok(None),
            Err(why) => Err(Error::invalid(format!(
                "{text:?} does not read by the format '{format}': {why}; try_strptime gives NULL \
                 instead"
            ))),
        }
    }))
}

/// UTC unless the text has an offset; the midnight of a date alone.
fn read(text: &str, format: &str) -> Result<i64, String> {
    let shown = |why: jiff::Error| why.to_string();
    let parts = BrokenDownTime::parse(format, text).map_err(shown)?;
    let stamp = if parts.offset().is_some() || parts.timestamp().is_some() {
        parts.to_timestamp().map_err(shown)?
    } else {
        let date = parts.to_date().map_err(shown)?;
        let at = match parts.hour() {
            Some(_) => parts.to_datetime().map_err(shown)?,
            None => date.at(0, 0, 0, 0),
        };
        TimeZone::UTC.to_timestamp(at).map_err(shown)?
    };
    i64::try_from(stamp.as_nanosecond()).map_err(|_| out_of_range(text).to_string())
}

fn time_bucket(mut call: Call) -> Result<Node> {
    call.coerce(0, Type::Interval)?;
    let Some(Literal::Interval(width)) = call.arguments[0].as_constant().cloned() else {
        return Err(call.wrong(0, "a width, a constant,"));
    };
    // The third is an origin, or without one the zone.
    let origin = match (call.has(2), call.has(3), call.arguments.get(2).and_then(Node::as_text)) {
        (false, ..) => None,
        (_, false, Some(text)) if instant::parse(text).is_err() => None,
        _ => {
            call.coerce(2, Type::Time)?;
            let Some(Literal::Time(origin)) = call.arguments[2].as_constant().cloned() else {
                return Err(call.wrong(2, "an origin or a time zone, a constant,"));
            };
            call.arguments.remove(2);
            Some(origin)
        }
    };
    let zone = zone(&mut call, 2)?;
    call.arguments.remove(0);
    call.coerce(0, Type::Time)?;
    let buckets = Buckets::new(width, origin, zone)?;
    Ok(Node::strict(Type::Time, call.arguments, move |values, rows| {
        let times = values[0].longs()?;
        let mut start = buckets.starts();
        collect_longs(Type::Time, rows, |row| times.get(row).map(&mut start).transpose())
    }))
}
