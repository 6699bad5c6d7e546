//! Partial aggregates in and out of the states.

use super::{Accumulator, InputPlan, Plan, Source};
use crate::chunk::{Ends, IntStats, Stats};
use crate::error::{Error, Result};
use crate::kernels::function::{Function, Needs};
use crate::kernels::partial::{Partial, Partials};
use crate::model::{FieldType, Timestamp};

fn is_number(ty: FieldType) -> bool {
    matches!(ty, FieldType::F64 | FieldType::I64)
}

impl Plan {
    /// The statistics of every field, by its id, then the ends of the rows' times; and the rows.
    pub(crate) fn to_roll_up(types: &[FieldType]) -> Self {
        let of_field = |(field, &ty): (usize, &FieldType)| InputPlan {
            source: Source::Field(field),
            ty,
            needs: Needs::STATISTICS,
            histograms: Vec::new(),
        };
        let times = InputPlan {
            source: Source::Time,
            ty: FieldType::I64,
            needs: Needs { extremes: true, ends: true, ..Needs::default() },
            histograms: Vec::new(),
        };
        let mut inputs: Vec<InputPlan> = types.iter().enumerate().map(of_field).collect();
        inputs.push(times);
        Self { inputs, pairs: Vec::new(), rows: true }
    }

    /// The course of every field of numbers.
    pub(crate) fn of_courses(types: &[FieldType]) -> Self {
        let numbers = types.iter().enumerate().filter(|(_, ty)| is_number(**ty));
        let inputs = numbers.map(|(field, &ty)| InputPlan {
            source: Source::Field(field),
            ty,
            needs: Needs { course: true, ..Needs::default() },
            histograms: Vec::new(),
        });
        Self { inputs: inputs.collect(), pairs: Vec::new(), rows: false }
    }
}

impl Accumulator {
    /// Takes in partial aggregates of one series, as of rows that arrived before those that
    /// [`Self::fold_series`] takes in next; it ends the series.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where they are of another type than their field.
    pub fn take_partials(&mut self, partials: &Partials) -> Result<()> {
        for (row, time) in partials.times.iter().enumerate() {
            let bucket = self.bucketing.of(*time);
            let rows = partials.rows[row];
            if self.plan.rows {
                let slot = self.slot(bucket);
                self.rows[slot] += rows;
            }
            for input in 0..self.plan.inputs.len() {
                let times;
                let partial = match self.plan.inputs[input].source {
                    Source::Field(field) => partials.get(field, row),
                    Source::Time if rows > 0 => {
                        times = of_times(rows, partials.spans[row]);
                        Some(&times)
                    }
                    Source::Time => None,
                    Source::Mapped(_) => {
                        return Err(Error::Internal("an expression over aggregates".to_owned()));
                    }
                };
                if let Some(partial) = partial {
                    let slot = self.slot(bucket);
                    self.inputs[input].take_partial((slot, bucket), partial)?;
                }
            }
        }
        Ok(())
    }

    /// What a plan to roll up holds, as partial aggregates of `fields` fields; `course` has their
    /// increases.
    ///
    /// # Errors
    /// [`Error::Internal`] when the plan is another.
    pub(crate) fn partials(&self, course: &Self, fields: usize) -> Result<Partials> {
        let mut order: Vec<usize> = (0..self.slots.buckets.len()).collect();
        order.retain(|&slot| self.rows[slot] > 0);
        order.sort_unstable_by_key(|&slot| self.slots.buckets[slot]);
        let mut out = Partials::default();
        let times = self.inputs.get(fields).ok_or_else(not_to_roll_up)?;
        for &slot in &order {
            let Some(Stats::I64(times)) = times.stats(slot) else { return Err(not_to_roll_up()) };
            out.times.push(self.bucketing.start(self.slots.buckets[slot]));
            out.rows.push(self.rows[slot]);
            out.spans.push((times.min, times.max));
        }
        for field in 0..fields {
            let of_field = |input: &InputPlan| input.source == Source::Field(field);
            let course = course.plan.inputs.iter().position(of_field).map(|at| &course.inputs[at]);
            let of_slot = |&slot: &usize| {
                let stats = self.inputs[field].stats(slot)?;
                let number = self.slots.buckets[slot];
                let increase = course.and_then(|c| c.course_of(Function::Increase, number));
                Some(Partial { stats, increase: increase.unwrap_or(0.0) })
            };
            out.fields.push((field, order.iter().map(of_slot).collect()));
        }
        Ok(out)
    }
}

fn not_to_roll_up() -> Error {
    Error::Internal("partial aggregates of a plan that makes none".to_owned())
}

/// The times of rows as values.
fn of_times(rows: u64, (first, last): (Timestamp, Timestamp)) -> Partial {
    let ends = Ends { first, first_time: first, last, last_time: last };
    let stats = IntStats { count: rows, min: first, max: last, sum: 0, m2: 0.0, ends };
    Partial { stats: Stats::I64(stats), increase: 0.0 }
}
