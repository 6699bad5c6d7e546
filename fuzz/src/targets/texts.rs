//! What users write as text beside SQL: times, lengths of time, names of functions, conditions. An
//! error that says what is wrong, or a value; what prints reads back, and a condition can be
//! evaluated on any rows. The first byte says which text it is.

use std::sync::{Arc, LazyLock};

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, LargeStringArray,
    TimestampNanosecondArray,
};
use kymograph::Error;
use kymograph::model::{Duplicates, FieldDef, FieldType, TableSchema, parse_time};
use kymograph::query::expr::{Evaluator, Type};
use kymograph::query::{Function, Interval};
use kymograph::sql::{Parameters, condition, row_columns};

const NOW: i64 = 1_700_000_000_000_000_000;

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(rest) else { return };
    match kind % 4 {
        0 => drop(plain(parse_time(text))),
        1 => {
            if let Some(interval) = plain(Interval::parse(text)) {
                let again = Interval::parse(&interval.to_string());
                assert_eq!(again.ok(), Some(interval), "{interval}");
            }
        }
        2 => {
            if let Some(function) = plain(Function::parse(text)) {
                let again = Function::parse(&function.name()).expect("its own name");
                assert_eq!(again, function);
            }
        }
        _ => evaluate(text),
    }
}

struct Rows {
    columns: Vec<(String, Type)>,
    arrays: Vec<ArrayRef>,
    count: usize,
}

static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let field = |name: &str, ty| FieldDef { name: name.to_owned(), ty };
    let fields = vec![
        field("usage", FieldType::F64),
        field("io", FieldType::I64),
        field("up", FieldType::Bool),
        field("note", FieldType::Str),
    ];
    let schema = TableSchema::new("cpu", vec!["host".to_owned()], fields, Duplicates::Keep, None)
        .expect("a schema");
    let hosts: DictionaryArray<Int32Type> =
        [Some("a"), None, Some("web-01"), Some(""), Some("é")].into_iter().collect();
    let notes = [Some("up"), None, Some(""), Some("10"), Some("1970-01-01")];
    let arrays: Vec<(&str, ArrayRef)> = vec![
        (
            "time",
            Arc::new(
                TimestampNanosecondArray::from(vec![i64::MIN, -1, 0, NOW, i64::MAX])
                    .with_timezone("UTC"),
            ),
        ),
        ("host", Arc::new(hosts)),
        (
            "usage",
            Arc::new(Float64Array::from(vec![
                Some(f64::NAN),
                None,
                Some(-0.0),
                Some(f64::INFINITY),
                Some(1.5e300),
            ])),
        ),
        (
            "io",
            Arc::new(Int64Array::from(vec![
                Some(i64::MIN),
                Some(-1),
                None,
                Some(0),
                Some(i64::MAX),
            ])),
        ),
        ("up", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true), None]))),
        ("note", Arc::new(LargeStringArray::from(notes.to_vec()))),
    ];
    let columns = row_columns(&schema);
    let of = |(name, _): &(String, Type)| {
        let found = arrays.iter().find(|(known, _)| known == name);
        Arc::clone(&found.expect("a column of the table").1)
    };
    Rows { arrays: columns.iter().map(of).collect(), columns, count: 5 }
});

fn evaluate(text: &str) {
    let rows = &*ROWS;
    let Some(expr) = plain(condition(text, &Parameters::None, &rows.columns, NOW)) else { return };
    let evaluator = Evaluator::new(&expr, &rows.columns).expect("a condition is checked");
    if let Some(passing) = plain(evaluator.filter(&rows.arrays, rows.count)) {
        assert_eq!(passing.len(), rows.count);
    }
}

/// What the text stands for; `None` where it was refused.
fn plain<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::InvalidArgument(_) | Error::NotFound(_) | Error::LimitExceeded(_)) => None,
        Err(other) => panic!("{other}"),
    }
}
