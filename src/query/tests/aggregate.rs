//! Aggregate queries.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Instant;

use arrow_schema::DataType;
use proptest::prelude::*;

use super::memory::{FIELDS, MemorySource, cell, cells, names};
use crate::Error;
use crate::kernels::testing::{
    FUNCTIONS, TYPES, aggregate_points, fits, flat, mixed, part_of, parts, points_of, range,
};
use crate::model::{Duplicates, TimeRange, Value};
use crate::query::expr::{Expr, Literal, Operator};
use crate::query::{
    AggregateQuery, Bucket, Budget, CancelToken, Finish, Function, OrderBy, QueryContext, aggregate,
};

fn some(tag: &str) -> Option<String> {
    Some(tag.to_owned())
}

type Key = Vec<Option<String>>;
/// For each field the points of a group's bucket.
type Points = Vec<Vec<(i64, Value)>>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn groups_and_buckets_are_those_of_the_rows(
        data in prop::collection::vec(parts(), 4),
        which in any::<u64>(),
        range in range(),
        mode in prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)],
        every in prop_oneof![Just(None), Just(Some(13i64)), Just(Some(500))],
        by in prop_oneof![
            Just(vec![]), Just(vec!["host"]), Just(vec!["region"]), Just(vec!["region", "host"])],
        only in prop_oneof![Just(None), Just(Some("a")), Just(Some("missing"))],
    ) {
        let tags = [(Some("a"), Some("x")), (Some("a"), Some("y")), (Some("b"), Some("x")),
            (None, Some("y"))];
        let series = tags.iter().zip(data).map(|(&(h, r), p)| (h, r, mixed(p, mode, which))).collect();
        let source = MemorySource::new(mode, series);
        let functions = |ty| FUNCTIONS.iter().copied().filter(move |f| f.output(&[ty]).is_ok());
        let fields: Vec<(String, Vec<Function>)> = FIELDS.iter().zip(TYPES)
            .map(|(name, ty)| ((*name).to_owned(), functions(ty).collect())).collect();
        let query = AggregateQuery {
            bucket: every.map(Bucket::of_nanos),
            by: by.iter().map(|s| (*s).to_owned()).collect(),
            filter: only.map(|tag| ("host".to_owned(), vec![some(tag)])).into_iter().collect(),
            range,
            ..AggregateQuery::of_fields(&fields)
        };
        let batch = aggregate(&source, &query, &QueryContext::default()).unwrap();

        let bucket = |t: i64| every.map_or(0, |e| t.div_euclid(e) * e);
        let mut expected: BTreeMap<(Key, i64), Points> = BTreeMap::new();
        for (key, parts) in &source.series {
            let tag = |at: usize| key.tags[at].as_deref().map(str::to_owned);
            if only.is_some_and(|only| tag(0).as_deref() != Some(only)) {
                continue;
            }
            let group: Key = by.iter().map(|n| tag(usize::from(*n == "region"))).collect();
            let rows = flat(parts, range);
            for row in rows.iter().filter(|row| !row.fields.is_empty()) {
                expected.entry((group.clone(), bucket(row.time)))
                    .or_insert_with(|| vec![Vec::new(); TYPES.len()]);
            }
            for field in 0..TYPES.len() {
                for (time, value) in points_of(rows.clone(), field, mode) {
                    expected.get_mut(&(group.clone(), bucket(time))).unwrap()[field]
                        .push((time, value));
                }
            }
        }
        if mode == Duplicates::Last {
            // Where duplicates replace, a bucket needs a point.
            expected.retain(|_, points| points.iter().any(|points| !points.is_empty()));
        }
        prop_assert_eq!(batch.num_rows(), expected.len());
        for (row, ((group, start), points)) in expected.iter().enumerate() {
            if every.is_some() {
                prop_assert_eq!(cell(&batch, "time", row), Some(Value::I64(*start)));
            }
            for (name, tag) in by.iter().zip(group) {
                prop_assert_eq!(cell(&batch, name, row), tag.clone().map(Value::Str));
            }
            for ((name, functions), (points, ty)) in fields.iter().zip(points.iter().zip(TYPES)) {
                for function in functions {
                    let found = cell(&batch, &format!("{name}_{}", function.name()), row);
                    let wanted = aggregate_points(points, *function, ty);
                    prop_assert!(fits(*function, &found, &wanted),
                        "{name} {function:?}: {found:?}, expected {wanted:?}");
                }
            }
        }
    }
}

fn small() -> MemorySource {
    let usage = |values: &[(i64, f64)]| vec![part_of(&[0], 0, values)];
    MemorySource::new(
        Duplicates::Keep,
        vec![
            (Some("a"), None, usage(&[(-1, 1.0), (0, 2.0), (5, 3.0), (10, 9.0)])),
            (Some("b"), None, usage(&[(0, 20.0), (1, 40.0), (25, f64::NAN)])),
        ],
    )
}

fn mean() -> AggregateQuery {
    let fields = vec![("usage".to_owned(), vec![Function::Mean, Function::Percentile(95.0)])];
    AggregateQuery { bucket: Some(Bucket::of_nanos(10)), ..AggregateQuery::of_fields(&fields) }
}

fn run(query: &AggregateQuery) -> crate::Result<arrow_array::RecordBatch> {
    aggregate(&small(), query, &QueryContext::default())
}

fn floats(values: &[f64]) -> Vec<Option<Value>> {
    values.iter().map(|&v| Some(Value::F64(v))).collect()
}

#[test]
fn buckets_floor_also_before_the_epoch() {
    let range = TimeRange::new(None, Some(20));
    let batch = run(&AggregateQuery { range, ..mean() }).unwrap();
    assert_eq!(names(&batch), ["time", "usage_mean", "usage_p95"]);
    let times = [-10, 0, 10].map(|t| Some(Value::I64(t)));
    assert_eq!(cells(&batch, "time"), times);
    assert_eq!(cells(&batch, "usage_mean"), floats(&[1.0, 16.25, 9.0]));
}

#[test]
fn nothing_in_range_is_an_empty_frame_with_its_columns() {
    for every in [None, Some(10)] {
        let by = vec!["host".to_owned()];
        let range = TimeRange::new(Some(100), Some(200));
        let fields: Vec<(String, Vec<Function>)> =
            FIELDS.iter().map(|f| ((*f).to_owned(), vec![Function::Max])).collect();
        let bucket = every.map(Bucket::of_nanos);
        let query = AggregateQuery { by, range, bucket, ..AggregateQuery::of_fields(&fields) };
        let batch = run(&query).unwrap();
        assert_eq!(batch.num_rows(), 0);
        let types: Vec<DataType> =
            batch.schema().fields().iter().map(|f| f.data_type().clone()).collect();
        let dictionary = DataType::Dictionary(DataType::UInt32.into(), DataType::Utf8.into());
        let wanted = [
            dictionary,
            DataType::Float64,
            DataType::Int64,
            DataType::Boolean,
            DataType::LargeUtf8,
            DataType::Float64,
        ];
        assert_eq!(types[usize::from(every.is_some())..], wanted);
        let time = crate::query::execute::time_type();
        assert_eq!(every.is_some(), types[0] == time);
    }
    let none = AggregateQuery { range: TimeRange::new(Some(5), Some(5)), bucket: None, ..mean() };
    assert_eq!(run(&none).unwrap().num_rows(), 0);
}

#[test]
fn having_order_and_limit_follow_each_other() {
    let than = |operator, number| {
        Expr::column("usage_mean").binary(operator, Expr::Literal(Literal::Int(number)))
    };
    let query = AggregateQuery {
        by: vec!["host".to_owned()],
        finish: Finish {
            having: Some(
                than(Operator::Greater, 1).binary(Operator::And, than(Operator::Less, 99)),
            ),
            order: vec![OrderBy::column("usage_mean", true)],
            limit: Some(2),
            ..Finish::default()
        },
        ..mean()
    };
    let batch = run(&query).unwrap();
    // The NaN of host b is greater than all numbers.
    assert_eq!(cells(&batch, "usage_mean"), floats(&[30.0, 9.0]));
    let hosts = ["b", "a"].map(|h| Some(Value::Str(h.to_owned())));
    assert_eq!(cells(&batch, "host"), hosts);
    let order = vec![OrderBy::column("time", true)];
    let finish = Finish { order, limit: Some(1), ..Finish::default() };
    let batch = run(&AggregateQuery { finish, ..mean() }).unwrap();
    assert_eq!(cells(&batch, "time"), [Some(Value::I64(20))]);
}

#[test]
fn what_cannot_be_asked_is_said() {
    let error = |query: AggregateQuery| run(&query).unwrap_err();
    let invalid = |query| match error(query) {
        Error::InvalidArgument(message) => message,
        other => panic!("{other:?}"),
    };
    let range = TimeRange::new(Some(5), Some(4));
    assert!(invalid(AggregateQuery { range, ..mean() }).contains("start 5 is after end 4"));
    let bucket = Some(Bucket::of_nanos(0));
    assert!(invalid(AggregateQuery { bucket, ..mean() }).contains("every must be a positive"));
    assert!(invalid(AggregateQuery::new(vec![])).contains("fields is empty"));
    let fill = vec![crate::query::Fill::Null];
    assert!(invalid(AggregateQuery { bucket: None, fill, ..mean() }).contains("fill needs every"));
    let twice = vec![("usage".to_owned(), vec![Function::Mean, Function::Mean])];
    assert!(invalid(AggregateQuery::of_fields(&twice)).contains("\"usage_mean\""));
    let strings = vec![("state".to_owned(), vec![Function::Mean])];
    assert!(invalid(AggregateQuery::of_fields(&strings)).contains("field \"state\""));
    let by = vec!["hots".to_owned()];
    assert!(matches!(error(AggregateQuery { by, ..mean() }), Error::NotFound(_)));
    let unknown = vec![("usge".to_owned(), vec![Function::Mean])];
    assert!(matches!(error(AggregateQuery::of_fields(&unknown)), Error::NotFound(_)));
    let filter = vec![("hots".to_owned(), vec![])];
    assert!(matches!(error(AggregateQuery { filter, ..mean() }), Error::NotFound(_)));
}

#[test]
fn a_sum_past_i64_is_refused_and_a_mean_is_not() {
    let values = crate::model::Column::new(crate::model::Values::I64(vec![i64::MAX; 3]));
    let part = crate::kernels::testing::part_with(&[1], 0, vec![1, 2, 3], vec![values]);
    let source = MemorySource::new(Duplicates::Keep, vec![(None, None, vec![part])]);
    let ask = |function| AggregateQuery::of_fields(&[("ops".to_owned(), vec![function])]);
    let context = QueryContext::default();
    let error = aggregate(&source, &ask(Function::Sum), &context).unwrap_err().to_string();
    assert!(error.contains("ask for its mean"), "{error}");
    let batch = aggregate(&source, &ask(Function::Mean), &context).unwrap();
    assert_eq!(cells(&batch, "ops_mean"), floats(&[i64::MAX as f64]));
}

#[test]
fn bounds_stop_a_query() {
    let bounded = |context: QueryContext| aggregate(&small(), &mean(), &context).unwrap_err();
    let cancel = CancelToken::default();
    cancel.cancel();
    let cancelled = QueryContext { cancel, ..QueryContext::default() };
    assert!(matches!(bounded(cancelled), Error::Cancelled(_)));
    let late = QueryContext { deadline: Some(Instant::now()), ..QueryContext::default() };
    assert!(matches!(bounded(late), Error::Cancelled(_)));
    let poor = QueryContext { memory: Budget::new(64), ..QueryContext::default() };
    assert!(matches!(bounded(poor), Error::LimitExceeded(_)));
}
