//! Appending: in order, acknowledged together, and poisoned for good by the first failure.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::mark::{self, Mark};
use super::{path, record};
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::storage::vfs::{AppendFile, NoteFile, Store};
use crate::sync::{Condvar, Mutex, MutexGuard, thread};

/// The largest buffer that one write leaves to the next.
const KEPT_BUFFER: usize = 1 << 20;

/// When what was appended is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalSync {
    /// Before [`WalWriter::wait_durable`] returns; whoever waits meanwhile shares one fsync.
    Full,
    /// At most this long after it was appended, by a thread of the writer.
    Interval(Duration),
    /// When the operating system likes.
    Os,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The number of its file.
    pub number: u64,
    /// Its sequence in the file.
    pub sequence: u64,
    /// Where it ends in the file.
    pub end: u64,
}

/// One file of the log, being written. Any thread may call.
///
/// After a failed write or fsync nobody knows what is on disk, and an fsync that is tried again
/// may report success for pages that the kernel dropped. So the first failure is final: every
/// later call gets it, and the database has to be reopened, which reads what is really there.
#[derive(Debug)]
pub struct WalWriter {
    shared: Arc<Shared>,
    flusher: Mutex<Option<thread::JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    number: u64,
    sync: WalSync,
    file: Box<dyn AppendFile>,
    /// The file's mark, where it has one.
    note: Option<Mutex<Note>>,
    state: Mutex<State>,
    changed: Condvar,
}

/// A mark with its file.
#[derive(Debug)]
struct Note {
    mark: Mark,
    file: Box<dyn NoteFile>,
}

#[derive(Debug)]
struct State {
    /// Bytes appended.
    end: u64,
    /// Records appended.
    sequence: u64,
    /// Bytes known to be durable.
    durable: u64,
    /// Whether a thread is in the fsync.
    syncing: bool,
    /// When the oldest record that no fsync covers was appended; kept for `Interval` only.
    waiting_since: Option<Instant>,
    closing: bool,
    poison: Option<Poison>,
    buffer: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Poison {
    kind: io::ErrorKind,
    message: String,
}

impl WalWriter {
    /// Starts the file with this number; its header is on disk on return, but for `Os`. Its mark
    /// will tell of `after`, the file before it that has rows which no segment has, and of the
    /// newest `version`.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the file exists, [`Error::InvalidArgument`] on a remote store.
    pub fn create(
        store: &dyn Store,
        number: u64,
        after: Option<u64>,
        version: u64,
        sync: WalSync,
    ) -> Result<Self> {
        let file = store.append(&path(number))?;
        let header = record::header(number, sync != WalSync::Os);
        file.write(&header)?;
        let end = header.len() as u64;
        let mut note = None;
        // Nothing of an `Os` log is known to be durable, so it has no mark that could say so.
        if sync != WalSync::Os {
            file.sync()?;
            let mark = Mark { number, after, end, records: 0, version };
            if let Some(file) = store.note(&mark::path(number))? {
                // A log without a mark is guarded less, and on a full disk that is better than none.
                let _ = file.put(&mark.encode());
                note = Some(Mutex::new(Note { mark, file }));
            }
        }
        let state = State {
            end,
            sequence: 0,
            durable: end,
            syncing: false,
            waiting_since: None,
            closing: false,
            poison: None,
            buffer: Vec::new(),
        };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared { number, sync, file, note, state, changed });
        let flusher = match sync {
            WalSync::Interval(every) => {
                let shared = shared.clone();
                let thread = thread::Builder::new()
                    .name("kymograph-wal".to_owned())
                    .spawn(move || shared.flush_every(every));
                Some(thread.map_err(|e| Error::storage("starting the log's thread", e))?)
            }
            _ => None,
        };
        Ok(Self { shared, flusher: Mutex::new(flusher) })
    }

    /// Appends one record. On return it is with the operating system; [`Self::wait_durable`]
    /// makes it an acknowledged one.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] for a payload past [`super::MAX_PAYLOAD`], which harms nothing;
    /// [`Error::Storage`] when the write fails or one failed before.
    pub fn append(&self, payload: &[u8]) -> Result<Position> {
        let shared = &*self.shared;
        let mut state = shared.state.lock();
        shared.usable(&state)?;
        if state.closing {
            return Err(Error::Internal(format!("write-ahead log {} is closed", shared.number)));
        }
        let mut buffer = std::mem::take(&mut state.buffer);
        record::encode(&mut buffer, shared.number, state.sequence, state.durable, payload)?;
        if planted::is(Bug::AcknowledgedBeforeWrite) {
            return Ok(Position {
                number: shared.number,
                sequence: state.sequence,
                end: state.end,
            });
        }
        // After a panic nobody knows how much of the record is there, as after an error.
        match catch_unwind(AssertUnwindSafe(|| shared.file.write(&buffer))) {
            Ok(Ok(())) => {}
            Ok(Err(_)) if planted::is(Bug::WriteErrorIgnored) => {
                let end = state.end;
                return Ok(Position { number: shared.number, sequence: state.sequence, end });
            }
            // Nothing of the record is there, and the next one may find room.
            Ok(Err(e)) if e.is_full() && shared.file.len() == state.end => return Err(e),
            Ok(Err(e)) => return Err(shared.poison(&mut state, &e)),
            Err(panic) => {
                shared.poison(&mut state, &Error::Internal("a panic in its write".to_owned()));
                resume_unwind(panic);
            }
        }
        let position = Position {
            number: shared.number,
            sequence: state.sequence,
            end: state.end + buffer.len() as u64,
        };
        state.end = position.end;
        state.sequence += 1;
        if buffer.capacity() <= KEPT_BUFFER {
            state.buffer = buffer;
        }
        if matches!(shared.sync, WalSync::Interval(_)) && state.waiting_since.is_none() {
            state.waiting_since = Some(Instant::now());
            shared.changed.notify_all();
        }
        Ok(position)
    }

    /// Waits until the record is as durable as the writer's setting promises: for `Full` until an
    /// fsync covers it, for the others not at all.
    ///
    /// # Errors
    /// [`Error::Storage`] when a write or fsync failed and none had covered the record before.
    pub fn wait_durable(&self, position: Position) -> Result<()> {
        let mut state = self.shared.state.lock();
        if self.shared.sync != WalSync::Full || planted::is(Bug::AcknowledgedBeforeFsync) {
            return self.shared.usable(&state);
        }
        self.shared.sync_until(&mut state, position.end)
    }

    /// Makes everything that was appended durable, whatever the setting.
    ///
    /// # Errors
    /// [`Error::Storage`] when a write or fsync fails or failed before.
    pub fn sync(&self) -> Result<()> {
        let mut state = self.shared.state.lock();
        self.shared.usable(&state)?;
        let end = state.end;
        self.shared.sync_until(&mut state, end)
    }

    /// Makes everything durable, but for `Os`, and ends the writer; nothing can be appended after.
    ///
    /// # Errors
    /// [`Error::Storage`] when a write or fsync fails or failed before.
    pub fn close(&self) -> Result<()> {
        let outcome = {
            let mut state = self.shared.state.lock();
            state.closing = true;
            self.shared.changed.notify_all();
            let end = state.end;
            match self.shared.usable(&state) {
                Ok(()) if self.shared.sync != WalSync::Os => {
                    self.shared.sync_until(&mut state, end)
                }
                other => other,
            }
        };
        if let Some(thread) = self.flusher.lock().take() {
            thread.join().map_err(|_| Error::Internal("the log's thread panicked".to_owned()))?;
        }
        outcome
    }

    /// Notes in the mark that a version was committed.
    pub fn committed(&self, version: u64) {
        self.shared.note(|mark| mark.version = version);
    }

    /// The number of the file.
    pub fn number(&self) -> u64 {
        self.shared.number
    }

    /// How many bytes the file has.
    pub fn len(&self) -> u64 {
        self.shared.state.lock().end
    }

    /// Whether no record was appended.
    pub fn is_empty(&self) -> bool {
        self.shared.state.lock().sequence == 0
    }

    /// The failure that ended the writer, if one did.
    pub fn poisoned(&self) -> Option<Error> {
        self.shared.usable(&self.shared.state.lock()).err()
    }
}

impl Drop for WalWriter {
    fn drop(&mut self) {
        // A failure stays in the poison; whoever needs to know calls `close`. A panic here would
        // end the process where another is already on its way.
        let _ = catch_unwind(AssertUnwindSafe(|| self.close()));
    }
}

impl Shared {
    fn usable(&self, state: &State) -> Result<()> {
        match &state.poison {
            None => Ok(()),
            Some(poison) => Err(self.failure(poison)),
        }
    }

    fn failure(&self, poison: &Poison) -> Error {
        let context = format!(
            "write-ahead log {} failed and takes no more writes; close the database and open it \
             again to recover what is on disk",
            self.number
        );
        Error::storage(context, io::Error::new(poison.kind, poison.message.clone()))
    }

    fn poison(&self, state: &mut State, error: &Error) -> Error {
        let kind = match error {
            Error::Storage { source, .. } => source.kind(),
            _ => io::ErrorKind::Other,
        };
        let message = error.to_string();
        let poison = state.poison.get_or_insert(Poison { kind, message }).clone();
        self.changed.notify_all();
        self.failure(&poison)
    }

    /// Waits until the first `end` bytes are durable, in the fsync of another thread or in one of
    /// its own, which covers all that was appended by then. Appends go on beside an fsync.
    fn sync_until(&self, state: &mut MutexGuard<'_, State>, end: u64) -> Result<()> {
        loop {
            if state.durable >= end {
                return Ok(());
            }
            self.usable(state)?;
            if state.syncing {
                self.changed.wait(state);
                continue;
            }
            state.syncing = true;
            state.waiting_since = None;
            let (mut covered, records) = (state.end, state.sequence);
            let outcome = MutexGuard::unlocked(state, || {
                // Whoever waits for this fsync must hear of its end, whatever it is.
                catch_unwind(AssertUnwindSafe(|| {
                    let mut synced = self.file.sync();
                    if synced.is_err() && planted::is(Bug::FsyncTriedAgain) {
                        synced = self.file.sync();
                    }
                    if !planted::is(Bug::FsyncErrorIgnored) {
                        synced?;
                    }
                    self.note(|mark| (mark.end, mark.records) = (covered, records));
                    Ok(())
                }))
            });
            if planted::is(Bug::GroupCommitCoversTooMuch) {
                covered = state.end;
            }
            state.syncing = false;
            match outcome {
                Ok(Ok(())) => state.durable = state.durable.max(covered),
                Ok(Err(e)) => {
                    self.poison(state, &e);
                }
                Err(panic) => {
                    self.poison(state, &Error::Internal("a panic in its fsync".to_owned()));
                    resume_unwind(panic);
                }
            }
            self.changed.notify_all();
        }
    }

    /// Overwrites the mark. What it tells of is durable by now: one fsync runs at a time, and so
    /// does one commit.
    fn note(&self, change: impl FnOnce(&mut Mark)) {
        if let Some(note) = &self.note {
            let mut note = note.lock();
            change(&mut note.mark);
            // All is durable without it: a mark that stays behind guards less.
            let _ = note.file.put(&note.mark.encode());
        }
    }

    /// The thread of `Interval`.
    fn flush_every(&self, every: Duration) {
        let mut state = self.state.lock();
        while !state.closing && state.poison.is_none() {
            match state.waiting_since {
                None => self.changed.wait(&mut state),
                Some(since) => {
                    let left = every.saturating_sub(since.elapsed());
                    if left.is_zero() {
                        let end = state.end;
                        // A failure is in the poison, where the next call finds it.
                        let _ = self.sync_until(&mut state, end);
                    } else {
                        self.changed.wait_for(&mut state, left);
                    }
                }
            }
        }
    }
}
