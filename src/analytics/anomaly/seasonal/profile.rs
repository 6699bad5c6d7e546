//! The usual values of a season: one a bin of its phase, between which it is interpolated.

use serde::{Deserialize, Serialize};

use super::core::within;

/// The most bins.
const BINS: usize = 288;
/// How much of what a season brings its bins learn.
const RATE: f64 = 0.2;
/// Values further out, in mean distances times 1.25 (a normal's deviation), are clipped.
const CLIP: f64 = 4.0;
/// How fast the mean distance forgets, a point.
const FORGET: f64 = 1e-3;
/// The weight of the mean distance from which on it clips: that of some twenty points.
const ESTABLISHED: f64 = 0.02;

/// Usual values by phase.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Profile {
    /// ns.
    period: f64,
    /// Points of a bin in one season.
    each: f64,
    /// Usual value and points of each bin.
    bins: Vec<(f64, f64)>,
    /// The mean distance from it, and the weight of that.
    distance: (f64, f64),
}

impl Profile {
    /// Of a period, with rows at this step, both ns.
    pub(super) fn new(period: f64, step: f64) -> Self {
        let points = (period / step).max(2.0);
        let bins = (points.round() as usize).clamp(2, BINS);
        let each = (points / bins as f64).max(1e-9);
        Self { period, each, bins: vec![(0.0, 0.0); bins], distance: (0.0, 0.0) }
    }

    /// ns.
    pub(super) fn period(&self) -> f64 {
        self.period
    }

    pub(super) fn is_sound(&self) -> bool {
        let bin = |bin: &(f64, f64)| within(bin.0) && (0.0..=1e9).contains(&bin.1);
        let weights = [self.distance.0, self.distance.1];
        (2..=BINS).contains(&self.bins.len())
            && self.period.is_finite()
            && self.period > 0.0
            && self.each.is_finite()
            && self.each > 0.0
            && self.bins.iter().all(bin)
            && weights.iter().all(|weight| within(*weight) && *weight >= 0.0)
    }

    /// The bin of a time, and where in it: -0.5..0.5 from its middle.
    fn place(&self, time: i64) -> (usize, f64) {
        let phase = (time as f64).rem_euclid(self.period) / self.period;
        let at = phase * self.bins.len() as f64;
        // Where a bin is one point wide, its points are at its begin.
        let at = if self.each > 1.5 { at } else { at + 0.5 };
        let bin = at as usize;
        (bin % self.bins.len(), at - bin as f64 - 0.5)
    }

    /// The usual value; `None` where nothing was learnt of the phase.
    pub(super) fn expected(&self, time: i64) -> Option<f64> {
        let (bin, off) = self.place(time);
        let (own, points) = self.bins[bin];
        if points == 0.0 {
            return None;
        }
        let count = self.bins.len();
        let next = if off >= 0.0 { (bin + 1) % count } else { (bin + count - 1) % count };
        match self.bins[next] {
            (_, 0.0) => Some(own),
            (other, _) => Some(own + off.abs() * (other - own)),
        }
    }

    /// Learns a value.
    pub(super) fn push(&mut self, time: i64, value: f64) {
        let expected = self.expected(time);
        let (bin, _) = self.place(time);
        let (own, points) = &mut self.bins[bin];
        let mut distance = value - *own;
        let most = match self.distance {
            (mean, weight) if weight >= ESTABLISHED => CLIP * 1.25 * mean / weight,
            _ => f64::INFINITY,
        };
        if *points >= 2.0 * self.each {
            distance = distance.clamp(-most, most);
        }
        *points = (*points + 1.0).min(1e9);
        *own += (RATE / self.each).max(1.0 / *points).min(1.0) * distance;
        if let Some(expected) = expected {
            let (mean, weight) = &mut self.distance;
            *mean += FORGET * ((value - expected).abs().min(most) - *mean);
            *weight += FORGET * (1.0 - *weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_a_season_through_spikes_and_gaps() {
        let mut profile = Profile::new(24.0, 1.0);
        let wave = |at: i64| (at as f64 / 24.0 * std::f64::consts::TAU).sin();
        for at in (0..480).filter(|at| at % 7 != 3) {
            profile.push(at, if at % 113 == 100 { 1e3 } else { wave(at) });
        }
        for at in 480..504 {
            let expected = profile.expected(at).expect("learnt");
            assert!((expected - wave(at)).abs() < 0.35, "{at}: {expected}, not {}", wave(at));
        }
    }

    #[test]
    fn long_seasons_have_bins_between_which_it_is_interpolated() {
        let mut profile = Profile::new(28_800.0, 1.0);
        (0..86_400).for_each(|at| profile.push(at, (at % 28_800) as f64));
        assert_eq!(profile.bins.len(), BINS);
        for at in [20_000, 20_010, 20_049, 20_090] {
            assert!((profile.expected(at).expect("learnt") - at as f64).abs() < 2.0, "{at}");
        }
    }

    #[test]
    fn an_unseen_phase_is_not_foretold() {
        let mut profile = Profile::new(10.0, 1.0);
        profile.push(3, 1.0);
        assert_eq!(profile.expected(13), Some(1.0));
        assert_eq!(profile.expected(14), None);
        assert_eq!(Profile::new(10.0, 1e300).bins.len(), 2);
    }
}
