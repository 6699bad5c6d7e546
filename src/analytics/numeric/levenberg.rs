//! Nonlinear least squares: Levenberg-Marquardt with Nielsen's damping.
//!
//! Sources: Marquardt (1963); Madsen, Nielsen and Tingleff, "Methods for non-linear least squares
//! problems" (2004). The Jacobian is by forward differences: residuals here are recursions over a
//! series, of which a derivative costs as much as another run.

use nalgebra::{DMatrix, DVector};

/// Where a minimum was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The parameters.
    pub x: Vec<f64>,
    /// The sum of the squared residuals there.
    pub sum: f64,
    /// Jacobians that were taken.
    pub steps: usize,
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Precision {
    /// The most Jacobians.
    pub steps: usize,
    /// The least relative gain of a step that is followed by another.
    pub gain: f64,
}

const DIFFERENCE: f64 = 1e-7;

/// The parameters near `start` with the least sum of squared residuals.
///
/// `residuals` fills its vector for parameters, always to the same length, and says whether it
/// could; `None` when it could not at the start.
pub fn minimize(
    start: &[f64],
    precision: Precision,
    mut residuals: impl FnMut(&[f64], &mut Vec<f64>) -> bool,
) -> Option<Minimum> {
    let (mut x, count) = (start.to_vec(), start.len());
    let (mut now, mut next) = (Vec::new(), Vec::new());
    if !residuals(&x, &mut now) {
        return None;
    }
    let mut sum = square(&now);
    if !sum.is_finite() {
        return None;
    }
    if count == 0 || sum == 0.0 {
        return Some(Minimum { x, sum, steps: 0 });
    }
    let mut columns = vec![Vec::new(); count];
    let (mut damping, mut growth, mut taken) = (1e-3, 2.0, 0);
    while taken < precision.steps {
        taken += 1;
        for (at, column) in columns.iter_mut().enumerate() {
            derivative(&x, at, &now, column, &mut residuals);
        }
        let square =
            DMatrix::from_fn(
                count,
                count,
                |i, j| {
                    if j < i { 0.0 } else { dot(&columns[i], &columns[j]) }
                },
            );
        let square =
            DMatrix::from_fn(
                count,
                count,
                |i, j| if j < i { square[(j, i)] } else { square[(i, j)] },
            );
        let slope = DVector::from_fn(count, |i, _| dot(&columns[i], &now));
        let scale = (0..count).map(|i| square[(i, i)]).fold(0.0, f64::max);
        if !scale.is_finite() || scale == 0.0 {
            break;
        }
        let mut gain = None;
        for _ in 0..12 {
            let mut damped = square.clone();
            for i in 0..count {
                damped[(i, i)] += damping * square[(i, i)].max(scale * 1e-9);
            }
            let Some(factor) = damped.cholesky() else {
                damping *= 10.0;
                continue;
            };
            let step = -factor.solve(&slope);
            let there: Vec<f64> = x.iter().zip(step.iter()).map(|(x, s)| x + s).collect();
            let valid = residuals(&there, &mut next);
            let reached = if valid { self::square(&next) } else { f64::INFINITY };
            if reached < sum {
                let promised = -step.dot(&slope) * 2.0 - (&square * &step).dot(&step);
                let ratio = (sum - reached) / promised.max(f64::MIN_POSITIVE);
                damping *= (1.0 - (2.0 * ratio - 1.0).powi(3)).max(1.0 / 3.0);
                growth = 2.0;
                gain = Some((sum - reached) / sum);
                (x, sum) = (there, reached);
                std::mem::swap(&mut now, &mut next);
                break;
            }
            damping *= growth;
            growth *= 2.0;
        }
        if gain.is_none_or(|gain| gain < precision.gain) {
            break;
        }
    }
    Some(Minimum { x, sum, steps: taken })
}

/// The derivative of the residuals by one parameter, into a column; zero where neither side is
/// defined.
fn derivative(
    x: &[f64],
    at: usize,
    now: &[f64],
    column: &mut Vec<f64>,
    residuals: &mut impl FnMut(&[f64], &mut Vec<f64>) -> bool,
) {
    let step = DIFFERENCE * x[at].abs().max(1.0);
    let mut moved = x.to_vec();
    for side in [step, -step] {
        moved[at] = x[at] + side;
        if residuals(&moved, column) {
            for (there, here) in column.iter_mut().zip(now) {
                *there = (*there - here) / side;
            }
            return;
        }
    }
    column.clear();
    column.resize(now.len(), 0.0);
}

fn square(of: &[f64]) -> f64 {
    dot(of, of)
}

/// The sum of products, in four lanes that are added at the end.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let (left, right) = (a.chunks_exact(4), b.chunks_exact(4));
    let rest: f64 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left.zip(right) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes[0] + lanes[1] + lanes[2] + lanes[3] + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: Precision = Precision { steps: 200, gain: 1e-14 };

    #[test]
    fn the_valley_of_rosenbrock_leads_to_its_minimum() {
        let found = minimize(&[-1.2, 1.0], FINE, |x, out| {
            *out = vec![10.0 * (x[1] - x[0] * x[0]), 1.0 - x[0]];
            true
        })
        .expect("valid at the start");
        assert!((found.x[0] - 1.0).abs() < 1e-6 && (found.x[1] - 1.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn a_linear_problem_is_solved_as_by_the_normal_equations() {
        let rows: Vec<(f64, f64, f64)> =
            (0..40).map(f64::from).map(|i| (1.0, i, 3.0 - 0.5 * i + (i * 1.7).sin())).collect();
        let found = minimize(&[0.0, 0.0], FINE, |x, out| {
            out.clear();
            out.extend(rows.iter().map(|(a, b, y)| y - x[0] * a - x[1] * b));
            true
        })
        .expect("valid");
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (_, x, y) in &rows {
            (n, sx, sy, sxx, sxy) = (n + 1.0, sx + x, sy + y, sxx + x * x, sxy + x * y);
        }
        let slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
        assert!((found.x[1] - slope).abs() < 1e-7, "{} is not {slope}", found.x[1]);
    }

    #[test]
    fn parameters_that_are_not_allowed_are_not_gone_to() {
        let found = minimize(&[0.5], FINE, |x, out| {
            *out = vec![x[0] - 3.0, 0.1];
            x[0] < 1.0
        })
        .expect("valid at the start");
        assert!(found.x[0] < 1.0 && found.x[0] > 0.5, "{found:?}");
        assert!(minimize(&[2.0], FINE, |x, _| x[0] < 1.0).is_none());
    }

    #[test]
    fn a_parameter_without_effect_stays_where_it_was() {
        let found = minimize(&[0.0, 7.0], FINE, |x, out| {
            *out = vec![x[0] - 2.0, 1.0];
            true
        })
        .expect("valid");
        assert!((found.x[0] - 2.0).abs() < 1e-6 && (found.x[1] - 7.0).abs() < 1e-9, "{found:?}");
    }
}
