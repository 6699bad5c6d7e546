//! The default: the median of methods that err differently.

use super::{
    Drift, Ensemble, Ets, Forecast, Forecaster, History, Lags, Logged, Mstl, Naive, Replay,
    SeasonalNaive, SmoothSeasons, Theta,
};
use crate::error::Result;
use crate::kernels::Guard;

/// The shortest season that is regressed on: exponential smoothing has states for shorter ones.
const LONG: usize = 24;

/// A median of complementary methods, by what the history is like. Without a season: exponential
/// smoothing, Theta and the drift. With one of a few steps: exponential smoothing, Theta and the
/// seasonal naive. With a long one, or several: a regression on lags as it is and on logarithms,
/// and a smoothing of all seasons on logarithms; of values that are not all positive, the
/// regression, the smoothing and a decomposition. Constants and fewer than four values are repeated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Auto;

impl Auto {
    fn members(history: &History<'_>) -> Ensemble {
        let values = history.values;
        if values.len() < 4 || values.windows(2).all(|pair| pair[0] == pair[1]) {
            return Ensemble::median(vec![Box::new(Naive)]);
        }
        let fits = |m: &&usize| m.saturating_mul(2) <= values.len();
        let seasons: Vec<usize> = history.seasons.iter().filter(fits).copied().collect();
        let positive = values.iter().all(|y| *y > 0.0);
        Ensemble::median(match seasons.as_slice() {
            [] => vec![Box::new(Ets::prudent()), Box::new(Theta::default()), Box::new(Drift)],
            [short] if *short < LONG => {
                vec![Box::new(Ets::prudent()), Box::new(Theta::default()), Box::new(SeasonalNaive)]
            }
            _ if positive => vec![
                Box::new(Lags),
                Box::new(Logged("lags of logarithms", Lags)),
                Box::new(Logged("smooth_seasons of logarithms", SmoothSeasons)),
            ],
            _ => vec![Box::new(Lags), Box::new(SmoothSeasons), Box::new(Mstl::default())],
        })
    }
}

impl Forecaster for Auto {
    fn name(&self) -> &'static str {
        "auto"
    }

    fn forecast(
        &self,
        history: &History<'_>,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Forecast> {
        history.at_least(1, self.name())?;
        Self::members(history).forecast(history, horizon, guard)
    }

    fn replay(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        guard: &dyn Guard,
    ) -> Result<Replay> {
        history.at_least(1, self.name())?;
        Self::members(history).replay(history, horizon, origins, guard)
    }
}
