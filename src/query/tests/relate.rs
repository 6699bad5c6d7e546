//! Anomalies and correlations.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::memory::{MemorySource, cell, cells, names};
use crate::Error;
use crate::chunk::{Part, PartData, PlainChunk};
use crate::kernels::testing::{agrees, flat, mixed, part_of, parts, points_of, range};
use crate::model::{Column, Duplicates, TimeRange, Value, Values};
use crate::query::{AnomalyQuery, CorrelateQuery, QueryContext, correlate, top_anomalies};

const HOSTS: [(&str, &str); 4] = [("a", "x"), ("b", "x"), ("b", "y"), ("c", "x")];

fn table(mode: Duplicates, data: Vec<Vec<crate::chunk::Part>>, which: u64) -> MemorySource {
    let series = HOSTS
        .iter()
        .zip(data)
        .map(|((h, r), p)| (Some(*h), Some(*r), mixed(p, mode, which)))
        .collect();
    MemorySource::new(mode, series)
}

fn number(value: &Value) -> f64 {
    match value {
        Value::F64(v) => *v,
        Value::I64(v) => *v as f64,
        _ => panic!("no number"),
    }
}

fn anomalies(k: usize, range: TimeRange) -> AnomalyQuery {
    let by = vec!["host".to_owned()];
    AnomalyQuery { field: "usage".to_owned(), k, by, filter: vec![], range }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn scores_are_mean_distances_from_the_median(
        data in prop::collection::vec(parts(), 4),
        which in any::<u64>(),
        range in range(),
        mode in prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)],
        k in 1..5usize,
    ) {
        let source = table(mode, data, which);
        let context = QueryContext::default();
        let batch = top_anomalies(&source, &anomalies(k, range), &context).unwrap();
        let mut at: BTreeMap<i64, Vec<(String, f64)>> = BTreeMap::new();
        for (key, parts) in &source.series {
            for (time, value) in points_of(flat(parts, range), 0, mode) {
                if !number(&value).is_nan() {
                    let host = key.tags[0].as_deref().unwrap().to_owned();
                    at.entry(time).or_default().push((host, number(&value)));
                }
            }
        }
        let mut scores: BTreeMap<String, (f64, i64)> = BTreeMap::new();
        for points in at.values() {
            let mut values: Vec<f64> = points.iter().map(|p| p.1).collect();
            values.sort_by(f64::total_cmp);
            let n = values.len();
            let median = (values[(n - 1) / 2] + values[n / 2]) / 2.0;
            for (host, value) in points {
                let score = scores.entry(host.clone()).or_default();
                *score = (score.0 + (value - median).abs(), score.1 + 1);
            }
        }
        prop_assert_eq!(batch.num_rows(), scores.len().min(k));
        let mut before = f64::INFINITY;
        for row in 0..batch.num_rows() {
            let Some(Value::Str(host)) = cell(&batch, "host", row) else { panic!("no host") };
            let (sum, count) = scores.remove(&host).unwrap();
            let score = cell(&batch, "score", row);
            prop_assert!(agrees(&score, &Some(Value::F64(sum / count as f64))));
            prop_assert_eq!(cell(&batch, "count", row), Some(Value::I64(count)));
            prop_assert!(number(&score.clone().unwrap()) <= before);
            before = number(&score.unwrap());
        }
        for (sum, count) in scores.values() {
            prop_assert!(batch.num_rows() == k && sum / *count as f64 <= before + 1e-9 * (1.0 + before.abs()));
        }
    }

    #[test]
    fn correlations_are_those_of_the_pairs(
        data in prop::collection::vec(parts(), 4),
        which in any::<u64>(),
        range in range(),
        tolerance in prop_oneof![Just(None), (0..30i64).prop_map(Some)],
    ) {
        let source = table(Duplicates::Last, data, which);
        let query = CorrelateQuery {
            x: "ops".to_owned(),
            y: "load".to_owned(),
            by: vec!["host".to_owned()],
            filter: vec![],
            range,
            tolerance,
        };
        let batch = correlate(&source, &query, &QueryContext::default()).unwrap();
        let mut pairs: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (key, parts) in &source.series {
            let own = pairs.entry(key.tags[0].as_deref().unwrap().to_owned()).or_default();
            let rows = flat(parts, range);
            let ys = points_of(rows.clone(), 4, Duplicates::Last);
            for (time, x) in points_of(rows, 1, Duplicates::Last) {
                let near = ys.iter().min_by_key(|(t, _)| (t.abs_diff(time), *t));
                let near = near.filter(|(t, _)| t.abs_diff(time) <= tolerance.unwrap_or(0) as u64);
                own.extend(near.map(|(_, y)| (number(&x), number(y))));
            }
        }
        prop_assert_eq!(batch.num_rows(), pairs.len());
        for (row, (host, pairs)) in pairs.iter().enumerate() {
            let n = pairs.len() as f64;
            prop_assert_eq!(cell(&batch, "host", row), Some(Value::Str(host.clone())));
            prop_assert_eq!(cell(&batch, "n", row), Some(Value::I64(pairs.len() as i64)));
            let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / n;
            let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
            let moment = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
                pairs.iter().map(|(x, y)| of(x - mx, y - my)).sum()
            };
            let (xx, yy) = (moment(&|x, _| x * x), moment(&|_, y| y * y));
            let r = moment(&|x, y| x * y) / (xx * yy).sqrt();
            let constant = pairs.windows(2).all(|w| w[0].0 == w[1].0)
                || pairs.windows(2).all(|w| w[0].1 == w[1].1);
            let none = pairs.len() < 2 || (constant && !r.is_nan()) || (constant && !my.is_nan());
            let wanted = (!none).then_some(Value::F64(r));
            prop_assert!(agrees(&cell(&batch, "r", row), &wanted), "{wanted:?}");
        }
    }
}

/// Series whose times are the same, plain and encoded: what is computed from blocks as they are
/// stored against what is computed from rows.
#[test]
fn shared_times_give_what_rows_give() {
    const ROWS: usize = 2500;
    let noise = |series: usize, row: usize| {
        let mixed = (series * ROWS + row) as u64;
        mixed.wrapping_add(7).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33
    };
    let column = |kind: usize, series: usize| {
        let values = (0..ROWS).map(|row| noise(series, row));
        let mut column = Column::new(match kind {
            // Counted, selected, and too far apart for either.
            0 => Values::F64(values.map(|v| (v % 101) as f64).collect()),
            1 => Values::F64(values.map(|v| (v % 30_000) as f64 / 100.0).collect()),
            2 => Values::F64(values.map(|v| v as f64).collect()),
            3 => Values::F64(
                values.map(|v| [f64::NAN, v as f64 / 7.0][(v % 9).min(1) as usize]).collect(),
            ),
            _ => Values::F64(values.map(|v| (v % 77) as f64).collect()),
        });
        if kind == 4 {
            column.validity = Some((0..ROWS).map(|row| noise(series, row) % 5 > 0).collect());
            let zero =
                |(row, v): (usize, &mut f64)| *v *= f64::from(u8::from(noise(series, row) % 5 > 0));
            if let Values::F64(values) = &mut column.values {
                values.iter_mut().enumerate().for_each(zero);
            }
        }
        column
    };
    let source = |x: usize, y: usize, encoded: bool| {
        let series = ["a", "b", "c", "d", "e"].iter().enumerate().map(|(at, host)| {
            let times = (0..ROWS as i64).map(|row| row * 10).collect();
            let columns = vec![column(x, at), column(y, at + 9)];
            let plain = PartData::Plain(Arc::new(PlainChunk { times, columns }));
            let deleted: Arc<[TimeRange]> = Arc::new([TimeRange::new(Some(20_000), Some(20_100))]);
            let part = Part { data: plain, fields: Arc::new([0, 4]), order: 0, deleted };
            let which = if encoded { u64::MAX } else { 0 };
            let host = if *host == "e" { "d" } else { *host };
            (Some(host), Some(["x", "y"][at / 4]), mixed(vec![part], Duplicates::Keep, which))
        });
        MemorySource::new(Duplicates::Keep, series.collect())
    };
    let context = QueryContext::default();
    let cut = TimeRange::new(Some(345), Some(19_005));
    for (x, y) in [(0, 1), (1, 0), (2, 0), (3, 1), (4, 2)] {
        for range in [cut, TimeRange::ALL] {
            let all = [source(x, y, true), source(x, y, false)].map(|source| {
                let correlated = CorrelateQuery {
                    x: "usage".to_owned(),
                    y: "load".to_owned(),
                    by: vec!["host".to_owned()],
                    filter: vec![],
                    range,
                    tolerance: None,
                };
                [
                    top_anomalies(&source, &anomalies(4, range), &context).unwrap(),
                    correlate(&source, &correlated, &context).unwrap(),
                ]
            });
            for (blocks, rows) in all[0].iter().zip(&all[1]) {
                assert_eq!((blocks.num_rows(), names(blocks)), (4, names(rows)));
                for name in names(blocks) {
                    for (a, b) in cells(blocks, &name).into_iter().zip(cells(rows, &name)) {
                        assert!(agrees(&a, &b), "{name} of fields {x} and {y}: {a:?}, {b:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn ties_go_to_the_earlier_y_and_duplicates_pair_by_row() {
    let run = |x: &[(i64, f64)], y: &[(i64, f64)], tolerance| {
        let parts = vec![part_of(&[0], 0, x), part_of(&[4], 1, y)];
        let source = MemorySource::new(Duplicates::Keep, vec![(Some("a"), None, parts)]);
        let query = CorrelateQuery {
            x: "usage".to_owned(),
            y: "load".to_owned(),
            by: vec!["host".to_owned()],
            filter: vec![],
            range: TimeRange::ALL,
            tolerance,
        };
        correlate(&source, &query, &QueryContext::default()).unwrap()
    };
    let x = [(5, 1.0), (15, 2.0), (25, 3.0)];
    let y = [(0, 1.0), (10, 2.0), (20, 3.0), (30, -9.0)];
    let batch = run(&x, &y, Some(5));
    assert_eq!(names(&batch), ["host", "r", "n"]);
    assert!(agrees(&cell(&batch, "r", 0), &Some(Value::F64(1.0))));
    assert_eq!(cells(&run(&x, &y, Some(4)), "n"), [Some(Value::I64(0))]);
    assert_eq!(cells(&run(&x, &y, None), "r"), [None]);
    let twice = [(1, 1.0), (1, 2.0), (2, 3.0)];
    assert_eq!(cells(&run(&twice, &twice, None), "n"), [Some(Value::I64(3))]);
    let r = cell(&run(&twice, &twice, None), "r", 0);
    assert!(agrees(&r, &Some(Value::F64(1.0))), "{r:?}");
}

#[test]
fn without_by_all_series_are_one_node() {
    let parts = |x: &[(i64, f64)]| vec![part_of(&[0], 0, x), part_of(&[4], 1, x)];
    let (a, b) = (parts(&[(1, 1.0), (2, 2.0)]), parts(&[(1, 5.0)]));
    let source =
        MemorySource::new(Duplicates::Keep, vec![(Some("a"), None, a), (Some("b"), None, b)]);
    let query = CorrelateQuery {
        x: "usage".to_owned(),
        y: "load".to_owned(),
        by: vec![],
        filter: vec![],
        range: TimeRange::ALL,
        tolerance: None,
    };
    let batch = correlate(&source, &query, &QueryContext::default()).unwrap();
    assert_eq!(names(&batch), ["r", "n"]);
    assert_eq!(cells(&batch, "n"), [Some(Value::I64(3))]);
    assert!(agrees(&cell(&batch, "r", 0), &Some(Value::F64(1.0))));
}

#[test]
fn what_cannot_be_related_is_said() {
    let source = table(Duplicates::Keep, vec![], 0);
    let context = QueryContext::default();
    let failed = |query: AnomalyQuery| top_anomalies(&source, &query, &context).unwrap_err();
    let all = TimeRange::ALL;
    assert!(matches!(failed(anomalies(0, all)), Error::InvalidArgument(_)));
    let by = vec![];
    assert!(matches!(failed(AnomalyQuery { by, ..anomalies(1, all) }), Error::InvalidArgument(_)));
    let field = "state".to_owned();
    let error = failed(AnomalyQuery { field, ..anomalies(1, all) }).to_string();
    assert!(error.contains("works on f64 and i64"), "{error}");
    let empty = top_anomalies(&source, &anomalies(3, all), &context).unwrap();
    assert_eq!(names(&empty), ["host", "score", "count"]);
    assert_eq!(empty.num_rows(), 0);
}
