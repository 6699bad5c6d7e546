//! Group commit: what is acknowledged is durable, whoever synced it, and nobody waits for ever.

use std::sync::Arc;
use std::time::Duration;

use crate::sync::thread;

use super::writer::{WalSync, WalWriter};
use crate::error::Error;
use crate::storage::vfs::File;
use crate::try_schedules;

const WRITERS: usize = 3;

fn writer(file: &File, sync: WalSync) -> Arc<WalWriter> {
    Arc::new(WalWriter::create(file, 1, None, 1, sync).expect("the header's sync does not fail"))
}

/// Runs `each` in threads of its own and waits for them.
fn threads(count: usize, each: impl Fn(usize) + Send + Sync + 'static) {
    let each = Arc::new(each);
    let start = |at| {
        let each = Arc::clone(&each);
        thread::spawn(move || each(at))
    };
    let running: Vec<_> = (0..count).map(start).collect();
    running.into_iter().for_each(|thread| thread.join().expect("a thread without a panic"));
}

#[test]
fn what_is_acknowledged_is_durable() {
    try_schedules("group commit", || {
        let file = File::new(None);
        let wal = writer(&file, WalSync::Full);
        let (log, disk) = (Arc::clone(&wal), file.clone());
        threads(WRITERS, move |at| {
            for record in 0..=at % 2 {
                let position = log.append(&[at as u8, record as u8]).expect("an append");
                log.wait_durable(position).expect("a sync");
                assert!(disk.durable() >= position.end, "acknowledged before it was durable");
            }
        });
        wal.close().expect("a close");
        assert_eq!(file.durable(), file.written());
    });
}

#[test]
fn nothing_is_acknowledged_past_a_failed_sync() {
    try_schedules("failed sync", || {
        // The header's is the first.
        let file = File::new(Some(3));
        let wal = writer(&file, WalSync::Full);
        let (log, disk) = (Arc::clone(&wal), file.clone());
        threads(WRITERS, move |at| {
            for _ in 0..2 {
                let Ok(position) = log.append(&[at as u8]) else {
                    assert!(log.poisoned().is_some(), "only a failure ends the log");
                    return;
                };
                match log.wait_durable(position) {
                    Ok(()) => assert!(disk.durable() >= position.end, "acknowledged and lost"),
                    Err(_) => assert!(log.append(&[0]).is_err(), "the first failure is final"),
                }
            }
        });
        let failed = wal.poisoned().is_some();
        assert_eq!(wal.close().is_err(), failed);
    });
}

#[test]
fn a_close_covers_what_was_appended() {
    try_schedules("close", || {
        let file = File::new(None);
        let wal = writer(&file, WalSync::Full);
        let (log, disk) = (Arc::clone(&wal), file.clone());
        threads(WRITERS, move |at| {
            if at == 0 {
                log.close().expect("a close");
                return;
            }
            match log.append(&[at as u8]) {
                Ok(position) => {
                    log.wait_durable(position).expect("a sync");
                    assert!(disk.durable() >= position.end);
                }
                Err(Error::Internal(_)) => {}
                Err(error) => panic!("{error}"),
            }
        });
    });
}

#[test]
fn the_interval_thread_wakes_and_ends() {
    try_schedules("interval", || {
        let file = File::new(None);
        let wal = writer(&file, WalSync::Interval(Duration::ZERO));
        let (log, disk) = (Arc::clone(&wal), file.clone());
        threads(2, move |at| {
            let position = log.append(&[at as u8]).expect("an append");
            log.wait_durable(position).expect("no wait");
            // Nobody asks for a sync: the thread must see to it.
            disk.wait(position.end);
        });
        wal.close().expect("a close");
    });
}
