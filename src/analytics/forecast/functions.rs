//! Forecasts and backtests as functions over series.

use super::rolling::{self, Fold, Folds, rolling};
use super::{
    Calibration, Forecast, Forecaster, History, METHODS, Naive, Prepared, Replay, Request,
    SeasonalNaive, measures, method,
};
use crate::analytics::{Column, Input, Options, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// The function `forecast`.
pub(super) fn forecast(
    inputs: &[Input<'_>],
    options: &mut Options,
    guard: &dyn Guard,
) -> Result<Table> {
    let name = options.text("method")?.unwrap_or_else(|| "auto".to_owned());
    let method = method(&name, options)?;
    forecast_with(method.as_ref(), inputs, options, guard)
}

/// Forecasts with a method that is at hand: what `forecast` does with one by its name. Takes the
/// options of [`Request`], and `backtest` (true), `folds` (3) and `refuse` (false).
///
/// # Errors
/// Those of the options and of the rows; a skill below 0 when `refuse` is set. A method that
/// cannot be fitted to a series gives way to a naive one, which the column `method` tells.
pub fn forecast_with(
    method: &dyn Forecaster,
    inputs: &[Input<'_>],
    options: &mut Options,
    guard: &dyn Guard,
) -> Result<Table> {
    let request = Request::take(options)?;
    let backtest = options.flag("backtest", true)?;
    let folds = options.count("folds", 1)?.unwrap_or(3);
    let refuse = options.flag("refuse", false)?;
    options.finish(&format!("forecast with {}", method.name()))?;
    if refuse && !backtest {
        return Err(Error::invalid("refuse needs backtest=true, by which skill is measured"));
    }
    Table::each(inputs, guard, |input| {
        let (prepared, horizon) = request.prepare(input)?;
        let own = method.of_rows(input, &prepared);
        let method: &dyn Forecaster = match &own {
            Some(own) => own.as_ref(),
            None => method,
        };
        let horizon = if input.times.is_empty() { 0 } else { horizon };
        let skill = if backtest {
            let history = prepared.history();
            let folds = Folds::new(history.values.len(), horizon, folds);
            rolling::skill(&rolling(method, &history, &folds, guard)?, guard)?
        } else {
            f64::NAN
        };
        if refuse && skill < 0.0 {
            return Err(Error::invalid(format!(
                "{} is worse than the seasonal naive on this history (skill {skill:.3}); \
                 method=\"seasonal_naive\", or refuse=false, would forecast it",
                method.name()
            )));
        }
        one(method, &prepared, horizon, &request.levels, skill, guard)
    })
}

/// The table of one series.
fn one(
    method: &dyn Forecaster,
    prepared: &Prepared,
    horizon: usize,
    levels: &[f64],
    skill: f64,
    guard: &dyn Guard,
) -> Result<Table> {
    let skipped = prepared.ahead;
    let (replay, calibration) = fit(method, &prepared.history(), horizon + skipped, guard)?;
    let at = |column: &[f64], k: usize| column.get(skipped + k).map_or(f64::NAN, |v| *v);
    let steps = || 0..horizon;
    // Beyond what a float holds, the largest stands.
    let given = |value: f64| (value * prepared.unit).clamp(-f64::MAX, f64::MAX);
    let mean: Vec<f64> = steps().map(|k| given(at(&replay.now.mean, k))).collect();
    let times = steps().map(|k| prepared.time_after(skipped + k + 1)).collect();
    let mut table = Table::new([("time", Column::Time(times)), ("mean", Column::Float(mean))]);
    for level in levels {
        let reach = calibration.reach(*level);
        for (side, sign) in [("lower", -1.0), ("upper", 1.0)] {
            let bound = |k: usize| {
                given(at(&replay.now.mean, k) + sign * reach * at(&replay.now.spread, k))
            };
            let bounds = steps().map(bound).collect();
            table.columns.push((Request::column(side, *level), Column::Float(bounds)));
        }
    }
    let filled = i64::try_from(prepared.filled).unwrap_or(i64::MAX);
    table.columns.extend([
        ("method".to_owned(), Column::Text(vec![replay.now.used; horizon])),
        ("skill".to_owned(), Column::Float(vec![skill; horizon])),
        ("filled".to_owned(), Column::Int(vec![filled; horizon])),
    ]);
    Ok(table)
}

/// A fit with its calibration. A history that the method cannot be fitted to is repeated instead;
/// one that is empty has nothing to say.
fn fit(
    method: &dyn Forecaster,
    history: &History<'_>,
    horizon: usize,
    guard: &dyn Guard,
) -> Result<(Replay, Calibration)> {
    let values = history.values;
    let origins = Calibration::origins(values.len(), history.main_season(), horizon);
    let finite = |f: &Forecast| f.mean.iter().chain(&f.spread).all(|v| v.is_finite());
    let reason = match method.replay(history, horizon, &origins, guard) {
        Ok(mut replay) if finite(&replay.now) => {
            let used = replay.now.used.take().unwrap_or_else(|| method.name().to_owned());
            replay.now.used = Some(used);
            let calibration = Calibration::of(values, &replay, horizon);
            return Ok((replay, calibration));
        }
        Ok(_) => format!("{} did not come to a finite forecast", method.name()),
        Err(Error::InvalidArgument(reason)) => reason,
        Err(other) => return Err(other),
    };
    let simple: &dyn Forecaster = if history.seasons.is_empty() { &Naive } else { &SeasonalNaive };
    let replay = match simple.replay(history, horizon, &origins, guard) {
        Ok(mut replay) => {
            replay.now.used = Some(format!("{} ({reason})", simple.name()));
            replay
        }
        Err(_) => Replay { now: Forecast::default(), then: Vec::new() },
    };
    let calibration = Calibration::of(values, &replay, horizon);
    Ok((replay, calibration))
}

/// A history's forecast with its intervals, for analyses that build on forecasts: the mean, and
/// the half widths of the interval of a level in percent.
///
/// # Errors
/// When the guard ends the work.
pub fn forecasts_of(
    method: &dyn Forecaster,
    history: &History<'_>,
    horizon: usize,
    level: f64,
    guard: &dyn Guard,
) -> Result<(Forecast, Vec<f64>)> {
    let (replay, calibration) = fit(method, history, horizon, guard)?;
    let reach = calibration.reach(level);
    let widths = replay.now.spread.iter().map(|spread| spread * reach).collect();
    Ok((replay.now, widths))
}

/// The function `backtest`.
pub(super) fn backtest(
    inputs: &[Input<'_>],
    options: &mut Options,
    guard: &dyn Guard,
) -> Result<Table> {
    let request = Request::take(options)?;
    let folds = options.count("folds", 1)?.unwrap_or(5);
    let cheap = || METHODS.iter().filter(|m| m.cheap).map(|m| m.name.to_owned()).collect();
    let names = options.texts("methods")?.unwrap_or_else(cheap);
    let methods: Vec<_> = names.iter().map(|name| method(name, options)).collect::<Result<_>>()?;
    options.finish("backtest")?;
    Table::each(inputs, guard, |input| {
        let (prepared, horizon) = request.prepare(input)?;
        let history = prepared.history();
        let methods: &[_] = if input.times.is_empty() { &[] } else { &methods };
        let folds = Folds::new(history.values.len(), horizon, folds);
        let mut rows = Vec::with_capacity(methods.len());
        for method in methods {
            let own = method.of_rows(input, &prepared);
            let method = own.as_ref().unwrap_or(method);
            rows.push(measured(method.as_ref(), &prepared, &folds, &request.levels, guard)?);
        }
        let names = names.iter().take(methods.len()).map(|name| Some(name.clone())).collect();
        let column =
            |read: &dyn Fn(&Measured) -> f64| Column::Float(rows.iter().map(read).collect());
        let mut table = Table::new([
            ("method", Column::Text(names)),
            ("folds", Column::Int(rows.iter().map(|row| row.folds as i64).collect())),
            ("mae", column(&|row| row.mae)),
            ("rmse", column(&|row| row.rmse)),
            ("smape", column(&|row| row.smape)),
            ("mase", column(&|row| row.mase)),
            ("owa", column(&|row| row.owa)),
        ]);
        for (at, level) in request.levels.iter().enumerate() {
            let name = Request::column("coverage", *level);
            table.columns.push((name, column(&|row| row.coverage[at])));
        }
        table.columns.push(("skill".to_owned(), column(&|row| row.skill)));
        Ok(table)
    })
}

/// How a method did on the folds of one series; NaN for what could not be measured.
struct Measured {
    folds: usize,
    mae: f64,
    rmse: f64,
    smape: f64,
    mase: f64,
    owa: f64,
    /// The share of values within the intervals of each level.
    coverage: Vec<f64>,
    skill: f64,
}

fn measured(
    method: &dyn Forecaster,
    prepared: &Prepared,
    folds: &Folds,
    levels: &[f64],
    guard: &dyn Guard,
) -> Result<Measured> {
    let history = prepared.history();
    let mut done = Vec::new();
    let (mut within, mut steps) = (vec![0.0; levels.len()], 0.0);
    for &origin in &folds.origins {
        guard.poll()?;
        let past = history.prefix(origin);
        let (replay, calibration) = fit(method, &past, folds.horizon, guard)?;
        let truth = &history.values[origin..origin + folds.horizon];
        let forecast = replay.now;
        for (within, level) in within.iter_mut().zip(levels) {
            let reach = calibration.reach(*level);
            let held = truth.iter().zip(&forecast.mean).zip(&forecast.spread);
            *within += held.filter(|((y, f), s)| (*y - *f).abs() <= reach * **s).count() as f64;
        }
        steps += truth.len() as f64;
        done.push(Fold { history: past, truth, forecast });
    }
    let over = |read: &dyn Fn(&Fold<'_>) -> f64| measures::average(done.iter().map(read));
    let unit = prepared.unit;
    Ok(Measured {
        folds: done.len(),
        mae: unit * over(&|f| measures::mae(f.truth, &f.forecast.mean)),
        rmse: unit * over(&|f| measures::mse(f.truth, &f.forecast.mean)).sqrt(),
        smape: over(&|f| measures::smape(f.truth, &f.forecast.mean)),
        mase: over(&|f| rolling::mase(f, &f.forecast.mean)),
        owa: rolling::owa(&done, guard)?,
        coverage: within.iter().map(|within| within / steps).collect(),
        skill: rolling::skill(&done, guard)?,
    })
}
