//! Committing, finding and removing versions.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{FOLDER, Manifest};
use crate::error::{Error, Result};
use crate::storage::vfs::{Store, back_off};

/// How often [`latest`] lists again when the newest version goes while it reads it.
const ATTEMPTS: usize = 8;
/// How often a version is put on a remote store whose answer stays out.
const PUTS: u32 = 4;

/// The path of a version.
pub fn path(version: u64) -> String {
    format!("{FOLDER}/{version:020}")
}

/// Commits a version: on return it is durable, and the newest.
///
/// On a remote store the reply to a commit that went through may be lost, and the retry of the
/// client beneath then meets the object; so the object is read back and compared, and where there
/// is none the same bytes are put again.
///
/// # Errors
/// [`Error::Conflict`] when another writer committed this version, never when this commit may
/// have happened; [`Error::Internal`] when the
/// manifest breaks its own rules. After an [`Error::Storage`] the commit may have happened: the
/// caller reopens to find out.
pub fn commit(store: &dyn Store, manifest: &Manifest) -> Result<()> {
    let bytes = manifest.encode(nonce())?;
    let path = path(manifest.version);
    let mut tries = 0;
    loop {
        tries += 1;
        let failed = match store.put_new(&path, &bytes) {
            Ok(()) => return Ok(()),
            Err(e) => e,
        };
        let doing = || format!("committing version {}", manifest.version);
        match failed {
            Error::Conflict(_) if store.is_local() => return Err(taken(store, manifest.version)),
            Error::Conflict(_) | Error::Storage { .. } if !store.is_local() => {}
            other => return Err(other.within(doing())),
        }
        let unread = match store.read(&path) {
            Ok(there) if there == bytes => return Ok(()),
            Ok(_) => return Err(taken(store, manifest.version)),
            Err(e) => e,
        };
        if tries >= PUTS {
            // Nobody has shown another's commit there, so a refusal may have met this one.
            return Err(match failed {
                Error::Storage { .. } => failed,
                other => Error::storage(other, std::io::Error::other(unread.to_string())),
            }
            .within(doing()));
        }
        back_off(tries);
    }
}

fn taken(store: &dyn Store, version: u64) -> Error {
    Error::Conflict(format!(
        "another writer committed version {version} of {} first; do this again to go on top of it",
        store.describe()
    ))
}

/// A number that no other commit has.
fn nonce() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    RandomState::new().hash_one((now, std::process::id()))
}

/// The newest version, `None` for an empty database.
///
/// # Errors
/// [`Error::Corrupt`] when it is damaged; an older one never stands in for it.
pub fn latest(store: &dyn Store) -> Result<Option<Manifest>> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let Some(version) = newest_version(store)? else { return Ok(None) };
        match read(store, version) {
            // A newer one came and history was trimmed between the listing and the read.
            Err(e @ Error::NotFound(_)) => last = Some(e),
            other => return other.map(Some),
        }
    }
    Err(last.unwrap_or_else(|| Error::NotFound(format!("no manifest in {}", store.describe()))))
}

/// A version by its number.
///
/// # Errors
/// [`Error::NotFound`] naming the versions there are, [`Error::Corrupt`] when it is damaged.
pub fn load(store: &dyn Store, version: u64) -> Result<Manifest> {
    match read(store, version) {
        Err(Error::NotFound(_)) => {
            let there = versions(store)?;
            let known = match (there.first(), there.last()) {
                (Some(first), Some(last)) if last - first + 1 == there.len() as u64 => {
                    format!("there are {first} to {last}")
                }
                (Some(_), Some(_)) => format!("there are {there:?}"),
                _ => "there is none".to_owned(),
            };
            Err(Error::NotFound(format!(
                "version {version} is not in {}; {known}",
                store.describe()
            )))
        }
        other => other,
    }
}

fn read(store: &dyn Store, version: u64) -> Result<Manifest> {
    let doing = || format!("version {version} of {}", store.describe());
    let bytes = store.read(&path(version))?;
    let manifest = Manifest::decode(&bytes).map_err(|e| e.within(doing()))?;
    if manifest.version != version {
        return Err(Error::corrupt(format!("it calls itself {}", manifest.version)).within(doing()));
    }
    Ok(manifest)
}

/// The versions there are, ascending.
///
/// # Errors
/// [`Error::Storage`] when the store fails.
pub fn versions(store: &dyn Store) -> Result<Vec<u64>> {
    let entries = store.list(FOLDER)?;
    let numbers = entries.iter().filter_map(|entry| {
        let version: u64 = entry.path.strip_prefix(FOLDER)?.strip_prefix('/')?.parse().ok()?;
        (path(version) == entry.path).then_some(version)
    });
    Ok(numbers.collect())
}

/// The number of the newest version, without reading it: one listing.
///
/// # Errors
/// [`Error::Storage`] when the store fails.
pub fn newest_version(store: &dyn Store) -> Result<Option<u64>> {
    Ok(versions(store)?.pop())
}

/// The newest version if it is newer than `known`, for a live reader that asks often: one look
/// at the next name when there is none, a listing otherwise.
///
/// Versions are contiguous, and the newest is never removed: when neither `known` nor its
/// successor is there, the reader has fallen behind the history.
///
/// # Errors
/// [`Error::Storage`] when the store fails.
pub fn newer_version(store: &dyn Store, known: u64) -> Result<Option<u64>> {
    let there = |version: u64| match store.size(&path(version)) {
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(e) => Err(e),
    };
    let Some(next) = known.checked_add(1) else { return Ok(None) };
    if !there(next)? && there(known)? {
        return Ok(None);
    }
    Ok(newest_version(store)?.filter(|&newest| newest > known))
}

/// Removes every version before `version`, oldest first, and says how many; the newest stays
/// whatever is asked.
///
/// # Errors
/// [`Error::Storage`] when the store fails; some may be gone then.
pub fn remove_before(store: &dyn Store, version: u64) -> Result<usize> {
    let mut old = versions(store)?;
    old.pop();
    old.retain(|&v| v < version);
    remove(store, &old)
}

/// Removes versions in the order given, and says how many.
///
/// # Errors
/// As [`remove_before`].
pub fn remove(store: &dyn Store, old: &[u64]) -> Result<usize> {
    for v in old {
        store.delete(&path(*v))?;
    }
    Ok(old.len())
}
