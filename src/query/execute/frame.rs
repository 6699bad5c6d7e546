//! Result columns, and their way into Arrow without a copy of numbers.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, LargeStringArray,
    RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray, UInt32Array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema};
use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::model::{Bitmap, Column, Timestamp, Values};

/// A tag's value in every row: a position in `values`, `NO_TAG` where the series lacks the tag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags {
    values: Vec<Box<str>>,
    positions: HashMap<Box<str>, u32>,
    keys: Vec<u32>,
}

const NO_TAG: u32 = u32::MAX;

impl Tags {
    /// Appends `rows` rows that hold `value`.
    pub(crate) fn push(&mut self, value: Option<&str>, rows: usize) {
        let key = value.map_or(NO_TAG, |value| match self.positions.get(value) {
            Some(&key) => key,
            None => {
                let key = self.values.len() as u32;
                self.values.push(value.into());
                self.positions.insert(value.into(), key);
                key
            }
        });
        self.keys.extend(std::iter::repeat_n(key, rows));
    }

    /// The value of row `row`.
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        self.values.get(self.keys[row] as usize).map(AsRef::as_ref)
    }

    /// Keeps the given rows, in that order.
    pub(crate) fn take(&mut self, rows: &[usize]) {
        self.keys = rows.iter().map(|&row| self.keys[row]).collect();
    }

    fn array(self) -> Result<ArrayRef> {
        let valid: Bitmap = self.keys.iter().map(|&key| key != NO_TAG).collect();
        let keys = self.keys.into_iter().map(|key| if key == NO_TAG { 0 } else { key });
        let keys = UInt32Array::new(keys.collect(), nulls(Some(valid)));
        let values = StringArray::from_iter_values(self.values);
        let array = DictionaryArray::<UInt32Type>::try_new(keys, Arc::new(values));
        Ok(Arc::new(array.map_err(|e| Error::Internal(e.to_string()))?))
    }
}

/// The rows of a result: `time` where there is one, the tags, the values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frame {
    pub(crate) rows: usize,
    /// Further columns of times.
    pub(crate) times: Vec<(String, Vec<Timestamp>)>,
    pub(crate) time: Option<Vec<Timestamp>>,
    pub(crate) tags: Vec<(String, Tags)>,
    pub(crate) columns: Vec<(String, Column)>,
}

impl Frame {
    /// As Arrow has it: `time`, tags, times, values. Times are timestamps of nanoseconds in UTC,
    /// tags are dictionaries, nulls are nulls.
    pub(crate) fn into_batch(self) -> Result<RecordBatch> {
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        let mut add = |name: String, nullable: bool, array: ArrayRef| {
            use arrow_array::Array;
            fields.push(Field::new(name, array.data_type().clone(), nullable));
            arrays.push(array);
        };
        if let Some(time) = self.time {
            let time = TimestampNanosecondArray::new(ScalarBuffer::from(time), None);
            add("time".to_owned(), false, Arc::new(time.with_timezone("UTC")));
        }
        for (name, tags) in self.tags {
            add(name, true, tags.array()?);
        }
        for (name, times) in self.times {
            let times = TimestampNanosecondArray::new(ScalarBuffer::from(times), None);
            add(name, false, Arc::new(times.with_timezone("UTC")));
        }
        for (name, column) in self.columns {
            add(name, true, array(column)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
            .map_err(|e| Error::Internal(e.to_string()))
    }
}

/// The Arrow type of `time` columns.
#[cfg(test)]
pub(crate) fn time_type() -> arrow_schema::DataType {
    arrow_schema::DataType::Timestamp(arrow_schema::TimeUnit::Nanosecond, Some("UTC".into()))
}

fn nulls(validity: Option<Bitmap>) -> Option<NullBuffer> {
    let validity = validity?;
    let len = validity.len();
    if validity.count_ones() == len {
        return None;
    }
    let bits = Buffer::from_vec(validity.words().to_vec());
    Some(NullBuffer::new(BooleanBuffer::new(bits, 0, len)))
}

fn array(column: Column) -> Result<ArrayRef> {
    let nulls = nulls(column.validity);
    Ok(match column.values {
        Values::F64(v) => Arc::new(Float64Array::new(ScalarBuffer::from(v), nulls)),
        Values::I64(v) => Arc::new(Int64Array::new(ScalarBuffer::from(v), nulls)),
        Values::Bool(v) => Arc::new(BooleanArray::new(BooleanBuffer::from(v), nulls)),
        Values::Str(v) => {
            let values = LargeStringArray::from_iter_values(v.iter());
            let (offsets, bytes, _) = values.into_parts();
            let array = LargeStringArray::try_new(offsets, bytes, nulls);
            Arc::new(array.map_err(|e| Error::Internal(e.to_string()))?)
        }
    })
}
