use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::UInt32Type;
use arrow_array::*;
use arrow_cast::parse::string_to_timestamp_nanos;
use proptest::prelude::*;

use super::super::{OnError, wide};
use super::{frame, opts};
use crate::error::{Error, Result};
use crate::model::parse_time;

fn read(array: ArrayRef) -> Result<Vec<i64>> {
    let x = Arc::new(Float64Array::from(vec![1.0; array.len()]));
    let (batches, schema) = frame(vec![("time", array), ("x", x)]);
    let read = wide(&batches, &schema, &opts(&[], &[]))?;
    Ok(read.batches[0].times().to_vec())
}

fn refusal(array: ArrayRef) -> String {
    match read(array).unwrap_err() {
        Error::InvalidArgument(why) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_type_of_time() {
    let ns = 1_451_606_400_000_000_000;
    let text = vec!["2016-01-01T00:00:00Z"; 2];
    let mut dictionary = StringDictionaryBuilder::<UInt32Type>::new();
    dictionary.extend(text.iter().copied().map(Some));
    let seconds = DictionaryArray::new(
        Int8Array::from(vec![0, 0]),
        Arc::new(TimestampSecondArray::from(vec![ns / 1_000_000_000])) as ArrayRef,
    );
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(TimestampSecondArray::from(vec![ns / 1_000_000_000; 2])),
        Arc::new(TimestampMillisecondArray::from(vec![ns / 1_000_000; 2])),
        Arc::new(TimestampMicrosecondArray::from(vec![ns / 1000; 2])),
        Arc::new(TimestampNanosecondArray::from(vec![ns; 2])),
        Arc::new(
            TimestampMillisecondArray::from(vec![ns / 1_000_000; 2]).with_timezone("Asia/Tokyo"),
        ),
        Arc::new(Date32Array::from(vec![16801; 2])),
        Arc::new(Date64Array::from(vec![ns / 1_000_000; 2])),
        Arc::new(Int64Array::from(vec![ns; 2])),
        Arc::new(UInt64Array::from(vec![ns as u64; 2])),
        Arc::new(StringArray::from(text.clone())),
        Arc::new(LargeStringArray::from(text.clone())),
        Arc::new(StringViewArray::from(text)),
        Arc::new(dictionary.finish()),
        Arc::new(seconds),
    ];
    for array in arrays {
        let ty = array.data_type().clone();
        assert_eq!(read(array).unwrap(), [ns, ns], "{ty}");
    }
    let extremes = vec![i64::MIN, i64::MAX];
    assert_eq!(read(Arc::new(Int64Array::from(extremes.clone()))).unwrap(), extremes);
}

#[test]
fn times_outside_the_range_and_nulls_are_bad_rows() {
    let range = "time outside int64 nanoseconds (1677-09-21 .. 2262-04-11)";
    let outside: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(TimestampSecondArray::from(vec![0, 9_223_372_037])), "9223372037 s"),
        (Arc::new(TimestampMillisecondArray::from(vec![0, i64::MIN])), "-9223372036854775808 ms"),
        (Arc::new(TimestampMicrosecondArray::from(vec![0, i64::MAX])), "9223372036854775807 us"),
        (Arc::new(Date32Array::from(vec![0, 106_752])), "106752 days since 1970-01-01"),
        (Arc::new(UInt64Array::from(vec![0, 1 << 63])), "9223372036854775808 ns"),
        (Arc::new(StringArray::from(vec!["1970-01-01", "2262-04-12"])), "\"2262-04-12\""),
    ];
    for (array, value) in outside {
        let why = refusal(array);
        let expected = format!("table \"cpu\": column \"time\", row 1: {value} is a {range}");
        assert_eq!(why, expected);
    }
    let null: Vec<ArrayRef> = vec![
        Arc::new(TimestampSecondArray::from(vec![Some(0), None])),
        Arc::new(Int64Array::from(vec![Some(0), None])),
        Arc::new(UInt64Array::from(vec![Some(0), None])),
        Arc::new(StringArray::from(vec![Some("1970-01-01"), None])),
    ];
    for array in null {
        let why = refusal(array);
        assert!(
            why.ends_with("column \"time\", row 1: null is no time; every row needs one"),
            "{why}"
        );
    }
    let keys = Int8Array::from(vec![Some(0), Some(1), None]);
    let values = StringArray::from(vec!["1970-01-01", "soon"]);
    let array = Arc::new(DictionaryArray::new(keys, Arc::new(values) as ArrayRef));
    let x = Arc::new(Int8Array::from(vec![1, 2, 3]));
    let (batches, schema) = frame(vec![("time", array), ("x", x)]);
    let mut opts = opts(&[], &[]);
    opts.on_error = OnError::Skip;
    let read = wide(&batches, &schema, &opts).unwrap();
    assert_eq!((read.batches[0].times(), read.skipped_rows), (&[0i64][..], 2));
    assert!(read.skipped[0].why.starts_with("\"soon\" is no time; use ISO 8601"));
}

#[test]
fn columns_that_are_no_time_are_refused() {
    let why = refusal(Arc::new(Float64Array::from(vec![1.0])));
    let start = "table \"cpu\": time column \"time\" (from row 0) has type Float64, in which";
    assert!(why.starts_with(start), "{why}");
    for array in [Arc::new(Int32Array::from(vec![1])) as ArrayRef, Arc::new(NullArray::new(1))] {
        let why = refusal(array);
        assert!(why.contains("which is no time; use timestamps"), "{why}");
    }
}

#[test]
fn iso_8601() {
    let second = 1_000_000_000;
    let good = [
        ("1970-01-01", 0),
        ("1970-01-01T00:00", 0),
        ("1970-01-01 00:00:01", second),
        ("1970-01-01t00:00:01z", second),
        ("1970-01-01T00:00:01.5UTC", second * 3 / 2),
        ("1970-01-01 00:00:01,000000001 UTC", second + 1),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01T02:00:00+02", 0),
        ("1969-12-31T22:30:00-0130", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1970-01-01T00:00:00.1234567890000Z", 123_456_789),
        ("2000-02-29", 951_782_400 * second),
        ("1677-09-21T00:12:43.145224192Z", i64::MIN),
        ("2262-04-11T23:47:16.854775807Z", i64::MAX),
    ];
    for (text, ns) in good {
        assert_eq!(parse_time(text).unwrap(), ns, "{text}");
    }
    let wrong = [
        "",
        "1970",
        "1970-1-1",
        "1970-13-01",
        "1970-00-01",
        "1970-02-29",
        "1900-02-29",
        "1970-01-00",
        "1970-01-32",
        "1970-01-01T",
        "1970-01-01X00:00",
        "1970-01-01T24:00:00",
        "1970-01-01T00:60:00",
        "1970-01-01T00:00:60",
        "1970-01-01T00:00:00.",
        "é970-01-01",
        "1970-01-01T00:00:00.0000000001",
        "1970-01-01T00:00:00+",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+01:",
        "1970-01-01T00:00:00 CET",
        "1970-01-01 ",
        " 1970-01-01",
        "1970-01-01T00:00:00+01:60",
        "+970-01-01",
        "1970-01-01T00:00:00Z ",
    ];
    for text in wrong {
        let why = parse_time(text).unwrap_err().to_string();
        assert!(why.contains("is no time; use ISO 8601"), "{text}: {why}");
    }
    for text in ["1677-09-21T00:12:43.145224191Z", "2262-04-11T23:47:16.854775808Z", "9999-01-01"] {
        assert!(parse_time(text).unwrap_err().to_string().contains("is a time outside int64"));
    }
}

proptest! {
    #[test]
    fn iso_8601_reads_as_arrow_does(
        (year, month, day) in (1678..2262i32, 1..=12u32, 1..=31u32),
        (hour, minute, second) in (0..24u32, 0..60u32, 0..60u32),
        fraction in proptest::option::of("[0-9]{1,9}"),
        (space, zone) in (any::<bool>(), prop_oneof!["", "Z", "[+-](0[0-9]|1[0-3]):[0-5][0-9]"]),
    ) {
        let separator = if space { ' ' } else { 'T' };
        let fraction = fraction.map(|f| format!(".{f}")).unwrap_or_default();
        let text = format!(
            "{year}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
        );
        prop_assert_eq!(parse_time(&text).ok(), string_to_timestamp_nanos(&text).ok(), "{}", text);
    }

    #[test]
    fn no_text_panics(text in "[-0-9T: .,Z+UC]{0,40}") {
        let _ = parse_time(&text);
    }
}
