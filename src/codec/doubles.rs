//! Columns of doubles: which encoding suits them, judged by a sample.
//!
//! The sample is eight stretches of 32 values, as in ALP. It tells how many are whole in each
//! power of ten, what numbers and rests would cost there, how many values repeat. Encodings whose
//! estimates are close are all tried, and the smallest stays.

use std::ops::Range;

use super::bits::width;
use super::simd::dispatched;
use super::units::{self, MOST_EXPONENT, Unit};
use super::varint::{self, zigzag};
use super::{BLOCK, Choice, Effort, Encoded, Encoding, dictionary, gorilla, raw, split};
use crate::error::{Error, Result};

const STRETCHES: usize = 8;
const STRETCH: usize = 32;
const SAMPLE: usize = STRETCHES * STRETCH;
/// Bits of a value that is whole in no unit, as a patch.
const STRANGER: f64 = 76.0;
/// Bits from which clean decimals may cost more than patterns.
const MANY_DIGITS: f64 = 44.0;
/// Estimates within this of the best are tried too.
const CLOSE: f64 = 1.03;
/// A list that takes less than this of the best estimate is not compared with what it is of.
const CLEAR: f64 = 0.9;
/// Values, at most, that a unit is found by.
const MEASURED: usize = 64;
/// Fewer values are not worth a list.
const LISTED_FROM: usize = 64;
/// So few different values in a sample are always worth to try a list.
const FEW: usize = 16;
/// Bits of a value that a list has to save of clean decimals, by an estimate.
const LEAST_GAIN: f64 = 0.2;

/// Encodes doubles, bit for bit; `ends`: where each block ends among them.
///
/// # Errors
/// [`Error::InvalidArgument`] when the encoding asked for does not hold doubles.
pub(crate) fn encode(values: &[f64], ends: &[usize], choice: Choice) -> Result<Encoded> {
    if let Some(wanted) = choice.encoding.filter(|_| !values.is_empty()) {
        return forced(values, ends, wanted, choice.effort);
    }
    Ok(chosen(values, ends, choice.effort, true))
}

/// Encodes the ascending values of a list, in blocks of 1,024.
pub(crate) fn encode_list(values: &[f64], effort: Effort) -> Encoded {
    chosen(values, &super::whole_blocks(values.len()), effort, false)
}

fn forced(values: &[f64], ends: &[usize], wanted: Encoding, effort: Effort) -> Result<Encoded> {
    let sample = Sample::of(values);
    let way = match wanted {
        Encoding::Raw => Way::Raw,
        Encoding::Gorilla => Way::Gorilla,
        Encoding::Pattern => Way::Unit(Unit::Bits),
        Encoding::Split => Way::Split(split::Plan::of(&sample.sorted()).0),
        Encoding::Decimal => Way::Unit(Unit::Decimal(sample.decimals().exponent)),
        Encoding::Scaled => match scale(&sample.sorted()) {
            Some(unit) => Way::Unit(Unit::Scale(unit)),
            None => return Ok(chosen(values, ends, effort, true)),
        },
        Encoding::Dictionary => Way::Dictionary(values.len()),
        other => {
            return Err(Error::invalid(format!(
                "encoding {:?} does not hold f64 values; use one of {}",
                other.name(),
                super::names(super::FLOATS)
            )));
        }
    };
    Ok(write(values, ends, way, effort).unwrap_or_else(|| chosen(values, ends, effort, false)))
}

enum Way {
    Raw,
    Gorilla,
    Unit(Unit),
    /// With so many values in the list at most: past half of all it cannot pay.
    Dictionary(usize),
    Split(split::Plan),
}

fn chosen(values: &[f64], ends: &[usize], effort: Effort, may_list: bool) -> Encoded {
    if values.is_empty() {
        return Encoded::of_blocks(Encoding::Raw, Vec::new(), ends, |_, _| {});
    }
    let sample = Sample::of(values);
    let decimals = sample.decimals();
    let Decimals { exponent, bits: decimal, clean, .. } = decimals;
    let mut ways = vec![(decimal, Way::Unit(Unit::Decimal(exponent)))];
    // Clean decimals leave nothing for the others to gain, but where they are of so many digits that
    // they are hardly decimals.
    let others = !clean || decimal > MANY_DIGITS;
    let may_list = may_list && values.len() >= LISTED_FROM;
    let sorted = if others || may_list { sample.sorted() } else { Vec::new() };
    if others {
        ways.push((sample.integers(|v| v.to_bits() as i64), Way::Unit(Unit::Bits)));
        // No split takes fewer bits than its backs.
        if decimal * CLOSE >= split::LEAST_BACK {
            let (plan, bits) = split::Plan::of(&sorted);
            ways.push((bits, Way::Split(plan)));
        }
        if let Some(unit) = scale(&sorted) {
            let bits = sample.unit(Unit::Scale(unit));
            // A power of ten is found as a unit too.
            if bits < decimal {
                ways.push((bits, Way::Unit(Unit::Scale(unit))));
            }
        }
    }
    let least = ways.iter().map(|way| way.0).fold(f64::INFINITY, f64::min);
    let distinct = Distinct::of(&sorted, values.len());
    // Whether a list pays is known only when it is made.
    let listed = may_list
        && if clean && !others {
            distinct.pays_over(&decimals, values.len())
        } else {
            distinct.pays(least)
        };
    let listed =
        listed.then(|| write(values, ends, Way::Dictionary(values.len() / 2), effort)).flatten();
    let clear = |size: usize| size as f64 * 8.0 < least * CLEAR * values.len() as f64;
    let mut best = listed;
    if !best.as_ref().is_some_and(|listed| effort == Effort::Hot && clear(listed.size())) {
        ways.sort_by(|a, b| a.0.total_cmp(&b.0));
        ways.retain(|way| way.0 <= least * CLOSE + 0.05);
        let written =
            ways.into_iter().take(2).filter_map(|(_, way)| write(values, ends, way, effort));
        best = written.chain(best).min_by_key(Encoded::size);
    }
    match best {
        Some(best) if best.size() <= values.len() * 8 => best,
        _ => Encoded::of_blocks(Encoding::Raw, Vec::new(), ends, |range, out| {
            raw::encode_f64(&values[range], out);
        }),
    }
}

/// Appends the block of the values in a range.
type WriteBlock<'a> = Box<dyn FnMut(Range<usize>, &mut Vec<u8>) + 'a>;

fn write(values: &[f64], ends: &[usize], way: Way, effort: Effort) -> Option<Encoded> {
    let (encoding, mut shared, mut exponent) = (way.encoding(), Vec::new(), None);
    let mut block: WriteBlock = match way {
        Way::Raw => Box::new(|range, out| raw::encode_f64(&values[range], out)),
        Way::Gorilla => Box::new(|range, out| gorilla::encode(&values[range], out)),
        Way::Unit(unit) => {
            let mut plan = units::Plan::of(values, ends, unit, effort);
            plan.write_shared(&mut shared);
            exponent = plan.exponent();
            Box::new(move |range, out| plan.write_block(range, out))
        }
        Way::Dictionary(most) => {
            let mut plan = dictionary::Plan::of(values, ends, most, effort)?;
            plan.write_shared(&mut shared);
            exponent = plan.exponent();
            Box::new(move |range, out| plan.write_block(range, out))
        }
        Way::Split(plan) => {
            plan.write_shared(&mut shared);
            Box::new(move |range, out| plan.write_block(&values[range], out))
        }
    };
    Some(Encoded { exponent, ..Encoded::of_blocks(encoding, shared, ends, &mut *block) })
}

impl Way {
    fn encoding(&self) -> Encoding {
        match self {
            Self::Raw => Encoding::Raw,
            Self::Gorilla => Encoding::Gorilla,
            Self::Unit(Unit::Decimal(_)) => Encoding::Decimal,
            Self::Unit(Unit::Scale(_)) => Encoding::Scaled,
            Self::Unit(Unit::Bits) => Encoding::Pattern,
            Self::Dictionary(_) => Encoding::Dictionary,
            Self::Split(_) => Encoding::Split,
        }
    }
}

/// What a sample says of tenths.
struct Decimals {
    exponent: u8,
    /// Bits of a value.
    bits: f64,
    /// Nothing is left of any value.
    clean: bool,
    /// Bits of the widest distance between two numbers.
    reach: f64,
}

struct Sample {
    values: Vec<f64>,
    stretch: usize,
}

impl Sample {
    fn of(values: &[f64]) -> Self {
        if values.len() <= SAMPLE {
            return Self { values: values.to_vec(), stretch: values.len().max(1) };
        }
        let step = (values.len() - STRETCH) / (STRETCHES - 1);
        let stretches = (0..STRETCHES).flat_map(|i| &values[i * step..i * step + STRETCH]);
        Self { values: stretches.copied().collect(), stretch: STRETCH }
    }

    /// The patterns of bits, ascending.
    fn sorted(&self) -> Vec<u64> {
        let mut patterns: Vec<u64> = self.values.iter().map(|v| v.to_bits()).collect();
        patterns.sort_unstable();
        patterns
    }

    /// The best exponent.
    fn decimals(&self) -> Decimals {
        let n = self.values.len();
        let (mut numbers, mut rests) = ([0; SAMPLE], [0; SAMPLE]);
        let (numbers, rests) = (&mut numbers[..n], &mut rests[..n]);
        let mut best = Decimals { exponent: 0, bits: f64::INFINITY, clean: false, reach: 0.0 };
        for exponent in 0..=MOST_EXPONENT {
            let uneven = Unit::Decimal(exponent).split(&self.values, numbers, rests);
            let clean = uneven == 0;
            // Before most values are near a number, nothing of this can be the best.
            if greats(rests) * 2 > n && exponent > 0 {
                continue;
            }
            let cost = Cost::of(numbers, rests, self.stretch);
            let bits = cost.bits(n, uneven);
            if bits < best.bits {
                best = Decimals { exponent, bits, clean, reach: cost.reach() };
            }
            // Numbers only grow from here on.
            if clean || cost.numbers() >= best.bits {
                break;
            }
        }
        best
    }

    fn unit(&self, unit: Unit) -> f64 {
        let n = self.values.len();
        let (mut numbers, mut rests) = ([0; SAMPLE], [0; SAMPLE]);
        let (numbers, rests) = (&mut numbers[..n], &mut rests[..n]);
        let uneven = unit.split(&self.values, numbers, rests);
        Cost::of(numbers, rests, self.stretch).bits(n, uneven)
    }

    fn integers(&self, number: impl Fn(f64) -> i64) -> f64 {
        let n = self.values.len();
        let (mut numbers, rests) = ([0; SAMPLE], [0; SAMPLE]);
        for (slot, value) in numbers.iter_mut().zip(&self.values) {
            *slot = number(*value);
        }
        Cost::of(&numbers[..n], &rests[..n], self.stretch).numbers()
    }
}

/// What numbers and rests of a sample would cost. Numbers with a great rest do not count.
struct Cost {
    low: i64,
    high: i64,
    differences: u64,
    /// Bits of all differences.
    total: u64,
    /// All small rests in zigzag, one over the other.
    small: u64,
    greats: usize,
}

dispatched! {
    fn greats(rests: &[i64]) -> usize {
        let mut greats = 0u64;
        for rest in rests {
            greats += u64::from(units::is_great(*rest));
        }
        greats as usize
    }

    fn measure(numbers: &[i64], rests: &[i64], stretch: usize, cost: &mut Cost) {
        for (numbers, rests) in numbers.chunks(stretch).zip(rests.chunks(stretch)) {
            let mut greats = 0u64;
            for (&number, &rest) in numbers.iter().zip(rests) {
                let great = units::is_great(rest);
                greats += u64::from(great);
                cost.low = cost.low.min(if great { i64::MAX } else { number });
                cost.high = cost.high.max(if great { i64::MIN } else { number });
                cost.small |= if great { 0 } else { zigzag(rest) };
            }
            cost.greats += greats as usize;
            let before = numbers.iter().zip(rests);
            let after = numbers.iter().skip(1).zip(rests.iter().skip(1));
            for ((number, rest), (next, next_rest)) in before.zip(after) {
                let counts = !units::is_great(*rest) & !units::is_great(*next_rest);
                let bits = u64::from(width(zigzag(next.wrapping_sub(*number))));
                cost.differences += u64::from(counts);
                cost.total += if counts { bits } else { 0 };
            }
        }
    }
}

impl Cost {
    fn of(numbers: &[i64], rests: &[i64], stretch: usize) -> Self {
        let (low, high) = (i64::MAX, i64::MIN);
        let mut cost = Self { low, high, differences: 0, total: 0, small: 0, greats: 0 };
        measure(numbers, rests, stretch, &mut cost);
        cost
    }

    /// Bits of a value of `n` in all, `uneven` of them with a rest.
    fn bits(&self, n: usize, uneven: usize) -> f64 {
        if uneven == 0 {
            return self.numbers();
        }
        // Few rests are patches, whatever they are; many are numbers of their own, the great ones
        // among them patches.
        let patched = uneven as f64 * STRANGER / n as f64;
        let framed = f64::from(width(self.small)) + self.greats as f64 * STRANGER / n as f64;
        self.numbers() + patched.min(framed)
    }

    /// Bits of a number in frames: of themselves, or of their differences.
    fn numbers(&self) -> f64 {
        let frame = self.reach();
        if self.differences == 0 {
            return frame;
        }
        frame.min(self.total as f64 / self.differences as f64 + 1.0)
    }

    /// Bits of the widest distance.
    fn reach(&self) -> f64 {
        if self.low > self.high {
            0.0
        } else {
            width(self.high.wrapping_sub(self.low) as u64).into()
        }
    }
}

/// How many values differ from all others.
struct Distinct {
    /// Values of the sample.
    sample: usize,
    /// Among these.
    seen: usize,
    /// Among all values, estimated.
    all: f64,
}

impl Distinct {
    /// By the ascending patterns of a sample of `n` values.
    fn of(sorted: &[u64], n: usize) -> Self {
        let seen = sorted.chunk_by(|a, b| a == b).count();
        let (sample, n) = (sorted.len(), n as f64);
        // Of `d` values equally frequent, `s` draws see `d * (1 - exp(-s / d))`. Values that stay
        // for a while repeat more often within a sample, so that this is a lower bound.
        let (draws, mut low, mut high) = (sample as f64, seen as f64, n.max(seen as f64));
        for _ in 0..24 {
            let middle = (low * high).sqrt();
            let expected = middle * (1.0 - (-draws / middle).exp());
            *if expected < seen as f64 { &mut low } else { &mut high } = middle;
        }
        Self { sample, seen, all: low }
    }

    /// Whether so many values repeat that places in a list could take less than `bits`.
    fn pays(&self, bits: f64) -> bool {
        let places = f64::from(width((self.seen as u64).saturating_sub(1)));
        // One in twenty at least, or most of the chunk is distinct.
        (self.sample - self.seen) * 20 >= self.sample && places < bits
    }

    /// Whether a list could pay for `n` clean decimals. Places are as much narrower than numbers,
    /// or their differences, as there are numbers between two that occur; a list has differences
    /// of just that width.
    fn pays_over(&self, decimals: &Decimals, n: usize) -> bool {
        let gain = decimals.reach - self.all.max(1.0).log2();
        let list = self.all * (gain.max(0.0) + 1.0) / n as f64;
        self.pays(decimals.bits) && (gain - list > LEAST_GAIN || self.seen <= FEW)
    }
}

/// A double that the values are multiples of, but for their last places: what remains when
/// distances between them are taken off each other as in Euclid's algorithm. `patterns`: of a
/// sample, ascending.
fn scale(patterns: &[u64]) -> Option<f64> {
    let finite = |v: &f64| v.is_finite() && *v != 0.0;
    let values = patterns.iter().map(|pattern| f64::from_bits(*pattern)).filter(finite);
    let mut values: Vec<f64> = values.map(f64::abs).collect();
    if !values.is_sorted() {
        values.sort_unstable_by(f64::total_cmp);
    }
    values.dedup();
    if values.len() < 8 {
        return None;
    }
    // So many tell the unit, the greatest most exactly.
    let step = values.len().div_ceil(MEASURED);
    let mut values: Vec<f64> = values.into_iter().rev().step_by(step).collect();
    values.reverse();
    let unit = common_unit(&values);
    unit.is_finite().then_some(unit)
}

dispatched! {
    /// The unit of ascending values, NaN where there is none.
    fn common_unit(values: &[f64]) -> f64 {
        let most = values[values.len() - 1];
        // What a value may be off by, a few units of its last place, and what that makes of the
        // unit.
        let off = most * 2f64.powi(-51);
        let (mut unit, mut unit_off) = (values[0], off);
        for pair in values.windows(2) {
            let distance = pair[1] - pair[0];
            let (mut left, mut left_off) = (distance, off * 2.0);
            while left > left_off * 4.0 {
                let times = (unit / left).round_ties_even();
                let next = ((unit - times * left).abs(), unit_off + times * left_off);
                (unit, unit_off) = (left, left_off);
                (left, left_off) = next;
            }
            let times = (distance / unit).round_ties_even();
            if times * unit_off * 4.0 < unit && off * 2.0 < unit_off * times {
                (unit, unit_off) = (distance / times, off * 2.0 / times);
            }
            if unit_off * 16.0 > unit || most / unit > 2f64.powi(40) {
                return f64::NAN;
            }
        }
        // Made more exact by ever greater multiples.
        for value in values {
            let multiple = (value / unit).round_ties_even();
            if multiple >= 1.0 && (value - multiple * unit).abs() < unit * 0.25 {
                unit = value / multiple;
            } else {
                return f64::NAN;
            }
        }
        unit
    }
}

/// What is needed to read a column of doubles.
#[derive(Debug)]
pub struct Doubles(Form);

#[derive(Debug)]
enum Form {
    Raw,
    Gorilla,
    Units(units::Reader),
    Dictionary(dictionary::Reader),
    Split(split::Reader),
}

impl Doubles {
    /// Reads what the blocks of a column share.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not of that encoding.
    pub fn open(encoding: Encoding, mut shared: &[u8]) -> Result<Self> {
        let unit = |kind, shared: &mut &[u8]| units::Reader::open(kind, shared).map(Form::Units);
        let rest = &mut shared;
        let form = match encoding {
            Encoding::Raw => Form::Raw,
            Encoding::Gorilla => Form::Gorilla,
            Encoding::Decimal => unit(units::Kind::Decimal, rest)?,
            Encoding::Scaled => unit(units::Kind::Scale, rest)?,
            Encoding::Pattern => unit(units::Kind::Bits, rest)?,
            Encoding::Dictionary => Form::Dictionary(dictionary::Reader::open(rest)?),
            Encoding::Split => Form::Split(split::Reader::open(rest)?),
            other => return Err(super::misplaced(other, "f64")),
        };
        if shared.is_empty() { Ok(Self(form)) } else { Err(super::too_long(encoding)) }
    }

    /// The numbers of a block as they are written, without a double being made, and the power of
    /// ten that they count tenths of; `None` where the blocks are of another kind, and `out` is
    /// then as it was.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly `n` numbers; `out` is then as it was.
    pub fn decode_numbers(&self, block: &[u8], n: usize, out: &mut Vec<i64>) -> Result<Option<u8>> {
        match &self.0 {
            Form::Units(reader) => {
                let Some(exponent) = reader.exponent() else { return Ok(None) };
                super::append(out, n, |slots| reader.decode_numbers(block, slots))?;
                Ok(Some(exponent))
            }
            _ => Ok(None),
        }
    }

    /// Fills `out` with the numbers of a block, as [`Self::decode_numbers`] appends them.
    ///
    /// # Errors
    /// As [`Self::decode_numbers`]; what `out` holds is then of no meaning.
    pub fn fill_numbers(&self, block: &[u8], out: &mut [i64]) -> Result<Option<u8>> {
        match &self.0 {
            Form::Units(reader) => {
                let Some(exponent) = reader.exponent() else { return Ok(None) };
                reader.decode_numbers(block, out)?;
                Ok(Some(exponent))
            }
            _ => Ok(None),
        }
    }

    /// The sum of a block's numbers, mostly without so much as unpacking them; otherwise as
    /// [`Self::decode_numbers`].
    ///
    /// # Errors
    /// As [`Self::decode_numbers`].
    pub fn sum_numbers(&self, block: &[u8], n: usize) -> Result<Option<(i128, u8)>> {
        match &self.0 {
            Form::Units(reader) => match reader.exponent() {
                Some(exponent) => Ok(Some((reader.sum_numbers(block, n)?, exponent))),
                None => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// Tells of each of the `n` values of a block whether it lies in `low..=high`, as NaN never does:
    /// by the numbers of clean decimals and the places of a list, without a double being made, and
    /// by the values of all else. An open end is an infinity.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly `n`; `out` is then as it was.
    pub fn within(
        &self,
        block: &[u8],
        n: usize,
        low: f64,
        high: f64,
        out: &mut Vec<bool>,
    ) -> Result<()> {
        super::append(out, n, |slots| {
            if low.is_nan() || high.is_nan() {
                slots.fill(false);
                return self.fill(block, &mut vec![0.0; n]);
            }
            match &self.0 {
                Form::Dictionary(reader) => reader.within(block, low, high, slots),
                Form::Units(reader) if let Some(exponent) = reader.exponent() => {
                    let mut numbers = [0; BLOCK];
                    let numbers = numbers
                        .get_mut(..n)
                        .ok_or_else(|| Error::Internal(format!("a block of {n} doubles")))?;
                    reader.decode_numbers(block, numbers)?;
                    let (low, high) = units::numbers_within(low, high, exponent);
                    units::within(numbers, low, high, slots);
                    Ok(())
                }
                _ => {
                    let mut values = vec![0.0; n];
                    self.fill(block, &mut values)?;
                    units::doubles_within(&values, low, high, slots);
                    Ok(())
                }
            }
        })
    }

    /// What there is to tell beside the encoding's name.
    pub fn detail(&self) -> String {
        match &self.0 {
            Form::Units(reader) => reader.detail(),
            Form::Dictionary(reader) => reader.detail(),
            Form::Raw | Form::Gorilla | Form::Split(_) => String::new(),
        }
    }

    /// Takes a list of `n` doubles from the front of `bytes`; `n` is checked by the caller.
    pub(crate) fn read_list(bytes: &mut &[u8], n: usize, out: &mut Vec<f64>) -> Result<()> {
        let (encoding, shared) = Encoded::take_head(bytes)?;
        // A list is of no list: nothing can nest without end.
        if encoding == Encoding::Dictionary {
            return Err(super::misplaced(encoding, "list"));
        }
        let reader = Self::open(encoding, shared)?;
        let mut start = 0;
        for end in super::whole_blocks(n) {
            let length = varint::read(bytes)?;
            reader.decode(varint::take(bytes, length)?, end - start, out)?;
            start = end;
        }
        Ok(())
    }

    /// Appends the `n` doubles of a block; `n` sizes an allocation, so the caller has checked it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly `n`; `out` is then as it was.
    pub fn decode(&self, block: &[u8], n: usize, out: &mut Vec<f64>) -> Result<()> {
        super::append(out, n, |slots| self.fill(block, slots))
    }

    /// Fills `out` with a block.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly that many doubles; what `out` holds is
    /// then of no meaning.
    pub fn fill(&self, block: &[u8], out: &mut [f64]) -> Result<()> {
        match &self.0 {
            Form::Raw => raw::decode_f64(block, out),
            Form::Gorilla => gorilla::decode(block, out),
            Form::Units(reader) => reader.decode(block, out),
            Form::Dictionary(reader) => reader.decode(block, out),
            // Nothing is written of no values.
            Form::Split(_) if out.is_empty() && block.is_empty() => Ok(()),
            Form::Split(reader) => reader.decode(block, out),
        }
    }
}
