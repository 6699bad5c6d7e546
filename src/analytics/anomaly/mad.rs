//! `mad`: how many deviations from the median of the last points, the deviation by the median
//! absolute deviation.
//!
//! Options: `window` (256: how many of the last points count) and `min_points` (16: from how many
//! values on there are scores). Half of the window may be far off without moving either (Hampel,
//! "The Influence Curve and its Role in Robust Estimation", 1974). Where more than half of the
//! window is one value the deviation is read further out, at the first of 75, 90, 95 and 99 % of
//! the values that is not zero. A point is O(log window) and a move within the window.
//!
//! With `causal=false` median and deviation are those of all points.

use super::level::{Level, Statistic};
use super::{Method, Scored};
use crate::analytics::numeric::rolling::SortedWindow;

/// `mad` by its name.
pub(super) const METHOD: Method =
    Method { name: "mad", build: Level::<Mad>::build, load: Level::<Mad>::load };

/// Shares of the values, and how many standard deviations of a normal distribution hold as many.
const SHARES: [(f64, f64); 4] =
    [(0.75, 1.150_349), (0.90, 1.644_854), (0.95, 1.959_964), (0.99, 2.575_829)];

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mad;

impl Statistic for Mad {
    const NAME: &'static str = METHOD.name;

    fn score(sorted: &SortedWindow, value: f64) -> Scored {
        let median = sorted.median();
        Scored::around(value, median, deviation(sorted, median))
    }
}

/// The standard deviation of a normal distribution with that median absolute deviation.
fn deviation(sorted: &SortedWindow, median: f64) -> f64 {
    let deviation = sorted.mad_sigma(median);
    if deviation > 0.0 {
        return deviation;
    }
    let further = SHARES.iter().map(|(share, sigmas)| sorted.reach(median, *share) / sigmas);
    further.into_iter().find(|deviation| *deviation > 0.0).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(values: &[f64]) -> SortedWindow {
        let mut sorted = SortedWindow::new(values.len());
        values.iter().for_each(|value| sorted.push(*value));
        sorted
    }

    #[test]
    fn nearly_half_of_the_window_far_off_moves_it_little() {
        let mut values: Vec<f64> = (0..60).map(|at| f64::from(at % 10)).collect();
        values.extend([1e9; 40]);
        let sorted = window(&values);
        let scored = Mad::score(&sorted, 1e9);
        assert!(scored.expected < 10.0 && scored.score > 0.99);
    }

    #[test]
    fn rare_values_on_a_constant_are_unusual_by_how_rare_they_are() {
        let one_in = |rare: usize| {
            let values: Vec<f64> = (0..200).map(|at| f64::from(u8::from(at % rare == 0))).collect();
            Mad::score(&window(&values), 1.0).score
        };
        assert!(one_in(3) < 0.2, "{}", one_in(3));
        assert!(one_in(15) < 0.5, "{}", one_in(15));
        assert_eq!(one_in(150), 1.0);
    }
}
