//! From a location as users write it to a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{LocalStore, MemoryStore, RemoteStore, Store, SyncPolicy};
use crate::error::{Error, Result};

/// How [`open_url`] opens a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Whether a local store fsyncs.
    pub sync: SyncPolicy,
    /// Whether a missing local directory is made; otherwise it is [`Error::NotFound`].
    pub create: bool,
    /// Settings of a remote store by name, such as `region`, over those of the environment.
    pub remote: BTreeMap<String, String>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { sync: SyncPolicy::Always, create: true, remote: BTreeMap::new() }
    }
}

/// The store at `location`: `""` and `memory:` are in memory, `scheme://...` is an object store
/// (`file://` a local path), anything else a local path.
///
/// # Errors
/// [`Error::InvalidArgument`] for a location that no store understands, [`Error::NotFound`] for a
/// missing directory that may not be made.
pub fn open_url(location: &str, options: &StoreOptions) -> Result<Arc<dyn Store>> {
    let local = |path: &str| -> Result<Arc<dyn Store>> {
        let store = if options.create {
            LocalStore::create(path, options.sync)?
        } else {
            LocalStore::open(path, options.sync)?
        };
        Ok(Arc::new(store))
    };
    match location.split_once("://") {
        None if location.is_empty() || location == "memory:" => Ok(Arc::new(MemoryStore::new())),
        None => local(location),
        Some(("memory", "" | "/")) => Ok(Arc::new(MemoryStore::new())),
        Some(("file", path)) if path.starts_with('/') => local(path),
        Some(("file" | "memory", _)) => Err(Error::invalid(format!(
            "location {location:?} names a host; write a path, \"file:///absolute/path\" or \
             \"memory:\""
        ))),
        Some(_) => Ok(Arc::new(RemoteStore::from_url(location, &options.remote)?)),
    }
}
