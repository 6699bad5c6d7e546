//! The table of an analysis as a record batch.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, LargeStringArray, RecordBatch,
    RecordBatchOptions, TimestampNanosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema};

use crate::analytics::{Column, Table};
use crate::error::{Error, Result};
use crate::query::execute::Tags;

/// What stands for a series in a result.
pub(super) enum Keys<'a> {
    /// Its tags: their names, and the values of each series.
    Tags(&'a [String], &'a [&'a [Option<String>]]),
    /// Its place, as a number.
    Places,
    /// Nothing: there is only one.
    Nothing,
}

/// `time` where there is one, what stands for the series, then the other columns in their order.
/// A tag that is called like another column has "tag_" before its name.
pub(super) fn batch(table: Table, keys: &Keys<'_>) -> Result<RecordBatch> {
    let rows = table.rows();
    let plain: Vec<String> = table
        .columns
        .iter()
        .filter(|(_, column)| !matches!(column, Column::Series(_)))
        .map(|(name, _)| name.clone())
        .collect();
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for (name, column) in table.columns {
        match column {
            Column::Series(places) => series(&name, &places, keys, &plain, &mut rest)?,
            column => {
                let to = if name == "time" { &mut first } else { &mut rest };
                to.push((name, array(column)?));
            }
        }
    }
    first.extend(rest);
    let field = |(name, array): &(String, ArrayRef)| {
        Field::new(name, arrow_array::Array::data_type(array).clone(), true)
    };
    let schema = Schema::new(first.iter().map(field).collect::<Vec<_>>());
    let arrays = first.into_iter().map(|(_, array)| array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), arrays, &options)
        .map_err(|e| Error::Internal(e.to_string()))
}

/// The columns that stand for the series of rows.
fn series(
    name: &str,
    places: &[u32],
    keys: &Keys<'_>,
    taken: &[String],
    out: &mut Vec<(String, ArrayRef)>,
) -> Result<()> {
    let prefix = if name.is_empty() { String::new() } else { format!("{name}_") };
    match keys {
        Keys::Nothing => {}
        Keys::Places => {
            let places: Vec<i64> = places.iter().map(|&place| i64::from(place)).collect();
            out.push((format!("{prefix}series"), Arc::new(Int64Array::from(places))));
        }
        Keys::Tags(tags, keys) => {
            for (at, tag) in tags.iter().enumerate() {
                let value =
                    |place: u32| keys.get(place as usize).and_then(|key| key.get(at)?.as_deref());
                let runs = places.chunk_by(|a, b| a == b);
                let runs = runs.map(|run| (value(run[0]), run.len()));
                let shown = format!("{prefix}{tag}");
                let shown =
                    if taken.contains(&shown) { format!("{prefix}tag_{tag}") } else { shown };
                out.push((shown, Tags::of_runs(runs).array()?));
            }
        }
    }
    Ok(())
}

fn array(column: Column) -> Result<ArrayRef> {
    let nulls = |valid: BooleanBuffer| {
        (valid.count_set_bits() < valid.len()).then(|| NullBuffer::new(valid))
    };
    Ok(match column {
        Column::Series(_) => return Err(Error::Internal("a series is no column".to_owned())),
        Column::Time(times) => {
            let valid = BooleanBuffer::from_iter(times.iter().map(|&time| time != i64::MIN));
            let times = TimestampNanosecondArray::new(ScalarBuffer::from(times), nulls(valid));
            Arc::new(times.with_timezone("UTC"))
        }
        Column::Int(values) => {
            let valid = BooleanBuffer::from_iter(values.iter().map(|&value| value != i64::MIN));
            Arc::new(Int64Array::new(ScalarBuffer::from(values), nulls(valid)))
        }
        Column::Float(values) => {
            let valid = BooleanBuffer::from_iter(values.iter().map(|value| !value.is_nan()));
            Arc::new(Float64Array::new(ScalarBuffer::from(values), nulls(valid)))
        }
        Column::Bool(values) => Arc::new(BooleanArray::from(values)),
        Column::Text(values) => Arc::new(LargeStringArray::from(values)),
    })
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;

    use super::*;

    fn names(batch: &RecordBatch) -> Vec<String> {
        batch.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    #[test]
    fn time_comes_first_then_tags_and_what_stands_for_nothing_is_null() {
        let table = Table::new([
            ("", Column::Series(vec![1, 1, 0])),
            ("time", Column::Time(vec![5, i64::MIN, 7])),
            ("score", Column::Float(vec![0.5, f64::NAN, 1.0])),
            ("index", Column::Int(vec![i64::MIN, 2, 3])),
        ]);
        let tags = ["host".to_owned(), "score".to_owned()];
        let keys: [&[Option<String>]; 2] =
            [&[Some("a".to_owned()), None], &[None, Some("b".to_owned())]];
        let batch = batch(table, &Keys::Tags(&tags, &keys)).expect("columns of one length");
        assert_eq!(names(&batch), ["time", "host", "tag_score", "score", "index"]);
        let nulls: Vec<usize> = batch.columns().iter().map(|c| c.null_count()).collect();
        assert_eq!(nulls, [1, 2, 1, 1, 1]);
    }

    #[test]
    fn two_series_of_a_row_have_names_of_their_own() {
        let table = || {
            Table::new([
                ("a", Column::Series(vec![0])),
                ("b", Column::Series(vec![1])),
                ("r", Column::Float(vec![0.5])),
            ])
        };
        let tags = ["host".to_owned()];
        let keys: [&[Option<String>]; 2] = [&[Some("x".to_owned())], &[Some("y".to_owned())]];
        let tagged = batch(table(), &Keys::Tags(&tags, &keys)).expect("columns of one length");
        assert_eq!(names(&tagged), ["a_host", "b_host", "r"]);
        let placed = batch(table(), &Keys::Places).expect("columns of one length");
        assert_eq!(names(&placed), ["a_series", "b_series", "r"]);
        assert_eq!(names(&batch(table(), &Keys::Nothing).expect("one column")), ["r"]);
    }
}
