//! Folding the units of one series into states.

use std::ops::Range;

use super::Accumulator;
use super::buckets::Ascending;
use super::plan::{RowMap, Source};
use super::states::InputStates;
use super::units::{Class, Unit, pieces};
use crate::chunk::{Ends, IntStats, Part, PartData, Stats};
use crate::codec::EvenTimes;
use crate::error::{Error, Result};
use crate::kernels::filter::Verdict;
use crate::kernels::guard::{Guard, Hold};
use crate::kernels::merge::{Rows, all_live, assemble, blocks_in, column_of, live_rows, load};
use crate::model::{Column, Duplicates, FieldType, TimeRange, Timestamp, Values};

/// What the folding of a class works on.
pub(super) struct Work<'a> {
    pub(super) parts: &'a [Part],
    pub(super) class: &'a Class,
    pub(super) range: TimeRange,
    pub(super) duplicates: Duplicates,
    /// The fields that rows have, where rows count: ids, ascending, with their types.
    pub(super) wanted: &'a [(usize, FieldType)],
    pub(super) map: Option<&'a dyn RowMap>,
    pub(super) guard: &'a dyn Guard,
}

impl Work<'_> {
    /// Whether rows without any value of the fields wanted are left out: where duplicates replace,
    /// which of them there are depends on which writes were merged.
    fn points_only(&self, counts_rows: bool) -> bool {
        self.duplicates == Duplicates::Last && !counts_rows && !self.wanted.is_empty()
    }
}

/// Memory that is used again for every block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    times: Vec<Timestamp>,
    columns: Vec<Column>,
    numbers: Vec<i64>,
    cuts: Vec<Cut>,
}

/// Rows of one bucket, of which there is one at least.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) slot: usize,
    pub(super) bucket: i64,
    pub(super) rows: Range<usize>,
}

impl Accumulator {
    pub(super) fn fold_units(&mut self, work: &Work<'_>, units: &[Unit]) -> Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        if scratch.columns.is_empty() {
            scratch.columns = self.plan.inputs.iter().map(|f| Column::empty(f.ty)).collect();
        }
        for unit in units {
            work.guard.poll()?;
            match unit {
                Unit::Block { part, block } => {
                    self.fold_block(work, *part, *block, &mut scratch)?;
                }
                Unit::Cluster(blocks) => self.fold_merged(work, blocks)?,
            }
            self.settle(work.guard)?;
        }
        self.scratch = scratch;
        Ok(())
    }

    fn fold_block(
        &mut self,
        work: &Work<'_>,
        at: usize,
        block: usize,
        scratch: &mut Scratch,
    ) -> Result<()> {
        if work.class.of_rows {
            match self.verdict(work, at, block)? {
                Verdict::None => return Ok(()),
                Verdict::All => {}
                Verdict::Some => return self.fold_block_rows(work, at, block),
            }
        }
        let part = &work.parts[at];
        let (data, rows) = (&part.data, part.data.block_rows(block).len());
        let span = data.block_span(block);
        let bucket = self.bucketing.of(span.0);
        // What is not encoded yet may hold a time twice.
        let unresolved = work.duplicates == Duplicates::Last && matches!(data, PartData::Plain(_));
        let whole =
            !unresolved && bucket == self.bucketing.of(span.1) && all_live(part, work.range, span);
        scratch.times.clear();
        scratch.cuts.clear();
        let mut even = None;
        if whole {
            let slot = self.slot(bucket);
            scratch.cuts.push(Cut { slot, bucket, rows: 0..rows });
        } else {
            let deleted = part.deleted.iter().any(|range| range.overlaps(span.0, span.1));
            even = data.even_times(block).filter(|_| !deleted);
            if let Some(even) = &even {
                let from = even.before(work.range.start);
                let to = work.range.end.map_or(rows, |end| even.before(end));
                self.cut(even, from..to, &mut scratch.cuts);
            } else {
                decode_times(data, block, rows, &mut scratch.times)?;
                if unresolved && scratch.times.array_windows().any(|[a, b]| a == b) {
                    return self.fold_merged(work, &[(at, block..block + 1)]);
                }
                for live in live_rows(&scratch.times, work.range, &part.deleted) {
                    self.cut(scratch.times.as_slice(), live, &mut scratch.cuts);
                }
            }
            if scratch.cuts.is_empty() {
                return Ok(());
            }
        }
        if work.class.of_rows {
            for cut in &scratch.cuts {
                self.rows[cut.slot] += cut.rows.len() as u64;
            }
        }
        for &input in &work.class.inputs {
            let plan = &self.plan.inputs[input];
            let (ty, needs) = (plan.ty, plan.needs);
            let states = &mut self.inputs[input];
            if plan.source == Source::Time {
                let times = BlockTimes { span, even };
                times.fold(states, data, block, scratch)?;
                continue;
            }
            let Source::Field(field) = plan.source else { continue };
            let Some(column) = column_of(part, field, ty)? else { continue };
            if whole
                && states.in_statistics()
                && let Some(stored) = data.stats(column, block)
            {
                if let (Some(stats), [cut]) = (stored, scratch.cuts.as_slice()) {
                    states.take_stats(cut.slot, stats)?;
                }
                continue;
            }
            if (needs.ends || needs.course) && scratch.times.is_empty() {
                decode_times(data, block, rows, &mut scratch.times)?;
            }
            if states.counts_only() && data.is_dense(column) {
                for Cut { slot, rows, .. } in &scratch.cuts {
                    states.take_count(*slot, rows.len());
                }
                continue;
            }
            if ty == FieldType::F64 && states.in_numbers() {
                scratch.numbers.resize(scratch.numbers.len().max(rows), 0);
                let numbers = &mut scratch.numbers[..rows];
                if let Some(exponent) = data.fill_numbers(column, block, numbers)? {
                    states.take_numbers(&scratch.cuts, &scratch.times, numbers, exponent);
                    continue;
                }
            }
            let values = &mut scratch.columns[input];
            values.clear();
            data.decode_column(column, block, values)?;
            if values.len() != rows {
                return Err(ragged(rows, values.len()));
            }
            for Cut { slot, bucket, rows } in &scratch.cuts {
                states.take_rows((*slot, *bucket), &scratch.times, values, rows.clone());
            }
        }
        Ok(())
    }

    /// What is known of the rows of a block that stands alone: [`Verdict::All`] only where it can be
    /// folded field by field.
    fn verdict(&self, work: &Work<'_>, at: usize, block: usize) -> Result<Verdict> {
        let part = &work.parts[at];
        let mut verdict = Verdict::All;
        if let Some(map) = work.map.filter(|map| map.filters()) {
            let mut columns = Vec::with_capacity(map.fields().len());
            for &(field, ty) in work.wanted {
                if map.fields().contains(&field) {
                    columns.push((field, column_of(part, field, ty)?));
                }
            }
            let statistics = |field: usize| {
                let column = columns.iter().find(|(id, _)| *id == field)?.1?;
                part.data.stats(column, block)
            };
            let rows = part.data.block_rows(block).len();
            verdict = map.verdict(part.data.block_span(block), rows, &statistics);
            // Of a condition on no field a row may pass that has no point.
            if map.fields().is_empty() && work.points_only(self.plan.rows) {
                verdict = if verdict == Verdict::None { verdict } else { Verdict::Some };
            }
        } else if work.points_only(self.plan.rows) {
            verdict = Verdict::Some;
        }
        let mapped = |&input: &usize| matches!(self.plan.inputs[input].source, Source::Mapped(_));
        if !self.plan.pairs.is_empty() || work.class.inputs.iter().any(mapped) {
            verdict = if verdict == Verdict::None { verdict } else { Verdict::Some };
        }
        Ok(verdict)
    }

    /// Decodes a block that stands alone to rows.
    fn fold_block_rows(&mut self, work: &Work<'_>, at: usize, block: usize) -> Result<()> {
        let mut hold = Hold::new(work.guard);
        let part = (at, &work.parts[at]);
        let blocks = block..block + 1;
        let Some(run) = load(part, blocks, work.range, work.wanted, &mut hold, work.guard)? else {
            return Ok(());
        };
        let types: Vec<FieldType> = work.wanted.iter().map(|&(_, ty)| ty).collect();
        let rows = assemble(work.parts, vec![run], &types, work.duplicates)?;
        self.fold_rows(work, rows)
    }

    /// Merges blocks whose spans touch, in pieces of time, and folds the rows.
    fn fold_merged(&mut self, work: &Work<'_>, blocks: &[(usize, Range<usize>)]) -> Result<()> {
        let of_class = |&input: &usize| match self.plan.inputs[input].source {
            Source::Field(field) => Some((field, self.plan.inputs[input].ty)),
            Source::Time | Source::Mapped(_) => None,
        };
        let own: Vec<(usize, FieldType)> = work.class.inputs.iter().filter_map(of_class).collect();
        let wanted = if work.class.of_rows { work.wanted } else { &own };
        let types: Vec<FieldType> = wanted.iter().map(|&(_, ty)| ty).collect();
        for piece in pieces(work.parts, blocks, work.range) {
            let mut hold = Hold::new(work.guard);
            let mut runs = Vec::with_capacity(blocks.len());
            for (at, blocks) in blocks {
                let part = (*at, &work.parts[*at]);
                let inside = blocks_in(&part.1.data, piece);
                let blocks = blocks.start.max(inside.start)..blocks.end.min(inside.end);
                runs.extend(load(part, blocks, piece, wanted, &mut hold, work.guard)?);
            }
            let rows = assemble(work.parts, runs, &types, work.duplicates)?;
            if work.class.of_rows {
                self.fold_rows(work, rows)?;
            } else {
                let mut cuts = Vec::new();
                self.cut(rows.times.as_slice(), 0..rows.times.len(), &mut cuts);
                for (&input, column) in work.class.inputs.iter().zip(&rows.columns) {
                    self.take_column(input, &rows.times, column, &cuts);
                }
            }
            self.settle(work.guard)?;
        }
        Ok(())
    }

    /// Takes in rows that have the fields wanted.
    fn fold_rows(&mut self, work: &Work<'_>, mut rows: Rows) -> Result<()> {
        if work.points_only(self.plan.rows) {
            rows = rows.with_points();
        }
        let fields: Vec<usize> = work.wanted.iter().map(|&(field, _)| field).collect();
        let mut computed = Vec::new();
        if let Some(map) = work.map {
            (rows, computed) = map.apply(rows, &fields)?;
        }
        let count = rows.times.len();
        if let Some(column) = rows.columns.iter().chain(&computed).find(|c| c.len() != count) {
            return Err(ragged(count, column.len()));
        }
        let mut cuts = Vec::new();
        self.cut(rows.times.as_slice(), 0..count, &mut cuts);
        for cut in &cuts {
            self.rows[cut.slot] += cut.rows.len() as u64;
        }
        let times = self.plan.of_time().then(|| Column::new(Values::I64(rows.times.clone())));
        let column = |source: Source| match source {
            Source::Time => times.as_ref(),
            Source::Field(field) => {
                fields.binary_search(&field).ok().and_then(|at| rows.columns.get(at))
            }
            Source::Mapped(at) => computed.get(at),
        };
        let missing = || Error::Internal("a column of rows that was not asked for".to_owned());
        for &input in &work.class.inputs {
            let column = column(self.plan.inputs[input].source).ok_or_else(missing)?;
            if column.values.field_type() != self.inputs[input].ty() {
                return Err(Error::Internal("an input of another type".to_owned()));
            }
            self.take_column(input, &rows.times, column, &cuts);
        }
        for (states, plan) in self.pairs.iter_mut().zip(&self.plan.pairs) {
            let [a, b] = plan.sources.map(column);
            let pair = [a.ok_or_else(missing)?, b.ok_or_else(missing)?];
            for cut in &cuts {
                states.take_rows(cut.slot, &rows.times, pair, cut.rows.clone());
            }
        }
        Ok(())
    }

    fn take_column(&mut self, input: usize, times: &[Timestamp], column: &Column, cuts: &[Cut]) {
        for Cut { slot, bucket, rows } in cuts {
            self.inputs[input].take_rows((*slot, *bucket), times, column, rows.clone());
        }
    }

    /// Appends `rows` of the ascending `times` cut where the bucket changes.
    fn cut<T: Ascending + ?Sized>(&mut self, times: &T, rows: Range<usize>, cuts: &mut Vec<Cut>) {
        let bucketing = std::mem::replace(&mut self.bucketing, super::Bucketing::all());
        bucketing.cut(times, rows, |bucket, rows| {
            cuts.push(Cut { slot: self.slot(bucket), bucket, rows });
        });
        self.bucketing = bucketing;
    }
}

/// The times of a block that is cut.
struct BlockTimes {
    span: (Timestamp, Timestamp),
    even: Option<EvenTimes>,
}

impl BlockTimes {
    /// Takes them in as values: mostly the ends of each cut tell all that is needed.
    fn fold(
        &self,
        states: &mut InputStates,
        data: &PartData,
        block: usize,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let count = data.block_rows(block).len();
        let ends = |rows: &Range<usize>| match (&self.even, scratch.times.as_slice()) {
            (Some(even), _) => (even.at(rows.start), even.at(rows.end - 1)),
            // A block that is not cut need not be decoded.
            (None, []) => self.span,
            (None, times) => (times[rows.start], times[rows.end - 1]),
        };
        if states.in_ends() {
            for Cut { slot, rows, .. } in &scratch.cuts {
                let (first, last) = ends(rows);
                let ends = Ends { first, first_time: first, last, last_time: last };
                let (count, sum, m2) = (rows.len() as u64, 0, 0.0);
                let stats = IntStats { count, min: first, max: last, sum, m2, ends };
                states.take_stats(*slot, Stats::I64(stats))?;
            }
            return Ok(());
        }
        if scratch.times.is_empty() {
            decode_times(data, block, count, &mut scratch.times)?;
        }
        let column = Column::new(Values::I64(scratch.times.clone()));
        for Cut { slot, bucket, rows } in &scratch.cuts {
            states.take_rows((*slot, *bucket), &scratch.times, &column, rows.clone());
        }
        Ok(())
    }
}

fn decode_times(
    data: &PartData,
    block: usize,
    rows: usize,
    times: &mut Vec<Timestamp>,
) -> Result<()> {
    data.decode_times(block, times)?;
    if times.len() == rows { Ok(()) } else { Err(ragged(rows, times.len())) }
}

fn ragged(rows: usize, found: usize) -> Error {
    Error::corrupt(format!("a block of {rows} rows decodes to {found}"))
}
