//! What an analysis is asked of one table, and the series that it gets. The analysis itself is not
//! known here: the database runs it.

mod gather;

pub use gather::{Gathered, Series, gather};

use super::execute;
use super::expr::{Expr, Literal};
use super::plan::{Aggregate, AggregateQuery, Bucket, Filter, Finish, ReadQuery};
use super::{ChunkSource, QueryContext};
use crate::error::{Error, Result};
use crate::kernels::Function;
use crate::model::{FieldType, TableSchema, TimeRange};

/// The value of an option of an analysis.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// One value.
    One(Literal),
    /// Several.
    List(Vec<Setting>),
    /// Several with names.
    Map(Vec<(String, Setting)>),
}

/// An analysis of the series of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalyzeQuery {
    /// Which analysis, by name.
    pub function: String,
    /// The fields that it is of: f64, i64 (as f64) and bool (as 0 and 1).
    pub fields: Vec<String>,
    /// The tags that make a series, whose rows are merged in the order of their times; `None`:
    /// each series of the table is one.
    pub by: Option<Vec<String>>,
    /// Which series.
    pub filter: Filter,
    /// Which times.
    pub range: TimeRange,
    /// Which rows: a condition over time, tags and fields, beyond `filter` and `range`.
    pub predicate: Option<Expr>,
    /// The mean of each bucket instead of the rows; a bucket without a row is a gap.
    pub every: Option<Bucket>,
    /// Options of the analysis.
    pub settings: Vec<(String, Setting)>,
    /// Fields that may have moved together with an anomaly; for "detect" alone.
    pub related: Vec<String>,
    /// Events that may have come before an anomaly; for "detect" alone.
    pub events: Option<Events>,
    /// A condition over the result's columns that marks rows, in a column `alert`.
    pub alert: Option<Expr>,
    /// What becomes of the result's rows.
    pub finish: Finish,
}

/// Where events are told: rows of another table.
#[derive(Clone, Debug, PartialEq)]
pub struct Events {
    /// The table.
    pub table: String,
    /// A field of text that names the event; `None`: its tags do.
    pub field: Option<String>,
    /// Which series of it.
    pub filter: Filter,
    /// How long before an anomaly an event is still worth telling, ns.
    pub within: i64,
}

impl Events {
    /// The times of events before anomalies of a range.
    pub fn range(&self, of: TimeRange) -> TimeRange {
        TimeRange { start: of.start.saturating_sub(self.within), ..of }
    }
}

impl AnalyzeQuery {
    /// Of all of these fields of a table, each series alone.
    pub fn new(function: &str, fields: &[&str]) -> Self {
        Self {
            function: function.to_owned(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            by: None,
            filter: Filter::new(),
            range: TimeRange::ALL,
            predicate: None,
            every: None,
            settings: Vec::new(),
            related: Vec::new(),
            events: None,
            alert: None,
            finish: Finish::default(),
        }
    }

    /// What it reads: which series and times of its table, then those of events.
    pub fn scopes<'a>(&'a self, table: &'a str) -> Vec<(&'a str, &'a Filter, TimeRange)> {
        let mut scopes = vec![(table, &self.filter, self.range)];
        scopes.extend(
            self.events
                .as_ref()
                .map(|events| (events.table.as_str(), &events.filter, events.range(self.range))),
        );
        scopes
    }

    /// The tags that make a series.
    pub fn tags<'a>(&'a self, schema: &'a TableSchema) -> &'a [String] {
        self.by.as_deref().unwrap_or(&schema.tags)
    }

    /// The fields that are read: its own, then related ones.
    pub fn read_fields(&self) -> Vec<String> {
        let mut all = self.fields.clone();
        all.extend(self.related.iter().filter(|field| !self.fields.contains(field)).cloned());
        all
    }

    /// The query by which the rows are found.
    ///
    /// # Errors
    /// [`Error::NotFound`] for unknown names, [`Error::InvalidArgument`] for a field of text.
    pub(crate) fn rows(&self, schema: &TableSchema) -> Result<Rows> {
        let fields = self.read_fields();
        for field in &fields {
            let ty = schema.fields[schema.require_field(field)?].ty;
            if ty == FieldType::Str {
                return Err(Error::invalid(format!(
                    "field {field:?} is {}; {} works on f64, i64 and bool",
                    ty.name(),
                    self.function
                )));
            }
        }
        let Some(bucket) = &self.every else {
            return Ok(Rows::Read(ReadQuery {
                fields: Some(fields),
                filter: self.filter.clone(),
                range: self.range,
                predicate: self.predicate.clone(),
                ..ReadQuery::default()
            }));
        };
        if bucket.step.is_some() {
            return Err(Error::invalid("every takes buckets that do not overlap, without step"));
        }
        let mean = |field: &String| Aggregate {
            name: field.clone(),
            function: Function::Mean,
            inputs: vec![Expr::column(field)],
        };
        Ok(Rows::Aggregate(AggregateQuery {
            bucket: Some(bucket.clone()),
            by: self.tags(schema).to_vec(),
            filter: self.filter.clone(),
            range: self.range,
            predicate: self.predicate.clone(),
            ..AggregateQuery::new(fields.iter().map(mean).collect())
        }))
    }

    /// What it asks, in lines.
    ///
    /// # Errors
    /// As its run, but for what only the analysis finds.
    pub fn explain(&self, source: &dyn ChunkSource, context: &QueryContext) -> Result<Vec<String>> {
        let schema = source.schema();
        let mut lines = vec![format!("kymograph: {} {}", self.function, schema.name)];
        let mut put = |name: &str, what: String| {
            lines.push(format!("  {:<12}{what}", format!("{name}:")));
        };
        put("fields", self.fields.join(", "));
        put("series", format!("by {}", self.tags(schema).join(", ")));
        if !self.settings.is_empty() {
            let shown: Vec<String> =
                self.settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            put("options", shown.join(", "));
        }
        if !self.related.is_empty() {
            put("related", self.related.join(", "));
        }
        if let Some(events) = &self.events {
            put("events", events.table.clone());
        }
        if let Some(alert) = &self.alert {
            put("alert", alert.to_string());
        }
        let of_rows = match self.rows(schema)? {
            Rows::Read(query) => execute::explain::read(source, &query, context)?,
            Rows::Aggregate(query) => execute::explain::aggregate(source, &query, context)?,
        };
        lines.extend(of_rows.into_iter().map(|line| format!("  {line}")));
        Ok(lines)
    }
}

/// How the rows of an analysis are found.
pub(crate) enum Rows {
    /// As they were written.
    Read(ReadQuery),
    /// As means of buckets.
    Aggregate(AggregateQuery),
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(literal) => write!(f, "{}", Expr::Literal(literal.clone())),
            Self::List(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "({})", values.join(", "))
            }
            Self::Map(values) => {
                let values: Vec<String> =
                    values.iter().map(|(name, value)| format!("{name}: {value}")).collect();
                write!(f, "{{{}}}", values.join(", "))
            }
        }
    }
}
