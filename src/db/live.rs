//! Live readers: follow a writer's versions and its log from another process.

use std::time::Instant;

use super::open::apply;
use super::state::State;
use super::{Database, Role};
use crate::error::{Error, Result};
use crate::storage::manifest::{self, Manifest};
use crate::storage::vfs::Store;
use crate::storage::wal;

/// How often a reader starts over when the writer moves on beneath it.
const TRIES: usize = 50;

/// How far a live reader has read.
#[derive(Debug, Default)]
pub(super) struct Tail {
    version: u64,
    /// The log file being read and the offset of its next entry.
    number: u64,
    offset: u64,
}

impl Tail {
    /// The newest version with the log's rows on top.
    pub(super) fn start(store: &dyn Store) -> Result<(State, Self)> {
        let mut last = None;
        for _ in 0..TRIES {
            let newest = manifest::latest(store)?.ok_or_else(|| {
                Error::NotFound(format!(
                    "there is no database at {}; open it with mode=\"rw\" to make one",
                    store.describe()
                ))
            })?;
            let version = newest.version;
            let mut tail = Self { version, number: newest.wal_from, offset: 0 };
            let mut state = State::new(newest);
            match tail.follow(store, &mut state) {
                // The log is only this version's while the version is still the newest.
                Ok(()) if manifest::newest_version(store)? == Some(version) => {
                    return Ok((state, tail));
                }
                Ok(()) => {}
                Err(error @ Error::NotFound(_)) => last = Some(error),
                // A newer version's rows may name a field that this one lacks.
                Err(_) if manifest::newest_version(store)? != Some(version) => {}
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            Error::Conflict(format!(
                "{} changed {TRIES} times while it was being read; try again",
                store.describe()
            ))
        }))
    }

    /// Reads on in the log.
    fn follow(&mut self, store: &dyn Store, state: &mut State) -> Result<()> {
        if !store.is_local() {
            return Ok(());
        }
        let manifest = std::sync::Arc::clone(&state.view.manifest);
        let files = wal::files(store)?;
        if self.offset > 0 && !files.contains(&self.number) {
            // A flush covered it, maybe with rows that were not read yet: going on with the next
            // file would leave them out until the flush's version shows.
            return Err(Error::NotFound(format!("{} is gone", wal::path(self.number))));
        }
        for number in files {
            if number < self.number {
                continue;
            }
            if number > self.number {
                (self.number, self.offset) = (number, 0);
            }
            if store.size(&wal::path(number))? <= self.offset {
                continue;
            }
            let read = wal::read_entries(store, number, self.offset)?;
            for (_, entry) in read.entries {
                apply(state, &manifest, entry)?;
            }
            self.offset = read.next_offset;
            if !state.head.is_empty() {
                state.head_since.get_or_insert_with(Instant::now);
            }
        }
        Ok(())
    }
}

impl Database {
    /// Brings a live reader up to the writer's newest version and log; for others nothing.
    pub(super) fn refresh(&self) -> Result<()> {
        let Role::Live(tail) = &self.inner.role else { return Ok(()) };
        let store = self.inner.shared.store.as_ref();
        let mut tail = tail.lock();
        if manifest::newest_version(store)? == Some(tail.version) {
            let mut state = self.inner.state.write();
            let followed = tail.follow(store, &mut state);
            if followed.is_ok() && manifest::newest_version(store)? == Some(tail.version) {
                return Ok(());
            }
            // Some of an entry may have been taken in: what is in memory is no longer a version
            // with its log, and whatever failed shows again when it is read anew.
            tail.version = 0;
        }
        let (state, next) = Tail::start(store)?;
        self.forget_dropped(&state.view.manifest);
        *self.inner.state.write() = state;
        *tail = next;
        Ok(())
    }

    fn forget_dropped(&self, newest: &Manifest) {
        if !self.inner.pins.lock().is_empty() {
            // A snapshot may need them, and they cannot be opened again once they are removed.
            return;
        }
        let kept: std::collections::HashSet<u64> = segment_ids(newest).collect();
        let before = self.inner.state.read();
        let gone: Vec<u64> =
            segment_ids(&before.view.manifest).filter(|id| !kept.contains(id)).collect();
        self.inner.shared.forget(&gone);
    }
}

/// The segments that a version lists.
pub(super) fn segment_ids(manifest: &Manifest) -> impl Iterator<Item = u64> + '_ {
    manifest.tables.values().flat_map(|table| table.segments.iter().map(|meta| meta.id))
}
