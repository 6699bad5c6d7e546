//! How the variance of a forecast grows with its steps.

use super::fit::Fitted;
use super::form::{Part, Trend};
use super::recursion::damped;

/// Standard deviations of the next steps: Hyndman, Koehler, Ord & Snyder (2008), tables 6.1 to 6.3;
/// of multiplicative seasons, their approximation for small variances.
pub(super) fn spread(fitted: &Fitted, known: usize, horizon: usize) -> Vec<f64> {
    let (form, p) = (&fitted.form, &fitted.smoothing);
    let cycle = fitted.end.season.len();
    let variance = fitted.variance;
    // What an error adds to the line and to the season, j steps later.
    let line = |j: usize| {
        p.alpha
            + match form.trend {
                Trend::None => 0.0,
                Trend::Straight => p.beta * j as f64,
                Trend::Damped => p.beta * damped(p.phi, j),
            }
    };
    let season = |j: usize| if cycle > 0 && j.is_multiple_of(cycle) { p.gamma } else { 0.0 };
    if !form.relative {
        let mut sum = 1.0;
        let mut spread = Vec::with_capacity(horizon);
        for k in 1..=horizon {
            spread.push((variance * sum).sqrt());
            let weight = line(k) + season(k);
            sum += weight * weight;
        }
        return spread;
    }
    let factor = |k: usize| match form.season {
        Part::Multiplicative => fitted.end.season[(known + k - 1) % cycle],
        _ => 1.0,
    };
    let means: Vec<f64> =
        (1..=horizon).map(|k| fitted.end.ahead(form, p.phi, known, k) / factor(k)).collect();
    let weights: Vec<f64> = (1..=horizon)
        .map(|j| line(j) + if form.season == Part::Additive { season(j) } else { 0.0 })
        .map(|weight| weight * weight)
        .collect();
    let mut squares: Vec<f64> = Vec::with_capacity(horizon);
    for k in 0..horizon {
        let past: f64 = weights[..k].iter().zip(squares.iter().rev()).map(|(w, s)| w * s).sum();
        squares.push(means[k] * means[k] + variance * past);
    }
    (1..=horizon)
        .map(|k| {
            let cycles = (k - 1).checked_div(cycle).unwrap_or(0) as i32;
            let seasonal = match form.season {
                Part::Multiplicative => (1.0 + p.gamma * p.gamma * variance).powi(cycles),
                _ => 1.0,
            };
            let mean = means[k - 1];
            let square = squares[k - 1] * (1.0 + variance) * seasonal - mean * mean;
            factor(k).abs() * square.max(0.0).sqrt()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::analytics::forecast::ets::form::Form;
    use crate::analytics::forecast::ets::recursion::{Smoothing, States};

    /// Deviations of many paths of the form itself.
    fn simulated(fitted: &Fitted, horizon: usize) -> Vec<f64> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let paths = 20_000;
        let mut sums = vec![(0.0, 0.0); horizon];
        let (form, p) = (&fitted.form, &fitted.smoothing);
        for _ in 0..paths {
            let mut at = fitted.end.clone();
            for (k, (sum, square)) in sums.iter_mut().enumerate() {
                let uniform: f64 = (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
                let e = uniform * fitted.variance.sqrt();
                let phase = k % at.season.len().max(1);
                let line = at.ahead(&Form { season: Part::None, ..*form }, p.phi, 0, 1);
                let mean = at.ahead(form, p.phi, k, 1);
                let error = if form.relative { mean * e } else { e };
                let y = mean + error;
                let own = match form.season {
                    Part::Multiplicative => error / at.season[phase],
                    _ => error,
                };
                at.level = line + p.alpha * own;
                at.slope = p.phi * at.slope + p.beta * own;
                match form.season {
                    Part::None => {}
                    Part::Additive => at.season[phase] += p.gamma * error,
                    Part::Multiplicative => at.season[phase] += p.gamma * error / line,
                }
                *sum += y;
                *square += y * y;
            }
        }
        let n = f64::from(paths);
        sums.iter().map(|(sum, square)| (square / n - (sum / n) * (sum / n)).sqrt()).collect()
    }

    #[test]
    fn spreads_are_those_of_simulated_paths() {
        for form in Form::all(true, true) {
            let season = match form.season {
                Part::None => vec![],
                Part::Additive => vec![20.0, -5.0, -15.0],
                Part::Multiplicative => vec![1.2, 0.95, 0.85],
            };
            let (slope, phi) = match form.trend {
                Trend::None => (0.0, 0.0),
                Trend::Straight => (1.0, 1.0),
                Trend::Damped => (1.0, 0.9),
            };
            let beta = if form.trend == Trend::None { 0.0 } else { 0.1 };
            let gamma = if form.season == Part::None { 0.0 } else { 0.2 };
            let states = States { level: 100.0, slope, season };
            let fitted = Fitted {
                form,
                smoothing: Smoothing { alpha: 0.4, beta, gamma, phi },
                start: states.clone(),
                end: states,
                variance: if form.relative { 0.0009 } else { 9.0 },
                aicc: 0.0,
            };
            let (own, paths) = (spread(&fitted, 0, 10), simulated(&fitted, 10));
            for (own, expected) in own.iter().zip(&paths) {
                assert!((own / expected - 1.0).abs() < 0.08, "{form}: {own} {expected}");
            }
        }
    }
}
