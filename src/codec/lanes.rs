//! Codes of one width, packed: the innermost layer of every encoding of numbers.
//!
//! A **full** block of 1,024 codes lies in lanes, so that one vector instruction unpacks many
//! codes and yet they come out in their order: code `i` stands in lane `i % L`, row `i / L`, and a
//! lane's codes fill its words from the lowest bit (the vertical layout of D. Lemire and
//! L. Boytsov, "Decoding billions of integers per second through vectorization", 2015). Up to 32
//! bits there are 32 lanes of 32-bit words, above that 16 lanes of 64-bit words. Word `k` of all
//! lanes stands before word `k + 1` of any. A block of another length is one plain stream of bits.
//! Either way it takes as many bytes as its bits need.

use super::bits::{BitReader, BitWriter, mask};
use super::simd::dispatched;
use crate::error::{Error, Result};

/// Codes of a full block.
pub(crate) const FULL: usize = 1024;
const LANES32: usize = 32;
const LANES64: usize = 16;
const ROWS32: usize = FULL / LANES32;

/// Bytes that `n` codes of `width` bits take.
pub(crate) fn size(n: usize, width: u32) -> usize {
    (n * width as usize).div_ceil(8)
}

/// Appends codes, each below `2^width`.
pub(crate) fn pack(codes: &[u64], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    if let Ok(codes) = <&[u64; FULL]>::try_from(codes) {
        let start = out.len();
        out.resize(start + size(FULL, width), 0);
        if width <= 32 {
            pack32(codes, width, &mut out[start..]);
        } else {
            pack64(codes, width, &mut out[start..]);
        }
        return;
    }
    let mut writer = BitWriter::new(out, codes.len() * width as usize);
    codes.iter().for_each(|&code| writer.push(u128::from(code), width));
    writer.finish();
}

/// Fills `out` with codes, `base` added to each; it wraps.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly that many.
pub(crate) fn unpack(bytes: &[u8], width: u32, base: i64, out: &mut [i64]) -> Result<()> {
    check(bytes, width, out.len())?;
    if width == 0 {
        out.fill(base);
    } else if let Ok(out) = <&mut [i64; FULL]>::try_from(&mut *out) {
        if width <= 32 {
            unpack32(bytes, width, base, out);
        } else {
            unpack64(bytes, width, base, out);
        }
    } else {
        stream(bytes, width, base, out);
    }
    Ok(())
}

/// The sum of the codes of a full block of at most 32 bits each, straight from their lanes.
///
/// # Errors
/// As [`unpack`].
pub(crate) fn sum_full(bytes: &[u8], width: u32) -> Result<u64> {
    check(bytes, width, FULL)?;
    assert!(width <= 32, "lanes of 32 bits");
    Ok(if width == 0 { 0 } else { sum32(bytes, width) })
}

/// The sum of each code of a full block times how many codes there are from it on, itself
/// included: what differences of that many bits (at most 32) add to the sum of the values.
///
/// # Errors
/// As [`unpack`].
pub(crate) fn sum_running_full(bytes: &[u8], width: u32) -> Result<u64> {
    check(bytes, width, FULL)?;
    assert!(width <= 32, "lanes of 32 bits");
    Ok(if width == 0 { 0 } else { running32(bytes, width) })
}

fn check(bytes: &[u8], width: u32, n: usize) -> Result<()> {
    let spare = (n * width as usize % 8) as u32;
    let clean = spare == 0 || bytes.last().is_some_and(|last| last >> spare == 0);
    if bytes.len() == size(n, width) && clean {
        return Ok(());
    }
    Err(Error::corrupt(format!("{} bytes for {n} codes of {width} bits", bytes.len())))
}

/// One row of codes out of the words of all lanes.
#[inline(always)]
fn row32(words: &[[u8; 4 * LANES32]], width: u32, row: usize) -> [u32; LANES32] {
    let bit = row * width as usize;
    let (at, shift) = (bit / 32, (bit % 32) as u32);
    // What lies past the last word is shifted above the mask.
    let (low, high) = (&words[at], &words[(at + 1).min(words.len() - 1)]);
    let (low, high) = (low.as_chunks::<4>().0, high.as_chunks::<4>().0);
    let mask = mask(width) as u32;
    let mut codes = [0; LANES32];
    for lane in 0..LANES32 {
        let (low, high) = (u32::from_le_bytes(low[lane]), u32::from_le_bytes(high[lane]));
        codes[lane] = (low >> shift | high << 1 << (31 - shift)) & mask;
    }
    codes
}

#[inline(always)]
fn row64(words: &[[u8; 8 * LANES64]], width: u32, row: usize) -> [u64; LANES64] {
    let bit = row * width as usize;
    let (at, shift) = (bit / 64, (bit % 64) as u32);
    let (low, high) = (word64(&words[at]), word64(&words[(at + 1).min(words.len() - 1)]));
    let (mask, up) = (mask(width), 63 - shift);
    let mut codes = [0; LANES64];
    for lane in 0..LANES64 {
        codes[lane] = (low[lane] >> shift | high[lane] << 1 << up) & mask;
    }
    codes
}

#[inline(always)]
fn word64(bytes: &[u8; 8 * LANES64]) -> [u64; LANES64] {
    let mut word = [0; LANES64];
    for (word, bytes) in word.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    word
}

dispatched! {
    fn pack32(codes: &[u64; FULL], width: u32, out: &mut [u8]) {
        let words = out.as_chunks_mut::<{ 4 * LANES32 }>().0;
        let mut word = [0u32; LANES32];
        let mut next = 0;
        for (row, codes) in codes.as_chunks::<LANES32>().0.iter().enumerate() {
            let shift = (row * width as usize % 32) as u32;
            for lane in 0..LANES32 {
                word[lane] |= (codes[lane] as u32) << shift;
            }
            if shift + width >= 32 {
                for (bytes, word) in words[next].as_chunks_mut::<4>().0.iter_mut().zip(word) {
                    *bytes = word.to_le_bytes();
                }
                next += 1;
                for lane in 0..LANES32 {
                    word[lane] = (codes[lane] as u32) >> 1 >> (31 - shift);
                }
            }
        }
    }

    fn pack64(codes: &[u64; FULL], width: u32, out: &mut [u8]) {
        let words = out.as_chunks_mut::<{ 8 * LANES64 }>().0;
        let mut word = [0u64; LANES64];
        let mut next = 0;
        for (row, codes) in codes.as_chunks::<LANES64>().0.iter().enumerate() {
            let shift = (row * width as usize % 64) as u32;
            for lane in 0..LANES64 {
                word[lane] |= codes[lane] << shift;
            }
            if shift + width >= 64 {
                for (bytes, word) in words[next].as_chunks_mut::<8>().0.iter_mut().zip(word) {
                    *bytes = word.to_le_bytes();
                }
                next += 1;
                for lane in 0..LANES64 {
                    word[lane] = codes[lane] >> 1 >> (63 - shift);
                }
            }
        }
    }

    fn unpack32(bytes: &[u8], width: u32, base: i64, out: &mut [i64; FULL]) {
        let words = bytes.as_chunks::<{ 4 * LANES32 }>().0;
        for (row, out) in out.as_chunks_mut::<LANES32>().0.iter_mut().enumerate() {
            let codes = row32(words, width, row);
            for lane in 0..LANES32 {
                out[lane] = base.wrapping_add(i64::from(codes[lane]));
            }
        }
    }

    fn unpack64(bytes: &[u8], width: u32, base: i64, out: &mut [i64; FULL]) {
        let words = bytes.as_chunks::<{ 8 * LANES64 }>().0;
        for (row, out) in out.as_chunks_mut::<LANES64>().0.iter_mut().enumerate() {
            let codes = row64(words, width, row);
            for lane in 0..LANES64 {
                out[lane] = base.wrapping_add(codes[lane] as i64);
            }
        }
    }

    fn sum32(bytes: &[u8], width: u32) -> u64 {
        let words = bytes.as_chunks::<{ 4 * LANES32 }>().0;
        if width <= 27 {
            // 32 rows of 27 bits fit a lane of 32.
            let mut sums = [0u32; LANES32];
            for row in 0..ROWS32 {
                let codes = row32(words, width, row);
                for lane in 0..LANES32 {
                    sums[lane] += codes[lane];
                }
            }
            return sums.into_iter().map(u64::from).sum();
        }
        let mut sums = [0u64; LANES32];
        for row in 0..ROWS32 {
            let codes = row32(words, width, row);
            for lane in 0..LANES32 {
                sums[lane] += u64::from(codes[lane]);
            }
        }
        sums.into_iter().sum()
    }

    fn running32(bytes: &[u8], width: u32) -> u64 {
        // Row `r` counts for all rows from it on: the sum of a lane's running sums. Within a row
        // lane `l` counts `LANES32 - l` times of its own row and all of the later ones.
        let words = bytes.as_chunks::<{ 4 * LANES32 }>().0;
        let (mut total, mut running) = ([0u64; LANES32], [0u64; LANES32]);
        if width <= 22 {
            // 528 = 1 + 2 + .. + 32 codes of 22 bits fit a lane of 32.
            let (mut lane_total, mut lane_running) = ([0u32; LANES32], [0u32; LANES32]);
            for row in 0..ROWS32 {
                let codes = row32(words, width, row);
                for lane in 0..LANES32 {
                    lane_total[lane] += codes[lane];
                    lane_running[lane] += lane_total[lane];
                }
            }
            total = lane_total.map(u64::from);
            running = lane_running.map(u64::from);
        } else {
            for row in 0..ROWS32 {
                let codes = row32(words, width, row);
                for lane in 0..LANES32 {
                    total[lane] += u64::from(codes[lane]);
                    running[lane] += total[lane];
                }
            }
        }
        let lanes = LANES32 as u64;
        (0..LANES32).map(|lane| lanes * running[lane] - lane as u64 * total[lane]).sum()
    }

    fn stream(bytes: &[u8], width: u32, base: i64, out: &mut [i64]) {
        // A code of at most 57 bits lies inside the eight bytes from where it begins.
        let fast = if width > 57 {
            0
        } else {
            (bytes.len().saturating_sub(7) * 8 / width as usize).min(out.len())
        };
        let (quick, slow) = out.split_at_mut(fast);
        let (mut at, mask) = (0, mask(width));
        for slot in quick {
            let word = bytes.get(at >> 3..).and_then(|rest| rest.first_chunk::<8>());
            let word = word.map_or(0, |chunk| u64::from_le_bytes(*chunk));
            *slot = base.wrapping_add((word >> (at & 7) & mask) as i64);
            at += width as usize;
        }
        if width > 57 {
            let mut reader = BitReader::new(bytes);
            slow.iter_mut().for_each(|slot| *slot = base.wrapping_add(reader.take(width) as i64));
            return;
        }
        // The same with zeros past the end: what is left begins in the last 16 bytes.
        let mut last = [0; 24];
        let from = bytes.len().saturating_sub(16);
        last[..bytes.len() - from].copy_from_slice(&bytes[from..]);
        at -= from * 8;
        for slot in slow {
            let word = last.get(at >> 3..).and_then(|rest| rest.first_chunk::<8>());
            let word = word.map_or(0, |chunk| u64::from_le_bytes(*chunk));
            *slot = base.wrapping_add((word >> (at & 7) & mask) as i64);
            at += width as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::simd::{Level, limit};

    fn codes(n: usize, width: u32) -> Vec<u64> {
        (0..n as u64).map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 3 & mask(width)).collect()
    }

    #[test]
    fn every_width_and_length_comes_back_at_every_level() {
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            limit(level);
            for width in 0..=64 {
                for n in [0, 1, 2, 7, 31, 32, 63, 100, 1023, 1024] {
                    let codes = codes(n, width);
                    let mut bytes = Vec::new();
                    pack(&codes, width, &mut bytes);
                    assert_eq!(bytes.len(), size(n, width));
                    let mut out = vec![7; n];
                    unpack(&bytes, width, -5, &mut out).expect("its own bytes");
                    let expected: Vec<i64> =
                        codes.iter().map(|&code| (code as i64).wrapping_sub(5)).collect();
                    assert_eq!(out, expected, "{n} codes of {width} bits, {level:?}");
                    bytes.push(0);
                    assert!(unpack(&bytes, width, 0, &mut out).is_err());
                }
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_codes() {
        for level in [Level::Portable, Level::Avx2, Level::Avx512] {
            limit(level);
            for width in 0..=32 {
                for codes in [codes(FULL, width), vec![mask(width); FULL]] {
                    let mut bytes = Vec::new();
                    pack(&codes, width, &mut bytes);
                    assert_eq!(sum_full(&bytes, width).expect("codes"), codes.iter().sum::<u64>());
                    let running = codes.iter().enumerate().map(|(i, c)| c * (FULL - i) as u64);
                    assert_eq!(
                        sum_running_full(&bytes, width).expect("codes"),
                        running.sum::<u64>(),
                        "{width} bits, {level:?}"
                    );
                }
            }
        }
    }
}
