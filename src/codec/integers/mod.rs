//! Blocks of up to 1,024 integers, in the cheapest of five forms.
//!
//! Frame of reference (J. Goldstein et al., "Compressing Relations and Indexes", ICDE 1998) with
//! patches for what does not fit (M. Zukowski et al., "Super-Scalar RAM-CPU Cache Compression",
//! ICDE 2006), of the values, of their differences, or of what is left above a line; runs; one
//! value. Which one is decided by counting bits exactly, not by a sample.
//!
//! Differences stand in plain order, so that a block's sum follows from them without the values.
//! Arithmetic wraps, so that any integers are as good as others.

pub(crate) mod column;
mod frame;
#[cfg(test)]
mod tests;

use super::lanes;
use super::simd::{accumulate, dispatched};
use super::varint;
use crate::error::{Error, Result};
use frame::{Frame, Stored};

/// Most integers of a block.
pub(crate) const MOST: usize = lanes::FULL;

const CONSTANT: u8 = 0;
const FRAME: u8 = 1;
const DELTA: u8 = 2;
const LINE: u8 = 3;
const RUNS: u8 = 4;
/// In the first byte: there are patches.
const PATCHED: u8 = 8;
/// Fractional bits of a line's slope.
const FRACTION: u32 = 16;

/// Appends a block.
///
/// # Panics
/// When there are more than [`MOST`] values.
pub(crate) fn encode(values: &[i64], out: &mut Vec<u8>) {
    assert!(values.len() <= MOST, "a block of {} integers", values.len());
    write(values, true, out);
}

fn write(values: &[i64], runs_too: bool, out: &mut Vec<u8>) {
    let &[first, ..] = values else { return };
    let Shape { least, most, runs } = shape(values);
    if least == most {
        out.push(CONSTANT);
        return varint::write_signed(first, out);
    }
    let n = values.len();
    let plain = Frame::of(values, least, most);
    // Few runs are cheap whatever they are runs of.
    if runs_too && runs * 4 <= n && plain.size > 8 {
        let start = out.len();
        write_runs(values, runs, out);
        if out.len() - start <= plain.size {
            return;
        }
        out.truncate(start);
    }
    let mut differences = [0; MOST];
    let differences = &mut differences[..n];
    let (low, high) = subtract(values, differences);
    // The first one is of no number: it takes the code 0 of whatever base there will be.
    let mut delta = Frame::of(&differences[1..], low, high);
    delta.size += 2 + varint::size(varint::zigzag(first));
    let line = (low >= 0 && plain.size > 16).then(|| Line::of(values)).flatten();
    if let Some(line) = line.filter(|line| line.frame.size < delta.size.min(plain.size)) {
        let mut rest = [0; MOST];
        line.subtract(values, &mut rest[..n]);
        out.push(LINE | flag(&line.frame));
        varint::write_signed(line.slope, out);
        line.frame.write(&rest[..n], out);
    } else if delta.size < plain.size {
        differences[0] = delta.base;
        out.push(DELTA | flag(&delta));
        varint::write_signed(first.wrapping_sub(delta.base), out);
        delta.write(differences, out);
    } else {
        out.push(FRAME | flag(&plain));
        plain.write(values, out);
    }
}

fn flag(frame: &Frame) -> u8 {
    if frame.patched { PATCHED } else { 0 }
}

/// A straight line below the values, and the frame of what they are above it.
struct Line {
    slope: i64,
    frame: Frame,
}

impl Line {
    fn of(values: &[i64]) -> Option<Self> {
        let &[first, .., last] = values else { return None };
        let steps = values.len() as i128 - 1;
        let slope = (i128::from(last) - i128::from(first)) * (1 << FRACTION) / steps;
        let slope = i64::try_from(slope).ok().filter(|slope| slope.unsigned_abs() < 1 << 52)?;
        let mut rest = [0; MOST];
        let rest = &mut rest[..values.len()];
        let mut line = Self { slope, frame: Frame { base: 0, width: 0, patched: false, size: 0 } };
        line.subtract(values, rest);
        let Shape { least, most, .. } = shape(rest);
        line.frame = Frame::of(rest, least, most);
        line.frame.size += varint::size(varint::zigzag(slope));
        Some(line)
    }

    fn subtract(&self, values: &[i64], rest: &mut [i64]) {
        for (at, (rest, value)) in rest.iter_mut().zip(values).enumerate() {
            *rest = value.wrapping_sub(height(self.slope, at));
        }
    }
}

/// How high a line is at a place; slopes are checked to be below 2^52.
#[inline(always)]
fn height(slope: i64, at: usize) -> i64 {
    slope.wrapping_mul(at as i64) >> FRACTION
}

fn write_runs(values: &[i64], runs: usize, out: &mut Vec<u8>) {
    let (mut heads, mut lengths) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    for run in values.chunk_by(|a, b| a == b) {
        heads.push(run[0]);
        lengths.push(run.len() as i64);
    }
    out.push(RUNS);
    varint::write(runs as u64, out);
    let mut nested = Vec::new();
    write(&lengths, false, &mut nested);
    varint::write(nested.len() as u64, out);
    out.extend_from_slice(&nested);
    write(&heads, false, out);
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly that many integers.
pub(crate) fn decode(bytes: &[u8], out: &mut [i64]) -> Result<()> {
    read(bytes, true, out)
}

fn read(bytes: &[u8], runs_too: bool, out: &mut [i64]) -> Result<()> {
    if out.len() > MOST {
        return Err(Error::Internal(format!("a block of {} integers", out.len())));
    }
    let Some((&head, mut rest)) = bytes.split_first() else {
        return if out.is_empty() { Ok(()) } else { Err(Error::corrupt("integers: no bytes")) };
    };
    let patched = head & PATCHED != 0;
    match head & !PATCHED {
        CONSTANT if !patched && !out.is_empty() => {
            out.fill(varint::read_signed(&mut rest)?);
            if rest.is_empty() { Ok(()) } else { Err(Error::corrupt("integers: bytes too many")) }
        }
        FRAME if !out.is_empty() => Stored::read(rest, patched, out.len())?.unpack(out),
        DELTA if !out.is_empty() => {
            let start = varint::read_signed(&mut rest)?;
            Stored::read(rest, patched, out.len())?.unpack(out)?;
            accumulate(start, out);
            Ok(())
        }
        LINE if !out.is_empty() => {
            let slope = varint::read_signed(&mut rest)?;
            if slope.unsigned_abs() >= 1 << 52 {
                return Err(Error::corrupt(format!("integers: a slope of {slope}")));
            }
            Stored::read(rest, patched, out.len())?.unpack(out)?;
            add_line(slope, out);
            Ok(())
        }
        RUNS if !patched && runs_too => {
            let runs = varint::read(&mut rest)?;
            if runs == 0 || runs > out.len() as u64 {
                return Err(Error::corrupt(format!("integers: {runs} runs of {}", out.len())));
            }
            let length = varint::read(&mut rest)?;
            let nested = varint::take(&mut rest, length)?;
            let (mut heads, mut lengths) = ([0; MOST], [0; MOST]);
            let (heads, lengths) = (&mut heads[..runs as usize], &mut lengths[..runs as usize]);
            read(nested, false, lengths)?;
            read(rest, false, heads)?;
            let mut at = 0usize;
            for (&head, &length) in heads.iter().zip(&*lengths) {
                let end = usize::try_from(length).ok().and_then(|length| at.checked_add(length));
                let run = end.and_then(|end| out.get_mut(at..end)).ok_or_else(|| {
                    Error::corrupt(format!("integers: a run of {length} from {at} on"))
                })?;
                run.fill(head);
                at += run.len();
            }
            if at != out.len() {
                return Err(Error::corrupt(format!("integers: runs of {at} values")));
            }
            Ok(())
        }
        _ => Err(Error::corrupt(format!("integers: {head:#04x} for {} values", out.len()))),
    }
}

/// The sum of a block's integers, from its codes where they tell, else decoded. Wraps where the
/// values do.
///
/// # Errors
/// As [`decode`].
pub(crate) fn sum(bytes: &[u8], n: usize) -> Result<i128> {
    let (head, mut rest) = match bytes.split_first() {
        Some((&head, rest)) if n == MOST => (head, rest),
        _ => return decoded_sum(bytes, n),
    };
    let start = match head & !PATCHED {
        FRAME => 0,
        DELTA => varint::read_signed(&mut rest)?,
        _ => return decoded_sum(bytes, n),
    };
    let stored = Stored::read(rest, head & PATCHED != 0, n)?;
    // Codes of at most 32 bits above modest numbers: nothing of the values can have wrapped.
    let modest = |number: i64| number.unsigned_abs() < 1 << 50;
    let mut small = stored.width <= 32 && modest(start) && modest(stored.base);
    // Of themselves, and each as often as there are numbers from it on.
    let (mut patches, mut running) = (0, 0);
    stored.patches(n, |place, value| {
        small &= modest(value);
        patches += i128::from(value);
        running += (n - place) as i128 * i128::from(value);
    })?;
    if !small {
        return decoded_sum(bytes, n);
    }
    let (n, base) = (n as i128, i128::from(stored.base));
    if head & !PATCHED == FRAME {
        let codes = lanes::sum_full(stored.codes, stored.width)?;
        return Ok(n * base + i128::from(codes) + patches);
    }
    let codes = lanes::sum_running_full(stored.codes, stored.width)?;
    let line = n * i128::from(start) + n * (n + 1) / 2 * base;
    Ok(line + i128::from(codes) + running)
}

fn decoded_sum(bytes: &[u8], n: usize) -> Result<i128> {
    let mut values = [0; MOST];
    let values =
        values.get_mut(..n).ok_or_else(|| Error::Internal(format!("a block of {n} integers")))?;
    decode(bytes, values)?;
    Ok(values.iter().map(|&value| i128::from(value)).sum())
}

struct Shape {
    least: i64,
    most: i64,
    runs: usize,
}

dispatched! {
    fn shape(values: &[i64]) -> Shape {
        let (mut least, mut most) = ([i64::MAX; 8], [i64::MIN; 8]);
        let (chunks, rest) = values.as_chunks::<8>();
        for chunk in chunks {
            for lane in 0..8 {
                least[lane] = least[lane].min(chunk[lane]);
                most[lane] = most[lane].max(chunk[lane]);
            }
        }
        for &value in rest {
            least[0] = least[0].min(value);
            most[0] = most[0].max(value);
        }
        let mut changes = 0u64;
        for (before, after) in values.iter().zip(values.get(1..).unwrap_or_default()) {
            changes += u64::from(before != after);
        }
        Shape {
            least: least.into_iter().fold(i64::MAX, i64::min),
            most: most.into_iter().fold(i64::MIN, i64::max),
            runs: changes as usize + 1,
        }
    }

    /// Differences from the second on, and the least and the most of them.
    fn subtract(values: &[i64], differences: &mut [i64]) -> (i64, i64) {
        let n = values.len();
        let (before, after, out) = (&values[..n - 1], &values[1..], &mut differences[1..]);
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for ((out, after), before) in out.iter_mut().zip(after).zip(before) {
            *out = after.wrapping_sub(*before);
            least = least.min(*out);
            most = most.max(*out);
        }
        (least, most)
    }

    fn add_line(slope: i64, rest: &mut [i64]) {
        for (at, slot) in rest.iter_mut().enumerate() {
            *slot = slot.wrapping_add(height(slope, at));
        }
    }
}
