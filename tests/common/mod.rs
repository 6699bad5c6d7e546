//! What the scenarios share: batches, options and results as plain values.
#![allow(dead_code, reason = "no scenario uses all of it")]

pub(crate) mod rich;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow_schema::DataType;
use kymograph::db::{Database, Options, TableSpec, WriteResult};
use kymograph::model::{Batch, Duplicates, FieldArray, SeriesKey};
use kymograph::query::{QueryContext, ReadQuery};
use kymograph::storage::vfs::{MemoryStore, Store};

/// No background thread, so that nothing happens that the scenario does not do.
pub(crate) fn quiet() -> Options {
    Options { background: false, threads: 2, ..Options::default() }
}

/// A table with the tag `host`.
pub(crate) fn spec(table: &str, duplicates: Duplicates) -> TableSpec {
    TableSpec { name: table.to_owned(), tags: vec!["host".to_owned()], duplicates }
}

/// Rows of `(host, time, value)` with the double `value`.
pub(crate) fn batch(table: &str, rows: &[(&str, i64, f64)]) -> Batch {
    let mut hosts: Vec<&str> = rows.iter().map(|row| row.0).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let place = |host: &str| hosts.binary_search(&host).expect("listed above") as u32;
    Batch::new(
        table,
        hosts.iter().map(|host| SeriesKey::new([Some(*host)])).collect(),
        rows.iter().map(|row| place(row.0)).collect(),
        rows.iter().map(|row| row.1).collect(),
        vec![(
            "value".to_owned(),
            FieldArray::F64(Float64Array::from_iter_values(rows.iter().map(|row| row.2))),
        )],
    )
    .expect("a whole batch")
}

/// Writes rows to table `cpu`, which keeps duplicates.
pub(crate) fn write(db: &Database, rows: &[(&str, i64, f64)]) -> kymograph::Result<WriteResult> {
    db.write(&[batch("cpu", rows)], &spec("cpu", Duplicates::Keep))
}

/// A cell of a result.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) enum Cell {
    Null,
    Time(i64),
    Int(i64),
    Float(f64),
    Bool(bool),
    Text(String),
}

/// A result's rows.
pub(crate) fn cells(batch: &RecordBatch) -> Vec<Vec<Cell>> {
    let columns: Vec<Vec<Cell>> = batch.columns().iter().map(column_cells).collect();
    (0..batch.num_rows()).map(|row| columns.iter().map(|c| c[row].clone()).collect()).collect()
}

fn column_cells(column: &Arc<dyn Array>) -> Vec<Cell> {
    if column.is_empty() {
        return Vec::new();
    }
    let valid = |row: usize, cell: &dyn Fn(usize) -> Cell| {
        if column.is_null(row) { Cell::Null } else { cell(row) }
    };
    let all =
        |cell: &dyn Fn(usize) -> Cell| (0..column.len()).map(|row| valid(row, cell)).collect();
    match column.data_type() {
        DataType::Timestamp(..) => {
            let values = column.as_primitive::<TimestampNanosecondType>();
            all(&|row| Cell::Time(values.value(row)))
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            all(&|row| Cell::Int(values.value(row)))
        }
        DataType::UInt64 => {
            let values = column.as_primitive::<arrow_array::types::UInt64Type>();
            all(&|row| Cell::Int(values.value(row) as i64))
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            all(&|row| Cell::Float(values.value(row)))
        }
        DataType::Boolean => {
            let values = column.as_boolean();
            all(&|row| Cell::Bool(values.value(row)))
        }
        DataType::Utf8View => {
            let values = column.as_string_view();
            all(&|row| Cell::Text(values.value(row).to_owned()))
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            all(&|row| Cell::Text(values.value(row).to_owned()))
        }
        DataType::LargeUtf8 => {
            let values = column.as_string::<i64>();
            all(&|row| Cell::Text(values.value(row).to_owned()))
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            let values = column_cells(dictionary.values());
            if values.is_empty() {
                return vec![Cell::Null; column.len()];
            }
            let keys = dictionary.normalized_keys();
            all(&|row| values[keys[row]].clone())
        }
        other => panic!("a result with a column of {other}"),
    }
}

/// `(host, time, value)` of every row of table `cpu`.
pub(crate) fn rows(db: &Database) -> kymograph::Result<Vec<(String, i64, f64)>> {
    let batch = db.read("cpu", &ReadQuery::default(), &QueryContext::default())?;
    Ok(cells(&batch)
        .into_iter()
        .map(|row| match row.as_slice() {
            [Cell::Time(time), Cell::Text(host), Cell::Float(value)] => {
                (host.clone(), *time, *value)
            }
            other => panic!("a row of other columns: {other:?}"),
        })
        .collect())
}

/// The same as owned rows, for comparing.
pub(crate) fn owned(rows: &[(&str, i64, f64)]) -> Vec<(String, i64, f64)> {
    rows.iter().map(|(host, time, value)| ((*host).to_owned(), *time, *value)).collect()
}

/// A copy of everything in a store that is not locked: what a crash right now would leave.
pub(crate) fn copy(store: &dyn Store) -> MemoryStore {
    let copy = MemoryStore::new();
    for entry in store.list("").expect("a store that works") {
        copy.overwrite(&entry.path, &store.read(&entry.path).expect("a file that was listed"));
    }
    copy
}

/// An array of each type.
pub(crate) fn array(values: &[Option<Cell>], like: &Cell) -> FieldArray {
    match like {
        Cell::Float(_) => {
            FieldArray::F64(Float64Array::from_iter(values.iter().map(|v| match v {
                Some(Cell::Float(v)) => Some(*v),
                _ => None,
            })))
        }
        Cell::Int(_) => FieldArray::I64(Int64Array::from_iter(values.iter().map(|v| match v {
            Some(Cell::Int(v)) => Some(*v),
            _ => None,
        }))),
        Cell::Bool(_) => {
            FieldArray::Bool(BooleanArray::from_iter(values.iter().map(|v| match v {
                Some(Cell::Bool(v)) => Some(*v),
                _ => None,
            })))
        }
        _ => FieldArray::Str(StringViewArray::from_iter(values.iter().map(|v| match v {
            Some(Cell::Text(v)) => Some(v.as_str()),
            _ => None,
        }))),
    }
}

/// Leaves the panics that a test injected out of its output.
pub(crate) fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let text = panic.payload_as_str().unwrap_or_default();
            if !text.starts_with("injected panic") {
                told(panic);
            }
        }));
    });
}
