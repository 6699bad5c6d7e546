//! What Pearson's r is made of: counts, means and sums of squared deviations of pairs.

use crate::codec::decimal_sum;
use crate::codec::simd::dispatched;

/// Numbers above the first one stay below this in magnitude, so that sums of 1,024 products fit an
/// i64.
const REACH: u64 = 1 << 26;
/// Most pairs of [`Sums`].
const MOST: u64 = 1 << 32;

/// Moments of pairs of doubles.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    /// How many pairs.
    pub(super) n: u64,
    mean: [f64; 2],
    /// Sums of squared deviations of x and of y, and of their products.
    squares: [f64; 2],
    products: f64,
    /// The least and the greatest: rounding of a mean gives equal values a deviation.
    ends: [(f64, f64); 2],
    nan: bool,
}

impl Moments {
    /// In two passes: the means, then the deviations from them.
    pub(super) fn of_pairs(pairs: &[(f64, f64)]) -> Self {
        let Some(&(x, y)) = pairs.first() else { return Self::default() };
        let n = pairs.len() as f64;
        let mean = [
            pairs.iter().map(|p| p.0).sum::<f64>() / n,
            pairs.iter().map(|p| p.1).sum::<f64>() / n,
        ];
        let mut own =
            Self { n: pairs.len() as u64, mean, ends: [(x, x), (y, y)], ..Self::default() };
        for (x, y) in pairs {
            own.nan |= x.is_nan() || y.is_nan();
            for (ends, value) in own.ends.iter_mut().zip([*x, *y]) {
                *ends = (ends.0.min(value), ends.1.max(value));
            }
            let (x, y) = (x - mean[0], y - mean[1]);
            own.squares[0] += x * x;
            own.squares[1] += y * y;
            own.products += x * y;
        }
        own
    }

    /// Of both together: Chan, Golub and LeVeque's pairwise update (1979).
    pub(super) fn merge(self, other: Self) -> Self {
        if self.n == 0 || other.n == 0 {
            return if self.n == 0 { other } else { self };
        }
        let (a, b) = (self.n as f64, other.n as f64);
        let apart = [other.mean[0] - self.mean[0], other.mean[1] - self.mean[1]];
        let weight = a * b / (a + b);
        let of = |at: usize| {
            (self.ends[at].0.min(other.ends[at].0), self.ends[at].1.max(other.ends[at].1))
        };
        let square =
            |at: usize| self.squares[at] + other.squares[at] + weight * apart[at] * apart[at];
        Self {
            n: self.n + other.n,
            mean: [0, 1].map(|at| self.mean[at] + apart[at] * (b / (a + b))),
            squares: [square(0), square(1)],
            products: self.products + other.products + weight * apart[0] * apart[1],
            ends: [of(0), of(1)],
            nan: self.nan || other.nan,
        }
    }

    /// Pearson's r; `None` for fewer than two pairs or when either does not vary, NaN when any of
    /// them is.
    pub(super) fn correlation(&self) -> Option<f64> {
        if self.n < 2 {
            return None;
        }
        if self.nan {
            return Some(f64::NAN);
        }
        if self.ends.iter().any(|(least, most)| least == most) {
            return None;
        }
        let r = self.products / (self.squares[0].sqrt() * self.squares[1].sqrt());
        Some(if r.is_nan() { r } else { r.clamp(-1.0, 1.0) })
    }
}

/// Exact sums of pairs of integers above a first pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    from: [i64; 2],
    n: u64,
    sums: [i128; 2],
    squares: [i128; 2],
    products: i128,
    ends: [(i64, i64); 2],
}

/// Of one block, above the first pair.
#[derive(Default)]
struct Block {
    sums: [i64; 2],
    squares: [i64; 2],
    products: i64,
    ends: [(i64, i64); 2],
}

dispatched! {
    /// The least and the greatest.
    fn extremes(numbers: &[i64]) -> (i64, i64) {
        let (mut least, mut most) = (i64::MAX, i64::MIN);
        for number in numbers {
            least = least.min(*number);
            most = most.max(*number);
        }
        (least, most)
    }

    /// Of at most 1,024 pairs that are within [`REACH`] of `from`.
    fn add(xs: &[i64], ys: &[i64], from: [i64; 2], block: &mut Block) {
        let (mut x_sum, mut y_sum, mut xx, mut yy, mut xy) = (0i64, 0i64, 0i64, 0i64, 0i64);
        for (x, y) in xs.iter().zip(ys) {
            // As products of 32 bits, for which every level has an instruction.
            let x = i64::from(x.wrapping_sub(from[0]) as i32);
            let y = i64::from(y.wrapping_sub(from[1]) as i32);
            x_sum += x;
            y_sum += y;
            xx += x * x;
            yy += y * y;
            xy += x * y;
        }
        (block.sums, block.squares, block.products) = ([x_sum, y_sum], [xx, yy], xy);
    }
}

impl Sums {
    /// None yet; pairs will be near `x` and `y`.
    pub(super) fn above(x: i64, y: i64) -> Self {
        Self {
            from: [x, y],
            n: 0,
            sums: [0; 2],
            squares: [0; 2],
            products: 0,
            ends: [(i64::MAX, i64::MIN); 2],
        }
    }

    /// Adds at most 1,024 pairs; false, and nothing done, where one is too far from the first, or
    /// there are too many in all. `known`: the least and the greatest of each, where they are known.
    pub(super) fn add(&mut self, xs: &[i64], ys: &[i64], known: [Option<(i64, i64)>; 2]) -> bool {
        let mut ends = [(0, 0); 2];
        for (at, numbers) in [xs, ys].into_iter().enumerate() {
            let (least, most) = known[at].unwrap_or_else(|| extremes(numbers));
            let above = |number: i64| {
                let above = number.checked_sub(self.from[at]);
                above.filter(|above| above.unsigned_abs() < REACH)
            };
            let (Some(least), Some(most)) = (above(least), above(most)) else { return false };
            ends[at] = (least, most);
        }
        if self.n >= MOST {
            return false;
        }
        let mut block = Block { ends, ..Block::default() };
        add(xs, ys, self.from, &mut block);
        self.n += xs.len().min(ys.len()) as u64;
        for at in 0..2 {
            self.sums[at] += i128::from(block.sums[at]);
            self.squares[at] += i128::from(block.squares[at]);
            let (ends, own) = (&mut self.ends[at], block.ends[at]);
            *ends = (ends.0.min(own.0), ends.1.max(own.1));
        }
        self.products += i128::from(block.products);
        true
    }

    /// As moments of the doubles that these are tenths of, of the given powers of ten.
    pub(super) fn moments(&self, exponents: [u8; 2]) -> Moments {
        if self.n == 0 {
            return Moments::default();
        }
        let n = i128::from(self.n);
        let value =
            |at: usize, above: i128| decimal_sum(i128::from(self.from[at]) + above, exponents[at]);
        // Below 2^33 * 2^85: exact.
        let deviations =
            |products: i128, a: i128, b: i128| (n * products - a * b) as f64 / n as f64;
        let unit = exponents.map(|exponent| decimal_sum(1, exponent));
        let square = |at: usize| {
            deviations(self.squares[at], self.sums[at], self.sums[at]) * unit[at] * unit[at]
        };
        let mean = |at: usize| {
            decimal_sum(i128::from(self.from[at]) * n + self.sums[at], exponents[at]) / n as f64
        };
        Moments {
            n: self.n,
            mean: [mean(0), mean(1)],
            squares: [square(0), square(1)],
            products: deviations(self.products, self.sums[0], self.sums[1]) * unit[0] * unit[1],
            ends: [0, 1]
                .map(|at| (value(at, self.ends[at].0.into()), value(at, self.ends[at].1.into()))),
            nan: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn r(pairs: &[(f64, f64)]) -> Option<f64> {
        Moments::of_pairs(pairs).correlation()
    }

    #[test]
    fn of_little_or_constant_there_is_none() {
        assert_eq!(r(&[]), None);
        assert_eq!(r(&[(1.0, 2.0)]), None);
        assert_eq!(r(&[(0.1, 1.0), (0.1, 2.0), (0.1, 5.0)]), None);
        assert!(r(&[(f64::NAN, 1.0), (1.0, 2.0)]).is_some_and(f64::is_nan));
        let line = r(&[(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)]);
        assert!(line.is_some_and(|r| (1.0 - r).abs() < 1e-15 && r <= 1.0));
    }

    #[test]
    fn it_is_stable_far_from_zero() {
        // numpy.corrcoef([1, 2, 3, 4], [1, 3, 2, 4])[0, 1] = 0.8
        let pairs = [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (4.0, 4.0)];
        let far: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (x + 1e9, y - 1e9)).collect();
        for pairs in [&pairs[..], &far] {
            assert!((r(pairs).unwrap_or(0.0) - 0.8).abs() < 1e-9);
            let halves = Moments::of_pairs(&pairs[..1]).merge(Moments::of_pairs(&pairs[1..]));
            assert!((halves.correlation().unwrap_or(0.0) - 0.8).abs() < 1e-9);
        }
    }

    #[test]
    fn what_is_too_far_apart_is_refused() {
        let mut sums = Sums::above(5, 5);
        assert!(sums.add(&[5, 6], &[5, -7], [None; 2]));
        assert!(!sums.add(&[5, 5 + (1 << 26)], &[5, 5], [None; 2]));
        assert!(!sums.add(&[5], &[i64::MIN], [None; 2]));
        let mut low = Sums::above(i64::MIN, 0);
        assert!(!low.add(&[i64::MAX], &[0], [None; 2]));
        assert_eq!(sums.moments([0, 0]).n, 2);
    }

    proptest! {
        #[test]
        fn whole_numbers_are_as_their_doubles(
            pairs in prop::collection::vec((-3000..3000i64, -70_000..70_000i64), 0..300),
            cut in 0..300usize,
        ) {
            let doubles: Vec<(f64, f64)> =
                pairs.iter().map(|&(x, y)| (x as f64 / 100.0, y as f64 / 10.0)).collect();
            let expected = Moments::of_pairs(&doubles);
            let (xs, ys): (Vec<i64>, Vec<i64>) = pairs.iter().copied().unzip();
            let mut sums = Sums::above(17, -4);
            for half in [0..cut.min(xs.len()), cut.min(xs.len())..xs.len()] {
                if !half.is_empty() {
                    let ends = |v: &[i64]| v.iter().copied().min().zip(v.iter().copied().max());
                    let (xs, ys) = (&xs[half.clone()], &ys[half]);
                    let known = [ends(xs), ends(ys).filter(|_| cut % 2 == 0)];
                    prop_assert!(sums.add(xs, ys, known));
                }
            }
            let found = sums.moments([2, 1]);
            prop_assert_eq!(found.n, expected.n);
            prop_assert_eq!(found.ends, expected.ends);
            match (found.correlation(), expected.correlation()) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-9, "{} {}", a, b),
                (a, b) => prop_assert_eq!(a, b),
            }
        }
    }
}
