//! Every I/O call of a script fails once, in every way: what was acknowledged is there after the
//! next open, and no write is there by half.

mod common;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use common::{copy, quiet, quiet_panics, rows, write};
use kymograph::db::{Database, Options, check_with};
use kymograph::model::TimeRange;
use kymograph::storage::vfs::{Fault, FaultEffect, FaultKind, FaultStore, MemoryStore, Store};
use kymograph::{Error, Result};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Not tried.
    Not,
    /// Acknowledged.
    Done,
    /// Failed: it may have happened.
    Open,
}

/// What a binding makes of a call: a panic is an error like any other.
fn calm<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(Error::Internal("it panicked".to_owned())))
}

fn fate<T>(call: impl FnOnce() -> Result<T>) -> Fate {
    if calm(call).is_ok() { Fate::Done } else { Fate::Open }
}

/// What became of the script's steps.
struct Outcome {
    /// By number: each writes row (a, number) twice and (b, number) once.
    writes: BTreeMap<i64, Fate>,
    /// Of b's rows, after write 5.
    delete: Fate,
}

fn options() -> Options {
    Options { direct_points: 5, history: 2, ..quiet() }
}

fn script(store: &FaultStore) -> Outcome {
    let mut outcome = Outcome { writes: BTreeMap::new(), delete: Fate::Not };
    let open = || Database::open_with(Arc::new(store.clone()), options());
    let Ok(db) = calm(open) else { return outcome };
    let mut put = |number: i64| {
        let value = number as f64;
        let mut batch =
            vec![("a", number, value), ("a", number + 100, value), ("b", number, value)];
        if number == 4 {
            // Enough for a segment of its own.
            batch.extend([("a", 200, 4.0), ("a", 201, 4.0)]);
        }
        outcome.writes.insert(number, fate(|| write(&db, &batch)));
    };
    put(1);
    put(2);
    drop(calm(|| db.flush()));
    put(3);
    put(4);
    let snapshot = calm(|| db.snapshot());
    put(5);
    let b = [("host".to_owned(), vec![Some("b".to_owned())])];
    outcome.delete = fate(|| db.delete("cpu", &b, TimeRange::ALL));
    let mut put = |number: i64| {
        let batch = [("a", number, 1.0), ("a", number + 100, 1.0), ("b", number, 1.0)];
        outcome.writes.insert(number, fate(|| write(&db, &batch)));
    };
    put(6);
    drop(snapshot);
    drop(calm(|| db.compact()));
    put(7);
    drop(calm(|| db.flush()));
    drop(calm(|| db.compact()));
    put(8);
    // The handle works on, or says why not.
    match calm(|| rows(&db)) {
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // The last handle goes without a word, whatever happened before.
    drop(db);
    outcome
}

fn check(left: &MemoryStore, outcome: &Outcome, what: &str) {
    let db = match Database::open_with(Arc::new(left.clone()), options()) {
        Ok(db) => db,
        Err(error) => panic!("{what}: {error}"),
    };
    let found = match rows(&db) {
        Ok(rows) => rows,
        // The table never came to be.
        Err(kymograph::Error::NotFound(_)) => Vec::new(),
        Err(error) => panic!("{what}: {error}"),
    };
    let mut explained = 0;
    for (number, fate) in &outcome.writes {
        let count = |host: &str, time: i64| {
            found.iter().filter(|row| row.0 == host && row.1 == time).count()
        };
        let extra = if *number == 4 { vec![200, 201] } else { Vec::new() };
        let a: Vec<usize> =
            [*number, number + 100].into_iter().chain(extra).map(|t| count("a", t)).collect();
        let b = count("b", *number);
        let there = a.iter().all(|n| *n == 1);
        assert!(there || a.iter().all(|n| *n == 0), "{what}: half of write {number}: {found:?}");
        assert!(there || *fate != Fate::Done, "{what}: write {number} is lost: {found:?}");
        if *number > 5 || outcome.delete == Fate::Not {
            assert_eq!(b, usize::from(there), "{what}: {number} {found:?}");
        } else if outcome.delete == Fate::Done {
            assert_eq!(b, 0, "{what}: {number} came back: {found:?}");
        } else {
            assert!(b <= usize::from(there), "{what}: {number} {found:?}");
        }
        explained += a.iter().sum::<usize>() + b;
    }
    assert_eq!(explained, found.len(), "{what}: rows from nowhere: {found:?}");
    // And it goes on from there.
    write(&db, &[("z", 1, 1.0)]).unwrap_or_else(|e| panic!("{what}: {e}"));
    db.flush().unwrap_or_else(|e| panic!("{what}: {e}"));
    db.compact().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(rows(&db).expect("readable").len(), found.len() + 1, "{what}");
    let store: Arc<dyn Store> = Arc::new(left.clone());
    assert_eq!(check_with(&store).expect("a store that works").damage, [], "{what}");
}

/// The script on a thread of its own, so that a deadlock fails.
fn in_time(store: &FaultStore) -> Outcome {
    quiet_panics();
    let (done, finished) = channel();
    let store = store.clone();
    let thread = std::thread::spawn(move || done.send(script(&store)));
    let outcome = finished.recv_timeout(Duration::from_secs(60)).expect("the script hangs");
    thread.join().expect("it has sent").expect("the receiver is there");
    outcome
}

fn every_call(kind: FaultKind, effect: FaultEffect, lasting: bool) {
    every_call_with(kind, effect, lasting, None);
}

fn every_call_with(kind: FaultKind, effect: FaultEffect, lasting: bool, errno: Option<i32>) {
    let clean = FaultStore::new(Arc::new(MemoryStore::new()));
    let outcome = script(&clean);
    assert!(outcome.writes.values().all(|fate| *fate == Fate::Done));
    let calls = clean.calls(kind);
    assert!(calls > 0, "{kind:?} is never called");
    for after in 0..calls {
        let memory = MemoryStore::new();
        let store = FaultStore::new(Arc::new(memory.clone()));
        store.arm(Fault { kind, after, lasting, effect });
        if let Some(errno) = errno {
            store.set_errno(errno);
        }
        let outcome = in_time(&store);
        let what = format!("{kind:?} {after} {effect:?} lasting {lasting} errno {errno:?}");
        // The process died, and then the power went.
        check(&copy(&memory), &outcome, &what);
        check(&memory.after_power_cut(0), &outcome, &what);
        check(&memory.after_power_cut(9), &outcome, &what);
    }
}

#[test]
fn calls_that_do_nothing() {
    for kind in FaultKind::ALL {
        every_call(kind, FaultEffect::Nothing, false);
    }
}

#[test]
fn calls_that_fail_for_good() {
    for kind in FaultKind::ALL {
        every_call(kind, FaultEffect::Nothing, true);
    }
}

#[test]
fn calls_that_do_it_and_lose_the_reply() {
    for kind in FaultKind::ALL {
        every_call(kind, FaultEffect::LostReply, false);
    }
}

/// EIO, ENOSPC, EDQUOT, EINTR, EMFILE.
#[cfg(target_os = "linux")]
const ERRNOS: [i32; 5] = [5, 28, 122, 4, 24];

#[cfg(target_os = "linux")]
#[test]
fn calls_that_fail_with_every_error_number() {
    for errno in ERRNOS {
        for kind in FaultKind::ALL {
            for lasting in [false, true] {
                every_call_with(kind, FaultEffect::Nothing, lasting, Some(errno));
            }
        }
        for kind in [FaultKind::AppendWrite, FaultKind::Write] {
            every_call_with(kind, FaultEffect::Partial(20), false, Some(errno));
            every_call_with(kind, FaultEffect::LostReply, false, Some(errno));
        }
    }
}

#[test]
fn calls_that_panic() {
    for kind in FaultKind::ALL {
        every_call(kind, FaultEffect::Panic, false);
    }
}

#[test]
fn calls_that_do_it_and_panic() {
    for kind in FaultKind::ALL {
        every_call(kind, FaultEffect::LatePanic, false);
    }
}

#[test]
fn writes_that_stop_in_the_middle() {
    for bytes in [1, 20, 60] {
        every_call(FaultKind::AppendWrite, FaultEffect::Partial(bytes), false);
        every_call(FaultKind::Write, FaultEffect::Partial(bytes), false);
        every_call(FaultKind::NotePut, FaultEffect::Partial(bytes), false);
    }
}

#[test]
fn nothing_is_acknowledged_after_a_failed_rotation() {
    for kind in [FaultKind::Append, FaultKind::AppendWrite, FaultKind::AppendSync] {
        let memory = MemoryStore::new();
        let store = FaultStore::new(Arc::new(memory.clone()));
        let db = Database::open_with(Arc::new(store.clone()), quiet()).expect("a new database");
        write(&db, &[("a", 1, 1.0)]).expect("a store that works");
        store.fail(kind, 0, false);
        db.flush().expect_err("the new log does not begin");
        let acknowledged = write(&db, &[("a", 2, 1.0)]).is_ok();
        let again = Database::open_with(Arc::new(memory.after_power_cut(0)), quiet());
        let left = rows(&again.expect("it opens")).expect("the table is there").len();
        assert_eq!(left, if acknowledged { 2 } else { 1 }, "{kind:?} {acknowledged}");
    }
}
