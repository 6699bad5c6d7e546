//! A chunk's integers: its blocks, hot or cold, above a common offset and divided by what they
//! share.

use std::borrow::Cow;

use super::{decode, encode};
use crate::codec::cold;
use crate::codec::simd::dispatched;
use crate::codec::{Effort, varint};
use crate::error::{Error, Result};

const COLD: u8 = 1;
const SCALED: u8 = 2;

/// How a column's integers are going to be written.
pub(crate) struct Plan<'a> {
    values: Cow<'a, [i64]>,
    scale: Option<(u64, i64)>,
    cold: Option<cold::Pages>,
    /// The next page; blocks without values have none.
    page: usize,
}

impl<'a> Plan<'a> {
    /// For values whose blocks end at `ends`.
    pub(crate) fn of(mut values: Cow<'a, [i64]>, ends: &[usize], effort: Effort) -> Self {
        let mut scale = None;
        if let Some((shared, offset, scaled)) = divided(&values) {
            values = Cow::Owned(scaled);
            scale = Some((shared, offset));
        }
        let mut cold = None;
        if effort == Effort::Cold && values.len() >= COLD_FROM {
            let mut hot = Vec::new();
            blocks(&values, ends).for_each(|block| encode(block, &mut hot));
            cold = cold::Pages::of(&values, ends).and_then(|mut pages| {
                let mut size = Vec::new();
                let full = blocks(&values, ends).filter(|block| !block.is_empty()).count();
                (0..full).for_each(|page| pages.write(page, &mut size));
                (size.len() + pages.shared().len() < hot.len()).then_some(pages)
            });
        }
        Self { values, scale, cold, page: 0 }
    }

    /// Appends what the blocks share.
    pub(crate) fn write_shared(&self, out: &mut Vec<u8>) {
        let cold = if self.cold.is_some() { COLD } else { 0 };
        let scaled = if self.scale.is_some() { SCALED } else { 0 };
        out.push(cold | scaled);
        if let Some((scale, offset)) = self.scale {
            varint::write(scale, out);
            varint::write_signed(offset, out);
        }
        if let Some(pages) = &self.cold {
            varint::write(pages.shared().len() as u64, out);
            out.extend_from_slice(pages.shared());
        }
    }

    /// Appends the next block, of the values `range`.
    pub(crate) fn write_block(&mut self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        match &mut self.cold {
            _ if range.is_empty() => {}
            Some(pages) => {
                pages.write(self.page, out);
                self.page += 1;
            }
            None => encode(&self.values[range], out),
        }
    }
}

/// Fewer values are not worth `pco`'s tables.
const COLD_FROM: usize = 256;

fn blocks<'v>(values: &'v [i64], ends: &[usize]) -> impl Iterator<Item = &'v [i64]> {
    let mut start = 0;
    ends.iter().map(move |&end| {
        let block = &values[start..end];
        start = end;
        block
    })
}

/// The greatest common divisor of all distances from the least value, that value, and the
/// quotients; `None` where there is no divisor but 1.
fn divided(values: &[i64]) -> Option<(u64, i64, Vec<i64>)> {
    let &first = values.first()?;
    let mut shared = 0;
    for at in 0..16 {
        let value = values[at * (values.len() - 1) / 15];
        shared = gcd(shared, value.wrapping_sub(first).unsigned_abs());
        if shared == 1 {
            return None;
        }
    }
    let least = least(values);
    shared = gcd(shared, first.wrapping_sub(least) as u64);
    let mut quotients = vec![0; values.len()];
    loop {
        if shared <= 1 {
            return None;
        }
        match divide(values, least, shared, &mut quotients) {
            None => return Some((shared, least, quotients)),
            Some(at) => shared = gcd(shared, values[at].wrapping_sub(least) as u64),
        }
    }
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

dispatched! {
    fn least(values: &[i64]) -> i64 {
        values.iter().copied().fold(i64::MAX, i64::min)
    }
}

/// Divides the distances from `least` by `shared`; the place of one that it does not divide.
fn divide(values: &[i64], least: i64, shared: u64, quotients: &mut [i64]) -> Option<usize> {
    // An exact quotient is a product with the inverse modulo 2^64 of the odd part (T. Granlund
    // and P. Montgomery, "Division by Invariant Integers using Multiplication", 1994, section 9).
    let twos = shared.trailing_zeros();
    let odd = shared >> twos;
    let mut inverse = odd;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
    }
    let whole = quotient(values, least, twos, inverse, shared, quotients);
    if whole {
        return None;
    }
    values.iter().position(|value| !(value.wrapping_sub(least) as u64).is_multiple_of(shared))
}

dispatched! {
    fn quotient(
        values: &[i64],
        least: i64,
        twos: u32,
        inverse: u64,
        shared: u64,
        quotients: &mut [i64],
    ) -> bool {
        let most = u64::MAX / shared;
        let mut whole = true;
        for (slot, value) in quotients.iter_mut().zip(values) {
            let distance = value.wrapping_sub(least) as u64;
            let quotient = (distance >> twos).wrapping_mul(inverse);
            whole &= (quotient <= most) & (quotient.wrapping_mul(shared) == distance);
            *slot = quotient as i64;
        }
        whole
    }

    fn multiply(values: &mut [i64], scale: u64, offset: i64) {
        for value in values {
            *value = offset.wrapping_add((*value as u64).wrapping_mul(scale) as i64);
        }
    }
}

/// What is needed to read a column's blocks.
#[derive(Debug)]
pub(crate) struct Reader {
    scale: Option<(u64, i64)>,
    /// Boxed: it is large, and mostly there is none.
    cold: Option<Box<cold::Reader>>,
}

impl Reader {
    /// Takes what the blocks share from the front of `shared`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not such.
    pub(crate) fn open(shared: &mut &[u8]) -> Result<Self> {
        let &[flags @ 0..=3] = varint::take(shared, 1)? else {
            return Err(Error::corrupt("integers: unknown flags"));
        };
        let mut scale = None;
        if flags & SCALED != 0 {
            scale = Some((varint::read(shared)?, varint::read_signed(shared)?));
        }
        let mut pages = None;
        if flags & COLD != 0 {
            let length = varint::read(shared)?;
            pages = Some(Box::new(cold::Reader::open(varint::take(shared, length)?)?));
        }
        Ok(Self { scale, cold: pages })
    }

    /// What there is to tell: what the numbers were divided by, and whether they are cold.
    pub(crate) fn detail(&self) -> String {
        let mut detail =
            self.scale.map_or(String::new(), |(scale, _)| format!("multiples of {scale}"));
        if self.cold.is_some() {
            detail.push_str(if detail.is_empty() { "cold" } else { ", cold" });
        }
        detail
    }

    /// Fills `out` with a block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly that many integers.
    pub(crate) fn decode(&self, block: &[u8], out: &mut [i64]) -> Result<()> {
        match &self.cold {
            Some(cold) => cold.decode(block, out)?,
            None => decode(block, out)?,
        }
        if let Some((scale, offset)) = self.scale {
            multiply(out, scale, offset);
        }
        Ok(())
    }

    /// The sum of a block's `n` integers.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub(crate) fn sum(&self, block: &[u8], n: usize) -> Result<i128> {
        if self.scale.is_none() && self.cold.is_none() {
            return super::sum(block, n);
        }
        let mut values = [0; super::MOST];
        let values = values
            .get_mut(..n)
            .ok_or_else(|| Error::Internal(format!("a block of {n} integers")))?;
        self.decode(block, values)?;
        Ok(values.iter().map(|&value| i128::from(value)).sum())
    }
}
