//! Tables: their tags, fields and policies.

use serde::{Deserialize, Serialize};

use super::policy::{Downsample, check_levels};
use crate::error::{Error, Result};

/// The type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// IEEE 754 double.
    F64,
    /// Signed 64-bit integer.
    I64,
    /// Truth value.
    Bool,
    /// UTF-8 string.
    Str,
}

impl FieldType {
    /// The name that users write: `f64`, `i64`, `bool`, `str`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::I64 => "i64",
            Self::Bool => "bool",
            Self::Str => "str",
        }
    }

    /// From a name that users write.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the types there are.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "f64" | "float" | "float64" | "f32" => Ok(Self::F64),
            "i64" | "int" | "int64" => Ok(Self::I64),
            "bool" | "boolean" => Ok(Self::Bool),
            "str" | "string" => Ok(Self::Str),
            _ => Err(Error::invalid(format!(
                "unknown field type {name:?}; a field is \"f64\", \"i64\", \"bool\" or \"str\""
            ))),
        }
    }
}

/// What a second point of the same series, field and time does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// It counts as well: events.
    #[default]
    Keep,
    /// It replaces the first: metrics, so that a replay changes nothing.
    Last,
}

/// One field of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDef {
    /// Its name.
    pub name: String,
    /// Its values' type.
    #[serde(rename = "type")]
    pub ty: FieldType,
}

/// A table: its tags identify series, its fields hold values.
///
/// Invariant: tags and fields are only ever appended, so that a field's position is its id for
/// the life of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// Its name.
    pub name: String,
    /// The tags that identify a series, in the order of the frames that come out.
    pub tags: Vec<String>,
    /// The fields, in the order of the frames that come out.
    pub fields: Vec<FieldDef>,
    /// What duplicates do.
    pub duplicates: Duplicates,
    /// Rows older than this many nanoseconds before now are dropped; `None` keeps all.
    pub retention: Option<i64>,
    /// The encoding of its values by name; `None` lets each column choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Rows older than this many nanoseconds before now are compacted into the cold form; `None`
    /// leaves all hot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold_after: Option<i64>,
    /// What its rows become past its retention, or of what it holds the aggregates.
    #[serde(default, skip_serializing_if = "Downsample::is_none")]
    pub downsample: Downsample,
}

/// The longest name of a table, tag or field, in bytes.
pub const MAX_NAME: usize = 255;
/// By how much the names of aggregates are longer than those of what they are of, at most.
const LEVEL_NAME: usize = 24;

impl TableSchema {
    /// A table, checked.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unusable or repeated name, or a retention that is not
    /// positive.
    pub fn new(
        name: &str,
        tags: Vec<String>,
        fields: Vec<FieldDef>,
        duplicates: Duplicates,
        retention: Option<i64>,
    ) -> Result<Self> {
        let (codec, cold_after) = (None, None);
        let (name, downsample) = (name.to_owned(), Downsample::None);
        let schema =
            Self { name, tags, fields, duplicates, retention, codec, cold_after, downsample };
        schema.check()?;
        Ok(schema)
    }

    /// Checks names and policies.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn check(&self) -> Result<()> {
        // The names of aggregates are made of names that were checked, and are longer.
        let of_level = self.level_of().is_some();
        let longest = if of_level { MAX_NAME + LEVEL_NAME } else { MAX_NAME };
        check_name("table", &self.name, longest)?;
        let mut seen = std::collections::HashSet::from(["time"]);
        let tags = self.tags.iter().map(|t| ("tag", t));
        let fields = self.fields.iter().map(|f| ("field", &f.name));
        for (what, name) in tags.chain(fields) {
            check_name(what, name, longest)?;
            if !seen.insert(name.as_str()) && !of_level {
                return Err(Error::invalid(format!(
                    "table {:?}: {what} {name:?} is named twice; \"time\", tags and fields need \
                     names of their own",
                    self.name
                )));
            }
        }
        let without = [
            ("retention", self.retention, "keeps everything"),
            ("cold_after", self.cold_after, "leaves everything hot"),
        ];
        for (policy, ns, none) in without {
            if let Some(ns) = ns.filter(|ns| *ns <= 0) {
                return Err(Error::invalid(format!(
                    "{policy} must be a positive duration, got {ns} ns; None {none}"
                )));
            }
        }
        check_levels(self.downsample.levels(), self.retention)
    }

    /// The id (position) of the field called `name`.
    pub fn field_id(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    /// The id of the field called `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the nearest names.
    pub fn require_field(&self, name: &str) -> Result<usize> {
        self.field_id(name).ok_or_else(|| {
            let what = format!("field of table {:?}:", self.name);
            Error::unknown(&what, name, self.fields.iter().map(|f| f.name.as_str()))
        })
    }

    /// The position of the tag called `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the nearest names.
    pub fn require_tag(&self, name: &str) -> Result<usize> {
        self.tags.iter().position(|t| t == name).ok_or_else(|| {
            let what = format!("tag of table {:?}:", self.name);
            Error::unknown(&what, name, self.tags.iter().map(String::as_str))
        })
    }
}

fn check_name(what: &str, name: &str, longest: usize) -> Result<()> {
    if name.is_empty() || name.len() > longest || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "{what} name {name:?} cannot be used; a name has 1 to {longest} bytes and no control \
             characters"
        )));
    }
    Ok(())
}
