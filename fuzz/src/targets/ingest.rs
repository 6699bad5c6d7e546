//! Frames of any columns as they come from Arrow: an error that tells what is wrong with the frame,
//! or batches that hold together, with every row of the frame in them or among those left out.

use std::sync::Arc;

use arbitrary::Arbitrary;
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int8Array,
    Int32Array, Int64Array, LargeStringArray, NullArray, RecordBatch, RecordBatchOptions,
    StringArray, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use arrow_schema::{Field, Schema};
use kymograph::Error;
use kymograph::ingest::{FrameOptions, Ingested, OnError, events, field_defs, wide};
use kymograph::model::{FieldDef, FieldType};

const NAMES: [&str; 8] = ["time", "host", "usage", "io", "note", "up", "metric", "value"];
const MOST_ROWS: usize = 64;

#[derive(Arbitrary, Debug)]
enum Cells {
    Nanos(Vec<Option<i64>>),
    Micros(Vec<Option<i64>>),
    Millis(Vec<Option<i64>>),
    Seconds(Vec<Option<i64>>),
    Days(Vec<Option<i32>>),
    Longs(Vec<Option<i64>>),
    Ints(Vec<Option<i32>>),
    Bytes(Vec<Option<i8>>),
    Unsigned(Vec<Option<u64>>),
    Doubles(Vec<Option<f64>>),
    Floats(Vec<Option<f32>>),
    Truths(Vec<Option<bool>>),
    Texts(Vec<Option<String>>),
    LargeTexts(Vec<Option<String>>),
    Views(Vec<Option<String>>),
    Dictionary(Vec<Option<u8>>, Vec<Option<String>>),
    Nulls,
}

/// `values` again and again until there are `n`; nulls where there is none.
fn filled<T: Clone>(values: &[Option<T>], n: usize) -> Vec<Option<T>> {
    if values.is_empty() { vec![None; n] } else { values.iter().cycle().take(n).cloned().collect() }
}

impl Cells {
    fn array(&self, n: usize) -> ArrayRef {
        macro_rules! of {
            ($values:expr, $array:ty) => {
                Arc::new(<$array>::from(filled($values, n))) as ArrayRef
            };
        }
        match self {
            Self::Nanos(v) => of!(v, TimestampNanosecondArray),
            Self::Micros(v) => of!(v, TimestampMicrosecondArray),
            Self::Millis(v) => of!(v, TimestampMillisecondArray),
            Self::Seconds(v) => of!(v, TimestampSecondArray),
            Self::Days(v) => of!(v, Date32Array),
            Self::Longs(v) => of!(v, Int64Array),
            Self::Ints(v) => of!(v, Int32Array),
            Self::Bytes(v) => of!(v, Int8Array),
            Self::Unsigned(v) => of!(v, UInt64Array),
            Self::Doubles(v) => of!(v, Float64Array),
            Self::Floats(v) => of!(v, Float32Array),
            Self::Truths(v) => of!(v, BooleanArray),
            Self::Texts(v) => of!(v, StringArray),
            Self::LargeTexts(v) => of!(v, LargeStringArray),
            Self::Views(v) => of!(v, StringViewArray),
            Self::Dictionary(keys, values) => {
                let values: Vec<Option<String>> = values.iter().take(100).cloned().collect();
                let key = |key: &Option<u8>| {
                    key.filter(|_| !values.is_empty()).map(|key| key % values.len() as u8)
                };
                let keys: Vec<Option<i8>> =
                    filled(keys, n).iter().map(key).map(|key| key.map(|key| key as i8)).collect();
                let (keys, values) = (Int8Array::from(keys), Arc::new(StringArray::from(values)));
                let array = DictionaryArray::<Int8Type>::try_new(keys, values);
                Arc::new(array.expect("keys point at values"))
            }
            Self::Nulls => Arc::new(NullArray::new(n)),
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Input {
    columns: Vec<(u8, Cells)>,
    rows: u8,
    /// Where the frame is cut into record batches, and how many rows of the first are sliced off.
    cut: (u8, u8),
    tags: Vec<(u8, bool)>,
    fields: Vec<(u8, u8)>,
    narrow: bool,
    skip: bool,
}

/// Runs one input.
pub fn run(data: &[u8]) {
    super::super::given(data, one);
}

fn name(at: u8) -> String {
    NAMES[usize::from(at) % NAMES.len()].to_owned()
}

fn one(input: Input) {
    let rows = usize::from(input.rows) % MOST_ROWS;
    let mut named: Vec<(String, ArrayRef)> = Vec::new();
    for (at, cells) in input.columns.iter().take(NAMES.len()) {
        named.push((name(*at), cells.array(rows)));
    }
    let field =
        |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
    let schema = Arc::new(Schema::new(named.iter().map(field).collect::<Vec<_>>()));
    let arrays = named.into_iter().map(|(_, array)| array).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let whole = RecordBatch::try_new_with_options(Arc::clone(&schema), arrays, &options)
        .expect("columns of one length");
    let off = usize::from(input.cut.1) % (rows + 1);
    let whole = whole.slice(off, rows - off);
    let rows = whole.num_rows();
    let cut = usize::from(input.cut.0) % (rows + 1);
    let batches = [whole.slice(0, cut), whole.slice(cut, rows - cut)];

    let mut tags: Vec<String> = Vec::new();
    let mut frame_tags: Vec<String> = Vec::new();
    for (at, in_frame) in input.tags.iter().take(3) {
        let tag = name(*at);
        if tag != "time" && !tags.contains(&tag) {
            if *in_frame {
                frame_tags.push(tag.clone());
            }
            tags.push(tag);
        }
    }
    let types = [FieldType::F64, FieldType::I64, FieldType::Bool, FieldType::Str];
    let mut fields: Vec<FieldDef> = Vec::new();
    for (at, ty) in input.fields.iter().take(4) {
        let name = name(*at);
        if name != "time" && !tags.contains(&name) && fields.iter().all(|f| f.name != name) {
            fields.push(FieldDef { name, ty: types[usize::from(*ty) % types.len()] });
        }
    }
    let options = FrameOptions {
        table: "cpu",
        time: "time",
        tags: &tags,
        frame_tags: &frame_tags,
        fields: &fields,
        max_series: 1000,
        on_error: if input.skip { OnError::Skip } else { OnError::Raise },
    };
    plain(field_defs(&schema, "time", &tags));
    let result = if input.narrow {
        events(&batches, &schema, "metric", "value", &options)
    } else {
        wide(&batches, &schema, &options)
    };
    let Some(ingested) = plain(result) else { return };
    check(&ingested, rows, &options);
}

/// What the frame gave; `None` where it was refused.
fn plain<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::InvalidArgument(_) | Error::NotFound(_) | Error::LimitExceeded(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

fn check(ingested: &Ingested, rows: usize, options: &FrameOptions<'_>) {
    assert_eq!(ingested.rows + ingested.skipped_rows, rows as u64);
    assert_eq!(ingested.skipped.len() as u64, ingested.skipped_rows.min(1000));
    assert!(ingested.skipped.is_sorted_by(|a, b| a.row < b.row));
    assert!(ingested.skipped.iter().all(|skipped| skipped.row < rows as u64));
    assert!(options.on_error == OnError::Skip || ingested.skipped_rows == 0);
    for batch in &ingested.batches {
        assert!(batch.rows() > 0 && batch.rows() as u64 <= ingested.rows);
        assert_eq!(batch.times().len(), batch.series_of().len());
        assert!(batch.series_of().iter().all(|at| (*at as usize) < batch.series().len()));
        assert!(batch.series().iter().all(|key| key.tags.len() == options.tags.len()));
        for (name, array) in batch.fields() {
            let known = options.fields.iter().find(|field| field.name == *name);
            assert!(known.is_none_or(|field| field.ty == array.field_type()));
            assert_eq!(array.len(), batch.rows());
        }
    }
}
