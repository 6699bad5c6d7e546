use proptest::prelude::*;

use super::*;
use crate::codec::testing::{filled, hostile, i64s};

fn encoded(values: &[i64], ends: &[usize]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut pages = Pages::of(values, ends).expect("some values");
    let blocks = (0..ends.len())
        .map(|page| {
            let mut out = Vec::new();
            pages.write(page, &mut out);
            out
        })
        .collect();
    (pages.shared().to_vec(), blocks)
}

#[test]
fn hostile_bytes() {
    let values: Vec<i64> = (0..300).map(|i| i * i % 91 * 1000).collect();
    let (shared, blocks) = encoded(&values, &[150, 300]);
    let reader = Reader::open(&shared).expect("its own bytes");
    hostile(&blocks[1], 150, |page| filled(150, |out| reader.decode(page, out)).map(|v| v.len()));
    hostile(&shared, 150, |shared| {
        let reader = Reader::open(shared)?;
        filled(150, |out| reader.decode(&blocks[1], out)).map(|v| v.len())
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn round_trip(values in i64s(2000)) {
        prop_assume!(!values.is_empty());
        let ends: Vec<usize> =
            (1..).map(|i| (i * 700).min(values.len())).take(values.len().div_ceil(700)).collect();
        let (shared, blocks) = encoded(&values, &ends);
        let reader = Reader::open(&shared).expect("its own bytes");
        let mut start = 0;
        for (block, end) in blocks.iter().zip(ends) {
            let back = filled(end - start, |out| reader.decode(block, out)).expect("its own bytes");
            prop_assert_eq!(&back, &values[start..end]);
            start = end;
        }
    }
}
