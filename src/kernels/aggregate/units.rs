//! Which blocks are folded alone and which must be merged first.

use std::ops::Range;

use super::plan::{InputPlan, Source};
use crate::chunk::Part;
use crate::error::Result;
use crate::kernels::merge::{blocks_in, column_of};
use crate::model::{TimeRange, Timestamp};

/// Inputs that are walked together: fields that the same parts hold, or all that is of rows.
#[derive(Debug)]
pub(super) struct Class {
    /// Positions of the parts, ascending.
    pub(super) parts: Vec<usize>,
    /// Positions of the inputs in the plan.
    pub(super) inputs: Vec<usize>,
    /// Whether blocks whose spans touch are merged: where duplicates replace, where the order of
    /// points counts, and where a row has its fields from several parts.
    pub(super) merged: bool,
    /// Whether rows count: they are mapped, and pairs and rows are taken in.
    pub(super) of_rows: bool,
}

/// A piece of work.
#[derive(Debug)]
pub(super) enum Unit {
    /// A block whose points nothing else can replace.
    Block { part: usize, block: usize },
    /// Blocks whose spans touch.
    Cluster(Vec<(usize, Range<usize>)>),
}

/// The inputs at `positions` that are fields, by the parts that hold them and by whether their
/// points must come in the order of time.
pub(super) fn classes(
    parts: &[Part],
    inputs: &[InputPlan],
    positions: &[usize],
    replaced: bool,
) -> Result<Vec<Class>> {
    let mut classes: Vec<Class> = Vec::new();
    for &at in positions {
        let input = &inputs[at];
        let Source::Field(field) = input.source else { continue };
        let mut holders = Vec::new();
        for (position, part) in parts.iter().enumerate() {
            if column_of(part, field, input.ty)?.is_some() {
                holders.push(position);
            }
        }
        let merged = replaced || input.needs.course;
        match classes.iter_mut().find(|class| class.parts == holders && class.merged == merged) {
            Some(class) => class.inputs.push(at),
            None => {
                classes.push(Class { parts: holders, inputs: vec![at], merged, of_rows: false });
            }
        }
    }
    classes.retain(|class| !class.parts.is_empty());
    Ok(classes)
}

/// The work on the parts of a class: by time where spans that touch are merged, else by arrival.
pub(super) fn units(parts: &[Part], class: &Class, range: TimeRange) -> Vec<Unit> {
    let blocks = class
        .parts
        .iter()
        .flat_map(|&part| blocks_in(&parts[part].data, range).map(move |block| (part, block)));
    if !class.merged {
        return blocks.map(|(part, block)| Unit::Block { part, block }).collect();
    }
    let mut spans: Vec<Spanned> =
        blocks.map(|(part, block)| (parts[part].data.block_span(block), part, block)).collect();
    spans.sort_by_key(|(span, ..)| *span);
    let mut units = Vec::with_capacity(spans.len());
    let mut at = 0;
    while at < spans.len() {
        let (mut last, mut to) = (spans[at].0.1, at + 1);
        while to < spans.len() && spans[to].0.0 <= last {
            last = last.max(spans[to].0.1);
            to += 1;
        }
        units.push(match &spans[at..to] {
            [(_, part, block)] => Unit::Block { part: *part, block: *block },
            cluster => Unit::Cluster(ranges(cluster)),
        });
        at = to;
    }
    units
}

/// A block with its span: the part's position and the block's.
type Spanned = ((Timestamp, Timestamp), usize, usize);

/// The blocks of a cluster by part; those of one part are neighbours, for between two of them in
/// time no block of the part is left out.
fn ranges(cluster: &[Spanned]) -> Vec<(usize, Range<usize>)> {
    let mut blocks: Vec<(usize, usize)> = cluster.iter().map(|&(_, p, b)| (p, b)).collect();
    blocks.sort_unstable();
    let of_part = blocks.chunk_by(|a, b| a.0 == b.0);
    of_part.map(|own| (own[0].0, own[0].1..own[own.len() - 1].1 + 1)).collect()
}

/// Rows of a cluster that are merged at once, about.
const ROWS_AT_ONCE: usize = 1 << 16;

/// Cuts the time of a cluster so that not much more than [`ROWS_AT_ONCE`] rows lie in each piece,
/// where blocks are not all of one time.
pub(super) fn pieces(
    parts: &[Part],
    blocks: &[(usize, Range<usize>)],
    range: TimeRange,
) -> Vec<TimeRange> {
    let each = blocks.iter().flat_map(|(part, blocks)| blocks.clone().map(move |b| (*part, b)));
    let mut starts: Vec<(Timestamp, usize)> = each
        .map(|(part, block)| {
            let data = &parts[part].data;
            (data.block_span(block).0, data.block_rows(block).len())
        })
        .collect();
    starts.sort_unstable();
    let (mut pieces, mut from, mut rows) = (Vec::new(), None, 0);
    for (start, more) in starts {
        if rows >= ROWS_AT_ONCE && from.is_none_or(|from| from < start) {
            pieces.push(range.intersect(&TimeRange::new(from, Some(start))));
            (from, rows) = (Some(start), 0);
        }
        rows += more;
    }
    pieces.push(range.intersect(&TimeRange::new(from, None)));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
