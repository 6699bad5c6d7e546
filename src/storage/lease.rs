//! What live readers need: files by which a writer knows which versions it must keep.
//!
//! A reader writes the oldest version that it needs into a file of its own, which the operating
//! system locks for as long as the reader lives, and only then looks for a version to read. A
//! writer removes old manifests, and after that asks the readers again before it removes segments.
//! So a reader that found its manifest is seen in time: that manifest was removed, if at all, after
//! the reader had written its version, and the writer asks after that.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use super::lock::Owner;
use super::process::Home;
use crate::error::{Error, Result};

/// The folder of the readers' files in the database's directory.
pub const FOLDER: &str = "readers";

/// The version of a reader that needs none at the moment.
const IDLE: u64 = u64::MAX;
/// Bytes of the line that says the version: 20 digits, their checksum, and what divides them.
const LINE: usize = 30;
/// How often a lease is tried whose file goes before it has its name, and a line that is being
/// written.
const TRIES: usize = 20;

/// A reader's lease, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lease {
    file: Mutex<Option<File>>,
    path: PathBuf,
    home: Home,
}

/// A reader that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Its process.
    pub owner: Owner,
    /// The oldest version that it needs, 0 while it opens; `None` when it needs none now.
    pub version: Option<u64>,
}

impl Lease {
    /// A lease on the database in `root`, which needs no version yet; `None` where none can be had,
    /// as on a file system that is read-only.
    pub fn take(root: &Path) -> Option<Self> {
        let folder = root.join(FOLDER);
        for _ in 0..TRIES {
            match Self::try_take(&folder) {
                Ok(lease) => return Some(lease),
                // A writer took the file for one of a reader that is gone.
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::WouldBlock) => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// The file has its lock and its bytes before it has its name, so that a writer that finds one
    /// without a lock knows that its reader is gone.
    fn try_take(folder: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if let Err(e) = fs::create_dir(folder)
            && e.kind() != ErrorKind::AlreadyExists
        {
            return Err(e);
        }
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{count}-{nanos}", std::process::id());
        let early = folder.join(format!(".{name}"));
        let path = folder.join(name);
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(&early)?;
        let mut begin = || -> io::Result<()> {
            readable_by_all(&file)?;
            file.try_lock().map_err(|e| match e {
                TryLockError::WouldBlock => io::Error::from(ErrorKind::WouldBlock),
                TryLockError::Error(e) => e,
            })?;
            let mut bytes = line(IDLE).into_bytes();
            bytes.extend(serde_json::to_vec(&Owner::this_process())?);
            file.write_all(&bytes)?;
            fs::rename(&early, &path)
        };
        if let Err(e) = begin() {
            let _ = fs::remove_file(&early);
            return Err(e);
        }
        Ok(Self { file: Mutex::new(Some(file)), path, home: Home::here() })
    }

    /// Says which version is the oldest that the reader needs; `None` for none.
    ///
    /// A failure leaves the reader as one without a lease: it starts over when a segment goes.
    pub fn hold(&self, version: Option<u64>) {
        if let Some(file) = self.file.lock().as_mut() {
            let line = line(version.unwrap_or(IDLE));
            let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(line.as_bytes()));
        }
    }

    /// Ends the lease: its reader needs nothing any more.
    pub fn end(&self) {
        if !self.home.is_here() {
            return self.let_go();
        }
        if let Some(file) = self.file.lock().take() {
            // While it is locked: a name without a lock would be a dead reader's.
            let _ = fs::remove_file(&self.path);
            drop(file);
        }
    }

    /// In a forked child: closes the descriptor that it inherited, so that the lease ends with the
    /// process that took it.
    pub fn let_go(&self) {
        if let Some(mut file) = self.file.try_lock() {
            drop(file.take());
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.end();
    }
}

/// The readers of the database in `root` that are alive; the files of the others are removed.
///
/// # Errors
/// [`Error::Storage`] when they cannot be read, [`Error::Corrupt`] for a lease that makes no
/// sense: what a reader needs is unknown then.
pub fn readers(root: &Path) -> Result<Vec<Reader>> {
    let folder = root.join(FOLDER);
    let failed = |path: &Path, e| Error::storage(format!("reading {}", path.display()), e);
    let items = match fs::read_dir(&folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        items => items.map_err(|e| failed(&folder, e))?,
    };
    let mut found = Vec::new();
    for item in items {
        let path = item.map_err(|e| failed(&folder, e))?.path();
        match read(&path) {
            Ok(reader) => found.extend(reader),
            // It closed meanwhile, or has got its name meanwhile and is found under that.
            Err(Error::Storage { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    found.sort_by_key(|reader| (reader.version.unwrap_or(IDLE), reader.owner.pid));
    Ok(found)
}

/// The oldest version that a living reader of the database in `root` needs.
///
/// # Errors
/// As [`readers`].
pub fn oldest(root: &Path) -> Result<Option<u64>> {
    Ok(readers(root)?.into_iter().filter_map(|reader| reader.version).min())
}

/// The reader of one file, `None` for one that is gone or about to begin.
fn read(path: &Path) -> Result<Option<Reader>> {
    let failed = |e| Error::storage(format!("reading {}", path.display()), e);
    let mut file = File::open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            // One that cannot be removed is looked at again by the next writer.
            let _ = fs::remove_file(path);
            return Ok(None);
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(e)) => return Err(failed(e)),
    }
    if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
        return Ok(None);
    }
    for _ in 0..TRIES {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.read_to_end(&mut bytes).map_err(failed)?;
        if let Some(reader) = parse(&bytes) {
            return Ok(Some(reader));
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Err(Error::corrupt(format!("{} is no reader's lease", path.display())))
}

fn line(version: u64) -> String {
    let digits = format!("{version:020}");
    let sum = crc32fast::hash(digits.as_bytes());
    format!("{digits} {sum:08x}\n")
}

fn parse(bytes: &[u8]) -> Option<Reader> {
    let (head, owner) = bytes.split_at_checked(LINE)?;
    let version = std::str::from_utf8(head.get(..20)?).ok()?.parse().ok()?;
    if line(version).as_bytes() != head {
        return None;
    }
    let owner = serde_json::from_slice(owner).ok()?;
    Some(Reader { owner, version: (version != IDLE).then_some(version) })
}

/// A writer that is another user must see whether the file is locked.
#[cfg(unix)]
fn readable_by_all(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable_by_all(_file: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn files(root: &Path) -> usize {
        fs::read_dir(root.join(FOLDER)).map_or(0, Iterator::count)
    }

    #[test]
    fn a_lease_says_what_its_reader_needs_and_ends_with_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(readers(dir.path()).unwrap(), []);
        let (first, second) = (Lease::take(dir.path()).unwrap(), Lease::take(dir.path()).unwrap());
        assert_eq!(oldest(dir.path()).unwrap(), None);
        first.hold(Some(7));
        second.hold(Some(12));
        let found = readers(dir.path()).unwrap();
        let versions: Vec<_> = found.iter().map(|reader| reader.version).collect();
        assert_eq!(versions, [Some(7), Some(12)]);
        assert_eq!(found[0].owner.pid, std::process::id());
        first.hold(None);
        assert_eq!(oldest(dir.path()).unwrap(), Some(12));
        drop(second);
        assert_eq!(oldest(dir.path()).unwrap(), None);
        assert_eq!(readers(dir.path()).unwrap().len(), 1);
        drop(first);
        assert_eq!(files(dir.path()), 0);
    }

    #[test]
    fn what_dead_readers_left_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let lease = Lease::take(dir.path()).unwrap();
        lease.hold(Some(3));
        let bytes = fs::read(&lease.path).unwrap();
        for name in ["12345-0-1", ".12345-0-2"] {
            fs::write(dir.path().join(FOLDER).join(name), &bytes).unwrap();
        }
        assert_eq!(readers(dir.path()).unwrap().len(), 1);
        assert_eq!(files(dir.path()), 1);
    }

    #[test]
    fn a_lease_that_makes_no_sense_is_an_error_while_it_is_held() {
        let dir = tempfile::tempdir().unwrap();
        let lease = Lease::take(dir.path()).unwrap();
        fs::write(&lease.path, "00000000000000000007 00000000\n{}").unwrap();
        assert!(matches!(readers(dir.path()), Err(Error::Corrupt(_))));
        drop(lease);
        assert_eq!(readers(dir.path()).unwrap(), []);
    }

    #[test]
    fn without_a_place_to_write_there_is_no_lease() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FOLDER), "a file where the folder goes").unwrap();
        assert!(Lease::take(dir.path()).is_none());
    }
}
