//! The course that values take.

use super::{mean_of, variance};
use crate::analytics::numeric::ranks::ascending;
use crate::error::Result;
use crate::kernels::Guard;

/// The most values that sample entropy looks at: its pairs grow with their square.
const ENTROPY_VALUES: usize = 2000;
/// Steps of a tile without a season.
const TILE: usize = 10;
/// Steps on either side that a peak is above.
const PEAK_SIDE: usize = 3;

/// Of values, their mean, the same standardized, and the period.
pub(super) fn features(
    x: &[f64],
    mean: f64,
    z: &[f64],
    period: usize,
    guard: &dyn Guard,
) -> Result<Vec<(&'static str, f64)>> {
    let (stability, lumpiness) = tiles(z, if period >= 2 { period } else { TILE });
    let differences = z.windows(2).map(|pair| (pair[1] - pair[0]).powi(2));
    let complexity = if z.len() < 2 { f64::NAN } else { differences.sum::<f64>().sqrt() };
    let entropy = sample_entropy(&z[z.len().saturating_sub(ENTROPY_VALUES)..], guard)?;
    let known = |count: usize| if x.is_empty() { f64::NAN } else { count as f64 };
    let c3: Vec<f64> = x.windows(3).map(|w| w[2] * w[1] * w[0]).collect();
    let reversal: Vec<f64> =
        x.windows(3).map(|w| w[2] * w[2] * w[1] - w[1] * w[0] * w[0]).collect();
    let changes: Vec<f64> = x.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    Ok(vec![
        ("mean_abs_change", mean_of(&changes)),
        ("stability", stability),
        ("lumpiness", lumpiness),
        ("crossing_points", known(crossings(x))),
        ("flat_spots", known(flat(x))),
        ("longest_above_mean", known(longest(x.iter().map(|value| *value > mean), true))),
        ("peaks", known(peaks(x))),
        ("c3", mean_of(&c3)),
        ("time_reversal", mean_of(&reversal)),
        ("complexity", complexity),
        ("sample_entropy", entropy),
        ("dfa", dfa(z)),
    ])
}

/// Variances of the means and of the variances of whole tiles.
fn tiles(z: &[f64], width: usize) -> (f64, f64) {
    let means: Vec<f64> = z.chunks_exact(width).map(mean_of).collect();
    let variances: Vec<f64> = z.chunks_exact(width).map(variance).collect();
    (variance(&means), variance(&variances))
}

fn crossings(x: &[f64]) -> usize {
    let mut sorted = x.to_vec();
    sorted.sort_by(|a, b| ascending(*a, *b));
    let (Some(low), Some(high)) =
        (sorted.get(x.len().saturating_sub(1) / 2), sorted.get(x.len() / 2))
    else {
        return 0;
    };
    let median = low / 2.0 + high / 2.0;
    x.windows(2).filter(|pair| (pair[0] > median) != (pair[1] > median)).count()
}

/// The longest run of one tenth of the range.
fn flat(x: &[f64]) -> usize {
    let least = x.iter().copied().fold(f64::INFINITY, f64::min);
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // Halved, the range of any two is finite.
    let range = most / 2.0 - least / 2.0;
    let part = |value: &f64| {
        if range > 0.0 { ((value / 2.0 - least / 2.0) / range * 10.0).min(9.0) as u8 } else { 0 }
    };
    let parts: Vec<u8> = x.iter().map(part).collect();
    parts.chunk_by(|a, b| a == b).map(<[u8]>::len).max().unwrap_or(0)
}

fn longest(values: impl Iterator<Item = bool>, of: bool) -> usize {
    let (mut most, mut run) = (0, 0);
    for value in values {
        run = if value == of { run + 1 } else { 0 };
        most = most.max(run);
    }
    most
}

fn peaks(x: &[f64]) -> usize {
    let window = 2 * PEAK_SIDE + 1;
    let above = |w: &&[f64]| {
        w.iter().enumerate().all(|(at, value)| at == PEAK_SIDE || w[PEAK_SIDE] > *value)
    };
    x.windows(window).filter(above).count()
}

fn sample_entropy(z: &[f64], guard: &dyn Guard) -> Result<f64> {
    let near = |a: f64, b: f64| (a - b).abs() <= 0.2;
    let templates = z.len().saturating_sub(2);
    let (mut two, mut three) = (0u64, 0u64);
    for i in 0..templates {
        if i.is_multiple_of(256) {
            guard.poll()?;
        }
        let (first, second, third) = (z[i], z[i + 1], z[i + 2]);
        for w in z[i + 1..].windows(3) {
            let both = near(first, w[0]) & near(second, w[1]);
            two += u64::from(both);
            three += u64::from(both & near(third, w[2]));
        }
    }
    Ok(if two == 0 || three == 0 { f64::NAN } else { -(three as f64 / two as f64).ln() })
}

/// Detrended fluctuation analysis: the slope of the logarithm of what lines over windows leave of
/// the summed values, over that of the windows' length.
fn dfa(z: &[f64]) -> f64 {
    let mut sum = 0.0;
    let profile: Vec<f64> = z
        .iter()
        .map(|value| {
            sum += value;
            sum
        })
        .collect();
    let (mut scales, mut logs) = (Vec::new(), Vec::new());
    let mut scale = 10;
    while scale <= z.len() / 4 {
        let left: f64 = profile.chunks_exact(scale).map(detrended).sum();
        let left = left / (profile.len() / scale * scale) as f64;
        if left > 0.0 {
            scales.push((scale as f64).ln());
            logs.push(left.sqrt().ln());
        }
        scale = scale * 5 / 4;
    }
    if scales.len() < 4 {
        return f64::NAN;
    }
    let (mean_x, mean_y) = (mean_of(&scales), mean_of(&logs));
    let (mut products, mut squares) = (0.0, 0.0);
    for (x, y) in scales.iter().zip(&logs) {
        products += (x - mean_x) * (y - mean_y);
        squares += (x - mean_x).powi(2);
    }
    products / squares
}

/// The sum of squares that a line leaves.
fn detrended(window: &[f64]) -> f64 {
    let middle = (window.len() - 1) as f64 / 2.0;
    let mean = mean_of(window);
    let (mut products, mut squares) = (0.0, 0.0);
    for (at, value) in window.iter().enumerate() {
        let at = at as f64 - middle;
        products += at * (value - mean);
        squares += at * at;
    }
    let slope = products / squares;
    let left = window.iter().enumerate().map(|(at, v)| v - mean - slope * (at as f64 - middle));
    left.map(|value| value * value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    #[test]
    fn runs_and_crossings_are_counted() {
        let x = [0.0, 5.0, 6.0, 7.0, 0.0, 0.0, 9.0, 0.0];
        assert_eq!((crossings(&x), flat(&x)), (4, 2));
        assert_eq!(longest(x.iter().map(|v| *v > 3.0), true), 3);
        assert_eq!(peaks(&[0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 0.0, 1.0]), 1);
        assert_eq!(flat(&[4.0; 9]), 9);
    }

    #[test]
    fn a_pattern_that_repeats_has_little_entropy() {
        let z: Vec<f64> = (0..300).map(|t| f64::from(t % 4) - 1.5).collect();
        let entropy = sample_entropy(&z, &Unguarded).expect("unguarded");
        assert!(entropy.abs() < 0.02, "{entropy}");
        assert!(sample_entropy(&[1.0, 2.0], &Unguarded).expect("unguarded").is_nan());
    }

    #[test]
    fn a_line_in_the_sums_is_taken_off() {
        let line: Vec<f64> = (0..20).map(|t| 3.0 * f64::from(t) - 7.0).collect();
        assert!(detrended(&line) < 1e-20);
        assert!(dfa(&[]).is_nan());
    }
}
