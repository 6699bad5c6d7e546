//! After the newest manifest is lost: which of the segments that it may have listed can be taken in.
//!
//! A segment does not say whether it was flushed, merged from others or never committed. Its rows
//! do: where none of its times is known already it adds rows that were lost; where the older version
//! and the log have all of its rows it is a merge of theirs, or was never needed. What is between
//! stays in the quarantine and is reported.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::repair::{Loss, Quarantined, Repair, keep};
use super::write::fit_schema;
use crate::chunk::PartData;
use crate::error::{Error, Result};
use crate::model::{Column, FieldArray, SeriesId, SeriesKey, TableSchema, Timestamp, Values};
use crate::storage::manifest::{self, Manifest};
use crate::storage::segment::Segment;
use crate::storage::vfs::Store;
use crate::storage::wal::WalEntry;

/// Rows of one series: a hash of the values of each, by their time.
type Rows = HashMap<Timestamp, Vec<u64>>;

/// Takes into `base` the segments that no whole version lists and that can be taken in.
pub(super) fn adopt(
    store: &Arc<dyn Store>,
    base: &mut Manifest,
    entries: &[WalEntry],
    report: &mut Repair,
    remove: &mut Vec<String>,
) -> Result<()> {
    let listed: Vec<u64> =
        base.tables.values().flat_map(|table| table.segments.iter().map(|meta| meta.id)).collect();
    let files = store.list("segment/")?;
    let ids = files.iter().filter_map(|entry| manifest::segment_number(&entry.path));
    let ids: Vec<u64> = ids.filter(|id| !listed.contains(id)).collect();
    // Those of older versions are superseded, and those that a salvage wrote are listed.
    let older = older_segments(store.as_ref(), base.version)?;
    for id in ids.into_iter().filter(|id| !older.contains(id)) {
        let path = manifest::segment_path(id);
        let opened = Segment::open_unlisted(Arc::clone(store), id, base.next_order);
        let judged = opened.and_then(|segment| {
            if base.has_cold() {
                return Err(Error::corrupt("its rows may be in the cold tier"));
            }
            let Some(schema) = fitting(base, &segment.schema()?) else {
                return Err(Error::corrupt("its table has other tags or fields"));
            };
            Ok((judge(store, base, entries, &segment, &schema)?, segment, schema))
        });
        let what = "no whole version lists it".to_owned();
        match judged {
            Ok((Judged::New, segment, schema)) => {
                fit_schema(base, &schema)?;
                if let Some(table) = base.tables.get_mut(&schema.name) {
                    table.segments.push(Arc::clone(segment.meta()));
                    base.next_order += 1;
                }
            }
            Ok((Judged::Known, ..)) => remove.push(path),
            Ok((Judged::Between { rows }, segment, schema)) => {
                let kept = keep(store.as_ref(), &path)?;
                report.quarantined.push(Quarantined { file: path.clone(), kept, what });
                report.lost.push(Loss {
                    file: path.clone(),
                    table: Some(schema.name),
                    series: None,
                    span: Some((segment.meta().first_time, segment.meta().last_time)),
                    rows: Some(rows),
                    what: "some of its rows are in the older version and some are not".to_owned(),
                });
                remove.push(path);
            }
            Err(error @ (Error::Corrupt(_) | Error::NotFound(_))) => {
                let kept = keep(store.as_ref(), &path)?;
                let what = format!("{what}, and it cannot be read: {error}");
                report.quarantined.push(Quarantined {
                    file: path.clone(),
                    kept,
                    what: what.clone(),
                });
                let (table, series, span, rows) = (None, None, None, None);
                report.lost.push(Loss { file: path.clone(), table, series, span, rows, what });
                remove.push(path);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn older_segments(store: &dyn Store, newest: u64) -> Result<Vec<u64>> {
    let mut ids = Vec::new();
    for version in manifest::versions(store)?.into_iter().filter(|version| *version < newest) {
        if let Ok(older) = manifest::load(store, version) {
            ids.extend(super::live::segment_ids(&older));
        }
    }
    Ok(ids)
}

/// The table as it must be for a segment of it: `None` when they do not go together.
fn fitting(base: &Manifest, own: &TableSchema) -> Option<TableSchema> {
    let Some(table) = base.tables.get(&own.name) else { return Some(own.clone()) };
    let mut schema = table.schema.clone();
    if own.tags.starts_with(&schema.tags) {
        schema.tags.clone_from(&own.tags);
    }
    if own.fields.starts_with(&schema.fields) {
        schema.fields.clone_from(&own.fields);
    }
    let fits = schema.tags.starts_with(&own.tags) && schema.fields.starts_with(&own.fields);
    fits.then_some(schema)
}

enum Judged {
    /// No row of it has a series and time that is known.
    New,
    /// Each of its rows is known.
    Known,
    /// So many of its rows are not known.
    Between { rows: u64 },
}

fn judge(
    store: &Arc<dyn Store>,
    base: &Manifest,
    entries: &[WalEntry],
    segment: &Segment,
    schema: &TableSchema,
) -> Result<Judged> {
    let tags = schema.tags.len();
    let known = base.tables.get(&schema.name).map(|table| table.segments.as_slice());
    let known: Vec<Segment> = known
        .unwrap_or_default()
        .iter()
        .map(|meta| Segment::open(Arc::clone(store), Arc::clone(meta)))
        .collect::<Result<_>>()?;
    let logged = logged(entries, schema);
    let (mut met, mut unknown) = (0u64, 0u64);
    for ordinal in 0..segment.series_count() {
        let key = segment.series_key(ordinal, tags)?;
        let mut there =
            logged.get(&key.id(&schema.name, &schema.tags)).cloned().unwrap_or_default();
        for other in &known {
            if let Some(ordinal) = other.find(&key)? {
                rows_of(other, ordinal, &mut there)?;
            }
        }
        let mut own = Rows::new();
        rows_of(segment, ordinal, &mut own)?;
        for (time, rows) in own {
            let mut there = there.get(&time).cloned();
            met += there.as_ref().map_or(0, |_| rows.len() as u64);
            for row in rows {
                let at = there.as_ref().and_then(|there| there.iter().position(|r| *r == row));
                match (at, &mut there) {
                    (Some(at), Some(there)) => drop(there.swap_remove(at)),
                    _ => unknown += 1,
                }
            }
        }
    }
    Ok(match (met, unknown) {
        (0, _) => Judged::New,
        (_, 0) => Judged::Known,
        (_, rows) => Judged::Between { rows },
    })
}

/// The rows of a series in a segment.
fn rows_of(segment: &Segment, ordinal: usize, rows: &mut Rows) -> Result<()> {
    for chunk in segment.chunks_of(ordinal)? {
        let fields = Arc::clone(segment.group(segment.chunk_entry(chunk)?.group)?);
        let part = PartData::Encoded(segment.read_chunk(chunk)?);
        for block in 0..part.blocks() {
            let mut times = Vec::new();
            part.decode_times(block, &mut times)?;
            let mut columns = Vec::new();
            for (column, field) in fields.iter().enumerate() {
                let mut values = Column::empty(part.column_type(column));
                part.decode_column(column, block, &mut values)?;
                columns.push((*field, values));
            }
            for (row, time) in times.into_iter().enumerate() {
                rows.entry(time).or_default().push(hash(&columns, row));
            }
        }
    }
    Ok(())
}

/// The rows of the log of one table, by series.
fn logged(entries: &[WalEntry], schema: &TableSchema) -> HashMap<SeriesId, Rows> {
    let mut all: HashMap<SeriesId, Rows> = HashMap::new();
    let logged = entries.iter().flat_map(|entry| &entry.batches);
    for logged in logged.filter(|logged| logged.batch.table() == schema.name) {
        let batch = &logged.batch;
        let id = |key: &SeriesKey| key.id(batch.table(), &logged.tags);
        let ids: Vec<SeriesId> = batch.series().iter().map(id).collect();
        let mut columns: Vec<(usize, Column)> = batch
            .fields()
            .iter()
            .filter_map(|(name, array): &(String, FieldArray)| {
                Some((schema.field_id(name)?, array.slice(0..batch.rows())))
            })
            .collect();
        columns.sort_by_key(|(field, _)| *field);
        for (row, time) in batch.times().iter().enumerate() {
            let rows = all.entry(ids[batch.series_of()[row] as usize]).or_default();
            rows.entry(*time).or_default().push(hash(&columns, row));
        }
    }
    all
}

/// A hash of the values of a row, by field.
fn hash(columns: &[(usize, Column)], row: usize) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    for (field, column) in columns.iter().filter(|(_, column)| column.is_valid(row)) {
        field.hash(&mut hasher);
        match &column.values {
            Values::F64(values) => values[row].to_bits().hash(&mut hasher),
            Values::I64(values) => values[row].hash(&mut hasher),
            Values::Bool(values) => values[row].hash(&mut hasher),
            Values::Str(values) => values.get(row).hash(&mut hasher),
        }
    }
    hasher.finish()
}
