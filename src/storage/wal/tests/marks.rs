//! Marks: what they say, what is none, and what a log that ends before its own reads as.

use super::*;
use crate::error::Error;
use crate::storage::vfs::{FaultKind, FaultStore, MemoryStore, Store};
use crate::storage::wal::mark::{self, MARK};
use std::sync::Arc;
use std::time::Duration;

fn sample_mark() -> Mark {
    Mark { number: 9, after: Some(7), end: 1234, records: 5, version: 11 }
}

#[test]
fn a_mark_comes_back_and_any_flipped_bit_is_told() {
    let bytes = sample_mark().encode();
    assert_eq!(Mark::decode(&bytes, 9).unwrap(), sample_mark());
    let first = Mark { number: 0, after: None, end: 20, records: 0, version: 1 };
    assert_eq!(Mark::decode(&first.encode(), 0).unwrap(), first);
    for bit in 0..8 * MARK {
        let mut damaged = bytes;
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(Mark::decode(&damaged, 9), Err(Error::Corrupt(_))), "bit {bit}");
    }
    for len in 0..MARK {
        assert!(Mark::decode(&bytes[..len], 9).is_err(), "{len} bytes");
    }
    assert!(Mark::decode(&[&bytes[..], &[0]].concat(), 9).is_err());
    assert!(Mark::decode(&bytes, 8).is_err(), "another file's");
}

#[test]
fn positions_that_cannot_be_are_no_mark() {
    for wrong in [
        Mark { end: 19, records: 0, ..sample_mark() },
        Mark { end: 20, records: 1, ..sample_mark() },
        Mark { records: u64::MAX, ..sample_mark() },
        Mark { after: Some(9), ..sample_mark() },
    ] {
        assert!(Mark::decode(&wrong.encode(), 9).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_golden_mark_reads_and_writes_the_same() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mark/v1.durable");
    let bytes = sample_mark().encode();
    if std::env::var_os("KYMOGRAPH_BLESS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(golden).parent().unwrap()).unwrap();
        std::fs::write(golden, bytes).unwrap();
    }
    assert_eq!(std::fs::read(golden).unwrap(), bytes);
}

#[test]
fn a_mark_follows_each_fsync_and_never_leads() {
    let store = MemoryStore::new();
    let marked = |store: &dyn Store| mark::read(store, 3).unwrap().durable();
    let writer = WalWriter::create(&store, 3, Some(1), 1, WalSync::Full).unwrap();
    let header = Mark { number: 3, after: Some(1), end: 20, records: 0, version: 1 };
    assert_eq!(marked(&store), Some(header));
    for records in 1..5 {
        let position = writer.append(&sample(1).encode().unwrap()).unwrap();
        let before = marked(&store).unwrap();
        assert_eq!(before.records, records - 1, "no fsync, no mark");
        writer.wait_durable(position).unwrap();
        assert_eq!(marked(&store), Some(Mark { end: position.end, records, ..header }));
        // What a power cut leaves goes at least as far as the mark that it leaves.
        let left = store.after_power_cut(0);
        assert_eq!(read_entries(&left, 3, 0).unwrap().entries.len() as u64, records);
    }
    writer.committed(2);
    assert_eq!(marked(&store).unwrap().version, 2);
    let os = MemoryStore::new();
    let writer = WalWriter::create(&os, 3, None, 1, WalSync::Os).unwrap();
    writer.append(&sample(1).encode().unwrap()).unwrap();
    writer.close().unwrap();
    assert_eq!(mark::read(&os, 3).unwrap(), Marked::Nothing, "nothing of it is known");
    let timed = MemoryStore::new();
    let every = WalSync::Interval(Duration::from_secs(3600));
    let writer = WalWriter::create(&timed, 3, None, 1, every).unwrap();
    writer.append(&sample(1).encode().unwrap()).unwrap();
    assert_eq!(marked(&timed).unwrap().records, 0);
    writer.sync().unwrap();
    assert_eq!(marked(&timed).unwrap().records, 1);
}

#[test]
fn a_log_that_ends_before_its_mark_is_corrupt_and_one_that_ends_behind_it_is_torn() {
    let store = MemoryStore::new();
    let writer = WalWriter::create(&store, 3, None, 1, WalSync::Full).unwrap();
    let mut ends = vec![writer.len()];
    for i in 0..3 {
        let position = writer.append(&sample(i).encode().unwrap()).unwrap();
        writer.wait_durable(position).unwrap();
        ends.push(position.end);
    }
    let bytes = store.read(&path(3)).unwrap();
    for (records, &end) in ends.iter().enumerate() {
        let mark =
            Mark { number: 3, after: None, end, records: records as u64, version: 1 }.encode();
        for len in 0..=bytes.len() {
            let left = MemoryStore::new();
            left.put_new(&path(3), &bytes[..len]).unwrap();
            left.put_new(&mark::path(3), &mark).unwrap();
            match read_entries(&left, 3, 0) {
                Ok(read) => {
                    assert!(len as u64 >= end, "{len} bytes, {records} marked");
                    assert!(read.entries.len() >= records);
                }
                Err(Error::Corrupt(message)) => {
                    assert!((len as u64) < end, "{len} bytes, {records} marked: {message}");
                    assert!(message.contains("acknowledged"), "{message}");
                }
                Err(error) => panic!("{error}"),
            }
            let salvaged = salvage(&left, 3).unwrap();
            let whole = ends.iter().skip(1).filter(|&&end| end <= len as u64).count();
            assert_eq!(salvaged.entries.len(), whole, "{len}");
            assert_eq!(salvaged.lost.is_empty(), len as u64 >= end, "{len}");
        }
    }
}

#[test]
fn a_mark_that_cannot_be_written_costs_no_record() {
    let memory = MemoryStore::new();
    let store = FaultStore::new(Arc::new(memory.clone()));
    let writer = WalWriter::create(&store, 3, None, 1, WalSync::Full).unwrap();
    store.fail(FaultKind::NotePut, 0, true);
    let position = writer.append(&sample(1).encode().unwrap()).unwrap();
    writer.wait_durable(position).unwrap();
    assert!(writer.poisoned().is_none());
    assert_eq!(mark::read(&memory, 3).unwrap().durable().unwrap().records, 0);
}

#[test]
fn a_file_and_its_mark_go_together() {
    let store = MemoryStore::new();
    for number in 1..4 {
        drop(WalWriter::create(&store, number, None, 1, WalSync::Full).unwrap());
    }
    assert_eq!(
        (files(&store).unwrap(), mark::numbers(&store).unwrap()),
        (vec![1, 2, 3], vec![1, 2, 3])
    );
    // A mark whose file is gone goes as well.
    store.delete(&path(1)).unwrap();
    assert_eq!(remove_before(&store, 3).unwrap(), 1);
    assert_eq!((files(&store).unwrap(), mark::numbers(&store).unwrap()), (vec![3], vec![3]));
}

#[test]
fn salvage_goes_on_behind_a_damaged_record() {
    let store = MemoryStore::new();
    let writer = WalWriter::create(&store, 9, None, 1, WalSync::Full).unwrap();
    let mut ends = vec![20];
    for i in 0..4 {
        let position = writer.append(&sample(i).encode().unwrap()).unwrap();
        writer.wait_durable(position).unwrap();
        ends.push(position.end as usize);
    }
    let bytes = store.read(&path(9)).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 8;
        store.overwrite(&path(9), &damaged);
        let salvaged = salvage(&store, 9).unwrap();
        let hit = ends.iter().filter(|&&end| end <= at).count().checked_sub(1);
        let kept: Vec<u64> = salvaged.entries.iter().map(|(sequence, _)| *sequence).collect();
        let expected: Vec<u64> = (0..4).filter(|i| Some(*i as usize) != hit).collect();
        assert_eq!(kept, expected, "byte {at}");
        for (sequence, entry) in &salvaged.entries {
            assert_eq!(canonical(entry), canonical(&sample(*sequence as i64)));
        }
        let [lost] = salvaged.lost.as_slice() else { panic!("byte {at}: {:?}", salvaged.lost) };
        assert_eq!(lost.records, Some(u64::from(hit.is_some())), "byte {at}");
    }
}
