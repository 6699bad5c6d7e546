//! Conditions on rows, split by what they can spare: times, series, blocks, columns.
//!
//! Of the operands of AND, bounds of `time` cut the range; what reads tags alone is asked once a
//! series; comparisons of one field with constants are [`Test`]s, which blocks answer from
//! statistics and codes. What is left is evaluated over the rows that passed all of these.

mod split;

pub(crate) use split::{conjuncts, times};

use std::sync::Arc;

use arrow_array::{ArrayRef, LargeStringArray};

use super::SeriesRef;
use super::execute::{array, times_array};
use super::expr::{Evaluator, Expr, Operator, Type};
use super::inputs::Inputs;
use crate::chunk::Stats;
use crate::error::{Error, Result};
use crate::kernels::filter::{Test, Verdict};
use crate::model::{Column, FieldType, SeriesKey, TableSchema, TimeRange, Timestamp};

/// A condition on the rows of a table, ready for every series.
#[derive(Debug)]
pub(crate) struct Predicate {
    range: TimeRange,
    of_series: Option<Part>,
    tests: Vec<(usize, Test)>,
    rest: Option<Part>,
    fields: Vec<usize>,
}

/// A condition that is evaluated.
#[derive(Debug)]
struct Part {
    evaluator: Evaluator,
    inputs: Inputs,
}

impl Part {
    fn new(schema: &TableSchema, condition: &Expr) -> Result<Self> {
        let inputs = Inputs::of(schema, std::iter::once(condition))?;
        Ok(Self { evaluator: inputs.evaluator(condition)?, inputs })
    }

    /// Of conditions that must all hold, `None` of none.
    fn all(schema: &TableSchema, conditions: &[&Expr]) -> Result<Option<Self>> {
        let all = conditions.iter().copied().cloned().reduce(|a, b| a.binary(Operator::And, b));
        all.map(|all| Self::new(schema, &all)).transpose()
    }
}

impl Predicate {
    /// Checks a condition against a table and splits it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a column that the table lacks, [`Error::InvalidArgument`] for types
    /// that do not meet or a condition that is no truth value.
    pub(crate) fn new(schema: &TableSchema, condition: &Expr) -> Result<Self> {
        // All of it is checked as it stands: what is split off must not hide a mistake.
        let whole = Part::new(schema, condition)?;
        if !matches!(whole.evaluator.ty(), Type::Bool | Type::Null) {
            return Err(Error::invalid(format!(
                "a condition on rows is BOOLEAN, and this is {}; compare it with something",
                whole.evaluator.ty()
            )));
        }
        let mut range = TimeRange::ALL;
        let (mut of_series, mut rest) = (Vec::new(), Vec::new());
        let mut tests: Vec<(usize, Test)> = Vec::new();
        for conjunct in split::conjuncts(condition) {
            if let Some(own) = split::times(conjunct)? {
                range = range.intersect(&own);
            } else if let Some((field, test)) = split::test(conjunct, schema)? {
                match tests.iter().position(|(other, _)| *other == field) {
                    Some(at) => {
                        let (_, before) = tests.swap_remove(at);
                        tests.push((field, before.and(test)));
                    }
                    None => tests.push((field, test)),
                }
            } else if conjunct.columns().iter().all(|name| schema.tags.iter().any(|t| t == name)) {
                of_series.push(conjunct);
            } else {
                rest.push(conjunct);
            }
        }
        tests.sort_by_key(|(field, _)| *field);
        let rest = Part::all(schema, &rest)?;
        let mut fields: Vec<usize> = tests.iter().map(|(field, _)| *field).collect();
        fields.extend(rest.iter().flat_map(|rest| &rest.inputs.fields));
        fields.sort_unstable();
        fields.dedup();
        Ok(Self { range, of_series: Part::all(schema, &of_series)?, tests, rest, fields })
    }

    /// No row outside of this range passes.
    pub(crate) fn range(&self) -> TimeRange {
        self.range
    }

    /// The fields that tell which rows pass, ascending.
    pub(crate) fn fields(&self) -> &[usize] {
        &self.fields
    }

    /// The tests of single fields.
    pub(crate) fn tests(&self) -> &[(usize, Test)] {
        &self.tests
    }

    /// The fields that what is no test reads, where there is such.
    pub(crate) fn rest(&self) -> Option<&[usize]> {
        self.rest.as_ref().map(|rest| rest.inputs.fields.as_slice())
    }

    /// The series that can have rows that pass.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where a condition cannot be computed.
    pub(crate) fn series(&self, mut series: Vec<SeriesRef>) -> Result<Vec<SeriesRef>> {
        let Some(part) = &self.of_series else { return Ok(series) };
        let column = |tag: usize| -> ArrayRef {
            let value = |one: &SeriesRef| one.key.tags.get(tag).cloned().flatten();
            Arc::new(series.iter().map(value).collect::<LargeStringArray>())
        };
        // Not read: what reads the time is left for rows.
        let mut columns = vec![times_array(vec![0; series.len()], None)];
        columns.extend(part.inputs.tags.iter().map(|&tag| column(tag)));
        let passing = part.evaluator.filter(&columns, series.len())?;
        let mut at = 0;
        series.retain(|_| {
            at += 1;
            passing.value(at - 1)
        });
        Ok(series)
    }

    /// What the statistics of a block tell; `stats` gives those of a field as
    /// [`crate::chunk::PartData::stats`] does, of a field that the block lacks `Some(None)`.
    pub(crate) fn verdict(
        &self,
        rows: usize,
        stats: impl Fn(usize) -> Option<Option<Stats>>,
    ) -> Verdict {
        let all = if self.rest.is_some() { Verdict::Some } else { Verdict::All };
        self.tests.iter().fold(all, |verdict, (field, test)| {
            if verdict == Verdict::None {
                return verdict;
            }
            let stats = stats(*field);
            verdict.and(test.verdict(stats.as_ref().map(Option::as_ref), rows))
        })
    }

    /// The rows that pass, ascending. `column` gives the values of a field of
    /// [`Self::fields`], `None` where all are null.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where a condition cannot be computed.
    pub(crate) fn apply<'a>(
        &self,
        key: &SeriesKey,
        times: &[Timestamp],
        column: &impl Fn(usize) -> Option<&'a Column>,
    ) -> Result<Vec<usize>> {
        let passes = |row: &usize| {
            self.tests.iter().all(|(field, test)| match column(*field) {
                Some(column) => test.passes(column, *row),
                None => *test == Test::Null,
            })
        };
        let rows = (0..times.len()).filter(|row| self.range.contains(times[*row])).filter(passes);
        self.apply_rest(key, times, column, rows.collect())
    }

    /// Of rows that pass the tests those that pass the rest; what does not pass is not evaluated,
    /// for it could fail.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub(crate) fn apply_rest<'a>(
        &self,
        key: &SeriesKey,
        times: &[Timestamp],
        column: &impl Fn(usize) -> Option<&'a Column>,
        rows: Vec<usize>,
    ) -> Result<Vec<usize>> {
        let Some(rest) = self.rest.as_ref().filter(|_| !rows.is_empty()) else { return Ok(rows) };
        let own = times_array(rows.iter().map(|row| times[*row]).collect(), None);
        let field = |field: usize, ty: FieldType| {
            let mut kept = Column::empty(ty);
            match column(field) {
                Some(column) => rows.iter().for_each(|row| kept.push_from(column, *row)),
                None => rows.iter().for_each(|_| kept.push_null()),
            }
            array(kept)
        };
        let columns = rest.inputs.arrays(key, own, field)?;
        let passing = rest.evaluator.filter(&columns, rows.len())?;
        Ok(rows
            .into_iter()
            .zip(passing.iter())
            .filter_map(|(row, passes)| passes.then_some(row))
            .collect())
    }
}
