//! Compaction: merges segments that follow one another in the order of arrival.
//!
//! Only neighbours in that order may be merged, or an older value could overtake a newer one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use super::Database;
use super::maintain::drop_spent_tombstones;
use crate::chunk::{Part, PartData};
use crate::error::Result;
use crate::model::{SeriesKey, TableSchema, TimeRange};
use crate::storage::manifest::{SegmentMeta, TableState, Tombstone};
use crate::storage::rewrite::{Coding, encode_series};
use crate::storage::segment::Segment;

/// Segments of one size class that are merged together.
const FAN_IN: usize = 4;
/// Most segments of one merge in the background.
const MOST: usize = 16;
/// Segments of a table past which the smallest run is merged whatever its size classes.
const CROWD: usize = 32;

impl Database {
    /// Merges every table's segments into one, applies duplicates and erases what was deleted.
    /// Versions from before an erasure are gone with it. Returns the newest version.
    ///
    /// # Errors
    /// The store's error; nothing has changed then.
    pub fn compact(&self) -> Result<u64> {
        self.writable()?;
        self.flush()?;
        self.retain()?;
        let _compacting = self.inner.compacting.lock();
        for table in self.tables()? {
            let Some(state) = self.table(&table) else { continue };
            let expired = !dead_rows(&state).is_empty();
            let cooled = cooled(&state)?.is_some();
            if state.segments.len() > 1 || !state.tombstones.is_empty() || expired || cooled {
                self.merge(&table, &state.segments)?;
            }
        }
        self.version()
    }

    /// One merge, of the table that needs it most, where one does.
    pub(super) fn compact_step(&self) -> Result<()> {
        let Some(_compacting) = self.inner.compacting.try_lock() else { return Ok(()) };
        for table in self.tables()? {
            let Some(state) = self.table(&table) else { continue };
            if let Some(run) = choose(&state.segments) {
                self.merge(&table, &state.segments[run])?;
                return Ok(());
            }
            if let Some(at) = cooled(&state)? {
                self.merge(&table, &state.segments[at..=at])?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Merges some neighbouring segments of a table, as the background does: for tests.
    ///
    /// # Errors
    /// As [`Self::compact`].
    #[cfg(any(test, feature = "testing"))]
    pub fn compact_run(&self, table: &str, from: usize, segments: usize) -> Result<()> {
        self.writable()?;
        let _compacting = self.inner.compacting.lock();
        let Some(state) = self.table(table) else { return Ok(()) };
        let from = from.min(state.segments.len());
        let to = from.saturating_add(segments).min(state.segments.len());
        self.merge(table, &state.segments[from..to])
    }

    fn table(&self, name: &str) -> Option<TableState> {
        self.inner.state.read().view.manifest.tables.get(name).cloned()
    }

    /// Merges neighbouring segments of a table into one; `compacting` is held.
    fn merge(&self, table: &str, inputs: &[Arc<SegmentMeta>]) -> Result<()> {
        let Some(last) = inputs.last().map(|meta| meta.order) else { return Ok(()) };
        let (id, state) = {
            let mut writer = self.inner.writer.lock();
            writer.next_segment += 1;
            (writer.next_segment - 1, self.table(table))
        };
        let Some(state) = state else { return Ok(()) };
        let schema = Arc::new(state.schema.clone());
        let now = super::open::now();
        let coding = Coding::compaction(&schema, now)?;
        let floor = schema.retention.map(|keep| now.saturating_sub(keep));
        let expired = floor.map(|floor| TimeRange::new(None, Some(floor)));
        let merge = Merge { schema: &schema, tombstones: &state.tombstones, expired };
        let segments: Vec<Segment> = inputs
            .iter()
            .map(|meta| Segment::open(Arc::clone(&self.inner.shared.store), Arc::clone(meta)))
            .collect::<Result<_>>()?;
        let series = InOrder::new(&segments, schema.tags.len())?.collect::<Result<Vec<_>>>()?;
        let written = self.write_series(&schema, id, last, series, |(key, places)| {
            let parts = merge.parts(&segments, &key, &places)?;
            encode_series(Arc::new(key), parts, &schema, coding)
        })?;
        let newest_tombstone = state.tombstones.iter().map(|t| t.order).max().unwrap_or(0);
        let erases = inputs.iter().any(|meta| state.tombstones.iter().any(|t| t.hides(meta)));
        let gone: HashSet<u64> = inputs.iter().map(|meta| meta.id).collect();
        let mut writer = self.inner.writer.lock();
        self.commit(&mut writer, |manifest| {
            let version = manifest.version;
            if let Some(state) = manifest.tables.get_mut(table) {
                // Retention may have dropped an input meanwhile: then its rows are past it in the
                // output too, and stay hidden.
                state.segments.retain(|meta| !gone.contains(&meta.id));
                state.segments.extend(written.map(|meta| {
                    let cold = coding.is_cold(meta.last_time);
                    Arc::new(SegmentMeta { erased: newest_tombstone, cold, ..meta })
                }));
                state.segments.sort_by_key(|meta| meta.order);
                drop_spent_tombstones(state);
            }
            if erases {
                // Older versions list segments that still hold what was erased.
                manifest.history_from = version;
            }
            Ok(())
        })
    }
}

/// The first segment whose rows are all old enough for the cold form and not in it yet.
fn cooled(state: &TableState) -> Result<Option<usize>> {
    let coding = Coding::compaction(&state.schema, super::open::now())?;
    Ok(state.segments.iter().position(|meta| !meta.cold && coding.is_cold(meta.last_time)))
}

/// Segments that hold rows past the table's retention.
fn dead_rows(state: &TableState) -> Vec<u64> {
    let Some(keep) = state.schema.retention else { return Vec::new() };
    let floor = super::open::now().saturating_sub(keep);
    let partly = state.segments.iter().filter(|meta| meta.first_time < floor);
    partly.map(|meta| meta.id).collect()
}

/// The run of segments that is worth merging: enough of one size class, or, in a crowd, the
/// smallest run of [`FAN_IN`].
fn choose(segments: &[Arc<SegmentMeta>]) -> Option<std::ops::Range<usize>> {
    let class = |meta: &SegmentMeta| (meta.bytes >> 20).max(1).ilog2() / 2;
    let mut start = 0;
    while start < segments.len() {
        let own = class(&segments[start]);
        let run = segments[start..].iter().take_while(|meta| class(meta) == own).count();
        if run >= FAN_IN {
            return Some(start..start + run.min(MOST));
        }
        start += run;
    }
    if segments.len() <= CROWD {
        return None;
    }
    let bytes = |run: &[Arc<SegmentMeta>]| run.iter().map(|meta| meta.bytes).sum::<u64>();
    let start = (0..=segments.len() - FAN_IN)
        .min_by_key(|start| bytes(&segments[*start..*start + FAN_IN]))?;
    Some(start..start + FAN_IN)
}

struct Merge<'a> {
    schema: &'a TableSchema,
    tombstones: &'a [Tombstone],
    expired: Option<TimeRange>,
}

impl Merge<'_> {
    /// All parts of a series in the inputs, read past the cache.
    fn parts(
        &self,
        segments: &[Segment],
        key: &SeriesKey,
        places: &[(usize, usize)],
    ) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for (at, ordinal) in places {
            let segment = &segments[*at];
            let hides = |t: &&Tombstone| t.hides(segment.meta()) && t.matches(self.schema, key);
            let deleted: Arc<[TimeRange]> =
                self.tombstones.iter().filter(hides).map(|t| t.range).chain(self.expired).collect();
            for chunk in segment.chunks_of(*ordinal)? {
                let entry = segment.chunk_entry(chunk)?;
                parts.push(Part {
                    data: PartData::Encoded(segment.read_chunk(chunk)?),
                    fields: Arc::clone(segment.group(entry.group)?),
                    order: ((*at as u64) << 32) + chunk as u64,
                    deleted: Arc::clone(&deleted),
                });
            }
        }
        Ok(parts)
    }
}

/// Series of several segments in ascending order of their keys, each with where it stands:
/// (segment, ordinal).
struct InOrder<'a> {
    segments: &'a [Segment],
    tags: usize,
    heap: BinaryHeap<Reverse<(SeriesKey, usize, usize)>>,
}

impl<'a> InOrder<'a> {
    fn new(segments: &'a [Segment], tags: usize) -> Result<Self> {
        let mut heap = BinaryHeap::new();
        for (at, segment) in segments.iter().enumerate() {
            if segment.series_count() > 0 {
                heap.push(Reverse((segment.series_key(0, tags)?, at, 0)));
            }
        }
        Ok(Self { segments, tags, heap })
    }

    fn advance(&mut self, at: usize, ordinal: usize) -> Result<()> {
        if ordinal + 1 < self.segments[at].series_count() {
            let key = self.segments[at].series_key(ordinal + 1, self.tags)?;
            self.heap.push(Reverse((key, at, ordinal + 1)));
        }
        Ok(())
    }
}

impl Iterator for InOrder<'_> {
    type Item = Result<(SeriesKey, Vec<(usize, usize)>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((key, at, ordinal)) = self.heap.pop()?;
        let mut places = vec![(at, ordinal)];
        let mut moved = self.advance(at, ordinal);
        while let Some(Reverse((other, _, _))) = self.heap.peek() {
            if *other != key {
                break;
            }
            if let Some(Reverse((_, at, ordinal))) = self.heap.pop() {
                places.push((at, ordinal));
                moved = moved.and(self.advance(at, ordinal));
            }
        }
        Some(moved.map(|()| (key, places)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(order: u64, bytes: u64) -> Arc<SegmentMeta> {
        Arc::new(SegmentMeta {
            id: order,
            order,
            erased: 0,
            bytes,
            rows: 1,
            points: 1,
            series: 1,
            first_time: 0,
            last_time: 1,
            cold: false,
        })
    }

    #[test]
    fn neighbours_of_one_size_are_chosen() {
        let sizes = [64 << 20, 1 << 10, 1 << 10, 1 << 10, 1 << 10, 64 << 20];
        let segments: Vec<_> = (0..).zip(sizes).map(|(i, bytes)| meta(i, bytes)).collect();
        assert_eq!(choose(&segments), Some(1..5));
        assert_eq!(choose(&segments[..4]), None);
    }

    #[test]
    fn a_crowd_is_thinned_whatever_the_sizes() {
        let segments: Vec<_> =
            (0..40).map(|i| meta(i, if i % 2 == 0 { 1 << 10 } else { 64 << 20 })).collect();
        assert!(choose(&segments[..32]).is_none());
        assert_eq!(choose(&segments).map(|run| run.len()), Some(FAN_IN));
    }
}
