//! From the buckets of a query to those of the kernels: even ones, sliding windows, calendars.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp as Instant};

use crate::error::{Error, Result};
use crate::kernels::Bucketing;
use crate::model::{TimeRange, Timestamp};
use crate::query::plan::Bucket;

const DAY: i64 = 86_400_000_000_000;
/// Monday 2000-01-03.
const MONDAY: Timestamp = 946_857_600_000_000_000;
/// Most buckets of a calendar.
const MOST: i64 = 1 << 22;

/// The buckets of a query.
#[derive(Debug)]
pub(super) enum Buckets {
    /// Of one length, known at once.
    Even(Bucketing),
    /// Days, weeks, months or parts of days where clocks change: a table over a span of time.
    Calendar(Calendar),
}

/// Buckets that follow a calendar.
#[derive(Debug)]
pub(super) struct Calendar {
    zone: TimeZone,
    origin: Option<Timestamp>,
    unit: Unit,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    Months(i64),
    Days(i64),
    /// Nanoseconds of a day, by the clock, from midnight on.
    Clock(i64),
}

impl Buckets {
    /// Checks the buckets of a query; `None` are one of all time.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming what cannot be.
    pub(super) fn of(bucket: Option<&Bucket>) -> Result<Self> {
        let Some(Bucket { width, origin, timezone, step }) = bucket else {
            return Ok(Self::Even(Bucketing::all()));
        };
        let (months, nanos) = (i64::from(width.months), width.nanos);
        let (origin, step) = (*origin, *step);
        if months != 0 && nanos != 0 {
            return Err(Error::invalid(format!(
                "every of {months} months and {nanos} ns cannot be: months differ in length; give \
                 either"
            )));
        }
        if months < 0 || (months == 0 && nanos <= 0) {
            return Err(Error::invalid(format!(
                "every must be a positive duration, got {months} months and {nanos} ns; None \
                 takes all time at once"
            )));
        }
        let zone = match timezone.as_deref() {
            None => TimeZone::UTC,
            Some(name) if name.eq_ignore_ascii_case("utc") => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| {
                Error::invalid(format!(
                    "unknown time zone {name:?}; use an IANA name such as \"Europe/Zurich\""
                ))
            })?,
        };
        let utc = zone == TimeZone::UTC;
        if step.is_some() && (months > 0 || !utc) {
            return Err(Error::invalid(
                "step works with buckets of a fixed length in UTC, not with months or in a time \
                 zone",
            ));
        }
        let unit = match nanos {
            _ if months > 0 => Unit::Months(months),
            _ if utc => {
                let monday = if nanos % (7 * DAY) == 0 { MONDAY } else { 0 };
                let origin = origin.unwrap_or(monday);
                return Ok(Self::Even(match step {
                    Some(step) => Bucketing::sliding(nanos, step, origin)?,
                    None => Bucketing::even(nanos, origin)?,
                }));
            }
            nanos if nanos % DAY == 0 => Unit::Days(nanos / DAY),
            nanos if nanos < DAY => Unit::Clock(nanos),
            nanos => {
                return Err(Error::invalid(format!(
                    "every of {nanos} ns in a time zone cannot be; it is less than a day or whole \
                     days there"
                )));
            }
        };
        Ok(Self::Calendar(Calendar { zone, origin, unit }))
    }
}

impl Calendar {
    /// About how many buckets a range has, `None` where it has an open end.
    pub(super) fn estimate(&self, range: TimeRange) -> Option<i64> {
        let end = range.end.filter(|_| range.start != i64::MIN)?;
        let shortest = match self.unit {
            Unit::Months(months) => months.saturating_mul(28 * DAY),
            Unit::Days(days) => days.saturating_mul(DAY),
            Unit::Clock(nanos) => nanos,
        };
        Some(end.saturating_sub(range.start) / shortest)
    }

    /// Whether so many buckets can be.
    pub(super) fn check(buckets: i64) -> Result<()> {
        if buckets <= MOST {
            return Ok(());
        }
        Err(Error::LimitExceeded(format!(
            "{buckets} buckets of a calendar are too many; at most {MOST} can be: take longer \
             buckets or a shorter range"
        )))
    }

    /// The buckets that hold the times `first..=last`.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when they are too many.
    pub(super) fn over(&self, first: Timestamp, last: Timestamp) -> Result<Bucketing> {
        Self::check(self.estimate(TimeRange::new(Some(first), Some(last))).unwrap_or(i64::MAX))?;
        let mut starts = match self.unit {
            Unit::Months(months) => self.dates(
                first,
                last,
                |from, n| {
                    let months = months.checked_mul(n)?;
                    from.checked_add(Span::new().try_months(months).ok()?).ok()
                },
                |origin, at| {
                    let years = i64::from(at.year()) - i64::from(origin.year());
                    (years * 12 + i64::from(at.month()) - i64::from(origin.month()))
                        .div_euclid(months)
                },
            ),
            Unit::Days(days) => self.dates(
                first,
                last,
                |from, n| {
                    let days = days.checked_mul(n)?;
                    from.checked_add(Span::new().try_days(days).ok()?).ok()
                },
                |origin, at| {
                    let between = at.date().since(origin.date()).map_or(0, |span| span.get_days());
                    i64::from(between).div_euclid(days)
                },
            ),
            Unit::Clock(nanos) => self.clock(first, last, nanos),
        };
        starts.sort_unstable();
        starts.dedup();
        let before = starts.partition_point(|start| *start <= first).saturating_sub(1);
        starts.drain(..before);
        starts.truncate(starts.partition_point(|start| *start <= last).max(1));
        Ok(Bucketing::table(starts))
    }

    fn local(&self, time: Timestamp) -> DateTime {
        let instant = Instant::from_nanosecond(time.into()).unwrap_or(Instant::UNIX_EPOCH);
        self.zone.to_datetime(instant)
    }

    /// The instant at which clocks show `local`: the earlier of two, and past a gap.
    fn instant(&self, local: DateTime) -> Option<Timestamp> {
        let instant = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(instant.as_nanosecond().clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    fn origin(&self) -> DateTime {
        let default = match self.unit {
            Unit::Months(_) => Date::constant(2000, 1, 1),
            Unit::Days(days) if days % 7 == 0 => Date::constant(2000, 1, 3),
            Unit::Days(_) | Unit::Clock(_) => Date::constant(1970, 1, 1),
        };
        self.origin.map_or(default.to_datetime(Time::midnight()), |origin| self.local(origin))
    }

    /// Starts that are the origin and `nth` units more; `number` is about the number of a local
    /// time.
    fn dates(
        &self,
        first: Timestamp,
        last: Timestamp,
        nth: impl Fn(DateTime, i64) -> Option<DateTime>,
        number: impl Fn(DateTime, DateTime) -> i64,
    ) -> Vec<Timestamp> {
        let origin = self.origin();
        let from = number(origin, self.local(first)) - 2;
        let mut starts = Vec::new();
        for n in from.. {
            let Some(start) = nth(origin, n).and_then(|local| self.instant(local)) else {
                // Before or past what a calendar has.
                if n > from + 8 { break } else { continue }
            };
            starts.push(start);
            if start > last {
                break;
            }
        }
        starts
    }

    /// Starts at which clocks show a multiple of `nanos` since midnight, both times where an hour
    /// comes twice.
    fn clock(&self, first: Timestamp, last: Timestamp, nanos: i64) -> Vec<Timestamp> {
        let of_day = |time: Time| {
            let seconds = i64::from(time.hour()) * 3600
                + i64::from(time.minute()) * 60
                + i64::from(time.second());
            seconds * 1_000_000_000 + i64::from(time.subsec_nanosecond())
        };
        let offset = of_day(self.origin().time()).rem_euclid(nanos);
        let (mut day, to) = (self.local(first).date(), self.local(last).date());
        // A day may have no start of a bucket where an hour is left out.
        day = day.yesterday().unwrap_or(day);
        let mut starts = Vec::new();
        loop {
            let mut at = offset;
            while at < DAY {
                let local = day
                    .to_datetime(Time::midnight())
                    .checked_add(Span::new().nanoseconds(at))
                    .unwrap_or_else(|_| day.to_datetime(Time::midnight()));
                starts.extend(self.instant(local));
                if let AmbiguousOffset::Fold { after, .. } =
                    self.zone.to_ambiguous_timestamp(local).offset()
                    && let Ok(second) = after.to_timestamp(local)
                {
                    starts.extend(i64::try_from(second.as_nanosecond()));
                }
                at += nanos;
            }
            if day >= to {
                return starts;
            }
            match day.tomorrow() {
                Ok(next) => day = next,
                Err(_) => return starts,
            }
        }
    }
}
