//! Aggregates of a series' fields by bucket of time.
//!
//! A block that lies whole inside a bucket and the range, with no row deleted and none that
//! another part could replace, counts by its stored statistics; every other block is decoded and
//! cut where the bucket changes. Decimals are decoded to the integers that they are stored as, and
//! no further: those are summed exactly, and one double is made of the result.
//!
//! What is of rows and not of one field (conditions, expressions, pairs, the number of rows) sees
//! the rows that a read of all the fields involved gives. A block that nothing overlaps is a run of
//! such rows by itself; blocks that overlap are merged first, in pieces of time.

mod buckets;
mod fold;
mod output;
mod partial;
mod plan;
mod states;
#[cfg(test)]
mod tests;
mod units;

use std::sync::Arc;

use rayon::prelude::*;

pub use buckets::Bucketing;
use buckets::Slots;
use fold::{Scratch, Work};
pub use output::{Cells, Lists};
pub use plan::{Ask, Bins, BlockStats, InputPlan, PairNeeds, PairPlan, Plan, RowMap, Source};
use states::{InputStates, PairStates};
use units::{Class, classes, units};

use super::Function;
use super::guard::Guard;
use super::merge::{blocks_in, type_of};
use crate::chunk::{Part, Stats};
use crate::error::{Error, Result};
use crate::model::{Duplicates, FieldType, TimeRange, Timestamp};

/// Units that one thread takes at a time; fixed, so that a sum does not depend on the threads.
const UNITS_AT_ONCE: usize = 256;
/// Most states that sliding windows are merged from.
const MOST_MERGES: i64 = 1 << 28;

/// The aggregates of some inputs, by bucket. Runs are taken in by arrival, which decides between
/// points of one time for first and last.
#[derive(Debug)]
pub struct Accumulator {
    plan: Arc<Plan>,
    /// The type of every field of the table.
    types: Arc<[FieldType]>,
    bucketing: Bucketing,
    slots: Slots,
    inputs: Vec<InputStates>,
    pairs: Vec<PairStates>,
    /// Rows of each bucket, where rows count.
    rows: Vec<u64>,
    /// Bytes of the states of one bucket.
    state: usize,
    charged: usize,
    scratch: Scratch,
}

impl Accumulator {
    /// Without points. `types` has the type of every field of the table.
    pub fn new(plan: Arc<Plan>, types: Arc<[FieldType]>, bucketing: Bucketing) -> Self {
        let inputs: Vec<InputStates> = plan.inputs.iter().map(InputStates::new).collect();
        let pairs: Vec<PairStates> = plan.pairs.iter().map(|p| PairStates::new(p.needs)).collect();
        // Besides the states a bucket has its number, its rows and its slot.
        let state = inputs.iter().map(InputStates::state_bytes).sum::<usize>()
            + pairs.iter().map(PairStates::state_bytes).sum::<usize>()
            + 20;
        Self {
            plan,
            types,
            bucketing,
            slots: Slots::default(),
            inputs,
            pairs,
            rows: Vec::new(),
            state,
            charged: 0,
            scratch: Scratch::default(),
        }
    }

    fn another(&self) -> Self {
        Self::new(Arc::clone(&self.plan), Arc::clone(&self.types), self.bucketing.clone())
    }

    /// Bytes that the states of one bucket take at least.
    pub fn state_bytes(&self) -> usize {
        self.state
    }

    /// Takes in the points of one series in `range`. `parts` come by arrival: those that hold any
    /// field of the plan or the map or, where rows are counted, all.
    ///
    /// With [`Duplicates::Last`] an encoded chunk must hold no time twice.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a block does not decode, and as the map and the guard decide.
    pub fn fold_series(
        &mut self,
        parts: &[Part],
        range: TimeRange,
        duplicates: Duplicates,
        map: Option<&dyn RowMap>,
        guard: &dyn Guard,
    ) -> Result<()> {
        self.reserve(parts, range);
        let filtered = map.is_some_and(RowMap::filters);
        let of_rows = |input: &InputPlan| filtered || !matches!(input.source, Source::Field(_));
        let (rows, fields): (Vec<usize>, Vec<usize>) =
            (0..self.plan.inputs.len()).partition(|&at| of_rows(&self.plan.inputs[at]));
        let mut all = classes(parts, &self.plan.inputs, &fields, duplicates == Duplicates::Last)?;
        let mut wanted = Vec::new();
        if map.is_some() || !self.plan.pairs.is_empty() || self.plan.rows {
            wanted = self.wanted(&rows, map)?;
            all.extend(self.class_of_rows(parts, rows, &wanted, duplicates));
        }
        for class in &all {
            let units = units(parts, class, range);
            let work = Work { parts, class, range, duplicates, wanted: &wanted, map, guard };
            if units.len() <= UNITS_AT_ONCE {
                self.fold_units(&work, &units)?;
                continue;
            }
            let folded = units
                .par_chunks(UNITS_AT_ONCE)
                .map(|units| {
                    let mut own = self.another();
                    own.fold_units(&work, units)?;
                    Ok(own)
                })
                .collect::<Result<Vec<_>>>()?;
            for own in folded {
                self.merge(own, guard)?;
            }
        }
        for input in &mut self.inputs {
            input.close(self.bucketing.windows());
        }
        Ok(())
    }

    /// The fields that rows must have: of the map, the pairs and the inputs at `inputs`.
    fn wanted(
        &self,
        inputs: &[usize],
        map: Option<&dyn RowMap>,
    ) -> Result<Vec<(usize, FieldType)>> {
        let of_inputs = inputs.iter().map(|&at| self.plan.inputs[at].source);
        let of_pairs = self.plan.pairs.iter().flat_map(|pair| pair.sources);
        let of_map = map.map_or(&[][..], RowMap::fields).iter().map(|&id| Source::Field(id));
        let fields = plan::fields_of(of_inputs.chain(of_pairs).chain(of_map));
        fields.into_iter().map(|field| Ok((field, type_of(&self.types, field)?))).collect()
    }

    fn class_of_rows(
        &self,
        parts: &[Part],
        inputs: Vec<usize>,
        wanted: &[(usize, FieldType)],
        duplicates: Duplicates,
    ) -> Option<Class> {
        let holds = |part: &Part, field: usize| part.column_of(field).is_some();
        let any = |part: &Part| wanted.iter().any(|&(field, _)| holds(part, field));
        let chosen: Vec<usize> =
            (0..parts.len()).filter(|&at| self.plan.rows || any(&parts[at])).collect();
        let first = chosen.first()?;
        // Rows of parts that share a field are never put together.
        let common = |field: usize| chosen.iter().all(|&at| holds(&parts[at], field));
        let apart = match wanted {
            [] => parts[*first].fields.iter().any(|&field| common(field)) || chosen.len() == 1,
            wanted => wanted.iter().all(|&(field, _)| common(field)),
        };
        let course = inputs.iter().any(|&at| self.plan.inputs[at].needs.course);
        let merged = duplicates == Duplicates::Last || course || !apart;
        Some(Class { parts: chosen, inputs, merged, of_rows: true })
    }

    /// Takes in what another accumulator of the same plan holds, which arrived later.
    ///
    /// # Errors
    /// As the guard decides.
    pub fn merge(&mut self, mut other: Self, guard: &dyn Guard) -> Result<()> {
        self.charged += other.charged;
        if let (Some(&low), Some(&high)) =
            (other.slots.buckets.iter().min(), other.slots.buckets.iter().max())
        {
            self.slots.reserve(low, high, other.slots.buckets.len() * 4);
        }
        let buckets = std::mem::take(&mut other.slots.buckets);
        for (from, bucket) in buckets.into_iter().enumerate() {
            let slot = self.slot(bucket);
            self.join(slot, &mut other, from, false);
        }
        for (own, theirs) in self.inputs.iter_mut().zip(&other.inputs) {
            if let (Some(own), Some(theirs)) = (&mut own.course, &theirs.course) {
                own.join(theirs);
            }
        }
        self.settle(guard)
    }

    fn join(&mut self, slot: usize, other: &mut Self, from: usize, keep: bool) {
        self.rows[slot] += other.rows[from];
        for (own, theirs) in self.inputs.iter_mut().zip(&mut other.inputs) {
            own.join(slot, theirs, from, keep);
        }
        for (own, theirs) in self.pairs.iter_mut().zip(&other.pairs) {
            own.join(slot, theirs, from);
        }
    }

    /// Appends the starts of the buckets (or windows, where they slide) that have rows, ascending,
    /// to `starts`, and as many cells to the column of each output asked for; forgets all points.
    /// Where `duplicates` replace, a bucket needs a point, or a row where rows count: which rows
    /// without one a series has there depends on which of its writes were merged.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a sum of integers does not fit;
    /// [`Error::LimitExceeded`] for windows that overlap too much; and as the guard decides.
    pub fn finish(
        &mut self,
        asked: &[Ask],
        duplicates: Duplicates,
        guard: &dyn Guard,
        starts: &mut Vec<Timestamp>,
        columns: &mut [Cells],
    ) -> Result<()> {
        if self.bucketing.windows().is_some() {
            let mut slid = self.slide(guard)?;
            slid.output(asked, duplicates, starts, columns)?;
            guard.release(std::mem::take(&mut slid.charged));
        } else {
            self.output(asked, duplicates, starts, columns)?;
        }
        self.clear();
        guard.release(std::mem::take(&mut self.charged));
        Ok(())
    }

    fn output(
        &mut self,
        asked: &[Ask],
        duplicates: Duplicates,
        starts: &mut Vec<Timestamp>,
        columns: &mut [Cells],
    ) -> Result<()> {
        let mut order: Vec<usize> = (0..self.slots.buckets.len()).collect();
        if duplicates == Duplicates::Last {
            order.retain(|&slot| {
                self.rows[slot] > 0 || self.inputs.iter().any(|input| input.has_points(slot))
            });
        }
        order.sort_unstable_by_key(|&slot| self.slots.buckets[slot]);
        let numbers: Vec<i64> = order.iter().map(|&slot| self.slots.buckets[slot]).collect();
        starts.extend(numbers.iter().map(|&number| self.bucketing.start(number)));
        for (&Ask { function, at }, out) in asked.iter().zip(columns) {
            match (function, &mut *out) {
                (Function::Rows, Cells::Column(out)) => {
                    for &slot in &order {
                        output::push(out, Some(self.rows[slot] as i64));
                    }
                }
                (function, Cells::Column(out)) if function.inputs() == 2 => {
                    self.pairs[at].output(function, &order, out);
                }
                (function, out) => self.inputs[at].output(function, &order, &numbers, out)?,
            }
        }
        Ok(())
    }

    /// The same by window.
    fn slide(&mut self, guard: &dyn Guard) -> Result<Self> {
        let mut windows: Vec<(i64, usize)> = Vec::new();
        if let Some(over) = self.bucketing.windows() {
            let each = over.length / over.step + 1;
            let merges = (self.slots.buckets.len() as i64).saturating_mul(each);
            if merges > MOST_MERGES {
                return Err(Error::LimitExceeded(format!(
                    "windows that overlap {each} times over {} steps with rows are too many; take \
                     a longer step, a shorter window or a shorter range",
                    self.slots.buckets.len()
                )));
            }
            guard.charge(merges as usize * size_of::<(i64, usize)>())?;
            for (slot, &bucket) in self.slots.buckets.iter().enumerate() {
                let (first, last) = over.of(bucket);
                windows.extend((first..=last).map(|window| (window, slot)));
            }
            let buckets = &self.slots.buckets;
            windows.sort_unstable_by_key(|&(window, slot)| (window, buckets[slot]));
            guard.release(merges as usize * size_of::<(i64, usize)>());
        }
        let mut slid =
            Self::new(Arc::clone(&self.plan), Arc::clone(&self.types), self.bucketing.of_result());
        for (own, theirs) in slid.inputs.iter_mut().zip(&mut self.inputs) {
            // Already by window.
            std::mem::swap(&mut own.course, &mut theirs.course);
        }
        for (nth, of_window) in windows.chunk_by(|a, b| a.0 == b.0).enumerate() {
            let into = slid.slot(of_window[0].0);
            for &(_, slot) in of_window {
                slid.join(into, self, slot, true);
            }
            if nth % 256 == 0 {
                guard.poll()?;
                slid.settle(guard)?;
            }
        }
        slid.settle(guard)?;
        Ok(slid)
    }

    /// Forgets all points and keeps the memory.
    fn clear(&mut self) {
        self.slots.clear();
        self.rows.clear();
        self.inputs.iter_mut().for_each(InputStates::clear);
        self.pairs.iter_mut().for_each(PairStates::clear);
    }

    /// The statistics of the plan's input `input` in the one bucket of all time, `None` without
    /// points. They hold what the plan needs and [`super::Needs::STATISTICS`] asks for all of.
    pub fn statistics(&self, input: usize) -> Option<Stats> {
        (!self.slots.buckets.is_empty()).then(|| self.inputs[input].stats(0)).flatten()
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
            self.rows.push(0);
            self.inputs.iter_mut().for_each(InputStates::push_empty);
            self.pairs.iter_mut().for_each(PairStates::push_empty);
        }
        slot
    }

    /// Charges what was used since it was last asked.
    fn settle(&mut self, guard: &dyn Guard) -> Result<()> {
        let kept: usize = self.inputs.iter().map(InputStates::kept_bytes).sum();
        let used = self.slots.buckets.len() * self.state + kept;
        match used.checked_sub(self.charged) {
            Some(0) => {}
            Some(more) => guard.charge(more)?,
            None => guard.release(self.charged - used),
        }
        self.charged = used;
        Ok(())
    }
}
