//! Objects in memory: the store of a database without a place.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::{AppendFile, Entry, NoteFile, Store, WriteObject};
use super::{check_path, check_prefix, exists, fits, nanoseconds, not_found, past_end};
use crate::error::Result;

/// Objects in memory; clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    objects: Arc<RwLock<BTreeMap<String, Object>>>,
    /// When each object was made.
    made: Arc<Mutex<HashMap<String, i64>>>,
}

#[derive(Clone, Debug)]
enum Object {
    Whole(Bytes),
    Growing(Arc<Mutex<Log>>),
}

#[derive(Debug, Default)]
struct Log {
    bytes: Vec<u8>,
    /// How many of the bytes a power cut would leave.
    synced: usize,
}

impl Object {
    fn size(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Growing(log) => log.lock().bytes.len() as u64,
        }
    }
}

impl MemoryStore {
    /// A store with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a power cut would leave: every finished object, and of each growing file the bytes
    /// that were synced and at most `unsynced` more.
    #[cfg(any(test, feature = "testing"))]
    #[must_use]
    pub fn after_power_cut(&self, unsynced: usize) -> Self {
        let left = |object: &Object| match object {
            Object::Whole(bytes) => Object::Whole(bytes.clone()),
            Object::Growing(log) => {
                let log = log.lock();
                let keep = log.bytes.len().min(log.synced.saturating_add(unsynced));
                Object::Whole(Bytes::copy_from_slice(&log.bytes[..keep]))
            }
        };
        let objects =
            self.objects.read().iter().map(|(path, object)| (path.clone(), left(object))).collect();
        Self { objects: Arc::new(RwLock::new(objects)), made: Arc::clone(&self.made) }
    }

    /// Puts an object there whatever is there now: for tests that damage one.
    #[cfg(any(test, feature = "testing"))]
    pub fn overwrite(&self, path: &str, bytes: &[u8]) {
        self.objects.write().insert(path.to_owned(), Object::Whole(Bytes::copy_from_slice(bytes)));
        self.made_now(path);
    }

    fn made_now(&self, path: &str) {
        self.made.lock().insert(path.to_owned(), nanoseconds(SystemTime::now()));
    }

    fn object(&self, path: &str) -> Result<Object> {
        check_path(path)?;
        self.objects.read().get(path).cloned().ok_or_else(|| not_found(&self.describe(), path))
    }
}

impl Store for MemoryStore {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn read(&self, path: &str) -> Result<Bytes> {
        Ok(match self.object(path)? {
            Object::Whole(bytes) => bytes,
            Object::Growing(log) => Bytes::copy_from_slice(&log.lock().bytes),
        })
    }

    fn read_range(&self, path: &str, offset: u64, len: usize) -> Result<Bytes> {
        let object = self.object(path)?;
        let size = object.size();
        if !fits(offset, len, size) {
            return Err(past_end(&self.describe(), path, offset, len, size));
        }
        // Inside the object, so inside usize, and a growing file never shrinks.
        let from = offset as usize;
        Ok(match object {
            Object::Whole(bytes) => bytes.slice(from..from + len),
            Object::Growing(log) => Bytes::copy_from_slice(&log.lock().bytes[from..from + len]),
        })
    }

    fn size(&self, path: &str) -> Result<u64> {
        self.object(path).map(|object| object.size())
    }

    fn modified(&self, path: &str) -> Result<i64> {
        self.object(path)?;
        Ok(self.made.lock().get(path).copied().unwrap_or(0))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        let folder = check_prefix(prefix)?;
        let inside = |path: &str| {
            folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        let objects = self.objects.read();
        let found = objects.iter().filter(|(path, _)| inside(path));
        Ok(found.map(|(path, o)| Entry { path: path.clone(), size: o.size() }).collect())
    }

    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()> {
        check_path(path)?;
        let mut objects = self.objects.write();
        if objects.contains_key(path) {
            return Err(exists(&self.describe(), path));
        }
        objects.insert(path.to_owned(), Object::Whole(Bytes::copy_from_slice(bytes)));
        self.made_now(path);
        Ok(())
    }

    fn create(&self, path: &str) -> Result<Box<dyn WriteObject>> {
        check_path(path)?;
        let store = self.clone();
        Ok(Box::new(MemoryObject { store, path: path.to_owned(), bytes: Vec::new() }))
    }

    fn delete(&self, path: &str) -> Result<()> {
        check_path(path)?;
        self.objects.write().remove(path);
        self.made.lock().remove(path);
        Ok(())
    }

    fn append(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        check_path(path)?;
        let mut objects = self.objects.write();
        if objects.contains_key(path) {
            return Err(exists(&self.describe(), path));
        }
        let log = Arc::new(Mutex::new(Log::default()));
        objects.insert(path.to_owned(), Object::Growing(log.clone()));
        self.made_now(path);
        Ok(Box::new(MemoryAppend(log)))
    }

    fn note(&self, path: &str) -> Result<Option<Box<dyn NoteFile>>> {
        check_path(path)?;
        self.objects.write().insert(path.to_owned(), Object::Whole(Bytes::new()));
        Ok(Some(Box::new(MemoryNote { store: self.clone(), path: path.to_owned() })))
    }

    fn is_local(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct MemoryObject {
    store: MemoryStore,
    path: String,
    bytes: Vec<u8>,
}

impl WriteObject for MemoryObject {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let Self { store, path, bytes } = *self;
        store.made_now(&path);
        store.objects.write().insert(path, Object::Whole(bytes.into()));
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryNote {
    store: MemoryStore,
    path: String,
}

impl NoteFile for MemoryNote {
    fn put(&self, bytes: &[u8]) -> Result<()> {
        let mut objects = self.store.objects.write();
        // One that was deleted stays so, as an open file without a name does.
        if let Some(Object::Whole(there)) = objects.get_mut(&self.path) {
            let mut next = bytes.to_vec();
            next.extend(there.iter().skip(bytes.len()));
            *there = next.into();
        }
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryAppend(Arc<Mutex<Log>>);

impl AppendFile for MemoryAppend {
    fn write(&self, bytes: &[u8]) -> Result<()> {
        self.0.lock().bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let mut log = self.0.lock();
        log.synced = log.bytes.len();
        Ok(())
    }

    fn len(&self) -> u64 {
        self.0.lock().bytes.len() as u64
    }
}
