//! The statistics of one field over a range, from block statistics but at the range's edges.

use std::sync::Arc;

use rayon::prelude::*;

use super::series_of;
use crate::chunk::Stats;
use crate::error::Result;
use crate::kernels::{Accumulator, Bucketing, Guard, Needs, Plan};
use crate::model::FieldType;
use crate::query::plan::check_range;
use crate::query::{ChunkSource, QueryContext, SeriesRef, SumQuery};

/// Most tasks that the series are cut into; fixed, so that a sum does not depend on the threads.
const TASKS: usize = 64;

/// Count, sum, extremes, deviations, first and last of one field over all series that pass, `None`
/// when there is no point. Runs of chunks inside the range come from the source's cumulative
/// statistics; of the rest a part is decoded in the two blocks at most that `range` cuts, besides
/// those with deleted rows or, where the last of duplicates counts, with overlaps.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] for a range that ends before it starts,
/// [`crate::Error::NotFound`] for unknown names, and what the source and the context report.
pub fn sum(
    source: &dyn ChunkSource,
    query: &SumQuery,
    context: &QueryContext,
) -> Result<Option<Stats>> {
    check_range(query.range)?;
    let schema = source.schema();
    let field = schema.require_field(&query.field)?;
    let ty = schema.fields[field].ty;
    let plan = Arc::new(Plan::of_field(field, ty, Needs::STATISTICS));
    let types: Arc<[FieldType]> = schema.fields.iter().map(|field| field.ty).collect();
    let empty = || Accumulator::new(Arc::clone(&plan), Arc::clone(&types), Bucketing::all());
    let series = series_of(source, &query.filter, query.range, context)?;
    let each = series.len().div_ceil(TASKS).max(1);
    let fold = |some: &[SeriesRef]| {
        let mut own = empty();
        let mut covered = None;
        for one in some {
            context.poll()?;
            for partials in source.partials(one, query.range, &[field], context)? {
                own.take_partials(&partials)?;
            }
            let summary = source.summary(one, query.range, field)?;
            own.fold_series(&summary.rest, query.range, schema.duplicates, None, context)?;
            Stats::merge_into(&mut covered, summary.covered);
        }
        Ok((own, covered))
    };
    let folded = series.par_chunks(each).map(fold).collect::<Result<Vec<_>>>()?;
    let mut whole = empty();
    let mut total = None;
    for (own, covered) in folded {
        whole.merge(own, context)?;
        Stats::merge_into(&mut total, covered);
    }
    Stats::merge_into(&mut total, whole.statistics(0));
    Ok(total)
}
