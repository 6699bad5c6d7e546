//! Regression of a field on others, as they are and as they were some steps before.
//!
//! Ordinary least squares by reflections. Errors that follow each other make its usual standard
//! errors too small; `hac` takes those of Newey and West (1987), "A simple, positive semi-definite,
//! heteroskedasticity and autocorrelation consistent covariance matrix", as statsmodels'
//! `cov_type="HAC"` without its correction for few rows.

use super::lagged::Steps;
use crate::analytics::numeric::distributions::t_two_sided;
use crate::analytics::numeric::least_squares::{Factors, center, dot};
use crate::analytics::{Column, Input, Options, Table, Value};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// The most lags: more would be columns without end.
const MOST_LAG: usize = 100_000;

/// Lags over which errors may follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Errors {
    /// They do not, and all vary alike.
    Alone,
    /// So many.
    Follow(usize),
    /// 4 (n / 100)^(2/9), as Newey and West (1994) advise.
    FollowUsual,
}

/// A coefficient and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Term {
    coefficient: f64,
    std_error: f64,
    t: f64,
    p: f64,
}

/// Coefficients, those of terms that others give NaN.
#[derive(Clone, Debug, PartialEq)]
struct Fit {
    /// The intercept first, where there is one.
    terms: Vec<Term>,
    r2: f64,
    n: usize,
}

/// Runs `regress`; see the module of relations.
pub(super) fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let lags = options.counts("lags", 0)?.unwrap_or_else(|| vec![0]);
    let target_lags = options.counts("target_lags", 1)?.unwrap_or_default();
    if let Some(lag) = lags.iter().chain(&target_lags).find(|lag| **lag > MOST_LAG) {
        return Err(Error::invalid(format!("lags are at most {MOST_LAG}, got {lag}")));
    }
    let errors = errors(options)?;
    let intercept = options.flag("intercept", true)?;
    let every = options.duration("every")?;
    options.finish("regress")?;
    Table::each(inputs, guard, |input| {
        let steps = Steps::of(input, every)?;
        let mut terms: Vec<(usize, usize)> = target_lags.iter().map(|lag| (0, *lag)).collect();
        for field in 1..steps.names.len() {
            terms.extend(lags.iter().map(|lag| (field, *lag)));
        }
        if input.fields.len() < 2 {
            return Ok(table(&steps.names, &[], false, None));
        }
        let from = terms.iter().map(|(_, lag)| *lag).max().unwrap_or(0);
        let bytes = (terms.len() + 1) * steps.len() * 2 * size_of::<f64>();
        guard.charge(bytes)?;
        let mut columns = steps.table(&[&[(0, 0)], terms.as_slice()].concat(), from);
        let target = columns.remove(0);
        let fit = fit(target, columns, intercept, errors, guard)?;
        guard.release(bytes);
        Ok(table(&steps.names, &terms, intercept, Some(fit)))
    })
}

fn errors(options: &mut Options) -> Result<Errors> {
    match options.take("hac") {
        None | Some(Value::Bool(false)) => Ok(Errors::Alone),
        Some(Value::Bool(true)) => Ok(Errors::FollowUsual),
        Some(given) => {
            let mut own = Options::new([("hac".to_owned(), given)]);
            Ok(own.count("hac", 0)?.map_or(Errors::Alone, Errors::Follow))
        }
    }
}

fn fit(
    mut target: Vec<f64>,
    mut columns: Vec<Vec<f64>>,
    intercept: bool,
    errors: Errors,
    guard: &dyn Guard,
) -> Result<Fit> {
    let n = target.len();
    let take_mean = |column: &mut Vec<f64>| if intercept { center(column) } else { 0.0 };
    let means: Vec<f64> = columns.iter_mut().map(take_mean).collect();
    let target_mean = take_mean(&mut target);
    let whole = dot(&target, &target);
    let mut factors = Factors::new(n);
    for column in columns {
        guard.poll()?;
        factors.push(column);
    }
    let rank = factors.rank();
    factors.rotate(&mut target);
    let kept = factors.solve(&target);
    let mut residuals = target;
    residuals[..rank].fill(0.0);
    let left = dot(&residuals, &residuals);
    factors.rotate_back(&mut residuals);
    let parameters = rank + usize::from(intercept);
    let df = n as f64 - parameters as f64;

    // What each row of the target adds to a coefficient, in the rotated basis.
    let weights: Vec<Vec<f64>> = (0..rank).map(|place| factors.inverse_row(place)).collect();
    let variance = left / df;
    let error = |weights: &[f64], of_all: f64| -> f64 {
        if df <= 0.0 {
            return f64::NAN;
        }
        let lags = match errors {
            Errors::Alone => {
                return (variance * (dot(weights, weights) + of_all * of_all * n as f64)).sqrt();
            }
            Errors::Follow(lags) => lags,
            Errors::FollowUsual => (4.0 * (n as f64 / 100.0).powf(2.0 / 9.0)).floor() as usize,
        };
        let mut shares = weights.to_vec();
        shares.resize(n, 0.0);
        factors.rotate_back(&mut shares);
        for (share, residual) in shares.iter_mut().zip(&residuals) {
            *share = (*share + of_all) * residual;
        }
        newey_west(&shares, lags).sqrt()
    };
    let term = |coefficient: f64, std_error: f64| {
        let t = coefficient / std_error;
        Term { coefficient, std_error, t, p: t_two_sided(t, df) }
    };
    let mut terms = Vec::with_capacity(means.len() + 1);
    if intercept {
        let mut own = vec![0.0; rank];
        let mut value = target_mean;
        for (mean, place) in means.iter().zip(factors.places()) {
            let Some(place) = place else { continue };
            value -= mean * kept[*place];
            for (own, weight) in own.iter_mut().zip(&weights[*place]) {
                *own -= mean * weight;
            }
        }
        terms.push(term(value, error(&own, 1.0 / n as f64)));
    }
    for place in factors.places() {
        guard.poll()?;
        terms.push(match place {
            Some(place) => term(kept[*place], error(&weights[*place], 0.0)),
            None => term(f64::NAN, f64::NAN),
        });
    }
    Ok(Fit { terms, r2: 1.0 - left / whole, n })
}

/// The variance of a sum of shares that follow each other over `lags` steps, with Bartlett's weights.
fn newey_west(shares: &[f64], lags: usize) -> f64 {
    let mut variance = dot(shares, shares);
    for lag in 1..=lags.min(shares.len().saturating_sub(1)) {
        let weight = 1.0 - lag as f64 / (lags as f64 + 1.0);
        variance += 2.0 * weight * dot(&shares[lag..], &shares[..shares.len() - lag]);
    }
    // Never below 0 but by rounding.
    variance.max(0.0)
}

fn table(names: &[&str], terms: &[(usize, usize)], intercept: bool, fit: Option<Fit>) -> Table {
    let rows = fit.as_ref().map_or(&[][..], |fit| &fit.terms);
    let constant = intercept.then(|| (Some("intercept".to_owned()), 0));
    let known = terms.iter().map(|(field, lag)| (Some(names[*field].to_owned()), *lag as i64));
    let (texts, lags) = constant.into_iter().chain(known).take(rows.len()).unzip();
    let floats = |of: fn(&Term) -> f64| Column::Float(rows.iter().map(of).collect());
    let (r2, n) = fit.as_ref().map_or((f64::NAN, 0), |fit| (fit.r2, fit.n as i64));
    Table::new([
        ("term", Column::Text(texts)),
        ("lag", Column::Int(lags)),
        ("coefficient", floats(|term| term.coefficient)),
        ("std_error", floats(|term| term.std_error)),
        ("t", floats(|term| term.t)),
        ("p", floats(|term| term.p)),
        ("r2", Column::Float(vec![r2; rows.len()])),
        ("n", Column::Int(vec![n; rows.len()])),
    ])
}
