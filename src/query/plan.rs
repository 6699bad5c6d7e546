//! The logical plans: what to ask of a table, by name. The fluent API and SQL build the same.

use super::having::Having;
use super::source::TagFilter;
use crate::error::{Error, Result};
use crate::kernels::Function;
use crate::model::{TableSchema, TimeRange};

/// Which series: every named tag must hold one of its values, `None` for series without the tag.
pub type Filter = Vec<(String, Vec<Option<String>>)>;

/// How gaps are filled. A gap is a bucket in which a field has no point; counts become 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Fill {
    /// With null: only the rows are added.
    Null,
    /// With the value before; null before the first.
    Previous,
    /// On the line between the values before and after (rounded for integers); null outside them.
    Linear,
    /// With this number.
    Value(f64),
}

/// Orders rows by an output column; nulls come last, NaN counts as the greatest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBy {
    /// `time`, a tag of `by`, or a column such as `usage_mean`.
    pub column: String,
    /// The greatest first.
    pub descending: bool,
}

/// Aggregates by bucket and tags. The result has the columns `time` (with `every`), `by`, then
/// one a field and function: `usage_mean`; ordered by tags, then time, unless `order` says so.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateQuery {
    /// Field names with the functions of each.
    pub fields: Vec<(String, Vec<Function>)>,
    /// The length of a bucket in nanoseconds, aligned to the epoch; `None`: all of the range.
    pub every: Option<i64>,
    /// The tags that make a group.
    pub by: Vec<String>,
    /// Which series.
    pub filter: Filter,
    /// Which times.
    pub range: TimeRange,
    /// Which result rows.
    pub having: Option<Having>,
    /// Gap filling; needs `every`.
    pub fill: Option<Fill>,
    /// The order of the result, most significant first.
    pub order: Vec<OrderBy>,
    /// At most so many rows: the first ones.
    pub limit: Option<usize>,
}

impl AggregateQuery {
    /// Of all rows of a table, in one row.
    pub fn new(fields: Vec<(String, Vec<Function>)>) -> Self {
        Self {
            fields,
            every: None,
            by: Vec::new(),
            filter: Vec::new(),
            range: TimeRange::ALL,
            having: None,
            fill: None,
            order: Vec::new(),
            limit: None,
        }
    }
}

/// Rows as they were written: `time`, every tag, and the fields; by series key, then time.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadQuery {
    /// Field names, of which there may be none; `None`: every field of the table.
    pub fields: Option<Vec<String>>,
    /// Which series.
    pub filter: Filter,
    /// Which times.
    pub range: TimeRange,
    /// At most so many rows: the first ones.
    pub limit: Option<usize>,
    /// Whether rows that were written without any of `fields` are there too: then the fields
    /// asked for do not change which rows there are.
    pub every_row: bool,
}

impl Default for ReadQuery {
    fn default() -> Self {
        Self {
            fields: None,
            filter: Vec::new(),
            range: TimeRange::ALL,
            limit: None,
            every_row: false,
        }
    }
}

/// The latest row of each group, with the columns of a [`ReadQuery`].
#[derive(Clone, Debug, PartialEq)]
pub struct LastQuery {
    /// The tags that make a group; `None`: each series is one.
    pub by: Option<Vec<String>>,
    /// Field names; `None`: every field of the table.
    pub fields: Option<Vec<String>>,
    /// Which series.
    pub filter: Filter,
    /// Which times.
    pub range: TimeRange,
}

impl Default for LastQuery {
    fn default() -> Self {
        Self { by: None, fields: None, filter: Vec::new(), range: TimeRange::ALL }
    }
}

/// The statistics of one field over all of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct SumQuery {
    /// The field's name.
    pub field: String,
    /// Which series.
    pub filter: Filter,
    /// Which times.
    pub range: TimeRange,
}

/// The series of a table: its tags, `first_time`, `last_time` and `rows`.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesQuery {
    /// Which series.
    pub filter: Filter,
    /// Which times.
    pub range: TimeRange,
}

impl Default for SeriesQuery {
    fn default() -> Self {
        Self { filter: Vec::new(), range: TimeRange::ALL }
    }
}

/// The filter with its tags looked up.
///
/// # Errors
/// [`Error::NotFound`] for a tag that the table lacks.
pub(crate) fn tag_filter(schema: &TableSchema, filter: &Filter) -> Result<TagFilter> {
    let any_of = filter
        .iter()
        .map(|(tag, values)| Ok((schema.require_tag(tag)?, values.clone())))
        .collect::<Result<_>>()?;
    Ok(TagFilter { any_of })
}

/// Checks that a range does not end before it starts.
///
/// # Errors
/// [`Error::InvalidArgument`] with both ends.
pub(crate) fn check_range(range: TimeRange) -> Result<()> {
    match range.end {
        Some(end) if end < range.start => Err(Error::invalid(format!(
            "start {} is after end {end} (ns since 1970 UTC); a range is [start, end)",
            range.start
        ))),
        _ => Ok(()),
    }
}

/// The ids of the named tags.
///
/// # Errors
/// [`Error::NotFound`] for a tag that the table lacks, [`Error::InvalidArgument`] for one named
/// twice.
pub(crate) fn tag_ids(schema: &TableSchema, by: &[String]) -> Result<Vec<usize>> {
    distinct("by", by)?;
    by.iter().map(|tag| schema.require_tag(tag)).collect()
}

/// The ids of the named fields, all when `None`.
///
/// # Errors
/// [`Error::NotFound`] for a field that the table lacks, [`Error::InvalidArgument`] for one
/// named twice.
pub(crate) fn field_ids(schema: &TableSchema, fields: Option<&[String]>) -> Result<Vec<usize>> {
    let Some(fields) = fields else { return Ok((0..schema.fields.len()).collect()) };
    distinct("fields", fields)?;
    fields.iter().map(|field| schema.require_field(field)).collect()
}

/// Checks that no name comes twice.
pub(crate) fn distinct(argument: &str, names: &[String]) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(Error::invalid(format!("{argument} names {twice:?} twice"))),
        None => Ok(()),
    }
}
