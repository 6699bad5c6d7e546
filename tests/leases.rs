//! Leases of live readers: a writer removes nothing that a reader in any process still reads, and
//! everything else.

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{quiet, rows, write};
use kymograph::Result;
use kymograph::db::{Database, Durability, Mode, Options};
use kymograph::model::TimeRange;

fn writer(path: &str) -> Result<Database> {
    Database::open(path, Options { history: 0, durability: Some(Durability::Os), ..quiet() })
}

fn reader(path: &str) -> Result<Database> {
    Database::open(path, Options { mode: Mode::Read, ..quiet() })
}

fn segments(path: &str) -> usize {
    files(&Path::new(path).join("segment"))
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

fn folder() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a plain name").to_owned();
    (dir, path)
}

/// Replaces every row and every segment.
fn replace(db: &Database, time: i64) -> Result<()> {
    db.delete("cpu", &[], TimeRange::ALL)?;
    write(db, &[("a", time, 1.0)])?;
    db.compact().map(drop)
}

#[test]
fn a_readers_snapshot_keeps_more_files_than_a_reader_has_open() -> Result<()> {
    const SEGMENTS: i64 = 300;
    let (_dir, path) = folder();
    let db = writer(&path)?;
    for time in 0..SEGMENTS {
        write(&db, &[("a", time, 1.0)])?;
        db.flush()?;
    }
    let live = reader(&path)?;
    let snapshot = live.snapshot()?;
    replace(&db, 0)?;
    assert_eq!(rows(&live)?.len(), 1);
    assert!(segments(&path) as i64 > SEGMENTS, "{}", segments(&path));
    assert_eq!(rows(&snapshot)?.len() as i64, SEGMENTS);
    let stats = db.stats()?;
    let held: Vec<_> = stats.readers.iter().map(|r| (r.owner.pid, r.version)).collect();
    assert_eq!(held, [(std::process::id(), Some(snapshot.version()?))]);
    snapshot.close()?;
    assert_eq!(db.stats()?.readers.first().map(|reader| reader.version), Some(None));
    replace(&db, 1)?;
    assert_eq!(segments(&path), 1);
    Ok(())
}

#[test]
fn a_reader_that_asks_nothing_keeps_nothing() -> Result<()> {
    let (_dir, path) = folder();
    let db = writer(&path)?;
    write(&db, &[("a", 0, 1.0)])?;
    db.flush()?;
    let live = reader(&path)?;
    assert_eq!(rows(&live)?.len(), 1);
    for time in 1..5 {
        replace(&db, time)?;
        assert_eq!(segments(&path), 1);
    }
    assert_eq!(rows(&live)?.len(), 1);
    let snapshot = live.snapshot()?;
    live.close()?;
    assert_eq!(files(&Path::new(&path).join("readers")), 1);
    assert_eq!(rows(&snapshot)?.len(), 1);
    drop(snapshot);
    assert_eq!(files(&Path::new(&path).join("readers")), 0);
    Ok(())
}

#[test]
fn an_older_version_stays_while_it_is_open() -> Result<()> {
    let (_dir, path) = folder();
    let db = Database::open(&path, Options { history: 2, ..quiet() })?;
    write(&db, &[("a", 0, 1.0)])?;
    let version = db.flush()?;
    let old = Database::open(&path, Options { as_of: Some(version), ..quiet() })?;
    for time in 1..6 {
        replace(&db, time)?;
    }
    assert_eq!(rows(&old)?, common::owned(&[("a", 0, 1.0)]));
    assert!(Database::open(&path, Options { as_of: Some(version), ..quiet() }).is_err());
    drop(old);
    replace(&db, 6)?;
    assert_eq!(segments(&path), 1);
    Ok(())
}

/// A writer of four segments, a live reader and its snapshot of them.
fn held(path: &str) -> Result<(Database, Database, Database)> {
    let db = writer(path)?;
    for time in 0..4 {
        write(&db, &[("a", time, 1.0)])?;
        db.flush()?;
    }
    let live = reader(path)?;
    let snapshot = live.snapshot()?;
    Ok((db, live, snapshot))
}

#[test]
fn the_next_writer_keeps_what_the_one_before_kept() -> Result<()> {
    let (_dir, path) = folder();
    let (db, live, snapshot) = held(&path)?;
    for time in 0..3 {
        replace(&db, time)?;
    }
    // As after a crash: nothing but the files tells the next writer.
    drop(db);
    let db = writer(&path)?;
    assert_eq!(rows(&snapshot)?.len(), 4);
    replace(&db, 9)?;
    assert_eq!(rows(&snapshot)?.len(), 4);
    drop(snapshot);
    drop(db);
    let db = writer(&path)?;
    assert_eq!(segments(&path), 1);
    assert_eq!(rows(&live)?, rows(&db)?);
    Ok(())
}

#[test]
fn a_version_whose_manifest_is_gone_keeps_what_nobody_lists() -> Result<()> {
    let (_dir, path) = folder();
    let (db, _live, snapshot) = held(&path)?;
    let version = snapshot.version()?;
    replace(&db, 0)?;
    drop(db);
    // A writer removed it before it saw the lease, and the segments not, as it saw it then.
    let manifest = Path::new(&path).join(format!("manifest/{version:020}"));
    std::fs::remove_file(manifest).expect("the version that the lease keeps");
    let db = writer(&path)?;
    assert_eq!(rows(&snapshot)?.len(), 4);
    drop((snapshot, db));
    let db = writer(&path)?;
    assert_eq!(segments(&path), 1);
    db.close()
}

#[test]
fn without_a_place_for_a_lease_a_reader_works_on_open_files() -> Result<()> {
    let (_dir, path) = folder();
    let db = writer(&path)?;
    std::fs::write(Path::new(&path).join("readers"), "no folder").expect("a file");
    write(&db, &[("a", 0, 1.0)])?;
    db.flush()?;
    let live = reader(&path)?;
    let snapshot = live.snapshot()?;
    std::fs::remove_file(Path::new(&path).join("readers")).expect("the same file");
    replace(&db, 1)?;
    assert_eq!(segments(&path), 1);
    assert_eq!(rows(&live)?, common::owned(&[("a", 1, 1.0)]));
    assert_eq!(rows(&snapshot)?, common::owned(&[("a", 0, 1.0)]));
    assert_eq!(db.stats()?.readers, []);
    Ok(())
}

#[test]
fn no_reader_loses_a_file_to_a_writer_that_keeps_replacing_them() -> Result<()> {
    let (_dir, path) = folder();
    let db = writer(&path)?;
    write(&db, &[("a", 0, 1.0)])?;
    let done = AtomicBool::new(false);
    let looks = std::thread::scope(|scope| {
        let look = |fresh: bool| {
            let (path, done) = (&path, &done);
            move || {
                let mut live = reader(path).expect("a reader");
                let mut looks = 0;
                while !done.load(Ordering::Acquire) {
                    if fresh {
                        live = reader(path).expect("a reader");
                    }
                    // A snapshot opens its segments when they are asked for: later.
                    let snapshot = live.snapshot().expect("a snapshot");
                    std::thread::sleep(Duration::from_millis(3));
                    let found = rows(&snapshot).unwrap_or_else(|e| panic!("snapshot: {e}"));
                    let now = rows(&live).unwrap_or_else(|e| panic!("live: {e}"));
                    assert!(found.len() <= 1 && now.len() <= 1, "{found:?} {now:?}");
                    looks += 1;
                }
                looks
            }
        };
        let readers = [scope.spawn(look(true)), scope.spawn(look(false)), scope.spawn(look(true))];
        for time in 1..200 {
            replace(&db, time).expect("a replacement");
        }
        done.store(true, Ordering::Release);
        readers.map(|reader| reader.join().expect("a reader without an error"))
    });
    println!("looks: {looks:?}");
    assert!(looks.iter().all(|looks| *looks > 5), "{looks:?}");
    replace(&db, 0)?;
    assert_eq!(segments(&path), 1);
    Ok(())
}
