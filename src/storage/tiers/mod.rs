//! The cold tier: segments whose rows are old, in a second store that is slow and cheap.
//!
//! [`location`] reads where it is, [`cache`] keeps ranges of its objects on the local disk. What
//! moves there, and when anything there may be removed, `db/tier.rs` and `db/sweep.rs` decide.

pub mod cache;
pub mod location;

use std::sync::Arc;

use bytes::Bytes;

use super::manifest::ColdPlace;
use super::vfs::{AppendFile, Entry, Store, WriteObject};
use crate::error::{Error, Result};
use cache::RangeCache;

/// The cold tier of an open database, and the store that queries read it through.
#[derive(Clone, Debug)]
pub struct ColdTier {
    place: ColdPlace,
    store: Arc<dyn Store>,
    cache: Option<Arc<RangeCache>>,
}

impl ColdTier {
    /// The tier at `place`, which `store` is; what is read of it is kept in `cache`.
    pub fn new(place: ColdPlace, store: Arc<dyn Store>, cache: Option<Arc<RangeCache>>) -> Self {
        Self { place, store, cache }
    }

    /// Where it is.
    pub fn place(&self) -> &ColdPlace {
        &self.place
    }

    /// The store itself.
    pub fn direct(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// What is kept of it on the local disk.
    pub fn cache(&self) -> Option<&Arc<RangeCache>> {
        self.cache.as_ref()
    }

    /// The store as queries read it: past the cache, and with errors that say where it is.
    pub fn reading(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    fn told(&self, error: Error) -> Error {
        match error {
            storage @ Error::Storage { .. } => storage.within(format!(
                "the cold tier at {:?} cannot be read (cold_options= has its credentials)",
                self.place.location
            )),
            other => other,
        }
    }
}

impl Store for ColdTier {
    fn describe(&self) -> String {
        self.store.describe()
    }

    fn read(&self, path: &str) -> Result<Bytes> {
        self.store.read(path).map_err(|e| self.told(e))
    }

    fn read_range(&self, path: &str, offset: u64, len: usize) -> Result<Bytes> {
        match &self.cache {
            Some(cache) => cache.read_range(self.store.as_ref(), path, offset, len),
            None => self.store.read_range(path, offset, len),
        }
        .map_err(|e| self.told(e))
    }

    fn size(&self, path: &str) -> Result<u64> {
        match &self.cache {
            Some(cache) => cache.size(self.store.as_ref(), path),
            None => self.store.size(path),
        }
        .map_err(|e| self.told(e))
    }

    fn modified(&self, path: &str) -> Result<i64> {
        self.store.modified(path)
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.store.list(prefix)
    }

    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.store.put_new(path, bytes)
    }

    fn create(&self, path: &str) -> Result<Box<dyn WriteObject>> {
        self.store.create(path)
    }

    fn delete(&self, path: &str) -> Result<()> {
        self.store.delete(path)
    }

    fn append(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        self.store.append(path)
    }

    fn is_local(&self) -> bool {
        self.store.is_local()
    }
}
