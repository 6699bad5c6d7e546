//! Compaction: merges segments that follow one another in the order of arrival.
//!
//! Only neighbours in that order may be merged, or an older value could overtake a newer one.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::sync::Arc;

use super::maintain::drop_spent_tombstones;
use super::rollup::merge_level;
use super::{Database, policy};
use crate::chunk::{Part, PartData};
use crate::error::{Error, Result};
use crate::model::{SeriesKey, TableSchema, TimeRange, Timestamp};
use crate::planted::{self, Bug};
use crate::storage::manifest::{SegmentMeta, TableState, Tier, Tombstone};
use crate::storage::rewrite::{Coding, encode_series};
use crate::storage::segment::Segment;

/// Segments of one size class that are merged together.
const FAN_IN: usize = 4;
/// Most segments of one merge in the background.
const MOST: usize = 16;
/// Segments of a table past which the smallest run is merged whatever its size classes.
const CROWD: usize = 32;
/// How often a table is merged again after another writer changed it.
const AGAIN: u32 = 3;

impl Database {
    /// Merges every table's segments into one, applies duplicates and erases what was deleted.
    /// Versions from before an erasure are gone with it. Returns the newest version.
    ///
    /// Where there is a cold tier, what is on the local disk becomes one segment of the rows that
    /// stay and one of those that are old enough to move, which moves; what is in the cold tier
    /// is rewritten there as far as something of it is deleted.
    ///
    /// # Errors
    /// The store's error; nothing has changed then.
    pub fn compact(&self) -> Result<u64> {
        self.writable()?;
        self.look_around()?;
        let flushed = match self.flush() {
            Err(e) if e.is_full() => Err(e),
            other => Ok(other?),
        };
        // A full disk keeps rows in memory and in the log; what is deleted or past its time goes
        // all the same, and then there may be room for them.
        match flushed {
            Ok(_) => self.retain(true)?,
            Err(_) => self.make_room_by_age()?,
        }
        self.compact_tables()?;
        match flushed {
            Ok(_) => self.version(),
            Err(_) => self.flush(),
        }
    }

    fn compact_tables(&self) -> Result<()> {
        let _compacting = self.inner.compacting.lock();
        // What erases goes first: on a full disk it makes room for the rest.
        let mut tables = self.all_tables();
        tables.sort_by_key(|table| self.table(table).is_none_or(|t| t.tombstones.is_empty()));
        let mut full = Ok(());
        for table in tables {
            let mut tries = 0;
            while let Err(error) = self.compact_table(&table) {
                // Another writer of the object store changed what was being merged.
                tries += 1;
                if error.is_full() {
                    full = full.and(Err(error));
                    break;
                }
                if !matches!(error, Error::Conflict(_)) || !self.shares_store() || tries > AGAIN {
                    return Err(error);
                }
                self.look_around()?;
            }
        }
        full?;
        self.move_cold()?;
        // What cannot be removed now is at the next look.
        drop(self.sweep());
        Ok(())
    }

    fn compact_table(&self, table: &str) -> Result<()> {
        let Some(state) = self.table(table) else { return Ok(()) };
        let now = self.now();
        let manifest = Arc::clone(&self.inner.state.read().view.manifest);
        let floor = policy::floor(&manifest, &state.schema, now);
        let hidden = |meta: &SegmentMeta| {
            state.tombstones.iter().any(|t| t.hides(meta))
                || floor.is_some_and(|floor| meta.first_time < floor)
        };
        let coding = Coding::compaction(&state.schema, now)?;
        for run in state.segments.chunk_by(|a, b| a.tier == b.tier) {
            if run.iter().all(|meta| meta.tier == Tier::Cold) {
                // Each alone: what nothing is hidden of stays where it is.
                for at in (0..run.len()).filter(|at| hidden(&run[*at])) {
                    self.merge(table, &run[at..=at])?;
                }
                continue;
            }
            let warm = |meta: &SegmentMeta| !meta.cold && coding.is_cold(meta.last_time);
            let split = self.cold_before().filter(|before| worth_splitting(run, *before, now));
            let rewrite = run.len() > 1 || run.iter().any(|m| hidden(m) || warm(m));
            match split {
                Some(before) => self.merge_halves(table, run, before)?,
                None if rewrite => self.merge(table, run)?,
                None => {}
            }
        }
        // Tombstones of which nothing is left to hide.
        let Some(state) = self.table(table) else { return Ok(()) };
        let spent = |t: &Tombstone| !state.segments.iter().any(|meta| t.hides(meta));
        if state.tombstones.iter().any(spent) {
            let mut writer = self.inner.writer.lock();
            self.commit(&mut writer, |manifest, _| {
                manifest.tables.get_mut(table).map(drop_spent_tombstones);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Merges segments into one of the rows before a time and one of the others.
    fn merge_halves(&self, table: &str, run: &[Arc<SegmentMeta>], before: i64) -> Result<()> {
        let (old, new) = (TimeRange::new(None, Some(before)), TimeRange::new(Some(before), None));
        self.merge_without(table, run, &[Some(new), Some(old)])
    }

    /// One merge, of the table that needs it most, where one does.
    pub(super) fn compact_step(&self) -> Result<()> {
        let Some(_compacting) = self.inner.compacting.try_lock() else { return Ok(()) };
        for table in self.all_tables() {
            let Some(state) = self.table(&table) else { continue };
            // Those in the cold tier are merged among themselves, and only when they are many.
            for run in state.segments.chunk_by(|a, b| a.tier == b.tier) {
                let cold = run.iter().all(|meta| meta.tier == Tier::Cold);
                if cold && run.len() <= CROWD {
                    continue;
                }
                if let Some(chosen) = choose(run) {
                    self.merge(&table, &run[chosen])?;
                    return Ok(());
                }
            }
            if let Some(at) = cooled(&state, self.now())? {
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

    /// The names of all tables, those of aggregates too.
    fn all_tables(&self) -> Vec<String> {
        self.inner.state.read().view.manifest.tables.keys().cloned().collect()
    }

    fn table(&self, name: &str) -> Option<TableState> {
        self.inner.state.read().view.manifest.tables.get(name).cloned()
    }

    /// Merges neighbouring segments of a table into one; `compacting` is held.
    fn merge(&self, table: &str, inputs: &[Arc<SegmentMeta>]) -> Result<()> {
        self.merge_without(table, inputs, &[None])
    }

    /// Merges neighbouring segments of a table into one for each of `without`, which leaves out
    /// the rows of that range.
    fn merge_without(
        &self,
        table: &str,
        inputs: &[Arc<SegmentMeta>],
        without: &[Option<TimeRange>],
    ) -> Result<()> {
        let Some(last) = inputs.last().map(|meta| meta.order) else { return Ok(()) };
        let strangers: Vec<Arc<SegmentMeta>>;
        let inputs = if planted::is(Bug::StrangersMerged) && inputs.len() > 2 {
            strangers = inputs.first().into_iter().chain(inputs.last()).map(Arc::clone).collect();
            &strangers
        } else {
            inputs
        };
        // What was on the local disk stays there until it is moved, so that no merge of it waits
        // for the cold tier.
        let cold = inputs.iter().all(|meta| meta.tier == Tier::Cold);
        let tier = if cold { Tier::Cold } else { Tier::Local };
        let Some(state) = self.table(table) else { return Ok(()) };
        let schema = Arc::new(state.schema.clone());
        let now = self.now();
        let coding = Coding::compaction(&schema, now)?;
        let manifest = Arc::clone(&self.inner.state.read().view.manifest);
        let floor = policy::floor(&manifest, &schema, now);
        let expired = floor.map(|floor| TimeRange::new(None, Some(floor)));
        let level = schema.level_of().and_then(|(table, step)| {
            let of = &manifest.tables.get(table)?.schema;
            Some((of.fields.iter().map(|field| field.ty).collect::<Arc<[_]>>(), step))
        });
        let segments: Vec<Segment> = inputs
            .iter()
            .map(|meta| Segment::open(self.inner.shared.store_of(meta.tier)?, Arc::clone(meta)))
            .collect::<Result<_>>()?;
        let series = InOrder::new(&segments, schema.tags.len())?.collect::<Result<Vec<_>>>()?;
        let mut outputs = Vec::with_capacity(without.len());
        for without in without {
            let left_out: Vec<TimeRange> = expired.into_iter().chain(*without).collect();
            let merge = Merge { schema: &schema, tombstones: &state.tombstones, left_out };
            let place = self.new_segment(&mut self.inner.writer.lock(), tier);
            let written = self.write_series(&schema, &place, last, &series, |(key, places)| {
                let parts = merge.parts(&segments, key, places, TimeRange::ALL)?;
                let key = Arc::new(key.clone());
                match &level {
                    Some((types, step)) => merge_level(key, &parts, types, *step, coding),
                    None => encode_series(key, parts, &schema, coding),
                }
            })?;
            outputs.extend(written.map(|meta| (place, meta)));
        }
        let newest_tombstone = state.tombstones.iter().map(|t| t.order).max().unwrap_or(0);
        // What is past its age stays in older versions until these go.
        let deletes = |meta: &Arc<SegmentMeta>| {
            state.tombstones.iter().any(|tombstone| !tombstone.expired && tombstone.hides(meta))
        };
        let erases = inputs.iter().any(deletes);
        // On a full disk older versions are given up: with them the inputs go at once, and what
        // the output took of the room kept for deletes comes back.
        let room = self.inner.shared.store.is_full();
        let gone: HashSet<u64> = inputs.iter().map(|meta| meta.id).collect();
        if planted::is(Bug::InputsDeletedBeforeCommit) {
            for meta in inputs {
                self.inner.shared.store.delete(&meta.path())?;
            }
        }
        if planted::is(Bug::HeadLostByCompaction) {
            self.inner.state.write().head = Default::default();
        }
        let mut writer = self.inner.writer.lock();
        self.commit(&mut writer, |manifest, _| {
            let version = manifest.version;
            if let Some(state) = manifest.tables.get_mut(table) {
                if self.shares_store() && !stand_together(&state.segments, inputs) {
                    return Err(Error::Conflict(format!(
                        "another writer changed segments of table {table:?} during a compaction"
                    )));
                }
                // Retention may have dropped an input meanwhile: then its rows are past it in the
                // output too, and stay hidden.
                state.segments.retain(|meta| !gone.contains(&meta.id));
                for (place, meta) in &outputs {
                    self.in_time(place)?;
                    let (erased, cold) = (newest_tombstone, coding.is_cold(meta.last_time));
                    let meta = SegmentMeta { erased, cold, ..meta.clone() };
                    state.segments.push(Arc::new(meta));
                }
                state.segments.sort_by_key(|meta| meta.order);
                drop_spent_tombstones(state);
            }
            if room || (erases && !planted::is(Bug::HistoryKeptAtErasure)) {
                // Older versions list segments that still hold what was erased.
                manifest.history_from = version;
            }
            Ok(())
        })
    }
}

/// The first segment whose rows are all old enough for the cold form and not in it yet.
fn cooled(state: &TableState, now: Timestamp) -> Result<Option<usize>> {
    let coding = Coding::compaction(&state.schema, now)?;
    let local = |meta: &SegmentMeta| meta.tier == Tier::Local;
    let warm = |meta: &SegmentMeta| !meta.cold && coding.is_cold(meta.last_time);
    Ok(state.segments.iter().position(|meta| local(meta) && warm(meta)))
}

/// Whether enough of the rows lie before a time that they are worth segments of their own: an
/// eighth of the span up to now, so that compacting often does not cut off slivers.
fn worth_splitting(run: &[Arc<SegmentMeta>], before: i64, now: i64) -> bool {
    let first = run.iter().map(|meta| i128::from(meta.first_time)).min();
    let last = run.iter().map(|meta| i128::from(meta.last_time)).max();
    let (Some(first), Some(last)) = (first, last) else { return false };
    let (before, now) = (i128::from(before), i128::from(now));
    first < before && before <= last && (before - first) * 8 >= last.min(now) - first
}

/// Whether the inputs of a merge are all there still, with nothing between them.
fn stand_together(segments: &[Arc<SegmentMeta>], inputs: &[Arc<SegmentMeta>]) -> bool {
    let ids = |metas: &[Arc<SegmentMeta>]| metas.iter().map(|m| m.id).collect::<Vec<_>>();
    let (there, wanted) = (ids(segments), ids(inputs));
    there.windows(wanted.len().max(1)).any(|run| run == wanted.as_slice())
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

/// What counts of the rows that are merged.
pub(super) struct Merge<'a> {
    pub(super) schema: &'a TableSchema,
    pub(super) tombstones: &'a [Tombstone],
    /// Rows past retention, and those of another output.
    pub(super) left_out: Vec<TimeRange>,
}

impl Merge<'_> {
    /// All parts of a series in the inputs that have rows in `range`, read past the cache.
    pub(super) fn parts(
        &self,
        segments: &[Segment],
        key: &SeriesKey,
        places: &[(usize, usize)],
        range: TimeRange,
    ) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for (at, ordinal) in places {
            let segment = &segments[*at];
            let hides = |t: &&Tombstone| t.hides(segment.meta()) && t.matches(self.schema, key);
            let deleted: Vec<TimeRange> =
                self.tombstones.iter().filter(hides).map(|t| t.range).collect();
            let deleted: Arc<[TimeRange]> = deleted.iter().chain(&self.left_out).copied().collect();
            for chunk in segment.chunks_of(*ordinal)? {
                let entry = segment.chunk_entry(chunk)?;
                let span = (entry.first, entry.last);
                if !range.overlaps(span.0, span.1)
                    || deleted.iter().any(|d| d.covers(span.0, span.1))
                {
                    continue;
                }
                parts.push(Part {
                    data: PartData::Encoded(segment.read_chunk(chunk)?),
                    fields: Arc::clone(segment.group(entry.group)?),
                    order: if planted::is(Bug::CompactionKeepsTheFirst) {
                        ((segments.len() - at) as u64) << 32
                    } else {
                        ((*at as u64) << 32) + chunk as u64
                    },
                    deleted: Arc::clone(&deleted),
                });
            }
        }
        Ok(parts)
    }
}

/// Series of several segments in ascending order of their keys, each with where it stands:
/// (segment, ordinal).
pub(super) struct InOrder<'a> {
    segments: &'a [Segment],
    tags: usize,
    heap: BinaryHeap<Reverse<(SeriesKey, usize, usize)>>,
}

impl<'a> InOrder<'a> {
    pub(super) fn new(segments: &'a [Segment], tags: usize) -> Result<Self> {
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
            tier: Tier::Local,
            file: String::new(),
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
