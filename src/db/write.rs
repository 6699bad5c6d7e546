//! Writes: small ones through the log into the head, large ones straight into a segment.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use super::options::Durability;
use super::{Database, Inner};
use crate::chunk::{Part, PartData, PlainChunk};
use crate::error::{Error, Result};
use crate::ingest::{self, FrameOptions, Ingested, OnError};
use crate::model::limits::check_lengths;
use crate::model::{Batch, Duplicates, FieldDef, SeriesKey, TableSchema};
use crate::storage::manifest::Manifest;
use crate::storage::wal::encode_batches;

/// How often a write is made again on top of another writer's change of its table.
const AGAIN: u32 = 3;

/// What a write did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteResult {
    /// Rows that were stored.
    pub rows: u64,
    /// Values that were stored: fields of those rows that are not null.
    pub points: u64,
    /// Rows older than the newest row that their series already had.
    pub late: u64,
    /// Points that took the place of another, where the table's duplicates replace.
    pub replaced: u64,
    /// The newest version of the database after the write.
    pub version: u64,
    /// Rows that could not be stored and were left out.
    pub skipped_rows: u64,
    /// The first of them.
    pub skipped: Vec<ingest::SkippedRow>,
}

/// The table that a write makes when it does not exist yet, or adds tags to when it does.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// What duplicates do in a new table.
    pub duplicates: Duplicates,
}

/// How the columns of a frame are to be read.
#[derive(Clone, Debug)]
pub struct FrameSpec {
    /// The table.
    pub table: String,
    /// The time column.
    pub time: String,
    /// The tag columns; `None` means those of the table.
    pub tags: Option<Vec<String>>,
    /// For a narrow frame the columns of the metric's name and its value.
    pub event: Option<(String, String)>,
    /// What duplicates do when this write makes the table.
    pub duplicates: Duplicates,
    /// What becomes of rows that cannot be stored.
    pub on_error: OnError,
}

impl Database {
    /// Writes a frame that arrives as Arrow record batches.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the column and the first row that cannot be stored;
    /// nothing of the frame is kept then.
    pub fn write_frame(
        &self,
        schema: &Schema,
        frame: &[RecordBatch],
        spec: &FrameSpec,
    ) -> Result<WriteResult> {
        self.writable()?;
        let mut tries = 0;
        loop {
            match self.write_frame_once(schema, frame, spec) {
                // Another writer gave the table tags that this frame was not read for.
                Err(Error::Conflict(_)) if self.shares_store() && tries < AGAIN => tries += 1,
                outcome => return outcome,
            }
        }
    }

    fn write_frame_once(
        &self,
        schema: &Schema,
        frame: &[RecordBatch],
        spec: &FrameSpec,
    ) -> Result<WriteResult> {
        let known = {
            let state = self.inner.state.read();
            state.view.manifest.tables.get(&spec.table).map(|table| table.schema.clone())
        };
        let named = spec.tags.clone().unwrap_or_default();
        let (mut tags, fields) =
            known.as_ref().map_or((Vec::new(), &[][..]), |s| (s.tags.clone(), &s.fields[..]));
        tags.extend(named.iter().filter(|tag| !tags.contains(tag)).cloned().collect::<Vec<_>>());
        let options = FrameOptions {
            table: &spec.table,
            time: &spec.time,
            tags: &tags,
            frame_tags: &named,
            fields,
            max_series: self.inner.options.max_series,
            on_error: spec.on_error,
        };
        let ingested = self.inner.pool.install(|| match &spec.event {
            None => ingest::wide(frame, schema, &options),
            Some((metric, value)) => ingest::events(frame, schema, metric, value, &options),
        })?;
        let Ingested { batches, rows, skipped, skipped_rows } = ingested;
        let table = TableSpec { name: spec.table.clone(), tags, duplicates: spec.duplicates };
        let written = self.write(&batches, &table)?;
        Ok(WriteResult { rows, skipped, skipped_rows, ..written })
    }

    /// Writes batches of one table, all or nothing. A missing table is made, missing fields are
    /// added.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a field has another type in the table, or the store's
    /// error; nothing is kept then, except that a failing log or fsync leaves the answer open
    /// until the database is opened again. On an object store the answer is open when the reply to
    /// the commit and everything asked about it stays out; a version of another writer in the way
    /// is no failure, the rows go on top of it.
    pub fn write(&self, batches: &[Batch], spec: &TableSpec) -> Result<WriteResult> {
        self.writable()?;
        let batches: Vec<&Batch> = batches.iter().filter(|batch| batch.rows() > 0).collect();
        let mut tries = 0;
        loop {
            match self.write_once(&batches, spec) {
                // Nothing was committed: another writer gave the table another shape.
                Err(Error::Conflict(_)) if self.shares_store() && tries < AGAIN => {
                    tries += 1;
                    self.look_around()?;
                }
                outcome => return outcome,
            }
        }
    }

    fn write_once(&self, batches: &[&Batch], spec: &TableSpec) -> Result<WriteResult> {
        let points: u64 = batches.iter().map(|batch| batch.points()).sum();
        let logged = self.durability() != Durability::Remote;
        let direct = !logged || points >= self.inner.options.direct_points;
        // A flush takes the rows that came before out of the head, so that they keep their place.
        let flushing = direct.then(|| self.inner.flushing.lock());
        let mut writer = self.inner.writer.lock();
        self.writable()?;
        writer.usable()?;
        let before = Arc::clone(&self.inner.state.read().view);
        let known = before.manifest.tables.get(&spec.name).map(|table| &table.schema);
        let schema = extended(known, spec, batches)?;
        let grew = known != Some(&schema);
        if grew {
            schema.check_size()?;
            self.check_tables(&before, &schema.name)?;
        }
        self.check_series(&mut writer, &before, &schema, batches)?;
        if direct && self.in_head(&schema) {
            self.flush_locked(&mut writer)?;
        }
        let mut result = WriteResult {
            rows: batches.iter().map(|batch| batch.rows() as u64).sum(),
            points,
            ..WriteResult::default()
        };
        let met = self.count_met(&writer, &schema, batches, known.is_some())?;
        (result.late, result.replaced) = (met.late, met.replaced);
        if direct && !batches.is_empty() {
            self.write_segment(&mut writer, &schema, batches)?;
            met.remember(&mut writer);
            result.version = self.inner.state.read().view.manifest.version;
            drop(flushing);
            return Ok(result);
        }
        if grew {
            self.commit(&mut writer, |manifest, _| fit_schema(manifest, &schema))?;
        }
        let durable = match &writer.wal {
            Some(wal) if !batches.is_empty() => {
                let entry = batches.iter().map(|batch| (schema.tags.as_slice(), *batch));
                Some((Arc::clone(wal), wal.append(&encode_batches(entry)?)?))
            }
            _ => None,
        };
        // From here on the log has rows that memory does not have.
        let apart = Apart(&self.inner);
        met.remember(&mut writer);
        let memory = {
            let mut state = self.inner.state.write();
            for batch in batches {
                state.head.apply(&schema, batch)?;
            }
            if !state.head.is_empty() {
                state.head_since.get_or_insert_with(Instant::now);
            }
            result.version = state.view.manifest.version;
            state.memory()
        };
        apart.mended();
        drop(writer);
        drop(flushing);
        if let Some((wal, position)) = durable {
            wal.wait_durable(position)?;
        }
        if !logged {
            // On an object store nothing else makes rows durable.
            self.flush()?;
        } else if memory > self.inner.options.head_bytes {
            self.make_room(memory)?;
        }
        Ok(result)
    }

    pub(super) fn durability(&self) -> Durability {
        self.inner.durability
    }

    /// Whether rows of a table wait in the head: a segment written now would come before them in
    /// the order of arrival.
    fn in_head(&self, schema: &TableSchema) -> bool {
        let state = self.inner.state.read();
        state.head.table(&schema.name).is_some()
            || state.view.frozen.iter().any(|f| f.head.table(&schema.name).is_some())
    }

    /// Flushes in the background, or here when the background cannot keep up.
    fn make_room(&self, memory: usize) -> Result<()> {
        let far = memory > self.inner.options.head_bytes.saturating_mul(4);
        if !far && let Some(background) = self.inner.background.lock().as_ref() {
            background.wake();
            return Ok(());
        }
        self.flush().map(drop)
    }
}

/// While it lives, memory and log may differ: when a panic or an error drops it, nobody may read or
/// write this handle any more.
struct Apart<'a>(&'a Inner);

impl Apart<'_> {
    fn mended(self) {
        std::mem::forget(self);
    }
}

impl Drop for Apart<'_> {
    fn drop(&mut self) {
        self.0.broken.store(true, Ordering::Release);
    }
}

/// The table as it must be for the batches: made, or with their tags and fields added.
fn extended(
    known: Option<&TableSchema>,
    spec: &TableSpec,
    batches: &[&Batch],
) -> Result<TableSchema> {
    let mut schema = match known {
        Some(known) => {
            super::policy::not_a_level(known)?;
            known.clone()
        }
        None => {
            super::policy::not_reserved(&spec.name)?;
            TableSchema::new(&spec.name, spec.tags.clone(), Vec::new(), spec.duplicates, None)?
        }
    };
    let new_tags: Vec<String> =
        spec.tags.iter().filter(|tag| !schema.tags.contains(tag)).cloned().collect();
    schema.tags.extend(new_tags);
    if schema.tags != spec.tags {
        return Err(Error::Conflict(format!(
            "table {:?} got other tags while this write was prepared; write again",
            spec.name
        )));
    }
    for batch in batches {
        check_batch(batch, spec)?;
        for (name, array) in batch.fields() {
            let ty = array.field_type();
            match schema.fields.iter().find(|field| field.name == *name) {
                Some(field) if field.ty == ty => {}
                Some(field) => {
                    return Err(Error::invalid(format!(
                        "field {name:?} of table {:?} is {}, the frame's column is {}; cast the \
                         column",
                        spec.name,
                        field.ty.name(),
                        ty.name()
                    )));
                }
                None => schema.fields.push(FieldDef { name: name.clone(), ty }),
            }
        }
    }
    schema.check()?;
    Ok(schema)
}

/// Checks what a batch must keep to in order to be stored in its table.
fn check_batch(batch: &Batch, spec: &TableSpec) -> Result<()> {
    if batch.table() != spec.name {
        return Err(Error::invalid(format!(
            "a batch of table {:?} in a write to table {:?}",
            batch.table(),
            spec.name
        )));
    }
    check_lengths(batch, &spec.tags)?;
    let mut names = HashSet::new();
    if let Some((twice, _)) = batch.fields().iter().find(|(name, _)| !names.insert(name)) {
        return Err(Error::invalid(format!("a batch names the field {twice:?} twice")));
    }
    let mut keys: HashSet<&SeriesKey, foldhash::fast::RandomState> = HashSet::default();
    for key in batch.series() {
        if key.tags.len() != spec.tags.len() || !keys.insert(key) {
            return Err(Error::invalid(format!(
                "series {:?} of a batch comes twice, or has not one slot for each of the tags {:?}",
                key.tags, spec.tags
            )));
        }
    }
    Ok(())
}

/// Puts the tags and fields of a write into a manifest, making the table when it is new.
///
/// # Errors
/// [`Error::Conflict`] when another writer gave the table others in their places meanwhile: rows
/// are encoded by position.
pub(super) fn fit_schema(manifest: &mut Manifest, schema: &TableSchema) -> Result<()> {
    match manifest.tables.get_mut(&schema.name) {
        Some(table) => {
            let there = &mut table.schema;
            let more = |a: &TableSchema, b: &TableSchema| {
                a.tags.starts_with(&b.tags) && a.fields.starts_with(&b.fields)
            };
            if there.duplicates != schema.duplicates {
                return Err(changed(&schema.name));
            }
            if more(schema, there) {
                (there.tags, there.fields) = (schema.tags.clone(), schema.fields.clone());
            } else if !more(there, schema) {
                return Err(changed(&schema.name));
            }
        }
        None => manifest.set_schema(schema.clone()),
    }
    Ok(())
}

fn changed(table: &str) -> Error {
    Error::Conflict(format!(
        "table {table:?} got other tags or fields while this write was prepared; write again"
    ))
}

/// Whether no two batches share a field: then none of their rows can meet.
pub(super) fn fields_apart(batches: &[&Batch]) -> bool {
    let mut seen = BTreeSet::new();
    batches.iter().flat_map(|batch| batch.fields()).all(|(name, _)| seen.insert(name.as_str()))
}

/// Row numbers grouped by series, each series' ascending in time, rows of one time in their order.
pub(super) fn by_series_and_time(batch: &Batch) -> Vec<u32> {
    let offsets = series_offsets(batch);
    let mut next = offsets.clone();
    let mut order = vec![0u32; batch.rows()];
    for (row, series) in batch.series_of().iter().enumerate() {
        let slot = &mut next[*series as usize];
        order[*slot] = row as u32;
        *slot += 1;
    }
    let times = batch.times();
    for bounds in offsets.windows(2) {
        let rows = &mut order[bounds[0]..bounds[1]];
        if !rows.is_sorted_by_key(|row| times[*row as usize]) {
            rows.sort_by_key(|row| times[*row as usize]);
        }
    }
    order
}

/// Where each series' rows start in [`by_series_and_time`], and the end of the last.
pub(super) fn series_offsets(batch: &Batch) -> Vec<usize> {
    let mut offsets = vec![0usize; batch.series().len() + 1];
    batch.series_of().iter().for_each(|series| offsets[*series as usize + 1] += 1);
    for at in 1..offsets.len() {
        offsets[at] += offsets[at - 1];
    }
    offsets
}

/// Rows of one series of a batch as a part, in the given row order.
pub(super) fn batch_part(
    batch: &Batch,
    fields: &Arc<[usize]>,
    columns: &[usize],
    rows: &[u32],
    order: u64,
) -> Part {
    let plain = PlainChunk {
        times: rows.iter().map(|row| batch.times()[*row as usize]).collect(),
        columns: columns.iter().map(|at| batch.fields()[*at].1.gather(rows)).collect(),
    };
    Part {
        data: PartData::Plain(Arc::new(plain)),
        fields: Arc::clone(fields),
        order,
        deleted: Arc::from([]),
    }
}
