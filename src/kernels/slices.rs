//! Folds over slices without nulls, with several accumulators so that they run in vector lanes.

use crate::codec::simd::dispatched;

const LANES: usize = 8;
/// Integers below this in size can be summed, 2^16 of them, in 64 bits.
const MODEST: i64 = 1 << 46;
/// Integers that lie no further apart than this can be squared and summed, 2^16 of them.
const NEAR: u64 = 1 << 23;
/// Most integers that are summed in 64 bits.
const MOST: usize = 1 << 16;

dispatched! {
    /// The sum as IEEE 754 adds, in an order of its own.
    pub fn sum_f64(values: &[f64]) -> f64 {
        let mut lanes = [0.0; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += value;
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().sum::<f64>()
    }

    /// The sum of squared deviations from `mean`.
    pub fn deviations_f64(values: &[f64], mean: f64) -> f64 {
        let mut lanes = [0.0; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, value) in lanes.iter_mut().zip(chunk) {
                *lane += (value - mean) * (value - mean);
            }
        }
        lanes.iter().sum::<f64>() + rest.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>()
    }

    /// The least and the greatest number; `(inf, -inf)` when there is none but NaN.
    pub fn extremes_f64(values: &[f64]) -> (f64, f64) {
        let mut low = [f64::INFINITY; LANES];
        let mut high = [f64::NEG_INFINITY; LANES];
        let (chunks, rest) = values.as_chunks::<LANES>();
        // A comparison with NaN is false, so NaN never gets in.
        for chunk in chunks {
            for lane in 0..LANES {
                low[lane] = if chunk[lane] < low[lane] { chunk[lane] } else { low[lane] };
                high[lane] = if chunk[lane] > high[lane] { chunk[lane] } else { high[lane] };
            }
        }
        let low = low.iter().chain(rest).fold(f64::INFINITY, |a, &b| if b < a { b } else { a });
        let high = high.iter().chain(rest).fold(f64::NEG_INFINITY, |a, &b| if b > a { b } else { a });
        (low, high)
    }
}

/// How many values are NaN.
pub fn nans(values: &[f64]) -> u64 {
    values.iter().map(|v| u64::from(v.is_nan())).sum()
}

/// The exact sum.
pub fn sum_i64(values: &[i64]) -> i128 {
    // Halves of 32 bits cannot overflow 64 bits within a chunk of 2^20 values.
    let halves = values.chunks(1 << 20).map(|chunk| {
        let low: i64 = chunk.iter().map(|v| v & 0xFFFF_FFFF).sum();
        let high: i64 = chunk.iter().map(|v| v >> 32).sum();
        (i128::from(high) << 32) + i128::from(low)
    });
    halves.sum()
}

/// The sum of squared deviations from `mean`.
fn deviations_from(values: &[i64], mean: f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    let square = |v: i64| (v as f64 - mean) * (v as f64 - mean);
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += square(value);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&v| square(v)).sum::<f64>()
}

/// What integers come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Integers {
    /// How many they are.
    pub count: usize,
    /// The least; `i64::MAX` of none.
    pub least: i64,
    /// The greatest; `i64::MIN` of none.
    pub most: i64,
    /// The sum, where it fits.
    sum: i64,
}

impl Integers {
    /// Of some integers, in one pass.
    #[inline(always)]
    pub(super) fn of(values: &[i64]) -> Self {
        // Left to the compiler, which knows that integers add up in any order.
        let mut all = Self { count: values.len(), least: i64::MAX, most: i64::MIN, sum: 0 };
        for &value in values {
            all.least = all.least.min(value);
            all.most = all.most.max(value);
            all.sum = all.sum.wrapping_add(value);
        }
        all
    }

    /// The sum where 64 bits hold it for sure.
    #[inline(always)]
    pub(super) fn modest_sum(&self) -> Option<i64> {
        let modest = self.least > -MODEST && self.most < MODEST && self.count <= MOST;
        modest.then_some(self.sum)
    }

    /// The exact sum of `values`, which these are of.
    pub(super) fn sum(&self, values: &[i64]) -> i128 {
        self.modest_sum().map_or_else(|| sum_i64(values), i128::from)
    }

    /// The sum of squared deviations from the mean, exact where `values`, which these are of, lie
    /// near each other.
    #[inline(always)]
    pub(super) fn deviations(&self, values: &[i64]) -> f64 {
        let count = values.len();
        let near = count > 0 && count <= MOST && self.most.abs_diff(self.least) < NEAR;
        if !near {
            return deviations_from(values, self.sum(values) as f64 / count as f64);
        }
        // Of distances from the least: a product of 32 bits each way.
        let (mut sum, mut squares, least) = (0u64, 0u64, self.least);
        for &value in values {
            let above = u64::from(value.wrapping_sub(least) as u32);
            sum += above;
            squares += above * above;
        }
        // n * sum of squares - square of the sum: below 2^78.
        let (n, sum) = (count as u128, u128::from(sum));
        (n * u128::from(squares) - sum * sum) as f64 / count as f64
    }
}

dispatched! {
    /// Least, greatest and sum of integers.
    pub(super) fn integers(values: &[i64]) -> Integers {
        Integers::of(values)
    }

    /// The same, and the sum of squared deviations from the mean.
    pub(super) fn integers_and_deviations(values: &[i64]) -> (Integers, f64) {
        let all = Integers::of(values);
        (all, all.deviations(values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::simd::{Level, limit};

    const LEVELS: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    fn close(a: f64, b: f64) -> bool {
        (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
    }

    proptest! {
        #[test]
        fn doubles_fold_as_one_by_one(values in prop::collection::vec(
            prop_oneof![20 => -1e6..1e6f64, 1 => Just(f64::NAN), 1 => Just(-0.0)], 0..70,
        )) {
            let (mut sum, mut least, mut greatest) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
            for &v in &values {
                sum += v;
                least = least.min(v);
                greatest = greatest.max(v);
            }
            let squares: f64 = values.iter().map(|v| (v - 3.0).powi(2)).sum();
            for level in LEVELS {
                limit(level);
                prop_assert!(close(sum_f64(&values), sum));
                prop_assert_eq!(extremes_f64(&values), (least, greatest));
                prop_assert!(close(deviations_f64(&values, 3.0), squares));
            }
            prop_assert_eq!(nans(&values), values.iter().filter(|v| v.is_nan()).count() as u64);
        }

        #[test]
        fn integers_fold_as_one_by_one(values in prop_oneof![
            prop::collection::vec(any::<i64>(), 0..70),
            prop::collection::vec(-1000..1000i64, 0..70),
            prop::collection::vec(-MODEST - 2..-MODEST + 2, 0..70),
        ]) {
            let sum = values.iter().map(|&v| i128::from(v)).sum::<i128>();
            let least = values.iter().copied().min().unwrap_or(i64::MAX);
            let most = values.iter().copied().max().unwrap_or(i64::MIN);
            prop_assert_eq!(sum_i64(&values), sum);
            for level in LEVELS {
                limit(level);
                let (all, deviations) = integers_and_deviations(&values);
                prop_assert_eq!(all, integers(&values));
                prop_assert_eq!((all.count, all.least, all.most), (values.len(), least, most));
                prop_assert_eq!(all.sum(&values), sum);
                if !values.is_empty() {
                    let above: Vec<f64> =
                        values.iter().map(|&v| (i128::from(v) - i128::from(least)) as f64).collect();
                    let mean = above.iter().sum::<f64>() / values.len() as f64;
                    let naive: f64 = above.iter().map(|v| (v - mean).powi(2)).sum();
                    prop_assert!(close(deviations, naive), "{deviations} for {naive}");
                }
            }
        }
    }

    #[test]
    fn extreme_integers_sum_exactly() {
        let values = vec![i64::MAX; 3_000_000];
        assert_eq!(sum_i64(&values), i128::from(i64::MAX) * 3_000_000);
        let values = vec![i64::MIN; 1_500_000];
        assert_eq!(sum_i64(&values), i128::from(i64::MIN) * 1_500_000);
    }
}
