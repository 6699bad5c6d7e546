//! Encodings: bytes to slices and back, nothing else. One folder an encoding, all of the same
//! shape; `FORMAT.md` has every format byte by byte.
//!
//! The functions of this module are the seam to the rest: `encode_*` chooses the smallest
//! candidate and puts its one-byte id in front, `decode_*` goes by that id. A new encoding is a
//! folder, a line in [`Encoding`], and an arm in the functions of the types that it serves.

pub(crate) mod bits;
pub mod constant;
pub mod delta_of_delta;
pub mod dict_lz4;
mod differences;
pub mod gorilla;
pub mod packed;
pub mod raw;
pub mod regular;
pub mod runs;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod varint;

use crate::error::{Error, Result};
use crate::model::StrValues;
use differences::Differences;

macro_rules! encodings {
    ($($(#[$doc:meta])+ $variant:ident = $id:literal, $name:literal;)+) => {
        /// The encodings by their id on disk. An id is never given to another encoding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Encoding {
            $($(#[$doc])+ $variant = $id,)+
        }

        impl Encoding {
            /// Every encoding.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The encoding with this id.
            pub fn from_id(id: u8) -> Option<Self> {
                match id {
                    $($id => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The name that statistics show.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

encodings! {
    /// Fixed-width little-endian values; truth values one bit each. f64, i64, bool.
    Raw = 0, "raw";
    /// One value for all. f64, i64, bool.
    Constant = 1, "constant";
    /// A first value and a step. i64.
    Regular = 2, "regular";
    /// XOR with the value before. f64.
    Gorilla = 3, "gorilla";
    /// Differences of differences in buckets of bits. i64.
    DeltaOfDelta = 4, "delta_of_delta";
    /// Values or differences above their least, divided by what they share, in as many bits as
    /// the greatest needs. i64.
    Packed = 5, "packed";
    /// Lengths of runs. bool.
    Runs = 6, "runs";
    /// A dictionary or plain strings, under LZ4 where that helps. str.
    DictLz4 = 7, "dict_lz4";
}

impl Encoding {
    /// The id on disk.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The encoding of bytes that an `encode_*` function wrote.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when there is no byte or its id is unknown.
    pub fn of(bytes: &[u8]) -> Result<Self> {
        split(bytes).map(|(encoding, _)| encoding)
    }
}

fn split(bytes: &[u8]) -> Result<(Encoding, &[u8])> {
    let (&id, body) =
        bytes.split_first().ok_or_else(|| Error::corrupt("values without an encoding id"))?;
    let encoding =
        Encoding::from_id(id).ok_or_else(|| Error::corrupt(format!("unknown encoding id {id}")))?;
    Ok((encoding, body))
}

fn misplaced(encoding: Encoding, ty: &str) -> Error {
    Error::corrupt(format!("encoding {} does not hold {ty} values", encoding.name()))
}

/// Grows `out` by `n` slots for `decode` to fill, and takes them back when it fails.
fn append<T: Copy + Default>(
    out: &mut Vec<T>,
    n: usize,
    decode: impl FnOnce(&mut [T]) -> Result<()>,
) -> Result<()> {
    let start = out.len();
    out.resize(start + n, T::default());
    let result = decode(&mut out[start..]);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// `out` with the id in front of what is to follow.
fn tagged(encoding: Encoding, out: &mut Vec<u8>) -> &mut Vec<u8> {
    out.push(encoding.id());
    out
}

/// Appends doubles, bit for bit, in the smallest encoding.
pub fn encode_f64(values: &[f64], out: &mut Vec<u8>) -> Encoding {
    if constant::holds_f64(values) {
        constant::encode_f64(values, tagged(Encoding::Constant, out));
        return Encoding::Constant;
    }
    let start = out.len();
    gorilla::encode(values, tagged(Encoding::Gorilla, out));
    if out.len() - start - 1 < values.len() * 8 {
        return Encoding::Gorilla;
    }
    out.truncate(start);
    raw::encode_f64(values, tagged(Encoding::Raw, out));
    Encoding::Raw
}

/// Appends the `n` doubles of `bytes`; `n` sizes an allocation, so the caller has checked it.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly `n` doubles; `out` is then as it was.
pub fn decode_f64(bytes: &[u8], n: usize, out: &mut Vec<f64>) -> Result<()> {
    let (encoding, body) = split(bytes)?;
    append(out, n, |slots| match encoding {
        Encoding::Raw => raw::decode_f64(body, slots),
        Encoding::Constant => constant::decode_f64(body, slots),
        Encoding::Gorilla => gorilla::decode(body, slots),
        other => Err(misplaced(other, "f64")),
    })
}

/// Appends integers in the smallest encoding.
pub fn encode_i64(values: &[i64], out: &mut Vec<u8>) -> Encoding {
    if constant::holds_i64(values) {
        constant::encode_i64(values, tagged(Encoding::Constant, out));
        return Encoding::Constant;
    }
    if regular::holds(values) {
        regular::encode(values, tagged(Encoding::Regular, out));
        return Encoding::Regular;
    }
    let differences = Differences::of(values);
    let packed = packed::Plan::of(values, &differences);
    let buckets = delta_of_delta::Plan::of(values, &differences);
    let least = packed.size().min(buckets.size());
    if values.len() * 8 <= least {
        raw::encode_i64(values, tagged(Encoding::Raw, out));
        Encoding::Raw
    } else if packed.size() == least {
        packed.write(values, &differences, tagged(Encoding::Packed, out));
        Encoding::Packed
    } else {
        buckets.write(values, &differences, tagged(Encoding::DeltaOfDelta, out));
        Encoding::DeltaOfDelta
    }
}

/// Appends the `n` integers of `bytes`; `n` sizes an allocation, so the caller has checked it.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly `n` integers; `out` is then as it was.
pub fn decode_i64(bytes: &[u8], n: usize, out: &mut Vec<i64>) -> Result<()> {
    let (encoding, body) = split(bytes)?;
    append(out, n, |slots| match encoding {
        Encoding::Raw => raw::decode_i64(body, slots),
        Encoding::Constant => constant::decode_i64(body, slots),
        Encoding::Regular => regular::decode(body, slots),
        Encoding::DeltaOfDelta => delta_of_delta::decode(body, slots),
        Encoding::Packed => packed::decode(body, slots),
        other => Err(misplaced(other, "i64")),
    })
}

/// Appends times (nanoseconds), in any order, in the smallest encoding.
pub fn encode_times(values: &[i64], out: &mut Vec<u8>) -> Encoding {
    encode_i64(values, out)
}

/// Appends the `n` times of `bytes`; `n` sizes an allocation, so the caller has checked it.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly `n` times; `out` is then as it was.
pub fn decode_times(bytes: &[u8], n: usize, out: &mut Vec<i64>) -> Result<()> {
    decode_i64(bytes, n, out)
}

/// Appends truth values in the smallest encoding.
pub fn encode_bool(values: &[bool], out: &mut Vec<u8>) -> Encoding {
    if constant::holds_bool(values) {
        constant::encode_bool(values, tagged(Encoding::Constant, out));
        return Encoding::Constant;
    }
    let start = out.len();
    if runs::encode_within(values, values.len().div_ceil(8), tagged(Encoding::Runs, out)) {
        return Encoding::Runs;
    }
    out.truncate(start);
    raw::encode_bool(values, tagged(Encoding::Raw, out));
    Encoding::Raw
}

/// Appends the `n` truth values of `bytes`; `n` sizes an allocation, so the caller has checked it.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly `n` truth values; `out` is then as it was.
pub fn decode_bool(bytes: &[u8], n: usize, out: &mut Vec<bool>) -> Result<()> {
    let (encoding, body) = split(bytes)?;
    append(out, n, |slots| match encoding {
        Encoding::Raw => raw::decode_bool(body, slots),
        Encoding::Constant => constant::decode_bool(body, slots),
        Encoding::Runs => runs::decode(body, slots),
        other => Err(misplaced(other, "bool")),
    })
}

/// Appends strings in the smallest encoding.
pub fn encode_str(values: &StrValues, out: &mut Vec<u8>) -> Encoding {
    dict_lz4::encode(values, tagged(Encoding::DictLz4, out));
    Encoding::DictLz4
}

/// Appends the `n` strings of `bytes`; `n` sizes an allocation, so the caller has checked it.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly `n` strings in UTF-8; `out` is then as it was.
pub fn decode_str(bytes: &[u8], n: usize, out: &mut StrValues) -> Result<()> {
    match split(bytes)? {
        (Encoding::DictLz4, body) => dict_lz4::decode(body, n, out),
        (other, _) => Err(misplaced(other, "str")),
    }
}
