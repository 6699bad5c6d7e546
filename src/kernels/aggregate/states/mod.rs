//! The states of one input's aggregates, one a bucket: moments always, and what else is needed.

mod course;
mod histogram;
mod kept;
mod moments;
mod pairs;
mod sketch;
mod tally;

use std::ops::Range;

pub(super) use course::Course;
use histogram::Histogram;
use kept::Kept;
use moments::Moments;
pub(super) use pairs::PairStates;
use sketch::Sketches;
use tally::Tally;

use super::fold::Cut;
use super::output::{Cells, push};
use super::plan::InputPlan;
use crate::chunk::Stats;
use crate::error::Result;
use crate::kernels::function::{Function, Needs};
use crate::kernels::partial::Partial;
use crate::model::{Bitmap, Column, FieldType, Timestamp, Values};

/// One state a bucket.
#[derive(Debug)]
pub(super) struct InputStates {
    needs: Needs,
    ty: FieldType,
    moments: Moments,
    /// The values themselves, where percentiles need them.
    values: Option<Kept>,
    tally: Option<Tally>,
    sketches: Option<Sketches>,
    histograms: Vec<Histogram>,
    /// By series, and so not by slot.
    pub(super) course: Option<Course>,
    doubles: Vec<f64>,
}

impl InputStates {
    pub(super) fn new(plan: &InputPlan) -> Self {
        let needs = plan.needs;
        Self {
            needs,
            ty: plan.ty,
            moments: Moments::new(plan.ty, needs),
            values: needs.values.then(Kept::default),
            tally: needs.tally.then(|| Tally::new(plan.ty)),
            sketches: needs.sketch.then(Sketches::default),
            histograms: plan.histograms.iter().map(|&bins| Histogram::new(bins)).collect(),
            course: needs.course.then(Course::default),
            doubles: Vec::new(),
        }
    }

    /// Whether statistics are enough.
    pub(super) fn in_statistics(&self) -> bool {
        self.needs.in_statistics() && self.histograms.is_empty()
    }

    /// Whether numbers that are not yet values are enough.
    pub(super) fn in_numbers(&self) -> bool {
        Needs { values: false, ..self.needs }.in_statistics() && self.histograms.is_empty()
    }

    /// Bytes of the state of a bucket, what it keeps of values aside.
    pub(super) fn state_bytes(&self) -> usize {
        let values = if self.needs.values { Kept::state_bytes() } else { 0 };
        let tally = if self.needs.tally { tally::STATE_BYTES } else { 0 };
        let sketch = if self.needs.sketch { size_of::<sketch::Sketch>() } else { 0 };
        let histograms: usize = self.histograms.iter().map(Histogram::state_bytes).sum();
        self.moments.state_bytes() + values + tally + sketch + histograms
    }

    /// Bytes of what grows with the values.
    pub(super) fn kept_bytes(&self) -> usize {
        self.values.as_ref().map_or(0, Kept::bytes)
            + self.tally.as_ref().map_or(0, Tally::bytes)
            + self.sketches.as_ref().map_or(0, Sketches::bytes)
            + self.course.as_ref().map_or(0, Course::bytes)
    }

    /// Appends the state of a bucket without points.
    pub(super) fn push_empty(&mut self) {
        self.moments.push_empty();
        self.values.iter_mut().for_each(Kept::push_empty);
        self.tally.iter_mut().for_each(Tally::push_empty);
        self.sketches.iter_mut().for_each(Sketches::push_empty);
        self.histograms.iter_mut().for_each(Histogram::push_empty);
    }

    /// Forgets every bucket and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.moments.clear();
        self.values.iter_mut().for_each(Kept::clear);
        self.tally.iter_mut().for_each(Tally::clear);
        self.sketches.iter_mut().for_each(Sketches::clear);
        self.histograms.iter_mut().for_each(Histogram::clear);
        self.course.iter_mut().for_each(Course::clear);
    }

    /// Takes in stored statistics.
    pub(super) fn take_stats(&mut self, slot: usize, stats: Stats) -> Result<()> {
        self.moments.take_stats(slot, stats)
    }

    /// Takes in what remains of the points of a series in bucket `bucket`.
    pub(super) fn take_partial(
        &mut self,
        (slot, bucket): (usize, i64),
        partial: &Partial,
    ) -> Result<()> {
        if let Some(course) = &mut self.course {
            course.take_partial(bucket, partial);
        }
        self.moments.take_stats(slot, partial.stats.clone())
    }

    /// What a function of the course makes of a bucket.
    pub(super) fn course_of(&self, function: Function, bucket: i64) -> Option<f64> {
        self.course.as_ref()?.output(function, bucket)
    }

    /// Takes in a block of numbers that count tenths of a power of ten, cut by cut; `times` may be
    /// empty where the ends are not needed.
    pub(super) fn take_numbers(
        &mut self,
        cuts: &[Cut],
        times: &[Timestamp],
        numbers: &[i64],
        exponent: u8,
    ) {
        if self.needs_moments() {
            self.moments.take_numbers(cuts, times, numbers, exponent);
        } else {
            cuts.iter().for_each(|cut| self.moments.take_count(cut.slot, cut.rows.len()));
        }
        if let Some(values) = &mut self.values {
            for Cut { slot, rows, .. } in cuts {
                values.take_numbers(*slot, &numbers[rows.clone()], exponent);
            }
        }
    }

    /// Whether of ascending values the number, the first and the last are all that is needed.
    pub(super) fn in_ends(&self) -> bool {
        self.in_statistics() && !self.needs.sum && !self.needs.deviations
    }

    fn needs_moments(&self) -> bool {
        self.needs.sum || self.needs.extremes || self.needs.deviations || self.needs.ends
    }

    /// Takes in points of which only the count is needed.
    pub(super) fn take_count(&mut self, slot: usize, rows: usize) {
        self.moments.take_count(slot, rows);
    }

    /// Whether the number of points is all that is needed.
    pub(super) fn counts_only(&self) -> bool {
        self.needs == Needs::default() && self.histograms.is_empty()
    }

    /// Takes in rows of a column, of bucket `bucket`; `times` may be empty where neither the ends
    /// nor the course are needed.
    pub(super) fn take_rows(
        &mut self,
        (slot, bucket): (usize, i64),
        times: &[Timestamp],
        column: &Column,
        rows: Range<usize>,
    ) {
        if !self.moments.take_rows(slot, times, column, rows.clone()) {
            return;
        }
        if let Some(tally) = &mut self.tally {
            tally.take_rows(slot, column, rows.clone());
        }
        if let Some(course) = &mut self.course {
            let points = rows.clone().filter_map(|row| Some((times[row], number(column, row)?)));
            course.take(bucket, points);
        }
        if self.needs.values || self.sketches.is_some() || !self.histograms.is_empty() {
            let values = doubles(column, rows, &mut self.doubles);
            if let Some(kept) = &mut self.values {
                kept.take(slot, values);
            }
            if let Some(sketches) = &mut self.sketches {
                sketches.take(slot, values);
            }
            self.histograms.iter_mut().for_each(|histogram| histogram.take(slot, values));
        }
    }

    /// Takes in the state of a bucket of `other`, which arrived later, and leaves nothing of use
    /// there unless `keep`.
    pub(super) fn join(&mut self, slot: usize, other: &mut Self, from: usize, keep: bool) {
        self.moments.join(slot, &mut other.moments, from, keep);
        if let (Some(own), Some(theirs)) = (&mut self.values, &mut other.values) {
            own.join(slot, theirs, from, keep);
        }
        if let (Some(own), Some(theirs)) = (&mut self.tally, &mut other.tally) {
            own.join(slot, theirs, from, keep);
        }
        if let (Some(own), Some(theirs)) = (&mut self.sketches, &other.sketches) {
            own.join(slot, theirs, from);
        }
        for (own, theirs) in self.histograms.iter_mut().zip(&other.histograms) {
            own.join(slot, theirs, from);
        }
    }

    /// Ends the series at hand.
    pub(super) fn close(&mut self, windows: Option<super::buckets::Windows>) {
        self.course.iter_mut().for_each(|course| course.close(windows));
    }

    /// Whether a bucket has a point.
    pub(super) fn has_points(&self, slot: usize) -> bool {
        self.moments.count(slot) > 0
    }

    /// The state of a bucket as statistics, `None` without points. Whole only where all but the
    /// values are needed.
    pub(super) fn stats(&self, slot: usize) -> Option<Stats> {
        self.moments.stats(slot)
    }

    /// Appends what `function` makes of the states at `slots`, which are of the buckets or windows
    /// `numbers`, in that order.
    pub(super) fn output(
        &mut self,
        function: Function,
        slots: &[usize],
        numbers: &[i64],
        out: &mut Cells,
    ) -> Result<()> {
        let out = match (out, function) {
            (Cells::Lists(lists), Function::Histogram { low, high, bins }) => {
                let asked = super::plan::Bins { low, high, count: bins };
                if let Some(histogram) = self.histograms.iter().find(|h| h.bins == asked) {
                    for &slot in slots {
                        let some = self.moments.count(slot) > 0;
                        lists.push(some.then(|| histogram.counts(slot)));
                    }
                }
                return Ok(());
            }
            (Cells::Lists(_), _) => return Ok(()),
            (Cells::Column(out), _) => out,
        };
        for (&slot, number) in slots.iter().zip(numbers) {
            let done = match function {
                Function::Median => {
                    push(out, self.values.as_mut().and_then(|v| v.percentile(slot, 50.0)))
                }
                Function::Percentile(percent) => {
                    push(out, self.values.as_mut().and_then(|v| v.percentile(slot, percent)))
                }
                Function::ApproxPercentile(percent) => {
                    push(out, self.sketches.as_ref().and_then(|s| s.percentile(slot, percent)))
                }
                Function::Distinct => {
                    push(out, self.tally.as_ref().map(|tally| tally.distinct(slot)))
                }
                Function::Mode => self.tally.as_ref().and_then(|tally| tally.mode(slot, out)),
                Function::Increase
                | Function::Rate
                | Function::Delta
                | Function::TimeWeighted
                | Function::TimeWeightedLinear => {
                    push(out, self.course.as_ref().and_then(|c| c.output(function, *number)))
                }
                _ => self.moments.output(function, slot, out)?,
            };
            if done.is_none() {
                out.push_null();
            }
        }
        Ok(())
    }

    /// The type of the input.
    pub(super) fn ty(&self) -> FieldType {
        self.ty
    }
}

/// A number of a column, `None` when null or of another type.
pub(super) fn number(column: &Column, row: usize) -> Option<f64> {
    match &column.values {
        Values::F64(v) if column.is_valid(row) => Some(v[row]),
        Values::I64(v) if column.is_valid(row) => Some(v[row] as f64),
        _ => None,
    }
}

/// The valid numbers of `rows`, copied only where they are integers or there are nulls.
fn doubles<'a>(column: &'a Column, rows: Range<usize>, scratch: &'a mut Vec<f64>) -> &'a [f64] {
    if let (Values::F64(values), None) = (&column.values, &column.validity) {
        return &values[rows];
    }
    scratch.clear();
    scratch.extend(rows.filter_map(|row| number(column, row)));
    scratch
}

/// The valid values of `rows`, copied only where there are nulls.
fn dense<'a, T: Copy>(
    values: &'a [T],
    validity: Option<&Bitmap>,
    rows: Range<usize>,
    scratch: &'a mut Vec<T>,
) -> &'a [T] {
    match validity {
        None => &values[rows],
        Some(bits) => {
            scratch.clear();
            scratch.extend(rows.filter(|&i| bits.get(i)).map(|i| values[i]));
            scratch
        }
    }
}
