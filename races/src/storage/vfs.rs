//! The seam to files as far as the log's writer reaches through it, and a file that knows which of
//! its bytes are durable.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

use crate::sync::thread;

use crate::error::{Error, Result};
use crate::sync::{Condvar, Mutex};

pub(crate) trait Store: Send + Sync + Debug {
    fn append(&self, path: &str) -> Result<Box<dyn AppendFile>>;
    fn note(&self, path: &str) -> Result<Option<Box<dyn NoteFile>>>;
}

pub(crate) trait NoteFile: Send + Sync + Debug {
    fn put(&self, bytes: &[u8]) -> Result<()>;
}

pub(crate) trait AppendFile: Send + Sync + Debug {
    fn write(&self, bytes: &[u8]) -> Result<()>;
    fn sync(&self) -> Result<()>;
    fn len(&self) -> u64;
}

#[derive(Debug, Default)]
struct Bytes {
    written: u64,
    durable: u64,
    syncs: u32,
    /// A sync failed: the kernel has dropped what it was to cover, and later ones say nothing of it.
    lost: bool,
    /// Threads inside a write.
    writing: u32,
}

/// A file in which each step may be interrupted; the sync of a number may fail, and what it was to
/// cover is lost then.
#[derive(Clone, Debug)]
pub(crate) struct File(Arc<(Mutex<Bytes>, Condvar, Option<u32>)>);

impl File {
    pub(crate) fn new(failing_sync: Option<u32>) -> Self {
        Self(Arc::new((Mutex::new(Bytes::default()), Condvar::new(), failing_sync)))
    }

    pub(crate) fn durable(&self) -> u64 {
        self.0.0.lock().durable
    }

    pub(crate) fn written(&self) -> u64 {
        self.0.0.lock().written
    }

    /// Waits until that many bytes are durable.
    pub(crate) fn wait(&self, bytes: u64) {
        let mut state = self.0.0.lock();
        while state.durable < bytes {
            self.0.1.wait(&mut state);
        }
    }
}

impl Store for File {
    fn append(&self, _: &str) -> Result<Box<dyn AppendFile>> {
        Ok(Box::new(self.clone()))
    }

    fn note(&self, _: &str) -> Result<Option<Box<dyn NoteFile>>> {
        Ok(Some(Box::new(self.clone())))
    }
}

impl NoteFile for File {
    fn put(&self, bytes: &[u8]) -> Result<()> {
        let end = bytes.first_chunk::<8>().map_or(u64::MAX, |end| u64::from_le_bytes(*end));
        thread::yield_now();
        assert!(end <= self.durable(), "a mark tells of more than is durable");
        Ok(())
    }
}

impl AppendFile for File {
    fn write(&self, bytes: &[u8]) -> Result<()> {
        {
            let mut state = self.0.0.lock();
            state.writing += 1;
            assert_eq!(state.writing, 1, "writes come one at a time");
        }
        thread::yield_now();
        let mut state = self.0.0.lock();
        state.writing -= 1;
        state.written += bytes.len() as u64;
        Ok(())
    }

    /// Covers what was written before it was called, and no more.
    fn sync(&self) -> Result<()> {
        let covered = {
            let mut state = self.0.0.lock();
            state.syncs += 1;
            if self.0.2 == Some(state.syncs) {
                state.lost = true;
                return Err(Error::storage("syncing", io::Error::other("the disk is gone")));
            }
            state.written
        };
        thread::yield_now();
        let mut state = self.0.0.lock();
        if !state.lost {
            state.durable = state.durable.max(covered);
        }
        self.0.1.notify_all();
        Ok(())
    }

    fn len(&self) -> u64 {
        self.written()
    }
}
