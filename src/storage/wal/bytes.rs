//! Reading and writing the parts of a payload, every length checked before it is believed.

use crate::error::{Error, Result};

/// What is left of a payload's body.
#[derive(Debug)]
pub(super) struct Input<'a>(pub(super) &'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (now, later) = self.0.split_at_checked(len).ok_or_else(|| {
            Error::corrupt(format!("{len} bytes are needed where {} are left", self.0.len()))
        })?;
        self.0 = later;
        Ok(now)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[b]| b)
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A varint of at most 32 bits, in the shortest form.
    pub(super) fn varint(&mut self) -> Result<u32> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.u8()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return u32::try_from(value).map_err(|_| Error::corrupt("a varint past 32 bits"));
            }
        }
        Err(Error::corrupt("a varint that is not in its shortest form"))
    }

    /// `count` items of `width` bytes each.
    pub(super) fn items(&mut self, count: usize, width: usize) -> Result<&'a [u8]> {
        let len = count.checked_mul(width).ok_or_else(|| Error::corrupt("a count too large"))?;
        self.take(len)
    }

    pub(super) fn words(&mut self, count: usize) -> Result<impl Iterator<Item = u64> + use<'a>> {
        Ok(self.items(count, 8)?.as_chunks::<8>().0.iter().map(|w| u64::from_le_bytes(*w)))
    }

    /// `count` bits; those past the end of the last byte must be 0.
    pub(super) fn bits(&mut self, count: usize) -> Result<impl Iterator<Item = bool> + use<'a>> {
        let bytes = self.take(count.div_ceil(8))?;
        if !count.is_multiple_of(8) && bytes.last().is_some_and(|b| b >> (count % 8) != 0) {
            return Err(Error::corrupt("a bit past the end of a bitmap"));
        }
        Ok((0..count).map(|i| bytes[i / 8] >> (i % 8) & 1 == 1))
    }

    pub(super) fn text(&mut self, len: usize) -> Result<&'a str> {
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|_| Error::corrupt("a string that is not UTF-8"))
    }

    pub(super) fn name(&mut self) -> Result<&'a str> {
        let len = self.u16()?;
        self.text(usize::from(len))
    }
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(super) fn put_bits(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    let (mut byte, mut filled) = (0u8, 0);
    for bit in bits {
        byte |= u8::from(bit) << filled;
        filled += 1;
        if filled == 8 {
            out.push(byte);
            (byte, filled) = (0, 0);
        }
    }
    if filled > 0 {
        out.push(byte);
    }
}

pub(super) fn put_name(out: &mut Vec<u8>, name: &str) -> Result<()> {
    let len = u16::try_from(name.len())
        .map_err(|_| Error::Internal(format!("a name of {} bytes", name.len())))?;
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    Ok(())
}
