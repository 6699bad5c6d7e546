//! From memory into segments: flushes of the head, and large writes that pass it by.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;

use super::open::start_wal;
use super::state::{Frozen, View};
use super::write::{batch_part, by_series_and_time, fields_apart, fit_schema, series_offsets};
use super::{Database, Writer};
use crate::chunk::Part;
use crate::error::{Error, Result};
use crate::model::{Batch, Duplicates, FieldArray, SeriesId, SeriesKey, TableSchema, TimeRange};
use crate::planted::{self, Bug};
use crate::storage::manifest::{self, Manifest, SegmentMeta, Tier};
use crate::storage::rewrite::{Coding, chunk_rows, encode_chunk, encode_series};
use crate::storage::segment::{EncodedGroup, EncodedSeries, SegmentWriter};
use crate::storage::vfs::back_off;
use crate::storage::wal;

/// Series that are encoded in parallel before they are written out.
const WINDOW: usize = 4096;
/// How often a change is made again on top of another writer's version.
const COMMITS: u32 = 40;

/// A segment that is about to be written.
#[derive(Clone, Debug)]
pub(super) struct NewSegment {
    pub(super) id: u64,
    /// Its name, empty where the id makes it.
    pub(super) file: String,
    pub(super) tier: Tier,
    /// Its object is not older than this.
    pub(super) begun: Instant,
}

impl Database {
    /// Writes what the head holds into segments. Returns the newest version.
    ///
    /// # Errors
    /// The store's error; the rows then stay in memory and in the log.
    pub fn flush(&self) -> Result<u64> {
        self.writable()?;
        let _flushing = self.inner.flushing.lock();
        let view = {
            let mut writer = self.inner.writer.lock();
            self.freeze(&mut writer)?;
            Arc::clone(&self.inner.state.read().view)
        };
        // Writers go on while the frozen rows are encoded.
        self.flush_frozen(&view, None)
    }

    /// The same while the caller holds the writer's lock, and `flushing` before it.
    pub(super) fn flush_locked(&self, writer: &mut Writer) -> Result<()> {
        self.freeze(writer)?;
        let view = Arc::clone(&self.inner.state.read().view);
        self.flush_frozen(&view, Some(writer)).map(drop)
    }

    /// Moves the head's rows out of the way of writers and starts a new log file.
    fn freeze(&self, writer: &mut Writer) -> Result<()> {
        let empty = {
            let state = self.inner.state.read();
            state.head.is_empty() && state.view.frozen.is_empty()
        };
        if empty {
            return Ok(());
        }
        // A log without records holds none of these rows: they came from older files.
        if let Some(old) = writer.wal.clone().filter(|wal| !wal.is_empty()) {
            writer.usable()?;
            // A number is never tried twice: a file that could not be begun may be there.
            let number = writer.next_wal;
            writer.next_wal += 1;
            let version = self.inner.state.read().view.manifest.version;
            let mark = (Some(old.number()), version);
            let new = start_wal(&self.inner.shared.store, number, mark, self.durability())?;
            // A log that does not close cleanly is poisoned and stays, so that no write is
            // acknowledged again until a new open has seen what is really on disk.
            old.close()?;
            writer.wal = new;
        }
        let order = writer.next_order;
        writer.next_order += 1;
        self.inner.state.write().freeze(order);
        Ok(())
    }

    fn flush_frozen(&self, view: &View, writer: Option<&mut Writer>) -> Result<u64> {
        let frozen = view.frozen.clone();
        let Some(order) = frozen.iter().map(|f| f.order).max() else {
            return Ok(view.manifest.version);
        };
        let tables: BTreeSet<&str> = frozen.iter().flat_map(|f| f.head.tables()).collect();
        let mut held;
        let mut written = Vec::new();
        let mut lent = writer;
        for table in tables {
            let Some(state) = view.manifest.tables.get(table) else { continue };
            let place = match &mut lent {
                Some(writer) => self.new_segment(writer, Tier::Local),
                None => self.new_segment(&mut self.inner.writer.lock(), Tier::Local),
            };
            let schema = Arc::new(state.schema.clone());
            if let Some(meta) = self.encode_frozen(&frozen, &schema, &place, order)? {
                written.push((table.to_owned(), meta));
            }
        }
        let writer = match lent {
            Some(writer) => writer,
            None => {
                held = self.inner.writer.lock();
                &mut held
            }
        };
        // The log file in use was begun when these heads were complete, so they cover every file
        // before it, and none of its rows.
        let wal_from = match &writer.wal {
            Some(wal) => wal.number(),
            None => writer.next_wal,
        };
        let wal_from = wal_from + u64::from(planted::is(Bug::LogCoveredTooFar))
            - u64::from(planted::is(Bug::LogReplayedTwice) && wal_from > view.manifest.wal_from);
        if planted::is(Bug::LogRemovedBeforeCommit) {
            drop(wal::remove_before(self.inner.shared.store.as_ref(), wal_from));
        }
        let covered: Vec<u64> = frozen.iter().map(|f| f.order).collect();
        let manifest = self.next_manifest(writer, |manifest, _| {
            for (table, meta) in &written {
                if let Some(state) = manifest.tables.get_mut(table) {
                    state.segments.push(Arc::new(meta.clone()));
                    state.segments.sort_by_key(|meta| meta.order);
                }
            }
            manifest.wal_from = wal_from;
            Ok(())
        })?;
        let version = manifest.version;
        {
            let mut state = self.inner.state.write();
            state.show(manifest, &covered);
            if planted::is(Bug::FlushLosesArrivals) {
                state.head = Default::default();
            }
        }
        let store = self.inner.shared.store.as_ref();
        if store.is_local() {
            // As in `expire_versions`: what stays is removed by the next flush or open.
            drop(wal::remove_before(store, wal_from));
        }
        self.expire_versions(writer);
        Ok(version)
    }

    /// One table of the frozen heads as a segment.
    fn encode_frozen(
        &self,
        frozen: &[Arc<Frozen>],
        schema: &Arc<TableSchema>,
        place: &NewSegment,
        order: u64,
    ) -> Result<Option<SegmentMeta>> {
        let mut series: BTreeMap<SeriesKey, SeriesId> = BTreeMap::new();
        let tags = schema.tags.len();
        for table in frozen.iter().filter_map(|f| f.head.table(&schema.name)) {
            for at in 0..table.series_count() as u32 {
                let (id, key) = table.series(at);
                let slots = (0..tags).map(|tag| key.tags.get(tag).and_then(Option::as_deref));
                series.insert(SeriesKey::new(slots), id);
            }
        }
        let series: Vec<(SeriesKey, SeriesId)> = series.into_iter().collect();
        let coding = Coding::hot(schema)?;
        self.write_series(schema, place, order, series, |(key, id)| {
            let mut parts = Vec::new();
            for frozen in frozen {
                if let Some(table) = frozen.head.table(&schema.name) {
                    parts.extend(table.parts_of(id, frozen.order, TimeRange::ALL));
                }
            }
            encode_series(Arc::new(key), parts, schema, coding)
        })
    }

    /// A large write as a segment of its own: one object, one manifest.
    pub(super) fn write_segment(
        &self,
        writer: &mut Writer,
        schema: &TableSchema,
        batches: &[&Batch],
    ) -> Result<()> {
        let place = self.new_segment(writer, Tier::Local);
        let schema = Arc::new(schema.clone());
        let meta = self.encode_batches(&schema, &place, batches)?;
        let store = self.inner.shared.store.as_ref();
        if store.is_full() {
            // It got through on the room that is kept for deletes.
            store.delete(&manifest::file_path(place.id, &place.file))?;
            let why = "a large write: the disk is full: free room, or delete rows and compact";
            return Err(Error::storage(why, std::io::ErrorKind::StorageFull.into()));
        }
        self.commit(writer, |manifest, writer| {
            self.in_time(&place)?;
            let order = writer.next_order;
            writer.next_order += 1;
            fit_schema(manifest, &schema)?;
            if let (Some(meta), Some(table)) = (&meta, manifest.tables.get_mut(&schema.name)) {
                table.segments.push(Arc::new(SegmentMeta { order, ..meta.clone() }));
            }
            Ok(())
        })
    }

    fn encode_batches(
        &self,
        schema: &Arc<TableSchema>,
        place: &NewSegment,
        batches: &[&Batch],
    ) -> Result<Option<SegmentMeta>> {
        let sorted: Vec<SortedBatch<'_>> = self.inner.pool.install(|| {
            batches.par_iter().map(|batch| SortedBatch::new(batch, schema)).collect::<Result<_>>()
        })?;
        // Each series with where its rows stand: (batch, position among the batch's series).
        let tags = schema.tags.len();
        let mut series: Vec<(SeriesKey, Vec<(usize, usize)>)> = Vec::new();
        let mut places: BTreeMap<SeriesKey, Vec<(usize, usize)>> = BTreeMap::new();
        for (at, batch) in batches.iter().enumerate() {
            for (local, key) in batch.series().iter().enumerate() {
                if sorted[at].rows(local).is_empty() {
                    continue;
                }
                let slots = (0..tags).map(|tag| key.tags.get(tag).and_then(Option::as_deref));
                let key = SeriesKey::new(slots);
                if batches.len() == 1 {
                    series.push((key, vec![(at, local)]));
                } else {
                    places.entry(key).or_default().push((at, local));
                }
            }
        }
        if batches.len() == 1 {
            series.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        } else {
            series.extend(places);
        }
        let apart = fields_apart(batches);
        let coding = Coding::hot(schema)?;
        // Its order is that of the version that lists it.
        self.write_series(schema, place, 0, series, |(key, places)| {
            let key = Arc::new(key);
            if !apart && places.len() > 1 {
                let parts = places.iter().zip(0..);
                let parts = parts.map(|((at, local), order)| sorted[*at].part(*local, order));
                return encode_series(key, parts.collect(), schema, coding);
            }
            let mut groups = Vec::new();
            for (at, local) in places {
                groups.extend(sorted[at].encode(local, &key, schema, coding)?);
            }
            Ok(EncodedSeries { key, groups })
        })
    }

    /// Encodes series in parallel, window by window, and writes them in their order.
    pub(super) fn write_series<T: Send>(
        &self,
        schema: &Arc<TableSchema>,
        place: &NewSegment,
        order: u64,
        series: impl IntoIterator<Item = T>,
        encode: impl Fn(T) -> Result<EncodedSeries> + Sync,
    ) -> Result<Option<SegmentMeta>> {
        let path = manifest::file_path(place.id, &place.file);
        let object = self.inner.shared.store_of(place.tier)?.create(&path)?;
        let mut segment = SegmentWriter::new(object, Arc::clone(schema))?;
        let mut series = series.into_iter();
        loop {
            let window: Vec<T> = series.by_ref().take(WINDOW).collect();
            if window.is_empty() {
                break;
            }
            let encoded: Vec<EncodedSeries> = self
                .inner
                .pool
                .install(|| window.into_par_iter().map(&encode).collect::<Result<_>>())?;
            encoded.iter().try_for_each(|series| segment.add(series))?;
        }
        Ok(segment.finish()?.map(|written| SegmentMeta {
            id: place.id,
            order,
            erased: 0,
            bytes: written.bytes,
            rows: written.rows,
            points: written.points,
            series: written.series,
            first_time: written.first_time,
            last_time: written.last_time,
            cold: false,
            tier: place.tier,
            file: place.file.clone(),
        }))
    }

    /// Commits the next version and shows it to queries. On an object store, where another writer
    /// may be first, `change` is called again on top of each version that was.
    pub(super) fn commit(
        &self,
        writer: &mut Writer,
        change: impl FnMut(&mut Manifest, &mut Writer) -> Result<()>,
    ) -> Result<()> {
        let manifest = self.next_manifest(writer, change)?;
        self.inner.state.write().show(manifest, &[]);
        self.expire_versions(writer);
        Ok(())
    }

    /// Commits the next version; the caller shows it to queries.
    fn next_manifest(
        &self,
        writer: &mut Writer,
        mut change: impl FnMut(&mut Manifest, &mut Writer) -> Result<()>,
    ) -> Result<Manifest> {
        writer.usable()?;
        let grace = self.inner.options.grace;
        if self.shares_store() && writer.confirmed.is_none_or(|at| at.elapsed() >= grace / 2) {
            // After that long the name of the next version may be free because it was used and
            // removed.
            self.catch_up(writer)?;
        }
        let mut tries = 0;
        loop {
            let (current, next) = self.changed(writer, &mut change)?;
            match manifest::commit(self.inner.shared.store.as_ref(), &next) {
                Ok(()) => {
                    writer.confirmed = Some(Instant::now());
                    if let Some(wal) = &writer.wal {
                        wal.committed(next.version);
                    }
                    let kept: HashSet<u64> = super::live::segment_ids(&next).collect();
                    let dropped = current.segments().filter(|meta| !kept.contains(&meta.id));
                    writer.dead.extend(
                        dropped
                            .filter(|meta| !self.shares_store() && meta.tier == Tier::Local)
                            .map(|meta| (Arc::clone(meta), next.version)),
                    );
                    return Ok(next);
                }
                Err(Error::Conflict(_)) if self.shares_store() && tries < COMMITS => {
                    tries += 1;
                    back_off(tries);
                    self.catch_up(writer)?;
                }
                Err(error) => {
                    // Whether it happened is not known: the next change looks first.
                    writer.confirmed = None;
                    return Err(error);
                }
            }
        }
    }

    /// The current version and the one that a change makes of it.
    fn changed(
        &self,
        writer: &mut Writer,
        change: &mut impl FnMut(&mut Manifest, &mut Writer) -> Result<()>,
    ) -> Result<(Arc<Manifest>, Manifest)> {
        let current = Arc::clone(&self.inner.state.read().view.manifest);
        let mut next = Manifest::clone(&current);
        next.version = current
            .version
            .checked_add(1)
            .ok_or_else(|| Error::LimitExceeded("versions of one database".to_owned()))?;
        // The wall clock may have been set back.
        next.created = self.now().max(current.created.saturating_add(1));
        change(&mut next, writer)?;
        if self.shares_store() {
            renumber(&mut next, &current, writer);
        }
        next.next_segment = writer.next_segment;
        next.next_order = writer.next_order;
        let oldest = next.version.saturating_sub(self.inner.options.history);
        next.history_from = next.history_from.max(oldest);
        Ok((current, next))
    }

    /// On an object store: brings the writer up to the newest version, whoever committed it.
    pub(super) fn catch_up(&self, writer: &mut Writer) -> Result<()> {
        let store = self.inner.shared.store.as_ref();
        let before = Instant::now();
        let newest = manifest::latest(store)?.ok_or_else(|| {
            Error::NotFound(format!("the database is gone from {}", store.describe()))
        })?;
        let known = self.inner.state.read().view.manifest.version;
        if newest.version > known {
            self.inner.open_cold(&newest)?;
            writer.next_segment = writer.next_segment.max(newest.next_segment);
            writer.next_order = writer.next_order.max(newest.next_order);
            writer.last_times.clear();
            self.forget_dropped(&newest);
            let mut state = self.inner.state.write();
            let mut view = View::clone(&state.view);
            view.manifest = Arc::new(newest);
            state.view = Arc::new(view);
        }
        writer.confirmed = Some(before);
        Ok(())
    }

    /// The same before a change that needs to know of tables that others may have made.
    pub(super) fn look_around(&self) -> Result<()> {
        if self.shares_store() { self.catch_up(&mut self.inner.writer.lock()) } else { Ok(()) }
    }

    /// A segment that is about to be written: its id, and a name that no other writer has.
    pub(super) fn new_segment(&self, writer: &mut Writer, tier: Tier) -> NewSegment {
        let id = writer.next_segment;
        writer.next_segment += 1;
        let by_id = tier == Tier::Local && !self.shares_store();
        let file = if by_id { String::new() } else { manifest::unique_name(id) };
        NewSegment { id, file, tier, begun: Instant::now() }
    }
}

/// Gives ids of its own to segments whose ids another writer may have used: their names do not
/// depend on them.
fn renumber(next: &mut Manifest, current: &Manifest, writer: &mut Writer) {
    let known: HashSet<(u64, &str)> =
        current.segments().map(|meta| (meta.id, meta.file.as_str())).collect();
    for meta in next.tables.values_mut().flat_map(|table| &mut table.segments) {
        if meta.id < current.next_segment && !known.contains(&(meta.id, meta.file.as_str())) {
            Arc::make_mut(meta).id = writer.next_segment;
            writer.next_segment += 1;
        }
    }
}

/// A batch with its rows grouped by series and sorted by time.
struct SortedBatch<'a> {
    batch: &'a Batch,
    order: Vec<u32>,
    offsets: Vec<usize>,
    /// Field ids, ascending, and where each stands among the batch's fields.
    fields: Arc<[usize]>,
    columns: Vec<usize>,
}

impl<'a> SortedBatch<'a> {
    fn new(batch: &'a Batch, schema: &TableSchema) -> Result<Self> {
        let mut fields: Vec<(usize, usize)> = batch
            .fields()
            .iter()
            .enumerate()
            .map(|(at, (name, _))| Ok((schema.require_field(name)?, at)))
            .collect::<Result<_>>()?;
        fields.sort_unstable();
        Ok(Self {
            batch,
            order: by_series_and_time(batch),
            offsets: series_offsets(batch),
            fields: fields.iter().map(|(id, _)| *id).collect(),
            columns: fields.iter().map(|(_, at)| *at).collect(),
        })
    }

    /// The rows of a series, ascending in time.
    fn rows(&self, series: usize) -> &[u32] {
        &self.order[self.offsets[series]..self.offsets[series + 1]]
    }

    /// Bytes of the strings of some rows.
    fn strings(&self, rows: &[u32]) -> usize {
        let columns = self.columns.iter().filter_map(|at| match &self.batch.fields()[*at].1 {
            // The low half of a view's first word is the string's length.
            FieldArray::Str(strings) => Some(strings.views()),
            _ => None,
        });
        columns
            .map(|views| rows.iter().map(|row| views[*row as usize] as u32 as usize).sum::<usize>())
            .sum()
    }

    /// The rows of one series as a part of its own.
    fn part(&self, series: usize, order: u64) -> Part {
        batch_part(self.batch, &self.fields, &self.columns, self.rows(series), order)
    }

    /// Encodes the rows of one series, chunk by chunk, so that no more than one chunk a thread is
    /// ever copied out of the frame.
    fn encode(
        &self,
        series: usize,
        key: &Arc<SeriesKey>,
        schema: &TableSchema,
        coding: Coding,
    ) -> Result<Vec<EncodedGroup>> {
        let rows = self.rows(series);
        let times = self.batch.times();
        let repeats = rows.windows(2).any(|w| times[w[0] as usize] == times[w[1] as usize]);
        if repeats && schema.duplicates == Duplicates::Last {
            let part = self.part(series, 0);
            return Ok(encode_series(Arc::clone(key), vec![part], schema, coding)?.groups);
        }
        let chunks = rows
            .par_chunks(chunk_rows(self.strings(rows), rows.len()))
            .map(|rows| {
                let arrays = self.columns.iter().map(|at| &self.batch.fields()[*at].1);
                if let Some(range) = consecutive(rows) {
                    let columns: Vec<_> =
                        arrays.map(|a: &FieldArray| a.slice(range.clone())).collect();
                    encode_chunk(&times[range], &columns, coding)
                } else {
                    let own: Vec<i64> = rows.iter().map(|row| times[*row as usize]).collect();
                    let columns: Vec<_> = arrays.map(|a: &FieldArray| a.gather(rows)).collect();
                    encode_chunk(&own, &columns, coding)
                }
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(vec![EncodedGroup { fields: Arc::clone(&self.fields), chunks }])
    }
}

/// The rows as a range, when they follow one another.
fn consecutive(rows: &[u32]) -> Option<std::ops::Range<usize>> {
    let (first, last) = (*rows.first()? as usize, *rows.last()? as usize);
    let follows = last >= first && last - first + 1 == rows.len();
    (follows && rows.is_sorted()).then_some(first..last + 1)
}
