//! Any bytes as the mark of a log: an error or a mark that encodes to the same bytes, and beside a
//! log never a panic, nor an entry that the log does not have.

use kymograph::storage::vfs::{MemoryStore, Store};
use kymograph::storage::wal::{self, Mark, mark};

use super::super::corrupt;

/// Runs one input.
pub fn run(data: &[u8]) {
    for number in [0, 9] {
        if let Some(mark) = corrupt(Mark::decode(data, number)) {
            assert_eq!(mark.encode().as_slice(), data);
        }
    }
    let (bytes, log) = data.split_at(data.len().min(mark::MARK));
    let store = MemoryStore::new();
    store.put_new(&mark::path(9), bytes).expect("a new object");
    store.put_new(&wal::path(9), log).expect("a new object");
    let read = corrupt(wal::read_entries(&store, 9, 0));
    let salvaged = wal::salvage(&store, 9).expect("the file is there");
    if let Some(read) = read {
        // Behind a hole that a power cut left a salvage finds what an open leaves out.
        assert!(read.entries.len() <= salvaged.entries.len());
        if read.tail == wal::Tail::Clean {
            assert_eq!(read.entries.len(), salvaged.entries.len());
            assert!(salvaged.lost.is_empty());
        }
    }
    let _ = wal::missing(&store, 0).expect("a store that works");
}
