//! `forecast`: how far from what a forecaster expected.
//!
//! A forecaster (any of those of `forecast`, with its usual options) is fitted to the last `window`
//! steps after every `refit` steps. In between its forecast goes on, corrected by the share of the
//! last step's error that errors have carried over so far (their correlation from step to step), so
//! that what is expected is one step ahead. The deviation is that by the median absolute deviation
//! of the last 256 errors. An error counts as at most four deviations, in the correction and in what
//! is fitted next: one far value misleads neither the next step nor the next fit.
//!
//! Points are steps of `every` (found when not given: the median distance of the first
//! `min_points`); where times leave steps out, those are missing.
//!
//! Options: `forecaster` ("ets"), `window` (512 steps), `refit` (24 steps), `min_points` (32 points
//! until the first fit), `seasons` (found at every fit when not given), `every`. A point costs what
//! a fit does, by `refit`.
//!
//! With `causal=false` the deviation is that of the errors of a whole pass; forecasts are made as
//! ever.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::settings::learnable;
use super::state::{self, Payload, unsound};
use super::{Detector, Method, Scored, floor};
use crate::analytics::Options;
use crate::analytics::forecast::{Prepared, method};
use crate::analytics::numeric::rolling::{Ring, SortedWindow};
use crate::error::{Error, Result};
use crate::kernels::Unguarded;

/// `forecast` by its name.
pub(super) const METHOD: Method = Method { name: "forecast", build, load };

const MOST_WINDOW: usize = 1 << 14;
const MOST_REFIT: usize = 1 << 10;
const MOST_SEASONS: usize = 16;
/// Errors that tell what is usual, and from how many on there are scores.
const ERRORS: usize = 256;
const LEAST_ERRORS: usize = 12;
/// The weight of a new error in what errors carry over.
const WEIGHT: f64 = 2.0 / 65.0;
/// Deviations that an error counts as at most.
const MOST_ERROR: f64 = 4.0;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    forecaster: String,
    window: usize,
    refit: usize,
    min_points: usize,
    seasons: Option<Vec<usize>>,
    every: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    settings: Settings,
    /// The first times, until the step is known.
    first: Vec<i64>,
    step: Option<i64>,
    last_time: Option<i64>,
    /// The last steps, NaN where missing.
    history: VecDeque<f64>,
    /// What was expected of the steps after the last fit; NaN where it failed.
    mean: Vec<f64>,
    /// Steps since the fit.
    at: usize,
    /// The error of the last step, within bounds; NaN for none.
    error: f64,
    /// Weighted means of squared errors, and of products of two in a row.
    squares: f64,
    products: f64,
    /// The deviation of the whole, once that was studied.
    whole: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    state: State,
    errors: Ring,
}

#[derive(Clone, Debug)]
struct Detecting {
    state: State,
    errors: SortedWindow,
}

impl Settings {
    fn is_sound(&self) -> bool {
        (8..=MOST_WINDOW).contains(&self.window)
            && (1..=MOST_REFIT).contains(&self.refit)
            && (4..=self.window).contains(&self.min_points)
            && self.every.is_none_or(|every| every > 0)
            && self.seasons.as_ref().is_none_or(|all| all.len() <= MOST_SEASONS)
    }

    fn start(self) -> Detecting {
        let state = State {
            step: self.every,
            settings: self,
            first: Vec::new(),
            last_time: None,
            history: VecDeque::new(),
            mean: Vec::new(),
            at: 0,
            error: f64::NAN,
            squares: 0.0,
            products: 0.0,
            whole: None,
        };
        Detecting { state, errors: SortedWindow::new(ERRORS) }
    }
}

fn build(options: &mut Options) -> Result<Box<dyn Detector>> {
    let forecaster = options.text("forecaster")?.unwrap_or_else(|| "ets".to_owned());
    method(&forecaster, &mut Options::default())?;
    let window = options.count("window", 8)?.unwrap_or(512);
    let settings = Settings {
        forecaster,
        window,
        refit: options.count("refit", 1)?.unwrap_or(24),
        min_points: options.count("min_points", 4)?.unwrap_or(32.min(window)),
        seasons: options.counts("seasons", 2)?,
        every: options.duration("every")?,
    };
    if !settings.is_sound() {
        return Err(Error::invalid(format!(
            "a detector by forecasts takes a window of at most {MOST_WINDOW} steps, refit of at most \
             {MOST_REFIT}, min_points of at most the window and {MOST_SEASONS} seasons; got {}, {}, {} \
             and {}",
            settings.window,
            settings.refit,
            settings.min_points,
            settings.seasons.as_ref().map_or(0, Vec::len)
        )));
    }
    Ok(Box::new(settings.start()))
}

fn load(payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
    let Saved { state, errors } = payload.decode()?;
    let settings = &state.settings;
    let sound = settings.is_sound()
        && errors.is_sound(ERRORS)
        && state.first.len() <= settings.min_points
        && state.step.is_none_or(|step| step > 0)
        && state.history.len() <= settings.window
        && state.history.iter().all(|value| !value.is_infinite())
        && state.mean.len() <= settings.refit
        && state.at <= state.mean.len()
        && state.whole.is_none_or(|deviation| deviation >= 0.0);
    if !sound || method(&settings.forecaster, &mut Options::default()).is_err() {
        return Err(unsound("its forecaster or its steps"));
    }
    Ok(Box::new(Detecting { state, errors: SortedWindow::of(errors) }))
}

impl State {
    /// Puts in one step.
    fn push(&mut self, value: f64) {
        if self.history.len() == self.settings.window {
            self.history.pop_front();
        }
        self.history.push_back(value);
        self.at = (self.at + 1).min(self.mean.len());
    }

    /// Puts in the steps that were left out before this time.
    fn skip(&mut self, time: i64) {
        let last = self.last_time.replace(time);
        if self.step.is_none() {
            self.first.push(time);
            if self.first.len() >= self.settings.min_points {
                let pairs = self.first.windows(2);
                let mut steps: Vec<i64> = pairs
                    .map(|pair| pair[1].saturating_sub(pair[0]))
                    .filter(|step| *step > 0)
                    .collect();
                steps.sort_unstable();
                self.step = Some(steps.get(steps.len() / 2).copied().unwrap_or(1));
                self.first = Vec::new();
            }
            return;
        }
        let (Some(step), Some(last)) = (self.step, last) else { return };
        let ahead = time.saturating_sub(last).saturating_add(step / 2) / step;
        let left_out = usize::try_from(ahead - 1).unwrap_or(0).min(self.settings.window);
        for _ in 0..left_out {
            self.push(f64::NAN);
            self.error = f64::NAN;
        }
    }

    /// Fits the history and says what is expected of the next steps; NaN when that fails.
    fn fit(&mut self) {
        let refit = self.settings.refit;
        self.at = 0;
        self.mean = self.forecast(refit).unwrap_or_default();
        self.mean.resize(refit, f64::NAN);
    }

    fn forecast(&self, horizon: usize) -> Result<Vec<f64>> {
        let forecaster = method(&self.settings.forecaster, &mut Options::default())?;
        let values = self.history.iter().copied().collect();
        let step = self.step.unwrap_or(1);
        let prepared = Prepared::of_steps(0, step, values, self.settings.seasons.as_deref());
        let ahead = prepared.ahead;
        let all = forecaster.forecast(&prepared.history(), ahead + horizon, &Unguarded)?;
        Ok(all.mean.iter().skip(ahead).map(|value| value * prepared.unit).collect())
    }

    /// The part of an error that is still there a step later.
    fn carried(&self) -> f64 {
        let share = self.products / self.squares;
        if share > 0.0 { share.min(0.95) } else { 0.0 }
    }
}

impl Detector for Detecting {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn study(&mut self, times: &[i64], values: &[f64]) -> Result<()> {
        let mut pass = self.state.settings.clone().start();
        let mut errors = SortedWindow::new(values.len());
        for (time, value) in times.iter().zip(values) {
            let expected = pass.update(*time, *value).expected;
            errors.push(learnable(*value).unwrap_or(f64::NAN) - expected);
        }
        *self = self.state.settings.clone().start();
        let deviation = errors.mad_sigma(0.0);
        self.state.whole = (!deviation.is_nan()).then_some(deviation);
        Ok(())
    }

    fn rewind(&mut self) {
        self.state.last_time = None;
    }

    fn update(&mut self, time: i64, value: f64) -> Scored {
        let state = &mut self.state;
        state.skip(time);
        let known = state.history.iter().filter(|value| !value.is_nan()).count();
        if state.at == state.mean.len() && known >= state.settings.min_points {
            state.fit();
            state.error = f64::NAN;
        }
        let ahead = state.mean.get(state.at).copied().unwrap_or(f64::NAN);
        let carried = if state.error.is_nan() { 0.0 } else { state.carried() * state.error };
        let expected = ahead + carried;
        let deviation = match state.whole {
            Some(deviation) => deviation,
            None if self.errors.sorted().len() >= LEAST_ERRORS => self.errors.mad_sigma(0.0),
            None => f64::NAN,
        };
        let scored = match expected.is_finite() && !deviation.is_nan() {
            true => Scored::around(value, expected, deviation),
            false => Scored { expected, ..Scored::NONE },
        };
        let learnt = learnable(value).unwrap_or(f64::NAN);
        self.errors.push(learnt - expected);
        let most = MOST_ERROR * deviation.max(floor(expected));
        let error = learnt - ahead;
        let error = if most.is_nan() { error } else { error.clamp(-most, most) };
        // Where errors are usually none, a change of any size is one of level.
        let fitted = match deviation > 0.0 && expected.is_finite() {
            true => learnt.clamp(expected - most, expected + most),
            false => learnt,
        };
        if !error.is_nan() {
            state.squares += WEIGHT * (error * error - state.squares);
            if !state.error.is_nan() {
                state.products += WEIGHT * (error * state.error - state.products);
            }
        }
        state.error = error;
        state.push(fitted);
        scored
    }

    fn note(&self) -> Option<String> {
        Some(format!("expected by the forecaster {}", self.state.settings.forecaster))
    }

    fn save(&self) -> Vec<u8> {
        let saved = Saved { state: self.state.clone(), errors: self.errors.ring().clone() };
        state::save(METHOD.name, &saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::Value;

    #[test]
    fn steps_that_times_leave_out_do_not_move_the_season() {
        let given = [
            ("forecaster".to_owned(), Value::Text("seasonal_naive".to_owned())),
            ("seasons".to_owned(), Value::Int(8)),
        ];
        let mut detector = build(&mut Options::new(given)).expect("built");
        let value = |at: i64| ((at % 8) * (at % 8)) as f64;
        for at in (0..200i64).filter(|at| !(100..120).contains(at) && at % 37 != 0) {
            let scored = detector.update(at * 1000 + at % 3, value(at));
            if at > 60 {
                assert!((scored.expected - value(at)).abs() < 1e-9, "{at}: {scored:?}");
            }
        }
        assert!(detector.update(200_000, 30.0).score > 0.9);
    }

    #[test]
    fn an_unknown_forecaster_is_refused() {
        let given = [("forecaster".to_owned(), Value::Text("seasonal_naiv".to_owned()))];
        let error = build(&mut Options::new(given)).expect_err("refused").to_string();
        assert!(error.contains("seasonal_naive"), "{error}");
    }
}
