//! Arrays of numbers in as many whole bytes each as the greatest needs: small, and yet any of
//! them is one load away.

use crate::codec::varint;
use crate::error::{Error, Result};

/// Most bytes of a number.
const MOST: u8 = 16;

/// Where an array stands in the bytes of a chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Array {
    at: u32,
    width: u8,
}

/// Appends `u8 width` and the numbers.
pub(super) fn write(numbers: impl Iterator<Item = u128> + Clone, out: &mut Vec<u8>) {
    let most = numbers.clone().fold(0, |bits, number| bits | number);
    let width = (128 - most.leading_zeros()).div_ceil(8) as usize;
    out.push(width as u8);
    numbers.for_each(|number| out.extend_from_slice(&number.to_le_bytes()[..width]));
}

impl Array {
    /// Takes an array of `n` numbers from the front of `rest`, which ends where `bytes` do.
    pub(super) fn take(bytes: &[u8], rest: &mut &[u8], n: usize) -> Result<Self> {
        let &[width @ 0..=MOST] = varint::take(rest, 1)? else {
            return Err(Error::corrupt("chunk: an array of numbers over 16 bytes"));
        };
        let at = (bytes.len() - rest.len()) as u32;
        varint::take(rest, n as u64 * u64::from(width))?;
        Ok(Self { at, width })
    }

    /// The number at `i`, out of the bytes that the array was taken from.
    #[inline]
    pub(super) fn get(self, bytes: &[u8], i: usize) -> u128 {
        let width = usize::from(self.width);
        let at = self.at as usize + i * width;
        match bytes[at..].first_chunk::<16>() {
            Some(chunk) if width < 16 => u128::from_le_bytes(*chunk) & ((1 << (8 * width)) - 1),
            Some(chunk) => u128::from_le_bytes(*chunk),
            None => {
                let mut number = [0; 16];
                number[..width].copy_from_slice(&bytes[at..at + width]);
                u128::from_le_bytes(number)
            }
        }
    }

    /// As [`Self::get`], the lowest 64 bits.
    #[inline]
    pub(super) fn low(self, bytes: &[u8], i: usize) -> u64 {
        self.get(bytes, i) as u64
    }
}
