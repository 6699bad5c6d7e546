//! Percentiles by linear interpolation between the closest ranks (Hyndman and Fan's type 7, 1996;
//! NumPy's and Polars' "linear"), NaN sorting as the greatest.

use crate::codec::simd::dispatched;

/// Numbers that are counted again and again rather than reordered.
const FEW: usize = 1 << 12;

/// The percentile `percent` (0 to 100) of `values`, which it reorders; `None` of no value.
pub fn percentile(values: &mut [f64], percent: f64) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let rank = last as f64 * (percent / 100.0);
    let below = (rank.floor() as usize).min(last);
    let numbers = move_nans_last(values);
    if below >= numbers {
        return Some(f64::NAN);
    }
    let (_, low, above) = values[..numbers].select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let part = rank - below as f64;
    if part == 0.0 {
        return Some(low);
    }
    // Past the numbers comes NaN.
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(f64::NAN);
    Some(if low == high { low } else { low + part * (high - low) })
}

/// The same of the values that numbers stand for, in the same order; may reorder them.
pub(crate) fn percentile_of_numbers(
    numbers: &mut [i64],
    value: impl Fn(i64) -> f64,
    percent: f64,
) -> Option<f64> {
    let last = numbers.len().checked_sub(1)?;
    let rank = last as f64 * (percent / 100.0);
    let below = (rank.floor() as usize).min(last);
    let (low, next) = if numbers.len() <= FEW {
        two_of(numbers, below as u64)
    } else {
        let (_, low, above) = numbers.select_nth_unstable(below);
        (*low, above.iter().copied().min().unwrap_or(*low))
    };
    let part = rank - below as f64;
    let (low, high) = (value(low), value(next));
    Some(if part == 0.0 || low == high { low } else { low + part * (high - low) })
}

dispatched! {
    /// The number of a rank, from 0 on, and the one after it; of the last rank itself again. By
    /// halving what lies between the least and the greatest.
    fn two_of(numbers: &[i64], rank: u64) -> (i64, i64) {
        let (mut low, mut high) = (i64::MAX, i64::MIN);
        for &number in numbers {
            low = low.min(number);
            high = high.max(number);
        }
        while low < high {
            let middle = low.midpoint(high);
            // Rounded towards zero, and so up where it is negative.
            let middle = if middle == high { middle - 1 } else { middle };
            let mut within = 0u64;
            for &number in numbers {
                within += u64::from(number <= middle);
            }
            if within > rank {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let (mut within, mut next) = (0u64, i64::MAX);
        for &number in numbers {
            within += u64::from(number <= low);
            next = next.min(if number > low { number } else { i64::MAX });
        }
        (low, if within > rank + 1 || within == numbers.len() as u64 { low } else { next })
    }
}

/// The median, as [`percentile`] of 50.
pub fn median(values: &mut [f64]) -> Option<f64> {
    percentile(values, 50.0)
}

/// How many numbers there are; they come first, then the NaN.
fn move_nans_last(values: &mut [f64]) -> usize {
    let mut numbers = values.len();
    let mut at = 0;
    while at < numbers {
        if values[at].is_nan() {
            numbers -= 1;
            values.swap(at, numbers);
        } else {
            at += 1;
        }
    }
    numbers
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::simd::{Level, limit};

    pub(crate) fn naive(values: &[f64], percent: f64) -> Option<f64> {
        let mut sorted = values.to_vec();
        sorted.sort_by(|a, b| {
            a.is_nan().cmp(&b.is_nan()).then(a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
        });
        if sorted.is_empty() {
            return None;
        }
        let rank = (sorted.len() - 1) as f64 * (percent / 100.0);
        let (low, high) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
        let line = || low + rank.fract() * (high - low);
        Some(if low == high || rank.fract() == 0.0 { low } else { line() })
    }

    proptest! {
        #[test]
        fn selecting_is_sorting(
            values in prop::collection::vec(
                prop_oneof![9 => -100.0..100.0f64, 3 => Just(1.0), 1 => Just(f64::NAN)], 0..40),
            percents in prop::collection::vec(
                prop_oneof![0.0..=100.0f64, Just(0.0), Just(50.0), Just(100.0)], 1..4),
        ) {
            let mut scratch = values.clone();
            for percent in percents {
                let (a, b) = (percentile(&mut scratch, percent), naive(&values, percent));
                prop_assert!(a == b || (a.is_some_and(f64::is_nan) && b.is_some_and(f64::is_nan)));
            }
        }
    }

    proptest! {
        #[test]
        fn numbers_are_selected_as_their_values(
            numbers in prop_oneof![
                prop::collection::vec(-20..20i64, 1..60),
                prop::collection::vec(any::<i64>(), 1..60),
                prop::collection::vec(-1000..1000i64, FEW..FEW + 9),
            ],
            percent in prop_oneof![0.0..=100.0f64, Just(0.0), Just(50.0), Just(100.0)],
        ) {
            let values: Vec<f64> = numbers.iter().map(|&n| n as f64).collect();
            for level in [Level::Portable, Level::Avx2, Level::Avx512] {
                limit(level);
                let found = percentile_of_numbers(&mut numbers.clone(), |n| n as f64, percent);
                prop_assert_eq!(found, naive(&values, percent));
            }
        }
    }

    #[test]
    fn as_numpy_has_it() {
        // numpy.percentile([1, 2, 3, 4], [25, 50, 99.9]), numpy 2.
        let mut values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(percentile(&mut values, 25.0), Some(1.75));
        assert_eq!(median(&mut values), Some(2.5));
        assert!((percentile(&mut values, 99.9).unwrap_or(0.0) - 3.997).abs() < 1e-12);
        assert_eq!(percentile(&mut [], 50.0), None);
        assert_eq!(percentile(&mut [f64::INFINITY, f64::INFINITY], 50.0), Some(f64::INFINITY));
    }
}
