//! What an expression comes to over some rows, typed views of it, and columns from closures.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, LargeStringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{DurationNanosecondType, Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, DurationNanosecondArray, Float64Array, Int64Array,
    LargeStringArray, TimestampNanosecondArray, new_null_array,
};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, TimeUnit};

use super::{Interval, Literal, Type};
use crate::error::{Error, Result};

/// One value for all rows, or one a row.
#[derive(Clone, Debug)]
pub(super) enum Value {
    One(Literal),
    /// Of the type that [`Type::arrow`] says.
    Many(ArrayRef),
}

/// Numbers, times or lengths, for row by row reading.
#[derive(Clone, Copy)]
pub(super) enum View<'a, T> {
    One(Option<T>),
    Many(&'a [T], Option<&'a NullBuffer>),
}

/// Truth values.
#[derive(Clone, Copy)]
pub(super) enum Truths<'a> {
    One(Option<bool>),
    Many(&'a BooleanArray),
}

/// Texts.
#[derive(Clone, Copy)]
pub(super) enum Texts<'a> {
    One(Option<&'a str>),
    Many(&'a LargeStringArray),
}

impl<T: Copy> View<'_, T> {
    pub(super) fn get(&self, row: usize) -> Option<T> {
        match self {
            Self::One(one) => *one,
            Self::Many(values, nulls) => {
                nulls.is_none_or(|nulls| nulls.is_valid(row)).then(|| values[row])
            }
        }
    }

    pub(super) fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Self::One(_) => None,
            Self::Many(_, nulls) => *nulls,
        }
    }
}

impl Truths<'_> {
    pub(super) fn get(&self, row: usize) -> Option<bool> {
        match self {
            Self::One(one) => *one,
            Self::Many(values) => values.is_valid(row).then(|| values.value(row)),
        }
    }
}

impl<'a> Texts<'a> {
    pub(super) fn get(&self, row: usize) -> Option<&'a str> {
        match self {
            Self::One(one) => *one,
            Self::Many(values) => values.is_valid(row).then(|| values.value(row)),
        }
    }
}

fn wrong(wanted: &str, got: &Value) -> Error {
    match got {
        Value::One(literal) => {
            Error::Internal(format!("an expression expected {wanted}, got {literal:?}"))
        }
        Value::Many(array) => {
            Error::Internal(format!("an expression expected {wanted}, got {}", array.data_type()))
        }
    }
}

/// An error of Arrow where there cannot be one.
pub(super) fn internal(error: ArrowError) -> Error {
    Error::Internal(format!("an expression: {error}"))
}

impl Value {
    pub(super) fn floats(&self) -> Result<View<'_, f64>> {
        match self {
            Self::One(Literal::Null) => Ok(View::One(None)),
            Self::One(Literal::Float(value)) => Ok(View::One(Some(*value))),
            Self::Many(array) => array
                .as_primitive_opt::<Float64Type>()
                .map(|array| View::Many(array.values(), array.nulls()))
                .ok_or_else(|| wrong("doubles", self)),
            Self::One(_) => Err(wrong("a double", self)),
        }
    }

    /// Whole numbers, times in nanoseconds or lengths without months in nanoseconds.
    pub(super) fn longs(&self) -> Result<View<'_, i64>> {
        match self {
            Self::One(Literal::Null) => Ok(View::One(None)),
            Self::One(Literal::Int(value) | Literal::Time(value)) => Ok(View::One(Some(*value))),
            Self::One(Literal::Interval(value)) => Ok(View::One(Some(value.without_months()?))),
            Self::One(_) => Err(wrong("a whole number", self)),
            Self::Many(array) => match array.data_type() {
                DataType::Int64 => {
                    let array = array.as_primitive::<Int64Type>();
                    Ok(View::Many(array.values(), array.nulls()))
                }
                DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                    let array = array.as_primitive::<TimestampNanosecondType>();
                    Ok(View::Many(array.values(), array.nulls()))
                }
                DataType::Duration(TimeUnit::Nanosecond) => {
                    let array = array.as_primitive::<DurationNanosecondType>();
                    Ok(View::Many(array.values(), array.nulls()))
                }
                _ => Err(wrong("whole numbers", self)),
            },
        }
    }

    pub(super) fn truths(&self) -> Result<Truths<'_>> {
        match self {
            Self::One(Literal::Null) => Ok(Truths::One(None)),
            Self::One(Literal::Bool(value)) => Ok(Truths::One(Some(*value))),
            Self::Many(array) => {
                array.as_boolean_opt().map(Truths::Many).ok_or_else(|| wrong("truth values", self))
            }
            Self::One(_) => Err(wrong("a truth value", self)),
        }
    }

    pub(super) fn texts(&self) -> Result<Texts<'_>> {
        match self {
            Self::One(Literal::Null) => Ok(Texts::One(None)),
            Self::One(Literal::Str(value)) => Ok(Texts::One(Some(value))),
            Self::Many(array) => {
                array.as_string_opt::<i64>().map(Texts::Many).ok_or_else(|| wrong("texts", self))
            }
            Self::One(_) => Err(wrong("a text", self)),
        }
    }

    /// A column of `rows` values of the type.
    pub(super) fn into_array(self, ty: Type, rows: usize) -> Result<ArrayRef> {
        Ok(match self {
            Self::Many(array) => array,
            Self::One(Literal::Null) => new_null_array(&ty.arrow(), rows),
            Self::One(Literal::Bool(value)) => Arc::new(BooleanArray::from(vec![value; rows])),
            Self::One(Literal::Int(value)) => long_array(Type::Int, vec![value; rows], None)?,
            Self::One(Literal::Float(value)) => Arc::new(Float64Array::from(vec![value; rows])),
            Self::One(Literal::Str(value)) => {
                Arc::new(LargeStringArray::from_iter_values(std::iter::repeat_n(&value, rows)))
            }
            Self::One(Literal::Time(value)) => long_array(Type::Time, vec![value; rows], None)?,
            Self::One(Literal::Interval(value)) => {
                long_array(Type::Interval, vec![value.without_months()?; rows], None)?
            }
        })
    }

    /// The value of one row.
    pub(super) fn literal(&self, ty: Type, row: usize) -> Result<Literal> {
        let found = match (self, ty) {
            (Self::One(literal), _) => return Ok(literal.clone()),
            (Self::Many(_), Type::Null | Type::Other) => None,
            (_, Type::Bool) => self.truths()?.get(row).map(Literal::Bool),
            (_, Type::Int) => self.longs()?.get(row).map(Literal::Int),
            (_, Type::Float) => self.floats()?.get(row).map(Literal::Float),
            (_, Type::Str) => self.texts()?.get(row).map(|text| Literal::Str(text.to_owned())),
            (_, Type::Time) => self.longs()?.get(row).map(Literal::Time),
            (_, Type::Interval) => {
                self.longs()?.get(row).map(|nanos| Literal::Interval(Interval { months: 0, nanos }))
            }
        };
        Ok(found.unwrap_or(Literal::Null))
    }
}

/// A column of whole numbers, times or lengths.
pub(super) fn long_array(
    ty: Type,
    values: Vec<i64>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    let values = ScalarBuffer::from(values);
    Ok(match ty {
        Type::Int => Arc::new(Int64Array::new(values, nulls)),
        Type::Time => Arc::new(TimestampNanosecondArray::new(values, nulls).with_timezone("UTC")),
        Type::Interval => Arc::new(DurationNanosecondArray::new(values, nulls)),
        _ => return Err(Error::Internal(format!("{ty} is not held in whole numbers"))),
    })
}

/// Values row by row, and which of them are null.
fn collect<T: Default>(
    rows: usize,
    mut each: impl FnMut(usize) -> Result<Option<T>>,
) -> Result<(Vec<T>, Option<NullBuffer>)> {
    let mut values = Vec::with_capacity(rows);
    let mut valid = Vec::with_capacity(rows);
    for row in 0..rows {
        let value = each(row)?;
        valid.push(value.is_some());
        values.push(value.unwrap_or_default());
    }
    Ok((values, some_nulls(valid)))
}

/// Whole numbers, times or lengths row by row.
pub(super) fn collect_longs(
    ty: Type,
    rows: usize,
    each: impl FnMut(usize) -> Result<Option<i64>>,
) -> Result<Value> {
    let (values, nulls) = collect(rows, each)?;
    Ok(Value::Many(long_array(ty, values, nulls)?))
}

/// Doubles row by row.
pub(super) fn collect_floats(
    rows: usize,
    each: impl FnMut(usize) -> Result<Option<f64>>,
) -> Result<Value> {
    let (values, nulls) = collect(rows, each)?;
    Ok(Value::Many(Arc::new(Float64Array::new(values.into(), nulls))))
}

/// Truth values row by row.
pub(super) fn collect_truths(
    rows: usize,
    mut each: impl FnMut(usize) -> Result<Option<bool>>,
) -> Result<Value> {
    let mut out = BooleanBuilder::with_capacity(rows);
    for row in 0..rows {
        out.append_option(each(row)?);
    }
    Ok(Value::Many(Arc::new(out.finish())))
}

/// Texts row by row.
pub(super) fn collect_texts<'a>(
    rows: usize,
    mut each: impl FnMut(usize) -> Result<Option<Cow<'a, str>>>,
) -> Result<Value> {
    let mut out = LargeStringBuilder::with_capacity(rows, rows * 8);
    for row in 0..rows {
        out.append_option(each(row)?);
    }
    Ok(Value::Many(Arc::new(out.finish())))
}

fn some_nulls(valid: Vec<bool>) -> Option<NullBuffer> {
    valid.contains(&false).then(|| NullBuffer::from(valid))
}

/// The function's value for each double; nulls stay.
pub(super) fn map_floats(of: &Value, rows: usize, f: impl Fn(f64) -> f64) -> Result<Value> {
    Ok(match of.floats()? {
        View::One(None) => Value::One(Literal::Null),
        View::One(Some(one)) => Value::Many(Arc::new(Float64Array::from(vec![f(one); rows]))),
        View::Many(values, nulls) => {
            let values: Vec<f64> = values.iter().map(|value| f(*value)).collect();
            Value::Many(Arc::new(Float64Array::new(values.into(), nulls.cloned())))
        }
    })
}
