//! Features of a series by many small convolutions: MiniRocket (Dempster, Schmidt and Webb, 2021).
//!
//! Each of 84 kernels has nine weights, three of 2 and six of -1, and is spread out by several
//! dilations. A feature is the share of places at which the convolution is above a bias; biases are
//! quantiles of the convolution of a training series.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// Weights of a kernel.
const WEIGHTS: usize = 9;
/// Most dilations.
const DILATIONS: usize = 32;
/// What an even spread of quantiles steps by: the golden ratio.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// The kernels, with their dilations and biases.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rocket {
    length: usize,
    /// Dilations, and biases that each kernel has at each.
    dilations: Vec<(usize, usize)>,
    /// By dilation, then by kernel.
    biases: Vec<f64>,
}

/// The places of the weights that are 2, of each kernel.
fn kernels() -> impl Iterator<Item = [usize; 3]> {
    (0..WEIGHTS)
        .flat_map(|a| (a + 1..WEIGHTS).flat_map(move |b| (b + 1..WEIGHTS).map(move |c| [a, b, c])))
}

impl Rocket {
    /// Kernels for series that are all of one length, of at least nine values; `features` is about
    /// how many there are to be.
    pub fn fit(series: &[Vec<f64>], features: usize, seed: u64) -> Self {
        let length = series.first().map_or(WEIGHTS, Vec::len).max(WEIGHTS);
        let each = (features / kernels().count()).max(1);
        let most = ((length - 1) as f64 / (WEIGHTS - 1) as f64).log2().max(0.0);
        let steps = each.min(DILATIONS);
        let mut dilations: Vec<(usize, usize)> = Vec::new();
        for step in 0..steps {
            let share = if steps > 1 { step as f64 / (steps - 1) as f64 } else { 0.0 };
            let dilation = (most * share).exp2() as usize;
            let count = each / steps + usize::from(step < each % steps);
            match dilations.last_mut() {
                Some(last) if last.0 == dilation => last.1 += count,
                _ => dilations.push((dilation.max(1), count)),
            }
        }
        let mut own = Self { length, dilations, biases: Vec::new() };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut biases = Vec::new();
        let mut turn = 0.0;
        let empty = vec![0.0; length];
        for (dilation, count) in own.dilations.clone() {
            for kernel in kernels() {
                let from = (random.random::<f64>() * series.len() as f64) as usize;
                let example = series.get(from).unwrap_or(&empty);
                let mut sums = convolve(example, &base(example, dilation), dilation, kernel);
                sums.sort_unstable_by(f64::total_cmp);
                for _ in 0..count {
                    turn = (turn + GOLDEN) % 1.0;
                    biases.push(sums[(turn * sums.len() as f64) as usize]);
                }
            }
        }
        own.biases = biases;
        own
    }

    /// The length of the series that it takes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The features of a series of its length: shares of 0 to 1.
    pub fn transform(&self, series: &[f64]) -> Vec<f64> {
        let mut features = Vec::with_capacity(self.biases.len());
        let mut biases = self.biases.as_slice();
        for (turn, (dilation, count)) in self.dilations.iter().enumerate() {
            let base = base(series, *dilation);
            // Half of the kernels leave out what only hangs over the ends.
            let over = (WEIGHTS / 2) * dilation;
            for (number, kernel) in kernels().enumerate() {
                let sums = convolve(series, &base, *dilation, kernel);
                let inner = (turn + number) % 2 == 1 && sums.len() > 2 * over;
                let sums = if inner { &sums[over..sums.len() - over] } else { &sums[..] };
                let (own, rest) = biases.split_at((*count).min(biases.len()));
                biases = rest;
                for bias in own {
                    let above: u64 = sums.iter().map(|sum| u64::from(sum > bias)).sum();
                    features.push(above as f64 / sums.len() as f64);
                }
            }
        }
        features
    }
}

/// The convolution with nine weights of -1, zeros beyond the ends.
fn base(series: &[f64], dilation: usize) -> Vec<f64> {
    let mut sums = vec![0.0; series.len()];
    for place in 0..WEIGHTS {
        add(&mut sums, series, dilation, place, -1.0);
    }
    sums
}

/// The convolution of which three weights are greater by three.
fn convolve(series: &[f64], base: &[f64], dilation: usize, kernel: [usize; 3]) -> Vec<f64> {
    let mut sums = base.to_vec();
    for place in kernel {
        add(&mut sums, series, dilation, place, 3.0);
    }
    sums
}

/// Adds the series, moved so that a weight's place is over each value.
fn add(sums: &mut [f64], series: &[f64], dilation: usize, place: usize, weight: f64) {
    let n = series.len();
    let (middle, place) = ((WEIGHTS / 2) * dilation, place * dilation);
    let (to, from) = if place < middle { (middle - place, 0) } else { (0, place - middle) };
    if to >= n || from >= n {
        return;
    }
    for (sum, value) in sums[to..].iter_mut().zip(&series[from..]) {
        *sum += weight * value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_are_those_of_nine_weights() {
        let series: Vec<f64> = (0..40).map(|i| f64::from(i * 37 % 11) - 5.0).collect();
        assert_eq!(kernels().count(), 84);
        for dilation in [1, 2, 4] {
            for kernel in kernels().step_by(7) {
                let got = convolve(&series, &base(&series, dilation), dilation, kernel);
                for (at, got) in got.iter().enumerate() {
                    let want: f64 = (0..WEIGHTS)
                        .filter_map(|place| {
                            let from = (at + place * dilation).checked_sub(4 * dilation)?;
                            let weight = if kernel.contains(&place) { 2.0 } else { -1.0 };
                            Some(weight * series.get(from)?)
                        })
                        .sum();
                    assert!((got - want).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn features_are_shares_about_as_many_as_asked_for() {
        let series: Vec<Vec<f64>> =
            (0..5).map(|s| (0..100).map(|i| f64::from((i * (s + 3)) % 17)).collect()).collect();
        let rocket = Rocket::fit(&series, 2000, 7);
        let features = rocket.transform(&series[0]);
        assert!(features.len() <= 2000 && features.len() > 1900, "{}", features.len());
        assert!(features.iter().all(|share| (0.0..=1.0).contains(share)));
        assert_eq!(features, Rocket::fit(&series, 2000, 7).transform(&series[0]));
    }
}
