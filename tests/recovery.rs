//! What an unclean end leaves: torn logs, orphans, several logs.

mod common;

use std::sync::Arc;

use common::{batch, copy, owned, quiet, rows, spec, write};
use kymograph::db::{Database, Durability, Options};
use kymograph::model::Duplicates;
use kymograph::storage::vfs::{MemoryStore, Store};
use kymograph::storage::{manifest, wal};
use kymograph::{Error, Result};

fn open(store: &MemoryStore) -> Result<Database> {
    Database::open_with(Arc::new(store.clone()), quiet())
}

/// What a crash now would leave; the database goes on, and nobody sees what it does.
fn crash(store: &MemoryStore, db: Database) -> MemoryStore {
    let left = copy(store);
    drop(db);
    left
}

#[test]
fn a_torn_last_record_is_left_out_and_one_that_was_acknowledged_is_missed() -> Result<()> {
    let store = MemoryStore::new();
    let db = open(&store)?;
    write(&db, &[("a", 1, 1.0)])?;
    write(&db, &[("a", 2, 2.0)])?;
    let number = *wal::files(&store)?.last().expect("a log");
    let two = store.size(&wal::path(number))? as usize;
    write(&db, &[("a", 3, 3.0)])?;
    let left = crash(&store, db);
    let log = left.read(&wal::path(number))?;
    for keep in 0..=log.len() {
        let torn = copy(&left);
        torn.overwrite(&wal::path(number), &log[..keep]);
        // The mark says that all of it is durable, so what is missing was lost later.
        let opened = open(&torn);
        assert_eq!(opened.is_ok(), keep == log.len(), "{keep}");
        assert!(opened.is_ok() || matches!(opened, Err(Error::Corrupt(m)) if m.contains("mark")));
        // After a power cut it may say nothing.
        torn.delete(&wal::mark::path(number))?;
        let db = open(&torn)?;
        let found = if rows(&db).is_ok() { rows(&db)?.len() } else { 0 };
        let whole = keep == log.len();
        assert!(if keep >= two { found == if whole { 3 } else { 2 } } else { found < 2 }, "{keep}");
        write(&db, &[("b", 9, 9.0)])?;
        drop(db);
        assert_eq!(rows(&open(&torn)?)?.len(), found + 1, "{keep}");
    }
    Ok(())
}

#[test]
fn rows_of_several_unclean_opens_come_once() -> Result<()> {
    let mut store = MemoryStore::new();
    let mut expected = Vec::new();
    for round in 0..6 {
        let db = open(&store)?;
        if round > 0 {
            assert_eq!(rows(&db)?, owned(&expected));
        }
        write(&db, &[("a", round, 0.5)])?;
        expected.push(("a", round, 0.5));
        if round == 3 {
            db.flush()?;
            write(&db, &[("a", 100, 0.5)])?;
            expected.push(("a", 100, 0.5));
        }
        expected.sort_by_key(|row| row.1);
        store = crash(&store, db);
    }
    let db = open(&store)?;
    assert_eq!(rows(&db)?, owned(&expected));
    db.flush()?;
    assert_eq!(wal::files(&store)?.len(), 1);
    let store = crash(&store, db);
    assert_eq!(rows(&open(&store)?)?, owned(&expected));
    Ok(())
}

#[test]
fn opens_without_writes_leave_no_logs_behind() -> Result<()> {
    let store = MemoryStore::new();
    for round in 0..10 {
        let db = open(&store)?;
        if round % 2 == 0 {
            db.close()?;
        }
    }
    assert!(wal::files(&store)?.len() <= 2);
    Ok(())
}

#[test]
fn orphans_go_and_listed_segments_stay() -> Result<()> {
    let store = MemoryStore::new();
    let db = open(&store)?;
    write(&db, &[("a", 1, 1.0)])?;
    let version = db.flush()?;
    write(&db, &[("a", 2, 2.0)])?;
    db.compact()?;
    let left = crash(&store, db);
    left.overwrite(&manifest::segment_path(77), b"half a segment");
    left.overwrite("segment/stranger", b"?");
    let before = left.list("segment")?.len();
    let db = open(&left)?;
    assert_eq!(left.list("segment")?.len(), before - 2);
    assert_eq!(rows(&db)?.len(), 2);
    let old = Database::open_with(Arc::new(left), Options { as_of: Some(version), ..quiet() })?;
    assert_eq!(rows(&old)?.len(), 1);
    Ok(())
}

#[test]
fn a_damaged_older_version_does_not_bar_the_newest() -> Result<()> {
    let store = MemoryStore::new();
    let db = open(&store)?;
    write(&db, &[("a", 1, 1.0)])?;
    let version = db.flush()?;
    write(&db, &[("a", 2, 2.0)])?;
    db.compact()?;
    db.close()?;
    store.overwrite(&manifest::path(version), b"?");
    let db = open(&store)?;
    assert_eq!(rows(&db)?.len(), 2);
    assert!(db.check()?.damage.iter().any(|d| d.file == manifest::path(version)));
    Ok(())
}

#[test]
fn memory_durability_keeps_what_close_flushes() -> Result<()> {
    let options = || Options { durability: Some(Durability::Memory), ..quiet() };
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let db = Database::open_with(Arc::clone(&store), options())?;
    write(&db, &[("a", 1, 1.0)])?;
    db.close()?;
    let db = Database::open_with(Arc::clone(&store), options())?;
    assert_eq!(rows(&db)?.len(), 1);
    assert!(wal::files(store.as_ref())?.is_empty());
    Ok(())
}

#[test]
fn a_folder_called_memory_keeps_its_log() -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("memory");
    let db = Database::open(path.to_str().expect("a plain name"), quiet())?;
    write(&db, &[("a", 1, 1.0)])?;
    db.flush()?;
    write(&db, &[("a", 2, 1.0)])?;
    let log = std::fs::read_dir(path.join("wal")).expect("a folder").last();
    let log = log.expect("a log").expect("readable").metadata().expect("metadata");
    assert!(log.len() > 24, "the second row is logged");
    Ok(())
}

#[test]
fn versions_past_the_history_are_refused() -> Result<()> {
    let store = MemoryStore::new();
    let db = open(&store)?;
    write(&db, &[("a", 1, 1.0), ("b", 1, 1.0)])?;
    let version = db.flush()?;
    let snapshot = db.snapshot()?;
    db.delete("cpu", &[], kymograph::model::TimeRange::ALL)?;
    db.compact()?;
    assert_eq!(rows(&snapshot)?.len(), 2, "pinned");
    let old = Options { as_of: Some(version), ..quiet() };
    let refused = Database::open_with(Arc::new(store.clone()), old);
    assert!(matches!(refused, Err(Error::NotFound(_))), "an erasure ends the history");
    drop(snapshot);
    Ok(())
}

#[test]
fn snapshots_of_snapshots_hold_their_rows() -> Result<()> {
    let store = MemoryStore::new();
    let db = Database::open_with(Arc::new(store), Options { history: 0, ..quiet() })?;
    write(&db, &[("a", 1, 1.0)])?;
    db.flush()?;
    write(&db, &[("a", 2, 1.0)])?;
    let inner = db.snapshot()?.snapshot()?;
    db.compact()?;
    db.delete("cpu", &[], kymograph::model::TimeRange::ALL)?;
    db.compact()?;
    assert_eq!(rows(&inner)?.len(), 2);
    assert_eq!(rows(&db)?.len(), 0);
    Ok(())
}

#[test]
fn rows_frozen_by_a_snapshot_flush_by_size() -> Result<()> {
    let options = Options { head_bytes: 2000, ..quiet() };
    let db = Database::open_with(Arc::new(MemoryStore::new()), options)?;
    for round in 0..100 {
        write(&db, &[("a", round, 1.0)])?;
        drop(db.snapshot()?);
    }
    let stats = db.stats()?;
    assert_eq!(stats.rows, 100);
    assert!(stats.segments > 0 && stats.head_rows < 100);
    Ok(())
}

#[test]
fn a_batch_of_another_table_or_with_a_field_twice_is_refused() -> Result<()> {
    let db = Database::in_memory(quiet())?;
    let refused = db.write(&[batch("mem", &[("a", 1, 1.0)])], &spec("cpu", Duplicates::Keep));
    assert!(matches!(refused, Err(Error::InvalidArgument(_))));
    let one = batch("cpu", &[("a", 1, 1.0)]);
    let twice = [one.fields()[0].clone(), one.fields()[0].clone()].to_vec();
    let twice =
        kymograph::model::Batch::new("cpu", one.series().to_vec(), vec![0], vec![1], twice)?;
    let refused = db.write(&[twice], &spec("cpu", Duplicates::Keep));
    assert!(matches!(refused, Err(Error::InvalidArgument(_))));
    Ok(())
}

#[test]
fn a_database_whose_manifests_are_gone_is_not_begun_anew() -> Result<()> {
    let store = MemoryStore::new();
    let db = open(&store)?;
    write(&db, &[("a", 1, 1.0)])?;
    db.flush()?;
    for (folder, other) in [("segment", "wal"), ("wal", "segment")] {
        let left = copy(&store);
        for gone in [other, "manifest"] {
            for entry in left.list(gone)? {
                left.delete(&entry.path)?;
            }
        }
        let before = left.list("")?;
        assert!(!before.is_empty());
        match open(&left) {
            Err(Error::Corrupt(m)) => assert!(m.contains(folder) && m.contains("no manifest")),
            other => panic!("{other:?}"),
        }
        assert_eq!(left.list("")?, before, "nothing of it was removed");
    }
    Ok(())
}
