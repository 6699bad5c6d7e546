use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int8Type;
use arrow_array::*;
use arrow_schema::{DataType, Schema};

use super::super::{OnError, field_defs, wide};
use super::{def, frame, names, opts, rows};
use crate::error::{Error, Result};
use crate::model::{FieldArray, FieldDef, FieldType, Value};

fn times(n: usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(0..n as i64))
}

/// The values of a single field column, or the error.
fn read(array: ArrayRef, table: &[FieldDef]) -> Result<Vec<Option<Value>>> {
    let (batches, schema) = frame(vec![("time", times(array.len())), ("x", array)]);
    let read = wide(&batches, &schema, &opts(&[], table))?;
    Ok(read
        .batches
        .iter()
        .flat_map(rows)
        .map(|(_, _, mut values)| values.pop().unwrap().1)
        .collect())
}

fn refusal(array: ArrayRef, table: &[FieldDef]) -> String {
    match read(array, table).unwrap_err() {
        Error::InvalidArgument(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_type_a_field_can_be_made_of() {
    let half = arrow_cast::cast(&Float32Array::from(vec![1.5, -0.0]), &DataType::Float16).unwrap();
    let f64s = |a: f64, b: f64| vec![Some(Value::F64(a)), Some(Value::F64(b))];
    assert_eq!(read(half, &[]).unwrap(), f64s(1.5, -0.0));
    let single = Arc::new(Float32Array::from(vec![0.1, f32::INFINITY]));
    assert_eq!(read(single, &[]).unwrap(), f64s(f64::from(0.1f32), f64::INFINITY));
    let double = Arc::new(Float64Array::from(vec![5e-324, f64::MAX]));
    assert_eq!(read(double, &[]).unwrap(), f64s(5e-324, f64::MAX));

    let ints: Vec<(ArrayRef, i64)> = vec![
        (Arc::new(Int8Array::from(vec![Some(-128), None])), -128),
        (Arc::new(Int16Array::from(vec![Some(-32768), None])), -32768),
        (Arc::new(Int32Array::from(vec![Some(i32::MIN), None])), i64::from(i32::MIN)),
        (Arc::new(Int64Array::from(vec![Some(i64::MIN), None])), i64::MIN),
        (Arc::new(UInt8Array::from(vec![Some(255), None])), 255),
        (Arc::new(UInt16Array::from(vec![Some(65535), None])), 65535),
        (Arc::new(UInt32Array::from(vec![Some(u32::MAX), None])), i64::from(u32::MAX)),
        (Arc::new(UInt64Array::from(vec![Some(i64::MAX as u64), None])), i64::MAX),
    ];
    for (array, value) in ints {
        let ty = array.data_type().clone();
        assert_eq!(read(array, &[]).unwrap(), vec![Some(Value::I64(value)), None], "{ty}");
    }
    let bools = Arc::new(BooleanArray::from(vec![Some(true), None]));
    assert_eq!(read(bools, &[]).unwrap(), vec![Some(Value::Bool(true)), None]);

    let text = vec![Some("a string past twelve bytes"), Some(""), None];
    let mut dictionary = StringDictionaryBuilder::<Int8Type>::new();
    dictionary.extend(text.iter().copied());
    let strings: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(text.clone())),
        Arc::new(LargeStringArray::from(text.clone())),
        Arc::new(StringViewArray::from(text.clone())),
        Arc::new(dictionary.finish()),
    ];
    let expected: Vec<_> = text.iter().map(|t| t.map(|t| Value::Str(t.to_owned()))).collect();
    for array in strings {
        assert_eq!(read(array, &[]).unwrap(), expected);
    }
    let keys = Int8Array::from(vec![Some(1), None, Some(0)]);
    let numbers = DictionaryArray::new(keys, Arc::new(Float32Array::from(vec![0.5, 2.0])));
    let expected = vec![Some(Value::F64(2.0)), None, Some(Value::F64(0.5))];
    assert_eq!(read(Arc::new(numbers), &[]).unwrap(), expected);
}

#[test]
fn bits_of_doubles_survive_and_their_buffer_is_shared() {
    let payload = f64::from_bits(0x7ff8_0000_dead_beef);
    let array = Float64Array::from(vec![Some(payload), Some(-0.0), None]);
    let at = array.values().as_ptr();
    let views = StringViewArray::from(vec!["a long string of some sort", "b", "c"]);
    let views_at = views.views().as_ptr();
    let (batches, schema) =
        frame(vec![("x", Arc::new(array)), ("time", times(3)), ("s", Arc::new(views))]);
    let read = wide(&batches, &schema, &opts(&[], &[])).unwrap();
    let fields = read.batches[0].fields();
    let (FieldArray::F64(x), FieldArray::Str(s)) = (&fields[0].1, &fields[1].1) else {
        panic!("{fields:?}")
    };
    assert_eq!((x.values().as_ptr(), s.views().as_ptr()), (at, views_at));
    assert_eq!(x.value(0).to_bits(), payload.to_bits());
    assert!(x.value(1).is_sign_negative() && x.is_null(2));
    assert_eq!(read.batches[0].points(), 5);
}

#[test]
fn numbers_convert_where_that_is_exact() {
    let float = [def("x", FieldType::F64)];
    let int = [def("x", FieldType::I64)];
    let exact = 1i64 << 53;
    let array = Arc::new(Int64Array::from(vec![Some(exact), Some(-exact), None]));
    let expected = vec![Some(Value::F64(exact as f64)), Some(Value::F64(-exact as f64)), None];
    assert_eq!(read(array, &float).unwrap(), expected);
    for v in [exact + 1, -exact - 1, i64::MIN] {
        let why = refusal(Arc::new(Int64Array::from(vec![0, v])), &float);
        let start = format!("table \"cpu\": column \"x\", row 1: {v} has no exact f64; use");
        assert!(why.starts_with(&start), "{why}");
    }
    let why = refusal(Arc::new(UInt64Array::from(vec![(1 << 53) + 1])), &float);
    assert!(why.contains("row 0: 9007199254740993 has no exact f64"), "{why}");
    let why = refusal(Arc::new(UInt64Array::from(vec![1, 1 << 63])), &[]);
    let past = "row 1: 9223372036854775808 is past the greatest i64, 9223372036854775807; store";
    assert!(why.contains(past), "{why}");

    let whole = Arc::new(Float64Array::from(vec![Some(-(2f64.powi(63))), None, Some(3.0)]));
    let expected = vec![Some(Value::I64(i64::MIN)), None, Some(Value::I64(3))];
    assert_eq!(read(whole, &int).unwrap(), expected);
    for v in [0.5, 2f64.powi(63), f64::NAN, f64::INFINITY, -1e300] {
        let why = refusal(Arc::new(Float64Array::from(vec![v])), &int);
        assert!(why.contains(&format!("column \"x\", row 0: {v} is no i64")), "{why}");
    }
}

#[test]
fn what_lies_in_a_null_slot_does_not_matter() {
    let nulls = arrow_buffer::NullBuffer::from(vec![false, true]);
    let array = Int64Array::new(vec![i64::MAX, 7].into(), Some(nulls));
    let read = read(Arc::new(array), &[def("x", FieldType::F64)]).unwrap();
    assert_eq!(read, vec![None, Some(Value::F64(7.0))]);
}

#[test]
fn a_null_column_takes_the_tables_type_or_none() {
    let null = || Arc::new(NullArray::new(2)) as ArrayRef;
    for ty in [FieldType::F64, FieldType::I64, FieldType::Bool, FieldType::Str] {
        let (batches, schema) = frame(vec![("time", times(2)), ("x", null())]);
        let fields = [def("x", ty)];
        let read = wide(&batches, &schema, &opts(&[], &fields)).unwrap();
        let (name, array) = &read.batches[0].fields()[0];
        assert_eq!((name.as_str(), array.field_type(), array.nulls()), ("x", ty, 2));
    }
    let (batches, schema) = frame(vec![("time", times(2)), ("x", null())]);
    let read = wide(&batches, &schema, &opts(&[], &[])).unwrap();
    assert_eq!((read.batches.len(), read.rows), (0, 2));
}

#[test]
fn types_that_do_not_go_together_are_named() {
    let why = refusal(Arc::new(BooleanArray::from(vec![true])), &[def("x", FieldType::I64)]);
    assert_eq!(
        why,
        "table \"cpu\": field \"x\" holds i64 and the frame gives Boolean; cast the column to \
         integers, or floats that are whole numbers"
    );
    for ty in [FieldType::F64, FieldType::I64, FieldType::Bool] {
        let why = refusal(Arc::new(StringArray::from(vec!["1"])), &[def("x", ty)]);
        let start =
            format!("table \"cpu\": field \"x\" holds {} and the frame gives Utf8", ty.name());
        assert!(why.starts_with(&start), "{why}");
    }
    let why = refusal(Arc::new(Int8Array::from(vec![1])), &[def("x", FieldType::Str)]);
    assert!(why.ends_with("cast the column to strings"), "{why}");
    let unknown: Vec<ArrayRef> = vec![
        Arc::new(BinaryArray::from(vec![b"x".as_slice()])),
        Arc::new(Decimal128Array::from(vec![1])),
        Arc::new(TimestampSecondArray::from(vec![1])),
        new_null_array(&DataType::new_list(DataType::Int8, true), 1),
    ];
    for array in unknown {
        let ty = array.data_type().clone();
        let why = refusal(array, &[]);
        let start = format!("table \"cpu\": column \"x\" has type {ty}, which no field can hold");
        assert!(why.starts_with(&start), "{why}");
    }
}

#[test]
fn columns_that_are_missing_or_in_the_way_are_named() {
    let x = || Arc::new(Float64Array::from(vec![1.0])) as ArrayRef;
    let (batches, schema) = frame(vec![("tme", times(1)), ("x", x())]);
    let error = wide(&batches, &schema, &opts(&[], &[])).unwrap_err();
    assert!(matches!(&error, Error::NotFound(_)));
    assert_eq!(
        error.to_string(),
        "table \"cpu\": unknown time column \"time\"; the nearest are \"tme\", \"x\""
    );
    let host = names(&["host"]);
    let (batches, schema) = frame(vec![("time", times(1)), ("x", x())]);
    let error = wide(&batches, &schema, &opts(&host, &[])).unwrap_err();
    assert!(error.to_string().contains("unknown tag column \"host\""), "{error}");
    let mut lacking = opts(&host, &[]);
    lacking.frame_tags = &[];
    assert_eq!(rows(&wide(&batches, &schema, &lacking).unwrap().batches[0])[0].0, vec![None]);
    let other = names(&["rack"]);
    lacking.frame_tags = &other;
    let error = wide(&batches, &schema, &lacking).unwrap_err();
    assert!(error.to_string().contains("unknown tag \"rack\"; the nearest are \"host\""));

    let mut ts = opts(&[], &[]);
    ts.time = "ts";
    let (batches, schema) = frame(vec![("ts", times(1)), ("time", x())]);
    let error = wide(&batches, &schema, &ts).unwrap_err();
    assert!(error.to_string().contains("field \"time\" is named twice"), "{error}");
    let (batches, schema) = frame(vec![("time", times(1)), ("x", x()), ("x", x())]);
    let error = wide(&batches, &schema, &opts(&[], &[])).unwrap_err();
    assert!(error.to_string().contains("two columns called \"x\""), "{error}");
    let (batches, schema) = frame(vec![("time", times(1))]);
    let error = wide(&batches, &schema, &opts(&[], &[])).unwrap_err();
    assert!(error.to_string().contains("the frame has no field"), "{error}");
    let time = names(&["time"]);
    let error = wide(&batches, &schema, &opts(&time, &[])).unwrap_err();
    assert!(error.to_string().contains("both the time and a tag"), "{error}");
    let (other, _) = frame(vec![("time", x())]);
    let error = wide(&other, &schema, &opts(&[], &[])).unwrap_err();
    assert!(error.to_string().contains("record batch 0 of the frame has other"), "{error}");
}

#[test]
fn the_first_bad_row_of_the_frame_is_the_one_raised_or_all_are_left_out() {
    let a = Arc::new(UInt64Array::from(vec![1, 2, u64::MAX, 4]));
    let b = Arc::new(UInt64Array::from(vec![1, u64::MAX, u64::MAX, 4]));
    let (batches, schema) = frame(vec![("time", times(4)), ("a", a), ("b", b)]);
    let mut opts = opts(&[], &[]);
    let error = wide(&batches, &schema, &opts).unwrap_err();
    assert!(error.to_string().starts_with("table \"cpu\": column \"b\", row 1: "), "{error}");
    opts.on_error = OnError::Skip;
    let read = wide(&batches, &schema, &opts).unwrap();
    let skipped: Vec<_> = read.skipped.iter().map(|s| (s.row, s.column.as_str())).collect();
    assert_eq!(skipped, [(1, "b"), (2, "a")]);
    assert_eq!((read.rows, read.skipped_rows), (2, 2));
    assert_eq!(read.batches[0].times(), [0, 3]);
}

#[test]
fn details_of_a_thousand_skipped_rows_are_kept_and_all_are_counted() {
    let x = Arc::new(UInt64Array::from(vec![u64::MAX; 2500]));
    let (batches, schema) = frame(vec![("time", times(2500)), ("x", x)]);
    let mut opts = opts(&[], &[]);
    opts.on_error = OnError::Skip;
    let read = wide(&batches, &schema, &opts).unwrap();
    assert_eq!((read.skipped.len(), read.skipped_rows, read.rows), (1000, 2500, 0));
    assert_eq!(read.skipped[999].row, 999);
    assert!(read.batches.is_empty());
}

#[test]
fn the_fields_that_a_frame_implies() {
    let (_, schema) = frame(vec![
        ("time", times(1)),
        ("host", Arc::new(StringArray::from(vec!["a"]))),
        ("usage", Arc::new(Float32Array::from(vec![1.0]))),
        ("n", Arc::new(UInt64Array::from(vec![1]))),
        ("up", Arc::new(BooleanArray::from(vec![true]))),
        ("note", Arc::new(LargeStringArray::from(vec!["x"]))),
        ("nothing", Arc::new(NullArray::new(1))),
    ]);
    let defs = field_defs(&schema, "time", &names(&["host"])).unwrap();
    let expected = [
        def("usage", FieldType::F64),
        def("n", FieldType::I64),
        def("up", FieldType::Bool),
        def("note", FieldType::Str),
    ];
    assert_eq!(defs, expected);
    assert!(matches!(field_defs(&Schema::empty(), "time", &[]), Err(Error::NotFound(_))));
}

#[test]
fn chunks_are_one_frame_and_an_empty_frame_is_none() {
    let part = |v: Vec<f64>, t: Vec<i64>| {
        frame(vec![("time", Arc::new(Int64Array::from(t))), ("x", Arc::new(Float64Array::from(v)))])
    };
    let (mut batches, schema) = part(vec![1.0], vec![1]);
    batches.extend(part(vec![], vec![]).0);
    batches.extend(part(vec![2.0, 3.0], vec![2, 3]).0);
    let read = wide(&batches, &schema, &opts(&[], &[])).unwrap();
    assert_eq!(read.batches[0].times(), [1, 2, 3]);
    let FieldArray::F64(x) = &read.batches[0].fields()[0].1 else { panic!() };
    assert_eq!(x.values().as_ref(), [1.0, 2.0, 3.0]);
    assert_eq!(read.batches[0].series().len(), 1);
    let read = wide(&[], &schema, &opts(&[], &[])).unwrap();
    assert_eq!((read.batches.len(), read.rows), (0, 0));
}

#[test]
fn a_damaged_dictionary_is_an_error_not_a_panic() {
    let keys = Int8Array::from(vec![0, 5]);
    // SAFETY: wrong on purpose, as a foreign producer could be: nothing here reads past the
    // dictionary without a check.
    let array =
        unsafe { DictionaryArray::new_unchecked(keys, Arc::new(StringArray::from(vec!["a"]))) };
    let why = refusal(Arc::new(array.clone()), &[]);
    assert!(why.contains("column \"x\" is damaged"), "{why}");
    let host = names(&["host"]);
    let x = Arc::new(Float64Array::from(vec![1.0, 2.0]));
    let (batches, schema) = frame(vec![("time", times(2)), ("host", Arc::new(array)), ("x", x)]);
    let error = wide(&batches, &schema, &opts(&host, &[])).unwrap_err();
    assert!(error.to_string().contains("column \"host\", row 1: key 5 points past"), "{error}");
}
