//! Methods by their names.

use super::{
    Auto, Drift, Ensemble, Ets, Forecaster, Lags, Mstl, Naive, Naive2, SeasonalNaive,
    SmoothSeasons, Theta,
};
use super::{arima, lstm, prophet};
use crate::analytics::Options;
use crate::error::{Error, Result};

/// A method that can be named.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Whether a fit takes milliseconds, so that a backtest tries it unasked.
    pub cheap: bool,
    pub(super) make: fn(&mut Options) -> Result<Box<dyn Forecaster>>,
}

/// Every method there is.
pub const METHODS: &[Method] = &[
    Method { name: "auto", cheap: true, make: |_| Ok(Box::new(Auto)) },
    arima::METHOD,
    lstm::METHOD,
    prophet::METHOD,
    Method { name: "naive", cheap: true, make: |_| Ok(Box::new(Naive)) },
    Method { name: "seasonal_naive", cheap: true, make: |_| Ok(Box::new(SeasonalNaive)) },
    Method { name: "drift", cheap: true, make: |_| Ok(Box::new(Drift)) },
    Method { name: "ets", cheap: true, make: |options| Ok(Box::new(Ets::take(options)?)) },
    Method { name: "theta", cheap: true, make: |options| Ok(Box::new(Theta::take(options)?)) },
    Method { name: "mstl", cheap: true, make: |options| Ok(Box::new(Mstl::take(options)?)) },
    Method { name: "smooth_seasons", cheap: true, make: |_| Ok(Box::new(SmoothSeasons)) },
    Method { name: "lags", cheap: true, make: |_| Ok(Box::new(Lags)) },
    Method { name: "ensemble", cheap: false, make: |o| Ok(Box::new(Ensemble::take(o)?)) },
    Method { name: "naive2", cheap: true, make: |_| Ok(Box::new(Naive2)) },
];

/// A method by its name; it takes its own options.
///
/// # Errors
/// [`Error::NotFound`] with the nearest names, and the method's own for its options.
pub fn method(name: &str, options: &mut Options) -> Result<Box<dyn Forecaster>> {
    let method = METHODS.iter().find(|method| method.name == name).ok_or_else(|| {
        Error::unknown("forecasting method", name, METHODS.iter().map(|method| method.name))
    })?;
    (method.make)(options)
}
