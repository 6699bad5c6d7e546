//! Verifies every checksum of a database and says what is damaged.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use std::thread::sleep;
use std::time::Duration;

use super::Database;
use super::options::Options;
use super::repair::named;
use super::tier::open_place;
use crate::error::{Error, Result};
use crate::model::{TableSchema, Timestamp};
use crate::storage::manifest::{self, ColdPlace, SegmentMeta, Tier};
use crate::storage::segment::Segment;
use crate::storage::vfs::{Store, StoreOptions, SyncPolicy, open_url};
use crate::storage::wal::{self, Marked, mark};

/// What is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, relative to the database.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
    /// The table whose rows are damaged, where that is known.
    pub table: Option<String>,
    /// Their series: each of its tags with its value; `None` when it can be any of the table.
    pub series: Option<BTreeMap<String, String>>,
    /// The first and the last time of the damaged rows.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// What a check saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What is damaged; empty when all is well.
    pub damage: Vec<Damage>,
}

impl CheckReport {
    fn note(&mut self, file: &str, what: impl std::fmt::Display) {
        let (file, what) = (file.to_owned(), what.to_string());
        self.damage.push(Damage { file, what, table: None, series: None, span: None });
    }

    /// Damage to a segment as a whole.
    fn note_segment(&mut self, schema: &TableSchema, meta: &SegmentMeta, error: impl Display) {
        self.damage.push(Damage {
            file: meta.path(),
            what: error.to_string(),
            table: Some(schema.name.clone()),
            series: None,
            span: Some((meta.first_time, meta.last_time)),
        });
    }
}

/// Checks the database at `location` without opening it, so that a damaged one can be checked.
///
/// # Errors
/// When the location itself cannot be listed.
pub fn check(location: &str, options: &Options) -> Result<CheckReport> {
    let remote = options.store.clone();
    let store =
        open_url(location, &StoreOptions { sync: SyncPolicy::Never, create: false, remote })?;
    check_store(&store, |place| open_place(place, options, false))
}

/// [`check`] of a store: for tests that damage one.
///
/// # Errors
/// As [`check`].
#[cfg(any(test, feature = "testing"))]
pub fn check_with(store: &Arc<dyn Store>) -> Result<CheckReport> {
    check_store(store, |place| open_place(place, &Options::default(), false))
}

/// [`check_with`] of a store and that of its cold tier.
///
/// # Errors
/// As [`check`].
#[cfg(any(test, feature = "testing"))]
pub fn check_tiers_with(store: &Arc<dyn Store>, cold: &Arc<dyn Store>) -> Result<CheckReport> {
    check_store(store, |_| Ok(Arc::clone(cold)))
}

impl Database {
    /// Checks every file of this database.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub fn check(&self) -> Result<CheckReport> {
        self.ready()?;
        check_store(&self.inner.shared.store, |place| match self.inner.shared.cold() {
            Some(cold) if cold.place() == place => Ok(Arc::clone(cold.direct())),
            _ => open_place(place, &self.inner.options, false),
        })
    }
}

/// Whether a version is gone or past the history by now.
fn is_past(store: &dyn Store, version: u64) -> bool {
    store.size(&manifest::path(version)).is_err()
        || matches!(manifest::latest(store), Ok(Some(newest)) if version < newest.history_from)
}

fn check_store(
    store: &Arc<dyn Store>,
    open: impl Fn(&ColdPlace) -> Result<Arc<dyn Store>>,
) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let mut segments = BTreeMap::new();
    let mut newest: Option<manifest::Manifest> = None;
    let versions = manifest::versions(store.as_ref())?;
    if versions.is_empty() {
        report.note("manifest/", "no manifest: this is no database, or its manifests are gone");
    }
    for version in versions.iter().copied() {
        let path = manifest::path(version);
        report.files += 1;
        report.bytes += store.size(&path).unwrap_or(0);
        match manifest::load(store.as_ref(), version) {
            Ok(found) => {
                for table in found.tables.values() {
                    let schema = Arc::new(table.schema.clone());
                    let each = table.segments.iter();
                    let each = each.map(|m| (m.id, (version, Arc::clone(m), Arc::clone(&schema))));
                    segments.extend(each);
                }
                newest = Some(found);
            }
            // A writer dropped it meanwhile.
            Err(Error::NotFound(_)) => {}
            Err(error) => {
                report.note(&path, error);
                newest = None;
            }
        }
    }
    if let Some(newest) = &newest {
        let gaps = (newest.history_from..newest.version).filter(|v| !versions.contains(v));
        let gaps: Vec<u64> = gaps.collect();
        // Unless a writer expired them meanwhile, with a newer version.
        if manifest::newest_version(store.as_ref())? == Some(newest.version) {
            for version in gaps {
                report.note(&manifest::path(version), "the file is missing: versions have no gaps");
            }
        }
    }
    // A version past the history is on its way out, and its segments may be gone before it.
    if let Some(newest) = &newest {
        segments.retain(|_, (version, ..)| *version >= newest.history_from);
    }
    let place = newest.as_ref().and_then(|newest| newest.cold.clone());
    let mut cold = None;
    for (version, meta, schema) in segments.values() {
        let mut path = meta.path();
        report.files += 1;
        let mut own = store;
        if meta.tier == Tier::Cold {
            // Of the newest version, or of none when that is damaged.
            let Some(place) = &place else { continue };
            path = format!("{}/{}/{path}", place.location, place.folder);
            match cold.get_or_insert_with(|| open(place)) {
                Ok(cold) => own = cold,
                Err(error) => {
                    report.note(&path, error);
                    continue;
                }
            }
        }
        match own.size(&meta.path()) {
            // With the last version that lists it, by a writer, meanwhile.
            Err(Error::NotFound(_)) if is_past(store.as_ref(), *version) => continue,
            Ok(size) if size == meta.bytes => {}
            Ok(size) => {
                let expected = meta.bytes;
                let what = format!("{size} bytes, the manifest says {expected}");
                report.note_segment(schema, meta, what);
            }
            Err(error) => {
                report.note_segment(schema, meta, error);
                continue;
            }
        }
        report.bytes += meta.bytes;
        match Segment::open(Arc::clone(own), Arc::clone(meta)) {
            Ok(segment) => {
                for flaw in segment.verify() {
                    report.damage.push(Damage {
                        file: path.clone(),
                        what: flaw.what,
                        table: Some(schema.name.clone()),
                        series: flaw.series.map(|key| named(schema, &key)),
                        span: flaw.span,
                    });
                }
            }
            Err(Error::NotFound(_)) if is_past(store.as_ref(), *version) => {}
            Err(error) => report.note_segment(schema, meta, error),
        }
    }
    if store.is_local() {
        let from = newest.map_or(0, |manifest| manifest.wal_from);
        check_log(store.as_ref(), from, &mut report)?;
    }
    Ok(report)
}

fn check_log(store: &dyn Store, from: u64, report: &mut CheckReport) -> Result<()> {
    let mut missing = wal::missing(store, from)?;
    if !missing.is_empty() {
        // A flush of a writer's may have covered and removed them since the manifest was read.
        let newest = manifest::latest(store).ok().flatten();
        missing = wal::missing(store, newest.map_or(from, |newest| newest.wal_from))?;
    }
    for (path, why) in missing {
        report.note(&path, why);
    }
    let files = wal::files(store)?;
    for number in mark::numbers(store)?.into_iter().filter(|number| *number >= from) {
        report.files += 1;
        report.bytes += mark::MARK as u64;
        if let Some(why) = damaged_mark(store, number)? {
            report.note(&mark::path(number), format!("{why}; its log is read without it"));
        }
    }
    for number in files.into_iter().filter(|number| *number >= from) {
        let path = wal::path(number);
        report.files += 1;
        report.bytes += store.size(&path).unwrap_or(0);
        match wal::read_entries(store, number, 0) {
            // A flush of a writer's covered it meanwhile.
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => report.note(&path, error),
        }
    }
    Ok(())
}

/// Why a mark is damaged. A writer may be about to overwrite it, so it is looked at again.
fn damaged_mark(store: &dyn Store, number: u64) -> Result<Option<String>> {
    for _ in 0..3 {
        match mark::read(store, number)? {
            Marked::Damaged(_) => sleep(Duration::from_millis(2)),
            _ => return Ok(None),
        }
    }
    Ok(match mark::read(store, number)? {
        Marked::Damaged(why) => Some(why),
        _ => None,
    })
}
