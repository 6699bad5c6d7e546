//! Queries over a [`ChunkSource`]: the logical plans, and their execution into Arrow.

pub mod analyze;
pub mod context;
pub mod execute;
pub mod expr;
pub(crate) mod inputs;
pub mod plan;
pub(crate) mod predicate;
pub mod relate;
mod source;
#[cfg(test)]
mod tests;

pub use crate::kernels::Function;
pub use analyze::{AnalyzeQuery, Events, Gathered, Setting, gather};
pub use context::{Budget, CancelToken, QueryContext, Share};
pub use execute::{aggregate, explain, last, read, result_columns, series, sum};
pub use expr::{Expr, Interval, Literal};
pub(crate) use plan::tag_filter;
pub use plan::{
    Aggregate, AggregateQuery, Bucket, Fill, Filter, Finish, LastQuery, OrderBy, ReadQuery,
    SeriesQuery, SumQuery,
};
pub use relate::{AnomalyQuery, CorrelateQuery, correlate, top_anomalies};
pub use source::{ChunkSource, RolledUp, SeriesRef, Summary, TagFilter};
