//! One table at one moment: what queries see of storage.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::pins::Pin;
use super::policy;
use super::state::{ACTIVE_ORDER, Frozen, Shared, View};
use crate::chunk::{Part, PartData, Stats};
use crate::error::{Error, Result};
use crate::kernels::{Guard, Partials};
use crate::model::{SeriesId, SeriesKey, TableSchema, TimeRange};
use crate::query::{ChunkSource, RolledUp, SeriesRef, Summary, TagFilter};
use crate::storage::head::CapturedSeries;
use crate::storage::manifest::TableState;
use crate::storage::segment::Segment;

/// Bits of a part's order that number the parts of one head or segment.
const ORDER_SHIFT: u32 = 24;

/// Where a series has rows.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// In segment `0` under ordinal `1`.
    Segment(u32, u32),
    /// In frozen head `0`.
    Frozen(u32),
    /// In the captured head at position `0`.
    Captured(u32),
    /// As aggregates of level `0`, under that level's handle `1`.
    Level(u32, u64),
}

#[derive(Debug)]
struct Entry {
    id: SeriesId,
    key: Arc<SeriesKey>,
    places: Vec<Place>,
}

/// One level of aggregates of a table.
#[derive(Debug)]
struct Level {
    step: i64,
    source: TableSnapshot,
}

/// One table of one view, with what the head held for the query's series.
#[derive(Debug)]
pub(crate) struct TableSnapshot {
    shared: Arc<Shared>,
    schema: Arc<TableSchema>,
    state: TableState,
    frozen: Vec<Arc<Frozen>>,
    captured: Vec<CapturedSeries>,
    /// Rows before this are past the table's retention.
    floor: Option<i64>,
    segments: Vec<Arc<Segment>>,
    entries: RwLock<Vec<Arc<Entry>>>,
    /// Of series of which nothing is deleted.
    nothing: Arc<[TimeRange]>,
    /// The aggregates of rows that are gone, finest first.
    levels: Vec<Level>,
    /// Keeps the segments' files: their sections and chunks are read when they are needed.
    pin: Pin,
}

impl TableSnapshot {
    /// The table called `name` of a view; `captured` is what the active head holds for the series
    /// and times that will be asked for.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        (view, pin): (&View, Pin),
        name: &str,
        captured: Vec<CapturedSeries>,
        now: i64,
        range: TimeRange,
    ) -> Result<Self> {
        let state = table_state(view, name)?.clone();
        let floor = policy::floor(&view.manifest, &state.schema, now);
        let mut segments = Vec::new();
        for meta in &state.segments {
            if range.overlaps(meta.first_time, meta.last_time) {
                segments.push(shared.segment_of(meta, &state.schema)?);
            }
        }
        let frozen = view.frozen.iter().filter(|f| f.head.table(name).is_some()).cloned().collect();
        Ok(Self {
            shared: Arc::clone(shared),
            schema: Arc::new(state.schema.clone()),
            state,
            frozen,
            captured,
            floor,
            segments,
            entries: RwLock::default(),
            nothing: Arc::from([]),
            levels: Vec::new(),
            pin,
        })
    }

    /// The same with the aggregates of rows that were rolled up.
    pub(crate) fn with_levels(mut self, view: &View, now: i64, range: TimeRange) -> Result<Self> {
        for (step, state) in policy::levels_of(&view.manifest, &self.schema.name) {
            let (name, pin) = (&state.schema.name, self.pin.another());
            let mut source = Self::new(&self.shared, (view, pin), name, Vec::new(), now, range)?;
            // The table may have got tags since: series of the level lack them.
            let schema = TableSchema {
                tags: self.schema.tags.clone(),
                ..TableSchema::clone(&source.schema)
            };
            source.schema = Arc::new(schema);
            self.levels.push(Level { step, source });
        }
        Ok(self)
    }

    /// The version that it shows.
    pub(crate) fn version(&self) -> u64 {
        self.pin.version
    }

    /// One series by its key; `captured` is its position in what was captured of the head.
    pub(crate) fn locate(
        &self,
        key: &SeriesKey,
        id: SeriesId,
        captured: Option<u32>,
    ) -> Result<SeriesRef> {
        let mut places = Vec::new();
        for (at, segment) in self.segments.iter().enumerate() {
            if let Some(ordinal) = segment.find(key)? {
                places.push(Place::Segment(at as u32, ordinal as u32));
            }
        }
        places.extend((0..self.frozen.len() as u32).map(Place::Frozen));
        places.extend(captured.map(Place::Captured));
        let key = Arc::new(key.clone());
        let mut entries = self.entries.write();
        let handle = entries.len() as u64;
        entries.push(Arc::new(Entry { id, key: Arc::clone(&key), places }));
        Ok(SeriesRef { key, handle })
    }

    /// The ranges that hide rows of a series in a segment of the given order.
    fn deleted(&self, segment: &Segment, key: &SeriesKey) -> Arc<[TimeRange]> {
        if self.state.tombstones.is_empty() && self.floor.is_none() {
            return Arc::clone(&self.nothing);
        }
        let hidden = self.state.tombstones.iter().filter(|tombstone| {
            tombstone.hides(segment.meta()) && tombstone.matches(&self.schema, key)
        });
        let span = (segment.meta().first_time, segment.meta().last_time);
        let expired = self.expired().filter(|expired| expired.overlaps(span.0, span.1));
        hidden.map(|tombstone| tombstone.range).chain(expired).collect()
    }

    fn expired(&self) -> Option<TimeRange> {
        self.floor.map(|floor| TimeRange::new(None, Some(floor)))
    }

    fn entry(&self, series: &SeriesRef) -> Result<Arc<Entry>> {
        let entries = self.entries.read();
        entries.get(series.handle as usize).cloned().ok_or_else(|| {
            Error::Internal(format!("series {} of {}", series.handle, entries.len()))
        })
    }

    fn head_parts(&self, mut parts: Vec<Part>) -> Vec<Part> {
        if let Some(expired) = self.expired() {
            parts.iter_mut().for_each(|part| part.deleted = Arc::from([expired]));
        }
        parts
    }

    /// A segment's chunks of one series, one run a group: (group, first chunk, end).
    fn runs(segment: &Segment, ordinal: u32) -> Result<Vec<(usize, usize, usize)>> {
        let chunks = segment.chunks_of(ordinal as usize)?;
        let mut runs = Vec::new();
        let mut start = chunks.start;
        while start < chunks.end {
            let group = segment.chunk_entry(start)?.group;
            // A group's chunks stand together, so "still this group" holds up to one point.
            let end = partition(start, chunks.end, |i| Ok(segment.chunk_entry(i)?.group == group))?;
            runs.push((group, start, end));
            start = end;
        }
        Ok(runs)
    }

    /// The chunks of a run that overlap `range`: they ascend in time.
    fn within(
        segment: &Segment,
        run: (usize, usize, usize),
        range: TimeRange,
    ) -> Result<std::ops::Range<usize>> {
        let (_, start, end) = run;
        let from = partition(start, end, |i| Ok(segment.chunk_entry(i)?.last < range.start))?;
        let to = match range.end {
            Some(stop) => partition(from, end, |i| Ok(segment.chunk_entry(i)?.first < stop))?,
            None => end,
        };
        Ok(from..to)
    }

    fn segment_part(
        &self,
        segment: &Segment,
        chunk: usize,
        fields: &Arc<[usize]>,
        deleted: &Arc<[TimeRange]>,
    ) -> Result<Part> {
        Ok(Part {
            data: PartData::Encoded(self.shared.chunk(segment, chunk)?),
            fields: Arc::clone(fields),
            order: (segment.meta().order << ORDER_SHIFT) + chunk as u64 % (1 << ORDER_SHIFT),
            deleted: Arc::clone(deleted),
        })
    }
}

impl ChunkSource for TableSnapshot {
    fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    fn series(&self, filter: &TagFilter, range: TimeRange) -> Result<Vec<SeriesRef>> {
        let tags = self.schema.tags.len();
        let mut found: Vec<Entry> = Vec::new();
        let mut by_id: HashMap<SeriesId, usize, foldhash::fast::RandomState> = HashMap::default();
        let sources = self.segments.len()
            + self.frozen.len()
            + usize::from(!self.captured.is_empty())
            + self.levels.len();
        let mut add =
            |id: SeriesId, place: Place, key: &mut dyn FnMut() -> Result<Arc<SeriesKey>>| {
                if sources > 1 {
                    if let Some(at) = by_id.get(&id) {
                        found[*at].places.push(place);
                        return Ok::<(), Error>(());
                    }
                    by_id.insert(id, found.len());
                }
                found.push(Entry { id, key: key()?, places: vec![place] });
                Ok(())
            };
        for (at, segment) in self.segments.iter().enumerate() {
            if !range.overlaps(segment.meta().first_time, segment.meta().last_time) {
                continue;
            }
            let mut take = |ordinal: u32| {
                let id = segment.series_id(ordinal as usize)?;
                let mut key = || segment.shared_key(ordinal as usize, tags);
                add(id, Place::Segment(at as u32, ordinal), &mut key)
            };
            match segment.select(&filter.any_of)? {
                Some(ordinals) => ordinals.iter().try_for_each(&mut take)?,
                None => (0..segment.series_count() as u32).try_for_each(&mut take)?,
            }
        }
        for (at, frozen) in self.frozen.iter().enumerate() {
            let Some(table) = frozen.head.table(&self.schema.name) else { continue };
            for series in table.select(&filter.any_of) {
                let (id, key) = table.series(series);
                add(id, Place::Frozen(at as u32), &mut || Ok(padded(key, tags)))?;
            }
        }
        for (at, captured) in self.captured.iter().enumerate() {
            let key = padded(&captured.key, tags);
            if filter.matches(&key) {
                add(captured.id, Place::Captured(at as u32), &mut || Ok(Arc::clone(&key)))?;
            }
        }
        for (at, level) in self.levels.iter().enumerate() {
            for one in level.source.series(filter, range)? {
                let id = one.key.id(&self.schema.name, &self.schema.tags);
                let place = Place::Level(at as u32, one.handle);
                add(id, place, &mut || Ok(Arc::clone(&one.key)))?;
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        let mut entries = self.entries.write();
        let base = entries.len() as u64;
        let references = found.iter().zip(base..);
        let references = references
            .map(|(entry, handle)| SeriesRef { key: Arc::clone(&entry.key), handle })
            .collect();
        entries.extend(found.into_iter().map(Arc::new));
        Ok(references)
    }

    fn series_at_most(&self, filter: &TagFilter, range: TimeRange) -> Result<usize> {
        let mut most = self.captured.len();
        for segment in &self.segments {
            if range.overlaps(segment.meta().first_time, segment.meta().last_time) {
                let picked = segment.select(&filter.any_of)?;
                most += picked.map_or(segment.series_count(), |picked| picked.len() as usize);
            }
        }
        for frozen in &self.frozen {
            if let Some(table) = frozen.head.table(&self.schema.name) {
                most += table.select(&filter.any_of).len();
            }
        }
        for level in &self.levels {
            most += level.source.series_at_most(filter, range)?;
        }
        Ok(most)
    }

    fn parts(&self, series: &SeriesRef, range: TimeRange, fields: &[usize]) -> Result<Vec<Part>> {
        let entry = self.entry(series)?;
        let wanted = |own: &[usize]| {
            fields.is_empty() || fields.iter().any(|field| own.binary_search(field).is_ok())
        };
        let mut parts = Vec::new();
        for place in &entry.places {
            match *place {
                Place::Segment(at, ordinal) => {
                    let segment = &self.segments[at as usize];
                    let deleted = self.deleted(segment, &entry.key);
                    for run in Self::runs(segment, ordinal)? {
                        let own = segment.group(run.0)?;
                        if !wanted(own) {
                            continue;
                        }
                        for chunk in Self::within(segment, run, range)? {
                            parts.push(self.segment_part(segment, chunk, own, &deleted)?);
                        }
                    }
                }
                Place::Frozen(at) => {
                    let frozen = &self.frozen[at as usize];
                    if let Some(table) = frozen.head.table(&self.schema.name) {
                        let own = table.parts_of(entry.id, frozen.order, range);
                        parts.extend(self.head_parts(own));
                    }
                }
                Place::Captured(at) => {
                    parts.extend(self.head_parts(self.captured[at as usize].parts.clone()));
                }
                Place::Level(..) => {}
            }
        }
        parts.retain(|part| wanted(&part.fields));
        parts.sort_by_key(|part| part.order);
        Ok(parts)
    }

    fn levels(&self, range: TimeRange) -> Vec<RolledUp> {
        self.levels.iter().filter_map(|level| level.reach(range)).collect()
    }

    fn partials(
        &self,
        series: &SeriesRef,
        range: TimeRange,
        fields: &[usize],
        guard: &dyn Guard,
    ) -> Result<Vec<Partials>> {
        if self.levels.is_empty() {
            return Ok(Vec::new());
        }
        let entry = self.entry(series)?;
        let types: Vec<_> = self.schema.fields.iter().map(|field| field.ty).collect();
        let mut found = Vec::new();
        for place in entry.places.iter().rev() {
            let Place::Level(at, handle) = *place else { continue };
            guard.poll()?;
            let level = &self.levels[at as usize].source;
            let own = SeriesRef { key: Arc::clone(&entry.key), handle };
            let parts = level.parts(&own, range, &[])?;
            found.push(Partials::of(&parts, range, &types, fields, guard)?);
        }
        Ok(found)
    }

    fn tail(&self, series: &SeriesRef, range: TimeRange, fields: &[usize]) -> Result<Vec<Part>> {
        let entry = self.entry(series)?;
        // The part that ends last, by the directory: its last and its first time.
        let mut latest = None::<(i64, i64)>;
        for place in &entry.places {
            let (at, ordinal) = match *place {
                Place::Segment(at, ordinal) => (at, ordinal),
                Place::Level(..) => continue,
                Place::Frozen(_) | Place::Captured(_) => return self.parts(series, range, fields),
            };
            let segment = &self.segments[at as usize];
            for run in Self::runs(segment, ordinal)? {
                let own = segment.group(run.0)?;
                if !fields.is_empty() && fields.iter().all(|f| own.binary_search(f).is_err()) {
                    continue;
                }
                if let Some(chunk) = Self::within(segment, run, range)?.next_back() {
                    let chunk = segment.chunk_entry(chunk)?;
                    latest = latest.max(Some((chunk.last, chunk.first)));
                }
            }
        }
        let from = TimeRange::new(latest.map(|(_, first)| first), None);
        self.parts(series, range.intersect(&from), fields)
    }

    fn summary(&self, series: &SeriesRef, range: TimeRange, field: usize) -> Result<Summary> {
        let entry = self.entry(series)?;
        let ty = self.schema.fields[field].ty;
        let of_rows = |place: &&Place| !matches!(place, Place::Level(..));
        let only_place = entry.places.iter().filter(of_rows).count() == 1;
        let counts_all = self.schema.duplicates == crate::model::Duplicates::Keep;
        let mut summary = Summary::default();
        for place in entry.places.iter().filter(of_rows) {
            let Place::Segment(at, ordinal) = *place else {
                // Rows in the head may replace any row of a segment.
                if !counts_all && !only_place {
                    return Ok(Summary::of_parts(self.parts(series, range, &[field])?));
                }
                continue;
            };
            let segment = &self.segments[at as usize];
            let deleted = self.deleted(segment, &entry.key);
            if !(counts_all || only_place) || !deleted.is_empty() {
                return Ok(Summary::of_parts(self.parts(series, range, &[field])?));
            }
            for run in Self::runs(segment, ordinal)? {
                let own = segment.group(run.0)?;
                let Ok(column) = own.binary_search(&field) else { continue };
                let chunks = Self::within(segment, run, range)?;
                let whole = |i: usize| -> Result<bool> {
                    let entry = segment.chunk_entry(i)?;
                    Ok(range.covers(entry.first, entry.last))
                };
                // Only the first and the last chunk can reach out of the range.
                let mut inner = chunks.clone();
                let mut edges = Vec::new();
                if !inner.is_empty() && !whole(inner.start)? {
                    edges.push(inner.start);
                    inner.start += 1;
                }
                if !inner.is_empty() && !whole(inner.end - 1)? {
                    inner.end -= 1;
                    edges.push(inner.end);
                }
                let (from, to) = (inner.start - run.1, inner.end - run.1);
                let covered = if inner.is_empty() {
                    Some(None)
                } else {
                    segment.sums(run.1, column, ty, from, to)?
                };
                match covered {
                    Some(stats) => Stats::merge_into(&mut summary.covered, stats),
                    None => edges.extend(inner),
                }
                for chunk in edges {
                    summary.rest.push(self.segment_part(segment, chunk, own, &deleted)?);
                }
            }
        }
        for place in &entry.places {
            let parts = match *place {
                Place::Segment(..) | Place::Level(..) => continue,
                Place::Frozen(at) => {
                    let frozen = &self.frozen[at as usize];
                    let table = frozen.head.table(&self.schema.name);
                    table.map_or_else(Vec::new, |t| t.parts_of(entry.id, frozen.order, range))
                }
                Place::Captured(at) => self.captured[at as usize].parts.clone(),
            };
            let parts = self.head_parts(parts).into_iter();
            summary.rest.extend(parts.filter(|part| part.column_of(field).is_some()));
        }
        summary.rest.sort_by_key(|part| part.order);
        Ok(summary)
    }
}

impl Level {
    /// What of the level a range may reach: the buckets of segments that are not hidden whole.
    fn reach(&self, range: TimeRange) -> Option<RolledUp> {
        let there = |segment: &&Arc<Segment>| {
            let meta = segment.meta();
            let hidden = |range: TimeRange| range.covers(meta.first_time, meta.last_time);
            range.overlaps(meta.first_time, meta.last_time)
                && !self.source.expired().is_some_and(hidden)
                && !self.source.state.tombstones.iter().any(|tombstone| {
                    tombstone.filter.is_empty() && tombstone.hides(meta) && hidden(tombstone.range)
                })
        };
        let spans = self.source.segments.iter().filter(there);
        let spans = spans.map(|segment| (segment.meta().first_time, segment.meta().last_time));
        let (from, last) = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        Some(RolledUp { step: self.step, from, until: last.saturating_add(self.step) })
    }
}

/// A table of a view.
pub(crate) fn table_state<'a>(view: &'a View, name: &str) -> Result<&'a TableState> {
    view.manifest.tables.get(name).ok_or_else(|| {
        Error::unknown("table", name, view.manifest.tables.keys().map(String::as_str))
    })
}

/// What the active head holds for a query, copied under the caller's lock.
pub(crate) fn capture(
    head: &crate::storage::head::Head,
    table: &str,
    filter: &TagFilter,
    range: TimeRange,
) -> Vec<CapturedSeries> {
    head.table(table)
        .map_or_else(Vec::new, |table| table.capture(&filter.any_of, ACTIVE_ORDER, range))
}

/// The same key with a slot for each tag that the table has now.
fn padded(key: &Arc<SeriesKey>, tags: usize) -> Arc<SeriesKey> {
    if key.tags.len() == tags {
        return Arc::clone(key);
    }
    let slots = (0..tags).map(|tag| key.tags.get(tag).and_then(Option::as_deref));
    Arc::new(SeriesKey::new(slots))
}

/// The first index of `low..high` at which `before` no longer holds.
fn partition(
    mut low: usize,
    mut high: usize,
    before: impl Fn(usize) -> Result<bool>,
) -> Result<usize> {
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle)? { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}
