//! Verifies every checksum of a database and says what is damaged.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Database;
use super::options::Options;
use crate::error::{Error, Result};
use crate::storage::manifest;
use crate::storage::segment::Segment;
use crate::storage::vfs::{Store, StoreOptions, SyncPolicy, open_url};
use crate::storage::wal;

/// What is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file, relative to the database.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
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
        self.damage.push(Damage { file: file.to_owned(), what: what.to_string() });
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
    check_store(&store)
}

/// [`check`] of a store: for tests that damage one.
///
/// # Errors
/// As [`check`].
#[cfg(any(test, feature = "testing"))]
pub fn check_with(store: &Arc<dyn Store>) -> Result<CheckReport> {
    check_store(store)
}

impl Database {
    /// Checks every file of this database.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub fn check(&self) -> Result<CheckReport> {
        self.ready()?;
        check_store(&self.inner.shared.store)
    }
}

fn check_store(store: &Arc<dyn Store>) -> Result<CheckReport> {
    let mut report = CheckReport::default();
    let mut segments = BTreeMap::new();
    let mut newest = None;
    let versions = manifest::versions(store.as_ref())?;
    if versions.is_empty() {
        report.note("manifest/", "no manifest: this is no database, or its manifests are gone");
    }
    for version in versions {
        let path = manifest::path(version);
        report.files += 1;
        report.bytes += store.size(&path).unwrap_or(0);
        match manifest::load(store.as_ref(), version) {
            Ok(found) => {
                for table in found.tables.values() {
                    let named = table.segments.iter().map(|m| (m.id, (version, Arc::clone(m))));
                    segments.extend(named);
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
    for (version, meta) in segments.values() {
        let path = meta.path();
        report.files += 1;
        match store.size(&path) {
            // With the last version that lists it, by a writer, meanwhile.
            Err(Error::NotFound(_)) if store.size(&manifest::path(*version)).is_err() => continue,
            Ok(size) if size == meta.bytes => {}
            Ok(size) => {
                let expected = meta.bytes;
                report.note(&path, format!("{size} bytes, the manifest says {expected}"));
            }
            Err(error) => {
                report.note(&path, error);
                continue;
            }
        }
        report.bytes += meta.bytes;
        match Segment::open(Arc::clone(store), Arc::clone(meta)) {
            Ok(segment) => {
                for what in segment.verify() {
                    report.note(&path, what);
                }
            }
            Err(error) => report.note(&path, error),
        }
    }
    if store.is_local() {
        let from = newest.map_or(0, |manifest| manifest.wal_from);
        for number in wal::files(store.as_ref())?.into_iter().filter(|number| *number >= from) {
            let path = wal::path(number);
            report.files += 1;
            report.bytes += store.size(&path).unwrap_or(0);
            if let Err(error) = wal::read_entries(store.as_ref(), number, 0) {
                report.note(&path, error);
            }
        }
    }
    Ok(report)
}
