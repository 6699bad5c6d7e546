//! Minima of smooth functions with a gradient (BFGS) and of any function of a few parameters
//! (Nelder and Mead).
//!
//! A function may be infinite or NaN where it is not defined; such points are never taken.

/// Where a minimum was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The point.
    pub at: Vec<f64>,
    /// The function there.
    pub value: f64,
    /// Times that the function was asked.
    pub evaluations: usize,
}

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stop {
    /// A step (BFGS) or a simplex (Nelder-Mead) that gains less than this is the last.
    pub gain: f64,
    /// Evaluations at most.
    pub evaluations: usize,
}

/// Shrinking of a step that was too long, at most so often.
const SHRINKS: usize = 24;
/// The share of the gain which a line promises that a step must keep (Armijo).
const KEPT: f64 = 1e-4;

/// A local minimum by BFGS with backtracking (Nocedal & Wright, Numerical Optimization, chapter 6).
/// `function` writes its gradient and returns its value; `first` is the length of the first step.
pub fn bfgs(
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    first: f64,
    stop: Stop,
) -> Minimum {
    let n = start.len();
    let mut at = start.to_vec();
    let mut gradient = vec![0.0; n];
    let mut value = function(&at, &mut gradient);
    let mut evaluations = 1;
    let mut inverse = vec![0.0; n * n];
    let (mut fresh, mut restarted) = (true, false);
    let (mut direction, mut next, mut next_gradient) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut product = vec![0.0; n];
    while value.is_finite() && evaluations < stop.evaluations {
        if fresh {
            let length = norm(&gradient);
            if length == 0.0 || !length.is_finite() {
                break;
            }
            inverse.fill(0.0);
            for i in 0..n {
                inverse[i * n + i] = first / length;
            }
        }
        for (i, step) in direction.iter_mut().enumerate() {
            *step = -dot(&inverse[i * n..(i + 1) * n], &gradient);
        }
        let slope = dot(&direction, &gradient);
        let (mut length, mut found) = (1.0, None);
        if slope < 0.0 {
            for _ in 0..SHRINKS {
                for i in 0..n {
                    next[i] = at[i] + length * direction[i];
                }
                let tried = function(&next, &mut next_gradient);
                evaluations += 1;
                if tried <= value + KEPT * length * slope {
                    found = Some(tried);
                    break;
                }
                // The minimum of the parabola through both ends, kept within bounds.
                let curve = 2.0 * (tried - value - length * slope);
                let parabola = -slope * length * length / curve;
                length = if parabola.is_finite() {
                    parabola.clamp(0.1 * length, 0.5 * length)
                } else {
                    0.2 * length
                };
            }
        }
        let Some(tried) = found else {
            // A bad estimate of the curvature is given up once; then this is the minimum.
            if fresh || restarted {
                break;
            }
            (fresh, restarted) = (true, true);
            continue;
        };
        restarted = false;
        let gain = value - tried;
        update(&mut inverse, &at, &next, &gradient, &next_gradient, &mut product, fresh);
        fresh = false;
        value = tried;
        std::mem::swap(&mut at, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        if gain < stop.gain {
            break;
        }
    }
    Minimum { at, value, evaluations }
}

/// The BFGS update of the inverse of the Hessian.
fn update(
    inverse: &mut [f64],
    at: &[f64],
    next: &[f64],
    gradient: &[f64],
    next_gradient: &[f64],
    product: &mut [f64],
    fresh: bool,
) {
    let n = at.len();
    let step = |i: usize| next[i] - at[i];
    let turn = |i: usize| next_gradient[i] - gradient[i];
    let curvature: f64 = (0..n).map(|i| step(i) * turn(i)).sum();
    let turned: f64 = (0..n).map(|i| turn(i) * turn(i)).sum();
    if curvature <= 1e-12 * turned.max(1e-300) {
        return;
    }
    if fresh {
        // The first estimate takes its size from the first step.
        for i in 0..n {
            inverse[i * n + i] = curvature / turned;
        }
    }
    for i in 0..n {
        product[i] = (0..n).map(|j| inverse[i * n + j] * turn(j)).sum();
    }
    let along: f64 = (0..n).map(|i| turn(i) * product[i]).sum();
    let factor = (1.0 + along / curvature) / curvature;
    for i in 0..n {
        for j in 0..n {
            inverse[i * n + j] += factor * step(i) * step(j)
                - (product[i] * step(j) + step(i) * product[j]) / curvature;
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// A local minimum by the simplex of Nelder & Mead (1965), started at `start` with corners at the
/// distances `steps` along the axes. For up to about ten parameters.
pub fn nelder_mead(
    mut function: impl FnMut(&[f64]) -> f64,
    start: &[f64],
    steps: &[f64],
    stop: Stop,
) -> Minimum {
    let n = start.len();
    let mut evaluations = 0;
    let mut ask = |point: &[f64]| {
        evaluations += 1;
        let value = function(point);
        if value.is_nan() { f64::INFINITY } else { value }
    };
    let mut corners: Vec<(Vec<f64>, f64)> = Vec::with_capacity(n + 1);
    for corner in 0..=n {
        let mut point = start.to_vec();
        if corner > 0 {
            point[corner - 1] += steps[corner - 1];
        }
        let value = ask(&point);
        corners.push((point, value));
    }
    let mut asked = n + 1;
    let mut centre = vec![0.0; n];
    let mut tried = vec![0.0; n];
    while n > 0 && asked < stop.evaluations {
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (best, worst) = (corners[0].1, corners[n].1);
        if worst - best <= stop.gain {
            break;
        }
        for (i, mean) in centre.iter_mut().enumerate() {
            *mean = corners[..n].iter().map(|(point, _)| point[i]).sum::<f64>() / n as f64;
        }
        let mut reach = |factor: f64, tried: &mut [f64], worst: &[f64]| {
            for i in 0..n {
                tried[i] = centre[i] + factor * (worst[i] - centre[i]);
            }
            asked += 1;
            ask(tried)
        };
        let reflected = reach(-1.0, &mut tried, &corners[n].0);
        if reflected < best {
            let kept = tried.clone();
            let further = reach(-2.0, &mut tried, &corners[n].0);
            corners[n] =
                if further < reflected { (tried.clone(), further) } else { (kept, reflected) };
        } else if reflected < corners[n - 1].1 {
            corners[n] = (tried.clone(), reflected);
        } else {
            let factor = if reflected < worst { -0.5 } else { 0.5 };
            let nearer = reach(factor, &mut tried, &corners[n].0);
            if nearer < worst.min(reflected) {
                corners[n] = (tried.clone(), nearer);
            } else {
                let (first, others) = corners.split_at_mut(1);
                for (point, value) in others {
                    for (own, best) in point.iter_mut().zip(&first[0].0) {
                        *own = best + 0.5 * (*own - best);
                    }
                    *value = ask(point);
                }
                asked += n;
            }
        }
    }
    corners.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (at, value) = corners.swap_remove(0);
    Minimum { at, value, evaluations: asked }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: Stop = Stop { gain: 1e-14, evaluations: 5000 };

    /// Rosenbrock's valley, whose minimum is at (1, 1).
    fn valley(x: &[f64]) -> f64 {
        (1.0 - x[0]).powi(2) + 100.0 * (x[1] - x[0] * x[0]).powi(2)
    }

    fn valley_gradient(x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient[0] = -2.0 * (1.0 - x[0]) - 400.0 * x[0] * (x[1] - x[0] * x[0]);
        gradient[1] = 200.0 * (x[1] - x[0] * x[0]);
        valley(x)
    }

    #[test]
    fn both_find_the_end_of_the_valley() {
        let smooth = bfgs(valley_gradient, &[-1.2, 1.0], 0.1, STOP);
        let simplex = nelder_mead(valley, &[-1.2, 1.0], &[0.5, 0.5], STOP);
        for found in [&smooth, &simplex] {
            assert!(found.at.iter().all(|x| (x - 1.0).abs() < 1e-4), "{found:?}");
        }
        assert!(smooth.evaluations < 120, "{}", smooth.evaluations);
    }

    #[test]
    fn where_a_function_is_not_defined_is_never_taken() {
        let within = |x: &[f64]| if x[0] < 0.5 { f64::NAN } else { (x[0] - 0.2).powi(2) };
        let found = nelder_mead(within, &[2.0], &[0.5], STOP);
        assert!(found.at[0] >= 0.5 && found.at[0] < 0.51, "{found:?}");
        let slope = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = 2.0 * (x[0] - 0.2);
            within(x)
        };
        let found = bfgs(slope, &[2.0], 0.1, STOP);
        assert!(found.at[0] >= 0.5 && found.value.is_finite(), "{found:?}");
        let nowhere = bfgs(|_, _| f64::NAN, &[1.0], 0.1, STOP);
        assert_eq!((nowhere.at, nowhere.evaluations), (vec![1.0], 1));
    }

    #[test]
    fn nothing_to_choose_is_the_start() {
        assert_eq!(nelder_mead(|_| 3.0, &[], &[], STOP).value, 3.0);
        assert_eq!(bfgs(|_, _| 3.0, &[], 1.0, STOP).value, 3.0);
    }
}
