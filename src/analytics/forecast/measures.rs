//! Measures of a forecast's error, as the M competitions define them.

/// The mean absolute error.
pub(super) fn mae(truth: &[f64], mean: &[f64]) -> f64 {
    average(truth.iter().zip(mean).map(|(y, f)| (y - f).abs()))
}

/// The mean squared error.
pub(super) fn mse(truth: &[f64], mean: &[f64]) -> f64 {
    average(truth.iter().zip(mean).map(|(y, f)| (y - f) * (y - f)))
}

/// The symmetric mean absolute percentage error, 0..=200; two zeros are no error.
pub(super) fn smape(truth: &[f64], mean: &[f64]) -> f64 {
    average(truth.iter().zip(mean).map(|(y, f)| {
        let size = y.abs() + f.abs();
        if size > 0.0 { 200.0 * (y - f).abs() / size } else { 0.0 }
    }))
}

/// The mean absolute difference from one season to the next, by which MASE divides; NaN for a
/// history of at most one season.
pub(super) fn seasonal_scale(history: &[f64], season: usize) -> f64 {
    let later = history.get(season..).unwrap_or(&[]);
    average(later.iter().zip(history).map(|(a, b)| (a - b).abs()))
}

/// The mean; NaN of nothing.
pub(super) fn average(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_those_of_the_competitions() {
        let (truth, mean) = ([1.0, 2.0, 0.0], [2.0, 2.0, 0.0]);
        assert!((mae(&truth, &mean) - 1.0 / 3.0).abs() < 1e-15);
        assert!((mse(&truth, &mean) - 1.0 / 3.0).abs() < 1e-15);
        assert!((smape(&truth, &mean) - 200.0 / 9.0).abs() < 1e-12);
        assert_eq!(seasonal_scale(&[1.0, 5.0, 2.0, 7.0], 2), 1.5);
        assert!(seasonal_scale(&[1.0], 1).is_nan());
    }
}
