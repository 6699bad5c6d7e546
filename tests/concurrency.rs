//! Writers, queries, flushes, compactions and snapshots at once: a query sees whole writes only,
//! and all that were acknowledged before it began.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::{quiet, rows, write};
use kymograph::Result;
use kymograph::db::{Database, Durability, Options};
use kymograph::model::TimeRange;

const WRITERS: u64 = 3;
const WRITES: u64 = 300;
const ROWS: i64 = 10;

/// Write `number`: ten rows over two series with its number as their value.
fn put(db: &Database, number: u64, extra: i64) {
    let time = number as i64 * 1000;
    let batch: Vec<(&str, i64, f64)> = (0..ROWS + extra)
        .map(|i| (["a", "b"][(i % 2) as usize], time + i, number as f64))
        .collect();
    write(db, &batch).expect("a write");
}

fn whole(db: &Database) -> usize {
    let mut seen: BTreeMap<u64, i64> = BTreeMap::new();
    for (_, _, value) in rows(db).expect("a read") {
        *seen.entry(value as u64).or_default() += 1;
    }
    for (number, count) in &seen {
        assert!([ROWS, ROWS + 20].contains(count), "write {number} has {count} rows");
    }
    seen.len()
}

fn storm(options: Options) -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a plain name");
    let db = Database::open(path, options.clone())?;
    put(&db, 0, 0);
    let (done, written) = (AtomicBool::new(false), AtomicU64::new(1));
    std::thread::scope(|scope| {
        let repeat = |mut act: Box<dyn FnMut() + Send>| {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    act();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        };
        let (db, written) = (&db, &written);
        repeat(Box::new(move || {
            let least = written.load(Ordering::Acquire);
            assert!(whole(db) as u64 >= least);
        }));
        repeat(Box::new(move || {
            let snapshot = db.snapshot().expect("a snapshot");
            let first = whole(&snapshot);
            std::thread::sleep(Duration::from_millis(3));
            assert_eq!(whole(&snapshot), first);
        }));
        repeat(Box::new(move || assert!(db.flush().expect("a flush") > 0)));
        repeat(Box::new(move || assert!(db.compact().expect("a compaction") > 0)));
        repeat(Box::new(move || {
            // Hides nothing that is there, and still makes versions.
            db.delete("cpu", &[], TimeRange::new(Some(-9), Some(-1))).expect("a delete");
        }));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    for at in 0..WRITES {
                        let number = 1 + writer * WRITES + at;
                        // Some go straight into a segment.
                        put(db, number, if at % 7 == 0 { 20 } else { 0 });
                        written.fetch_add(1, Ordering::AcqRel);
                    }
                })
            })
            .collect();
        let ended: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Ordering::Release);
        assert!(ended.iter().all(|writer| writer.is_ok()));
    });
    assert_eq!(whole(&db) as u64, 1 + WRITERS * WRITES);
    assert_eq!(db.check()?.damage, []);
    drop(db);
    let db = Database::open(path, options)?;
    assert_eq!(whole(&db) as u64, 1 + WRITERS * WRITES);
    Ok(())
}

fn options() -> Options {
    let durability = Some(Durability::Os);
    Options { durability, direct_points: 25, history: 0, ..quiet() }
}

#[test]
fn a_storm() -> Result<()> {
    storm(options())
}

#[test]
fn a_storm_with_the_background_at_work() -> Result<()> {
    let flush_age = Duration::from_millis(5);
    storm(Options { background: true, head_bytes: 4096, flush_age, ..options() })
}

#[test]
fn a_close_amid_writes_loses_nothing_acknowledged() -> Result<()> {
    for durability in [Durability::Memory, Durability::Os] {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().to_str().expect("a plain name");
        let options = Options { durability: Some(durability), ..quiet() };
        let db = Database::open(path, options.clone())?;
        write(&db, &[("a", 0, 1.0)])?;
        let acknowledged = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..2i64)
                .map(|writer| {
                    let db = db.clone();
                    scope.spawn(move || {
                        let put = |at: i64| write(&db, &[("a", at * 2 + writer + 1, 1.0)]).is_ok();
                        (0..).take_while(|at| put(*at)).count()
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(50));
            db.close().expect("a close");
            writers.into_iter().map(|w| w.join().expect("a writer")).sum::<usize>()
        });
        let db = Database::open(path, options)?;
        assert_eq!(rows(&db)?.len(), 1 + acknowledged, "{durability:?}");
    }
    Ok(())
}
