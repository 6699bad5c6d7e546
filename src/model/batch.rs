//! Batches: rows on their way in, as Arrow gave them, with their series worked out.

use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, StringViewArray};

use super::{Bitmap, Column, FieldType, SeriesKey, StrValues, Timestamp, Values};
use crate::error::{Error, Result};

/// The values of one field for every row of a batch, sharing the buffers that Arrow handed in.
#[derive(Clone, Debug)]
pub enum FieldArray {
    /// Doubles.
    F64(Float64Array),
    /// Signed 64-bit integers.
    I64(Int64Array),
    /// Truth values.
    Bool(BooleanArray),
    /// Strings.
    Str(StringViewArray),
}

impl FieldArray {
    /// The type of the values.
    pub fn field_type(&self) -> FieldType {
        match self {
            Self::F64(_) => FieldType::F64,
            Self::I64(_) => FieldType::I64,
            Self::Bool(_) => FieldType::Bool,
            Self::Str(_) => FieldType::Str,
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::F64(a) => a,
            Self::I64(a) => a,
            Self::Bool(a) => a,
            Self::Str(a) => a,
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.array().len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows are null.
    pub fn nulls(&self) -> usize {
        self.array().null_count()
    }

    /// Whether row `i` holds a value.
    pub fn is_valid(&self, i: usize) -> bool {
        self.array().is_valid(i)
    }

    /// Appends row `i` to `out`, which must be of the same type.
    ///
    /// # Panics
    /// When the types differ or `i` is past the end.
    pub fn push_to(&self, i: usize, out: &mut Column) {
        if !self.is_valid(i) {
            out.push_null();
            return;
        }
        match (self, &mut out.values) {
            (Self::F64(a), Values::F64(to)) => to.push(a.value(i)),
            (Self::I64(a), Values::I64(to)) => to.push(a.value(i)),
            (Self::Bool(a), Values::Bool(to)) => to.push(a.value(i)),
            (Self::Str(a), Values::Str(to)) => to.push(a.value(i)),
            (a, to) => panic!("a {:?} column cannot take a {:?}", to.field_type(), a.field_type()),
        }
        if let Some(validity) = &mut out.validity {
            validity.push(true);
        }
    }

    /// The rows at `rows`, in that order, in a column of their own.
    pub fn gather(&self, rows: &[u32]) -> Column {
        let at = rows.iter().map(|&r| r as usize);
        let values = match self {
            Self::F64(a) => {
                let v = a.values();
                Values::F64(at.clone().map(|r| v[r]).collect())
            }
            Self::I64(a) => {
                let v = a.values();
                Values::I64(at.clone().map(|r| v[r]).collect())
            }
            Self::Bool(a) => Values::Bool(at.clone().map(|r| a.value(r)).collect()),
            Self::Str(a) => {
                let value = |r| if a.is_valid(r) { a.value(r) } else { "" };
                Values::Str(at.clone().map(value).collect::<StrValues>())
            }
        };
        self.with_validity(values, at)
    }

    /// The rows of `range`, in a column of their own.
    pub fn slice(&self, range: std::ops::Range<usize>) -> Column {
        let values = match self {
            Self::F64(a) => Values::F64(a.values()[range.clone()].to_vec()),
            Self::I64(a) => Values::I64(a.values()[range.clone()].to_vec()),
            Self::Bool(a) => Values::Bool(range.clone().map(|r| a.value(r)).collect()),
            Self::Str(a) => {
                let value = |r| if a.is_valid(r) { a.value(r) } else { "" };
                Values::Str(range.clone().map(value).collect::<StrValues>())
            }
        };
        self.with_validity(values, range)
    }

    fn with_validity(&self, mut values: Values, rows: impl Iterator<Item = usize>) -> Column {
        if self.nulls() == 0 {
            return Column::new(values);
        }
        let validity: Bitmap = rows.map(|r| self.is_valid(r)).collect();
        for i in (0..validity.len()).filter(|&i| !validity.get(i)) {
            match &mut values {
                Values::F64(v) => v[i] = 0.0,
                Values::I64(v) => v[i] = 0,
                Values::Bool(v) => v[i] = false,
                Values::Str(_) => {}
            }
        }
        let all = validity.count_ones() == validity.len();
        Column { values, validity: (!all).then_some(validity) }
    }
}

/// Rows for one table that all have the same fields and so share their times.
///
/// Invariants, held by [`Batch::new`]: every column has one slot a row, and every row's series
/// is one of `series`.
#[derive(Clone, Debug)]
pub struct Batch {
    table: String,
    series: Vec<SeriesKey>,
    series_of: Vec<u32>,
    times: Vec<Timestamp>,
    fields: Vec<(String, FieldArray)>,
}

impl Batch {
    /// Rows with their series: `series_of[i]` is the position in `series` of row `i`'s series.
    ///
    /// # Errors
    /// [`Error::Internal`] when an invariant does not hold.
    pub fn new(
        table: impl Into<String>,
        series: Vec<SeriesKey>,
        series_of: Vec<u32>,
        times: Vec<Timestamp>,
        fields: Vec<(String, FieldArray)>,
    ) -> Result<Self> {
        let rows = times.len();
        let whole = series_of.len() == rows
            && fields.iter().all(|(_, a)| a.len() == rows)
            && series_of.iter().all(|&s| (s as usize) < series.len())
            && u32::try_from(rows).is_ok();
        if !whole {
            return Err(Error::Internal(format!("a batch of {rows} rows with ragged columns")));
        }
        Ok(Self { table: table.into(), series, series_of, times, fields })
    }

    /// The table that the rows go to.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The distinct series of the rows.
    pub fn series(&self) -> &[SeriesKey] {
        &self.series
    }

    /// For each row the position of its series in [`Self::series`].
    pub fn series_of(&self) -> &[u32] {
        &self.series_of
    }

    /// Each row's time.
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// The fields by name.
    pub fn fields(&self) -> &[(String, FieldArray)] {
        &self.fields
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.times.len()
    }

    /// How many points there are: values that are not null.
    pub fn points(&self) -> u64 {
        self.fields.iter().map(|(_, a)| (a.len() - a.nulls()) as u64).sum()
    }
}
