//! What a database holds, in figures.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Database, Reader, policy};
use crate::error::Result;
use crate::model::{FieldType, Timestamp};
use crate::storage::manifest::{Manifest, TableState, Tier};

/// What one field of one table holds in segments.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldStats {
    /// The table.
    pub table: String,
    /// The field; `time` for the times themselves.
    pub field: String,
    /// The type of its values; `None` for the times.
    pub ty: Option<FieldType>,
    /// Values that are not null; for the times, rows.
    pub points: u64,
    /// Bytes of the encoded values.
    pub bytes: u64,
    /// Blocks by the name of their encoding and what there is to tell of it.
    pub encodings: BTreeMap<(&'static str, String), u64>,
}

/// What one level of a table's downsampling holds in segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelStats {
    /// The table whose rows they were.
    pub table: String,
    /// The length of a bucket in nanoseconds.
    pub step: i64,
    /// Up to which age it is kept, in nanoseconds before now.
    pub age: Option<i64>,
    /// Whether the table's policy still has it.
    pub in_policy: bool,
    /// Aggregates: one a series, bucket and pass that brought some.
    pub aggregates: u64,
    /// Bytes of its segments, indexes included; they are among those of the database.
    pub bytes: u64,
    /// Its segments.
    pub segments: u64,
    /// The starts of its first and its last bucket.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// What a database holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// The version that was looked at.
    pub version: u64,
    /// Rows in segments and in memory, as they were written.
    pub rows: u64,
    /// Values of these that are not null, in segments.
    pub points: u64,
    /// Bytes of all segments, indexes and aggregates included.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Of them those in the cold tier.
    pub cold_segments: u64,
    /// Their bytes.
    pub cold_bytes: u64,
    /// Series, counted once a table.
    pub series: u64,
    /// Rows that are still only in memory and in the log.
    pub head_rows: u64,
    /// Bytes that those rows hold in memory, about.
    pub head_bytes: u64,
    /// Rounds of the background thread that failed since the open.
    pub background_failures: u64,
    /// What the last of them met, and when (ns since 1970 UTC).
    pub background_error: Option<(String, i64)>,
    /// The live readers of a local database, each with the oldest version that it keeps on disk.
    pub readers: Vec<Reader>,
    /// Each field of each table, those of aggregates too, of the segments that are not in the cold
    /// tier.
    pub fields: Vec<FieldStats>,
    /// Each level of each table, finest first.
    pub levels: Vec<LevelStats>,
}

fn level_stats(manifest: &Manifest, state: &TableState) -> LevelStats {
    let (table, step) = state.schema.level_of().unwrap_or_default();
    let spans = state.segments.iter().map(|meta| (meta.first_time, meta.last_time));
    LevelStats {
        table: table.to_owned(),
        step,
        age: state.schema.retention,
        in_policy: policy::governed(manifest, &state.schema),
        aggregates: state.segments.iter().map(|meta| meta.rows).sum(),
        bytes: state.segments.iter().map(|meta| meta.bytes).sum(),
        segments: state.segments.len() as u64,
        span: spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))),
    }
}

impl Database {
    /// Figures of what is stored; reads every chunk but those of the cold tier.
    ///
    /// # Errors
    /// When the store cannot be read, or a chunk is damaged.
    pub fn stats(&self) -> Result<Stats> {
        self.ready()?;
        let _kept = self.refresh()?;
        let (view, _pin, head) = {
            let state = self.inner.state.read();
            let pin = self.inner.pins.pin(state.view.manifest.version);
            let heads = state.view.frozen.iter().map(|f| &f.head).chain([&state.head]);
            let mut totals = (0u64, 0u64);
            for head in heads {
                let rows = head.tables().filter_map(|table| head.table(table)).map(|t| t.rows());
                totals.0 += rows.sum::<u64>();
                totals.1 += head.memory() as u64;
            }
            (Arc::clone(&state.view), pin, totals)
        };
        let mut stats = Stats {
            version: view.manifest.version,
            rows: head.0,
            head_rows: head.0,
            head_bytes: head.1,
            readers: self.readers()?,
            ..Stats::default()
        };
        {
            let upkeep = self.inner.upkeep.lock();
            stats.background_failures = upkeep.failures;
            stats.background_error.clone_from(&upkeep.last);
        }
        for (name, table) in &view.manifest.tables {
            let mut fields: Vec<FieldStats> = std::iter::once(("time", None))
                .chain(table.schema.fields.iter().map(|f| (f.name.as_str(), Some(f.ty))))
                .map(|(field, ty)| FieldStats {
                    table: name.clone(),
                    field: field.to_owned(),
                    ty,
                    points: 0,
                    bytes: 0,
                    encodings: BTreeMap::new(),
                })
                .collect();
            for meta in &table.segments {
                stats.segments += 1;
                stats.bytes += meta.bytes;
                if table.schema.level_of().is_none() {
                    stats.rows += meta.rows;
                    stats.points += meta.points;
                }
                if meta.tier == Tier::Cold {
                    stats.cold_segments += 1;
                    stats.cold_bytes += meta.bytes;
                } else {
                    self.add_segment(meta, &table.schema, &mut fields)?;
                }
            }
            if table.schema.level_of().is_none() {
                stats.series += self.series_count(name)?;
                let levels = policy::levels_of(&view.manifest, name).into_iter();
                stats.levels.extend(levels.map(|(_, of)| level_stats(&view.manifest, of)));
            }
            stats.fields.extend(fields);
        }
        Ok(stats)
    }

    fn add_segment(
        &self,
        meta: &Arc<crate::storage::manifest::SegmentMeta>,
        schema: &crate::model::TableSchema,
        fields: &mut [FieldStats],
    ) -> Result<()> {
        let segment = self.inner.shared.segment_of(meta, schema)?;
        for chunk in 0..segment.chunk_count() {
            let entry = segment.chunk_entry(chunk)?;
            let own = Arc::clone(segment.group(entry.group)?);
            let part = crate::chunk::PartData::Encoded(segment.read_chunk(chunk)?);
            let crate::chunk::PartData::Encoded(opened) = &part else { continue };
            let blocks = part.blocks() as u64;
            let (encoding, bytes) = opened.times_encoding();
            fields[0].bytes += bytes as u64;
            *fields[0].encodings.entry((encoding.name(), String::new())).or_default() += blocks;
            for (column, field) in own.iter().enumerate() {
                let (encoding, bytes) = opened.encoding(column);
                let stats = &mut fields[field + 1];
                stats.bytes += bytes as u64;
                let told = (encoding.name(), opened.encoding_detail(column)?);
                *stats.encodings.entry(told).or_default() += blocks;
            }
            fields[0].points += part.rows() as u64;
            for (column, field) in own.iter().enumerate() {
                fields[field + 1].points += part.total(column)?.map_or(0, |s| s.count());
            }
        }
        Ok(())
    }
}
