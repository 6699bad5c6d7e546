//! Columns of strings: places in a sorted list of the distinct ones, or the strings themselves.
//!
//! The list is written once for all blocks, each of which is then a block of integers. Where
//! strings hardly repeat every block has its own strings. Either way strings are written as a
//! [`table`], and the smaller of the two columns is taken.

mod table;
#[cfg(test)]
mod tests;

use std::ops::Range;

use super::integers::{self, MOST};
use super::{Encoded, Encoding, varint};
use crate::error::{Error, Result};
use crate::model::StrValues;
use table::Table;

/// Most strings of a list: a chunk has no more.
const MOST_LISTED: usize = 1 << 16;

/// Most blocks of a sample.
const SAMPLE: usize = 4;
/// A list below this share of what plain strings take by a sample needs no exact comparison.
const CLEAR: f64 = 0.8;

/// Encodes strings whose blocks end at `ends`.
pub(crate) fn encode(values: &StrValues, ends: &[usize]) -> Encoded {
    let Some(list) = listed(values, ends) else { return plain(values, ends) };
    if (list.size() as f64) < sampled_size(values, ends) * CLEAR {
        return list;
    }
    let plain = plain(values, ends);
    if list.size() <= plain.size() { list } else { plain }
}

/// Every block with its own strings; they share nothing.
fn plain(values: &StrValues, ends: &[usize]) -> Encoded {
    Encoded::of_blocks(Encoding::Strings, Vec::new(), ends, |range, out| {
        write_plain(values, range, out);
    })
}

fn write_plain(values: &StrValues, range: Range<usize>, out: &mut Vec<u8>) {
    if !range.is_empty() {
        let block: Vec<&str> = range.map(|at| values.get(at)).collect();
        table::write(&block, out);
    }
}

/// About how many bytes [`plain`] would take; none where there are too few blocks to tell.
fn sampled_size(values: &StrValues, ends: &[usize]) -> f64 {
    let (mut bytes, mut rows) = (Vec::new(), 0);
    for at in (0..ends.len()).step_by(ends.len() / SAMPLE + 1).skip(1) {
        let range = ends[at - 1]..ends[at];
        rows += range.len();
        write_plain(values, range, &mut bytes);
    }
    if rows == 0 { 0.0 } else { bytes.len() as f64 * values.len() as f64 / rows as f64 }
}

/// Blocks of places in a list that they share; `None` where there is nothing to list, or too much.
fn listed(values: &StrValues, ends: &[usize]) -> Option<Encoded> {
    let (mut places, distinct) = first_places(values)?;
    let sorted = sort(distinct);
    let mut rank = vec![0; sorted.len()];
    sorted.iter().zip(0..).for_each(|(&(_, at), place)| rank[at] = place);
    places.iter_mut().for_each(|place| *place = rank[*place as usize]);
    let sorted: Vec<&str> = sorted.into_iter().map(|(value, _)| value).collect();
    let mut shared = Vec::new();
    varint::write(sorted.len() as u64, &mut shared);
    table::write(&sorted, &mut shared);
    Some(Encoded::of_blocks(Encoding::Strings, shared, ends, |range, out| {
        integers::encode(&places[range], out);
    }))
}

/// Strings in the order of their bytes, each with the place where it stood.
fn sort(values: Vec<&str>) -> Vec<(&str, usize)> {
    // What all begin with is not compared, and eight bytes after it mostly tell.
    let first = values.first().copied().unwrap_or_default();
    let same = values.iter().fold(first.len(), |same, value| {
        table::common(&first.as_bytes()[..same], value.as_bytes())
    });
    let key = |value: &str| {
        let rest = &value.as_bytes()[same..];
        let mut key = [0; 8];
        let len = rest.len().min(8);
        key[..len].copy_from_slice(&rest[..len]);
        u64::from_be_bytes(key)
    };
    let keyed = values.into_iter().enumerate().map(|(at, value)| (key(value), value, at));
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, value, at)| (value, at)).collect()
}

/// The distinct strings in the order of their first occurrence, and each string's place among
/// them; `None` where there are none or more than [`MOST_LISTED`].
fn first_places(values: &StrValues) -> Option<(Vec<i64>, Vec<&str>)> {
    let mut distinct = Vec::new();
    let mut seen = hashbrown::HashMap::<&str, i64, foldhash::fast::FixedState>::default();
    let mut places = Vec::with_capacity(values.len());
    for value in values.iter() {
        let place = *seen.entry(value).or_insert_with(|| {
            distinct.push(value);
            distinct.len() as i64 - 1
        });
        places.push(place);
    }
    (1..=MOST_LISTED).contains(&distinct.len()).then_some((places, distinct))
}

/// What is needed to read a column of strings.
#[derive(Debug)]
pub struct Strings(Option<Table<'static>>);

impl Strings {
    /// Reads what the blocks of a column share.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when it is not of that encoding.
    pub fn open(encoding: Encoding, mut shared: &[u8]) -> Result<Self> {
        if encoding != Encoding::Strings {
            return Err(super::misplaced(encoding, "str"));
        }
        if shared.is_empty() {
            return Ok(Self(None));
        }
        let listed = varint::read(&mut shared)?;
        let listed = usize::try_from(listed)
            .ok()
            .filter(|listed| (1..=MOST_LISTED).contains(listed))
            .ok_or_else(|| Error::corrupt(format!("strings: a list of {listed} strings")))?;
        Ok(Self(Some(Table::read(shared, listed)?.into_owned())))
    }

    /// What there is to tell beside the encoding's name: how long the list is, where there is one.
    pub fn detail(&self) -> String {
        self.0.as_ref().map_or("plain".to_owned(), |list| super::counted(list.len(), "value"))
    }

    /// Appends the `n` strings of a block. A block of places can be `n` times the longest string
    /// of the list, as the strings that were encoded were.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the block holds exactly `n` strings in UTF-8 that fit into `out`,
    /// which is then as it was.
    pub fn decode(&self, block: &[u8], n: usize, out: &mut StrValues) -> Result<()> {
        match &self.0 {
            Some(list) => decode_places(list, block, n, out),
            None if n > MOST => Err(Error::Internal(format!("a block of {n} strings"))),
            None if n > 0 => append(&Table::read(block, n)?, 0..n, out),
            None if block.is_empty() => Ok(()),
            None => Err(Error::corrupt("strings: bytes for no strings")),
        }
    }
}

fn decode_places(list: &Table<'_>, block: &[u8], n: usize, out: &mut StrValues) -> Result<()> {
    let mut places = [0; MOST];
    let places =
        places.get_mut(..n).ok_or_else(|| Error::Internal(format!("a block of {n} strings")))?;
    integers::decode(block, places)?;
    let most = places.iter().fold(0, |most, &place| most.max(place as u64));
    if most >= list.len() as u64 {
        return Err(Error::corrupt(format!("strings: place {most} of {}", list.len())));
    }
    append(list, places.iter().map(|&place| place as usize), out)
}

/// Appends the strings at `places`, which there are, once they are known to fit.
fn append(
    table: &Table<'_>,
    places: impl Iterator<Item = usize> + Clone,
    out: &mut StrValues,
) -> Result<()> {
    let bytes: usize = places.clone().map(|place| table.range(place).len()).sum();
    if bytes + out.byte_len() > u32::MAX as usize {
        return Err(Error::corrupt("strings: past 4 GiB"));
    }
    places.for_each(|place| out.push(table.get(place)));
    Ok(())
}
