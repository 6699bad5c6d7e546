//! The write-ahead log: what was written since the last segments, so that nothing acknowledged is
//! lost.
//!
//! ```text
//! file   := header record*                                at wal/{number:020}.wal
//! header := magic "KYWL" | version u16 | flags u16 = 0 | number u64 | crc32 u32
//! record := length u32 | crc32 u32 | sequence u64 | payload (`length` bytes, at least one)
//! ```
//!
//! All little-endian. The header's checksum covers what stands before it. A record's covers the
//! file's number, its length, its sequence and its payload, so that bytes of another file or of
//! another place never pass. Sequences count the file's records from 0. [`entry`] has the payload.
//!
//! What survives, by [`WalSync`]:
//!
//! | setting | the process dies | the power goes |
//! | --- | --- | --- |
//! | `Full` | all that was appended | all for which [`WalWriter::wait_durable`] returned |
//! | `Interval(t)` | all that was appended | all that was appended more than t (and one fsync) ago |
//! | `Os` | all that was appended | what the operating system happened to write out, a prefix |

mod bytes;
pub mod entry;
pub mod reader;
pub mod record;
#[cfg(test)]
mod tests;
pub mod writer;

pub use entry::{WalBatch, WalEntry, encode_batches};
pub use reader::{Tail, WalRead, WalReader, read_entries};
pub use record::MAX_PAYLOAD;
pub use writer::{Position, WalSync, WalWriter};

use crate::error::Result;
use crate::storage::vfs::Store;

/// The folder of the log's files.
pub const FOLDER: &str = "wal";

/// A record's place among the records of its file, from 0.
pub type Sequence = u64;

/// The path of the file with this number.
pub fn path(number: u64) -> String {
    format!("{FOLDER}/{number:020}.wal")
}

/// The numbers of the files there are, ascending.
///
/// # Errors
/// [`crate::Error::Storage`] when the store fails.
pub fn files(store: &dyn Store) -> Result<Vec<u64>> {
    let entries = store.list(FOLDER)?;
    let numbers = entries.iter().filter_map(|entry| {
        let name = entry.path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(".wal")?;
        let number: u64 = name.parse().ok()?;
        (path(number) == entry.path).then_some(number)
    });
    Ok(numbers.collect())
}

/// Removes the files before `number`, oldest first, and says how many: what segments cover.
///
/// # Errors
/// [`crate::Error::Storage`] when the store fails; some may be gone then.
pub fn remove_before(store: &dyn Store, number: u64) -> Result<usize> {
    let mut old = files(store)?;
    old.retain(|&n| n < number);
    for n in &old {
        store.delete(&path(*n))?;
    }
    Ok(old.len())
}
