//! A recurrent network that corrects the seasonal naive.
//!
//! At each step the network is told the last differences and the phase of each season, and says, for
//! each of the next steps, how far the value will lie from the seasonal naive (the naive without a
//! season), in units of that naive's usual error. It begins by saying zero, is trained on the first
//! four fifths and stopped where it does best on the rest, then trained as long on the whole; where
//! nothing helps it stays at the naive. The spread is its error on that rest. Only the last `window`
//! values are trained on.

use super::{Forecast, Forecaster, History, Method, Replay};
use crate::analytics::Options;
use crate::analytics::lstm::{Network, Samples, State, Training, train};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// `lstm` by its name.
pub(super) const METHOD: Method =
    Method { name: "lstm", cheap: false, make: |options| Ok(Box::new(Lstm::take(options)?)) };

/// The most steps that are said at once; further ones are said of those.
const MOST_AHEAD: usize = 48;
/// The fewest values to train on.
const LEAST: usize = 40;
/// Inputs besides the phases of seasons.
const OWN: usize = 3;
/// Seasons whose phase is told.
const MOST_SEASONS: usize = 3;

/// The method's settings.
#[derive(Clone, Copy, Debug)]
pub struct Lstm {
    training: Training,
    window: usize,
}

impl Lstm {
    /// Takes `cells` (16), `epochs` (40: the most passes), `window` (2000: how many of the last
    /// values are trained on) and `seed` (1).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for values out of range.
    pub fn take(options: &mut Options) -> Result<Self> {
        let mut training = Training::default();
        let cells = options.count("cells", 1)?.unwrap_or(training.cells);
        let epochs = options.count("epochs", 0)?.unwrap_or(training.epochs);
        let window = options.count("window", LEAST)?.unwrap_or(2_000);
        let seed = options.count("seed", 0)?.unwrap_or(1);
        if cells > 256 || epochs > 10_000 || window > 1 << 20 {
            return Err(Error::invalid(format!(
                "cells are at most 256, epochs 10000 and the window {}; got {cells}, {epochs}, \
                 {window}",
                1 << 20
            )));
        }
        training.cells = cells;
        training.epochs = epochs;
        training.seed = seed as u64;
        Ok(Self { training, window })
    }
}

/// A series as the network sees it.
struct View<'a> {
    values: &'a [f64],
    /// The place of the first value in the whole history, for the phases.
    offset: usize,
    season: usize,
    seasons: Vec<usize>,
    ahead: usize,
    scale: f64,
}

impl<'a> View<'a> {
    fn new(history: &History<'a>, horizon: usize, window: usize) -> Result<Self> {
        history.at_least(LEAST, METHOD.name)?;
        let offset = history.values.len().saturating_sub(window);
        let values = &history.values[offset..];
        let fits = |m: &usize| m.saturating_mul(3) <= values.len();
        let seasons: Vec<usize> =
            history.seasons.iter().copied().filter(fits).take(MOST_SEASONS).collect();
        let season = seasons.last().copied().unwrap_or(1);
        let ahead = horizon.clamp(1, MOST_AHEAD).min(values.len() / 4);
        let mut view = Self { values, offset, season, seasons, ahead, scale: 1.0 };
        let (mut sum, mut count) = (0.0, 0.0f64);
        for at in season..values.len() {
            sum += (values[at] - values[at - season]).abs();
            count += 1.0;
        }
        let scale = sum / count.max(1.0);
        view.scale = if scale > 0.0 && scale.is_finite() { scale } else { 1.0 };
        Ok(view)
    }

    fn inputs(&self) -> usize {
        OWN + 2 * self.seasons.len()
    }

    /// What the network is told of one step of a series that begins where this one does.
    fn tell(&self, values: &[f64], at: usize, to: &mut Vec<f64>) {
        let now = values[at];
        let since = |steps: usize| at.checked_sub(steps).map_or(0.0, |then| now - values[then]);
        let behind = at.saturating_sub(2 * self.season.max(12) - 1);
        let level = values[behind..=at].iter().sum::<f64>() / (at - behind + 1) as f64;
        for difference in [since(1), since(self.season), now - level] {
            to.push((difference / self.scale).asinh());
        }
        for season in &self.seasons {
            let phase = ((self.offset + at) % season) as f64 / *season as f64;
            let angle = phase * std::f64::consts::TAU;
            to.extend([angle.sin(), angle.cos()]);
        }
    }

    /// The seasonal naive of the step `ahead` (from 1) after `at`.
    fn naive(&self, values: &[f64], at: usize, ahead: usize) -> f64 {
        let back = self.season * ahead.div_ceil(self.season);
        (at + ahead).checked_sub(back).map_or(values[at], |then| values[then])
    }

    /// Inputs and targets of the steps within `from..to`, of which targets lie before `to`.
    fn samples(&self, from: usize, to: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for at in from..to {
            self.tell(self.values, at, &mut inputs);
            for ahead in 1..=self.ahead {
                let known = at + ahead < to && at + 1 >= self.season;
                targets.push(if known {
                    (self.values[at + ahead] - self.naive(self.values, at, ahead)) / self.scale
                } else {
                    f64::NAN
                });
            }
        }
        (inputs, targets)
    }

    fn trained(
        &self,
        end: usize,
        held_out: usize,
        training: &Training,
        guard: &dyn Guard,
    ) -> Result<(Network, usize)> {
        let (inputs, outputs) = (self.inputs(), self.ahead);
        let (from, targets) = self.samples(0, end);
        let samples = Samples { inputs, outputs, from: &from, targets: &targets };
        if held_out == 0 {
            return train(&samples, None, training, guard);
        }
        let (from, targets) = self.samples(end, end + held_out);
        let later = Samples { inputs, outputs, from: &from, targets: &targets };
        train(&samples, Some(&later), training, guard)
    }

    /// The network's state after the first `end` values.
    fn state(&self, network: &Network, end: usize) -> State {
        let mut state = State::new(network.cells());
        let mut said = vec![0.0; self.ahead];
        let mut told = Vec::new();
        for at in 0..end {
            told.clear();
            self.tell(self.values, at, &mut told);
            network.step(&told, &mut state, &mut said);
        }
        state
    }

    /// The steps after the first `end` values; what is further than the network says is said of
    /// what it said.
    fn ahead(&self, network: &Network, end: usize, horizon: usize) -> Vec<f64> {
        let mut values = self.values[..end].to_vec();
        let mut state = self.state(network, end - 1);
        let mut said = vec![0.0; self.ahead];
        let (mut told, mut from) = (Vec::new(), end - 1);
        loop {
            for at in from..values.len() {
                told.clear();
                self.tell(&values, at, &mut told);
                network.step(&told, &mut state, &mut said);
            }
            from = values.len();
            let last = from - 1;
            for (at, said) in said.iter().enumerate() {
                let naive = self.naive(&values, last, at + 1);
                values.push(naive + said * self.scale);
            }
            if values.len() >= end + horizon {
                values.truncate(end + horizon);
                return values.split_off(end);
            }
        }
    }

    /// The root of the mean squared error of each step ahead, on the values from `end` on, which
    /// never falls; steps further than the network says grow as a walk does.
    fn errors(
        &self,
        network: &Network,
        end: usize,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Vec<f64>> {
        let mut state = self.state(network, end - 1);
        let mut said = vec![0.0; self.ahead];
        let (mut sums, mut counts) = (vec![0.0; self.ahead], vec![0.0f64; self.ahead]);
        let mut told = Vec::new();
        for at in end - 1..self.values.len() {
            guard.poll()?;
            told.clear();
            self.tell(self.values, at, &mut told);
            network.step(&told, &mut state, &mut said);
            for (ahead, said) in said.iter().enumerate() {
                let Some(truth) = self.values.get(at + ahead + 1) else { break };
                let error = truth - self.naive(self.values, at, ahead + 1) - said * self.scale;
                sums[ahead] += error * error;
                counts[ahead] += 1.0;
            }
        }
        let mut errors = Vec::with_capacity(horizon);
        let mut largest: f64 = 0.0;
        for (sum, count) in sums.iter().zip(&counts) {
            largest = largest.max((sum / count.max(1.0)).sqrt());
            errors.push(largest);
        }
        while errors.len() < horizon {
            let turns = (errors.len() / self.ahead + 1) as f64;
            errors.push(largest * turns.sqrt());
        }
        errors.truncate(horizon);
        Ok(errors)
    }
}

impl Lstm {
    fn run(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        guard: &dyn Guard,
    ) -> Result<Replay> {
        let view = View::new(history, horizon, self.window)?;
        let whole = view.values.len();
        let end = whole - whole / 5;
        let (rough, epochs) = view.trained(end, whole - end, &self.training, guard)?;
        let spread = view.errors(&rough, end, horizon, guard)?;
        let training = Training { epochs, ..self.training };
        let (network, _) = view.trained(whole, 0, &training, guard)?;
        let now = Forecast::new(view.ahead(&network, whole, horizon), spread.clone())
            .using(format!("lstm after {epochs} passes"));
        let mut then = Vec::new();
        // By the network that has not seen what came after them.
        for origin in origins.iter().filter_map(|origin| origin.checked_sub(view.offset)) {
            if (end..whole).contains(&origin) {
                guard.poll()?;
                let mean = view.ahead(&rough, origin, horizon);
                then.push((origin + view.offset, Forecast::new(mean, spread.clone())));
            }
        }
        Ok(Replay { now, then })
    }
}

impl Forecaster for Lstm {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn forecast(
        &self,
        history: &History<'_>,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Forecast> {
        Ok(self.run(history, horizon, &[], guard)?.now)
    }

    fn replay(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        guard: &dyn Guard,
    ) -> Result<Replay> {
        self.run(history, horizon, origins, guard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    fn lstm(epochs: usize) -> Lstm {
        let training = Training { cells: 8, epochs, ..Training::default() };
        Lstm { training, window: 2_000 }
    }

    /// A product of two waves, which no seasonal naive of either period foresees.
    fn values(length: usize) -> Vec<f64> {
        let wave = |t: usize, period: f64| (t as f64 / period * std::f64::consts::TAU).sin();
        (0..length).map(|t| 50.0 + 10.0 * wave(t, 12.0) * (1.0 + 0.6 * wave(t, 31.0))).collect()
    }

    fn error(mean: &[f64], truth: &[f64]) -> f64 {
        mean.iter().zip(truth).map(|(m, t)| (m - t).abs()).sum::<f64>() / mean.len() as f64
    }

    #[test]
    fn what_the_seasonal_naive_misses_is_partly_learnt() {
        let all = values(620);
        let history = History { start: 0, step: 1, values: &all[..600], seasons: &[12] };
        let own = lstm(40).forecast(&history, 12, &Unguarded).expect("fits");
        let naive = error(&all[588..600], &all[600..612]);
        let ours = error(&own.mean, &all[600..612]);
        assert!(ours < 0.7 * naive, "{ours} is not below {naive}");
        assert!(own.spread.windows(2).all(|pair| pair[1] >= pair[0]), "{:?}", own.spread);
    }

    #[test]
    fn a_seed_gives_one_forecast_and_other_units_the_same() {
        let values = values(200);
        let history = History { start: 0, step: 1, values: &values, seasons: &[12] };
        let first = lstm(3).forecast(&history, 30, &Unguarded).expect("fits");
        assert_eq!(first, lstm(3).forecast(&history, 30, &Unguarded).expect("fits"));
        assert_eq!(first.mean.len(), 30);
        let larger: Vec<f64> = values.iter().map(|v| v * 1024.0).collect();
        let other = lstm(3).forecast(&history.with(&larger, &[12]), 30, &Unguarded).expect("fits");
        for (a, b) in first.mean.iter().zip(&other.mean) {
            assert!((a * 1024.0 - b).abs() < 1e-6 * b.abs(), "{a} {b}");
        }
    }

    #[test]
    fn replayed_forecasts_stand_behind_what_was_trained_on() {
        let values = values(300);
        let history = History { start: 0, step: 1, values: &values, seasons: &[12] };
        let replay = lstm(2).replay(&history, 6, &[10, 100, 250, 299], &Unguarded).expect("fits");
        let origins: Vec<usize> = replay.then.iter().map(|(at, _)| *at).collect();
        assert_eq!(origins, [250, 299]);
    }

    #[test]
    fn short_and_constant_histories_are_met() {
        let history = |values: &'static [f64]| History { start: 0, step: 1, values, seasons: &[] };
        assert!(lstm(2).forecast(&history(&[1.0; 39]), 3, &Unguarded).is_err());
        let constant = lstm(2).forecast(&history(&[4.0; 60]), 100, &Unguarded).expect("fits");
        assert!(constant.mean.iter().all(|v| (v - 4.0).abs() < 1e-6), "{constant:?}");
    }
}
