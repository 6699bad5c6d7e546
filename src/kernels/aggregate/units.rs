//! Which blocks are folded alone and which must be merged first.

use std::ops::Range;

use crate::chunk::Part;
use crate::error::Result;
use crate::kernels::aggregate::FieldPlan;
use crate::kernels::merge::{blocks_in, column_of};
use crate::model::{Duplicates, TimeRange, Timestamp};

/// Fields that the same parts hold, so that their blocks can be walked together.
#[derive(Debug)]
pub(super) struct Class {
    /// Positions of the parts, ascending.
    pub(super) parts: Vec<usize>,
    /// Positions of the fields in the plan.
    pub(super) fields: Vec<usize>,
}

/// A piece of work.
#[derive(Debug)]
pub(super) enum Unit {
    /// A block whose points nothing else can replace.
    Block { part: usize, block: usize },
    /// Blocks of a table that keeps the last of duplicates, whose spans touch.
    Cluster(Vec<(usize, Range<usize>)>),
}

/// The fields of `plan` by the parts that hold them.
pub(super) fn classes(parts: &[Part], plan: &[FieldPlan]) -> Result<Vec<Class>> {
    let mut classes: Vec<Class> = Vec::new();
    for (at, field) in plan.iter().enumerate() {
        let mut holders = Vec::new();
        for (position, part) in parts.iter().enumerate() {
            if column_of(part, field.field, field.ty)?.is_some() {
                holders.push(position);
            }
        }
        match classes.iter_mut().find(|class| class.parts == holders) {
            Some(class) => class.fields.push(at),
            None => classes.push(Class { parts: holders, fields: vec![at] }),
        }
    }
    classes.retain(|class| !class.parts.is_empty());
    Ok(classes)
}

/// The work on the parts of a class: with [`Duplicates::Keep`] by arrival, with
/// [`Duplicates::Last`] by time.
pub(super) fn units(
    parts: &[Part],
    class: &Class,
    range: TimeRange,
    duplicates: Duplicates,
) -> Vec<Unit> {
    let blocks = class
        .parts
        .iter()
        .flat_map(|&part| blocks_in(&parts[part].data, range).map(move |block| (part, block)));
    if duplicates == Duplicates::Keep {
        return blocks.map(|(part, block)| Unit::Block { part, block }).collect();
    }
    let mut spans: Vec<((Timestamp, Timestamp), usize, usize)> =
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

/// The blocks of a cluster by part; those of one part are neighbours, for between two of them in
/// time no block of the part is left out.
fn ranges(cluster: &[((Timestamp, Timestamp), usize, usize)]) -> Vec<(usize, Range<usize>)> {
    let mut blocks: Vec<(usize, usize)> = cluster.iter().map(|&(_, p, b)| (p, b)).collect();
    blocks.sort_unstable();
    let of_part = blocks.chunk_by(|a, b| a.0 == b.0);
    of_part.map(|own| (own[0].0, own[0].1..own[own.len() - 1].1 + 1)).collect()
}
