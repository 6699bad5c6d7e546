//! Columns of values: one slot a row, and which slots hold a value.

use super::{Bitmap, FieldType};

/// One value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A double.
    F64(f64),
    /// A signed 64-bit integer.
    I64(i64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Str(String),
}

/// Strings back to back, with the offset at which each ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrValues {
    ends: Vec<u32>,
    bytes: String,
}

impl StrValues {
    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a string.
    ///
    /// # Panics
    /// When all strings together pass 4 GiB; blocks and heads are far smaller.
    pub fn push(&mut self, value: &str) {
        self.bytes.push_str(value);
        let end = u32::try_from(self.bytes.len()).expect("a string column stays under 4 GiB");
        self.ends.push(end);
    }

    /// The string at `i`.
    ///
    /// # Panics
    /// When `i` is past the end.
    pub fn get(&self, i: usize) -> &str {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        &self.bytes[start..self.ends[i] as usize]
    }

    /// The strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// Bytes of all the strings together.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets every string and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
    }
}

impl<S: AsRef<str>> FromIterator<S> for StrValues {
    fn from_iter<I: IntoIterator<Item = S>>(values: I) -> Self {
        let mut all = Self::default();
        for value in values {
            all.push(value.as_ref());
        }
        all
    }
}

/// Values of one type, without nulls.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Doubles.
    F64(Vec<f64>),
    /// Signed 64-bit integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
    /// Strings.
    Str(StrValues),
}

impl Values {
    /// No values of type `ty`.
    pub fn empty(ty: FieldType) -> Self {
        match ty {
            FieldType::F64 => Self::F64(Vec::new()),
            FieldType::I64 => Self::I64(Vec::new()),
            FieldType::Bool => Self::Bool(Vec::new()),
            FieldType::Str => Self::Str(StrValues::default()),
        }
    }

    /// Their type.
    pub fn field_type(&self) -> FieldType {
        match self {
            Self::F64(_) => FieldType::F64,
            Self::I64(_) => FieldType::I64,
            Self::Bool(_) => FieldType::Bool,
            Self::Str(_) => FieldType::Str,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Str(v) => v.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets every value and keeps the memory.
    pub fn clear(&mut self) {
        match self {
            Self::F64(v) => v.clear(),
            Self::I64(v) => v.clear(),
            Self::Bool(v) => v.clear(),
            Self::Str(v) => v.clear(),
        }
    }

    /// Appends the type's zero, for the slot of a null row.
    pub fn push_default(&mut self) {
        match self {
            Self::F64(v) => v.push(0.0),
            Self::I64(v) => v.push(0),
            Self::Bool(v) => v.push(false),
            Self::Str(v) => v.push(""),
        }
    }

    /// Appends the value at `i` of `from`.
    ///
    /// # Panics
    /// When the types differ or `i` is past the end.
    pub fn push_from(&mut self, from: &Self, i: usize) {
        match (self, from) {
            (Self::F64(to), Self::F64(v)) => to.push(v[i]),
            (Self::I64(to), Self::I64(v)) => to.push(v[i]),
            (Self::Bool(to), Self::Bool(v)) => to.push(v[i]),
            (Self::Str(to), Self::Str(v)) => to.push(v.get(i)),
            (to, v) => panic!("a {:?} slot cannot take a {:?}", to.field_type(), v.field_type()),
        }
    }

    /// Appends the values at `range` of `from`.
    ///
    /// # Panics
    /// When the types differ or the range is past the end.
    pub fn extend_from(&mut self, from: &Self, range: std::ops::Range<usize>) {
        match (self, from) {
            (Self::F64(to), Self::F64(v)) => to.extend_from_slice(&v[range]),
            (Self::I64(to), Self::I64(v)) => to.extend_from_slice(&v[range]),
            (Self::Bool(to), Self::Bool(v)) => to.extend_from_slice(&v[range]),
            (Self::Str(to), Self::Str(v)) => range.for_each(|i| to.push(v.get(i))),
            (to, v) => panic!("a {:?} slot cannot take a {:?}", to.field_type(), v.field_type()),
        }
    }

    /// The value at `i`.
    ///
    /// # Panics
    /// When `i` is past the end.
    pub fn value(&self, i: usize) -> Value {
        match self {
            Self::F64(v) => Value::F64(v[i]),
            Self::I64(v) => Value::I64(v[i]),
            Self::Bool(v) => Value::Bool(v[i]),
            Self::Str(v) => Value::Str(v.get(i).to_owned()),
        }
    }
}

/// Values of one field, one slot a row; the slot of a null row holds the type's zero.
///
/// Invariant: `validity`, where there is one, has as many bits as `values` has slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// One slot a row.
    pub values: Values,
    /// Which rows hold a value; `None` when all do.
    pub validity: Option<Bitmap>,
}

impl Column {
    /// A column of type `ty` with no rows.
    pub fn empty(ty: FieldType) -> Self {
        Self { values: Values::empty(ty), validity: None }
    }

    /// A column without nulls.
    pub fn new(values: Values) -> Self {
        Self { values, validity: None }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether row `i` holds a value.
    pub fn is_valid(&self, i: usize) -> bool {
        self.validity.as_ref().is_none_or(|v| v.get(i))
    }

    /// How many rows are null.
    pub fn nulls(&self) -> usize {
        self.validity.as_ref().map_or(0, |v| v.len() - v.count_ones())
    }

    /// The value of row `i`, `None` when null.
    pub fn get(&self, i: usize) -> Option<Value> {
        self.is_valid(i).then(|| self.values.value(i))
    }

    /// Forgets every row and keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
        self.validity = None;
    }

    /// Appends a value; null without one, or where it is of another type.
    pub fn push_value(&mut self, value: Option<&Value>) {
        match (&mut self.values, value) {
            (Values::F64(values), Some(Value::F64(value))) => values.push(*value),
            (Values::I64(values), Some(Value::I64(value))) => values.push(*value),
            (Values::Bool(values), Some(Value::Bool(value))) => values.push(*value),
            (Values::Str(values), Some(Value::Str(value))) => values.push(value),
            _ => return self.push_null(),
        }
        if let Some(validity) = &mut self.validity {
            validity.push(true);
        }
    }

    /// Appends a null row.
    pub fn push_null(&mut self) {
        let rows = self.len();
        self.values.push_default();
        self.validity.get_or_insert_with(|| Bitmap::filled(rows, true)).push(false);
    }

    /// Appends row `i` of `from`, null or not.
    pub fn push_from(&mut self, from: &Self, i: usize) {
        if from.is_valid(i) {
            self.values.push_from(&from.values, i);
            if let Some(validity) = &mut self.validity {
                validity.push(true);
            }
        } else {
            self.push_null();
        }
    }

    /// Appends the rows at `range` of `from`.
    pub fn extend_from(&mut self, from: &Self, range: std::ops::Range<usize>) {
        match &from.validity {
            None => {
                if let Some(validity) = &mut self.validity {
                    validity.extend_with(range.len(), true);
                }
            }
            Some(bits) => {
                let rows = self.len();
                let validity = self.validity.get_or_insert_with(|| Bitmap::filled(rows, true));
                range.clone().for_each(|i| validity.push(bits.get(i)));
            }
        }
        self.values.extend_from(&from.values, range);
    }

    /// Bytes that the column holds in memory.
    pub fn memory(&self) -> usize {
        let values = match &self.values {
            Values::F64(v) => v.len() * 8,
            Values::I64(v) => v.len() * 8,
            Values::Bool(v) => v.len(),
            Values::Str(v) => v.byte_len() + v.len() * 4,
        };
        values + self.validity.as_ref().map_or(0, |v| v.words().len() * 8)
    }
}
