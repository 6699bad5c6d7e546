//! The one seam through which every file and every object is reached, so that faults can be
//! injected beneath everything.
//!
//! A [`Store`] is a database's prefix: a directory, an object-store prefix or memory. Objects are
//! immutable once visible; only a [`AppendFile`] (the write-ahead log) grows. Paths are relative,
//! with `/` between their parts: see [`check_path`].

pub mod disk;
#[cfg(any(test, feature = "testing"))]
pub mod fault;
pub mod local;
pub mod memory;
pub mod open;
pub mod remote;
mod reserve;
#[cfg(any(test, feature = "testing"))]
pub mod simulated;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use bytes::Bytes;

use crate::error::{Error, Result};

#[cfg(any(test, feature = "testing"))]
pub use fault::{Fault, FaultEffect, FaultKind, FaultStore};
pub use local::{LocalStore, SyncPolicy};
pub use memory::MemoryStore;
pub use open::{StoreOptions, open_url};
pub(crate) use remote::back_off;
pub use remote::{Patience, RemoteStore};

/// An object that a listing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the store.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A place for a database's objects; every call may come from any thread.
pub trait Store: Send + Sync + Debug {
    /// Where the objects are, for messages.
    fn describe(&self) -> String;

    /// The whole object.
    ///
    /// # Errors
    /// [`Error::NotFound`] when absent.
    fn read(&self, path: &str) -> Result<Bytes>;

    /// The `len` bytes from `offset`, exactly; nothing is allocated before the range is known to
    /// lie inside the object.
    ///
    /// # Errors
    /// [`Error::NotFound`] when absent, [`Error::Corrupt`] when the object ends before the range.
    fn read_range(&self, path: &str, offset: u64, len: usize) -> Result<Bytes>;

    /// The object's size in bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`] when absent.
    fn size(&self, path: &str) -> Result<u64>;

    /// When the object was made, by the store's own clock: nanoseconds since 1970, UTC, as exact
    /// as the store tells it (a second on S3). A store that cannot tell says `i64::MAX`, so that
    /// nothing on it ever counts as old.
    ///
    /// # Errors
    /// [`Error::NotFound`] when absent.
    fn modified(&self, path: &str) -> Result<i64> {
        self.size(path).map(|_| i64::MAX)
    }

    /// Every object in the folder `prefix` and below it, sorted by path; `""` is everything, and
    /// a folder that isn't there is empty.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails.
    fn list(&self, prefix: &str) -> Result<Vec<Entry>>;

    /// Makes an object that must not exist yet: atomic, and durable on return.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it exists. After an [`Error::Storage`] it may or may not exist.
    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()>;

    /// Starts an object that is written in pieces, and that replaces any object at `path` when it
    /// is finished.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails.
    fn create(&self, path: &str) -> Result<Box<dyn WriteObject>>;

    /// Removes an object; that it is absent is fine.
    ///
    /// In this process its bytes are gone at once, so the caller waits until no snapshot names the
    /// object. Another process keeps reading what it holds open.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails.
    fn delete(&self, path: &str) -> Result<()>;

    /// Starts a file that grows: the write-ahead log.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it exists, [`Error::InvalidArgument`] on a remote store.
    fn append(&self, path: &str) -> Result<Box<dyn AppendFile>>;

    /// Starts a small file whose few bytes are overwritten in place, over one that is there; `None`
    /// where the store keeps no such files. For what may be lost and must never lie: see
    /// [`NoteFile`].
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails.
    fn note(&self, path: &str) -> Result<Option<Box<dyn NoteFile>>> {
        check_path(path)?;
        Ok(None)
    }

    /// Keeps an object under a second path too, which must be free: durable on return.
    ///
    /// # Errors
    /// [`Error::NotFound`] when absent, [`Error::Conflict`] when the second path is taken.
    fn keep_as(&self, path: &str, second: &str) -> Result<()> {
        self.put_new(second, &self.read(path)?)
    }

    /// Whether [`Self::append`] works, and whether the reply to a call is never lost.
    fn is_local(&self) -> bool;

    /// Removes what the unfinished writes of a crashed writer left behind. The caller holds the
    /// writer lock.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails.
    fn remove_stray(&self) -> Result<()> {
        Ok(())
    }

    /// Makes what is there durable, for a writer that is about to build on it: a writer before it
    /// may have died, or promised less, between a write and its fsync. The caller holds the writer
    /// lock.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// Whether there is so little room that only what frees some should be written.
    fn is_full(&self) -> bool {
        false
    }
}

/// An object on its way; dropped before [`WriteObject::finish`] nothing of it becomes visible.
pub trait WriteObject: Send + Debug {
    /// Appends bytes.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails; the object cannot be finished after that.
    fn write_all(&mut self, bytes: &[u8]) -> Result<()>;

    /// How many bytes have been written.
    fn len(&self) -> u64;

    /// Whether nothing has been written.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the object visible in one step, and durable on return.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails; the object may or may not be visible then.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// A file that only grows. Writes come one at a time, and a sync may run beside them.
pub trait AppendFile: Send + Sync + Debug {
    /// Appends bytes; on an error some of them may have been appended, unless [`Self::len`] is
    /// what it was.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails.
    fn write(&self, bytes: &[u8]) -> Result<()>;

    /// Makes every write that returned before this call durable.
    ///
    /// # Errors
    /// [`Error::Storage`]; which writes are durable is unknown then, and must not be asked again.
    fn sync(&self) -> Result<()>;

    /// How many bytes have been appended; more after a failure that left an unknown number.
    fn len(&self) -> u64;

    /// Whether nothing has been appended.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A file of a few bytes that are overwritten in place and never made durable: after a power cut
/// it has what was put last or before, some of each, or nothing.
pub trait NoteFile: Send + Sync + Debug {
    /// Puts these bytes in place of those before, which were as many.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails; the file may have some of each then.
    fn put(&self, bytes: &[u8]) -> Result<()>;
}

/// Checks a path: parts joined by single `/`, none empty or beginning with `.`, no backslash,
/// colon or control character.
///
/// # Errors
/// [`Error::InvalidArgument`] with the path.
pub fn check_path(path: &str) -> Result<()> {
    let part_works = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.chars().any(|c| c.is_control() || c == '\\' || c == ':')
    };
    if path.split('/').all(part_works) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "path {path:?} cannot be used in a store; a path is relative, like \"segment/1.seg\", and \
         no part of it is empty or begins with \".\""
    )))
}

/// The folder of a listing without its trailing `/`, checked.
fn check_prefix(prefix: &str) -> Result<&str> {
    let folder = prefix.strip_suffix('/').unwrap_or(prefix);
    if !folder.is_empty() {
        check_path(folder)?;
    }
    Ok(folder)
}

fn not_found(store: &str, path: &str) -> Error {
    Error::NotFound(format!("there is no {path:?} in {store}"))
}

fn exists(store: &str, path: &str) -> Error {
    Error::Conflict(format!("{path:?} exists already in {store}"))
}

fn past_end(store: &str, path: &str, offset: u64, len: usize, size: u64) -> Error {
    Error::corrupt(format!(
        "{path:?} in {store} has {size} bytes, too few for {len} bytes at {offset}"
    ))
}

/// A moment as nanoseconds since 1970, UTC; moments before that are 1970.
fn nanoseconds(moment: std::time::SystemTime) -> i64 {
    let since = moment.duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

/// Whether `[offset, offset + len)` lies inside `size` bytes.
fn fits(offset: u64, len: usize, size: u64) -> bool {
    offset.checked_add(len as u64).is_some_and(|end| end <= size)
}
