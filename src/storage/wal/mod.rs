//! The write-ahead log: what was written since the last segments, so that nothing acknowledged is
//! lost.
//!
//! ```text
//! file   := header record*                                at wal/{number:020}.wal
//! header := magic "KYWL" | version u16 | flags u16 | number u64 | crc32 u32
//! record := length u32 | crc32 u32 | sequence u64 | durable u64 | payload (`length` bytes, at least one)
//! ```
//!
//! All little-endian. The header's checksum covers what stands before it. A record's covers the
//! file's number and all of the record, so that bytes of another file or of another place never pass.
//! Sequences count the file's records from 0, `durable` is how far the file was known to be durable
//! when the record was appended. [`entry`] has the payload.
//! [`mark`] says how far the file is known to be durable: what ends before that is damaged, and no
//! write that a crash cut short.
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
pub mod mark;
pub mod reader;
pub mod record;
#[cfg(test)]
mod tests;
pub mod writer;

pub use entry::{WalBatch, WalEntry, encode_batches};
pub use mark::{Mark, Marked};
pub use reader::{
    Lost, Salvaged, Tail, WalRead, WalReader, marked_version, missing, read_entries, salvage,
};
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
    numbered(store, ".wal", path)
}

fn numbered(store: &dyn Store, suffix: &str, path: fn(u64) -> String) -> Result<Vec<u64>> {
    let entries = store.list(FOLDER)?;
    let numbers = entries.iter().filter_map(|entry| {
        let name = entry.path.strip_prefix(FOLDER)?.strip_prefix('/')?.strip_suffix(suffix)?;
        let number: u64 = name.parse().ok()?;
        (path(number) == entry.path).then_some(number)
    });
    Ok(numbers.collect())
}

/// Removes the file with this number and its mark. The mark goes first: one without its file would
/// say that the file is missing.
///
/// # Errors
/// [`crate::Error::Storage`] when the store fails.
pub fn remove(store: &dyn Store, number: u64) -> Result<()> {
    store.delete(&mark::path(number))?;
    store.delete(&path(number))
}

/// Removes the files before `number`, oldest first, and says how many: what segments cover.
///
/// # Errors
/// [`crate::Error::Storage`] when the store fails; some may be gone then.
pub fn remove_before(store: &dyn Store, number: u64) -> Result<usize> {
    let mut old = files(store)?;
    old.retain(|&n| n < number);
    for n in &old {
        remove(store, *n)?;
    }
    // A power cut may have brought a mark back, or taken the file only.
    for n in mark::numbers(store)?.into_iter().filter(|&n| n < number) {
        store.delete(&mark::path(n))?;
    }
    Ok(old.len())
}
