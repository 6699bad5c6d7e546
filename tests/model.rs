//! Random histories against a list of rows: every verb must answer as the list does.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::RecordBatch;
use common::{Cell, array, cells, copy, quiet};
use kymograph::chunk::Stats;
use kymograph::db::{Database, Options, TableSpec};
use kymograph::kernels::Function;
use kymograph::model::{Batch, Duplicates, SeriesKey, TimeRange};
use kymograph::query::{
    AggregateQuery, Bucket, LastQuery, QueryContext, ReadQuery, SeriesQuery, SumQuery,
};
use kymograph::storage::vfs::MemoryStore;
use proptest::prelude::*;

const FIELDS: [&str; 4] = ["f", "i", "s", "b"];
const HOSTS: [Option<&str>; 3] = [None, Some("x"), Some("y")];
const RACKS: [Option<&str>; 3] = [None, Some("r"), Some("q")];

/// A series: its host and its rack.
type Key = (Option<String>, Option<String>);

#[derive(Clone, Debug)]
struct Row {
    key: Key,
    time: i64,
    values: BTreeMap<&'static str, Cell>,
    /// In a segment, and so in the version.
    stored: bool,
}

/// A row to write: host, rack, time and what its values are made of.
type Given = (usize, usize, i64, u32);

/// A batch to write: its fields as a bit mask, and its rows.
type GivenBatch = (u8, Vec<Given>);

#[derive(Clone, Debug)]
enum Op {
    Write(Vec<GivenBatch>),
    Delete(Option<usize>, i64, i64),
    AddTag,
    Flush,
    Compact,
    CompactRun(usize, usize),
    Close,
    Crash,
    Hold,
    Release,
}

fn op() -> impl Strategy<Value = Op> {
    let row = (0..HOSTS.len(), 0..RACKS.len(), 0i64..40, any::<u32>());
    let batch = |most| (1u8..16, prop::collection::vec(row.clone(), 1..most));
    prop_oneof![
        6 => prop::collection::vec(batch(8), 1..3).prop_map(Op::Write),
        3 => prop::collection::vec(batch(60), 1..3).prop_map(Op::Write),
        1 => (prop::option::of(0..HOSTS.len()), 0i64..40, 0i64..30)
            .prop_map(|(host, start, len)| Op::Delete(host, start, start + len)),
        1 => Just(Op::AddTag),
        2 => Just(Op::Flush),
        1 => Just(Op::Compact),
        3 => (0usize..4, 2usize..4).prop_map(|(from, count)| Op::CompactRun(from, count)),
        1 => Just(Op::Close),
        1 => Just(Op::Crash),
        1 => Just(Op::Hold),
        1 => Just(Op::Release),
    ]
}

fn value(field: &str, seed: u32) -> Option<Cell> {
    if seed.is_multiple_of(5) {
        return None;
    }
    let small = i64::from(seed / 7 % 1000) - 500;
    Some(match field {
        "f" => Cell::Float(small as f64 / 4.0),
        "i" => Cell::Int(small),
        "s" => Cell::Text(format!("v{small}")),
        _ => Cell::Bool(small % 2 == 0),
    })
}

fn zero(field: &str) -> Cell {
    match field {
        "f" => Cell::Float(0.0),
        "i" => Cell::Int(0),
        "s" => Cell::Text(String::new()),
        _ => Cell::Bool(false),
    }
}

struct World {
    store: MemoryStore,
    db: Database,
    duplicates: Duplicates,
    tags: usize,
    rows: Vec<Row>,
    deleted: bool,
    /// What each version holds.
    versions: BTreeMap<u64, Vec<Row>>,
    held: Vec<(Database, Vec<Row>)>,
}

fn options() -> Options {
    Options { direct_points: 60, history: 6, ..quiet() }
}

impl World {
    fn new(duplicates: Duplicates) -> Self {
        let store = MemoryStore::new();
        let db = Database::open_with(Arc::new(store.clone()), options()).expect("a new database");
        Self {
            store,
            db,
            duplicates,
            tags: 1,
            rows: Vec::new(),
            deleted: false,
            versions: BTreeMap::new(),
            held: Vec::new(),
        }
    }

    fn store_all(&mut self) {
        self.rows.iter_mut().for_each(|row| row.stored = true);
    }

    fn write(&mut self, batches: &[GivenBatch]) {
        let tags = ["host", "rack"][..self.tags].iter().map(|t| (*t).to_owned()).collect();
        let spec = TableSpec { name: "t".to_owned(), tags, duplicates: self.duplicates };
        let (mut built, mut added) = (Vec::new(), Vec::new());
        for (mask, rows) in batches {
            let key = |row: &Given| -> Key {
                let rack = if self.tags > 1 { RACKS[row.1] } else { None };
                (HOSTS[row.0].map(str::to_owned), rack.map(str::to_owned))
            };
            let keys: Vec<Key> =
                rows.iter().map(key).collect::<BTreeSet<_>>().into_iter().collect();
            let slots = |key: &Key| {
                SeriesKey::new([key.0.clone(), key.1.clone()].into_iter().take(self.tags))
            };
            let mut fields = Vec::new();
            for (bit, field) in FIELDS.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1) {
                let mixed = |row: &Given| row.3.rotate_left(bit as u32 * 8);
                let column: Vec<_> = rows.iter().map(|row| value(field, mixed(row))).collect();
                fields.push(((*field).to_owned(), array(&column, &zero(field)), column));
            }
            let place = |row| keys.binary_search(&key(row)).expect("listed above") as u32;
            let names = fields.iter().map(|f| (f.0.clone(), f.1.clone())).collect();
            let (series, times) =
                (keys.iter().map(slots).collect(), rows.iter().map(|r| r.2).collect());
            built.push(
                Batch::new("t", series, rows.iter().map(place).collect(), times, names)
                    .expect("a whole batch"),
            );
            for (at, row) in rows.iter().enumerate() {
                let own = FIELDS.iter().filter_map(|field| {
                    let column = fields.iter().find(|f| f.0 == *field)?;
                    Some((*field, column.2[at].clone()?))
                });
                added.push(Row {
                    key: key(row),
                    time: row.2,
                    values: own.collect(),
                    stored: false,
                });
            }
        }
        let points = added.iter().map(|row| row.values.len() as u64).sum::<u64>();
        let direct = points >= options().direct_points;
        let known = |key: &Key| self.rows.iter().filter(|r| r.key == *key).map(|r| r.time).max();
        let late = added.iter().filter(|row| known(&row.key).is_some_and(|t| row.time < t)).count();
        let replaced = self.replaced(&added);
        let got = self.db.write(&built, &spec).expect("a write");
        assert_eq!((got.rows, got.points), (added.len() as u64, points));
        assert_eq!(got.replaced, replaced);
        if !self.deleted {
            assert_eq!(got.late, late as u64);
        }
        if direct {
            self.store_all();
            added.iter_mut().for_each(|row| row.stored = true);
        }
        self.rows.extend(added);
    }

    fn replaced(&self, added: &[Row]) -> u64 {
        if self.duplicates == Duplicates::Keep {
            return 0;
        }
        let mut there: BTreeSet<(Key, &str, i64)> = BTreeSet::new();
        for row in &self.rows {
            there.extend(row.values.keys().map(|field| (row.key.clone(), *field, row.time)));
        }
        let mut replaced = 0;
        for row in added {
            for field in row.values.keys() {
                replaced += u64::from(!there.insert((row.key.clone(), field, row.time)));
            }
        }
        replaced
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::Write(batches) => self.write(batches),
            Op::Delete(host, start, end) => {
                if self.db.tables().expect("open").is_empty() {
                    return;
                }
                let hosts = host.map(|host| HOSTS[host].map(str::to_owned));
                let filter: Vec<_> =
                    hosts.iter().map(|host| ("host".to_owned(), vec![host.clone()])).collect();
                let range = TimeRange::new(Some(*start), Some(*end));
                self.db.delete("t", &filter, range).expect("a delete");
                self.store_all();
                let hit = |row: &Row| {
                    range.contains(row.time) && hosts.as_ref().is_none_or(|h| row.key.0 == *h)
                };
                self.rows.retain(|row| !hit(row));
                self.deleted = true;
            }
            Op::AddTag => self.tags = 2,
            Op::Flush => {
                self.db.flush().expect("a flush");
                self.store_all();
            }
            Op::Compact => {
                self.db.compact().expect("a compaction");
                self.store_all();
            }
            Op::CompactRun(from, count) => {
                self.db.compact_run("t", *from, *count).expect("a compaction");
            }
            Op::Close => {
                self.db.close().expect("a close");
                self.store_all();
                self.reopen(self.store.clone());
            }
            Op::Crash => self.reopen(copy(&self.store)),
            Op::Hold => {
                if self.held.len() < 3 {
                    self.held.push((self.db.snapshot().expect("a snapshot"), self.rows.clone()));
                }
            }
            Op::Release => drop(self.held.pop()),
        }
        let stored = self.rows.iter().filter(|row| row.stored).cloned().collect();
        self.versions.insert(self.db.version().expect("open"), stored);
    }

    fn reopen(&mut self, store: MemoryStore) {
        self.held.clear();
        self.db = Database::open_with(Arc::new(store.clone()), options()).expect("an open");
        self.store = store;
    }

    fn check(&self) {
        check(&self.db, &self.rows, self.duplicates);
        for (held, rows) in &self.held {
            check(held, rows, self.duplicates);
        }
    }

    fn check_versions(&self) {
        for (version, _) in self.db.versions().expect("versions") {
            let Some(rows) = self.versions.get(&version) else { continue };
            let options = Options { as_of: Some(version), ..options() };
            let old = Database::open_with(Arc::new(self.store.clone()), options);
            check(&old.expect("an older version"), rows, self.duplicates);
        }
        assert_eq!(self.db.check().expect("a check").damage, []);
    }
}

/// The points of a field, as the duplicates rule has them: by series and time.
fn points(rows: &[Row], field: &str, duplicates: Duplicates) -> Vec<(Key, i64, Cell)> {
    let mut points: Vec<(Key, i64, Cell)> = Vec::new();
    let own = rows.iter().filter_map(|row| Some((row, row.values.get(field)?)));
    match duplicates {
        Duplicates::Keep => {
            points.extend(own.map(|(row, cell)| (row.key.clone(), row.time, cell.clone())));
        }
        Duplicates::Last => {
            let mut last = BTreeMap::new();
            for (row, cell) in own {
                last.insert((row.key.clone(), row.time), cell.clone());
            }
            points.extend(last.into_iter().map(|((key, time), cell)| (key, time, cell)));
        }
    }
    points.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    points
}

fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// A result's rows, each as a map from the column's name.
fn named(batch: &RecordBatch) -> Vec<BTreeMap<String, Cell>> {
    let names: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    cells(batch).into_iter().map(|row| names.iter().cloned().zip(row).collect()).collect()
}

fn key_of(row: &BTreeMap<String, Cell>) -> Key {
    (row.get("host").and_then(text), row.get("rack").and_then(text))
}

fn number(cell: &Cell) -> f64 {
    match cell {
        Cell::Float(v) => *v,
        Cell::Int(v) => *v as f64,
        other => panic!("{other:?} is no number"),
    }
}

fn check(db: &Database, rows: &[Row], duplicates: Duplicates) {
    let context = QueryContext::default();
    if db.tables().expect("open").is_empty() {
        assert!(rows.is_empty());
        return;
    }
    let schema = db.schema("t").expect("a table");
    for range in [TimeRange::ALL, TimeRange::new(Some(7), Some(23))] {
        let inside: Vec<Row> = rows.iter().filter(|r| range.contains(r.time)).cloned().collect();
        for field in schema.fields.iter().map(|f| f.name.as_str()) {
            let expected = points(&inside, field, duplicates);
            let query =
                ReadQuery { fields: Some(vec![field.to_owned()]), range, ..ReadQuery::default() };
            let read = named(&db.read("t", &query, &context).expect("a read"));
            let mut found: Vec<(Key, i64, Cell)> = read
                .iter()
                .filter(|row| row[field] != Cell::Null)
                .map(|row| match row["time"] {
                    Cell::Time(time) => (key_of(row), time, row[field].clone()),
                    ref other => panic!("{other:?} is no time"),
                })
                .collect();
            assert!(found.is_sorted_by_key(|row| (row.0.clone(), row.1)), "read in order");
            found.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
            assert_eq!(found, expected, "{field} in {range:?}");
            if matches!(field, "f" | "i") {
                check_numbers(db, field, range, &expected, duplicates);
            }
        }
        check_series(db, &inside, range, duplicates);
    }
}

fn check_numbers(
    db: &Database,
    field: &str,
    range: TimeRange,
    expected: &[(Key, i64, Cell)],
    duplicates: Duplicates,
) {
    let context = QueryContext::default();
    let all: Vec<f64> = expected.iter().map(|point| number(&point.2)).collect();
    let query = SumQuery { field: field.to_owned(), filter: Vec::new(), range };
    let totals = db.sum("t", &query, &context).expect("a sum").map(|stats| match stats {
        Stats::F64(s) => (s.count, s.min, s.max, s.sum),
        Stats::I64(s) => (s.count, s.min as f64, s.max as f64, s.sum as f64),
        other => panic!("{other:?}"),
    });
    let least = |v: &[f64]| v.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |v: &[f64]| v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let wanted = (!all.is_empty())
        .then(|| (all.len() as u64, least(&all), most(&all), all.iter().sum::<f64>()));
    assert_eq!(totals, wanted, "sum of {field} in {range:?}");

    let functions = [
        Function::Count,
        Function::Sum,
        Function::Min,
        Function::Max,
        Function::First,
        Function::Last,
        Function::Mean,
    ];
    for every in [None, Some(10)] {
        let query = AggregateQuery {
            by: vec!["host".to_owned()],
            bucket: every.map(Bucket::of_nanos),
            range,
            ..AggregateQuery::of_fields(&[(field.to_owned(), functions.to_vec())])
        };
        let mut groups: BTreeMap<_, Vec<(i64, f64)>> = BTreeMap::new();
        for (key, time, cell) in expected {
            let bucket = every.map_or(0, |every| time.div_euclid(every) * every);
            groups.entry((key.0.clone(), bucket)).or_default().push((*time, number(cell)));
        }
        for row in named(&db.aggregate("t", &query, &context).expect("an aggregate")) {
            let of = |name: &str| &row[&format!("{field}_{name}")];
            let bucket = match row.get("time") {
                Some(Cell::Time(time)) => *time,
                _ => 0,
            };
            let Some(mut group) = groups.remove(&(text(&row["host"]).clone(), bucket)) else {
                assert_eq!(of("count"), &Cell::Int(0));
                continue;
            };
            group.sort_by_key(|point| point.0);
            let values: Vec<f64> = group.iter().map(|point| point.1).collect();
            let sum = values.iter().sum::<f64>();
            assert_eq!(of("count"), &Cell::Int(values.len() as i64));
            assert_eq!(number(of("sum")), sum);
            assert_eq!((number(of("min")), number(of("max"))), (least(&values), most(&values)));
            assert!((number(of("mean")) - sum / values.len() as f64).abs() < 1e-9);
            // Of points at one time any may be the first where all count.
            let at = |time: i64| -> Vec<f64> {
                group.iter().filter(|p| p.0 == time).map(|p| p.1).collect()
            };
            let (first, last) = (at(group[0].0), at(group[group.len() - 1].0));
            assert!(first.contains(&number(of("first"))) && last.contains(&number(of("last"))));
            let several = expected.iter().map(|p| &p.0).collect::<BTreeSet<_>>().len() > 1;
            if duplicates == Duplicates::Last && !several {
                assert_eq!((first.len(), last.len()), (1, 1));
            }
        }
        assert!(groups.is_empty(), "groups without a row: {groups:?}");
    }
}

fn check_series(db: &Database, inside: &[Row], range: TimeRange, duplicates: Duplicates) {
    let context = QueryContext::default();
    let mut times: BTreeMap<Key, Vec<i64>> = BTreeMap::new();
    for row in inside {
        times.entry(row.key.clone()).or_default().push(row.time);
    }
    let query = SeriesQuery { range, ..SeriesQuery::default() };
    let found = named(&db.series("t", &query, &context).expect("series"));
    assert_eq!(
        found.iter().map(key_of).collect::<Vec<_>>(),
        times.keys().cloned().collect::<Vec<_>>()
    );
    for row in &found {
        let own = times.get_mut(&key_of(row)).expect("listed");
        own.sort_unstable();
        assert_eq!(row["first_time"], Cell::Time(own[0]));
        assert_eq!(row["last_time"], Cell::Time(own[own.len() - 1]));
        if duplicates == Duplicates::Last {
            own.dedup();
            assert_eq!(row["rows"], Cell::Int(own.len() as i64));
        }
    }
    let query = LastQuery { range, ..LastQuery::default() };
    let last = named(&db.last("t", &query, &context).expect("last"));
    assert_eq!(last.len(), times.len());
    for row in last {
        let key = key_of(&row);
        let time = *times[&key].last().expect("a row");
        assert_eq!(row["time"], Cell::Time(time));
        if duplicates == Duplicates::Last {
            let mut values: BTreeMap<&str, Cell> = BTreeMap::new();
            for row in inside.iter().filter(|row| row.key == key && row.time == time) {
                values.extend(row.values.clone());
            }
            for field in FIELDS.iter().filter(|field| row.contains_key(**field)) {
                assert_eq!(&row[*field], values.get(field).unwrap_or(&Cell::Null), "{field}");
            }
        }
    }
}

fn run(duplicates: Duplicates, ops: &[Op]) {
    let mut world = World::new(duplicates);
    for op in ops {
        world.apply(op);
        world.check();
    }
    world.check_versions();
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(48),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn all_count(ops in prop::collection::vec(op(), 1..40)) {
        run(Duplicates::Keep, &ops);
    }

    #[test]
    fn the_last_counts(ops in prop::collection::vec(op(), 1..40)) {
        run(Duplicates::Last, &ops);
    }
}
