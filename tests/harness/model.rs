//! The rows that a database must have, after any prefix of what was done to it.

use std::collections::BTreeMap;

use kymograph::db::{Database, TableSpec};
use kymograph::model::{Batch, Duplicates, FieldDef, FieldType, TableSchema};
use kymograph::query::{QueryContext, ReadQuery};

use crate::common::{Cell, batch, cells, spec};

/// Rows of table `r` live this long, ns.
pub(crate) const RETENTION: i64 = 3_600_000_000_000;
pub(crate) const TABLES: [&str; 3] = ["a", "b", "r"];
const HOSTS: [&str; 4] = ["h0", "h1", "h2", "h3"];

/// Host, time, value; the value is of this row alone.
pub(crate) type Row = (usize, i64, u64);

/// The visible rows of each table, sorted.
pub(crate) type Rows = [Vec<Row>; 3];

/// What an operation does to the rows.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { table: usize, rows: Vec<Row> },
    Delete { table: usize, host: Option<usize>, from: i64, to: i64 },
}

pub(crate) fn duplicates(table: usize) -> Duplicates {
    if table == 1 { Duplicates::Last } else { Duplicates::Keep }
}

pub(crate) fn spec_of(table: usize) -> TableSpec {
    spec(TABLES[table], duplicates(table))
}

pub(crate) fn batch_of(table: usize, rows: &[Row]) -> Batch {
    let rows: Vec<_> =
        rows.iter().map(|(host, time, value)| (HOSTS[*host], *time, *value as f64)).collect();
    batch(TABLES[table], &rows)
}

pub(crate) fn filter_of(host: Option<usize>) -> Vec<(String, Vec<Option<String>>)> {
    host.map(|host| ("host".to_owned(), vec![Some(HOSTS[host].to_owned())])).into_iter().collect()
}

/// The table whose rows expire.
pub(crate) fn expiring() -> TableSchema {
    let fields = vec![FieldDef { name: "value".to_owned(), ty: FieldType::F64 }];
    let tags = vec!["host".to_owned()];
    TableSchema::new("r", tags, fields, Duplicates::Keep, Some(RETENTION)).expect("a whole schema")
}

/// Makes a change.
pub(crate) fn apply(db: &Database, change: &Change) -> kymograph::Result<()> {
    match change {
        Change::Write { table, rows } => {
            db.write(&[batch_of(*table, rows)], &spec_of(*table)).map(drop)
        }
        Change::Delete { table, host, from, to } => {
            let range = kymograph::model::TimeRange::new(Some(*from), Some(*to));
            match db.delete(TABLES[*table], &filter_of(*host), range) {
                // The table never came to be.
                Err(kymograph::Error::NotFound(_)) => Ok(()),
                other => other.map(drop),
            }
        }
    }
}

/// The rows of every table as the database shows them.
pub(crate) fn found(db: &Database) -> kymograph::Result<Rows> {
    let mut found = Rows::default();
    for (rows, table) in found.iter_mut().zip(TABLES) {
        let read = match db.read(table, &ReadQuery::default(), &QueryContext::default()) {
            Ok(read) => read,
            Err(kymograph::Error::NotFound(m)) if m.contains("unknown table") => continue,
            Err(error) => return Err(error),
        };
        for row in cells(&read) {
            match row.as_slice() {
                [Cell::Time(time), Cell::Text(host), Cell::Float(value)] => {
                    let host = HOSTS.iter().position(|known| known == host).expect("our host");
                    rows.push((host, *time, *value as u64));
                }
                other => panic!("a row of other columns: {other:?}"),
            }
        }
        rows.sort_unstable();
    }
    Ok(found)
}

/// The rows that are visible after these changes on top of `base`; those of table `r` from before
/// `floor` never are.
pub(crate) fn visible<'a>(
    base: &Rows,
    changes: impl Iterator<Item = &'a Change>,
    floor: i64,
) -> Rows {
    let mut rows = base.clone();
    for change in changes {
        match change {
            Change::Write { table, rows: new } => rows[*table].extend(new),
            Change::Delete { table, host, from, to } => rows[*table].retain(|row| {
                host.is_some_and(|host| host != row.0) || row.1 < *from || row.1 >= *to
            }),
        }
    }
    let mut last = BTreeMap::new();
    for row in &rows[1] {
        last.insert((row.0, row.1), row.2);
    }
    rows[1] = last.into_iter().map(|((host, time), value)| (host, time, value)).collect();
    rows[2].retain(|row| row.1 >= floor);
    rows.iter_mut().for_each(|rows| rows.sort_unstable());
    rows
}

/// What of two lists of rows is in one of them only, in short.
pub(crate) fn difference(found: &Rows, expected: &Rows) -> String {
    let mut text = String::new();
    for (at, table) in TABLES.iter().enumerate() {
        let missing: Vec<_> = expected[at].iter().filter(|r| !found[at].contains(r)).collect();
        let extra: Vec<_> = found[at].iter().filter(|r| !expected[at].contains(r)).collect();
        if found[at] != expected[at] {
            let (n, m) = (found[at].len(), expected[at].len());
            text += &format!("{table}: {n} rows, not {m}; missing {missing:?}, extra {extra:?}. ");
        }
    }
    text
}
