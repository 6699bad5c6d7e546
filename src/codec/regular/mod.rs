//! `first + i * step`, wrapping: both as zigzag varints, whatever the number of values. The
//! times of a sensor that never misses a beat.

#[cfg(test)]
mod tests;

use super::varint;
use crate::error::{Error, Result};

/// Whether there is a value and the same step, wrapping, leads from each to the next.
pub fn holds(values: &[i64]) -> bool {
    let step = step(values);
    !values.is_empty() && values.windows(2).all(|w| w[1].wrapping_sub(w[0]) == step)
}

fn step(values: &[i64]) -> i64 {
    match values {
        [a, b, ..] => b.wrapping_sub(*a),
        _ => 0,
    }
}

/// Appends values for which [`holds`].
pub fn encode(values: &[i64], out: &mut Vec<u8>) {
    varint::write_signed(values.first().copied().unwrap_or(0), out);
    varint::write_signed(step(values), out);
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` are a first value and a step.
pub fn decode(mut bytes: &[u8], out: &mut [i64]) -> Result<()> {
    let mut value = varint::read_signed(&mut bytes)?;
    let step = varint::read_signed(&mut bytes)?;
    if !bytes.is_empty() {
        return Err(Error::corrupt("regular: bytes after the step"));
    }
    for slot in out {
        *slot = value;
        value = value.wrapping_add(step);
    }
    Ok(())
}
