//! Rewrites the parts of series into the chunks of a segment: what a flush, a compaction and a
//! large write have in common.

use std::sync::Arc;

use bytes::Bytes;

use super::segment::{EncodedChunk, EncodedGroup, EncodedSeries};
use crate::chunk::{BLOCK_ROWS, CHUNK_ROWS, Chunk, Part, PartData};
use crate::codec::{Choice, Effort, Encoding};
use crate::error::{Error, Result};
use crate::kernels::merge_groups;
use crate::model::{Column, Duplicates, FieldType, SeriesKey, TableSchema, Timestamp, Values};

/// Rows that are merged at a time; more of one series wait for the next round.
const MERGE_ROWS: usize = 4 * CHUNK_ROWS;

/// Bytes of strings past which a chunk has fewer rows.
const CHUNK_STRINGS: usize = 64 << 20;

/// The codec of a table that is cold as soon as it is compacted.
pub const COLD: &str = "pco";

/// How the chunks of a table are encoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coding {
    encoding: Option<Encoding>,
    cold_before: Option<Timestamp>,
}

impl Coding {
    /// As the table asks for, where rows are written for the first time: never cold.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there is no such codec; it lists them.
    pub fn hot(schema: &TableSchema) -> Result<Self> {
        let encoding = match schema.codec.as_deref() {
            None | Some(COLD) => None,
            Some(name) => Some(Encoding::for_floats(name, COLD)?),
        };
        Ok(Self { encoding, cold_before: None })
    }

    /// As the table asks for, in a compaction at `now`.
    ///
    /// # Errors
    /// As [`Self::hot`].
    pub fn compaction(schema: &TableSchema, now: Timestamp) -> Result<Self> {
        let always = (schema.codec.as_deref() == Some(COLD)).then_some(Timestamp::MAX);
        let aged = schema.cold_after.map(|age| now.saturating_sub(age));
        Ok(Self { cold_before: always.or(aged), ..Self::hot(schema)? })
    }

    /// Whether rows up to `last` belong into the cold form.
    pub fn is_cold(self, last: Timestamp) -> bool {
        self.cold_before.is_some_and(|before| last < before)
    }

    fn choices(self, last: Timestamp, columns: usize) -> Vec<Choice> {
        let effort = if self.is_cold(last) { Effort::Cold } else { Effort::Hot };
        vec![Choice { effort, encoding: self.encoding }; columns]
    }
}

/// Encodes rows of one series, ascending in time, into as many chunks as they need.
///
/// # Errors
/// [`Error::Internal`] when an encoded chunk is past the format's limits.
pub fn encode_rows(
    times: &[Timestamp],
    columns: &[Column],
    coding: Coding,
) -> Result<Vec<EncodedChunk>> {
    let strings = columns.iter().map(|column| match &column.values {
        Values::Str(values) => values.byte_len(),
        _ => 0,
    });
    let step = chunk_rows(strings.sum(), times.len());
    let whole = times.len() <= step;
    let ranges = (0..times.len()).step_by(step);
    ranges
        .map(|start| {
            let end = times.len().min(start + step);
            let slice;
            let columns = if whole {
                columns
            } else {
                slice = columns.iter().map(|c| slice_column(c, start..end)).collect::<Vec<_>>();
                &slice
            };
            encode_chunk(&times[start..end], columns, coding)
        })
        .collect()
}

/// Rows of a chunk, of `rows` that have so many bytes of strings: long strings make short chunks, so
/// that no chunk passes its format, nor a merge of some what memory holds.
pub fn chunk_rows(strings: usize, rows: usize) -> usize {
    let chunks = strings.div_ceil(CHUNK_STRINGS).max(1);
    let fitting = rows.div_ceil(chunks).next_multiple_of(BLOCK_ROWS);
    if chunks == 1 { CHUNK_ROWS } else { fitting.min(CHUNK_ROWS) }
}

/// Encodes at most [`CHUNK_ROWS`] rows, ascending in time.
///
/// # Errors
/// As [`encode_rows`].
pub fn encode_chunk(
    times: &[Timestamp],
    columns: &[Column],
    coding: Coding,
) -> Result<EncodedChunk> {
    let (Some(first), Some(last)) = (times.first(), times.last()) else {
        return Err(Error::Internal("a chunk without rows".to_owned()));
    };
    let mut bytes = Vec::new();
    Chunk::encode(times, columns, &coding.choices(*last, columns.len()), &mut bytes)?;
    Ok(EncodedChunk {
        bytes: Bytes::from(bytes),
        rows: times.len() as u32,
        points: columns.iter().map(|c| (c.len() - c.nulls()) as u64).sum(),
        first: *first,
        last: *last,
    })
}

fn slice_column(column: &Column, rows: std::ops::Range<usize>) -> Column {
    let mut out = Column::empty(column.values.field_type());
    out.extend_from(column, rows);
    out
}

/// Encodes one series: merges what overlaps, applies deletions and duplicates, and passes chunks
/// that stand alone and are at least half full through as they are, unless they are to be cold.
///
/// # Errors
/// When a part does not decode.
pub fn encode_series(
    key: Arc<SeriesKey>,
    parts: Vec<Part>,
    schema: &TableSchema,
    coding: Coding,
) -> Result<EncodedSeries> {
    let types: Vec<FieldType> = schema.fields.iter().map(|f| f.ty).collect();
    let mut groups: Vec<EncodedGroup> = Vec::new();
    for component in components(parts, schema.duplicates) {
        let same_fields = component.windows(2).all(|pair| pair[0].fields == pair[1].fields);
        let rounds =
            if same_fields { rounds(component, coding) } else { vec![Round::Merge(component)] };
        for round in rounds {
            match round {
                Round::Pass(part, chunk) => {
                    let chunk = passed_through(&part, &chunk)?;
                    push(&mut groups, &part.fields, vec![chunk]);
                }
                Round::Merge(mut parts) => {
                    parts.sort_by_key(|part| part.order);
                    for group in merge_groups(&parts, schema.duplicates, &types)? {
                        let chunks = encode_rows(&group.rows.times, &group.rows.columns, coding)?;
                        push(&mut groups, &group.fields.into(), chunks);
                    }
                }
            }
        }
    }
    Ok(EncodedSeries { key, groups })
}

fn push(groups: &mut Vec<EncodedGroup>, fields: &Arc<[usize]>, mut chunks: Vec<EncodedChunk>) {
    match groups.iter_mut().find(|group| group.fields == *fields) {
        Some(group) => group.chunks.append(&mut chunks),
        None => groups.push(EncodedGroup { fields: Arc::clone(fields), chunks }),
    }
}

/// Splits parts into sets that can be rewritten apart: by field set where all rows count, by
/// connected field sets where the last write of a field wins.
fn components(parts: Vec<Part>, duplicates: Duplicates) -> Vec<Vec<Part>> {
    let mut sets: Vec<(Vec<usize>, Vec<Part>)> = Vec::new();
    for part in parts {
        let joins = |fields: &[usize]| match duplicates {
            Duplicates::Keep => *fields == *part.fields,
            Duplicates::Last => {
                *fields == *part.fields || fields.iter().any(|f| part.column_of(*f).is_some())
            }
        };
        let mut fields = part.fields.to_vec();
        let mut members = Vec::new();
        let (joined, apart): (Vec<_>, Vec<_>) = sets.into_iter().partition(|(f, _)| joins(f));
        sets = apart;
        for (other_fields, mut others) in joined {
            fields.extend(other_fields);
            members.append(&mut others);
        }
        members.push(part);
        fields.sort_unstable();
        fields.dedup();
        sets.push((fields, members));
    }
    sets.into_iter().map(|(_, members)| members).collect()
}

enum Round {
    Pass(Part, Chunk),
    Merge(Vec<Part>),
}

/// Orders parts of one field set in time and decides which are merged together: those that
/// overlap always, small neighbours up to [`MERGE_ROWS`].
fn rounds(mut parts: Vec<Part>, coding: Coding) -> Vec<Round> {
    let span = |part: &Part| part.data.span().unwrap_or((i64::MAX, i64::MAX));
    parts.retain(|part| part.data.rows() > 0);
    parts.sort_by_key(|part| (span(part).0, part.order));
    let mut clusters: Vec<(i64, Vec<Part>)> = Vec::new();
    for part in parts {
        let (first, last) = span(&part);
        match clusters.last_mut() {
            Some((end, cluster)) if first <= *end => {
                *end = last.max(*end);
                cluster.push(part);
            }
            _ => clusters.push((last, vec![part])),
        }
    }
    let (mut rounds, mut pending, mut pending_rows) = (Vec::new(), Vec::new(), 0);
    for (_, mut cluster) in clusters {
        if let [part] = cluster.as_slice()
            && let Some(chunk) = full_and_whole(part, coding)
        {
            if !pending.is_empty() {
                rounds.push(Round::Merge(std::mem::take(&mut pending)));
                pending_rows = 0;
            }
            rounds.extend(cluster.pop().map(|part| Round::Pass(part, chunk)));
            continue;
        }
        pending_rows += cluster.iter().map(|part| part.data.rows()).sum::<usize>();
        pending.append(&mut cluster);
        if pending_rows >= MERGE_ROWS {
            rounds.push(Round::Merge(std::mem::take(&mut pending)));
            pending_rows = 0;
        }
    }
    if !pending.is_empty() {
        rounds.push(Round::Merge(pending));
    }
    rounds
}

fn full_and_whole(part: &Part, coding: Coding) -> Option<Chunk> {
    let (first, last) = part.data.span()?;
    match &part.data {
        PartData::Encoded(chunk)
            if chunk.rows() >= CHUNK_ROWS / 2
                && !coding.is_cold(last)
                && !part.deleted.iter().any(|range| range.overlaps(first, last)) =>
        {
            Some(chunk.clone())
        }
        _ => None,
    }
}

fn passed_through(part: &Part, chunk: &Chunk) -> Result<EncodedChunk> {
    let (first, last) =
        part.data.span().ok_or_else(|| Error::Internal("a chunk without rows".to_owned()))?;
    let mut points = 0;
    for column in 0..chunk.columns() {
        points += part.data.total(column)?.map_or(0, |stats| stats.count());
    }
    Ok(EncodedChunk {
        bytes: chunk.bytes().clone(),
        rows: chunk.rows() as u32,
        points,
        first,
        last,
    })
}
