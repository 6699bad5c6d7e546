//! A directory of the local file system.

mod files;
mod place;

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use quick_cache::sync::Cache;

use super::disk::{Disk, DiskFile, DiskNote, SystemDisk, is_full, read_exact};
use super::reserve::{self, Reserve};
use super::{AppendFile, Entry, NoteFile, Store, WriteObject};
use super::{check_path, check_prefix, exists, fits, nanoseconds, not_found, past_end};
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use files::{LocalAppend, LocalNote, LocalObject};
use place::{Place, Remove, STRAY, failure};

/// How many files stay open for reading.
const OPEN_FILES: usize = 256;

/// Whether files and directories are fsynced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// What returned survives a power cut.
    Always,
    /// What returned survives the process only: durability `os` and tests.
    Never,
}

/// A directory. A ranged read of a file that stays in the cache of open files is one `pread`.
#[derive(Debug)]
pub struct LocalStore {
    place: Arc<Place>,
    open: Cache<String, Arc<OpenFile>>,
}

#[derive(Debug)]
struct OpenFile {
    file: Box<dyn DiskFile>,
    /// The size when last looked at; a write-ahead log grows past it.
    size: AtomicU64,
}

impl LocalStore {
    /// The directory at `root`, made when absent.
    ///
    /// # Errors
    /// [`Error::Storage`] when it cannot be made, [`Error::InvalidArgument`] when a file is there.
    pub fn create(root: impl Into<PathBuf>, sync: SyncPolicy) -> Result<Self> {
        Self::create_on(Arc::new(SystemDisk), root, sync, reserve::ROOM)
    }

    /// The same on any disk, with so many bytes kept back for when it is full.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_on(
        disk: Arc<dyn Disk>,
        root: impl Into<PathBuf>,
        sync: SyncPolicy,
        reserve: usize,
    ) -> Result<Self> {
        let store = Self::at(disk, root.into(), sync, reserve);
        let Place { disk, root, .. } = store.place.as_ref();
        if disk.look(root).is_ok_and(|item| !item.folder) {
            return Err(Error::invalid(format!(
                "{} is a file; a database is a directory",
                root.display()
            )));
        }
        store.place.make_root(root).map_err(|e| failure("making directory", root, e))?;
        Ok(store)
    }

    /// The directory at `root`, which must exist.
    ///
    /// # Errors
    /// [`Error::NotFound`] when absent or no directory.
    pub fn open(root: impl Into<PathBuf>, sync: SyncPolicy) -> Result<Self> {
        let store = Self::at(Arc::new(SystemDisk), root.into(), sync, reserve::ROOM);
        let Place { disk, root, .. } = store.place.as_ref();
        if !disk.look(root).is_ok_and(|item| item.folder) {
            return Err(Error::NotFound(format!(
                "there is no database directory {}; opening it for writing makes one",
                root.display()
            )));
        }
        Ok(store)
    }

    fn at(disk: Arc<dyn Disk>, root: PathBuf, sync: SyncPolicy, reserve: usize) -> Self {
        let kept = |file: &str, bytes| Reserve::new(Arc::clone(&disk), root.join(file), bytes);
        let (reserve, last) = (kept(reserve::FILE, reserve), kept(reserve::LAST, reserve / 4));
        let place = Place { disk, root, sync, folders: Mutex::default(), reserve, last };
        Self { place: Arc::new(place), open: Cache::new(OPEN_FILES) }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.place.root
    }

    fn full(&self, path: &str) -> Result<PathBuf> {
        check_path(path)?;
        Ok(self.place.root.join(path))
    }

    fn failed(&self, doing: &str, path: &str, source: io::Error) -> Error {
        match source.kind() {
            ErrorKind::NotFound => not_found(&self.describe(), path),
            _ => self.write_failed(doing, path, source),
        }
    }

    /// A failure of a write; here a missing file is a failure of the store like any other.
    fn write_failed(&self, doing: &str, path: &str, source: io::Error) -> Error {
        failure(doing, &self.place.root.join(path), source)
    }

    fn opened(&self, path: &str) -> Result<Arc<OpenFile>> {
        if let Some(file) = self.open.get(path) {
            return Ok(file);
        }
        let full = self.full(path)?;
        let open = || -> io::Result<OpenFile> {
            let file = self.place.disk.open(&full)?;
            let size = AtomicU64::new(file.size()?);
            Ok(OpenFile { file, size })
        };
        let file = Arc::new(open().map_err(|e| self.failed("opening", path, e))?);
        self.open.insert(path.to_owned(), file.clone());
        Ok(file)
    }
}

impl Store for LocalStore {
    fn describe(&self) -> String {
        self.place.root.display().to_string()
    }

    fn read(&self, path: &str) -> Result<Bytes> {
        let full = self.full(path)?;
        let read = || -> io::Result<Vec<u8>> {
            let file = self.place.disk.open(&full)?;
            let size = usize::try_from(file.size()?).map_err(io::Error::other)?;
            let mut bytes = vec![0; size];
            read_exact(file.as_ref(), &mut bytes, 0)?;
            Ok(bytes)
        };
        read().map(Bytes::from).map_err(|e| self.failed("reading", path, e))
    }

    fn read_range(&self, path: &str, offset: u64, len: usize) -> Result<Bytes> {
        let open = self.opened(path)?;
        if !fits(offset, len, open.size.load(Ordering::Relaxed)) {
            let size = open.file.size().map_err(|e| self.failed("reading", path, e))?;
            open.size.store(size, Ordering::Relaxed);
            if !fits(offset, len, size) {
                return Err(past_end(&self.describe(), path, offset, len, size));
            }
        }
        let mut bytes = vec![0; len];
        match read_exact(open.file.as_ref(), &mut bytes, offset) {
            Ok(()) => Ok(bytes.into()),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                let size = open.file.size().unwrap_or(0);
                Err(past_end(&self.describe(), path, offset, len, size))
            }
            Err(e) => Err(self.failed("reading", path, e)),
        }
    }

    fn size(&self, path: &str) -> Result<u64> {
        let full = self.full(path)?;
        let look = self.place.disk.look(&full);
        look.map(|item| item.size).map_err(|e| self.failed("reading", path, e))
    }

    fn modified(&self, path: &str) -> Result<i64> {
        let full = self.full(path)?;
        let modified = self.place.disk.modified(&full);
        modified.map(nanoseconds).map_err(|e| self.failed("reading", path, e))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let folder = check_prefix(prefix)?;
        let mut entries = Vec::new();
        list_into(&self.place, folder, &mut entries)
            .map_err(|e| self.write_failed("listing", folder, e))?;
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let full = self.full(path)?;
        let place = self.place.as_ref();
        let put = || -> io::Result<()> {
            place.make_parent(&full)?;
            let (file, stray) = place.stray()?;
            let _remove = Remove { place, path: &stray };
            if planted::is(Bug::FsyncBeforeWrite) {
                place.sync_file(file.as_ref())?;
            }
            place.write_all(file.as_ref(), bytes)?;
            if !planted::is(Bug::FsyncBeforeWrite) && !planted::is(Bug::ManifestNotSynced) {
                place.sync_file(file.as_ref())?;
            }
            // A link, unlike a rename, fails when the name is taken.
            if planted::is(Bug::ManifestOverwritten) {
                return place.disk.rename(&stray, &full).and_then(|()| place.sync_parent(&full));
            }
            place.with_room(|| place.disk.hard_link(&stray, &full))?;
            if planted::is(Bug::LinkedNameNotSynced) {
                return Ok(());
            }
            place.sync_parent(&full)
        };
        self.open.remove(path);
        let put = match put() {
            Err(e) if is_full(&e) && place.last.release() => put(),
            done => done,
        };
        put.map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => exists(&self.describe(), path),
            _ => self.write_failed("writing", path, e),
        })
    }

    fn create(&self, path: &str) -> Result<Box<dyn WriteObject>> {
        let full = self.full(path)?;
        let start = || self.place.make_parent(&full).and_then(|()| self.place.stray());
        let (file, stray) = start().map_err(|e| self.write_failed("writing", path, e))?;
        self.open.remove(path);
        let (place, buffer) = (Arc::clone(&self.place), Vec::new());
        Ok(Box::new(LocalObject { place, file, buffer, stray, full, len: 0 }))
    }

    fn delete(&self, path: &str) -> Result<()> {
        let full = self.full(path)?;
        self.open.remove(path);
        match self.place.disk.unlink(&full) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(self.failed("deleting", path, e)),
            _ => Ok(()),
        }
    }

    fn append(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        let full = self.full(path)?;
        let place = self.place.as_ref();
        let start = || -> io::Result<Box<dyn DiskFile>> {
            place.make_parent(&full)?;
            let file = place.with_room(|| place.disk.create_new(&full))?;
            if !planted::is(Bug::LogNameNotSynced) {
                place.sync_parent(&full)?;
            }
            Ok(file)
        };
        let file = start().map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => exists(&self.describe(), path),
            _ => self.write_failed("making", path, e),
        })?;
        self.open.remove(path);
        let place = Arc::clone(&self.place);
        Ok(Box::new(LocalAppend { place, file, full, len: AtomicU64::new(0) }))
    }

    fn note(&self, path: &str) -> Result<Option<Box<dyn NoteFile>>> {
        let full = self.full(path)?;
        let place = self.place.as_ref();
        let start = || -> io::Result<Box<dyn DiskNote>> {
            place.make_parent(&full)?;
            place.with_room(|| place.disk.note(&full))
        };
        let note = start().map_err(|e| self.write_failed("making", path, e))?;
        self.open.remove(path);
        Ok(Some(Box::new(LocalNote { note, full })))
    }

    fn keep_as(&self, path: &str, second: &str) -> Result<()> {
        let (from, to) = (self.full(path)?, self.full(second)?);
        let place = self.place.as_ref();
        let link = || -> io::Result<()> {
            place.make_parent(&to)?;
            place.with_room(|| place.disk.hard_link(&from, &to))?;
            place.sync_parent(&to)
        };
        match link() {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Err(exists(&self.describe(), second)),
            done => done.map_err(|e| self.failed("keeping", path, e)),
        }
    }

    fn is_local(&self) -> bool {
        true
    }

    fn is_full(&self) -> bool {
        self.place.is_full()
    }

    fn settle(&self) -> Result<()> {
        let place = self.place.as_ref();
        let settle = || -> io::Result<()> {
            // Elsewhere a file that is open for reading cannot be synced.
            let settles = !planted::is(Bug::SettleSkipped);
            if place.sync == SyncPolicy::Always && cfg!(unix) && settles {
                place.settle(&place.root)?;
                // Folders above need not be ours to read, nor of a kind that can be synced.
                let _ = place.root.ancestors().try_for_each(|path| place.sync_parent(path));
            }
            place.last.keep().and_then(|()| place.reserve.keep())
        };
        settle().map_err(|e| failure("syncing", &place.root, e))
    }

    fn remove_stray(&self) -> Result<()> {
        let folder = self.place.root.join(STRAY);
        let remove = || -> io::Result<()> {
            for item in self.place.disk.list(&folder)? {
                self.place.disk.unlink(&folder.join(item.name))?;
            }
            Ok(())
        };
        match remove() {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(self.write_failed("removing", STRAY, e))
            }
            _ => Ok(()),
        }
    }
}

/// The files below `folder`, without those whose name, or a folder of whose, begins with a dot.
fn list_into(place: &Place, folder: &str, entries: &mut Vec<Entry>) -> io::Result<()> {
    let items = match place.disk.list(&place.root.join(folder)) {
        Ok(items) => items,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(e) => return Err(e),
    };
    for item in items {
        let Some(name) = item.name.to_str().filter(|n| check_path(n).is_ok()) else { continue };
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if item.folder {
            list_into(place, &path, entries)?;
        } else {
            entries.push(Entry { path, size: item.size });
        }
    }
    Ok(())
}
