//! Sums and extremes of slices, in lanes that do not wait for each other.

use crate::codec::simd::dispatched;

const LANES: usize = 8;

/// What a slice of doubles comes to, as [`super::FloatStats`] has it.
pub(super) struct Floats {
    pub(super) nans: u64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) sum: f64,
    pub(super) m2: f64,
}

/// Two passes: the mean, then the deviations from it.
pub(super) fn floats(values: &[f64]) -> Floats {
    let (mut sum, mut nans) = ([0.0; LANES], [0u64; LANES]);
    let (mut min, mut max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let mut take = |lane: usize, x: f64| {
        sum[lane] += x;
        nans[lane] += u64::from(x.is_nan());
        // NaN is neither less nor greater, so both pass over it.
        min[lane] = if x < min[lane] { x } else { min[lane] };
        max[lane] = if x > max[lane] { x } else { max[lane] };
    };
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        (0..LANES).for_each(|lane| take(lane, chunk[lane]));
    }
    rest.iter().enumerate().for_each(|(lane, &x)| take(lane, x));

    let sum = add(sum);
    let nans = nans.iter().sum();
    let mut ends = (
        min.into_iter().fold(f64::INFINITY, f64::min),
        max.into_iter().fold(f64::NEG_INFINITY, f64::max),
    );
    if nans == values.len() as u64 {
        ends = (f64::NAN, f64::NAN);
    }
    let m2 = deviations(values, sum / values.len() as f64, |x| x);
    Floats { nans, min: ends.0, max: ends.1, sum, m2 }
}

/// What a slice of integers comes to, as [`super::IntStats`] has it.
pub(super) struct Ints {
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) sum: i128,
    pub(super) m2: f64,
}

/// Two passes: the mean, then the deviations from it.
pub(super) fn ints(values: &[i64]) -> Ints {
    let (mut min, mut max, mut sum) = ([i64::MAX; LANES], [i64::MIN; LANES], 0i128);
    // The halves of this many values cannot overflow 64 bits when added.
    for values in values.chunks(1 << 30) {
        let (mut high, mut low) = ([0i64; LANES], [0i64; LANES]);
        let mut take = |lane: usize, x: i64| {
            high[lane] += x >> 32;
            low[lane] += x & 0xffff_ffff;
            min[lane] = min[lane].min(x);
            max[lane] = max[lane].max(x);
        };
        let (chunks, rest) = values.as_chunks::<LANES>();
        for chunk in chunks {
            (0..LANES).for_each(|lane| take(lane, chunk[lane]));
        }
        rest.iter().enumerate().for_each(|(lane, &x)| take(lane, x));
        for lane in 0..LANES {
            sum += (i128::from(high[lane]) << 32) + i128::from(low[lane]);
        }
    }
    let m2 = deviations(values, sum as f64 / values.len() as f64, |x| x as f64);
    let min = min.into_iter().fold(i64::MAX, i64::min);
    let max = max.into_iter().fold(i64::MIN, i64::max);
    Ints { min, max, sum, m2 }
}

dispatched! {
    /// The least and the greatest number.
    pub(super) fn extremes(numbers: &[i64]) -> (i64, i64) {
        let (mut least, mut most) = ([i64::MAX; LANES], [i64::MIN; LANES]);
        let (chunks, rest) = numbers.as_chunks::<LANES>();
        for chunk in chunks {
            for lane in 0..LANES {
                least[lane] = least[lane].min(chunk[lane]);
                most[lane] = most[lane].max(chunk[lane]);
            }
        }
        let least = least.iter().chain(rest).copied().fold(i64::MAX, i64::min);
        (least, most.iter().chain(rest).copied().fold(i64::MIN, i64::max))
    }

    /// The sum of what numbers are above the least, and of its squares; of at most 1,024 numbers
    /// that are less than 2^52 apart. `most`: the greatest above the least.
    pub(super) fn above(numbers: &[i64], least: i64, most: u64) -> (u64, u128) {
        if most < 1 << 26 {
            let (mut sum, mut squares) = (0u64, 0u64);
            for number in numbers {
                let above = number.wrapping_sub(least) as u64;
                sum += above;
                squares += above * above;
            }
            return (sum, squares.into());
        }
        // The halves of a square, each summed apart.
        let (mut sum, mut high, mut middle, mut low) = (0u64, 0u64, 0u64, 0u64);
        for number in numbers {
            let above = number.wrapping_sub(least) as u64;
            let (front, back) = (above >> 26, above & ((1 << 26) - 1));
            sum += above;
            high += front * front;
            middle += front * back;
            low += back * back;
        }
        let squares = (u128::from(high) << 52) + (u128::from(middle) << 27) + u128::from(low);
        (sum, squares)
    }
}

fn deviations<T: Copy>(values: &[T], mean: f64, number: impl Fn(T) -> f64) -> f64 {
    let mut m2 = [0.0; LANES];
    let mut take = |lane: usize, x: T| {
        let deviation = number(x) - mean;
        m2[lane] += deviation * deviation;
    };
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        (0..LANES).for_each(|lane| take(lane, chunk[lane]));
    }
    rest.iter().enumerate().for_each(|(lane, &x)| take(lane, x));
    add(m2)
}

fn add(lanes: [f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
