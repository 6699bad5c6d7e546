#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use proptest::prelude::*;

use super::*;
use crate::codec::testing::{HARD_I64, filled, hostile, i64s};

fn round_trip(values: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(values, &mut bytes);
    let n = values.len();
    assert_eq!(filled(n, |out| decode(&bytes, out)).unwrap(), values);
    let differences = Differences::of(values);
    assert_eq!(Plan::of(values, &differences).size(), bytes.len());
    bytes
}

proptest! {
    #[test]
    fn every_integer_comes_back(values in i64s(2000)) {
        round_trip(&values);
    }

    #[test]
    fn hostile_bytes(values in i64s(60)) {
        let bytes = round_trip(&values);
        let n = values.len();
        hostile(&bytes, n, |b| filled(n, |out| decode(b, out)).map(|v| v.len()));
    }

    #[test]
    fn noise_is_no_value(bytes in prop::collection::vec(any::<u8>(), 0..300), n in 0..300usize) {
        drop(filled(n, |out| decode(&bytes, out)));
    }
}

#[test]
fn every_triple_of_hard_values() {
    for &a in HARD_I64 {
        for &b in HARD_I64 {
            for &c in HARD_I64 {
                round_trip(&[a, b, c, a]);
            }
        }
    }
}

#[test]
fn every_edge_of_the_buckets() {
    for bits in 0..63 {
        let edge = 1i64 << bits;
        round_trip(&[0, 5, edge, -edge, 0, edge - 1, 1 - edge, 3]);
    }
}

#[test]
fn a_shared_unit_is_divided_out() {
    let coarse: Vec<i64> = (0..1000).map(|i| (i * 10 + i % 3) * 1_000_000).collect();
    let fine: Vec<i64> = (0..1000).map(|i| i * 10 + i % 3).collect();
    assert!(round_trip(&coarse).len() <= round_trip(&fine).len() + 10);
}

#[test]
fn a_step_that_stays_takes_a_bit() {
    assert!(round_trip(&(0..802).map(|i| i * 10).collect::<Vec<i64>>()).len() <= 100 + 3);
}
