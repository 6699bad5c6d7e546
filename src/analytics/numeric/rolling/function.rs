//! `rolling`: statistics of the last so many rows, at every row.

use super::{RollingMoments, SortedWindow};
use crate::analytics::{Column, Function, Input, Options, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// `rolling`: time, value and a column for each statistic. Options:
/// - `window`, required: how many rows count, the row itself being the last of them;
/// - `statistic`: one or a list of median, mad (the median absolute distance from the median, not
///   scaled), mean, std (of a sample), min, max and quantile; `["median"]`;
/// - `q` (0.5): which quantile, on the line between its neighbours;
/// - `min_points` (1): from how many values in the window on there is a result.
///
/// A missing or infinite value takes its row and counts in no statistic. A row is O(log window) and,
/// for the statistics by order, a move within the window.
pub(in crate::analytics) const FUNCTION: Function =
    Function { name: "rolling", fields: (1, 1), run };

/// The longest window.
const MOST_WINDOW: usize = 1 << 24;
/// Rows between two looks at the guard.
const POLL: usize = 1 << 13;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Statistic {
    Median,
    Mad,
    Mean,
    Std,
    Min,
    Max,
    Quantile,
}

const STATISTICS: [(&str, Statistic); 7] = [
    ("median", Statistic::Median),
    ("mad", Statistic::Mad),
    ("mean", Statistic::Mean),
    ("std", Statistic::Std),
    ("min", Statistic::Min),
    ("max", Statistic::Max),
    ("quantile", Statistic::Quantile),
];

struct Settings {
    window: usize,
    statistics: Vec<(&'static str, Statistic)>,
    q: f64,
    min_points: usize,
}

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let window = options.count("window", 1)?.ok_or_else(|| {
        Error::invalid("rolling needs a window: how many rows count, such as window=60")
    })?;
    if window > MOST_WINDOW {
        return Err(Error::invalid(format!("window is at most {MOST_WINDOW}, got {window}")));
    }
    let named = options.texts("statistic")?.unwrap_or_else(|| vec!["median".to_owned()]);
    let mut statistics = Vec::with_capacity(named.len());
    for name in &named {
        let known = STATISTICS.iter().find(|(known, _)| known == name);
        let found = known.ok_or_else(|| {
            Error::unknown("statistic", name, STATISTICS.iter().map(|(known, _)| *known))
        })?;
        if statistics.contains(found) {
            return Err(Error::invalid(format!("statistic {name:?} is given twice")));
        }
        statistics.push(*found);
    }
    let q = options.fraction("q", 0.5)?;
    let min_points = options.count("min_points", 1)?.unwrap_or(1);
    options.finish("rolling")?;
    let settings = Settings { window, statistics, q, min_points };
    let rows: usize = inputs.iter().map(|input| input.times.len()).sum();
    let bytes = rows.saturating_mul(8 * (2 + settings.statistics.len()));
    guard.charge(bytes)?;
    let table = Table::each(inputs, guard, |input| rolling(input, &settings, guard));
    guard.release(bytes);
    table
}

fn rolling(input: &Input<'_>, settings: &Settings, guard: &dyn Guard) -> Result<Table> {
    let Settings { window, statistics, q, min_points } = settings;
    let values = input.values();
    let by_moments = |statistic| matches!(statistic, Statistic::Mean | Statistic::Std);
    let window = (*window).min(values.len().max(1));
    let mut moments =
        statistics.iter().any(|(_, s)| by_moments(*s)).then(|| RollingMoments::new(window));
    let mut sorted =
        statistics.iter().any(|(_, s)| !by_moments(*s)).then(|| SortedWindow::new(window));
    let mut columns = vec![Vec::with_capacity(values.len()); statistics.len()];
    for (at, &value) in values.iter().enumerate() {
        if at % POLL == 0 {
            guard.poll()?;
        }
        let value = if value.is_finite() { value } else { f64::NAN };
        let (mut mean, mut std, mut count) = (f64::NAN, f64::NAN, 0);
        if let Some(moments) = &mut moments {
            moments.push(value);
            let moments = moments.moments();
            (mean, std, count) = (moments.mean, moments.deviation(), moments.count as usize);
        }
        if let Some(sorted) = &mut sorted {
            sorted.push(value);
            count = sorted.sorted().len();
        }
        let enough = count >= (*min_points).max(1);
        let median = sorted.as_ref().map_or(f64::NAN, SortedWindow::median);
        for ((_, statistic), column) in statistics.iter().zip(&mut columns) {
            column.push(match (enough, statistic, &sorted) {
                (false, ..) => f64::NAN,
                (_, Statistic::Mean, _) => mean,
                (_, Statistic::Std, _) => std,
                (_, Statistic::Median, _) => median,
                (_, Statistic::Mad, Some(sorted)) => sorted.mad(median),
                (_, Statistic::Min, Some(sorted)) => sorted.sorted()[0],
                (_, Statistic::Max, Some(sorted)) => sorted.sorted()[count - 1],
                (_, Statistic::Quantile, Some(sorted)) => sorted.quantile(*q),
                (.., None) => f64::NAN,
            });
        }
    }
    let own =
        [("time", Column::Time(input.times.to_vec())), ("value", Column::Float(values.to_vec()))];
    let names = statistics.iter().map(|(name, _)| *name);
    Ok(Table::new(own.into_iter().chain(names.zip(columns.into_iter().map(Column::Float)))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::Value;
    use crate::kernels::Unguarded;

    fn table(values: &[f64], given: &[(&str, Value)]) -> Result<Table> {
        let times: Vec<i64> = (0..values.len() as i64).collect();
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let input = [Input { times: &times, fields: &[("v", values)] }];
        run(&input, &mut Options::new(given), &Unguarded)
    }

    fn names(names: &[&str]) -> (&'static str, Value) {
        let names = names.iter().map(|name| Value::Text((*name).to_owned()));
        ("statistic", Value::List(names.collect()))
    }

    #[test]
    fn each_statistic_has_a_column_and_each_row_its_window() {
        let all = STATISTICS.map(|(name, _)| name);
        let values = [3.0, f64::NAN, 1.0, 8.0, f64::INFINITY, 6.0];
        let given = [("window", Value::Int(3)), names(&all), ("q", Value::Float(0.25))];
        let table = table(&values, &given).expect("a table");
        let row = |at: usize| all.map(|name| table.floats(name).expect("a column")[at]);
        let close = |a: [f64; 7], b: [f64; 7]| {
            a.iter().zip(b).all(|(a, b)| a.is_nan() && b.is_nan() || (a - b).abs() < 1e-12)
        };
        assert!(close(row(0), [3.0, 0.0, 3.0, f64::NAN, 3.0, 3.0, 3.0]), "{:?}", row(0));
        assert!(close(row(1), [3.0, 0.0, 3.0, f64::NAN, 3.0, 3.0, 3.0]), "{:?}", row(1));
        let std = 24.5f64.sqrt();
        assert!(close(row(3), [4.5, 3.5, 4.5, std, 1.0, 8.0, 2.75]), "{:?}", row(3));
        assert!(close(row(5), [7.0, 1.0, 7.0, 2f64.sqrt(), 6.0, 8.0, 6.5]), "{:?}", row(5));
    }

    #[test]
    fn fewer_values_than_asked_for_give_no_result() {
        let values = [1.0, f64::NAN, 2.0, 3.0];
        let given = [("window", Value::Int(3)), ("min_points", Value::Int(2)), names(&["max"])];
        let table = table(&values, &given).expect("a table");
        let max = table.floats("max").expect("a column");
        assert!(max[0].is_nan() && max[1].is_nan());
        assert_eq!(max[2..], [2.0, 3.0]);
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let error = |given: &[(&str, Value)]| table(&[], given).expect_err("no").to_string();
        assert!(error(&[]).contains("needs a window"));
        let window = ("window", Value::Int(3));
        assert!(error(&[window.clone(), names(&["mediam"])]).contains("\"median\""));
        assert!(error(&[window.clone(), names(&["min", "min"])]).contains("twice"));
        assert!(error(&[("window", Value::Int(1 << 30))]).contains("at most"));
        assert!(table(&[], &[window]).is_ok());
    }
}
