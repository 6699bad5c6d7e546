//! A linear classifier: ridge regression of -1 and 1 for each class, its penalty chosen by the
//! errors of leaving each series out, which follow from one decomposition.

use nalgebra::{DMatrix, SymmetricEigen};
use serde::{Deserialize, Serialize};

/// Decimal exponents of the penalties tried, in halves.
const EXPONENTS: std::ops::RangeInclusive<i32> = -6..=10;

/// One weight for each class and feature.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ridge {
    means: Vec<f64>,
    spreads: Vec<f64>,
    weights: Vec<Vec<f64>>,
    levels: Vec<f64>,
}

impl Ridge {
    /// Fits rows of features, all of one length, to classes, numbers below `count`.
    pub fn fit(rows: &[Vec<f64>], classes: &[usize], count: usize) -> Self {
        let (n, width) = (rows.len(), rows.first().map_or(0, Vec::len));
        let mut means = vec![0.0; width];
        for row in rows {
            for (mean, value) in means.iter_mut().zip(row) {
                *mean += value / n as f64;
            }
        }
        let mut spreads = vec![0.0; width];
        for row in rows {
            for ((spread, value), mean) in spreads.iter_mut().zip(row).zip(&means) {
                *spread += (value - mean).powi(2) / n as f64;
            }
        }
        spreads.iter_mut().for_each(|spread| *spread = spread.sqrt());
        let even: Vec<Vec<f64>> = rows.iter().map(|row| scaled(row, &means, &spreads)).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut gram = DMatrix::zeros(n, n);
        for i in 0..n {
            for j in 0..=i {
                let product = dot(&even[i], &even[j]);
                gram[(i, j)] = product;
                gram[(j, i)] = product;
            }
        }
        let levels: Vec<f64> = (0..count)
            .map(|class| {
                2.0 * classes.iter().filter(|own| **own == class).count() as f64 / n as f64 - 1.0
            })
            .collect();
        let targets = DMatrix::from_fn(n, count, |row, class| {
            f64::from(u8::from(classes[row] == class)) * 2.0 - 1.0 - levels[class]
        });
        let eigen = SymmetricEigen::new(gram);
        let turned = eigen.eigenvectors.transpose() * &targets;
        let solve = |penalty: f64| {
            let inverse = eigen.eigenvalues.map(|value| 1.0 / (value.max(0.0) + penalty));
            let mut own = turned.clone();
            for (mut row, inverse) in own.row_iter_mut().zip(inverse.iter()) {
                row *= *inverse;
            }
            (&eigen.eigenvectors * own, inverse)
        };
        let error = |penalty: f64| {
            let (duals, inverse) = solve(penalty);
            let mut sum = 0.0;
            for row in 0..n {
                let own = eigen.eigenvectors.row(row);
                let leverage: f64 =
                    own.iter().zip(inverse.iter()).map(|(v, inverse)| v * v * inverse).sum();
                sum += duals.row(row).iter().map(|dual| (dual / leverage).powi(2)).sum::<f64>();
            }
            sum
        };
        let penalties = EXPONENTS.map(|half| 10f64.powf(f64::from(half) / 2.0));
        let best = penalties
            .map(|penalty| (error(penalty), penalty))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(1.0, |best| best.1);
        let (duals, _) = solve(best);
        let weights = (0..count)
            .map(|class| {
                let mut weights = vec![0.0; width];
                for (row, dual) in even.iter().zip(duals.column(class).iter()) {
                    for (weight, value) in weights.iter_mut().zip(row) {
                        *weight += dual * value;
                    }
                }
                weights
            })
            .collect();
        Self { means, spreads, weights, levels }
    }

    /// How much each class is spoken for: about 1 for the class, -1 for another.
    pub fn decide(&self, row: &[f64]) -> Vec<f64> {
        let even = scaled(row, &self.means, &self.spreads);
        let sum = |weights: &Vec<f64>| even.iter().zip(weights).map(|(a, b)| a * b).sum::<f64>();
        self.weights.iter().zip(&self.levels).map(|(weights, level)| sum(weights) + level).collect()
    }
}

/// Deviations from the means in units of the spread; 0 for features that don't vary.
fn scaled(row: &[f64], means: &[f64], spreads: &[f64]) -> Vec<f64> {
    let one = |((value, mean), spread): ((&f64, &f64), &f64)| {
        if *spread > 1e-12 { (value - mean) / spread } else { 0.0 }
    };
    row.iter().zip(means).zip(spreads).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_on_two_sides_of_a_line_are_told_apart() {
        let rows: Vec<Vec<f64>> =
            (0..40).map(|i| vec![f64::from(i * 7 % 13), f64::from(i * 5 % 11), 3.0]).collect();
        let side = |row: &[f64]| usize::from(row[0] - row[1] > 0.5);
        let classes: Vec<usize> = rows.iter().map(|row| side(row)).collect();
        let ridge = Ridge::fit(&rows, &classes, 2);
        let right = rows.iter().filter(|row| {
            let said = ridge.decide(row);
            usize::from(said[1] > said[0]) == side(row)
        });
        assert!(right.count() >= 37);
    }

    /// Leaving rows out by hand gives the penalty's errors: the fit of all but one, on that one.
    #[test]
    fn weights_solve_the_normal_equations() {
        let rows: Vec<Vec<f64>> =
            (0..12).map(|i| vec![f64::from(i % 5), f64::from(i * i % 7)]).collect();
        let classes: Vec<usize> = (0..12).map(|i| i % 2).collect();
        let ridge = Ridge::fit(&rows, &classes, 2);
        let even: Vec<Vec<f64>> =
            rows.iter().map(|row| scaled(row, &ridge.means, &ridge.spreads)).collect();
        // The gradient is -penalty times the weights: the same multiple for both.
        let gradient = |feature: usize| -> f64 {
            even.iter()
                .zip(&classes)
                .map(|(row, class)| {
                    let target = if *class == 0 { 1.0 } else { -1.0 };
                    let said: f64 = row.iter().zip(&ridge.weights[0]).map(|(a, b)| a * b).sum();
                    row[feature] * (target - said)
                })
                .sum()
        };
        let penalties = [0, 1].map(|feature| gradient(feature) / ridge.weights[0][feature]);
        assert!((penalties[0] / penalties[1] - 1.0).abs() < 1e-6, "{penalties:?}");
    }
}
