//! A method on logarithms, for positive values whose swings grow with their level.

use super::{Forecast, Forecaster, History, Replay};
use crate::error::Result;
use crate::kernels::Guard;

/// A name, and the method within, which works on the logarithms of the values: its forecasts are
/// medians then.
pub struct Logged<F>(pub &'static str, pub F);

fn back(forecast: Forecast) -> Forecast {
    let mean: Vec<f64> = forecast.mean.iter().map(|y| y.exp()).collect();
    let spread = mean.iter().zip(&forecast.spread).map(|(mean, s)| mean * s.min(5.0)).collect();
    Forecast { mean, spread, used: forecast.used }
}

impl<F: Forecaster> Forecaster for Logged<F> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn forecast(
        &self,
        history: &History<'_>,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Forecast> {
        let logs: Vec<f64> = history.values.iter().map(|y| y.ln()).collect();
        let logged = history.with(&logs, history.seasons);
        Ok(back(self.1.forecast(&logged, horizon, guard)?))
    }

    fn replay(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        guard: &dyn Guard,
    ) -> Result<Replay> {
        let logs: Vec<f64> = history.values.iter().map(|y| y.ln()).collect();
        let logged = history.with(&logs, history.seasons);
        let replay = self.1.replay(&logged, horizon, origins, guard)?;
        let then = replay.then.into_iter().map(|(origin, past)| (origin, back(past))).collect();
        Ok(Replay { now: back(replay.now), then })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::forecast::Drift;
    use crate::kernels::Unguarded;

    #[test]
    fn a_line_of_logarithms_is_exponential_growth() {
        let values: Vec<f64> = (0..20).map(|t| 3.0 * 1.1f64.powi(t)).collect();
        let history = History { start: 0, step: 1, values: &values, seasons: &[] };
        let forecast = Logged("drift of logarithms", Drift)
            .forecast(&history, 3, &Unguarded)
            .expect("long enough");
        for (k, mean) in forecast.mean.iter().enumerate() {
            let truth = 3.0 * 1.1f64.powi(20 + k as i32);
            assert!((mean / truth - 1.0).abs() < 1e-9, "{mean} {truth}");
        }
    }
}
