//! What does not fit is refused with the count, the limit and what works instead, before memory is
//! spent on it; clocks that jump move nothing.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use arrow_array::{Float64Array, Int64Array, RecordBatch, StringArray, StringViewArray};
use arrow_schema::{DataType, Field, Schema};
use common::{batch, copy, quiet, rows, spec, write};
use kymograph::db::{Clock, Database, FrameSpec, Options, TableSpec};
use kymograph::ingest::OnError;
use kymograph::model::limits::{MAX_FIELDS, MAX_ROW_STRINGS, MAX_TABLES, MAX_TAG_VALUE, MAX_TAGS};
use kymograph::model::{
    Batch, Duplicates, FieldArray, FieldDef, FieldType, SeriesKey, TableSchema,
};
use kymograph::storage::manifest::{self, Manifest, TableState};
use kymograph::storage::vfs::MemoryStore;
use kymograph::{Error, Result};

fn limited<T: std::fmt::Debug>(result: Result<T>, parts: &[&str]) {
    match result {
        Err(Error::LimitExceeded(message)) => {
            for part in parts {
                assert!(message.contains(part), "{part:?} in {message:?}");
            }
        }
        other => panic!("{other:?}"),
    }
}

fn capped(max_series: u64) -> Options {
    Options { max_series, ..quiet() }
}

fn frame(hosts: &[String], paths: &[String]) -> (Schema, RecordBatch) {
    let schema = Schema::new(vec![
        Field::new("time", DataType::Int64, false),
        Field::new("host", DataType::Utf8, false),
        Field::new("path", DataType::Utf8, false),
        Field::new("value", DataType::Float64, false),
    ]);
    let n = hosts.len();
    let batch = RecordBatch::try_new(
        Arc::new(schema.clone()),
        vec![
            Arc::new(Int64Array::from_iter_values(0..n as i64)),
            Arc::new(StringArray::from_iter_values(hosts)),
            Arc::new(StringArray::from_iter_values(paths)),
            Arc::new(Float64Array::from(vec![1.0; n])),
        ],
    );
    (schema, batch.expect("a whole frame"))
}

fn frame_spec() -> FrameSpec {
    FrameSpec {
        table: "web".to_owned(),
        time: "time".to_owned(),
        tags: Some(vec!["host".to_owned(), "path".to_owned()]),
        event: None,
        duplicates: Duplicates::Keep,
        on_error: OnError::Raise,
    }
}

#[test]
fn a_frame_of_too_many_series_is_refused_before_it_is_taken_apart() {
    let db = Database::in_memory(capped(1000)).expect("a database");
    let names = |n: usize| (0..n).map(|i| format!("a-name-of-some-length-{i}")).collect::<Vec<_>>();
    let same = |n: usize| vec!["x".to_owned(); n];
    // By one tag, and by two of which neither has too many values.
    let root = |n: usize, f: fn(usize) -> usize| -> Vec<String> {
        (0..n).map(|i| format!("v{}", f(i))).collect()
    };
    for (hosts, paths) in [
        (names(1001), same(1001)),
        (same(1001), names(1001)),
        (root(10_000, |i| i / 100), root(10_000, |i| i % 100)),
    ] {
        let (schema, batch) = frame(&hosts, &paths);
        let refused = db.write_frame(&schema, &[batch], &frame_spec());
        limited(refused, &["\"web\"", "more than 1000", "max_series", "field"]);
    }
    assert!(db.tables().expect("listed").is_empty(), "nothing was made");
    let (schema, batch) = frame(&names(1000), &same(1000));
    db.write_frame(&schema, &[batch], &frame_spec()).expect("as many as fit");
}

/// `KYMOGRAPH_LIMIT_ROWS=10000001` is a frame past the cap that a database has by itself.
#[test]
fn a_frame_past_the_cap_fails_early() {
    let rows = std::env::var("KYMOGRAPH_LIMIT_ROWS");
    let rows: usize = rows.map_or(60_000, |n| n.parse().expect("a number"));
    let cap = Options::default().max_series;
    let cap = if rows as u64 > cap { cap } else { rows as u64 / 20 };
    let hosts: Vec<String> = (0..rows).map(|i| format!("{i}")).collect();
    let (schema, batch) = frame(&hosts, &vec!["x".to_owned(); rows]);
    let refusing = Database::in_memory(capped(cap)).expect("a database");
    let started = Instant::now();
    limited(
        refusing.write_frame(&schema, std::slice::from_ref(&batch), &frame_spec()),
        &[&format!("more than {cap} series")],
    );
    let early = started.elapsed();
    println!("{rows} series refused past {cap} in {early:.1?}");
    if rows < 1_000_000 {
        let taking = Database::in_memory(quiet()).expect("a database");
        let started = Instant::now();
        taking.write_frame(&schema, &[batch], &frame_spec()).expect("it fits");
        assert!(early < started.elapsed(), "the refusal costs more than the write");
    }
}

#[test]
fn series_are_counted_over_writes_flushes_and_opens() {
    let store = MemoryStore::new();
    let open = |cap| Database::open_with(Arc::new(store.clone()), capped(cap)).expect("it opens");
    let db = open(4);
    let put = |db: &Database, host: &str, time| {
        db.write(&[batch("cpu", &[(host, time, 1.0)])], &spec("cpu", Duplicates::Keep))
    };
    for (time, host) in ["a", "b", "a", "c"].into_iter().enumerate() {
        put(&db, host, time as i64).expect("it fits");
        if time % 2 == 0 {
            db.flush().expect("flushed");
        }
    }
    // The sum over segments and memory is past the cap, and the count is not.
    put(&db, "a", 10).expect("no new series");
    put(&db, "d", 11).expect("the fourth");
    limited(put(&db, "e", 12), &["\"cpu\"", "5", "takes 4", "max_series"]);
    db.flush().expect("flushed");
    limited(put(&db, "e", 12), &["5"]);
    put(&db, "d", 13).expect("no new series");
    db.compact().expect("merged");
    limited(put(&db, "e", 12), &["5"]);
    drop(db);
    let db = open(4);
    limited(put(&db, "e", 12), &["5"]);
    put(&db, "b", 14).expect("no new series");
    assert_eq!(rows(&db).expect("rows").len(), 8);
    drop(db);
    put(&open(5), "e", 12).expect("a larger cap");
}

#[test]
fn tables_tags_and_fields_are_counted() {
    let store = MemoryStore::new();
    let table = |name: &str| TableState {
        schema: TableSchema::new(name, vec!["host".to_owned()], vec![], Duplicates::Keep, None)
            .expect("a table"),
        segments: Vec::new(),
        tombstones: Vec::new(),
    };
    let tables = (0..MAX_TABLES).map(|i| (format!("t{i}"), table(&format!("t{i}"))));
    let full =
        Manifest { version: 1, history_from: 1, tables: tables.collect(), ..Manifest::default() };
    manifest::commit(&store, &full).expect("a version");
    let db = Database::open_with(Arc::new(store), quiet()).expect("it opens");
    let says = ["\"cpu\"", "10000", "tag"];
    limited(write(&db, &[("a", 1, 1.0)]), &says);
    limited(db.create_table(table("cpu").schema), &says);
    db.create_table(table("t7").schema).expect("one that is there");
    db.write(&[batch("t7", &[("a", 1, 1.0)])], &spec("t7", Duplicates::Keep)).expect("it fits");

    let db = Database::in_memory(quiet()).expect("a database");
    let tags: Vec<String> = (0..=MAX_TAGS).map(|i| format!("tag{i}")).collect();
    let wide = TableSchema::new("wide", tags, vec![], Duplicates::Keep, None).expect("names work");
    limited(db.create_table(wide), &["129 tags", "at most 128"]);
    let one = || FieldArray::F64(Float64Array::from(vec![1.0]));
    let fields = (0..=MAX_FIELDS).map(|i| (format!("f{i}"), one())).collect();
    let wide = Batch::new("wide", vec![SeriesKey::new([Some("a")])], vec![0], vec![1], fields);
    let wide = wide.expect("a whole batch");
    limited(db.write(&[wide], &spec("wide", Duplicates::Keep)), &["16385 fields", "at most 16384"]);
    let fields = (0..=MAX_FIELDS).map(|i| FieldDef { name: format!("f{i}"), ty: FieldType::F64 });
    let wide = TableSchema::new("wide", vec![], fields.collect(), Duplicates::Keep, None);
    limited(db.create_table(wide.expect("names work")), &["16385 fields"]);
    assert!(db.tables().expect("listed").is_empty());
}

#[test]
fn events_of_too_many_metrics_are_refused() {
    let db = Database::in_memory(quiet()).expect("a database");
    let metrics: Vec<String> = (0..=MAX_FIELDS).map(|i| format!("m{i}")).collect();
    let (schema, batch) = frame(&metrics, &vec!["x".to_owned(); metrics.len()]);
    let event = Some(("host".to_owned(), "value".to_owned()));
    let events = FrameSpec { event, tags: Some(vec!["path".to_owned()]), ..frame_spec() };
    limited(db.write_frame(&schema, &[batch], &events), &["\"host\"", "16384", "tag"]);
}

#[test]
fn names_and_values_have_a_longest_length() {
    let db = Database::in_memory(quiet()).expect("a database");
    let long = "x".repeat(MAX_TAG_VALUE);
    write(&db, &[(&long, 1, 1.0)]).expect("it fits");
    limited(write(&db, &[(&format!("{long}x"), 1, 1.0)]), &["\"host\"", "65537", "65536", "field"]);
    let name = "n".repeat(256);
    let refused = db.write(
        &[batch(&name, &[("a", 1, 1.0)])],
        &TableSpec {
            name: name.clone(),
            tags: vec!["host".to_owned()],
            duplicates: Duplicates::Keep,
        },
    );
    assert!(matches!(&refused, Err(Error::InvalidArgument(m)) if m.contains("255")), "{refused:?}");
    let text = |lengths: &[usize]| {
        let strings = |n: &usize| FieldArray::Str(StringViewArray::from(vec!["y".repeat(*n)]));
        let fields = lengths.iter().enumerate().map(|(i, n)| (format!("text{i}"), strings(n)));
        let key = SeriesKey::new([Some("a")]);
        let batch = Batch::new("log", vec![key], vec![0], vec![7], fields.collect());
        db.write(&[batch.expect("a whole batch")], &spec("log", Duplicates::Keep))
    };
    text(&[MAX_ROW_STRINGS]).expect("it fits");
    limited(text(&[MAX_ROW_STRINGS + 1]), &["\"log\"", "time 7", "text0", "1048577", "1048576"]);
    limited(text(&[MAX_ROW_STRINGS / 2, MAX_ROW_STRINGS / 2 + 1]), &["1048577"]);
    db.flush().expect("what was taken can be flushed");
}

#[test]
fn a_time_far_ahead_moves_no_retention() {
    let hour = 3_600_000_000_000;
    let now = 1_700_000_000_000_000_000;
    let options = Options { clock: Clock::of(move || now), ..quiet() };
    let db = Database::open_with(Arc::new(MemoryStore::new()), options).expect("a database");
    let times = [now - 2 * hour, now - hour / 2, now + 1000 * hour, i64::MAX];
    for time in times {
        write(&db, &[("a", time, 1.0)]).expect("written");
        db.flush().expect("flushed");
    }
    db.set_retention("cpu", Some(hour)).expect("set");
    db.compact().expect("merged");
    let left: Vec<i64> = rows(&db).expect("rows").into_iter().map(|row| row.1).collect();
    assert_eq!(left, times[1..]);
}

#[test]
fn a_clock_that_is_set_back_reorders_nothing() {
    let store = MemoryStore::new();
    let time = Arc::new(AtomicI64::new(0));
    let told = Arc::clone(&time);
    let clock = Clock::of(move || told.load(Ordering::Relaxed));
    let options = Options { clock, ..quiet() };
    let db = Database::open_with(Arc::new(store.clone()), options).expect("a database");
    let day = 86_400_000_000_000;
    let put = |db: &Database, value: f64| {
        db.write(&[batch("cpu", &[("a", 5, value)])], &spec("cpu", Duplicates::Last))
    };
    let mut value = 0.0;
    for clock in [20_000 * day, 19_000 * day, 30_000 * day, -5, 19_500 * day] {
        time.store(clock, Ordering::Relaxed);
        for _ in 0..2 {
            value += 1.0;
            put(&db, value).expect("written");
            assert_eq!(rows(&db).expect("rows")[0].2, value);
            let killed = Database::open_with(Arc::new(copy(&store)), quiet()).expect("it opens");
            assert_eq!(rows(&killed).expect("rows")[0].2, value);
            db.flush().expect("flushed");
        }
    }
    let versions = db.versions().expect("listed");
    assert!(versions.len() > 8);
    assert!(versions.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{versions:?}");
    db.compact().expect("merged");
    assert_eq!(rows(&db).expect("rows")[0].2, value);
}
