//! One writer per database: a file that the operating system locks, and that names its owner.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::process::Home;
use crate::error::{Error, Result};

/// The name of the lock's file in the database's directory.
pub const FILE: &str = "LOCK";

/// Who holds a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The process.
    pub pid: u32,
    /// The machine.
    pub hostname: String,
    /// The program, and its script where it has one.
    pub program: String,
    /// Since when, ISO 8601, UTC.
    pub since: String,
}

/// The right to write a database, until it is released or the process ends.
///
/// The lock is the operating system's, so that it ends with its process however that ends; the
/// file stays, as removing it would let two processes lock two files of one name. The lock is on
/// the open file, so a second one in the same process conflicts too, and a forked child shares it:
/// an unlock there would end the parent's right, and a descriptor that stays open there would keep
/// the lock past the parent's end.
#[derive(Debug)]
pub struct WriterLock {
    file: Mutex<Option<File>>,
    path: PathBuf,
    home: Home,
}

impl WriterLock {
    /// Takes the lock of the database in `dir`, a directory that exists.
    ///
    /// # Errors
    /// [`Error::DatabaseLocked`] naming the owner, [`Error::Storage`] when the file cannot be
    /// made or the file system has no locks.
    pub fn acquire(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let failed = |e| Error::storage(format!("locking {}", path.display()), e);
        let mut open = OpenOptions::new();
        open.read(true).write(true).create(true).truncate(false);
        let mut file = open.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock)
                if crate::planted::is(crate::planted::Bug::LockNotTaken) => {}
            Err(TryLockError::WouldBlock) => return Err(locked(dir, &path)),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        let owner = Owner::this_process();
        let line = serde_json::to_vec(&owner).map_err(|e| Error::Internal(e.to_string()))?;
        let mut write = || {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&line)
        };
        match write().map_err(failed) {
            // The owner's name is a courtesy; a full disk must not bar those who make room.
            Err(e) if !e.is_full() => return Err(e),
            _ => {}
        }
        Ok(Self { file: Mutex::new(Some(file)), path, home: Home::here() })
    }

    /// Gives the lock back. A forked child only closes its descriptor.
    pub fn release(&self) {
        if !self.home.is_here() {
            return self.let_go();
        }
        if let Some(file) = self.file.lock().take() {
            // An owner left in the file misleads nobody: only a held lock is asked for one.
            let _ = file.set_len(0);
            let _ = file.unlock();
        }
    }

    /// In a forked child: closes the descriptor that it inherited, so that the lock ends with the
    /// process that took it.
    pub fn let_go(&self) {
        // Another thread of the parent may have been here at the fork.
        if let Some(mut file) = self.file.try_lock() {
            drop(file.take());
        }
    }

    /// The lock's file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        self.release();
    }
}

impl Owner {
    pub(super) fn this_process() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Self {
            pid: std::process::id(),
            hostname: hostname(),
            program: program(),
            since: iso_seconds(now),
        }
    }

    /// The owner that the file names; it may be about to be written.
    fn read(path: &Path) -> Option<Self> {
        for _ in 0..5 {
            let owner = std::fs::read(path).ok().and_then(|b| serde_json::from_slice(&b).ok());
            if owner.is_some() {
                return owner;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

fn locked(dir: &Path, path: &Path) -> Error {
    let who = match Owner::read(path) {
        Some(o) if o.pid == std::process::id() && o.hostname == hostname() => {
            format!("already open for writing in this process, since {}", o.since)
        }
        Some(o) => {
            let Owner { pid, hostname, program, since } = o;
            format!("open for writing in process {pid} ({program}) on {hostname}, since {since}")
        }
        None => "open for writing in another process".to_owned(),
    };
    Error::DatabaseLocked(format!(
        "database {} is {who}; close it there, or open it with mode=\"r\" to read beside it",
        dir.display()
    ))
}

fn hostname() -> String {
    let asked = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let told = || ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let name = asked.or_else(told).unwrap_or_default();
    if name.trim().is_empty() { "an unnamed host".to_owned() } else { name.trim().to_owned() }
}

/// The program's name and, for an interpreter, its script's; not the arguments, which may be
/// secrets.
fn program() -> String {
    let base = |arg: std::ffi::OsString| {
        Path::new(&arg).file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    };
    let mut args = std::env::args_os();
    let program = args.next().map(base).unwrap_or_default();
    let script = args.next().filter(|a| Path::new(a).extension().is_some_and(|e| e == "py"));
    match script {
        Some(script) => format!("{program} {}", base(script)),
        None => program,
    }
}

/// Seconds since the epoch as `2024-02-29T12:34:56Z`; days to dates as in Howard Hinnant's
/// "chrono-compatible low-level date algorithms".
fn iso_seconds(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    #[test]
    fn the_second_writer_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let lock = WriterLock::acquire(dir.path()).unwrap();
        let owner: Owner = serde_json::from_slice(&std::fs::read(lock.path()).unwrap()).unwrap();
        assert_eq!(owner.pid, std::process::id());
        let error = WriterLock::acquire(dir.path()).unwrap_err();
        assert!(matches!(error, Error::DatabaseLocked(_)));
        let message = error.to_string();
        for part in ["this process", owner.since.as_str(), "mode=\"r\"", "close it"] {
            assert!(message.contains(part), "{part:?} in {message:?}");
        }
        lock.release();
        WriterLock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn another_owner_is_named_by_process_program_and_time() {
        let dir = tempfile::tempdir().unwrap();
        let lock = WriterLock::acquire(dir.path()).unwrap();
        let other = Owner {
            pid: 4_000_000_000,
            hostname: "elsewhere".to_owned(),
            program: "python3 collect.py".to_owned(),
            since: "2024-02-29T12:34:56Z".to_owned(),
        };
        std::fs::write(lock.path(), serde_json::to_vec(&other).unwrap()).unwrap();
        let message = WriterLock::acquire(dir.path()).unwrap_err().to_string();
        for part in ["4000000000", "elsewhere", "python3 collect.py", "2024-02-29T12:34:56Z"] {
            assert!(message.contains(part), "{part:?} in {message:?}");
        }
    }

    #[test]
    fn a_stale_file_is_taken_over_whatever_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let long = "x".repeat(10_000);
        for stale in ["", "{\"pid\": 1", long.as_str()] {
            std::fs::write(dir.path().join(FILE), stale).unwrap();
            let lock = WriterLock::acquire(dir.path()).unwrap();
            assert_eq!(Owner::read(lock.path()).unwrap().pid, std::process::id());
        }
    }

    #[test]
    fn a_held_lock_without_an_owner_is_still_a_lock() {
        let dir = tempfile::tempdir().unwrap();
        let lock = WriterLock::acquire(dir.path()).unwrap();
        lock.file.lock().as_ref().unwrap().set_len(0).unwrap();
        let message = WriterLock::acquire(dir.path()).unwrap_err().to_string();
        assert!(message.contains("another process"), "{message:?}");
    }

    #[test]
    fn a_missing_directory_is_a_failure_of_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let error = WriterLock::acquire(&dir.path().join("absent")).unwrap_err();
        assert!(matches!(error, Error::Storage { .. }), "{error}");
    }

    #[test]
    fn times_are_iso() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in known {
            assert_eq!(iso_seconds(seconds), text);
        }
    }
}
