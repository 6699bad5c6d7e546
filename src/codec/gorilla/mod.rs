//! Doubles as the XOR with the value before: T. Pelkonen et al., "Gorilla: A Fast, Scalable,
//! In-Memory Time Series Database", VLDB 2015, section 4.1.2. Every bit comes back, those of NaN
//! among them.
//!
//! The first value takes 64 bits. Then, for each value, with `x` the XOR of its bits and those
//! of the one before (bits stand least significant first):
//!
//! ```text
//! 0                                    x is 0
//! 1 0  <window bits>                   x lies inside the window of the one before
//! 1 1  <5: zeros above> <6: width - 1> <width bits>    a window of x's own
//! ```
//!
//! Before the first window stands one of all 64 bits. The paper keeps a window for as long as
//! `x` fits; here a narrower one is opened as soon as it pays for its 11 bits of header, which
//! any decoder of the format reads.

#[cfg(test)]
mod tests;

use super::bits::{BitReader, BitWriter, SURE, mask};
use crate::error::{Error, Result};

const KEEP_BITS: u32 = 2;
const OPEN_BITS: u32 = 13;
const MOST_ZEROS_ABOVE: u32 = 31;

/// Appends doubles.
pub(crate) fn encode(values: &[f64], out: &mut Vec<u8>) {
    let Some((first, rest)) = values.split_first() else { return };
    let mut writer = BitWriter::new(out, 64 + rest.len() * (OPEN_BITS as usize + 64));
    let mut before = first.to_bits();
    writer.push(u128::from(before), 64);
    let (mut above, mut below, mut width) = (0, 0, 64);
    for value in rest {
        let bits = value.to_bits();
        let x = bits ^ before;
        before = bits;
        if x == 0 {
            writer.push(0, 1);
            continue;
        }
        let own_above = x.leading_zeros().min(MOST_ZEROS_ABOVE);
        let own_below = x.trailing_zeros();
        let own_width = 64 - own_above - own_below;
        let fits = own_above >= above && own_below >= below;
        let keep = fits & (width + KEEP_BITS <= own_width + OPEN_BITS);
        let (header, header_bits) = if keep {
            (0b01, KEEP_BITS)
        } else {
            (above, below, width) = (own_above, own_below, own_width);
            (0b11 | above << 2 | (width - 1) << 7, OPEN_BITS)
        };
        let word = u128::from(header) | u128::from(x >> below) << header_bits;
        writer.push(word, header_bits + width);
    }
    writer.finish();
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly that many doubles.
pub(crate) fn decode(bytes: &[u8], out: &mut [f64]) -> Result<()> {
    let Some((first, rest)) = out.split_first_mut() else {
        return BitReader::new(bytes).finish();
    };
    let mut reader = BitReader::new(bytes);
    let mut before = reader.take(64);
    *first = f64::from_bits(before);
    let (mut below, mut width) = (0, 64);
    let mut broken = false;
    let mut at = 0;
    while at < rest.len() {
        let peek = reader.peek();
        let first = peek.first();
        if first & 1 == 0 {
            let same = ((first | SURE).trailing_zeros() as usize).min(rest.len() - at);
            rest[at..at + same].fill(f64::from_bits(before));
            reader.skip(same as u32);
            at += same;
            continue;
        }
        let open = first & 2 != 0;
        let own_above = (first >> 2 & 31) as u32;
        let own_width = (first >> 7 & 63) as u32 + 1;
        let own_below = 64u32.wrapping_sub(own_above + own_width);
        reader.skip(if open { OPEN_BITS + own_width } else { KEEP_BITS + width });
        broken |= open & (own_above + own_width > 64);
        below = if open { own_below & 63 } else { below };
        width = if open { own_width } else { width };
        let x = peek.after(if open { OPEN_BITS } else { KEEP_BITS }) & mask(width);
        before ^= x << below;
        rest[at] = f64::from_bits(before);
        at += 1;
    }
    if broken {
        return Err(Error::corrupt("gorilla: a window of more than 64 bits"));
    }
    reader.finish()
}
