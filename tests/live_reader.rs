//! A live reader beside a writer: it sees a prefix of the writes, never less than was acknowledged
//! before it asked, never a row twice, whatever is flushed and removed meanwhile.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use common::{batch, quiet, rows, spec, write};
use kymograph::Result;
use kymograph::db::{Database, Durability, Mode, Options, TableSpec};
use kymograph::model::{Batch, Duplicates, TimeRange};
use kymograph::query::{QueryContext, SeriesQuery};
use kymograph::storage::vfs::MemoryStore;

fn reader(path: &str) -> Result<Database> {
    Database::open(path, Options { mode: Mode::Read, ..quiet() })
}

/// As [`common::batch`] with the field under another name.
fn renamed(rows: &[(&str, i64, f64)], field: &str) -> Batch {
    let batch = batch("cpu", rows);
    let values = batch.fields()[0].1.clone();
    let fields = vec![(field.to_owned(), values)];
    let (series, of) = (batch.series().to_vec(), batch.series_of().to_vec());
    Batch::new("cpu", series, of, batch.times().to_vec(), fields).expect("a whole batch")
}

#[test]
fn a_reader_follows_each_step() -> Result<()> {
    let store = MemoryStore::new();
    let open = |mode| {
        let options = Options { mode, history: 0, ..quiet() };
        Database::open_with(Arc::new(store.clone()), options)
    };
    let db = open(Mode::Write)?;
    let live = open(Mode::Read)?;
    for round in 0..30i64 {
        write(&db, &[("a", round, 1.0), ("b", round, 1.0)])?;
        assert_eq!(rows(&live)?, rows(&db)?, "{round}");
        match round % 7 {
            1 | 4 => drop(db.flush()?),
            2 => drop(db.snapshot()?),
            5 => drop(db.compact()?),
            6 => {
                let b = [("host".to_owned(), vec![Some("b".to_owned())])];
                db.delete("cpu", &b, TimeRange::new(None, Some(round - 2)))?;
            }
            _ => {}
        }
        assert_eq!(rows(&live)?, rows(&db)?, "{round}");
    }
    db.close()?;
    let again = open(Mode::Write)?;
    write(&again, &[("c", 1, 1.0)])?;
    assert_eq!(rows(&live)?, rows(&again)?);
    Ok(())
}

#[test]
fn a_readers_snapshot_stands_still() -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a plain name");
    let db = Database::open(path, Options { history: 0, ..quiet() })?;
    write(&db, &[("a", 1, 1.0)])?;
    db.flush()?;
    write(&db, &[("a", 2, 1.0)])?;
    let live = reader(path)?;
    let snapshot = live.snapshot()?;
    write(&db, &[("a", 3, 1.0)])?;
    db.compact()?;
    db.delete("cpu", &[], TimeRange::ALL)?;
    db.compact()?;
    assert_eq!(rows(&live)?.len(), 0);
    assert_eq!(rows(&snapshot)?.len(), 2);
    Ok(())
}

#[test]
fn the_last_write_wins_in_a_readers_snapshots_too() -> Result<()> {
    let store = MemoryStore::new();
    let open = |mode| Database::open_with(Arc::new(store.clone()), Options { mode, ..quiet() });
    let db = open(Mode::Write)?;
    let live = open(Mode::Read)?;
    let put = |value: f64| {
        db.write(&[batch("cpu", &[("a", 1, value)])], &spec("cpu", Duplicates::Last)).map(drop)
    };
    let mut held = Vec::new();
    for round in 0..12 {
        put(f64::from(round))?;
        held.push(live.snapshot()?);
        if round % 5 == 4 {
            db.flush()?;
        }
        for (value, snapshot) in held.iter().enumerate() {
            assert_eq!(rows(snapshot)?[0].2, value as f64);
        }
        assert_eq!(rows(&live)?[0].2, f64::from(round));
    }
    Ok(())
}

#[test]
fn readers_race_a_writer() -> Result<()> {
    const WRITES: i64 = 1000;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a plain name").to_owned();
    let options = Options { history: 0, durability: Some(Durability::Os), ..quiet() };
    let db = Database::open(&path, options)?;
    write(&db, &[("a", 0, 1.0)])?;
    let acknowledged = AtomicI64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let live = reader(&path).expect("a reader");
                loop {
                    let before = acknowledged.load(Ordering::Acquire);
                    let series = live
                        .series("cpu", &SeriesQuery::default(), &QueryContext::default())
                        .unwrap_or_else(|e| panic!("series: {e}"));
                    assert_eq!(series.num_rows(), 1);
                    let query = kymograph::query::ReadQuery {
                        fields: Some(Vec::new()),
                        ..Default::default()
                    };
                    let read = live
                        .read("cpu", &query, &QueryContext::default())
                        .unwrap_or_else(|e| panic!("read: {e}"));
                    let cells = common::cells(&read);
                    let times: Vec<_> = cells.iter().map(|row| row[0].clone()).collect();
                    let whole: Vec<_> =
                        (0..times.len()).map(|t| common::Cell::Time(t as i64)).collect();
                    assert_eq!(times, whole, "a prefix, each row once");
                    assert!(times.len() as i64 > before, "all that was acknowledged");
                    if before == WRITES {
                        break;
                    }
                }
            });
        }
        for number in 1..=WRITES {
            // Every now and then a field that the reader's version does not know yet.
            let field = format!("value{}", number / 40);
            let tags = TableSpec { tags: vec!["host".to_owned()], ..spec("cpu", Duplicates::Keep) };
            db.write(&[renamed(&[("a", number, 1.0)], &field)], &tags).expect("a write");
            acknowledged.store(number, Ordering::Release);
            if number % 9 == 0 {
                db.flush().expect("a flush");
            }
            if number % 31 == 0 {
                db.compact().expect("a compaction");
            }
        }
    });
    Ok(())
}
