//! Live readers: follow a writer's versions and its log from another process.

use std::time::Instant;

use super::open::apply;
use super::pins::Pin;
use super::state::State;
use super::{Database, Role};
use crate::error::{Error, Result};
use crate::storage::manifest::{self, Manifest};
use crate::storage::vfs::Store;
use crate::storage::wal::{self, WalEntry};

/// How often a reader starts over when the writer moves on beneath it.
const TRIES: usize = 50;

/// How far a live reader has read.
#[derive(Clone, Debug, Default)]
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
            let whole = nothing_missing(store, tail.number);
            match whole.and_then(|()| tail.read_on(store)) {
                // The log is only this version's while the version is still the newest.
                Ok(entries) if manifest::newest_version(store)? == Some(version) => {
                    take_in(&mut state, entries)?;
                    return Ok((state, tail));
                }
                Ok(_) => {}
                Err(error @ Error::NotFound(_)) => last = Some(error),
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

    /// The log's entries that were not read yet.
    fn read_on(&mut self, store: &dyn Store) -> Result<Vec<WalEntry>> {
        let mut entries = Vec::new();
        if !store.is_local() {
            return Ok(entries);
        }
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
            let size = store.size(&wal::path(number))?;
            if size == self.offset && size > 0 {
                continue;
            }
            let read = wal::read_entries(store, number, self.offset)?;
            entries.extend(read.entries.into_iter().map(|(_, entry)| entry));
            self.offset = read.next_offset;
        }
        Ok(entries)
    }
}

/// Refuses a log or versions of which a file is missing.
fn nothing_missing(store: &dyn Store, from: u64) -> Result<()> {
    if !store.is_local() {
        return Ok(());
    }
    match wal::missing(store, from)?.pop() {
        Some((path, why)) => Err(Error::corrupt(format!("{path}: {why}"))),
        None => Ok(()),
    }
}

/// Puts entries of the log on top of their version.
fn take_in(state: &mut State, entries: Vec<WalEntry>) -> Result<()> {
    let manifest = std::sync::Arc::clone(&state.view.manifest);
    for entry in entries {
        apply(state, &manifest, entry)?;
    }
    if !state.head.is_empty() {
        state.head_since.get_or_insert_with(Instant::now);
    }
    Ok(())
}

impl Database {
    /// Brings a live reader up to the writer's newest version and log; for others nothing.
    ///
    /// While what it returns lives, no writer removes what this version or a newer one needs; there
    /// is nothing to return without a lease.
    pub(super) fn refresh(&self) -> Result<Option<Pin>> {
        let Role::Live(tail) = &self.inner.role else { return Ok(None) };
        let store = self.inner.shared.store.as_ref();
        let leased = |version| self.inner.pins.has_lease().then(|| self.inner.pins.pin(version));
        let mut tail = tail.lock();
        // Before anything is looked at: what is found there then stays.
        let kept = leased(tail.version);
        if manifest::newest_version(store)? == Some(tail.version) {
            let mut next = tail.clone();
            // What is read counts only when it is this version's log still; until then no query
            // may see any of it.
            if let Ok(entries) = next.read_on(store)
                && manifest::newest_version(store)? == Some(tail.version)
            {
                if !entries.is_empty() {
                    let mut state = self.inner.state.write();
                    // Whatever ends this early, a panic as well: some may be in, and the next call
                    // starts over.
                    tail.version = 0;
                    if let Err(error) = take_in(&mut state, entries) {
                        *state = State::new(Manifest::clone(&state.view.manifest));
                        return Err(error);
                    }
                }
                *tail = next;
                return Ok(kept);
            }
        }
        let (state, next) = Tail::start(store)?;
        self.inner.open_cold(&state.view.manifest)?;
        let kept = kept.and_then(|_before| leased(next.version));
        self.forget_dropped(&state.view.manifest);
        *self.inner.state.write() = state;
        *tail = next;
        Ok(kept)
    }

    pub(super) fn forget_dropped(&self, newest: &Manifest) {
        if !self.inner.pins.has_lease() && self.inner.pins.oldest().is_some() {
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
    manifest.segments().map(|meta| meta.id)
}
