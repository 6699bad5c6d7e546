//! Components: a series as trend, seasons and what remains.
//!
//! With one season this is STL (Cleveland et al., 1990), with several MSTL (Bandara, Hyndman and
//! Bergmeir, 2021), both by the crate `stlrs`; with none the trend is a local line with tricube
//! weights (Cleveland's lowess, 1979). Missing values are filled in to fit: by straight lines at
//! first, then by the trend and the seasons that were found; no component is told where the value
//! is missing.

use super::seasons::{find, without_gaps};
use crate::analytics::{Column, Function, Grid, Input, Options, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Seasons that have a column.
const COLUMNS: usize = 3;
/// Values up to which every point is smoothed on its own; beyond, about a tenth of the points of
/// a window, with lines between them.
const EVERY: usize = 10_000;
/// The longest window of the trend without seasons, in steps.
const WIDEST: usize = 501;

/// Times that gaps are filled from the components.
const REFILLS: usize = 3;

/// `decompose`: options `seasons`, `robust` (true), `every`, `seasonal_length`, `trend_length`.
pub(super) const FUNCTION: Function = Function { name: "decompose", fields: (1, 1), run };

/// How to decompose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Whether outliers are given less weight.
    pub robust: bool,
    /// The seasonal smoother's span in cycles, odd: how quickly a season may change. 11, 15 and so
    /// on, for the first season, the second and so on, when not given.
    pub seasonal_length: Option<usize>,
    /// The trend smoother's span in steps, odd; from the season when not given.
    pub trend_length: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { robust: true, seasonal_length: None, trend_length: None }
    }
}

/// Components, one value a step; all NaN where the value is missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Decomposition {
    /// The level.
    pub trend: Vec<f64>,
    /// One component a season, as the seasons were given.
    pub seasons: Vec<Vec<f64>>,
    /// What is left.
    pub remainder: Vec<f64>,
    /// Missing values that were filled in to fit.
    pub filled: usize,
}

/// Decomposes values at equal distances, NaN for missing ones, with seasons of so many steps
/// (none: a trend only). Of values that are mostly missing every component is NaN.
///
/// # Errors
/// [`Error::InvalidArgument`] for a season of fewer than two steps or of more than half the values.
pub fn decompose(values: &[f64], seasons: &[usize], settings: &Settings) -> Result<Decomposition> {
    let n = values.len();
    let none = vec![f64::NAN; n];
    let mut result = Decomposition {
        trend: none.clone(),
        seasons: vec![none.clone(); seasons.len()],
        remainder: none,
        filled: 0,
    };
    let Some(first) = values.iter().position(|value| value.is_finite()) else { return Ok(result) };
    let last = values.iter().rposition(|value| value.is_finite()).unwrap_or(first);
    let own = &values[first..=last];
    for season in seasons {
        if *season < 2 || own.len() / 2 < *season {
            return Err(Error::invalid(format!(
                "a season is at least 2 steps and at most half of the {} steps that have values, \
                 got {season}",
                own.len()
            )));
        }
    }
    let missing: Vec<usize> = (0..own.len()).filter(|at| !own[*at].is_finite()).collect();
    let Some(mut whole) = without_gaps(own) else { return Ok(result) };
    let mut parts = fit(&whole, seasons, settings)?;
    // What stands in a gap moves what is fitted around it, which moves what stands in the gap.
    let rounds = if missing.is_empty() || seasons.is_empty() { 0 } else { REFILLS };
    for _ in 0..rounds {
        for at in &missing {
            whole[*at] = parts.0[*at] + parts.1.iter().map(|season| season[*at]).sum::<f64>();
        }
        parts = fit(&whole, seasons, settings)?;
    }
    result.filled = missing.len();
    for (at, value) in own.iter().enumerate().filter(|(_, value)| value.is_finite()) {
        let mut rest = value - parts.0[at];
        result.trend[first + at] = parts.0[at];
        for (season, part) in result.seasons.iter_mut().zip(&parts.1) {
            season[first + at] = part[at];
            rest -= part[at];
        }
        result.remainder[first + at] = rest;
    }
    Ok(result)
}

/// The trend and the seasons of values without gaps.
fn fit(
    values: &[f64],
    seasons: &[usize],
    settings: &Settings,
) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    if seasons.is_empty() {
        return Ok((lowess(values, settings), Vec::new()));
    }
    let mut parameters = stlrs::params();
    parameters.robust(settings.robust).seasonal_degree(1);
    // As the reference does: few and many rounds with weights, more rounds without.
    parameters.inner_loops(if settings.robust { 2 } else { 5 });
    parameters.outer_loops(if settings.robust { 15 } else { 0 });
    if values.len() <= EVERY {
        parameters.seasonal_jump(1).trend_jump(1).low_pass_jump(1);
    }
    if let Some(length) = settings.seasonal_length {
        parameters.seasonal_length(length);
    }
    if let Some(length) = settings.trend_length {
        parameters.trend_length(length);
    }
    if let [season] = seasons {
        parameters.low_pass_length(season + 1 + season % 2);
    }
    let mut many = stlrs::Mstl::params();
    many.stl_params(parameters);
    let fitted = many.fit(values, seasons).map_err(Error::invalid)?;
    let (seasons, trend, _) = fitted.into_parts();
    Ok((trend, seasons))
}

/// Local lines with tricube weights, over a fifth of the values or so.
fn lowess(values: &[f64], settings: &Settings) -> Vec<f64> {
    let n = values.len();
    let span = settings.trend_length.unwrap_or((n / 5).clamp(7, WIDEST)).min(n).max(2);
    let mut weights = vec![1.0; n];
    let mut trend = Vec::new();
    for _ in 0..if settings.robust { 3 } else { 1 } {
        trend = (0..n).map(|at| line_at(values, &weights, at, span)).collect();
        let mut sizes: Vec<f64> =
            values.iter().zip(&trend).map(|(value, level)| (value - level).abs()).collect();
        let own = sizes.clone();
        let middle = *sizes.select_nth_unstable_by(n / 2, f64::total_cmp).1;
        if middle <= 0.0 {
            break;
        }
        for (weight, size) in weights.iter_mut().zip(own) {
            let u = (size / (6.0 * middle)).min(1.0);
            *weight = (1.0 - u * u).powi(2);
        }
    }
    trend
}

fn line_at(values: &[f64], weights: &[f64], at: usize, span: usize) -> f64 {
    let from = at.saturating_sub(span / 2).min(values.len() - span);
    let reach = (at - from).max(from + span - 1 - at) as f64 + 1.0;
    let weight = |i: usize| {
        let u = at.abs_diff(i) as f64 / reach;
        weights[i] * (1.0 - u * u * u).powi(3)
    };
    let (mut total, mut x, mut y) = (0.0, 0.0, 0.0);
    let near = || values.iter().enumerate().skip(from).take(span);
    for (i, value) in near() {
        let w = weight(i);
        total += w;
        x += w * i as f64;
        y += w * value;
    }
    if total <= 0.0 {
        return values[at];
    }
    let (x, y) = (x / total, y / total);
    let (mut xx, mut xy) = (0.0, 0.0);
    for (i, value) in near() {
        let (w, d) = (weight(i), i as f64 - x);
        xx += w * d * d;
        xy += w * d * (value - y);
    }
    if xx > 1e-12 * total { y + xy / xx * (at as f64 - x) } else { y }
}

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let given = options.counts("seasons", 2)?;
    let settings = Settings {
        robust: options.flag("robust", true)?,
        seasonal_length: options.count("seasonal_length", 3)?,
        trend_length: options.count("trend_length", 3)?,
    };
    let every = options.duration("every")?;
    options.finish("decompose")?;
    if let Some(given) = given.as_ref().filter(|given| given.len() > COLUMNS) {
        return Err(Error::invalid(format!(
            "decompose takes at most {COLUMNS} seasons, got {}",
            given.len()
        )));
    }
    Table::each(inputs, guard, |input| {
        let values = input.values();
        let grid = Grid::new(input.times, values, every)?;
        let seasons = given.clone().unwrap_or_else(|| {
            find(&grid.values, COLUMNS).into_iter().map(|season| season.period).collect()
        });
        let parts = decompose(&grid.values, &seasons, &settings)?;
        let at_rows = |part: &[f64]| -> Vec<f64> {
            let told = |(slot, value): (&u32, &f64)| {
                if value.is_finite() { part[*slot as usize] } else { f64::NAN }
            };
            grid.slots.iter().zip(values).map(told).collect()
        };
        let trend = at_rows(&parts.trend);
        let each: Vec<Vec<f64>> = parts.seasons.iter().map(|season| at_rows(season)).collect();
        let seasonal: Vec<f64> =
            (0..values.len()).map(|row| each.iter().map(|season| season[row]).sum()).collect();
        let seasonal: Vec<f64> = seasonal
            .iter()
            .zip(&trend)
            .map(|(s, t)| if t.is_nan() { f64::NAN } else { *s })
            .collect();
        let remainder =
            (0..values.len()).map(|row| values[row] - trend[row] - seasonal[row]).collect();
        let mut table = Table::new([
            ("time", Column::Time(input.times.to_vec())),
            ("value", Column::Float(values.to_vec())),
            ("trend", Column::Float(trend)),
            ("seasonal", Column::Float(seasonal)),
            ("remainder", Column::Float(remainder)),
        ]);
        for number in 0..COLUMNS {
            let season = each.get(number).cloned();
            let season = season.unwrap_or_else(|| vec![f64::NAN; values.len()]);
            table.columns.push((format!("season_{}", number + 1), Column::Float(season)));
        }
        let filled = vec![parts.filled as i64; values.len()];
        table.columns.push(("filled".to_owned(), Column::Int(filled)));
        Ok(table)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, period: usize) -> Vec<f64> {
        (0..n).map(|i| (i as f64 / period as f64 * std::f64::consts::TAU).sin()).collect()
    }

    #[test]
    fn a_trend_and_two_seasons_are_told_apart() {
        let (day, week) = (wave(800, 12), wave(800, 84));
        let values: Vec<f64> = (0..800).map(|i| 0.01 * i as f64 + 2.0 * day[i] + week[i]).collect();
        let parts = decompose(&values, &[12, 84], &Settings::default()).expect("two seasons");
        for i in 100..700 {
            assert!((parts.seasons[0][i] - 2.0 * day[i]).abs() < 0.1, "{i}");
            assert!((parts.seasons[1][i] - week[i]).abs() < 0.1, "{i}");
            assert!((parts.trend[i] - 0.01 * i as f64).abs() < 0.1, "{i}");
        }
    }

    #[test]
    fn components_add_up_and_are_missing_where_the_value_is() {
        let mut values: Vec<f64> = wave(300, 10).iter().map(|v| 5.0 + v).collect();
        values[..3].fill(f64::NAN);
        values[100..115].fill(f64::NAN);
        values[200] = f64::INFINITY;
        for seasons in [vec![], vec![10]] {
            let parts = decompose(&values, &seasons, &Settings::default()).expect("fits");
            assert_eq!(parts.filled, 16);
            for (i, value) in values.iter().enumerate() {
                let season: f64 = parts.seasons.iter().map(|season| season[i]).sum();
                let sum = parts.trend[i] + season + parts.remainder[i];
                assert_eq!(sum.is_nan(), !value.is_finite());
                assert!(!value.is_finite() || (sum - value).abs() < 1e-9);
                if !seasons.is_empty() && value.is_finite() {
                    // A gap of one and a half cycles is felt beside it.
                    let most = if (90..125).contains(&i) { 0.35 } else { 0.1 };
                    assert!(parts.remainder[i].abs() < most, "{} at {i}", parts.remainder[i]);
                }
            }
        }
    }

    #[test]
    fn a_line_is_all_trend_and_an_outlier_does_not_bend_it() {
        let mut values: Vec<f64> = (0..60).map(|i| 3.0 - 0.5 * f64::from(i)).collect();
        values[30] = 500.0;
        let parts = decompose(&values, &[], &Settings::default()).expect("a trend");
        for (i, trend) in parts.trend.iter().enumerate() {
            assert!((trend - (3.0 - 0.5 * i as f64)).abs() < 1e-6, "{trend} at {i}");
        }
    }

    #[test]
    fn short_and_empty_series_have_no_components_and_long_seasons_are_refused() {
        for values in [vec![], vec![1.0], vec![f64::NAN; 30], vec![2.0; 5]] {
            let parts = decompose(&values, &[], &Settings::default()).expect("none");
            assert_eq!(parts.trend.len(), values.len());
        }
        let error = decompose(&[1.0; 20], &[11], &Settings::default()).expect_err("too long");
        assert!(error.to_string().contains("11"));
        let parts = decompose(&[4.0; 50], &[5], &Settings::default()).expect("constant");
        assert!(parts.remainder.iter().all(|rest| rest.abs() < 1e-9));
    }
}
