//! Changepoints as the values come: Adams and MacKay, "Bayesian online changepoint detection"
//! (2007), for normal values of unknown mean and variance (a normal-inverse-gamma prior).

use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

/// Runs that are less likely than this are forgotten.
const FORGOTTEN: f64 = 1e-7;
/// How likely a change has to be to be told: it is asked after every value, so that one that is only
/// more likely than not would often be imagined.
const TOLD: f64 = 0.9;
/// The shape of the prior of the variance: as much as two values say of it.
const SHAPE: f64 = 1.0;

/// What is believed of the segment that the series is in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Online {
    mean: f64,
    /// Values that the prior mean counts for, and its variance.
    weight: f64,
    variance: f64,
    hazard: f64,
    least: u64,
    runs: Vec<Run>,
    seen: u64,
    /// Where the segment begins that was last told.
    current: u64,
}

/// One place at which the segment may have begun.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Run {
    start: u64,
    /// Values that it has.
    count: f64,
    p: f64,
    mean: f64,
    scale: f64,
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The first value after it, counted from the first that was taken.
    pub start: u64,
    /// How likely there was one since the last.
    pub p: f64,
}

impl Online {
    /// Before any value. Segments are some `length` values long; their means lie around `mean` with
    /// a standard deviation of `spread`, their values around those with `noise`; a change is told
    /// when `least` values have come after it.
    pub fn new(mean: f64, spread: f64, noise: f64, length: f64, least: usize) -> Self {
        let noise = if noise > 0.0 && noise.is_finite() { noise } else { 1.0 };
        let ratio = (noise / spread).powi(2);
        Self {
            mean,
            weight: if ratio.is_finite() { ratio.clamp(1e-4, 1.0) } else { 1.0 },
            variance: noise * noise,
            hazard: (1.0 / length).clamp(1e-9, 0.5),
            least: least.max(1) as u64,
            runs: Vec::new(),
            seen: 0,
            current: 0,
        }
    }

    /// Takes the next value; a change, as soon as one is nearly certain ([`TOLD`]). A value
    /// that is not finite counts, and says nothing.
    pub fn update(&mut self, value: f64) -> Option<Change> {
        let at = self.seen;
        self.seen += 1;
        if !value.is_finite() {
            return None;
        }
        let total: f64 = self.runs.iter().map(|run| run.p).sum();
        let p = if self.runs.is_empty() { 1.0 } else { total * self.hazard };
        for run in &mut self.runs {
            run.p *= 1.0 - self.hazard;
        }
        self.runs.push(Run { start: at, count: 0.0, p, mean: self.mean, scale: self.variance });
        let mut likelihoods: Vec<f64> = Vec::with_capacity(self.runs.len());
        for run in &mut self.runs {
            let (weight, shape) = (self.weight + run.count, SHAPE + run.count / 2.0);
            let spread = run.scale * (weight + 1.0) / (shape * weight);
            let apart = value - run.mean;
            likelihoods.push(ln_student(apart, spread, 2.0 * shape));
            run.scale += weight * apart * apart / (2.0 * (weight + 1.0));
            run.mean += apart / (weight + 1.0);
            run.count += 1.0;
        }
        // Relative to the likeliest, so that a far value leaves something.
        let top = likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (run, likelihood) in self.runs.iter_mut().zip(&likelihoods) {
            run.p *= (likelihood - top).exp();
        }
        let total: f64 = self.runs.iter().map(|run| run.p).sum();
        self.runs.iter_mut().for_each(|run| run.p /= total);
        self.runs.retain(|run| run.p > FORGOTTEN);
        self.told()
    }

    fn told(&mut self) -> Option<Change> {
        let newer = |run: &&Run| {
            run.start >= self.current + self.least && run.start + self.least <= self.seen
        };
        let p: f64 = self.runs.iter().filter(newer).map(|run| run.p).sum();
        if p <= TOLD {
            return None;
        }
        let start = self.runs.iter().filter(newer).max_by(|a, b| a.p.total_cmp(&b.p))?.start;
        self.current = start;
        Some(Change { start, p: p.min(1.0) })
    }
}

/// The log density of Student's t with so many degrees of freedom, of a scaled deviate.
fn ln_student(apart: f64, spread: f64, degrees: f64) -> f64 {
    let half = (degrees + 1.0) / 2.0;
    ln_gamma(half)
        - ln_gamma(degrees / 2.0)
        - 0.5 * (std::f64::consts::PI * degrees * spread).ln()
        - half * (apart * apart / (degrees * spread)).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(at: u64) -> f64 {
        let mut sum = 0.0;
        for part in 0..12 {
            let mut x = (at * 12 + part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            x ^= x >> 31;
            x = x.wrapping_mul(0xbf58_476d_1ce4_e5b9);
            sum += (x >> 11) as f64 / (1u64 << 53) as f64;
        }
        sum - 6.0
    }

    #[test]
    fn a_step_is_told_soon_and_once() {
        let mut state = Online::new(0.0, 3.0, 1.0, 200.0, 3);
        let mut told = Vec::new();
        for at in 0..600 {
            let level = if at < 250 { 0.0 } else { 5.0 };
            if let Some(change) = state.update(level + noise(at)) {
                told.push((at, change));
            }
        }
        assert_eq!(told.len(), 1, "{told:?}");
        let (at, change) = told[0];
        assert!(change.start.abs_diff(250) <= 1 && at < 260, "{told:?}");
    }

    /// The recursion over run lengths as in the paper, without pruning and with explicit sums.
    #[test]
    fn beliefs_are_those_of_bayes_over_all_partitions() {
        let values: Vec<f64> =
            (0..7).map(|at| noise(at) + if at > 3 { 4.0 } else { 0.0 }).collect();
        let mut state = Online::new(0.5, 2.0, 1.0, 10.0, 1);
        for value in &values {
            state.update(*value);
        }
        // The joint of every partition: bit i of `cuts` is a change before value i + 1.
        let evidence = |from: usize, to: usize| {
            let (mut mean, mut weight, mut shape, mut scale) =
                (0.5, state.weight, SHAPE, state.variance);
            let mut ln = 0.0;
            for value in &values[from..to] {
                ln += ln_student(
                    value - mean,
                    scale * (weight + 1.0) / (shape * weight),
                    2.0 * shape,
                );
                scale += weight * (value - mean) * (value - mean) / (2.0 * (weight + 1.0));
                mean = (weight * mean + value) / (weight + 1.0);
                weight += 1.0;
                shape += 0.5;
            }
            ln
        };
        let mut beliefs = [0.0; 7];
        for cuts in 0..64u32 {
            let (mut from, mut ln) = (0, 0.0);
            for at in 1..7 {
                if cuts & (1 << (at - 1)) > 0 {
                    ln += evidence(from, at) + 0.1f64.ln();
                    from = at;
                } else {
                    ln += 0.9f64.ln();
                }
            }
            beliefs[from] += (ln + evidence(from, 7)).exp();
        }
        let total: f64 = beliefs.iter().sum();
        for run in &state.runs {
            let want = beliefs[run.start as usize] / total;
            assert!((run.p - want).abs() < 1e-6, "{} for {want} at {}", run.p, run.start);
        }
    }

    #[test]
    fn constants_gaps_and_far_values_are_taken() {
        let mut state = Online::new(0.0, 0.0, 0.0, 100.0, 2);
        for value in [1.0, 1.0, f64::NAN, 1e300, f64::INFINITY, -1e300, 0.0].repeat(30) {
            if let Some(change) = state.update(value) {
                assert!(change.p > 0.5 && change.p <= 1.0);
            }
        }
    }
}
