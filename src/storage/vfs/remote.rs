//! An object store, or any other [`ObjectStore`], under a prefix.

mod patience;
mod runtime;
mod upload;
#[cfg(feature = "remote")]
mod url;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::{AppendFile, Entry, Store, WriteObject};
use super::{check_path, check_prefix, exists, not_found, past_end};
use crate::error::{Error, Result};
pub use patience::Patience;
pub(crate) use patience::back_off;
use runtime::Runtime;

/// What the store answered, or that it did not.
type Answer<T> = Result<object_store::Result<T>>;

/// An object store behind blocking calls, which any thread may make: one of a rayon pool, or one
/// that runs an async runtime of its own.
#[derive(Debug)]
pub struct RemoteStore {
    name: String,
    prefix: Path,
    store: Arc<dyn ObjectStore>,
    runtime: Arc<Runtime>,
    patience: Patience,
}

impl RemoteStore {
    /// The objects below `prefix` of `store`; `name` stands for it in messages.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unusable prefix, [`Error::Storage`] when no thread can
    /// be started.
    pub fn new(name: &str, store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        let prefix = Path::parse(prefix)
            .map_err(|e| Error::invalid(format!("prefix {prefix:?} cannot be used: {e}")))?;
        let runtime = Arc::new(Runtime::start()?);
        Ok(Self { name: name.to_owned(), prefix, store, runtime, patience: Patience::default() })
    }

    /// The same store with calls bounded otherwise.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The store at an address such as `s3://bucket/prefix`, `gs://...` or `az://...`, set up from
    /// the environment as the vendors' own tools are, and over that from `options`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an address or an option that no store knows.
    #[cfg(feature = "remote")]
    pub fn from_url(location: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let (store, prefix) = url::parse(location, options)?;
        Self::new(location, store, prefix.as_ref())
    }

    /// The store at an address; this build has none.
    ///
    /// # Errors
    /// Always [`Error::InvalidArgument`].
    #[cfg(not(feature = "remote"))]
    pub fn from_url(location: &str, _options: &BTreeMap<String, String>) -> Result<Self> {
        Err(Error::invalid(format!(
            "location {location:?} needs a build with the cargo feature \"remote\"; a local path \
             works without"
        )))
    }

    fn full(&self, path: &str) -> Result<Path> {
        check_path(path)?;
        self.join(path)
    }

    fn join(&self, path: &str) -> Result<Path> {
        let parts = [self.prefix.as_ref(), path];
        let joined = parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/");
        Path::parse(&joined).map_err(|e| Error::invalid(format!("path {joined:?}: {e}")))
    }

    /// Makes a call that may be made twice, again when it fails in a way that may pass.
    fn call<T, F>(&self, doing: &str, path: &str, make: impl Fn() -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send + 'static,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = self.runtime.block_on(self.patience.call, make());
            let passes = match &answer {
                Ok(Ok(_)) => false,
                Ok(Err(e)) => patience::passes(e),
                Err(_) => true,
            };
            if !passes || tries >= self.patience.tries {
                return answer.map_err(|e| e.within(format!("{doing} {path:?} in {}", self.name)));
            }
            back_off(tries);
        }
    }

    fn failed(&self, doing: &str, path: &str, error: object_store::Error) -> Error {
        match error {
            object_store::Error::NotFound { .. } => not_found(&self.describe(), path),
            error => Error::storage(format!("{doing} {path:?} in {}", self.name), error.into()),
        }
    }
}

impl RemoteStore {
    fn head(&self, path: &str) -> Result<object_store::ObjectMeta> {
        let (store, at) = (self.store.clone(), self.full(path)?);
        let head = move || {
            let (store, at) = (store.clone(), at.clone());
            async move { store.head(&at).await }
        };
        self.call("reading", path, head)?.map_err(|e| self.failed("reading", path, e))
    }
}

impl Store for RemoteStore {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn read(&self, path: &str) -> Result<Bytes> {
        let (store, at) = (self.store.clone(), self.full(path)?);
        let read = move || {
            let (store, at) = (store.clone(), at.clone());
            async move { store.get(&at).await?.bytes().await }
        };
        self.call("reading", path, read)?.map_err(|e| self.failed("reading", path, e))
    }

    fn read_range(&self, path: &str, offset: u64, len: usize) -> Result<Bytes> {
        let (store, at) = (self.store.clone(), self.full(path)?);
        let end = offset.checked_add(len as u64);
        if len == 0 || end.is_none() {
            let size = self.size(path)?;
            return match end {
                Some(end) if end <= size => Ok(Bytes::new()),
                _ => Err(past_end(&self.name, path, offset, len, size)),
            };
        }
        let range = offset..end.unwrap_or(u64::MAX);
        let read = move || {
            let (store, at, range) = (store.clone(), at.clone(), range.clone());
            async move { store.get_range(&at, range).await }
        };
        match self.call("reading", path, read)? {
            Ok(bytes) if bytes.len() == len => Ok(bytes),
            Err(e @ object_store::Error::NotFound { .. }) => Err(self.failed("reading", path, e)),
            // A range past the end is a failure on some stores and a short answer on others.
            other => {
                let size = self.size(path)?;
                match other {
                    Err(e) if super::fits(offset, len, size) => {
                        Err(self.failed("reading", path, e))
                    }
                    _ => Err(past_end(&self.name, path, offset, len, size)),
                }
            }
        }
    }

    fn size(&self, path: &str) -> Result<u64> {
        self.head(path).map(|meta| meta.size)
    }

    fn modified(&self, path: &str) -> Result<i64> {
        let modified = self.head(path)?.last_modified;
        // Out of range are years before 1678 and after 2261.
        Ok(modified.timestamp_nanos_opt().unwrap_or(i64::MAX))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let folder = check_prefix(prefix)?;
        let (store, at) = (self.store.clone(), self.join(folder)?);
        let list = move || {
            let (store, at) = (store.clone(), at.clone());
            async move { store.list(Some(&at)).try_collect::<Vec<_>>().await }
        };
        let listed = match self.call("listing", folder, list)? {
            Ok(listed) => listed,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(e) => return Err(self.failed("listing", folder, e)),
        };
        let skip = match self.prefix.as_ref() {
            "" => 0,
            prefix => prefix.len() + 1,
        };
        let inside = listed.into_iter().filter_map(|meta| {
            let path = meta.location.as_ref().get(skip..)?.to_owned();
            check_path(&path).ok()?;
            Some(Entry { path, size: meta.size })
        });
        let mut entries: Vec<Entry> = inside.collect();
        entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let (store, at) = (self.store.clone(), self.full(path)?);
        let payload = PutPayload::from(Bytes::copy_from_slice(bytes));
        let options = PutOptions::from(PutMode::Create);
        let put = self
            .runtime
            .block_on(
                self.patience.call,
                async move { store.put_opts(&at, payload, options).await },
            )
            .map_err(|e| e.within(format!("writing {path:?} in {}", self.name)))?;
        put.map(|_| ()).map_err(|e| match e {
            object_store::Error::AlreadyExists { .. }
            | object_store::Error::Precondition { .. } => exists(&self.name, path),
            error => Error::storage(format!("writing {path:?} in {}", self.name), error.into()),
        })
    }

    fn create(&self, path: &str) -> Result<Box<dyn WriteObject>> {
        let at = self.full(path)?;
        let context = format!("writing {path:?} in {}", self.name);
        let (store, runtime) = (self.store.clone(), self.runtime.clone());
        Ok(Box::new(upload::Upload::new(context, store, at, runtime, self.patience)))
    }

    fn delete(&self, path: &str) -> Result<()> {
        let (store, at) = (self.store.clone(), self.full(path)?);
        let delete = move || {
            let (store, at) = (store.clone(), at.clone());
            async move { store.delete(&at).await }
        };
        match self.call("deleting", path, delete)? {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(e) => Err(self.failed("deleting", path, e)),
        }
    }

    fn append(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        Err(Error::invalid(format!(
            "{path:?} needs a local disk, and {} is an object store; a database there has no \
             write-ahead log, and durability=\"remote\" works",
            self.name
        )))
    }

    fn is_local(&self) -> bool {
        false
    }
}
