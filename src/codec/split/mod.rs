//! Doubles of full precision in two halves: ALP for real doubles (A. Afroozeh, L. Kuffo and
//! P. Boncz, "ALP: Adaptive Lossless floating-Point Compression", SIGMOD 2023, section 3.4).
//!
//! The highest bits (sign, exponent, the front of the fraction) take few values in a chunk and are
//! places in a list of the most frequent ones; the rest of the fraction has no order to find and
//! stands as it is. A front that is not listed is a patch above the list.

#[cfg(test)]
mod tests;

use super::bits::{mask, width};
use super::integers::{self, MOST};
use super::simd::dispatched;
use super::{lanes, varint};
use crate::error::{Error, Result};

/// Bits of a front, at most.
const FRONT: u32 = 16;
/// Bits of a back, at least.
pub(crate) const LEAST_BACK: f64 = (64 - FRONT) as f64;
/// Fronts of a list, at most.
const LISTED: usize = 8;

/// How a column of doubles is going to be written in halves.
pub(crate) struct Plan {
    /// Bits of a back.
    back: u32,
    fronts: Vec<u64>,
}

impl Plan {
    /// The best of all cuts, judged by the ascending patterns of a sample; and the bits that a
    /// value takes there.
    pub(crate) fn of(sample: &[u64]) -> (Self, f64) {
        let mut best = (Self { back: 48, fronts: Vec::new() }, 64.0);
        for front in 2..=FRONT {
            let back = 64 - front;
            let fronts = most_frequent(sample, back);
            let listed: usize = fronts.iter().map(|front| front.0).sum();
            let strange = 1.0 - listed as f64 / sample.len().max(1) as f64;
            let strange = strange * f64::from(10 + FRONT + 2);
            let kinds = fronts.iter().filter(|front| front.0 > 0).count();
            let place = width(kinds.saturating_sub(1) as u64);
            let bits = f64::from(back + place) + strange;
            if bits < best.1 {
                let fronts = fronts[..kinds].iter().map(|front| front.1).collect();
                best = (Self { back, fronts }, bits);
            }
            // Longer fronts are not less strange.
            if LEAST_BACK + strange >= best.1 {
                break;
            }
        }
        best
    }

    /// Appends what the blocks share.
    pub(crate) fn write_shared(&self, out: &mut Vec<u8>) {
        out.extend([self.back as u8, self.fronts.len() as u8]);
        self.fronts.iter().for_each(|front| out.extend((*front as u16).to_le_bytes()));
    }

    /// Appends a block.
    pub(crate) fn write_block(&self, values: &[f64], out: &mut Vec<u8>) {
        let (mut places, mut backs) = ([0i64; MOST], [0u64; MOST]);
        let (places, backs) = (&mut places[..values.len()], &mut backs[..values.len()]);
        let mut listed = [u64::MAX; LISTED];
        listed[..self.fronts.len()].copy_from_slice(&self.fronts);
        cut(values, self.back, &listed, self.fronts.len(), places, backs);
        let mut front = Vec::new();
        integers::encode(places, &mut front);
        varint::write(front.len() as u64, out);
        out.extend_from_slice(&front);
        lanes::pack(backs, self.back, out);
    }
}

/// The fronts above `back` bits that occur most often among ascending patterns, each behind how
/// often that is; of equally frequent ones the lesser first. What is left of the list counts 0.
fn most_frequent(sorted: &[u64], back: u32) -> [(usize, u64); LISTED] {
    let mut listed = [(0, 0); LISTED];
    for run in sorted.chunk_by(|a, b| a >> back == b >> back) {
        if run.len() > listed[LISTED - 1].0 {
            let at = listed.partition_point(|held| held.0 >= run.len());
            listed[at..].rotate_right(1);
            listed[at] = (run.len(), run[0] >> back);
        }
    }
    listed
}

/// What is needed to read a column's blocks.
#[derive(Debug)]
pub(crate) struct Reader {
    back: u32,
    fronts: Vec<u64>,
}

impl Reader {
    /// Takes what the blocks share.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not such.
    pub(crate) fn open(shared: &mut &[u8]) -> Result<Self> {
        let &[back @ 48..=62, listed @ 0..=8] = varint::take(shared, 2)? else {
            return Err(Error::corrupt("split: an unknown cut, or too long a list"));
        };
        let fronts = varint::take(shared, u64::from(listed) * 2)?.as_chunks::<2>().0;
        let fronts = fronts.iter().map(|bytes| u16::from_le_bytes(*bytes).into()).collect();
        Ok(Self { back: back.into(), fronts })
    }

    /// Fills `out` with a block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly that many doubles.
    pub(crate) fn decode(&self, mut block: &[u8], out: &mut [f64]) -> Result<()> {
        let n = out.len();
        let (mut places, mut backs) = ([0i64; MOST], [0i64; MOST]);
        let (Some(places), Some(backs)) = (places.get_mut(..n), backs.get_mut(..n)) else {
            return Err(Error::Internal(format!("a block of {n} doubles")));
        };
        let length = varint::read(&mut block)?;
        integers::decode(varint::take(&mut block, length)?, places)?;
        lanes::unpack(block, self.back, 0, backs)?;
        let mut listed = [0u64; LISTED];
        listed[..self.fronts.len()].copy_from_slice(&self.fronts);
        if !join(places, backs, self.back, &listed, self.fronts.len(), out) {
            return Err(Error::corrupt("split: a front of too many bits"));
        }
        Ok(())
    }
}

dispatched! {
    /// Cuts values above `back` bits into places in a list, of `count` fronts and then of none
    /// that there are, and backs.
    fn cut(
        values: &[f64],
        back: u32,
        listed: &[u64; LISTED],
        count: usize,
        places: &mut [i64],
        backs: &mut [u64],
    ) {
        let below = mask(back);
        for ((place, slot), value) in places.iter_mut().zip(backs).zip(values) {
            let front = value.to_bits() >> back;
            *slot = value.to_bits() & below;
            let mut found = count as u64 + front;
            for (at, listed) in listed.iter().enumerate() {
                found = if *listed == front { at as u64 } else { found };
            }
            *place = found as i64;
        }
    }

    /// Joins what [`cut`] made; `false` where a front is of too many bits.
    fn join(
        places: &[i64],
        backs: &[i64],
        back: u32,
        listed: &[u64; LISTED],
        count: usize,
        out: &mut [f64],
    ) -> bool {
        let count = count as u64;
        let most = count + mask(64 - back);
        let mut greatest = 0;
        for ((out, place), low) in out.iter_mut().zip(places).zip(backs) {
            let place = *place as u64;
            greatest = greatest.max(place);
            let held = listed[place as usize & (LISTED - 1)];
            let front = if place < count { held } else { place.wrapping_sub(count) };
            *out = f64::from_bits(front << back | *low as u64);
        }
        greatest <= most
    }
}
