//! Damage in every file of a small database: an error or the right answer, and a check that names
//! the file.

mod common;

use std::sync::Arc;

use common::{copy, quiet, rows, write};
use kymograph::db::{Database, Mode, Options, check_with};
use kymograph::model::TimeRange;
use kymograph::storage::vfs::{MemoryStore, Store};
use kymograph::{Error, Result};

type Rows = Vec<(String, i64, f64)>;

/// Two segments, a tombstone, versions and a log with two entries.
fn small() -> Result<(MemoryStore, Vec<Rows>)> {
    let store = MemoryStore::new();
    let db = Database::open_with(Arc::new(store.clone()), quiet())?;
    let many: Vec<(&str, i64, f64)> =
        (0..300).map(|i| (["a", "b"][i % 2], i as i64, (i * i) as f64)).collect();
    write(&db, &many)?;
    db.flush()?;
    write(&db, &[("a", 10, 0.5), ("c", 5, 1.5)])?;
    db.delete("cpu", &[], TimeRange::new(Some(20), Some(30)))?;
    let mut answers = vec![rows(&db)?];
    for time in [400, 401] {
        write(&db, &[("a", time, 2.5)])?;
        answers.push(rows(&db)?);
    }
    Ok((copy(&store), answers))
}

fn answer(store: &MemoryStore, mode: Mode) -> Result<Rows> {
    let db = Database::open_with(Arc::new(store.clone()), Options { mode, threads: 1, ..quiet() })?;
    rows(&db)
}

/// One damaged copy: what it answers and what the check says of it.
fn judge(left: &MemoryStore, answers: &[Rows], path: &str, bytes: &[u8], what: &str) {
    let damaged = copy(left);
    damaged.overwrite(path, bytes);
    let store: Arc<dyn Store> = Arc::new(damaged.clone());
    let report = check_with(&store).expect("a store that can be listed");
    let log = path.starts_with("wal/");
    let named = report.damage.iter().any(|damage| damage.file == path);
    // The end of a log may be a write that a crash cut short; the check does not accuse it.
    assert!(named || log, "{what}: the check says {:?}", report.damage);
    for mode in [Mode::Read, Mode::Write] {
        match answer(&damaged, mode) {
            Ok(found) => {
                let right = if log { answers } else { &answers[answers.len() - 1..] };
                assert!(right.contains(&found), "{what}: a wrong answer");
            }
            Err(Error::Corrupt(message)) => assert!(!message.is_empty()),
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

fn every_file(judge_bytes: impl Fn(&MemoryStore, &[Rows], &str, &[u8])) {
    let (left, answers) = small().expect("a small database");
    assert_eq!(&answer(&copy(&left), Mode::Write).expect("whole"), &answers[2]);
    let files = left.list("").expect("a store that works");
    assert!(files.len() >= 7, "{files:?}");
    for file in files {
        let bytes = left.read(&file.path).expect("a file that was listed");
        judge_bytes(&left, &answers, &file.path, &bytes);
    }
}

#[test]
fn flipped_bits() {
    every_file(|left, answers, path, bytes| {
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 400) {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1 << (at % 8);
            judge(left, answers, path, &damaged, &format!("{path} byte {at}"));
        }
    });
}

#[test]
fn truncations() {
    every_file(|left, answers, path, bytes| {
        for len in (0..bytes.len()).step_by(1 + bytes.len() / 100) {
            judge(left, answers, path, &bytes[..len], &format!("{path} cut to {len}"));
        }
    });
}

#[test]
fn bytes_too_many() {
    every_file(|left, answers, path, bytes| {
        let longer = [bytes, &[0; 9]].concat();
        judge(left, answers, path, &longer, &format!("{path} and 9 zeros"));
    });
}

#[test]
fn files_that_are_gone() {
    let (left, answers) = small().expect("a small database");
    for file in left.list("segment").expect("a store that works") {
        let damaged = copy(&left);
        damaged.delete(&file.path).expect("a store that works");
        let store: Arc<dyn Store> = Arc::new(damaged.clone());
        let report = check_with(&store).expect("a store that can be listed");
        assert!(report.damage.iter().any(|damage| damage.file == file.path));
        match answer(&damaged, Mode::Write) {
            Err(Error::NotFound(message) | Error::Corrupt(message)) => {
                assert!(message.contains(&file.path), "{message}");
            }
            Err(error) => panic!("{error}"),
            Ok(found) => assert_eq!(found, answers[2]),
        }
    }
}
