//! Where a segment's file is, and names that no two writers ever choose both.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// The store that a segment's file is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// The database's own: its folder, or its prefix of an object store.
    #[default]
    Local,
    /// The place that the manifest's `cold` names.
    Cold,
}

impl Tier {
    /// Whether it is the database's own store.
    pub fn is_local(&self) -> bool {
        *self == Self::Local
    }
}

/// Where the cold tier of a database is; never a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColdPlace {
    /// An absolute path or the address of an object store.
    pub location: String,
    /// The folder there that is this database's alone, so that several can share a location.
    pub folder: String,
}

/// The path of the file of segment `id` where the id makes its name.
pub fn segment_path(id: u64) -> String {
    format!("segment/{id:020}.seg")
}

/// The id of the segment whose file has a path of [`segment_path`].
pub fn segment_number(path: &str) -> Option<u64> {
    let id = path.strip_prefix("segment/")?.strip_suffix(".seg")?.parse().ok()?;
    (segment_path(id) == path).then_some(id)
}

/// The path of the file of segment `id`, whose name is `file` unless that is empty.
pub fn file_path(id: u64, file: &str) -> String {
    match file {
        "" => segment_path(id),
        file => format!("segment/{file}.seg"),
    }
}

/// A name that no one else chooses: a number to sort by and 128 random bits, seeded by the
/// operating system.
pub fn unique_name(id: u64) -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    // A fork copies the seeds: its process and time are its own.
    let own = (CALLS.fetch_add(1, Ordering::Relaxed), std::process::id(), now);
    let half = || RandomState::new().hash_one(own);
    format!("{id:020}-{:016x}{:016x}", half(), half())
}

/// Whether a manifest may name a file so.
pub(super) fn works(file: &str) -> bool {
    file.len() <= 64 && file.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_work_in_a_path() {
        let names: std::collections::HashSet<String> = (0..1000).map(|_| unique_name(7)).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().all(|name| works(name) && name.starts_with("00000000000000000007-")));
        assert!(!works("../x") && !works("a/b") && !works(&"a".repeat(65)));
    }
}
