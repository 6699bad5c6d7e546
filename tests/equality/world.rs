//! A random history of one table, the rows that it leaves by the plainest reading of the rules, and
//! the same history in a database for each stage of its life.

use std::collections::BTreeMap;
use std::sync::Arc;

use kymograph::db::{Database, Options, TableSpec};
use kymograph::model::{Batch, Duplicates, FieldDef, FieldType, SeriesKey, TableSchema, TimeRange};
use kymograph::storage::vfs::MemoryStore;

use crate::common::{Cell, array, quiet};
use crate::random::Random;

pub(crate) const TAGS: [&str; 2] = ["host", "rack"];
pub(crate) const HOSTS: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("é")];
pub(crate) const RACKS: [Option<&str>; 3] = [None, Some("x"), Some("y")];

/// Fields with their types. `f` are quarters, so that sums of them are exact in any order; `d` are
/// hundredths, `w` anything that a double can be, `x` anything that an integer can be.
pub(crate) const FIELDS: [(&str, FieldType); 7] = [
    ("f", FieldType::F64),
    ("d", FieldType::F64),
    ("w", FieldType::F64),
    ("i", FieldType::I64),
    ("x", FieldType::I64),
    ("b", FieldType::Bool),
    ("s", FieldType::Str),
];

/// The stages at which a database is asked.
pub(crate) const STATES: [&str; 5] = ["head", "flushed", "compacted", "reopened", "cold"];

/// Tags in the table's order.
pub(crate) type Key = [Option<&'static str>; 2];

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) time: i64,
    /// One a field.
    pub(crate) cells: Vec<Cell>,
}

enum Step {
    /// Rows, with the fields that the batch has.
    Write(Vec<Row>, Vec<usize>),
    Delete(Option<Option<&'static str>>, TimeRange),
}

pub(crate) struct World {
    pub(crate) duplicates: Duplicates,
    /// What is in the table: by series, then time, then arrival.
    pub(crate) rows: Vec<Row>,
    pub(crate) states: Vec<Database>,
    /// No time is before or after these.
    pub(crate) span: (i64, i64),
}

/// How large the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Tens of rows a series: all of it in one block.
    Small,
    /// Several blocks a series.
    Blocks,
    /// Several chunks in one series.
    Chunks,
}

fn cell(random: &mut Random, field: usize) -> Cell {
    if random.percent(12) {
        return Cell::Null;
    }
    let small = random.between(-400, 400);
    match FIELDS[field].0 {
        "f" => Cell::Float(small as f64 / 4.0),
        "d" => Cell::Float(small as f64 / 100.0),
        "w" => Cell::Float(random.one_of(&[
            f64::NAN,
            f64::from_bits(0xffff_dead_beef_cafe),
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -0.0,
            5e-324,
            f64::MAX,
            f64::MIN,
            1.5,
            -1e-300,
        ])),
        "i" => Cell::Int(small),
        "x" => Cell::Int(random.one_of(&[i64::MIN, i64::MAX, 0, -1, 1, 1 << 53, small])),
        "b" => Cell::Bool(small > 0),
        _ => Cell::Text(random.one_of(&["", "q", "zz", "é", "错误"]).to_owned()),
    }
}

fn history(random: &mut Random, duplicates: Duplicates, size: Size) -> Vec<Step> {
    let (writes, rows, series, span) = match size {
        Size::Small => (1 + random.below(6), 60, 12, 80),
        Size::Blocks => (1 + random.below(4), 2_000, 2, 4_000),
        Size::Chunks => (2, 72_000, 1, 200_000),
    };
    let keys: Vec<Key> =
        (0..series).map(|_| [random.one_of(&HOSTS), random.one_of(&RACKS)]).collect();
    let even = random.percent(50);
    let mut steps = Vec::new();
    for write in 0..writes {
        let all: Vec<usize> = (0..FIELDS.len()).collect();
        // Where all rows count, which of them a read of some fields gives depends on the fields that
        // they were written with; tests of narrow frames have that.
        let fields = if duplicates == Duplicates::Last && random.percent(30) {
            random.some_of(&all)
        } else {
            all
        };
        let count = if size == Size::Chunks { rows } else { 1 + random.below(rows) };
        let base = random.between(0, span / 2);
        let one = |nth: usize, random: &mut Random| {
            let time = if even && size != Size::Small {
                base + nth as i64 * (1 + write as i64)
            } else {
                random.between(0, span)
            };
            let mut cells = vec![Cell::Null; FIELDS.len()];
            fields.iter().for_each(|&field| cells[field] = cell(random, field));
            Row { key: random.one_of(&keys), time, cells }
        };
        let written = (0..count).map(|nth| one(nth, random)).collect();
        steps.push(Step::Write(written, fields));
        if random.percent(25) {
            let start = random.between(-5, span);
            let range = TimeRange::new(
                Some(start).filter(|_| random.percent(90)),
                Some(start + random.between(0, span / 4 + 2)).filter(|_| random.percent(90)),
            );
            let host = random.one_of(&HOSTS);
            steps.push(Step::Delete(random.percent(60).then_some(host), range));
        }
    }
    steps
}

/// What the rules say that the history leaves.
fn left(steps: &[Step], duplicates: Duplicates) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for step in steps {
        match step {
            Step::Write(written, _) => rows.extend(written.iter().cloned()),
            Step::Delete(host, range) => rows.retain(|row| {
                !range.contains(row.time) || host.is_some_and(|host| row.key[0] != host)
            }),
        }
    }
    rows.sort_by_key(|row| (row.key, row.time));
    if duplicates == Duplicates::Keep {
        return rows;
    }
    let mut merged: BTreeMap<(Key, i64), Vec<Cell>> = BTreeMap::new();
    for row in rows {
        let cells = merged.entry((row.key, row.time)).or_insert_with(|| row.cells.clone());
        for (own, new) in cells.iter_mut().zip(row.cells) {
            if new != Cell::Null {
                *own = new;
            }
        }
    }
    merged.into_iter().map(|((key, time), cells)| Row { key, time, cells }).collect()
}

fn batch(rows: &[Row], fields: &[usize]) -> Batch {
    let mut keys: Vec<Key> = rows.iter().map(|row| row.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let place = |row: &Row| keys.binary_search(&row.key).expect("listed above") as u32;
    let column = |&field: &usize| {
        let values: Vec<Option<Cell>> = rows
            .iter()
            .map(|row| Some(row.cells[field].clone()).filter(|cell| *cell != Cell::Null))
            .collect();
        let like = match FIELDS[field].1 {
            FieldType::F64 => Cell::Float(0.0),
            FieldType::I64 => Cell::Int(0),
            FieldType::Bool => Cell::Bool(false),
            FieldType::Str => Cell::Text(String::new()),
        };
        (FIELDS[field].0.to_owned(), array(&values, &like))
    };
    Batch::new(
        "t",
        keys.iter().copied().map(SeriesKey::new).collect(),
        rows.iter().map(place).collect(),
        rows.iter().map(|row| row.time).collect(),
        fields.iter().map(column).collect(),
    )
    .expect("a whole batch")
}

fn database(steps: &[Step], duplicates: Duplicates, state: &str, direct: bool) -> Database {
    let store = MemoryStore::new();
    let direct_points = if direct { 200 } else { u64::MAX };
    let options = Options { threads: 1, direct_points, ..quiet() };
    let options = if state == "head" {
        Options { direct_points: u64::MAX, head_bytes: usize::MAX, ..options }
    } else {
        options
    };
    let open = || Database::open_with(Arc::new(store.clone()), options.clone()).expect("an open");
    let db = open();
    let tags: Vec<String> = TAGS.iter().map(|tag| (*tag).to_owned()).collect();
    let fields = FIELDS.iter().map(|(name, ty)| FieldDef { name: (*name).to_owned(), ty: *ty });
    let schema = TableSchema::new("t", tags.clone(), fields.collect(), duplicates, None);
    db.create_table(schema.expect("a schema")).expect("a table");
    if state == "cold" {
        db.set_codec("t", Some("pco".to_owned()), None).expect("a codec");
    }
    for step in steps {
        match step {
            Step::Write(rows, fields) => {
                let spec = TableSpec { name: "t".to_owned(), tags: tags.clone(), duplicates };
                db.write(&[batch(rows, fields)], &spec).expect("a write");
                if state != "head" {
                    db.flush().expect("a flush");
                }
            }
            Step::Delete(host, range) => {
                let filter: Vec<_> = host
                    .iter()
                    .map(|host| ("host".to_owned(), vec![host.map(str::to_owned)]))
                    .collect();
                db.delete("t", &filter, *range).expect("a delete");
            }
        }
    }
    match state {
        "compacted" | "cold" => drop(db.compact().expect("a compaction")),
        "reopened" => {
            db.close().expect("a close");
            return open();
        }
        _ => {}
    }
    db
}

impl World {
    pub(crate) fn new(random: &mut Random, size: Size) -> Self {
        let duplicates = random.one_of(&[Duplicates::Keep, Duplicates::Last]);
        let steps = history(random, duplicates, size);
        let direct = random.percent(30);
        let states = STATES.map(|state| database(&steps, duplicates, state, direct)).to_vec();
        let rows = left(&steps, duplicates);
        let times = || rows.iter().map(|row| row.time);
        let span = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        Self { duplicates, rows, states, span }
    }
}
