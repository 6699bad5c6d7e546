//! Rows made ready for a forecast: equal steps, gaps filled, magnitudes tamed.

use super::clock::Months;
use super::{History, seasons};
use crate::analytics::{Grid, Input};
use crate::error::{Error, Result};

/// A series as methods take it.
///
/// Missing values at the start are left out; those at the end are not filled but forecast over.
/// Those between are filled for fitting only: on the straight line between the neighbours, plus,
/// where there is a season of two cycles, the difference of the season's usual shape from its own
/// straight line there. An infinite value counts as missing. Rows at the same day of each month
/// (or quarter, or year) are steps of the calendar.
#[derive(Clone, Debug)]
pub struct Prepared {
    start: i64,
    step: i64,
    /// The calendar that steps follow, and how many of its steps lie before the first value.
    months: Option<(Months, usize)>,
    values: Vec<f64>,
    seasons: Vec<usize>,
    /// Steps behind the last value that have no value: they come before what is asked for.
    pub ahead: usize,
    /// Missing values between the first and the last, which were filled.
    pub filled: usize,
    /// What values are multiplied with to be as they were given.
    pub unit: f64,
}

/// Magnitudes whose squares and sums neither overflow nor vanish.
const TAME: std::ops::Range<f64> = 1e-100..1e100;

impl Prepared {
    /// Puts rows on steps of `every` ns, or of their usual distance, finds the seasons when none
    /// are given, and fills gaps.
    ///
    /// # Errors
    /// Those of [`Grid::new`].
    pub fn new(input: &Input<'_>, every: Option<i64>, given: Option<&[usize]>) -> Result<Self> {
        let values: Vec<f64> =
            input.values().iter().map(|y| if y.is_finite() { *y } else { f64::NAN }).collect();
        if input.times.windows(2).any(|pair| pair[1] < pair[0]) {
            return Err(Error::invalid("times must ascend; sort the rows by time first"));
        }
        let months = if every.is_none() { Months::of(input.times) } else { None };
        let Some(months) = months else {
            let grid = Grid::new(input.times, &values, every)?;
            return Ok(Self::of_steps(grid.start, grid.step, grid.values, given));
        };
        // Each month's place takes the mean of its rows, as a grid's slot does.
        let slots: Vec<i64> = input.times.iter().map(|t| months.step_of(*t) as i64).collect();
        let grid = Grid::new(&slots, &values, Some(1))?;
        let first = grid.values.iter().position(|y| y.is_finite()).unwrap_or(0);
        let step = months.usual();
        let yearly = months.yearly();
        let mut prepared = Self::filled(months.time(0), step, grid.values, given, yearly);
        prepared.start = months.time(first);
        prepared.months = Some((months, first));
        Ok(prepared)
    }

    /// The same of values that are at equal steps already; NaN where one is missing.
    pub fn of_steps(start: i64, step: i64, values: Vec<f64>, given: Option<&[usize]>) -> Self {
        Self::filled(start, step, values, given, None)
    }

    /// `yearly` is how many steps make a year of the calendar that they follow.
    fn filled(
        start: i64,
        step: i64,
        values: Vec<f64>,
        given: Option<&[usize]>,
        yearly: Option<usize>,
    ) -> Self {
        let known = |y: &f64| y.is_finite();
        let total = values.len();
        let first = values.iter().position(known).unwrap_or(0);
        let end = values.iter().rposition(known).map_or(first, |last| last + 1);
        let mut values = values[first..end].to_vec();
        let gaps = gaps(&values);
        let largest = values.iter().filter(|y| known(y)).fold(0.0f64, |m, y| m.max(y.abs()));
        let unit = if largest == 0.0 || TAME.contains(&largest) { 1.0 } else { largest };
        if unit != 1.0 {
            values.iter_mut().for_each(|y| *y /= unit);
        }
        for gap in &gaps {
            fill_straight(&mut values, gap);
        }
        let mut seasons = match given {
            Some(given) => given.to_vec(),
            None => seasons::seasons(&values, yearly),
        };
        seasons.sort_unstable();
        seasons.dedup();
        seasons.retain(|m| *m >= 2);
        let skipped = step.saturating_mul(i64::try_from(first).unwrap_or(i64::MAX));
        let start = start.saturating_add(skipped);
        let filled = gaps.iter().map(|(from, to)| to - from).sum();
        let season = History { start, step, values: &values, seasons: &seasons }.main_season();
        if season > 1 && filled > 0 {
            let shape = shape(&values, &gaps, season);
            for gap in &gaps {
                bend(&mut values, gap, &shape);
            }
        }
        Self { start, step, months: None, values, seasons, ahead: total - end, filled, unit }
    }

    /// What a method gets.
    pub fn history(&self) -> History<'_> {
        History { start: self.start, step: self.step, values: &self.values, seasons: &self.seasons }
    }

    /// From step to step, ns; of a calendar's steps, the usual distance.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// The time of the step `k` steps after the last value, from 1; saturates.
    pub fn time_after(&self, k: usize) -> i64 {
        self.time(self.values.len() + k - 1)
    }

    /// The time of the step so many steps after the first value; saturates.
    pub fn time(&self, steps: usize) -> i64 {
        match self.months {
            Some((months, first)) => months.time(first + steps),
            None => {
                let steps = i64::try_from(steps).unwrap_or(i64::MAX);
                self.start.saturating_add(self.step.saturating_mul(steps))
            }
        }
    }
}

/// The runs of missing values, each with known values on both sides.
fn gaps(values: &[f64]) -> Vec<(usize, usize)> {
    let mut gaps: Vec<(usize, usize)> = Vec::new();
    for (at, _) in values.iter().enumerate().filter(|(_, y)| !y.is_finite()) {
        match gaps.last_mut() {
            Some((_, to)) if *to == at => *to = at + 1,
            _ => gaps.push((at, at + 1)),
        }
    }
    gaps
}

fn fill_straight(values: &mut [f64], &(from, to): &(usize, usize)) {
    let (before, after) = (values[from - 1], values[to]);
    let steps = (to - from + 1) as f64;
    for (k, value) in values[from..to].iter_mut().enumerate() {
        *value = before + (after - before) * (k + 1) as f64 / steps;
    }
}

/// The mean of each phase of a season over the values that were measured; NaN where none was.
fn shape(values: &[f64], gaps: &[(usize, usize)], season: usize) -> Vec<f64> {
    let (mut sums, mut counts) = (vec![0.0; season], vec![0.0; season]);
    let mut add = |range: std::ops::Range<usize>| {
        for at in range {
            sums[at % season] += values[at];
            counts[at % season] += 1.0;
        }
    };
    let mut from = 0;
    for gap in gaps {
        add(from..gap.0);
        from = gap.1;
    }
    add(from..values.len());
    sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect()
}

/// Adds a season's difference from its own straight line across a gap.
fn bend(values: &mut [f64], &(from, to): &(usize, usize), shape: &[f64]) {
    let season = shape.len();
    let (before, after) = (shape[(from - 1) % season], shape[to % season]);
    let steps = (to - from + 1) as f64;
    for at in from..to {
        let share = (at + 1 - from) as f64 / steps;
        let off = shape[at % season] - (before + (after - before) * share);
        if off.is_finite() {
            values[at] += off;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: f64 = f64::NAN;

    #[test]
    fn a_gap_without_a_season_is_a_straight_line_and_is_counted() {
        let prepared = Prepared::of_steps(100, 10, vec![N, 1.0, N, N, 4.0, N], Some(&[]));
        assert_eq!(prepared.history().values, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!((prepared.filled, prepared.ahead), (2, 1));
        assert_eq!((prepared.history().start, prepared.time_after(1)), (110, 150));
    }

    #[test]
    fn a_gap_within_a_season_follows_it() {
        let whole: Vec<f64> = (0..40).map(|t| [5.0, 9.0, 1.0, 3.0][t % 4]).collect();
        let mut values = whole.clone();
        values[13..18].fill(f64::INFINITY);
        let prepared = Prepared::of_steps(0, 1, values, Some(&[4]));
        assert_eq!(prepared.filled, 5);
        for (own, expected) in prepared.history().values.iter().zip(&whole) {
            assert!((own - expected).abs() < 1e-9, "{own} {expected}");
        }
    }

    #[test]
    fn nothing_and_huge_values_are_input_too() {
        let empty = Prepared::of_steps(0, 1, vec![N; 5], None);
        assert!(empty.history().values.is_empty() && empty.ahead == 5);
        let huge = Prepared::of_steps(0, 1, vec![1e300, N, -5e299], None);
        assert_eq!(huge.history().values, [1.0, 0.25, -0.5]);
        assert_eq!(huge.unit, 1e300);
    }

    #[test]
    fn rows_of_months_are_steps_of_months() {
        let day = 86_400_000_000_000i64;
        // The first of each month of 2023, but not of May.
        let firsts = [0, 31, 59, 90, 151, 181, 212, 243, 273, 304, 334];
        let start = 19_358 * day;
        let times: Vec<i64> = firsts.iter().map(|d| start + d * day).collect();
        let values: Vec<f64> = (0..11).map(|t| t as f64).collect();
        let input = Input { times: &times, fields: &[("", &values)] };
        let prepared = Prepared::new(&input, None, None).expect("ascending");
        assert_eq!((prepared.history().values.len(), prepared.filled), (12, 1));
        assert_eq!(prepared.time_after(1), start + 365 * day);
        assert_eq!(prepared.time_after(2), start + (365 + 31) * day);
    }
}
