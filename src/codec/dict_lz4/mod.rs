//! Strings: a dictionary with codes in as few bits as they need where values repeat, otherwise
//! one after the other; either under LZ4 where that makes it smaller.
//!
//! ```text
//! u8 mode: bit 0 dictionary, bit 1 LZ4
//! with LZ4: varint length of the body, then the body as an LZ4 block; otherwise the body
//!
//! body of a dictionary: varint k, k varint lengths, the k strings' bytes,
//!                       a code each, in the bits of k - 1, least significant first
//! plain body:           a varint length each, then all the bytes
//! ```
//!
//! An LZ4 block never grows more than 255 times, so a decoder refuses a longer body before it
//! makes room for it.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::bits::{BitReader, BitWriter, width};
use super::varint;
use crate::error::{Error, Result};
use crate::model::StrValues;

const DICTIONARY: u8 = 1;
const LZ4: u8 = 2;
/// Most that an LZ4 block grows by.
const LZ4_GROWTH: usize = 255;
/// Bodies below this are not worth a try with LZ4.
const LZ4_FROM: usize = 32;

/// Appends strings.
pub fn encode(values: &StrValues, out: &mut Vec<u8>) {
    let mut codes = Vec::with_capacity(values.len());
    let mut distinct: Vec<&str> = Vec::new();
    let mut seen = hashbrown::HashMap::<&str, u32, foldhash::fast::FixedState>::default();
    for value in values.iter() {
        let code = *seen.entry(value).or_insert_with(|| {
            distinct.push(value);
            (distinct.len() - 1) as u32
        });
        codes.push(code);
    }
    let code_bits = code_bits(distinct.len());
    let listed = |value: &str| varint::size(value.len() as u64) + value.len();
    let plain_size: usize = values.iter().map(listed).sum();
    let dictionary_size = varint::size(distinct.len() as u64)
        + distinct.iter().map(|value| listed(value)).sum::<usize>()
        + (codes.len() * code_bits as usize).div_ceil(8);

    let mut body = Vec::with_capacity(plain_size.min(dictionary_size) + 24);
    let mut mode = 0;
    if dictionary_size < plain_size {
        mode |= DICTIONARY;
        varint::write(distinct.len() as u64, &mut body);
        list(distinct.iter().copied(), &mut body);
        let mut writer = BitWriter::new(&mut body, codes.len() * code_bits as usize);
        codes.iter().for_each(|&code| writer.push(code.into(), code_bits));
        writer.finish();
    } else {
        list((0..values.len()).map(|i| values.get(i)), &mut body);
    }
    if body.len() >= LZ4_FROM {
        let packed = lz4_flex::block::compress(&body);
        if varint::size(body.len() as u64) + packed.len() < body.len() {
            out.push(mode | LZ4);
            varint::write(body.len() as u64, out);
            out.extend_from_slice(&packed);
            return;
        }
    }
    out.push(mode);
    out.extend_from_slice(&body);
}

fn list<'a>(values: impl Iterator<Item = &'a str> + Clone, out: &mut Vec<u8>) {
    values.clone().for_each(|value| varint::write(value.len() as u64, out));
    values.for_each(|value| out.extend_from_slice(value.as_bytes()));
}

fn code_bits(distinct: usize) -> u32 {
    width(distinct.saturating_sub(1) as u64)
}

/// Appends the `n` strings of `bytes`.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly `n` strings in UTF-8 that fit into `out`,
/// which is then as it was.
pub fn decode(mut bytes: &[u8], n: usize, out: &mut StrValues) -> Result<()> {
    let &[mode @ 0..=3] = varint::take(&mut bytes, 1)? else {
        return Err(Error::corrupt("dict_lz4: an unknown mode"));
    };
    let body = if mode & LZ4 == 0 { Cow::Borrowed(bytes) } else { Cow::Owned(inflate(bytes)?) };
    let mut body = &body[..];
    if mode & DICTIONARY == 0 {
        let values = unlist(&mut body, n)?;
        if !body.is_empty() {
            return Err(Error::corrupt("dict_lz4: bytes after the strings"));
        }
        return append(&values, 0..n, out);
    }
    let distinct = usize::try_from(varint::read(&mut body)?).unwrap_or(usize::MAX);
    if distinct > n {
        return Err(Error::corrupt(format!("dict_lz4: {distinct} of {n} strings differ")));
    }
    let values = unlist(&mut body, distinct)?;
    let code_bits = code_bits(distinct);
    let mut reader = BitReader::new(body);
    let codes: Vec<usize> = (0..n).map(|_| reader.take(code_bits) as usize).collect();
    reader.finish()?;
    append(&values, codes.iter().copied(), out)
}

fn inflate(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let announced = varint::read(&mut bytes)?;
    let most = bytes.len().saturating_mul(LZ4_GROWTH);
    let len = usize::try_from(announced).ok().filter(|len| *len <= most).ok_or_else(|| {
        Error::corrupt(format!("dict_lz4: {announced} bytes out of {} under LZ4", bytes.len()))
    })?;
    let mut body = vec![0; len];
    match lz4_flex::block::decompress_into(bytes, &mut body) {
        Ok(got) if got == len => Ok(body),
        Ok(got) => Err(Error::corrupt(format!("dict_lz4: {got} bytes where {len} belong"))),
        Err(error) => Err(Error::corrupt(format!("dict_lz4: {error}"))),
    }
}

/// Takes `n` lengths and as many strings from the front of `body`.
fn unlist<'a>(body: &mut &'a [u8], n: usize) -> Result<Vec<&'a str>> {
    if n > body.len() {
        return Err(Error::corrupt(format!("dict_lz4: {n} strings in {} bytes", body.len())));
    }
    let lengths: Vec<u64> = (0..n).map(|_| varint::read(body)).collect::<Result<_>>()?;
    let total = lengths.iter().try_fold(0u64, |total, &len| total.checked_add(len));
    let total = total.ok_or_else(|| Error::corrupt("dict_lz4: lengths past 64 bits"))?;
    let text = std::str::from_utf8(varint::take(body, total)?)
        .map_err(|error| Error::corrupt(format!("dict_lz4: {error}")))?;
    let mut rest = text;
    let cut = |len: u64| {
        let (value, tail) = usize::try_from(len)
            .ok()
            .and_then(|len| rest.split_at_checked(len))
            .ok_or_else(|| Error::corrupt("dict_lz4: a string ends inside a character"))?;
        rest = tail;
        Ok(value)
    };
    lengths.into_iter().map(cut).collect()
}

/// Appends the values that `codes` name, once all are known to exist and to fit.
fn append(
    values: &[&str],
    codes: impl Iterator<Item = usize> + Clone,
    out: &mut StrValues,
) -> Result<()> {
    let mut total = out.byte_len() as u64;
    for code in codes.clone() {
        let value = values.get(code).ok_or_else(|| {
            Error::corrupt(format!("dict_lz4: code {code} of {} strings", values.len()))
        })?;
        total += value.len() as u64;
    }
    if u32::try_from(total).is_err() {
        return Err(Error::corrupt("dict_lz4: strings past 4 GiB"));
    }
    codes.for_each(|code| out.push(values[code]));
    Ok(())
}
