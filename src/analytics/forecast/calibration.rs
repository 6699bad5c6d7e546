//! Intervals that hold what they promise: a method's own spread against what happened.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Replay;

/// Rolling origins that a method is asked to replay.
const ORIGINS: usize = 12;
/// How many origins the expectation before any is worth.
const PRIOR_ORIGINS: f64 = 4.0;
/// The usual ratio of errors to a method's own spread, which does not know that its parameters
/// and its form are estimates.
const PRIOR_SCALE: f64 = 1.15;
/// With so many values, intervals are twice as wide as with many: the parameters of a short history
/// were fitted to the very values that are replayed, and its trend is hardly known. It falls with
/// the square of the count, and at most so much is added.
const SHORT: f64 = 11.0;
const MOST_ADDED: f64 = 1.5;
/// A squared ratio counts at most this much: one burst is not the usual error.
const MOST: f64 = 36.0;

/// How far a method's errors go beyond its own spread.
///
/// Errors at rolling origins, divided by the spread that the method gave, have a mean square; it
/// is taken together with an expectation from before as the scale of a normal distribution whose
/// variance is uncertain, so that intervals are quantiles of a Student distribution with as many
/// degrees of freedom as there are origins. With few origins the intervals are wider, with many
/// they follow what happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Factor on the spread.
    pub scale: f64,
    /// Degrees of freedom.
    pub freedom: f64,
}

impl Calibration {
    /// The origins to replay for a history of `len` values: those behind its first half, evenly,
    /// ascending.
    pub fn origins(len: usize, season: usize, horizon: usize) -> Vec<usize> {
        let first = (len / 2).max((2 * season + 2).min(len.saturating_sub(horizon))).max(4);
        if first >= len {
            return Vec::new();
        }
        let every = (len - first).div_ceil(ORIGINS).max(1);
        // Counted from the end, so that the newest origin has one value behind it at least.
        let mut origins: Vec<usize> = (first..len).rev().step_by(every).collect();
        origins.reverse();
        origins
    }

    /// What a replay over these values tells.
    pub fn of(values: &[f64], replay: &Replay, horizon: usize) -> Self {
        let (mut squares, mut count, mut origins) = (0.0, 0.0, 0.0);
        for (origin, past) in &replay.then {
            let truth = values.get(*origin..).unwrap_or(&[]);
            let mut steps = 0.0;
            for ((y, mean), spread) in truth.iter().zip(&past.mean).zip(&past.spread) {
                let ratio = (y - mean) / spread;
                if ratio.is_finite() {
                    squares += (ratio * ratio).min(MOST);
                    steps += 1.0;
                }
            }
            count += steps;
            // An origin near the end tells less than one with a whole horizon behind it.
            origins += steps / horizon.max(1) as f64;
        }
        let mean = if count > 0.0 { squares / count } else { 0.0 };
        let weight = PRIOR_ORIGINS + origins;
        let square = (PRIOR_ORIGINS * PRIOR_SCALE * PRIOR_SCALE + origins * mean) / weight;
        let few = (SHORT / values.len().max(1) as f64).powi(2).min(MOST_ADDED);
        Self { scale: square.sqrt() * (1.0 + few), freedom: weight }
    }

    /// How many spreads an interval of a level in percent reaches to either side.
    pub fn reach(&self, level: f64) -> f64 {
        let upper = 0.5 + level / 200.0;
        match StudentsT::new(0.0, 1.0, self.freedom) {
            Ok(student) => self.scale * student.inverse_cdf(upper),
            Err(_) => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::forecast::Forecast;

    fn replay(spread: f64, origins: usize) -> Replay {
        let past = Forecast::new(vec![0.0; 4], vec![spread; 4]);
        Replay { now: past.clone(), then: (0..origins).map(|o| (o, past.clone())).collect() }
    }

    #[test]
    fn errors_beyond_the_spread_widen_and_errors_within_narrow() {
        let values: Vec<f64> = (0..60).map(|t| if t % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let fair = Calibration::of(&values, &replay(1.0, 40), 4);
        let wide = Calibration::of(&values, &replay(0.5, 40), 4);
        let narrow = Calibration::of(&values, &replay(2.0, 40), 4);
        assert!(wide.scale > 1.8 && narrow.scale < 0.75 && fair.scale < wide.scale);
        assert!((fair.reach(95.0) - 2.05).abs() < 0.1, "{}", fair.reach(95.0));
    }

    #[test]
    fn little_that_is_known_makes_wider_intervals_and_levels_ascend() {
        let values = [1.0, -1.0, 1.0, -1.0, 1.0];
        let few = Calibration::of(&values, &replay(1.0, 1), 4);
        let none = Calibration::of(&values, &replay(1.0, 0), 4);
        assert!(none.reach(95.0) > few.reach(95.0) && few.reach(95.0) > 2.0);
        let reaches: Vec<f64> = [1.0, 50.0, 80.0, 99.0, 99.99].map(|l| few.reach(l)).to_vec();
        assert!(reaches.windows(2).all(|pair| pair[0] < pair[1]), "{reaches:?}");
    }

    #[test]
    fn a_spread_of_nothing_is_passed_over() {
        let calibration = Calibration::of(&[3.0; 9], &replay(0.0, 5), 4);
        assert!(calibration.scale.is_finite());
        assert_eq!(calibration, Calibration::of(&[3.0; 9], &replay(1.0, 0), 4));
    }

    #[test]
    fn origins_ascend_and_leave_something_behind_them() {
        for len in 0..200 {
            for season in [1, 12, 50] {
                let origins = Calibration::origins(len, season, 8);
                assert!(origins.len() <= ORIGINS + 1);
                assert!(origins.windows(2).all(|pair| pair[0] < pair[1]));
                assert!(origins.iter().all(|o| *o >= 4 && *o < len));
            }
        }
        assert_eq!(Calibration::origins(100, 1, 8).last(), Some(&99));
    }
}
