//! Buckets of time, aligned to the epoch, and the slots that hold their states.

use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::model::Timestamp;

/// Buckets of `every` nanoseconds (positive), or one bucket of all time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucketing {
    pub(crate) every: Option<i64>,
}

impl Bucketing {
    /// The number of the bucket that `time` is in; the epoch starts bucket 0.
    pub(crate) fn of(self, time: Timestamp) -> i64 {
        self.every.map_or(0, |every| time.div_euclid(every))
    }

    /// The start of a bucket; the first that there can be may begin before time does.
    pub(crate) fn start(self, bucket: i64) -> Timestamp {
        self.every.map_or(0, |every| bucket.saturating_mul(every))
    }

    /// The first time past a bucket, `None` when time ends before.
    fn end(self, bucket: i64) -> Option<Timestamp> {
        let every = self.every?;
        i64::try_from((i128::from(bucket) + 1) * i128::from(every)).ok()
    }

    /// Cuts `rows` of the ascending `times` where the bucket changes.
    pub(super) fn cut(
        self,
        times: &[Timestamp],
        rows: Range<usize>,
        mut each: impl FnMut(i64, Range<usize>),
    ) {
        let mut at = rows.start;
        while at < rows.end {
            let bucket = self.of(times[at]);
            let to = match self.end(bucket) {
                None => rows.end,
                Some(end) => at + gallop(&times[at..rows.end], end),
            };
            each(bucket, at..to);
            at = to;
        }
    }
}

/// How many of the ascending `times` are before `end`; fast when few are.
fn gallop(times: &[Timestamp], end: Timestamp) -> usize {
    let mut reach = 1;
    while reach < times.len() && times[reach] < end {
        reach *= 2;
    }
    let from = reach / 2;
    from + times[from..times.len().min(reach + 1)].partition_point(|&t| t < end)
}

const NONE: u32 = u32::MAX;
/// As many buckets as the direct table takes without asking how many rows there are.
const DIRECT: usize = 1 << 16;

/// From bucket numbers to slots: a direct table where buckets are dense, else a hash table.
#[derive(Debug, Default)]
pub(super) struct Slots {
    base: i64,
    direct: Vec<u32>,
    hashed: HashMap<i64, u32, FixedState>,
    /// The bucket of each slot.
    pub(super) buckets: Vec<i64>,
}

impl Slots {
    /// Makes room for the buckets `first..=last` when they are no more than `rows` or a few.
    pub(super) fn reserve(&mut self, first: i64, last: i64, rows: usize) {
        let (mut low, mut high) = (first, last);
        if !self.direct.is_empty() {
            low = low.min(self.base);
            high = high.max(self.base + (self.direct.len() - 1) as i64);
        }
        let span = i128::from(high) - i128::from(low) + 1;
        if span > DIRECT.max(rows) as i128
            || (low == self.base && span == self.direct.len() as i128)
        {
            return;
        }
        self.direct = vec![NONE; span as usize];
        self.base = low;
        let buckets = std::mem::take(&mut self.buckets);
        self.hashed.clear();
        for (slot, &bucket) in buckets.iter().enumerate() {
            *self.entry(bucket) = slot as u32;
        }
        self.buckets = buckets;
    }

    fn entry(&mut self, bucket: i64) -> &mut u32 {
        let at = bucket.checked_sub(self.base).and_then(|at| usize::try_from(at).ok());
        match at.filter(|&at| at < self.direct.len()) {
            Some(at) => &mut self.direct[at],
            None => self.hashed.entry(bucket).or_insert(NONE),
        }
    }

    /// The slot of a bucket, and whether it is new.
    pub(super) fn slot(&mut self, bucket: i64) -> (usize, bool) {
        let next = self.buckets.len() as u32;
        let entry = self.entry(bucket);
        let new = *entry == NONE;
        if new {
            *entry = next;
        }
        let slot = *entry as usize;
        if new {
            self.buckets.push(bucket);
        }
        (slot, new)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn cutting_is_numbering_each_row(
            mut times in prop::collection::vec(
                prop_oneof![-50..50i64, any::<i64>()], 0..80),
            every in prop_oneof![Just(None), (1..20i64).prop_map(Some), (1..i64::MAX).prop_map(Some)],
        ) {
            times.sort_unstable();
            let buckets = Bucketing { every };
            let mut cut = Vec::new();
            buckets.cut(&times, 0..times.len(), |bucket, rows| {
                assert!(!rows.is_empty());
                cut.extend(rows.map(|_| bucket));
            });
            let naive: Vec<i64> = times
                .iter()
                .map(|&t| every.map_or(0, |e| (t as i128).div_euclid(e as i128) as i64))
                .collect();
            prop_assert_eq!(cut, naive);
        }

        #[test]
        fn slots_are_a_map(
            steps in prop::collection::vec((-70_000..70_000i64, any::<bool>(), 0..100i64), 0..60),
        ) {
            let mut slots = Slots::default();
            let mut model: std::collections::HashMap<i64, usize> = Default::default();
            for (bucket, reserve, more) in steps {
                if reserve {
                    slots.reserve(bucket, bucket + more, 0);
                } else {
                    let next = model.len();
                    let known = model.contains_key(&bucket);
                    let slot = *model.entry(bucket).or_insert(next);
                    prop_assert_eq!(slots.slot(bucket), (slot, !known));
                }
            }
        }
    }
}
