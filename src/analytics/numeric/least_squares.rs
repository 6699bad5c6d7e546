//! Least squares by Householder reflections, column by column.
//!
//! A column that those before it already give (what is left of it is below 1e-10 of it) is left
//! out and told, as R's `lm` does; the normal equations are never formed. Golub and Van Loan,
//! "Matrix Computations", 5.2. Columns are scaled, so that neither tiny nor huge values matter.

use crate::error::Result;
use crate::kernels::Guard;

/// The least part of a column that must be left by those before it.
const LEFT: f64 = 1e-10;

/// The sum of the products of two slices of one length, in eight sums that no thread reorders.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += x * y;
        }
    }
    let half = |at: usize| (sums[at] + sums[at + 1]) + (sums[at + 2] + sums[at + 3]);
    half(0) + half(4) + rest
}

/// Takes the mean off finite values, and returns it; equal values become exactly 0.
pub fn center(values: &mut [f64]) -> f64 {
    let Some(&first) = values.first() else { return f64::NAN };
    let n = values.len() as f64;
    // Above the first value, so that equal ones have that for their mean, and no sum overflows
    // unless the values are apart by as much.
    let mean = first + values.iter().map(|value| value / n - first / n).sum::<f64>();
    // What rounding took off the mean.
    let mean = mean + values.iter().map(|value| (value - mean) / n).sum::<f64>();
    for value in values.iter_mut() {
        *value -= mean;
    }
    mean
}

/// The greatest magnitude; 0 for none.
pub fn greatest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| value.abs().max(most))
}

/// Columns of one length as Q R: Q of reflections, R upper triangular.
#[derive(Clone, Debug)]
pub struct Factors {
    rows: usize,
    /// Unit vectors, the first entry of each at the row of its number.
    reflections: Vec<Vec<f64>>,
    /// Columns of R, of those that were kept.
    upper: Vec<Vec<f64>>,
    /// The scale of each kept column.
    scales: Vec<f64>,
    /// For each pushed column its place among those kept.
    places: Vec<Option<usize>>,
}

impl Factors {
    /// No columns yet, of so many rows.
    pub fn new(rows: usize) -> Self {
        Self {
            rows,
            reflections: Vec::new(),
            upper: Vec::new(),
            scales: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Adds a column of finite values; false where those before it already give it, or there are as
    /// many columns as rows.
    pub fn push(&mut self, mut column: Vec<f64>) -> bool {
        debug_assert_eq!(column.len(), self.rows);
        let rank = self.rank();
        let scale = greatest(&column);
        if rank == self.rows || scale == 0.0 {
            self.places.push(None);
            return false;
        }
        column.iter_mut().for_each(|value| *value /= scale);
        let whole = dot(&column, &column);
        self.rotate(&mut column);
        let left = dot(&column[rank..], &column[rank..]);
        if left <= LEFT * LEFT * whole {
            self.places.push(None);
            return false;
        }
        let diagonal = -left.sqrt().copysign(column[rank]);
        let mut reflection = column[rank..].to_vec();
        reflection[0] -= diagonal;
        let length = dot(&reflection, &reflection).sqrt();
        reflection.iter_mut().for_each(|value| *value /= length);
        column.truncate(rank);
        column.push(diagonal);
        self.reflections.push(reflection);
        self.upper.push(column);
        self.scales.push(scale);
        self.places.push(Some(rank));
        true
    }

    /// How many columns were kept.
    pub fn rank(&self) -> usize {
        self.upper.len()
    }

    /// For each pushed column its place among those kept; `None` for one that was left out.
    pub fn places(&self) -> &[Option<usize>] {
        &self.places
    }

    /// Turns a vector into Q's basis: its first [`Self::rank`] entries lie in the columns' span, the
    /// rest is what least squares leave.
    pub fn rotate(&self, vector: &mut [f64]) {
        for (at, reflection) in self.reflections.iter().enumerate() {
            reflect(reflection, &mut vector[at..]);
        }
    }

    /// Undoes [`Self::rotate`].
    pub fn rotate_back(&self, vector: &mut [f64]) {
        for (at, reflection) in self.reflections.iter().enumerate().rev() {
            reflect(reflection, &mut vector[at..]);
        }
    }

    /// The coefficients of a rotated target, one a kept column.
    pub fn solve(&self, rotated: &[f64]) -> Vec<f64> {
        let mut solution = rotated[..self.rank()].to_vec();
        for at in (0..self.rank()).rev() {
            solution[at] /= self.upper[at][at];
            let own = solution[at];
            for (value, upper) in solution[..at].iter_mut().zip(&self.upper[at]) {
                *value -= own * upper;
            }
        }
        solution.iter_mut().zip(&self.scales).for_each(|(value, scale)| *value /= scale);
        solution
    }

    /// The row of R's inverse of a kept column: what each entry of a rotated target adds to its
    /// coefficient. The sum of products of two rows is an entry of the inverse of X'X.
    pub fn inverse_row(&self, place: usize) -> Vec<f64> {
        // Forward substitution: row * R = unit vector.
        let mut row = vec![0.0; self.rank()];
        for at in place..self.rank() {
            let unit = if at == place { 1.0 } else { 0.0 };
            let given = dot(&row[place..at], &self.upper[at][place..at]);
            row[at] = (unit - given) / self.upper[at][at];
        }
        row.iter_mut().for_each(|value| *value /= self.scales[place]);
        row
    }
}

fn reflect(reflection: &[f64], vector: &mut [f64]) {
    let twice = 2.0 * dot(reflection, vector);
    for (value, own) in vector.iter_mut().zip(reflection) {
        *value -= twice * own;
    }
}

/// Columns of one length in fewer rows with the same products: R of their factors, those that
/// depend on others too. What is regressed on these is as if regressed on the columns.
///
/// # Errors
/// When the guard says to stop.
pub fn condensed(columns: Vec<Vec<f64>>, guard: &dyn Guard) -> Result<Vec<Vec<f64>>> {
    let rows = columns.first().map_or(0, Vec::len);
    if rows <= columns.len() {
        return Ok(columns);
    }
    let mut factors = Factors::new(rows);
    let mut scales = Vec::with_capacity(columns.len());
    let mut rotated: Vec<Vec<f64>> = Vec::with_capacity(columns.len());
    for mut column in columns {
        guard.poll()?;
        let scale = Some(greatest(&column)).filter(|scale| *scale > 0.0).unwrap_or(1.0);
        column.iter_mut().for_each(|value| *value /= scale);
        scales.push(scale);
        let mut own = column.clone();
        if factors.push(column) {
            own = factors.upper[factors.rank() - 1].clone();
            own.iter_mut().for_each(|value| *value *= factors.scales[factors.rank() - 1]);
        } else {
            factors.rotate(&mut own);
            own.truncate(factors.rank());
        }
        rotated.push(own);
    }
    for (column, scale) in rotated.iter_mut().zip(scales) {
        column.resize(factors.rank(), 0.0);
        column.iter_mut().for_each(|value| *value *= scale);
    }
    Ok(rotated)
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::Unguarded;

    #[test]
    fn a_mean_far_from_zero_and_equal_values_leave_nothing_behind() {
        let mut values = vec![0.1; 7];
        assert_eq!(center(&mut values), 0.1);
        assert_eq!(values, [0.0; 7]);
        let mut huge = vec![1e308, -1e308, 1e308, 1e308];
        assert!(center(&mut huge).is_finite());
        assert!(center(&mut []).is_nan());
    }

    #[test]
    fn columns_that_others_give_are_left_out() {
        let x = vec![1.0, 2.0, 3.0, 5.0, 8.0];
        let twice: Vec<f64> = x.iter().map(|v| 2e200 * v).collect();
        let mut factors = Factors::new(5);
        assert!(factors.push(x.clone()));
        assert!(!factors.push(twice));
        assert!(!factors.push(vec![0.0; 5]));
        assert!(factors.push(vec![1.0; 5]));
        assert_eq!(factors.places(), [Some(0), None, None, Some(1)]);
        let mut target: Vec<f64> = x.iter().map(|v| 3.0 * v - 4.0).collect();
        factors.rotate(&mut target);
        let found = factors.solve(&target);
        assert!((found[0] - 3.0).abs() < 1e-12 && (found[1] + 4.0).abs() < 1e-12, "{found:?}");
        assert!(greatest(&target[2..]) < 1e-12);
    }

    #[test]
    fn there_are_no_more_columns_than_rows() {
        let mut factors = Factors::new(2);
        assert!(factors.push(vec![1.0, 0.0]) && factors.push(vec![1.0, 1.0]));
        assert!(!factors.push(vec![1.0, 2.0]));
        assert!(!Factors::new(0).push(Vec::new()));
    }

    fn columns() -> impl Strategy<Value = (Vec<Vec<f64>>, Vec<f64>)> {
        (1..5usize, 6..40usize).prop_flat_map(|(k, n)| {
            let one = || prop::collection::vec(-10.0..10.0f64, n);
            (prop::collection::vec(one(), k), one())
        })
    }

    proptest! {
        #[test]
        fn it_is_the_least_squares_of_a_singular_value_decomposition((xs, y) in columns()) {
            let n = y.len();
            let matrix = DMatrix::from_iterator(n, xs.len(), xs.iter().flatten().copied());
            let svd = matrix.clone().svd(true, true);
            prop_assume!(svd.singular_values.min() > 1e-3);
            let expected = svd.solve(&DVector::from_vec(y.clone()), 0.0).expect("both sides");
            let inverse = (matrix.transpose() * &matrix).try_inverse().expect("full rank");
            let mut factors = Factors::new(n);
            for x in &xs {
                prop_assert!(factors.push(x.clone()));
            }
            let mut rotated = y.clone();
            factors.rotate(&mut rotated);
            for (a, b) in factors.solve(&rotated).iter().zip(expected.iter()) {
                prop_assert!((a - b).abs() < 1e-8 * (1.0 + b.abs()), "{} {}", a, b);
            }
            for i in 0..xs.len() {
                for j in 0..xs.len() {
                    let own = dot(&factors.inverse_row(i), &factors.inverse_row(j));
                    prop_assert!((own - inverse[(i, j)]).abs() < 1e-6 * (1.0 + own.abs()));
                }
            }
            factors.rotate_back(&mut rotated);
            for (a, b) in rotated.iter().zip(&y) {
                prop_assert!((a - b).abs() < 1e-10);
            }
        }

        #[test]
        fn condensed_columns_have_the_same_products((mut xs, y) in columns(), factor in -3.0..3.0f64) {
            xs.push(y.iter().map(|v| v * factor).collect());
            xs.push(y);
            let few = condensed(xs.clone(), &Unguarded).expect("unguarded");
            for i in 0..xs.len() {
                for j in 0..xs.len() {
                    let (own, expected) = (dot(&few[i], &few[j]), dot(&xs[i], &xs[j]));
                    prop_assert!((own - expected).abs() < 1e-8 * (1.0 + expected.abs()));
                }
            }
        }

        #[test]
        fn a_dot_product_is_the_sum_of_products(
            xs in prop::collection::vec((-9.0..9.0f64, -9.0..9.0f64), 0..50),
        ) {
            let (a, b): (Vec<f64>, Vec<f64>) = xs.iter().copied().unzip();
            let naive: f64 = xs.iter().map(|(x, y)| x * y).sum();
            prop_assert!((dot(&a, &b) - naive).abs() < 1e-10);
        }
    }
}
