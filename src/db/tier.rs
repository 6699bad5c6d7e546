//! The cold tier of a database: opening it, and moving segments there whose rows are all old.
//!
//! A move is: upload under a name that is nobody else's, look at what arrived, commit a version
//! that lists the upload in the local file's place, and only then, when no readable version lists
//! the local file any more, remove that. A crash leaves an upload that no version lists, which
//! `sweep.rs` collects, or a local file that the next open does.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::flush::NewSegment;
use super::options::Options;
use super::state::Shared;
use super::{Database, Inner};
use crate::error::{Error, Result};
use crate::storage::manifest::{self, ColdPlace, Manifest, SegmentMeta, Tier};
use crate::storage::segment::Segment;
use crate::storage::tiers::cache::RangeCache;
use crate::storage::tiers::{ColdTier, location};
use crate::storage::vfs::{LocalStore, Store, StoreOptions, SyncPolicy, open_url};

/// The folder of the database that keeps ranges of the cold tier.
const CACHE: &str = "cache";
/// Segments that one version moves at most, so that a failure late costs little.
const BATCH: usize = 16;
/// Bytes after which a version is committed.
const BATCH_BYTES: u64 = 256 << 20;
/// Bytes of a file that are copied at a time.
const PIECE: u64 = 8 << 20;
/// The environment's variables that may carry credentials of an object store.
const VENDORS: [&str; 3] = ["AWS_", "GOOGLE_", "AZURE_"];

/// How the cold tier's store is found.
#[derive(Clone, Debug, Default)]
pub(super) struct ColdSource {
    /// The store itself: tests.
    pub(super) given: Option<Arc<dyn Store>>,
    /// The database's own folder, where it has one.
    pub(super) root: Option<PathBuf>,
}

/// When the background tries again what failed, so that a store that is down or a damaged segment
/// does not keep it busy.
#[derive(Debug, Default)]
pub(super) struct Pace {
    fails: u32,
    not_before: Option<Instant>,
    pub(super) swept: Option<Instant>,
}

impl Pace {
    fn is_due(&self) -> bool {
        self.not_before.is_none_or(|at| Instant::now() >= at)
    }

    fn note<T>(&mut self, outcome: &Result<T>) {
        self.fails = if outcome.is_ok() { 0 } else { self.fails.saturating_add(1) };
        let wait = Duration::from_secs(1 << self.fails.min(9));
        self.not_before = outcome.is_err().then(|| Instant::now() + wait);
    }
}

impl ColdSource {
    /// The options with the cold tier's location in its one form.
    pub(super) fn checked(&self, mut options: Options) -> Result<Options> {
        if options.cold_after.is_some_and(|age| age <= 0) {
            return Err(Error::invalid(format!(
                "cold_after={} ns is not positive; it is an age, such as \"7d\"",
                options.cold_after.unwrap_or_default()
            )));
        }
        if let Some(cold) = &options.cold {
            options.cold = Some(location::settled(cold, self.root.as_deref())?);
        }
        Ok(options)
    }

    fn open(
        &self,
        place: &ColdPlace,
        options: &Options,
        create: bool,
        writes: bool,
    ) -> Result<ColdTier> {
        let store = match &self.given {
            Some(given) => Arc::clone(given),
            None => open_place(place, options, create)?,
        };
        let folder = self.root.as_ref().filter(|_| options.cold_cache > 0);
        // A folder that cannot be written to is read without a cache.
        let cache = folder.and_then(|root| {
            let disk = LocalStore::create(root.join(CACHE), SyncPolicy::Never).ok()?;
            if writes {
                disk.remove_stray().ok()?;
            }
            RangeCache::open(Arc::new(disk), options.cold_cache).ok().map(Arc::new)
        });
        Ok(ColdTier::new(place.clone(), store, cache))
    }
}

/// The cold store that a manifest names, opened with what the options and the environment have.
pub(super) fn open_place(
    place: &ColdPlace,
    options: &Options,
    create: bool,
) -> Result<Arc<dyn Store>> {
    let remote = if options.cold_store.is_empty() { &options.store } else { &options.cold_store };
    let given = options.cold.is_some() || !remote.is_empty();
    let environment = || {
        std::env::vars_os()
            .any(|(name, _)| VENDORS.iter().any(|v| name.to_string_lossy().starts_with(v)))
    };
    if location::is_remote(&place.location) && !given && !environment() {
        return Err(Error::invalid(format!(
            "a part of this database is in its cold tier at {:?}, and there are no credentials for \
             that; open it with cold={:?} and cold_options= (or storage_options=), or set the \
             store's variables in the environment",
            place.location, place.location
        )));
    }
    let at = format!("{}/{}", place.location, place.folder);
    let options = StoreOptions { sync: SyncPolicy::Always, create, remote: remote.clone() };
    open_url(&at, &options).map_err(|e| match e {
        Error::NotFound(_) => Error::NotFound(format!(
            "a part of this database is in its cold tier at {:?}, and the folder {at:?} is not \
             there; put it back where it was",
            place.location
        )),
        other => other.within(format!("opening the cold tier at {:?}", place.location)),
    })
}

impl Inner {
    /// Opens the cold tier that a version has segments in.
    pub(super) fn open_cold(&self, manifest: &Manifest) -> Result<()> {
        self.same_place(manifest)?;
        let Some(place) = &manifest.cold else { return Ok(()) };
        let opened = self.shared.cold().is_some_and(|tier| tier.place() == place);
        if !opened && (manifest.has_cold() || self.options.cold.is_some()) {
            let create = self.writes() && !manifest.has_cold();
            let tier = self.cold.open(place, &self.options, create, self.writes())?;
            self.shared.set_cold(tier);
        }
        Ok(())
    }

    fn writes(&self) -> bool {
        matches!(self.role, super::Role::Writer)
    }

    /// Refuses another place than the one that cold segments are in.
    fn same_place(&self, manifest: &Manifest) -> Result<()> {
        match (&self.options.cold, &manifest.cold) {
            (Some(asked), Some(place)) if *asked != place.location && manifest.has_cold() => {
                Err(elsewhere(asked, place))
            }
            _ => Ok(()),
        }
    }
}

fn elsewhere(asked: &str, place: &ColdPlace) -> Error {
    Error::invalid(format!(
        "cold={asked:?} is not where the cold tier of this database is, which is {:?}; open it \
         with that, as long as a readable version has segments there",
        place.location
    ))
}

impl Database {
    /// At open: records a place that was asked for, so that every later open finds it, and opens
    /// the one there is.
    pub(super) fn settle_cold(&self, manifest: &Manifest) -> Result<()> {
        let asked = self.inner.options.cold.as_ref();
        if asked.is_none() && self.inner.options.cold_after.is_some() && manifest.cold.is_none() {
            return Err(Error::invalid(
                "cold_after= says from which age on segments move, and this database has no cold \
                 tier to move them to; name a folder or an object store with cold=",
            ));
        }
        let differs = |manifest: &Manifest| {
            asked.is_some_and(|at| manifest.cold.as_ref().is_none_or(|p| p.location != *at))
        };
        if differs(manifest) {
            self.inner.same_place(manifest)?;
            self.no_version_is_cold(manifest)?;
            let mut writer = self.inner.writer.lock();
            self.commit(&mut writer, |manifest, _| {
                // On an object store another writer may have come first.
                self.inner.same_place(manifest)?;
                if let Some(location) = asked.filter(|_| differs(manifest)) {
                    let folder = manifest::unique_name(manifest.version);
                    manifest.cold = Some(ColdPlace { location: location.clone(), folder });
                }
                Ok(())
            })?;
        }
        let manifest = Arc::clone(&self.inner.state.read().view.manifest);
        let wanted = asked.is_some() || self.inner.options.cold_after.is_some();
        if wanted
            && let Some(place) = &manifest.cold
            && self.inner.shared.cold().is_none()
        {
            let create = !manifest.has_cold();
            let tier = self.inner.cold.open(place, &self.inner.options, create, true)?;
            self.inner.shared.set_cold(tier);
        }
        self.inner.open_cold(&manifest)
    }

    /// Refuses to forget a place that an older version still needs.
    fn no_version_is_cold(&self, newest: &Manifest) -> Result<()> {
        let store = self.inner.shared.store.as_ref();
        let (Some(place), Some(asked)) = (&newest.cold, &self.inner.options.cold) else {
            return Ok(());
        };
        for version in manifest::versions(store)? {
            match manifest::load(store, version) {
                Ok(older) if older.has_cold() => return Err(elsewhere(asked, place)),
                Err(Error::NotFound(_)) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The time before which the last row of a segment must lie for it to be cold.
    pub(super) fn cold_before(&self) -> Option<i64> {
        self.inner.shared.cold()?;
        self.inner.options.cold_after.map(|age| self.now().saturating_sub(age))
    }

    /// What the background does for the cold tier and against leaks; a failure is tried again
    /// later and later.
    pub(super) fn tend_stores(&self) -> Result<()> {
        if !self.inner.pace.lock().is_due() {
            return Ok(());
        }
        let Some(_compacting) = self.inner.compacting.try_lock() else { return Ok(()) };
        let moved = self.move_cold().map(drop);
        let outcome = self.sweep_when_due().and(moved);
        self.inner.pace.lock().note(&outcome);
        outcome
    }

    /// Moves every segment whose rows are all old; `compacting` is held. Says how many. One that is
    /// damaged stays, and keeps no other from moving.
    pub(super) fn move_cold(&self) -> Result<u64> {
        let (Some(before), Some(cold)) = (self.cold_before(), self.inner.shared.cold()) else {
            return Ok(0);
        };
        let (mut moved, mut damaged, mut failed) = (0, HashSet::new(), None);
        loop {
            let view = Arc::clone(&self.inner.state.read().view);
            let old: Vec<&Arc<SegmentMeta>> = view
                .manifest
                .segments()
                .filter(|meta| meta.tier == Tier::Local && meta.last_time < before)
                .filter(|meta| !damaged.contains(&meta.id))
                .take(BATCH)
                .collect();
            if old.is_empty() {
                return failed.map_or(Ok(moved), Err);
            }
            let (mut batch, mut bytes, mut stop) = (Vec::new(), 0, None);
            for meta in old {
                let place = self.new_segment(&mut self.inner.writer.lock(), Tier::Cold);
                match upload(&self.inner.shared, &cold, meta, &place) {
                    Ok(arrived) => batch.push((meta.id, arrived, place)),
                    Err(error @ Error::Corrupt(_)) => {
                        damaged.insert(meta.id);
                        failed.get_or_insert(error);
                    }
                    Err(error) => stop = Some(error),
                }
                bytes += meta.bytes;
                if stop.is_some() || bytes >= BATCH_BYTES {
                    break;
                }
            }
            moved += batch.len() as u64;
            self.commit_moves(&cold, &batch)?;
            if let Some(error) = stop {
                return Err(error);
            }
        }
    }

    /// Commits a version that lists what was uploaded in the place of the local segments.
    fn commit_moves(
        &self,
        cold: &ColdTier,
        batch: &[(u64, SegmentMeta, NewSegment)],
    ) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut writer = self.inner.writer.lock();
        self.commit(&mut writer, |manifest, _| {
            if manifest.cold.as_ref() != Some(cold.place()) {
                return Err(Error::Conflict(
                    "another writer gave the database another cold tier".to_owned(),
                ));
            }
            for (id, arrived, place) in batch {
                self.in_time(place)?;
                let tables = manifest.tables.values_mut();
                let own = tables.flat_map(|table| &mut table.segments).find(|m| m.id == *id);
                // On an object store another writer may have merged it: then what was uploaded
                // is an orphan.
                if let Some(own) = own {
                    *own = Arc::new(arrived.clone());
                }
            }
            Ok(())
        })
    }
}

/// Copies a segment's file to the cold tier, having read all of it: damage must not spread to the
/// copy that stays.
fn upload(
    shared: &Shared,
    cold: &ColdTier,
    meta: &Arc<SegmentMeta>,
    place: &NewSegment,
) -> Result<SegmentMeta> {
    let local = Arc::clone(&shared.store);
    let path = meta.path();
    let damage = Segment::open(Arc::clone(&local), Arc::clone(meta))?.verify();
    if let Some(flaw) = damage.first() {
        return Err(Error::corrupt(format!(
            "{path} is damaged and stays where it is: {}",
            flaw.what
        )));
    }
    let arrived = SegmentMeta {
        id: place.id,
        tier: Tier::Cold,
        file: place.file.clone(),
        ..SegmentMeta::clone(meta)
    };
    let mut object = cold.direct().create(&arrived.path())?;
    let mut from = 0;
    while from < meta.bytes {
        let len = PIECE.min(meta.bytes - from);
        object.write_all(&local.read_range(&path, from, len as usize)?)?;
        from += len;
    }
    object.finish()?;
    // Its size, its footer and that it is the segment that the manifest will name.
    Segment::open(Arc::clone(cold.direct()), Arc::new(arrived.clone()))?;
    Ok(arrived)
}
