//! Result columns, and their way into Arrow without a copy of numbers.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, LargeStringArray,
    RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray, UInt32Array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::{Field, Schema};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::{Bitmap, Column, Timestamp, Values};

/// A tag's value in every row: a position in `values`, `NO_TAG` where the series lacks the tag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags {
    values: Vec<Box<str>>,
    positions: HashMap<Box<str>, u32, RandomState>,
    keys: Vec<u32>,
    /// Whether a row lacks the tag.
    absent: bool,
}

const NO_TAG: u32 = u32::MAX;

impl Tags {
    /// Of runs of rows, each with its value.
    pub(crate) fn of_runs<'a>(
        runs: impl Iterator<Item = (Option<&'a str>, usize)> + Clone,
    ) -> Self {
        let rows = runs.clone().map(|(_, rows)| rows).sum();
        let mut tags = Self { keys: Vec::with_capacity(rows), ..Self::default() };
        runs.for_each(|(value, rows)| tags.push(value, rows));
        tags
    }

    /// Appends `rows` rows that hold `value`.
    pub(crate) fn push(&mut self, value: Option<&str>, rows: usize) {
        let key = value.map_or(NO_TAG, |value| self.key(value));
        self.absent |= value.is_none() && rows > 0;
        self.keys.extend(std::iter::repeat_n(key, rows));
    }

    fn key(&mut self, value: &str) -> u32 {
        // Rows come by series, and series by their tags: a value is often that of the row before.
        if let Some(&last) = self.keys.last()
            && self.values.get(last as usize).is_some_and(|last| **last == *value)
        {
            return last;
        }
        match self.positions.get(value) {
            Some(&key) => key,
            None => {
                let key = self.values.len() as u32;
                self.values.push(value.into());
                self.positions.insert(value.into(), key);
                key
            }
        }
    }

    pub(crate) fn array(mut self) -> Result<ArrayRef> {
        let mut valid = None;
        if self.absent {
            valid = Some(self.keys.iter().map(|&key| key != NO_TAG).collect());
            self.keys.iter_mut().filter(|key| **key == NO_TAG).for_each(|key| *key = 0);
        }
        let keys = UInt32Array::new(self.keys.into(), nulls(valid));
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
            add("time".to_owned(), false, times_array(time, None));
        }
        let tags = self.tags.into_par_iter().map(|(name, tags)| Ok((name, tags.array()?)));
        for (name, tags) in tags.collect::<Result<Vec<_>>>()? {
            add(name, true, tags);
        }
        for (name, times) in self.times {
            add(name, false, times_array(times, None));
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

/// Times as Arrow has them, not copied.
pub(crate) fn times_array(times: Vec<Timestamp>, validity: Option<Bitmap>) -> ArrayRef {
    let times = TimestampNanosecondArray::new(ScalarBuffer::from(times), nulls(validity));
    Arc::new(times.with_timezone("UTC"))
}

/// A column as Arrow has it, its numbers not copied.
pub(crate) fn array(column: Column) -> Result<ArrayRef> {
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
