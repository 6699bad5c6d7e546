//! Queries over a [`ChunkSource`]: the logical plans, and their execution into Arrow.

pub mod context;
pub mod execute;
pub mod having;
pub mod plan;
pub mod relate;
mod source;
#[cfg(test)]
mod tests;

pub use crate::kernels::Function;
pub use context::{Budget, CancelToken, QueryContext};
pub use execute::{aggregate, last, read, series, sum};
pub use having::{Comparison, Having};
pub(crate) use plan::tag_filter;
pub use plan::{
    AggregateQuery, Fill, Filter, LastQuery, OrderBy, ReadQuery, SeriesQuery, SumQuery,
};
pub use relate::{AnomalyQuery, CorrelateQuery, correlate, top_anomalies};
pub use source::{ChunkSource, SeriesRef, Summary, TagFilter};
