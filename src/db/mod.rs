//! The database: wires model, storage and queries together; the only door for bindings.
//!
//! Locks, always taken in this order: `compacting`, `flushing`, `writer`, `state`. A query takes
//! only `state`, and holds it while it copies what it needs of the head.

mod adopt;
mod analyze;
mod check;
mod clock;
mod collect;
mod compact;
mod count;
mod flush;
mod limits;
mod live;
mod machine;
mod maintain;
mod memory;
mod open;
mod options;
mod pins;
mod policy;
mod query;
mod repair;
mod rollup;
mod snapshot;
mod sql;
mod state;
mod stats;
mod sweep;
mod tier;
mod unpruned;
mod write;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

pub use crate::storage::lease::Reader;
pub use analyze::{LiveDetector, analyze_arrays, watched};
pub use check::{CheckReport, Damage, check};
#[cfg(any(test, feature = "testing"))]
pub use check::{check_tiers_with, check_with};
pub use clock::Clock;
pub use options::{Durability, Mode, Options};
pub use policy::Policy;
pub use repair::{Loss, Quarantined, Repair};
pub use sql::SqlAnswer;
pub use stats::{FieldStats, LevelStats, Stats};
pub use sweep::Collected;
pub use write::{FrameSpec, TableSpec, WriteResult};

use crate::error::{Error, Result};
use crate::model::{SeriesId, Timestamp};
use crate::storage::lock::WriterLock;
use crate::storage::manifest::SegmentMeta;
use crate::storage::process::Home;
use crate::storage::wal::WalWriter;
use crate::sync::{Mutex, RwLock};
use live::Tail;
use pins::{Pin, Pins};
use state::{Shared, State};

/// An open database, cheap to clone; all clones share one state. Every method may be called from
/// many threads at once.
#[derive(Clone, Debug)]
pub struct Database {
    inner: Arc<Inner>,
    /// Shared by the user's handles; the background thread's own handle has none.
    #[expect(dead_code, reason = "held for its drop")]
    owner: Option<Arc<Owner>>,
    /// Whether queries leave out what cannot matter; tests turn it off.
    pruning: bool,
}

/// Stops the background thread when the user's last handle goes, so that the writer's lock is free
/// once that drop returns, and not whenever the thread lets go of its own handle.
#[derive(Debug)]
struct Owner(Arc<Inner>);

impl Drop for Owner {
    fn drop(&mut self) {
        if !self.0.home.is_here() {
            // The threads to be joined, and the log and the files to be closed, are the parent's,
            // and any lock may be held by a thread that the fork left behind: all of it stays.
            self.0.let_go();
            std::mem::forget(Arc::clone(&self.0));
            return;
        }
        let background = self.0.background.lock().take();
        drop(background);
    }
}

#[derive(Debug)]
struct Inner {
    /// The process that opened it.
    home: Home,
    shared: Arc<Shared>,
    location: String,
    options: Options,
    durability: Durability,
    role: Role,
    /// The writer's, on a local disk.
    lock: Option<WriterLock>,
    /// The directory of a local database.
    folder: Option<PathBuf>,
    state: RwLock<State>,
    writer: Mutex<Writer>,
    flushing: Mutex<()>,
    compacting: Mutex<()>,
    closed: AtomicBool,
    pool: Arc<rayon::ThreadPool>,
    /// What its queries share with those of its snapshots.
    memory: Arc<memory::Memory>,
    background: Mutex<Option<maintain::Background>>,
    upkeep: Mutex<maintain::Upkeep>,
    /// How the cold tier is found when a version has one.
    cold: tier::ColdSource,
    /// When the background may try again what keeps the stores in shape.
    pace: Mutex<tier::Pace>,
    /// A panic has left rows half applied in memory.
    broken: AtomicBool,
    /// What the open repaired, where it was asked to.
    repaired: Option<OnceLock<Repair>>,
    /// Versions that queries and snapshots of this handle hold.
    pins: Arc<Pins>,
}

/// What a handle may do, with what it needs for that.
#[derive(Debug)]
enum Role {
    /// The one writer.
    Writer,
    /// Follows a writer's versions and log.
    Live(Mutex<Tail>),
    /// Stands still: a snapshot or an older version, which it holds until it is closed.
    Still(Mutex<Option<Pin>>),
}

/// What only the writer may touch, behind its lock.
#[derive(Debug, Default)]
struct Writer {
    wal: Option<Arc<WalWriter>>,
    /// Number of the next log file.
    next_wal: u64,
    next_segment: u64,
    next_order: u64,
    /// The latest time known of series that were written since the open.
    last_times: std::collections::HashMap<SeriesId, i64, foldhash::fast::RandomState>,
    /// How many series the segments of a table have, where that had to be counted.
    counted: std::collections::HashMap<String, limits::Counted>,
    /// Segments of the local disk that the newest version no longer lists, with the version that
    /// dropped them.
    dead: Vec<(Arc<SegmentMeta>, u64)>,
    /// On an object store, when this writer last knew that its version was the newest.
    confirmed: Option<Instant>,
}

impl Database {
    /// Refuses a handle that is closed, or that a fork copied into another process.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] with what to do.
    pub fn ready(&self) -> Result<()> {
        self.at_home()?;
        if self.inner.closed.load(Ordering::Acquire) {
            return Err(Error::invalid(format!(
                "the database {:?} is closed; open it again to use it",
                self.inner.location
            )));
        }
        if self.inner.broken.load(Ordering::Acquire) {
            return Err(Error::Internal(format!(
                "a panic in a write left memory and log of {:?} apart; close the database and open \
                 it again, which recovers what was acknowledged",
                self.inner.location
            )));
        }
        Ok(())
    }

    /// Before any lock is taken: in a forked child it may be held for ever.
    fn at_home(&self) -> Result<()> {
        self.inner.home.check(&self.inner.location).inspect_err(|_| self.inner.let_go())
    }

    /// Whether this process opened it, and not one that this process was forked from.
    pub fn is_here(&self) -> bool {
        self.inner.home.is_here()
    }

    /// In a forked child: closes what it inherited of the locks of the process that opened the
    /// database, so that they end with that process. Elsewhere nothing.
    pub fn let_go(&self) {
        if !self.is_here() {
            self.inner.let_go();
        }
    }

    /// Nanoseconds since 1970, UTC.
    fn now(&self) -> Timestamp {
        self.inner.options.clock.now()
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

    /// Runs `work` in a thread of its own while this thread looks around every `often`; in a forked
    /// child here, so that it can refuse. Not in the pool, whose threads must not wait.
    ///
    /// # Panics
    /// When `work` does.
    pub fn watched<T: Send>(
        &self,
        often: std::time::Duration,
        work: impl FnOnce() -> T + Send,
        look: impl FnMut(),
    ) -> T {
        if !self.is_here() {
            return work();
        }
        watched(often, work, look)
    }

    /// How long a query may take that does not say itself.
    pub fn query_timeout(&self) -> Option<std::time::Duration> {
        self.inner.options.query_timeout
    }

    /// Where the database lives.
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    /// Whether other writers may be at work on the same store: on an object store nothing locks
    /// them out.
    fn shares_store(&self) -> bool {
        !self.inner.shared.store.is_local()
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
    /// nothing, and one in a forked child leaves the database to the process that opened it.
    ///
    /// # Errors
    /// When the last flush fails; what was acknowledged then stays in the log.
    pub fn close(&self) -> Result<()> {
        if !self.is_here() {
            self.inner.let_go();
            return Ok(());
        }
        if self.inner.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let background = self.inner.background.lock().take();
        drop(background);
        if !self.is_writer() {
            self.inner.closed.store(true, Ordering::Release);
            match &self.inner.role {
                Role::Live(_) => self.inner.pins.close(),
                Role::Still(pin) => drop(pin.lock().take()),
                Role::Writer => {}
            }
            return Ok(());
        }
        // Most of it beside the writers that are still at work, the rest with none.
        let flushed = catch_unwind(AssertUnwindSafe(|| self.flush()));
        let _flushing = self.inner.flushing.lock();
        let mut writer = self.inner.writer.lock();
        let flushed = flushed.and_then(|flushed| {
            catch_unwind(AssertUnwindSafe(|| flushed.and_then(|_| self.flush_locked(&mut writer))))
        });
        self.inner.closed.store(true, Ordering::Release);
        let closed = writer.end_log();
        // The lock is free whatever happened.
        self.inner.unlock();
        flushed.unwrap_or_else(|panic| resume_unwind(panic)).and(closed)
    }
}

impl Inner {
    /// Gives the writer's lock back.
    fn unlock(&self) {
        if let Some(lock) = &self.lock {
            lock.release();
        }
    }

    fn let_go(&self) {
        if let Some(lock) = &self.lock {
            lock.let_go();
        }
        self.pins.let_go();
    }
}

impl Writer {
    /// Refuses any change once the log has failed: a row whose log entry failed may yet come back
    /// with the next open, and would then come after what was changed meanwhile.
    fn usable(&self) -> Result<()> {
        self.wal.as_ref().and_then(|wal| wal.poisoned()).map_or(Ok(()), Err)
    }

    fn end_log(&mut self) -> Result<()> {
        let wal = self.wal.take();
        let closed = catch_unwind(AssertUnwindSafe(|| wal.map_or(Ok(()), |wal| wal.close())));
        let panicked = |_| Err(Error::Internal("a panic while the log was closed".to_owned()));
        closed.unwrap_or_else(panicked)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A handle that was never closed: its acknowledged rows are in the log, and the next open
        // replays them. Errors have nobody left to go to.
        drop(self.writer.get_mut().end_log());
    }
}
