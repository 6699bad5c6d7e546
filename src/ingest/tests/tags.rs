use std::sync::Arc;

use arrow_array::types::{Int16Type, UInt8Type};
use arrow_array::*;

use super::super::{OnError, wide};
use super::{assert_series_are_distinct, frame, names, opts, rows};

#[test]
fn every_string_type_is_a_tag_and_null_is_not_empty() {
    let text = vec![Some("web"), None, Some(""), Some("web"), Some("a name past twelve bytes")];
    // A dictionary with values that repeat, that nobody uses, and that are null.
    let values =
        StringArray::from(vec![Some("unused"), Some("web"), Some("web"), None, Some(""), text[4]]);
    let keys = UInt8Array::from(vec![Some(1), Some(3), Some(4), Some(2), Some(5)]);
    let odd = DictionaryArray::<UInt8Type>::new(keys, Arc::new(values));
    let keys = Int16Array::from(vec![Some(0), None, Some(1), Some(0), Some(2)]);
    let views = StringViewArray::from(vec!["web", "", "a name past twelve bytes"]);
    let categorical = DictionaryArray::<Int16Type>::new(keys, Arc::new(views));
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(text.clone())),
        Arc::new(LargeStringArray::from(text.clone())),
        Arc::new(StringViewArray::from(text.clone())),
        Arc::new(odd),
        Arc::new(categorical),
    ];
    let tags = names(&["host"]);
    for array in arrays {
        let ty = array.data_type().clone();
        let time = Arc::new(Int64Array::from_iter_values(0..5));
        let x = Arc::new(Int64Array::from_iter_values(0..5));
        let (batches, schema) = frame(vec![("host", array), ("time", time), ("x", x)]);
        // Twice, as two chunks that share their dictionary.
        let batches = [batches[0].clone(), batches[0].clone()];
        let read = wide(&batches, &schema, &opts(&tags, &[])).unwrap();
        let batch = &read.batches[0];
        assert_series_are_distinct(batch);
        assert_eq!(batch.series().len(), 4, "{ty}");
        for (i, (tags, _, _)) in rows(batch).into_iter().enumerate() {
            assert_eq!(tags, [text[i % 5].map(str::to_owned)], "{ty}");
        }
    }
}

#[test]
fn a_column_of_nulls_is_an_absent_tag() {
    let time = Arc::new(Int64Array::from(vec![1, 2]));
    let x = Arc::new(Int64Array::from(vec![1, 2]));
    let host = Arc::new(NullArray::new(2));
    let (batches, schema) = frame(vec![("time", time), ("host", host), ("x", x)]);
    let tags = names(&["host"]);
    let read = wide(&batches, &schema, &opts(&tags, &[])).unwrap();
    assert_eq!(read.batches[0].series().len(), 1);
    assert_eq!(rows(&read.batches[0])[1].0, [None]);
}

#[test]
fn other_types_are_no_tag() {
    let time = || Arc::new(Int64Array::from(vec![1])) as ArrayRef;
    let tags = names(&["host"]);
    for (array, ty) in [
        (Arc::new(Int32Array::from(vec![1])) as ArrayRef, "Int32"),
        (Arc::new(BinaryArray::from(vec![b"a".as_slice()])), "Binary"),
    ] {
        let (batches, schema) = frame(vec![("time", time()), ("host", array), ("x", time())]);
        let error = wide(&batches, &schema, &opts(&tags, &[])).unwrap_err().to_string();
        let expected = format!(
            "table \"cpu\": tag column \"host\" (from row 0) has type {ty}; a tag is a string: \
             cast the column to strings or to a categorical of strings"
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn series_of_skipped_rows_alone_are_gone() {
    let time = Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]));
    let host = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let x = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let (batches, schema) = frame(vec![("time", time), ("host", host), ("x", x)]);
    let tags = names(&["host"]);
    let mut opts = opts(&tags, &[]);
    opts.on_error = OnError::Skip;
    let read = wide(&batches, &schema, &opts).unwrap();
    assert_series_are_distinct(&read.batches[0]);
    let hosts: Vec<_> =
        rows(&read.batches[0]).into_iter().map(|r| r.0[0].clone().unwrap()).collect();
    assert_eq!(hosts, ["a", "c"]);
}
