//! Backtests: a method where the answer is known, from origin to origin.

use super::{Forecast, Forecaster, History, Naive2, SeasonalNaive, measures};
use crate::error::Result;
use crate::kernels::Guard;

/// The origins of a backtest, ascending, and how many steps each looks ahead.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Folds {
    pub(super) origins: Vec<usize>,
    pub(super) horizon: usize,
}

impl Folds {
    /// So many folds at the end of a history of `len` values, a horizon apart where there is room
    /// and closer where there is not. At least two thirds of a short history come before the
    /// first; none at all when that leaves fewer than 3 values.
    pub(super) fn new(len: usize, horizon: usize, folds: usize) -> Self {
        let room = (len / 3).min(len.saturating_sub(3));
        let horizon = horizon.min(room);
        if horizon == 0 || folds == 0 {
            return Self { origins: Vec::new(), horizon };
        }
        // A long history lets folds go as far back as half of it.
        let back = room.max(len / 2).max(horizon);
        let stride = match folds {
            1 => horizon,
            folds => ((back - horizon) / (folds - 1)).clamp(1, horizon),
        };
        let last = len - horizon;
        let mut origins: Vec<usize> =
            (0..folds).map_while(|k| last.checked_sub(k * stride)).filter(|o| *o >= 3).collect();
        origins.reverse();
        Self { origins, horizon }
    }
}

/// What a method said at one origin, and what came.
#[derive(Clone, Debug)]
pub(super) struct Fold<'a> {
    pub(super) history: History<'a>,
    pub(super) truth: &'a [f64],
    pub(super) forecast: Forecast,
}

/// Fits a method anew at each origin. Origins at which it cannot be fitted are left out.
pub(super) fn rolling<'a>(
    method: &dyn Forecaster,
    history: &History<'a>,
    folds: &Folds,
    guard: &dyn Guard,
) -> Result<Vec<Fold<'a>>> {
    let mut done = Vec::with_capacity(folds.origins.len());
    for &origin in &folds.origins {
        guard.poll()?;
        let past = history.prefix(origin);
        if let Ok(forecast) = method.forecast(&past, folds.horizon, guard) {
            let truth = &history.values[origin..origin + folds.horizon];
            done.push(Fold { history: past, truth, forecast });
        }
    }
    guard.poll()?;
    Ok(done)
}

/// 1 - the mean absolute error over that of the seasonal naive on the same folds: above 0 is
/// better, NaN is not measured. The scale of MASE is the same on both sides and falls out, but
/// for its weight on the folds, which is even here.
pub(super) fn skill(folds: &[Fold<'_>], guard: &dyn Guard) -> Result<f64> {
    let (mut own, mut naive) = (0.0, 0.0);
    for fold in folds {
        let season = SeasonalNaive.forecast(&fold.history, fold.truth.len(), guard)?;
        own += measures::mae(fold.truth, &fold.forecast.mean);
        naive += measures::mae(fold.truth, &season.mean);
    }
    let size: f64 = folds.iter().flat_map(|f| f.truth).fold(0.0, |m: f64, y| m.max(y.abs()));
    Ok(match (folds.is_empty(), naive > 0.0) {
        (true, _) => f64::NAN,
        (false, true) => 1.0 - own / naive,
        // The naive is perfect: the method is as good, or worse without a measure.
        (false, false) if own <= 1e-9 * size => 0.0,
        (false, false) => f64::NEG_INFINITY,
    })
}

/// The overall weighted average of the M4 competition: the mean of sMAPE and MASE, each relative
/// to that of Naive2 over all folds.
pub(super) fn owa(folds: &[Fold<'_>], guard: &dyn Guard) -> Result<f64> {
    let (mut own, mut naive) = ([0.0; 2], [0.0; 2]);
    for fold in folds {
        let benchmark = Naive2.forecast(&fold.history, fold.truth.len(), guard)?;
        for (sums, mean) in [(&mut own, &fold.forecast.mean), (&mut naive, &benchmark.mean)] {
            sums[0] += measures::smape(fold.truth, mean);
            sums[1] += mase(fold, mean);
        }
    }
    Ok((own[0] / naive[0] + own[1] / naive[1]) / 2.0)
}

/// The mean absolute error over the mean seasonal difference of the history.
pub(super) fn mase(fold: &Fold<'_>, mean: &[f64]) -> f64 {
    let season = fold.history.seasons.first().copied().unwrap_or(1);
    measures::mae(fold.truth, mean) / measures::seasonal_scale(fold.history.values, season)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::forecast::{Drift, Naive};
    use crate::kernels::Unguarded;

    #[test]
    fn folds_are_a_horizon_apart_where_there_is_room() {
        let folds = Folds::new(100, 10, 3);
        assert_eq!((folds.origins, folds.horizon), (vec![70, 80, 90], 10));
        let short = Folds::new(12, 6, 3);
        assert!(short.horizon == 4 && short.origins.iter().all(|o| *o >= 3 && o + 4 <= 12));
        assert!(short.origins.len() >= 2, "{short:?}");
        for len in 0..60 {
            for horizon in [1, 7, 500] {
                let folds = Folds::new(len, horizon, 5);
                assert!(folds.origins.iter().all(|o| *o >= 3 && o + folds.horizon <= len));
            }
        }
        assert!(Folds::new(3, 6, 3).origins.is_empty());
    }

    #[test]
    fn a_line_is_told_by_drift_and_not_by_the_last_value() {
        let values: Vec<f64> = (0..40).map(f64::from).collect();
        let history = History { start: 0, step: 1, values: &values, seasons: &[] };
        let folds = Folds::new(40, 4, 3);
        let of = |method: &dyn Forecaster| {
            let folds = rolling(method, &history, &folds, &Unguarded).expect("no guard");
            assert_eq!(folds.len(), 3);
            (skill(&folds, &Unguarded).expect("fits"), owa(&folds, &Unguarded).expect("fits"))
        };
        assert_eq!(of(&Naive), (0.0, 1.0));
        assert_eq!(of(&Drift), (1.0, 0.0));
    }
}
