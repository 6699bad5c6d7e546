//! Buckets of time: of nanoseconds or of months, from an origin on, by the clocks of a time zone.

use super::Interval;
use super::calendar::{Civil, DAY, Zone};
use super::instant::{iso, out_of_range};
use crate::error::{Error, Result};

/// 2000-01-03, a Monday.
const MONDAY: i64 = 10_959 * DAY;
/// 2000-01, in months since the year 0.
const JANUARY: i64 = 24_000;

/// What every time falls into one of.
#[derive(Clone)]
pub(super) struct Buckets {
    width: Width,
    zone: Option<Zone>,
}

/// With where some bucket starts: in time, or on the clocks of the zone.
#[derive(Clone, Copy)]
enum Width {
    /// Of nanoseconds each, through changes of the clocks.
    Even { nanos: i64, phase: i64 },
    /// Of whole days by the clocks.
    Days { nanos: i64, phase: i64 },
    /// Of months by the clocks, from the start of one.
    Months { months: i64, phase: i64 },
}

impl Buckets {
    /// Buckets of a width. Without an origin they start at 1970-01-01, those of whole weeks at
    /// Monday 2000-01-03, those of months at 2000-01; of an origin for months only its month
    /// counts.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a width that is not positive, or of months and days both.
    pub(super) fn new(width: Interval, origin: Option<i64>, zone: Option<Zone>) -> Result<Self> {
        let refuse = |why: &str| {
            Error::invalid(format!("a bucket cannot be INTERVAL '{width}' wide: {why}"))
        };
        if width.months < 0 || width.nanos < 0 || width == Interval::default() {
            return Err(refuse("it must be longer than nothing"));
        }
        let local = |time| match &zone {
            Some(zone) => zone.local(time).ok_or_else(|| out_of_range(iso(time))),
            None => Ok(time),
        };
        let width = if width.months > 0 {
            if width.nanos != 0 {
                return Err(refuse("either months or days and less"));
            }
            let months = i64::from(width.months);
            let phase = match origin {
                Some(origin) => Civil::of(local(origin)?).months(),
                None => JANUARY,
            };
            Width::Months { months, phase: phase.rem_euclid(months) }
        } else {
            let nanos = width.nanos;
            let default = if nanos % (7 * DAY) == 0 { MONDAY } else { 0 };
            if zone.is_some() && nanos % DAY == 0 {
                let phase = origin.map_or(Ok(default), local)?;
                Width::Days { nanos, phase: phase.rem_euclid(nanos) }
            } else {
                // Where the zone's clocks show the default origin.
                let default = match &zone {
                    Some(zone) => zone.time(default).unwrap_or(default),
                    None => default,
                };
                Width::Even { nanos, phase: origin.unwrap_or(default).rem_euclid(nanos) }
            }
        };
        Ok(Self { width, zone })
    }

    /// Where the bucket of the time starts.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if that is out of range.
    pub(super) fn start(&self, time: i64) -> Result<i64> {
        let found = match (self.width, &self.zone) {
            (Width::Even { .. }, _) | (_, None) => self.local_start(time),
            (_, Some(zone)) => zone
                .local(time)
                .and_then(|local| self.local_start(local))
                .and_then(|start| zone.time(start)),
        };
        found.ok_or_else(|| out_of_range(format_args!("the start of the bucket of {}", iso(time))))
    }

    /// Where the bucket after the one that starts there starts; `None` out of range.
    fn next(&self, start: i64) -> Option<i64> {
        match (self.width, &self.zone) {
            (Width::Even { .. }, _) | (_, None) => self.local_next(start),
            // A start in a gap of the clocks stands after it, still within its own bucket.
            (_, Some(zone)) => zone.time(self.local_next(self.local_start(zone.local(start)?)?)?),
        }
    }

    fn local_start(&self, local: i64) -> Option<i64> {
        match self.width {
            Width::Even { nanos, phase } | Width::Days { nanos, phase } => {
                local.checked_sub(local.checked_sub(phase)?.rem_euclid(nanos))
            }
            Width::Months { months, phase } => {
                let month = Civil::of(local).months();
                month_start(month - (month - phase).rem_euclid(months))
            }
        }
    }

    fn local_next(&self, start: i64) -> Option<i64> {
        match self.width {
            Width::Even { nanos, .. } | Width::Days { nanos, .. } => start.checked_add(nanos),
            Width::Months { months, .. } => month_start(Civil::of(start).months() + months),
        }
    }

    /// The starts for many times; neighbours in one bucket cost a comparison.
    pub(super) fn starts(&self) -> impl FnMut(i64) -> Result<i64> {
        let mut last = None::<(i64, i64)>;
        move |time| {
            if let Some((start, end)) = last
                && start <= time
                && time < end
            {
                return Ok(start);
            }
            let start = self.start(time)?;
            last = self.next(start).filter(|end| *end > time).map(|end| (start, end));
            Ok(start)
        }
    }
}

fn month_start(months: i64) -> Option<i64> {
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    Civil { year, month, day: 1, nanos: 0 }.time()
}
