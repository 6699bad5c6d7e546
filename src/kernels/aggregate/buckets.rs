//! Buckets of time, and the slots that hold their states.

use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::codec::EvenTimes;
use crate::error::{Error, Result};
use crate::model::Timestamp;

/// Which times belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucketing {
    grid: Grid,
    windows: Option<Windows>,
}

#[derive(Clone, Debug, PartialEq)]
enum Grid {
    /// All time.
    All,
    /// Of `width` ns; bucket 0 starts at `offset`, which is from 0 to less than `width`.
    Even { width: i64, offset: i64 },
    /// From each of these ascending times to the next.
    Table(Arc<[Timestamp]>),
}

/// Windows over the buckets: window `w` is of `length` of them from `w * step + shift` on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Windows {
    pub(super) length: i64,
    pub(super) step: i64,
    pub(super) shift: i64,
}

impl Windows {
    /// The first and the last window that a bucket is in; none where the last is before the first.
    pub(super) fn of(self, bucket: i64) -> (i64, i64) {
        let at = bucket.saturating_sub(self.shift);
        let last = at.div_euclid(self.step);
        let before = at.saturating_sub(self.length).div_euclid(self.step);
        (before.saturating_add(1), last)
    }
}

impl Bucketing {
    /// One bucket of all time.
    pub fn all() -> Self {
        Self { grid: Grid::All, windows: None }
    }

    /// Buckets of `width` nanoseconds, one of which starts at `origin`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `width` is not positive.
    pub fn even(width: i64, origin: Timestamp) -> Result<Self> {
        if width <= 0 {
            return Err(Error::invalid(format!(
                "every must be a positive duration, got {width} ns; None takes all time at once"
            )));
        }
        let grid = Grid::Even { width, offset: origin.rem_euclid(width) };
        Ok(Self { grid, windows: None })
    }

    /// Windows of `width` nanoseconds that start every `step`, one of them at `origin`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when either is not positive.
    pub fn sliding(width: i64, step: i64, origin: Timestamp) -> Result<Self> {
        if step <= 0 {
            return Err(Error::invalid(format!("step must be a positive duration, got {step} ns")));
        }
        let Self { grid, .. } = Self::even(width, origin)?;
        if width == step {
            return Ok(Self { grid, windows: None });
        }
        let fine = common(width, step);
        let (offset, first) = (origin.rem_euclid(fine), origin.rem_euclid(step));
        let windows =
            Windows { length: width / fine, step: step / fine, shift: (first - offset) / fine };
        Ok(Self { grid: Grid::Even { width: fine, offset }, windows: Some(windows) })
    }

    /// A bucket from each of these ascending times to the next; the first has what is before it,
    /// too, and the last all that follows.
    pub fn table(starts: Vec<Timestamp>) -> Self {
        Self { grid: Grid::Table(starts.into()), windows: None }
    }

    /// Whether the buckets are of one length and do not overlap.
    pub fn is_even(&self) -> bool {
        matches!(self.grid, Grid::Even { .. }) && self.windows.is_none()
    }

    /// Bytes of the table, if there is one.
    pub fn bytes(&self) -> usize {
        match &self.grid {
            Grid::Table(starts) => starts.len() * 8,
            Grid::All | Grid::Even { .. } => 0,
        }
    }

    /// The windows over the buckets, if they slide.
    pub(super) fn windows(&self) -> Option<Windows> {
        self.windows
    }

    /// The same without windows, numbered as the result is: by windows where they slide.
    #[must_use]
    pub fn of_result(&self) -> Self {
        match (&self.grid, self.windows) {
            (Grid::Even { width, offset }, Some(windows)) => {
                let step = width * windows.step;
                let offset = offset + windows.shift * width;
                Self { grid: Grid::Even { width: step, offset }, windows: None }
            }
            (grid, _) => Self { grid: grid.clone(), windows: None },
        }
    }

    /// The number of the bucket that `time` is in.
    pub fn of(&self, time: Timestamp) -> i64 {
        match &self.grid {
            Grid::All => 0,
            Grid::Even { width, offset } => {
                time.div_euclid(*width) - i64::from(time.rem_euclid(*width) < *offset)
            }
            Grid::Table(starts) => {
                starts.partition_point(|start| *start <= time).saturating_sub(1) as i64
            }
        }
    }

    /// The start of a bucket; the first that there can be may begin before time does.
    pub fn start(&self, bucket: i64) -> Timestamp {
        match &self.grid {
            Grid::All => 0,
            Grid::Even { width, offset } => {
                let start = i128::from(bucket) * i128::from(*width) + i128::from(*offset);
                start.clamp(i64::MIN.into(), i64::MAX.into()) as i64
            }
            Grid::Table(starts) => {
                let at = usize::try_from(bucket).ok().and_then(|at| starts.get(at));
                at.copied().unwrap_or_default()
            }
        }
    }

    /// The first time past a bucket, `None` when time ends before.
    pub(super) fn end(&self, bucket: i64) -> Option<Timestamp> {
        match &self.grid {
            Grid::All => None,
            Grid::Even { width, offset } => {
                let end = (i128::from(bucket) + 1) * i128::from(*width) + i128::from(*offset);
                i64::try_from(end).ok()
            }
            Grid::Table(starts) => {
                usize::try_from(bucket).ok().and_then(|at| starts.get(at + 1)).copied()
            }
        }
    }

    /// Cuts `rows` of the ascending `times` where the bucket changes.
    pub(super) fn cut<T: Ascending + ?Sized>(
        &self,
        times: &T,
        rows: Range<usize>,
        mut each: impl FnMut(i64, Range<usize>),
    ) {
        let width = match self.grid {
            Grid::Even { width, .. } => width,
            Grid::All | Grid::Table(_) => 0,
        };
        let mut at = rows.start;
        // A bucket and the first time past it.
        let mut before: Option<(i64, Timestamp)> = None;
        while at < rows.end {
            let time = times.at(at);
            // Mostly it is the next one, and nothing has to be divided.
            let next = before.and_then(|(bucket, start)| {
                let end = start.checked_add(width)?;
                (time < end).then_some((bucket + 1, Some(end)))
            });
            let (bucket, end) = next.unwrap_or_else(|| {
                let bucket = self.of(time);
                (bucket, self.end(bucket))
            });
            let to = end.map_or(rows.end, |end| times.until(at..rows.end, end));
            each(bucket, at..to);
            (at, before) = (to, end.map(|end| (bucket, end)));
        }
    }
}

/// Times that ascend, by row.
pub(super) trait Ascending {
    /// The time of a row.
    fn at(&self, row: usize) -> Timestamp;

    /// The first of `rows`, but for the first of them, that is not before `end`, or their end.
    fn until(&self, rows: Range<usize>, end: Timestamp) -> usize;
}

impl Ascending for [Timestamp] {
    fn at(&self, row: usize) -> Timestamp {
        self[row]
    }

    fn until(&self, rows: Range<usize>, end: Timestamp) -> usize {
        rows.start + gallop(&self[rows], end)
    }
}

impl Ascending for EvenTimes {
    fn at(&self, row: usize) -> Timestamp {
        self.at(row)
    }

    fn until(&self, rows: Range<usize>, end: Timestamp) -> usize {
        self.before(end).clamp(rows.start, rows.end)
    }
}

/// The greatest common divisor of two positive numbers.
fn common(mut a: i64, mut b: i64) -> i64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
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

    /// Forgets every bucket and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.direct.clear();
        self.hashed.clear();
        self.buckets.clear();
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
            let buckets = every.map_or(Bucketing::all(), |e| Bucketing::even(e, 0).expect("positive"));
            let mut cut = Vec::new();
            buckets.cut(times.as_slice(), 0..times.len(), |bucket, rows| {
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
        fn even_times_are_cut_as_those_they_stand_for(
            first in prop_oneof![-200..200i64, Just(i64::MIN), Just(i64::MAX - 300)],
            step in 0..27i64,
            rows in 1..12usize,
            (from, to) in (0..12usize, 0..12usize),
            every in prop_oneof![1..90i64, 1..i64::MAX],
            origin in -50..50i64,
        ) {
            let even = EvenTimes { first, step, rows };
            let times: Vec<i64> = (0..rows).map(|row| even.at(row)).collect();
            for end in [i64::MIN, first, first.saturating_add(step * 3 + 1), i64::MAX] {
                prop_assert_eq!(even.before(end), times.partition_point(|time| *time < end));
            }
            let range = from.min(rows)..to.min(rows).max(from.min(rows));
            let buckets = Bucketing::even(every, origin).expect("positive");
            let (mut cut, mut naive) = (Vec::new(), Vec::new());
            buckets.cut(&even, range.clone(), |bucket, rows| cut.push((bucket, rows)));
            buckets.cut(times.as_slice(), range, |bucket, rows| naive.push((bucket, rows)));
            prop_assert_eq!(cut, naive);
        }

        #[test]
        fn windows_hold_the_times_they_span(
            times in prop::collection::vec(-300..300i64, 1..20),
            width in 1..40i64,
            step in 1..40i64,
            origin in -50..50i64,
        ) {
            let sliding = Bucketing::sliding(width, step, origin).expect("positive");
            let result = sliding.of_result();
            for time in times {
                let first = (time - width - origin).div_euclid(step) + 1;
                let naive: Vec<i64> =
                    (first..).map(|w| origin + w * step).take_while(|s| *s <= time).collect();
                let found: Vec<i64> = match sliding.windows() {
                    Some(windows) => {
                        let (first, last) = windows.of(sliding.of(time));
                        (first..=last).map(|w| result.start(w)).collect()
                    }
                    None => vec![sliding.start(sliding.of(time))],
                };
                prop_assert_eq!(found, naive);
            }
        }

        #[test]
        fn a_table_is_cut_at_its_starts(
            mut starts in prop::collection::vec(-50..50i64, 1..9),
            mut times in prop::collection::vec(-60..60i64, 1..40),
        ) {
            starts.sort_unstable();
            starts.dedup();
            times.sort_unstable();
            let table = Bucketing::table(starts.clone());
            let mut cut = Vec::new();
            table.cut(times.as_slice(), 0..times.len(), |bucket, rows| {
                cut.extend(rows.map(|_| table.start(bucket)));
            });
            let naive: Vec<i64> = times
                .iter()
                .map(|t| starts.iter().copied().filter(|s| s <= t).max().unwrap_or(starts[0]))
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
