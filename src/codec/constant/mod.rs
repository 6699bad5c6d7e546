//! One value for all: a double as eight little-endian bytes, an integer as a zigzag varint, a
//! truth value as one byte.

#[cfg(test)]
mod tests;

use super::varint;
use crate::error::{Error, Result};

/// Whether there is a value and all have its bits.
pub fn holds_f64(values: &[f64]) -> bool {
    values.first().is_some_and(|a| values.iter().all(|b| a.to_bits() == b.to_bits()))
}

/// Whether there is a value and all equal it.
pub fn holds_i64(values: &[i64]) -> bool {
    values.first().is_some_and(|a| values.iter().all(|b| a == b))
}

/// Whether there is a value and all equal it.
pub fn holds_bool(values: &[bool]) -> bool {
    values.first().is_some_and(|a| values.iter().all(|b| a == b))
}

/// Appends the first value, for which [`holds_f64`].
pub fn encode_f64(values: &[f64], out: &mut Vec<u8>) {
    out.extend(values.iter().take(1).flat_map(|v| v.to_bits().to_le_bytes()));
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` are one double.
pub fn decode_f64(bytes: &[u8], out: &mut [f64]) -> Result<()> {
    let bytes = bytes.try_into().map_err(|_| Error::corrupt("constant: not one double"))?;
    out.fill(f64::from_bits(u64::from_le_bytes(bytes)));
    Ok(())
}

/// Appends the first value, for which [`holds_i64`].
pub fn encode_i64(values: &[i64], out: &mut Vec<u8>) {
    values.iter().take(1).for_each(|&v| varint::write_signed(v, out));
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` are one integer.
pub fn decode_i64(mut bytes: &[u8], out: &mut [i64]) -> Result<()> {
    let value = varint::read_signed(&mut bytes)?;
    if !bytes.is_empty() {
        return Err(Error::corrupt("constant: bytes after the integer"));
    }
    out.fill(value);
    Ok(())
}

/// Appends the first value, for which [`holds_bool`].
pub fn encode_bool(values: &[bool], out: &mut Vec<u8>) {
    out.extend(values.first().map(|&v| u8::from(v)));
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` are one truth value.
pub fn decode_bool(bytes: &[u8], out: &mut [bool]) -> Result<()> {
    match bytes {
        [value @ (0 | 1)] => {
            out.fill(*value == 1);
            Ok(())
        }
        _ => Err(Error::corrupt("constant: not one truth value")),
    }
}
