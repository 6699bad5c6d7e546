//! Rows as they were written: first which rows of which blocks, then each column of these straight
//! to its place in the result.

mod gather;
mod reader;
mod select;

use arrow_array::RecordBatch;
use rayon::prelude::*;

use super::finish::Finisher;
use super::series_of;
use crate::error::Result;
use crate::query::plan::check_range;
use crate::query::{ChunkSource, QueryContext, ReadQuery, SeriesRef};
pub(super) use reader::Reader;
pub(super) use select::Found;

/// Series that are read at once under a limit.
const AT_ONCE: usize = 8;

/// Reads rows; [`ReadQuery`] says what comes out.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] for a range that ends before it starts or a field named
/// twice,
/// [`crate::Error::NotFound`] for unknown names, and what the source and the context report.
pub fn read(
    source: &dyn ChunkSource,
    query: &ReadQuery,
    context: &QueryContext,
) -> Result<RecordBatch> {
    check_range(query.range)?;
    let (fields, predicate) = (query.fields.as_deref(), query.predicate.as_ref());
    let reader = Reader::new(source, fields, query.every_row, predicate, context)?;
    let nothing = reader.frame(Vec::new())?.into_batch()?;
    let finisher = Finisher::new(&query.finish, &nothing.schema())?;
    let range = reader.range(query.range);
    let series = reader.series(series_of(source, &query.filter, range, context)?)?;
    let mut found: Vec<(&SeriesRef, Found)> = Vec::new();
    match query.finish.first_rows().filter(|_| source.prunes()) {
        None => {
            let of = |one| Ok((one, reader.find(one, range, usize::MAX)?));
            found = series.par_iter().map(of).collect::<Result<_>>()?;
        }
        Some(limit) => {
            let mut missing = limit;
            for some in series.chunks(AT_ONCE) {
                if missing == 0 {
                    break;
                }
                let of = |one| Ok((one, reader.find(one, range, missing)?));
                for (one, mut own) in some.par_iter().map(of).collect::<Result<Vec<_>>>()? {
                    own.truncate(missing);
                    missing -= own.rows();
                    found.push((one, own));
                }
            }
        }
    }
    finisher.apply(reader.frame(found)?.into_batch()?)
}
