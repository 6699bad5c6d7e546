//! Ranges of cold objects on the local disk, under a budget.
//!
//! An object is cached in blocks of [`BLOCK`] bytes, each an entry of its own:
//!
//! ```text
//! entry := magic "KYCC" | block u32 | length u32 | crc32 u32 | bytes
//! ```
//!
//! The checksum is that of the object's path, the block's number and the bytes, so that an entry
//! that is torn, damaged or of another name never passes; it is dropped and fetched again. Objects
//! never change and their names are never used twice, so an entry never goes stale. Readers in
//! other processes share the folder: an entry appears whole by a rename, and one that another
//! process removed is fetched again. Each process keeps the folder to the budget, and looks at what
//! the others added after every sixteenth of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::storage::vfs::Store;

/// Bytes of an object that are fetched and kept together.
pub const BLOCK: u64 = 1 << 20;
const MAGIC: &[u8; 4] = b"KYCC";
const HEADER: usize = 16;
/// Blocks that one fetch takes at most.
const FETCH: u64 = 8;

/// A bounded cache of blocks in a store of its own.
#[derive(Debug)]
pub struct RangeCache {
    store: Arc<dyn Store>,
    budget: u64,
    kept: Mutex<Kept>,
    sizes: Mutex<HashMap<String, u64>>,
}

/// What there is, by how long ago it was used.
#[derive(Debug, Default)]
struct Kept {
    /// Each entry's size and when it was used last.
    entries: HashMap<String, (u64, u64)>,
    by_use: BTreeMap<u64, String>,
    clock: u64,
    bytes: u64,
    /// Bytes that were added since the folder was looked at.
    added: u64,
}

impl Kept {
    fn used(&mut self, name: &str) {
        if let Some((_, at)) = self.entries.get_mut(name) {
            self.clock += 1;
            self.by_use.remove(at);
            *at = self.clock;
            self.by_use.insert(self.clock, name.to_owned());
        }
    }

    fn add(&mut self, name: &str, size: u64) {
        self.remove(name);
        self.clock += 1;
        self.entries.insert(name.to_owned(), (size, self.clock));
        self.by_use.insert(self.clock, name.to_owned());
        self.bytes += size;
    }

    fn remove(&mut self, name: &str) {
        if let Some((size, at)) = self.entries.remove(name) {
            self.by_use.remove(&at);
            self.bytes -= size;
        }
    }

    /// Takes out what was used longest ago until `room` bytes fit into `budget`.
    fn evict(&mut self, budget: u64, room: u64) -> Vec<String> {
        let mut gone = Vec::new();
        while self.bytes + room > budget
            && let Some((_, name)) = self.by_use.first_key_value()
        {
            let name = name.clone();
            self.remove(&name);
            gone.push(name);
        }
        gone
    }
}

impl RangeCache {
    /// A cache in `store`, which is nothing else's; what an earlier process left is taken over.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub fn open(store: Arc<dyn Store>, budget: u64) -> Result<Self> {
        let cache = Self { store, budget, kept: Mutex::default(), sizes: Mutex::default() };
        cache.look()?;
        Ok(cache)
    }

    /// Bytes of all entries that this process knows of.
    pub fn bytes(&self) -> u64 {
        self.kept.lock().bytes
    }

    /// Takes in what there is, and keeps it to the budget.
    fn look(&self) -> Result<()> {
        let there = self.store.list("")?;
        let gone = {
            let mut kept = self.kept.lock();
            let known: HashMap<&str, u64> =
                there.iter().map(|entry| (entry.path.as_str(), entry.size)).collect();
            let left: Vec<String> =
                kept.entries.keys().filter(|n| !known.contains_key(n.as_str())).cloned().collect();
            left.iter().for_each(|name| kept.remove(name));
            for (name, size) in known {
                if !kept.entries.contains_key(name) {
                    kept.add(name, size);
                }
            }
            kept.added = 0;
            kept.evict(self.budget, 0)
        };
        self.delete(&gone);
        Ok(())
    }

    /// The object's size, asked for once.
    ///
    /// # Errors
    /// The cold store's error.
    pub fn size(&self, cold: &dyn Store, path: &str) -> Result<u64> {
        if let Some(size) = self.sizes.lock().get(path) {
            return Ok(*size);
        }
        let size = cold.size(path)?;
        self.sizes.lock().insert(path.to_owned(), size);
        Ok(size)
    }

    /// The `len` bytes of `path` from `offset`: of the cache, and of `cold` what that lacks.
    ///
    /// # Errors
    /// The cold store's error. A failure of the cache is none: it is fetched past it.
    pub fn read_range(
        &self,
        cold: &dyn Store,
        path: &str,
        offset: u64,
        len: usize,
    ) -> Result<Bytes> {
        let size = self.size(cold, path)?;
        let Some(end) = offset.checked_add(len as u64).filter(|end| *end <= size && len > 0) else {
            // The store has the words for it.
            return cold.read_range(path, offset, len);
        };
        let blocks = offset / BLOCK..end.div_ceil(BLOCK);
        let mut out = BytesMut::with_capacity(len);
        let mut take = |block: u64, bytes: &Bytes| {
            let start = block * BLOCK;
            let from = offset.saturating_sub(start) as usize;
            let to = ((end - start) as usize).min(bytes.len());
            bytes.get(from..to).map(|part| out.extend_from_slice(part)).ok_or_else(|| {
                Error::Internal(format!("block {block} of {path:?} has {} bytes", bytes.len()))
            })
        };
        let mut block = blocks.start;
        while block < blocks.end {
            if let Some(bytes) = self.get(path, block, size) {
                take(block, &bytes)?;
                block += 1;
                continue;
            }
            let most = blocks.end.min(block + FETCH);
            let missing = (block + 1..most).find(|next| self.has(path, *next)).unwrap_or(most);
            let (from, to) = (block * BLOCK, (missing * BLOCK).min(size));
            let fetched = cold.read_range(path, from, (to - from) as usize)?;
            for own in block..missing {
                let start = ((own - block) * BLOCK) as usize;
                let stop = (start + BLOCK as usize).min(fetched.len());
                let bytes = fetched.slice(start..stop);
                self.put(path, own, &bytes);
                take(own, &bytes)?;
            }
            block = missing;
        }
        Ok(out.freeze())
    }

    fn has(&self, path: &str, block: u64) -> bool {
        self.kept.lock().entries.contains_key(&name(path, block))
    }

    /// A block that is whole and right.
    fn get(&self, path: &str, block: u64, size: u64) -> Option<Bytes> {
        let name = name(path, block);
        {
            let mut kept = self.kept.lock();
            if !kept.entries.contains_key(&name) {
                return None;
            }
            kept.used(&name);
        }
        let wanted = BLOCK.min(size - block * BLOCK) as usize;
        let entry = self.store.read(&name).ok();
        let bytes = entry.and_then(|entry| opened(&entry, path, block, wanted));
        if bytes.is_none() {
            self.kept.lock().remove(&name);
            self.delete(&[name]);
        }
        bytes
    }

    /// Keeps a block; that it cannot be kept is no failure of the read.
    fn put(&self, path: &str, block: u64, bytes: &Bytes) {
        let size = (HEADER + bytes.len()) as u64;
        if size > self.budget {
            return;
        }
        let name = name(path, block);
        let gone = {
            let mut kept = self.kept.lock();
            kept.remove(&name);
            let gone = kept.evict(self.budget, size);
            kept.add(&name, size);
            kept.added += size;
            gone
        };
        self.delete(&gone);
        let write = || -> Result<()> {
            let mut object = self.store.create(&name)?;
            object.write_all(&header(path, block, bytes))?;
            object.write_all(bytes)?;
            object.finish()
        };
        if write().is_err() {
            self.kept.lock().remove(&name);
            self.delete(&[name]);
        } else if self.kept.lock().added > (self.budget / 16).max(BLOCK) {
            drop(self.look());
        }
    }

    /// Drops every block of an object but of those in `listed`, by their paths: what is erased
    /// from the cold store must not live on here.
    pub fn retain(&self, listed: impl Fn(&str) -> bool) {
        drop(self.look());
        let gone: Vec<String> = {
            let mut kept = self.kept.lock();
            let object = |name: &str| name.rsplit_once('.').map(|(file, _)| path_of(file));
            let gone: Vec<String> = kept
                .entries
                .keys()
                .filter(|name| !object(name).is_some_and(|path| listed(&path)))
                .cloned()
                .collect();
            gone.iter().for_each(|name| kept.remove(name));
            gone
        };
        self.delete(&gone);
        self.sizes.lock().retain(|path, _| listed(path));
    }

    fn delete(&self, names: &[String]) {
        // What stays is found by the next look.
        names.iter().for_each(|name| drop(self.store.delete(name)));
    }
}

/// The name of a block's entry: the object's file name, which is unique, and the block's number.
fn name(path: &str, block: u64) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    format!("{}.{block:08}", file.strip_suffix(".seg").unwrap_or(file))
}

fn path_of(file: &str) -> String {
    format!("segment/{file}.seg")
}

fn checksum(path: &str, block: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(path.as_bytes());
    hasher.update(&block.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

fn header(path: &str, block: u64, bytes: &[u8]) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&(block as u32).to_le_bytes());
    header.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    header.extend_from_slice(&checksum(path, block, bytes).to_le_bytes());
    header
}

/// The bytes of an entry that is what it should be.
fn opened(entry: &Bytes, path: &str, block: u64, wanted: usize) -> Option<Bytes> {
    let bytes = entry.get(HEADER..).filter(|bytes| bytes.len() == wanted)?;
    let right = entry.get(..HEADER)? == header(path, block, bytes).as_slice();
    right.then(|| entry.slice(HEADER..))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;
    use crate::storage::vfs::{FaultKind, FaultStore, MemoryStore};

    const PATH: &str = "segment/00000000000000000001-ab.seg";

    fn object(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 31 % 251) as u8).collect()
    }

    fn cold(len: usize) -> FaultStore {
        let store = MemoryStore::new();
        store.put_new(PATH, &object(len)).unwrap();
        FaultStore::new(Arc::new(store))
    }

    #[test]
    fn every_range_is_what_the_object_holds_and_is_fetched_once() {
        let len = 3 * BLOCK as usize + 77;
        let (cold, whole) = (cold(len), object(len));
        let cache = RangeCache::open(Arc::new(MemoryStore::new()), 64 << 20).unwrap();
        let block = BLOCK as usize;
        let ranges = [
            (0, len),
            (0, 1),
            (block - 1, 2),
            (block, block),
            (len - 1, 1),
            (5, 2 * block),
            (7, 0),
        ];
        for (from, n) in ranges {
            let read = cache.read_range(&cold, PATH, from as u64, n).unwrap();
            assert_eq!(read, whole[from..from + n], "{from} {n}");
        }
        // The size, the object once, and the empty range, which the store answers.
        assert_eq!(cold.calls(FaultKind::Read), 3);
        let past = cache.read_range(&cold, PATH, len as u64, 1).unwrap_err();
        assert!(matches!(past, Error::Corrupt(_)), "{past}");
    }

    #[test]
    fn damaged_torn_and_foreign_entries_are_fetched_again() {
        let len = 2 * BLOCK as usize;
        let (cold, whole) = (cold(len), object(len));
        let disk = MemoryStore::new();
        let first = name(PATH, 0);
        let read = || {
            // A process that starts anew, as damage of what is in memory is not the matter.
            let cache = RangeCache::open(Arc::new(disk.clone()), 64 << 20).unwrap();
            assert_eq!(cache.read_range(&cold, PATH, 3, 100).unwrap(), whole[3..103]);
        };
        read();
        let right = disk.read(&first).unwrap();
        for at in (0..HEADER).chain([HEADER, HEADER + 50, right.len() - 1]) {
            let mut wrong = right.to_vec();
            wrong[at] ^= 0x10;
            disk.overwrite(&first, &wrong);
            read();
            assert_eq!(disk.read(&first).unwrap(), right, "{at}");
        }
        for cut in [0, 1, HEADER - 1, HEADER, right.len() - 1] {
            disk.overwrite(&first, &right[..cut]);
            read();
        }
        // Another block's, and another object's of the same bytes.
        let other = Bytes::from(whole[BLOCK as usize..].to_vec());
        for (path, block) in [(PATH, 1), ("segment/x.seg", 0)] {
            disk.overwrite(&first, &[header(path, block, &other), other.to_vec()].concat());
            read();
        }
        assert_eq!(disk.read(&first).unwrap(), right);
    }

    #[test]
    fn the_budget_holds_and_what_was_used_last_stays() {
        let len = 10 * BLOCK as usize;
        let (cold, whole) = (cold(len), object(len));
        let disk = MemoryStore::new();
        let on_disk = || disk.list("").unwrap().iter().map(|entry| entry.size).sum::<u64>();
        let budget = 4 * (BLOCK + HEADER as u64);
        let cache = RangeCache::open(Arc::new(disk.clone()), budget).unwrap();
        for round in 0..30u64 {
            let block = round % 9 + 1;
            for block in [0, block] {
                let read = cache.read_range(&cold, PATH, block * BLOCK, 10).unwrap();
                assert_eq!(read, whole[(block * BLOCK) as usize..][..10]);
            }
            assert!(on_disk() <= budget, "{}", on_disk());
            assert!(cache.has(PATH, 0), "used in each round");
        }
        drop(cache);
        // A smaller budget holds from the open on, and one too small for a block caches nothing.
        drop(RangeCache::open(Arc::new(disk.clone()), budget / 2).unwrap());
        assert!(on_disk() <= budget / 2 && on_disk() > 0);
        let none = RangeCache::open(Arc::new(disk.clone()), 100).unwrap();
        assert_eq!(none.read_range(&cold, PATH, 5, 5).unwrap(), whole[5..10]);
        assert_eq!(on_disk(), 0);
    }

    #[test]
    fn what_is_erased_goes_from_the_cache_and_a_disk_that_fails_is_passed_by() {
        let cold = cold(BLOCK as usize);
        let disk = FaultStore::new(Arc::new(MemoryStore::new()));
        let cache = RangeCache::open(Arc::new(disk.clone()), 64 << 20).unwrap();
        for kind in [FaultKind::Create, FaultKind::Write, FaultKind::Finish, FaultKind::Read] {
            disk.fail(kind, 0, false);
            assert_eq!(cache.read_range(&cold, PATH, 1, 2).unwrap(), object(3)[1..]);
        }
        cache.read_range(&cold, PATH, 1, 2).unwrap();
        assert_eq!(disk.list("").unwrap().len(), 1);
        cache.retain(|path| path == PATH);
        assert_eq!(disk.list("").unwrap().len(), 1);
        cache.retain(|_| false);
        assert_eq!(disk.list("").unwrap().len(), 0);
        assert_eq!(cache.bytes(), 0);
    }
}
