//! The types of values, as expressions see them.

use std::fmt;

use arrow_schema::{DataType, TimeUnit};

use super::Literal;
use crate::error::{Error, Result};
use crate::model::FieldType;

/// The type of an expression's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// No value at all: `NULL` in the text.
    Null,
    /// A truth value.
    Bool,
    /// A whole number of 64 bits.
    Int,
    /// A double.
    Float,
    /// Text.
    Str,
    /// Nanoseconds since 1970, UTC.
    Time,
    /// A length of time. A column of them has no months, which only a constant can have.
    Interval,
    /// What may be passed on and compared with NULL, and no more (lists).
    Other,
}

impl From<FieldType> for Type {
    fn from(ty: FieldType) -> Self {
        match ty {
            FieldType::F64 => Self::Float,
            FieldType::I64 => Self::Int,
            FieldType::Bool => Self::Bool,
            FieldType::Str => Self::Str,
        }
    }
}

impl Type {
    /// The type of a column of the Arrow type.
    pub fn of(data: &DataType) -> Self {
        match data {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Bool,
            other if other.is_integer() => Self::Int,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::Str,
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::Timestamp(..) => Self::Time,
            DataType::Duration(_) => Self::Interval,
            _ => Self::Other,
        }
    }

    /// The name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Bool => "BOOLEAN",
            Self::Int => "BIGINT",
            Self::Float => "DOUBLE",
            Self::Str => "VARCHAR",
            Self::Time => "TIMESTAMP",
            Self::Interval => "INTERVAL",
            Self::Other => "LIST",
        }
    }

    /// The type that a name of SQL stands for; whole numbers of any width are `BIGINT`, numbers
    /// of any precision `DOUBLE`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a type that there is not, with what to use instead.
    pub fn parse(name: &str) -> Result<Self> {
        const NAMES: [(&str, Type); 32] = [
            ("BOOLEAN", Type::Bool),
            ("BOOL", Type::Bool),
            ("LOGICAL", Type::Bool),
            ("BIGINT", Type::Int),
            ("INTEGER", Type::Int),
            ("INT", Type::Int),
            ("INT2", Type::Int),
            ("INT4", Type::Int),
            ("INT8", Type::Int),
            ("INT64", Type::Int),
            ("LONG", Type::Int),
            ("SMALLINT", Type::Int),
            ("TINYINT", Type::Int),
            ("SIGNED", Type::Int),
            ("DOUBLE", Type::Float),
            ("DOUBLE PRECISION", Type::Float),
            ("FLOAT", Type::Float),
            ("FLOAT4", Type::Float),
            ("FLOAT8", Type::Float),
            ("FLOAT64", Type::Float),
            ("REAL", Type::Float),
            ("VARCHAR", Type::Str),
            ("CHAR", Type::Str),
            ("TEXT", Type::Str),
            ("STRING", Type::Str),
            ("TIMESTAMP", Type::Time),
            ("TIMESTAMPTZ", Type::Time),
            ("TIMESTAMP WITH TIME ZONE", Type::Time),
            ("TIMESTAMP WITHOUT TIME ZONE", Type::Time),
            ("TIMESTAMP_NS", Type::Time),
            ("DATETIME", Type::Time),
            ("INTERVAL", Type::Interval),
        ];
        let upper = name.trim().to_uppercase();
        // The lengths of VARCHAR(20) and the like say nothing here.
        let bare = upper.split('(').next().unwrap_or_default().trim_end();
        let rest = upper.split_once(')').map_or("", |(_, rest)| rest);
        let wanted = format!("{bare}{rest}");
        if let Some((_, found)) = NAMES.iter().find(|(known, _)| *known == wanted) {
            return Ok(*found);
        }
        Err(match bare {
            "DATE" => Error::NotFound(
                "there is no type DATE: date_trunc('day', time) is the start of a time's day, \
                 and strftime(time, '%Y-%m-%d') its date as text"
                    .to_owned(),
            ),
            "DECIMAL" | "NUMERIC" => Error::NotFound(format!(
                "there is no type {name:?}: use DOUBLE, and round(x, digits) to show it"
            )),
            _ => Error::unknown("type", name, NAMES.iter().map(|(known, _)| *known)),
        })
    }

    /// The type of a literal.
    pub(super) fn of_literal(literal: &Literal) -> Self {
        match literal {
            Literal::Null => Self::Null,
            Literal::Bool(_) => Self::Bool,
            Literal::Int(_) => Self::Int,
            Literal::Float(_) => Self::Float,
            Literal::Str(_) => Self::Str,
            Literal::Time(_) => Self::Time,
            Literal::Interval(_) => Self::Interval,
        }
    }

    /// The Arrow type of the columns that an expression of this type gives.
    pub(super) fn arrow(self) -> DataType {
        match self {
            Self::Null | Self::Other => DataType::Null,
            Self::Bool => DataType::Boolean,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Str => DataType::LargeUtf8,
            Self::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Self::Interval => DataType::Duration(TimeUnit::Nanosecond),
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Float)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
