//! A directory of the local file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use quick_cache::sync::Cache;

use super::{AppendFile, Entry, Store, WriteObject};
use super::{check_path, check_prefix, exists, fits, not_found, past_end};
use crate::error::{Error, Result};

/// Where unfinished files live until they are linked or renamed to their names.
const STRAY: &str = ".tmp";
/// How many files stay open for reading.
const OPEN_FILES: usize = 256;
const WRITE_BUFFER: usize = 256 << 10;

/// Whether files and directories are fsynced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// What returned survives a power cut.
    Always,
    /// What returned survives the process only: durability `os` and tests.
    Never,
}

/// A directory. A ranged read of a file that stays in the cache of open files is one `pread`.
pub struct LocalStore {
    root: PathBuf,
    sync: SyncPolicy,
    open: Cache<String, Arc<OpenFile>>,
}

struct OpenFile {
    file: File,
    /// The size when last looked at; a write-ahead log grows past it.
    size: AtomicU64,
}

impl std::fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalStore").field("root", &self.root).field("sync", &self.sync).finish()
    }
}

impl LocalStore {
    /// The directory at `root`, made when absent.
    ///
    /// # Errors
    /// [`Error::Storage`] when it cannot be made, [`Error::InvalidArgument`] when a file is there.
    pub fn create(root: impl Into<PathBuf>, sync: SyncPolicy) -> Result<Self> {
        let root = root.into();
        if root.exists() && !root.is_dir() {
            return Err(Error::invalid(format!(
                "{} is a file; a database is a directory",
                root.display()
            )));
        }
        make_dirs(&root, sync)
            .map_err(|e| Error::storage(format!("making directory {}", root.display()), e))?;
        Ok(Self { root, sync, open: Cache::new(OPEN_FILES) })
    }

    /// The directory at `root`, which must exist.
    ///
    /// # Errors
    /// [`Error::NotFound`] when absent or no directory.
    pub fn open(root: impl Into<PathBuf>, sync: SyncPolicy) -> Result<Self> {
        let root = root.into();
        if !root.is_dir() {
            return Err(Error::NotFound(format!(
                "there is no database directory {}; opening it for writing makes one",
                root.display()
            )));
        }
        Ok(Self { root, sync, open: Cache::new(OPEN_FILES) })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn full(&self, path: &str) -> Result<PathBuf> {
        check_path(path)?;
        Ok(self.root.join(path))
    }

    fn failed(&self, doing: &str, path: &str, source: io::Error) -> Error {
        match source.kind() {
            ErrorKind::NotFound => not_found(&self.describe(), path),
            _ => Error::storage(format!("{doing} {}", self.root.join(path).display()), source),
        }
    }

    /// A failure of a write; here a missing file is a failure of the store like any other.
    fn write_failed(&self, doing: &str, path: &str, source: io::Error) -> Error {
        Error::storage(format!("{doing} {}", self.root.join(path).display()), source)
    }

    fn opened(&self, path: &str) -> Result<Arc<OpenFile>> {
        if let Some(file) = self.open.get(path) {
            return Ok(file);
        }
        let full = self.full(path)?;
        let open = || -> io::Result<OpenFile> {
            let file = File::open(&full)?;
            let size = AtomicU64::new(file.metadata()?.len());
            Ok(OpenFile { file, size })
        };
        let file = Arc::new(open().map_err(|e| self.failed("opening", path, e))?);
        self.open.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    /// A new, empty file under a name of its own, on the same file system as its final name.
    fn stray(&self) -> io::Result<(File, PathBuf)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let folder = self.root.join(STRAY);
        loop {
            let nanos =
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
            let count = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = folder.join(format!("{}-{count}-{nanos}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok((file, path)),
                Err(e) if e.kind() == ErrorKind::NotFound => fs::create_dir_all(&folder)?,
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn make_parent(&self, full: &Path) -> io::Result<()> {
        full.parent().map_or(Ok(()), |parent| make_dirs(parent, self.sync))
    }
}

impl Store for LocalStore {
    fn describe(&self) -> String {
        self.root.display().to_string()
    }

    fn read(&self, path: &str) -> Result<Bytes> {
        let full = self.full(path)?;
        fs::read(full).map(Bytes::from).map_err(|e| self.failed("reading", path, e))
    }

    fn read_range(&self, path: &str, offset: u64, len: usize) -> Result<Bytes> {
        let open = self.opened(path)?;
        if !fits(offset, len, open.size.load(Ordering::Relaxed)) {
            let size = open.file.metadata().map_err(|e| self.failed("reading", path, e))?.len();
            open.size.store(size, Ordering::Relaxed);
            if !fits(offset, len, size) {
                return Err(past_end(&self.describe(), path, offset, len, size));
            }
        }
        let mut bytes = vec![0; len];
        match read_exact_at(&open.file, &mut bytes, offset) {
            Ok(()) => Ok(bytes.into()),
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                let size = open.file.metadata().map_or(0, |m| m.len());
                Err(past_end(&self.describe(), path, offset, len, size))
            }
            Err(e) => Err(self.failed("reading", path, e)),
        }
    }

    fn size(&self, path: &str) -> Result<u64> {
        let full = self.full(path)?;
        fs::metadata(full).map(|m| m.len()).map_err(|e| self.failed("reading", path, e))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let folder = check_prefix(prefix)?;
        let mut entries = Vec::new();
        list_into(&self.root, folder, &mut entries)
            .map_err(|e| self.write_failed("listing", folder, e))?;
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let full = self.full(path)?;
        let put = || -> io::Result<()> {
            self.make_parent(&full)?;
            let (mut file, stray) = self.stray()?;
            let _remove = RemoveOnDrop(&stray);
            file.write_all(bytes)?;
            sync_file(&file, self.sync)?;
            // A link, unlike a rename, fails when the name is taken.
            fs::hard_link(&stray, &full)?;
            sync_parent(&full, self.sync)
        };
        self.open.remove(path);
        put().map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => exists(&self.describe(), path),
            _ => self.write_failed("writing", path, e),
        })
    }

    fn create(&self, path: &str) -> Result<Box<dyn WriteObject>> {
        let full = self.full(path)?;
        let start = || self.make_parent(&full).and_then(|()| self.stray());
        let (file, stray) = start().map_err(|e| self.write_failed("writing", path, e))?;
        self.open.remove(path);
        let file = BufWriter::with_capacity(WRITE_BUFFER, file);
        Ok(Box::new(LocalObject { file, stray, full, len: 0, sync: self.sync }))
    }

    fn delete(&self, path: &str) -> Result<()> {
        let full = self.full(path)?;
        self.open.remove(path);
        match fs::remove_file(full) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(self.failed("deleting", path, e)),
            _ => Ok(()),
        }
    }

    fn append(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        let full = self.full(path)?;
        let start = || -> io::Result<File> {
            self.make_parent(&full)?;
            let file = OpenOptions::new().append(true).create_new(true).open(&full)?;
            sync_parent(&full, self.sync)?;
            Ok(file)
        };
        let file = start().map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => exists(&self.describe(), path),
            _ => self.write_failed("making", path, e),
        })?;
        self.open.remove(path);
        Ok(Box::new(LocalAppend { file, full, len: AtomicU64::new(0), sync: self.sync }))
    }

    fn is_local(&self) -> bool {
        true
    }

    fn remove_stray(&self) -> Result<()> {
        match fs::remove_dir_all(self.root.join(STRAY)) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                Err(self.write_failed("removing", STRAY, e))
            }
            _ => Ok(()),
        }
    }
}

#[derive(Debug)]
struct LocalObject {
    file: BufWriter<File>,
    stray: PathBuf,
    full: PathBuf,
    len: u64,
    sync: SyncPolicy,
}

impl WriteObject for LocalObject {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|e| Error::storage(format!("writing {}", self.full.display()), e))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let mut finish = || -> io::Result<()> {
            self.file.flush()?;
            sync_file(self.file.get_ref(), self.sync)?;
            fs::rename(&self.stray, &self.full)?;
            sync_parent(&self.full, self.sync)
        };
        finish().map_err(|e| Error::storage(format!("writing {}", self.full.display()), e))
    }
}

impl Drop for LocalObject {
    fn drop(&mut self) {
        // After a finish the name is gone already.
        let _ = fs::remove_file(&self.stray);
    }
}

#[derive(Debug)]
struct LocalAppend {
    file: File,
    full: PathBuf,
    len: AtomicU64,
    sync: SyncPolicy,
}

impl AppendFile for LocalAppend {
    fn write(&self, bytes: &[u8]) -> Result<()> {
        (&self.file)
            .write_all(bytes)
            .map_err(|e| Error::storage(format!("appending to {}", self.full.display()), e))?;
        self.len.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        match self.sync {
            SyncPolicy::Never => Ok(()),
            SyncPolicy::Always => self
                .file
                .sync_data()
                .map_err(|e| Error::storage(format!("syncing {}", self.full.display()), e)),
        }
    }

    fn len(&self) -> u64 {
        self.len.load(Ordering::Relaxed)
    }
}

struct RemoveOnDrop<'a>(&'a Path);

impl Drop for RemoveOnDrop<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

fn sync_file(file: &File, sync: SyncPolicy) -> io::Result<()> {
    if sync == SyncPolicy::Always { file.sync_all() } else { Ok(()) }
}

/// Makes the names in the directory of `path` durable; only Unix has a call for it.
fn sync_parent(path: &Path, sync: SyncPolicy) -> io::Result<()> {
    if sync == SyncPolicy::Never || !cfg!(unix) {
        return Ok(());
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Makes `folder` and what it lies in, each durable in its own parent.
fn make_dirs(folder: &Path, sync: SyncPolicy) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_dirs(parent, sync)?;
    }
    match fs::create_dir(folder) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(e),
        _ => sync_parent(folder, sync),
    }
}

/// The files below `folder`, without those whose name, or a folder of whose, begins with a dot.
fn list_into(root: &Path, folder: &str, entries: &mut Vec<Entry>) -> io::Result<()> {
    let items = match fs::read_dir(root.join(folder)) {
        Ok(items) => items,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(e) => return Err(e),
    };
    for item in items {
        let item = item?;
        let name = item.file_name();
        let Some(name) = name.to_str().filter(|n| check_path(n).is_ok()) else { continue };
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        match item.metadata() {
            Ok(meta) if meta.is_dir() => list_into(root, &path, entries)?,
            Ok(meta) => entries.push(Entry { path, size: meta.len() }),
            // Deleted since the directory was read.
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[n..];
        offset += n as u64;
    }
    Ok(())
}
