//! Doubles as places in a sorted list of the chunk's distinct values.
//!
//! Places keep the order of the values, so they can be compared in their stead, and their
//! differences are small where those of the values are; the list itself is a column of doubles
//! that ascend. Order is that of [`f64::total_cmp`], under which patterns of bits that differ are
//! values that differ.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::integers::MOST;
use super::integers::column::{Plan as Integers, Reader as IntegerReader};
use super::simd::{as_integers, look_up};
use super::{Doubles, Effort, Encoded, doubles, units, varint};
use crate::error::{Error, Result};

/// Most values of a list: a chunk has no more.
const MOST_LISTED: usize = 1 << 16;

/// How a column of doubles is going to be written with a list.
pub(crate) struct Plan {
    listed: usize,
    list: Encoded,
    places: Integers<'static>,
}

impl Plan {
    /// For values whose blocks end at `ends`; `None` where there are none, or more than `most`
    /// are distinct.
    pub(crate) fn of(values: &[f64], ends: &[usize], most: usize, effort: Effort) -> Option<Self> {
        let (mut places, distinct) = first_places(values, most)?;
        if distinct.is_empty() {
            return None;
        }
        // Keys in the order of the values: what is negative descends.
        let key = |value: f64| {
            let bits = value.to_bits() as i64;
            bits ^ ((bits >> 63) as u64 >> 1) as i64
        };
        let mut order: Vec<(i64, u32)> =
            distinct.iter().zip(0..).map(|(value, at)| (key(*value), at)).collect();
        order.sort_unstable();
        let sorted: Vec<f64> = order.iter().map(|(_, at)| distinct[*at as usize]).collect();
        let mut rank = vec![0i64; order.len()];
        order.iter().zip(0..).for_each(|((_, at), place)| rank[*at as usize] = place);
        places.iter_mut().for_each(|place| *place = rank[*place as usize]);
        Some(Self {
            listed: sorted.len(),
            list: doubles::encode_list(&sorted, effort),
            places: Integers::of(Cow::Owned(places), ends, effort),
        })
    }

    /// The power of ten of which all values are whole numbers of tenths, where the list is such.
    pub(crate) fn exponent(&self) -> Option<u8> {
        self.list.exponent
    }

    /// Appends what the blocks share.
    pub(crate) fn write_shared(&self, out: &mut Vec<u8>) {
        varint::write(self.listed as u64, out);
        self.list.write(out);
        self.places.write_shared(out);
    }

    /// Appends the next block, of the values `range`.
    pub(crate) fn write_block(&mut self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        self.places.write_block(range, out);
    }
}

/// The place in a slot that is free.
const EMPTY: u32 = u32::MAX;
/// Bits of the slots that a table begins with.
const SLOTS: u32 = 12;

/// Fibonacci hashing: the highest bits of a product with 2^64 over the golden ratio.
#[inline(always)]
fn hash(key: u64, bits: u32) -> usize {
    (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - bits)) as usize
}

/// A table of `2^bits` slots with the places of values.
fn table_of(distinct: &[f64], bits: u32) -> Vec<u32> {
    let mut table = vec![EMPTY; 1 << bits];
    for (value, place) in distinct.iter().zip(0..) {
        let mut slot = hash(value.to_bits(), bits);
        while table[slot] != EMPTY {
            slot = (slot + 1) & (table.len() - 1);
        }
        table[slot] = place;
    }
    table
}

/// The distinct values in the order of their first occurrence, and each value's place among them;
/// `None` where there are more than `most`.
fn first_places(values: &[f64], most: usize) -> Option<(Vec<i64>, Vec<f64>)> {
    // Three quarters of the slots are free, so that few values meet in one: which do so cannot be
    // foreseen.
    let mut bits = SLOTS;
    let mut table = table_of(&[], bits);
    let mut distinct: Vec<f64> = Vec::new();
    let mut places = Vec::with_capacity(values.len());
    for value in values {
        let key = value.to_bits();
        let mut slot = hash(key, bits);
        let place = loop {
            let place = table[slot];
            match distinct.get(place as usize) {
                Some(held) if held.to_bits() == key => break place,
                Some(_) => slot = (slot + 1) & (table.len() - 1),
                None => {
                    if distinct.len() == most {
                        return None;
                    }
                    let place = distinct.len() as u32;
                    table[slot] = place;
                    distinct.push(*value);
                    if distinct.len() * 4 > table.len() {
                        bits += 2;
                        table = table_of(&distinct, bits);
                    }
                    break place;
                }
            }
        };
        places.push(place.into());
    }
    Some((places, distinct))
}

/// What is needed to read a column's blocks.
#[derive(Debug)]
pub(crate) struct Reader {
    list: Vec<f64>,
    places: IntegerReader,
}

impl Reader {
    /// Takes what the blocks share, the list with it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not such.
    pub(crate) fn open(shared: &mut &[u8]) -> Result<Self> {
        let listed = varint::read(shared)?;
        let listed = usize::try_from(listed)
            .ok()
            .filter(|listed| (1..=MOST_LISTED).contains(listed))
            .ok_or_else(|| Error::corrupt(format!("dictionary: a list of {listed} values")))?;
        let mut list = Vec::new();
        Doubles::read_list(shared, listed, &mut list)?;
        Ok(Self { list, places: IntegerReader::open(shared)? })
    }

    /// What there is to tell: the length of the list, and of the places.
    pub(crate) fn detail(&self) -> String {
        let (detail, places) = (super::counted(self.list.len(), "value"), self.places.detail());
        if places.is_empty() { detail } else { format!("{detail}, {places}") }
    }

    /// Whether each value of a block lies in `low..=high`, by its place alone.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly that many places of the list.
    pub(crate) fn within(&self, block: &[u8], low: f64, high: f64, out: &mut [bool]) -> Result<()> {
        let mut places = [0; MOST];
        let places = places
            .get_mut(..out.len())
            .ok_or_else(|| Error::Internal(format!("a block of {} doubles", out.len())))?;
        self.places.decode(block, places)?;
        if places.iter().any(|&place| place as u64 >= self.list.len() as u64) {
            let listed = self.list.len();
            return Err(Error::corrupt(format!(
                "dictionary: a place past the {listed} of the list"
            )));
        }
        // Zeros are equal, whatever their sign; NaN stands outside of the infinities.
        let (low, high) =
            (if low == 0.0 { -0.0 } else { low }, if high == 0.0 { 0.0 } else { high });
        let from = self.list.partition_point(|value| value.total_cmp(&low).is_lt());
        let to = self.list.partition_point(|value| value.total_cmp(&high).is_le());
        units::within(places, from as i64, to as i64 - 1, out);
        Ok(())
    }

    /// Fills `out` with a block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly that many doubles.
    pub(crate) fn decode(&self, block: &[u8], out: &mut [f64]) -> Result<()> {
        self.places.decode(block, as_integers(out))?;
        if look_up(&self.list, out) {
            return Ok(());
        }
        let listed = self.list.len();
        Err(Error::corrupt(format!("dictionary: a place past the {listed} of the list")))
    }
}
