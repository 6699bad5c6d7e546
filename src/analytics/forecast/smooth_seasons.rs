//! Exponential smoothing of a level and of several seasons at once, with a memory of the last error.
//!
//! Taylor, Short-term electricity demand forecasting using double seasonal exponential smoothing
//! (2003), in its additive form without a trend, for any number of seasons.

use super::{Forecast, Forecaster, History, Replay};
use crate::analytics::numeric::minimize::{Stop, nelder_mead};
use crate::error::{Error, Result};
use crate::kernels::Guard;

const STOP: Stop = Stop { gain: 1e-4, evaluations: 120 };

/// Smooths a level and every season of which there are two cycles.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmoothSeasons;

/// How fast each part follows the errors.
#[derive(Clone, Debug)]
struct Smoothing {
    level: f64,
    seasons: Vec<f64>,
    /// The share of an error that comes again at the next step.
    memory: f64,
}

#[derive(Clone, Debug)]
struct State {
    level: f64,
    seasons: Vec<Vec<f64>>,
    error: f64,
}

impl State {
    /// The mean of all values, and of each phase what shorter seasons leave of it.
    fn start(values: &[f64], seasons: &[usize]) -> Self {
        let level = values.iter().sum::<f64>() / values.len() as f64;
        let mut rest: Vec<f64> = values.iter().map(|y| y - level).collect();
        let mut states = Vec::with_capacity(seasons.len());
        for &season in seasons {
            let mut means = vec![0.0; season];
            for (phase, mean) in means.iter_mut().enumerate() {
                let own = rest.iter().skip(phase).step_by(season);
                let count = own.len();
                *mean = own.sum::<f64>() / count.max(1) as f64;
            }
            rest.iter_mut().enumerate().for_each(|(t, y)| *y -= means[t % season]);
            states.push(means);
        }
        Self { level, seasons: states, error: 0.0 }
    }

    /// Goes over values; returns the sum of the squares of their errors behind the first `skip`.
    fn pass(&mut self, p: &Smoothing, values: &[f64], skip: usize) -> f64 {
        let mut squares = 0.0;
        let mut phases = vec![0; self.seasons.len()];
        for (t, y) in values.iter().enumerate() {
            let base: f64 =
                self.seasons.iter().zip(&phases).map(|(s, phase)| s[*phase]).sum::<f64>()
                    + self.level;
            let off = y - base;
            let error = off - p.memory * self.error;
            if t >= skip {
                squares += error * error;
            }
            self.level += p.level * error;
            for ((season, phase), factor) in
                self.seasons.iter_mut().zip(&mut phases).zip(&p.seasons)
            {
                season[*phase] += factor * error;
                *phase += 1;
                if *phase == season.len() {
                    *phase = 0;
                }
            }
            self.error = off;
        }
        squares
    }

    fn ahead(&self, p: &Smoothing, variance: f64, known: usize, horizon: usize) -> Forecast {
        let (mut mean, mut spread) = (Vec::with_capacity(horizon), Vec::with_capacity(horizon));
        let (mut memory, mut sum) = (p.memory * self.error, 0.0);
        for k in 0..horizon {
            let season: f64 = self.seasons.iter().map(|s| s[(known + k) % s.len()]).sum();
            mean.push(self.level + season + memory);
            memory *= p.memory;
            let mut weight = if k == 0 { 1.0 } else { p.level + p.memory.powi(k as i32) };
            for (factor, season) in p.seasons.iter().zip(&self.seasons) {
                if k > 0 && k % season.len() == 0 {
                    weight += factor;
                }
            }
            sum += weight * weight;
            spread.push((variance * sum).sqrt());
        }
        Forecast::new(mean, spread)
    }
}

struct Fitted {
    smoothing: Smoothing,
    start: State,
    variance: f64,
}

fn smoothing(x: &[f64]) -> Smoothing {
    let bounded = |x: f64, most: f64| most / (1.0 + (-x).exp());
    Smoothing {
        level: bounded(x[0], 0.9),
        memory: bounded(x[1], 0.98),
        seasons: x[2..].iter().map(|x| bounded(*x, 0.9)).collect(),
    }
}

fn fit(history: &History<'_>) -> Result<Fitted> {
    let values = history.values;
    let twice = |m: &usize| *m * 2 <= values.len();
    let seasons: Vec<usize> = history.seasons.iter().copied().filter(twice).collect();
    let Some(&longest) = seasons.last() else {
        return Err(Error::invalid("smoothing of seasons needs two cycles of one"));
    };
    let start = State::start(values, &seasons);
    let mut state = start.clone();
    let objective = |x: &[f64]| {
        state.clone_from(&start);
        // The start knows the means of all values: the first cycle would look too good.
        state.pass(&smoothing(x), values, longest).max(1e-300).ln()
    };
    let mut first = vec![-2.0, 0.5];
    first.resize(2 + seasons.len(), -2.0);
    let found = nelder_mead(objective, &first, &vec![1.0; first.len()], STOP);
    let smoothing = smoothing(&found.at);
    let squares = start.clone().pass(&smoothing, values, longest);
    let variance = squares / (values.len() - longest).max(1) as f64;
    Ok(Fitted { smoothing, start, variance })
}

impl Fitted {
    fn ahead(&self, past: &[f64], horizon: usize) -> Forecast {
        let mut state = self.start.clone();
        state.pass(&self.smoothing, past, 0);
        state.ahead(&self.smoothing, self.variance, past.len(), horizon)
    }
}

impl Forecaster for SmoothSeasons {
    fn name(&self) -> &'static str {
        "smooth_seasons"
    }

    fn forecast(&self, history: &History<'_>, horizon: usize, _: &dyn Guard) -> Result<Forecast> {
        Ok(fit(history)?.ahead(history.values, horizon))
    }

    fn replay(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        _: &dyn Guard,
    ) -> Result<Replay> {
        let fitted = fit(history)?;
        let past = |&origin: &usize| {
            let steps = horizon.min(history.values.len() - origin);
            (origin, fitted.ahead(&history.values[..origin], steps))
        };
        let then = origins.iter().map(past).collect();
        Ok(Replay { now: fitted.ahead(history.values, horizon), then })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    #[test]
    fn two_seasons_and_a_shifted_level_go_on() {
        let wave = |t: usize| [3.0, -3.0][t % 2] + [5.0, 0.0, -5.0, 2.0, 1.0, -3.0][t % 6];
        let values: Vec<f64> =
            (0..90).map(|t| wave(t) + if t >= 40 { 20.0 } else { 10.0 }).collect();
        let history = History { start: 0, step: 1, values: &values, seasons: &[2, 6] };
        let forecast = SmoothSeasons.forecast(&history, 6, &Unguarded).expect("two cycles");
        for (k, mean) in forecast.mean.iter().enumerate() {
            assert!((mean - wave(90 + k) - 20.0).abs() < 1.2, "{forecast:?}");
        }
        let short = history.prefix(3);
        assert!(SmoothSeasons.forecast(&short, 6, &Unguarded).is_err());
    }
}
