//! Distances of a query to all windows at once.

use crate::analytics::numeric::fft::sliding_products;

/// The distance of each window to a z-normalised query; infinite where a value is missing.
pub(super) fn distances(values: &[f64], query: &[f64]) -> Vec<f64> {
    let m = query.len();
    if values.len() < m {
        return Vec::new();
    }
    let (level, size) = frame(values);
    let kept: Vec<f64> = values
        .iter()
        .map(|value| if value.is_finite() { (value / size) - level / size } else { 0.0 })
        .collect();
    let products = sliding_products(&kept, query);
    let count = m as f64;
    let mut missing = values[..m].iter().filter(|value| !value.is_finite()).count();
    let mut distances = Vec::with_capacity(products.len());
    for (at, product) in products.into_iter().enumerate() {
        if at > 0 {
            missing -= usize::from(!values[at - 1].is_finite());
            missing += usize::from(!values[at + m - 1].is_finite());
        }
        if missing > 0 {
            distances.push(f64::INFINITY);
            continue;
        }
        // The query's mean is 0 and its squares sum to its length.
        let spread = super::moments(&kept[at..at + m]).map_or(f64::INFINITY, |moments| moments.1);
        let squared = match spread.is_finite() {
            true => 2.0 * count - 2.0 * product / spread,
            false => count,
        };
        distances.push(squared.max(0.0).sqrt());
    }
    distances
}

/// A middle value, and the greatest distance to it.
fn frame(values: &[f64]) -> (f64, f64) {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if finite.is_empty() {
        return (0.0, 1.0);
    }
    let middle = finite.len() / 2;
    let level = *finite.select_nth_unstable_by(middle, f64::total_cmp).1;
    let size = finite.iter().fold(0.0f64, |size, v| size.max((v / 2.0 - level / 2.0).abs()));
    (level, if size > 0.0 { size } else { 1.0 })
}
