//! What the targets share: many values out of few bytes, columns as a decoder meets them, and the
//! one error that bytes may give.

pub mod targets;

use arbitrary::{Arbitrary, Unstructured};
use kymograph::Error;
use kymograph::codec::{BLOCK, Effort, Encoded, Encoding};

/// Most values of a column that a target encodes: some blocks.
const MOST: usize = 4 * BLOCK;
/// Most blocks of a chunk.
const MOST_BLOCKS: usize = 64;

/// The value, or `None` when the bytes were corrupt.
///
/// # Panics
/// At any other error.
pub fn corrupt<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Corrupt(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Whether a block was decoded, into exactly `n` values; no value where it was corrupt.
///
/// # Panics
/// When it gave another number of values, or another error.
pub fn decoded(result: Result<(), Error>, n: usize, got: usize) -> bool {
    let decoded = corrupt(result).is_some();
    assert_eq!(got, if decoded { n } else { 0 });
    decoded
}

/// Makes the input that libFuzzer would make of the bytes, and runs it.
pub fn given<T: for<'a> Arbitrary<'a>>(data: &[u8], run: impl Fn(T)) {
    if data.len() >= T::size_hint(0).0
        && let Ok(input) = T::arbitrary_take_rest(Unstructured::new(data))
    {
        run(input);
    }
}

/// The effort, by whether it is cold.
pub fn effort(cold: bool) -> Effort {
    if cold { Effort::Cold } else { Effort::Hot }
}

/// Integers, of which few bytes give many.
#[derive(Arbitrary, Debug)]
pub enum Numbers {
    /// Each as it is.
    Plain(Vec<i64>),
    /// A first number, a step and a length each.
    Lines(Vec<(i64, i64, u16)>),
    /// Small steps of a unit, walked so many times more.
    Walk(i64, i64, Vec<i8>, u8),
}

impl Numbers {
    /// The integers, at most a few blocks of them.
    pub fn values(&self) -> Vec<i64> {
        match self {
            Self::Plain(values) => values.iter().copied().take(MOST).collect(),
            Self::Lines(lines) => {
                let line = |&(first, step, length): &(i64, i64, u16)| {
                    let at = move |i: i64| first.wrapping_add(step.wrapping_mul(i));
                    (0..i64::from(length) % 2048).map(at)
                };
                lines.iter().flat_map(line).take(MOST).collect()
            }
            Self::Walk(first, unit, steps, more) => {
                let walks = std::iter::repeat_n(steps, usize::from(*more) + 1).flatten();
                let walk = walks.scan(*first, |at, step| {
                    *at = at.wrapping_add(unit.wrapping_mul((*step).into()));
                    Some(*at)
                });
                walk.take(MOST).collect()
            }
        }
    }
}

/// Where blocks of these lengths end among `n` values; whole blocks follow them.
pub fn ends(n: usize, cuts: &[u16]) -> Vec<usize> {
    let whole = std::iter::repeat_n(BLOCK, n.div_ceil(BLOCK));
    let cuts = cuts.iter().take(MOST_BLOCKS / 2).map(|cut| block_len(*cut));
    let ends = cuts.chain(whole).scan(0, |end, length| {
        *end = (*end + length).min(n);
        Some(*end)
    });
    ends.collect()
}

fn block_len(n: u16) -> usize {
    usize::from(n) % (BLOCK + 1)
}

/// A change to one of a column's pieces: which, where, and the bits to flip there. No bit: the
/// piece ends there.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Damage(u8, u16, u8);

/// A column as a decoder meets it.
#[derive(Arbitrary, Debug)]
pub struct Pieces {
    encoding: u8,
    /// What the blocks share.
    pub shared: Vec<u8>,
    blocks: Vec<(u16, Vec<u8>)>,
}

impl Pieces {
    /// What an encoder wrote of blocks that end at `ends`, damaged.
    pub fn of(encoded: &Encoded, ends: &[usize], damage: &[Damage]) -> Self {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let lengths = starts.zip(ends).map(|(start, end)| (end - start) as u16);
        let blocks = lengths.enumerate().map(|(at, n)| (n, encoded.block(at).to_vec())).collect();
        let shared = encoded.shared.clone();
        let mut pieces = Self { encoding: encoded.encoding.id(), shared, blocks };
        damage.iter().for_each(|damage| pieces.damage(*damage));
        pieces
    }

    fn damage(&mut self, Damage(piece, at, flip): Damage) {
        let bytes = match usize::from(piece) % (self.blocks.len() + 1) {
            0 => &mut self.shared,
            block => &mut self.blocks[block - 1].1,
        };
        let at = usize::from(at) % (bytes.len() + 1);
        match bytes.get_mut(at) {
            Some(_) if flip == 0 => bytes.truncate(at),
            Some(byte) => *byte ^= flip,
            None => bytes.push(flip),
        }
    }

    /// One of the encodings that there are.
    pub fn encoding(&self) -> Encoding {
        Encoding::ALL[usize::from(self.encoding) % Encoding::ALL.len()]
    }

    /// The same, each block asked for at most so many values.
    pub fn at_most(mut self, most: usize) -> Self {
        self.blocks.iter_mut().for_each(|(n, _)| *n = (block_len(*n) % (most + 1)) as u16);
        self
    }

    /// Each block with how many values it is asked for.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.blocks.iter().take(MOST_BLOCKS).map(|(n, block)| (block_len(*n), block.as_slice()))
    }
}
