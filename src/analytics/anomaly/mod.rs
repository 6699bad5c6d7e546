//! Anomalies: how unusual each point is, given those before it.
//!
//! # Scores
//! A score lies in 0..1 and is z^2 / (z^2 + 9), where z is how many standard deviations of a normal
//! distribution the point is as unusual as, to its detector: 0.5 is three, 0.8 is six, 0.9 is nine.
//! NaN stands for no score: the value is missing, or too little came before it.
//!
//! # Scales
//! No detector divides by a scale below [`floor`]: a millionth of the size of what it expects, and
//! the smallest normal number where it expects nothing but zeros. So a change after a constant
//! stretch has a high score, and the rounding of a constant has none. An infinite value has the
//! score 1, and nothing is learnt from it.
//!
//! # Causal or not
//! With `causal=true`, the default, a score depends on the points before it and on nothing else.
//! With `causal=false` a detector first learns from all points ([`Detector::study`]) and then scores
//! them from the first; each detector's module says what it learns.

mod auto;
mod detect;
mod discord;
mod drift;
mod ensemble;
mod ewma;
mod explain;
mod forecast;
mod iqr;
pub mod isolation_forest;
mod level;
mod lstm;
mod mad;
mod matrix_profile;
mod methods;
mod nearest;
mod peers;
mod seasonal;
mod settings;
pub mod state;
mod tail;
mod zscore;

#[cfg(test)]
mod contract;

pub use detect::score_points;
pub use methods::{Method, build, methods};
pub use peers::Peers;

use crate::analytics::Function;
use crate::analytics::numeric::rolling;
use crate::error::Result;

/// Anomalies, as functions.
pub const FUNCTIONS: &[Function] =
    &[detect::FUNCTION, isolation_forest::FUNCTION, rolling::FUNCTION];

/// What a detector says of one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// 0..1, or NaN; see the module.
    pub score: f64,
    /// The value that would have been usual.
    pub expected: f64,
    /// The least that would have been usual: where the score is 0.5.
    pub lower: f64,
    /// The most.
    pub upper: f64,
}

impl Scored {
    /// Of a point about which nothing can be said.
    pub const NONE: Self =
        Self { score: f64::NAN, expected: f64::NAN, lower: f64::NAN, upper: f64::NAN };

    /// A value against what was expected and the standard deviation of that, which is kept from
    /// falling below [`floor`]. A missing value has no score; what was expected is told.
    pub fn around(value: f64, expected: f64, deviation: f64) -> Self {
        let deviation = deviation.max(floor(expected));
        let z = (value - expected) / deviation;
        let reach = 3.0 * deviation;
        Self { score: score_of(z), expected, lower: expected - reach, upper: expected + reach }
    }
}

/// The score of a point that is as unusual as one so many standard deviations out; see the module.
pub fn score_of(z: f64) -> f64 {
    // The other way around a large z would be infinity by infinity.
    let inverse = 3.0 / z;
    1.0 / (1.0 + inverse * inverse)
}

/// How many standard deviations out a score is: the inverse of [`score_of`], never negative.
pub fn sigmas_of(score: f64) -> f64 {
    3.0 * (score / (1.0 - score)).sqrt()
}

/// The least standard deviation around an expected value; see the module.
pub fn floor(expected: f64) -> f64 {
    (1e-6 * expected.abs()).max(f64::MIN_POSITIVE)
}

/// A detector: takes the points of one series in their order.
///
/// A score depends on the points before it and on nothing else, so that the scores of a prefix are,
/// bit for bit, those of the whole, and batch and stream are the same.
pub trait Detector: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Learns from points without scoring them, as if they had come one by one.
    ///
    /// # Errors
    /// When these points cannot be learnt from.
    fn fit(&mut self, times: &[i64], values: &[f64]) -> Result<()> {
        for (&time, &value) in times.iter().zip(values) {
            self.update(time, value);
        }
        Ok(())
    }

    /// Learns from the whole of the points that will then be scored from the first: what
    /// `causal=false` means. Each detector's module says what it keeps.
    ///
    /// # Errors
    /// When these points cannot be learnt from.
    fn study(&mut self, times: &[i64], values: &[f64]) -> Result<()> {
        self.fit(times, values)?;
        self.rewind();
        Ok(())
    }

    /// Prepares for a pass that begins before the points that it has seen: what was learnt stays,
    /// where it stood (the last value, a phase) is forgotten.
    fn rewind(&mut self) {}

    /// Scores the next point, and learns from it. Times are ns and ascend, equal ones are allowed;
    /// a missing value is NaN.
    fn update(&mut self, time: i64, value: f64) -> Scored;

    /// The scores that its members gave to the last point; empty for a detector without members.
    fn votes(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// What it has to add to the explanation of the last point, as a part of a sentence.
    fn note(&self) -> Option<String> {
        None
    }

    /// Its state, for another process: [`state::load`] reads it.
    fn save(&self) -> Vec<u8>;
}

impl std::fmt::Debug for dyn Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Detector({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_the_stated_meaning_and_are_finite_for_any_z() {
        for (z, score) in [(0.0, 0.0), (3.0, 0.5), (-3.0, 0.5), (6.0, 0.8), (9.0, 0.9)] {
            assert!((score_of(z) - score).abs() < 1e-15, "{z}");
            assert!((sigmas_of(score) - f64::abs(z)).abs() < 1e-12, "{z}");
        }
        for z in [1e200, f64::MAX, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(score_of(z), 1.0);
        }
        assert_eq!(score_of(1e-200), 0.0);
        assert!(score_of(f64::NAN).is_nan());
    }

    #[test]
    fn a_change_after_a_constant_is_unusual_and_its_rounding_is_not() {
        assert!(Scored::around(5.01, 5.0, 0.0).score > 0.99);
        assert!(Scored::around(5.0 + 4e-15, 5.0, 0.0).score < 1e-9);
        assert_eq!(Scored::around(5.0, 5.0, 0.0).score, 0.0);
        assert_eq!(Scored::around(1e-290, 0.0, 0.0).score, 1.0);
        assert_eq!(Scored::around(f64::NEG_INFINITY, 0.0, 1.0).score, 1.0);
        let missing = Scored::around(f64::NAN, 2.0, 1.0);
        assert!(missing.score.is_nan());
        assert_eq!((missing.expected, missing.lower, missing.upper), (2.0, -1.0, 5.0));
    }
}
