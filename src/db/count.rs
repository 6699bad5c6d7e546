//! What a write meets: rows that are late, points that replace others.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use super::snapshot::TableSnapshot;
use super::state::{ACTIVE_ORDER, View};
use super::write::{by_series_and_time, series_offsets};
use super::{Database, Writer};
use crate::error::Result;
use crate::kernels::{Rows, merge_parts};
use crate::model::{
    Batch, Duplicates, FieldType, SeriesId, SeriesKey, TableSchema, TimeRange, Timestamp,
};
use crate::query::ChunkSource;
use crate::storage::head::CapturedSeries;

/// Series whose latest time is remembered.
const REMEMBERED: usize = 1 << 20;

/// What a write meets.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Rows older than the newest that their series had before.
    pub(super) late: u64,
    /// Points that take the place of another.
    pub(super) replaced: u64,
    /// The latest time of series whose latest time was looked up, with this write.
    latest: Vec<(SeriesId, Timestamp)>,
}

impl Met {
    /// Remembers the latest times, once the write they belong to is done.
    pub(super) fn remember(self, writer: &mut Writer) {
        if writer.last_times.len() + self.latest.len() > REMEMBERED {
            writer.last_times.clear();
        }
        if self.latest.len() <= REMEMBERED {
            writer.last_times.extend(self.latest);
        }
    }
}

/// One series of a write.
struct Series<'a> {
    key: &'a SeriesKey,
    id: SeriesId,
    /// The times that the write has for it.
    first: Timestamp,
    last: Timestamp,
    /// The latest time that it had before.
    known: Option<Timestamp>,
    /// Where its rows are: (batch, position among the batch's series).
    places: Vec<(u32, u32)>,
}

impl Database {
    /// Counts what the batches meet. `exists`: the table had rows before, maybe.
    pub(super) fn count_met(
        &self,
        writer: &Writer,
        schema: &TableSchema,
        batches: &[&Batch],
        exists: bool,
    ) -> Result<Met> {
        let mut met = Met::default();
        let newest = if exists { self.newest_time(&schema.name) } else { None };
        let earliest = batches.iter().flat_map(|batch| batch.times()).min().copied();
        let overlaps = newest.is_some_and(|newest| earliest.is_some_and(|first| first <= newest));
        let replaces = schema.duplicates == Duplicates::Last;
        if !overlaps && !replaces && writer.last_times.is_empty() {
            return Ok(met);
        }
        let (mut series, of) = series_of(schema, batches);
        if overlaps {
            self.look_up(writer, schema, &mut series)?;
            for (batch, of) in batches.iter().zip(&of) {
                let rows = batch.times().iter().zip(batch.series_of());
                let late = rows.filter(|(time, local)| {
                    series[of[**local as usize] as usize].known.is_some_and(|known| **time < known)
                });
                met.late += late.count() as u64;
            }
        }
        if replaces {
            met.replaced = self.count_replaced(schema, batches, &series)?;
        }
        for one in &series {
            if overlaps || writer.last_times.contains_key(&one.id) {
                let known = one.known.or_else(|| writer.last_times.get(&one.id).copied());
                met.latest.push((one.id, known.map_or(one.last, |known| known.max(one.last))));
            }
        }
        Ok(met)
    }

    /// The latest time that a table has anywhere.
    fn newest_time(&self, table: &str) -> Option<Timestamp> {
        let state = self.inner.state.read();
        let segments = state.view.manifest.tables.get(table).map(|t| &t.segments);
        let in_segments = segments.into_iter().flatten().map(|meta| meta.last_time).max();
        let heads = state.view.frozen.iter().map(|f| &f.head).chain([&state.head]);
        let in_heads = heads.filter_map(|head| head.table(table)?.span()).map(|span| span.1).max();
        in_segments.max(in_heads)
    }

    /// Finds the latest time of each series.
    fn look_up(
        &self,
        writer: &Writer,
        schema: &TableSchema,
        series: &mut [Series<'_>],
    ) -> Result<()> {
        let mut unknown = Vec::new();
        let view = {
            let state = self.inner.state.read();
            let heads = || state.view.frozen.iter().map(|f| &f.head).chain([&state.head]);
            for one in series {
                one.known = writer.last_times.get(&one.id).copied();
                if one.known.is_none() {
                    let in_head = heads().filter_map(|h| h.table(&schema.name)?.last_time(one.id));
                    one.known = in_head.max();
                    unknown.push(one);
                }
            }
            Arc::clone(&state.view)
        };
        // The writer's lock is held: nothing that this version lists goes before the next one.
        self.inner.pool.install(|| {
            unknown.into_par_iter().try_for_each(|one| {
                one.known = self.latest_in_segments(&view, schema, one)?;
                Ok(())
            })
        })
    }

    fn latest_in_segments(
        &self,
        view: &View,
        schema: &TableSchema,
        one: &Series<'_>,
    ) -> Result<Option<Timestamp>> {
        let (key, mut latest) = (one.key, one.known);
        let segments = view.manifest.tables.get(&schema.name).map(|table| &table.segments);
        for meta in segments.into_iter().flatten() {
            // One that ends before the write begins makes nothing late and meets nothing: hot
            // writes leave the cold tier alone.
            if latest.is_some_and(|latest| latest >= meta.last_time) || meta.last_time < one.first {
                continue;
            }
            let segment = self.inner.shared.segment_of(meta, schema)?;
            if let Some(ordinal) = segment.find(key)? {
                for chunk in segment.chunks_of(ordinal)? {
                    latest = latest.max(Some(segment.chunk_entry(chunk)?.last));
                }
            }
        }
        Ok(latest)
    }

    /// Points that meet a point of the same series, field and time: one already stored, or an
    /// earlier one of the same write.
    fn count_replaced(
        &self,
        schema: &TableSchema,
        batches: &[&Batch],
        series: &[Series<'_>],
    ) -> Result<u64> {
        let sorted: Vec<Sorted> = batches.iter().map(|batch| Sorted::new(batch)).collect();
        let meets = |one: &Series<'_>| one.known.is_some_and(|known| one.first <= known);
        let chosen: Vec<&Series<'_>> = series
            .iter()
            .filter(|one| {
                let repeats =
                    |(at, local): &(u32, u32)| sorted[*at as usize].repeats(batches, *at, *local);
                meets(one) || one.places.len() > 1 || one.places.iter().any(repeats)
            })
            .collect();
        if chosen.is_empty() {
            return Ok(0);
        }
        let source = self.stored(schema, chosen.iter().copied().filter(|one| meets(one)))?;
        let types: Vec<FieldType> = schema.fields.iter().map(|f| f.ty).collect();
        self.inner.pool.install(|| {
            chosen
                .into_par_iter()
                .map(|one| {
                    let stored = match &source {
                        Some((source, at)) if meets(one) => {
                            stored_rows(source, one, at.get(&one.id).copied(), &types)?
                        }
                        _ => Rows::default(),
                    };
                    count_one(schema, batches, &sorted, one, &stored)
                })
                .try_reduce(|| 0, |a, b| Ok(a + b))
        })
    }

    /// What is stored of the series, with where each stands in what was captured of the head.
    fn stored<'a>(
        &self,
        schema: &TableSchema,
        series: impl Iterator<Item = &'a Series<'a>>,
    ) -> Result<Option<(TableSnapshot, HashMap<SeriesId, u32>)>> {
        let state = self.inner.state.read();
        let view = Arc::clone(&state.view);
        if !view.manifest.tables.contains_key(&schema.name) {
            return Ok(None);
        }
        let head = state.head.table(&schema.name);
        let (mut captured, mut at) = (Vec::new(), HashMap::new());
        let mut span: Option<(Timestamp, Timestamp)> = None;
        for one in series {
            let (first, last) = span.unwrap_or((one.first, one.last));
            span = Some((first.min(one.first), last.max(one.last)));
            let parts = head.map(|head| head.parts_of(one.id, ACTIVE_ORDER, one.range()));
            if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
                at.insert(one.id, captured.len() as u32);
                captured.push(CapturedSeries { id: one.id, key: Arc::new(one.key.clone()), parts });
            }
        }
        let pin = self.inner.pins.pin(view.manifest.version);
        drop(state);
        let Some((first, last)) = span else { return Ok(None) };
        let range = TimeRange { start: first, end: last.checked_add(1) };
        let (shared, now) = (&self.inner.shared, self.now());
        TableSnapshot::new(shared, (&view, pin), &schema.name, captured, now, range)
            .map(|source| Some((source, at)))
    }
}

impl Series<'_> {
    fn range(&self) -> TimeRange {
        TimeRange { start: self.first, end: self.last.checked_add(1) }
    }
}

/// The distinct series that have rows, and for each batch where each of its series stands there.
fn series_of<'a>(schema: &TableSchema, batches: &[&'a Batch]) -> (Vec<Series<'a>>, Vec<Vec<u32>>) {
    let mut series: Vec<Series<'a>> = Vec::new();
    let mut by_id: HashMap<SeriesId, u32, foldhash::fast::RandomState> = HashMap::default();
    let mut of = Vec::with_capacity(batches.len());
    for (batch, at) in batches.iter().zip(0u32..) {
        let mut own = vec![u32::MAX; batch.series().len()];
        for (time, local) in batch.times().iter().zip(batch.series_of()) {
            let place = &mut own[*local as usize];
            if *place == u32::MAX {
                let key = &batch.series()[*local as usize];
                let id = key.id(&schema.name, &schema.tags);
                *place = *by_id.entry(id).or_insert_with(|| {
                    let (first, last) = (*time, *time);
                    let places = Vec::with_capacity(1);
                    series.push(Series { key, id, first, last, known: None, places });
                    (series.len() - 1) as u32
                });
                series[*place as usize].places.push((at, *local));
            }
            let one = &mut series[*place as usize];
            (one.first, one.last) = (one.first.min(*time), one.last.max(*time));
        }
        of.push(own);
    }
    (series, of)
}

/// A batch's rows by series and time.
struct Sorted {
    order: Vec<u32>,
    offsets: Vec<usize>,
}

impl Sorted {
    fn new(batch: &Batch) -> Self {
        Self { order: by_series_and_time(batch), offsets: series_offsets(batch) }
    }

    fn rows(&self, local: u32) -> &[u32] {
        &self.order[self.offsets[local as usize]..self.offsets[local as usize + 1]]
    }

    /// Whether a series of batch `at` has two rows of one time.
    fn repeats(&self, batches: &[&Batch], at: u32, local: u32) -> bool {
        let times = batches[at as usize].times();
        self.rows(local).windows(2).any(|w| times[w[0] as usize] == times[w[1] as usize])
    }
}

fn stored_rows(
    source: &TableSnapshot,
    one: &Series<'_>,
    captured: Option<u32>,
    types: &[FieldType],
) -> Result<Rows> {
    let series = source.locate(one.key, one.id, captured)?;
    let fields: Vec<usize> = (0..types.len()).collect();
    let parts = source.parts(&series, one.range(), &[])?;
    merge_parts(&parts, one.range(), &fields, types, Duplicates::Last)
}

/// Of the `n` points that a write has for one time, all but the first replace another, and that
/// one too where a point is stored.
fn count_one(
    schema: &TableSchema,
    batches: &[&Batch],
    sorted: &[Sorted],
    one: &Series<'_>,
    stored: &Rows,
) -> Result<u64> {
    let mut times: HashMap<usize, Vec<Timestamp>> = HashMap::new();
    for (at, local) in &one.places {
        let batch = batches[*at as usize];
        for (name, array) in batch.fields() {
            let own = times.entry(schema.require_field(name)?).or_default();
            let rows = sorted[*at as usize].rows(*local).iter().map(|row| *row as usize);
            own.extend(rows.filter(|row| array.is_valid(*row)).map(|row| batch.times()[row]));
        }
    }
    let mut replaced = 0;
    for (field, mut times) in times {
        // Already in order but where several batches have it.
        times.sort();
        let column = stored.columns.get(field);
        let mut from = 0;
        for same in times.chunk_by(|a, b| a == b) {
            replaced += same.len() as u64 - 1;
            from += stored.times[from..].partition_point(|time| time < &same[0]);
            let met = stored.times.get(from) == Some(&same[0])
                && column.is_some_and(|column| column.is_valid(from));
            replaced += u64::from(met);
        }
    }
    Ok(replaced)
}
