//! A small database with something of everything: tables, types, codecs, segments, a tombstone,
//! versions and a log with its mark.

use std::sync::Arc;

use arrow_array::{BooleanArray, Float64Array, Int64Array, StringViewArray};
use kymograph::Result;
use kymograph::db::{Database, Options, SqlAnswer, TableSpec};
use kymograph::model::{Batch, Duplicates, FieldArray, SeriesKey, TimeRange};
use kymograph::query::{QueryContext, ReadQuery};
use kymograph::sql::Parameters;
use kymograph::storage::vfs::{MemoryStore, Store};

use super::{Cell, cells, copy, quiet, write};

/// The tables that [`rich`] makes.
pub(crate) const TABLES: [&str; 3] = ["cpu", "machine", "old"];

/// A table's rows as they are read: time, tags, fields.
pub(crate) type Rows = Vec<Vec<Cell>>;

fn machine(from: i64, rows: usize) -> Batch {
    let at = |i: usize| from + i as i64;
    let doubles = (0..rows).map(|i| (i % 7 != 3).then_some((i * i) as f64 / 8.0));
    let texts = (0..rows).map(|i| (i % 5 != 1).then(|| ["idle", "running", "stopped"][i % 3]));
    Batch::new(
        "machine",
        vec![
            SeriesKey::new([Some("north"), Some("1")]),
            SeriesKey::new([Some("north"), None]),
            SeriesKey::new([Some("süd"), Some("2")]),
        ],
        (0..rows).map(|i| (i % 3) as u32).collect(),
        (0..rows).map(at).collect(),
        vec![
            ("load".to_owned(), FieldArray::F64(Float64Array::from_iter(doubles))),
            (
                "count".to_owned(),
                FieldArray::I64(Int64Array::from_iter_values((0..rows).map(|i| i as i64 * 1001))),
            ),
            (
                "up".to_owned(),
                FieldArray::Bool(BooleanArray::from_iter((0..rows).map(|i| Some(i % 4 > 0)))),
            ),
            ("state".to_owned(), FieldArray::Str(StringViewArray::from_iter(texts))),
        ],
    )
    .expect("a whole batch")
}

pub(crate) fn options() -> Options {
    Options { history: 2, threads: 1, ..quiet() }
}

/// The database as a kill would leave it, with the rows of its tables.
pub(crate) fn rich() -> Result<(MemoryStore, Vec<Rows>)> {
    let store = MemoryStore::new();
    let db = Database::open_with(Arc::new(store.clone()), options())?;
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    let spec = |name: &str, tags: Vec<String>, duplicates| TableSpec {
        name: name.to_owned(),
        tags,
        duplicates,
    };
    let machines = spec("machine", tags(&["site", "unit"]), Duplicates::Last);
    // A table that is cold, in two chunks of one series.
    let old: Vec<(&str, i64, f64)> = (0..150).map(|i| ("a", i, (i % 50) as f64 / 4.0)).collect();
    db.write(&[super::batch("old", &old)], &super::spec("old", Duplicates::Keep))?;
    db.set_codec("old", Some("pco".to_owned()), None)?;
    db.compact()?;
    let many: Vec<(&str, i64, f64)> =
        (0..200).map(|i| (["a", "b"][i % 2], i as i64, (i * i) as f64)).collect();
    write(&db, &many)?;
    db.write(&[machine(0, 100)], &machines)?;
    db.flush()?;
    write(&db, &[("a", 10, 0.5), ("c", 5, 1.5)])?;
    db.delete("cpu", &[], TimeRange::new(Some(20), Some(30)))?;
    db.write(&[machine(90, 30)], &machines)?;
    for time in [400, 401] {
        write(&db, &[("a", time, 2.5)])?;
    }
    let answers = answer(&db)?;
    Ok((copy(&store), answers))
}

/// The rows of every table.
pub(crate) fn answer(db: &Database) -> Result<Vec<Rows>> {
    let read = |table: &&str| {
        Ok(cells(&db.read(table, &ReadQuery::default(), &QueryContext::default())?))
    };
    TABLES.iter().map(read).collect()
}

/// What statistics, pushdown and the last rows answer.
const QUESTIONS: [&str; 7] = [
    "SELECT host, count(value), sum(value), avg(value), min(value), max(value) FROM cpu \
     GROUP BY host ORDER BY host",
    "SELECT count(*), sum(value), max(value) FROM old",
    "SELECT site, count(load), sum(count), max(load) FROM machine GROUP BY site ORDER BY site",
    "SELECT time, host, value FROM cpu WHERE value > 30000 ORDER BY time, host",
    "SELECT time, state FROM machine WHERE state = 'running' ORDER BY time",
    "SELECT count(up) FROM machine WHERE up",
    "SELECT max(time) FROM cpu WHERE host = 'a'",
];

/// The answers to [`QUESTIONS`].
pub(crate) fn figures(db: &Database) -> Result<Vec<Rows>> {
    let ask = |text: &&str| match db.sql(text, &Parameters::None, &QueryContext::default())? {
        SqlAnswer::Rows(batch) => Ok(cells(&batch)),
        SqlAnswer::Unfinished { .. } => panic!("{text} is not answered here"),
    };
    QUESTIONS.iter().map(ask).collect()
}

/// Every file with its bytes.
pub(crate) fn files(store: &MemoryStore) -> Vec<(String, Vec<u8>)> {
    let files = store.list("").expect("a store that works");
    files
        .into_iter()
        .map(|file| {
            let bytes = store.read(&file.path).expect("a file that was listed");
            (file.path, bytes.to_vec())
        })
        .collect()
}
