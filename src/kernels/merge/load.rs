//! Reading the live rows of a part's blocks.

use std::ops::Range;

use crate::chunk::{Part, PartData};
use crate::error::{Error, Result};
use crate::kernels::guard::Hold;
use crate::model::{Column, FieldType, TimeRange, Timestamp};

/// The live rows of some neighbouring blocks of one part. Not empty when it comes from `load`.
#[derive(Debug)]
pub(crate) struct Run {
    /// The part's position among the parts being merged, which come by arrival.
    pub(crate) part: usize,
    /// Each row's time, ascending.
    pub(crate) times: Vec<Timestamp>,
    /// One slot a wanted field; `None` where the part lacks the field.
    pub(crate) columns: Vec<Option<Column>>,
}

/// The type of field `field`, of which `types` has one for every field of the table.
pub(crate) fn type_of(types: &[FieldType], field: usize) -> Result<FieldType> {
    types
        .get(field)
        .copied()
        .ok_or_else(|| Error::Internal(format!("field {field} of a table of {}", types.len())))
}

/// The part's column of field `field`, checked to be of type `ty`.
pub(crate) fn column_of(part: &Part, field: usize, ty: FieldType) -> Result<Option<usize>> {
    let Some(column) = part.column_of(field) else { return Ok(None) };
    let found = match &part.data {
        PartData::Encoded(chunk) => (column < chunk.columns()).then(|| chunk.column_type(column)),
        PartData::Plain(plain) => plain.columns.get(column).map(|c| c.values.field_type()),
    };
    if found == Some(ty) {
        return Ok(Some(column));
    }
    Err(Error::corrupt(format!(
        "column {column} of a chunk should hold field {field} as {} and holds {}",
        ty.name(),
        found.map_or("nothing", FieldType::name),
    )))
}

/// The blocks of `data` whose spans overlap `range`.
pub(crate) fn blocks_in(data: &PartData, range: TimeRange) -> Range<usize> {
    if range.is_empty() {
        return 0..0;
    }
    let first_where = |past: &dyn Fn((Timestamp, Timestamp)) -> bool| {
        let (mut low, mut high) = (0, data.blocks());
        while low < high {
            let middle = low + (high - low) / 2;
            if past(data.block_span(middle)) { high = middle } else { low = middle + 1 }
        }
        low
    };
    let from = first_where(&|(_, last)| last >= range.start);
    let to = match range.end {
        Some(end) => first_where(&|(first, _)| first >= end),
        None => data.blocks(),
    };
    from..to.max(from)
}

/// Whether no row of the inclusive span is outside `range` or deleted.
pub(crate) fn all_live(part: &Part, range: TimeRange, span: (Timestamp, Timestamp)) -> bool {
    range.covers(span.0, span.1) && !part.deleted.iter().any(|d| d.overlaps(span.0, span.1))
}

/// The rows of the ascending `times` that lie in `range` and are not deleted, as ascending,
/// disjoint, non-empty ranges.
pub(crate) fn live_rows(
    times: &[Timestamp],
    range: TimeRange,
    deleted: &[TimeRange],
) -> Vec<Range<usize>> {
    let all = range.rows(times);
    let mut holes: Vec<Range<usize>> =
        deleted.iter().map(|d| d.rows(times)).filter(|h| !h.is_empty()).collect();
    holes.sort_unstable_by_key(|h| h.start);
    let mut live = Vec::with_capacity(holes.len() + 1);
    let mut at = all.start;
    for hole in holes {
        if at < hole.start.min(all.end) {
            live.push(at..hole.start.min(all.end));
        }
        at = at.max(hole.end);
    }
    if at < all.end {
        live.push(at..all.end);
    }
    live
}

/// Reads the live rows of `blocks` of `part`, `None` when there are none. `wanted` are field ids
/// with their types.
pub(crate) fn load(
    part: (usize, &Part),
    blocks: Range<usize>,
    range: TimeRange,
    wanted: &[(usize, FieldType)],
    hold: &mut Hold<'_>,
    guard: &dyn crate::kernels::Guard,
) -> Result<Option<Run>> {
    let (position, part) = part;
    let data = &part.data;
    let sources =
        wanted.iter().map(|&(field, ty)| column_of(part, field, ty)).collect::<Result<Vec<_>>>()?;
    let mut columns: Vec<Option<Column>> = sources
        .iter()
        .zip(wanted)
        .map(|(source, &(_, ty))| source.map(|_| Column::empty(ty)))
        .collect();
    let mut held = 0;
    let mut times = Vec::new();
    let mut scratch: Vec<Timestamp> = Vec::new();
    for block in blocks {
        guard.poll()?;
        let span = data.block_span(block);
        if !range.overlaps(span.0, span.1) {
            continue;
        }
        if all_live(part, range, span) {
            data.decode_times(block, &mut times)?;
            for (source, column) in sources.iter().zip(&mut columns) {
                if let (Some(source), Some(column)) = (source, column) {
                    data.decode_column(*source, block, column)?;
                }
            }
        } else {
            scratch.clear();
            data.decode_times(block, &mut scratch)?;
            let live = live_rows(&scratch, range, &part.deleted);
            if live.is_empty() {
                continue;
            }
            live.iter().for_each(|rows| times.extend_from_slice(&scratch[rows.clone()]));
            for (source, column) in sources.iter().zip(&mut columns) {
                if let (Some(source), Some(column)) = (source, column) {
                    let mut whole = Column::empty(column.values.field_type());
                    data.decode_column(*source, block, &mut whole)?;
                    live.iter().for_each(|rows| column.extend_from(&whole, rows.clone()));
                }
            }
        }
        if columns.iter().flatten().any(|c| c.len() != times.len()) {
            return Err(Error::corrupt("a chunk's block has columns of unequal length"));
        }
        let memory = times.len() * 8 + columns.iter().flatten().map(Column::memory).sum::<usize>();
        hold.grow(memory - held)?;
        held = memory;
    }
    Ok((!times.is_empty()).then_some(Run { part: position, times, columns }))
}
