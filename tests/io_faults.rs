//! Every call of the disk beneath a local store fails, once and for good, in every way that Linux
//! has: no panic, no hang, nothing acknowledged is lost, and the error says what it was.

#![cfg(target_os = "linux")]

mod common;
mod harness;

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::faults::{self, FAILURES, open};
use harness::model::{self, Change};
use harness::watch::Watchdog;
use harness::{number, seed};
use kymograph::storage::vfs::simulated::{Call, Dice, DiskFault, Failure, SimulatedDisk};

#[test]
fn every_call_fails_in_every_way() {
    let stride = number("KYMOGRAPH_FAULT_STRIDE", 23);
    let seed = seed("KYMOGRAPH_FAULT_SEED");
    let watchdog = Watchdog::start();
    let (mut at, mut tried) = (seed % stride, 0u64);
    let mut calls: Vec<_> = faults::calls().into_iter().collect();
    calls.sort_by_key(|(call, _)| format!("{call:?}"));
    println!("calls of the script: {calls:?}");
    for (call, count) in calls {
        for failure in FAILURES {
            if failure == Failure::Short && !matches!(call, Call::Read | Call::Write) {
                continue;
            }
            for lasting in [false, true] {
                for after in 0..count {
                    at += 1;
                    if at % stride != 0 {
                        continue;
                    }
                    let fault = DiskFault { call, after, lasting, failure };
                    watchdog.step(format!("{fault:?}"));
                    faults::scenario(fault).unwrap_or_else(|what| panic!("{fault:?}: {what}"));
                    tried += 1;
                }
            }
        }
    }
    println!("{tried} failures, one call in {stride}");
    assert!(tried > 0);
}

#[test]
fn signals_and_short_calls_are_no_failures() {
    for (call, failure) in [
        (Call::Write, Failure::Short),
        (Call::Read, Failure::Short),
        (Call::Write, Failure::Errno(4)),
        (Call::Read, Failure::Errno(4)),
    ] {
        let disk = SimulatedDisk::new();
        for after in 0..60 {
            disk.arm(DiskFault { call, after, lasting: false, failure });
        }
        if failure == Failure::Short {
            disk.arm(DiskFault { call, after: 0, lasting: true, failure });
        }
        let (db, _) = open(&disk).expect("an open");
        for value in 0..40 {
            let rows = (0..20).map(|i| (0, value * 20 + i, (value * 20 + i) as u64)).collect();
            model::apply(&db, &Change::Write { table: 0, rows }).expect("a write");
        }
        db.flush().expect("a flush");
        assert_eq!(model::found(&db).expect("a read")[0].len(), 800, "{call:?} {failure:?}");
    }
}

#[test]
fn a_failed_fsync_ends_the_log_for_every_writer_and_is_not_tried_again() {
    for round in 0..number("KYMOGRAPH_FSYNC_ROUNDS", 20) {
        let disk = SimulatedDisk::new();
        let (db, _) = open(&disk).expect("an open");
        model::apply(&db, &Change::Write { table: 0, rows: vec![(0, 0, 0)] }).expect("a write");
        let (call, failure) = (Call::Sync, Failure::Errno(5));
        disk.arm(DiskFault { call, after: 1 + round % 7, lasting: false, failure });
        let (barrier, failed) = (Barrier::new(16), AtomicU64::new(0));
        let acknowledged: HashSet<u64> = std::thread::scope(|scope| {
            let writer = |thread: u64| {
                let (db, barrier, failed) = (db.clone(), &barrier, &failed);
                scope.spawn(move || {
                    barrier.wait();
                    let mut acknowledged = Vec::new();
                    for number in 0..100_000 {
                        let value = 1 + thread * 100_000 + number;
                        let rows = vec![(0, value as i64, value)];
                        match model::apply(&db, &Change::Write { table: 0, rows }) {
                            Ok(()) => acknowledged.push(value),
                            Err(error) => {
                                let text = error.to_string();
                                assert!(text.contains("takes no more writes"), "{text}");
                                assert!(text.contains("Input/output error"), "{text}");
                                failed.fetch_add(1, Ordering::Relaxed);
                                break;
                            }
                        }
                    }
                    acknowledged
                })
            };
            let writers: Vec<_> = (0..16).map(writer).collect();
            writers.into_iter().flat_map(|w| w.join().expect("no panic")).collect()
        });
        assert_eq!(failed.into_inner(), 16, "every waiter is told");
        let syncs = disk.calls(Call::Sync);
        for _ in 0..50 {
            let rows = vec![(0, 0, 1)];
            model::apply(&db, &Change::Write { table: 0, rows }).expect_err("it is poisoned");
            db.flush().expect_err("it is poisoned");
        }
        drop(db.close());
        assert_eq!(disk.calls(Call::Sync), syncs, "nothing is synced again");
        let left = disk.after_cut(&mut Dice::new(round));
        let (db, _) = open(&left).expect("an open");
        let found: HashSet<u64> =
            model::found(&db).expect("a read")[0].iter().map(|row| row.2).collect();
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }
}

#[test]
fn errors_say_what_the_system_said() {
    for (errno, parts) in [
        (28, ["the disk is full", "No space left"]),
        (122, ["quota", "quota exceeded"]),
        (24, ["log", "Too many open files"]),
        (5, ["log", "Input/output error"]),
    ] {
        let disk = SimulatedDisk::new();
        let (db, _) = open(&disk).expect("an open");
        let call = if errno == 24 { Call::Create } else { Call::Write };
        let failure = Failure::Errno(errno);
        model::apply(&db, &Change::Write { table: 0, rows: vec![(0, 1, 1)] }).expect("a write");
        disk.arm(DiskFault { call, after: 0, lasting: true, failure });
        let error = match call {
            Call::Create => db.flush().expect_err("no new log"),
            _ => model::apply(&db, &Change::Write { table: 0, rows: vec![(0, 2, 2)] })
                .expect_err("no room"),
        };
        let text = error.to_string();
        let lower = text.to_lowercase();
        if errno == 24 {
            assert!(lower.contains("too many open files"), "{text}");
            continue;
        }
        for part in parts {
            assert!(lower.contains(&part.to_lowercase()), "{part:?} in {text}");
        }
        disk.disarm();
        let again = model::apply(&db, &Change::Write { table: 0, rows: vec![(0, 3, 3)] });
        // A full disk harms nothing; whatever else failed leaves the log in doubt.
        assert_eq!(again.is_ok(), matches!(errno, 28 | 122), "{errno}: {again:?}");
    }
}
