//! The database: wires model, storage and queries together; the only door for bindings.
//!
//! Locks, always taken in this order: `compacting`, `flushing`, `writer`, `state`. A query takes
//! only `state`, and holds it while it copies what it needs of the head.

mod check;
mod compact;
mod count;
mod flush;
mod live;
mod maintain;
mod open;
mod options;
mod query;
mod snapshot;
mod sql;
mod state;
mod stats;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;

use parking_lot::{Mutex, RwLock};

#[cfg(any(test, feature = "testing"))]
pub use check::check_with;
pub use check::{CheckReport, Damage, check};
pub use options::{Durability, Mode, Options};
pub use sql::SqlAnswer;
pub use stats::{FieldStats, Stats};
pub use write::{FrameSpec, TableSpec, WriteResult};

use crate::error::{Error, Result};
use crate::model::SeriesId;
use crate::storage::lock::WriterLock;
use crate::storage::wal::WalWriter;
use live::Tail;
use state::{Shared, State};

/// An open database, cheap to clone; all clones share one state. Every method may be called from
/// many threads at once.
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
    /// Shared by the user's handles; the background thread's own handle has none.
    #[expect(dead_code, reason = "held for its drop")]
    owner: Option<Arc<Owner>>,
}

/// Stops the background thread when the user's last handle goes, so that the writer's lock is free
/// once that drop returns, and not whenever the thread lets go of its own handle.
#[derive(Debug)]
struct Owner(Arc<Inner>);

impl Drop for Owner {
    fn drop(&mut self) {
        let background = self.0.background.lock().take();
        drop(background);
    }
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    location: String,
    options: Options,
    durability: Durability,
    role: Role,
    state: RwLock<State>,
    writer: Mutex<Writer>,
    flushing: Mutex<()>,
    compacting: Mutex<()>,
    closed: AtomicBool,
    pool: Arc<rayon::ThreadPool>,
    background: Mutex<Option<maintain::Background>>,
    /// Versions that snapshots of this process hold, each with how many do.
    pins: Arc<Mutex<BTreeMap<u64, usize>>>,
}

/// What a handle may do, with what it needs for that.
#[derive(Debug)]
enum Role {
    /// The one writer.
    Writer,
    /// Follows a writer's versions and log.
    Live(Mutex<Tail>),
    /// Stands still: a snapshot or an older version.
    Still(#[expect(dead_code, reason = "held for its drop")] Option<Pin>),
}

/// Keeps a version's segments from being collected while it lives.
#[derive(Debug)]
struct Pin {
    version: u64,
    pins: Arc<Mutex<BTreeMap<u64, usize>>>,
}

impl Pin {
    fn new(version: u64, pins: &Arc<Mutex<BTreeMap<u64, usize>>>) -> Self {
        *pins.lock().entry(version).or_default() += 1;
        Self { version, pins: Arc::clone(pins) }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.pins.lock();
        if let Some(count) = pins.get_mut(&self.version) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.version);
            }
        }
    }
}

/// What only the writer may touch, behind its lock.
#[derive(Debug, Default)]
struct Writer {
    lock: Option<WriterLock>,
    wal: Option<Arc<WalWriter>>,
    /// Number of the next log file.
    next_wal: u64,
    next_segment: u64,
    next_order: u64,
    /// The latest time known of series that were written since the open.
    last_times: std::collections::HashMap<SeriesId, i64, foldhash::fast::RandomState>,
    /// Segments that the newest version no longer lists, with the version that dropped them.
    dead: Vec<(u64, u64)>,
}

impl Database {
    fn ready(&self) -> Result<()> {
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(Error::invalid(format!(
                "the database {:?} is closed; open it again to use it",
                self.inner.location
            )));
        }
        Ok(())
    }

    fn writable(&self) -> Result<()> {
        self.ready()?;
        match self.inner.role {
            Role::Writer => Ok(()),
            _ => Err(Error::invalid(format!(
                "this handle of {:?} only reads (mode=\"r\", as_of or a snapshot); open the \
                 database with mode=\"rw\" to change it",
                self.inner.location
            ))),
        }
    }

    /// Runs `work` in the database's pool while this thread looks around every `often`.
    ///
    /// # Panics
    /// When `work` does.
    pub fn watched<T: Send>(
        &self,
        often: std::time::Duration,
        work: impl FnOnce() -> T + Send,
        mut look: impl FnMut(),
    ) -> T {
        let mut outcome = None;
        self.inner.pool.in_place_scope(|scope| {
            let (done, finished) = std::sync::mpsc::sync_channel::<()>(1);
            let outcome = &mut outcome;
            scope.spawn(move |_| {
                *outcome = Some(work());
                drop(done);
            });
            while finished.recv_timeout(often) == Err(RecvTimeoutError::Timeout) {
                look();
            }
        });
        // The scope has passed on a panic of `work`.
        outcome.unwrap_or_else(|| unreachable!("the scope waits for the work"))
    }

    /// Where the database lives.
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// Whether this handle may write.
    pub fn is_writer(&self) -> bool {
        matches!(self.inner.role, Role::Writer)
    }

    /// Whether [`Self::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }

    /// The version that queries see now.
    ///
    /// # Errors
    /// When the database is closed or, for a live reader, cannot be read.
    pub fn version(&self) -> Result<u64> {
        self.ready()?;
        self.refresh()?;
        Ok(self.inner.state.read().view.manifest.version)
    }

    /// Flushes, stops the background thread and gives the writer's lock back. A second call does
    /// nothing.
    ///
    /// # Errors
    /// When the last flush fails; what was acknowledged then stays in the log.
    pub fn close(&self) -> Result<()> {
        if self.inner.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let background = self.inner.background.lock().take();
        drop(background);
        if !self.is_writer() {
            self.inner.closed.store(true, Ordering::Release);
            return Ok(());
        }
        // Most of it beside the writers that are still at work, the rest with none.
        let flushed = self.flush();
        let _flushing = self.inner.flushing.lock();
        let mut writer = self.inner.writer.lock();
        let flushed = flushed.and_then(|_| self.flush_locked(&mut writer));
        self.inner.closed.store(true, Ordering::Release);
        let closed = writer.release();
        flushed.and(closed)
    }
}

impl Writer {
    /// Refuses any change once the log has failed: a row whose log entry failed may yet come back
    /// with the next open, and would then come after what was changed meanwhile.
    fn usable(&self) -> Result<()> {
        self.wal.as_ref().and_then(|wal| wal.poisoned()).map_or(Ok(()), Err)
    }

    /// Ends the log and gives the lock back.
    fn release(&mut self) -> Result<()> {
        let closed = self.wal.take().map_or(Ok(()), |wal| wal.close());
        self.lock = None;
        closed
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A handle that was never closed: its acknowledged rows are in the log, and the next open
        // replays them. Errors have nobody left to go to.
        drop(self.writer.get_mut().release());
    }
}
