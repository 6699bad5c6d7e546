//! Encodings: bytes to slices and back, nothing else. `FORMAT.md` has every format byte by byte.
//!
//! An encoding works on a **column**: one field's values of a chunk, in blocks of at most 1,024.
//! What all of its blocks share (an exponent, a list of values) is written once; beyond that every
//! block is read alone. [`encode_f64`] and its like choose an encoding by a sample of the column
//! and try what comes close; [`Doubles`] and its like read one. A new encoding is a folder, a line
//! in [`Encoding`], and an arm in the file of each type that it serves.
//!
//! Bottom up: `bits`, `varint` and `lanes` are streams of bits, numbers and codes of one width;
//! `integers` makes blocks of them and `cold` its small but slow form; `units`, `dictionary` and
//! `split` bring doubles down to integers; `doubles`, `longs`, `times`, `truths` and `strings`
//! hold what a type can be.

pub(crate) mod bits;
pub(crate) mod cold;
mod dictionary;
mod doubles;
mod gorilla;
pub(crate) mod integers;
pub(crate) mod lanes;
mod longs;
mod raw;
mod runs;
pub mod simd;
mod split;
mod strings;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod times;
mod truths;
pub(crate) mod units;
pub(crate) mod varint;

pub use doubles::Doubles;
pub use longs::Longs;
pub use strings::Strings;
pub use times::{EvenTimes, Times};
pub use truths::{decode_bool, encode_bool};

use std::ops::Range;

use crate::error::{Error, Result};
use crate::model::StrValues;

/// Most values of a block.
pub const BLOCK: usize = lanes::FULL;

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

            /// The name that statistics show and tables ask for.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

encodings! {
    /// Eight bytes a value. f64.
    Raw = 0, "raw";
    /// XOR with the value before. f64.
    Gorilla = 1, "gorilla";
    /// Integers of a power of ten, and what is left. f64.
    Decimal = 2, "decimal";
    /// Integers of a unit found in the data, and what is left. f64.
    Scaled = 3, "scaled";
    /// Places in a sorted list of the distinct values. f64.
    Dictionary = 4, "dictionary";
    /// Listed fronts and plain backs: ALP for real doubles. f64.
    Split = 5, "alp_rd";
    /// Patterns of bits as integers. f64.
    Pattern = 6, "pattern";
    /// Frames, differences, lines and runs. i64, times.
    Integers = 7, "integers";
    /// A step and the gaps in it. Times.
    Regular = 8, "regular";
    /// A bit each, or lengths of runs. bool.
    Truths = 9, "truths";
    /// Places in a sorted list of the distinct strings, or plain strings. str.
    Strings = 10, "strings";
    /// Distances out of a list. Times.
    Strides = 11, "strides";
}

/// The encodings of doubles that can be asked for.
pub(crate) const FLOATS: &[Encoding] = &[
    Encoding::Raw,
    Encoding::Gorilla,
    Encoding::Decimal,
    Encoding::Scaled,
    Encoding::Dictionary,
    Encoding::Split,
    Encoding::Pattern,
];

impl Encoding {
    /// The id on disk.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The encoding of doubles of this name.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when there is none; it lists them, and `other` names beside.
    pub fn for_floats(name: &str, other: &str) -> Result<Self> {
        FLOATS.iter().copied().find(|encoding| encoding.name() == name).ok_or_else(|| {
            Error::invalid(format!(
                "there is no codec {name:?}; use \"auto\", {other:?}, {}",
                names(FLOATS)
            ))
        })
    }
}

/// The names of encodings, for messages.
pub(crate) fn names(encodings: &[Encoding]) -> String {
    let names: Vec<String> = encodings.iter().map(|e| format!("{:?}", e.name())).collect();
    names.join(", ")
}

/// How hard to try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Effort {
    /// Fast to write and to read.
    #[default]
    Hot,
    /// As small as can be: slower to write and to read.
    Cold,
}

/// How a column is to be encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// How hard to try.
    pub effort: Effort,
    /// The encoding, `None` for the best.
    pub encoding: Option<Encoding>,
}

/// A column, encoded.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// In which encoding.
    pub encoding: Encoding,
    /// What its blocks share.
    pub shared: Vec<u8>,
    /// The blocks, one after the other.
    pub blocks: Vec<u8>,
    /// Where each block ends in those bytes.
    pub ends: Vec<usize>,
    /// The power of ten of which every value is a whole number of tenths, where that is known.
    pub(crate) exponent: Option<u8>,
}

impl Encoded {
    /// Writes the blocks that end at `ends`, one after the other.
    fn of_blocks(
        encoding: Encoding,
        shared: Vec<u8>,
        ends: &[usize],
        mut block: impl FnMut(Range<usize>, &mut Vec<u8>),
    ) -> Self {
        let (mut blocks, mut start) = (Vec::new(), 0);
        let ends = ends.iter().map(|&end| {
            block(start..end, &mut blocks);
            start = end;
            blocks.len()
        });
        let ends = ends.collect();
        Self { encoding, shared, blocks, ends, exponent: None }
    }

    /// The bytes of block `block`.
    ///
    /// # Panics
    /// When there is no such block.
    pub fn block(&self, block: usize) -> &[u8] {
        let start = if block == 0 { 0 } else { self.ends[block - 1] };
        &self.blocks[start..self.ends[block]]
    }

    /// Bytes in all.
    pub fn size(&self) -> usize {
        self.shared.len() + self.blocks.len()
    }

    /// Appends all of it as one piece: `u8 encoding, varint length of what is shared, shared`, and
    /// each block behind its length.
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.encoding.id());
        varint::write(self.shared.len() as u64, out);
        out.extend_from_slice(&self.shared);
        for block in 0..self.ends.len() {
            varint::write(self.block(block).len() as u64, out);
            out.extend_from_slice(self.block(block));
        }
    }

    /// Takes what stands before the blocks of such a piece.
    fn take_head<'a>(bytes: &mut &'a [u8]) -> Result<(Encoding, &'a [u8])> {
        let id = varint::take(bytes, 1)?.first().copied().unwrap_or_default();
        let encoding = Encoding::from_id(id)
            .ok_or_else(|| Error::corrupt(format!("unknown encoding id {id}")))?;
        let length = varint::read(bytes)?;
        Ok((encoding, varint::take(bytes, length)?))
    }
}

/// A sum of tenths as a double: rounded once where the sum is below 2^53 in magnitude.
pub fn decimal_sum(sum: i128, exponent: u8) -> f64 {
    units::decimal_sum(sum, exponent)
}

/// A number of things, for people: `1 value`, `2 values`.
fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Where the blocks of `n` values end when all but the last are whole.
pub(crate) fn whole_blocks(n: usize) -> Vec<usize> {
    (1..=n.div_ceil(BLOCK)).map(|block| (block * BLOCK).min(n)).collect()
}

fn misplaced(encoding: Encoding, ty: &str) -> Error {
    Error::corrupt(format!("encoding {} does not hold {ty} values", encoding.name()))
}

fn too_long(encoding: Encoding) -> Error {
    Error::corrupt(format!("{}: bytes after what the blocks share", encoding.name()))
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

/// Encodes doubles, bit for bit; `ends`: where each block ends among them, at most [`BLOCK`] after
/// the one before.
///
/// # Errors
/// [`Error::InvalidArgument`] when the encoding asked for does not hold doubles.
pub fn encode_f64(values: &[f64], ends: &[usize], choice: Choice) -> Result<Encoded> {
    doubles::encode(values, ends, choice)
}

/// Encodes integers; `ends` as for [`encode_f64`].
pub fn encode_i64(values: &[i64], ends: &[usize], effort: Effort) -> Encoded {
    longs::encode(values, ends, effort)
}

/// Encodes times (nanoseconds) of rows in whole blocks.
pub fn encode_times(values: &[i64], effort: Effort) -> Encoded {
    times::encode(values, effort)
}

/// Encodes truth values; `ends` as for [`encode_f64`].
pub fn encode_truths(values: &[bool], ends: &[usize]) -> Encoded {
    Encoded::of_blocks(Encoding::Truths, Vec::new(), ends, |range, out| {
        encode_bool(&values[range], out);
    })
}

/// Encodes strings; `ends` as for [`encode_f64`].
pub fn encode_strs(values: &StrValues, ends: &[usize]) -> Encoded {
    strings::encode(values, ends)
}
