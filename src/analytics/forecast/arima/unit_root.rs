//! How often a series is differenced: the KPSS test, and the strength of a season.
//!
//! Sources: Kwiatkowski, Phillips, Schmidt and Shin (1992) with a Bartlett window of
//! 3 sqrt(n) / 13 lags; Wang, Smith and Hyndman (2006) for the strength, of which 0.64 or more asks
//! for a seasonal difference, as in Hyndman and Khandakar's procedure.

use crate::analytics::forecast::arima::model::{Order, difference};

/// The value that the KPSS statistic for a level passes once in twenty stationary series.
const CRITICAL: f64 = 0.463;
const STRONG: f64 = 0.64;

/// The statistic against which a level is stationary; 0 for a constant series.
pub(super) fn kpss(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let rest: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let lags = (3.0 * count.sqrt() / 13.0) as usize;
    let mut variance: f64 = rest.iter().map(|r| r * r).sum();
    for lag in 1..=lags.min(rest.len().saturating_sub(1)) {
        let together: f64 = rest[lag..].iter().zip(&rest).map(|(a, b)| a * b).sum();
        variance += 2.0 * (1.0 - lag as f64 / (lags as f64 + 1.0)) * together;
    }
    let mut level = 0.0;
    let sums: f64 = rest
        .iter()
        .map(|r| {
            level += r;
            level * level
        })
        .sum();
    if variance > 0.0 { sums / (count * variance) } else { 0.0 }
}

/// How many ordinary differences, up to `most`, make the level stationary.
pub(super) fn differences(values: &[f64], most: usize) -> usize {
    let mut now = values.to_vec();
    for count in 0..most {
        if now.len() < 4 || constant(&now) || kpss(&now) <= CRITICAL {
            return count;
        }
        now = now.windows(2).map(|pair| pair[1] - pair[0]).collect();
    }
    most
}

/// Whether a season is strong enough to be differenced.
pub(super) fn seasonal_difference(values: &[f64], season: usize) -> bool {
    if season < 2 || values.len() < 2 * season + 1 || constant(values) {
        return false;
    }
    let order = Order {
        ar: 0,
        differences: 0,
        ma: 0,
        seasonal_ar: 0,
        seasonal_differences: 1,
        seasonal_ma: 0,
        season,
        constant: false,
    };
    !constant(&difference(values, &order)) && strength(values, season) > STRONG
}

/// 1 - var(remainder) / var(remainder + seasonal), of a decomposition by STL; 0 when it fails.
pub(super) fn strength(values: &[f64], season: usize) -> f64 {
    let mean = values.iter().map(|v| v / values.len() as f64).sum::<f64>();
    let size = values.iter().fold(0.0f64, |m, v| m.max((v - mean).abs()));
    let narrow: Vec<f32> = values.iter().map(|v| ((v - mean) / size) as f32).collect();
    let Ok(parts) = stlrs::Stl::params().seasonal_length(11).fit(&narrow, season) else {
        return 0.0;
    };
    parts.seasonal_strength()
}

/// Whether all values are the same but for rounding.
pub(super) fn constant(values: &[f64]) -> bool {
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    high - low <= f64::EPSILON * 8.0 * low.abs().max(high.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(length: usize) -> Vec<f64> {
        let mut level = 0.0;
        (0..length)
            .map(|t| {
                level += ((t * t) as f64 * 0.7).sin() + 0.2;
                level
            })
            .collect()
    }

    #[test]
    fn a_walk_is_differenced_once_and_its_steps_not() {
        let walk = walk(300);
        assert_eq!(differences(&walk, 2), 1);
        let steps: Vec<f64> = walk.windows(2).map(|p| p[1] - p[0]).collect();
        assert_eq!(differences(&steps, 2), 0);
        assert_eq!(differences(&[5.0; 40], 2), 0);
    }

    #[test]
    fn a_clear_season_is_differenced_and_noise_is_not() {
        let noise = |t: usize| ((t * t) as f64 * 0.37).sin();
        let seasonal: Vec<f64> = (0..120)
            .map(|t| 5.0 * (t as f64 * std::f64::consts::TAU / 12.0).sin() + noise(t))
            .collect();
        assert!(seasonal_difference(&seasonal, 12), "{}", strength(&seasonal, 12));
        let plain: Vec<f64> = (0..120).map(noise).collect();
        assert!(!seasonal_difference(&plain, 12), "{}", strength(&plain, 12));
        assert!(!seasonal_difference(&seasonal[..20], 12));
    }
}
