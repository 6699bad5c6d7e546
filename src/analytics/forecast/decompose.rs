//! Classical decomposition and the test for a season that the M competitions use.

/// The normal quantile of the competitions' two-sided 90 % test.
pub(super) const COMPETITION: f64 = 1.645;

/// Whether the autocorrelation at the season stands out of those before it: `quantile` standard
/// deviations by Bartlett's formula, as in the M4 competition's code. Needs three cycles.
pub(super) fn is_seasonal(values: &[f64], season: usize, quantile: f64) -> bool {
    if season < 2 || values.len() < 3 * season {
        return false;
    }
    let correlations = autocorrelations(values, season);
    let before: f64 = correlations[..season - 1].iter().map(|r| r * r).sum();
    let limit = quantile * ((1.0 + 2.0 * before) / values.len() as f64).sqrt();
    correlations[season - 1].abs() > limit
}

/// Autocorrelations at the distances 1 to `most`; 0 for a constant.
pub(super) fn autocorrelations(values: &[f64], most: usize) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let centred: Vec<f64> = values.iter().map(|y| y - mean).collect();
    let variance: f64 = centred.iter().map(|d| d * d).sum();
    let at = |lag: usize| {
        let later = centred.get(lag..).unwrap_or(&[]);
        let product: f64 = later.iter().zip(&centred).map(|(a, b)| a * b).sum();
        if variance > 0.0 { product / variance } else { 0.0 }
    };
    (1..=most).map(at).collect()
}

/// The centred moving average over a season; NaN where it does not reach.
pub(super) fn moving_average(values: &[f64], season: usize) -> Vec<f64> {
    let (n, half) = (values.len(), season / 2);
    let mut trend = vec![f64::NAN; n];
    if n < season + 1 - season % 2 {
        return trend;
    }
    for at in half..n - half {
        let window = &values[at - half..=at + half];
        let sum: f64 = window.iter().sum();
        // An even season has half a weight at either end.
        let ends = if season.is_multiple_of(2) {
            (window[0] + window[window.len() - 1]) / 2.0
        } else {
            0.0
        };
        trend[at] = (sum - ends) / season as f64;
    }
    trend
}

/// The seasonal indices by phase (place modulo the season), of mean 1 when `multiplicative` and of
/// mean 0 otherwise. Needs two cycles; phases that no cycle covers are neutral.
pub(super) fn classical(values: &[f64], season: usize, multiplicative: bool) -> Vec<f64> {
    let neutral = if multiplicative { 1.0 } else { 0.0 };
    let trend = moving_average(values, season);
    let (mut sums, mut counts) = (vec![0.0; season], vec![0u32; season]);
    for (at, (y, t)) in values.iter().zip(&trend).enumerate() {
        let part = if multiplicative { y / t } else { y - t };
        if part.is_finite() {
            sums[at % season] += part;
            counts[at % season] += 1;
        }
    }
    let mean = |(sum, count): (&f64, &u32)| match count {
        0 => neutral,
        count => sum / f64::from(*count),
    };
    let mut indices: Vec<f64> = sums.iter().zip(&counts).map(mean).collect();
    let level = indices.iter().sum::<f64>() / season as f64;
    for index in &mut indices {
        if !multiplicative {
            *index -= level;
        } else if level != 0.0 {
            *index /= level;
        }
    }
    indices
}

/// A series without its season, and the season to be put back.
#[derive(Clone, Debug)]
pub(super) struct Adjusted {
    /// The adjusted values.
    pub(super) values: Vec<f64>,
    /// By phase; empty when the series is not adjusted.
    indices: Vec<f64>,
    multiplicative: bool,
}

impl Adjusted {
    /// Takes a season of `season` steps out when it passes the competitions' test: by division
    /// where all values are positive and the indices not near zero, else by subtraction.
    pub(super) fn of(values: &[f64], season: usize) -> Self {
        if !is_seasonal(values, season, COMPETITION) {
            return Self { values: values.to_vec(), indices: Vec::new(), multiplicative: false };
        }
        let positive = values.iter().all(|y| *y > 0.0);
        let ratios = if positive { classical(values, season, true) } else { Vec::new() };
        let multiplicative = positive && ratios.iter().all(|index| *index >= 0.01);
        let indices = if multiplicative { ratios } else { classical(values, season, false) };
        let adjust = |(t, y): (usize, &f64)| {
            let index = indices[t % season];
            if multiplicative { y / index } else { y - index }
        };
        let values = values.iter().enumerate().map(adjust).collect();
        Self { values, indices, multiplicative }
    }

    /// Puts the season back into what follows the first `known` values.
    pub(super) fn restore(&self, known: usize, mean: &mut [f64], spread: &mut [f64]) {
        if self.indices.is_empty() {
            return;
        }
        for (k, (mean, spread)) in mean.iter_mut().zip(spread).enumerate() {
            let index = self.indices[(known + k) % self.indices.len()];
            if self.multiplicative {
                *mean *= index;
                *spread *= index;
            } else {
                *mean += index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_season_on_a_line_is_found_exactly() {
        let pattern = [3.0, -1.0, -4.0, 2.0];
        let values: Vec<f64> = (0..24).map(|t| 0.5 * t as f64 + pattern[t % 4]).collect();
        let indices = classical(&values, 4, false);
        for (index, expected) in indices.iter().zip(pattern) {
            assert!((index - expected).abs() < 1e-12, "{indices:?}");
        }
        let odd: Vec<f64> = (0..21).map(|t| 7.0 + [1.0, 0.0, -1.0][t % 3]).collect();
        assert_eq!(moving_average(&odd, 3)[1..20], [7.0; 19]);
    }

    #[test]
    fn the_test_needs_three_cycles_and_a_season() {
        let wave: Vec<f64> =
            (0..48).map(|t| (t as f64 * std::f64::consts::TAU / 12.0).sin()).collect();
        assert!(is_seasonal(&wave, 12, COMPETITION));
        assert!(!is_seasonal(&wave[..35], 12, COMPETITION));
        assert!(!is_seasonal(&[1.0; 48], 12, COMPETITION));
        assert!(!is_seasonal(&wave, 1, COMPETITION));
    }
}
