//! From the state of a bucket to the value of a function.

use crate::chunk::{BoolStats, FloatStats, IntStats, StrStats};
use crate::error::{Error, Result};
use crate::kernels::function::{Function, Output};
use crate::model::{Bitmap, Column, Values};

/// The values of one output, one a bucket.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Single values.
    Column(Column),
    /// Lists of integers.
    Lists(Lists),
}

/// Lists of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists {
    /// How many integers each has.
    pub width: usize,
    /// The integers of all, one list after the other; zeros where there is none.
    pub values: Vec<i64>,
    /// Which are there.
    pub valid: Bitmap,
}

impl Lists {
    /// Appends a list of that length, or null.
    pub fn push(&mut self, list: Option<&[i64]>) {
        match list {
            Some(list) => self.values.extend_from_slice(list),
            None => self.values.extend(std::iter::repeat_n(0, self.width)),
        }
        self.valid.push(list.is_some());
    }

    /// The list of row `row`, `None` when null.
    pub fn get(&self, row: usize) -> Option<&[i64]> {
        self.valid.get(row).then(|| &self.values[row * self.width..(row + 1) * self.width])
    }
}

impl Cells {
    /// None yet.
    pub fn empty(ty: Output) -> Self {
        match ty {
            Output::Value(ty) => Self::Column(Column::empty(ty)),
            Output::List(width) => Self::Lists(Lists { width, ..Lists::default() }),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Column(column) => column.len(),
            Self::Lists(lists) => lists.valid.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends all of `other`, which must be of the same kind.
    pub fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Column(own), Self::Column(other)) if own.is_empty() => *own = other,
            (Self::Column(own), Self::Column(other)) => own.extend_from(&other, 0..other.len()),
            (Self::Lists(own), Self::Lists(other)) => {
                own.values.extend_from_slice(&other.values);
                other.valid.iter().for_each(|bit| own.valid.push(bit));
            }
            (Self::Column(_), Self::Lists(_)) | (Self::Lists(_), Self::Column(_)) => {
                unreachable!("cells of one output are of one kind")
            }
        }
    }
}

/// Appends a value to a column of its type; `None` where there is none to append.
pub(super) trait Push<T> {
    fn push(&mut self, value: T) -> Option<()>;
}

macro_rules! push {
    ($ty:ty, $variant:ident) => {
        impl Push<$ty> for Column {
            fn push(&mut self, value: $ty) -> Option<()> {
                let Values::$variant(values) = &mut self.values else { return None };
                values.push(value);
                if let Some(validity) = &mut self.validity {
                    validity.push(true);
                }
                Some(())
            }
        }
    };
}
push!(f64, F64);
push!(i64, I64);
push!(bool, Bool);
push!(&str, Str);

pub(super) fn push<T>(out: &mut Column, value: Option<T>) -> Option<()>
where
    Column: Push<T>,
{
    Push::push(out, value?)
}

/// The sample variance of `count` points.
fn variance(count: u64, m2: f64) -> Option<f64> {
    (count >= 2).then(|| m2 / (count - 1) as f64)
}

pub(super) fn float_output(out: &mut Column, function: Function, s: &FloatStats) -> Option<()> {
    if function == Function::Count {
        return push(out, Some(s.count as i64));
    }
    let some = (s.count > 0).then_some(s)?;
    let number = |value: f64| if some.min > some.max { f64::NAN } else { value };
    let value = match function {
        Function::Sum => some.sum,
        Function::Mean => some.sum / some.count as f64,
        Function::Min => number(some.min),
        Function::Max => number(some.max),
        Function::Var => variance(some.count, some.m2)?,
        Function::Std => variance(some.count, some.m2)?.sqrt(),
        Function::VarPop => some.m2 / some.count as f64,
        Function::StdPop => (some.m2 / some.count as f64).sqrt(),
        Function::First => some.ends.first,
        Function::Last => some.ends.last,
        _ => return None,
    };
    push(out, Some(value))
}

pub(super) fn int_output(out: &mut Column, function: Function, s: &IntStats) -> Result<Option<()>> {
    if function == Function::Count {
        return Ok(push(out, Some(s.count as i64)));
    }
    if s.count == 0 {
        return Ok(None);
    }
    let deviation = variance(s.count, s.m2);
    Ok(match function {
        Function::Sum => push(out, Some(int_sum(s.sum)?)),
        Function::Mean => push(out, Some(s.sum as f64 / s.count as f64)),
        Function::Var => push(out, deviation),
        Function::Std => push(out, deviation.map(f64::sqrt)),
        Function::VarPop => push(out, Some(s.m2 / s.count as f64)),
        Function::StdPop => push(out, Some((s.m2 / s.count as f64).sqrt())),
        Function::Min => push(out, Some(s.min)),
        Function::Max => push(out, Some(s.max)),
        Function::First => push(out, Some(s.ends.first)),
        Function::Last => push(out, Some(s.ends.last)),
        _ => None,
    })
}

/// The exact sum as an i64.
fn int_sum(sum: i128) -> Result<i64> {
    i64::try_from(sum).map_err(|_| {
        Error::invalid(format!(
            "the sum {sum} of an i64 field does not fit i64; ask for its mean, or write the field \
             as f64"
        ))
    })
}

pub(super) fn bool_output(out: &mut Column, function: Function, s: &BoolStats) -> Option<()> {
    if function == Function::Count {
        return push(out, Some(s.count as i64));
    }
    let s = (s.count > 0).then_some(s)?;
    match function {
        Function::Sum => push(out, Some(s.trues as i64)),
        Function::Mean => push(out, Some(s.trues as f64 / s.count as f64)),
        Function::Min => push(out, Some(s.trues == s.count)),
        Function::Max => push(out, Some(s.trues > 0)),
        Function::First => push(out, Some(s.ends.first)),
        Function::Last => push(out, Some(s.ends.last)),
        _ => None,
    }
}

pub(super) fn str_output(out: &mut Column, function: Function, s: &StrStats) -> Option<()> {
    if function == Function::Count {
        return push(out, Some(s.count as i64));
    }
    let s = (s.count > 0).then_some(s)?;
    match function {
        Function::Min => push(out, Some(s.min.as_str())),
        Function::Max => push(out, Some(s.max.as_str())),
        Function::First => push(out, Some(s.ends.first.as_str())),
        Function::Last => push(out, Some(s.ends.last.as_str())),
        _ => None,
    }
}
