//! The correlation of two fields, one of them moved by steps of time.

use rayon::prelude::*;

use super::correlate::Method;
use super::lagged::Steps;
use crate::analytics::numeric::distributions::correlation_two_sided;
use crate::analytics::{Column, Input, Options, Table};
use crate::error::Result;
use crate::kernels::Guard;

/// Steps that a field is moved by each way, where nothing else is said.
const MAX_LAG: usize = 20;

/// Runs `cross_correlate`; see the module of relations.
pub(super) fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let max_lag = options.count("max_lag", 0)?.unwrap_or(MAX_LAG);
    let method = Method::take(options)?;
    let every = options.duration("every")?;
    let effective = options.flag("effective", false)?;
    options.finish("cross_correlate")?;
    Table::each(inputs, guard, |input| {
        if input.fields.len() < 2 {
            return Ok(table(&[], 1));
        }
        let steps = Steps::of(input, every)?;
        let max_lag = max_lag.min(steps.len().saturating_sub(1)) as i64;
        let (x, y) = (&steps.columns[0], &steps.columns[1]);
        let memory = if effective { lag_one(x) * lag_one(y) } else { 0.0 };
        let rows = (-max_lag..=max_lag).into_par_iter().map(|lag| {
            guard.poll()?;
            let (x, y) = moved(x, y, lag);
            let n = x.len() as f64;
            let (r, p) = method.of(&x, &y);
            let p = if memory > 0.0 {
                correlation_two_sided(r, (n * (1.0 - memory) / (1.0 + memory)).max(2.0) - 2.0)
            } else {
                p
            };
            Ok((lag, r, p, x.len() as i64))
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        Ok(table(&rows, steps.step))
    })
}

/// Pairs of x at each step and y so many steps later, where neither is missing.
fn moved(x: &[f64], y: &[f64], lag: i64) -> (Vec<f64>, Vec<f64>) {
    let by = lag.unsigned_abs() as usize;
    let (x, y) = if lag >= 0 { (x, &y[by..]) } else { (&x[by..], y) };
    x.iter().zip(y).filter(|(x, y)| !x.is_nan() && !y.is_nan()).unzip()
}

/// The correlation of neighbours in time; 0 where there is none.
fn lag_one(values: &[f64]) -> f64 {
    let (now, next) = moved(values, values, 1.min(values.len() as i64));
    Some(super::pearson::pearson(&now, &next)).filter(|r| !r.is_nan()).unwrap_or(0.0)
}

fn table(rows: &[(i64, f64, f64, i64)], step: i64) -> Table {
    let duration = |lag: i64| lag.saturating_mul(step);
    Table::new([
        ("lag", Column::Int(rows.iter().map(|row| row.0).collect())),
        ("duration", Column::Int(rows.iter().map(|row| duration(row.0)).collect())),
        ("r", Column::Float(rows.iter().map(|row| row.1).collect())),
        ("p", Column::Float(rows.iter().map(|row| row.2).collect())),
        ("n", Column::Int(rows.iter().map(|row| row.3).collect())),
    ])
}
