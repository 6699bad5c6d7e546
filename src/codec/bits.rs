//! Streams of bits, least significant first, sixteen bytes at a time.

use crate::error::{Error, Result};

/// The lowest `bits` (at most 64) set.
#[inline(always)]
pub(crate) fn mask(bits: u32) -> u64 {
    if bits == 0 { 0 } else { u64::MAX >> (64 - bits.min(64)) }
}

/// How many bits `value` needs.
#[inline(always)]
pub(crate) fn width(value: u64) -> u32 {
    64 - value.leading_zeros()
}

/// Appends bits to bytes.
///
/// Invariant: every byte up to `at` is final, and the byte at `at` holds the `fill` low bits of
/// `pending`, the rest zeros.
pub(crate) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    at: usize,
    pending: u128,
    fill: u32,
}

impl<'a> BitWriter<'a> {
    /// A writer for at most `max_bits`, for which it makes room at once.
    pub(crate) fn new(out: &'a mut Vec<u8>, max_bits: usize) -> Self {
        let at = out.len();
        out.resize(at + max_bits / 8 + 24, 0);
        Self { out, at, pending: 0, fill: 0 }
    }

    /// Appends the lowest `bits` (at most 120) of `word`, which has no bit set above them.
    ///
    /// # Panics
    /// When the room given at the start runs out.
    #[inline(always)]
    pub(crate) fn push(&mut self, word: u128, bits: u32) {
        let word = self.pending | word << self.fill;
        self.out[self.at..self.at + 16].copy_from_slice(&word.to_le_bytes());
        let total = self.fill + bits;
        self.at += (total >> 3) as usize;
        self.pending = word >> (total & !7);
        self.fill = total & 7;
    }

    /// Pads the last byte with zeros and gives back the room not used.
    pub(crate) fn finish(self) {
        self.out.truncate(self.at + usize::from(self.fill > 0));
    }
}

/// Reads bits from bytes. Past the end it reads zeros, so that a loop needs no check for each
/// value; [`Self::finish`] tells afterwards whether it went too far.
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// A reader at the first bit.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What comes next, without passing over it.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Peek {
        let rest = self.bytes.get(self.at >> 3..).unwrap_or_default();
        let word = match rest.first_chunk::<16>() {
            Some(chunk) => u128::from_le_bytes(*chunk),
            None => tail(rest),
        };
        Peek { word, shift: (self.at & 7) as u32 }
    }

    /// Passes over `bits`.
    #[inline(always)]
    pub(crate) fn skip(&mut self, bits: u32) {
        self.at += bits as usize;
    }

    /// Takes the next `bits`, at most 64.
    #[inline(always)]
    pub(crate) fn take(&mut self, bits: u32) -> u64 {
        let word = self.peek().after(0) & mask(bits);
        self.skip(bits);
        word
    }

    /// Checks that the reader stands in the last byte and that only zeros are left.
    pub(crate) fn finish(self) -> Result<()> {
        let whole = self.at.div_ceil(8) == self.bytes.len();
        let clean = self.at.is_multiple_of(8)
            || self.bytes.last().is_some_and(|last| last >> (self.at % 8) == 0);
        if whole && clean {
            Ok(())
        } else {
            Err(Error::corrupt(format!(
                "a stream of {} bytes where {} bits belong",
                self.bytes.len(),
                self.at
            )))
        }
    }
}

/// A bit that [`Peek::first`] is sure to reach, to end a count of zeros.
pub(crate) const SURE: u64 = 1 << 56;

/// The bits from some place on, zeros past the end.
///
/// The first ones come out of one 64-bit shift, which keeps short the chain from one header to
/// the place of the next.
#[derive(Clone, Copy)]
pub(crate) struct Peek {
    word: u128,
    shift: u32,
}

impl Peek {
    /// The next 57 bits, and zeros or more of them above.
    #[inline(always)]
    pub(crate) fn first(self) -> u64 {
        self.word as u64 >> self.shift
    }

    /// The 64 bits after the next `skip`, which are at most 56.
    #[inline(always)]
    pub(crate) fn after(self, skip: u32) -> u64 {
        (self.word >> ((self.shift + skip) & 63)) as u64
    }
}

#[cold]
fn tail(rest: &[u8]) -> u128 {
    let mut word = [0; 16];
    word[..rest.len()].copy_from_slice(rest);
    u128::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_comes_back() {
        let words: Vec<(u64, u32)> = (0..2000u64)
            .map(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15), (i % 65) as u32))
            .map(|(word, bits)| (word & mask(bits), bits))
            .collect();
        let mut bytes = vec![7];
        let mut writer = BitWriter::new(&mut bytes, words.iter().map(|w| w.1 as usize).sum());
        words.iter().for_each(|&(word, bits)| writer.push(u128::from(word), bits));
        writer.finish();
        let total: usize = words.iter().map(|w| w.1 as usize).sum();
        assert_eq!(bytes.len(), 1 + total.div_ceil(8));
        let mut reader = BitReader::new(&bytes[1..]);
        for &(word, bits) in &words {
            assert_eq!(reader.take(bits), word);
        }
        assert!(reader.finish().is_ok());
    }

    #[test]
    fn too_short_and_too_long_are_told() {
        let mut reader = BitReader::new(&[0xff]);
        assert_eq!(reader.take(12), 0xff);
        assert!(reader.finish().is_err());
        let mut reader = BitReader::new(&[0x0f, 0]);
        assert_eq!(reader.take(4), 0x0f);
        assert!(reader.finish().is_err());
        let mut reader = BitReader::new(&[0x1f]);
        assert_eq!(reader.take(4), 0x0f);
        assert!(reader.finish().is_err());
    }
}
