//! Trend and season.

use stlrs::StlParams;

use super::{mean_of, variance};

/// Cycles over which the season may change.
const SEASONAL_SPAN: usize = 11;

/// Of values and of the same standardized.
pub(super) fn features(x: &[f64], z: &[f64], period: usize) -> Vec<(&'static str, f64)> {
    let (trend, season) = strengths(z, period);
    let period = if x.is_empty() { f64::NAN } else { period as f64 };
    vec![
        ("slope", slope(x)),
        ("period", period),
        ("trend_strength", trend),
        ("season_strength", season),
    ]
}

fn slope(x: &[f64]) -> f64 {
    if x.len() < 2 {
        return f64::NAN;
    }
    let middle = (x.len() - 1) as f64 / 2.0;
    let mean = mean_of(x);
    let (mut products, mut squares) = (0.0, 0.0);
    for (at, value) in x.iter().enumerate() {
        let at = at as f64 - middle;
        products += at * (value - mean);
        squares += at * at;
    }
    products / squares
}

fn strengths(z: &[f64], period: usize) -> (f64, f64) {
    if z.len() < 3 {
        return (f64::NAN, f64::NAN);
    }
    let strength = |part: &[f64], rest: &[f64]| {
        let both: Vec<f64> = part.iter().zip(rest).map(|(a, b)| a + b).collect();
        (1.0 - variance(rest) / variance(&both)).max(0.0)
    };
    if period >= 2 {
        let fit = StlParams::new()
            .seasonal_length(SEASONAL_SPAN)
            .inner_loops(2)
            .outer_loops(0)
            .fit(z, period);
        if let Ok(fit) = fit {
            let rest = fit.remainder();
            return (strength(fit.trend(), rest), strength(fit.seasonal(), rest));
        }
    }
    let trend = centered_means(z, (z.len() / 10).max(5) / 2);
    let rest: Vec<f64> = z.iter().zip(&trend).map(|(value, trend)| value - trend).collect();
    (strength(&trend, &rest), f64::NAN)
}

/// Means of each value with `side` on either side, or those there are.
fn centered_means(z: &[f64], side: usize) -> Vec<f64> {
    let mut sums = Vec::with_capacity(z.len() + 1);
    sums.push(0.0);
    for value in z {
        sums.push(sums[sums.len() - 1] + value);
    }
    (0..z.len())
        .map(|at| {
            let (from, to) = (at.saturating_sub(side), (at + side + 1).min(z.len()));
            (sums[to] - sums[from]) / (to - from) as f64
        })
        .collect()
}
