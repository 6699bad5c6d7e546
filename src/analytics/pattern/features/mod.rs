//! Features: a series as about fifty numbers, to compare, to group and to classify series by.
//!
//! Rows are taken as steps of equal length. Missing and infinite values are left out of what does
//! not depend on order (down to `energy` in the table); for the rest they are filled in by straight
//! lines between their neighbours, as `missing` tells, and those at the ends are left out. What a
//! series is too short or too constant for is NaN. Below, x are these values, n how many,
//! z = (x - mean) / std, and T, S and R trend, season and remainder of z. Sources: \[H\] Hyndman and others' tsfeatures, \[F\] tsfresh, \[S\] SciPy or
//! statsmodels.
//!
//! | feature | definition |
//! | --- | --- |
//! | `length`, `missing` | rows; the share of them that is missing or infinite |
//! | `mean`, `std` | mean; standard deviation about it (divided by n) |
//! | `skewness`, `kurtosis` | third and fourth moment of z, the latter less 3 \[S\] |
//! | `minimum`, `q05`, `q25`, `median`, `q75`, `q95`, `maximum` | quantiles, linear between values |
//! | `iqr`, `mad` | q75 - q25; median distance from the median, not scaled |
//! | `first`, `last` | the first and the last value |
//! | `zero_share` | the share of values that are 0 |
//! | `energy` | sum of squares \[F: `abs_energy`\] |
//! | `mean_abs_change` | mean of abs(x\[t+1\] - x\[t\]) \[F\] |
//! | `slope` | of the least-squares line, a step |
//! | `period` | steps of the strongest season (`season` sets it), 1 for none |
//! | `trend_strength`, `season_strength` | 1 - var(R) / var(T + R), 1 - var(R) / var(S + R), not below 0 \[H\]; by STL with a seasonal span of 11, and without a season by a centered mean of n / 10 steps, at least 5 |
//! | `acf1`, `acf10` | first autocorrelation; sum of squares of the first ten \[H\] |
//! | `diff1_acf1`, `diff1_acf10`, `diff2_acf1`, `diff2_acf10` | the same of first and second differences \[H\] |
//! | `acf_season` | the autocorrelation at the period \[H: `seas_acf1`\] |
//! | `pacf5` | sum of squares of the first five partial autocorrelations, by Levinson and Durbin \[H: `x_pacf5`\] |
//! | `first_zero` | the first lag, up to 500, whose autocorrelation is at most 0 \[H: `firstzero_ac`\] |
//! | `spectral_entropy` | Shannon's entropy of the periodogram's shares, as a part of its most (0..1) |
//! | `dominant_frequency` | cycles a step where the periodogram is greatest |
//! | `stability`, `lumpiness` | variance of the means, and of the variances, of z in tiles of a period (without a season 10 steps) \[H\] |
//! | `crossing_points` | how often it crosses its median \[H\] |
//! | `flat_spots` | the longest run within one of ten equal parts of its range \[H\] |
//! | `longest_above_mean` | the longest run above its mean \[F: `longest_strike_above_mean`\] |
//! | `peaks` | values above each of the three before and the three after them \[F: `number_peaks(3)`\] |
//! | `c3` | mean of x\[t+2\] x\[t+1\] x\[t\] \[F: `c3(1)`\] |
//! | `time_reversal` | mean of x\[t+2\]^2 x\[t+1\] - x\[t+1\] x\[t\]^2 \[F: `time_reversal_asymmetry_statistic(1)`\] |
//! | `complexity` | length of the differences of z \[F: `cid_ce(normalize=True)`\]; Batista et al. 2014 |
//! | `sample_entropy` | -ln of the share of pairs of 2 steps nearer than 0.2 std that stay so for a third; of the last 2,000 values; Richman and Moorman 2000 |
//! | `dfa` | exponent of detrended fluctuations (0.5 white noise, 1.5 a random walk); windows of 10 steps and 5/4 of the one before, up to n / 4; Peng et al. 1994 |
//! | `kpss` | statistic of level stationarity, 4 (n / 100)^(1/4) lags \[S: `kpss`\] |
//! | `adf` | Dickey and Fuller's t with an intercept, n^(1/3) lags, at most 10 \[S: `adfuller`\] |
//! | `arch_r2` | R^2 of squared deviations on their 12 lags \[H: `arch_stat`\] |
//! | `arch_acf` | sum of squares of the first 12 autocorrelations of squared deviations |
//! | `nonlinearity` | 10 ln of what a cubic of the value before adds to a line's fit \[H\]; Teräsvirta 1993 |

mod components;
mod memory;
mod shape;
mod spectrum;
mod spread;

use super::seasons;
use crate::analytics::numeric::least_squares::center;
use crate::analytics::{Column, Function, Input, Options, Table};
use crate::error::Result;
use crate::kernels::Guard;

/// `features`, as a function.
pub const FUNCTION: Function = Function { name: "features", fields: (1, 1), run };

/// Seasons that are looked for, of which the strongest is taken.
const MOST_SEASONS: usize = 3;
/// Bytes that a value is charged for: the lagged columns of least squares are the most.
const VALUE_BYTES: usize = 320;

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let season = options.count("season", 1)?;
    options.finish("features")?;
    let mut table = Table::each(inputs, guard, |input| {
        let values = input.values();
        let bytes = values.len() * VALUE_BYTES;
        guard.charge(bytes)?;
        let features = features(values, season, guard)?;
        guard.release(bytes);
        Ok(Table::new(features.into_iter().map(|(name, value)| (name, Column::Float(vec![value])))))
    })?;
    if inputs.is_empty() {
        for (_, column) in &mut table.columns[1..] {
            *column = Column::Float(Vec::new());
        }
    }
    Ok(table)
}

/// The features of rows, by name; see the module. `season` is a period in steps, 1 for none.
///
/// # Errors
/// When the guard says to stop.
pub fn features(
    values: &[f64],
    season: Option<usize>,
    guard: &dyn Guard,
) -> Result<Vec<(&'static str, f64)>> {
    let x: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let missing = (values.len() - x.len()) as f64 / values.len() as f64;
    let mut all = vec![("length", values.len() as f64), ("missing", missing)];
    let (mean, std, z) = standard(&x);
    all.extend(spread::features(&x, mean, std, &z));
    guard.poll()?;
    let x = without_gaps(values);
    let (mean, _, z) = standard(&x);
    let period = season.unwrap_or_else(|| strongest(&z));
    all.extend(components::features(&x, &z, period));
    guard.poll()?;
    all.extend(memory::features(&z, period, guard)?);
    all.extend(spectrum::features(&z));
    guard.poll()?;
    all.extend(shape::features(&x, mean, &z, period, guard)?);
    Ok(all)
}

/// From the first to the last finite value, with straight lines over what lies between.
fn without_gaps(values: &[f64]) -> Vec<f64> {
    let mut filled = Vec::with_capacity(values.len());
    let mut gap = 0;
    for &value in values {
        if !value.is_finite() {
            gap += 1;
            continue;
        }
        if let Some(&before) = filled.last() {
            let parts = (gap + 1) as f64;
            // Each share on its own: the difference of the two may overflow.
            filled.extend((1..=gap).map(|at| {
                let share = at as f64 / parts;
                before * (1.0 - share) + value * share
            }));
        }
        filled.push(value);
        gap = 0;
    }
    filled
}

/// The period of the season that explains most; 1 for none.
fn strongest(z: &[f64]) -> usize {
    let seasons = seasons::find(z, MOST_SEASONS);
    seasons.iter().max_by(|a, b| a.strength.total_cmp(&b.strength)).map_or(1, |one| one.period)
}

/// Mean, standard deviation (divided by n) and the values as so many of it from the mean; none for
/// values that do not vary.
fn standard(x: &[f64]) -> (f64, f64, Vec<f64>) {
    let mut z = x.to_vec();
    let mean = center(&mut z);
    let most = z.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    if most == 0.0 || !most.is_finite() {
        let std = if x.is_empty() { f64::NAN } else { most };
        return (mean, std, Vec::new());
    }
    let std = most * (z.iter().map(|v| (v / most).powi(2)).sum::<f64>() / x.len() as f64).sqrt();
    z.iter_mut().for_each(|value| *value /= std);
    (mean, std, z)
}

/// The mean; NaN of none.
fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The variance, divided by one less than the count; NaN of fewer than two.
fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return f64::NAN;
    }
    let mean = mean_of(values);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::analytics::Value;
    use crate::kernels::Unguarded;

    fn named(values: &[f64], name: &str) -> f64 {
        let all = features(values, None, &Unguarded).expect("unguarded");
        all.iter().find(|(own, _)| *own == name).map(|(_, value)| *value).expect("is one")
    }

    #[test]
    fn names_are_single_and_the_same_for_every_series() {
        let names = |values: &[f64]| -> Vec<&str> {
            let all = features(values, None, &Unguarded).expect("unguarded");
            all.into_iter().map(|(name, _)| name).collect()
        };
        let usual = names(&(0..200).map(|v| f64::from(v % 7)).collect::<Vec<_>>());
        let mut single = usual.clone();
        single.sort_unstable();
        single.dedup();
        assert_eq!(single.len(), usual.len());
        for odd in [&[][..], &[1.0], &[f64::NAN; 3], &[2.0; 50]] {
            assert_eq!(names(odd), usual);
        }
    }

    #[test]
    fn a_season_of_seven_is_found_and_strong() {
        let x: Vec<f64> = (0..210).map(|t| [0.0, 3.0, 1.0, 5.0, 2.0, 8.0, 4.0][t % 7]).collect();
        assert_eq!(named(&x, "period"), 7.0);
        assert!(named(&x, "season_strength") > 0.99);
        assert!((named(&x, "acf_season") - 1.0).abs() < 0.05);
    }

    #[test]
    fn gaps_are_lines_and_the_ends_are_left_out() {
        let filled = without_gaps(&[f64::NAN, 1.0, f64::INFINITY, f64::NAN, 4.0, f64::NAN]);
        assert_eq!(filled, [1.0, 2.0, 3.0, 4.0]);
        assert!(without_gaps(&[f64::NAN; 3]).is_empty());
    }

    #[test]
    fn no_series_is_a_table_without_rows() {
        let table = run(&[], &mut Options::default(), &Unguarded).expect("runs");
        assert_eq!(table.rows(), 0);
        assert!(table.columns.iter().all(|(_, column)| column.is_empty()));
        let mut options = Options::new([("season".to_owned(), Value::Int(0))]);
        assert!(run(&[], &mut options, &Unguarded).is_err());
    }

    proptest! {
        #[test]
        fn whatever_the_values_nothing_panics(
            values in prop::collection::vec(
                prop_oneof![
                    4 => -1e3..1e3f64,
                    2 => (-2..3i32).prop_map(f64::from),
                    1 => prop_oneof![
                        Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY),
                        Just(f64::MAX), Just(f64::MIN), Just(5e-324), Just(-0.0)
                    ],
                ],
                0..140,
            ),
            season in prop::option::of(1..60usize),
        ) {
            let all = features(&values, season, &Unguarded).expect("unguarded");
            prop_assert!(all.len() > 40);
        }

        #[test]
        fn a_line_over_the_values_changes_no_shape(
            values in prop::collection::vec(-10.0..10.0f64, 60..120), scale in 0.5..20.0f64,
        ) {
            let moved: Vec<f64> = values.iter().map(|v| v * scale + 3.0).collect();
            for name in ["acf1", "pacf5", "complexity", "dfa", "kpss", "adf", "crossing_points"] {
                let (a, b) = (named(&values, name), named(&moved, name));
                let same = (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-7 * (1.0 + a.abs());
                prop_assert!(same, "{} {} {}", name, a, b);
            }
        }
    }
}
