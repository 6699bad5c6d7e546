#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use proptest::prelude::*;

use super::*;
use crate::codec::testing::{HARD_I64, filled, hostile, i64s};

fn round_trip(values: &[i64]) -> Vec<u8> {
    let n = values.len();
    let differences = Differences::of(values);
    for order in 0..=2.min(n as u8) {
        let plan = Plan::at(order, values, &differences);
        let mut bytes = Vec::new();
        plan.write(values, &differences, &mut bytes);
        assert_eq!(bytes.len(), plan.size(), "order {order}");
        assert_eq!(filled(n, |out| decode(&bytes, out)).unwrap(), values, "order {order}");
    }
    let mut bytes = Vec::new();
    encode(values, &mut bytes);
    assert_eq!(filled(n, |out| decode(&bytes, out)).unwrap(), values);
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
fn every_width() {
    for bits in 1..=64 {
        let most = mask(bits);
        let values: Vec<i64> = (0..150u64)
            .map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) & most)
            .chain([0, most, most - 1])
            .map(|v| v as i64)
            .collect();
        round_trip(&values);
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
fn a_shared_unit_is_divided_out() {
    let values: Vec<i64> =
        (0..1024).map(|i| 1_700_000_000_000_000_000 + i * i % 16 * 1000).collect();
    assert!(round_trip(&values).len() <= 1024 * 4 / 8 + 14);
}
