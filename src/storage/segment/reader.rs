//! Reads a segment: the footer at open, each section when it is first needed, chunks one by one.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use roaring::RoaringBitmap;

use super::index::{Dictionary, Postings, Slab};
use super::sums::Sums;
use super::{Footer, HEADER, MAGIC, Section, TRAILER, VERSION, check};
use crate::chunk::{Chunk, Stats};
use crate::error::{Error, Result};
use crate::model::{Duplicates, FieldDef, FieldType, SeriesId, SeriesKey, TableSchema};
use crate::storage::manifest::{SegmentMeta, Tier, segment_path};
use crate::storage::vfs::Store;

/// Bytes of a chunk's entry in the directory.
pub(super) const CHUNK_ENTRY: usize = 32;
/// Bytes of a series' entry before its tag codes: id and first chunk.
pub(super) const SERIES_ENTRY: usize = 20;
/// Most series whose keys are kept once they were read.
const KEPT_KEYS: usize = 1 << 16;
/// How much of the file's end the first read takes; most footers fit.
const TAIL: u64 = 16 * 1024;

/// What the directory says of a chunk.
#[derive(Clone, Copy, Debug)]
pub struct ChunkEntry {
    /// Its first byte in the file.
    pub offset: u64,
    /// Its bytes.
    pub len: u32,
    /// Its rows.
    pub rows: u32,
    /// Its first time.
    pub first: i64,
    /// Its last time.
    pub last: i64,
    /// Its group's position among the segment's groups.
    pub group: usize,
}

/// One open segment.
#[derive(Debug)]
pub struct Segment {
    store: Arc<dyn Store>,
    path: String,
    meta: Arc<SegmentMeta>,
    footer: Footer,
    groups: Vec<Arc<[usize]>>,
    series_table: OnceLock<Slab>,
    /// The keys of series that were asked for; empty in a segment of too many series.
    keys: Box<[OnceLock<Arc<SeriesKey>>]>,
    chunk_directory: OnceLock<Slab>,
    dictionaries: Vec<OnceLock<Dictionary>>,
    postings: Vec<OnceLock<Postings>>,
    sums: OnceLock<Sums>,
}

impl Segment {
    /// Opens a segment: reads and checks its footer.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming the file, or the store's error.
    pub fn open(store: Arc<dyn Store>, meta: Arc<SegmentMeta>) -> Result<Self> {
        let size = store.size(&meta.path()).map_err(|e| e.within(meta.path()))?;
        Self::open_sized(store, meta, size, true)
    }

    /// Opens what is left of a damaged segment, whatever stands in its header and behind its end.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when its footer is damaged too, or the store's error.
    pub fn open_damaged(store: Arc<dyn Store>, meta: Arc<SegmentMeta>) -> Result<Self> {
        let size = store.size(&meta.path())?.min(meta.bytes);
        Self::open_sized(store, meta, size, false)
    }

    /// Opens a segment that no manifest lists, as one of the given order.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_unlisted(store: Arc<dyn Store>, id: u64, order: u64) -> Result<Self> {
        let path = segment_path(id);
        let bytes = store.size(&path)?;
        let footer =
            read_footer(store.as_ref(), &path, bytes, true).map_err(|e| e.within(&path))?;
        let meta = SegmentMeta {
            id,
            order,
            erased: 0,
            bytes,
            rows: footer.rows,
            points: footer.points,
            series: footer.series,
            first_time: footer.first_time,
            last_time: footer.last_time,
            cold: false,
            tier: Tier::Local,
            file: String::new(),
        };
        Self::open_sized(store, Arc::new(meta), bytes, true)
    }

    /// The table as the segment knows it: without its policies.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for names that no table can have.
    pub fn schema(&self) -> Result<TableSchema> {
        let Footer { table, tags, fields, .. } = &self.footer;
        TableSchema::new(table, tags.clone(), fields.clone(), Duplicates::Keep, None)
    }

    fn open_sized(
        store: Arc<dyn Store>,
        meta: Arc<SegmentMeta>,
        size: u64,
        header: bool,
    ) -> Result<Self> {
        let path = meta.path();
        let footer = read_footer(store.as_ref(), &path, size, header)
            .and_then(|footer| check::footer(footer, size, &meta))
            .map_err(|e| e.within(&path))?;
        let groups = footer.groups.iter().map(|fields| Arc::from(fields.as_slice())).collect();
        let tags = footer.tags.len();
        let series = footer.series as usize;
        let kept = if series <= KEPT_KEYS { series } else { 0 };
        Ok(Self {
            store,
            path,
            meta,
            groups,
            series_table: OnceLock::new(),
            keys: (0..kept).map(|_| OnceLock::new()).collect(),
            chunk_directory: OnceLock::new(),
            dictionaries: (0..tags).map(|_| OnceLock::new()).collect(),
            postings: (0..tags).map(|_| OnceLock::new()).collect(),
            sums: OnceLock::new(),
            footer,
        })
    }

    /// Checks that it is one of a table: its tags and fields begin the table's.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming the file.
    pub fn check_table(&self, schema: &TableSchema) -> Result<()> {
        let footer = &self.footer;
        if footer.table == schema.name
            && schema.tags.starts_with(&footer.tags)
            && schema.fields.starts_with(&footer.fields)
        {
            return Ok(());
        }
        let (own, table) = (&footer.table, &schema.name);
        Err(self.corrupt(format!("a segment of table {own:?} that does not fit table {table:?}")))
    }

    /// What the manifest says of it.
    pub fn meta(&self) -> &Arc<SegmentMeta> {
        &self.meta
    }

    /// The fields that it knows: a prefix of the table's.
    pub fn fields(&self) -> &[FieldDef] {
        &self.footer.fields
    }

    /// How many series it holds.
    pub fn series_count(&self) -> usize {
        self.footer.series as usize
    }

    /// How many chunks it holds.
    pub fn chunk_count(&self) -> usize {
        self.footer.chunks as usize
    }

    /// A group's field ids, ascending.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is no such group.
    pub fn group(&self, group: usize) -> Result<&Arc<[usize]>> {
        self.groups.get(group).ok_or_else(|| self.corrupt(format!("no group {group}")))
    }

    /// The ordinals of the series that pass: for each named tag (by its position in the table)
    /// one of the values. `None`: every series passes.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn select(&self, any_of: &[(usize, Vec<Option<String>>)]) -> Result<Option<RoaringBitmap>> {
        let mut passing: Option<RoaringBitmap> = None;
        for (tag, values) in any_of {
            if *tag >= self.footer.tags.len() {
                // The segment is older than the tag: every series lacks it.
                if !values.contains(&None) {
                    return Ok(Some(RoaringBitmap::new()));
                }
                continue;
            }
            let (dictionary, postings) = (self.dictionary(*tag)?, self.posting(*tag)?);
            let mut any = RoaringBitmap::new();
            for value in values {
                let code = match value {
                    Some(value) => dictionary.find(value)?,
                    None => Some(dictionary.len()),
                };
                if let Some(code) = code {
                    any |= postings.get(code)?;
                }
            }
            match &mut passing {
                Some(passing) => *passing &= any,
                None => passing = Some(any),
            }
        }
        Ok(passing)
    }

    /// The id of a series.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn series_id(&self, ordinal: usize) -> Result<SeriesId> {
        self.series_slab()?.u128(ordinal * self.series_width())
    }

    /// The tags of a series, with one slot for each of the table's `tags` tags.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn series_key(&self, ordinal: usize, tags: usize) -> Result<SeriesKey> {
        let mut values: Vec<Option<&str>> = Vec::with_capacity(tags);
        for tag in 0..tags {
            values.push(if tag < self.footer.tags.len() {
                let (dictionary, code) = (self.dictionary(tag)?, self.tag_code(ordinal, tag)?);
                if code == dictionary.len() { None } else { Some(dictionary.get(code)?) }
            } else {
                None
            });
        }
        Ok(SeriesKey::new(values))
    }

    /// As [`Self::series_key`], shared with whoever asks again.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn shared_key(&self, ordinal: usize, tags: usize) -> Result<Arc<SeriesKey>> {
        let kept = self.keys.get(ordinal);
        // A table can have got more tags since.
        if let Some(key) = kept.and_then(OnceLock::get).filter(|key| key.tags.len() == tags) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(self.series_key(ordinal, tags)?);
        if let Some(kept) = kept {
            kept.get_or_init(|| Arc::clone(&key));
        }
        Ok(key)
    }

    /// The ordinal of the series with these tags, when it is here: a binary search, for series
    /// are sorted by their keys.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn find(&self, key: &SeriesKey) -> Result<Option<usize>> {
        let tags = self.footer.tags.len();
        if key.tags.iter().skip(tags).any(Option::is_some) {
            return Ok(None);
        }
        // Absent sorts first, yet its code is the last: rank 0 stands for it, code + 1 for others.
        let mut wanted = Vec::with_capacity(tags);
        for tag in 0..tags {
            wanted.push(match key.tags.get(tag).and_then(Option::as_deref) {
                None => 0,
                Some(value) => match self.dictionary(tag)?.find(value)? {
                    Some(code) => code + 1,
                    None => return Ok(None),
                },
            });
        }
        let (mut low, mut high) = (0, self.series_count());
        while low < high {
            let middle = low + (high - low) / 2;
            let mut order = std::cmp::Ordering::Equal;
            for (tag, wanted) in wanted.iter().enumerate() {
                let code = self.tag_code(middle, tag)?;
                let rank = if code == self.dictionary(tag)?.len() { 0 } else { code + 1 };
                order = rank.cmp(wanted);
                if order.is_ne() {
                    break;
                }
            }
            match order {
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// The chunks of a series: each group's stand together, ascending in time.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn chunks_of(&self, ordinal: usize) -> Result<std::ops::Range<usize>> {
        let slab = self.series_slab()?;
        let first = |ordinal: usize| slab.u32(ordinal * self.series_width() + 16);
        let start = first(ordinal)? as usize;
        let end = if ordinal + 1 < self.series_count() {
            first(ordinal + 1)? as usize
        } else {
            self.footer.chunks as usize
        };
        if start > end || end > self.footer.chunks as usize {
            return Err(self.corrupt(format!("series {ordinal} has chunks {start}..{end}")));
        }
        Ok(start..end)
    }

    /// What the directory says of a chunk.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn chunk_entry(&self, chunk: usize) -> Result<ChunkEntry> {
        let slab = self.load(&self.chunk_directory, self.footer.chunk_directory, |bytes| {
            Ok(Slab::new(bytes))
        })?;
        let at = chunk * CHUNK_ENTRY;
        let end = slab.u64(at)?;
        // Chunks stand one after the other from the header on.
        let offset = match chunk {
            0 => HEADER as u64,
            _ => slab.u64(at - CHUNK_ENTRY)?,
        };
        let len = end.checked_sub(offset).and_then(|len| u32::try_from(len).ok());
        let len =
            len.ok_or_else(|| self.corrupt(format!("chunk {chunk} goes from {offset} to {end}")))?;
        Ok(ChunkEntry {
            offset,
            len,
            rows: slab.u32(at + 8)?,
            first: slab.i64(at + 12)?,
            last: slab.i64(at + 20)?,
            group: slab.u32(at + 28)? as usize,
        })
    }

    /// Reads a chunk from the store and checks it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] naming file and chunk, or the store's error.
    pub fn read_chunk(&self, chunk: usize) -> Result<Chunk> {
        let entry = self.chunk_entry(chunk)?;
        let end = entry.offset.checked_add(u64::from(entry.len));
        if end.is_none_or(|end| end > self.meta.bytes) {
            return Err(self.corrupt(format!("chunk {chunk} reaches past the file")));
        }
        let bytes = self.store.read_range(&self.path, entry.offset, entry.len as usize)?;
        let opened = Chunk::open(bytes)
            .map_err(|e| e.within(format!("{} chunk {chunk} at {}", self.path, entry.offset)))?;
        let types = self.group(entry.group)?;
        let agrees = opened.rows() == entry.rows as usize
            && opened.columns() == types.len()
            && opened.blocks() > 0
            && opened.block_span(0).0 == entry.first
            && opened.block_span(opened.blocks() - 1).1 == entry.last
            && types.iter().enumerate().all(|(column, field)| {
                self.footer.fields.get(*field).is_some_and(|f| f.ty == opened.column_type(column))
            });
        if !agrees {
            return Err(self.corrupt(format!("chunk {chunk} is not what the directory says")));
        }
        Ok(opened)
    }

    /// Statistics of column `column` over the chunks `from..to`, counted from `first_chunk`, the
    /// first of a series' group, in logarithmic time. The outer `None`: not kept, read the chunks.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn sums(
        &self,
        first_chunk: usize,
        column: usize,
        ty: FieldType,
        from: usize,
        to: usize,
    ) -> Result<Option<Option<Stats>>> {
        self.load(&self.sums, self.footer.sums, Sums::open)?.range(
            first_chunk,
            column,
            ty,
            from,
            to,
        )
    }

    /// Its tags: a prefix of the table's.
    pub fn tags(&self) -> &[String] {
        &self.footer.tags
    }

    /// What is wrong with its sections, and with the order and the ids of its series.
    pub(super) fn verify_index(&self) -> Vec<Error> {
        let mut wrong = Vec::new();
        let mut note = |result: Result<()>| wrong.extend(result.err());
        note(self.series_slab().map(drop));
        note(self.load(&self.sums, self.footer.sums, Sums::open).map(drop));
        for tag in 0..self.footer.tags.len() {
            note(self.dictionary(tag).map(drop));
            note(self.posting(tag).map(drop));
        }
        let mut before = None;
        for ordinal in 0..self.series_count() {
            note(self.chunks_of(ordinal).map(drop));
            note(self.verify_series(ordinal, &mut before));
        }
        wrong
    }

    /// Checks a series' place in the order and its id.
    fn verify_series(&self, ordinal: usize, before: &mut Option<SeriesKey>) -> Result<()> {
        let tags = &self.footer.tags;
        let key = self.series_key(ordinal, tags.len())?;
        if key.id(&self.footer.table, tags) != self.series_id(ordinal)? {
            return Err(self.corrupt(format!("series {ordinal} has another series' id")));
        }
        if before.as_ref().is_some_and(|before| *before >= key) {
            return Err(self.corrupt(format!("series {ordinal} is out of order")));
        }
        *before = Some(key);
        Ok(())
    }

    fn series_width(&self) -> usize {
        SERIES_ENTRY + 4 * self.footer.tags.len()
    }

    fn series_slab(&self) -> Result<&Slab> {
        let section = self.footer.series_table;
        self.load(&self.series_table, section, |bytes| Ok(Slab::new(bytes)))
    }

    fn tag_code(&self, ordinal: usize, tag: usize) -> Result<usize> {
        let at = ordinal * self.series_width() + SERIES_ENTRY + 4 * tag;
        Ok(self.series_slab()?.u32(at)? as usize)
    }

    fn dictionary(&self, tag: usize) -> Result<&Dictionary> {
        let section = self.footer.dictionaries.get(tag).copied();
        let section = section.ok_or_else(|| self.corrupt(format!("no dictionary {tag}")))?;
        self.load(&self.dictionaries[tag], section, Dictionary::open)
    }

    fn posting(&self, tag: usize) -> Result<&Postings> {
        let section = self.footer.postings.get(tag).copied();
        let section = section.ok_or_else(|| self.corrupt(format!("no postings {tag}")))?;
        self.load(&self.postings[tag], section, Postings::open)
    }

    /// A section, read and checked the first time.
    fn load<'a, T>(
        &self,
        cell: &'a OnceLock<T>,
        section: Section,
        open: impl FnOnce(Bytes) -> Result<T>,
    ) -> Result<&'a T> {
        if let Some(loaded) = cell.get() {
            return Ok(loaded);
        }
        let end = section.offset.checked_add(section.len);
        if end.is_none_or(|end| end > self.meta.bytes) {
            return Err(self.corrupt("a section reaches past the file"));
        }
        let bytes = self.store.read_range(&self.path, section.offset, section.len as usize)?;
        if crc32fast::hash(&bytes) != section.crc
            && !crate::planted::is(crate::planted::Bug::SectionChecksumIgnored)
        {
            let at = section.offset;
            return Err(self.corrupt(format!("the section at {at} fails its checksum")));
        }
        let loaded = open(bytes).map_err(|e| e.within(&self.path))?;
        Ok(cell.get_or_init(|| loaded))
    }

    fn corrupt(&self, what: impl std::fmt::Display) -> Error {
        Error::corrupt(format!("{}: {what}", self.path))
    }
}

/// Decodes every block of a chunk.
pub(super) fn decode_all(chunk: &Chunk) -> Result<()> {
    let part = crate::chunk::PartData::Encoded(chunk.clone());
    for block in 0..part.blocks() {
        let mut times = Vec::new();
        part.decode_times(block, &mut times)?;
        for column in 0..chunk.columns() {
            let mut out = crate::model::Column::empty(chunk.column_type(column));
            part.decode_column(column, block, &mut out)?;
            chunk.verify_sum(column, block)?;
        }
    }
    Ok(())
}

/// The footer of a file of `size` bytes; `header`: its header must be whole too.
fn read_footer(store: &dyn Store, path: &str, size: u64, header: bool) -> Result<Footer> {
    if size < (HEADER + TRAILER) as u64 {
        return Err(Error::corrupt(format!("{size} bytes are too few for a segment")));
    }
    if header {
        check_header(store, path)?;
    }
    let tail_len = size.min(TAIL);
    let tail = store.read_range(path, size - tail_len, tail_len as usize)?;
    let trailer = Slab::new(tail.slice(tail.len() - TRAILER..));
    if trailer.slice(12, 16)? != MAGIC {
        return Err(Error::corrupt("the file is cut short: it does not end with KYSG"));
    }
    let version = trailer.u32(8)?;
    if version != u32::from(VERSION) {
        return Err(Error::corrupt(format!(
            "segment format {version}; this kymograph reads format {VERSION}"
        )));
    }
    let len = trailer.u32(0)? as usize;
    let whole = len as u64 + TRAILER as u64;
    if whole > size - HEADER as u64 {
        return Err(Error::corrupt(format!("a footer of {len} bytes does not fit")));
    }
    let body = if whole <= tail_len {
        tail.slice(tail.len() - TRAILER - len..tail.len() - TRAILER)
    } else {
        store.read_range(path, size - whole, len)?
    };
    if crc32fast::hash(&body) != trailer.u32(4)? {
        return Err(Error::corrupt("the footer fails its checksum"));
    }
    serde_json::from_slice(&body).map_err(|e| Error::corrupt(format!("footer: {e}")))
}

fn check_header(store: &dyn Store, path: &str) -> Result<()> {
    let header = store.read_range(path, 0, HEADER)?;
    if header.get(..4) != Some(MAGIC.as_slice()) {
        return Err(Error::corrupt("no segment: it does not begin with KYSG"));
    }
    let [v0, v1] = VERSION.to_le_bytes();
    if header.get(4..) != Some([v0, v1, 0, 0].as_slice()) {
        return Err(Error::corrupt("the header is damaged, or of a newer format"));
    }
    Ok(())
}
