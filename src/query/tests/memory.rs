//! A source in memory.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType, UInt32Type};
use arrow_array::{Array, RecordBatch};

use crate::chunk::Part;
use crate::error::Result;
use crate::kernels::testing::TYPES;
use crate::model::{Duplicates, FieldDef, SeriesKey, TableSchema, TimeRange, Value};
use crate::query::{ChunkSource, SeriesRef, TagFilter};

/// Series with their parts, ordered by key.
pub(super) struct MemorySource {
    schema: Arc<TableSchema>,
    pub(super) series: Vec<(Arc<SeriesKey>, Vec<Part>)>,
}

/// The fields of every table under test, by the ids of `TYPES`.
pub(super) const FIELDS: [&str; 5] = ["usage", "ops", "up", "state", "load"];

impl MemorySource {
    /// Tags are host and region.
    pub(super) fn new(
        duplicates: Duplicates,
        series: Vec<(Option<&str>, Option<&str>, Vec<Part>)>,
    ) -> Self {
        let field = |(name, &ty): (&&str, &_)| FieldDef { name: (*name).to_owned(), ty };
        let fields = FIELDS.iter().zip(&TYPES).map(field).collect();
        let tags = vec!["host".to_owned(), "region".to_owned()];
        let schema = TableSchema::new("cpu", tags, fields, duplicates, None).expect("a schema");
        let key = |host, region| Arc::new(SeriesKey::new([host, region]));
        let mut series: Vec<_> = series.into_iter().map(|(h, r, p)| (key(h, r), p)).collect();
        series.sort_by(|a, b| a.0.cmp(&b.0));
        Self { schema: Arc::new(schema), series }
    }
}

impl ChunkSource for MemorySource {
    fn schema(&self) -> &Arc<TableSchema> {
        &self.schema
    }

    fn series(&self, filter: &TagFilter, _range: TimeRange) -> Result<Vec<SeriesRef>> {
        let all = self.series.iter().enumerate().filter(|(_, (key, _))| filter.matches(key));
        Ok(all
            .map(|(at, (key, _))| SeriesRef { key: Arc::clone(key), handle: at as u64 })
            .collect())
    }

    fn parts(&self, series: &SeriesRef, range: TimeRange, fields: &[usize]) -> Result<Vec<Part>> {
        assert!(fields.is_sorted(), "field ids ascend");
        let overlaps = |part: &Part| part.data.span().is_some_and(|(a, b)| range.overlaps(a, b));
        let holds = |part: &Part| {
            fields.is_empty() || fields.iter().any(|&field| part.column_of(field).is_some())
        };
        let parts = self.series[series.handle as usize].1.iter();
        Ok(parts.filter(|part| overlaps(part) && holds(part)).cloned().collect())
    }
}

/// A cell of a result: a tag or a string, a number, a time, a truth value.
pub(super) fn cell(batch: &RecordBatch, name: &str, row: usize) -> Option<Value> {
    use arrow_schema::DataType;
    let column = batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Timestamp(..) => {
            Value::I64(column.as_primitive::<TimestampNanosecondType>().value(row))
        }
        DataType::Dictionary(..) => {
            let dictionary = column.as_dictionary::<UInt32Type>();
            let key = dictionary.keys().value(row) as usize;
            Value::Str(dictionary.values().as_string::<i32>().value(key).to_owned())
        }
        DataType::Float64 => Value::F64(column.as_primitive::<Float64Type>().value(row)),
        DataType::Int64 => Value::I64(column.as_primitive::<Int64Type>().value(row)),
        DataType::Boolean => Value::Bool(column.as_boolean().value(row)),
        DataType::LargeUtf8 => Value::Str(column.as_string::<i64>().value(row).to_owned()),
        other => panic!("a column of {other}"),
    })
}

/// A column's cells.
pub(super) fn cells(batch: &RecordBatch, name: &str) -> Vec<Option<Value>> {
    (0..batch.num_rows()).map(|row| cell(batch, name, row)).collect()
}

/// The names of a result's columns.
pub(super) fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().map(|f| f.name().clone()).collect()
}
