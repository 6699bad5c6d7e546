//! Frames by hand, and every frame against a row-wise reading of it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod events;
mod intern;
mod tags;
mod time;
mod twin;
mod types;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Field, Schema};

use super::{FrameOptions, OnError};
use crate::model::{Batch, FieldDef, FieldType, Value};

/// A frame of one record batch.
pub(super) fn frame(columns: Vec<(&str, ArrayRef)>) -> (Vec<RecordBatch>, Schema) {
    let fields: Vec<Field> =
        columns.iter().map(|(n, a)| Field::new(*n, a.data_type().clone(), true)).collect();
    let schema = Schema::new(fields);
    let arrays = columns.into_iter().map(|(_, a)| a).collect();
    (vec![RecordBatch::try_new(Arc::new(schema.clone()), arrays).unwrap()], schema)
}

pub(super) fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

pub(super) fn def(name: &str, ty: FieldType) -> FieldDef {
    FieldDef { name: name.to_owned(), ty }
}

pub(super) fn opts<'a>(tags: &'a [String], fields: &'a [FieldDef]) -> FrameOptions<'a> {
    FrameOptions {
        table: "cpu",
        time: "time",
        tags,
        frame_tags: tags,
        fields,
        max_series: u64::MAX,
        on_error: OnError::Raise,
    }
}

/// One row: its tags, its time and its values by field.
pub(super) type Row = (Vec<Option<String>>, i64, Vec<(String, Option<Value>)>);

/// The rows of a batch, in order.
pub(super) fn rows(batch: &Batch) -> Vec<Row> {
    (0..batch.rows())
        .map(|i| {
            let key = &batch.series()[batch.series_of()[i] as usize];
            let tags = key.tags.iter().map(|t| t.as_deref().map(str::to_owned)).collect();
            let values = batch
                .fields()
                .iter()
                .map(|(name, array)| (name.clone(), array.slice(i..i + 1).get(0)))
                .collect();
            (tags, batch.times()[i], values)
        })
        .collect()
}

/// Checks that the series of a batch are distinct and all in use.
pub(super) fn assert_series_are_distinct(batch: &Batch) {
    let distinct: std::collections::HashSet<_> = batch.series().iter().collect();
    assert_eq!(distinct.len(), batch.series().len());
    let used: std::collections::HashSet<_> = batch.series_of().iter().collect();
    assert_eq!(used.len(), batch.series().len());
}
