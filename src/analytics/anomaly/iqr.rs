//! `iqr`: how far outside the middle half of the last points.
//!
//! Options: `window` (256: how many of the last points count) and `min_points` (16: from how many
//! values on there are scores). Beyond the quartiles each 0.7413 interquartile ranges are a standard
//! deviation, as they are of a normal distribution, and the quartiles themselves are 0.6745 out: a
//! score of 0.5 lies 1.724 ranges beyond a quartile, and Tukey's fence (1.5 ranges; "Exploratory
//! Data Analysis", 1977) has the score 0.447. Unlike with `mad`, the two sides of a skewed series
//! have fences of their own. Where the quartiles are one value, the wider pair of the 10, 5 and 1 %
//! quantiles takes their place. A point is O(log window) and a move within the window.
//!
//! With `causal=false` the quartiles are those of all points.

use super::level::{Level, Statistic};
use super::{Method, Scored, floor, score_of};
use crate::analytics::numeric::rolling::SortedWindow;

/// `iqr` by its name.
pub(super) const METHOD: Method =
    Method { name: "iqr", build: Level::<Iqr>::build, load: Level::<Iqr>::load };

/// The normal distribution's upper quartile.
const QUARTILE: f64 = 0.674_489_750_196_081_7;

/// Lower quantiles and how many standard deviations from the mean they are.
const PAIRS: [(f64, f64); 4] =
    [(0.25, QUARTILE), (0.10, 1.281_552), (0.05, 1.644_854), (0.01, 2.326_348)];

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Iqr;

impl Statistic for Iqr {
    const NAME: &'static str = METHOD.name;

    fn score(sorted: &SortedWindow, value: f64) -> Scored {
        let median = sorted.median();
        let (low, high, out) = PAIRS
            .iter()
            .map(|(q, out)| (sorted.quantile(*q), sorted.quantile(1.0 - q), *out))
            .find(|(low, high, _)| high > low)
            .unwrap_or((median, median, QUARTILE));
        // Halves first: the range itself may be infinite.
        let deviation = ((high / 2.0 - low / 2.0) / out).max(floor(median));
        let z = match value {
            value if value > high => out + (value - high) / deviation,
            value if value < low => out + (low - value) / deviation,
            value if value > median => out * (value - median) / (high - median),
            value if value < median => out * (median - value) / (median - low),
            // The median itself, or a missing value.
            value => value - median,
        };
        let reach = (3.0 - out) * deviation;
        Scored { score: score_of(z), expected: median, lower: low - reach, upper: high + reach }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tukeys_fence_has_the_stated_score_and_a_half_lies_on_the_bound() {
        let mut sorted = SortedWindow::new(101);
        (0..=100).for_each(|value| sorted.push(f64::from(value)));
        let at = |value: f64| Iqr::score(&sorted, value);
        assert!((at(75.0 + 1.5 * 50.0).score - 0.447).abs() < 5e-4, "{}", at(150.0).score);
        let bound = at(0.0).upper;
        assert!((at(bound).score - 0.5).abs() < 1e-12);
        assert!((at(at(0.0).lower).score - 0.5).abs() < 1e-12);
        assert!((bound - 75.0 - 1.724 * 50.0).abs() < 0.1);
        assert_eq!((at(50.0).score, at(50.0).expected), (0.0, 50.0));
        assert!(at(60.0).score < at(70.0).score && at(70.0).score < at(80.0).score);
    }

    #[test]
    fn a_skewed_series_has_a_longer_reach_on_its_long_side() {
        let mut sorted = SortedWindow::new(200);
        (0..200).for_each(|at| sorted.push((f64::from(at) / 40.0).exp()));
        let scored = Iqr::score(&sorted, 1.0);
        assert!(scored.upper - scored.expected > scored.expected - scored.lower);
    }
}
