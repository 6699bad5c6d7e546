//! A regression on the last values and on those a season ago, carried on step by step.

use nalgebra::{DMatrix, DVector};

use super::{Forecast, Forecaster, History};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Of the sum of squares of the values, what is added to each coefficient's: coefficients of lags
/// that say the same stay small.
const RIDGE: f64 = 1e-4;
/// Values that must be there for each coefficient.
const ROWS_EACH: usize = 5;

/// Least squares on lags 1 to 3, and on those of each season with the lags before and behind, with
/// a mean. Lags of a season of which there are two cycles count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lags;

fn lags(history: &History<'_>) -> Vec<usize> {
    let n = history.values.len();
    let mut lags = vec![1, 2, 3];
    for &season in history.seasons.iter().filter(|m| **m > 4 && **m * 2 < n) {
        lags.extend([season - 1, season, season + 1, season + 2]);
    }
    lags.sort_unstable();
    lags.dedup();
    lags
}

impl Forecaster for Lags {
    fn name(&self) -> &'static str {
        "lags"
    }

    fn forecast(&self, history: &History<'_>, horizon: usize, _: &dyn Guard) -> Result<Forecast> {
        let (values, lags) = (history.values, lags(history));
        let (n, k) = (values.len(), lags.len());
        let longest = lags.last().copied().unwrap_or(0);
        if n < longest + ROWS_EACH * k {
            return Err(Error::invalid(format!(
                "a regression on lags up to {longest} needs at least {} values, got {n}",
                longest + ROWS_EACH * k
            )));
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let centred: Vec<f64> = values.iter().map(|y| y - mean).collect();
        let column = |lag: usize| &centred[longest - lag..n - lag];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut products = DMatrix::zeros(k, k);
        for i in 0..k {
            for j in 0..=i {
                let product = dot(column(lags[i]), column(lags[j]));
                products[(i, j)] = product;
                products[(j, i)] = product;
            }
        }
        let right = DVector::from_iterator(k, lags.iter().map(|lag| dot(column(*lag), column(0))));
        let ridge = RIDGE * products.trace() / k as f64;
        for i in 0..k {
            products[(i, i)] += ridge;
        }
        let factors = products.cholesky().and_then(|cholesky| {
            let solution = cholesky.solve(&right);
            solution.iter().all(|c| c.is_finite()).then_some(solution)
        });
        let Some(factors) = factors else {
            return Err(Error::invalid("a constant history has no regression on lags"));
        };
        let mut path = centred.clone();
        for _ in 0..horizon {
            let next = lags.iter().zip(factors.iter()).map(|(lag, c)| c * path[path.len() - lag]);
            path.push(next.sum());
        }
        let residual = |t: usize| {
            let fit = lags.iter().zip(factors.iter()).map(|(lag, c)| c * centred[t - lag]);
            centred[t] - fit.sum::<f64>()
        };
        let squares: f64 = (longest..n).map(|t| residual(t).powi(2)).sum();
        let variance = squares / (n - longest - k).max(1) as f64;
        // What an error now adds to later steps.
        let mut echo: Vec<f64> = vec![1.0];
        for at in 1..horizon {
            let reach = lags.iter().zip(factors.iter()).filter(|(lag, _)| **lag <= at);
            echo.push(reach.map(|(lag, c)| c * echo[at - lag]).sum());
        }
        let mut sum = 0.0;
        let spread = echo.iter().take(horizon).map(|weight| {
            sum += weight * weight;
            (variance * sum).sqrt()
        });
        let spread = spread.collect();
        Ok(Forecast::new(path[n..].iter().map(|y| y + mean).collect(), spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    #[test]
    fn an_exact_recursion_is_found_and_carried_on() {
        let mut values = vec![1.0, -0.5, 0.3];
        for t in 3..80 {
            values.push(
                0.9 * values[t - 1] - 0.5 * values[t - 2]
                    + 0.3 * values[t - 3]
                    + ((t * t * 31) % 17) as f64 / 17.0,
            );
        }
        let history = History { start: 0, step: 1, values: &values, seasons: &[] };
        let forecast = Lags.forecast(&history, 4, &Unguarded).expect("long enough");
        assert!(forecast.spread.windows(2).all(|pair| pair[0] <= pair[1]), "{forecast:?}");
        let wave: Vec<f64> = (0..120).map(|t| f64::sin(t as f64 * 0.7) + 3.0).collect();
        let history = History { values: &wave, ..history };
        let forecast = Lags.forecast(&history, 4, &Unguarded).expect("long enough");
        for (k, mean) in forecast.mean.iter().enumerate() {
            let truth = f64::sin((120 + k) as f64 * 0.7) + 3.0;
            assert!((mean - truth).abs() < 0.05, "{mean} {truth}");
        }
    }

    #[test]
    fn what_cannot_be_fitted_is_an_error() {
        let short = History { start: 0, step: 1, values: &[1.0; 10], seasons: &[] };
        assert!(Lags.forecast(&short, 2, &Unguarded).is_err());
        let constant = History { values: &[1.0; 50], ..short };
        assert!(Lags.forecast(&constant, 2, &Unguarded).is_err());
    }
}
