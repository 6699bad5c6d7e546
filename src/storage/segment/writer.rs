//! Writes a segment in one pass: chunks as they come, then the index, then the footer.

use std::collections::HashMap;
use std::sync::Arc;

use super::index::{Dictionary, Postings, len_u32};
use super::sums::SumsWriter;
use super::{Footer, HEADER, MAGIC, Section, VERSION};
use crate::chunk::{Chunk, PartData, Stats};
use crate::error::{Error, Result};
use crate::model::{SeriesKey, TableSchema};
use crate::storage::vfs::WriteObject;

/// An encoded chunk with what the directory says of it.
#[derive(Clone, Debug)]
pub struct EncodedChunk {
    /// The chunk.
    pub bytes: bytes::Bytes,
    /// Its rows.
    pub rows: u32,
    /// Its points: values that are not null.
    pub points: u64,
    /// Its first time.
    pub first: i64,
    /// Its last time.
    pub last: i64,
}

/// The chunks of one series that share a set of fields, ascending in time.
#[derive(Clone, Debug)]
pub struct EncodedGroup {
    /// Field ids, ascending.
    pub fields: Arc<[usize]>,
    /// The chunks.
    pub chunks: Vec<EncodedChunk>,
}

/// One series, encoded.
#[derive(Clone, Debug)]
pub struct EncodedSeries {
    /// Its tags.
    pub key: Arc<SeriesKey>,
    /// Its groups.
    pub groups: Vec<EncodedGroup>,
}

/// Writes one segment. Series must come in ascending order of their keys.
#[derive(Debug)]
pub struct SegmentWriter {
    object: Box<dyn WriteObject>,
    schema: Arc<TableSchema>,
    offset: u64,
    groups: Vec<Arc<[usize]>>,
    group_ids: HashMap<Arc<[usize]>, u32>,
    keys: Vec<Arc<SeriesKey>>,
    first_chunk: Vec<u32>,
    directory: Vec<u8>,
    chunks: u32,
    sums: SumsWriter,
    rows: u64,
    points: u64,
    first_time: i64,
    last_time: i64,
}

/// What a finished segment holds.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Bytes of the file.
    pub bytes: u64,
    /// Rows of all series.
    pub rows: u64,
    /// Values that are not null.
    pub points: u64,
    /// Series.
    pub series: u64,
    /// The earliest time.
    pub first_time: i64,
    /// The latest time.
    pub last_time: i64,
}

impl SegmentWriter {
    /// Starts a segment of a table in `object`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn new(mut object: Box<dyn WriteObject>, schema: Arc<TableSchema>) -> Result<Self> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 2]);
        object.write_all(&header)?;
        Ok(Self {
            object,
            schema,
            offset: HEADER as u64,
            groups: Vec::new(),
            group_ids: HashMap::new(),
            keys: Vec::new(),
            first_chunk: Vec::new(),
            directory: Vec::new(),
            chunks: 0,
            sums: SumsWriter::default(),
            rows: 0,
            points: 0,
            first_time: i64::MAX,
            last_time: i64::MIN,
        })
    }

    /// Adds a series; one without chunks is left out.
    ///
    /// # Errors
    /// When the store fails, or a limit of the format is passed.
    pub fn add(&mut self, series: &EncodedSeries) -> Result<()> {
        if series.groups.iter().all(|group| group.chunks.is_empty()) {
            return Ok(());
        }
        if self.keys.last().is_some_and(|last| **last >= *series.key) {
            return Err(Error::Internal("series of a segment out of order".to_owned()));
        }
        self.keys.push(Arc::clone(&series.key));
        self.first_chunk.push(self.chunks);
        for group in series.groups.iter().filter(|group| !group.chunks.is_empty()) {
            let id = self.group_id(&group.fields)?;
            let first_chunk = self.chunks;
            for chunk in &group.chunks {
                self.add_chunk(id, chunk)?;
            }
            if group.chunks.len() > 1 {
                let stats: Result<Vec<_>> = group.chunks.iter().map(chunk_stats).collect();
                self.sums.add(first_chunk, &stats?)?;
            }
        }
        Ok(())
    }

    fn group_id(&mut self, fields: &Arc<[usize]>) -> Result<u32> {
        if let Some(id) = self.group_ids.get(fields) {
            return Ok(*id);
        }
        let id = len_u32("groups", self.groups.len())?;
        self.groups.push(Arc::clone(fields));
        self.group_ids.insert(Arc::clone(fields), id);
        Ok(id)
    }

    fn add_chunk(&mut self, group: u32, chunk: &EncodedChunk) -> Result<()> {
        self.object.write_all(&chunk.bytes)?;
        let len = len_u32("bytes of a chunk", chunk.bytes.len())?;
        self.offset += u64::from(len);
        self.directory.extend_from_slice(&self.offset.to_le_bytes());
        self.directory.extend_from_slice(&chunk.rows.to_le_bytes());
        self.directory.extend_from_slice(&chunk.first.to_le_bytes());
        self.directory.extend_from_slice(&chunk.last.to_le_bytes());
        self.directory.extend_from_slice(&group.to_le_bytes());
        self.chunks = self
            .chunks
            .checked_add(1)
            .ok_or_else(|| Error::LimitExceeded("chunks in one segment".to_owned()))?;
        self.rows += u64::from(chunk.rows);
        self.points += chunk.points;
        self.first_time = self.first_time.min(chunk.first);
        self.last_time = self.last_time.max(chunk.last);
        Ok(())
    }

    /// Writes index and footer and makes the segment durable and visible. `None`, and no file,
    /// when no series was added.
    ///
    /// # Errors
    /// When the store fails.
    pub fn finish(mut self) -> Result<Option<Written>> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let schema = Arc::clone(&self.schema);
        let keys = std::mem::take(&mut self.keys);
        let mut codes: Vec<Vec<u32>> = Vec::with_capacity(schema.tags.len());
        let (mut dictionaries, mut postings) = (Vec::new(), Vec::new());
        for tag in 0..schema.tags.len() {
            let (values, tag_codes) = tag_values(&keys, tag)?;
            let mut lists = vec![Vec::new(); values.len() + 1];
            for (ordinal, code) in tag_codes.iter().enumerate() {
                lists[*code as usize].push(len_u32("series", ordinal)?);
            }
            dictionaries.push(self.section(&Dictionary::encode(values.into_iter())?)?);
            postings.push(self.section(&Postings::encode(&lists)?)?);
            codes.push(tag_codes);
        }
        let mut table = Vec::with_capacity(keys.len() * (20 + 4 * codes.len()));
        for (ordinal, key) in keys.iter().enumerate() {
            table.extend_from_slice(&key.id(&schema.name, &schema.tags).to_le_bytes());
            table.extend_from_slice(&self.first_chunk[ordinal].to_le_bytes());
            codes.iter().for_each(|tag| table.extend_from_slice(&tag[ordinal].to_le_bytes()));
        }
        let series_table = self.section(&table)?;
        let directory = std::mem::take(&mut self.directory);
        let chunk_directory = self.section(&directory)?;
        let sums = std::mem::take(&mut self.sums).finish();
        let sums = self.section(&sums)?;
        let footer = Footer {
            table: schema.name.clone(),
            tags: schema.tags.clone(),
            fields: schema.fields.clone(),
            groups: self.groups.iter().map(|fields| fields.to_vec()).collect(),
            series: keys.len() as u64,
            chunks: u64::from(self.chunks),
            rows: self.rows,
            points: self.points,
            first_time: self.first_time,
            last_time: self.last_time,
            series_table,
            chunk_directory,
            dictionaries,
            postings,
            sums,
        };
        let body = serde_json::to_vec(&footer)
            .map_err(|e| Error::Internal(format!("footer of a segment: {e}")))?;
        let mut trailer = len_u32("bytes of a footer", body.len())?.to_le_bytes().to_vec();
        trailer.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        trailer.extend_from_slice(&VERSION.to_le_bytes());
        trailer.extend_from_slice(&[0; 2]);
        trailer.extend_from_slice(MAGIC);
        self.object.write_all(&body)?;
        self.object.write_all(&trailer)?;
        let bytes = self.offset + (body.len() + trailer.len()) as u64;
        self.object.finish()?;
        Ok(Some(Written {
            bytes,
            rows: footer.rows,
            points: footer.points,
            series: footer.series,
            first_time: footer.first_time,
            last_time: footer.last_time,
        }))
    }

    fn section(&mut self, bytes: &[u8]) -> Result<Section> {
        self.object.write_all(bytes)?;
        let section =
            Section { offset: self.offset, len: bytes.len() as u64, crc: crc32fast::hash(bytes) };
        self.offset += section.len;
        Ok(section)
    }
}

/// The distinct values of a tag, ascending, and each series' code; the absent value's code is one
/// past the last.
fn tag_values(keys: &[Arc<SeriesKey>], tag: usize) -> Result<(Vec<&str>, Vec<u32>)> {
    let value = |ordinal: usize| keys[ordinal].tags.get(tag).and_then(Option::as_deref);
    let mut values: Vec<&str> = (0..keys.len()).filter_map(value).collect();
    values.sort_unstable();
    values.dedup();
    let code_of: hashbrown::HashMap<&str, u32, foldhash::fast::FixedState> = values
        .iter()
        .enumerate()
        .map(|(code, value)| Ok((*value, len_u32("tag values", code)?)))
        .collect::<Result<_>>()?;
    let absent = len_u32("tag values", values.len())?;
    let codes = (0..keys.len())
        .map(|ordinal| value(ordinal).and_then(|v| code_of.get(v).copied()).unwrap_or(absent))
        .collect();
    Ok((values, codes))
}

/// The statistics of each of a chunk's columns.
fn chunk_stats(chunk: &EncodedChunk) -> Result<Vec<Option<Stats>>> {
    let part = PartData::Encoded(Chunk::open(chunk.bytes.clone())?);
    (0..part.columns()).map(|column| part.total(column)).collect()
}
