//! Forecasts without parameters: what others are measured against.

use super::{Forecast, Forecaster, History, decompose};
use crate::error::Result;
use crate::kernels::Guard;

/// The last value goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Naive;

/// The last season is repeated; without a season that fits, the last value.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeasonalNaive;

/// The straight line through the first and the last value goes on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drift;

/// The last value of the seasonally adjusted series goes on, with the season put back: the
/// benchmark of the M competitions. Adjusted, by a classical multiplicative decomposition, only
/// where the season passes the competition's 90 % autocorrelation test.
#[derive(Clone, Copy, Debug, Default)]
pub struct Naive2;

/// The root of the mean square of the differences at a distance; 0 for none.
fn step_deviation(values: &[f64], lag: usize, shift: f64) -> f64 {
    let count = values.len().saturating_sub(lag);
    if count == 0 {
        return 0.0;
    }
    let squares = values[lag..].iter().zip(values).map(|(later, earlier)| {
        let step = later - earlier - shift;
        step * step
    });
    (squares.sum::<f64>() / count as f64).sqrt()
}

/// The season that is repeated: the longest of which there is one cycle and a value more.
fn repeated(history: &History<'_>) -> usize {
    let fits = history.seasons.iter().copied().filter(|m| *m < history.values.len());
    fits.max().unwrap_or(1)
}

impl Forecaster for Naive {
    fn name(&self) -> &'static str {
        "naive"
    }

    fn forecast(&self, history: &History<'_>, horizon: usize, _: &dyn Guard) -> Result<Forecast> {
        history.at_least(1, self.name())?;
        Ok(repeat(history.values, 1, horizon))
    }
}

impl Forecaster for SeasonalNaive {
    fn name(&self) -> &'static str {
        "seasonal_naive"
    }

    fn forecast(&self, history: &History<'_>, horizon: usize, _: &dyn Guard) -> Result<Forecast> {
        history.at_least(1, self.name())?;
        Ok(repeat(history.values, repeated(history), horizon))
    }
}

fn repeat(values: &[f64], season: usize, horizon: usize) -> Forecast {
    let last = &values[values.len() - season..];
    let deviation = step_deviation(values, season, 0.0);
    let mean = (0..horizon).map(|k| last[k % season]).collect();
    let spread = (0..horizon).map(|k| deviation * ((k / season + 1) as f64).sqrt()).collect();
    Forecast::new(mean, spread)
}

impl Forecaster for Drift {
    fn name(&self) -> &'static str {
        "drift"
    }

    fn forecast(&self, history: &History<'_>, horizon: usize, _: &dyn Guard) -> Result<Forecast> {
        history.at_least(2, self.name())?;
        let values = history.values;
        let (first, last) = (values[0], values[values.len() - 1]);
        let steps = (values.len() - 1) as f64;
        let slope = (last - first) / steps;
        let deviation = step_deviation(values, 1, slope);
        let ahead = 1..=horizon;
        let mean = ahead.clone().map(|k| last + slope * k as f64).collect();
        // The slope is uncertain too: Hyndman & Athanasopoulos, Forecasting: Principles and
        // Practice, section 5.5.
        let spread =
            ahead.map(|k| deviation * (k as f64 * (1.0 + k as f64 / steps)).sqrt()).collect();
        Ok(Forecast::new(mean, spread))
    }
}

impl Forecaster for Naive2 {
    fn name(&self) -> &'static str {
        "naive2"
    }

    fn forecast(&self, history: &History<'_>, horizon: usize, _: &dyn Guard) -> Result<Forecast> {
        history.at_least(1, self.name())?;
        // The competitions know one season only; of several, its shortest.
        let season = history.seasons.first().copied().unwrap_or(1);
        if !decompose::is_seasonal(history.values, season, decompose::COMPETITION) {
            return Ok(repeat(history.values, 1, horizon));
        }
        let indices = decompose::classical(history.values, season, true);
        let adjusted: Vec<f64> =
            history.values.iter().enumerate().map(|(t, y)| y / indices[t % season]).collect();
        let mut forecast = repeat(&adjusted, 1, horizon);
        for k in 0..horizon {
            let index = indices[(history.values.len() + k) % season];
            forecast.mean[k] *= index;
            forecast.spread[k] *= index.abs();
        }
        Ok(forecast)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    fn forecast(method: &dyn Forecaster, values: &[f64], seasons: &[usize]) -> Forecast {
        let history = History { start: 0, step: 1, values, seasons };
        method.forecast(&history, 5, &Unguarded).expect("long enough")
    }

    #[test]
    fn the_last_value_the_last_season_and_the_line_go_on() {
        let values = [1.0, 5.0, 2.0, 6.0, 3.0];
        assert_eq!(forecast(&Naive, &values, &[]).mean, [3.0; 5]);
        assert_eq!(forecast(&SeasonalNaive, &values, &[2]).mean, [6.0, 3.0, 6.0, 3.0, 6.0]);
        assert_eq!(forecast(&Drift, &values, &[]).mean, [3.5, 4.0, 4.5, 5.0, 5.5]);
    }

    #[test]
    fn a_season_that_does_not_fit_is_not_repeated() {
        assert_eq!(forecast(&SeasonalNaive, &[1.0, 2.0], &[2, 7]).mean, [2.0; 5]);
        assert_eq!(forecast(&SeasonalNaive, &[4.0], &[]).spread, [0.0; 5]);
    }

    #[test]
    fn the_spread_of_a_random_walk_grows_with_the_root_of_the_steps() {
        let spread = forecast(&Naive, &[0.0, 2.0, 0.0, 2.0], &[]).spread;
        for (k, spread) in spread.iter().enumerate() {
            assert!((spread - 2.0 * ((k + 1) as f64).sqrt()).abs() < 1e-12);
        }
    }

    #[test]
    fn the_benchmark_adjusts_for_a_clear_season_only() {
        let seasonal: Vec<f64> = (0..48).map(|t| 10.0 * [0.5, 1.0, 1.5, 1.0][t % 4]).collect();
        let adjusted = forecast(&Naive2, &seasonal, &[4]).mean;
        for (mean, expected) in adjusted.iter().zip([5.0, 10.0, 15.0, 10.0, 5.0]) {
            assert!((mean - expected).abs() < 1e-9, "{adjusted:?}");
        }
        let flat: Vec<f64> = (0..48u32).map(|t| f64::from((t * t * 31) % 17)).collect();
        assert_eq!(forecast(&Naive2, &flat, &[4]).mean, [flat[47]; 5]);
    }
}
