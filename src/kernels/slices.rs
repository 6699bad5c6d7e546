//! Folds over slices without nulls, with several accumulators so that they run in vector lanes.

const LANES: usize = 8;

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
pub fn deviations_i64(values: &[i64], mean: f64) -> f64 {
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

/// The least and the greatest value; `(i64::MAX, i64::MIN)` when there is none.
pub fn extremes_i64(values: &[i64]) -> (i64, i64) {
    values.iter().fold((i64::MAX, i64::MIN), |(low, high), &v| (low.min(v), high.max(v)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            prop_assert!(close(sum_f64(&values), sum));
            prop_assert_eq!(extremes_f64(&values), (least, greatest));
            let squares: f64 = values.iter().map(|v| (v - 3.0).powi(2)).sum();
            prop_assert!(close(deviations_f64(&values, 3.0), squares));
            prop_assert_eq!(nans(&values), values.iter().filter(|v| v.is_nan()).count() as u64);
        }

        #[test]
        fn integers_fold_as_one_by_one(values in prop::collection::vec(any::<i64>(), 0..70)) {
            prop_assert_eq!(sum_i64(&values), values.iter().map(|&v| i128::from(v)).sum::<i128>());
            let least = values.iter().copied().min().unwrap_or(i64::MAX);
            let greatest = values.iter().copied().max().unwrap_or(i64::MIN);
            prop_assert_eq!(extremes_i64(&values), (least, greatest));
            let squares: f64 = values.iter().map(|&v| (v as f64 - 3.0).powi(2)).sum();
            prop_assert!(close(deviations_i64(&values, 3.0), squares));
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
