//! Files that a local store is writing: objects on their way, the log, notes.

use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::place::{Place, failure};
use crate::error::Result;
use crate::planted::{self, Bug};
use crate::storage::vfs::disk::{DiskFile, DiskNote, is_full, write_all};
use crate::storage::vfs::{AppendFile, NoteFile, WriteObject};

const WRITE_BUFFER: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct LocalObject {
    pub(super) place: Arc<Place>,
    pub(super) file: Box<dyn DiskFile>,
    pub(super) buffer: Vec<u8>,
    pub(super) stray: PathBuf,
    pub(super) full: PathBuf,
    pub(super) len: u64,
}

impl LocalObject {
    fn write_out(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.place.write_all(self.file.as_ref(), bytes);
        written.map_err(|e| failure("writing", &self.full, e))
    }

    fn empty_buffer(&mut self) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.write_out(&buffer);
        buffer.clear();
        self.buffer = buffer;
        written
    }
}

impl WriteObject for LocalObject {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > WRITE_BUFFER {
            self.empty_buffer()?;
        }
        if bytes.len() >= WRITE_BUFFER {
            self.write_out(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.empty_buffer()?;
        let place = self.place.as_ref();
        let finish = || -> io::Result<()> {
            if !planted::is(Bug::SegmentNotSynced) {
                place.sync_file(self.file.as_ref())?;
            }
            place.with_room(|| place.disk.rename(&self.stray, &self.full))?;
            if planted::is(Bug::RenamedNameNotSynced) {
                return Ok(());
            }
            place.sync_parent(&self.full)
        };
        finish().map_err(|e| failure("writing", &self.full, e))
    }
}

impl Drop for LocalObject {
    fn drop(&mut self) {
        // After a finish the name is gone already.
        let _ = self.place.disk.unlink(&self.stray);
    }
}

#[derive(Debug)]
pub(super) struct LocalAppend {
    pub(super) place: Arc<Place>,
    pub(super) file: Box<dyn DiskFile>,
    pub(super) full: PathBuf,
    pub(super) len: AtomicU64,
}

impl AppendFile for LocalAppend {
    fn write(&self, bytes: &[u8]) -> Result<()> {
        let len = self.len.load(Ordering::Relaxed);
        // The reserve is for those who free room; of a log only the beginning may use it, without
        // which nothing can be flushed or opened.
        let written = if len == 0 {
            self.place.write_all(self.file.as_ref(), bytes)
        } else if self.place.is_full() {
            Err(ErrorKind::StorageFull.into())
        } else {
            write_all(self.file.as_ref(), bytes, || false)
        };
        let Err(e) = written else {
            self.len.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            return Ok(());
        };
        // Where the disk was full what got through is taken back, and the log can go on; of any
        // other failure nobody knows what it left.
        if !is_full(&e) || self.file.truncate(len).is_err() {
            self.len.fetch_add(1, Ordering::Relaxed);
        }
        Err(failure("appending to", &self.full, e))
    }

    fn sync(&self) -> Result<()> {
        if planted::is(Bug::LogFsyncSkipped) {
            return Ok(());
        }
        let synced = self.place.sync_file(self.file.as_ref());
        synced.map_err(|e| failure("syncing", &self.full, e))
    }

    fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct LocalNote {
    pub(super) note: Box<dyn DiskNote>,
    pub(super) full: PathBuf,
}

impl NoteFile for LocalNote {
    fn put(&self, bytes: &[u8]) -> Result<()> {
        self.note.put(bytes).map_err(|e| failure("writing", &self.full, e))
    }
}
