//! Fits a form: the likeliest smoothing and states at the start.

use super::form::{Form, Part, Trend};
use super::recursion::{Gradient, Smoothing, States, Trace, backward, forward};
use crate::analytics::forecast::decompose;
use crate::analytics::numeric::minimize::{Stop, bfgs};

/// Bounds of the smoothing parameters, those of the reference implementation of Hyndman & Khandakar
/// (2008): alpha within these, beta from the least to alpha and to a fifth of a season's step,
/// gamma from the least to 1 - alpha.
const LEAST: f64 = 1e-4;
const MOST: f64 = 0.9999;
/// Bounds of the damping.
const DAMPING: (f64, f64) = (0.8, 0.98);
/// A fit ends when a step gains less than this in the mean log-likelihood, and after so many
/// evaluations.
const STOP: Stop = Stop { gain: 1e-6, evaluations: 100 };

/// A form fitted to values.
#[derive(Clone, Debug)]
pub(super) struct Fitted {
    pub(super) form: Form,
    pub(super) smoothing: Smoothing,
    /// States before the first value.
    pub(super) start: States,
    /// States behind the last value.
    pub(super) end: States,
    /// The variance of the errors, relative ones for a relative form.
    pub(super) variance: f64,
    /// The corrected information criterion of Akaike, by which forms compare.
    pub(super) aicc: f64,
}

/// Whether a form's parameters are few enough for `n` values.
pub(super) fn affordable(form: &Form, n: usize, m: usize) -> bool {
    form.parameters(m) + 1 < n
}

/// Fits a form with seasons of `m` steps. `None` where it is not defined on these values.
///
/// `prudence` is how strongly smoothing is drawn to where the search begins, in log-likelihood for
/// each squared unit of log-odds; 0 is maximum likelihood.
pub(super) fn fit(
    form: &Form,
    values: &[f64],
    m: usize,
    prudence: f64,
    trace: &mut Trace,
) -> Option<Fitted> {
    let n = values.len();
    let start = start(form, values, m)?;
    let grain = grain(values, m);
    let axes = Axes { form, start: &start, grain, steepest: steepest(m) };
    let mut gradient = Gradient { states: start.clone(), ..Gradient::default() };
    let mut states = start.clone();
    let origin = axes.origin(m);
    let (drawn, pull) = (axes.smoothings(), prudence / n as f64);
    let objective = |x: &[f64], slopes: &mut [f64]| {
        let smoothing = axes.smoothing(x);
        axes.states(x, &mut states);
        let mut value = forward(form, values, &smoothing, &mut states, trace);
        if value.is_finite() {
            backward(form, values, &smoothing, trace, &mut gradient);
            axes.gradient(x, &gradient, slopes);
            for ((x, origin), slope) in x.iter().zip(&origin).zip(slopes).take(drawn) {
                let off = x - origin;
                value += pull * off * off;
                *slope += 2.0 * pull * off;
            }
        }
        value
    };
    let found = bfgs(objective, &origin, 0.5, STOP);
    let smoothing = axes.smoothing(&found.at);
    let mut start = start.clone();
    axes.states(&found.at, &mut start);
    let mut end = start.clone();
    let value = forward(form, values, &smoothing, &mut end, trace);
    if !value.is_finite() {
        return None;
    }
    let squares: f64 = trace.errors[..n].iter().map(|e| e * e).sum();
    let (k, count) = (form.parameters(m) as f64, n as f64);
    let aicc = count * value + 2.0 * k + 2.0 * k * (k + 1.0) / (count - k - 1.0).max(0.5);
    let variance = squares / (count - k).max(1.0);
    Some(Fitted { form: *form, smoothing, start, end, variance, aicc })
}

/// How coarse values are from step to step: the unit in which states at the start are sought.
fn grain(values: &[f64], m: usize) -> f64 {
    let lag = if values.len() > 2 * m { m } else { 1 };
    let steps = values[lag..].iter().zip(values).map(|(a, b)| (a - b) * (a - b));
    let size = values.iter().fold(0.0f64, |most, y| most.max(y.abs()));
    (steps.sum::<f64>() / (values.len() - lag).max(1) as f64).sqrt().max(1e-6 * size)
}

/// States at the start from a classical decomposition and a line through the first values, as in
/// Hyndman & Khandakar (2008).
fn start(form: &Form, values: &[f64], m: usize) -> Option<States> {
    let season = match form.season {
        Part::None => Vec::new(),
        part => decompose::classical(values, m, part == Part::Multiplicative),
    };
    if form.season == Part::Multiplicative && season.iter().any(|s| *s < 1e-2) {
        return None;
    }
    let first = values.len().min(10.max(2 * m));
    let adjusted = |t: usize| match form.season {
        Part::None => values[t],
        Part::Additive => values[t] - season[t % m],
        Part::Multiplicative => values[t] / season[t % m],
    };
    let mean = (0..first).map(adjusted).sum::<f64>() / first as f64;
    if form.trend == Trend::None {
        return Some(States { level: mean, slope: 0.0, season });
    }
    let middle = (first + 1) as f64 / 2.0;
    let (mut across, mut along) = (0.0, 0.0);
    for t in 0..first {
        let x = (t + 1) as f64 - middle;
        across += x * adjusted(t);
        along += x * x;
    }
    let slope = if along > 0.0 { across / along } else { 0.0 };
    let level = mean - slope * middle;
    Some(States { level, slope, season })
}

/// What the minimiser moves along: unbounded numbers for bounded parameters, and the states' moves
/// from where they were guessed, in grains. The last phase of the season is what the others leave.
struct Axes<'a> {
    form: &'a Form,
    start: &'a States,
    grain: f64,
    /// The most that beta may be.
    steepest: f64,
}

/// The most that beta may be with a season of `m` steps: slopes that turn within a season take its
/// shape for a trend.
fn steepest(m: usize) -> f64 {
    LEAST + 0.2 * (MOST - LEAST) / m as f64
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Axes<'_> {
    /// How many numbers come before the states: for alpha, beta, gamma and phi.
    fn smoothings(&self) -> usize {
        let trend = match self.form.trend {
            Trend::None => 0,
            Trend::Straight => 1,
            Trend::Damped => 2,
        };
        1 + trend + usize::from(self.form.season != Part::None)
    }

    /// Where to begin.
    fn origin(&self, m: usize) -> Vec<f64> {
        let mut x = vec![0.0; self.form.parameters(m) - 1];
        // alpha .2, beta a tenth of it, gamma a twentieth of what alpha leaves, phi .95.
        x[0] = -1.4;
        let mut at = 1;
        if self.form.trend != Trend::None {
            x[at] = -2.2;
            at += 1;
        }
        if self.form.season != Part::None {
            x[at] = -2.9;
            at += 1;
        }
        if self.form.trend == Trend::Damped {
            x[at] = 1.6;
        }
        x
    }

    fn smoothing(&self, x: &[f64]) -> Smoothing {
        let alpha = LEAST + (MOST - LEAST) * sigmoid(x[0]);
        let mut at = 1;
        let mut next = || {
            at += 1;
            sigmoid(x[at - 1])
        };
        let beta = match self.form.trend {
            Trend::None => 0.0,
            _ => LEAST + (alpha.min(self.steepest) - LEAST) * next(),
        };
        let gamma = match self.form.season {
            Part::None => 0.0,
            _ => LEAST + (1.0 - alpha - LEAST) * next(),
        };
        let phi = match self.form.trend {
            Trend::None => 0.0,
            Trend::Straight => 1.0,
            Trend::Damped => DAMPING.0 + (DAMPING.1 - DAMPING.0) * next(),
        };
        Smoothing { alpha, beta, gamma, phi }
    }

    fn states(&self, x: &[f64], states: &mut States) {
        let mut moves = x[self.smoothings()..].iter().map(|x| x * self.grain);
        let mut next = || moves.next().unwrap_or(0.0);
        states.level = self.start.level + next();
        states.slope = match self.form.trend {
            Trend::None => 0.0,
            _ => self.start.slope + next(),
        };
        let relative = self.relative();
        if let Some((last, others)) = states.season.split_last_mut() {
            let total = if relative { self.start.season.len() as f64 } else { 0.0 };
            let mut sum = 0.0;
            for (state, guess) in others.iter_mut().zip(&self.start.season) {
                // A multiplicative state moves by grains relative to the level.
                let by = if relative { self.start.level.abs().max(self.grain) } else { 1.0 };
                *state = guess + next() / by;
                sum += *state;
            }
            *last = total - sum;
        }
    }

    fn relative(&self) -> bool {
        self.form.season == Part::Multiplicative
    }

    fn gradient(&self, x: &[f64], of: &Gradient, slopes: &mut [f64]) {
        let shape = |x: f64| {
            let s = sigmoid(x);
            (s, s * (1.0 - s))
        };
        let alpha = LEAST + (MOST - LEAST) * sigmoid(x[0]);
        let mut of_alpha = of.alpha;
        let mut at = 1;
        if self.form.trend != Trend::None {
            let (share, slope) = shape(x[at]);
            slopes[at] = of.beta * (alpha.min(self.steepest) - LEAST) * slope;
            if alpha < self.steepest {
                of_alpha += of.beta * share;
            }
            at += 1;
        }
        if self.form.season != Part::None {
            let (share, slope) = shape(x[at]);
            slopes[at] = of.gamma * (1.0 - alpha - LEAST) * slope;
            of_alpha -= of.gamma * share;
            at += 1;
        }
        if self.form.trend == Trend::Damped {
            slopes[at] = of.phi * (DAMPING.1 - DAMPING.0) * shape(x[at]).1;
            at += 1;
        }
        slopes[0] = of_alpha * (MOST - LEAST) * shape(x[0]).1;
        slopes[at] = of.states.level * self.grain;
        at += 1;
        if self.form.trend != Trend::None {
            slopes[at] = of.states.slope * self.grain;
            at += 1;
        }
        if let Some((last, others)) = of.states.season.split_last() {
            let by = if self.relative() { self.start.level.abs().max(self.grain) } else { 1.0 };
            for (slope, own) in slopes[at..].iter_mut().zip(others) {
                *slope = (own - last) * self.grain / by;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(n: usize) -> Vec<f64> {
        let noise = |t: usize| ((t * t * 31) % 17) as f64 / 17.0 - 0.5;
        (0..n).map(|t| (20.0 + 0.2 * t as f64) * [1.2, 0.9, 1.0, 0.9][t % 4] + noise(t)).collect()
    }

    #[test]
    fn the_gradient_along_the_axes_is_that_of_small_differences() {
        let values = values(40);
        for form in Form::all(true, true) {
            let start = start(&form, &values, 4).expect("positive");
            let axes = Axes { form: &form, start: &start, grain: 0.7, steepest: steepest(4) };
            let mut x = axes.origin(4);
            x.iter_mut().enumerate().for_each(|(i, x)| *x += 0.1 * (i % 3) as f64);
            let mut trace = Trace::default();
            let mut value = |x: &[f64]| {
                let mut states = start.clone();
                axes.states(x, &mut states);
                forward(&form, &values, &axes.smoothing(x), &mut states, &mut trace)
            };
            let numeric: Vec<f64> = (0..x.len())
                .map(|i| {
                    let mut moved = |d: f64| {
                        let mut x = x.clone();
                        x[i] += d;
                        value(&x)
                    };
                    (moved(1e-5) - moved(-1e-5)) / 2e-5
                })
                .collect();
            value(&x);
            let mut gradient = Gradient { states: start.clone(), ..Gradient::default() };
            backward(&form, &values, &axes.smoothing(&x), &trace, &mut gradient);
            let mut slopes = vec![0.0; x.len()];
            axes.gradient(&x, &gradient, &mut slopes);
            for (own, expected) in slopes.iter().zip(&numeric) {
                let close = (own - expected).abs() < 1e-5 * (1.0 + expected.abs());
                assert!(close, "{form}: {slopes:?} {numeric:?}");
            }
        }
    }

    #[test]
    fn a_fit_is_within_bounds_and_better_than_its_start() {
        let values = values(60);
        for form in Form::all(true, true) {
            let mut trace = Trace::default();
            let fitted = fit(&form, &values, 4, 0.0, &mut trace).expect("positive");
            let s = fitted.smoothing;
            assert!((LEAST..=MOST).contains(&s.alpha) && s.beta <= s.alpha, "{form} {s:?}");
            assert!(s.gamma <= 1.0 - s.alpha + 1e-12, "{form} {s:?}");
            let start = start(&form, &values, 4).expect("positive");
            let axes = Axes { form: &form, start: &start, grain: 1.0, steepest: steepest(4) };
            let mut states = start.clone();
            let guess = axes.smoothing(&axes.origin(4));
            let before = forward(&form, &values, &guess, &mut states, &mut trace);
            let mut states = fitted.start.clone();
            let after = forward(&form, &values, &s, &mut states, &mut trace);
            assert!(after < before, "{form}");
            assert_eq!(states, fitted.end);
        }
    }
}
