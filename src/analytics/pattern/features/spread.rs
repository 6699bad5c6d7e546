//! How values are spread, whatever their order.

use crate::analytics::numeric::ranks::ascending;

pub(super) fn features(x: &[f64], mean: f64, std: f64, z: &[f64]) -> Vec<(&'static str, f64)> {
    let n = x.len() as f64;
    let moment = |power: i32| z.iter().map(|value| value.powi(power)).sum::<f64>() / z.len() as f64;
    let mut sorted = x.to_vec();
    sorted.sort_by(|a, b| ascending(*a, *b));
    let q = |share: f64| quantile(&sorted, share);
    let median = q(0.5);
    let mut apart: Vec<f64> = x.iter().map(|value| (value - median).abs()).collect();
    apart.sort_by(|a, b| ascending(*a, *b));
    vec![
        ("mean", mean),
        ("std", std),
        ("skewness", moment(3)),
        ("kurtosis", moment(4) - 3.0),
        ("minimum", q(0.0)),
        ("q05", q(0.05)),
        ("q25", q(0.25)),
        ("median", median),
        ("q75", q(0.75)),
        ("q95", q(0.95)),
        ("maximum", q(1.0)),
        ("iqr", q(0.75) - q(0.25)),
        ("mad", quantile(&apart, 0.5)),
        ("first", x.first().copied().unwrap_or(f64::NAN)),
        ("last", x.last().copied().unwrap_or(f64::NAN)),
        ("zero_share", x.iter().filter(|value| **value == 0.0).count() as f64 / n),
        ("energy", if x.is_empty() { f64::NAN } else { x.iter().map(|v| v * v).sum() }),
    ]
}

/// Linear between the two values that it lies between; NaN of none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (low, part) = (place.floor() as usize, place.fract());
    if part == 0.0 {
        return sorted[low];
    }
    sorted[low] * (1.0 - part) + sorted[(low + 1).min(last)] * part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[1.0], 0.05), 1.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
