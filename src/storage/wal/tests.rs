//! What every test of the log needs: batches, and when two are the same.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod corruption;
mod entries;
mod marks;
mod writing;

use arrow_array::{BooleanArray, Float64Array, Int64Array, StringViewArray};
use proptest::prelude::*;

use super::*;
use crate::model::{Batch, FieldArray, SeriesKey};

/// Everything of an entry that must survive, comparable: doubles as bits, nulls as `None`.
fn canonical(entry: &WalEntry) -> Vec<String> {
    let field = |(name, values): &(String, FieldArray)| {
        let rows: Vec<String> = (0..values.len())
            .map(|i| match values {
                _ if !values.is_valid(i) => "null".to_owned(),
                FieldArray::F64(a) => format!("f{:016x}", a.value(i).to_bits()),
                FieldArray::I64(a) => format!("i{}", a.value(i)),
                FieldArray::Bool(a) => format!("b{}", a.value(i)),
                FieldArray::Str(a) => format!("s{:?}", a.value(i)),
            })
            .collect();
        format!("{name:?} {:?} {rows:?}", values.field_type())
    };
    let batch = |WalBatch { tags, batch: b }: &WalBatch| {
        let fields: Vec<String> = b.fields().iter().map(field).collect();
        let (series, of, times) = (b.series(), b.series_of(), b.times());
        format!("{:?} {tags:?} {series:?} {of:?} {times:?} {fields:?}", b.table())
    };
    entry.batches.iter().map(batch).collect()
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|v| (*v).to_owned()).collect()
}

/// A batch with every type, nulls, and values at the edges.
fn sample(seed: i64) -> WalEntry {
    let series = vec![
        SeriesKey::new([Some("web01"), None]),
        SeriesKey::new([Some(""), Some("eu-wëst")]),
        SeriesKey::new([None::<&str>, None]),
    ];
    let nan = f64::from_bits(0x7ff8_0000_dead_beef);
    let doubles = [Some(-0.0), None, Some(nan), Some(f64::MIN_POSITIVE / 2.0), Some(seed as f64)];
    let ints = [Some(i64::MIN), Some(i64::MAX), None, Some(seed), Some(-1)];
    let flags = [true, false, true, true, false];
    let texts = [Some("short"), None, Some(""), Some("longer than twelve bytes"), Some("é")];
    let fields = vec![
        ("usage".to_owned(), FieldArray::F64(Float64Array::from(doubles.to_vec()))),
        ("count".to_owned(), FieldArray::I64(Int64Array::from(ints.to_vec()))),
        ("up".to_owned(), FieldArray::Bool(BooleanArray::from(flags.to_vec()))),
        ("state".to_owned(), FieldArray::Str(StringViewArray::from(texts.to_vec()))),
    ];
    let times = vec![i64::MIN, seed, i64::MAX, 0, -1];
    let batch = Batch::new("cpu", series, vec![0, 2, 1, 1, 0], times, fields).unwrap();
    let none = Batch::new("none", vec![], vec![], vec![], vec![]).unwrap();
    WalEntry {
        batches: vec![
            WalBatch { tags: strings(&["host", "region"]), batch },
            WalBatch { tags: vec![], batch: none },
        ],
    }
}

fn any_field(rows: usize) -> impl Strategy<Value = FieldArray> {
    let bits = prop::collection::vec(any::<(u64, u8)>(), rows);
    let texts = prop::collection::vec(".{0,20}", rows);
    (0..4u8, 0..3u8, bits, texts).prop_map(move |(kind, nulls, bits, texts)| {
        let valid = |i: usize| match nulls {
            0 => true,
            1 => bits[i].1 % 3 > 0,
            _ => false,
        };
        let at = |i: usize| valid(i).then_some(bits[i].0);
        match kind {
            0 => FieldArray::F64((0..rows).map(|i| at(i).map(f64::from_bits)).collect()),
            1 => FieldArray::I64((0..rows).map(|i| at(i).map(u64::cast_signed)).collect()),
            2 => FieldArray::Bool((0..rows).map(|i| at(i).map(|b| b % 2 == 0)).collect()),
            _ => FieldArray::Str((0..rows).map(|i| at(i).map(|_| texts[i].as_str())).collect()),
        }
    })
}

fn any_batch() -> impl Strategy<Value = WalBatch> {
    let shape = (1..4usize, prop_oneof![1..4usize, 250..300usize], 0..50usize, 0..4usize);
    shape.prop_flat_map(|(tags, series, rows, fields)| {
        let key = prop::collection::vec(prop::option::of(".{0,8}"), tags);
        let fields = prop::collection::vec((".{0,8}", any_field(rows)), fields);
        (
            prop::collection::vec(".{1,8}", tags),
            prop::collection::vec(key, series),
            prop::collection::vec(0..series as u32, rows),
            prop::collection::vec(any::<i64>(), rows),
            fields,
        )
            .prop_map(|(tags, keys, of, times, fields)| {
                let keys = keys.into_iter().map(SeriesKey::new).collect();
                WalBatch { tags, batch: Batch::new("t", keys, of, times, fields).unwrap() }
            })
    })
}

fn any_entry() -> impl Strategy<Value = WalEntry> {
    prop::collection::vec(any_batch(), 0..3).prop_map(|batches| WalEntry { batches })
}
