//! Variable-length integers: LEB128, seven bits a byte, the lowest first; signed ones in zigzag.

use crate::error::{Error, Result};

/// Maps signed integers to unsigned ones, small magnitudes to small numbers.
#[inline(always)]
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
#[inline(always)]
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// How many bytes [`write`] appends.
pub(crate) fn size(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends `value`.
pub(crate) fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value` in zigzag.
pub(crate) fn write_signed(value: i64, out: &mut Vec<u8>) {
    write(zigzag(value), out);
}

/// Takes a value from the front of `bytes`.
///
/// # Errors
/// [`Error::Corrupt`] when it is cut off or passes 64 bits.
pub(crate) fn read(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for i in 0..10 {
        let (&byte, rest) =
            bytes.split_first().ok_or_else(|| Error::corrupt("a number is cut off"))?;
        *bytes = rest;
        if i == 9 && byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(Error::corrupt("a number of more than 64 bits"))
}

/// Takes a zigzag value from the front of `bytes`.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_signed(bytes: &mut &[u8]) -> Result<i64> {
    read(bytes).map(unzigzag)
}

/// Takes `len` bytes from the front of `bytes`.
///
/// # Errors
/// [`Error::Corrupt`] when there are fewer.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], len: u64) -> Result<&'a [u8]> {
    let cut = usize::try_from(len).ok().and_then(|len| bytes.split_at_checked(len));
    let (front, rest) = cut.ok_or_else(|| {
        Error::corrupt(format!("{len} bytes are announced and {} are left", bytes.len()))
    })?;
    *bytes = rest;
    Ok(front)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
    use super::*;

    #[test]
    fn numbers_come_back_in_the_size_foretold() {
        let edges = (0..64).flat_map(|b| [(1u64 << b) - 1, 1 << b, u64::MAX >> b]);
        for value in edges {
            let mut bytes = Vec::new();
            write(value, &mut bytes);
            assert_eq!(bytes.len(), size(value));
            let mut rest = &bytes[..];
            assert_eq!(read(&mut rest).unwrap(), value);
            assert!(rest.is_empty());
            assert!(read(&mut &bytes[..bytes.len() - 1]).is_err());
            assert_eq!(zigzag(unzigzag(value)), value);
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        assert!(read(&mut &[0xff; 11][..]).is_err());
        assert!(read(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..]).is_err());
    }
}
