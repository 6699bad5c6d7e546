//! Frames: numbers above a base in codes of one width, and the few that do not fit beside them.

use super::super::bits::{mask, width};
use super::super::lanes;
use super::super::simd::dispatched;
use super::super::varint::{self, unzigzag, zigzag};
use crate::error::{Error, Result};

/// Bits of the place of a patch in its block.
const PLACE: u32 = 10;
/// Bytes that having patches costs at all.
const PATCHED: usize = 3;
/// Patches that are read without memory of their own.
const FEW: usize = 64;

/// How numbers would be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) base: i64,
    pub(super) width: u32,
    /// Whether some numbers lie outside of what the width reaches.
    pub(super) patched: bool,
    /// Bytes of the codes and patches; an estimate where there are patches, from above.
    pub(super) size: usize,
}

impl Frame {
    /// The smallest frame of some numbers with the given extremes: of the width that all of them
    /// need, or of one that fits most, either from the least on or around the middle.
    pub(super) fn of(numbers: &[i64], least: i64, most: i64) -> Self {
        let n = numbers.len();
        let all = width(most.wrapping_sub(least) as u64);
        let mut best = Self { base: least, width: all, patched: false, size: lanes::size(n, all) };
        // Patches cost at least so much.
        if best.size <= PATCHED + 2 {
            return best;
        }
        let mut widths = [0; lanes::FULL];
        let widths = &mut widths[..n];
        above_widths(numbers, least, widths);
        best.narrow(widths, all, |_| least);
        let middle = middle(numbers);
        let reach = around_widths(numbers, middle, widths);
        best.narrow(widths, width(reach), |w| middle.wrapping_sub((1u64 << w >> 1) as i64));
        best
    }

    /// Takes a smaller width where its patches cost less than it saves. `widths`: what each number
    /// needs, `widest` at most; `base`: where a frame of a width begins.
    fn narrow(&mut self, widths: &[u8], widest: u32, base: impl Fn(u32) -> i64) {
        let n = widths.len();
        for w in (0..widest).rev() {
            let outside = wider(widths, w as u8);
            // What lies above the width, and a bit that tells on which side.
            let reach = widest - w + 1;
            let patches = (outside * (PLACE + reach) as usize).div_ceil(8);
            if patches >= self.size {
                break;
            }
            let size = lanes::size(n, w) + if outside > 0 { PATCHED + patches } else { 0 };
            if size < self.size {
                *self = Self { base: base(w), width: w, patched: outside > 0, size };
            }
        }
    }

    /// Appends `u8 width, zigzag base`, patches where there are any, and codes.
    pub(super) fn write(&self, numbers: &[i64], out: &mut Vec<u8>) {
        let mut codes = [0u64; lanes::FULL];
        let codes = &mut codes[..numbers.len()];
        above(numbers, self.base, codes);
        out.push(self.width as u8);
        varint::write_signed(self.base, out);
        if self.patched {
            let (mut places, mut values) = (Vec::new(), Vec::new());
            for (place, code) in codes.iter_mut().enumerate() {
                // The lowest bits stay with all others.
                if *code >> self.width != 0 {
                    places.push(place as u64);
                    values.push(zigzag(*code as i64 >> self.width));
                    *code &= mask(self.width);
                }
            }
            let reach = values.iter().fold(0, |bits, value| bits | value);
            varint::write(places.len() as u64, out);
            out.push(width(reach) as u8);
            lanes::pack(&places, PLACE, out);
            lanes::pack(&values, width(reach), out);
        }
        lanes::pack(codes, self.width, out);
    }
}

/// A frame as it is stored.
pub(super) struct Stored<'a> {
    pub(super) width: u32,
    pub(super) base: i64,
    /// What is added to what the codes say.
    patches: Option<Patches<'a>>,
    pub(super) codes: &'a [u8],
}

/// Patches as they are stored: so many places, ascending, and values.
#[derive(Clone, Copy)]
struct Patches<'a> {
    count: usize,
    places: &'a [u8],
    values: &'a [u8],
    reach: u32,
}

impl<'a> Stored<'a> {
    pub(super) fn read(mut bytes: &'a [u8], patched: bool, n: usize) -> Result<Self> {
        let &[width @ 0..=64] = varint::take(&mut bytes, 1)? else {
            return Err(Error::corrupt("integers: a width over 64"));
        };
        let base = varint::read_signed(&mut bytes)?;
        let mut patches = None;
        if patched {
            let count = varint::read(&mut bytes)?;
            let &[reach @ 0..=64] = varint::take(&mut bytes, 1)? else {
                return Err(Error::corrupt("integers: patches of more than 64 bits"));
            };
            if count == 0 || count > n as u64 || width > 63 {
                return Err(Error::corrupt(format!(
                    "integers: {count} patches of {n} numbers of {width} bits"
                )));
            }
            let (count, reach) = (count as usize, u32::from(reach));
            let places = varint::take(&mut bytes, lanes::size(count, PLACE) as u64)?;
            let values = varint::take(&mut bytes, lanes::size(count, reach) as u64)?;
            patches = Some(Patches { count, places, values, reach });
        }
        Ok(Self { width: width.into(), base, patches, codes: bytes })
    }

    /// Calls `each` with the place of each patch, ascending and below `n`, and what it adds there.
    pub(super) fn patches(&self, n: usize, mut each: impl FnMut(usize, i64)) -> Result<()> {
        let Some(Patches { count, places, values, reach }) = self.patches else { return Ok(()) };
        let (mut few, mut many) = ([0; 2 * FEW], Vec::new());
        let slots = if count <= FEW {
            &mut few[..2 * count]
        } else {
            many.resize(2 * count, 0);
            many.as_mut_slice()
        };
        let (own_places, own_values) = slots.split_at_mut(count);
        lanes::unpack(places, PLACE, 0, own_places)?;
        lanes::unpack(values, reach, 0, own_values)?;
        let past = own_places.last().is_some_and(|last| *last >= n as i64);
        if past || !own_places.is_sorted_by(|a, b| a < b) {
            return Err(Error::corrupt("integers: patches that do not ascend"));
        }
        for (place, value) in own_places.iter().zip(own_values) {
            each(*place as usize, unzigzag(*value as u64).wrapping_shl(self.width));
        }
        Ok(())
    }

    /// Fills `out` with the numbers. A patch adds to its code, so that a sum of codes and patches is
    /// that of the numbers whatever the bytes.
    pub(super) fn unpack(&self, out: &mut [i64]) -> Result<()> {
        lanes::unpack(self.codes, self.width, self.base, out)?;
        self.patches(out.len(), |place, value| out[place] = out[place].wrapping_add(value))
    }
}

/// A number with about as many below it as above: the median of a sample.
fn middle(numbers: &[i64]) -> i64 {
    let mut sample = [0; 15];
    for (at, slot) in sample.iter_mut().enumerate() {
        *slot = numbers[at * (numbers.len() - 1) / 14];
    }
    sample.sort_unstable();
    sample[7]
}

dispatched! {
    /// How many bits each number needs above the least.
    fn above_widths(numbers: &[i64], least: i64, widths: &mut [u8]) {
        for (slot, number) in widths.iter_mut().zip(numbers) {
            *slot = width(number.wrapping_sub(least) as u64) as u8;
        }
    }

    /// How many bits each number needs around the middle, in zigzag; and all of these bits.
    fn around_widths(numbers: &[i64], middle: i64, widths: &mut [u8]) -> u64 {
        let mut all = 0;
        for (slot, number) in widths.iter_mut().zip(numbers) {
            let away = zigzag(number.wrapping_sub(middle));
            all |= away;
            *slot = width(away) as u8;
        }
        all
    }

    /// How many need more than `bits`.
    fn wider(widths: &[u8], bits: u8) -> usize {
        let (chunks, rest) = widths.as_chunks::<64>();
        let mut counts = [0u8; 64];
        // At most 16 chunks: nothing overflows.
        for chunk in chunks {
            for lane in 0..64 {
                counts[lane] += u8::from(chunk[lane] > bits);
            }
        }
        let mut total = 0u64;
        for count in counts {
            total += u64::from(count);
        }
        for width in rest {
            total += u64::from(*width > bits);
        }
        total as usize
    }

    fn above(numbers: &[i64], base: i64, codes: &mut [u64]) {
        for (code, number) in codes.iter_mut().zip(numbers) {
            *code = number.wrapping_sub(base) as u64;
        }
    }
}
