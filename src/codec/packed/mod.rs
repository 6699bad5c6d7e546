//! Integers above their least in as many bits as the greatest needs: frame of reference
//! (J. Goldstein et al., "Compressing Relations and Indexes", ICDE 1998), of the values
//! themselves or of their first or second differences, after division by what they share, so
//! that milliseconds among nanoseconds cost what milliseconds cost.
//!
//! ```text
//! u8 order (0 values, 1 differences, 2 differences of differences)
//! u8 width in bits (0..=64)
//! varint scale
//! zigzag varints: the first value, the first difference; as many as the order says
//! zigzag varint: the least number
//! (number - least) / scale, `width` bits each, least significant first
//! ```

#[cfg(test)]
mod tests;

use super::bits::{BitReader, BitWriter, mask, width};
use super::differences::Differences;
use super::varint;
use crate::error::{Error, Result};

/// How integers would be written, and in how many bytes.
pub(crate) struct Plan {
    order: u8,
    width: u32,
    scale: u64,
    least: i64,
    size: usize,
}

impl Plan {
    /// The smallest of the three orders; of equals the lowest, which decodes the fastest.
    pub(crate) fn of(values: &[i64], differences: &Differences) -> Self {
        let mut best = Self::at(0, values, differences);
        for order in 1..=2.min(values.len().saturating_sub(1)) {
            let plan = Self::at(order as u8, values, differences);
            if plan.size < best.size {
                best = plan;
            }
        }
        best
    }

    fn at(order: u8, values: &[i64], differences: &Differences) -> Self {
        let numbers = numbers(order, values, differences);
        let (least, most) = numbers
            .iter()
            .fold((i64::MAX, i64::MIN), |(least, most), &v| (least.min(v), most.max(v)));
        let least = if numbers.is_empty() { 0 } else { least };
        let scale = if order == 0 { differences.value_scale } else { differences.delta_scale };
        let width = match numbers {
            [] => 0,
            _ => width(most.wrapping_sub(least) as u64 / scale),
        };
        let heads = [values.first(), differences.first.first()];
        let heads: usize =
            heads.iter().take(order.into()).flatten().map(|&&v| signed_size(v)).sum();
        let packed = (numbers.len() * width as usize).div_ceil(8);
        let size = 2 + varint::size(scale) + heads + signed_size(least) + packed;
        Self { order, width, scale, least, size }
    }

    /// Bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Appends the values that the plan was made for.
    pub(crate) fn write(&self, values: &[i64], differences: &Differences, out: &mut Vec<u8>) {
        out.extend([self.order, self.width as u8]);
        varint::write(self.scale, out);
        let heads = [values.first(), differences.first.first()];
        for head in heads.into_iter().take(self.order.into()).flatten() {
            varint::write_signed(*head, out);
        }
        varint::write_signed(self.least, out);
        let numbers = numbers(self.order, values, differences);
        let mut writer = BitWriter::new(out, numbers.len() * self.width as usize);
        for &number in numbers {
            let above = number.wrapping_sub(self.least) as u64;
            let above = if self.scale == 1 { above } else { above / self.scale };
            writer.push(u128::from(above), self.width);
        }
        writer.finish();
    }
}

fn numbers<'a>(order: u8, values: &'a [i64], differences: &'a Differences) -> &'a [i64] {
    match order {
        0 => values,
        1 => &differences.first,
        _ => &differences.second,
    }
}

fn signed_size(value: i64) -> usize {
    varint::size(varint::zigzag(value))
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
    let &[order @ 0..=2, width @ 0..=64] = varint::take(&mut bytes, 2)? else {
        return Err(Error::corrupt("packed: an unknown order or a width over 64"));
    };
    let scale = varint::read(&mut bytes)?;
    let heads = usize::from(order);
    if heads > out.len() {
        return Err(Error::corrupt(format!("packed: order {order} of {} values", out.len())));
    }
    let (head, rest) = out.split_at_mut(heads);
    for slot in head.iter_mut() {
        *slot = varint::read_signed(&mut bytes)?;
    }
    let least = varint::read_signed(&mut bytes)?;
    unpack(bytes, width.into(), scale, least, rest)?;
    match head {
        [] => {}
        [first] => {
            accumulate(*first, rest);
        }
        [first, second] => {
            accumulate(*second, rest);
            *second = second.wrapping_add(*first);
            accumulate(*second, rest);
        }
        _ => unreachable!("the order is at most 2"),
    }
    Ok(())
}

fn unpack(bytes: &[u8], width: u32, scale: u64, least: i64, out: &mut [i64]) -> Result<()> {
    let total = out.len().saturating_mul(width as usize);
    let spare = (total % 8) as u32;
    let clean = spare == 0 || bytes.last().is_some_and(|last| last >> spare == 0);
    if bytes.len() != total.div_ceil(8) || !clean {
        return Err(Error::corrupt(format!(
            "packed: {} bytes for {} numbers of {width} bits",
            bytes.len(),
            out.len()
        )));
    }
    // A number of at most 57 bits lies inside the eight bytes from where it begins.
    let fast = if width == 0 || width > 57 {
        0
    } else {
        (bytes.len().saturating_sub(7) * 8 / width as usize).min(out.len())
    };
    let (quick, slow) = out.split_at_mut(fast);
    let mut at = 0;
    for slot in quick {
        let word = bytes.get(at >> 3..).and_then(|rest| rest.first_chunk::<8>());
        let word = word.map_or(0, |chunk| u64::from_le_bytes(*chunk));
        let number = word >> (at & 7) & mask(width);
        *slot = least.wrapping_add(number.wrapping_mul(scale) as i64);
        at += width as usize;
    }
    let mut reader = BitReader::new(&bytes[at >> 3..]);
    reader.skip((at & 7) as u32);
    for slot in slow {
        *slot = least.wrapping_add(reader.take(width).wrapping_mul(scale) as i64);
    }
    reader.finish()
}

fn accumulate(from: i64, differences: &mut [i64]) {
    let mut value = from;
    for slot in differences {
        value = value.wrapping_add(*slot);
        *slot = value;
    }
}
