//! The recursion of exponential smoothing, and its gradient by going back over it.
//!
//! Hyndman, Koehler, Ord & Snyder, Forecasting with Exponential Smoothing (2008), table 2.1. The
//! states move the same way for additive and for relative errors; the likelihood differs.

use super::form::{Form, Part, Trend};

/// Smoothing parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Smoothing {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) gamma: f64,
    pub(super) phi: f64,
}

/// Level, slope and season at some time; the season by phase (place modulo its length).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct States {
    pub(super) level: f64,
    pub(super) slope: f64,
    pub(super) season: Vec<f64>,
}

impl States {
    /// The mean `k` steps ahead, from 1, when `known` values came before.
    pub(super) fn ahead(&self, form: &Form, phi: f64, known: usize, k: usize) -> f64 {
        let line = match form.trend {
            Trend::None => self.level,
            Trend::Straight => self.level + k as f64 * self.slope,
            Trend::Damped => self.level + damped(phi, k) * self.slope,
        };
        match form.season {
            Part::None => line,
            Part::Additive => line + self.season[(known + k - 1) % self.season.len()],
            Part::Multiplicative => line * self.season[(known + k - 1) % self.season.len()],
        }
    }
}

/// phi + phi^2 + .. + phi^k.
pub(super) fn damped(phi: f64, k: usize) -> f64 {
    if phi >= 1.0 { k as f64 } else { phi * (1.0 - phi.powi(k as i32)) / (1.0 - phi) }
}

/// What the way there leaves for the way back; reused from evaluation to evaluation.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    /// Level and slope together: the forecast without the season.
    line: Vec<f64>,
    /// The slope before.
    slope: Vec<f64>,
    /// The season's state before.
    season: Vec<f64>,
    /// The errors, relative ones for a relative form.
    pub(super) errors: Vec<f64>,
}

/// Goes over the values; returns the mean of twice the negative logarithm of the likelihood
/// (without its constant), and moves the states to the end. Infinite where the form is not defined.
pub(super) fn forward(
    form: &Form,
    values: &[f64],
    p: &Smoothing,
    states: &mut States,
    trace: &mut Trace,
) -> f64 {
    let run = match (form.season, form.relative) {
        (Part::None, false) => forward_of::<0, false>,
        (Part::None, true) => forward_of::<0, true>,
        (Part::Additive, false) => forward_of::<1, false>,
        (Part::Additive, true) => forward_of::<1, true>,
        (Part::Multiplicative, false) => forward_of::<2, false>,
        (Part::Multiplicative, true) => forward_of::<2, true>,
    };
    run(values, p, states, trace)
}

fn forward_of<const SEASON: u8, const RELATIVE: bool>(
    values: &[f64],
    p: &Smoothing,
    states: &mut States,
    trace: &mut Trace,
) -> f64 {
    let n = values.len();
    for column in [&mut trace.line, &mut trace.slope, &mut trace.season, &mut trace.errors] {
        column.resize(n, 0.0);
    }
    let (lines, slopes) = (&mut trace.line[..n], &mut trace.slope[..n]);
    let (seasons, errors) = (&mut trace.season[..n], &mut trace.errors[..n]);
    let (mut level, mut slope) = (states.level, states.slope);
    let (mut squares, mut logs, mut scale) = (0.0, 0.0, 1.0);
    let (mut phase, mut sound) = (0, true);
    for t in 0..n {
        let y = values[t];
        slopes[t] = slope;
        let line = level + p.phi * slope;
        lines[t] = line;
        let season = if SEASON == 0 { 0.0 } else { states.season[phase] };
        seasons[t] = season;
        let mean = match SEASON {
            0 => line,
            1 => line + season,
            _ => line * season,
        };
        let error = if RELATIVE { (y - mean) / mean } else { y - mean };
        errors[t] = error;
        squares += error * error;
        if RELATIVE {
            sound &= mean > 0.0;
            // Logarithms of products: one a value would cost more than all the rest.
            scale *= mean;
            if !(1e-100..1e100).contains(&scale) {
                logs += scale.ln();
                scale = 1.0;
            }
        }
        let off = match SEASON {
            0 => y - line,
            1 => y - season - line,
            _ => y / season - line,
        };
        level = line + p.alpha * off;
        slope = p.phi * slope + p.beta * off;
        if SEASON > 0 {
            let own = if SEASON == 1 { y - line } else { y / line };
            states.season[phase] = season + p.gamma * (own - season);
            if SEASON == 2 {
                sound &= season > 0.0 && line > 0.0;
            }
            phase += 1;
            if phase == states.season.len() {
                phase = 0;
            }
        }
    }
    states.level = level;
    states.slope = slope;
    if !sound || squares.is_nan() {
        return f64::INFINITY;
    }
    let logs = if RELATIVE { 2.0 * (logs + scale.ln()) / n as f64 } else { 0.0 };
    // Errors of nothing would make the best likelihood infinite.
    squares.max(1e-30).ln() + logs
}

/// What the likelihood gains from each parameter and each state at the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Gradient {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) gamma: f64,
    pub(super) phi: f64,
    pub(super) states: States,
}

/// The gradient of what [`forward`] returned, from its trace.
pub(super) fn backward(
    form: &Form,
    values: &[f64],
    p: &Smoothing,
    trace: &Trace,
    gradient: &mut Gradient,
) {
    let run = match (form.season, form.relative) {
        (Part::None, false) => backward_of::<0, false>,
        (Part::None, true) => backward_of::<0, true>,
        (Part::Additive, false) => backward_of::<1, false>,
        (Part::Additive, true) => backward_of::<1, true>,
        (Part::Multiplicative, false) => backward_of::<2, false>,
        (Part::Multiplicative, true) => backward_of::<2, true>,
    };
    run(values, p, trace, gradient);
}

fn backward_of<const SEASON: u8, const RELATIVE: bool>(
    values: &[f64],
    p: &Smoothing,
    trace: &Trace,
    gradient: &mut Gradient,
) {
    let n = values.len();
    let (lines, slopes) = (&trace.line[..n], &trace.slope[..n]);
    let (seasons, errors) = (&trace.season[..n], &trace.errors[..n]);
    let squares: f64 = errors.iter().map(|e| e * e).sum::<f64>().max(1e-30);
    let weight = 2.0 / squares;
    let each = 2.0 / n as f64;
    let states = &mut gradient.states;
    states.season.fill(0.0);
    // What later values gain from the level, the slope and the season behind this one.
    let (mut level, mut slope) = (0.0, 0.0);
    let (mut alpha, mut beta, mut gamma, mut phi) = (0.0, 0.0, 0.0, 0.0);
    let cycle = states.season.len().max(1);
    let mut phase = n % cycle;
    for t in (0..n).rev() {
        phase = if phase == 0 { cycle - 1 } else { phase - 1 };
        let (y, line, season, before) = (values[t], lines[t], seasons[t], slopes[t]);
        let mean = match SEASON {
            0 => line,
            1 => line + season,
            _ => line * season,
        };
        let of_mean = if RELATIVE {
            -weight * errors[t] * y / (mean * mean) + each / mean
        } else {
            -weight * errors[t]
        };
        let off = match SEASON {
            0 => y - line,
            1 => y - season - line,
            _ => y / season - line,
        };
        let of_off = p.alpha * level + p.beta * slope;
        alpha += off * level;
        beta += off * slope;
        let mut of_line = level - of_off;
        match SEASON {
            0 => of_line += of_mean,
            1 => {
                let later = states.season[phase];
                of_line += of_mean - p.gamma * later;
                gamma += (y - line - season) * later;
                states.season[phase] = (1.0 - p.gamma) * later + of_mean - of_off;
            }
            _ => {
                let later = states.season[phase];
                let own = y / line;
                of_line += of_mean * season - p.gamma * later * own / line;
                gamma += (own - season) * later;
                states.season[phase] =
                    (1.0 - p.gamma) * later + of_mean * line - of_off * y / (season * season);
            }
        }
        phi += before * (slope + of_line);
        slope = p.phi * (slope + of_line);
        level = of_line;
    }
    states.level = level;
    states.slope = slope;
    gradient.alpha = alpha;
    gradient.beta = beta;
    gradient.gamma = gamma;
    gradient.phi = phi;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Vec<f64> {
        (0..30).map(|t| 10.0 + 0.3 * t as f64 + [2.0, -1.0, 0.5, -1.5][t % 4]).collect()
    }

    fn start(form: &Form) -> (Smoothing, States) {
        let (slope, phi) = match form.trend {
            Trend::None => (0.0, 0.0),
            Trend::Straight => (0.25, 1.0),
            Trend::Damped => (0.25, 0.9),
        };
        let season = match form.season {
            Part::None => vec![],
            Part::Additive => vec![1.5, -0.5, 0.2, -1.2],
            Part::Multiplicative => vec![1.2, 0.9, 1.05, 0.85],
        };
        let smoothing = Smoothing { alpha: 0.3, beta: 0.1, gamma: 0.2, phi };
        (smoothing, States { level: 9.5, slope, season })
    }

    /// The textbook's equations, a value at a time, with states by age.
    fn naive(form: &Form, values: &[f64], p: &Smoothing, states: &States) -> (f64, f64) {
        let (mut l, mut b, mut s) = (states.level, states.slope, states.season.clone());
        let (mut squares, mut logs) = (0.0, 0.0);
        for y in values {
            let q = l + p.phi * b;
            let mean = match form.season {
                Part::None => q,
                Part::Additive => q + s[0],
                Part::Multiplicative => q * s[0],
            };
            let e = y - mean;
            match form.season {
                Part::None => {
                    l = q + p.alpha * e;
                    b = p.phi * b + p.beta * e;
                }
                Part::Additive => {
                    l = q + p.alpha * e;
                    b = p.phi * b + p.beta * e;
                    let old = s.remove(0);
                    s.push(old + p.gamma * e);
                }
                Part::Multiplicative => {
                    l = q + p.alpha * e / s[0];
                    b = p.phi * b + p.beta * e / s[0];
                    let old = s.remove(0);
                    s.push(old + p.gamma * e / q);
                }
            }
            let e = if form.relative { e / mean } else { e };
            squares += e * e;
            logs += mean.ln();
        }
        let logs = if form.relative { 2.0 * logs / values.len() as f64 } else { 0.0 };
        (f64::ln(squares) + logs, l)
    }

    #[test]
    fn every_form_follows_the_textbook() {
        for form in Form::all(true, true) {
            let (p, mut states) = start(&form);
            let (expected, level) = naive(&form, &values(), &p, &states);
            let own = forward(&form, &values(), &p, &mut states, &mut Trace::default());
            assert!((own - expected).abs() < 1e-10, "{form}: {own} {expected}");
            assert!((states.level - level).abs() < 1e-10, "{form}");
        }
    }

    #[test]
    fn the_gradient_is_that_of_small_differences() {
        let values = values();
        for form in Form::all(true, true) {
            let (p, states) = start(&form);
            let value = |p: &Smoothing, states: &States| {
                forward(&form, &values, p, &mut states.clone(), &mut Trace::default())
            };
            let mut trace = Trace::default();
            forward(&form, &values, &p, &mut states.clone(), &mut trace);
            let mut gradient = Gradient { states: states.clone(), ..Gradient::default() };
            backward(&form, &values, &p, &trace, &mut gradient);
            type Change = Box<dyn Fn(&mut Smoothing, &mut States, f64)>;
            let mut checks: Vec<(f64, Change)> = vec![
                (gradient.alpha, Box::new(|p, _, d| p.alpha += d)),
                (gradient.beta, Box::new(|p, _, d| p.beta += d)),
                (gradient.phi, Box::new(|p, _, d| p.phi += d)),
                (gradient.states.level, Box::new(|_, s, d| s.level += d)),
                (gradient.states.slope, Box::new(|_, s, d| s.slope += d)),
            ];
            if form.season != Part::None {
                checks.push((gradient.gamma, Box::new(|p, _, d| p.gamma += d)));
                for i in 0..4 {
                    let of = gradient.states.season[i];
                    checks.push((of, Box::new(move |_, s, d| s.season[i] += d)));
                }
            }
            for (at, (own, change)) in checks.iter().enumerate() {
                let moved = |d: f64| {
                    let (mut p, mut states) = (p, states.clone());
                    change(&mut p, &mut states, d);
                    value(&p, &states)
                };
                let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let close = (own - expected).abs() < 1e-5 * (1.0 + expected.abs());
                assert!(close, "{form} {at}: {own} {expected}");
            }
        }
    }
}
