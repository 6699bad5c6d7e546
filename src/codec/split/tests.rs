use proptest::prelude::*;

use super::*;
use crate::codec::testing::{HARD_F64, bits, f64s, filled, hostile};

fn encoded(values: &[f64]) -> (Vec<u8>, Vec<u8>) {
    let mut sample = bits(&values[..values.len().min(256)]);
    sample.sort_unstable();
    let (plan, _) = Plan::of(&sample);
    let (mut shared, mut block) = (Vec::new(), Vec::new());
    plan.write_shared(&mut shared);
    plan.write_block(values, &mut block);
    (shared, block)
}

#[track_caller]
fn check(values: &[f64]) -> usize {
    let (shared, block) = encoded(values);
    let reader = Reader::open(&mut &shared[..]).expect("its own bytes");
    let back = filled(values.len(), |out| reader.decode(&block, out)).expect("its own bytes");
    assert_eq!(bits(&back), bits(values));
    block.len()
}

#[test]
fn real_doubles_lose_their_common_front() {
    let values: Vec<f64> = (1..=1024).map(|i| 50.0 + f64::from(i).sin() * 10.0).collect();
    let size = check(&values);
    assert!(size < 1024 * 54 / 8, "{size} bytes");
}

#[test]
fn hard_values() {
    for n in 1..=HARD_F64.len() {
        check(&HARD_F64[..n]);
    }
}

#[test]
fn hostile_bytes() {
    let mut values: Vec<f64> = (1..=60).map(|i| 50.0 + f64::from(i).sin()).collect();
    values[33] = -1e300;
    let (shared, block) = encoded(&values);
    let decode = |shared: &[u8], block: &[u8]| {
        let reader = Reader::open(&mut &shared[..])?;
        filled(60, |out| reader.decode(block, out)).map(|v| v.len())
    };
    hostile(&block, 60, |block| decode(&shared, block));
    hostile(&shared, 60, |shared| decode(shared, &block));
}

proptest! {
    #[test]
    fn round_trip(values in f64s(1025)) {
        check(&values);
    }
}
