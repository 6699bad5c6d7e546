//! Doubles as integers in a unit, and what is left in units of the last place.
//!
//! The unit is a power of ten (decimal numbers: A. Afroozeh, L. Kuffo and P. Boncz, "ALP: Adaptive
//! Lossless floating-Point Compression", SIGMOD 2023), any other double that values turn out to be
//! multiples of (degrees as radians, say), or none: then the integer is the pattern of bits itself.
//!
//! A value is `near(number) + rest`, where `near` is the double that the number stands for and the
//! rest counts steps from it in the order of patterns. Of clean decimals nothing is left. Averages
//! such as 94.79799999999999 leave a few steps, NaN or a value that is no decimal all of it; both
//! are integers again, the second kind patches among zeros.
//!
//! `near` in tenths is `number / 10^e` by two steps of refinement (P. Markstein, "Computation of
//! elementary functions on the IBM RISC System/6000 processor", 1990): a fused multiplication in
//! place of a division, the same on every machine because each step is exactly defined. The
//! encoder runs the decoder's own steps, so that a value comes back bit for bit or leaves a rest.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::integers::MOST;
use super::integers::column::{Plan as Integers, Reader as IntegerReader};
use super::simd::{as_integers, dispatched};
use super::{Effort, varint};
use crate::error::{Error, Result};

/// The greatest exponent: 10^22 is the last power of ten that is a double.
pub(crate) const MOST_EXPONENT: u8 = 22;
/// Numbers stay below this, where doubles still have a bit to spare.
const LIMIT: f64 = (1u64 << 51) as f64;
/// Added to a double below [`LIMIT`], leaves its nearest integer in the lowest bits.
const MAGIC: f64 = (3u64 << 51) as f64;

const POWERS: [f64; MOST_EXPONENT as usize + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// What one is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Unit {
    /// 10^-e, `e` at most [`MOST_EXPONENT`].
    Decimal(u8),
    /// Any double.
    Scale(f64),
    /// The next pattern of bits.
    Bits,
}

/// The double that a number of tenths stands for.
#[inline(always)]
fn near_decimal(number: i64, power: f64, inverse: f64) -> f64 {
    let number = f64::from_bits(MAGIC.to_bits().wrapping_add(number as u64)) - MAGIC;
    let quotient = number * inverse;
    let left = (-quotient).mul_add(power, number);
    left.mul_add(inverse, quotient)
}

#[inline(always)]
fn near_scaled(number: i64, unit: f64) -> f64 {
    (f64::from_bits(MAGIC.to_bits().wrapping_add(number as u64)) - MAGIC) * unit
}

/// The integer nearest to `value`, 0 where there is none to speak of.
#[inline(always)]
fn nearest(value: f64) -> i64 {
    let value = if value.abs() < LIMIT { value } else { 0.0 };
    (value + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i64
}

/// Tenths of a power of ten, from numbers of which doubles are made in kernels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tenths {
    power: f64,
    inverse: f64,
}

impl Tenths {
    pub(crate) fn new(exponent: u8) -> Self {
        let power = POWERS[usize::from(exponent)];
        Self { power, inverse: 1.0 / power }
    }

    /// As [`decimal`].
    #[inline(always)]
    pub(crate) fn value(self, number: i64) -> f64 {
        near_decimal(number, self.power, self.inverse)
    }

    /// As [`decimal_sum`], of a sum that is a double.
    #[inline(always)]
    pub(crate) fn sum(self, sum: f64) -> f64 {
        sum / self.power
    }
}

/// A sum of numbers in tenths as a double, correctly rounded where the sum is below 2^53.
pub(crate) fn decimal_sum(sum: i128, exponent: u8) -> f64 {
    sum as f64 / POWERS[usize::from(exponent)]
}

/// The double that a number of tenths stands for.
pub(crate) fn decimal(number: i64, exponent: u8) -> f64 {
    let power = POWERS[usize::from(exponent)];
    near_decimal(number, power, 1.0 / power)
}

/// The numbers of tenths that stand for doubles in `low..=high`: from the least to the greatest, of
/// all that an encoder writes.
pub(crate) fn numbers_within(low: f64, high: f64, exponent: u8) -> (i64, i64) {
    let power = POWERS[usize::from(exponent)];
    let near = |value: f64| nearest((value * power).clamp(1.0 - LIMIT, LIMIT - 1.0));
    // The nearest number is one off at most; `decimal` ascends.
    let (mut from, mut to) = (near(low) - 2, near(high) + 2);
    while decimal(from, exponent) < low && from <= LIMIT as i64 {
        from += 1;
    }
    while decimal(to, exponent) > high && to >= -(LIMIT as i64) {
        to -= 1;
    }
    (from, to)
}

dispatched! {
    /// Whether each number lies in `low..=high`.
    pub(crate) fn within(numbers: &[i64], low: i64, high: i64, out: &mut [bool]) {
        for (out, number) in out.iter_mut().zip(numbers) {
            *out = (*number >= low) & (*number <= high);
        }
    }

    /// Whether each double lies in `low..=high`; NaN never does.
    pub(crate) fn doubles_within(values: &[f64], low: f64, high: f64, out: &mut [bool]) {
        for (out, value) in out.iter_mut().zip(values) {
            *out = (*value >= low) & (*value <= high);
        }
    }

    /// Numbers and rests of tenths; how many rests are not 0.
    fn split_decimal(values: &[f64], exponent: u8, numbers: &mut [i64], rests: &mut [i64]) -> usize {
        let power = POWERS[usize::from(exponent)];
        let inverse = 1.0 / power;
        let mut uneven = 0u64;
        for ((value, number), rest) in values.iter().zip(numbers).zip(rests) {
            *number = nearest(value * power);
            let near = near_decimal(*number, power, inverse);
            *rest = value.to_bits().wrapping_sub(near.to_bits()) as i64;
            uneven += u64::from(*rest != 0);
        }
        uneven as usize
    }

    fn split_scaled(values: &[f64], unit: f64, numbers: &mut [i64], rests: &mut [i64]) -> usize {
        let mut uneven = 0u64;
        for ((value, number), rest) in values.iter().zip(numbers).zip(rests) {
            *number = nearest(value / unit);
            *rest = value.to_bits().wrapping_sub(near_scaled(*number, unit).to_bits()) as i64;
            uneven += u64::from(*rest != 0);
        }
        uneven as usize
    }

    /// Puts the doubles that numbers stand for in their places.
    fn join_decimal(slots: &mut [f64], exponent: u8) {
        let power = POWERS[usize::from(exponent)];
        let inverse = 1.0 / power;
        for slot in slots {
            *slot = near_decimal(slot.to_bits() as i64, power, inverse);
        }
    }

    fn join_scaled(slots: &mut [f64], unit: f64) {
        for slot in slots {
            *slot = near_scaled(slot.to_bits() as i64, unit);
        }
    }

    fn add_rests(rests: &[i64], out: &mut [f64]) {
        for (out, rest) in out.iter_mut().zip(rests) {
            *out = f64::from_bits(out.to_bits().wrapping_add(*rest as u64));
        }
    }
}

/// Whether every value is a whole number of tenths; fills `numbers` with them.
pub(crate) fn whole(values: &[f64], exponent: u8, numbers: &mut [i64]) -> bool {
    let mut rests = [0; MOST];
    split_decimal(values, exponent, numbers, &mut rests[..values.len()]) == 0
}

impl Unit {
    /// Splits values into numbers and rests; how many rests are not 0.
    pub(crate) fn split(self, values: &[f64], numbers: &mut [i64], rests: &mut [i64]) -> usize {
        match self {
            Self::Decimal(exponent) => split_decimal(values, exponent, numbers, rests),
            Self::Scale(unit) => split_scaled(values, unit, numbers, rests),
            Self::Bits => {
                for (number, value) in numbers.iter_mut().zip(values) {
                    *number = value.to_bits() as i64;
                }
                rests.fill(0);
                0
            }
        }
    }

    /// Puts the doubles that numbers stand for in their places.
    fn join(self, slots: &mut [f64]) {
        match self {
            Self::Decimal(exponent) => join_decimal(slots, exponent),
            Self::Scale(unit) => join_scaled(slots, unit),
            Self::Bits => {}
        }
    }
}

/// How a column of doubles is going to be written in a unit.
pub(crate) struct Plan {
    unit: Unit,
    numbers: Integers<'static>,
    rests: Option<Integers<'static>>,
}

impl Plan {
    /// For values whose blocks end at `ends`.
    pub(crate) fn of(values: &[f64], ends: &[usize], unit: Unit, effort: Effort) -> Self {
        let (mut numbers, mut rests) = (vec![0; values.len()], vec![0; values.len()]);
        let uneven = unit.split(values, &mut numbers, &mut rests);
        if uneven > 0 && uneven * 8 < values.len() {
            // What is no number of the unit at all must not spoil the frames of what is.
            carry(&mut numbers, &mut rests, values, unit);
        }
        let rests = (uneven > 0).then(|| Integers::of(Cow::Owned(rests), ends, effort));
        let numbers = Integers::of(Cow::Owned(numbers), ends, effort);
        Self { unit, numbers, rests }
    }

    /// The power of ten of which all values are whole numbers of tenths, where they are.
    pub(crate) fn exponent(&self) -> Option<u8> {
        match self.unit {
            Unit::Decimal(exponent) if self.rests.is_none() => Some(exponent),
            _ => None,
        }
    }

    /// Appends what the blocks share.
    pub(crate) fn write_shared(&self, out: &mut Vec<u8>) {
        match self.unit {
            Unit::Decimal(exponent) => out.push(exponent),
            Unit::Scale(unit) => out.extend(unit.to_bits().to_le_bytes()),
            Unit::Bits => {}
        }
        out.push(u8::from(self.rests.is_some()));
        self.numbers.write_shared(out);
        if let Some(rests) = &self.rests {
            rests.write_shared(out);
        }
    }

    /// Appends the next block, of the values `range`.
    pub(crate) fn write_block(&mut self, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
        if range.is_empty() {
            return;
        }
        let Some(rests) = &mut self.rests else {
            return self.numbers.write_block(range, out);
        };
        let mut numbers = Vec::new();
        self.numbers.write_block(range.clone(), &mut numbers);
        varint::write(numbers.len() as u64, out);
        out.extend_from_slice(&numbers);
        rests.write_block(range, out);
    }
}

/// Whether a rest is no rounding: the value is no number of the unit.
#[inline(always)]
pub(crate) fn is_great(rest: i64) -> bool {
    rest.unsigned_abs() >> 16 > 0
}

/// Gives values with a great rest the number of the one before, so that the rest takes it all.
fn carry(numbers: &mut [i64], rests: &mut [i64], values: &[f64], unit: Unit) {
    let mut before = rests.iter().position(|rest| *rest == 0).map_or(0, |at| numbers[at]);
    for ((number, rest), value) in numbers.iter_mut().zip(rests).zip(values) {
        if !is_great(*rest) {
            before = *number;
            continue;
        }
        *number = before;
        let mut near = [f64::from_bits(before as u64)];
        unit.join(&mut near);
        *rest = value.to_bits().wrapping_sub(near[0].to_bits()) as i64;
    }
}

/// What is needed to read a column's blocks.
#[derive(Debug)]
pub(crate) struct Reader {
    unit: Unit,
    numbers: IntegerReader,
    rests: Option<IntegerReader>,
}

/// Which of the units an encoding's shared bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Decimal,
    Scale,
    Bits,
}

impl Reader {
    /// Takes what the blocks share.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not such.
    pub(crate) fn open(kind: Kind, shared: &mut &[u8]) -> Result<Self> {
        let unit = match kind {
            Kind::Decimal => match varint::take(shared, 1)? {
                &[exponent @ 0..=MOST_EXPONENT] => Unit::Decimal(exponent),
                other => return Err(Error::corrupt(format!("units: exponent {other:?}"))),
            },
            Kind::Scale => {
                let bytes = varint::take(shared, 8)?.first_chunk::<8>().copied();
                Unit::Scale(f64::from_bits(u64::from_le_bytes(bytes.unwrap_or_default())))
            }
            Kind::Bits => Unit::Bits,
        };
        let &[uneven @ 0..=1] = varint::take(shared, 1)? else {
            return Err(Error::corrupt("units: unknown flags"));
        };
        let numbers = IntegerReader::open(shared)?;
        let rests = (uneven == 1).then(|| IntegerReader::open(shared)).transpose()?;
        Ok(Self { unit, numbers, rests })
    }

    /// The exponent where every value is a whole number of tenths of that power.
    pub(crate) fn exponent(&self) -> Option<u8> {
        match self.unit {
            Unit::Decimal(exponent) if self.rests.is_none() => Some(exponent),
            _ => None,
        }
    }

    /// What there is to tell: the unit, whether something is left, and of the numbers.
    pub(crate) fn detail(&self) -> String {
        let mut detail = match self.unit {
            Unit::Decimal(exponent) => super::counted(exponent.into(), "decimal"),
            Unit::Scale(unit) => format!("multiples of {unit:e}"),
            Unit::Bits => "patterns of bits".to_owned(),
        };
        let rests = self.rests.as_ref().map(|rests| (" and a rest", rests));
        for (what, integers) in std::iter::once(("", &self.numbers)).chain(rests) {
            let own = integers.detail();
            detail.push_str(what);
            if !own.is_empty() {
                detail.push_str(", ");
                detail.push_str(&own);
            }
        }
        detail
    }

    /// Fills `out` with the numbers of a block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly that many.
    pub(crate) fn decode_numbers(&self, block: &[u8], out: &mut [i64]) -> Result<()> {
        self.numbers.decode(block, out)
    }

    /// The sum of the `n` numbers of a block.
    ///
    /// # Errors
    /// As [`Self::decode_numbers`].
    pub(crate) fn sum_numbers(&self, block: &[u8], n: usize) -> Result<i128> {
        self.numbers.sum(block, n)
    }

    /// Fills `out` with a block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly that many doubles.
    pub(crate) fn decode(&self, mut block: &[u8], out: &mut [f64]) -> Result<()> {
        let Some(rests) = &self.rests else {
            self.numbers.decode(block, as_integers(out))?;
            self.unit.join(out);
            return Ok(());
        };
        if out.is_empty() {
            return if block.is_empty() {
                Ok(())
            } else {
                Err(Error::corrupt("units: bytes of none"))
            };
        }
        let length = varint::read(&mut block)?;
        self.numbers.decode(varint::take(&mut block, length)?, as_integers(out))?;
        self.unit.join(out);
        let n = out.len();
        let mut left = [0; MOST];
        let left =
            left.get_mut(..n).ok_or_else(|| Error::Internal(format!("a block of {n} doubles")))?;
        rests.decode(block, left)?;
        add_rests(left, out);
        Ok(())
    }
}
