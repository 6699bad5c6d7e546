//! Relations as functions: what they do with odd input, whoever calls them.

use proptest::prelude::*;

use super::align::{self, Points};
use super::{FUNCTIONS, Method};
use crate::analytics::{Column, Input, Options, Table, Value};
use crate::kernels::Unguarded;

fn run(name: &str, inputs: &[Input<'_>], options: &[(&str, Value)]) -> crate::Result<Table> {
    let function = FUNCTIONS.iter().find(|function| function.name == name).expect("is one");
    let given = options.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    (function.run)(inputs, &mut Options::new(given), &Unguarded)
}

fn noise(seed: u64, count: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn texts(table: &Table, name: &str) -> Vec<String> {
    match table.column(name) {
        Some(Column::Text(texts)) => texts.iter().flatten().cloned().collect(),
        _ => Vec::new(),
    }
}

#[test]
fn no_series_and_a_lone_field_are_no_rows() {
    let (times, values) = ([0, 1, 2], [1.0, 2.0, 4.0]);
    let fields: [(&str, &[f64]); 1] = [("x", &values)];
    let lone = [Input { times: &times, fields: &fields }];
    for function in FUNCTIONS {
        for inputs in [&[][..], &lone[..]] {
            let table = run(function.name, inputs, &[]).expect(function.name);
            let lengths: Vec<usize> = table.columns.iter().map(|(_, c)| c.len()).collect();
            assert!(lengths.iter().all(|length| *length == 0), "{} {lengths:?}", function.name);
        }
    }
    let all = [("all", Value::Bool(true))];
    assert_eq!(run("causal_graph", &[], &all).expect("runs").rows(), 0);
}

#[test]
fn options_that_cannot_be_used_are_refused() {
    let int = |name: &'static str, value: i64| (name, Value::Int(value));
    for (name, option) in [
        ("correlate", ("method", Value::Text("cosine".to_owned()))),
        ("correlate", int("tolerance", -1)),
        ("correlate", int("lags", 1)),
        ("partial_correlation", ("method", Value::Text("kendall".to_owned()))),
        ("granger", int("lags", 0)),
        ("granger", int("lags", 5000)),
        ("granger", ("lags", Value::List(Vec::new()))),
        ("regress", int("lags", -1)),
        ("regress", int("target_lags", 0)),
        ("regress", int("lags", 1 << 40)),
        ("regress", ("hac", Value::Text("yes".to_owned()))),
        ("causal_graph", int("max_lag", 0)),
        ("causal_graph", int("alpha", 2)),
        ("cross_correlate", int("every", 0)),
    ] {
        let error = run(name, &[], std::slice::from_ref(&option)).expect_err(name).to_string();
        assert!(error.contains(option.0), "{name} {option:?}: {error}");
    }
    let (times, values) = ([0, 1, 2], [1.0, 2.0, 4.0]);
    let fields: [(&str, &[f64]); 2] = [("x", &values), ("y", &values)];
    let input = [Input { times: &times, fields: &fields }];
    let error = run("causal_graph", &input, &[int("max_lag", 1 << 60)]).expect_err("too many");
    assert!(error.to_string().contains("max_lag"), "{error}");
}

#[test]
fn lags_beyond_the_series_are_no_numbers() {
    let (times, x, y) = ([0, 1, 2, 3], [1.0, 2.0, 4.0, 3.0], [2.0, 1.0, 0.5, 3.0]);
    let fields: [(&str, &[f64]); 2] = [("x", &x), ("y", &y)];
    let input = [Input { times: &times, fields: &fields }];
    let many = |name| [(name, Value::Int(50))];
    let found = run("granger", &input, &many("lags")).expect("runs");
    assert!(found.floats("p").expect("numbers").iter().all(|p| p.is_nan()));
    let found = run("regress", &input, &many("lags")).expect("runs");
    assert!(found.floats("coefficient").expect("numbers").iter().all(|c| c.is_nan()));
    assert_eq!(run("causal_graph", &input, &many("max_lag")).expect("runs").rows(), 0);
    let found = run("cross_correlate", &input, &many("max_lag")).expect("runs");
    assert_eq!(found.rows(), 7);
}

#[test]
fn a_field_that_another_gives_neither_causes_it_nor_explains_more() {
    let times: Vec<i64> = (0..200).collect();
    let x = noise(1, 200);
    let twice: Vec<f64> = x.iter().map(|v| 2.0 * v + 1.0).collect();
    let y = noise(2, 200);
    let fields: [(&str, &[f64]); 3] = [("x", &x), ("twice", &twice), ("y", &y)];
    let input = [Input { times: &times, fields: &fields }];
    let found = run("granger", &input, &[]).expect("runs");
    let pairs = texts(&found, "cause").into_iter().zip(texts(&found, "effect"));
    for ((cause, effect), f) in pairs.zip(found.floats("f").expect("numbers")) {
        let same = cause != "y" && effect != "y";
        assert_eq!(f.is_nan(), same, "{cause} {effect} {f}");
    }
    let found = run("partial_correlation", &input, &[]).expect("runs");
    let r = found.floats("r").expect("numbers");
    assert!((r[0] - 1.0).abs() < 1e-12 && r[1].is_nan() && r[2].is_nan(), "{r:?}");
}

#[test]
fn a_cause_that_tells_all_is_certain() {
    let times: Vec<i64> = (0..100).collect();
    let x = noise(3, 100);
    let y: Vec<f64> = (0..100).map(|t| if t == 0 { 0.0 } else { 5.0 * x[t - 1] }).collect();
    let fields: [(&str, &[f64]); 2] = [("x", &x), ("y", &y)];
    let input = [Input { times: &times, fields: &fields }];
    let found = run("granger", &input, &[("lags", Value::Int(1))]).expect("runs");
    assert_eq!(found.floats("p").expect("numbers")[0], 0.0);
    assert!(found.floats("f").expect("numbers")[0] > 1e15);
}

#[test]
fn answers_do_not_depend_on_the_number_of_threads() {
    let times: Vec<i64> = (0..300).collect();
    let names: Vec<String> = (0..150).map(|at| format!("f{at}")).collect();
    let mut columns: Vec<Vec<f64>> = (0..150).map(|at| noise(at + 7, 300)).collect();
    columns[3][17] = f64::NAN;
    let fields: Vec<(&str, &[f64])> =
        names.iter().zip(&columns).map(|(name, column)| (name.as_str(), &column[..])).collect();
    let shown = |name: &str, fields: &[(&str, &[f64])], threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        let input = [Input { times: &times, fields }];
        format!("{:?}", pool.install(|| run(name, &input, &[])).expect("runs"))
    };
    for (name, count) in [("correlation_matrix", 150), ("granger", 6), ("causal_graph", 5)] {
        let fields = &fields[..count];
        assert!(shown(name, fields, 1) == shown(name, fields, 3), "{name}");
    }
}

fn moments() -> impl Strategy<Value = Vec<(Vec<i64>, Vec<f64>)>> {
    let value = prop_oneof![5 => -3.0..3.0f64, 1 => Just(f64::NAN)];
    let point = (0..60i64, value);
    prop::collection::vec(prop::collection::vec(point, 0..40), 2..5).prop_map(|all| {
        let sorted = |mut points: Vec<(i64, f64)>| {
            points.sort_by_key(|(time, _)| *time);
            points.into_iter().unzip()
        };
        all.into_iter().map(sorted).collect()
    })
}

proptest! {
    #[test]
    fn series_of_other_times_are_paired_point_by_point(
        series in moments(), tolerance in prop::option::of(1..4i64), single in any::<bool>(),
    ) {
        let mut series = series;
        if single {
            // Without equal times, those that are shared by most take another way.
            for (times, values) in &mut series {
                let mut at = 0;
                values.retain(|_| { at += 1; at == 1 || times[at - 1] != times[at - 2] });
                times.dedup();
            }
        }
        let fields: Vec<[(&str, &[f64]); 1]> =
            series.iter().map(|(_, values)| [("v", values.as_slice())]).collect();
        let inputs: Vec<Input<'_>> = series
            .iter()
            .zip(&fields)
            .map(|((times, _), fields)| Input { times, fields })
            .collect();
        let options: Vec<(&str, Value)> =
            tolerance.iter().map(|ns| ("tolerance", Value::Int(*ns))).collect();
        let found = run("correlation_matrix", &inputs, &options).expect("runs");
        let (r, n) = (found.floats("r").expect("numbers"), found.column("n").expect("is one"));
        let mut row = 0;
        for a in 0..series.len() {
            for b in a + 1..series.len() {
                let of = |at: usize| Points::of(&series[at].0, &series[at].1);
                let limit = tolerance.map(i64::unsigned_abs);
                let pairs = align::of_points(&of(a), &of(b), limit);
                let expected = Method::Pearson.of(&pairs.0, &pairs.1).0;
                let same = (r[row].is_nan() && expected.is_nan())
                    || (r[row] - expected).abs() < 1e-9;
                prop_assert!(same, "{} {}", r[row], expected);
                if let Column::Int(n) = n {
                    prop_assert_eq!(n[row], pairs.0.len() as i64);
                }
                row += 1;
            }
        }
        prop_assert_eq!(row, found.rows());
    }
}

fn odd_columns() -> impl Strategy<Value = (Vec<i64>, Vec<Vec<f64>>)> {
    let value = prop_oneof![
        6 => -5.0..5.0f64,
        2 => (-1..2i32).prop_map(f64::from),
        1 => prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(f64::MAX),
            Just(f64::MIN), Just(5e-324), Just(-0.0), Just(1e-200)
        ],
    ];
    (0..40usize, 3..5usize).prop_flat_map(move |(rows, count)| {
        let times = prop::collection::vec(0..50i64, rows).prop_map(|mut times| {
            times.sort_unstable();
            times
        });
        (times, prop::collection::vec(prop::collection::vec(value.clone(), rows), count))
    })
}

proptest! {
    #[test]
    fn whatever_the_values_nothing_panics_and_numbers_keep_their_bounds(
        (times, columns) in odd_columns(),
    ) {
        let names = ["a", "b", "c", "d"];
        let fields: Vec<(&str, &[f64])> =
            names.iter().zip(&columns).map(|(name, column)| (*name, &column[..])).collect();
        for function in FUNCTIONS {
            let input = [Input { times: &times, fields: &fields[..function.fields.1.min(3)] }];
            let table = run(function.name, &input, &[]).expect("runs");
            for (name, least) in [("r", -1.0), ("strength", -1.0), ("p", 0.0), ("q", 0.0)] {
                for value in table.floats(name).unwrap_or(&[]) {
                    let within = value.is_nan() || (least..=1.0).contains(value);
                    prop_assert!(within, "{} {} {}", function.name, name, value);
                }
            }
        }
    }
}
