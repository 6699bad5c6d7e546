//! Room kept back for the day the disk is full: without it nothing could be deleted, since a
//! delete, too, writes a version before it removes a file.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::disk::{Disk, is_full, write_all};

/// The file that any step may have, in the database's folder.
pub(super) const FILE: &str = ".reserve";
/// The file that is for versions alone: without one more of them nothing is ever removed.
pub(super) const LAST: &str = ".reserve.last";
/// How much a local database keeps back for any step, in bytes: room for a small flush or a merge
/// of what a delete left. A quarter of it is kept besides for versions, of some thousand segments.
pub(super) const ROOM: usize = 512 << 10;

/// A file that is given up when a disk is full and made again once there is room.
#[derive(Debug)]
pub(super) struct Reserve {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    bytes: usize,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// This store does not write, or nobody has asked yet.
    Unused,
    Kept,
    Spent,
}

impl Reserve {
    /// The reserve at `path`, of this many bytes; nothing is written yet.
    pub(super) fn new(disk: Arc<dyn Disk>, path: PathBuf, bytes: usize) -> Self {
        Self { disk, path, bytes, state: Mutex::new(State::Unused) }
    }

    /// Finds or makes it. That there is no room is no failure: then it is spent.
    ///
    /// # Errors
    /// What else the disk says.
    pub(super) fn keep(&self) -> io::Result<()> {
        let mut state = self.state.lock();
        if self.bytes == 0 || *state == State::Kept {
            return Ok(());
        }
        let there = self.disk.look(&self.path).is_ok_and(|item| item.size == self.bytes as u64);
        *state = if there || self.make()? { State::Kept } else { State::Spent };
        Ok(())
    }

    /// Whether it was given up and cannot be made again: what is left is for those who free room.
    pub(super) fn is_spent(&self) -> bool {
        if *self.state.lock() == State::Spent {
            // Any other failure says as little about room.
            drop(self.keep());
        }
        *self.state.lock() == State::Spent
    }

    /// Gives it up; false when there was nothing to give.
    pub(super) fn release(&self) -> bool {
        let mut state = self.state.lock();
        if *state != State::Kept {
            return false;
        }
        *state = State::Spent;
        self.disk.unlink(&self.path).is_ok()
    }

    /// Whether there was room for it.
    fn make(&self) -> io::Result<bool> {
        match self.disk.unlink(&self.path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let make = || -> io::Result<()> {
            let file = self.disk.create_new(&self.path)?;
            // No file system makes these bytes smaller, as some do with zeros.
            let mut mixed = 0x9e37_79b9_7f4a_7c15_u64;
            let words = std::iter::repeat_with(|| {
                mixed ^= mixed << 13;
                mixed ^= mixed >> 7;
                mixed ^= mixed << 17;
                mixed.to_le_bytes()
            });
            let bytes: Vec<u8> = words.flatten().take(self.bytes).collect();
            write_all(file.as_ref(), &bytes, || false)
        };
        match make() {
            Ok(()) => Ok(true),
            Err(e) => {
                drop(self.disk.unlink(&self.path));
                if is_full(&e) { Ok(false) } else { Err(e) }
            }
        }
    }
}
