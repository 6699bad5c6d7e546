//! Search: where in a series something of a query's shape is.
//!
//! Distances are between z-normalised windows: Euclidean ones for all places at once by a Fourier
//! transform (MASS: Mueen et al., 2017), or under dynamic time warping within a band, of the places
//! that lower bounds leave (the cascade of Rakthanmanon et al., "Searching and mining trillions of
//! time series subsequences under dynamic time warping", 2012). Matches do not overlap by more
//! than half. Both are exact.

mod dtw;
mod function;
mod mass;

pub(super) use function::FUNCTION;

use crate::error::{Error, Result};
use crate::kernels::Guard;

/// A place that is like the query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Where it begins.
    pub index: usize,
    /// How far it is: of z-normalised values, the root of the sum of squared differences.
    pub distance: f64,
}

/// The distance of windows by their values, as they are aligned.
///
/// # Errors
/// As [`check`], and what the guard says.
pub fn euclidean(values: &[f64], query: &[f64], k: usize, guard: &dyn Guard) -> Result<Vec<Hit>> {
    let query = shape(query)?;
    guard.poll()?;
    let distances = mass::distances(values, &query);
    let mut order: Vec<usize> =
        (0..distances.len()).filter(|at| distances[*at].is_finite()).collect();
    order.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]).then(a.cmp(b)));
    let mut hits: Vec<Hit> = Vec::new();
    for index in order {
        if hits.len() == k {
            break;
        }
        if apart(&hits, index, query.len()) {
            // From the values, since a transform rounds.
            let window = &values[index..index + query.len()];
            hits.push(Hit { index, distance: exact(window, &query) });
        }
    }
    hits.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.index.cmp(&b.index)));
    Ok(hits)
}

/// The `k` nearest under dynamic time warping, the nearest first, with paths that stay within
/// `band` values of the diagonal.
///
/// # Errors
/// As [`euclidean`].
pub fn warped(
    values: &[f64],
    query: &[f64],
    k: usize,
    band: usize,
    guard: &dyn Guard,
) -> Result<Vec<Hit>> {
    dtw::search(values, &shape(query)?, k, band, guard)
}

/// Whether an index is far enough from all hits.
fn apart(hits: &[Hit], index: usize, length: usize) -> bool {
    hits.iter().all(|hit| hit.index.abs_diff(index) >= length.div_ceil(2))
}

/// The z-normalised query.
fn shape(query: &[f64]) -> Result<Vec<f64>> {
    if query.len() < 3 || query.iter().any(|value| !value.is_finite()) {
        return Err(Error::invalid(format!(
            "query is a list of at least 3 finite numbers, got {} of which {} are finite",
            query.len(),
            query.iter().filter(|value| value.is_finite()).count()
        )));
    }
    let Some((mean, spread)) = moments(query) else {
        return Err(Error::invalid("query has no shape: all of its values are equal"));
    };
    Ok(query.iter().map(|value| (value - mean) / spread).collect())
}

/// The mean and the standard deviation; `None` for values that are all equal or not all finite.
fn moments(window: &[f64]) -> Option<(f64, f64)> {
    let first = *window.first()?;
    if window.iter().all(|value| *value == first) {
        return None;
    }
    let n = window.len() as f64;
    let mean = first + window.iter().map(|value| value - first).sum::<f64>() / n;
    let spread = (window.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    (spread > 0.0 && spread.is_finite()).then_some((mean, spread))
}

/// The distance of a window to a z-normalised query; a flat window is as far as if it were of
/// zeros.
fn exact(window: &[f64], query: &[f64]) -> f64 {
    let (mean, spread) = moments(window).unwrap_or((window[0], f64::INFINITY));
    let apart = |(value, query): (&f64, &f64)| ((value - mean) / spread - query).powi(2);
    window.iter().zip(query).map(apart).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests;
