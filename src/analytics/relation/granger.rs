//! Granger causality: whether the past of one field tells more of another than its own past does.
//!
//! Both regressions have an intercept; the F test compares their sums of squares, as `ssr_ftest` of
//! statsmodels' `grangercausalitytests`. One factorization serves both: what the cause's lags add
//! is the length of the rotated target in their directions, with no difference of sums taken.
//! Granger (1969), "Investigating causal relations by econometric models".

use rayon::prelude::*;

use super::lagged::Steps;
use crate::analytics::numeric::distributions::f_above;
use crate::analytics::numeric::least_squares::{Factors, center, dot};
use crate::analytics::{Column, Input, Options, Table, Value};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Lags of a test, where nothing else is said.
const LAGS: usize = 4;
/// The most lags, beyond which a test would be of noise and its columns too many.
const MOST_LAGS: usize = 1000;

/// A test.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Test {
    lags: usize,
    f: f64,
    p: f64,
    df1: usize,
    df2: usize,
    n: usize,
}

/// How the number of lags is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Choice {
    /// A test for each that was given.
    Each,
    /// The one with the least n ln(SSR / n) + 2 k.
    Aic,
    /// The one with the least n ln(SSR / n) + k ln n.
    Bic,
}

/// Runs `granger`; see the module of relations.
pub(super) fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let choice = match options.choice("choose", &["each", "aic", "bic"])? {
        "aic" => Choice::Aic,
        "bic" => Choice::Bic,
        _ => Choice::Each,
    };
    let lags = lags(options, choice)?;
    let every = options.duration("every")?;
    options.finish("granger")?;
    Table::each(inputs, guard, |input| {
        let steps = Steps::of(input, every)?;
        let count = steps.names.len();
        let pairs: Vec<(usize, usize)> = (0..count)
            .flat_map(|a| (0..count).map(move |b| (a, b)))
            .filter(|(a, b)| a != b)
            .collect();
        let tests = pairs.par_iter().map(|&(cause, effect)| {
            let tests = of_pair(&steps, cause, effect, &lags, choice, guard)?;
            Ok(tests.into_iter().map(|test| (cause, effect, test)).collect::<Vec<_>>())
        });
        let tests = tests.collect::<Result<Vec<_>>>()?.concat();
        Ok(table(&steps.names, &tests))
    })
}

/// Counts of lags: those given, or all up to one of which the best is to be chosen.
fn lags(options: &mut Options, choice: Choice) -> Result<Vec<usize>> {
    let given = options.take("lags");
    let list = matches!(given, Some(Value::List(_)));
    let mut own = Options::new(given.map(|given| ("lags".to_owned(), given)));
    let mut lags = own.counts("lags", 1)?.unwrap_or_else(|| vec![LAGS]);
    if let (false, true, Some(&most)) = (list, choice != Choice::Each, lags.first()) {
        lags = (1..=most).collect();
    }
    match lags.iter().find(|lag| **lag > MOST_LAGS) {
        Some(lag) => Err(Error::invalid(format!("lags are at most {MOST_LAGS}, got {lag}"))),
        None if lags.is_empty() => Err(Error::invalid("lags is empty; lags=4 would work")),
        None => Ok(lags),
    }
}

fn of_pair(
    steps: &Steps<'_>,
    cause: usize,
    effect: usize,
    lags: &[usize],
    choice: Choice,
    guard: &dyn Guard,
) -> Result<Vec<Test>> {
    if choice == Choice::Each {
        return lags
            .iter()
            .map(|&lags| {
                guard.poll()?;
                Ok(fit(steps, cause, effect, lags, lags).0)
            })
            .collect();
    }
    // Compared over the same steps: those that the longest can be fitted to.
    let most = lags.iter().copied().max().unwrap_or(LAGS);
    let mut best = None::<(f64, usize)>;
    for &lags in lags {
        guard.poll()?;
        let (test, left) = fit(steps, cause, effect, lags, most);
        let (n, k) = (test.n as f64, (2 * lags + 1) as f64);
        let weight = if choice == Choice::Aic { 2.0 } else { n.ln() };
        let cost = n * (left / n).ln() + weight * k;
        if test.df2 > 0 && best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, lags));
        }
    }
    let lags = best.map_or(lags[0], |(_, lags)| lags);
    Ok(vec![fit(steps, cause, effect, lags, lags).0])
}

/// The test over the steps from `from` on, and the sum of squares that both pasts leave.
fn fit(steps: &Steps<'_>, cause: usize, effect: usize, lags: usize, from: usize) -> (Test, f64) {
    let mut terms = vec![(effect, 0)];
    terms.extend((1..=lags).map(|lag| (effect, lag)));
    terms.extend((1..=lags).map(|lag| (cause, lag)));
    let mut columns = steps.table(&terms, from);
    columns.iter_mut().for_each(|column| {
        center(column);
    });
    let mut target = columns.remove(0);
    let n = target.len();
    let mut factors = Factors::new(n);
    let mut own = 0;
    for (at, column) in columns.into_iter().enumerate() {
        factors.push(column);
        if at + 1 == lags {
            own = factors.rank();
        }
    }
    factors.rotate(&mut target);
    let rank = factors.rank();
    let (added, left) = (&target[own..rank], &target[rank..]);
    let (added, left) = (dot(added, added), dot(left, left));
    let (df1, df2) = (rank - own, n.saturating_sub(rank + 1));
    // What rounding leaves of a target that its past gives exactly is no noise to compare with.
    let whole = dot(&target, &target);
    let exact = left <= 1e-24 * whole;
    let f = if df1 == 0 || df2 == 0 || (exact && added <= 1e-24 * whole) {
        f64::NAN
    } else if exact {
        f64::INFINITY
    } else {
        added / df1 as f64 / (left / df2 as f64)
    };
    (Test { lags, f, p: f_above(f, df1 as f64, df2 as f64), df1, df2, n }, left)
}

fn table(names: &[&str], tests: &[(usize, usize, Test)]) -> Table {
    let ints = |of: fn(&Test) -> usize| {
        Column::Int(tests.iter().map(|(_, _, test)| of(test) as i64).collect())
    };
    let text = |at: usize| Some(names[at].to_owned());
    Table::new([
        ("cause", Column::Text(tests.iter().map(|(cause, _, _)| text(*cause)).collect())),
        ("effect", Column::Text(tests.iter().map(|(_, effect, _)| text(*effect)).collect())),
        ("lags", ints(|test| test.lags)),
        ("f", Column::Float(tests.iter().map(|(_, _, test)| test.f).collect())),
        ("p", Column::Float(tests.iter().map(|(_, _, test)| test.p).collect())),
        ("df1", ints(|test| test.df1)),
        ("df2", ints(|test| test.df2)),
        ("n", ints(|test| test.n)),
    ])
}
