//! How rare a measure is in the history of its own series: what makes the sizes of different
//! detectors, and of different series, comparable.
//!
//! The sizes seen so far are counted in bins of equal ratio. Inside, the share of larger ones is the
//! answer; beyond the 95 % quantile a Pareto tail (the peaks-over-threshold method; Siffer et al.,
//! "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017) with Hill's estimate of its
//! index, shrunk to a prior while few lie there, tells how rare a size is that was never seen.

use serde::{Deserialize, Serialize};

/// Bins of equal ratio, from [`LEAST`] to [`MOST`] typical sizes; the first and last are open.
const BINS: usize = 160;
const LEAST: f64 = 0.05;
const MOST: f64 = 2000.0;
/// What lies above this quantile is the tail.
const QUANTILE: f64 = 0.95;
/// How fast the past is forgotten, a point.
const FORGET: f64 = 1e-4;
/// Fewer sizes tell nothing; half of one less, since the first are a little forgotten.
const ENOUGH: f64 = 19.5;
/// The prior of the tail's mean log excess, as if it had been seen once.
const PRIOR_EXCESS: f64 = 0.3;
/// What is rarer counts less as history: it may be what is looked for. Three standard deviations.
const ALERT: f64 = 2.57;
const DOUBT: f64 = 0.25;
/// Weights grow, since forgetting is that the new weighs more; from here on all are scaled down.
const HEAVY: f64 = 1e100;

/// Counts of the sizes seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tail {
    counts: Vec<f64>,
    /// Sums of the logarithms in each bin.
    logs: Vec<f64>,
    total: f64,
    weight: f64,
}

impl Tail {
    pub(super) fn new() -> Self {
        Self { counts: vec![0.0; BINS], logs: vec![0.0; BINS], total: 0.0, weight: 1.0 }
    }

    /// Whether it can have come from [`Self::new`] and any sizes: what a loaded state is asked.
    pub(super) fn is_sound(&self) -> bool {
        let weights =
            |all: &[f64]| all.len() == BINS && all.iter().all(|c| (0.0..1e104).contains(c));
        weights(&self.counts)
            && self.logs.len() == BINS
            && self.logs.iter().all(|log| log.abs() < 1e107)
            && (0.0..1e105).contains(&self.total)
            && (1.0..=HEAVY).contains(&self.weight)
    }

    /// -log10 of the probability of a size as large; `None` while too little was seen.
    pub(super) fn rarity(&self, size: f64) -> Option<f64> {
        if self.total < ENOUGH * self.weight {
            return None;
        }
        let (log, bin) = place(size);
        if bin == 0 {
            return Some(0.0);
        }
        let (mut beyond, mut logs, mut edge) = (0.0, 0.0, BINS - 1);
        while edge > 0 && beyond + self.counts[edge] <= (1.0 - QUANTILE) * self.total {
            beyond += self.counts[edge];
            logs += self.logs[edge];
            edge -= 1;
        }
        let share =
            |count: f64| ((count + 0.5 * self.weight) / (self.total + self.weight)).min(1.0);
        if bin <= edge {
            let larger: f64 = self.counts[bin + 1..=edge].iter().sum();
            return Some(-share(beyond + larger + 0.5 * self.counts[bin]).log10());
        }
        let begin = LEAST.ln() + edge as f64 / per_log();
        let excess = (logs - beyond * begin + PRIOR_EXCESS * self.weight) / (beyond + self.weight);
        let steps = (log - begin).max(0.0) / excess.max(1e-6);
        Some(steps * std::f64::consts::LOG10_E - share(beyond).log10())
    }

    /// Counts a size.
    pub(super) fn push(&mut self, size: f64) {
        let (log, bin) = place(size);
        self.weight /= 1.0 - FORGET;
        let weight =
            if self.rarity(size).is_some_and(|r| r > ALERT) { DOUBT } else { 1.0 } * self.weight;
        self.counts[bin] += weight;
        self.logs[bin] += weight * log;
        self.total += weight;
        if self.weight > HEAVY {
            let scale = self.weight;
            self.counts.iter_mut().chain(&mut self.logs).for_each(|sum| *sum /= scale);
            self.total /= scale;
            self.weight = 1.0;
        }
    }
}

fn per_log() -> f64 {
    (BINS - 1) as f64 / (MOST / LEAST).ln()
}

/// The logarithm of a size, within bounds, and its bin.
fn place(size: f64) -> (f64, usize) {
    let log = size.clamp(LEAST, 1e150).ln();
    let bin = (log - LEAST.ln()) * per_log();
    (log, if bin <= 0.0 { 0 } else { (bin as usize + 1).min(BINS - 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes of the normal distribution, by quantiles in a scrambled order.
    fn normal(points: usize) -> impl Iterator<Item = f64> {
        use statrs::distribution::{ContinuousCDF, Normal};
        let normal = Normal::standard();
        (0..points).map(move |at| {
            let at = (at * 7919) % points;
            normal.inverse_cdf(0.5 + 0.5 * (at as f64 + 0.5) / points as f64)
        })
    }

    #[test]
    fn rarity_is_the_share_of_larger_sizes() {
        let mut tail = Tail::new();
        normal(5003).for_each(|size| tail.push(size));
        for (size, share) in [(0.6745, 0.5), (1.0, 0.317), (1.96, 0.05), (2.576, 0.01)] {
            let told = 10f64.powf(-tail.rarity(size).expect("enough"));
            assert!((told / share).ln().abs() < 0.25, "{size}: {told}, not {share}");
        }
    }

    #[test]
    fn rarity_rises_with_size_without_end_and_needs_some_history() {
        let mut tail = Tail::new();
        for (at, size) in normal(1009).enumerate() {
            assert_eq!(tail.rarity(3.0).is_some(), at >= 20);
            tail.push(size);
        }
        let sizes = (0..400).map(|at| 0.01 * 1.1f64.powi(at));
        let told: Vec<f64> = sizes.map(|size| tail.rarity(size).expect("enough")).collect();
        assert!(told.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(told[399] > 30.0);
        assert_eq!(tail.rarity(f64::INFINITY), tail.rarity(1e200));
    }

    #[test]
    fn a_million_points_stay_sound() {
        let mut tail = Tail::new();
        for at in 0..2_400_000u32 {
            tail.push(f64::from(at % 50) / 10.0);
        }
        assert!(tail.is_sound());
        assert!((tail.rarity(2.45).expect("enough") - 0.3).abs() < 0.1);
    }
}
