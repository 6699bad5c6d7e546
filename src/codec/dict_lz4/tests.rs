#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use proptest::prelude::*;

use super::*;
use crate::codec::testing::{hostile, strings};

fn round_trip(values: &StrValues) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(values, &mut bytes);
    let mut out = StrValues::default();
    out.push("before");
    decode(&bytes, values.len(), &mut out).unwrap();
    assert!(out.iter().skip(1).eq(values.iter()));
    assert_eq!(out.get(0), "before");
    bytes
}

fn hostile_to(values: &StrValues) {
    let n = values.len();
    hostile(&round_trip(values), n, |bytes| {
        let mut out = StrValues::default();
        let result = decode(bytes, n, &mut out);
        assert!(result.is_ok() || out.is_empty());
        result.map(|()| out.len())
    });
}

proptest! {
    #[test]
    fn every_string_comes_back(values in strings(1500)) {
        round_trip(&values.iter().collect());
    }

    #[test]
    fn hostile_bytes(values in strings(40)) {
        hostile_to(&values.iter().collect());
    }

    #[test]
    fn noise_is_no_value(
        mode in 0..4u8,
        noise in prop::collection::vec(any::<u8>(), 0..200),
        n in 0..200usize,
    ) {
        let bytes: Vec<u8> = std::iter::once(mode).chain(noise).collect();
        drop(decode(&bytes, n, &mut StrValues::default()));
    }
}

#[test]
fn all_four_modes_are_reached_and_stand_damage() {
    let plain = ["a", "bc", "ç"].iter().collect();
    let dictionary = ["up", "up", "down"].iter().cycle().take(30).collect();
    let plain_lz4 = (0..60).map(|i| format!("node-{i:03}.rack-17.example")).collect();
    let names = ["restarted by the watchdog after a stall", "restarted by the watchdog in time"];
    let dictionary_lz4 = names.iter().cycle().take(200).collect();
    for (mode, values) in [plain, dictionary, plain_lz4, dictionary_lz4].iter().enumerate() {
        assert_eq!(usize::from(round_trip(values)[0]), mode);
        hostile_to(values);
    }
}

#[test]
fn a_great_length_is_refused_before_room_is_made() {
    let mut bytes = vec![LZ4];
    varint::write(u64::MAX / 2, &mut bytes);
    bytes.extend([0; 100]);
    assert!(decode(&bytes, 3, &mut StrValues::default()).is_err());
    let mut bytes = vec![0];
    varint::write(u64::MAX, &mut bytes);
    varint::write(u64::MAX, &mut bytes);
    assert!(decode(&bytes, 2, &mut StrValues::default()).is_err());
}

#[test]
fn what_is_not_utf8_is_refused() {
    for bytes in [&[0, 1, 0xff][..], &[0, 1, 1, 0xc3, 0xa7]] {
        assert!(decode(bytes, bytes.len() / 2, &mut StrValues::default()).is_err());
    }
}
