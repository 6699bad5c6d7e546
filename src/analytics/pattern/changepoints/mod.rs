//! Changepoints: where a series becomes another.
//!
//! `pelt` and `exact` find the partition into segments of the least cost: by a penalty for each
//! change (PELT, see [`find`]), or of a given number. Both are exact for their question. `online`
//! tells changes as values come. A change is placed at the first value after it.

mod cost;
mod function;
mod online;
mod partition;

use statrs::function::erf::erfc;

pub use cost::Cost;
pub(super) use function::FUNCTION;
pub use online::{Change, Online};

use cost::{Medians, Segments, Squares};
use partition::{Many, by_count, by_count_fast, by_penalty};

use crate::error::Result;
use crate::kernels::Guard;

/// How many changes there are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Number {
    /// As many as pay for a penalty that follows from the noise; see [`find`].
    #[default]
    Usual,
    /// As many as pay for this penalty, in units of the cost.
    Penalty(f64),
    /// This many.
    Count(usize),
}

/// A change that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Changepoint {
    /// The first value after it.
    pub index: usize,
    /// Means of the segments before and after it.
    pub before: f64,
    /// The mean after it.
    pub after: f64,
    /// One less how likely noise brings forth a change as clear at any of the places, by the
    /// likelihood ratio of the two segments and Bonferroni's inequality.
    pub confidence: f64,
}

/// The changes of finite values, in segments of at least `least`.
///
/// The usual penalty of a change is `3 s^2 ln n` for means, with `s` the standard deviation of the
/// noise by the median of absolute differences, `1.5 b ln n` for medians, with `b = s / sqrt 2`,
/// and `4 ln n` for mean and variance: the modified Bayesian criterion (Zhang and Siegmund, 2007).
/// Noise that hangs together has more changes than this allows for.
///
/// # Errors
/// What the guard says.
pub fn find(
    values: &[f64],
    cost: Cost,
    number: Number,
    least: usize,
    guard: &dyn Guard,
) -> Result<Vec<Changepoint>> {
    let least = least.max(1);
    let noise = noise(values);
    let size = values.iter().fold(0.0f64, |size, value| size.max(value.abs()));
    // Below this a variance is rounding.
    let floor = (1e-4 * noise * noise).max(1e-20 * size * size).max(f64::MIN_POSITIVE);
    let squares = || Squares::new(values, None);
    match cost {
        Cost::L2 => of(&Many(&squares()), values, cost, noise, number, least, guard),
        Cost::Normal => {
            of(&Squares::new(values, Some(floor)), values, cost, noise, number, least, guard)
        }
        Cost::L1 => of(&Medians::new(values), values, cost, noise, number, least, guard),
    }
}

fn of(
    segments: &dyn Segments,
    values: &[f64],
    cost: Cost,
    noise: f64,
    number: Number,
    least: usize,
    guard: &dyn Guard,
) -> Result<Vec<Changepoint>> {
    let n = values.len();
    if n < 2 * least {
        return Ok(Vec::new());
    }
    let log = (n as f64).ln();
    let absolute = noise / std::f64::consts::SQRT_2;
    let points = match number {
        Number::Penalty(penalty) => by_penalty(segments, penalty, least, guard)?,
        Number::Count(count) if cost == Cost::L2 => by_count_fast(segments, count, least, guard)?,
        Number::Count(count) => by_count(segments, count, least, guard)?,
        // Without noise any change is one, if it is more than rounding.
        Number::Usual => {
            let size = values.iter().fold(0.0f64, |size, value| size.max(value.abs()));
            let tiny = 1e-12 * size;
            let penalty = match cost {
                Cost::L2 => (3.0 * noise * noise * log).max(tiny * tiny * n as f64),
                Cost::L1 => (1.5 * absolute * log).max(tiny * n as f64),
                Cost::Normal => 4.0 * log,
            };
            by_penalty(segments, penalty.max(f64::MIN_POSITIVE), least, guard)?
        }
    };
    let mut ends: Vec<usize> = vec![0];
    ends.extend(&points);
    ends.push(n);
    let mean = |from: usize, to: usize| {
        let first = values[from];
        first + values[from..to].iter().map(|value| value - first).sum::<f64>() / (to - from) as f64
    };
    let found = ends.windows(3).map(|ends| {
        let (from, index, to) = (ends[0], ends[1], ends[2]);
        let gain = segments.cost(from, to) - segments.cost(from, index) - segments.cost(index, to);
        let p = match cost {
            Cost::L2 => erfc((gain.max(0.0) / (noise * noise)).sqrt() / std::f64::consts::SQRT_2),
            Cost::L1 => erfc((2.0 * gain.max(0.0) / absolute).sqrt() / std::f64::consts::SQRT_2),
            Cost::Normal => (-gain.max(0.0) / 2.0).exp(),
        };
        let p = if p.is_nan() { 1.0 } else { p };
        Changepoint {
            index,
            before: mean(from, index),
            after: mean(index, to),
            confidence: 1.0 - (p * (to - from) as f64).min(1.0),
        }
    });
    Ok(found.collect())
}

/// The standard deviation of normal noise of which differences have this median size. Where most
/// values repeat the one before, by the mean of their squares.
pub(super) fn noise(values: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    let zeros = sizes.iter().filter(|size| **size == 0.0).count();
    if 2 * zeros > sizes.len() {
        let square: f64 = sizes.iter().map(|size| size * size).sum::<f64>() / sizes.len() as f64;
        return (square / 2.0).sqrt();
    }
    if sizes.is_empty() {
        return 0.0;
    }
    let middle = sizes.len() / 2;
    let median = *sizes.select_nth_unstable_by(middle, f64::total_cmp).1;
    1.482_602_218_505_602 * median / std::f64::consts::SQRT_2
}

#[cfg(test)]
mod tests;
