//! Series that share their times: their values stand in a matrix of time by series, with no time
//! decoded but of one of them.

use std::ops::Range;

use rayon::prelude::*;

use super::medians::{Doubles, Numbers, TILE};
use super::parts_of;
use crate::chunk::{BLOCK_ROWS, Chunk, Part, PartData};
use crate::codec::decimal_sum;
use crate::error::{Error, Result};
use crate::kernels::Guard;
use crate::kernels::guard::Hold;
use crate::kernels::merge::{all_live, column_of};
use crate::model::{Column, TimeRange, Values};
use crate::query::execute::Group;
use crate::query::{ChunkSource, QueryContext, SeriesRef};

/// Most series of a matrix: their parts are held while it is worked on.
const MOST_LANES: usize = 1 << 16;
/// Most values of a matrix, but for the times of one tile.
const CELLS: usize = 1 << 24;

/// One series.
struct Lane {
    node: usize,
    /// Its chunks by time, each with the column of the field.
    chunks: Vec<(Chunk, usize)>,
}

/// Rows of one block that are worked on together.
struct Piece {
    chunk: usize,
    block: usize,
    rows: Range<usize>,
}

/// The series of all nodes where they share their times.
pub(super) struct Aligned {
    lanes: Vec<Lane>,
    pieces: Vec<Piece>,
}

impl Aligned {
    /// `None` unless all series hold the field in chunks of the same times, whole and not deleted
    /// in `range`, no two rows at one time.
    pub(super) fn of(
        source: &dyn ChunkSource,
        nodes: &[Group],
        field: usize,
        range: TimeRange,
        context: &QueryContext,
    ) -> Result<Option<Self>> {
        let series: Vec<(usize, &SeriesRef)> = nodes
            .iter()
            .enumerate()
            .flat_map(|(at, node)| node.series.iter().map(move |one| (at, one)))
            .collect();
        if series.len() > MOST_LANES {
            return Ok(None);
        }
        let Some((first, rest)) = series.split_first() else { return Ok(None) };
        let lane = |one: &(usize, &SeriesRef)| -> Result<Option<Lane>> {
            context.poll()?;
            let parts = parts_of(source, one.1, range, &[field])?;
            let ty = source.schema().fields[field].ty;
            let mut chunks = Vec::with_capacity(parts.len());
            for part in &parts {
                match (whole(part, range), column_of(part, field, ty)?) {
                    (Some(chunk), Some(column)) => chunks.push((chunk.clone(), column)),
                    _ => return Ok(None),
                }
            }
            chunks.sort_by_key(|(chunk, _)| chunk.block_span(0).0);
            Ok(Some(Lane { node: one.0, chunks }))
        };
        let Some(model) = lane(first)? else { return Ok(None) };
        // What differs is mostly seen at once: not all series need be looked at before.
        let same = |lane: &Lane| {
            lane.chunks.len() == model.chunks.len()
                && lane.chunks.iter().zip(&model.chunks).all(|(a, b)| a.0.same_times(&b.0))
        };
        let mut lanes = Vec::with_capacity(series.len());
        for some in rest.chunks(1024) {
            let found = some.par_iter().map(lane).collect::<Result<Option<Vec<_>>>>()?;
            match found {
                Some(found) if found.par_iter().all(same) => lanes.extend(found),
                _ => return Ok(None),
            }
        }
        let each = (CELLS / series.len()).max(TILE) / TILE * TILE;
        let Some(pieces) = pieces(&model, range, each)? else { return Ok(None) };
        lanes.insert(0, model);
        Ok(Some(Self { lanes, pieces }))
    }

    /// The sum and the number of each node's distances from the median of all series.
    pub(super) fn scores(&self, nodes: usize, context: &QueryContext) -> Result<Vec<(f64, u64)>> {
        let mut lanes = vec![(0.0, 0); self.lanes.len()];
        for piece in &self.pieces {
            context.poll()?;
            if !self.add_numbers(piece, context, &mut lanes)? {
                self.add_doubles(piece, context, &mut lanes)?;
            }
        }
        let mut scores = vec![(0.0, 0); nodes];
        for (lane, (sum, count)) in self.lanes.iter().zip(lanes) {
            scores[lane.node].0 += sum;
            scores[lane.node].1 += count;
        }
        Ok(scores)
    }

    /// In whole numbers; false, and nothing done, where these are not such in all lanes, or too far
    /// apart.
    fn add_numbers(
        &self,
        piece: &Piece,
        context: &QueryContext,
        sums: &mut [(f64, u64)],
    ) -> Result<bool> {
        let ends = |lane: &Lane| {
            let (chunk, column) = &lane.chunks[piece.chunk];
            chunk.integer_ends(*column, piece.block)
        };
        let meet = |a: (u8, i64, i64), b: (u8, i64, i64)| {
            (a.0 == b.0).then(|| (a.0, a.1.min(b.1), a.2.max(b.2)))
        };
        let met = self.lanes.iter().map(ends).try_fold(None, |all, own| match (all, own) {
            (_, None) => None,
            (None, own) => Some(own),
            (Some(all), Some(own)) => meet(all, own).map(Some),
        });
        let Some(Some((exponent, least, most))) = met else { return Ok(false) };
        let Ok(most) = u16::try_from(most.abs_diff(least)) else { return Ok(false) };
        let stride = piece.rows.len();
        let mut hold = Hold::new(context);
        hold.grow(self.lanes.len() * (stride * size_of::<u16>() + size_of::<u64>()))?;
        let mut values = vec![0u16; self.lanes.len() * stride];
        let fill = |scratch: &mut Vec<i64>, (lane, out): (&Lane, &mut [u16])| -> Result<bool> {
            let (chunk, column) = &lane.chunks[piece.chunk];
            scratch.clear();
            if chunk.decode_integers(*column, piece.block, scratch)? != Some(exponent) {
                return Ok(false);
            }
            let own = scratch.get(piece.rows.clone()).ok_or_else(short)?;
            for (out, number) in out.iter_mut().zip(own) {
                *out = number.wrapping_sub(least) as u16;
            }
            if own.iter().any(|number| number.wrapping_sub(least) as u64 > u64::from(most)) {
                return Err(Error::corrupt("a chunk's block has values outside of its extremes"));
            }
            Ok(true)
        };
        let filled = self
            .lanes
            .par_iter()
            .zip(values.par_chunks_mut(stride))
            .map_init(|| Vec::with_capacity(BLOCK_ROWS), fill)
            .try_reduce(|| true, |a, b| Ok(a && b))?;
        if !filled {
            return Ok(false);
        }
        let numbers = Numbers { values: &values, stride, most };
        // Of whole numbers: the same whatever the order.
        let nothing = || vec![0u64; self.lanes.len()];
        let totals = tiles(stride)
            .into_par_iter()
            .fold(nothing, |mut totals, tile| {
                numbers.add_distances(tile, &mut totals);
                totals
            })
            .reduce(nothing, |mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
                a
            });
        for ((sum, count), total) in sums.iter_mut().zip(totals) {
            *sum += 0.5 * decimal_sum(total.into(), exponent);
            *count += stride as u64;
        }
        Ok(true)
    }

    fn add_doubles(
        &self,
        piece: &Piece,
        context: &QueryContext,
        sums: &mut [(f64, u64)],
    ) -> Result<()> {
        let stride = piece.rows.len();
        let mut hold = Hold::new(context);
        hold.grow(self.lanes.len() * stride * size_of::<f64>())?;
        let mut values = vec![0.0; self.lanes.len() * stride];
        self.lanes.par_iter().zip(values.par_chunks_mut(stride)).try_for_each(|(lane, out)| {
            let (chunk, column) = &lane.chunks[piece.chunk];
            let mut own = Column::empty(chunk.column_type(*column));
            chunk.decode_column(*column, piece.block, &mut own)?;
            if own.len() < piece.rows.end {
                return Err(short());
            }
            for (row, out) in piece.rows.clone().zip(out) {
                *out = match &own.values {
                    _ if !own.is_valid(row) => f64::NAN,
                    Values::F64(v) => v[row],
                    Values::I64(v) => v[row] as f64,
                    _ => f64::NAN,
                };
            }
            Ok(())
        })?;
        let doubles = Doubles { values: &values, stride };
        let tiles = tiles(stride);
        hold.grow(self.lanes.len() * tiles.len() * size_of::<(f64, u64)>())?;
        let of_tile = |tile: Range<usize>| {
            let mut own = vec![(0.0, 0); self.lanes.len()];
            doubles.add_distances(tile, &mut own);
            own
        };
        let found: Vec<Vec<(f64, u64)>> = tiles.into_par_iter().map(of_tile).collect();
        for own in found {
            for (sum, own) in sums.iter_mut().zip(own) {
                *sum = (sum.0 + own.0, sum.1 + own.1);
            }
        }
        Ok(())
    }
}

fn tiles(stride: usize) -> Vec<Range<usize>> {
    (0..stride).step_by(TILE).map(|start| start..stride.min(start + TILE)).collect()
}

fn short() -> Error {
    Error::corrupt("a chunk's block has columns of unequal length")
}

/// The chunk of a part none of whose rows in `range` is deleted.
fn whole(part: &Part, range: TimeRange) -> Option<&Chunk> {
    let PartData::Encoded(chunk) = &part.data else { return None };
    let (first, last) = part.data.span()?;
    let inside = range.intersect(&TimeRange::new(Some(first), last.checked_add(1)));
    let untouched = part.deleted.is_empty()
        || all_live(part, TimeRange::ALL, (inside.start, inside.end.map_or(last, |end| end - 1)));
    untouched.then_some(chunk)
}

/// The rows of a series in `range`, at most `each` in a piece; `None` when two are at one time.
fn pieces(model: &Lane, range: TimeRange, each: usize) -> Result<Option<Vec<Piece>>> {
    let mut pieces = Vec::new();
    let (mut before, mut times) = (None, Vec::new());
    for (at, (chunk, _)) in model.chunks.iter().enumerate() {
        for block in 0..chunk.blocks() {
            times.clear();
            chunk.decode_times(block, &mut times)?;
            let follows = times.first().is_none_or(|first| before.is_none_or(|b| b < *first));
            if !follows || !times.is_sorted_by(|a, b| a < b) {
                return Ok(None);
            }
            before = times.last().copied().or(before);
            let rows = range.rows(&times);
            for start in rows.clone().step_by(each) {
                let rows = start..rows.end.min(start + each);
                pieces.push(Piece { chunk: at, block, rows });
            }
        }
    }
    Ok(Some(pieces))
}
