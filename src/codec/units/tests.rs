use proptest::prelude::*;

use super::*;
use crate::codec::simd::{Level, limit};
use crate::codec::testing::{HARD_F64, bits, blocks_of, f64s, filled, hostile};
use crate::codec::whole_blocks;

fn encoded(values: &[f64], ends: &[usize], unit: Unit, effort: Effort) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut plan = Plan::of(values, ends, unit, effort);
    let mut shared = Vec::new();
    plan.write_shared(&mut shared);
    (shared, blocks_of(ends, |range, out| plan.write_block(range, out)))
}

fn kind(unit: Unit) -> Kind {
    match unit {
        Unit::Decimal(_) => Kind::Decimal,
        Unit::Scale(_) => Kind::Scale,
        Unit::Bits => Kind::Bits,
    }
}

#[track_caller]
fn check(values: &[f64], unit: Unit, effort: Effort) -> usize {
    let ends = whole_blocks(values.len());
    let (shared, blocks) = encoded(values, &ends, unit, effort);
    let mut rest = &shared[..];
    let reader = Reader::open(kind(unit), &mut rest).expect("its own bytes");
    assert!(rest.is_empty());
    let mut start = 0;
    for (block, &end) in blocks.iter().zip(&ends) {
        let back = filled(end - start, |out| reader.decode(block, out)).expect("its own bytes");
        assert_eq!(bits(&back), bits(&values[start..end]), "{unit:?}");
        start = end;
    }
    shared.len() + blocks.iter().map(Vec::len).sum::<usize>()
}

#[test]
fn refined_quotients_are_those_of_a_division() {
    for level in [Level::Portable, Level::Avx2, Level::Avx512] {
        limit(level);
        for exponent in 0..=MOST_EXPONENT {
            let numbers: Vec<i64> = (0..20_000i64)
                .map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64) >> (13 + i % 45))
                .collect();
            let mut out: Vec<f64> = numbers.iter().map(|n| f64::from_bits(*n as u64)).collect();
            join_decimal(&mut out, exponent);
            for (number, got) in numbers.iter().zip(out) {
                let expected = *number as f64 / POWERS[usize::from(exponent)];
                assert_eq!(got.to_bits(), expected.to_bits(), "{number} / 10^{exponent}");
            }
        }
    }
}

#[test]
fn clean_decimals_leave_nothing() {
    let values: Vec<f64> = (0..4096).map(|i| f64::from(i * 7 % 1000) / 100.0).collect();
    let size = check(&values, Unit::Decimal(2), Effort::Hot);
    assert!(size < 4096 * 10 / 8 + 50, "{size} bytes");
}

#[test]
fn averages_leave_little_and_strangers_are_patches() {
    let mut values: Vec<f64> =
        (0..4096).map(|i| (0..5).map(|j| f64::from(i * 7 % 100 + j) / 10.0).sum::<f64>()).collect();
    let size = check(&values, Unit::Decimal(1), Effort::Hot);
    assert!(size < 4096 * 15 / 8, "{size} bytes");
    (values[5], values[900], values[3000]) = (f64::NAN, -0.0, std::f64::consts::PI);
    assert!(check(&values, Unit::Decimal(1), Effort::Hot) < size + 150);
}

#[test]
fn radians_are_multiples_of_what_a_degree_is() {
    let degree = 0.001f64.to_radians();
    let values: Vec<f64> =
        (0..4096).map(|i| (f64::from(45_000 + i) / 1000.0).to_radians()).collect();
    let size = check(&values, Unit::Scale(degree), Effort::Hot);
    assert!(size < 4096 * 8 / 8, "{size} bytes");
}

#[test]
fn hard_values_in_any_unit() {
    for unit in
        [Unit::Decimal(0), Unit::Decimal(7), Unit::Decimal(22), Unit::Scale(0.3), Unit::Bits]
    {
        for n in 0..=HARD_F64.len() {
            check(&HARD_F64[..n], unit, Effort::Hot);
        }
        let many: Vec<f64> = HARD_F64.iter().copied().cycle().take(3000).collect();
        check(&many, unit, Effort::Hot);
        check(&many, unit, Effort::Cold);
    }
}

#[test]
fn hostile_bytes() {
    let mut values: Vec<f64> = (0..80).map(|i| f64::from(i * i % 31) / 10.0).collect();
    for stranger in [None, Some(f64::NAN)] {
        values[40] = stranger.unwrap_or(0.0);
        let (shared, blocks) = encoded(&values, &[80], Unit::Decimal(1), Effort::Hot);
        let decode = |shared: &[u8], block: &[u8]| {
            let mut rest = shared;
            let reader = Reader::open(Kind::Decimal, &mut rest)?;
            filled(80, |out| reader.decode(block, out)).map(|v| v.len())
        };
        hostile(&shared, 80, |shared| decode(shared, &blocks[0]));
        hostile(&blocks[0], 80, |block| decode(&shared, block));
    }
}

proptest! {
    #[test]
    fn round_trip(values in f64s(2100), exponent in 0..=MOST_EXPONENT, scale in any::<f64>()) {
        check(&values, Unit::Decimal(exponent), Effort::Hot);
        check(&values, Unit::Scale(scale), Effort::Hot);
        check(&values, Unit::Bits, Effort::Hot);
    }
}
