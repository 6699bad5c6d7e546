//! The one seam through which every file and every object is reached, so that faults can be
//! injected beneath everything.
//!
//! A [`Store`] is a database's prefix: a directory, an object-store prefix or memory. Objects are
//! immutable once visible; only a [`AppendFile`] (the write-ahead log) grows. Paths are relative,
//! with `/` between their parts: see [`check_path`].

#[cfg(any(test, feature = "testing"))]
pub mod fault;
pub mod local;
pub mod memory;
pub mod open;
pub mod remote;
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
pub use remote::RemoteStore;

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
    /// Appends bytes; on an error some of them may have been appended.
    ///
    /// # Errors
    /// [`Error::Storage`] when the store fails.
    fn write(&self, bytes: &[u8]) -> Result<()>;

    /// Makes every write that returned before this call durable.
    ///
    /// # Errors
    /// [`Error::Storage`]; which writes are durable is unknown then, and must not be asked again.
    fn sync(&self) -> Result<()>;

    /// How many bytes have been appended.
    fn len(&self) -> u64;

    /// Whether nothing has been appended.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
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

/// Whether `[offset, offset + len)` lies inside `size` bytes.
fn fits(offset: u64, len: usize, size: u64) -> bool {
    offset.checked_add(len as u64).is_some_and(|end| end <= size)
}
