//! What the tests of every encoding share: hard values and hostile bytes.

use proptest::prelude::*;

use crate::error::{Error, Result};

/// Doubles that break careless code.
pub(crate) const HARD_F64: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    f64::MIN,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    -5e-324,
    f64::EPSILON,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    f64::from_bits(0x7ff0_0000_0000_0001),
    f64::from_bits(0xfff8_dead_beef_cafe),
    f64::from_bits(0xffff_ffff_ffff_ffff),
];

/// Integers that break careless code.
pub(crate) const HARD_I64: &[i64] = &[
    i64::MIN,
    i64::MIN + 1,
    i64::MAX,
    i64::MAX - 1,
    0,
    1,
    -1,
    1 << 31,
    -(1 << 31),
    1 << 62,
    1_700_000_000_000_000_000,
];

/// Doubles of every kind: any bits, hard ones, decimals that drift, runs.
pub(crate) fn f64s(most: usize) -> impl Strategy<Value = Vec<f64>> {
    let hard = proptest::sample::select(HARD_F64);
    let any = any::<u64>().prop_map(f64::from_bits);
    let few = (0..4i32).prop_map(f64::from);
    let decimal = (-5000..5000i32).prop_map(|v| f64::from(v) / 100.0);
    prop_oneof![
        prop::collection::vec(any, 0..most),
        prop::collection::vec(few, 0..most),
        prop::collection::vec(decimal.clone(), 0..most),
        prop::collection::vec(prop_oneof![hard, decimal], 0..most),
    ]
}

/// Integers of every kind: any, hard ones, regular ones with jitter in some unit.
pub(crate) fn i64s(most: usize) -> impl Strategy<Value = Vec<i64>> {
    let hard = proptest::sample::select(HARD_I64);
    let unit = proptest::sample::select(&[1i64, 7, 1000, 1_000_000, 1_000_000_000][..]);
    let jitter = prop::collection::vec(-3..4i64, 0..most);
    let walk =
        (any::<i64>(), unit, 0..100_000i64, jitter).prop_map(|(start, unit, step, jitter)| {
            let at = |(i, j): (usize, &i64)| {
                let offset = (i as i64).wrapping_mul(step).wrapping_add(*j);
                start.wrapping_add(offset.wrapping_mul(unit))
            };
            jitter.iter().enumerate().map(at).collect::<Vec<i64>>()
        });
    prop_oneof![
        prop::collection::vec(any::<i64>(), 0..most),
        prop::collection::vec(-9..9i64, 0..most),
        prop::collection::vec(prop_oneof![hard, -300..300i64], 0..most),
        walk,
    ]
}

/// Truth values: any, or in long runs.
pub(crate) fn bools(most: usize) -> impl Strategy<Value = Vec<bool>> {
    let runs = prop::collection::vec((any::<bool>(), 1..400usize), 0..most.div_ceil(400));
    let flat = |runs: Vec<(bool, usize)>| {
        runs.into_iter().flat_map(|(value, n)| std::iter::repeat_n(value, n)).collect()
    };
    prop_oneof![prop::collection::vec(any::<bool>(), 0..most), runs.prop_map(flat)]
}

/// Strings: few that repeat, or any.
pub(crate) fn strings(most: usize) -> impl Strategy<Value = Vec<String>> {
    let few = proptest::sample::select(&["", "ok", "warning", "naïve", "错误", "🦀"][..]);
    let any = prop::collection::vec(any::<char>(), 0..12).prop_map(String::from_iter);
    prop_oneof![
        prop::collection::vec(few.prop_map(str::to_owned), 0..most),
        prop::collection::vec(any, 0..most),
    ]
}

/// The same bits, so that NaN equals itself.
pub(crate) fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

/// Every truncation of `bytes`, and every byte with each bit and with all bits flipped, must
/// either decode to `n` values or be [`Error::Corrupt`].
pub(crate) fn hostile(bytes: &[u8], n: usize, decode: impl Fn(&[u8]) -> Result<usize>) {
    let check = |bytes: &[u8], what: &dyn Fn() -> String| match decode(bytes) {
        Ok(got) => assert_eq!(got, n, "{}", what()),
        Err(Error::Corrupt(_)) => {}
        Err(other) => panic!("{}: {other}", what()),
    };
    for len in 0..bytes.len() {
        check(&bytes[..len], &|| format!("cut to {len} of {}", bytes.len()));
    }
    let mut damaged = bytes.to_vec();
    for at in 0..bytes.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            damaged[at] = bytes[at] ^ flip;
            check(&damaged, &|| format!("byte {at} flipped by {flip}"));
        }
        damaged[at] = bytes[at];
    }
    damaged.push(0);
    check(&damaged, &|| "a byte too many".to_owned());
}

/// Decodes into slots of its own, for encodings from bytes to slices.
pub(crate) fn filled<T: Copy + Default>(
    n: usize,
    decode: impl FnOnce(&mut [T]) -> Result<()>,
) -> Result<Vec<T>> {
    let mut out = vec![T::default(); n];
    decode(&mut out)?;
    Ok(out)
}

/// The blocks that end at `ends`, each as `write` appends it.
pub(crate) fn blocks_of(
    ends: &[usize],
    mut write: impl FnMut(std::ops::Range<usize>, &mut Vec<u8>),
) -> Vec<Vec<u8>> {
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let block = |(start, &end): (usize, &usize)| {
        let mut out = Vec::new();
        write(start..end, &mut out);
        out
    };
    starts.zip(ends).map(block).collect()
}

/// Numbers without order: splitmix64.
pub(crate) fn noise(i: u64) -> u64 {
    let mut z = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
