//! Mean and variance of a window, from a tree of the moments of its parts.
//!
//! Parts are put together by the formula of Chan, Golub and LeVeque, "Updating Formulae and a
//! Pairwise Algorithm for Computing Sample Variances" (1979). A new value changes its leaf and the
//! log2(window) parts above it; nothing is ever subtracted.

use super::Ring;

/// Count, mean and squared distances from the mean of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// How many.
    pub count: f64,
    /// Their mean; 0 of none.
    pub mean: f64,
    /// The sum of the squared distances from it.
    pub squares: f64,
}

impl Moments {
    /// Of one value; of none for NaN.
    pub fn of(value: f64) -> Self {
        match value.is_nan() {
            true => Self::default(),
            false => Self { count: 1.0, mean: value, squares: 0.0 },
        }
    }

    /// Of the values of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.count == 0.0 {
            return other;
        }
        if other.count == 0.0 {
            return self;
        }
        let count = self.count + other.count;
        let share = other.count / count;
        let delta = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + delta * share,
            squares: self.squares + other.squares + delta * delta * self.count * share,
        }
    }

    /// The variance of a sample (n - 1); NaN of fewer than two.
    pub fn variance(&self) -> f64 {
        if self.count < 2.0 { f64::NAN } else { self.squares / (self.count - 1.0) }
    }

    /// The standard deviation of a sample; NaN of fewer than two values.
    pub fn deviation(&self) -> f64 {
        self.variance().sqrt()
    }
}

/// The moments of the last so many values. Values of a size of up to 1e150 keep them finite.
#[derive(Clone, Debug)]
pub struct RollingMoments {
    ring: Ring,
    /// A heap: the root at 1, the children of `k` at `2k` and `2k + 1`, leaves from the middle on.
    tree: Vec<Moments>,
}

impl RollingMoments {
    /// Of a window of so many values.
    pub fn new(window: usize) -> Self {
        Self::of(Ring::new(window))
    }

    /// Of the values of a ring: as if they had been pushed.
    pub fn of(ring: Ring) -> Self {
        let mut rolling = Self { ring, tree: Vec::new() };
        rolling.grow();
        rolling
    }

    /// Builds the tree for as many leaves as there are values, rounded up. Parts without values
    /// change nothing, so that a tree that grew later gives the same bits.
    fn grow(&mut self) {
        let leaves = self.ring.len().next_power_of_two();
        let mut tree = vec![Moments::default(); 2 * leaves];
        for (leaf, value) in tree[leaves..].iter_mut().zip(self.ring.places()) {
            *leaf = Moments::of(*value);
        }
        for at in (1..leaves).rev() {
            tree[at] = tree[2 * at].and(tree[2 * at + 1]);
        }
        self.tree = tree;
    }

    /// Puts in the next value; NaN for a missing one.
    pub fn push(&mut self, value: f64) {
        let (place, _) = self.ring.push(value);
        let leaves = self.tree.len() / 2;
        if place >= leaves {
            self.grow();
            return;
        }
        let mut at = leaves + place;
        self.tree[at] = Moments::of(value);
        while at > 1 {
            at /= 2;
            self.tree[at] = self.tree[2 * at].and(self.tree[2 * at + 1]);
        }
    }

    /// The moments of what stands in the window.
    pub fn moments(&self) -> Moments {
        self.tree[1]
    }

    /// What stands in the window.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// In two passes.
    fn naive(values: &[f64]) -> (f64, f64) {
        let values: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, (squares / (n - 1.0)).sqrt())
    }

    #[test]
    fn a_huge_value_leaves_no_trace_when_it_has_left() {
        let mut rolling = RollingMoments::new(5);
        for value in [1.0, 1e150, -1e150, 2.0, 3.0, 4.0, 5.0, 6.0] {
            rolling.push(value);
            assert!(rolling.moments().deviation().is_finite() || rolling.ring().len() < 2);
        }
        let moments = rolling.moments();
        assert_eq!((moments.count, moments.mean, moments.squares), (5.0, 4.0, 10.0));
    }

    #[test]
    fn a_constant_has_no_deviation_to_the_last_bit() {
        let mut rolling = RollingMoments::new(100);
        for _ in 0..257 {
            rolling.push(0.1);
        }
        assert_eq!((rolling.moments().mean, rolling.moments().squares), (0.1, 0.0));
    }

    proptest! {
        #[test]
        fn it_is_what_two_passes_give(
            values in prop::collection::vec(prop_oneof![9 => -1e3..1e3f64, 1 => Just(f64::NAN)], 1..200),
            window in 1usize..70,
            offset in prop_oneof![Just(0.0), Just(1e9)],
        ) {
            let values: Vec<f64> = values.iter().map(|value| value + offset).collect();
            let mut rolling = RollingMoments::new(window);
            for end in 1..=values.len() {
                rolling.push(values[end - 1]);
                let inside = &values[end.saturating_sub(window)..end];
                let (mean, deviation) = naive(inside);
                let got = rolling.moments();
                if got.count > 0.0 {
                    prop_assert!((got.mean - mean).abs() <= 1e-14 * (1e3 + offset));
                }
                prop_assert_eq!(got.deviation().is_nan(), got.count < 2.0);
                if got.count > 1.0 {
                    prop_assert!((got.deviation() - deviation).abs() <= 1e-11 + 1e-15 * offset, "{} {deviation}", got.deviation());
                }
                // Made anew from its values it is the same, bit for bit.
                let anew = RollingMoments::of(rolling.ring().clone());
                prop_assert_eq!(anew.moments(), got);
            }
        }
    }
}
