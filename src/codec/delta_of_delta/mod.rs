//! Integers as differences of differences in buckets of bits: the timestamps of Gorilla (VLDB
//! 2015, section 4.1.1) with buckets for nanoseconds and arithmetic that wraps, so that every
//! sequence of i64 comes back.
//!
//! In front stand three varints: the scale, the first value and the first difference (the last
//! two in zigzag; absent where there are too few values). Then for each second difference,
//! divided by the scale and in zigzag, a bucket of bits, least significant first:
//!
//! ```text
//! 0                    it is 0
//! 10      <8 bits>
//! 110     <14 bits>
//! 1110    <20 bits>
//! 11110   <32 bits>
//! 11111   <64 bits>
//! ```

#[cfg(test)]
mod tests;

use super::bits::{BitReader, BitWriter, SURE, mask, width};
use super::differences::Differences;
use super::varint::{self, unzigzag, zigzag};
use crate::error::{Error, Result};

/// Bits of the values in each bucket.
const VALUE_BITS: [u32; 6] = [0, 8, 14, 20, 32, 64];
/// Bits of the prefix of each bucket.
const PREFIX_BITS: [u32; 6] = [1, 2, 3, 4, 5, 5];

/// The bucket for numbers of so many bits.
const BUCKET_OF: [u8; 65] = {
    let mut table = [0; 65];
    let mut bits = 0;
    while bits < 65 {
        let mut bucket = 0;
        while VALUE_BITS[bucket] < bits as u32 {
            bucket += 1;
        }
        table[bits] = bucket as u8;
        bits += 1;
    }
    table
};

/// For each five bits that a bucket may begin with: the bits of its prefix, those of its value,
/// and both.
const BEGINS: [[u8; 4]; 32] = {
    let mut table = [[0; 4]; 32];
    let mut bits = 0usize;
    while bits < 32 {
        let bucket = bits.trailing_ones() as usize;
        let (prefix, value) = (PREFIX_BITS[bucket] as u8, VALUE_BITS[bucket] as u8);
        table[bits] = [prefix, value, prefix + value, 0];
        bits += 1;
    }
    table
};

/// How integers would be written, and in how many bytes.
pub(crate) struct Plan {
    scale: i64,
    bits: usize,
    size: usize,
}

impl Plan {
    /// What the second differences need.
    pub(crate) fn of(values: &[i64], differences: &Differences) -> Self {
        let scale = i64::try_from(differences.delta_scale).unwrap_or(1);
        let bits = differences.second.iter().map(|&d| {
            let bucket = bucket(scaled(d, scale));
            (PREFIX_BITS[bucket] + VALUE_BITS[bucket]) as usize
        });
        let bits: usize = bits.sum();
        let heads = values.first().into_iter().chain(differences.first.first());
        let heads: usize = heads.map(|&v| varint::size(zigzag(v))).sum();
        let size = varint::size(scale as u64) + heads + bits.div_ceil(8);
        Self { scale, bits, size }
    }

    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Appends the values that the plan was made for.
    pub(crate) fn write(&self, values: &[i64], differences: &Differences, out: &mut Vec<u8>) {
        varint::write(self.scale as u64, out);
        values.iter().take(1).for_each(|&v| varint::write_signed(v, out));
        differences.first.iter().take(1).for_each(|&d| varint::write_signed(d, out));
        let mut writer = BitWriter::new(out, self.bits);
        for &d in &differences.second {
            let number = scaled(d, self.scale);
            let bucket = bucket(number);
            let prefix_bits = PREFIX_BITS[bucket];
            let prefix = (1u128 << bucket) - 1;
            let word = prefix | u128::from(number) << prefix_bits;
            writer.push(word, prefix_bits + VALUE_BITS[bucket]);
        }
        writer.finish();
    }
}

/// A multiple of `scale`, divided.
#[inline(always)]
fn quotient(multiple: i64, scale: i64) -> i64 {
    match (i32::try_from(multiple), i32::try_from(scale)) {
        (Ok(multiple), Ok(scale)) => i64::from(multiple / scale),
        _ => multiple / scale,
    }
}

#[inline(always)]
fn scaled(difference: i64, scale: i64) -> u64 {
    zigzag(if scale == 1 { difference } else { quotient(difference, scale) })
}

#[inline(always)]
fn bucket(number: u64) -> usize {
    usize::from(BUCKET_OF[width(number) as usize])
}

/// Appends integers.
pub fn encode(values: &[i64], out: &mut Vec<u8>) {
    let differences = Differences::of(values);
    Plan::of(values, &differences).write(values, &differences, out);
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly that many integers.
pub fn decode(mut bytes: &[u8], out: &mut [i64]) -> Result<()> {
    let scale = varint::read(&mut bytes)?;
    let scale = i64::try_from(scale)
        .ok()
        .filter(|s| *s > 0)
        .ok_or_else(|| Error::corrupt(format!("delta_of_delta: a scale of {scale}")))?;
    let mut value = 0i64;
    let mut step = 0i64;
    let head = out.len().min(2);
    let (heads, rest) = out.split_at_mut(head);
    for (i, slot) in heads.iter_mut().enumerate() {
        let difference = varint::read_signed(&mut bytes)?;
        step = if i == 0 { 0 } else { difference };
        value = value.wrapping_add(difference);
        *slot = value;
    }
    let mut reader = BitReader::new(bytes);
    let mut at = 0;
    while at < rest.len() {
        let peek = reader.peek();
        let first = peek.first();
        if first & 1 == 0 {
            let same = ((first | SURE).trailing_zeros() as usize).min(rest.len() - at);
            for slot in &mut rest[at..at + same] {
                value = value.wrapping_add(step);
                *slot = value;
            }
            reader.skip(same as u32);
            at += same;
            continue;
        }
        let [prefix_bits, value_bits, all_bits, _] = BEGINS[(first & 31) as usize];
        reader.skip(all_bits.into());
        let number = peek.after(prefix_bits.into()) & mask(value_bits.into());
        step = step.wrapping_add(unzigzag(number).wrapping_mul(scale));
        value = value.wrapping_add(step);
        rest[at] = value;
        at += 1;
    }
    reader.finish()
}
