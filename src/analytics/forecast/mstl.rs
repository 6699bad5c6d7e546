//! A decomposition by several seasons, whose adjusted part exponential smoothing carries on.

use stlrs::Mstl as Decomposition;

use super::{Ets, Forecast, Forecaster, History};
use crate::analytics::Options;
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Bandara, Hyndman & Bergmeir, MSTL: a seasonal-trend decomposition algorithm for time series with
/// multiple seasonal patterns (2021); each season's last cycle is repeated, and the rest is
/// forecast without a season.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mstl {
    ets: Ets,
}

impl Mstl {
    /// Takes `form`, the form of exponential smoothing for what is left without seasons ("ZZN").
    ///
    /// # Errors
    /// For another form.
    pub fn take(options: &mut Options) -> Result<Self> {
        Ok(Self { ets: Ets::take(options)? })
    }
}

/// A series without its seasons, and the seasons' last cycles.
#[derive(Clone, Debug)]
pub(super) struct Deseasonalised {
    /// The adjusted values.
    pub(super) values: Vec<f64>,
    /// One last cycle a season.
    cycles: Vec<Vec<f64>>,
}

impl Deseasonalised {
    /// Takes out every season of which there are two cycles.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn of(history: &History<'_>) -> Result<Self> {
        let values = history.values;
        let twice = |m: &usize| *m * 2 <= values.len();
        let seasons: Vec<usize> = history.seasons.iter().copied().filter(twice).collect();
        if seasons.is_empty() {
            return Err(Error::invalid(format!(
                "mstl needs a season of which there are two cycles, got {:?} and {} values",
                history.seasons,
                values.len()
            )));
        }
        let parts = Decomposition::fit(values, &seasons)
            .map_err(|error| Error::invalid(format!("mstl: {error}")))?;
        let (seasonal, _, _) = parts.into_parts();
        let mut adjusted = values.to_vec();
        let mut cycles = Vec::with_capacity(seasons.len());
        for (part, season) in seasonal.iter().zip(&seasons) {
            adjusted.iter_mut().zip(part).for_each(|(y, s)| *y -= s);
            cycles.push(part[part.len() - season..].to_vec());
        }
        Ok(Self { values: adjusted, cycles })
    }

    /// The sum of the seasons so many steps behind the last value, from 0.
    pub(super) fn season(&self, k: usize) -> f64 {
        self.cycles.iter().map(|cycle| cycle[k % cycle.len()]).sum()
    }
}

impl Forecaster for Mstl {
    fn name(&self) -> &'static str {
        "mstl"
    }

    fn forecast(
        &self,
        history: &History<'_>,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Forecast> {
        let parts = Deseasonalised::of(history)?;
        guard.poll()?;
        let rest = history.with(&parts.values, &[]);
        let mut forecast = self.ets.forecast(&rest, horizon, guard)?;
        for (k, mean) in forecast.mean.iter_mut().enumerate() {
            *mean += parts.season(k);
        }
        Ok(forecast)
    }
}
