//! How values depend on those before them.

use crate::analytics::numeric::least_squares::{Factors, center, dot};
use crate::error::Result;
use crate::kernels::Guard;

/// The longest lag at which autocorrelation is looked for.
const FAR: usize = 500;
/// Lags of the statistic of changing variance.
const ARCH_LAGS: usize = 12;
/// The most lags of Dickey and Fuller's test.
const ADF_LAGS: usize = 10;

/// Of standardized values.
pub(super) fn features(
    z: &[f64],
    period: usize,
    guard: &dyn Guard,
) -> Result<Vec<(&'static str, f64)>> {
    let own = acf(z, 10);
    let first = differences(z);
    let second = differences(&first);
    let (first, second) = (acf(&first, 10), acf(&second, 10));
    guard.poll()?;
    let at_season = match period {
        0 | 1 => f64::NAN,
        period => acf_at(z, period),
    };
    let squares: Vec<f64> = z.iter().map(|value| value * value).collect();
    let mut all = vec![
        ("acf1", at(&own, 1)),
        ("acf10", squared(&own, 10)),
        ("diff1_acf1", at(&first, 1)),
        ("diff1_acf10", squared(&first, 10)),
        ("diff2_acf1", at(&second, 1)),
        ("diff2_acf10", squared(&second, 10)),
        ("acf_season", at_season),
        ("pacf5", pacf(&acf(z, 5)).map_or(f64::NAN, |all| dot(&all, &all))),
    ];
    guard.poll()?;
    all.push(("first_zero", first_zero(z, guard)?));
    all.push(("kpss", kpss(z)));
    guard.poll()?;
    all.push(("adf", adf(z)));
    guard.poll()?;
    all.push(("arch_r2", arch(&squares)));
    all.push(("arch_acf", squared(&acf(&squares, ARCH_LAGS), ARCH_LAGS)));
    guard.poll()?;
    all.push(("nonlinearity", nonlinearity(z)));
    Ok(all)
}

fn differences(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Autocorrelations at lags 0..=most, all over the whole sum of squares; none for values that do
/// not vary, and none of lags that are not below their number.
fn acf(values: &[f64], most: usize) -> Vec<f64> {
    let mut own = values.to_vec();
    center(&mut own);
    let whole = dot(&own, &own);
    if whole.is_nan() || whole <= 0.0 {
        return Vec::new();
    }
    let most = most.min(own.len() - 1);
    (0..=most).map(|lag| dot(&own[lag..], &own[..own.len() - lag]) / whole).collect()
}

fn acf_at(z: &[f64], lag: usize) -> f64 {
    if lag >= z.len() {
        return f64::NAN;
    }
    dot(&z[lag..], &z[..z.len() - lag]) / dot(z, z)
}

fn at(acf: &[f64], lag: usize) -> f64 {
    acf.get(lag).copied().unwrap_or(f64::NAN)
}

/// The sum of squares of the first `most` lags, or of those there are.
fn squared(acf: &[f64], most: usize) -> f64 {
    match acf.get(1..) {
        None | Some([]) => f64::NAN,
        Some(lags) => lags.iter().take(most).map(|value| value * value).sum(),
    }
}

/// Partial autocorrelations from lag 1 on, by Levinson and Durbin's recursion; none where there is
/// no lag.
fn pacf(acf: &[f64]) -> Option<Vec<f64>> {
    let lags = acf.len().checked_sub(1).filter(|lags| *lags > 0)?;
    let (mut weights, mut partial) = (Vec::<f64>::new(), Vec::with_capacity(lags));
    let mut left = 1.0;
    for lag in 1..=lags {
        let given: f64 = weights.iter().enumerate().map(|(at, w)| w * acf[lag - 1 - at]).sum();
        if left <= 1e-12 {
            break;
        }
        let own = (acf[lag] - given) / left;
        let mirrored: Vec<f64> = weights.iter().rev().copied().collect();
        for (weight, mirror) in weights.iter_mut().zip(mirrored) {
            *weight -= own * mirror;
        }
        weights.push(own);
        partial.push(own);
        left *= 1.0 - own * own;
    }
    Some(partial)
}

fn first_zero(z: &[f64], guard: &dyn Guard) -> Result<f64> {
    for lag in 1..z.len().min(FAR + 1) {
        if lag.is_multiple_of(16) {
            guard.poll()?;
        }
        if dot(&z[lag..], &z[..z.len() - lag]) <= 0.0 {
            return Ok(lag as f64);
        }
    }
    Ok(f64::NAN)
}

/// Kwiatkowski, Phillips, Schmidt and Shin (1992), about a level.
fn kpss(z: &[f64]) -> f64 {
    if z.len() < 2 {
        return f64::NAN;
    }
    let n = z.len() as f64;
    let lags = (4.0 * (n / 100.0).powf(0.25)).floor() as usize;
    let mut long = dot(z, z);
    for lag in 1..=lags.min(z.len() - 1) {
        let weight = 1.0 - lag as f64 / (lags as f64 + 1.0);
        long += 2.0 * weight * dot(&z[lag..], &z[..z.len() - lag]);
    }
    let mut sum = 0.0;
    let walk: f64 = z
        .iter()
        .map(|value| {
            sum += value;
            sum * sum
        })
        .sum();
    walk / (n * long)
}

/// Said and Dickey (1984): t of the level before, among lagged changes and an intercept.
fn adf(z: &[f64]) -> f64 {
    let n = z.len();
    let lags = ((n.saturating_sub(1) as f64).cbrt() as usize).min(ADF_LAGS);
    let changes = differences(z);
    if changes.len() <= 2 * lags + 3 {
        return f64::NAN;
    }
    let mut columns: Vec<Vec<f64>> =
        (1..=lags).map(|lag| changes[lags - lag..changes.len() - lag].to_vec()).collect();
    // The level last: its coefficient needs no other then.
    columns.push(z[lags..n - 1].to_vec());
    let mut target = changes[lags..].to_vec();
    center(&mut target);
    let rows = target.len();
    let mut factors = Factors::new(rows);
    let mut kept = false;
    for mut column in columns {
        center(&mut column);
        kept = factors.push(column);
    }
    let rank = factors.rank();
    let whole = dot(&target, &target);
    factors.rotate(&mut target);
    let left = dot(&target[rank..], &target[rank..]);
    if !kept || rows <= rank + 1 || left <= 1e-24 * whole {
        return f64::NAN;
    }
    let coefficient = factors.solve(&target)[rank - 1];
    let row = factors.inverse_row(rank - 1);
    coefficient / (left / (rows - rank - 1) as f64 * dot(&row, &row)).sqrt()
}

/// Engle (1982): how much of the squares those before them give.
fn arch(squares: &[f64]) -> f64 {
    let lagged = |lag: usize| squares[ARCH_LAGS - lag..squares.len() - lag].to_vec();
    if squares.len() <= 2 * ARCH_LAGS + 1 {
        return f64::NAN;
    }
    let mut target = lagged(0);
    center(&mut target);
    let whole = dot(&target, &target);
    let mut factors = Factors::new(target.len());
    for lag in 1..=ARCH_LAGS {
        let mut column = lagged(lag);
        center(&mut column);
        factors.push(column);
    }
    factors.rotate(&mut target);
    let given = &target[..factors.rank()];
    if whole > 0.0 { dot(given, given) / whole } else { f64::NAN }
}

/// Teräsvirta, Lin and Granger (1993): squares and cubes of the value before, after itself.
fn nonlinearity(z: &[f64]) -> f64 {
    if z.len() < 6 {
        return f64::NAN;
    }
    let mut target = z[1..].to_vec();
    center(&mut target);
    let mut factors = Factors::new(target.len());
    let mut line = 0;
    for power in 1..=3 {
        let mut column: Vec<f64> = z[..z.len() - 1].iter().map(|value| value.powi(power)).collect();
        center(&mut column);
        factors.push(column);
        if power == 1 {
            line = factors.rank();
        }
    }
    let whole = dot(&target, &target);
    factors.rotate(&mut target);
    let (before, after) = (&target[line..], &target[factors.rank()..]);
    let (before, after) = (dot(before, before), dot(after, after));
    if after <= 1e-24 * whole { f64::NAN } else { 10.0 * (before / after).ln() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_autocorrelations_of_one_step_of_memory_end_after_it() {
        let acf: Vec<f64> = (0..6).map(|lag| 0.5f64.powi(lag)).collect();
        let partial = pacf(&acf).expect("has lags");
        assert!((partial[0] - 0.5).abs() < 1e-15);
        assert!(partial[1..].iter().all(|value| value.abs() < 1e-15), "{partial:?}");
    }

    #[test]
    fn too_little_is_nan() {
        assert!(pacf(&[]).is_none() && acf(&[1.0, 1.0], 3).is_empty());
        for value in [kpss(&[]), adf(&[]), arch(&[]), nonlinearity(&[]), adf(&[1.0, -1.0, 1.0])] {
            assert!(value.is_nan());
        }
    }
}
