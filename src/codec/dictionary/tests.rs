use proptest::prelude::*;

use super::*;
use crate::codec::testing::{HARD_F64, bits, blocks_of, filled, hostile};

fn encoded(values: &[f64], ends: &[usize], effort: Effort) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let mut plan = Plan::of(values, ends, values.len() / 2, effort)?;
    let mut shared = Vec::new();
    plan.write_shared(&mut shared);
    Some((shared, blocks_of(ends, |range, out| plan.write_block(range, out))))
}

#[test]
fn few_values_with_many_digits() {
    let values: Vec<f64> = (0..4096).map(|i| f64::from(i * i % 50).sqrt()).collect();
    for effort in [Effort::Hot, Effort::Cold] {
        let (shared, blocks) =
            encoded(&values, &[1024, 2048, 3072, 4096], effort).expect("few are distinct");
        assert!(shared.len() < 50 * 8 + 40, "{} bytes shared", shared.len());
        let reader = Reader::open(&mut &shared[..]).expect("its own bytes");
        assert!(reader.list.is_sorted());
        for (at, block) in blocks.iter().enumerate() {
            assert!(block.len() < 1024 * 6 / 8 + 8);
            let back = filled(1024, |out| reader.decode(block, out)).expect("its own bytes");
            assert_eq!(bits(&back), bits(&values[at * 1024..][..1024]));
        }
    }
}

#[test]
fn too_many_are_refused() {
    let values: Vec<f64> = (0..1000).map(f64::from).collect();
    assert!(encoded(&values, &[1000], Effort::Hot).is_none());
    assert!(encoded(&[], &[0], Effort::Hot).is_none());
}

#[test]
fn hostile_bytes() {
    let values: Vec<f64> = HARD_F64.iter().copied().cycle().take(200).collect();
    let (shared, blocks) = encoded(&values, &[200], Effort::Hot).expect("few are distinct");
    let decode = |shared: &[u8], block: &[u8]| {
        let reader = Reader::open(&mut &shared[..])?;
        filled(200, |out| reader.decode(block, out)).map(|v| v.len())
    };
    hostile(&blocks[0], 200, |block| decode(&shared, block));
    hostile(&shared, 200, |shared| decode(shared, &blocks[0]));
}

proptest! {
    #[test]
    fn round_trip(places in prop::collection::vec(0..HARD_F64.len(), 64..600)) {
        let values: Vec<f64> = places.iter().map(|&at| HARD_F64[at]).collect();
        let (shared, blocks) =
            encoded(&values, &[values.len()], Effort::Hot).expect("few are distinct");
        let reader = Reader::open(&mut &shared[..]).expect("its own bytes");
        let back = filled(values.len(), |out| reader.decode(&blocks[0], out)).expect("its own");
        prop_assert_eq!(bits(&back), bits(&values));
    }
}
