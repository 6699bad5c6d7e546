//! A quadratic with absolute values: min x'Hx/2 - b'x + sum w_i |x_i|, exactly.
//!
//! The feature-sign search of Lee, Battle, Raina and Ng, "Efficient sparse coding algorithms"
//! (2006): guess the signs, solve the linear system that they leave, and go towards its solution as
//! far as the signs hold. It ends after finitely many steps, at the minimum.

use nalgebra::{DMatrix, DVector};

/// Solves from `x`, which it changes. Weights are 0 where there is no absolute value; H is positive
/// definite or nearly so. False when it is not.
pub(super) fn solve(matrix: &DMatrix<f64>, b: &[f64], weights: &[f64], x: &mut [f64]) -> bool {
    let size = x.len();
    let scale = (0..size).map(|i| matrix[(i, i)]).fold(0.0, f64::max);
    // What is held at zero: its slope is within its weight.
    let mut free: Vec<bool> = (0..size).map(|i| weights[i] == 0.0 || x[i] != 0.0).collect();
    let mut signs: Vec<f64> = (0..size)
        .map(|i| if weights[i] == 0.0 || x[i] == 0.0 { 0.0 } else { x[i].signum() })
        .collect();
    let slope = |x: &[f64], i: usize| (0..size).map(|j| matrix[(i, j)] * x[j]).sum::<f64>() - b[i];
    // Far more than any run takes: rounding could otherwise turn the last signs for ever.
    for _ in 0..50 * size + 50 {
        if !settle(matrix, b, weights, scale, x, &mut free, &mut signs) {
            return false;
        }
        let worst = (0..size)
            .filter(|i| !free[*i])
            .map(|i| (i, slope(x, i)))
            .map(|(i, slope)| (i, slope, slope.abs() - weights[i]))
            .max_by(|a, b| a.2.total_cmp(&b.2));
        match worst {
            Some((i, slope, over)) if over > weights[i] * 1e-9 => {
                free[i] = true;
                signs[i] = -slope.signum();
            }
            _ => return true,
        }
    }
    true
}

/// The minimum over what is free, with signs that agree; what comes to zero is no longer free.
fn settle(
    matrix: &DMatrix<f64>,
    b: &[f64],
    weights: &[f64],
    scale: f64,
    x: &mut [f64],
    free: &mut [bool],
    signs: &mut [f64],
) -> bool {
    for _ in 0..x.len() + 50 {
        let active: Vec<usize> = (0..x.len()).filter(|i| free[*i]).collect();
        if active.is_empty() {
            return true;
        }
        let right = DVector::from_fn(active.len(), |i, _| {
            b[active[i]] - weights[active[i]] * signs[active[i]]
        });
        let part =
            DMatrix::from_fn(active.len(), active.len(), |i, j| matrix[(active[i], active[j])]);
        let mut ridge = scale * 1e-13;
        let target = loop {
            let mut raised = part.clone();
            for i in 0..active.len() {
                raised[(i, i)] += ridge;
            }
            match raised.cholesky() {
                Some(factor) => break factor.solve(&right),
                None if ridge < scale => ridge = (ridge * 100.0).max(f64::MIN_POSITIVE),
                None => return false,
            }
        };
        if target.iter().any(|t| !t.is_finite()) {
            return false;
        }
        // The first coefficient on the way there that would change its sign stops there.
        let mut reach = 1.0;
        let mut stopped = None;
        for (at, &i) in active.iter().enumerate() {
            if weights[i] > 0.0 && target[at] * signs[i] < 0.0 {
                let share = x[i] / (x[i] - target[at]);
                if share < reach {
                    (reach, stopped) = (share, Some(i));
                }
            }
        }
        for (at, &i) in active.iter().enumerate() {
            x[i] += reach * (target[at] - x[i]);
        }
        let Some(stopped) = stopped else { return true };
        x[stopped] = 0.0;
        free[stopped] = false;
        signs[stopped] = 0.0;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(size: usize, seed: u64) -> (DMatrix<f64>, Vec<f64>) {
        let value = |i: usize, j: usize| {
            ((i * i * 31 + j * j * 17 + i * j * 5) as f64 * (seed as f64 + 0.37)).sin()
        };
        let root = DMatrix::from_fn(size + 3, size, value);
        let b = (0..size).map(|i| 4.0 * value(i, 99)).collect();
        (root.transpose() * root, b)
    }

    #[test]
    fn slopes_are_zero_where_free_and_within_the_weights_elsewhere() {
        for seed in 0..40 {
            let (matrix, b) = problem(12, seed);
            let weights: Vec<f64> = (0..12).map(|i| if i < 3 { 0.0 } else { 1.5 }).collect();
            let mut x = vec![0.0; 12];
            assert!(solve(&matrix, &b, &weights, &mut x));
            for i in 0..12 {
                let slope = (0..12).map(|j| matrix[(i, j)] * x[j]).sum::<f64>() - b[i];
                if x[i] == 0.0 && weights[i] > 0.0 {
                    assert!(slope.abs() <= weights[i] * (1.0 + 1e-6), "{seed}: {i}: {slope}");
                } else {
                    let sum = slope + weights[i] * x[i].signum();
                    assert!(sum.abs() < 1e-4, "{seed}: {i}: {sum}");
                }
            }
        }
    }

    #[test]
    fn a_start_elsewhere_leads_to_the_same() {
        let (matrix, b) = problem(8, 5);
        let weights = [0.8; 8];
        let (mut cold, mut warm) = (vec![0.0; 8], vec![2.0, -3.0, 0.0, 1.0, -1.0, 4.0, 0.5, -0.1]);
        assert!(solve(&matrix, &b, &weights, &mut cold));
        assert!(solve(&matrix, &b, &weights, &mut warm));
        assert!(cold.iter().zip(&warm).all(|(a, b)| (a - b).abs() < 1e-6), "{cold:?} {warm:?}");
    }
}
