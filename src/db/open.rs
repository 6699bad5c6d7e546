//! Opening: the store, the newest version, the log's rows, the lock.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::live::Tail;
use super::maintain::Background;
use super::options::{Durability, Mode, Options};
use super::state::{Shared, State};
use super::{Database, Inner, Owner, Role, Writer};
use crate::error::{Error, Result};
use crate::storage::lock::WriterLock;
use crate::storage::manifest::{self, Manifest};
use crate::storage::vfs::{MemoryStore, Store, StoreOptions, SyncPolicy, open_url};
use crate::storage::wal::{self, WalSync, WalWriter};

/// The manifest of a database that does not exist yet.
fn first_manifest(now: i64) -> Manifest {
    Manifest { version: 1, created: now, history_from: 1, ..Manifest::default() }
}

/// Nanoseconds since 1970 by the wall clock.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

impl Database {
    /// A database in memory, gone when its last handle is dropped.
    ///
    /// # Errors
    /// When the options contradict each other.
    pub fn in_memory(options: Options) -> Result<Self> {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let durability = options.durability.unwrap_or(Durability::Memory);
        if durability != Durability::Memory {
            return Err(Error::invalid(format!(
                "durability={durability:?} needs a path; a database in memory has \"memory\""
            )));
        }
        Self::start(store, "memory".to_owned(), None, durability, options)
    }

    /// The database in `store`, without a lock: for tests that put faults beneath it.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_with(store: Arc<dyn Store>, options: Options) -> Result<Self> {
        let local = if store.is_local() { Durability::Full } else { Durability::Remote };
        let durability = options.durability.unwrap_or(local);
        Self::start(store, "a store".to_owned(), None, durability, options)
    }

    /// The database at `location`: a folder, made when absent, or `scheme://bucket/prefix` of an
    /// object store.
    ///
    /// # Errors
    /// [`Error::DatabaseLocked`] when another writer holds it, [`Error::NotFound`] when a reader
    /// finds none, [`Error::Corrupt`] when its files are damaged.
    pub fn open(location: &str, options: Options) -> Result<Self> {
        let remote = location.contains("://") && !location.starts_with("file://");
        if remote {
            let durability = options.durability.unwrap_or(Durability::Remote);
            if durability != Durability::Remote {
                return Err(Error::invalid(format!(
                    "durability={durability:?} needs a local path; {location:?} is an object \
                     store, which has \"remote\""
                )));
            }
            let store = open_url(location, &store_options(&options, SyncPolicy::Always, true))?;
            return Self::start(store, location.to_owned(), None, durability, options);
        }
        let durability = options.durability.unwrap_or(Durability::Full);
        if durability == Durability::Remote {
            return Err(Error::invalid(format!(
                "durability=\"remote\" needs an object store; {location:?} is a local path, which \
                 has \"full\", \"interval\", \"os\" and \"memory\""
            )));
        }
        let path = std::path::PathBuf::from(location.strip_prefix("file://").unwrap_or(location));
        let writes = options.mode == Mode::Write && options.as_of.is_none();
        let sync = match durability {
            Durability::Full | Durability::Interval(_) => SyncPolicy::Always,
            _ => SyncPolicy::Never,
        };
        let store = open_url(location, &store_options(&options, sync, writes))?;
        let lock = if writes { Some(WriterLock::acquire(&path)?) } else { None };
        Self::start(store, location.to_owned(), lock, durability, options)
    }

    fn start(
        store: Arc<dyn Store>,
        location: String,
        lock: Option<WriterLock>,
        durability: Durability,
        options: Options,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(store, options.cache_bytes));
        let pool = thread_pool(options.threads)?;
        let (role, state, writer) = match (options.as_of, options.mode) {
            (Some(version), _) => {
                let state = State::new(older(shared.store.as_ref(), version)?);
                (Role::Still(None), state, Writer::default())
            }
            (None, Mode::Read) => {
                let (state, tail) = Tail::start(shared.store.as_ref())?;
                (Role::Live(Mutex::new(tail)), state, Writer::default())
            }
            (None, Mode::Write) => {
                let (state, writer) = recover(&shared, lock, durability)?;
                (Role::Writer, state, writer)
            }
        };
        let writes = matches!(role, Role::Writer);
        let database = Self::with(Inner {
            shared,
            location,
            options,
            durability,
            role,
            state: RwLock::new(state),
            writer: Mutex::new(writer),
            flushing: Mutex::default(),
            compacting: Mutex::default(),
            closed: AtomicBool::new(false),
            pool,
            background: Mutex::default(),
            pins: Arc::default(),
        });
        if !writes {
            return Ok(database);
        }
        database.collect_orphans()?;
        if database.inner.options.background {
            *database.inner.background.lock() = Some(Background::start(&database.inner)?);
        }
        Ok(database)
    }

    fn with(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        Self { owner: Some(Arc::new(Owner(Arc::clone(&inner)))), inner }
    }

    /// A handle that shows this moment for as long as it lives.
    ///
    /// # Errors
    /// When the database is closed or, for a live reader, cannot be read.
    pub fn snapshot(&self) -> Result<Self> {
        self.ready()?;
        self.refresh()?;
        let mut writer = self.inner.writer.lock();
        let mut state = self.inner.state.write();
        if !state.head.is_empty() {
            let order = match self.inner.role {
                Role::Writer => {
                    writer.next_order += 1;
                    writer.next_order - 1
                }
                // A live reader's heads only ever stand after the version's segments.
                _ => state.view.manifest.next_order + state.view.frozen.len() as u64,
            };
            state.freeze(order);
        }
        let view = Arc::clone(&state.view);
        let pin = super::Pin::new(view.manifest.version, &self.inner.pins);
        drop(state);
        drop(writer);
        if matches!(self.inner.role, Role::Live(_)) {
            // The writer beside a reader knows nothing of its pins and may remove a segment; one
            // that is open stays readable.
            for meta in view.manifest.tables.values().flat_map(|table| &table.segments) {
                self.inner.shared.segment(meta)?;
            }
        }
        let manifest = Manifest::clone(&view.manifest);
        let state = State { view, ..State::new(manifest) };
        Ok(Self::with(Inner {
            shared: Arc::clone(&self.inner.shared),
            location: self.inner.location.clone(),
            options: self.inner.options.clone(),
            durability: self.inner.durability,
            role: Role::Still(Some(pin)),
            state: RwLock::new(state),
            writer: Mutex::default(),
            flushing: Mutex::default(),
            compacting: Mutex::default(),
            closed: AtomicBool::new(false),
            pool: Arc::clone(&self.inner.pool),
            background: Mutex::default(),
            // A snapshot of the snapshot outlives it.
            pins: Arc::clone(&self.inner.pins),
        }))
    }
}

/// An older version that is still whole.
fn older(store: &dyn Store, version: u64) -> Result<Manifest> {
    let manifest = manifest::load(store, version)?;
    let oldest = manifest::latest(store)?.map_or(version, |newest| newest.history_from);
    if version < oldest {
        return Err(Error::NotFound(format!(
            "version {version} of {} is past its history, which begins at {oldest}",
            store.describe()
        )));
    }
    Ok(manifest)
}

/// The newest version with the log's rows on top, and a new log file to go on with.
fn recover(
    shared: &Shared,
    lock: Option<WriterLock>,
    durability: Durability,
) -> Result<(State, Writer)> {
    let store = &shared.store;
    let newest = match manifest::latest(store.as_ref())? {
        Some(found) => found,
        None => {
            let first = first_manifest(now());
            manifest::commit(store.as_ref(), &first)?;
            first
        }
    };
    let mut writer = Writer {
        lock,
        next_segment: newest.next_segment,
        next_order: newest.next_order,
        next_wal: newest.wal_from,
        ..Writer::default()
    };
    let mut state = State::new(newest);
    let mut spent = Vec::new();
    if store.is_local() {
        let manifest = Arc::clone(&state.view.manifest);
        for number in wal::files(store.as_ref())? {
            let mut covered = true;
            if number >= manifest.wal_from {
                // What no fsync acknowledged may be torn; everything before it is whole.
                let read = wal::read_entries(store.as_ref(), number, 0)?;
                covered = read.entries.is_empty();
                for (_, entry) in read.entries {
                    apply(&mut state, &manifest, entry)?;
                }
            }
            if covered {
                spent.push(number);
            }
            writer.next_wal = writer.next_wal.max(number.saturating_add(1));
        }
        if !state.head.is_empty() {
            state.head_since = Some(Instant::now());
        }
    }
    writer.wal = start_wal(store, writer.next_wal, durability)?;
    writer.next_wal += 1;
    if writer.wal.is_some() {
        // Only now: the new file keeps their numbers from being used again.
        for number in spent {
            store.delete(&wal::path(number))?;
        }
    }
    Ok((state, writer))
}

fn store_options(options: &Options, sync: SyncPolicy, create: bool) -> StoreOptions {
    StoreOptions { sync, create, remote: options.store.clone() }
}

/// Puts a log entry's rows into the head.
pub(super) fn apply(
    state: &mut State,
    manifest: &Manifest,
    entry: crate::storage::wal::WalEntry,
) -> Result<()> {
    for logged in entry.batches {
        // A table that is gone takes its rows with it.
        if let Some(table) = manifest.tables.get(logged.batch.table()) {
            let batch = logged.into_batch(&table.schema.tags)?;
            state.head.apply(&table.schema, &batch)?;
        }
    }
    Ok(())
}

/// The log of a durability that keeps one.
pub(super) fn start_wal(
    store: &Arc<dyn Store>,
    number: u64,
    durability: Durability,
) -> Result<Option<Arc<WalWriter>>> {
    let sync = match durability {
        Durability::Full => WalSync::Full,
        Durability::Interval(every) => WalSync::Interval(every),
        Durability::Os => WalSync::Os,
        Durability::Memory | Durability::Remote => return Ok(None),
    };
    WalWriter::create(store.as_ref(), number, sync).map(|wal| Some(Arc::new(wal)))
}

fn thread_pool(threads: usize) -> Result<Arc<rayon::ThreadPool>> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("kymograph-{i}"))
        .build()
        .map(Arc::new)
        .map_err(|e| Error::storage("starting the thread pool", std::io::Error::other(e)))
}
