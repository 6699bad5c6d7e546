//! Values as they are: doubles of eight little-endian bytes, truth values one bit each, the lowest
//! first, zeros in what is left of the last byte.

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};

fn eights(bytes: &[u8], n: usize) -> Result<&[[u8; 8]]> {
    match bytes.as_chunks::<8>() {
        (chunks, []) if chunks.len() == n => Ok(chunks),
        _ => Err(Error::corrupt(format!("raw: {} bytes for {n} values of 8", bytes.len()))),
    }
}

/// Appends doubles.
pub(crate) fn encode_f64(values: &[f64], out: &mut Vec<u8>) {
    out.extend(values.iter().flat_map(|v| v.to_bits().to_le_bytes()));
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly that many.
pub(crate) fn decode_f64(bytes: &[u8], out: &mut [f64]) -> Result<()> {
    let chunks = eights(bytes, out.len())?;
    for (slot, chunk) in out.iter_mut().zip(chunks) {
        *slot = f64::from_bits(u64::from_le_bytes(*chunk));
    }
    Ok(())
}

/// Appends truth values.
pub(crate) fn encode_bool(values: &[bool], out: &mut Vec<u8>) {
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    out.extend(values.chunks(8).map(byte));
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly that many.
pub(crate) fn decode_bool(bytes: &[u8], out: &mut [bool]) -> Result<()> {
    let n = out.len();
    let spare = bytes.last().filter(|_| !n.is_multiple_of(8)).map_or(0, |last| last >> (n % 8));
    if bytes.len() != n.div_ceil(8) || spare != 0 {
        return Err(Error::corrupt(format!("raw: {} bytes for {n} truth values", bytes.len())));
    }
    for (slots, byte) in out.chunks_mut(8).zip(bytes) {
        for (i, slot) in slots.iter_mut().enumerate() {
            *slot = byte >> i & 1 == 1;
        }
    }
    Ok(())
}
