//! Strings one after the other: their lengths as integers, then their text, both front coded and
//! the text under LZ4 where that makes them smaller.
//!
//! Front coding leaves out of every string what it begins with like the one before (I. Witten,
//! A. Moffat and T. Bell, "Managing Gigabytes", 1999, section 4.1).
//!
//! A few bytes can stand for very many, so how far a table may grow has limits that a reader checks
//! before it makes room:
//!
//! - text under LZ4 grows at most 255 times, which is all that an LZ4 block can;
//! - front coding can repeat a long front for each string: quadratic in the text, on top of LZ4.
//!   The strings together are at most [`FRONT_GROWTH`] times the table, which a writer keeps to by
//!   not front coding what grows more; strings like that shrink well enough under LZ4 alone.
//!
//! No table passes 4 GiB of strings.

use std::borrow::Cow;
use std::ops::Range;

use super::MOST;
use crate::codec::{integers, varint};
use crate::error::{Error, Result};

const FRONT: u64 = 1;
const LZ4: u64 = 2;
/// Most that an LZ4 block grows by.
const LZ4_GROWTH: u64 = 255;
/// Most that a front coded table grows by, LZ4 included.
const FRONT_GROWTH: u64 = 1024;
/// Texts below this are not worth a try with LZ4.
const LZ4_FROM: usize = 32;

/// Appends strings, at least one.
pub(super) fn write(values: &[&str], out: &mut Vec<u8>) {
    let plain = Draft::plain(values);
    let front = Draft::front(values);
    // What is not shorter before LZ4 is not shorter under it, which finds common fronts as well.
    let front = (front.size() < plain.size()).then(|| front.finish());
    let plain = plain.finish();
    let bytes: u64 = values.iter().map(|value| value.len() as u64).sum();
    let front = front
        .filter(|front| front.len() < plain.len() && bytes <= FRONT_GROWTH * front.len() as u64);
    out.extend_from_slice(front.as_ref().unwrap_or(&plain));
}

/// A table before LZ4.
struct Draft {
    form: u64,
    lengths: Vec<u8>,
    text: Vec<u8>,
}

impl Draft {
    fn plain(values: &[&str]) -> Self {
        let numbers: Vec<i64> = values.iter().map(|value| value.len() as i64).collect();
        let mut lengths = Vec::new();
        write_numbers(&numbers, true, &mut lengths);
        Self { form: 0, lengths, text: values.concat().into_bytes() }
    }

    fn front(values: &[&str]) -> Self {
        let (mut fronts, mut backs) = (Vec::new(), Vec::new());
        let (mut text, mut total, mut before) = (Vec::new(), 0, &b""[..]);
        for value in values {
            let value = value.as_bytes();
            let front = common(before, value);
            fronts.push(front as i64);
            backs.push((value.len() - front) as i64);
            text.extend_from_slice(&value[front..]);
            total += value.len() as u64;
            before = value;
        }
        let mut lengths = Vec::new();
        varint::write(total, &mut lengths);
        write_numbers(&fronts, false, &mut lengths);
        write_numbers(&backs, true, &mut lengths);
        Self { form: FRONT, lengths, text }
    }

    fn size(&self) -> usize {
        self.lengths.len() + self.text.len()
    }

    fn finish(self) -> Vec<u8> {
        let Self { mut form, lengths, mut text } = self;
        if text.len() >= LZ4_FROM {
            let packed = lz4_flex::block::compress(&text);
            if packed.len() < text.len() {
                form |= LZ4;
                text = packed;
            }
        }
        let mut out = Vec::with_capacity(lengths.len() + text.len() + 10);
        varint::write((lengths.len() as u64) << 2 | form, &mut out);
        out.extend_from_slice(&lengths);
        out.extend_from_slice(&text);
        out
    }
}

/// How many bytes two strings begin with alike.
pub(super) fn common(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// Appends numbers in blocks, each behind its length; the last one without where nothing follows.
fn write_numbers(numbers: &[i64], last: bool, out: &mut Vec<u8>) {
    let (mut blocks, mut block) = (numbers.chunks(MOST).peekable(), Vec::new());
    while let Some(numbers) = blocks.next() {
        block.clear();
        integers::encode(numbers, &mut block);
        if !last || blocks.peek().is_some() {
            varint::write(block.len() as u64, out);
        }
        out.extend_from_slice(&block);
    }
}

/// Takes `n` lengths so written, none of which passes 4 GiB.
fn read_numbers(bytes: &mut &[u8], n: usize, last: bool) -> Result<Vec<u32>> {
    let (mut all, mut numbers) = (Vec::new(), [0; MOST]);
    while all.len() < n {
        let count = (n - all.len()).min(MOST);
        let length =
            if last && all.len() + count == n { bytes.len() as u64 } else { varint::read(bytes)? };
        let numbers = &mut numbers[..count];
        integers::decode(varint::take(bytes, length)?, numbers)?;
        let widest = numbers.iter().fold(0, |bits, &number| bits | number as u64);
        if widest > u32::MAX.into() {
            return Err(Error::corrupt("strings: a length past 4 GiB"));
        }
        all.extend(numbers.iter().map(|&number| number as u32));
    }
    Ok(all)
}

/// Strings of which each can be reached.
///
/// Invariant: `ends` ascend, are ends of characters, and the last is that of the text.
#[derive(Debug)]
pub(super) struct Table<'a> {
    text: Cow<'a, str>,
    ends: Vec<u32>,
}

impl<'a> Table<'a> {
    /// Reads `n` strings; the blocks of lengths bound what an untrue `n` can cost.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless `bytes` hold exactly `n` strings in UTF-8.
    pub(super) fn read(mut bytes: &'a [u8], n: usize) -> Result<Self> {
        let most = (bytes.len() as u64).saturating_mul(FRONT_GROWTH);
        let head = varint::read(&mut bytes)?;
        let mut lengths = varint::take(&mut bytes, head >> 2)?;
        let (text, ends) = if head & FRONT == 0 {
            let backs = read_numbers(&mut lengths, n, true)?;
            let total = sum(&backs);
            let ends = ends(backs.into_iter(), total)?;
            (read_text(bytes, head, total)?, ends)
        } else {
            let total = varint::read(&mut lengths)?;
            let fronts = read_numbers(&mut lengths, n, false)?;
            let backs = read_numbers(&mut lengths, n, true)?;
            if total > most || total != sum(&fronts) + sum(&backs) {
                return Err(Error::corrupt(format!("strings: {total} bytes, front coded")));
            }
            let ends = ends(fronts.iter().zip(&backs).map(|(front, back)| front + back), total)?;
            let text = read_text(bytes, head, sum(&backs))?;
            (Cow::Owned(expand(&text, &fronts, &backs, total as usize)?), ends)
        };
        let text = match text {
            Cow::Borrowed(text) => std::str::from_utf8(text).map(Cow::Borrowed),
            Cow::Owned(text) => {
                String::from_utf8(text).map(Cow::Owned).map_err(|error| error.utf8_error())
            }
        };
        let text = text.map_err(|error| Error::corrupt(format!("strings: {error}")))?;
        if !text.is_ascii() && !ends.iter().all(|&end| text.is_char_boundary(end as usize)) {
            return Err(Error::corrupt("strings: one ends inside a character"));
        }
        Ok(Self { text, ends })
    }

    /// The same, of bytes of its own.
    pub(super) fn into_owned(self) -> Table<'static> {
        Table { text: Cow::Owned(self.text.into_owned()), ends: self.ends }
    }

    /// How many strings there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where in the text the string at `at` stands.
    ///
    /// # Panics
    /// When there is no such string.
    #[inline(always)]
    pub(super) fn range(&self, at: usize) -> Range<usize> {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        start as usize..self.ends[at] as usize
    }

    /// The string at `at`.
    ///
    /// # Panics
    /// When there is no such string.
    #[inline(always)]
    pub(super) fn get(&self, at: usize) -> &str {
        &self.text[self.range(at)]
    }
}

fn sum(lengths: &[u32]) -> u64 {
    lengths.iter().copied().map(u64::from).sum()
}

/// Where strings end that are `total` bytes together.
fn ends(lengths: impl Iterator<Item = u32>, total: u64) -> Result<Vec<u32>> {
    if total > u32::MAX.into() {
        return Err(Error::corrupt("strings: past 4 GiB"));
    }
    let mut end = 0;
    let ends = lengths.map(|length| {
        end += length;
        end
    });
    Ok(ends.collect())
}

/// The text, `len` bytes of it.
fn read_text(bytes: &[u8], form: u64, len: u64) -> Result<Cow<'_, [u8]>> {
    let have = bytes.len() as u64;
    if form & LZ4 == 0 {
        return if have == len {
            Ok(Cow::Borrowed(bytes))
        } else {
            Err(Error::corrupt(format!("strings: {have} bytes of text where {len} belong")))
        };
    }
    if len > have.saturating_mul(LZ4_GROWTH) {
        return Err(Error::corrupt(format!("strings: {len} bytes out of {have} under LZ4")));
    }
    let mut text = vec![0; len as usize];
    match lz4_flex::block::decompress_into(bytes, &mut text) {
        Ok(got) if got as u64 == len => Ok(Cow::Owned(text)),
        Ok(got) => Err(Error::corrupt(format!("strings: {got} bytes where {len} belong"))),
        Err(error) => Err(Error::corrupt(format!("strings: {error}"))),
    }
}

/// Undoes front coding, into `total` bytes.
fn expand(text: &[u8], fronts: &[u32], backs: &[u32], total: usize) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(total);
    let (mut rest, mut start) = (text, 0);
    for (&front, &back) in fronts.iter().zip(backs) {
        let end = out.len();
        if front as usize > end - start {
            return Err(Error::corrupt(format!("strings: a front of {front} bytes")));
        }
        out.extend_from_within(start..start + front as usize);
        out.extend_from_slice(varint::take(&mut rest, back.into())?);
        start = end;
    }
    Ok(out)
}
