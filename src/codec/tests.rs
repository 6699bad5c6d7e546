use proptest::prelude::*;

use super::testing::{bits, bools, f64s, hostile, i64s, strings};
use super::*;

fn doubles_back(encoded: &Encoded, ends: &[usize]) -> Result<Vec<f64>> {
    let reader = Doubles::open(encoded.encoding, &encoded.shared)?;
    let (mut out, mut start) = (Vec::new(), 0);
    for (block, &end) in ends.iter().enumerate() {
        reader.decode(encoded.block(block), end - start, &mut out)?;
        start = end;
    }
    Ok(out)
}

#[track_caller]
fn check_doubles(values: &[f64], ends: &[usize], choice: Choice) -> Encoded {
    let encoded = encode_f64(values, ends, choice).expect("an encoding of doubles");
    let back = doubles_back(&encoded, ends).expect("its own bytes");
    assert_eq!(bits(&back), bits(values), "{choice:?}");
    encoded
}

const EFFORTS: [Effort; 2] = [Effort::Hot, Effort::Cold];

#[test]
fn each_kind_of_doubles_gets_the_encoding_that_suits_it() {
    let n = 4096u32;
    let noise = |i: u32| (super::testing::noise(i.into()) >> 11) as f64 / (1u64 << 53) as f64;
    let cents: Vec<f64> = (0..n).map(|i| f64::from(i * 37 % 9973) / 100.0).collect();
    let tenth = |i: u32, j: u32| (super::testing::noise((i * 7 + j).into()) % 1000) as f64 / 10.0;
    let averages: Vec<f64> =
        (0..n).map(|i| (0..7).map(|j| tenth(i, j)).sum::<f64>() / 7.0).collect();
    let radians: Vec<f64> =
        (0..n).map(|i| (f64::from(i * 37 % 9973) / 100.0).to_radians()).collect();
    let few: Vec<f64> = (0..n).map(|i| f64::from(i * i % 61).sqrt()).collect();
    let reals: Vec<f64> = (0..n).map(|i| noise(i).exp()).collect();
    let signed: Vec<f64> = (0..n).map(|i| noise(i) * 180.0 - 90.0).collect();
    for (values, encoding, most) in [
        (&cents, Encoding::Decimal, 14.2),
        (&radians, Encoding::Scaled, 18.0),
        (&few, Encoding::Dictionary, 7.3),
        (&averages, Encoding::Scaled, 20.0),
        (&reals, Encoding::Pattern, 54.0),
        (&signed, Encoding::Split, 58.0),
    ] {
        let encoded = check_doubles(values, &whole_blocks(values.len()), Choice::default());
        let bits = encoded.size() as f64 * 8.0 / f64::from(n);
        assert_eq!(encoded.encoding, encoding, "{bits} bits a value");
        assert!(bits < most, "{bits} bits a value in {encoding:?}");
    }
}

#[test]
fn no_values_come_back_in_any_encoding() {
    for &wanted in FLOATS {
        let choice = Choice { encoding: Some(wanted), ..Choice::default() };
        for ends in [&[][..], &[0], &[0, 0]] {
            check_doubles(&[], ends, choice);
        }
    }
}

#[test]
fn a_wanted_encoding_is_the_one_that_is_used() {
    let values: Vec<f64> = (0..2000).map(|i| f64::from(i % 100) / 10.0).collect();
    for &wanted in FLOATS {
        let choice = Choice { encoding: Some(wanted), ..Choice::default() };
        assert_eq!(check_doubles(&values, &whole_blocks(2000), choice).encoding, wanted);
    }
    let error = encode_f64(
        &values,
        &[2000],
        Choice { encoding: Some(Encoding::Truths), ..Choice::default() },
    );
    assert!(error.is_err_and(|error| error.to_string().contains("decimal")));
}

#[test]
fn regular_times_take_a_few_bytes_however_many_they_are() {
    let start = 1_451_606_400_000_000_000;
    let mut times: Vec<i64> = (0..65_536).map(|i| start + i * 10_000_000_000).collect();
    let encoded = encode_times(&times, Effort::Hot);
    assert_eq!(encoded.encoding, Encoding::Regular);
    assert!(encoded.size() <= 16, "{} bytes", encoded.size());
    times[30_000..].iter_mut().for_each(|time| *time += 70_000_000_000);
    let encoded = encode_times(&times, Effort::Hot);
    assert!(encoded.size() <= 24, "{} bytes", encoded.size());
    let reader = Times::open(encoded.encoding, &encoded.shared).expect("its own bytes");
    for (row, time) in times.iter().enumerate() {
        assert_eq!(reader.at(row), Some(*time));
    }
}

#[test]
fn known_times_cost_what_others_reach() {
    let noise = |i: i64| super::testing::noise(i as u64);
    let n = 16_384;
    let bits = |times: &[i64]| encode_times(times, Effort::Hot).size() as f64 * 8.0 / n as f64;
    let jitter: Vec<i64> =
        (0..n).map(|i| i * 15_000_000_000 + (noise(i) % 5) as i64 * 1_000_000).collect();
    assert!(
        bits(&jitter) < 3.2,
        "{} bits: fifteen seconds, two milliseconds of jitter",
        bits(&jitter)
    );
    let mut at = 0;
    let minutes: Vec<i64> = (0..n)
        .map(|i| {
            at += (1 + noise(i) % 9) as i64 * 60_000_000_000;
            at
        })
        .collect();
    assert!(bits(&minutes) < 4.3, "{} bits: irregular minutes", bits(&minutes));
}

#[test]
fn distances_that_are_few_are_listed() {
    let far = [60, 300, 300, 300, 300, 900, 17 * 60, 86_400];
    let mut at = 1_700_000_000_000_000_000;
    let times: Vec<i64> = (0..5000)
        .map(|i| {
            at += far[(super::testing::noise(i) % 8) as usize] * 1_000_000_000;
            at
        })
        .collect();
    let encoded = encode_times(&times, Effort::Hot);
    assert_eq!(encoded.encoding, Encoding::Strides);
    assert!(encoded.size() * 8 < 5000 * 33 / 10, "{} bytes", encoded.size());
    let reader = Times::open(encoded.encoding, &encoded.shared).expect("its own bytes");
    let mut out = Vec::new();
    for (block, end) in whole_blocks(5000).into_iter().enumerate() {
        reader.decode(encoded.block(block), block * BLOCK..end, &mut out).expect("its own bytes");
    }
    assert_eq!(out, times);
    let decode = |shared: &[u8], block: &[u8]| {
        let mut out = Vec::new();
        Times::open(encoded.encoding, shared)?.decode(block, 4096..5000, &mut out)?;
        Ok(out.len())
    };
    hostile(encoded.block(4), 904, |block| decode(&encoded.shared, block));
    hostile(&encoded.shared, 904, |shared| decode(shared, encoded.block(4)));
}

proptest! {
    #[test]
    fn doubles(values in f64s(2500), cut in 0..1024usize) {
        let cut = cut.min(values.len());
        let mut ends = vec![0, cut];
        ends.extend(whole_blocks(values.len() - cut).into_iter().map(|end| end + cut));
        for effort in EFFORTS {
            let encoded = check_doubles(&values, &ends, Choice { effort, ..Choice::default() });
            prop_assert!(encoded.size() <= values.len() * 8 + 3);
        }
        for &wanted in FLOATS {
            check_doubles(&values, &ends, Choice { encoding: Some(wanted), ..Choice::default() });
        }
    }

    #[test]
    fn comparisons_of_codes_are_those_of_values(
        values in f64s(1024),
        ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        off in prop::sample::select(&[0.0, 0.001, -0.001, 1e300, f64::INFINITY, f64::NAN][..]),
    ) {
        prop_assume!(!values.is_empty());
        let n = values.len();
        let (a, b) = (*ends.0.get(&values), *ends.1.get(&values));
        for (low, high) in [(a, b), (a - off, b + off), (0.0, b), (-0.0, 0.0), (f64::NEG_INFINITY, a)] {
            for wanted in FLOATS.iter().copied().map(Some).chain([None]) {
                let choice = Choice { encoding: wanted, ..Choice::default() };
                let encoded = encode_f64(&values, &[n], choice).expect("an encoding of doubles");
                let reader = Doubles::open(encoded.encoding, &encoded.shared).expect("its own");
                let mut out = vec![true];
                reader.within(encoded.block(0), n, low, high, &mut out).expect("its own bytes");
                let expected: Vec<bool> = values.iter().map(|v| *v >= low && *v <= high).collect();
                prop_assert_eq!(&out[1..], &expected, "{} in {}..={}", encoded.encoding.name(), low, high);
            }
        }
    }

    #[test]
    fn integers(values in i64s(2500), cut in 0..1024usize) {
        let cut = cut.min(values.len());
        let mut ends = vec![0, cut];
        ends.extend(whole_blocks(values.len() - cut).into_iter().map(|end| end + cut));
        for effort in EFFORTS {
            let encoded = encode_i64(&values, &ends, effort);
            let reader = Longs::open(encoded.encoding, &encoded.shared).expect("its own bytes");
            let (mut out, mut start) = (vec![9], 0);
            for (block, &end) in ends.iter().enumerate() {
                reader.decode(encoded.block(block), end - start, &mut out).expect("its own bytes");
                start = end;
            }
            prop_assert_eq!(&out[1..], &values);
        }
    }

    #[test]
    fn times(values in i64s(2500)) {
        for effort in EFFORTS {
            let encoded = encode_times(&values, effort);
            let reader = Times::open(encoded.encoding, &encoded.shared).expect("its own bytes");
            let (mut out, mut start) = (vec![9], 0);
            for (block, end) in whole_blocks(values.len()).into_iter().enumerate() {
                reader.decode(encoded.block(block), start..end, &mut out).expect("its own bytes");
                start = end;
            }
            prop_assert_eq!(&out[1..], &values);
        }
    }

    #[test]
    fn truth_values(values in bools(1100)) {
        let (mut bytes, mut out) = (Vec::new(), vec![true]);
        encode_bool(&values, &mut bytes);
        prop_assert!(bytes.len() <= values.len().div_ceil(8) + 1);
        decode_bool(&bytes, values.len(), &mut out).expect("its own bytes");
        prop_assert_eq!(&out[1..], &values);
    }

    #[test]
    fn text(values in strings(300)) {
        let values: StrValues = values.iter().collect();
        let encoded = encode_strs(&values, &[values.len()]);
        let reader = Strings::open(encoded.encoding, &encoded.shared).expect("its own bytes");
        let mut out = StrValues::default();
        reader.decode(encoded.block(0), values.len(), &mut out).expect("its own bytes");
        prop_assert_eq!(out, values);
    }

    #[test]
    fn hostile_bytes(doubles in f64s(20), longs in i64s(20), truths in bools(60)) {
        let n = doubles.len();
        let encoded = encode_f64(&doubles, &[n], Choice::default()).expect("doubles");
        hostile(encoded.block(0), n, |block| {
            let mut out = Vec::new();
            Doubles::open(encoded.encoding, &encoded.shared)?.decode(block, n, &mut out)?;
            Ok(out.len())
        });
        let n = longs.len();
        for encoded in [encode_i64(&longs, &[n], Effort::Hot), encode_times(&longs, Effort::Hot)] {
            hostile(&encoded.shared, n, |shared| {
                let mut out = Vec::new();
                let block = if n > 0 { encoded.block(0) } else { &[] };
                Times::open(encoded.encoding, shared)?.decode(block, 0..n, &mut out)?;
                Ok(out.len())
            });
        }
        let mut bytes = Vec::new();
        encode_bool(&truths, &mut bytes);
        hostile(&bytes, truths.len(), |bytes| {
            let mut out = Vec::new();
            decode_bool(bytes, truths.len(), &mut out).map(|()| out.len())
        });
    }
}
