//! Frames of random rows, types and chunks, against a reading of them row by row.

use std::sync::Arc;

use arrow_array::*;
use arrow_schema::{DataType, TimeUnit};
use proptest::prelude::*;

use super::super::{OnError, events, wide};
use super::{Row, assert_series_are_distinct, def, frame, names, opts, rows};
use crate::model::{FieldType, Value};

#[derive(Clone, Debug)]
struct Given {
    us: Option<i64>,
    host: Option<String>,
    rack: Option<String>,
    /// Goes into a field of i64.
    float: Option<f64>,
    /// Goes into a field of f64.
    int: Option<i64>,
    text: Option<String>,
    unsigned: Option<u64>,
    flag: Option<bool>,
}

fn given() -> impl Strategy<Value = Given> {
    use proptest::option::weighted;
    let us = prop_oneof![9 => -1000..1000i64, 1 => Just(i64::MAX)];
    let float = prop_oneof![9 => (-99..99i32).prop_map(f64::from), 1 => Just(0.5), 1 => Just(1e20)];
    let int = prop_oneof![9 => -99..99i64, 1 => Just((1 << 53) + 1), 1 => Just(1 << 53)];
    let unsigned = prop_oneof![9 => 0..99u64, 1 => Just(u64::MAX)];
    let text = prop_oneof!["[ab]{0,2}", Just("a host whose name is long".to_owned())];
    (
        weighted(0.95, us),
        weighted(0.9, text.clone()),
        weighted(0.9, text.clone()),
        weighted(0.9, float),
        weighted(0.9, int),
        weighted(0.9, text),
        weighted(0.9, unsigned),
        weighted(0.9, any::<bool>()),
    )
        .prop_map(|(us, host, rack, float, int, text, unsigned, flag)| Given {
            us,
            host,
            rack,
            float,
            int,
            text,
            unsigned,
            flag,
        })
}

fn string_type() -> impl Strategy<Value = DataType> {
    let dictionary = |k, v| DataType::Dictionary(Box::new(k), Box::new(v));
    prop_oneof![
        Just(DataType::Utf8),
        Just(DataType::LargeUtf8),
        Just(DataType::Utf8View),
        Just(dictionary(DataType::Int8, DataType::Utf8)),
        Just(dictionary(DataType::UInt32, DataType::LargeUtf8)),
    ]
}

fn strings<'a>(values: impl Iterator<Item = Option<&'a str>>, ty: &DataType) -> ArrayRef {
    arrow_cast::cast(&StringArray::from_iter(values), ty).unwrap()
}

fn time(us: Option<i64>) -> Option<i64> {
    us.and_then(|us| us.checked_mul(1000))
}

fn whole(value: f64) -> Option<i64> {
    (value.abs() < 1e18 && value.fract() == 0.0).then_some(value as i64)
}

/// A row as stored, or `None` when it cannot be.
fn stored(row: &Given) -> Option<Row> {
    let ns = time(row.us)?;
    let float = match row.float {
        Some(v) => Some(Value::I64(whole(v)?)),
        None => None,
    };
    let int = match row.int {
        Some(v) if v.abs() > 1 << 53 => return None,
        v => v.map(|v| Value::F64(v as f64)),
    };
    let unsigned = match row.unsigned {
        Some(v) => Some(Value::I64(i64::try_from(v).ok()?)),
        None => None,
    };
    let values = [
        ("float", float),
        ("int", int),
        ("text", row.text.clone().map(Value::Str)),
        ("unsigned", unsigned),
        ("flag", row.flag.map(Value::Bool)),
    ];
    let values = values.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    Some((vec![row.rack.clone(), row.host.clone()], ns, values))
}

fn chunked(rows: &[Given], cuts: &[usize]) -> Vec<Vec<Given>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (rows.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(rows.len());
    let mut start = 0;
    cuts.into_iter().map(|end| rows[std::mem::replace(&mut start, end)..end].to_vec()).collect()
}

proptest! {
    #[test]
    fn wide_frames(
        given in proptest::collection::vec(given(), 0..60),
        cuts in proptest::collection::vec(any::<usize>(), 0..3),
        (host_type, rack_type, text_type) in (string_type(), string_type(), string_type()),
    ) {
        let us = DataType::Timestamp(TimeUnit::Microsecond, None);
        let mut batches = Vec::new();
        let mut schema = None;
        for chunk in chunked(&given, &cuts) {
            let times = Int64Array::from_iter(chunk.iter().map(|r| r.us));
            let (mut one, of) = frame(vec![
                ("host", strings(chunk.iter().map(|r| r.host.as_deref()), &host_type)),
                ("float", Arc::new(Float64Array::from_iter(chunk.iter().map(|r| r.float)))),
                ("int", Arc::new(Int64Array::from_iter(chunk.iter().map(|r| r.int)))),
                ("time", arrow_cast::cast(&times, &us).unwrap()),
                ("text", strings(chunk.iter().map(|r| r.text.as_deref()), &text_type)),
                ("rack", strings(chunk.iter().map(|r| r.rack.as_deref()), &rack_type)),
                ("unsigned", Arc::new(UInt64Array::from_iter(chunk.iter().map(|r| r.unsigned)))),
                ("flag", Arc::new(BooleanArray::from_iter(chunk.iter().map(|r| r.flag)))),
            ]);
            batches.append(&mut one);
            schema = Some(of);
        }
        let schema = schema.unwrap();
        let tags = names(&["rack", "host"]);
        let fields = [def("int", FieldType::F64), def("float", FieldType::I64)];
        let mut opts = opts(&tags, &fields);
        let expected: Vec<Option<Row>> = given.iter().map(stored).collect();
        let first_bad = expected.iter().position(Option::is_none);

        let raised = wide(&batches, &schema, &opts);
        prop_assert_eq!(raised.is_err(), first_bad.is_some());
        if let (Err(error), Some(row)) = (raised, first_bad) {
            let text = error.to_string();
            let named = text.contains(&format!(", row {row}: "));
            prop_assert!(named, "{}", text);
        }
        opts.on_error = OnError::Skip;
        let read = wide(&batches, &schema, &opts).unwrap();
        let bad: Vec<u64> =
            (0..).zip(&expected).filter(|(_, row)| row.is_none()).map(|(i, _)| i).collect();
        prop_assert_eq!(read.skipped.iter().map(|s| s.row).collect::<Vec<_>>(), bad.clone());
        prop_assert_eq!(read.skipped_rows, bad.len() as u64);
        prop_assert_eq!(read.rows, (given.len() - bad.len()) as u64);
        let got: Vec<Row> = read.batches.iter().flat_map(rows).collect();
        prop_assert_eq!(got, expected.into_iter().flatten().collect::<Vec<_>>());
        read.batches.iter().for_each(assert_series_are_distinct);
    }

    #[test]
    fn narrow_frames(
        given in proptest::collection::vec(given(), 0..60),
        cuts in proptest::collection::vec(any::<usize>(), 0..3),
        (host_type, metric_type) in (string_type(), string_type()),
    ) {
        let us = DataType::Timestamp(TimeUnit::Microsecond, None);
        let mut batches = Vec::new();
        let mut schema = None;
        for chunk in chunked(&given, &cuts) {
            let times = Int64Array::from_iter(chunk.iter().map(|r| r.us));
            let (mut one, of) = frame(vec![
                ("host", strings(chunk.iter().map(|r| r.host.as_deref()), &host_type)),
                ("metric", strings(chunk.iter().map(|r| r.text.as_deref()), &metric_type)),
                ("value", Arc::new(Float64Array::from_iter(chunk.iter().map(|r| r.float)))),
                ("time", arrow_cast::cast(&times, &us).unwrap()),
            ]);
            batches.append(&mut one);
            schema = Some(of);
        }
        let tags = names(&["host"]);
        let fields = [def("a", FieldType::I64)];
        let mut opts = opts(&tags, &fields);
        opts.on_error = OnError::Skip;
        let read = events(&batches, &schema.unwrap(), "metric", "value", &opts).unwrap();

        let (mut expected, mut bad) = (Vec::<(String, Vec<Row>)>::new(), Vec::new());
        for (i, row) in (0u64..).zip(&given) {
            let metric = row.text.clone().filter(|m| !m.is_empty());
            let value = match (metric.as_deref(), row.float) {
                (Some("a"), Some(v)) => whole(v).map(|v| Some(Value::I64(v))),
                (_, v) => Some(v.map(Value::F64)),
            };
            let (Some(metric), Some(ns), Some(value)) = (metric, time(row.us), value) else {
                bad.push(i);
                continue;
            };
            let Some(value) = value else { continue };
            let stored = (vec![row.host.clone()], ns, vec![(metric.clone(), Some(value))]);
            match expected.iter_mut().find(|(m, _)| *m == metric) {
                Some((_, rows)) => rows.push(stored),
                None => expected.push((metric, vec![stored])),
            }
        }
        prop_assert_eq!(read.skipped.iter().map(|s| s.row).collect::<Vec<_>>(), bad.clone());
        prop_assert_eq!(read.rows, (given.len() - bad.len()) as u64);
        let mut got: Vec<(String, Vec<Row>)> =
            read.batches.iter().map(|b| (b.fields()[0].0.clone(), rows(b))).collect();
        got.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        prop_assert_eq!(got, expected);
        read.batches.iter().for_each(assert_series_are_distinct);
    }
}
