//! The values of buckets, for percentiles: decimals as the integers that they are stored as.

use crate::codec::units;
use crate::kernels::percentile::{percentile, percentile_of_numbers};

/// Values that a bucket's memory is kept for when it is forgotten, at most.
const SPARE: usize = 1 << 12;

/// One list of values a bucket.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Those from `used` on are empty, and of memory to use again.
    lists: Vec<List>,
    used: usize,
    /// Values of all buckets.
    count: usize,
}

/// The values of a bucket, in one of two forms.
#[derive(Clone, Debug, Default)]
struct List {
    /// Tenths of `exponent`, while all of them are of one power of ten.
    numbers: Vec<i64>,
    exponent: u8,
    doubles: Vec<f64>,
}

impl List {
    fn len(&self) -> usize {
        self.numbers.len() + self.doubles.len()
    }

    fn take_numbers(&mut self, numbers: &[i64], exponent: u8) {
        if self.doubles.is_empty() && (self.numbers.is_empty() || self.exponent == exponent) {
            self.exponent = exponent;
            self.numbers.extend_from_slice(numbers);
        } else {
            self.widen();
            self.doubles.extend(numbers.iter().map(|&number| units::decimal(number, exponent)));
        }
    }

    fn take(&mut self, values: &[f64]) {
        self.widen();
        self.doubles.extend_from_slice(values);
    }

    fn widen(&mut self) {
        let (numbers, exponent) = (std::mem::take(&mut self.numbers), self.exponent);
        self.doubles.extend(numbers.into_iter().map(|number| units::decimal(number, exponent)));
    }

    fn clear(&mut self) {
        if self.numbers.capacity() + self.doubles.capacity() > SPARE {
            *self = Self::default();
        }
        self.numbers.clear();
        self.doubles.clear();
    }
}

impl Kept {
    /// Bytes of the values.
    pub(super) fn bytes(&self) -> usize {
        self.count * 8
    }

    /// Bytes of a bucket without values.
    pub(super) const fn state_bytes() -> usize {
        size_of::<List>()
    }

    /// Appends a bucket without values.
    pub(super) fn push_empty(&mut self) {
        if self.used == self.lists.len() {
            self.lists.push(List::default());
        }
        self.used += 1;
    }

    /// Forgets every bucket and keeps some of the memory.
    pub(super) fn clear(&mut self) {
        self.lists[..self.used].iter_mut().for_each(List::clear);
        self.lists.truncate(SPARE);
        (self.used, self.count) = (0, 0);
    }

    /// Takes in numbers that count tenths of a power of ten.
    pub(super) fn take_numbers(&mut self, slot: usize, numbers: &[i64], exponent: u8) {
        self.lists[slot].take_numbers(numbers, exponent);
        self.count += numbers.len();
    }

    /// Takes in values.
    pub(super) fn take(&mut self, slot: usize, values: &[f64]) {
        self.lists[slot].take(values);
        self.count += values.len();
    }

    /// Takes in those of a bucket of `other`, and leaves nothing of use there unless `keep`.
    pub(super) fn join(&mut self, slot: usize, other: &mut Self, from: usize, keep: bool) {
        let (own, theirs) = (&mut self.lists[slot], &mut other.lists[from]);
        self.count += theirs.len();
        if own.len() == 0 && !keep {
            *own = std::mem::take(theirs);
        } else if !theirs.numbers.is_empty() {
            own.take_numbers(&theirs.numbers, theirs.exponent);
        } else if !theirs.doubles.is_empty() {
            own.take(&theirs.doubles);
        }
    }

    /// A percentile of a bucket; `None` of no value.
    pub(super) fn percentile(&mut self, slot: usize, percent: f64) -> Option<f64> {
        let List { numbers, exponent, doubles } = &mut self.lists[slot];
        if numbers.is_empty() {
            return percentile(doubles, percent);
        }
        let exponent = *exponent;
        percentile_of_numbers(numbers, |number| units::decimal(number, exponent), percent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn forms_mix_as_doubles(
            pieces in prop::collection::vec(
                (0..2usize, any::<bool>(), 0..3u8, prop::collection::vec(-500..500i64, 0..9)), 1..12),
            percent in 0.0..=100.0f64,
            keep in any::<bool>(),
        ) {
            let mut kept = Kept::default();
            // The second time in memory that was used before.
            for _ in 0..2 {
                kept.push_empty();
                kept.push_empty();
                let mut naive = [Vec::new(), Vec::new()];
                for (slot, whole, exponent, numbers) in &pieces {
                    let values: Vec<f64> =
                        numbers.iter().map(|&n| units::decimal(n, *exponent)).collect();
                    match whole {
                        true => kept.take_numbers(*slot, numbers, *exponent),
                        false => kept.take(*slot, &values),
                    }
                    naive[*slot].extend(values);
                }
                for (slot, values) in naive.iter().enumerate() {
                    let found = kept.percentile(slot, percent);
                    prop_assert_eq!(found, percentile(&mut values.clone(), percent));
                }
                let mut all = Kept::default();
                all.push_empty();
                all.join(0, &mut kept, 0, keep);
                all.join(0, &mut kept, 1, keep);
                prop_assert_eq!(all.bytes(), kept.bytes());
                let mut both = naive.concat();
                prop_assert_eq!(all.percentile(0, percent), percentile(&mut both, percent));
                kept.clear();
                prop_assert_eq!(kept.bytes(), 0);
            }
        }
    }
}
