//! Columns of integers.

use std::borrow::Cow;

use super::integers::column::{Plan, Reader};
use super::{BLOCK, Effort, Encoded, Encoding, units};
use crate::error::{Error, Result};

/// Encodes integers whose blocks end at `ends`.
pub(crate) fn encode(values: &[i64], ends: &[usize], effort: Effort) -> Encoded {
    let mut plan = Plan::of(Cow::Borrowed(values), ends, effort);
    let mut shared = Vec::new();
    plan.write_shared(&mut shared);
    Encoded::of_blocks(Encoding::Integers, shared, ends, |range, out| plan.write_block(range, out))
}

/// What is needed to read a column of integers.
#[derive(Debug)]
pub struct Longs(Reader);

impl Longs {
    /// Reads what the blocks of a column share.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] when it is not of that encoding.
    pub fn open(encoding: Encoding, mut shared: &[u8]) -> Result<Self> {
        if encoding != Encoding::Integers {
            return Err(super::misplaced(encoding, "i64"));
        }
        let reader = Reader::open(&mut shared)?;
        if shared.is_empty() { Ok(Self(reader)) } else { Err(super::too_long(encoding)) }
    }

    /// What there is to tell beside the encoding's name.
    pub fn detail(&self) -> String {
        self.0.detail()
    }

    /// The sum of a block's `n` integers, mostly without so much as unpacking them.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] unless the block holds exactly `n` integers.
    pub fn sum(&self, block: &[u8], n: usize) -> Result<i128> {
        self.0.sum(block, n)
    }

    /// Tells of each of the `n` integers of a block whether it lies in `low..=high`.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] unless the block holds exactly `n`; `out` is then as it was.
    pub fn within(
        &self,
        block: &[u8],
        n: usize,
        low: i64,
        high: i64,
        out: &mut Vec<bool>,
    ) -> Result<()> {
        super::append(out, n, |slots| {
            let mut values = [0; BLOCK];
            let values = values
                .get_mut(..n)
                .ok_or_else(|| Error::Internal(format!("a block of {n} integers")))?;
            self.0.decode(block, values)?;
            units::within(values, low, high, slots);
            Ok(())
        })
    }

    /// Appends the `n` integers of a block; `n` sizes an allocation, so the caller has checked it.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] unless the block holds exactly `n`; `out` is then as it was.
    pub fn decode(&self, block: &[u8], n: usize, out: &mut Vec<i64>) -> Result<()> {
        super::append(out, n, |slots| self.fill(block, slots))
    }

    /// Fills `out` with a block.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] unless the block holds exactly that many integers; what `out` holds
    /// is then of no meaning.
    pub fn fill(&self, block: &[u8], out: &mut [i64]) -> Result<()> {
        self.0.decode(block, out)
    }
}
