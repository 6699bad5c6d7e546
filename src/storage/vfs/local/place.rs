//! What a local store shares with the files that it writes: its folder, and the steps on the disk.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::SyncPolicy;
use crate::error::Error;
use crate::planted::{self, Bug};
use crate::storage::vfs::check_path;
use crate::storage::vfs::disk::{Disk, DiskFile, is_full, write_all};
use crate::storage::vfs::reserve::Reserve;

/// Where unfinished files live until they are linked or renamed to their names.
pub(super) const STRAY: &str = ".tmp";

/// What a store shares with the files that it writes.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) root: PathBuf,
    pub(super) sync: SyncPolicy,
    /// Folders whose own name this store has made durable. That a folder is there is not enough:
    /// whoever made it may have died, or failed, before its fsync.
    pub(super) folders: Mutex<HashSet<PathBuf>>,
    pub(super) reserve: Reserve,
    /// What is kept back for versions alone.
    pub(super) last: Reserve,
}

impl Place {
    /// A new, empty file under a name of its own, on the same file system as its final name.
    pub(super) fn stray(&self) -> io::Result<(Box<dyn DiskFile>, PathBuf)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = self.root.join(STRAY);
        let mut made = false;
        loop {
            let nanos =
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
            let count = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{}-{count}-{nanos}", std::process::id()));
            match self.with_room(|| self.disk.create_new(&path)) {
                Ok(file) => return Ok((file, path)),
                Err(e) if e.kind() == ErrorKind::NotFound && !made => {
                    made = true;
                    match self.with_room(|| self.disk.mkdir(&folder)) {
                        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(e),
                        _ => {}
                    }
                }
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Whether something of the reserves was given up and cannot be made again. What goes last comes
    /// back first.
    pub(super) fn is_full(&self) -> bool {
        self.last.is_spent() || self.reserve.is_spent()
    }

    /// Runs a step again after the reserve was given up, where the disk was full.
    pub(super) fn with_room<T>(&self, step: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match step() {
            Err(e) if is_full(&e) && self.reserve.release() => step(),
            other => other,
        }
    }

    pub(super) fn write_all(&self, file: &dyn DiskFile, bytes: &[u8]) -> io::Result<()> {
        write_all(file, bytes, || self.reserve.release())
    }

    pub(super) fn sync_file(&self, file: &dyn DiskFile) -> io::Result<()> {
        if self.sync == SyncPolicy::Always { file.sync() } else { Ok(()) }
    }

    /// Makes the names in the directory of `path` durable.
    pub(super) fn sync_parent(&self, path: &Path) -> io::Result<()> {
        if self.sync == SyncPolicy::Never {
            return Ok(());
        }
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
        self.disk.sync_folder(parent.unwrap_or(Path::new(".")))
    }

    /// Makes the root and what it lies in, each durable in its own parent.
    pub(super) fn make_root(&self, folder: &Path) -> io::Result<()> {
        if folder.as_os_str().is_empty() || self.disk.look(folder).is_ok_and(|item| item.folder) {
            return Ok(());
        }
        if let Some(parent) = folder.parent() {
            self.make_root(parent)?;
        }
        self.make_folder(folder)
    }

    /// Makes a folder in one that exists, durable.
    pub(super) fn make_folder(&self, folder: &Path) -> io::Result<()> {
        match self.with_room(|| self.disk.mkdir(folder)) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
            _ if planted::is(Bug::NewFolderNotSynced) => Ok(()),
            _ => self.sync_parent(folder),
        }
    }

    /// Makes the folders between the root and `full`, durable.
    pub(super) fn make_parent(&self, full: &Path) -> io::Result<()> {
        let Some(parent) = full.parent().filter(|parent| *parent != self.root) else {
            return Ok(());
        };
        if self.folders.lock().contains(parent) {
            return Ok(());
        }
        self.make_parent(parent)?;
        self.make_folder(parent)?;
        self.folders.lock().insert(parent.to_owned());
        Ok(())
    }

    /// Makes everything in a folder durable.
    pub(super) fn settle(&self, folder: &Path) -> io::Result<()> {
        for item in self.disk.list(folder)? {
            let path = folder.join(&item.name);
            if item.name.to_str().is_none_or(|name| check_path(name).is_err()) {
                continue;
            }
            if item.folder {
                self.settle(&path)?;
                self.folders.lock().insert(path);
            } else {
                self.disk.open(&path)?.sync()?;
            }
        }
        self.disk.sync_folder(folder)
    }
}

pub(super) fn failure(doing: &str, path: &Path, source: io::Error) -> Error {
    let room = match source.kind() {
        ErrorKind::StorageFull => "; the disk is full: free room, or delete rows and compact",
        ErrorKind::QuotaExceeded => "; the disk quota is used up: raise it, or delete and compact",
        _ => "",
    };
    Error::storage(format!("{doing} {}{room}", path.display()), source)
}

/// Takes a name away when it goes out of scope.
pub(super) struct Remove<'a> {
    pub(super) place: &'a Place,
    pub(super) path: &'a Path,
}

impl Drop for Remove<'_> {
    fn drop(&mut self) {
        let _ = self.place.disk.unlink(self.path);
    }
}
