use proptest::prelude::*;

use super::*;
use crate::codec::simd::{Level, limit};
use crate::codec::testing::{HARD_I64, filled, hostile, i64s, noise};

fn encoded(values: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    encode(values, &mut out);
    out
}

#[track_caller]
fn check(values: &[i64]) -> Vec<u8> {
    let bytes = encoded(values);
    let back = filled(values.len(), |out| decode(&bytes, out)).expect("its own bytes");
    assert_eq!(back, values);
    let expected = values.iter().map(|&v| i128::from(v)).sum::<i128>();
    assert_eq!(sum(&bytes, values.len()).expect("its own bytes"), expected);
    bytes
}

fn walk(n: usize, step: u64) -> Vec<i64> {
    let mut at = 1000;
    (0..n as u64)
        .map(|i| {
            at += (noise(i) % step) as i64 - step as i64 / 2;
            at
        })
        .collect()
}

#[test]
fn every_form_at_every_level() {
    let jitter = |i: i64| i * 15_000 + (noise(i as u64) % 5) as i64;
    let mut outlier = walk(1024, 9);
    (outlier[17], outlier[500]) = (i64::MAX, i64::MIN);
    let cases: [(Vec<i64>, u8, usize); 6] = [
        (vec![-7; 1024], CONSTANT, 2),
        ((0..1024).map(|i| (noise(i) % 200) as i64).collect(), FRAME, 1030),
        (walk(1024, 8), DELTA, 395),
        ((0..1024).map(jitter).collect(), LINE, 395),
        ((0..1024).map(|i| i / 100 * 7).collect(), RUNS, 20),
        (outlier, DELTA | PATCHED, 640),
    ];
    for level in [Level::Portable, Level::Avx2, Level::Avx512] {
        limit(level);
        for (values, head, most) in &cases {
            for values in [&values[..], &values[..600]] {
                let bytes = check(values);
                assert_eq!(bytes[0], *head, "{:?}", &values[..20]);
                assert!(bytes.len() <= *most, "{} bytes of form {head}", bytes.len());
            }
        }
    }
}

#[test]
fn skewed_differences_are_patched_on_either_side() {
    for sign in [1, -1] {
        let mut at = 0;
        let spiky: Vec<i64> = (0..1024)
            .map(|i| {
                at += (noise(i) % 4) as i64 + if i % 100 == 50 { sign * 1_000_000 } else { 0 };
                at
            })
            .collect();
        let bytes = check(&spiky);
        assert_eq!(bytes[0], DELTA | PATCHED);
        assert!(bytes.len() < 330, "{} bytes", bytes.len());
    }
}

#[test]
fn hard_integers_of_every_length() {
    for n in 0..=HARD_I64.len() {
        check(&HARD_I64[..n]);
    }
    let many: Vec<i64> = HARD_I64.iter().copied().cycle().take(1024).collect();
    check(&many);
    check(&many[..1023]);
}

#[test]
fn hostile_bytes() {
    let mut patched = walk(200, 9);
    patched[100] = 1 << 40;
    let runs: Vec<i64> = (0..200).map(|i| i / 50).collect();
    for values in [walk(100, 5), patched, runs, vec![5; 40], (0..64).map(|i| i * i).collect()] {
        let n = values.len();
        hostile(&encoded(&values), n, |bytes| filled(n, |out| decode(bytes, out)).map(|v| v.len()));
        hostile(&encoded(&values), n, |bytes| sum(bytes, n).map(|_| n));
    }
    let full = encoded(&walk(1024, 9));
    hostile(&full, 1024, |bytes| filled(1024, |out| decode(bytes, out)).map(|v| v.len()));
}

/// A code beneath a patch would count in a sum of codes, but not among values that it replaces.
#[test]
fn a_sum_of_damaged_codes_is_that_of_what_they_decode_to() {
    let mut frame: Vec<i64> = (0..1024).map(|i| (noise(i) % 16) as i64).collect();
    let mut walk = walk(1024, 9);
    frame[100] = 1 << 30;
    walk[500..].iter_mut().for_each(|value| *value += 1 << 30);
    for (values, head) in [(frame, FRAME | PATCHED), (walk, DELTA | PATCHED)] {
        let bytes = encoded(&values);
        assert_eq!(bytes[0], head);
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 255;
            let back = filled(1024, |out| decode(&damaged, out)).ok();
            let expected = back.map(|back| back.iter().map(|&value| i128::from(value)).sum());
            assert_eq!(sum(&damaged, 1024).ok(), expected, "byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn round_trip(values in i64s(1025)) {
        check(&values);
    }
}
