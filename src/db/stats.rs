//! What a database holds, in figures.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Database;
use crate::error::Result;
use crate::model::FieldType;

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

/// What a database holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// The version that was looked at.
    pub version: u64,
    /// Rows in segments and in memory.
    pub rows: u64,
    /// Values that are not null, in segments.
    pub points: u64,
    /// Bytes of all segments, indexes included.
    pub bytes: u64,
    /// Segments.
    pub segments: u64,
    /// Series, counted once a table.
    pub series: u64,
    /// Rows that are still only in memory and in the log.
    pub head_rows: u64,
    /// Bytes that those rows hold in memory, about.
    pub head_bytes: u64,
    /// Each field of each table.
    pub fields: Vec<FieldStats>,
}

impl Database {
    /// Figures of what is stored; reads the head of every chunk.
    ///
    /// # Errors
    /// When the store cannot be read, or a chunk is damaged.
    pub fn stats(&self) -> Result<Stats> {
        self.ready()?;
        self.refresh()?;
        let (view, _pin, head) = {
            let state = self.inner.state.read();
            let pin = super::Pin::new(state.view.manifest.version, &self.inner.pins);
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
            ..Stats::default()
        };
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
                stats.rows += meta.rows;
                stats.points += meta.points;
                self.add_segment(meta, &table.schema, &mut fields)?;
            }
            stats.series += self.series_count(name)?;
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
