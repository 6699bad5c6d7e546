//! Pearson's r, in two passes.

use crate::analytics::numeric::least_squares::{dot, greatest};

/// Pearson's r of pairs without NaN; NaN for fewer than two, where either does not vary, and with
/// infinities.
pub(super) fn pearson(x: &[f64], y: &[f64]) -> f64 {
    debug_assert_eq!(x.len(), y.len());
    if x.len() < 2 || constant(x) || constant(y) {
        return f64::NAN;
    }
    let mut sums = [0.0; 3];
    let [mean_x, mean_y] = [mean(x), mean(y)];
    for (x, y) in x.iter().zip(y) {
        let (x, y) = (x - mean_x, y - mean_y);
        sums[0] += x * x;
        sums[1] += y * y;
        sums[2] += x * y;
    }
    let usual = |sum: f64| (1e-140..1e140).contains(&sum);
    if usual(sums[0]) && usual(sums[1]) {
        // One root, so that equal columns have exactly 1.
        return (sums[2] / (sums[0] * sums[1]).sqrt()).clamp(-1.0, 1.0);
    }
    // Squares of tiny or huge deviations are none: those of a part of the greatest are.
    let (Some(x), Some(y)) = (standardized(x), standardized(y)) else { return f64::NAN };
    dot(&x, &y).clamp(-1.0, 1.0)
}

/// Deviations from the mean as parts of their length, so that a product of two such is Pearson's r.
/// `None` where there are infinities, or values that do not vary.
pub(super) fn standardized(values: &[f64]) -> Option<Vec<f64>> {
    if values.len() < 2 || constant(values) || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    // Halved, the difference of any two is finite.
    let mean = mean(values) / 2.0;
    let mut own: Vec<f64> = values.iter().map(|value| value / 2.0 - mean).collect();
    let most = greatest(&own);
    own.iter_mut().for_each(|value| *value /= most);
    let length = dot(&own, &own).sqrt();
    own.iter_mut().for_each(|value| *value /= length);
    Some(own)
}

fn constant(values: &[f64]) -> bool {
    values.iter().all(|value| *value == values[0])
}

/// The mean, of what overflows too.
fn mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    if sum.is_finite() { sum / n } else { values.iter().map(|value| value / n).sum() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_little_or_constant_or_infinite_there_is_none() {
        assert!(pearson(&[], &[]).is_nan());
        assert!(pearson(&[1.0], &[2.0]).is_nan());
        assert!(pearson(&[0.1, 0.1, 0.1], &[1.0, 2.0, 5.0]).is_nan());
        assert!(pearson(&[1.0, f64::INFINITY, 2.0], &[1.0, 2.0, 5.0]).is_nan());
    }

    #[test]
    fn neither_huge_nor_tiny_nor_far_values_lose_it() {
        // numpy.corrcoef([1, 2, 3, 4], [1, 3, 2, 4])[0, 1] = 0.8
        let (x, y) = ([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]);
        for (scale, shift) in [(1.0, 0.0), (1e-200, 0.0), (4e307, 0.0), (1.0, 1e9), (1e-160, 0.0)] {
            let own: Vec<f64> = x.iter().map(|v| v * scale + shift).collect();
            assert!((pearson(&own, &y) - 0.8).abs() < 1e-9, "{scale} {shift}");
        }
        assert!((pearson(&[-1.7e308, 1.7e308, 0.0], &[-1.0, 1.0, 0.0]) - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_product_of_standardized_values_is_the_same(
            pairs in prop::collection::vec((-100.0..100.0f64, -100.0..100.0f64), 3..60),
        ) {
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let own = standardized(&x).zip(standardized(&y)).map(|(x, y)| dot(&x, &y));
            prop_assert!((own.expect("varies") - pearson(&x, &y)).abs() < 1e-12);
        }
    }
}
