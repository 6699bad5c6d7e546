#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use proptest::prelude::*;

use super::testing::{bits, bools, f64s, hostile, i64s, strings};
use super::*;

proptest! {
    #[test]
    fn doubles(values in f64s(1100)) {
        let mut bytes = Vec::new();
        let encoding = encode_f64(&values, &mut bytes);
        prop_assert_eq!(Encoding::of(&bytes).unwrap(), encoding);
        prop_assert!(bytes.len() <= values.len() * 8 + 1);
        let mut out = vec![9.0];
        decode_f64(&bytes, values.len(), &mut out).unwrap();
        prop_assert_eq!(bits(&out[1..]), bits(&values));
    }

    #[test]
    fn integers(values in i64s(1100)) {
        let mut bytes = Vec::new();
        let encoding = encode_i64(&values, &mut bytes);
        prop_assert_eq!(Encoding::of(&bytes).unwrap(), encoding);
        prop_assert!(bytes.len() <= values.len() * 8 + 3);
        let mut out = vec![9];
        decode_times(&bytes, values.len(), &mut out).unwrap();
        prop_assert_eq!(&out[1..], &values);
    }

    #[test]
    fn truth_values(values in bools(1100)) {
        let mut bytes = Vec::new();
        let encoding = encode_bool(&values, &mut bytes);
        prop_assert_eq!(Encoding::of(&bytes).unwrap(), encoding);
        prop_assert!(bytes.len() <= values.len().div_ceil(8) + 1);
        let mut out = vec![true];
        decode_bool(&bytes, values.len(), &mut out).unwrap();
        prop_assert_eq!(&out[1..], &values);
    }

    #[test]
    fn text(values in strings(300)) {
        let values: StrValues = values.iter().collect();
        let mut bytes = Vec::new();
        encode_str(&values, &mut bytes);
        let mut out = StrValues::default();
        decode_str(&bytes, values.len(), &mut out).unwrap();
        prop_assert_eq!(out, values);
    }

    #[test]
    fn hostile_bytes(doubles in f64s(20), integers in i64s(20), truths in bools(60)) {
        let mut bytes = Vec::new();
        encode_f64(&doubles, &mut bytes);
        hostile(&bytes, doubles.len(), |b| {
            let mut out = Vec::new();
            let result = decode_f64(b, doubles.len(), &mut out);
            assert!(result.is_ok() || out.is_empty());
            result.map(|()| out.len())
        });
        bytes.clear();
        encode_i64(&integers, &mut bytes);
        hostile(&bytes, integers.len(), |b| {
            let mut out = Vec::new();
            decode_i64(b, integers.len(), &mut out).map(|()| out.len())
        });
        bytes.clear();
        encode_bool(&truths, &mut bytes);
        hostile(&bytes, truths.len(), |b| {
            let mut out = Vec::new();
            decode_bool(b, truths.len(), &mut out).map(|()| out.len())
        });
    }
}

#[test]
fn ids_and_names_are_stable() {
    let ids: Vec<(u8, &str)> = Encoding::ALL.iter().map(|e| (e.id(), e.name())).collect();
    let stable = [
        (0, "raw"),
        (1, "constant"),
        (2, "regular"),
        (3, "gorilla"),
        (4, "delta_of_delta"),
        (5, "packed"),
        (6, "runs"),
        (7, "dict_lz4"),
    ];
    assert_eq!(ids[..stable.len()], stable);
    for encoding in Encoding::ALL {
        assert_eq!(Encoding::from_id(encoding.id()), Some(*encoding));
    }
    assert_eq!(Encoding::from_id(255), None);
}

#[test]
fn the_smallest_is_chosen() {
    let chosen = |values: &[i64]| encode_i64(values, &mut Vec::new());
    assert_eq!(chosen(&[]), Encoding::Raw);
    assert_eq!(chosen(&[7; 9]), Encoding::Constant);
    assert_eq!(chosen(&[7, 8]), Encoding::Regular);
    let mut late: Vec<i64> = (0..1000).map(|i| i * 1_000_000_000).collect();
    late[500] += 123_456_789;
    assert_eq!(chosen(&late), Encoding::DeltaOfDelta);
    let digits: Vec<i64> = (0..1000).map(|i| i * i % 13).collect();
    assert_eq!(chosen(&digits), Encoding::Packed);
    let mixed = (1..1000u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let noise: Vec<i64> =
        mixed.map(|m| (m ^ m >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) as i64).collect();
    assert_eq!(chosen(&noise), Encoding::Raw);
    assert_eq!(encode_f64(&[1.5; 3], &mut Vec::new()), Encoding::Constant);
    assert_eq!(encode_f64(&[1.5, 2.5, 1.5], &mut Vec::new()), Encoding::Gorilla);
    let noise: Vec<f64> = noise.iter().map(|&v| f64::from_bits(v as u64)).collect();
    assert_eq!(encode_f64(&noise, &mut Vec::new()), Encoding::Raw);
    let alternating: Vec<bool> = (0..100).map(|i| i % 2 == 0).collect();
    assert_eq!(encode_bool(&alternating, &mut Vec::new()), Encoding::Raw);
    let switched: Vec<bool> = (0..100).map(|i| i < 30).collect();
    assert_eq!(encode_bool(&switched, &mut Vec::new()), Encoding::Runs);
}

#[test]
fn an_encoding_of_another_type_is_corrupt() {
    for encoding in Encoding::ALL {
        let bytes = [encoding.id(), 0];
        let mut strings = StrValues::default();
        let held = [
            decode_f64(&bytes, 1, &mut Vec::new()).is_ok(),
            decode_str(&bytes, 1, &mut strings).is_ok(),
        ];
        assert!(held.iter().filter(|ok| **ok).count() <= 1, "{}", encoding.name());
    }
    assert!(decode_f64(&[Encoding::Runs.id(), 0, 1], 1, &mut Vec::new()).is_err());
    assert!(decode_i64(&[Encoding::Gorilla.id(), 0, 1], 1, &mut Vec::new()).is_err());
    assert!(decode_bool(&[Encoding::Regular.id(), 0, 0], 1, &mut Vec::new()).is_err());
    assert!(decode_f64(&[], 0, &mut Vec::new()).is_err());
    assert!(decode_i64(&[200], 0, &mut Vec::new()).is_err());
}
