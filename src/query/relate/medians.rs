//! How far many lanes of values stand from their median, time by time: over a matrix that has a
//! row for each lane and a column for each time.
//!
//! Whole numbers that lie close together are counted into bins; others are turned, a tile at a
//! time, so that those of one time lie together and the median is selected.

use std::ops::Range;

use crate::codec::simd::dispatched;

/// Columns that are worked on at once: a cache line of 16-bit numbers, twice.
pub(super) const TILE: usize = 64;
/// Columns of doubles that are turned at once.
const TURNED: usize = 16;
/// Bins up to which counting is faster than selecting.
const BINS: usize = 1024;

/// Whole numbers above a common least one.
pub(super) struct Numbers<'a> {
    /// Lane by lane.
    pub(super) values: &'a [u16],
    /// Values of a lane.
    pub(super) stride: usize,
    /// No value is greater.
    pub(super) most: u16,
}

impl Numbers<'_> {
    /// Adds to each lane's sum twice the distances of its values from the median of all lanes, over
    /// `columns`, at most [`TILE`] of them.
    pub(super) fn add_distances(&self, columns: Range<usize>, sums: &mut [u64]) {
        let mut doubled = [0; TILE];
        let doubled = &mut doubled[..columns.len()];
        let bins = usize::from(self.most) + 1;
        if bins <= BINS {
            let mut counts = vec![0; bins * columns.len()];
            count(self.values, self.stride, columns.clone(), bins, &mut counts);
            let lanes = self.values.len() / self.stride;
            for (counts, middle) in counts.chunks(bins).zip(&mut *doubled) {
                *middle = middles(counts, lanes);
            }
        } else {
            let mut turned = Vec::new();
            for (column, middle) in columns.clone().zip(&mut *doubled) {
                turned.clear();
                turned.extend(self.values.iter().skip(column).step_by(self.stride));
                *middle = selected(&mut turned);
            }
        }
        distances(self.values, self.stride, columns, doubled, sums);
    }
}

/// The sum of the two middle values of `n` that were counted, the same one where `n` is odd.
fn middles(counts: &[u32], n: usize) -> i32 {
    let (low, high) = ((n - 1) / 2, n / 2);
    let (mut seen, mut sum) = (0, 0);
    for (value, &count) in counts.iter().enumerate() {
        let before = seen;
        seen += count as usize;
        sum += value as i32 * i32::from((before..seen).contains(&low));
        if seen > high {
            return sum + value as i32;
        }
    }
    sum
}

/// The sum of the two middle values, as [`middles`].
fn selected(values: &mut [u16]) -> i32 {
    let n = values.len();
    let (below, &mut high, _) = values.select_nth_unstable(n / 2);
    let low = if n % 2 == 1 { high } else { below.iter().copied().fold(0, u16::max) };
    i32::from(low) + i32::from(high)
}

dispatched! {
    /// Counts the values of each column into bins of its own.
    fn count(values: &[u16], stride: usize, columns: Range<usize>, bins: usize, counts: &mut [u32]) {
        for lane in values.chunks_exact(stride) {
            for (value, counts) in lane[columns.clone()].iter().zip(counts.chunks_exact_mut(bins)) {
                if let Some(count) = counts.get_mut(usize::from(*value)) {
                    *count += 1;
                }
            }
        }
    }

    fn distances(
        values: &[u16],
        stride: usize,
        columns: Range<usize>,
        doubled: &[i32],
        sums: &mut [u64],
    ) {
        for (lane, total) in values.chunks_exact(stride).zip(sums) {
            let mut sum = 0u32;
            for (value, middle) in lane[columns.clone()].iter().zip(doubled) {
                sum += (2 * i32::from(*value)).abs_diff(*middle);
            }
            *total += u64::from(sum);
        }
    }
}

/// Any numbers; NaN where a lane has no value.
pub(super) struct Doubles<'a> {
    /// Lane by lane.
    pub(super) values: &'a [f64],
    /// Values of a lane.
    pub(super) stride: usize,
}

impl Doubles<'_> {
    /// Adds to each lane's sum the distances of its values from the median of those of all lanes,
    /// and to its count how many these are, over `columns` in their order.
    pub(super) fn add_distances(&self, columns: Range<usize>, sums: &mut [(f64, u64)]) {
        let lanes = self.values.len() / self.stride;
        let mut turned = vec![0.0; TURNED * lanes];
        let mut scratch = Vec::with_capacity(lanes);
        let mut start = columns.start;
        while start < columns.end {
            let tile = start..columns.end.min(start + TURNED);
            for (at, lane) in self.values.chunks_exact(self.stride).enumerate() {
                for (value, turned) in lane[tile.clone()].iter().zip(turned.chunks_mut(lanes)) {
                    turned[at] = *value;
                }
            }
            for values in turned.chunks(lanes).take(tile.len()) {
                add_distances(values, &mut scratch, sums);
            }
            start = tile.end;
        }
    }
}

/// Of the values of one time.
fn add_distances(values: &[f64], scratch: &mut Vec<f64>, sums: &mut [(f64, u64)]) {
    scratch.clear();
    scratch.extend(values.iter().filter(|value| !value.is_nan()));
    let Some(middle) = median(scratch) else { return };
    for (value, (sum, count)) in values.iter().zip(sums) {
        if !value.is_nan() {
            *sum += distance(*value, middle);
            *count += 1;
        }
    }
}

/// The median of numbers, as [`crate::kernels::percentile::median`], which it reorders.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let (below, &mut high, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 {
        return Some(high);
    }
    let low = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(if low == high { low } else { low + 0.5 * (high - low) })
}

/// How far a value is from the median: 0 from itself, though both be infinite.
pub(super) fn distance(value: f64, middle: f64) -> f64 {
    if value == middle { 0.0 } else { (value - middle).abs() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::percentile;

    /// Each lane's distances, value by value.
    fn naive(values: &[f64], stride: usize) -> Vec<(f64, u64)> {
        let lanes = values.len() / stride;
        let mut sums = vec![(0.0, 0); lanes];
        for column in 0..stride {
            let own = |lane: usize| values[lane * stride + column];
            let mut numbers: Vec<f64> = (0..lanes).map(own).filter(|v| !v.is_nan()).collect();
            let Some(middle) = percentile::median(&mut numbers) else { continue };
            for (lane, (sum, count)) in sums.iter_mut().enumerate() {
                if !own(lane).is_nan() {
                    *sum += (own(lane) - middle).abs();
                    *count += 1;
                }
            }
        }
        sums
    }

    fn tiles(stride: usize) -> impl Iterator<Item = Range<usize>> {
        (0..stride).step_by(TILE).map(move |start| start..stride.min(start + TILE))
    }

    proptest! {
        #[test]
        fn numbers_counted_and_selected(
            lanes in 1..40usize,
            stride in 1..150usize,
            most in prop_oneof![Just(0u16), Just(100), Just(1023), Just(1024), Just(u16::MAX)],
            seed in any::<u64>(),
        ) {
            let noise = |i: u64| i.wrapping_add(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
            let values: Vec<u16> = (0..lanes * stride)
                .map(|i| (noise(i as u64) % (u64::from(most) + 1)) as u16)
                .collect();
            let mut sums = vec![0; lanes];
            let numbers = Numbers { values: &values, stride, most };
            tiles(stride).for_each(|tile| numbers.add_distances(tile, &mut sums));
            let doubles: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
            for (sum, (expected, _)) in sums.iter().zip(naive(&doubles, stride)) {
                prop_assert_eq!(*sum as f64 / 2.0, expected);
            }
        }

        #[test]
        fn doubles_with_holes(
            lanes in 1..20usize,
            values in prop::collection::vec(
                prop_oneof![6 => -1e3..1e3f64, 2 => Just(f64::NAN), 1 => Just(0.5)], 20..600),
        ) {
            let stride = values.len() / lanes;
            let values = &values[..lanes * stride];
            let mut sums = vec![(0.0, 0); lanes];
            let doubles = Doubles { values, stride };
            tiles(stride).for_each(|tile| doubles.add_distances(tile, &mut sums));
            for ((sum, count), expected) in sums.into_iter().zip(naive(values, stride)) {
                prop_assert_eq!(count, expected.1);
                prop_assert!((sum - expected.0).abs() <= 1e-9 * (1.0 + expected.0));
            }
        }
    }
}
