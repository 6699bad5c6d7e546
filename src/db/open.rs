//! Opening: the store, the newest version, the log's rows, the lock.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::live::Tail;
use super::maintain::Background;
use super::memory::Memory;
use super::options::{Durability, Mode, Options};
use super::pins::Pins;
use super::repair::{self, Repair};
use super::state::{Shared, State};
use super::tier::ColdSource;
use super::{Database, Inner, Owner, Role, Writer, machine};
use crate::error::{Error, Result};
use crate::model::Timestamp;
use crate::planted::{self, Bug};
use crate::storage::lease::Lease;
use crate::storage::lock::WriterLock;
use crate::storage::manifest::{self, Manifest, Tier};
use crate::storage::network;
use crate::storage::process::Home;
use crate::storage::vfs::{MemoryStore, Store, StoreOptions, SyncPolicy, open_url};
use crate::storage::wal::{self, Mark, WalSync, WalWriter, mark};

/// The manifest of a database that does not exist yet.
fn first_manifest(now: i64) -> Manifest {
    Manifest { version: 1, created: now, history_from: 1, ..Manifest::default() }
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
        if options.cold.is_some() || options.cold_after.is_some() {
            return Err(Error::invalid(
                "cold= and cold_after= need a path; a database in memory is gone with its process",
            ));
        }
        Self::start(store, "memory".to_owned(), Place::default(), durability, options)
    }

    /// The database in `store`, without a lock: for tests that put faults beneath it.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_with(store: Arc<dyn Store>, options: Options) -> Result<Self> {
        let local = if store.is_local() { Durability::Full } else { Durability::Remote };
        let durability = options.durability.unwrap_or(local);
        Self::start(store, "a store".to_owned(), Place::default(), durability, options)
    }

    /// The database in `store`, with the lock of the folder `dir`: for tests of what becomes of it.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_locked_with(
        store: Arc<dyn Store>,
        dir: &std::path::Path,
        options: Options,
    ) -> Result<Self> {
        let lock = Some(WriterLock::acquire(dir)?);
        let place = Place { lock, ..Place::default() };
        let durability = options.durability.unwrap_or(Durability::Full);
        Self::start(store, dir.display().to_string(), place, durability, options)
    }

    /// As [`Self::open_with`], with a store for the cold tier.
    ///
    /// # Errors
    /// As [`Self::open`].
    #[cfg(any(test, feature = "testing"))]
    pub fn open_tiered_with(
        store: Arc<dyn Store>,
        cold: Arc<dyn Store>,
        options: Options,
    ) -> Result<Self> {
        let local = if store.is_local() { Durability::Full } else { Durability::Remote };
        let durability = options.durability.unwrap_or(local);
        let options = Options { cold: Some("/a/cold/store".to_owned()), ..options };
        let cold = ColdSource { given: Some(cold), root: None };
        let place = Place { cold, ..Place::default() };
        Self::start(store, "a store".to_owned(), place, durability, options)
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
            return Self::start(store, location.to_owned(), Place::default(), durability, options);
        }
        let durability = options.durability.unwrap_or(Durability::Full);
        if durability == Durability::Remote {
            return Err(Error::invalid(format!(
                "durability=\"remote\" needs an object store; {location:?} is a local path, which \
                 has \"full\", \"interval\", \"os\" and \"memory\""
            )));
        }
        let path = PathBuf::from(location.strip_prefix("file://").unwrap_or(location));
        let writes = options.mode == Mode::Write && options.as_of.is_none();
        let sync = match durability {
            Durability::Full | Durability::Interval(_) => SyncPolicy::Always,
            _ => SyncPolicy::Never,
        };
        let store = open_url(location, &store_options(&options, sync, writes))?;
        if writes && !options.network_filesystem {
            network::refuse(&path)?;
        }
        let lock = if writes { Some(WriterLock::acquire(&path)?) } else { None };
        let cold = ColdSource { given: None, root: Some(path.clone()) };
        let place = Place { folder: Some(path), lock, cold };
        Self::start(store, location.to_owned(), place, durability, options)
    }

    fn start(
        store: Arc<dyn Store>,
        location: String,
        place: Place,
        durability: Durability,
        options: Options,
    ) -> Result<Self> {
        let Place { folder, lock, cold } = place;
        let options = cold.checked(options)?;
        let shared = Arc::new(Shared::new(store, options.cache_bytes));
        let pool = thread_pool(options.threads)?;
        if options.repair && (options.as_of.is_some() || options.mode == Mode::Read) {
            return Err(Error::invalid(
                "repair=True needs the writer: open with mode=\"rw\" and without as_of",
            ));
        }
        let mut repairs = None;
        let half = || machine::memory().map_or(usize::MAX, |bytes| bytes / 2);
        let memory = Memory::new(options.query_memory.unwrap_or_else(half));
        let reads = options.as_of.is_some() || options.mode == Mode::Read;
        let lease = folder.as_deref().filter(|_| reads).and_then(Lease::take);
        let pins = Pins::with_lease(lease);
        // What is looked at first, nobody knows yet: until then all versions.
        let opening = pins.pin(0);
        let (role, state, writer) = match (options.as_of, options.mode) {
            (Some(version), _) => {
                let pin = pins.pin(version);
                let state = State::new(older(shared.store.as_ref(), version)?);
                (Role::Still(Mutex::new(Some(pin))), state, Writer::default())
            }
            (None, Mode::Read) => {
                let (state, tail) = Tail::start(shared.store.as_ref())?;
                (Role::Live(Mutex::new(tail)), state, Writer::default())
            }
            (None, Mode::Write) => {
                if options.repair {
                    repairs = repair::prepare(&shared.store)?;
                }
                let (state, writer) = match &mut repairs {
                    Some(prepared) => {
                        let state = prepared.take_state();
                        let (next, after) = (prepared.next_wal(), None);
                        (state, begin(&shared.store, durability, prepared.base(), next, after)?)
                    }
                    None => recover(&shared, durability, options.clock.now())?,
                };
                (Role::Writer, state, writer)
            }
        };
        drop(opening);
        let writes = matches!(role, Role::Writer);
        let wanted = options.repair;
        let database = Self::with(Inner {
            home: Home::here(),
            shared,
            location,
            options,
            durability,
            role,
            lock,
            folder,
            state: RwLock::new(state),
            writer: Mutex::new(writer),
            flushing: Mutex::default(),
            compacting: Mutex::default(),
            closed: AtomicBool::new(false),
            pool,
            memory,
            background: Mutex::default(),
            upkeep: Mutex::default(),
            cold,
            pace: Mutex::default(),
            broken: AtomicBool::new(false),
            repaired: if wanted { Some(OnceLock::new()) } else { None },
            pins,
        });
        let manifest = Arc::clone(&database.inner.state.read().view.manifest);
        if writes {
            database.settle_cold(&manifest)?;
        } else {
            database.inner.open_cold(&manifest)?;
        }
        if !writes {
            return Ok(database);
        }
        if let Some(cell) = &database.inner.repaired {
            let report = match repairs {
                Some(prepared) => database.finish_repair(prepared)?,
                None => Repair::default(),
            };
            cell.get_or_init(|| report);
        }
        database.collect_orphans()?;
        if database.inner.options.background {
            *database.inner.background.lock() = Some(Background::start(&database.inner)?);
        }
        Ok(database)
    }

    fn with(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        Self { owner: Some(Arc::new(Owner(Arc::clone(&inner)))), inner, pruning: true }
    }

    /// A handle that shows this moment for as long as it lives.
    ///
    /// # Errors
    /// When the database is closed or, for a live reader, cannot be read.
    pub fn snapshot(&self) -> Result<Self> {
        self.ready()?;
        let _kept = self.refresh()?;
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
        let pin = self.inner.pins.pin(view.manifest.version);
        drop(state);
        drop(writer);
        if matches!(self.inner.role, Role::Live(_)) && !self.inner.pins.has_lease() {
            // The writer knows nothing of this reader and may remove a segment; one that is open
            // stays readable, and one of the cold tier stays for the time of grace.
            for meta in view.manifest.segments().filter(|meta| meta.tier == Tier::Local) {
                self.inner.shared.segment(meta)?;
            }
        }
        let manifest = Manifest::clone(&view.manifest);
        let state = State { view, ..State::new(manifest) };
        Ok(Self::with(Inner {
            home: self.inner.home,
            shared: Arc::clone(&self.inner.shared),
            location: self.inner.location.clone(),
            options: self.inner.options.clone(),
            durability: self.inner.durability,
            role: Role::Still(Mutex::new(Some(pin))),
            lock: None,
            folder: self.inner.folder.clone(),
            state: RwLock::new(state),
            writer: Mutex::default(),
            flushing: Mutex::default(),
            compacting: Mutex::default(),
            closed: AtomicBool::new(false),
            pool: Arc::clone(&self.inner.pool),
            memory: Arc::clone(&self.inner.memory),
            background: Mutex::default(),
            upkeep: Mutex::default(),
            cold: self.inner.cold.clone(),
            pace: Mutex::default(),
            broken: AtomicBool::new(false),
            repaired: None,
            // A snapshot of the snapshot outlives it.
            pins: Arc::clone(&self.inner.pins),
        }))
    }
}

/// Where a database lies, with the writer's right to it.
#[derive(Debug, Default)]
struct Place {
    /// The directory of a local one.
    folder: Option<PathBuf>,
    lock: Option<WriterLock>,
    cold: ColdSource,
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
fn recover(shared: &Shared, durability: Durability, now: Timestamp) -> Result<(State, Writer)> {
    read_back(shared, durability, now).map_err(|error| repair::advise(&shared.store, error))
}

fn read_back(shared: &Shared, durability: Durability, now: Timestamp) -> Result<(State, Writer)> {
    let store = &shared.store;
    store.settle()?;
    let confirmed = Some(Instant::now());
    let newest = match manifest::latest(store.as_ref())? {
        Some(found) => found,
        None => {
            refuse_the_headless(store.as_ref())?;
            let first = first_manifest(now);
            match manifest::commit(store.as_ref(), &first) {
                Ok(()) => first,
                // Another writer began it at the same moment.
                Err(Error::Conflict(_)) if !store.is_local() => {
                    manifest::latest(store.as_ref())?.unwrap_or(first)
                }
                Err(error) => return Err(error),
            }
        }
    };
    let mut state = State::new(newest);
    let manifest = Arc::clone(&state.view.manifest);
    let (mut spent, mut next, mut after) = (Vec::new(), manifest.wal_from, None);
    let version = manifest.version;
    // What was found is durable by now, and says so: a power cut may have left marks in parts.
    let settled = matches!(durability, Durability::Full | Durability::Interval(_));
    if store.is_local() {
        let missing = wal::missing(store.as_ref(), manifest.wal_from)?;
        if let Some((path, why)) = missing.into_iter().next() {
            return Err(Error::corrupt(format!("{path}: {why}")));
        }
        let files = wal::files(store.as_ref())?;
        for number in mark::numbers(store.as_ref())?.into_iter().filter(|n| !files.contains(n)) {
            // Of a log that held nothing, and whose name a power cut took.
            spent.push(number);
            next = next.max(number.saturating_add(1));
        }
        for number in files {
            let mut covered = true;
            let stops = planted::is(Bug::ReplayStopsAtFirstFile) && !state.head.is_empty();
            if number >= manifest.wal_from && !stops {
                // What no fsync acknowledged may be torn; everything before it is whole.
                let read = wal::read_entries(store.as_ref(), number, 0)?;
                covered = read.entries.is_empty();
                if settled && !covered {
                    let (end, records) = (read.next_offset, read.entries.len() as u64);
                    mark::renew(store.as_ref(), &Mark { number, after, end, records, version });
                } else {
                    mark::remove_damaged(store.as_ref(), number)?;
                }
                for (_, entry) in read.entries {
                    apply(&mut state, &manifest, entry)?;
                }
            }
            if covered {
                spent.push(number);
            } else {
                after = Some(number);
            }
            next = next.max(number.saturating_add(1));
        }
        if !state.head.is_empty() {
            state.head_since = Some(Instant::now());
        }
    }
    let writer = Writer { confirmed, ..begin(store, durability, &manifest, next, after)? };
    if writer.wal.is_some() {
        // Only now: the new file keeps their numbers from being used again.
        for number in spent {
            wal::remove(store.as_ref(), number)?;
        }
    }
    Ok((state, writer))
}

/// A new database begins with its first version; segments or logs without one are a database whose
/// versions are lost, and to begin anew would remove them as strangers.
fn refuse_the_headless(store: &dyn Store) -> Result<()> {
    if !store.is_local() {
        // Another writer may have begun it since the versions were listed.
        return Ok(());
    }
    for folder in ["segment", wal::FOLDER] {
        if let Some(entry) = store.list(folder)?.first() {
            return Err(Error::corrupt(format!(
                "{} has {:?} and no manifest: its manifests are gone; put them back, or move what \
                 is there away to begin anew",
                store.describe(),
                entry.path
            )));
        }
    }
    Ok(())
}

/// A writer that goes on from a version, with a log file of its own.
fn begin(
    store: &Arc<dyn Store>,
    durability: Durability,
    manifest: &Manifest,
    number: u64,
    after: Option<u64>,
) -> Result<Writer> {
    let reused = planted::is(Bug::SegmentNumberReused);
    Ok(Writer {
        wal: start_wal(store, number, (after, manifest.version), durability)?,
        next_wal: number.saturating_add(1),
        next_segment: manifest.next_segment - u64::from(reused && manifest.next_segment > 0),
        next_order: manifest.next_order,
        ..Writer::default()
    })
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

/// The log of a durability that keeps one; `mark` has the file before it that holds rows which no
/// segment has, and the newest version.
pub(super) fn start_wal(
    store: &Arc<dyn Store>,
    number: u64,
    (after, version): (Option<u64>, u64),
    durability: Durability,
) -> Result<Option<Arc<WalWriter>>> {
    let sync = match durability {
        Durability::Full => WalSync::Full,
        Durability::Interval(every) => WalSync::Interval(every),
        Durability::Os => WalSync::Os,
        Durability::Memory | Durability::Remote => return Ok(None),
    };
    WalWriter::create(store.as_ref(), number, after, version, sync).map(|wal| Some(Arc::new(wal)))
}

fn thread_pool(threads: usize) -> Result<Arc<rayon::ThreadPool>> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("kymograph-{i}"))
        .build()
        .map(Arc::new)
        .map_err(|e| Error::storage("starting the thread pool", std::io::Error::other(e)))
}
