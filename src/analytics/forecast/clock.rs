//! Steps of a calendar: months, quarters and years are not equally long, but they are steps.

use std::ops::Range;

/// A day, ns.
const DAY: i64 = 86_400_000_000_000;
/// The most steps for each row; beyond, rows are not taken for a calendar's.
const STEPS_PER_ROW: i64 = 16;

/// From step to step in months, anchored to a day of the month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Months {
    /// The month of the first step, counted from the year 0.
    first: i64,
    /// Months from step to step.
    every: i64,
    /// The day of the month, from 1; 31 is the last of every month.
    day: i64,
    /// The time of the day, ns.
    clock: i64,
}

impl Months {
    /// The steps of rows that all stand at the same day and time of a month, or all at its last
    /// day; `None` for others. Times ascend.
    pub(super) fn of(times: &[i64]) -> Option<Self> {
        let (&start, &end) = (times.first()?, times.last()?);
        if end.checked_sub(start)? < 56 * DAY {
            return None;
        }
        let (mut every, mut day, mut same, mut last_days) = (0, 0, true, true);
        let (first, _) = month_of(start);
        for &time in times {
            if time.rem_euclid(DAY) != start.rem_euclid(DAY) {
                return None;
            }
            let (month, own) = month_of(time);
            same &= day == 0 || day == own;
            last_days &= own == length(month);
            if !same && !last_days {
                return None;
            }
            day = own;
            every = gcd(every, month - first);
        }
        let (last, _) = month_of(end);
        if every == 0 || (last - first) / every > STEPS_PER_ROW.saturating_mul(times.len() as i64) {
            return None;
        }
        // The 28th of February alone does not tell whether the last day is meant.
        let day =
            if last_days && day >= 28 && !(same && day == 28 && every != 12) { 31 } else { day };
        Some(Self { first, every, day, clock: start.rem_euclid(DAY) })
    }

    /// The step of a time that is one of them.
    pub(super) fn step_of(&self, time: i64) -> usize {
        ((month_of(time).0 - self.first) / self.every) as usize
    }

    /// The time of a step; saturates.
    pub(super) fn time(&self, step: usize) -> i64 {
        let ahead = i64::try_from(step).unwrap_or(i64::MAX).saturating_mul(self.every);
        let month = self.first.saturating_add(ahead).min(12 * 9999);
        let days = days_before(month) + self.day.min(length(month)) - 1;
        days.saturating_mul(DAY).saturating_add(self.clock)
    }

    /// The usual distance from step to step, ns.
    pub(super) fn usual(&self) -> i64 {
        self.every.saturating_mul(2_629_746_000_000_000)
    }

    /// Steps in a year, if a whole number and at least two of them make one.
    pub(super) fn yearly(&self) -> Option<usize> {
        (self.every <= 6 && 12 % self.every == 0).then_some((12 / self.every) as usize)
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The month of a time, counted from the year 0, and the day in it, from 1.
fn month_of(time: i64) -> (i64, i64) {
    let days = time.div_euclid(DAY);
    // The years of any i64 time lie in here; a year is 365.2425 days.
    let year = 1970 + (days as f64 / 365.2425).floor() as i64;
    let months: Range<i64> = (year - 1) * 12..(year + 2) * 12;
    let mut month = months.start;
    while month + 1 < months.end && days_before(month + 1) <= days {
        month += 1;
    }
    (month, days - days_before(month) + 1)
}

/// Days from 1970-01-01 to the first of a month, in the proleptic Gregorian calendar.
fn days_before(month: i64) -> i64 {
    let (year, of_year) = (month.div_euclid(12), month.rem_euclid(12));
    let past = year - 1;
    let leaps = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    let lengths = (0..of_year).map(|m| length(year * 12 + m)).sum::<i64>();
    // 719162 days lie before 1970 from the first of January of the year 1.
    past * 365 + leaps - 719_162 + lengths
}

/// The days of a month.
fn length(month: i64) -> i64 {
    let (year, of_year) = (month.div_euclid(12), month.rem_euclid(12));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match of_year {
        1 => 28 + i64::from(leap),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i64, month: i64, day: i64) -> i64 {
        (days_before(year * 12 + month - 1) + day - 1) * DAY
    }

    #[test]
    fn days_agree_with_a_calendar_library() {
        for time in [0, at(1969, 12, 31), at(2000, 2, 29), at(1900, 3, 1), at(2262, 4, 11)] {
            let date = jiff::Timestamp::from_nanosecond(i128::from(time)).expect("in range");
            let date = date.to_zoned(jiff::tz::TimeZone::UTC);
            let (month, day) = month_of(time);
            assert_eq!(month.div_euclid(12), i64::from(date.year()), "{date}");
            assert_eq!(month.rem_euclid(12) + 1, i64::from(date.month()), "{date}");
            assert_eq!(day, i64::from(date.day()), "{date}");
        }
    }

    #[test]
    fn months_go_on_as_months() {
        let starts: Vec<i64> = (0..14).map(|m| at(2019, 1 + m, 1)).collect();
        let months = Months::of(&starts).expect("a month each");
        assert_eq!((months.every, months.yearly()), (1, Some(12)));
        assert_eq!(months.time(14), at(2020, 3, 1));
        assert!(starts.iter().enumerate().all(|(step, time)| months.step_of(*time) == step));
        let ends = [at(2019, 1, 31), at(2019, 2, 28), at(2019, 3, 31)];
        assert_eq!(Months::of(&ends).expect("their last days").time(3), at(2019, 4, 30));
        let quarters = [at(2019, 1, 1), at(2019, 4, 1), at(2020, 1, 1)];
        let quarters = Months::of(&quarters).expect("quarters");
        assert_eq!((quarters.every, quarters.time(5)), (3, at(2020, 4, 1)));
    }

    #[test]
    fn days_and_jitter_are_no_months() {
        let days: Vec<i64> = (0..90).map(|d| at(2019, 1, 1 + d)).collect();
        assert_eq!(Months::of(&days), None);
        assert_eq!(Months::of(&[at(2019, 1, 1), at(2019, 2, 1), at(2019, 3, 2)]), None);
        assert_eq!(Months::of(&[at(2019, 1, 1), at(2019, 2, 1) + 1, at(2019, 3, 1)]), None);
        assert_eq!(Months::of(&[i64::MIN, i64::MAX]), None);
        assert_eq!(Months::of(&[]), None);
    }
}
