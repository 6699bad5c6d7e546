//! A growable bitmap: which rows of a column hold a value.

/// One bit a row, least significant first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
    len: usize,
}

impl Bitmap {
    /// `len` bits, all `value`.
    pub fn filled(len: usize, value: bool) -> Self {
        let mut words = vec![if value { u64::MAX } else { 0 }; len.div_ceil(64)];
        if value
            && !len.is_multiple_of(64)
            && let Some(last) = words.last_mut()
        {
            *last = (1u64 << (len % 64)) - 1;
        }
        Self { words, len }
    }

    /// From words as [`Self::words`] gives them; `None` when there are too few of them or a bit
    /// past `len` is set.
    pub fn from_words(words: Vec<u64>, len: usize) -> Option<Self> {
        if words.len() != len.div_ceil(64) {
            return None;
        }
        if !len.is_multiple_of(64) && words.last().is_some_and(|w| w >> (len % 64) != 0) {
            return None;
        }
        Some(Self { words, len })
    }

    /// The bits, 64 a word, zeros past the end.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// How many bits there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no bit.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a bit.
    pub fn push(&mut self, value: bool) {
        if self.len.is_multiple_of(64) {
            self.words.push(0);
        }
        if value {
            self.words[self.len / 64] |= 1 << (self.len % 64);
        }
        self.len += 1;
    }

    /// Appends `n` bits, all `value`.
    pub fn extend_with(&mut self, n: usize, value: bool) {
        for _ in 0..n {
            self.push(value);
        }
    }

    /// The bit at `i`.
    ///
    /// # Panics
    /// When `i` is past the end.
    pub fn get(&self, i: usize) -> bool {
        assert!(i < self.len, "bit {i} of {}", self.len);
        self.words[i / 64] >> (i % 64) & 1 == 1
    }

    /// Sets the bit at `i`.
    ///
    /// # Panics
    /// When `i` is past the end.
    pub fn set(&mut self, i: usize, value: bool) {
        assert!(i < self.len, "bit {i} of {}", self.len);
        let mask = 1 << (i % 64);
        if value {
            self.words[i / 64] |= mask;
        } else {
            self.words[i / 64] &= !mask;
        }
    }

    /// How many bits are set.
    pub fn count_ones(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// How many of the first `i` bits are set.
    pub fn rank(&self, i: usize) -> usize {
        let whole: usize = self.words[..i / 64].iter().map(|w| w.count_ones() as usize).sum();
        match i % 64 {
            0 => whole,
            rest => whole + (self.words[i / 64] & ((1 << rest) - 1)).count_ones() as usize,
        }
    }

    /// The bits in order.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.len).map(|i| self.words[i / 64] >> (i % 64) & 1 == 1)
    }
}

impl FromIterator<bool> for Bitmap {
    fn from_iter<I: IntoIterator<Item = bool>>(bits: I) -> Self {
        let mut map = Self::default();
        for bit in bits {
            map.push(bit);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_counts_what_stands_before() {
        let bits: Vec<bool> = (0..200).map(|i| i % 3 == 0).collect();
        let map: Bitmap = bits.iter().copied().collect();
        for i in 0..=200 {
            assert_eq!(map.rank(i), bits[..i].iter().filter(|b| **b).count());
        }
        assert_eq!(map.count_ones(), map.rank(200));
        assert_eq!(Bitmap::filled(70, true).count_ones(), 70);
    }

    #[test]
    fn stray_bits_are_refused() {
        assert!(Bitmap::from_words(vec![0b100], 2).is_none());
        assert!(Bitmap::from_words(vec![0b11], 2).is_some());
        assert!(Bitmap::from_words(vec![], 2).is_none());
    }
}
