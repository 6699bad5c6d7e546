//! What keeps a database in shape: the background thread, deletes, retention, old versions.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::collect::{Remains, collect};
use super::snapshot::table_state;
use super::{Database, Inner, Reader, Writer, policy};
use crate::error::{Error, Result};
use crate::model::{TableSchema, TimeRange, Timestamp};
use crate::planted::{self, Bug};
use crate::storage::lease;
use crate::storage::manifest::{self, Manifest, SegmentMeta, TableState, Tier, Tombstone};
use crate::storage::rewrite::Coding;

/// How often the background looks at what there is to do.
const TICK: Duration = Duration::from_millis(500);

/// The thread that flushes by size and age, compacts, and drops what retention says.
#[derive(Debug)]
pub(super) struct Background {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub(super) fn start(inner: &Arc<Inner>) -> Result<Self> {
        let (wake, woken) = sync_channel(1);
        let weak = Arc::downgrade(inner);
        let thread = std::thread::Builder::new()
            .name("kymograph-upkeep".to_owned())
            .spawn(move || run(&weak, &woken))
            .map_err(|e| Error::storage("starting the background thread", e))?;
        Ok(Self { wake: Some(wake), thread: Some(thread) })
    }

    /// Asks it to look now. A full channel means that it already will.
    pub(super) fn wake(&self) {
        if let Some(wake) = &self.wake {
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // The thread itself drops the last handle when every other is gone.
            if thread.thread().id() != std::thread::current().id() {
                drop(thread.join());
            }
        }
    }
}

fn run(inner: &Weak<Inner>, woken: &Receiver<()>) {
    loop {
        match woken.recv_timeout(TICK) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(inner) = inner.upgrade() else { return };
        let database = Database { inner, owner: None, pruning: true };
        if database.is_closed() {
            return;
        }
        // A failure here loses nothing: rows stay in memory and in the log, old segments stay,
        // and the next flush, compact or close of the user's meets the same error. It is remembered
        // for `stats`, and so is a panic, which must not end the thread.
        let done = catch_unwind(AssertUnwindSafe(|| database.upkeep()));
        let failed = match done {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(panic) => format!("a panic: {}", panic_text(panic.as_ref())),
        };
        let mut upkeep = database.inner.upkeep.lock();
        upkeep.failures += 1;
        upkeep.last = Some((failed, database.now()));
    }
}

/// What the background thread met since the open.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// Rounds that failed.
    pub(super) failures: u64,
    /// What the last of them met, and when.
    pub(super) last: Option<(String, Timestamp)>,
}

/// What a panic says.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

impl Database {
    fn upkeep(&self) -> Result<()> {
        let options = &self.inner.options;
        let due = {
            let state = self.inner.state.read();
            let old = state.oldest().is_some_and(|since| since.elapsed() >= options.flush_age);
            state.memory() >= options.head_bytes || old
        };
        let flushed = if due { self.flush().map(drop) } else { Ok(()) };
        let kept = match flushed {
            // On a full disk what is past its time makes room for the next flush.
            Err(e) if e.is_full() => self.make_room_by_age(),
            other => other.and_then(|()| self.retain(false)),
        };
        // What is wrong with one table keeps none from being merged, and neither waits for the cold
        // tier, which may be out of reach for long.
        let merged = self.compact_step();
        self.tend_stores().and(merged).and(kept)
    }

    /// Makes a table.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it exists with another shape, [`Error::InvalidArgument`] for
    /// unusable names.
    pub fn create_table(&self, schema: TableSchema) -> Result<()> {
        self.writable()?;
        schema.check()?;
        schema.check_size()?;
        Coding::hot(&schema)?;
        self.look_around()?;
        let mut writer = self.inner.writer.lock();
        let exists = |manifest: &Manifest| match manifest.tables.get(&schema.name) {
            None => policy::not_reserved(&schema.name).map(|()| false),
            Some(existing) if same_but_for_policy(&existing.schema, &schema) => Ok(true),
            Some(existing) if existing.schema.level_of().is_some() => {
                policy::not_a_level(&existing.schema).map(|()| true)
            }
            Some(_) => Err(Error::Conflict(format!(
                "table {:?} exists with other tags, fields or policies; choose another name, or \
                 use it as db.schema({:?}) shows it",
                schema.name, schema.name
            ))),
        };
        if exists(&self.inner.state.read().view.manifest)? {
            return Ok(());
        }
        self.check_tables(&self.inner.state.read().view, &schema.name)?;
        self.commit(&mut writer, |manifest, _| {
            if !exists(manifest)? {
                manifest.set_schema(schema.clone());
            }
            Ok(())
        })
    }

    /// Sets how long a table keeps its rows, in nanoseconds; `None` keeps all.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown table, [`Error::InvalidArgument`] when not positive.
    pub fn set_retention(&self, table: &str, retention: Option<i64>) -> Result<()> {
        self.change_schema(table, |schema| {
            policy::not_a_level(schema)?;
            schema.retention = retention;
            schema.check()
        })
    }

    /// Sets how a table is encoded from now on: its codec by name, `None` to let each column
    /// choose, and the age in nanoseconds from which compaction makes rows cold, `None` for never.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown table, [`Error::InvalidArgument`] for an unknown codec or
    /// an age that is not positive.
    pub fn set_codec(
        &self,
        table: &str,
        codec: Option<String>,
        cold_after: Option<i64>,
    ) -> Result<()> {
        self.change_schema(table, |schema| {
            (schema.codec, schema.cold_after) = (codec.clone(), cold_after);
            schema.check()?;
            Coding::hot(schema).map(drop)
        })
    }

    fn change_schema(
        &self,
        table: &str,
        set: impl Fn(&mut TableSchema) -> Result<()>,
    ) -> Result<()> {
        self.writable()?;
        self.look_around()?;
        let mut writer = self.inner.writer.lock();
        self.commit(&mut writer, |manifest, _| {
            let known = manifest.tables.keys().cloned().collect::<Vec<_>>();
            let state = manifest
                .tables
                .get_mut(table)
                .ok_or_else(|| Error::unknown("table", table, known.iter().map(String::as_str)))?;
            set(&mut state.schema)
        })
    }

    /// The names of the tables; those that hold the aggregates of others are left out.
    ///
    /// # Errors
    /// When the database is closed or cannot be read.
    pub fn tables(&self) -> Result<Vec<String>> {
        self.ready()?;
        self.refresh()?;
        let view = Arc::clone(&self.inner.state.read().view);
        let own = view.manifest.tables.iter().filter(|(_, t)| t.schema.level_of().is_none());
        Ok(own.map(|(name, _)| name.clone()).collect())
    }

    /// A table's tags, fields and policies.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the nearest names.
    pub fn schema(&self, table: &str) -> Result<TableSchema> {
        self.ready()?;
        self.refresh()?;
        let view = Arc::clone(&self.inner.state.read().view);
        Ok(table_state(&view, table)?.schema.clone())
    }

    /// The versions that `as_of` can open, with the time of each.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn versions(&self) -> Result<Vec<(u64, i64)>> {
        self.ready()?;
        self.refresh()?;
        let oldest = self.inner.state.read().view.manifest.history_from;
        let store = self.inner.shared.store.as_ref();
        let mut versions = Vec::new();
        for version in manifest::versions(store)?.into_iter().filter(|v| *v >= oldest) {
            match manifest::load(store, version) {
                Ok(found) => versions.push((version, found.created)),
                // Expired while we looked.
                Err(Error::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(versions)
    }

    /// Hides the rows of the series that pass `filter` and lie in `range`; the next compaction
    /// erases them from the disk. Of rows that were rolled up the aggregates go whose buckets lie
    /// whole in `range`; a bucket that it cuts stays. Returns the version from which on they are
    /// gone.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown table or tag.
    pub fn delete(
        &self,
        table: &str,
        filter: &[(String, Vec<Option<String>>)],
        range: TimeRange,
    ) -> Result<u64> {
        self.writable()?;
        self.look_around()?;
        let schema = self.schema(table)?;
        policy::not_a_level(&schema)?;
        for (tag, _) in filter {
            schema.require_tag(tag)?;
        }
        if range.end.is_some_and(|end| end < range.start) {
            return Err(Error::invalid(format!(
                "start {} is after end {:?} (ns since 1970 UTC); a range is [start, end)",
                range.start, range.end
            )));
        }
        // Only segments carry tombstones, so what the head holds goes there first: most of it
        // beside the writers, the rest with none, or a row could be seen after the delete and
        // still fall to it when its flush comes.
        self.flush()?;
        let _flushing = self.inner.flushing.lock();
        let mut writer = self.inner.writer.lock();
        self.writable()?;
        self.flush_locked(&mut writer)?;
        self.commit(&mut writer, |manifest, writer| {
            let order = policy::next_order(writer);
            let levels = policy::levels_of(manifest, table).into_iter();
            let levels = levels.filter_map(|(step, state)| {
                let range = policy::whole_buckets(range, step)?;
                let with_tag = |(tag, values): &&(String, Vec<Option<String>>)| {
                    state.schema.tags.contains(tag) || !values.contains(&None)
                };
                // Series of a level that knows nothing of a tag are all without it.
                let known: Vec<_> = filter.iter().filter(with_tag).cloned().collect();
                let all = known.iter().all(|(tag, _)| state.schema.tags.contains(tag));
                all.then(|| (state.schema.name.clone(), range, known))
            });
            let own = std::iter::once((table.to_owned(), range, filter.to_vec()));
            for (name, range, filter) in own.chain(levels).collect::<Vec<_>>() {
                let Some(state) = manifest.tables.get_mut(&name) else { continue };
                let tombstone = Tombstone { order, range, filter, expired: false };
                if state.segments.iter().any(|meta| tombstone.hides(meta)) {
                    state.tombstones.push(tombstone);
                }
            }
            Ok(())
        })?;
        Ok(self.inner.state.read().view.manifest.version)
    }

    /// Drops segments that lie whole before their table's retention, and rolls up what is due under
    /// a policy: all of it where forced.
    pub(super) fn retain(&self, force: bool) -> Result<()> {
        // A merge still reads what is dropped here.
        let _compacting = self.inner.compacting.lock();
        self.drop_expired(false)?;
        self.roll_up_all(force)
    }

    /// On a full disk: drops the same segments and with them older versions, so that their files go
    /// at once.
    pub(super) fn make_room_by_age(&self) -> Result<()> {
        let _compacting = self.inner.compacting.lock();
        self.drop_expired(true)
    }

    fn drop_expired(&self, room: bool) -> Result<()> {
        let now = self.now();
        let view = Arc::clone(&self.inner.state.read().view);
        let manifest = &view.manifest;
        let floors = manifest.tables.iter().filter_map(|(name, state)| {
            let floor = policy::floor(manifest, &state.schema, now)?;
            let emptied = state.segments.iter().all(|meta| meta.last_time < floor);
            // Of aggregates that no policy makes any more nothing may be left at all.
            let spent = emptied && state.schema.level_of().is_some();
            let some = state.segments.iter().any(|meta| is_past(meta, floor));
            (some || spent).then(|| (name.clone(), floor))
        });
        let floors: Vec<(String, i64)> = floors.collect();
        if floors.is_empty() {
            return Ok(());
        }
        let room = room || self.inner.shared.store.is_full();
        let mut writer = self.inner.writer.lock();
        self.commit(&mut writer, |manifest, _| {
            if room {
                manifest.history_from = manifest.version;
            }
            for (name, floor) in &floors {
                let Some(state) = manifest.tables.get_mut(name) else { continue };
                state.segments.retain(|meta| !is_past(meta, *floor));
                drop_spent_tombstones(state);
                if state.segments.is_empty() && state.schema.level_of().is_some() {
                    manifest.tables.remove(name);
                }
            }
            Ok(())
        })
    }

    /// Removes manifests before the oldest readable version, and segments that only they list.
    pub(super) fn expire_versions(&self, writer: &mut Writer) {
        if !self.inner.shared.store.is_local() {
            // Other processes read and write there: what is dead, `sweep.rs` finds out.
            return;
        }
        let gone = collect(self, &mut writer.dead);
        self.inner.shared.forget(&gone.iter().map(|meta| meta.id).collect::<Vec<_>>());
    }

    /// The live readers of a local database.
    pub(super) fn readers(&self) -> Result<Vec<Reader>> {
        self.inner.folder.as_deref().map_or(Ok(Vec::new()), lease::readers)
    }

    /// At open: removes segments that no readable version lists, left by a crash between a
    /// segment and its manifest or between a manifest and its clean-up.
    pub(super) fn collect_orphans(&self) -> Result<()> {
        let store = self.inner.shared.store.as_ref();
        if !store.is_local() {
            // On a shared store another process may be about to commit what looks like an orphan.
            return Ok(());
        }
        store.remove_stray()?;
        let newest = Arc::clone(&self.inner.state.read().view.manifest);
        let local = |manifest: &Manifest| -> Vec<Arc<SegmentMeta>> {
            let own = manifest.segments().filter(|meta| meta.tier == Tier::Local);
            own.cloned().collect()
        };
        let mut listed: HashSet<String> = local(&newest).iter().map(|meta| meta.path()).collect();
        let mut last_listed: HashMap<u64, (Arc<SegmentMeta>, u64)> = HashMap::new();
        let mut leased: HashSet<u64> =
            self.readers()?.iter().filter_map(|reader| reader.version).collect();
        // 0 is a reader that opens, which goes for the newest.
        leased.remove(&0);
        let from = leased.iter().copied().min().unwrap_or(u64::MAX).min(newest.history_from);
        for version in manifest::versions(store)? {
            leased.remove(&version);
            if version >= from && version < newest.version {
                match manifest::load(store, version) {
                    Ok(older) => {
                        let own = local(&older).into_iter();
                        last_listed.extend(own.map(|meta| (meta.id, (meta, version))));
                    }
                    // Which segments it needs is unknown; that must not bar the newest.
                    Err(Error::Corrupt(_)) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        }
        let mut writer = self.inner.writer.lock();
        let dead = last_listed.into_values().filter(|(meta, _)| !listed.contains(&meta.path()));
        writer.dead.extend(dead.map(|(meta, version)| (meta, version + 1)));
        listed.extend(writer.dead.iter().map(|(meta, _)| meta.path()));
        if !leased.is_empty() {
            // Which segments a version needs whose manifest is gone is unknown; the next open, or
            // the one after that, finds its reader gone.
            self.expire_versions(&mut writer);
            return Ok(());
        }
        for entry in store.list("segment/")? {
            let newest = planted::is(Bug::ListedSegmentCollected)
                && manifest::segment_number(&entry.path)
                    .is_some_and(|id| id + 1 == writer.next_segment);
            if newest || !listed.contains(&entry.path) {
                store.delete(&entry.path)?;
            }
        }
        self.expire_versions(&mut writer);
        Ok(())
    }
}

impl Database {
    /// The oldest version that this process or a live reader holds, `u64::MAX` for none.
    pub(super) fn oldest_held(&self) -> Result<u64> {
        let pinned = self.inner.pins.oldest().unwrap_or(u64::MAX);
        let pinned = if planted::is(Bug::PinnedSegmentCollected) { u64::MAX } else { pinned };
        let leased = match &self.inner.folder {
            Some(folder) => lease::oldest(folder)?.unwrap_or(u64::MAX),
            None => u64::MAX,
        };
        Ok(pinned.min(leased))
    }
}

impl Remains for Database {
    type Segment = Arc<SegmentMeta>;

    fn oldest_needed(&self) -> Result<u64> {
        let history = self.inner.state.read().view.manifest.history_from;
        Ok(history.min(self.oldest_held()?))
    }

    fn remove_manifests(&self, version: u64) -> Result<()> {
        match self.inner.shared.cold() {
            // A version that lists cold segments outlives its history by the time of grace.
            Some(_) => self.remove_versions().map(drop),
            None => manifest::remove_before(self.inner.shared.store.as_ref(), version).map(drop),
        }
    }

    fn remove_segment(&self, segment: &Arc<SegmentMeta>) -> bool {
        self.inner.shared.store.delete(&segment.path()).is_ok()
    }
}

/// Whether a table is as it was asked for. A policy is set on a table that is there.
fn same_but_for_policy(there: &TableSchema, asked: &TableSchema) -> bool {
    let downsample = there.downsample.clone();
    there.level_of().is_none() && *there == TableSchema { downsample, ..asked.clone() }
}

/// Whether all rows of a segment are older than `floor`.
fn is_past(meta: &SegmentMeta, floor: Timestamp) -> bool {
    let last =
        if planted::is(Bug::RetentionDropsPartlyLive) { meta.first_time } else { meta.last_time };
    last < floor
}

/// Forgets tombstones that hide nothing any more.
pub(super) fn drop_spent_tombstones(state: &mut TableState) {
    let segments = &state.segments;
    state.tombstones.retain(|tombstone| segments.iter().any(|meta| tombstone.hides(meta)));
}
