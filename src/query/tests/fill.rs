//! Gap filling.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::memory::{MemorySource, cells};
use crate::Error;
use crate::kernels::testing::part_of;
use crate::model::{Duplicates, TimeRange, Value};
use crate::query::{AggregateQuery, Bucket, Fill, Function, QueryContext, aggregate};

fn run(fill: Fill, range: TimeRange, every: i64) -> crate::Result<arrow_array::RecordBatch> {
    let part = |values: &[(i64, f64)]| vec![part_of(&[0], 0, values)];
    let source = MemorySource::new(
        Duplicates::Keep,
        vec![
            (Some("a"), None, part(&[(10, 1.0), (12, 3.0), (40, 8.0)])),
            (Some("b"), None, part(&[(20, 5.0)])),
        ],
    );
    let fields = vec![("usage".to_owned(), vec![Function::Mean, Function::Count])];
    let query = AggregateQuery {
        bucket: Some(Bucket::of_nanos(every)),
        by: vec!["host".to_owned()],
        fill: vec![fill],
        range,
        ..AggregateQuery::of_fields(&fields)
    };
    aggregate(&source, &query, &QueryContext::default())
}

fn means(fill: Fill, range: TimeRange) -> Vec<Option<f64>> {
    let batch = run(fill, range, 10).unwrap();
    let float = |cell| match cell {
        Some(Value::F64(v)) => Some(v),
        _ => None,
    };
    cells(&batch, "usage_mean").into_iter().map(float).collect()
}

#[test]
fn every_group_gets_every_bucket() {
    let open = TimeRange::ALL;
    let (x, o) = (Some, None);
    assert_eq!(means(Fill::Null, open), [x(2.0), o, o, x(8.0), o, x(5.0), o, o]);
    assert_eq!(
        means(Fill::Previous, open),
        [x(2.0), x(2.0), x(2.0), x(8.0), o, x(5.0), x(5.0), x(5.0)]
    );
    assert_eq!(means(Fill::Linear, open), [x(2.0), x(4.0), x(6.0), x(8.0), o, x(5.0), o, o]);
    assert_eq!(
        means(Fill::Value(-1.0), open),
        [x(2.0), x(-1.0), x(-1.0), x(8.0), x(-1.0), x(5.0), x(-1.0), x(-1.0)]
    );
}

#[test]
fn a_closed_range_sets_the_buckets_and_counts_are_zero() {
    let range = TimeRange::new(Some(-5), Some(60));
    let batch = run(Fill::Linear, range, 10).unwrap();
    let times: Vec<Option<Value>> =
        [-10, 0, 10, 20, 30, 40, 50].map(|t| Some(Value::I64(t))).into();
    assert_eq!(cells(&batch, "time"), [times.clone(), times].concat());
    let counts = [0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0].map(|c| Some(Value::I64(c)));
    assert_eq!(cells(&batch, "usage_count"), counts);
    let (x, o) = (Some, None);
    assert_eq!(means(Fill::Linear, range)[..7], [o, o, x(2.0), x(4.0), x(6.0), x(8.0), o]);
}

#[test]
fn too_many_buckets_are_refused() {
    let range = TimeRange::new(Some(0), Some(i64::MAX));
    let error = run(Fill::Null, range, 1).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded(_)), "{error}");
}

#[test]
fn what_is_no_number_is_filled_only_with_what_there_is() {
    let state =
        crate::model::Column::new(crate::model::Values::Str(["on", "off"].iter().collect()));
    let up = crate::model::Column::new(crate::model::Values::Bool(vec![true, false]));
    let part = crate::kernels::testing::part_with(&[2, 3], 0, vec![0, 20], vec![up, state]);
    let source = MemorySource::new(Duplicates::Keep, vec![(None, None, vec![part])]);
    let run = |fill, function| {
        let fields = vec![("state".to_owned(), vec![function]), ("up".to_owned(), vec![function])];
        let bucket = Some(Bucket::of_nanos(10));
        let query =
            AggregateQuery { bucket, fill: vec![fill], ..AggregateQuery::of_fields(&fields) };
        aggregate(&source, &query, &QueryContext::default())
    };
    let batch = run(Fill::Previous, Function::Last).unwrap();
    let on = ["on", "on", "off"].map(|s| Some(Value::Str(s.to_owned())));
    assert_eq!(cells(&batch, "state_last"), on);
    for fill in [Fill::Linear, Fill::Value(0.0)] {
        let error = run(fill, Function::Last).unwrap_err().to_string();
        assert!(error.contains("state_last") && error.contains("previous"), "{error}");
    }
}
