//! Exponential smoothing in its state-space forms, chosen by AICc.
//!
//! Hyndman & Khandakar, Automatic time series forecasting: the forecast package for R (2008): every
//! form that suits the values is fitted by maximum likelihood, the states at the start included,
//! and the least AICc wins. Here the likelihood is maximised with its exact gradient.

mod fit;
mod form;
mod recursion;
mod spread;

use super::{Forecast, Forecaster, History, Replay};
use crate::analytics::Options;
use crate::error::{Error, Result};
use crate::kernels::Guard;

use fit::Fitted;
use form::{Choice, Form};
use recursion::Trace;

/// The longest season that gets states of its own; longer ones are for a decomposition.
const LONGEST: usize = 24;
/// The fewest values.
const LEAST: usize = 4;

/// Exponential smoothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ets {
    choice: Choice,
    /// How strongly smoothing is drawn to usual values; 0 is maximum likelihood.
    prudence: f64,
}

impl Ets {
    /// Takes `form`, such as "MAdM": error (A, M or Z), trend (N, A, Ad or Z), season (N, A, M or
    /// Z); "ZZZ", the default, chooses by AICc.
    ///
    /// # Errors
    /// For another form.
    pub fn take(options: &mut Options) -> Result<Self> {
        let form = options.text("form")?.unwrap_or_else(|| "ZZZ".to_owned());
        Ok(Self { choice: Choice::parse(&form)?, prudence: 0.0 })
    }

    /// With smoothing drawn to usual values, by a tenth of a log-likelihood for each squared unit of
    /// log-odds: on short histories the likeliest smoothing is often an extreme one.
    pub(super) fn prudent() -> Self {
        Self { prudence: 0.1, ..Self::default() }
    }

    /// The form of the least AICc.
    fn fit(&self, history: &History<'_>, guard: &dyn Guard) -> Result<Fitted> {
        let values = history.values;
        history.at_least(LEAST, self.name())?;
        let season = Self::season(history);
        let positive = values.iter().all(|y| *y > 0.0);
        let mut trace = Trace::default();
        let mut best: Option<Fitted> = None;
        for form in Form::all(positive, season > 1) {
            let m = if form.season == form::Part::None { 1 } else { season };
            if !self.choice.allows(&form) || !fit::affordable(&form, values.len(), m) {
                continue;
            }
            guard.poll()?;
            let Some(fitted) = fit::fit(&form, values, m, self.prudence, &mut trace) else {
                continue;
            };
            if best.as_ref().is_none_or(|best| fitted.aicc < best.aicc) {
                best = Some(fitted);
            }
        }
        best.ok_or_else(|| {
            Error::invalid(format!(
                "no form of ets that was asked for suits these {} values (relative errors and \
                 multiplicative seasons need positive values, a season two cycles); form=\"ZZN\" \
                 may work",
                values.len()
            ))
        })
    }

    /// The longest season that gets states of its own; 1 for none.
    fn season(history: &History<'_>) -> usize {
        let fits = |m: &usize| *m <= LONGEST && 2 * m <= history.values.len();
        history.seasons.iter().copied().filter(fits).max().unwrap_or(1)
    }
}

fn ahead(fitted: &Fitted, known: usize, horizon: usize) -> Forecast {
    let step = |k| fitted.end.ahead(&fitted.form, fitted.smoothing.phi, known, k);
    let mean = (1..=horizon).map(step).collect();
    Forecast::new(mean, spread::spread(fitted, known, horizon)).using(fitted.form.to_string())
}

impl Forecaster for Ets {
    fn name(&self) -> &'static str {
        "ets"
    }

    fn forecast(
        &self,
        history: &History<'_>,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Forecast> {
        Ok(ahead(&self.fit(history, guard)?, history.values.len(), horizon))
    }

    fn replay(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        guard: &dyn Guard,
    ) -> Result<Replay> {
        let mut fitted = self.fit(history, guard)?;
        let now = ahead(&fitted, history.values.len(), horizon);
        let mut trace = Trace::default();
        let mut then = Vec::with_capacity(origins.len());
        for &origin in origins {
            let mut states = fitted.start.clone();
            let past = &history.values[..origin];
            recursion::forward(&fitted.form, past, &fitted.smoothing, &mut states, &mut trace);
            fitted.end = states;
            let steps = horizon.min(history.values.len() - origin);
            then.push((origin, ahead(&fitted, origin, steps)));
        }
        Ok(Replay { now, then })
    }
}
