//! Segments: immutable, self-contained files of one table, sorted by series then time.
//!
//! `FORMAT.md` beside this folder has the byte diagrams. A segment needs nothing else to be read:
//! it brings its own tag dictionaries, series table, tag postings, chunk directory, chunk
//! statistics and field names, each section behind a checksum in the footer.

mod check;
mod index;
mod reader;
mod salvage;
mod sums;
mod writer;

pub use reader::{ChunkEntry, Segment};
pub use salvage::Flaw;
pub use writer::{EncodedChunk, EncodedGroup, EncodedSeries, SegmentWriter, Written};

use serde::{Deserialize, Serialize};

use crate::model::FieldDef;

/// The bytes that open and close a segment.
pub(crate) const MAGIC: &[u8; 4] = b"KYSG";
/// The format version that this code writes.
pub(crate) const VERSION: u16 = 1;
/// Bytes of the header: magic, version, two reserved.
pub(crate) const HEADER: usize = 8;
/// Bytes of the trailer: footer length u32, footer checksum u32, version u16, reserved u16, magic.
pub(crate) const TRAILER: usize = 16;

/// Where a section stands in the file, and its checksum.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Section {
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) crc: u32,
}

/// The footer: what the segment holds and where its sections stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Footer {
    pub(crate) table: String,
    pub(crate) tags: Vec<String>,
    pub(crate) fields: Vec<FieldDef>,
    /// Each group's columns, as positions in `fields`, ascending.
    pub(crate) groups: Vec<Vec<usize>>,
    pub(crate) series: u64,
    pub(crate) chunks: u64,
    pub(crate) rows: u64,
    pub(crate) points: u64,
    pub(crate) first_time: i64,
    pub(crate) last_time: i64,
    pub(crate) series_table: Section,
    pub(crate) chunk_directory: Section,
    /// One a tag.
    pub(crate) dictionaries: Vec<Section>,
    /// One a tag.
    pub(crate) postings: Vec<Section>,
    pub(crate) sums: Section,
}
