//! A panic in the core is an error: it leaves no lock, no thread that is silently gone, and nothing
//! that looks whole and is not.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use common::{quiet, quiet_panics, rows, write};
use kymograph::db::{Database, Durability, Mode, Options};
use kymograph::storage::vfs::{Fault, FaultEffect, FaultKind, FaultStore, MemoryStore};
use kymograph::{Error, Result};

fn calm<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(Error::Internal("it panicked".to_owned())))
}

fn panics(store: &FaultStore, kind: FaultKind, after: u64) {
    store.arm(Fault { kind, after, lasting: false, effect: FaultEffect::Panic });
}

/// Runs a test on a thread of its own: one that hangs fails.
fn in_time(test: impl FnOnce() + Send + 'static) {
    quiet_panics();
    let (done, finished) = channel();
    let thread = std::thread::spawn(move || {
        test();
        done.send(()).expect("somebody waits");
    });
    match finished.recv_timeout(Duration::from_secs(60)) {
        Ok(()) => thread.join().expect("it is done"),
        Err(_) if thread.is_finished() => thread.join().expect("the test failed"),
        Err(error) => panic!("it hangs: {error}"),
    }
}

/// Waits until something holds.
fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_write_that_panics_in_the_log_ends_writing_and_says_so() {
    in_time(|| {
        for kind in [FaultKind::AppendWrite, FaultKind::AppendSync] {
            let memory = MemoryStore::new();
            let store = FaultStore::new(Arc::new(memory.clone()));
            let db = Database::open_with(Arc::new(store.clone()), quiet()).expect("a new database");
            write(&db, &[("a", 1, 1.0)]).expect("a store that works");
            panics(&store, kind, 0);
            calm(|| write(&db, &[("a", 2, 2.0)])).expect_err("the panic");
            // Nobody knows what is in the log, and every later write says so.
            for _ in 0..2 {
                let error = write(&db, &[("a", 3, 3.0)]).expect_err("it takes no more");
                assert!(error.to_string().contains("open it again"), "{error}");
            }
            db.flush().expect_err("nor a flush");
            assert!(!rows(&db).expect("what was acknowledged").is_empty());
            calm(|| db.close()).expect_err("the close says so too");
            drop(db);
            let db = Database::open_with(Arc::new(memory), quiet()).expect("it opens");
            let left = rows(&db).expect("rows").len();
            assert!(left == 1 || left == 2, "{left}");
        }
    });
}

#[test]
fn writers_that_wait_for_an_fsync_that_panics_are_told() {
    in_time(|| {
        let memory = MemoryStore::new();
        let store = FaultStore::new(Arc::new(memory.clone()));
        let db = Database::open_with(Arc::new(store.clone()), quiet()).expect("a new database");
        write(&db, &[("a", 0, 1.0)]).expect("a store that works");
        panics(&store, FaultKind::AppendSync, 20);
        let acknowledged: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8i64)
                .map(|thread| {
                    let db = &db;
                    scope.spawn(move || {
                        let times = (0..40).map(|i| 1 + thread * 1000 + i);
                        times.filter(|t| calm(|| write(db, &[("a", *t, 1.0)])).is_ok()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().expect("nobody hangs")).sum()
        });
        assert!(acknowledged < 320, "the panic never came");
        drop(db);
        let db = Database::open_with(Arc::new(memory.after_power_cut(0)), quiet()).expect("opens");
        let left = rows(&db).expect("rows").len();
        assert!(left > acknowledged, "{acknowledged} acknowledged, {left} left");
    });
}

#[test]
fn an_interval_whose_fsync_panics_ends_writing() {
    in_time(|| {
        let memory = MemoryStore::new();
        let store = FaultStore::new(Arc::new(memory.clone()));
        let durability = Some(Durability::Interval(Duration::from_millis(2)));
        let options = Options { durability, ..quiet() };
        let db = Database::open_with(Arc::new(store.clone()), options).expect("a new database");
        write(&db, &[("a", 1, 1.0)]).expect("a store that works");
        panics(&store, FaultKind::AppendSync, 0);
        until("a write is refused", || calm(|| write(&db, &[("a", 2, 2.0)])).is_err());
        let error = write(&db, &[("a", 3, 3.0)]).expect_err("from then on");
        assert!(error.to_string().contains("open it again"), "{error}");
        calm(|| db.close()).expect_err("the close says so too");
    });
}

#[test]
fn the_background_survives_what_it_meets_and_tells() {
    in_time(|| {
        let started = Instant::now();
        for effect in [FaultEffect::Panic, FaultEffect::Nothing] {
            let memory = MemoryStore::new();
            let store = FaultStore::new(Arc::new(memory.clone()));
            let options = Options {
                background: true,
                flush_age: Duration::ZERO,
                threads: 1,
                ..Options::default()
            };
            let db = Database::open_with(Arc::new(store.clone()), options).expect("a new database");
            assert_eq!(db.stats().expect("figures").background_error, None);
            store.arm(Fault { kind: FaultKind::Create, after: 0, lasting: false, effect });
            write(&db, &[("a", 1, 1.0)]).expect("it goes to the log");
            until("the failure shows", || db.stats().expect("figures").background_failures == 1);
            let (text, when) = db.stats().expect("figures").background_error.expect("the last");
            assert!(text.contains("injected"), "{text}");
            assert_eq!(text.contains("panic"), effect == FaultEffect::Panic, "{text}");
            assert!(when > 1_600_000_000_000_000_000);
            // The next round does what this one could not.
            until("the rows are flushed", || db.stats().expect("figures").head_rows == 0);
            assert_eq!(rows(&db).expect("rows").len(), 1);
            write(&db, &[("a", 2, 1.0)]).expect("and it goes on");
            db.close().expect("nothing is left of it");
        }
        println!("{:.1?}", started.elapsed());
    });
}

#[test]
fn the_writers_lock_is_free_after_a_panic() {
    in_time(|| {
        for kind in FaultKind::ALL {
            let dir = tempfile::tempdir().expect("a folder");
            let memory = MemoryStore::new();
            let store = FaultStore::new(Arc::new(memory.clone()));
            let open = |store: &FaultStore| {
                Database::open_locked_with(Arc::new(store.clone()), dir.path(), quiet())
            };
            // In the open itself,
            panics(&store, kind, 0);
            drop(calm(|| open(&store)));
            store.disarm();
            // in whatever comes after it,
            let db = open(&store).expect("the lock is free");
            write(&db, &[("a", 1, 1.0)]).expect("a store that works");
            panics(&store, kind, 0);
            drop(calm(|| write(&db, &[("a", 2, 1.0)])));
            drop(calm(|| db.compact()));
            drop(calm(|| rows(&db)));
            // and in the close, which gives it back all the same.
            store.disarm();
            panics(&store, kind, 0);
            drop(calm(|| db.close()));
            store.disarm();
            let again = open(&store).expect("the lock is free");
            assert!(!rows(&again).expect("rows").is_empty());
            drop((db, again));
            open(&store).expect("the lock is free");
        }
    });
}

#[test]
fn a_live_reader_that_panics_reads_anew() {
    in_time(|| {
        let memory = MemoryStore::new();
        let db = Database::open_with(Arc::new(memory.clone()), quiet()).expect("a new database");
        write(&db, &[("a", 1, 1.0)]).expect("a store that works");
        for after in 0..40 {
            let store = FaultStore::new(Arc::new(memory.clone()));
            let options = Options { mode: Mode::Read, ..quiet() };
            let reader = Database::open_with(Arc::new(store.clone()), options).expect("a reader");
            let before = rows(&reader).expect("rows").len();
            write(&db, &[("a", 2 + after, 1.0)]).expect("a store that works");
            for kind in [FaultKind::Read, FaultKind::List] {
                panics(&store, kind, after as u64 % 8);
            }
            drop(calm(|| rows(&reader)));
            drop(calm(|| rows(&reader)));
            store.disarm();
            assert_eq!(rows(&reader).expect("rows").len(), before + 1, "{after}");
        }
    });
}
