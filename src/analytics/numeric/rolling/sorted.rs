//! The window's values in their order: median, quantiles and the median absolute deviation.
//!
//! A new value takes the old one's place in a sorted array: two binary searches in one loop and one
//! move of what stands between them, which for a window of thousands is cheaper than any tree. The
//! median absolute deviation is exact: the values nearest to the median stand side by side, and a
//! binary search finds where they begin.

use super::{MAD_TO_SIGMA, Ring};

/// The last so many values, sorted. NaN and infinities take a place in the window and are not among
/// the sorted; a negative zero counts as zero.
#[derive(Clone, Debug)]
pub struct SortedWindow {
    ring: Ring,
    sorted: Vec<f64>,
}

impl SortedWindow {
    /// Of a window of so many values.
    pub fn new(window: usize) -> Self {
        Self { ring: Ring::new(window), sorted: Vec::new() }
    }

    /// Of the values of a ring: as if they had been pushed.
    pub fn of(ring: Ring) -> Self {
        let mut sorted: Vec<f64> =
            ring.places().iter().copied().filter(|value| value.is_finite()).collect();
        for value in &mut sorted {
            *value += 0.0;
        }
        sorted.sort_unstable_by(f64::total_cmp);
        Self { ring, sorted }
    }

    /// Puts in the next value.
    pub fn push(&mut self, value: f64) {
        // Zeros of two signs would be equal and yet not the same.
        let value = value + 0.0;
        let (_, old) = self.ring.push(value);
        match (old.filter(|old| old.is_finite()), value.is_finite()) {
            (Some(old), true) => self.replace(old, value),
            (Some(old), false) => {
                let at = self.sorted.partition_point(|own| *own < old);
                self.sorted.remove(at);
            }
            (None, true) => {
                let at = self.sorted.partition_point(|own| *own < value);
                self.sorted.insert(at, value);
            }
            (None, false) => {}
        }
    }

    /// Puts a value in and takes out one that is there.
    fn replace(&mut self, old: f64, new: f64) {
        let sorted = &mut self.sorted[..];
        // Both searches at once: neither waits for the other's memory.
        let (mut out, mut into, mut length) = (0, 0, sorted.len());
        while length > 1 {
            let half = length / 2;
            out += if sorted[out + half - 1] < old { half } else { 0 };
            into += if sorted[into + half - 1] < new { half } else { 0 };
            length -= half;
        }
        into += usize::from(sorted[into] < new);
        if out < into {
            sorted.copy_within(out + 1..into, out);
            sorted[into - 1] = new;
        } else {
            sorted.copy_within(into..out, into + 1);
            sorted[into] = new;
        }
    }

    /// The values that count, sorted.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// What stands in the window.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The mean of the two in the middle, or the one there; NaN of none.
    pub fn median(&self) -> f64 {
        let (sorted, n) = (&self.sorted, self.sorted.len());
        match n {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[n / 2],
            n => middle(sorted[n / 2 - 1], sorted[n / 2]),
        }
    }

    /// The median of the absolute distances from `centre`, which is the median or near to it; NaN of
    /// no values.
    pub fn mad(&self, centre: f64) -> f64 {
        let n = self.sorted.len();
        match n {
            0 => f64::NAN,
            n if n % 2 == 1 => self.within(centre, n / 2 + 1).0,
            n => {
                let (near, next) = self.within(centre, n / 2);
                middle(near, next)
            }
        }
    }

    /// The distance from `centre` within which a share of the values lies, at least one of them; NaN
    /// of no values.
    pub fn reach(&self, centre: f64, share: f64) -> f64 {
        let n = self.sorted.len();
        match n {
            0 => f64::NAN,
            n => self.within(centre, ((share * n as f64).ceil() as usize).clamp(1, n)).0,
        }
    }

    /// How far the `near` values that are nearest to the centre reach, and how far the next one is:
    /// infinity if there is none. `near` is at least one and at most all.
    fn within(&self, centre: f64, near: usize) -> (f64, f64) {
        let (sorted, n) = (&self.sorted[..], self.sorted.len());
        // They stand side by side from `first` on: the first place from which the one behind them
        // is not nearer than their first.
        let (mut first, mut length) = (0, n - near);
        while length > 0 {
            let half = length / 2;
            let at = first + half;
            let go = centre - sorted[at] > sorted[at + near] - centre;
            first = if go { at + 1 } else { first };
            length = if go { length - half - 1 } else { half };
        }
        let distance = |at: usize| (sorted[at] - centre).abs();
        let mut next = f64::INFINITY;
        if first > 0 {
            next = next.min(distance(first - 1));
        }
        if first + near < n {
            next = next.min(distance(first + near));
        }
        (distance(first).max(distance(first + near - 1)), next)
    }

    /// The median absolute deviation as the standard deviation of a normal distribution.
    pub fn mad_sigma(&self, centre: f64) -> f64 {
        self.mad(centre) * MAD_TO_SIGMA
    }

    /// The quantile at 0..=1, on the line between its two neighbours (Hyndman and Fan's type 7, as
    /// NumPy's default); NaN of no values.
    pub fn quantile(&self, q: f64) -> f64 {
        let Some(last) = self.sorted.len().checked_sub(1) else { return f64::NAN };
        let at = q.clamp(0.0, 1.0) * last as f64;
        let below = (at as usize).min(last);
        let (low, high) = (self.sorted[below], self.sorted[(below + 1).min(last)]);
        let share = at - below as f64;
        if share == 0.0 { low } else { low * (1.0 - share) + high * share }
    }
}

/// Half way between two numbers, also where their sum would be infinite.
fn middle(a: f64, b: f64) -> f64 {
    a * 0.5 + b * 0.5
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive_median(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        match n {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[n / 2],
            n => sorted[n / 2 - 1] * 0.5 + sorted[n / 2] * 0.5,
        }
    }

    fn naive(values: &[f64]) -> (f64, f64) {
        let values: Vec<f64> =
            values.iter().filter(|value| value.is_finite()).map(|value| value + 0.0).collect();
        let median = naive_median(&values);
        let distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        (median, naive_median(&distances))
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => -5i32..5,
            1 => Just(0),
        ]
        .prop_map(f64::from)
        .boxed()
        .prop_union(any::<f64>().boxed())
        .or((-1e3..1e3f64).boxed())
        .or(prop_oneof![
            Just(f64::NAN),
            Just(f64::INFINITY),
            Just(-0.0),
            Just(f64::MAX),
            Just(f64::MIN)
        ]
        .boxed())
    }

    proptest! {
        #[test]
        fn median_and_mad_are_those_of_a_sort_bit_for_bit(
            values in prop::collection::vec(value(), 1..150),
            window in 1usize..60,
        ) {
            let mut rolling = SortedWindow::new(window);
            for end in 1..=values.len() {
                rolling.push(values[end - 1]);
                let (median, mad) = naive(&values[end.saturating_sub(window)..end]);
                prop_assert_eq!(rolling.median().to_bits(), median.to_bits());
                prop_assert_eq!(rolling.mad(median).to_bits(), mad.to_bits(), "{} {}", rolling.mad(median), mad);
                prop_assert!(rolling.sorted().is_sorted());
                let anew = SortedWindow::of(rolling.ring().clone());
                prop_assert_eq!(anew.sorted(), rolling.sorted());
            }
        }
    }

    #[test]
    fn quantiles_lie_on_the_line_between_neighbours() {
        let mut rolling = SortedWindow::new(9);
        assert!(rolling.quantile(0.5).is_nan() && rolling.median().is_nan());
        assert!(rolling.mad(0.0).is_nan());
        for value in [4.0, f64::NAN, 1.0, 3.0, 2.0] {
            rolling.push(value);
        }
        let got = [0.0, 0.25, 0.5, 0.9, 1.0].map(|q| rolling.quantile(q));
        assert!(got.iter().zip([1.0, 1.75, 2.5, 3.7, 4.0]).all(|(a, b)| (a - b).abs() < 1e-12));
        assert_eq!((rolling.median(), rolling.mad(2.5)), (2.5, 1.0));
    }
}
