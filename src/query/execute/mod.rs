//! Execution of the plans: from a [`super::ChunkSource`] to Arrow, in parallel on the current
//! rayon pool. Results do not depend on the number of threads.

mod aggregate;
mod asked;
mod bucket;
pub mod explain;
mod fill;
mod finish;
mod frame;
mod group;
mod last;
mod read;
mod rolled;
mod row_map;
mod series;
mod sum;

pub use aggregate::{aggregate, result_columns};
pub(crate) use finish::Finisher;
#[cfg(test)]
pub(crate) use frame::time_type;
pub(crate) use frame::{Frame, Tags, array, times_array};
pub(crate) use group::{Group, groups};
pub use last::last;
pub use read::read;
pub(crate) use rolled::needs_rows;
pub use series::series;
pub use sum::sum;

use crate::error::Result;
use crate::kernels::Guard;
use crate::model::TimeRange;
use crate::query::{ChunkSource, Filter, QueryContext, SeriesRef, tag_filter};

/// Bytes that a series takes while a query works on it, its tags aside.
const SERIES_BYTES: usize = 256;
/// Bytes of a tag of it.
const TAG_BYTES: usize = 32;

/// The series of a query; the budget is asked before they are made.
pub(crate) fn series_of(
    source: &dyn ChunkSource,
    filter: &Filter,
    range: TimeRange,
    context: &QueryContext,
) -> Result<Vec<SeriesRef>> {
    let schema = source.schema();
    let filter = tag_filter(schema, filter)?;
    let most = source.series_at_most(&filter, range)?;
    context.charge(most * (SERIES_BYTES + TAG_BYTES * schema.tags.len()))?;
    let series = source.series(&filter, range)?;
    context.poll()?;
    Ok(series)
}
