//! Aggregates of a series' fields by bucket of time.
//!
//! A block that lies whole inside a bucket and the range, with no row deleted and none that
//! another part could replace, counts by its stored statistics; every other block is decoded and
//! cut where the bucket changes. Decimals are decoded to the integers that they are stored as, and
//! no further: those are summed exactly, and one double is made of the result.

mod buckets;
mod output;
mod states;
#[cfg(test)]
mod tests;
mod units;

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

pub(crate) use buckets::Bucketing;
use buckets::Slots;
use states::FieldStates;
use units::{Class, Unit, classes, units};

use super::guard::{Guard, Hold};
use super::merge::{all_live, assemble, blocks_in, column_of, live_rows, load};
use super::{Function, Needs};
use crate::chunk::{Part, PartData, Stats};
use crate::error::{Error, Result};
use crate::model::{Column, Duplicates, FieldType, TimeRange, Timestamp};

/// A field to aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldPlan {
    /// Its id.
    pub field: usize,
    /// Its type.
    pub ty: FieldType,
    /// What has to be computed of its points.
    pub needs: Needs,
}

/// Units that one thread takes at a time; fixed, so that a sum does not depend on the threads.
const UNITS_AT_ONCE: usize = 256;

/// The aggregates of some fields, by bucket. Runs are taken in by arrival, which decides between
/// points of one time for first and last.
#[derive(Debug)]
pub struct Accumulator {
    plan: Arc<[FieldPlan]>,
    bucketing: Bucketing,
    slots: Slots,
    fields: Vec<FieldStates>,
    values: usize,
    charged: usize,
}

/// Memory that is used again for every block.
#[derive(Default)]
struct Scratch {
    times: Vec<Timestamp>,
    columns: Vec<Column>,
    numbers: Vec<i64>,
    cuts: Vec<(usize, Range<usize>)>,
}

impl Accumulator {
    /// Without points. `every`: the length of a bucket in nanoseconds, aligned to the epoch; `None`
    /// for one bucket.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `every` is not positive.
    pub fn new(plan: Arc<[FieldPlan]>, every: Option<i64>) -> Result<Self> {
        if let Some(every) = every.filter(|&every| every <= 0) {
            return Err(Error::invalid(format!(
                "every must be a positive duration, got {every} ns; None takes all time at once"
            )));
        }
        Ok(Self::empty(plan, Bucketing { every }))
    }

    fn empty(plan: Arc<[FieldPlan]>, bucketing: Bucketing) -> Self {
        let fields = plan.iter().map(|f| FieldStates::new(f.ty, f.needs)).collect();
        Self { plan, bucketing, slots: Slots::default(), fields, values: 0, charged: 0 }
    }

    /// Takes in the points of one series in `range`. `parts` come by arrival.
    ///
    /// With [`Duplicates::Last`] an encoded chunk must hold no time twice.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a block does not decode, and as the guard decides.
    pub fn fold_series(
        &mut self,
        parts: &[Part],
        range: TimeRange,
        duplicates: Duplicates,
        guard: &dyn Guard,
    ) -> Result<()> {
        self.reserve(parts, range);
        for class in classes(parts, &self.plan)? {
            let units = units(parts, &class, range, duplicates);
            let work = Work { parts, class: &class, range, duplicates, guard };
            if units.len() <= UNITS_AT_ONCE {
                self.fold_units(&work, &units)?;
                continue;
            }
            let folded = units
                .par_chunks(UNITS_AT_ONCE)
                .map(|units| {
                    let mut own = Self::empty(Arc::clone(&self.plan), self.bucketing);
                    own.fold_units(&work, units)?;
                    Ok(own)
                })
                .collect::<Result<Vec<_>>>()?;
            for own in folded {
                self.merge(own, guard)?;
            }
        }
        Ok(())
    }

    /// Takes in what another accumulator of the same plan holds, which arrived later.
    ///
    /// # Errors
    /// As the guard decides.
    pub fn merge(&mut self, mut other: Self, guard: &dyn Guard) -> Result<()> {
        if let (Some(&low), Some(&high)) =
            (other.slots.buckets.iter().min(), other.slots.buckets.iter().max())
        {
            self.slots.reserve(low, high, other.slots.buckets.len() * 4);
        }
        let buckets = std::mem::take(&mut other.slots.buckets);
        for (from, bucket) in buckets.into_iter().enumerate() {
            let slot = self.slot(bucket);
            for (own, theirs) in self.fields.iter_mut().zip(&mut other.fields) {
                own.take_state(slot, theirs, from);
            }
        }
        self.values += other.values;
        self.charged += other.charged;
        self.settle(guard)
    }

    /// The starts of the buckets that have rows, ascending, and for each field and function asked
    /// a column of as many rows. Where `duplicates` replace, a bucket needs a point: which rows
    /// without one a series has there depends on which of its writes were merged.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a sum of integers does not fit, or a function does not work
    /// on its field.
    pub fn finish(
        mut self,
        asked: &[(usize, Function)],
        duplicates: Duplicates,
    ) -> Result<(Vec<Timestamp>, Vec<Column>)> {
        let mut order: Vec<usize> = (0..self.slots.buckets.len()).collect();
        if duplicates == Duplicates::Last {
            order.retain(|&slot| self.fields.iter().any(|field| field.has_points(slot)));
        }
        order.sort_unstable_by_key(|&slot| self.slots.buckets[slot]);
        let starts =
            order.iter().map(|&slot| self.bucketing.start(self.slots.buckets[slot])).collect();
        let columns = asked
            .iter()
            .map(|&(field, function)| self.fields[field].output(function, &order))
            .collect::<Result<_>>()?;
        Ok((starts, columns))
    }

    /// The statistics of the plan's field `field` in the one bucket of all time, `None` without
    /// points. They hold what the plan needs and [`Needs::STATISTICS`] asks for all of.
    pub fn statistics(&self, field: usize) -> Option<Stats> {
        (!self.slots.buckets.is_empty()).then(|| self.fields[field].stats(0)).flatten()
    }

    fn reserve(&mut self, parts: &[Part], range: TimeRange) {
        let spans = parts.iter().filter_map(|part| {
            let blocks = blocks_in(&part.data, range);
            let last = blocks.end.checked_sub(1).filter(|_| !blocks.is_empty())?;
            let first = part.data.block_span(blocks.start).0.max(range.start);
            let last = part.data.block_span(last).1;
            Some((first, range.end.map_or(last, |end| last.min(end - 1))))
        });
        let span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        if let Some((first, last)) = span.filter(|(first, last)| first <= last) {
            let rows = parts.iter().map(|part| part.data.rows()).sum();
            self.slots.reserve(self.bucketing.of(first), self.bucketing.of(last), rows);
        }
    }

    fn slot(&mut self, bucket: i64) -> usize {
        let (slot, new) = self.slots.slot(bucket);
        if new {
            self.fields.iter_mut().for_each(FieldStates::push_empty);
        }
        slot
    }

    /// Charges what was used since it was last asked.
    fn settle(&mut self, guard: &dyn Guard) -> Result<()> {
        let state: usize = self.fields.iter().map(FieldStates::state_bytes).sum();
        let used = self.slots.buckets.len() * (state + 12) + self.values * 8;
        match used.checked_sub(self.charged) {
            Some(more) => guard.charge(more)?,
            None => guard.release(self.charged - used),
        }
        self.charged = used;
        Ok(())
    }

    fn fold_units(&mut self, work: &Work<'_>, units: &[Unit]) -> Result<()> {
        let mut scratch = Scratch {
            columns: self.plan.iter().map(|f| Column::empty(f.ty)).collect(),
            ..Scratch::default()
        };
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
        Ok(())
    }

    fn fold_block(
        &mut self,
        work: &Work<'_>,
        at: usize,
        block: usize,
        scratch: &mut Scratch,
    ) -> Result<()> {
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
        if whole {
            let slot = self.slot(bucket);
            scratch.cuts.push((slot, 0..rows));
        } else {
            decode_times(data, block, rows, &mut scratch.times)?;
            if unresolved && scratch.times.array_windows().any(|[a, b]| a == b) {
                return self.fold_merged(work, &[(at, block..block + 1)]);
            }
            for live in live_rows(&scratch.times, work.range, &part.deleted) {
                let (slots, cuts) = (&mut *self, &mut scratch.cuts);
                let bucketing = slots.bucketing;
                bucketing.cut(&scratch.times, live, |b, rows| cuts.push((slots.slot(b), rows)));
            }
            if scratch.cuts.is_empty() {
                return Ok(());
            }
        }
        for &field in &work.class.fields {
            let FieldPlan { field: id, ty, needs } = self.plan[field];
            let Some(column) = column_of(part, id, ty)? else { continue };
            if whole
                && !needs.values
                && let Some(stored) = data.stats(column, block)
            {
                if let (Some(stats), [(slot, _)]) = (stored, scratch.cuts.as_slice()) {
                    self.fields[field].take_stats(*slot, stats)?;
                }
                continue;
            }
            if needs.ends && scratch.times.is_empty() {
                decode_times(data, block, rows, &mut scratch.times)?;
            }
            scratch.numbers.clear();
            if ty == FieldType::F64
                && !needs.values
                && let Some(exponent) = data.decode_numbers(column, block, &mut scratch.numbers)?
            {
                if scratch.numbers.len() != rows {
                    return Err(ragged(rows, scratch.numbers.len()));
                }
                for (slot, rows) in &scratch.cuts {
                    let numbers = &scratch.numbers[rows.clone()];
                    let times = scratch.times.get(rows.clone()).unwrap_or_default();
                    self.fields[field].take_numbers(*slot, times, numbers, exponent);
                }
                continue;
            }
            let values = &mut scratch.columns[field];
            values.clear();
            data.decode_column(column, block, values)?;
            if values.len() != rows {
                return Err(ragged(rows, values.len()));
            }
            for (slot, rows) in &scratch.cuts {
                self.values +=
                    self.fields[field].take_rows(*slot, &scratch.times, values, rows.clone());
            }
        }
        Ok(())
    }

    /// Resolves duplicates between blocks, then folds what is left.
    fn fold_merged(&mut self, work: &Work<'_>, blocks: &[(usize, Range<usize>)]) -> Result<()> {
        let of_class = |&field: &usize| (self.plan[field].field, self.plan[field].ty);
        let wanted: Vec<(usize, FieldType)> = work.class.fields.iter().map(of_class).collect();
        let mut hold = Hold::new(work.guard);
        let mut runs = Vec::with_capacity(blocks.len());
        for (at, blocks) in blocks {
            let part = (*at, &work.parts[*at]);
            runs.extend(load(part, blocks.clone(), work.range, &wanted, &mut hold, work.guard)?);
        }
        let types: Vec<FieldType> = wanted.iter().map(|&(_, ty)| ty).collect();
        let rows = assemble(work.parts, runs, &types, work.duplicates)?;
        let mut cuts = Vec::new();
        let bucketing = self.bucketing;
        bucketing.cut(&rows.times, 0..rows.times.len(), |bucket, rows| {
            cuts.push((self.slot(bucket), rows));
        });
        for (&field, column) in work.class.fields.iter().zip(&rows.columns) {
            for (slot, cut) in &cuts {
                self.values +=
                    self.fields[field].take_rows(*slot, &rows.times, column, cut.clone());
            }
        }
        Ok(())
    }
}

/// What the folding of a class of fields works on.
struct Work<'a> {
    parts: &'a [Part],
    class: &'a Class,
    range: TimeRange,
    duplicates: Duplicates,
    guard: &'a dyn Guard,
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
