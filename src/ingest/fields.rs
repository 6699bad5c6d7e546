//! Field columns: what their Arrow type becomes, and exact conversion to the table's type.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, Float64Array, Int64Array, PrimitiveArray,
    StringViewArray, downcast_dictionary_array, new_empty_array, new_null_array,
};
use arrow_schema::DataType;

use super::arrow_failed;
use super::bad::BadRows;
use super::frame::Frame;
use crate::error::{Error, Result};
use crate::model::{FieldArray, FieldType};

/// Integers up to this size are doubles exactly, all of them.
const EXACT: u64 = 1 << 53;

/// The families of Arrow types that a field can be made of; each widens exactly to one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F64,
    I64,
    U64,
    Bool,
    Str,
    Null,
}

impl Kind {
    fn of(ty: &DataType) -> Option<Self> {
        match ty {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Some(Self::F64),
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(Self::I64),
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => Some(Self::I64),
            DataType::UInt64 => Some(Self::U64),
            DataType::Boolean => Some(Self::Bool),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Self::Str),
            DataType::Null => Some(Self::Null),
            DataType::Dictionary(_, values) => match values.as_ref() {
                DataType::Dictionary(..) => None,
                values => Self::of(values),
            },
            _ => None,
        }
    }

    /// The type that every member of the family widens to.
    fn plain(self) -> DataType {
        match self {
            Self::F64 => DataType::Float64,
            Self::I64 => DataType::Int64,
            Self::U64 => DataType::UInt64,
            Self::Bool => DataType::Boolean,
            Self::Str => DataType::Utf8View,
            Self::Null => DataType::Null,
        }
    }

    /// The type of a new field; `None` for Arrow's Null, which says nothing.
    pub(super) fn implied(self) -> Option<FieldType> {
        match self {
            Self::F64 => Some(FieldType::F64),
            Self::I64 | Self::U64 => Some(FieldType::I64),
            Self::Bool => Some(FieldType::Bool),
            Self::Str => Some(FieldType::Str),
            Self::Null => None,
        }
    }
}

/// The family of a field column's type.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the column and its type.
pub(super) fn kind_of(name: &str, ty: &DataType) -> Result<Kind> {
    Kind::of(ty).ok_or_else(|| {
        Error::invalid(format!(
            "column {name:?} has type {ty}, which no field can hold; cast it to floats, integers, \
             booleans or strings, or drop it"
        ))
    })
}

/// Checks that a column of `kind` can go into a field of type `ty` at all.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the field, both types and what works.
pub(super) fn check_types(name: &str, ty: FieldType, kind: Kind, given: &DataType) -> Result<()> {
    let numbers = matches!(kind, Kind::F64 | Kind::I64 | Kind::U64);
    let (fits, works) = match ty {
        FieldType::F64 => (numbers, "floats, or integers up to 2^53 in size"),
        FieldType::I64 => (numbers, "integers, or floats that are whole numbers"),
        FieldType::Bool => (kind == Kind::Bool, "booleans"),
        FieldType::Str => (kind == Kind::Str, "strings"),
    };
    if fits || kind == Kind::Null {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "field {name:?} holds {} and the frame gives {given}; cast the column to {works}",
        ty.name()
    )))
}

/// All chunks of a column as one array of its family's widest type; a single chunk of that type
/// is shared, several are concatenated once.
pub(super) fn plain(frame: &Frame<'_>, column: usize, kind: Kind) -> Result<ArrayRef> {
    let widest = kind.plain();
    let mut chunks: Vec<ArrayRef> = frame
        .chunks(column)
        .map(|chunk| {
            if chunk.data_type() == &widest {
                return Ok(Arc::clone(chunk));
            }
            check_keys(frame.name(column), chunk)?;
            arrow_cast::cast(chunk, &widest).map_err(arrow_failed)
        })
        .collect::<Result<_>>()?;
    match (chunks.pop(), chunks.is_empty()) {
        (None, _) => Ok(new_empty_array(&widest)),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            chunks.push(last);
            let all: Vec<&dyn Array> = chunks.iter().map(|a| a.as_ref()).collect();
            arrow_select::concat::concat(&all).map_err(arrow_failed)
        }
    }
}

/// Arrow's kernels panic on a key past its dictionary, which a foreign producer may hand over.
fn check_keys(name: &str, array: &ArrayRef) -> Result<()> {
    let Some(dictionary) = array.as_any_dictionary_opt() else { return Ok(()) };
    let size = dictionary.values().len();
    let mut stray = None;
    for_keys(array, |row, key| {
        if stray.is_none() && key.is_some_and(|k| k >= size) {
            stray = Some(row);
        }
    });
    match stray {
        None => Ok(()),
        Some(row) => Err(Error::invalid(format!(
            "column {name:?} is damaged: the dictionary has {size} values and row {row} of a chunk \
             points past them; rebuild the column or cast it to its plain type"
        ))),
    }
}

/// Calls `each` with every row of a dictionary array and its key, `None` where the key is null.
pub(super) fn for_keys(array: &dyn Array, mut each: impl FnMut(usize, Option<usize>)) {
    use arrow_buffer::ArrowNativeType;
    downcast_dictionary_array!(
        array => {
            let keys = array.keys();
            match keys.nulls().filter(|n| n.null_count() > 0) {
                None => {
                    keys.values().iter().enumerate().for_each(|(i, k)| each(i, Some(k.as_usize())));
                }
                Some(nulls) => {
                    for (i, key) in keys.values().iter().enumerate() {
                        each(i, nulls.is_valid(i).then(|| key.as_usize()));
                    }
                }
            }
        },
        _other => {}
    );
}

/// The field values of a plain array of `kind`, converted to `ty`. Values that do not convert
/// exactly go to `bad` under the number that `row` gives their position.
pub(super) fn convert(
    array: &ArrayRef,
    kind: Kind,
    ty: FieldType,
    bad: &mut BadRows,
    row: impl Fn(usize) -> usize,
) -> Result<FieldArray> {
    let past_exact = |v: &dyn std::fmt::Display| {
        format!("{v} has no exact f64; use integers up to 2^53 in size, or cast the column to f64")
    };
    Ok(match (kind, ty) {
        (Kind::Null, _) => return from_plain(&new_null_array(&arrow_type(ty), array.len())),
        (Kind::I64, FieldType::F64) => FieldArray::F64(checked::<Int64Type, Float64Type>(
            array.as_primitive(),
            |v| v.unsigned_abs() <= EXACT,
            |v| v as f64,
            |i, v| bad.push(row(i), || past_exact(&v)),
        )),
        (Kind::U64, FieldType::F64) => FieldArray::F64(checked::<UInt64Type, Float64Type>(
            array.as_primitive(),
            |v| v <= EXACT,
            |v| v as f64,
            |i, v| bad.push(row(i), || past_exact(&v)),
        )),
        (Kind::U64, FieldType::I64) => FieldArray::I64(checked::<UInt64Type, Int64Type>(
            array.as_primitive(),
            |v| v <= i64::MAX as u64,
            |v| v as i64,
            |i, v| {
                bad.push(row(i), || {
                    format!("{v} is past the greatest i64, {}; store it as f64 or str", i64::MAX)
                });
            },
        )),
        (Kind::F64, FieldType::I64) => FieldArray::I64(checked::<Float64Type, Int64Type>(
            array.as_primitive(),
            // -2^63 is a double, 2^63 the first past the range; NaN fails every comparison.
            |v| v >= -(2f64.powi(63)) && v < 2f64.powi(63) && v.trunc() == v,
            |v| v as i64,
            |i, v| {
                bad.push(row(i), || {
                    format!("{v} is no i64, which the field holds; use whole numbers, or null")
                });
            },
        )),
        _ if array.data_type() == &arrow_type(ty) => return from_plain(array),
        _ => {
            let given = array.data_type();
            return Err(Error::Internal(format!("{given} into a field of {}", ty.name())));
        }
    })
}

/// `to` of every value; those that are not null and do not fit go to `misfit`.
fn checked<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    array: &PrimitiveArray<A>,
    fits: impl Fn(A::Native) -> bool,
    to: impl Fn(A::Native) -> B::Native,
    mut misfit: impl FnMut(usize, A::Native),
) -> PrimitiveArray<B> {
    // Without a branch, so that it vectorises; what lies in null slots is sorted out below.
    if !array.values().iter().fold(true, |all, v| all & fits(*v)) {
        for (i, v) in array.values().iter().enumerate() {
            if !fits(*v) && array.is_valid(i) {
                misfit(i, *v);
            }
        }
    }
    array.unary(to)
}

/// The Arrow type of a batch's field.
fn arrow_type(ty: FieldType) -> DataType {
    match ty {
        FieldType::F64 => DataType::Float64,
        FieldType::I64 => DataType::Int64,
        FieldType::Bool => DataType::Boolean,
        FieldType::Str => DataType::Utf8View,
    }
}

/// An array that has a batch's type already, shared.
pub(super) fn from_plain(array: &ArrayRef) -> Result<FieldArray> {
    fn own<T: Clone + 'static>(array: &ArrayRef) -> Option<T> {
        array.as_any().downcast_ref::<T>().cloned()
    }
    let field = match array.data_type() {
        DataType::Float64 => own::<Float64Array>(array).map(FieldArray::F64),
        DataType::Int64 => own::<Int64Array>(array).map(FieldArray::I64),
        DataType::Boolean => own::<BooleanArray>(array).map(FieldArray::Bool),
        DataType::Utf8View => own::<StringViewArray>(array).map(FieldArray::Str),
        _ => None,
    };
    field.ok_or_else(|| Error::Internal(format!("{} is no field's type", array.data_type())))
}
