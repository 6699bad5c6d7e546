//! Writers: order, group commit, and what every fault leaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::error::Error;
use crate::storage::vfs::{
    AppendFile, Entry, Fault, FaultEffect, FaultKind, FaultStore, LocalStore, MemoryStore, Store,
    SyncPolicy, WriteObject,
};

fn payload(seed: i64) -> Vec<u8> {
    sample(seed).encode().unwrap()
}

/// The entries in the store are the samples 0, 1, 2, ...; says how many.
fn count(store: &dyn Store, number: u64) -> u64 {
    let read = read_entries(store, number, 0).unwrap();
    for (i, (sequence, entry)) in (0..).zip(&read.entries) {
        assert_eq!(*sequence, i);
        assert_eq!(canonical(entry), canonical(&sample(i as i64)));
    }
    read.entries.len() as u64
}

#[test]
fn files_are_written_listed_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::create(dir.path(), SyncPolicy::Always).unwrap();
    for number in [1, 2, 10] {
        let writer = WalWriter::create(&store, number, None, 1, WalSync::Full).unwrap();
        assert!(writer.is_empty());
        for i in 0..3 {
            let position = writer.append(&payload(i)).unwrap();
            assert_eq!((position.number, position.sequence), (number, i as u64));
            writer.wait_durable(position).unwrap();
        }
        writer.close().unwrap();
        assert!(matches!(writer.append(&payload(3)), Err(Error::Internal(_))));
        assert_eq!(count(&store, number), 3);
    }
    let taken = WalWriter::create(&store, 2, None, 1, WalSync::Full).unwrap_err();
    assert!(matches!(taken, Error::Conflict(_)));
    assert_eq!(files(&store).unwrap(), [1, 2, 10]);
    assert_eq!(remove_before(&store, 10).unwrap(), 2);
    assert_eq!(files(&store).unwrap(), [10]);
}

#[test]
fn a_payload_that_does_not_fit_harms_nothing() {
    let store = MemoryStore::new();
    let writer = WalWriter::create(&store, 1, None, 1, WalSync::Full).unwrap();
    assert!(matches!(writer.append(&[]), Err(Error::Internal(_))));
    let large = vec![0; MAX_PAYLOAD + 1];
    let error = writer.append(&large).unwrap_err();
    assert!(matches!(error, Error::LimitExceeded(_)), "{error}");
    writer.append(&payload(0)).unwrap();
    assert_eq!(count(&store, 1), 1);
}

/// Every fault at every call, of every kind and effect: what was acknowledged survives a power
/// cut, what is read is a prefix of what was appended, and the writer takes nothing more.
#[test]
fn every_fault_leaves_a_prefix_with_all_that_was_acknowledged() {
    let effects = [
        FaultEffect::Nothing,
        FaultEffect::Partial(0),
        FaultEffect::Partial(7),
        FaultEffect::Partial(100),
        FaultEffect::LostReply,
    ];
    for kind in [FaultKind::AppendWrite, FaultKind::AppendSync] {
        for effect in effects {
            for after in 0..7 {
                let memory = MemoryStore::new();
                let store = FaultStore::new(Arc::new(memory.clone()));
                store.arm(Fault { kind, after, lasting: false, effect });
                let what = format!("{kind:?} {effect:?} {after}");
                let (mut appended, mut acknowledged) = (0, 0);
                let mut failed = false;
                match WalWriter::create(&store, 1, None, 1, WalSync::Full) {
                    Err(e) => {
                        assert!(matches!(e, Error::Storage { .. }) && after == 0, "{what}: {e}");
                        failed = true;
                    }
                    Ok(writer) => {
                        for i in 0..6 {
                            let outcome = writer.append(&payload(i)).and_then(|position| {
                                appended += 1;
                                writer.wait_durable(position)
                            });
                            match outcome {
                                Ok(()) if !failed => acknowledged += 1,
                                Ok(()) => panic!("{what}: a write went through after a failure"),
                                Err(e) => {
                                    assert!(e.to_string().contains("open it again"), "{what}: {e}");
                                    failed = true;
                                }
                            }
                        }
                        assert_eq!(writer.poisoned().is_some(), failed, "{what}");
                        assert_eq!(writer.close().is_err(), failed, "{what}");
                    }
                }
                assert_eq!(failed, after < 7, "{what}");
                for unsynced in [0, 1, 16, 50, usize::MAX] {
                    let left = memory.after_power_cut(unsynced);
                    let there = count(&left, 1);
                    assert!(there >= acknowledged, "{what}: {there} of {acknowledged}");
                    assert!(there <= appended + 1, "{what}: {there} of {appended}");
                }
            }
        }
    }
}

#[test]
fn eight_threads_share_fsyncs_and_lose_nothing() {
    for sync in [WalSync::Full, WalSync::Interval(Duration::from_millis(1)), WalSync::Os] {
        let memory = MemoryStore::new();
        let slow = SlowSync { inner: memory.clone(), syncs: Arc::default() };
        let writer = WalWriter::create(&slow, 1, None, 1, sync).unwrap();
        let positions: Vec<Vec<Position>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let (writer, memory) = (&writer, &memory);
                    scope.spawn(move || {
                        let write = |i: i64| {
                            let position = writer.append(&payload(thread * 100 + i)).unwrap();
                            writer.wait_durable(position).unwrap();
                            if sync == WalSync::Full {
                                let left = memory.after_power_cut(0).size(&path(1)).unwrap();
                                assert!(left >= position.end, "acknowledged before it was synced");
                            }
                            position
                        };
                        (0..25).map(write).collect()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        writer.close().unwrap();
        let syncs = slow.syncs.load(Ordering::Relaxed);
        match sync {
            WalSync::Full => assert!((25..150).contains(&syncs), "{syncs} fsyncs of 200 writes"),
            WalSync::Interval(_) => assert!(syncs >= 2, "{syncs}"),
            WalSync::Os => assert_eq!(syncs, 0),
        }
        let read = read_entries(&memory, 1, 0).unwrap();
        assert_eq!((read.entries.len(), read.tail), (200, Tail::Clean));
        for (thread, positions) in (0..).zip(&positions) {
            assert!(positions.is_sorted());
            for (i, position) in (0..).zip(positions) {
                let (sequence, entry) = &read.entries[position.sequence as usize];
                assert_eq!(*sequence, position.sequence);
                assert_eq!(canonical(entry), canonical(&sample(thread * 100 + i)));
            }
        }
    }
}

#[test]
fn a_failed_fsync_reaches_every_waiter() {
    for after in 1..6 {
        let memory = MemoryStore::new();
        let slow = SlowSync { inner: memory.clone(), syncs: Arc::default() };
        let store = FaultStore::new(Arc::new(slow));
        store.fail(FaultKind::AppendSync, after, false);
        let writer = WalWriter::create(&store, 1, None, 1, WalSync::Full).unwrap();
        let acknowledged = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (writer, acknowledged) = (&writer, &acknowledged);
                scope.spawn(move || {
                    for i in 0..200 {
                        let position = match writer.append(&payload(thread * 1000 + i)) {
                            Ok(position) => position,
                            Err(e) => return assert!(matches!(e, Error::Storage { .. })),
                        };
                        match writer.wait_durable(position) {
                            Ok(()) => acknowledged.fetch_max(position.end, Ordering::Relaxed),
                            Err(e) => return assert!(matches!(e, Error::Storage { .. })),
                        };
                    }
                    panic!("thread {thread} met no failure");
                });
            }
        });
        // The fsync is not tried again.
        assert_eq!(store.calls(FaultKind::AppendSync), after + 1);
        let left = memory.after_power_cut(0).size(&path(1)).unwrap();
        assert!(left >= acknowledged.load(Ordering::Relaxed));
        assert!(writer.sync().is_err() && writer.close().is_err());
        assert_eq!(store.calls(FaultKind::AppendSync), after + 1);
    }
}

#[test]
fn an_interval_syncs_in_time_and_only_when_there_is_something() {
    let memory = MemoryStore::new();
    let slow = SlowSync { inner: memory.clone(), syncs: Arc::default() };
    let every = Duration::from_millis(30);
    let writer = WalWriter::create(&slow, 1, None, 1, WalSync::Interval(every)).unwrap();
    std::thread::sleep(every * 3);
    assert_eq!(slow.syncs.load(Ordering::Relaxed), 1, "nothing but the header to sync");
    let begun = Instant::now();
    for i in 0..3 {
        let position = writer.append(&payload(i)).unwrap();
        writer.wait_durable(position).unwrap();
    }
    let durable = || count(&memory.after_power_cut(0), 1);
    assert!(durable() < 3 || begun.elapsed() >= every, "no wait for an fsync");
    while durable() < 3 {
        assert!(begun.elapsed() < Duration::from_secs(20), "no fsync came");
        std::thread::sleep(Duration::from_millis(1));
    }
    // What is left at the end is synced by closing, or by being dropped.
    writer.append(&payload(3)).unwrap();
    writer.close().unwrap();
    assert_eq!(durable(), 4);
    let writer =
        WalWriter::create(&slow, 2, None, 1, WalSync::Interval(Duration::from_secs(3600))).unwrap();
    writer.append(&payload(0)).unwrap();
    drop(writer);
    assert_eq!(count(&memory.after_power_cut(0), 2), 1);
}

#[test]
fn a_failure_in_the_background_reaches_the_next_call() {
    let store = FaultStore::new(Arc::new(MemoryStore::new()));
    store.fail(FaultKind::AppendSync, 1, false);
    let interval = WalSync::Interval(Duration::from_millis(1));
    let writer = WalWriter::create(&store, 1, None, 1, interval).unwrap();
    let position = writer.append(&payload(0)).unwrap();
    let begun = Instant::now();
    while writer.poisoned().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the failure was swallowed");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(matches!(writer.append(&payload(1)), Err(Error::Storage { .. })));
    assert!(matches!(writer.wait_durable(position), Err(Error::Storage { .. })));
    assert!(matches!(writer.close(), Err(Error::Storage { .. })));
}

/// A store whose fsync takes a while, as a disk's does, and is counted.
#[derive(Debug)]
struct SlowSync {
    inner: MemoryStore,
    syncs: Arc<AtomicU64>,
}

#[derive(Debug)]
struct SlowFile {
    inner: Box<dyn AppendFile>,
    syncs: Arc<AtomicU64>,
}

impl AppendFile for SlowFile {
    fn write(&self, bytes: &[u8]) -> crate::Result<()> {
        self.inner.write(bytes)
    }

    fn sync(&self) -> crate::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
        self.inner.sync()
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}

impl Store for SlowSync {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn read(&self, path: &str) -> crate::Result<::bytes::Bytes> {
        self.inner.read(path)
    }

    fn read_range(&self, path: &str, offset: u64, len: usize) -> crate::Result<::bytes::Bytes> {
        self.inner.read_range(path, offset, len)
    }

    fn size(&self, path: &str) -> crate::Result<u64> {
        self.inner.size(path)
    }

    fn list(&self, prefix: &str) -> crate::Result<Vec<Entry>> {
        self.inner.list(prefix)
    }

    fn put_new(&self, path: &str, bytes: &[u8]) -> crate::Result<()> {
        self.inner.put_new(path, bytes)
    }

    fn create(&self, path: &str) -> crate::Result<Box<dyn WriteObject>> {
        self.inner.create(path)
    }

    fn delete(&self, path: &str) -> crate::Result<()> {
        self.inner.delete(path)
    }

    fn append(&self, path: &str) -> crate::Result<Box<dyn AppendFile>> {
        let inner = self.inner.append(path)?;
        Ok(Box::new(SlowFile { inner, syncs: self.syncs.clone() }))
    }

    fn is_local(&self) -> bool {
        true
    }
}
