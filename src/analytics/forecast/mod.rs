//! Forecasts: what comes next, how sure that is, and whether it beats the seasonal naive.
//!
//! A [`Forecaster`] fits a [`History`] (equal steps, nothing missing) and says a mean and a spread
//! for each of the next steps. What is around it is the same for every method: [`Prepared`] puts
//! rows on steps and fills gaps, `seasons` finds seasons when none are given, [`Calibration`]
//! turns the method's own spread into intervals that hold what they promise, and `rolling`
//! measures the method where the answer is known.

mod auto;
mod calibration;
mod clock;
mod decompose;
mod ensemble;
mod ets;
mod functions;
mod lags;
mod logged;
mod measures;
mod method;
mod mstl;
mod naive;
mod prepare;
mod request;
mod rolling;
mod seasons;
mod smooth_seasons;
mod theta;

pub mod arima;
pub mod lstm;
pub mod prophet;

use crate::analytics::{Function, Input};
use crate::error::{Error, Result};
use crate::kernels::Guard;

pub use auto::Auto;
pub use calibration::Calibration;
pub use ensemble::Ensemble;
pub use ets::Ets;
pub use functions::{forecast_with, forecasts_of};
pub use lags::Lags;
pub use logged::Logged;
pub use method::{METHODS, Method, method};
pub use mstl::Mstl;
pub use naive::{Drift, Naive, Naive2, SeasonalNaive};
pub use prepare::Prepared;
pub use request::Request;
pub use smooth_seasons::SmoothSeasons;
pub use theta::Theta;

/// Forecasts, as functions.
pub const FUNCTIONS: &[Function] = &[
    Function { name: "forecast", fields: (1, 1), run: functions::forecast },
    Function { name: "backtest", fields: (1, 1), run: functions::backtest },
];

/// What is known when a forecast is made.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// The time of the first value, ns.
    pub start: i64,
    /// From value to value, ns.
    pub step: i64,
    /// At equal distances; finite: gaps are filled before a method sees them ([`Prepared`]).
    pub values: &'a [f64],
    /// Lengths of the seasons in steps, the shortest first, each at least 2; empty for none. A
    /// season may be longer than the history.
    pub seasons: &'a [usize],
}

impl<'a> History<'a> {
    /// Its first `len` values.
    pub fn prefix(&self, len: usize) -> History<'a> {
        Self { values: &self.values[..len.min(self.values.len())], ..*self }
    }

    /// The same with other values.
    pub fn with<'b>(&self, values: &'b [f64], seasons: &'b [usize]) -> History<'b> {
        History { start: self.start, step: self.step, values, seasons }
    }

    /// The longest season of which there are two cycles, or the shortest at all that fits once;
    /// 1 for none.
    pub fn main_season(&self) -> usize {
        let twice =
            self.seasons.iter().copied().filter(|m| m.saturating_mul(2) <= self.values.len());
        twice.max().unwrap_or(1)
    }

    /// # Errors
    /// When there are fewer values than `least`.
    pub fn at_least(&self, least: usize, method: &str) -> Result<()> {
        if self.values.len() >= least {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "{method} needs at least {least} values, got {}",
            self.values.len()
        )))
    }
}

/// What is expected of the steps after a history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forecast {
    /// One value a step.
    pub mean: Vec<f64>,
    /// Standard deviations of what the method itself thinks of its errors, one a step.
    pub spread: Vec<f64>,
    /// What was used, for methods that choose: a model's form, the members of a median.
    pub used: Option<String>,
}

impl Forecast {
    /// A mean and a spread, one value a step each.
    pub fn new(mean: Vec<f64>, spread: Vec<f64>) -> Self {
        Self { mean, spread, used: None }
    }

    /// The same, with what was used.
    pub fn using(self, used: impl Into<String>) -> Self {
        Self { used: Some(used.into()), ..self }
    }
}

/// A forecast, and those that would have been made earlier.
#[derive(Clone, Debug)]
pub struct Replay {
    /// After the whole history.
    pub now: Forecast,
    /// How many values were known, and what was expected then.
    pub then: Vec<(usize, Forecast)>,
}

/// Refits that a replay costs at most, for methods that cannot do it cheaper.
const REFITS: usize = 3;

/// A method: fits a history and goes on.
///
/// Forecasts are equivariant: a history in other units gives the same forecast in those units.
pub trait Forecaster: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// The next `horizon` steps. Fits that may take longer than 50 ms poll the guard.
    ///
    /// # Errors
    /// When the history is too short for the method, or it cannot be fitted.
    fn forecast(
        &self,
        history: &History<'_>,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Forecast>;

    /// The same method with the rows of a series at their own times, for methods that take those
    /// rather than steps; a history that it gets then is these rows, or the first of them.
    fn of_rows(&self, _rows: &Input<'_>, _prepared: &Prepared) -> Option<Box<dyn Forecaster>> {
        None
    }

    /// The next `horizon` steps, and what would have been expected of the steps after the first so
    /// many values (`origins`, ascending), by which intervals are calibrated. A method may keep the
    /// parameters that it has fitted to the whole, and may leave origins out.
    ///
    /// # Errors
    /// Those of [`Self::forecast`] for the whole history.
    fn replay(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        guard: &dyn Guard,
    ) -> Result<Replay> {
        let now = self.forecast(history, horizon, guard)?;
        let mut then = Vec::new();
        for origin in spaced(origins, REFITS) {
            guard.poll()?;
            // An origin with too little before it says nothing about the method.
            if let Ok(past) = self.forecast(&history.prefix(origin), horizon, guard) {
                then.push((origin, past));
            }
        }
        Ok(Replay { now, then })
    }
}

/// At most `most` of these, evenly, the first among them.
fn spaced(origins: &[usize], most: usize) -> impl Iterator<Item = usize> + '_ {
    let every = origins.len().div_ceil(most.max(1)).max(1);
    origins.iter().copied().step_by(every)
}

#[cfg(test)]
mod tests;
