use std::sync::Arc;

use arrow_array::*;

use super::super::{FrameOptions, OnError, events};
use super::{assert_series_are_distinct, def, frame, names, opts, rows};
use crate::model::{FieldType, Value};

fn narrow(metric: Vec<Option<&str>>, value: ArrayRef) -> (Vec<RecordBatch>, arrow_schema::Schema) {
    let rows = metric.len();
    let node: Vec<_> = (0..rows).map(|i| ["n0", "n1", "n2"][i % 3]).collect();
    frame(vec![
        ("time", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
        ("node", Arc::new(StringArray::from(node))),
        ("metric", Arc::new(StringViewArray::from(metric))),
        ("value", value),
    ])
}

#[test]
fn a_metric_becomes_a_field_with_times_of_its_own() {
    let metric = vec![Some("io"), Some("cpu"), Some("io"), Some("io"), Some("none"), Some("cpu")];
    let value = Float64Array::from(vec![Some(1.0), Some(2.0), Some(3.0), None, None, Some(6.0)]);
    let (batches, schema) = narrow(metric, Arc::new(value));
    let tags = names(&["node"]);
    let fields = [def("cpu", FieldType::I64)];
    let read = events(&batches, &schema, "metric", "value", &opts(&tags, &fields)).unwrap();
    assert_eq!((read.rows, read.skipped_rows, read.batches.len()), (6, 0, 2));
    let row = |node: &str, time, name: &str, value| {
        (vec![Some(node.to_owned())], time, vec![(name.to_owned(), Some(value))])
    };
    let io = [row("n0", 0, "io", Value::F64(1.0)), row("n2", 2, "io", Value::F64(3.0))];
    assert_eq!(rows(&read.batches[0]), io);
    let cpu = [row("n1", 1, "cpu", Value::I64(2)), row("n2", 5, "cpu", Value::I64(6))];
    assert_eq!(rows(&read.batches[1]), cpu);
    read.batches.iter().for_each(assert_series_are_distinct);
}

#[test]
fn a_value_column_of_nulls_has_no_point() {
    let tags = names(&["node"]);
    let (batches, schema) = narrow(vec![Some("a"), Some("b")], Arc::new(NullArray::new(2)));
    let fields = [def("a", FieldType::F64)];
    let read = events(&batches, &schema, "metric", "value", &opts(&tags, &fields)).unwrap();
    assert_eq!((read.rows, read.batches.len()), (2, 0));
}

#[test]
fn metrics_that_cannot_be_fields_are_bad_rows() {
    let long = "x".repeat(256);
    let metric =
        vec![Some("a"), None, Some("time"), Some("node"), Some(""), Some(&long), Some("a")];
    let value = Arc::new(Int64Array::from_iter_values(0..7));
    let (batches, schema) = narrow(metric, value);
    let tags = names(&["node"]);
    let mut opts = opts(&tags, &[]);
    let error = events(&batches, &schema, "metric", "value", &opts).unwrap_err().to_string();
    let expected = "table \"cpu\": column \"metric\", row 1: null is no metric; every row needs the \
                    name of one";
    assert_eq!(error, expected);
    opts.on_error = OnError::Skip;
    let read = events(&batches, &schema, "metric", "value", &opts).unwrap();
    let skipped: Vec<_> = read.skipped.iter().map(|s| s.row).collect();
    assert_eq!((skipped, read.rows, read.skipped_rows), (vec![1, 2, 3, 4, 5], 2, 5));
    assert!(read.skipped[1].why.contains("field \"time\" is named twice"), "{:?}", read.skipped[1]);
    assert_eq!(read.batches[0].times(), [0, 6]);
}

#[test]
fn a_value_that_does_not_convert_leaves_its_row_out() {
    let metric = vec![Some("a"), Some("b"), Some("a"), Some("a")];
    let value = Arc::new(Float64Array::from(vec![1.0, 0.5, 0.5, 2.0]));
    let (batches, schema) = narrow(metric, value);
    let tags = names(&["node"]);
    let fields = [def("a", FieldType::I64)];
    let mut opts = opts(&tags, &fields);
    let error = events(&batches, &schema, "metric", "value", &opts).unwrap_err().to_string();
    assert!(error.contains("column \"value\", row 2: 0.5 is no i64"), "{error}");
    opts.on_error = OnError::Skip;
    let read = events(&batches, &schema, "metric", "value", &opts).unwrap();
    assert_eq!((read.skipped[0].row, read.skipped_rows, read.rows), (2, 1, 3));
    assert_eq!(read.batches[0].times(), [0, 3]);
    assert_eq!(read.batches[1].times(), [1]);
}

#[test]
fn columns_and_types_that_do_not_work_are_named() {
    let tags = names(&["node"]);
    let value = || Arc::new(StringArray::from(vec!["1"])) as ArrayRef;
    let (batches, schema) = narrow(vec![Some("a")], value());
    let fields = [def("a", FieldType::F64)];
    let fail = |metric: &str, value: &str, opts: FrameOptions<'_>| {
        events(&batches, &schema, metric, value, &opts).unwrap_err().to_string()
    };
    let why = fail("metric", "value", opts(&tags, &fields));
    assert!(why.contains("field \"a\" holds f64 and the frame gives Utf8"), "{why}");
    let why = fail("metrik", "value", opts(&tags, &[]));
    assert!(why.contains("unknown metric column \"metrik\"; the nearest are \"metric\""), "{why}");
    let why = fail("metric", "val", opts(&tags, &[]));
    assert!(why.contains("unknown value column \"val\"; the nearest are \"value\""), "{why}");
    let why = fail("metric", "metric", opts(&tags, &[]));
    assert!(why.contains("column \"metric\" cannot be the value and"), "{why}");
    let why = fail("time", "value", opts(&tags, &[]));
    assert!(why.contains("column \"time\" cannot be the metric and"), "{why}");
    let why = fail("metric", "value", opts(&[], &[]));
    assert!(why.contains("columns [\"node\"] are neither time, tag, metric nor value"), "{why}");
    let (batches, schema) = frame(vec![
        ("time", Arc::new(Int64Array::from(vec![1]))),
        ("metric", Arc::new(Int64Array::from(vec![1]))),
        ("value", value()),
    ]);
    let error = events(&batches, &schema, "metric", "value", &opts(&[], &[])).unwrap_err();
    assert!(error.to_string().contains("metric column \"metric\" (from row 0) has type Int64"));
}
