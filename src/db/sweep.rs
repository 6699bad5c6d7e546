//! Collects what is dead on stores that nothing locks: an object store that a database lives on,
//! and its cold tier.
//!
//! An object is dead when no manifest that is there lists it and the store says that it is older
//! than the time of grace. It then stays dead: a writer commits what it uploaded within half of
//! that time or not at all, and no version lists again what an earlier one dropped. Manifests go
//! oldest first, and only those that were followed by another a time of grace ago, so a reader in
//! another process that looks for a new version that often never misses a file.
//!
//! Ages are differences of the store's own clock, of which an object made now tells the time: how
//! far this machine's clock is off does not matter.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::Database;
use super::flush::NewSegment;
use crate::error::{Error, Result};
use crate::storage::manifest::{self, Tier, unique_name};
use crate::storage::vfs::Store;

/// The folder of the objects that tell a store's time.
const CLOCK: &str = "clock";
/// The folder of the segments.
const SEGMENTS: &str = "segment";
/// Between two looks at least.
const LEAST: Duration = Duration::from_secs(10);

/// What a collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Versions past the history.
    pub versions: u64,
    /// Objects that no version lists.
    pub objects: u64,
}

impl Database {
    /// Removes what is dead on the object store and in the cold tier; nothing for a database that
    /// is only on the local disk, where commits clean up. The background does it on its own.
    ///
    /// # Errors
    /// The store's error; what is gone then was dead.
    pub fn collect(&self) -> Result<Collected> {
        self.writable()?;
        // A merge and a move have objects that no version lists yet.
        let _compacting = self.inner.compacting.lock();
        self.sweep()
    }

    /// The same now and then; `compacting` is held.
    pub(super) fn sweep_when_due(&self) -> Result<()> {
        if !self.shares_store() && self.inner.shared.cold().is_none() {
            return Ok(());
        }
        let every = (self.inner.options.grace / 2).max(LEAST);
        let swept = self.inner.pace.lock().swept;
        if swept.is_some_and(|at| at.elapsed() < every) {
            return Ok(());
        }
        self.sweep()?;
        self.inner.pace.lock().swept = Some(Instant::now());
        Ok(())
    }

    pub(super) fn sweep(&self) -> Result<Collected> {
        let store = self.inner.shared.store.as_ref();
        let mut collected = Collected::default();
        let (shared, cold) = (self.shares_store(), self.inner.shared.cold());
        // A write on an object store has an object that no version lists yet.
        let _writer = shared.then(|| self.inner.writer.lock());
        if !shared && cold.is_none() {
            return Ok(collected);
        }
        collected.versions = self.remove_versions()?;
        if shared {
            collected.objects += self.sweep_store(store, Tier::Local)?.0;
        }
        if let Some(cold) = cold {
            let (removed, left) = self.sweep_store(cold.direct().as_ref(), Tier::Cold)?;
            collected.objects += removed;
            if let Some(cache) = cold.cache() {
                cache.retain(|path| left.contains(path));
            }
        }
        Ok(collected)
    }

    /// Removes the versions that are past the history, unpinned, and were followed by another a
    /// time of grace ago.
    pub(super) fn remove_versions(&self) -> Result<u64> {
        let store = self.inner.shared.store.as_ref();
        let versions = manifest::versions(store)?;
        let Some(newest) = versions.last() else { return Ok(0) };
        let known = std::sync::Arc::clone(&self.inner.state.read().view.manifest);
        let oldest = if known.version == *newest {
            known.history_from
        } else {
            // On an object store another writer may have gone on.
            match manifest::load(store, *newest) {
                Ok(newest) => newest.history_from,
                Err(Error::NotFound(_)) => return Ok(0),
                Err(error) => return Err(error),
            }
        };
        let floor = oldest.min(self.oldest_held()?);
        let past: Vec<u64> = versions.into_iter().filter(|version| *version < floor).collect();
        if past.is_empty() {
            return Ok(0);
        }
        let now = if store.is_local() { self.now() } else { time_of(store)? };
        let mut gone = Vec::new();
        for version in past {
            match store.modified(&manifest::path(version + 1)) {
                Ok(followed) if !self.is_past(followed, now) => break,
                // Another writer removed it: then this one is past its time too.
                Ok(_) | Err(Error::NotFound(_)) => gone.push(version),
                Err(error) => return Err(error),
            }
        }
        Ok(manifest::remove(store, &gone)? as u64)
    }

    /// Whether a time of grace lies between two moments of one store's clock.
    fn is_past(&self, then: i64, now: i64) -> bool {
        let grace = i64::try_from(self.inner.options.grace.as_nanos()).unwrap_or(i64::MAX);
        then.saturating_add(grace) <= now
    }

    /// Removes the dead segments of one store. Returns how many, and the paths of those that stay.
    fn sweep_store(&self, store: &dyn Store, tier: Tier) -> Result<(u64, HashSet<String>)> {
        // The objects first: what a version lists that is committed meanwhile is too young.
        let mut there: HashSet<String> =
            store.list(SEGMENTS)?.into_iter().map(|entry| entry.path).collect();
        let clocks = store.list(CLOCK)?.into_iter().map(|entry| entry.path);
        let view = std::sync::Arc::clone(&self.inner.state.read().view);
        let own = |meta: &&std::sync::Arc<manifest::SegmentMeta>| meta.tier == tier;
        let newest: HashSet<String> =
            view.manifest.segments().filter(own).map(|meta| meta.path()).collect();
        let mut dead: Vec<String> = there.difference(&newest).cloned().collect();
        if !dead.is_empty() {
            let main = self.inner.shared.store.as_ref();
            for version in manifest::versions(main)? {
                match manifest::load(main, version) {
                    Ok(found) => {
                        let listed: HashSet<String> =
                            found.segments().filter(own).map(|meta| meta.path()).collect();
                        dead.retain(|path| !listed.contains(path));
                    }
                    Err(Error::NotFound(_)) => {}
                    // What a damaged version lists is unknown, so nothing is proven dead.
                    Err(error) => return Err(error),
                }
            }
        }
        dead.extend(clocks);
        if dead.is_empty() {
            return Ok((0, there));
        }
        let now = time_of(store)?;
        let mut removed = 0;
        for path in dead {
            match store.modified(&path) {
                Ok(made) if self.is_past(made, now) => {
                    store.delete(&path)?;
                    removed += u64::from(there.remove(&path));
                }
                Ok(_) => {}
                Err(Error::NotFound(_)) => drop(there.remove(&path)),
                Err(error) => return Err(error),
            }
        }
        Ok((removed, there))
    }

    /// Refuses to commit an object of an object store that is so old that another writer may take
    /// it for dead before the commit.
    pub(super) fn in_time(&self, place: &NewSegment) -> Result<()> {
        let grace = self.inner.options.grace;
        if self.shares_store() && !grace.is_zero() && place.begun.elapsed() > grace / 2 {
            return Err(Error::LimitExceeded(format!(
                "writing a segment took {} s, more than half of grace={} s, after which another \
                 process may remove what no version lists; write less at a time or give every \
                 writer a longer grace",
                place.begun.elapsed().as_secs(),
                grace.as_secs()
            )));
        }
        Ok(())
    }
}

/// What a store's clock shows: the time of an object made now.
fn time_of(store: &dyn Store) -> Result<i64> {
    let path = format!("{CLOCK}/{}", unique_name(0));
    store.put_new(&path, b"kymograph")?;
    let time = store.modified(&path);
    // One that stays is collected in its time.
    drop(store.delete(&path));
    time
}
