//! The fixed-width sections of a segment, read in place: nothing is allocated per series.

use bytes::Bytes;
use roaring::RoaringBitmap;

use crate::error::{Error, Result};

/// Reads little-endian integers at checked offsets.
#[derive(Clone, Debug)]
pub(crate) struct Slab(Bytes);

impl Slab {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        at.checked_add(N)
            .and_then(|end| self.0.get(at..end))
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| {
                Error::corrupt(format!("index: {N} bytes at {at} of a section of {}", self.len()))
            })
    }

    pub(crate) fn u32(&self, at: usize) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(at)?))
    }

    pub(crate) fn u64(&self, at: usize) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(at)?))
    }

    pub(crate) fn i64(&self, at: usize) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array(at)?))
    }

    pub(crate) fn u128(&self, at: usize) -> Result<u128> {
        Ok(u128::from_le_bytes(self.array(at)?))
    }

    pub(crate) fn slice(&self, start: usize, end: usize) -> Result<&[u8]> {
        self.0.get(start..end).ok_or_else(|| {
            Error::corrupt(format!("index: bytes {start}..{end} of a section of {}", self.len()))
        })
    }
}

/// A tag's values in ascending order: `count u32, ends u32 * count, bytes`.
#[derive(Clone, Debug)]
pub(crate) struct Dictionary {
    slab: Slab,
    count: usize,
}

impl Dictionary {
    pub(crate) fn encode<'a>(values: impl ExactSizeIterator<Item = &'a str>) -> Result<Vec<u8>> {
        let count = len_u32("tag values", values.len())?;
        let mut ends = Vec::with_capacity(values.len() * 4 + 4);
        ends.extend_from_slice(&count.to_le_bytes());
        let mut bytes = Vec::new();
        for value in values {
            bytes.extend_from_slice(value.as_bytes());
            ends.extend_from_slice(&len_u32("bytes of tag values", bytes.len())?.to_le_bytes());
        }
        ends.extend_from_slice(&bytes);
        Ok(ends)
    }

    pub(crate) fn open(bytes: Bytes) -> Result<Self> {
        let slab = Slab::new(bytes);
        let count = slab.u32(0)? as usize;
        if count.checked_mul(4).is_none_or(|ends| ends > slab.len() - 4) {
            return Err(Error::corrupt(format!("tag dictionary: {count} values do not fit")));
        }
        Ok(Self { slab, count })
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn get(&self, code: usize) -> Result<&str> {
        if code >= self.count {
            return Err(Error::corrupt(format!("tag code {code} of {}", self.count)));
        }
        let base = 4 + 4 * self.count;
        let start = if code == 0 { 0 } else { self.slab.u32(4 * code)? as usize };
        let end = self.slab.u32(4 + 4 * code)? as usize;
        let bytes = self.slab.slice(base + start, base + end)?;
        std::str::from_utf8(bytes).map_err(|e| Error::corrupt(format!("tag value {code}: {e}")))
    }

    /// The code of `value`, when it is there.
    pub(crate) fn find(&self, value: &str) -> Result<Option<usize>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle)?.cmp(value) {
                std::cmp::Ordering::Equal => return Ok(Some(middle)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }
}

/// Longest posting that is written as a plain list.
const LIST: usize = 16;

/// In the count of postings: value `i` is held by series `i` and no other, and none lacks the tag,
/// as where a table's first tag names its series. Nothing else is stored then.
const ONE_EACH: u32 = 1 << 31;

/// For each of a tag's values the series (ordinals) that hold it, the absent value last:
/// `count u32, ends u32 * count, postings`; a posting is a kind byte (0: u32 ordinals, 1: a
/// roaring bitmap in its portable format) and its bytes. With [`ONE_EACH`] the count alone.
#[derive(Clone, Debug)]
pub(crate) struct Postings {
    slab: Slab,
    count: usize,
    one_each: bool,
}

impl Postings {
    /// From ascending ordinals per value.
    pub(crate) fn encode(lists: &[Vec<u32>]) -> Result<Vec<u8>> {
        let count = len_u32("postings", lists.len())?;
        if count >= ONE_EACH {
            return Err(Error::LimitExceeded(format!("{count} values of a tag in one segment")));
        }
        let mut head = Vec::with_capacity(lists.len() * 4 + 4);
        let one_each = lists.split_last().is_some_and(|(absent, lists)| {
            absent.is_empty() && lists.iter().zip(0..).all(|(list, own)| list == &[own])
        });
        if one_each {
            return Ok((count | ONE_EACH).to_le_bytes().to_vec());
        }
        head.extend_from_slice(&count.to_le_bytes());
        let mut body: Vec<u8> = Vec::new();
        for list in lists {
            if list.len() <= LIST {
                body.push(0);
                list.iter().for_each(|ordinal| body.extend_from_slice(&ordinal.to_le_bytes()));
            } else {
                body.push(1);
                let mut bitmap = RoaringBitmap::from_sorted_iter(list.iter().copied())
                    .map_err(|e| Error::Internal(format!("postings out of order: {e}")))?;
                bitmap.optimize();
                bitmap
                    .serialize_into(&mut body)
                    .map_err(|e| Error::storage("writing postings", e))?;
            }
            head.extend_from_slice(&len_u32("bytes of postings", body.len())?.to_le_bytes());
        }
        head.extend_from_slice(&body);
        Ok(head)
    }

    pub(crate) fn open(bytes: Bytes) -> Result<Self> {
        let slab = Slab::new(bytes);
        let head = slab.u32(0)?;
        let (count, one_each) = ((head & !ONE_EACH) as usize, head & ONE_EACH != 0);
        let fits = if one_each { slab.len() == 4 } else { count * 4 <= slab.len() - 4 };
        if !fits || (one_each && count == 0) {
            return Err(Error::corrupt(format!("postings: {count} values do not fit")));
        }
        Ok(Self { slab, count, one_each })
    }

    /// The ordinals that hold value `code`; the absent value's code is one past the dictionary.
    pub(crate) fn get(&self, code: usize) -> Result<RoaringBitmap> {
        if code >= self.count {
            return Err(Error::corrupt(format!("posting {code} of {}", self.count)));
        }
        if self.one_each {
            let present = code + 1 < self.count;
            return Ok(present.then_some(code as u32).into_iter().collect());
        }
        let base = 4 + 4 * self.count;
        let start = if code == 0 { 0 } else { self.slab.u32(4 * code)? as usize };
        let end = self.slab.u32(4 + 4 * code)? as usize;
        match self.slab.slice(base + start, base + end)? {
            [0, list @ ..] if list.len().is_multiple_of(4) => {
                let (words, _) = list.as_chunks::<4>();
                Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
            }
            [1, bitmap @ ..] => RoaringBitmap::deserialize_from(bitmap)
                .map_err(|e| Error::corrupt(format!("posting {code}: {e}"))),
            _ => Err(Error::corrupt(format!("posting {code} has an unknown kind"))),
        }
    }
}

/// A length as the u32 that the format stores.
pub(crate) fn len_u32(what: &str, len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| {
        Error::LimitExceeded(format!("{len} {what} in one segment; at most {} fit", u32::MAX))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_find_every_value_and_no_other() {
        let values = ["", "a", "ab", "b", "zß"];
        let bytes = Dictionary::encode(values.iter().copied()).unwrap();
        let dictionary = Dictionary::open(bytes.into()).unwrap();
        for (code, value) in values.iter().enumerate() {
            assert_eq!(dictionary.get(code).unwrap(), *value);
            assert_eq!(dictionary.find(value).unwrap(), Some(code));
        }
        assert_eq!(dictionary.find("aa").unwrap(), None);
        assert!(dictionary.get(5).is_err());
    }

    #[test]
    fn postings_round_trip_as_lists_and_bitmaps() {
        let lists = vec![vec![3], (0..5000).step_by(2).collect(), vec![], (7..90).collect()];
        let postings = Postings::open(Postings::encode(&lists).unwrap().into()).unwrap();
        for (code, list) in lists.iter().enumerate() {
            assert_eq!(&postings.get(code).unwrap().iter().collect::<Vec<_>>(), list);
        }
        assert!(postings.get(4).is_err());
    }

    #[test]
    fn a_series_for_each_value_takes_no_postings() {
        let mut lists: Vec<Vec<u32>> = (0..300).map(|own| vec![own]).collect();
        lists.push(Vec::new());
        let bytes = Postings::encode(&lists).unwrap();
        assert_eq!(bytes.len(), 4);
        let postings = Postings::open(bytes.into()).unwrap();
        for (code, list) in lists.iter().enumerate() {
            assert_eq!(&postings.get(code).unwrap().iter().collect::<Vec<_>>(), list);
        }
        assert!(postings.get(301).is_err());
        lists[300].push(7);
        assert!(Postings::encode(&lists).unwrap().len() > 300 * 9);
        for head in [[0, 0, 0, 128].as_slice(), &[1, 0, 0, 128, 0]] {
            assert!(Postings::open(Bytes::copy_from_slice(head)).is_err());
        }
    }

    #[test]
    fn counts_that_do_not_fit_are_refused() {
        assert!(Dictionary::open(Bytes::from_static(&[255, 255, 255, 255])).is_err());
        assert!(Postings::open(Bytes::from_static(&[2, 0, 0, 0, 1, 0, 0, 0])).is_err());
        assert!(Dictionary::open(Bytes::from_static(&[1])).is_err());
    }
}
