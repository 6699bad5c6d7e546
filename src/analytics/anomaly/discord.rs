//! How unlike anything else in its whole series the stretch around each point is.
//!
//! The z-normalised matrix profile ([`super::super::pattern::matrix_profile`]) for several lengths
//! around the season, each in relation to its own high quantile, added up: a discord of any of the
//! lengths shows (Nakamura et al., "MERLIN", ICDM 2020, says why no one length does). Flat stretches,
//! which normalising makes pure noise of, are damped. Long series are averaged into fewer cells, so
//! that a season has about fifty of them.

use crate::analytics::anomaly::seasonal;
use crate::analytics::pattern::matrix_profile::{Measure, profile};
use crate::error::Result;
use crate::kernels::Unguarded;

/// Lengths of the windows, in seasons.
const LENGTHS: [f64; 6] = [0.5, 0.75, 1.0, 1.5, 2.0, 3.0];
/// Cells of a season, and of the whole, at most.
const SEASON: f64 = 48.0;
const CELLS: usize = 40_000;
/// The season where there is none to be seen.
const NO_SEASON: f64 = 100.0;
/// The shortest window in cells, and how many windows the series holds at least.
const SHORTEST: usize = 8;
const TIMES: usize = 4;
/// Deviations of a window below this share of the whole's are flat.
const FLAT: f64 = 0.05;
/// The quantile that a length's distances are put in relation to.
const HIGH: f64 = 0.999;
/// A normal's distance from the median to its 90 % quantile, in standard deviations.
const NINE_TENTHS: f64 = 1.2816;

/// For each value, how many standard deviations out the stretch around it is; `None` for a series
/// that is too short or constant. Missing values are as the last before them.
///
/// # Errors
/// What the matrix profile says.
pub(super) fn sigmas(values: &[f64]) -> Result<Option<Vec<f64>>> {
    let Some(filled) = filled(values) else { return Ok(None) };
    let season = seasonal::season(&filled).unwrap_or(NO_SEASON);
    let fold = (season / SEASON).ceil().max(1.0) as usize;
    let fold = fold.max(filled.len().div_ceil(CELLS));
    let cells: Vec<f64> =
        filled.chunks(fold).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect();
    let mut sum = vec![0.0; cells.len()];
    let mut lengths = 0;
    for length in LENGTHS {
        let window = ((length * season / fold as f64).round() as usize).max(SHORTEST);
        if window.saturating_mul(TIMES) > cells.len() {
            continue;
        }
        let Some(distances) = distances(&cells, window)? else { continue };
        lengths += 1;
        let least = distances.iter().copied().fold(f64::INFINITY, f64::min);
        for (at, sum) in sum.iter_mut().enumerate() {
            let begin = at.checked_sub(window / 2);
            *sum += begin.and_then(|begin| distances.get(begin)).copied().unwrap_or(least);
        }
    }
    if lengths == 0 {
        return Ok(None);
    }
    let (middle, high) = (quantile(&sum, 0.5), quantile(&sum, 0.9));
    let unit = (high - middle).max(f64::MIN_POSITIVE) / NINE_TENTHS;
    let sigma = |row: usize| ((sum[row / fold] - middle) / unit).clamp(0.0, 1e6);
    Ok(Some((0..values.len()).map(sigma).collect()))
}

/// Distances of each window from its nearest like, with the high quantile as 1.
fn distances(cells: &[f64], window: usize) -> Result<Option<Vec<f64>>> {
    let found = profile(cells, window, Some(window), Measure::Normalized, &Unguarded)?;
    let whole = deviation(cells);
    let mut distances = found.nearest.distances;
    for (distance, stretch) in distances.iter_mut().zip(cells.windows(window)) {
        let own = deviation(stretch);
        let weight = own / (own * own + FLAT * FLAT * whole * whole).sqrt();
        *distance =
            if distance.is_finite() && weight.is_finite() { *distance * weight } else { 0.0 };
    }
    let high = quantile(&distances, HIGH);
    Ok((high > 0.0).then(|| distances.iter().map(|distance| distance / high).collect()))
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt()
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    let at = (share * (sorted.len().saturating_sub(1)) as f64) as usize;
    if sorted.is_empty() { 0.0 } else { *sorted.select_nth_unstable_by(at, f64::total_cmp).1 }
}

/// Values of a size around one, the last for those that are missing; `None` for a constant.
fn filled(values: &[f64]) -> Option<Vec<f64>> {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let least = finite().fold(f64::INFINITY, f64::min);
    let most = finite().fold(f64::NEG_INFINITY, f64::max);
    let span = most / 2.0 - least / 2.0;
    if !(span.is_finite() && span > f64::MIN_POSITIVE) {
        return None;
    }
    let mut last = (finite().next()? - least) / span;
    let fill = |value: &f64| {
        if value.is_finite() {
            last = (value / 2.0 - least / 2.0) / span * 2.0;
        }
        last
    };
    Some(values.iter().map(fill).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(at: usize) -> f64 {
        let phase = at as f64 / 50.0 * std::f64::consts::TAU;
        phase.sin() + 0.4 * (2.0 * phase).cos() + 0.05 * ((at * 7919 % 101) as f64 / 101.0 - 0.5)
    }

    #[test]
    fn a_stretch_of_another_shape_is_the_furthest() {
        let mut values: Vec<f64> = (0..4000).map(wave).collect();
        values[2500..2530].iter_mut().for_each(|value| *value = value.abs() * 0.7 + 0.1);
        values[300..320].fill(f64::NAN);
        let sigmas = sigmas(&values).expect("no error").expect("long enough");
        assert_eq!(sigmas.len(), 4000);
        let top = (0..4000).max_by(|a, b| sigmas[*a].total_cmp(&sigmas[*b])).expect("values");
        assert!((2450..2580).contains(&top) || (250..370).contains(&top), "{top}");
        let there = sigmas[2480..2550].iter().copied().fold(0.0, f64::max);
        assert!(there > 3.0, "{there}");
    }

    #[test]
    fn short_constant_and_extreme_series_have_none() {
        for values in [vec![], vec![1.0; 500], vec![f64::NAN; 500], vec![1.0, 2.0, 3.0]] {
            assert_eq!(sigmas(&values).expect("no error"), None);
        }
        let extreme = [f64::MAX, f64::MIN, f64::INFINITY, 0.0].repeat(100);
        let told = sigmas(&extreme).expect("no error");
        assert!(told.is_none_or(|told| told.iter().all(|sigma| sigma.is_finite())));
    }
}
