//! The logical plans: what to ask of a table, by name. The fluent API and SQL build the same.

use super::expr::{Expr, Interval};
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

/// One output of an aggregate query.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// The column's name in the result, such as `usage_mean`.
    pub name: String,
    /// What is computed.
    pub function: Function,
    /// As many expressions over time, tags and fields as the function takes; mostly one field:
    /// [`Expr::Column`]. None for [`Function::Rows`].
    pub inputs: Vec<Expr>,
}

impl Aggregate {
    /// Of a field, called `usage_mean`.
    pub fn of_field(field: &str, function: Function) -> Self {
        let inputs = if function.inputs() == 0 { Vec::new() } else { vec![Expr::column(field)] };
        Self { name: format!("{field}_{}", function.name()), function, inputs }
    }
}

/// Buckets of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The length of a bucket: months or nanoseconds, positive, not both.
    pub width: Interval,
    /// The start of a bucket in ns; the default is 1970-01-01, for whole weeks Monday 2000-01-03,
    /// for months 2000-01-01 (as DuckDB and TimescaleDB have it).
    pub origin: Option<i64>,
    /// The time zone whose days, weeks and months count (an IANA name); UTC without.
    pub timezone: Option<String>,
    /// Sliding windows of `width` that start every `step` nanoseconds; `None`: buckets do not
    /// overlap.
    pub step: Option<i64>,
}

impl Bucket {
    /// Of so many nanoseconds.
    pub fn of_nanos(nanos: i64) -> Self {
        Self::of(Interval { months: 0, nanos })
    }

    /// Of that length.
    pub fn of(width: Interval) -> Self {
        Self { width, origin: None, timezone: None, step: None }
    }
}

/// What becomes of the rows of a result, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finish {
    /// Which rows stay: a condition over the result's columns.
    pub having: Option<Expr>,
    /// The columns to make of them, by name; `None`: those that there are.
    pub select: Option<Vec<(String, Expr)>>,
    /// Each row once.
    pub distinct: bool,
    /// Most significant first; over the columns before `select` and, first, those it makes.
    pub order: Vec<OrderBy>,
    /// How many of the first rows are left out.
    pub offset: usize,
    /// How many are left then, at most.
    pub limit: Option<usize>,
}

impl Finish {
    /// How many of the first rows are enough, where no other could come before them.
    pub(crate) fn first_rows(&self) -> Option<usize> {
        let plain = self.having.is_none() && self.order.is_empty() && !self.distinct;
        self.limit.filter(|_| plain)?.checked_add(self.offset)
    }

    /// Only the first rows.
    pub fn limit(limit: Option<usize>) -> Self {
        Self { limit, ..Self::default() }
    }
}

/// Orders rows; NaN counts as the greatest, rows that tie keep their order.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderBy {
    /// By its value.
    pub by: Expr,
    /// The greatest first.
    pub descending: bool,
    /// Nulls before all else instead of after.
    pub nulls_first: bool,
}

impl OrderBy {
    /// By a column, nulls last.
    pub fn column(name: &str, descending: bool) -> Self {
        Self { by: Expr::column(name), descending, nulls_first: false }
    }
}

/// Aggregates by bucket and tags. The result has the columns `time` (with `bucket`), `by`, then
/// the aggregates; ordered by tags, then time, unless `finish` says so.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateQuery {
    /// What to compute.
    pub aggregates: Vec<Aggregate>,
    /// The buckets of time; `None`: all of the range is one.
    pub bucket: Option<Bucket>,
    /// The tags that make a group.
    pub by: Vec<String>,
    /// Which series.
    pub filter: Filter,
    /// Which times.
    pub range: TimeRange,
    /// Which rows: a condition over time, tags and fields, beyond `filter` and `range`.
    pub predicate: Option<Expr>,
    /// Gap filling, one for all or one an aggregate; empty: none. Needs `bucket`.
    pub fill: Vec<Fill>,
    /// One row also where there is nothing, as in SQL without GROUP BY.
    pub one_row: bool,
    /// What becomes of the rows.
    pub finish: Finish,
}

impl AggregateQuery {
    /// Of all rows of a table, in one row.
    pub fn new(aggregates: Vec<Aggregate>) -> Self {
        Self {
            aggregates,
            bucket: None,
            by: Vec::new(),
            filter: Vec::new(),
            range: TimeRange::ALL,
            predicate: None,
            fill: Vec::new(),
            one_row: false,
            finish: Finish::default(),
        }
    }

    /// The same of fields, each with its functions.
    pub fn of_fields(fields: &[(String, Vec<Function>)]) -> Self {
        let each = |(field, functions): &(String, Vec<Function>)| {
            let aggregates = functions.iter().map(|&f| Aggregate::of_field(field, f));
            aggregates.collect::<Vec<_>>()
        };
        Self::new(fields.iter().flat_map(each).collect())
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
    /// Which rows: a condition over time, tags and fields, beyond `filter` and `range`.
    pub predicate: Option<Expr>,
    /// What becomes of the rows.
    pub finish: Finish,
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
            predicate: None,
            finish: Finish::default(),
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
    /// Which rows: a condition over time, tags and fields, beyond `filter` and `range`.
    pub predicate: Option<Expr>,
    /// Whether rows that were written without any of `fields` are there too.
    pub every_row: bool,
    /// What becomes of the rows.
    pub finish: Finish,
}

impl Default for LastQuery {
    fn default() -> Self {
        Self {
            by: None,
            fields: None,
            filter: Vec::new(),
            range: TimeRange::ALL,
            predicate: None,
            every_row: false,
            finish: Finish::default(),
        }
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
