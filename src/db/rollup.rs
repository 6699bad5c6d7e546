//! Passes that roll up: rows that are past their age become aggregates of the next level, in one
//! commit.
//!
//! A pass takes a place in the order of arrival, after all that was flushed. What arrived before it
//! and lies before the floor leaves a table by a tombstone of that order, and is in the next level
//! from the same version on. So a point is in one level at a time, whatever is killed when. Rows
//! that arrive behind the floor later come after the tombstone: they are seen as rows, until the
//! next pass makes further aggregates of them, which add up with those that are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Database;
use super::compact::{InOrder, Merge};
use super::flush::NewSegment;
use super::policy::{expire, next_order, set_level};
use crate::error::{Error, Result};
use crate::kernels::{Partials, Roller, Unguarded};
use crate::model::policy::floors;
use crate::model::{FieldType, Level, SeriesKey, TableSchema, TimeRange, Timestamp};
use crate::storage::manifest::{Manifest, SegmentMeta, TableState, Tier, file_path};
use crate::storage::rewrite::{Coding, encode_rows};
use crate::storage::segment::{EncodedGroup, EncodedSeries, Segment};

/// How often a pass starts over when rows are deleted beneath it, before it holds up writers.
const TRIES: usize = 3;
/// Into how many passes the background cuts the age of a level.
const PASSES: i64 = 128;

/// What a policy has to do at one moment.
struct Due {
    levels: Vec<Level>,
    /// Of the rows, then of each level.
    floors: Vec<Timestamp>,
    /// The tables that these are of.
    names: Vec<String>,
}

impl Due {
    fn of(state: &TableState, now: Timestamp) -> Option<Self> {
        let schema = &state.schema;
        let levels = schema.downsample.levels().to_vec();
        let retention = schema.retention.filter(|_| !levels.is_empty())?;
        let mut names = vec![schema.name.clone()];
        names.extend(levels.iter().map(|level| schema.of_level(*level, Vec::new()).name));
        Some(Self { floors: floors(retention, &levels, now), levels, names })
    }

    /// Whether a pass is worth it: where not forced, when what is due spans enough time.
    fn is_due(&self, manifest: &Manifest, retention: i64, force: bool) -> bool {
        let ages = std::iter::once(retention).chain(self.levels.iter().map(|level| level.age));
        let steps = self.levels.iter().chain(self.levels.last()).map(|level| level.step);
        let mut tables = self.names.iter().zip(&self.floors).zip(ages.zip(steps));
        tables.any(|((name, floor), (age, step))| {
            let oldest = manifest.tables.get(name).and_then(|state| oldest(state, *floor));
            let wait = if force { 1 } else { step.max(age / PASSES) };
            oldest.is_some_and(|oldest| floor.saturating_sub(oldest) >= wait)
        })
    }
}

/// The earliest time before `floor` at which a table may have what no pass has taken yet.
fn oldest(state: &TableState, floor: Timestamp) -> Option<Timestamp> {
    let first = |meta: &Arc<SegmentMeta>| {
        let hiding = state.tombstones.iter().filter(|t| t.expired && t.hides(meta));
        let hidden = hiding.filter_map(|tombstone| tombstone.range.end).max();
        let first = hidden.map_or(meta.first_time, |end| end.max(meta.first_time));
        (first <= meta.last_time && first < floor).then_some(first)
    };
    state.segments.iter().filter_map(first).min()
}

impl Database {
    /// Rolls up what is due in every table with a policy; `compacting` is held. Reports the first
    /// failure, after all tables had their turn.
    pub(super) fn roll_up_all(&self, force: bool) -> Result<()> {
        let view = Arc::clone(&self.inner.state.read().view);
        let tables = view.manifest.tables.values().map(|state| &state.schema);
        let with_policy = tables.filter(|schema| !schema.downsample.levels().is_empty());
        let mut outcome = Ok(());
        for schema in with_policy {
            outcome = outcome.and(self.roll_up(&schema.name, force));
        }
        outcome
    }

    /// Rolls up what is due in a table; `compacting` is held.
    pub(super) fn roll_up(&self, table: &str, force: bool) -> Result<()> {
        for tried in 0..=TRIES {
            let view = Arc::clone(&self.inner.state.read().view);
            let Some(state) = view.manifest.tables.get(table) else { return Ok(()) };
            let now = self.now();
            let Some(due) = Due::of(state, now) else { return Ok(()) };
            let retention = state.schema.retention.unwrap_or(i64::MAX);
            if !due.is_due(&view.manifest, retention, force) || self.pass(table, now, tried)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One pass. False where rows were deleted, or the policy changed, while it ran: then nothing
    /// has changed. The last try keeps that from happening.
    fn pass(&self, table: &str, now: Timestamp, tried: usize) -> Result<bool> {
        self.flush()?;
        let flushing = self.inner.flushing.lock();
        let mut writer = self.inner.writer.lock();
        self.writable()?;
        // What arrives from here on has a later place than the pass.
        self.flush_locked(&mut writer)?;
        let order = next_order(&mut writer);
        let before = Arc::clone(&self.inner.state.read().view.manifest);
        let Some(state) = before.tables.get(table) else { return Ok(true) };
        let Some(due) = Due::of(state, now) else { return Ok(true) };
        let levels = due.levels.iter();
        let places: Vec<NewSegment> =
            levels.map(|_| self.new_segment(&mut writer, Tier::Local)).collect();
        let held = (tried == TRIES).then_some((flushing, writer));
        let written = self.encode_levels(&before, &state.schema, &due, (order, &places));
        let mut writer = match held {
            Some((_, writer)) => writer,
            None => self.inner.writer.lock(),
        };
        self.writable()?;
        let current = Arc::clone(&self.inner.state.read().view.manifest);
        let same = due.names.iter().all(|name| same_rules(&before, &current, name));
        let written = match written {
            Ok(written) if same => written,
            left => {
                self.drop_unlisted(&places);
                return left.map(|_| false);
            }
        };
        let shared = self.shares_store();
        let committed = self.commit(&mut writer, |manifest, _| {
            if shared && manifest.version != before.version + 1 {
                // Rows of another writer would fall to the tombstones without being rolled up.
                return Err(Error::Conflict(format!(
                    "another writer changed the database while {table:?} was rolled up"
                )));
            }
            for place in &places {
                self.in_time(place)?;
            }
            for level in &due.levels {
                // Of the fields and tags that were there when the aggregates were made.
                set_level(manifest, &state.schema, *level);
            }
            for (name, floor) in due.names.iter().zip(&due.floors) {
                if let Some(state) = manifest.tables.get_mut(name) {
                    expire(state, *floor, order);
                }
            }
            for (name, meta) in &written {
                if let Some(state) = manifest.tables.get_mut(name) {
                    state.segments.push(Arc::new(meta.clone()));
                    state.segments.sort_by_key(|meta| meta.order);
                }
            }
            Ok(())
        });
        match committed {
            Err(Error::Conflict(_)) if shared => {
                self.drop_unlisted(&places);
                Ok(false)
            }
            committed => committed.map(|()| true),
        }
    }

    /// Removes segments that no version lists; what cannot be removed now goes with the orphans.
    fn drop_unlisted(&self, places: &[NewSegment]) {
        for place in places {
            drop(self.inner.shared.store.delete(&file_path(place.id, &place.file)));
        }
    }

    /// The segments of the levels that get anything.
    fn encode_levels(
        &self,
        before: &Manifest,
        schema: &TableSchema,
        due: &Due,
        (order, places): (u64, &[NewSegment]),
    ) -> Result<Vec<(String, SegmentMeta)>> {
        let mut sources = Vec::with_capacity(due.names.len());
        for (name, floor) in due.names.iter().zip(&due.floors) {
            let state = before.tables.get(name).ok_or_else(|| {
                Error::Internal(format!("a policy without the table {name:?} of its level"))
            })?;
            sources.push(Source::open(self, state, *floor)?);
        }
        let types: Arc<[FieldType]> = schema.fields.iter().map(|field| field.ty).collect();
        let tags = schema.tags.len();
        let mut written = Vec::new();
        for (at, level) in due.levels.iter().enumerate() {
            // What is finer and lies before the floor of the finer level, down to this one's own.
            let range = TimeRange::new(Some(due.floors[at + 1]), Some(due.floors[at]));
            if range.end.is_some_and(|end| end <= range.start) {
                continue;
            }
            let target = schema.of_level(*level, crate::kernels::partial_fields(&schema.fields));
            let coding = Coding::hot(&target)?;
            let target = Arc::new(target);
            let mut series: BTreeMap<SeriesKey, Vec<Vec<(usize, usize)>>> = BTreeMap::new();
            for (nth, source) in sources.iter().take(at + 1).enumerate() {
                for found in InOrder::new(&source.segments, tags)? {
                    let (key, places) = found?;
                    let of_series = series.entry(key).or_insert_with(|| vec![Vec::new(); at + 1]);
                    of_series[nth] = places;
                }
            }
            let meta =
                self.write_series(&target, &places[at], order, series, |(key, places)| {
                    let mut roller = Roller::new(Arc::clone(&types), level.step)?;
                    let mut parts = Vec::new();
                    let mut found = false;
                    // The coarsest first: what is in it arrived first.
                    for (source, places) in sources.iter().zip(&places).rev() {
                        parts = source.merge.parts(&source.segments, &key, places, range)?;
                        found |= !parts.is_empty();
                        if source.merge.schema.level_of().is_some() && !parts.is_empty() {
                            let all: Vec<usize> = (0..types.len()).collect();
                            let partials = Partials::of(&parts, range, &types, &all, &Unguarded)?;
                            roller.take_partials(&partials)?;
                        }
                    }
                    let key = Arc::new(key);
                    if !found {
                        return Ok(EncodedSeries { key, groups: Vec::new() });
                    }
                    let partials = roller.roll(&parts, range, schema.duplicates, &Unguarded)?;
                    encoded(key, partials, &types, coding)
                })?;
            written.extend(meta.map(|meta| (target.name.clone(), meta)));
        }
        Ok(written)
    }
}

/// Partial aggregates of a series as chunks.
fn encoded(
    key: Arc<SeriesKey>,
    partials: Partials,
    types: &[FieldType],
    coding: Coding,
) -> Result<EncodedSeries> {
    let group = partials.into_group(types);
    let chunks = encode_rows(&group.rows.times, &group.rows.columns, coding)?;
    let groups = vec![EncodedGroup { fields: group.fields.into(), chunks }];
    Ok(EncodedSeries { key, groups })
}

/// Merges the parts of a level's series: aggregates of one bucket become one.
pub(super) fn merge_level(
    key: Arc<SeriesKey>,
    parts: &[crate::chunk::Part],
    types: &Arc<[FieldType]>,
    step: i64,
    coding: Coding,
) -> Result<EncodedSeries> {
    let all: Vec<usize> = (0..types.len()).collect();
    let partials = Partials::of(parts, TimeRange::ALL, types, &all, &Unguarded)?;
    let mut roller = Roller::new(Arc::clone(types), step)?;
    roller.take_partials(&partials)?;
    let nothing = TimeRange::new(Some(0), Some(0));
    let duplicates = crate::model::Duplicates::Keep;
    encoded(key, roller.roll(&[], nothing, duplicates, &Unguarded)?, types, coding)
}

/// Whether nothing changed what of a table counts.
fn same_rules(before: &Manifest, current: &Manifest, name: &str) -> bool {
    match (before.tables.get(name), current.tables.get(name)) {
        (Some(a), Some(b)) => {
            a.tombstones == b.tombstones
                && a.schema.retention == b.schema.retention
                && a.schema.downsample == b.schema.downsample
        }
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// A table that a pass takes from.
struct Source<'a> {
    merge: Merge<'a>,
    segments: Vec<Segment>,
}

impl<'a> Source<'a> {
    fn open(database: &Database, state: &'a TableState, floor: Timestamp) -> Result<Self> {
        let shared = &database.inner.shared;
        let due = state.segments.iter().filter(|meta| meta.first_time < floor);
        let segments = due.map(|meta| Segment::open(shared.store_of(meta.tier)?, Arc::clone(meta)));
        let left_out = Vec::new();
        let merge = Merge { schema: &state.schema, tombstones: &state.tombstones, left_out };
        Ok(Self { merge, segments: segments.collect::<Result<_>>()? })
    }
}
