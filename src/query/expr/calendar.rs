//! The calendar: dates of times, units, their starts and counts, in UTC and in time zones.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::error::{Error, Result, nearest};

pub(super) const SECOND: i64 = 1_000_000_000;
pub(super) const DAY: i64 = 86_400 * SECOND;

/// A date of the proleptic Gregorian calendar, and nanoseconds since its midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) nanos: i64,
}

impl Civil {
    pub(super) fn of(time: i64) -> Self {
        let (year, month, day) = date(time.div_euclid(DAY));
        Self { year, month, day, nanos: time.rem_euclid(DAY) }
    }

    pub(super) fn time(self) -> Option<i64> {
        // By way of 128 bits, for the midnight of the first day is out of range.
        let days = i128::from(days(self.year, self.month, self.day));
        i64::try_from(days * i128::from(DAY) + i128::from(self.nanos)).ok()
    }

    /// Months since the year 0.
    pub(super) fn months(self) -> i64 {
        self.year * 12 + self.month - 1
    }

    /// The same day that many months later, or the last of the month if it has no such day.
    pub(super) fn plus_months(self, months: i64) -> Self {
        let months = self.months() + months;
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        Self { year, month, day: self.day.min(days_in(year, month)), nanos: self.nanos }
    }
}

/// The time that many months later, clamped to the month's end; `None` out of range.
pub(super) fn add_months(time: i64, months: i32) -> Option<i64> {
    Civil::of(time).plus_months(i64::from(months)).time()
}

pub(super) fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 (Hinnant, `days_from_civil`).
pub(super) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day (Hinnant, `civil_from_days`).
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Days since the Monday of the week.
pub(super) fn weekday(time: i64) -> i64 {
    (time.div_euclid(DAY) + 3).rem_euclid(7)
}

/// The year of an ISO week, and the week, from 1.
pub(super) fn iso_week(time: i64) -> (i64, i64) {
    let thursday = time.div_euclid(DAY) - weekday(time) + 3;
    let (year, ..) = date(thursday);
    (year, (thursday - days(year, 1, 1)) / 7 + 1)
}

/// Units of time that begin at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Of so many nanoseconds, a day at most.
    Nanos(i64),
    /// From Monday on.
    Week,
    /// So many months.
    Months(i64),
}

const UNITS: [(&str, Unit); 14] = [
    ("nanosecond", Unit::Nanos(1)),
    ("microsecond", Unit::Nanos(1_000)),
    ("millisecond", Unit::Nanos(1_000_000)),
    ("second", Unit::Nanos(SECOND)),
    ("minute", Unit::Nanos(60 * SECOND)),
    ("hour", Unit::Nanos(3_600 * SECOND)),
    ("day", Unit::Nanos(DAY)),
    ("week", Unit::Week),
    ("month", Unit::Months(1)),
    ("quarter", Unit::Months(3)),
    ("year", Unit::Months(12)),
    ("decade", Unit::Months(120)),
    ("century", Unit::Months(1_200)),
    ("millennium", Unit::Months(12_000)),
];

/// The singular of a unit's name, in lower case.
pub(super) fn singular(name: &str) -> String {
    let name = name.trim().to_lowercase();
    match name.as_str() {
        "centuries" => "century".to_owned(),
        "millennia" => "millennium".to_owned(),
        "ns" => "nanosecond".to_owned(),
        "us" => "microsecond".to_owned(),
        "ms" => "millisecond".to_owned(),
        "s" | "sec" => "second".to_owned(),
        "m" | "min" => "minute".to_owned(),
        "h" | "hr" => "hour".to_owned(),
        "d" => "day".to_owned(),
        "w" => "week".to_owned(),
        "mon" => "month".to_owned(),
        "y" | "yr" => "year".to_owned(),
        other => other.strip_suffix('s').unwrap_or(other).to_owned(),
    }
}

impl Unit {
    pub(super) fn parse(name: &str) -> Result<Self> {
        let wanted = singular(name);
        UNITS.iter().find(|(known, _)| *known == wanted).map(|(_, unit)| *unit).ok_or_else(|| {
            let known = UNITS.iter().map(|(known, _)| *known);
            Error::invalid(format!("{name:?} is no unit of time; {}", nearest(name, known)))
        })
    }

    /// Where the unit that holds the time begins; `None` out of range.
    pub(super) fn start(self, time: i64) -> Option<i64> {
        match self {
            Self::Nanos(width) => time.checked_sub(time.rem_euclid(width)),
            Self::Week => time.checked_sub(weekday(time) * DAY + time.rem_euclid(DAY)),
            Self::Months(width) => month_start(Self::index_of_months(time, width) * width),
        }
    }

    /// Where the next one begins; `None` out of range.
    pub(super) fn next(self, start: i64) -> Option<i64> {
        match self {
            Self::Nanos(width) => start.checked_add(width),
            Self::Week => start.checked_add(7 * DAY),
            Self::Months(width) => month_start(Civil::of(start).months() + width),
        }
    }

    /// How many units began before the time, counted from 1970 or the year 0.
    fn index(self, time: i64) -> i64 {
        match self {
            Self::Nanos(width) => time.div_euclid(width),
            Self::Week => (time.div_euclid(DAY) + 3).div_euclid(7),
            Self::Months(width) => Self::index_of_months(time, width),
        }
    }

    fn index_of_months(time: i64, width: i64) -> i64 {
        Civil::of(time).months().div_euclid(width)
    }

    /// How many boundaries lie between the times; of weeks the whole ones, as DuckDB counts.
    pub(super) fn between(self, from: i64, to: i64) -> Option<i64> {
        match self {
            Self::Week => Some((to.div_euclid(DAY) - from.div_euclid(DAY)) / 7),
            _ => self.index(to).checked_sub(self.index(from)),
        }
    }
}

fn month_start(months: i64) -> Option<i64> {
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    Civil { year, month, day: 1, nanos: 0 }.time()
}

/// A time zone of the IANA database.
#[derive(Clone)]
pub(super) struct Zone(TimeZone);

impl Zone {
    pub(super) fn parse(name: &str) -> Result<Self> {
        TimeZone::get(name).map(Self).map_err(|_| {
            let known: Vec<String> =
                jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
            Error::invalid(format!(
                "there is no time zone {name:?}; {}",
                nearest(name, known.iter().map(String::as_str))
            ))
        })
    }

    pub(super) fn into_inner(self) -> TimeZone {
        self.0
    }

    /// What its clocks show, as nanoseconds since its own 1970.
    pub(super) fn local(&self, time: i64) -> Option<i64> {
        let offset = self.0.to_offset(Timestamp::from_nanosecond(i128::from(time)).ok()?);
        time.checked_add(i64::from(offset.seconds()) * SECOND)
    }

    /// When its clocks show that: the first time, if twice; after the gap, if never.
    pub(super) fn time(&self, local: i64) -> Option<i64> {
        let found = self.0.to_ambiguous_timestamp(datetime(local)?).compatible().ok()?;
        i64::try_from(found.as_nanosecond()).ok()
    }
}

/// The date and time of day of nanoseconds since 1970.
pub(super) fn datetime(time: i64) -> Option<DateTime> {
    let stamp = Timestamp::from_nanosecond(i128::from(time)).ok()?;
    Some(TimeZone::UTC.to_datetime(stamp))
}
