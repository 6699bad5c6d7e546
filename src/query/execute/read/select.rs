//! Which rows of a series a read gives, without a value decoded that does not tell.

use std::ops::Range;

use super::Reader;
use crate::chunk::{BLOCK_ROWS, Chunk, Part, PartData};
use crate::error::{Error, Result};
use crate::kernels::filter::Verdict;
use crate::kernels::merge::{all_live, blocks_in, column_of, live_rows};
use crate::kernels::{Guard, Rows};
use crate::model::{Column, SeriesKey, TimeRange, Timestamp};
use crate::query::SeriesRef;
use crate::query::predicate::Predicate;

/// The rows of one series.
pub(in crate::query::execute) enum Found {
    /// In the blocks of chunks that follow each other in time.
    Blocks {
        /// The chunks, each with the place of every wanted field.
        chunks: Vec<(Chunk, Vec<Option<usize>>)>,
        /// In the order of time.
        picks: Vec<Pick>,
        /// How many in all.
        rows: usize,
    },
    /// Merged.
    Rows(Rows),
}

/// Some rows of a block.
pub(in crate::query::execute) struct Pick {
    pub(super) chunk: u32,
    pub(super) block: u32,
    pub(super) rows: Choice,
}

impl Pick {
    /// Whether it is one row, the last of its block.
    pub(super) fn is_last_of(&self, chunk: &Chunk) -> bool {
        let rows = chunk.block_rows(self.block as usize).len();
        matches!(&self.rows, Choice::Range(own) if own.len() == 1 && usize::from(own.end) == rows)
    }
}

/// Rows, counted from the first of a block; ascending.
pub(in crate::query::execute) enum Choice {
    Range(Range<u16>),
    List(Vec<u16>),
}

impl Choice {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::List(list) => list.len(),
        }
    }

    fn truncate(&mut self, rows: usize) {
        match self {
            Self::Range(range) => {
                range.end = range.end.min(range.start.saturating_add(rows as u16))
            }
            Self::List(list) => list.truncate(rows),
        }
    }
}

impl Found {
    /// How many rows there are.
    pub(in crate::query::execute) fn rows(&self) -> usize {
        match self {
            Self::Blocks { rows, .. } => *rows,
            Self::Rows(rows) => rows.times.len(),
        }
    }

    /// Keeps the first `limit` rows.
    pub(super) fn truncate(&mut self, limit: usize) {
        match self {
            Self::Blocks { picks, rows, .. } if *rows > limit => {
                let mut missing = limit;
                picks.retain_mut(|pick| {
                    if pick.rows.len() > missing {
                        pick.rows.truncate(missing);
                    }
                    missing -= pick.rows.len();
                    pick.rows.len() > 0
                });
                *rows = limit;
            }
            Self::Rows(rows) if rows.times.len() > limit => {
                rows.times.truncate(limit);
                for column in &mut rows.columns {
                    let mut kept = Column::empty(column.values.field_type());
                    kept.extend_from(column, 0..limit);
                    *column = kept;
                }
            }
            _ => {}
        }
    }
}

/// What is reused from block to block.
#[derive(Default)]
struct Scratch {
    times: Vec<Timestamp>,
    keep: Vec<bool>,
    within: Vec<bool>,
}

impl Reader<'_> {
    /// At least the first `wanted` rows of a series, and all when there are fewer.
    pub(super) fn find(
        &self,
        series: &SeriesRef,
        range: TimeRange,
        wanted: usize,
    ) -> Result<Found> {
        let parts = self.parts(series, range)?;
        match self.chunks(&parts)? {
            Some(chunks) => self.pick(&chunks, &series.key, range, wanted),
            None => Ok(Found::Rows(self.rows(&parts, &series.key, range, wanted)?)),
        }
    }

    /// The latest row of a series with its time, where it is the last of a block and no other part
    /// has a say in it; not for readers that leave rows out.
    pub(in crate::query::execute) fn last_of_block(
        &self,
        parts: &[Part],
        range: TimeRange,
    ) -> Result<Option<(Timestamp, Found)>> {
        let Some(chunks) = self.chunks(parts)? else { return Ok(None) };
        let Some((part, chunk, columns)) = chunks.into_iter().next_back() else { return Ok(None) };
        let Some(block) = blocks_in(&part.data, range).next_back() else { return Ok(None) };
        let (_, end) = chunk.block_span(block);
        if !range.contains(end) || part.deleted.iter().any(|deleted| deleted.contains(end)) {
            return Ok(None);
        }
        let rows = chunk.block_rows(block).len() as u16;
        let pick = Pick { chunk: 0, block: block as u32, rows: Choice::Range(rows - 1..rows) };
        let chunks = vec![(chunk.clone(), columns)];
        Ok(Some((end, Found::Blocks { chunks, picks: vec![pick], rows: 1 })))
    }

    /// The parts that hold rows asked for, by time, where none of their rows meet: chunks that
    /// follow each other, without rows that are to be left out for having no point.
    fn chunks<'p>(&self, parts: &'p [Part]) -> Result<Option<Vec<OwnPart<'p>>>> {
        let mut chunks = Vec::with_capacity(parts.len());
        for part in parts {
            let named = self.every_row || self.fields.is_empty() || {
                self.fields.iter().any(|&field| part.column_of(field).is_some())
                    || (part.fields.is_empty() && self.fields.len() == self.types.len())
            };
            if !named {
                continue;
            }
            let PartData::Encoded(chunk) = &part.data else { return Ok(None) };
            let of = |&field: &usize| column_of(part, field, self.types[field]);
            let columns = self.fields.iter().map(of).collect::<Result<Vec<_>>>()?;
            let has_point = |column: &Option<usize>| column.is_some_and(|c| chunk.is_dense(c));
            if self.points_only && !columns.iter().any(has_point) {
                return Ok(None);
            }
            chunks.push((part, chunk, columns));
        }
        chunks.sort_by_key(|(_, chunk, _)| chunk.block_span(0).0);
        let end = |chunk: &Chunk| chunk.block_span(chunk.blocks() - 1).1;
        let apart = chunks.windows(2).all(|pair| end(pair[0].1) < pair[1].1.block_span(0).0);
        Ok(apart.then_some(chunks))
    }

    fn pick(
        &self,
        parts: &[OwnPart<'_>],
        key: &SeriesKey,
        range: TimeRange,
        wanted: usize,
    ) -> Result<Found> {
        let (mut chunks, mut picks, mut rows) = (Vec::new(), Vec::new(), 0);
        let mut scratch = Scratch::default();
        'parts: for own in parts {
            let before = picks.len();
            for block in blocks_in(&own.0.data, range) {
                if rows >= wanted {
                    break;
                }
                self.context.poll()?;
                let mut take = |choice: Choice| {
                    rows += choice.len();
                    picks.push(Pick {
                        chunk: chunks.len() as u32,
                        block: block as u32,
                        rows: choice,
                    });
                };
                self.pick_block(own, key, block, range, &mut scratch, &mut take)?;
            }
            if picks.len() > before {
                chunks.push((own.1.clone(), own.2.clone()));
            }
            if rows >= wanted {
                break 'parts;
            }
        }
        Ok(Found::Blocks { chunks, picks, rows })
    }

    fn pick_block(
        &self,
        (part, chunk, columns): &OwnPart<'_>,
        key: &SeriesKey,
        block: usize,
        range: TimeRange,
        scratch: &mut Scratch,
        take: &mut dyn FnMut(Choice),
    ) -> Result<()> {
        let rows = chunk.block_rows(block).len();
        let verdict = self.predicate.as_ref().map_or(Verdict::All, |predicate| {
            predicate.verdict(rows, |field| match self.column_at(columns, field) {
                Some(column) => chunk.stats(column, block),
                None => Some(None),
            })
        });
        if verdict == Verdict::None {
            return Ok(());
        }
        let span = chunk.block_span(block);
        let live = if all_live(part, range, span) {
            std::iter::once(0..rows).collect()
        } else {
            scratch.times.clear();
            chunk.decode_times(block, &mut scratch.times)?;
            live_rows(&scratch.times, range, &part.deleted)
        };
        let short = |rows: Range<usize>| rows.start as u16..rows.end as u16;
        let Some(predicate) = self.predicate.as_ref().filter(|_| verdict == Verdict::Some) else {
            live.into_iter().for_each(|rows| take(Choice::Range(short(rows))));
            return Ok(());
        };
        scratch.keep.clear();
        scratch.keep.resize(rows, false);
        live.into_iter().for_each(|rows| scratch.keep[rows].fill(true));
        for (field, test) in predicate.tests() {
            let column = self.column_at(columns, *field);
            test.retain(&part.data, column, block, &mut scratch.keep, &mut scratch.within)?;
        }
        let kept = self.apply_rest(predicate, (part, columns), key, block, scratch)?;
        match kept.len() {
            0 => {}
            all if all == rows => take(Choice::Range(0..rows as u16)),
            _ => take(Choice::List(kept)),
        }
        Ok(())
    }

    /// The rows of a block that are kept and pass what is no test.
    fn apply_rest(
        &self,
        predicate: &Predicate,
        (part, columns): (&Part, &[Option<usize>]),
        key: &SeriesKey,
        block: usize,
        scratch: &mut Scratch,
    ) -> Result<Vec<u16>> {
        let kept = positions(&scratch.keep);
        let Some(fields) = predicate.rest().filter(|_| !kept.is_empty()) else { return Ok(kept) };
        scratch.times.clear();
        part.data.decode_times(block, &mut scratch.times)?;
        let mut values = Vec::with_capacity(fields.len());
        for &field in fields {
            let Some(column) = self.column_at(columns, field) else { continue };
            let mut own = Column::empty(self.types[field]);
            part.data.decode_column(column, block, &mut own)?;
            if own.len() != scratch.keep.len() {
                return Err(Error::corrupt("a chunk's block has columns of unequal length"));
            }
            values.push((field, own));
        }
        let column =
            |field: usize| values.iter().find(|(own, _)| *own == field).map(|(_, column)| column);
        let kept = kept.into_iter().map(usize::from).collect();
        let kept = predicate.apply_rest(key, &scratch.times, &column, kept)?;
        Ok(kept.into_iter().map(|row| row as u16).collect())
    }

    /// Where a field that is read stands.
    fn column_at(&self, columns: &[Option<usize>], field: usize) -> Option<usize> {
        let at = self.fields.iter().position(|own| *own == field)?;
        columns.get(at).copied().flatten()
    }
}

/// A part, its chunk, and where each wanted field stands in it.
type OwnPart<'p> = (&'p Part, &'p Chunk, Vec<Option<usize>>);

/// The places of what is kept.
fn positions(keep: &[bool]) -> Vec<u16> {
    let mut found = Vec::with_capacity(BLOCK_ROWS);
    let (eights, rest) = keep.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        // Mostly none of them is.
        if eight.iter().fold(false, |any, keep| any | keep) {
            let own = eight.iter().enumerate().filter(|(_, keep)| **keep);
            found.extend(own.map(|(place, _)| (at * 8 + place) as u16));
        }
    }
    let start = eights.len() * 8;
    let own = rest.iter().enumerate().filter(|(_, keep)| **keep);
    found.extend(own.map(|(place, _)| (start + place) as u16));
    found.shrink_to_fit();
    found
}
