//! Conditions and expressions on rows of a series: from columns to Arrow, and back.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_cast::cast;
use arrow_schema::DataType;

use super::frame::{array, times_array};
use crate::error::{Error, Result};
use crate::kernels::{BlockStats, RowMap, Rows, Verdict};
use crate::model::{
    Bitmap, Column, FieldType, SeriesKey, StrValues, TableSchema, Timestamp, Values,
};
use crate::query::expr::{Evaluator, Expr, Type};
use crate::query::inputs::Inputs;
use crate::query::predicate::Predicate;

/// A condition and expressions over `time`, tags and fields of a table, ready for every series.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// What the evaluators see, and the condition.
    inputs: Inputs,
    condition: Option<Predicate>,
    computed: Vec<(Evaluator, FieldType)>,
}

impl Mapping {
    /// Checks and prepares a condition and expressions.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a column that the table lacks, [`Error::InvalidArgument`] for types
    /// that do not fit.
    pub(crate) fn new(
        schema: &TableSchema,
        condition: Option<&Expr>,
        computed: &[Expr],
    ) -> Result<Self> {
        let inputs = Inputs::of(schema, condition.into_iter().chain(computed))?;
        let condition = condition.map(|expr| Predicate::new(schema, expr)).transpose()?;
        let computed = computed.iter().map(|expr| {
            let evaluator = inputs.evaluator(expr)?;
            let ty = field_type(evaluator.ty())?;
            Ok((evaluator, ty))
        });
        let computed = computed.collect::<Result<_>>()?;
        Ok(Self { inputs, condition, computed })
    }

    /// The condition.
    pub(crate) fn condition(&self) -> Option<&Predicate> {
        self.condition.as_ref()
    }

    /// The fields that are read, ascending.
    pub(crate) fn fields(&self) -> &[usize] {
        &self.inputs.fields
    }

    /// The type of what expression `at` makes: times are integers, of nanoseconds.
    pub(crate) fn ty(&self, at: usize) -> (FieldType, bool) {
        let (evaluator, ty) = &self.computed[at];
        (*ty, evaluator.ty() == Type::Time)
    }

    /// For the rows of one series.
    pub(crate) fn of_series<'a>(&'a self, key: &'a SeriesKey) -> SeriesMap<'a> {
        SeriesMap { mapping: self, key }
    }
}

/// A [`Mapping`] of the rows of one series.
#[derive(Debug)]
pub(crate) struct SeriesMap<'a> {
    mapping: &'a Mapping,
    key: &'a SeriesKey,
}

impl RowMap for SeriesMap<'_> {
    fn fields(&self) -> &[usize] {
        &self.mapping.inputs.fields
    }

    fn filters(&self) -> bool {
        self.mapping.condition.is_some()
    }

    fn verdict(
        &self,
        span: (Timestamp, Timestamp),
        rows: usize,
        statistics: BlockStats<'_>,
    ) -> Verdict {
        let Some(condition) = &self.mapping.condition else { return Verdict::All };
        let range = condition.range();
        let of_range = match range.overlaps(span.0, span.1) {
            false => Verdict::None,
            true if range.covers(span.0, span.1) => Verdict::All,
            true => Verdict::Some,
        };
        of_range.and(condition.verdict(rows, statistics))
    }

    fn apply(&self, rows: Rows, wanted: &[usize]) -> Result<(Rows, Vec<Column>)> {
        // What is left out is not computed: it could fail where no row is.
        let rows = match &self.mapping.condition {
            Some(condition) => {
                let column = |field: usize| {
                    wanted.binary_search(&field).ok().and_then(|at| rows.columns.get(at))
                };
                let kept = condition.apply(self.key, &rows.times, &column)?;
                rows.take(&kept)
            }
            None => rows,
        };
        let time = times_array(rows.times, None);
        let given = rows.columns.into_iter().map(array).collect::<Result<Vec<ArrayRef>>>()?;
        let mut computed = Vec::with_capacity(self.mapping.computed.len());
        if !self.mapping.computed.is_empty() {
            let field = |field: usize, _| {
                let at = wanted.binary_search(&field).ok().and_then(|at| given.get(at));
                at.cloned().ok_or_else(|| {
                    Error::Internal("an expression on a field that was not read".to_owned())
                })
            };
            let columns = self.mapping.inputs.arrays(self.key, Arc::clone(&time), field)?;
            for (evaluator, ty) in &self.mapping.computed {
                computed.push(column(evaluator.evaluate(&columns, time.len())?, *ty)?);
            }
        }
        let columns = given.into_iter().map(|given| {
            let ty = field_type(Type::of(given.data_type()))?;
            column(given, ty)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let Values::I64(times) = column(time, FieldType::I64)?.values else {
            return Err(Error::Internal("times of another type".to_owned()));
        };
        Ok((Rows { times, columns }, computed))
    }
}

/// The kernels' type of values of an expression; nothing but nulls is of doubles.
fn field_type(ty: Type) -> Result<FieldType> {
    match ty {
        Type::Float | Type::Null => Ok(FieldType::F64),
        Type::Int | Type::Time => Ok(FieldType::I64),
        Type::Bool => Ok(FieldType::Bool),
        Type::Str => Ok(FieldType::Str),
        other => Err(Error::invalid(format!(
            "values of {} cannot be aggregated; cast them to DOUBLE or to BIGINT",
            other.name()
        ))),
    }
}

fn arrow_type(ty: FieldType) -> DataType {
    match ty {
        FieldType::F64 => DataType::Float64,
        FieldType::I64 => DataType::Int64,
        FieldType::Bool => DataType::Boolean,
        FieldType::Str => DataType::LargeUtf8,
    }
}

/// An array as a column; numbers that nothing else holds are not copied.
fn column(array: ArrayRef, ty: FieldType) -> Result<Column> {
    let mixed = |array: &ArrayRef| {
        Error::Internal(format!("{} as a column of {}", array.data_type(), ty.name()))
    };
    let array = match (array.data_type(), ty) {
        (DataType::Float64, FieldType::F64)
        | (DataType::Int64 | DataType::Timestamp(..), FieldType::I64)
        | (DataType::Boolean, FieldType::Bool)
        | (DataType::LargeUtf8, FieldType::Str) => array,
        _ => cast(&array, &arrow_type(ty)).map_err(|_| mixed(&array))?,
    };
    let validity = array.nulls().filter(|nulls| nulls.null_count() > 0).map(bitmap);
    let mut values = match (array.data_type(), ty) {
        (DataType::Float64, _) => {
            let values = array.as_primitive::<Float64Type>().values().clone();
            drop(array);
            Values::F64(values.into())
        }
        (DataType::Timestamp(..), _) => {
            let cast = cast(&array, &DataType::Int64).map_err(|_| mixed(&array))?;
            drop(array);
            let values = cast.as_primitive::<Int64Type>().values().clone();
            drop(cast);
            Values::I64(values.into())
        }
        (DataType::Int64, _) => {
            let values = array.as_primitive::<Int64Type>().values().clone();
            drop(array);
            Values::I64(values.into())
        }
        (DataType::Boolean, _) => Values::Bool(array.as_boolean().values().iter().collect()),
        (DataType::LargeUtf8, _) => {
            let texts = array.as_string::<i64>();
            let text = |row: usize| if texts.is_valid(row) { texts.value(row) } else { "" };
            Values::Str((0..texts.len()).map(text).collect::<StrValues>())
        }
        _ => return Err(mixed(&array)),
    };
    if let Some(bits) = &validity {
        // Null rows hold the type's zero.
        for row in (0..bits.len()).filter(|&row| !bits.get(row)) {
            match &mut values {
                Values::F64(v) => v[row] = 0.0,
                Values::I64(v) => v[row] = 0,
                Values::Bool(v) => v[row] = false,
                Values::Str(_) => {}
            }
        }
    }
    Ok(Column { values, validity })
}

fn bitmap(nulls: &NullBuffer) -> Bitmap {
    let bits: &BooleanBuffer = nulls.inner();
    bits.iter().collect()
}
