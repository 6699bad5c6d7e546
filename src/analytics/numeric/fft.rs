//! Transforms of real series: power by frequency, products at every lag, products along a series.

use std::sync::Arc;

use realfft::{ComplexToReal, RealFftPlanner, RealToComplex, num_complex::Complex};

/// Plans of one length, there and back.
type Plans = (Arc<dyn RealToComplex<f64>>, Arc<dyn ComplexToReal<f64>>);

fn plans(length: usize) -> Plans {
    let mut planner = RealFftPlanner::new();
    (planner.plan_fft_forward(length), planner.plan_fft_inverse(length))
}

/// The least length of at least `least` that has no factors but 2, 3 and 5, and is even.
fn fast_length(least: usize) -> usize {
    let least = least.max(2);
    let mut best = least.next_power_of_two();
    let mut fives = 1;
    while fives < best {
        let mut threes = fives;
        while threes < best {
            let twos = least.div_ceil(threes).next_power_of_two().max(2);
            best = best.min(threes * twos);
            threes *= 3;
        }
        fives *= 5;
    }
    best
}

/// Transforms, padded with zeros to `length`.
fn forward(plan: &Arc<dyn RealToComplex<f64>>, values: &[f64]) -> Vec<Complex<f64>> {
    let mut input = plan.make_input_vec();
    input[..values.len()].copy_from_slice(values);
    let mut output = plan.make_output_vec();
    // The slices are of the plan's own lengths, so this cannot fail.
    let done = plan.process(&mut input, &mut output);
    debug_assert!(done.is_ok());
    output
}

fn backward(plan: &Arc<dyn ComplexToReal<f64>>, mut spectrum: Vec<Complex<f64>>) -> Vec<f64> {
    // What a real series has none of; the plan refuses anything else.
    for end in [0, spectrum.len() - 1] {
        spectrum[end].im = 0.0;
    }
    let mut output = plan.make_output_vec();
    let done = plan.process(&mut spectrum, &mut output);
    debug_assert!(done.is_ok());
    let scale = 1.0 / output.len() as f64;
    output.iter_mut().for_each(|value| *value *= scale);
    output
}

/// The power of each frequency: the squared modulus of the transform, over the count of values.
/// Element `k` is that of `k` cycles in the whole series, up to half as many as values.
pub fn periodogram(values: &[f64]) -> Vec<f64> {
    if values.is_empty() {
        return Vec::new();
    }
    let (plan, _) = plans(values.len());
    let scale = 1.0 / values.len() as f64;
    forward(&plan, values).iter().map(|c| c.norm_sqr() * scale).collect()
}

/// Sums of values times cosines: element `k` is of `k` cycles in the whole series, up to half as
/// many as values.
pub fn cosines(values: &[f64]) -> Vec<f64> {
    if values.is_empty() {
        return Vec::new();
    }
    forward(&plans(values.len()).0, values).iter().map(|c| c.re).collect()
}

/// Sums of products of values with those `lag` later, for lags 0 to `most` (at most the last there
/// is): autocovariances, when the values are deviations from their mean, times the count of values.
pub fn lagged_products(values: &[f64], most: usize) -> Vec<f64> {
    let Some(last) = values.len().checked_sub(1) else { return Vec::new() };
    let most = most.min(last);
    let (there, back) = plans(fast_length(values.len() + most));
    let mut spectrum = forward(&there, values);
    spectrum.iter_mut().for_each(|c| *c = Complex::new(c.norm_sqr(), 0.0));
    let mut products = backward(&back, spectrum);
    products.truncate(most + 1);
    products
}

/// The sum of products of `short` with each window of `long` of its length, the first window first;
/// empty when `short` is empty or longer.
pub fn sliding_products(long: &[f64], short: &[f64]) -> Vec<f64> {
    if short.is_empty() || short.len() > long.len() {
        return Vec::new();
    }
    let (there, back) = plans(fast_length(long.len()));
    let mut spectrum = forward(&there, long);
    for (c, s) in spectrum.iter_mut().zip(forward(&there, short)) {
        *c *= s.conj();
    }
    let mut products = backward(&back, spectrum);
    // Windows that reach past the end are wrapped around: they are cut off.
    products.truncate(long.len() - short.len() + 1);
    products
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(n: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * i * 7 + 3 * i) % 101) as f64 / 50.0 - 1.0).collect()
    }

    fn check(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{got} for {want}");
        }
    }

    #[test]
    fn products_are_those_of_loops() {
        for n in [1, 2, 3, 17, 100, 257] {
            let values = series(n);
            let lag = |lag: usize| (lag..n).map(|i| values[i] * values[i - lag]).sum();
            check(&lagged_products(&values, n), &(0..n).map(lag).collect::<Vec<f64>>());
            for m in [1, n.div_ceil(2), n] {
                let short = &series(m + 5)[5..];
                let at = |i: usize| short.iter().zip(&values[i..]).map(|(a, b)| a * b).sum();
                let want: Vec<f64> = (0..=n - m).map(at).collect();
                check(&sliding_products(&values, short), &want);
            }
        }
        assert!(lagged_products(&[], 3).is_empty());
        assert!(sliding_products(&[1.0], &[1.0, 2.0]).is_empty());
    }

    #[test]
    fn power_is_that_of_sums_of_waves() {
        for n in [1, 2, 7, 30, 64] {
            let values = series(n);
            let power = |k: usize| {
                let turn = |i: usize| std::f64::consts::TAU * (k * i) as f64 / n as f64;
                let of = |f: fn(f64) -> f64| (0..n).map(|i| values[i] * f(turn(i))).sum::<f64>();
                (of(f64::cos).powi(2) + of(f64::sin).powi(2)) / n as f64
            };
            check(&periodogram(&values), &(0..=n / 2).map(power).collect::<Vec<f64>>());
        }
    }

    #[test]
    fn lengths_are_even_and_near() {
        for least in 1..3000 {
            let length = fast_length(least);
            assert!(length >= least && length.is_multiple_of(2) && length <= least + least / 4 + 4);
        }
    }
}
