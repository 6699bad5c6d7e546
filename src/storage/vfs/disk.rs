//! The steps that a local store asks of a file system, one trait call each, so that tests can put
//! a simulated disk beneath the very sequence of steps that the product runs.

use std::ffi::OsString;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::SystemTime;

use crate::planted::{self, Bug};

/// Interrupted calls in a row after which a signal is no excuse any more.
const INTERRUPTIONS: usize = 1000;

/// What a name in a folder stands for.
#[derive(Clone, Debug)]
pub struct Item {
    /// The last part of its path.
    pub name: OsString,
    /// Whether it is a folder.
    pub folder: bool,
    /// Its size in bytes; of a folder whatever the file system says.
    pub size: u64,
}

/// A file system. Every call is one step, that fails or not, and none is tried again here.
pub trait Disk: Send + Sync + Debug {
    /// A new, empty file to append to; fails when the name is taken.
    ///
    /// # Errors
    /// The file system's.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// A small file that is written over in place, made when absent and emptied when there.
    ///
    /// # Errors
    /// The file system's.
    fn note(&self, path: &Path) -> io::Result<Box<dyn DiskNote>>;

    /// A file for reading.
    ///
    /// # Errors
    /// The file system's.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// A second name of a file; fails when the name is taken.
    ///
    /// # Errors
    /// The file system's.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Another name for a file, in place of what had that name.
    ///
    /// # Errors
    /// The file system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Takes a file's name away.
    ///
    /// # Errors
    /// The file system's.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder in one that exists.
    ///
    /// # Errors
    /// The file system's.
    fn mkdir(&self, path: &Path) -> io::Result<()>;

    /// Makes a folder's names durable, where the system has a call for it.
    ///
    /// # Errors
    /// The file system's.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// What is in a folder, in any order.
    ///
    /// # Errors
    /// The file system's.
    fn list(&self, folder: &Path) -> io::Result<Vec<Item>>;

    /// What is at a path.
    ///
    /// # Errors
    /// The file system's.
    fn look(&self, path: &Path) -> io::Result<Item>;

    /// When a file was last written to.
    ///
    /// # Errors
    /// The file system's.
    fn modified(&self, path: &Path) -> io::Result<SystemTime>;
}

/// An open file.
pub trait DiskFile: Send + Sync + Debug {
    /// Appends some of the bytes, and says how many.
    ///
    /// # Errors
    /// The file system's.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Reads some bytes from `offset` on, and says how many; 0 at the end.
    ///
    /// # Errors
    /// The file system's.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Makes its bytes and its length durable, not its name.
    ///
    /// # Errors
    /// The file system's; which bytes are durable is unknown then, and a second call may claim
    /// success for bytes that the first one lost.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file off at `len` bytes.
    ///
    /// # Errors
    /// The file system's.
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Its size in bytes.
    ///
    /// # Errors
    /// The file system's.
    fn size(&self) -> io::Result<u64>;
}

/// A small file that is written over in place and never synced.
pub trait DiskNote: Send + Sync + Debug {
    /// Writes the bytes over what is there, from the first on.
    ///
    /// # Errors
    /// The file system's; what is there then is unknown.
    fn put(&self, bytes: &[u8]) -> io::Result<()>;
}

/// Whether an error means that there is no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

/// Appends all bytes. When the disk is full `room` may make some and say so.
pub(super) fn write_all(
    file: &dyn DiskFile,
    mut bytes: &[u8],
    room: impl Fn() -> bool,
) -> io::Result<()> {
    let mut interrupted = 0;
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(_) if planted::is(Bug::ShortWriteIgnored) => return Ok(()),
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                interrupted = 0;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted && interrupted < INTERRUPTIONS => {
                interrupted += 1;
            }
            Err(e) if is_full(&e) && room() => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Reads exactly as many bytes as asked for.
pub(super) fn read_exact(
    file: &dyn DiskFile,
    mut bytes: &mut [u8],
    mut offset: u64,
) -> io::Result<()> {
    let mut interrupted = 0;
    while !bytes.is_empty() {
        match file.read_at(bytes, offset) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                bytes = bytes.get_mut(read..).unwrap_or_default();
                offset += read as u64;
                interrupted = 0;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted && interrupted < INTERRUPTIONS => {
                interrupted += 1;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The machine's own file systems.
#[derive(Clone, Copy, Debug)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Box::new(SystemFile(file)))
    }

    fn note(&self, path: &Path) -> io::Result<Box<dyn DiskNote>> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        Ok(Box::new(SystemNote(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(SystemFile(File::open(path)?)))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn mkdir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // Only Unix has a call for it.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Item>> {
        let mut items = Vec::new();
        for item in fs::read_dir(folder)? {
            let item = item?;
            match item.metadata() {
                Ok(meta) => {
                    let (folder, size) = (meta.is_dir(), meta.len());
                    items.push(Item { name: item.file_name(), folder, size });
                }
                // Deleted since the folder was read.
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        Ok(items)
    }

    fn look(&self, path: &Path) -> io::Result<Item> {
        let meta = fs::metadata(path)?;
        let name = path.file_name().map(OsString::from).unwrap_or_default();
        Ok(Item { name, folder: meta.is_dir(), size: meta.len() })
    }

    fn modified(&self, path: &Path) -> io::Result<SystemTime> {
        fs::metadata(path)?.modified()
    }
}

#[derive(Debug)]
struct SystemFile(File);

impl DiskFile for SystemFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    #[cfg(unix)]
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&self.0, bytes, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&self.0, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        // A file only grows, and fdatasync brings a changed length along.
        self.0.sync_data()
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn size(&self) -> io::Result<u64> {
        self.0.metadata().map(|meta| meta.len())
    }
}

#[derive(Debug)]
struct SystemNote(File);

impl DiskNote for SystemNote {
    #[cfg(unix)]
    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, 0)
    }

    #[cfg(windows)]
    fn put(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut offset = 0;
        while !bytes.is_empty() {
            let n = std::os::windows::fs::FileExt::seek_write(&self.0, bytes, offset)?;
            if n == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            bytes = &bytes[n..];
            offset += n as u64;
        }
        Ok(())
    }
}
