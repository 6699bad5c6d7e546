#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
//! Chunks against the rows that went in, against damage, and statistics against a naive twin.

mod damage;
mod rows;
mod statistics;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::codec::testing::{HARD_F64, HARD_I64, bits};
use crate::model::{Bitmap, Column, FieldType, StrValues, Values};

/// A chunk's rows.
#[derive(Clone, Debug)]
struct Rows {
    times: Vec<i64>,
    columns: Vec<Column>,
}

fn opened(rows: &Rows) -> Chunk {
    let mut bytes = vec![1, 2, 3];
    Chunk::encode(&rows.times, &rows.columns, &[], &mut bytes).unwrap();
    Chunk::open(Bytes::from(bytes).slice(3..)).unwrap()
}

/// Every row of a chunk, block after block.
fn read(chunk: &Chunk) -> crate::Result<Rows> {
    let mut times = Vec::new();
    let types = (0..chunk.columns()).map(|c| chunk.column_type(c));
    let mut columns: Vec<Column> = types.map(Column::empty).collect();
    for block in 0..chunk.blocks() {
        chunk.decode_times(block, &mut times)?;
        for (c, column) in columns.iter_mut().enumerate() {
            chunk.decode_column(c, block, column)?;
        }
    }
    Ok(Rows { times, columns })
}

/// Rows are the same when times, nulls and the bits of values are; null slots come back as zeros.
fn assert_same(got: &Rows, want: &Rows) {
    assert_eq!(got.times, want.times);
    assert_eq!(got.columns.len(), want.columns.len());
    for (got, want) in got.columns.iter().zip(&want.columns) {
        assert_eq!(got.len(), want.len());
        let valid = |column: &Column| (0..column.len()).map(|i| column.is_valid(i)).collect();
        let (got_valid, want_valid): (Vec<bool>, Vec<bool>) = (valid(got), valid(want));
        assert_eq!(got_valid, want_valid);
        let mut zeroed = Values::empty(want.values.field_type());
        for (i, valid) in want_valid.iter().enumerate() {
            if *valid {
                zeroed.push_from(&want.values, i);
            } else {
                zeroed.push_default();
            }
        }
        match (&got.values, &zeroed) {
            (Values::F64(got), Values::F64(want)) => assert_eq!(bits(got), bits(want)),
            (got, want) => assert_eq!(got, want),
        }
    }
}

/// Stored statistics are those of the rows that come back; sums of doubles but for the order of
/// adding, for stored ones are exact where they can be.
fn assert_stats(chunk: &Chunk, rows: &Rows) {
    for (c, column) in rows.columns.iter().enumerate() {
        let stored = chunk.rows() >= layout::FULL_FROM && chunk.column_type(c) != FieldType::Str;
        let mut merged = None;
        for block in 0..chunk.blocks() {
            let of = Stats::of(&rows.times, column, chunk.block_rows(block));
            Stats::merge_into(&mut merged, of.clone());
            assert_told(chunk.stats(c, block), stored.then_some(of), column);
        }
        assert_told(chunk.chunk_stats(c), stored.then_some(merged), column);
    }
}

fn assert_told(got: Option<Option<Stats>>, want: Option<Option<Stats>>, column: &Column) {
    assert_eq!(got.is_some(), want.is_some());
    let (mut got, want) = (got.flatten(), want.flatten());
    match (&mut got, &want) {
        (Some(Stats::F64(got)), Some(Stats::F64(want))) => {
            let size = statistics::magnitude(column);
            let near = |a: f64, b: f64, size: f64| statistics::near(a, b, size) || size > 1e150;
            assert!(near(got.sum, want.sum, size), "{} {}", got.sum, want.sum);
            assert!(near(got.m2, want.m2, size * size), "{} {}", got.m2, want.m2);
            (got.sum, got.m2) = (want.sum, want.m2);
        }
        (Some(Stats::I64(got)), Some(Stats::I64(want))) => {
            assert!(statistics::near(got.m2, want.m2, want.m2 * 1e3), "{} {}", got.m2, want.m2);
            got.m2 = want.m2;
        }
        _ => {}
    }
    // Debug shows every bit but those of NaN, which no two need share.
    assert_eq!(format!("{got:?}"), format!("{want:?}"));
}

/// A column of `n` rows of any type, with nulls or none, hard values or easy.
fn column(n: usize) -> impl Strategy<Value = Column> {
    (0..4u8, any::<u64>(), 0..4u8, any::<bool>()).prop_map(move |(ty, seed, nulls, hard)| {
        let mut state = seed;
        let mut next = move || {
            state =
                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            (state >> 33) as usize
        };
        let values = match ty {
            0 if hard => Values::F64((0..n).map(|_| HARD_F64[next() % HARD_F64.len()]).collect()),
            0 => Values::F64((0..n).map(|_| (next() % 5000) as f64 / 10.0).collect()),
            1 if hard => Values::I64((0..n).map(|_| HARD_I64[next() % HARD_I64.len()]).collect()),
            1 => Values::I64((0..n).map(|i| (i * 3 + next() % 5) as i64).collect()),
            2 => Values::Bool((0..n).map(|_| next() % if hard { 2 } else { 900 } == 0).collect()),
            _ if hard => Values::Str((0..n).map(|_| format!("{:x}ß{}", next(), next())).collect()),
            _ => Values::Str((0..n).map(|_| ["up", "down", ""][next() % 3]).collect::<StrValues>()),
        };
        let validity: Option<Bitmap> = match nulls {
            0 => None,
            1 => Some(Bitmap::filled(n, true)),
            2 => Some((0..n).map(|_| next() % 3 > 0).collect()),
            _ => Some((0..n).map(|i| i / 1024 % 2 == 0).collect()),
        };
        Column { values, validity }
    })
}

/// Ascending times of `n` rows: regular, with jitter, with ties, out to both ends of i64.
fn times(n: usize) -> impl Strategy<Value = Vec<i64>> {
    let regular = (any::<i32>(), 0..1_000_000_000i64).prop_map(move |(start, step)| {
        (0..n as i64).map(|i| i64::from(start) + i * step).collect()
    });
    let any = prop::collection::vec(any::<i64>(), n);
    let jitter = prop::collection::vec(0..3i64, n).prop_map(|steps| {
        let mut time = 1_700_000_000_000_000_000;
        let at = |step: i64| {
            time += step * 1_000_000;
            time
        };
        steps.into_iter().map(at).collect()
    });
    let ends = prop::collection::vec(prop::sample::select(&[i64::MIN, 0, i64::MAX][..]), n);
    prop_oneof![regular, any, jitter, ends].prop_map(|mut times: Vec<i64>| {
        times.sort_unstable();
        times
    })
}

fn chunk_of(n: impl Strategy<Value = usize>) -> impl Strategy<Value = Rows> {
    n.prop_flat_map(|n| (times(n), prop::collection::vec(column(n), 0..5)))
        .prop_map(|(times, columns)| Rows { times, columns })
}
