//! Quantiles of unsorted values.

/// The quantile at a fraction of 0..=1, by linear interpolation between order statistics (NumPy's
/// default); reorders the values. NaN of nothing. Values hold no NaN.
pub fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let place = fraction.clamp(0.0, 1.0) * (values.len() - 1) as f64;
    let below = place.floor() as usize;
    let (_, low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let share = place - below as f64;
    if share == 0.0 {
        return low;
    }
    let high = above.iter().copied().fold(f64::INFINITY, f64::min);
    low + share * (high - low)
}

/// The median; reorders the values. NaN of nothing. Values hold no NaN.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        let mut values = [3.0, 1.0, 2.0, 10.0];
        assert_eq!(median(&mut values), 2.5);
        assert!((quantile(&mut values, 0.9) - 7.9).abs() < 1e-12);
        assert_eq!((quantile(&mut values, 0.0), quantile(&mut values, 1.0)), (1.0, 10.0));
        assert!(median(&mut []).is_nan());
    }

    proptest! {
        #[test]
        fn selection_equals_sorting(
            mut values in prop::collection::vec(-1e6..1e6f64, 1..40),
            fraction in 0.0..=1.0f64,
        ) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let place = fraction * (sorted.len() - 1) as f64;
            let (low, share) = (place.floor() as usize, place.fract());
            let high = sorted[(low + 1).min(sorted.len() - 1)];
            let expected = sorted[low] + share * (high - sorted[low]);
            let own = quantile(&mut values, fraction);
            prop_assert!((own - expected).abs() <= 1e-9 * (1.0 + expected.abs()));
        }
    }
}
