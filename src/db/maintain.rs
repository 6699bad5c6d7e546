//! What keeps a database in shape: the background thread, deletes, retention, old versions.

use std::collections::HashSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::live::segment_ids;
use super::open::now;
use super::snapshot::table_state;
use super::{Database, Inner, Writer};
use crate::error::{Error, Result};
use crate::model::{TableSchema, TimeRange};
use crate::storage::manifest::{self, TableState, Tombstone};
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
        let database = Database { inner, owner: None };
        if database.is_closed() {
            return;
        }
        // A failure here loses nothing: rows stay in memory and in the log, old segments stay,
        // and the next flush, compact or close of the user's meets the same error and reports it.
        drop(database.upkeep());
    }
}

impl Database {
    fn upkeep(&self) -> Result<()> {
        let options = &self.inner.options;
        let due = {
            let state = self.inner.state.read();
            let old = state.oldest().is_some_and(|since| since.elapsed() >= options.flush_age);
            state.memory() >= options.head_bytes || old
        };
        if due {
            self.flush()?;
        }
        self.retain()?;
        self.compact_step()
    }

    /// Makes a table.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it exists with another shape, [`Error::InvalidArgument`] for
    /// unusable names.
    pub fn create_table(&self, schema: TableSchema) -> Result<()> {
        self.writable()?;
        schema.check()?;
        Coding::hot(&schema)?;
        let mut writer = self.inner.writer.lock();
        let view = Arc::clone(&self.inner.state.read().view);
        if let Some(existing) = view.manifest.tables.get(&schema.name) {
            if existing.schema == schema {
                return Ok(());
            }
            return Err(Error::Conflict(format!(
                "table {:?} exists with other tags, fields or policies; choose another name, or \
                 use it as db.schema({:?}) shows it",
                schema.name, schema.name
            )));
        }
        self.commit(&mut writer, |manifest| {
            let state =
                TableState { segments: Vec::new(), tombstones: Vec::new(), schema: schema.clone() };
            manifest.tables.insert(schema.name.clone(), state);
            Ok(())
        })
    }

    /// Sets how long a table keeps its rows, in nanoseconds; `None` keeps all.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown table, [`Error::InvalidArgument`] when not positive.
    pub fn set_retention(&self, table: &str, retention: Option<i64>) -> Result<()> {
        self.writable()?;
        let mut writer = self.inner.writer.lock();
        let view = Arc::clone(&self.inner.state.read().view);
        let mut schema = table_state(&view, table)?.schema.clone();
        schema.retention = retention;
        schema.check()?;
        self.commit(&mut writer, |manifest| {
            super::write::set_schema(manifest, &schema);
            Ok(())
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
        self.writable()?;
        let mut writer = self.inner.writer.lock();
        let view = Arc::clone(&self.inner.state.read().view);
        let mut schema = table_state(&view, table)?.schema.clone();
        (schema.codec, schema.cold_after) = (codec, cold_after);
        schema.check()?;
        Coding::hot(&schema)?;
        self.commit(&mut writer, |manifest| {
            super::write::set_schema(manifest, &schema);
            Ok(())
        })
    }

    /// The names of the tables.
    ///
    /// # Errors
    /// When the database is closed or cannot be read.
    pub fn tables(&self) -> Result<Vec<String>> {
        self.ready()?;
        self.refresh()?;
        Ok(self.inner.state.read().view.manifest.tables.keys().cloned().collect())
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
    /// erases them from the disk. Returns the version from which on they are gone.
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
        let schema = self.schema(table)?;
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
        let order = writer.next_order;
        writer.next_order += 1;
        self.commit(&mut writer, |manifest| {
            if let Some(state) = manifest.tables.get_mut(table) {
                let tombstone = Tombstone { order, range, filter: filter.to_vec() };
                if state.segments.iter().any(|meta| tombstone.hides(meta)) {
                    state.tombstones.push(tombstone);
                }
            }
            Ok(())
        })?;
        Ok(self.inner.state.read().view.manifest.version)
    }

    /// Drops segments that lie whole before their table's retention.
    pub(super) fn retain(&self) -> Result<()> {
        // A merge still reads what is dropped here.
        let _compacting = self.inner.compacting.lock();
        let now = now();
        let expired = |state: &TableState| -> HashSet<u64> {
            let Some(keep) = state.schema.retention else { return HashSet::new() };
            let floor = now.saturating_sub(keep);
            let old = state.segments.iter().filter(|meta| meta.last_time < floor);
            old.map(|meta| meta.id).collect()
        };
        let view = Arc::clone(&self.inner.state.read().view);
        if view.manifest.tables.values().all(|state| expired(state).is_empty()) {
            return Ok(());
        }
        let mut writer = self.inner.writer.lock();
        self.commit(&mut writer, |manifest| {
            for state in manifest.tables.values_mut() {
                let gone = expired(state);
                state.segments.retain(|meta| !gone.contains(&meta.id));
                drop_spent_tombstones(state);
            }
            Ok(())
        })
    }

    /// Removes manifests before the oldest readable version, and segments that only they list.
    ///
    /// A failure is no failure of the commit before it: what stays is tried again after the next
    /// commit, and at the next open.
    pub(super) fn expire_versions(&self, writer: &mut Writer) {
        let oldest = self.inner.state.read().view.manifest.history_from;
        let store = self.inner.shared.store.as_ref();
        let pinned = self.inner.pins.lock().keys().next().copied().unwrap_or(u64::MAX);
        let keep_from = oldest.min(pinned);
        if manifest::remove_before(store, keep_from).is_err() {
            return;
        }
        let mut gone = Vec::new();
        writer.dead.retain(|(id, died)| {
            let removed = *died <= keep_from && store.delete(&manifest::segment_path(*id)).is_ok();
            if removed {
                gone.push(*id);
            }
            !removed
        });
        self.inner.shared.forget(&gone);
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
        let mut listed: HashSet<u64> = segment_ids(&newest).collect();
        let mut last_listed: std::collections::HashMap<u64, u64> = Default::default();
        for version in manifest::versions(store)? {
            if version >= newest.history_from && version < newest.version {
                match manifest::load(store, version) {
                    Ok(older) => {
                        last_listed.extend(segment_ids(&older).map(|id| (id, version)));
                    }
                    // Which segments it needs is unknown; that must not bar the newest.
                    Err(Error::Corrupt(_)) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        }
        let mut writer = self.inner.writer.lock();
        let dead = last_listed.into_iter().filter(|(id, _)| !listed.contains(id));
        writer.dead.extend(dead.map(|(id, version)| (id, version + 1)));
        listed.extend(writer.dead.iter().map(|(id, _)| *id));
        for entry in store.list("segment/")? {
            let id = segment_number(&entry.path);
            if id.is_none_or(|id| !listed.contains(&id)) {
                store.delete(&entry.path)?;
            }
        }
        self.expire_versions(&mut writer);
        Ok(())
    }
}

/// Forgets tombstones that hide nothing any more.
pub(super) fn drop_spent_tombstones(state: &mut TableState) {
    let segments = &state.segments;
    state.tombstones.retain(|tombstone| segments.iter().any(|meta| tombstone.hides(meta)));
}

fn segment_number(path: &str) -> Option<u64> {
    path.strip_prefix("segment/")?.strip_suffix(".seg")?.parse().ok()
}
