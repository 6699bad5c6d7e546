//! What the mark beside a log costs: fsynced appends a second with it and without, on a real disk.
//!
//! `KYMOGRAPH_MARK_ROUNDS=20 KYMOGRAPH_MARK_DIR=/some/disk cargo test --release --test mark_cost --
//! --nocapture` has figures that mean something.

use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use kymograph::Result;
use kymograph::storage::vfs::{AppendFile, Entry, LocalStore, Store, SyncPolicy, WriteObject};
use kymograph::storage::wal::{WalEntry, WalSync, WalWriter, mark, read_entries};

/// A store that keeps no notes.
#[derive(Debug)]
struct Unmarked(LocalStore);

impl Store for Unmarked {
    fn describe(&self) -> String {
        self.0.describe()
    }
    fn read(&self, path: &str) -> Result<Bytes> {
        self.0.read(path)
    }
    fn read_range(&self, path: &str, offset: u64, len: usize) -> Result<Bytes> {
        self.0.read_range(path, offset, len)
    }
    fn size(&self, path: &str) -> Result<u64> {
        self.0.size(path)
    }
    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.0.list(prefix)
    }
    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.0.put_new(path, bytes)
    }
    fn create(&self, path: &str) -> Result<Box<dyn WriteObject>> {
        self.0.create(path)
    }
    fn delete(&self, path: &str) -> Result<()> {
        self.0.delete(path)
    }
    fn append(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        self.0.append(path)
    }
    fn is_local(&self) -> bool {
        true
    }
}

fn count(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |n| n.parse().expect("a number"))
}

/// Appends, each with its fsync, and says how many a second.
fn rate(store: &dyn Store, number: u64, appends: usize) -> f64 {
    let writer = WalWriter::create(store, number, None, 1, WalSync::Full).expect("a new log");
    let payload = WalEntry::default().encode().expect("an entry");
    let started = Instant::now();
    for _ in 0..appends {
        let position = writer.append(&payload).expect("a disk that works");
        writer.wait_durable(position).expect("a disk that works");
    }
    let rate = appends as f64 / started.elapsed().as_secs_f64();
    let read = read_entries(store, number, 0).expect("whole");
    assert_eq!(read.entries.len(), appends);
    rate
}

#[test]
fn fsynced_appends_with_a_mark_and_without() {
    let own = tempfile::tempdir().expect("a folder");
    let place = std::env::var("KYMOGRAPH_MARK_DIR").map_or(own.path().to_owned(), PathBuf::from);
    let place = place.join(format!("mark-cost-{}", std::process::id()));
    let marked = LocalStore::create(place.join("a"), SyncPolicy::Always).expect("a folder");
    let plain = LocalStore::create(place.join("b"), SyncPolicy::Always).expect("a folder");
    let plain = Unmarked(plain);
    let (rounds, appends) =
        (count("KYMOGRAPH_MARK_ROUNDS", 2), count("KYMOGRAPH_MARK_APPENDS", 100));
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..rounds as u64 {
        // By turns first, so that a disk that slows down slows both.
        for at in [round % 2, (round + 1) % 2] {
            let store: &dyn Store = if at == 0 { &marked } else { &plain };
            rates[at as usize].push(rate(store, round, appends));
        }
        let last = mark::read(&marked, round).expect("readable").durable().expect("a mark");
        assert_eq!(last.records, appends as u64);
        assert_eq!(mark::read(&plain, round).expect("readable").durable(), None);
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let [with, without] = rates;
    // Each round's own, as a disk that others use changes from round to round.
    let shares = with.iter().zip(&without).map(|(with, without)| with / without).collect();
    let puts = 10_000;
    let note = marked.note("wal/alone.durable").expect("a folder").expect("a local disk");
    let started = Instant::now();
    for _ in 0..puts {
        note.put(&[7; mark::MARK]).expect("a disk that works");
    }
    let put = started.elapsed().as_secs_f64() / f64::from(puts);
    println!(
        "{:.0} fsynced appends/s with a mark, {:.0} without; median of {rounds} rounds' shares \
         {:.3}; overwriting a mark takes {:.1} us by itself",
        median(with),
        median(without),
        median(shares),
        put * 1e6
    );
    std::fs::remove_dir_all(place).expect("it was made above");
}
