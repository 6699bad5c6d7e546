//! Whole databases written once and kept, one for each format version: every later version opens
//! them, as a reader and as the writer, gives the answers that stand beside them to the bit, and
//! still does after it has compacted them.
//!
//! `KYMOGRAPH_BLESS=1 cargo test --test database_golden` writes the newest one anew, where the
//! format changed on purpose; an older one is never written again.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Cell, array, cells, quiet};
use kymograph::db::{Database, Durability, Mode, Options, TableSpec};
use kymograph::model::{Batch, Duplicates, FieldDef, FieldType, SeriesKey, TableSchema, TimeRange};
use kymograph::query::{
    AggregateQuery, Bucket, Function, LastQuery, QueryContext, ReadQuery, SeriesQuery, SumQuery,
};
use kymograph::storage::manifest::Manifest;
use serde_json::{Value, json};

/// The format that this version writes.
const NEWEST: &str = "v1";
const T0: i64 = 1_700_000_000_000_000_000;
const SECOND: i64 = 1_000_000_000;
const HOSTS: [Option<&str>; 3] = [None, Some("a"), Some("é")];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/database")
}

fn options() -> Options {
    Options { durability: Some(Durability::Os), ..quiet() }
}

fn open(path: &Path, options: Options) -> Database {
    Database::open(path.to_str().expect("a path of text"), options).expect("the database opens")
}

/// The finalizer of `SplitMix64`.
fn noise(i: usize) -> u64 {
    let z = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB)
}

fn value(field: &str, i: usize) -> Cell {
    if noise(i).is_multiple_of(11) {
        return Cell::Null;
    }
    let small = (noise(i) % 801) as i64 - 400;
    let hard = [
        f64::NAN.to_bits(),
        0xffff_dead_beef_cafe,
        f64::INFINITY.to_bits(),
        (-0.0f64).to_bits(),
        1,
        f64::MAX.to_bits(),
    ];
    match field {
        // Quarters: sums are exact in any order.
        "usage" => Cell::Float(small as f64 / 4.0),
        "wild" => Cell::Float(f64::from_bits(hard[i % hard.len()])),
        "io" => Cell::Int(small),
        "edge" => Cell::Int([i64::MIN, i64::MAX, 0, -1, small][i % 5]),
        "up" => Cell::Bool(small > 0),
        _ => Cell::Text(["", "up", "down", "错误"][i % 4].to_owned()),
    }
}

const FIELDS: [(&str, FieldType); 6] = [
    ("usage", FieldType::F64),
    ("wild", FieldType::F64),
    ("io", FieldType::I64),
    ("edge", FieldType::I64),
    ("up", FieldType::Bool),
    ("note", FieldType::Str),
];

/// `n` rows of some fields, in `step` seconds from `from` on, over all hosts.
fn rows(table: &str, fields: &[&str], from: usize, n: usize, step: i64) -> Batch {
    let column = |field: &&str| {
        let known = FIELDS.iter().find(|(name, _)| name == field).expect("a field");
        let like = match known.1 {
            FieldType::F64 => Cell::Float(0.0),
            FieldType::I64 => Cell::Int(0),
            FieldType::Bool => Cell::Bool(false),
            FieldType::Str => Cell::Text(String::new()),
        };
        let salt = field.len() * 7_919;
        let values: Vec<Option<Cell>> = (from..from + n)
            .map(|i| Some(value(field, i + salt)).filter(|cell| *cell != Cell::Null))
            .collect();
        ((*field).to_owned(), array(&values, &like))
    };
    Batch::new(
        table,
        HOSTS.iter().map(|host| SeriesKey::new([*host])).collect(),
        (from..from + n).map(|i| (noise(i / 7) % 3) as u32).collect(),
        (from..from + n).map(|i| T0 + i as i64 * step * SECOND).collect(),
        fields.iter().map(column).collect(),
    )
    .expect("a whole batch")
}

fn schema(name: &str, duplicates: Duplicates) -> TableSchema {
    let fields =
        FIELDS.map(|(name, ty)| FieldDef { name: name.to_owned(), ty }).into_iter().collect();
    TableSchema::new(name, vec!["host".to_owned()], fields, duplicates, None).expect("a schema")
}

/// Writes the database, and tells how many rows each version holds that can be opened.
fn write(path: &Path) -> Value {
    let db = open(path, options());
    let all: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
    let put = |batch: Batch, duplicates: Duplicates| {
        let spec =
            TableSpec { name: batch.table().to_owned(), tags: vec!["host".to_owned()], duplicates };
        db.write(&[batch], &spec).expect("a write");
    };
    let filter = |host: &str| vec![("host".to_owned(), vec![Some(host.to_owned())])];
    let seconds =
        |from: i64, to: i64| TimeRange::new(Some(T0 + from * SECOND), Some(T0 + to * SECOND));
    db.create_table(schema("cpu", Duplicates::Keep)).expect("a table");
    db.create_table(schema("metric", Duplicates::Last)).expect("a table");
    // Cold: compacted whole, with a deletion that is erased.
    let cold = TableSchema { codec: Some("pco".to_owned()), ..schema("archive", Duplicates::Keep) };
    db.create_table(cold).expect("a table");
    put(rows("archive", &all, 0, 6_000, 10), Duplicates::Keep);
    db.flush().expect("a flush");
    db.delete("archive", &filter("a"), seconds(100, 900)).expect("a delete");
    db.compact().expect("a compaction");
    // Segments over each other in time, one of few rows, and deletions that wait.
    put(rows("cpu", &all, 0, 3_000, 10), Duplicates::Keep);
    put(rows("metric", &all, 0, 2_500, 10), Duplicates::Last);
    db.flush().expect("a flush");
    put(rows("cpu", &all, 1_000, 500, 10), Duplicates::Keep);
    put(rows("metric", &["usage", "note"], 900, 700, 10), Duplicates::Last);
    put(rows("event", &["io"], 0, 40, 3), Duplicates::Keep);
    put(rows("event", &["up"], 20, 40, 3), Duplicates::Keep);
    db.flush().expect("a flush");
    db.delete("cpu", &filter("é"), seconds(5_000, 9_000)).expect("a delete");
    db.delete("metric", &[], seconds(0, 200)).expect("a delete");
    put(rows("cpu", &all, 2_990, 3, 10), Duplicates::Keep);
    db.flush().expect("a flush");
    let versions: Vec<Value> = db
        .versions()
        .expect("versions")
        .into_iter()
        .map(|(version, _)| json!([version, counts(&open_version(path, version))]))
        .collect();
    // Rows that only the log has, late ones and replacing ones among them.
    put(rows("cpu", &all, 2_950, 60, 10), Duplicates::Keep);
    put(rows("metric", &["usage"], 2_400, 200, 10), Duplicates::Last);
    put(rows("event", &["io", "up"], 55, 9, 3), Duplicates::Keep);
    Value::Array(versions)
}

fn open_version(path: &Path, version: u64) -> Database {
    open(path, Options { as_of: Some(version), ..options() })
}

fn told(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Time(v) | Cell::Int(v) => json!(v),
        Cell::Float(v) => json!(format!("{:016x}", v.to_bits())),
        Cell::Bool(v) => json!(v),
        Cell::Text(v) => json!(format!("\"{v}")),
    }
}

fn lines(rows: Vec<Vec<Cell>>) -> Value {
    rows.iter().map(|row| row.iter().map(told).collect::<Value>()).collect()
}

/// XXH3 of the lines: rows are many.
fn digest(rows: &Value) -> Value {
    let text = rows.to_string();
    let hash = xxhash_rust::xxh3::xxh3_128(text.as_bytes());
    json!([rows.as_array().map(Vec::len), format!("{hash:032x}")])
}

fn counts(db: &Database) -> Value {
    let context = QueryContext::default();
    let count = |table: &String| {
        let rows = db.read(table, &ReadQuery::default(), &context).expect("a read").num_rows();
        json!([table, rows])
    };
    db.tables().expect("tables").iter().map(count).collect()
}

/// Everything that the database can be asked for, as JSON.
fn answers(db: &Database) -> Value {
    let context = QueryContext::default();
    let mut all = serde_json::Map::new();
    for table in db.tables().expect("tables") {
        let read = lines(cells(&db.read(&table, &ReadQuery::default(), &context).expect("a read")));
        let some = ReadQuery {
            filter: vec![("host".to_owned(), vec![None, Some("é".to_owned())])],
            range: TimeRange::new(Some(T0 + 500 * SECOND), Some(T0 + 9_000 * SECOND)),
            ..ReadQuery::default()
        };
        let some = lines(cells(&db.read(&table, &some, &context).expect("a read")));
        let schema = db.schema(&table).expect("a schema");
        let mut aggregates = serde_json::Map::new();
        for field in &schema.fields {
            let mut functions = vec![
                Function::Count,
                Function::Min,
                Function::Max,
                Function::First,
                Function::Last,
            ];
            if matches!(field.name.as_str(), "usage" | "io") {
                functions.extend([Function::Sum, Function::Mean, Function::Median]);
            }
            let query = AggregateQuery {
                bucket: Some(Bucket::of_nanos(7_000 * SECOND)),
                by: vec!["host".to_owned()],
                ..AggregateQuery::of_fields(&[(field.name.clone(), functions)])
            };
            let found = cells(&db.aggregate(&table, &query, &context).expect("an aggregate"));
            // Of a table in which the last counts, a group without any point may be there or not.
            let found = found.into_iter().filter(|row| row[2] != Cell::Int(0)).collect();
            let mut own = json!({ "buckets": lines(found) });
            if matches!(field.name.as_str(), "usage" | "io") {
                let (filter, range) = (Vec::new(), TimeRange::ALL);
                let query = SumQuery { field: field.name.clone(), filter, range };
                let sum = db.sum(&table, &query, &context).expect("a sum");
                own["sum"] = json!(sum.map(|stats| format!("{stats:?}")).map(without_deviations));
            }
            aggregates.insert(field.name.clone(), own);
        }
        let last = lines(cells(&db.last(&table, &LastQuery::default(), &context).expect("last")));
        let series = db.series(&table, &SeriesQuery::default(), &context).expect("series");
        let fields: Value = schema.fields.iter().map(|f| json!([f.name, f.ty.name()])).collect();
        all.insert(
            table,
            json!({
                "fields": fields,
                "duplicates": format!("{:?}", schema.duplicates),
                "rows": digest(&read),
                "some_rows": digest(&some),
                "first_rows": read.as_array().map(|rows| rows[..rows.len().min(20)].to_vec()),
                "aggregates": aggregates,
                "last": last,
                "series": lines(cells(&series)),
            }),
        );
    }
    Value::Object(all)
}

/// Deviations are added up by block, so that their last places go with how rows lie in these.
fn without_deviations(stats: String) -> String {
    let Some((before, after)) = stats.split_once("m2: ") else { return stats };
    let rest = after.split_once(',').map_or("", |(_, rest)| rest);
    format!("{before}{}", rest.trim_start())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder that is there") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}

fn bless() {
    let home = fixtures().join(NEWEST);
    if home.exists() {
        fs::remove_dir_all(&home).expect("the old one goes");
    }
    let work = tempfile::tempdir().expect("a folder");
    let path = work.path().join("database");
    let versions = write(&path);
    let reader = open(&path, Options { mode: Mode::Read, ..options() });
    let expected = json!({ "answers": answers(&reader), "versions": versions });
    copy(&path, &home.join("database"));
    // It names a process and a machine, and is not read.
    let lock = home.join("database/LOCK");
    if lock.exists() {
        fs::remove_file(lock).expect("the lock goes");
    }
    let text = serde_json::to_string_pretty(&expected).expect("JSON");
    fs::write(home.join("answers.json"), text + "\n").expect("the answers");
}

fn each(run: impl Fn(&Path, &Value)) {
    if std::env::var_os("KYMOGRAPH_BLESS").is_some_and(|v| v == "1") {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(bless);
    }
    let mut homes: Vec<PathBuf> = fs::read_dir(fixtures())
        .expect("kept databases")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    homes.sort();
    assert!(homes.iter().any(|home| home.ends_with(NEWEST)), "no database of {NEWEST} is kept");
    for home in homes {
        eprintln!("{}", home.display());
        let text = fs::read_to_string(home.join("answers.json")).expect("answers");
        let work = tempfile::tempdir().expect("a folder");
        let path = work.path().join("database");
        copy(&home.join("database"), &path);
        run(&path, &serde_json::from_str(&text).expect("JSON"));
    }
}

/// Whole answers are long: the first difference.
fn same(got: &Value, expected: &Value, at: &str) {
    match (got, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let keys =
                |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(a), keys(b), "{at}");
            b.iter().for_each(|(key, value)| same(&a[key], value, &format!("{at}.{key}")));
        }
        _ => assert_eq!(got, expected, "{at}"),
    }
}

#[test]
fn a_kept_database_answers_as_it_did() {
    each(|path, expected| {
        let wanted = &expected["answers"];
        let reader = open(path, Options { mode: Mode::Read, ..options() });
        same(&answers(&reader), wanted, "reader");
        same(&answers(&reader.unpruned()), wanted, "reader without pruning");
        drop(reader);
        let db = open(path, options());
        same(&answers(&db), wanted, "writer");
        db.flush().expect("a flush");
        same(&answers(&db), wanted, "flushed");
        assert_eq!(db.check().expect("a check").damage, []);
        db.compact().expect("a compaction");
        same(&answers(&db), wanted, "compacted");
        db.close().expect("a close");
        let db = open(path, options());
        same(&answers(&db), wanted, "opened again");
        assert_eq!(db.check().expect("a check").damage, []);
    });
}

#[test]
fn a_kept_database_still_has_its_versions() {
    each(|path, expected| {
        let versions = expected["versions"].as_array().expect("a list");
        assert!(versions.len() > 3);
        for version in versions {
            let number = version[0].as_u64().expect("a version");
            assert_eq!(counts(&open_version(path, number)), version[1], "version {number}");
        }
    });
}

#[test]
fn a_kept_database_takes_new_rows() {
    each(|path, _| {
        let db = open(path, options());
        let count = |db: &Database| {
            let read = db.read("cpu", &ReadQuery::default(), &QueryContext::default());
            read.expect("a read").num_rows()
        };
        let before = count(&db);
        let (tags, duplicates) = (vec!["host".to_owned()], Duplicates::Keep);
        let spec = TableSpec { name: "cpu".to_owned(), tags, duplicates };
        db.write(&[rows("cpu", &["usage", "note"], 9_000, 50, 10)], &spec).expect("a write");
        assert_eq!(count(&db), before + 50);
        drop(db);
        assert_eq!(count(&open(path, options())), before + 50);
    });
}

/// What the kept database is there for.
#[test]
fn a_kept_database_has_one_of_everything() {
    each(|path, _| {
        let mut manifests: Vec<PathBuf> = fs::read_dir(path.join("manifest"))
            .expect("manifests")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        manifests.sort();
        let newest = fs::read(manifests.last().expect("a manifest")).expect("a manifest");
        let manifest = Manifest::decode(&newest).expect("a manifest");
        let tables = || manifest.tables.values();
        assert!(tables().any(|table| table.segments.iter().any(|segment| segment.cold)));
        assert!(tables().any(|table| table.segments.len() > 1));
        assert!(tables().map(|table| table.tombstones.len()).sum::<usize>() > 1);
        assert!(tables().any(|table| table.schema.duplicates == Duplicates::Last));
        let log: u64 = fs::read_dir(path.join("wal"))
            .expect("a log")
            .map(|entry| entry.expect("an entry").metadata().expect("its size").len())
            .sum();
        assert!(log > 1_000, "{log} bytes of log");
    });
}
