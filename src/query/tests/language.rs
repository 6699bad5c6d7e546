//! What SQL asks of aggregates beyond fields and functions: expressions, conditions, calendars,
//! windows, and what becomes of the rows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use proptest::prelude::*;

use super::memory::{MemorySource, cell, cells, names};
use crate::Error;
use crate::kernels::testing::{agrees, flat, mixed, naive, part_of, parts, range};
use crate::model::{Duplicates, TimeRange, Value};
use crate::query::expr::Operator;
use crate::query::{
    Aggregate, AggregateQuery, Bucket, Budget, Expr, Fill, Finish, Function, Interval, Literal,
    OrderBy, QueryContext, aggregate,
};

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

fn ask(name: &str, function: Function, inputs: Vec<Expr>) -> Aggregate {
    Aggregate { name: name.to_owned(), function, inputs }
}

fn column(name: &str) -> Expr {
    Expr::column(name)
}

fn float(number: f64) -> Expr {
    Expr::Literal(Literal::Float(number))
}

fn run(source: &MemorySource, query: &AggregateQuery) -> crate::Result<arrow_array::RecordBatch> {
    aggregate(source, query, &QueryContext::default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn expressions_and_conditions_see_whole_rows(
        data in prop::collection::vec(parts(), 2),
        which in any::<u64>(),
        range in range(),
        mode in prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)],
        above in prop_oneof![Just(None), (-1500.0..1000.0f64).prop_map(Some)],
    ) {
        let mut data = data.into_iter().map(|p| mixed(p, mode, which));
        let (a, b) = (data.next().unwrap(), data.next().unwrap());
        let source = MemorySource::new(
            mode, vec![(Some("a"), Some("x"), a), (Some("b"), Some("x"), b)]);
        let sum = column("usage").binary(Operator::Add, column("ops"));
        let query = AggregateQuery {
            bucket: Some(Bucket::of_nanos(500)),
            by: vec!["host".to_owned()],
            range,
            predicate: above.map(|above| sum.clone().binary(Operator::Greater, float(above))),
            ..AggregateQuery::new(vec![
                ask("rows", Function::Rows, vec![]),
                ask("sum", Function::Sum, vec![sum]),
                ask("latest", Function::Max, vec![column("time")]),
                ask("load", Function::Count, vec![column("load")]),
                ask("region", Function::Distinct, vec![column("region")]),
            ])
        };
        let batch = run(&source, &query).unwrap();
        type Rows = Vec<(i64, Vec<Option<Value>>)>;
        let mut expected: BTreeMap<(String, i64), Rows> = BTreeMap::new();
        let total = |values: &[Option<Value>]| match (&values[0], &values[1]) {
            (Some(Value::F64(x)), Some(Value::I64(y))) => Some(x + *y as f64),
            _ => None,
        };
        for (key, parts) in &source.series {
            for (time, values) in naive(flat(parts, range), &[0, 1, 2, 3, 4], mode) {
                // NaN is above all else.
                let passes = above.is_none_or(|above| {
                    total(&values).is_some_and(|sum| sum > above || sum.is_nan())
                });
                if passes {
                    let host = key.tags[0].as_deref().unwrap().to_owned();
                    expected.entry((host, time.div_euclid(500) * 500)).or_default()
                        .push((time, values));
                }
            }
        }
        prop_assert_eq!(batch.num_rows(), expected.len());
        for (row, ((host, start), rows)) in expected.iter().enumerate() {
            prop_assert_eq!(cell(&batch, "host", row), Some(Value::Str(host.clone())));
            prop_assert_eq!(cell(&batch, "time", row), Some(Value::I64(*start)));
            prop_assert_eq!(cell(&batch, "rows", row), Some(Value::I64(rows.len() as i64)));
            let sums: Vec<f64> = rows.iter().filter_map(|(_, v)| total(v)).collect();
            let sum = (!sums.is_empty()).then(|| Value::F64(sums.iter().sum()));
            prop_assert!(agrees(&cell(&batch, "sum", row), &sum));
            let latest = rows.iter().map(|(time, _)| *time).max();
            prop_assert_eq!(cell(&batch, "latest", row), latest.map(Value::I64));
            let load = rows.iter().filter(|(_, v)| v[4].is_some()).count();
            prop_assert_eq!(cell(&batch, "load", row), Some(Value::I64(load as i64)));
            prop_assert_eq!(cell(&batch, "region", row), Some(Value::I64(1)));
        }
    }

    #[test]
    fn reading_from_an_end_changes_nothing(
        times in prop::collection::vec(0..5000i64, 0..40),
        limit in 0..6usize,
        offset in 0..3usize,
        descending in any::<bool>(),
        range in range(),
    ) {
        let mut points: Vec<(i64, f64)> = times.iter().map(|t| (*t, *t as f64)).collect();
        points.sort_by_key(|p| p.0);
        let source = MemorySource::new(
            Duplicates::Keep, vec![(None, None, vec![part_of(&[0], 0, &points)])]);
        let order = vec![OrderBy::column("time", descending)];
        let query = |finish| AggregateQuery {
            bucket: Some(Bucket::of_nanos(10)),
            range,
            finish,
            ..AggregateQuery::new(vec![Aggregate::of_field("usage", Function::Sum)])
        };
        let few = query(Finish { order, offset, limit: Some(limit), ..Finish::default() });
        let found = cells(&run(&source, &few).unwrap(), "time");
        let mut all = cells(&run(&source, &query(Finish::default())).unwrap(), "time");
        if descending {
            all.reverse();
        }
        let wanted: Vec<_> = all.into_iter().skip(offset).take(limit).collect();
        prop_assert_eq!(found, wanted);
    }
}

/// One point an hour, from `first` on.
fn hourly(first: i64, hours: i64) -> MemorySource {
    let points: Vec<(i64, f64)> = (0..hours).map(|h| (first + h * HOUR, h as f64)).collect();
    MemorySource::new(Duplicates::Keep, vec![(Some("a"), None, vec![part_of(&[0], 0, &points)])])
}

fn counts(source: &MemorySource, bucket: Bucket) -> Vec<(i64, i64)> {
    let query = AggregateQuery {
        bucket: Some(bucket),
        ..AggregateQuery::new(vec![Aggregate::of_field("usage", Function::Count)])
    };
    let batch = run(source, &query).unwrap();
    let number = |cell| match cell {
        Some(Value::I64(v)) => v,
        other => panic!("{other:?}"),
    };
    let times = cells(&batch, "time").into_iter().map(number);
    times.zip(cells(&batch, "usage_count").into_iter().map(number)).collect()
}

fn zoned(width: i64, timezone: &str) -> Bucket {
    Bucket { timezone: Some(timezone.to_owned()), ..Bucket::of_nanos(width) }
}

/// 2024-03-29T23:00Z: midnight in Zurich, the day before its clocks go forward.
const SPRING: i64 = 1_711_753_200_000_000_000;
/// 2024-11-02T04:00Z: midnight in New York, the day before its clocks go back.
const AUTUMN: i64 = 1_730_520_000_000_000_000;

#[test]
fn days_of_a_place_have_as_many_hours_as_its_clocks_say() {
    let days = counts(&hourly(SPRING, 71), zoned(DAY, "Europe/Zurich"));
    assert_eq!(days, [(SPRING, 24), (SPRING + DAY, 23), (SPRING + 47 * HOUR, 24)]);
    let days = counts(&hourly(AUTUMN, 73), zoned(DAY, "America/New_York"));
    assert_eq!(days, [(AUTUMN, 24), (AUTUMN + DAY, 25), (AUTUMN + 49 * HOUR, 24)]);
}

#[test]
fn parts_of_days_count_from_midnight_by_the_clock() {
    let quarters = counts(&hourly(SPRING + DAY, 23), zoned(6 * HOUR, "Europe/Zurich"));
    assert_eq!(quarters.iter().map(|q| q.1).collect::<Vec<_>>(), [5, 6, 6, 6]);
    let hours = counts(&hourly(AUTUMN + DAY, 25), zoned(HOUR, "America/New_York"));
    assert_eq!(hours.len(), 25);
    assert!(hours.iter().enumerate().all(|(h, q)| *q == (AUTUMN + DAY + h as i64 * HOUR, 1)));
}

#[test]
fn months_and_weeks_start_where_calendars_have_them() {
    let months = |timezone: Option<&str>| Bucket {
        timezone: timezone.map(str::to_owned),
        ..Bucket::of(Interval { months: 1, nanos: 0 })
    };
    let january = 1_704_067_200_000_000_000;
    let source = hourly(january, 91 * 24);
    let starts = [january, january + 31 * DAY, january + 60 * DAY];
    let found = counts(&source, months(None));
    assert_eq!(found, [(starts[0], 31 * 24), (starts[1], 29 * 24), (starts[2], 31 * 24)]);
    // An hour of each month is the next one's in Zurich, and one more once its clocks changed.
    let found = counts(&source, months(Some("Europe/Zurich")));
    let hours: Vec<i64> = found.iter().map(|m| m.1).collect();
    assert_eq!(hours, [31 * 24 - 1, 29 * 24, 31 * 24 - 1, 2]);
    assert_eq!(found[0].0, january - HOUR);
    // 2024-01-01 is a Monday.
    let weeks = counts(&source, Bucket::of_nanos(7 * DAY));
    assert!(weeks.iter().all(|(start, n)| (start - january) % (7 * DAY) == 0 && *n == 168));
    let days = Bucket { origin: Some(6 * HOUR), ..Bucket::of_nanos(DAY) };
    assert_eq!(counts(&hourly(0, 24), days), [(-18 * HOUR, 6), (6 * HOUR, 18)]);
}

#[test]
fn buckets_that_cannot_be_say_what_could() {
    let error = |bucket: Bucket| {
        let query = AggregateQuery {
            bucket: Some(bucket),
            ..AggregateQuery::new(vec![Aggregate::of_field("usage", Function::Count)])
        };
        run(&hourly(0, 3), &query).unwrap_err()
    };
    assert!(error(zoned(DAY, "Europe/Zuerich")).to_string().contains("\"Europe/Zurich\""));
    assert!(error(zoned(36 * HOUR, "Europe/Zurich")).to_string().contains("whole days"));
    assert!(matches!(error(zoned(1, "Europe/Zurich")), Error::LimitExceeded(_)));
    let both = Bucket::of(Interval { months: 1, nanos: 1 });
    assert!(error(both).to_string().contains("give either"));
    let step = Some(HOUR);
    assert!(error(Bucket { step, ..zoned(DAY, "Europe/Zurich") }).to_string().contains("step"));
    let step = Some(0);
    assert!(error(Bucket { step, ..Bucket::of_nanos(DAY) }).to_string().contains("step must be"));
}

#[test]
fn gaps_of_calendars_and_windows_are_filled_each_in_its_way() {
    let points = [(SPRING, 1.0), (SPRING + 60 * HOUR, 3.0)];
    let source =
        MemorySource::new(Duplicates::Keep, vec![(None, None, vec![part_of(&[0], 0, &points)])]);
    let each = |bucket, fill| AggregateQuery {
        bucket: Some(bucket),
        fill,
        ..AggregateQuery::new(vec![
            ask("held", Function::Last, vec![column("usage")]),
            ask("line", Function::Last, vec![column("usage")]),
            ask("rows", Function::Rows, vec![]),
        ])
    };
    let fills = vec![Fill::Previous, Fill::Linear, Fill::Null];
    let batch = run(&source, &each(zoned(DAY, "Europe/Zurich"), fills.clone())).unwrap();
    let floats = |v: &[f64]| v.iter().map(|v| Some(Value::F64(*v))).collect::<Vec<_>>();
    let times = [SPRING, SPRING + DAY, SPRING + 47 * HOUR].map(|t| Some(Value::I64(t)));
    assert_eq!(cells(&batch, "time"), times);
    assert_eq!(cells(&batch, "held"), floats(&[1.0, 1.0, 3.0]));
    assert_eq!(cells(&batch, "line"), floats(&[1.0, 2.0, 3.0]));
    assert_eq!(cells(&batch, "rows"), [1, 0, 1].map(|n| Some(Value::I64(n))));
    let sliding = Bucket { step: Some(20 * HOUR), ..Bucket::of_nanos(30 * HOUR) };
    let batch = run(&source, &each(sliding, fills[..1].to_vec())).unwrap();
    assert_eq!(cells(&batch, "rows"), [1, 1, 0, 1, 1].map(|n| Some(Value::I64(n))));
    let error = run(&source, &each(Bucket::of_nanos(DAY), fills[..2].to_vec())).unwrap_err();
    assert!(error.to_string().contains("2 fills for 3 aggregates"), "{error}");
}

#[test]
fn rows_are_chosen_made_and_ordered() {
    let usage = |values: &[(i64, f64)]| vec![part_of(&[0], 0, values)];
    let source = MemorySource::new(
        Duplicates::Keep,
        vec![
            (Some("a"), None, usage(&[(0, 2.0)])),
            (Some("b"), None, usage(&[(0, f64::NAN)])),
            (Some("c"), None, vec![]),
            (Some("d"), None, usage(&[(0, 2.0)])),
            (Some("e"), None, usage(&[(0, -1.0), (1, 1.0)])),
        ],
    );
    let query = |finish| AggregateQuery {
        by: vec!["host".to_owned()],
        finish,
        ..AggregateQuery::new(vec![
            Aggregate::of_field("usage", Function::Mean),
            Aggregate::of_field("usage", Function::Std),
        ])
    };
    let hosts = |finish: Finish| -> Vec<String> {
        let batch = run(&source, &query(finish)).unwrap();
        let name = |cell| match cell {
            Some(Value::Str(name)) => name,
            other => panic!("{other:?}"),
        };
        cells(&batch, "host").into_iter().map(name).collect()
    };
    let by = |name, descending| vec![OrderBy::column(name, descending)];
    let ordered = |order| Finish { order, ..Finish::default() };
    assert_eq!(hosts(ordered(by("usage_mean", false))), ["e", "a", "d", "b"]);
    assert_eq!(hosts(ordered(by("usage_mean", true))), ["b", "a", "d", "e"]);
    assert_eq!(hosts(ordered(by("usage_std", true))), ["e", "a", "b", "d"]);
    let nulls_first = OrderBy { nulls_first: true, ..OrderBy::column("usage_std", false) };
    assert_eq!(hosts(ordered(vec![nulls_first])), ["a", "b", "d", "e"]);
    for (offset, limit, wanted) in
        [(0, 2, &["b", "a"][..]), (1, 2, &["a", "d"]), (3, 9, &["e"]), (9, 9, &[]), (0, 0, &[])]
    {
        let (order, limit) = (by("usage_mean", true), Some(limit));
        assert_eq!(hosts(Finish { order, offset, limit, ..Finish::default() }), wanted);
    }
    let doubled = column("usage_mean").binary(Operator::Multiply, float(2.0));
    let select = Some(vec![("twice".to_owned(), doubled)]);
    let finish = Finish { select, distinct: true, order: by("twice", false), ..Finish::default() };
    let batch = run(&source, &query(finish)).unwrap();
    assert_eq!(names(&batch), ["twice"]);
    let twice = cells(&batch, "twice");
    assert_eq!(twice[..2], [Some(Value::F64(0.0)), Some(Value::F64(4.0))]);
    assert!(matches!(twice[2..], [Some(Value::F64(v))] if v.is_nan()));
    let error = run(&source, &query(ordered(by("usage_men", false)))).unwrap_err();
    assert!(matches!(error, Error::NotFound(_)), "{error}");
    let having = Some(column("usage_mean"));
    let error = run(&source, &query(Finish { having, ..Finish::default() })).unwrap_err();
    assert!(error.to_string().contains("true or false"), "{error}");
}

#[test]
fn histograms_are_lists() {
    let function = Function::Histogram { low: 0.0, high: 4.0, bins: 2 };
    let query = AggregateQuery {
        bucket: Some(Bucket::of_nanos(2 * HOUR)),
        range: TimeRange::new(Some(0), Some(6 * HOUR)),
        fill: vec![Fill::Null],
        ..AggregateQuery::new(vec![ask("h", function, vec![column("usage")])])
    };
    let batch = run(&hourly(0, 4), &query).unwrap();
    let lists = batch.column_by_name("h").unwrap().as_list::<i32>();
    let list = |row: usize| lists.value(row).as_primitive::<Int64Type>().values().to_vec();
    assert_eq!((list(0), list(1)), (vec![0, 2, 0, 0], vec![0, 0, 2, 0]));
    assert!(arrow_array::Array::is_null(lists, 2));
}

#[test]
fn very_many_groups_are_refused_before_they_are_made() {
    let hosts: Vec<String> = (0..2000).map(|n| format!("host_{n:04}")).collect();
    let series = hosts
        .iter()
        .map(|host| (Some(host.as_str()), None, vec![part_of(&[0], 0, &[(0, 1.0)])]))
        .collect();
    let source = MemorySource::new(Duplicates::Keep, series);
    let query = AggregateQuery {
        by: vec!["host".to_owned()],
        ..AggregateQuery::new(vec![Aggregate::of_field("usage", Function::Mean)])
    };
    let poor = QueryContext { memory: Budget::new(50_000), ..QueryContext::default() };
    let error = aggregate(&source, &query, &poor).unwrap_err().to_string();
    assert!(error.contains("memory budget of 50000 bytes"), "{error}");
    let enough = QueryContext { memory: Budget::new(1_000_000), ..QueryContext::default() };
    assert_eq!(aggregate(&source, &query, &enough).unwrap().num_rows(), 2000);
}
