//! Any bytes as a payload and as a file of the write-ahead log: an error or entries, never a
//! panic; and what decodes survives being encoded and decoded again.

use kymograph::storage::vfs::{MemoryStore, Store};
use kymograph::storage::wal::{self, WalEntry};

/// Runs one input.
pub fn run(data: &[u8]) {
    if let Ok(entry) = WalEntry::decode(data) {
        let bytes = entry.encode().expect("what was decoded can be encoded");
        let again = WalEntry::decode(&bytes).expect("what was encoded can be decoded");
        assert_eq!(entry.batches.len(), again.batches.len());
        assert_eq!(bytes, again.encode().expect("encoding is stable"));
    }
    let store = MemoryStore::new();
    store.put_new(&wal::path(7), data).expect("a new object");
    if let Ok(read) = wal::read_entries(&store, 7, 0) {
        assert!(read.next_offset <= data.len() as u64);
    }
}
