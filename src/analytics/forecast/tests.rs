//! What every method promises, whatever its history.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::METHODS;
use crate::analytics::{Column, Input, Options, Table, Value, function};
use crate::error::Result;
use crate::kernels::Unguarded;

fn call(name: &str, values: &[f64], options: &[(&str, Value)]) -> Result<Table> {
    let times: Vec<i64> = (0..values.len() as i64).map(|t| t * 3_600_000_000_000).collect();
    let input = Input { times: &times, fields: &[("value", values)] };
    let given = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    (function(name)?.run)(&[input], &mut Options::new(given), &Unguarded)
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn cheap() -> impl Iterator<Item = &'static str> {
    METHODS.iter().filter(|method| method.cheap).map(|method| method.name)
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -100.0..100.0f64,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(0.0),
        1 => -1e308..1e308f64,
        1 => Just(1e-310),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_history_has_a_forecast_or_none_and_never_a_panic(
        values in prop::collection::vec(any_value(), 0..40),
        horizon in 1..9i64,
        season in 2..8i64,
    ) {
        for method in cheap() {
            let options = [
                ("horizon", Value::Int(horizon)),
                ("seasons", Value::Int(season)),
                ("method", text(method)),
                ("levels", Value::List(vec![Value::Int(50), Value::Float(99.9)])),
            ];
            let table = call("forecast", &values, &options).expect("any history is input");
            let rows = if values.is_empty() { 0 } else { horizon as usize };
            prop_assert_eq!(table.rows(), rows);
            let known = values.iter().any(|y| y.is_finite());
            let column = |name: &str| table.floats(name).expect("it is there");
            for k in 0..rows {
                let (mean, low, high) = (column("mean")[k], column("lower_50")[k], column("upper_50")[k]);
                prop_assert_eq!(mean.is_finite(), known);
                if known {
                    prop_assert!(low <= mean && mean <= high, "{} {} {}", low, mean, high);
                    prop_assert!(column("lower_99.9")[k] <= low && high <= column("upper_99.9")[k]);
                }
            }
            prop_assert_eq!(call("forecast", &values, &options).expect("again").rows(), rows);
        }
    }

    #[test]
    fn units_do_not_matter(
        values in prop::collection::vec(1.0..100.0f64, 24..48),
        unit in 1e-6..1e6f64,
    ) {
        let scaled: Vec<f64> = values.iter().map(|y| y * unit).collect();
        for method in ["naive", "seasonal_naive", "drift", "theta", "lags"] {
            let options =
                [("horizon", Value::Int(4)), ("seasons", Value::Int(4)), ("method", text(method))];
            let own = call("forecast", &values, &options).expect("long enough");
            let other = call("forecast", &scaled, &options).expect("long enough");
            let (own, other) = (own.floats("mean").expect("mean"), other.floats("mean").expect("mean"));
            for (own, other) in own.iter().zip(other) {
                prop_assert!((own * unit - other).abs() <= 1e-3 * unit * 100.0, "{method}");
            }
        }
    }
}

/// Noise about normal, the sum of twelve uniform ones.
fn noise(random: &mut Xoshiro256PlusPlus) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

fn autoregression(random: &mut Xoshiro256PlusPlus, n: usize) -> Vec<f64> {
    let (mut state, mut values) = (0.0, Vec::with_capacity(n));
    for t in 0..n {
        state = 0.6 * state + noise(random);
        values.push(30.0 + state + [4.0, -2.0, 1.0, -3.0][t % 4]);
    }
    values
}

#[test]
fn intervals_hold_what_they_promise() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
    for method in ["auto", "ets", "theta"] {
        let (mut held, mut count) = (0, 0);
        for _ in 0..60 {
            let values = autoregression(&mut random, 88);
            let (past, truth) = values.split_at(80);
            let options = [
                ("horizon", Value::Int(8)),
                ("seasons", Value::Int(4)),
                ("method", text(method)),
                ("backtest", Value::Bool(false)),
            ];
            let table = call("forecast", past, &options).expect("long enough");
            let low = table.floats("lower_95").expect("a level");
            let high = table.floats("upper_95").expect("a level");
            held += (0..8).filter(|k| (low[*k]..=high[*k]).contains(&truth[*k])).count();
            count += 8;
        }
        let share = held as f64 / f64::from(count);
        assert!((0.91..=0.998).contains(&share), "{method} {share}");
    }
}

#[test]
fn uncertainty_does_not_shrink_with_the_steps() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let values = autoregression(&mut random, 60);
    for (method, form) in
        [("naive", None), ("drift", None), ("seasonal_naive", None), ("ets", Some("AAN"))]
    {
        let mut options =
            vec![("horizon", Value::Int(12)), ("seasons", Value::Int(4)), ("method", text(method))];
        options.extend(form.map(|form| ("form", text(form))));
        let table = call("forecast", &values, &options).expect("long enough");
        let low = table.floats("lower_95").expect("a level");
        let high = table.floats("upper_95").expect("a level");
        let widths: Vec<f64> = high.iter().zip(low).map(|(high, low)| high - low).collect();
        assert!(widths.windows(2).all(|pair| pair[1] >= pair[0] - 1e-9), "{method} {widths:?}");
    }
}

#[test]
fn a_method_that_cannot_be_fitted_gives_way_and_says_so() {
    let options = [("horizon", Value::Int(2)), ("method", text("ets")), ("seasons", Value::Int(1))];
    let table = call("forecast", &[1.0, 2.0], &options).expect("any history is input");
    assert_eq!(table.floats("mean"), Some([2.0, 2.0].as_slice()));
    let Some(Column::Text(used)) = table.column("method") else { panic!("no method") };
    let used = used[0].as_deref().expect("told");
    assert!(used.starts_with("naive (") && used.contains("at least"), "{used}");
}

#[test]
fn a_forecast_worse_than_the_seasonal_naive_is_refused_when_asked() {
    let values: Vec<f64> =
        (0..60).map(|t| [1.0, 9.0, 5.0][t % 3] + (t % 7) as f64 / 50.0).collect();
    let mut options = vec![
        ("horizon", Value::Int(3)),
        ("method", text("naive")),
        ("seasons", Value::Int(3)),
        ("refuse", Value::Bool(true)),
    ];
    let error = call("forecast", &values, &options).expect_err("worse").to_string();
    assert!(error.contains("seasonal naive") && error.contains("skill -"), "{error}");
    options.push(("backtest", Value::Bool(false)));
    assert!(call("forecast", &values, &options).is_err());
}

#[test]
fn a_backtest_has_a_row_a_method_and_refuses_unknown_ones() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    let values = autoregression(&mut random, 80);
    let options = [("horizon", Value::Int(4)), ("seasons", Value::Int(4))];
    let table = call("backtest", &values, &options).expect("long enough");
    assert_eq!(table.rows(), cheap().count());
    for column in ["mae", "rmse", "smape", "mase", "owa", "coverage_95", "skill"] {
        let values = table.floats(column).expect("it is there");
        assert!(values.iter().all(|value| value.is_finite()), "{column} {values:?}");
    }
    let unknown = [("horizon", Value::Int(4)), ("methods", text("etz"))];
    assert!(call("backtest", &values, &unknown).expect_err("unknown").to_string().contains("ets"));
}
