//! What a handle knows of its database, swapped whole so that queries never block writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;
use quick_cache::sync::Cache;

use crate::chunk::Chunk;
use crate::error::{Error, Result};
use crate::model::TableSchema;
use crate::storage::head::Head;
use crate::storage::manifest::{Manifest, SegmentMeta, Tier};
use crate::storage::segment::Segment;
use crate::storage::tiers::ColdTier;
use crate::storage::vfs::Store;
use crate::sync::Mutex;

/// The order of the active head: later than any frozen head or segment.
pub(crate) const ACTIVE_ORDER: u64 = 1 << 39;

/// A head that takes no more rows and waits for its flush, or for a snapshot to be dropped.
#[derive(Debug)]
pub(crate) struct Frozen {
    /// Its place in the order of arrival.
    pub(crate) order: u64,
    pub(crate) head: Head,
    /// When its oldest row arrived.
    pub(crate) since: Option<Instant>,
}

/// One immutable state: a version and the frozen heads on top of it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) manifest: Arc<Manifest>,
    /// By order.
    pub(crate) frozen: Vec<Arc<Frozen>>,
}

/// The current view and the head that takes rows. A query holds the lock only while it copies
/// what it needs of the head.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) view: Arc<View>,
    pub(crate) head: Head,
    /// When the head's oldest row arrived.
    pub(crate) head_since: Option<Instant>,
}

impl State {
    pub(crate) fn new(manifest: Manifest) -> Self {
        let view = View { manifest: Arc::new(manifest), frozen: Vec::new() };
        Self { view: Arc::new(view), head: Head::default(), head_since: None }
    }

    /// Moves the head's rows into a frozen head of the given order.
    pub(crate) fn freeze(&mut self, order: u64) {
        if self.head.is_empty() {
            return;
        }
        let head = std::mem::take(&mut self.head);
        let since = self.head_since.take();
        let mut view = View::clone(&self.view);
        view.frozen.push(Arc::new(Frozen { order, head, since }));
        self.view = Arc::new(view);
    }

    /// Shows a version, of which segments hold the rows of the frozen heads of the orders `covered`.
    pub(crate) fn show(&mut self, manifest: Manifest, covered: &[u64]) {
        let frozen = self.view.frozen.iter().filter(|frozen| !covered.contains(&frozen.order));
        let view = View { manifest: Arc::new(manifest), frozen: frozen.cloned().collect() };
        self.view = Arc::new(view);
    }

    /// Bytes of all rows that no segment has, about.
    pub(crate) fn memory(&self) -> usize {
        let frozen = self.view.frozen.iter().map(|frozen| frozen.head.memory()).sum::<usize>();
        frozen + self.head.memory()
    }

    /// When the oldest row that no segment has arrived.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let frozen = self.view.frozen.iter().filter_map(|frozen| frozen.since).min();
        frozen.or(self.head_since)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ChunkWeight;

impl quick_cache::Weighter<(u64, u32), Chunk> for ChunkWeight {
    fn weight(&self, _: &(u64, u32), chunk: &Chunk) -> u64 {
        chunk.bytes().len() as u64 + 64
    }
}

/// The store with its open segments and cached chunks, shared by a database and its snapshots.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    cold: RwLock<Option<Arc<ColdTier>>>,
    segments: Mutex<HashMap<u64, Arc<Segment>>>,
    chunks: Cache<(u64, u32), Chunk, ChunkWeight>,
}

impl Shared {
    pub(crate) fn new(store: Arc<dyn Store>, cache_bytes: usize) -> Self {
        let chunks = Cache::with_weighter(cache_bytes / 8192 + 16, cache_bytes as u64, ChunkWeight);
        Self { store, cold: RwLock::default(), segments: Mutex::default(), chunks }
    }

    /// The cold tier, once it is open.
    pub(crate) fn cold(&self) -> Option<Arc<ColdTier>> {
        self.cold.read().clone()
    }

    /// Opens the cold tier for what is read from now on.
    pub(crate) fn set_cold(&self, tier: ColdTier) {
        *self.cold.write() = Some(Arc::new(tier));
    }

    /// The store of a tier, as queries read it.
    pub(crate) fn store_of(&self, tier: Tier) -> Result<Arc<dyn Store>> {
        match tier {
            Tier::Local => Ok(Arc::clone(&self.store)),
            Tier::Cold => self.need_cold().map(|cold| cold.reading()),
        }
    }

    /// The cold tier, of which a version lists a segment.
    pub(crate) fn need_cold(&self) -> Result<Arc<ColdTier>> {
        let closed = || Error::Internal("a cold segment while the cold tier is closed".to_owned());
        self.cold().ok_or_else(closed)
    }

    /// An open segment.
    pub(crate) fn segment(&self, meta: &Arc<SegmentMeta>) -> Result<Arc<Segment>> {
        if let Some(segment) = self.segments.lock().get(&meta.id) {
            return Ok(Arc::clone(segment));
        }
        let segment = Arc::new(Segment::open(self.store_of(meta.tier)?, Arc::clone(meta))?);
        Ok(Arc::clone(self.segments.lock().entry(meta.id).or_insert(segment)))
    }

    /// An open segment of a table, checked to be one of it.
    pub(crate) fn segment_of(
        &self,
        meta: &Arc<SegmentMeta>,
        schema: &TableSchema,
    ) -> Result<Arc<Segment>> {
        let segment = self.segment(meta)?;
        segment.check_table(schema)?;
        Ok(segment)
    }

    /// A chunk of a segment, from memory where it is there.
    pub(crate) fn chunk(&self, segment: &Segment, chunk: usize) -> Result<Chunk> {
        let by_order = crate::planted::is(crate::planted::Bug::CacheKeyedByOrder);
        let meta = segment.meta();
        let key = (if by_order { meta.order } else { meta.id }, chunk as u32);
        if let Some(cached) = self.chunks.get(&key) {
            return Ok(cached);
        }
        let read = segment.read_chunk(chunk)?;
        self.chunks.insert(key, read.clone());
        Ok(read)
    }

    /// Forgets segments that no version lists any more.
    pub(crate) fn forget(&self, ids: &[u64]) {
        let mut segments = self.segments.lock();
        ids.iter().for_each(|id| drop(segments.remove(id)));
    }
}
