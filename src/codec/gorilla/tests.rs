#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use proptest::prelude::*;

use super::*;
use crate::codec::testing::{HARD_F64, bits, f64s, filled, hostile};

fn round_trip(values: &[f64]) -> Vec<u8> {
    let mut bytes = vec![0xaa];
    encode(values, &mut bytes);
    let bytes = bytes.split_off(1);
    let n = values.len();
    assert_eq!(bits(&filled(n, |out| decode(&bytes, out)).unwrap()), bits(values));
    bytes
}

proptest! {
    #[test]
    fn every_bit_comes_back(values in f64s(2000)) {
        round_trip(&values);
    }

    #[test]
    fn hostile_bytes(values in f64s(60)) {
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
fn every_pair_of_hard_values() {
    for &a in HARD_F64 {
        for &b in HARD_F64 {
            round_trip(&[a, b, b, a, 1.5, b, a]);
        }
    }
}

/// The format as the paper has it, bit by bit, with nothing shared with the decoder.
fn naive(bytes: &[u8], n: usize) -> Vec<u64> {
    let mut at = 0;
    let mut take = |bits: usize| {
        let bit = |i: usize| u64::from(bytes[(at + i) / 8] >> ((at + i) % 8) & 1) << i;
        let value = (0..bits).map(bit).sum::<u64>();
        at += bits;
        value
    };
    let mut out = vec![take(64)];
    let (mut above, mut width) = (0, 64);
    while out.len() < n {
        let before = *out.last().unwrap();
        if take(1) == 0 {
            out.push(before);
            continue;
        }
        if take(1) == 1 {
            above = take(5) as usize;
            width = take(6) as usize + 1;
        }
        out.push(before ^ take(width) << (64 - above - width));
    }
    out
}

proptest! {
    #[test]
    fn a_naive_reader_agrees(values in f64s(300)) {
        prop_assume!(!values.is_empty());
        prop_assert_eq!(naive(&round_trip(&values), values.len()), bits(&values));
    }
}

#[test]
fn a_value_that_stays_takes_a_bit() {
    let bytes = round_trip(&[42.5; 801]);
    assert_eq!(bytes.len(), 8 + 100);
}
