//! What is left of a damaged segment: its undamaged chunks, and which rows are gone.

use std::sync::Arc;

use super::reader::decode_all;
use super::{EncodedChunk, EncodedGroup, EncodedSeries, Segment};
use crate::chunk::{Chunk, PartData};
use crate::error::Result;
use crate::model::{SeriesKey, Timestamp};

/// Something that is wrong with a segment, and the rows that it costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// What is wrong.
    pub what: String,
    /// The series, where a chunk of one is damaged.
    pub series: Option<SeriesKey>,
    /// The first and the last time of the rows that are lost; `None` when no row is.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many rows those are.
    pub rows: u64,
}

impl Flaw {
    pub(super) fn index(what: impl std::fmt::Display) -> Self {
        Self { what: what.to_string(), series: None, span: None, rows: 0 }
    }
}

impl Segment {
    /// Hands on each series with the chunks that are whole, and returns what is wrong with the
    /// others.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when the index cannot be read that says which chunk is whose; what
    /// `each` returns.
    pub fn salvage(
        &self,
        tags: usize,
        mut each: impl FnMut(&EncodedSeries) -> Result<()>,
    ) -> Result<Vec<Flaw>> {
        let mut flaws = Vec::new();
        let mut before: Option<Arc<SeriesKey>> = None;
        for ordinal in 0..self.series_count() {
            let key = Arc::new(self.series_key(ordinal, tags)?);
            // Past a checksum only a fault of ours can bring this; such a series is told as lost.
            let in_order = before.as_ref().is_none_or(|before| **before < *key);
            let mut groups: Vec<EncodedGroup> = Vec::new();
            for chunk in self.chunks_of(ordinal)? {
                let entry = self.chunk_entry(chunk)?;
                let read = self.read_chunk(chunk).and_then(|read| {
                    decode_all(&read)?;
                    Ok((encoded(&read)?, Arc::clone(self.group(entry.group)?)))
                });
                match read {
                    Ok((chunk, fields)) if in_order => {
                        match groups.last_mut().filter(|group| group.fields == fields) {
                            Some(group) => group.chunks.push(chunk),
                            None => groups.push(EncodedGroup { fields, chunks: vec![chunk] }),
                        }
                    }
                    other => flaws.push(Flaw {
                        what: other.err().map_or_else(
                            || format!("series {ordinal} is out of order"),
                            |error| error.to_string(),
                        ),
                        series: Some(SeriesKey::clone(&key)),
                        span: Some((entry.first, entry.last)),
                        rows: u64::from(entry.rows),
                    }),
                }
            }
            if in_order {
                each(&EncodedSeries { key: Arc::clone(&key), groups })?;
                before = Some(key);
            }
        }
        Ok(flaws)
    }

    /// Everything that is wrong: every section is read and every chunk decoded.
    pub fn verify(&self) -> Vec<Flaw> {
        let mut flaws: Vec<Flaw> =
            self.verify_index().into_iter().map(|error| Flaw::index(&error)).collect();
        let tags = self.tags().len();
        match self.salvage(tags, |_| Ok(())) {
            Ok(lost) => flaws.extend(lost),
            // Whose chunk is whose cannot be said; whether one is damaged can.
            Err(error) => {
                flaws.push(Flaw::index(error));
                let chunks = (0..self.chunk_count()).map(|chunk| {
                    let checked = self.read_chunk(chunk).and_then(|chunk| decode_all(&chunk));
                    checked.err().map(Flaw::index)
                });
                flaws.extend(chunks.flatten());
            }
        }
        flaws.dedup();
        flaws
    }
}

fn encoded(chunk: &Chunk) -> Result<EncodedChunk> {
    let part = PartData::Encoded(chunk.clone());
    let mut points = 0;
    for column in 0..chunk.columns() {
        points += part.total(column)?.map_or(0, |stats| stats.count());
    }
    let (first, last) = part.span().unwrap_or_default();
    Ok(EncodedChunk {
        bytes: chunk.bytes().clone(),
        rows: chunk.rows() as u32,
        points,
        first,
        last,
    })
}
