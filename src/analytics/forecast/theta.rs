//! The Theta method and its optimised and dynamic forms.
//!
//! Fiorucci, Pellegrini, Louzada, Petropoulos & Koehler, Models for optimising the theta method and
//! their relationship to state space models (2016): the line through all values and an exponential
//! smoothing of the theta line go on together; the dynamic forms move the line with each value.

use super::decompose::Adjusted;
use super::{Forecast, Forecaster, History, Replay};
use crate::analytics::Options;
use crate::analytics::numeric::minimize::{Stop, nelder_mead};
use crate::error::Result;
use crate::kernels::Guard;

/// The fewest values.
const LEAST: usize = 4;
/// Values at the start whose errors do not count: the states are not settled.
const SETTLING: usize = 3;
/// Bounds of the smoothing, those of the paper's own implementation.
const ALPHA: (f64, f64) = (0.1, 0.99);
const STOP: Stop = Stop { gain: 1e-7, evaluations: 300 };

/// Which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The standard method: theta is 2.
    Standard,
    /// Theta is fitted.
    Optimised,
    /// The line moves; theta is 2.
    DynamicStandard,
    /// The line moves; theta is fitted.
    DynamicOptimised,
}

impl Form {
    const ALL: [Self; 4] =
        [Self::Standard, Self::Optimised, Self::DynamicStandard, Self::DynamicOptimised];

    fn name(self) -> &'static str {
        match self {
            Self::Standard => "STM",
            Self::Optimised => "OTM",
            Self::DynamicStandard => "DSTM",
            Self::DynamicOptimised => "DOTM",
        }
    }

    fn dynamic(self) -> bool {
        matches!(self, Self::DynamicStandard | Self::DynamicOptimised)
    }

    fn optimised(self) -> bool {
        matches!(self, Self::Optimised | Self::DynamicOptimised)
    }
}

/// The Theta method on the seasonally adjusted series.
#[derive(Clone, Copy, Debug)]
pub struct Theta {
    /// `None`: the form with the least error on the history.
    form: Option<Form>,
}

impl Default for Theta {
    fn default() -> Self {
        Self { form: Some(Form::DynamicOptimised) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Parameters {
    /// The smoothed level before the first value.
    level: f64,
    alpha: f64,
    theta: f64,
}

/// Where a pass over the values stands.
#[derive(Clone, Copy, Debug)]
struct State {
    level: f64,
    mean: f64,
    /// Intercept and slope of the line.
    intercept: f64,
    slope: f64,
    /// (1 - alpha) to the power of the values passed.
    decay: f64,
    passed: f64,
}

#[derive(Clone, Debug)]
struct Fitted {
    form: Form,
    parameters: Parameters,
    line: (f64, f64),
    /// Of errors one step ahead.
    variance: f64,
}

impl State {
    fn start(form: Form, p: &Parameters, line: (f64, f64), first: f64) -> Self {
        let (intercept, slope) = if form.dynamic() { (first, 0.0) } else { line };
        let level = p.alpha * first + (1.0 - p.alpha) * p.level;
        Self { level, mean: first, intercept, slope, decay: 1.0 - p.alpha, passed: 1.0 }
    }

    fn expected(&self, p: &Parameters) -> f64 {
        let rest = 1.0 - p.alpha;
        let line = self.intercept * self.decay + self.slope * (1.0 - self.decay * rest) / p.alpha;
        self.level + (1.0 - 1.0 / p.theta) * line
    }

    fn pass(&mut self, form: Form, p: &Parameters, y: f64) {
        let i = self.passed;
        self.level += p.alpha * (y - self.level);
        if form.dynamic() {
            self.slope = ((i - 1.0) * self.slope + 6.0 * (y - self.mean) / (i + 1.0)) / (i + 2.0);
            self.mean = (i * self.mean + y) / (i + 1.0);
            self.intercept = self.mean - self.slope * (i + 2.0) / 2.0;
        }
        self.decay *= 1.0 - p.alpha;
        self.passed += 1.0;
    }

    fn ahead(mut self, form: Form, p: &Parameters, horizon: usize) -> Vec<f64> {
        (0..horizon)
            .map(|_| {
                let mean = self.expected(p);
                self.pass(form, p, mean);
                mean
            })
            .collect()
    }
}

/// The mean square of the errors one step ahead, and where the pass ends.
fn pass(form: Form, p: &Parameters, line: (f64, f64), values: &[f64]) -> (f64, State) {
    let mut state = State::start(form, p, line, values[0]);
    let mut squares = 0.0;
    let settling = SETTLING.min(values.len() - 1);
    for (t, &y) in values.iter().enumerate().skip(1) {
        if t >= settling {
            let error = y - state.expected(p);
            squares += error * error;
        }
        state.pass(form, p, y);
    }
    (squares / (values.len() - settling) as f64, state)
}

/// Intercept and slope of the least squares line over the places 1, 2, ...
fn line(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let (middle, mean) = ((n + 1.0) / 2.0, values.iter().sum::<f64>() / n);
    let (mut across, mut along) = (0.0, 0.0);
    for (t, y) in values.iter().enumerate() {
        let x = (t + 1) as f64 - middle;
        across += x * (y - mean);
        along += x * x;
    }
    let slope = if along > 0.0 { across / along } else { 0.0 };
    (mean - slope * middle, slope)
}

fn fit(form: Form, values: &[f64]) -> Fitted {
    let line = line(values);
    let size = values.iter().map(|y| y.abs()).sum::<f64>() / values.len() as f64;
    let size = if size > 0.0 { size } else { 1.0 };
    let parameters = |x: &[f64]| Parameters {
        level: x[0] * size,
        alpha: x[1],
        theta: if form.optimised() { x[2].exp() } else { 2.0 },
    };
    let objective = |x: &[f64]| {
        let allowed = (ALPHA.0..=ALPHA.1).contains(&x[1]) && x.get(2).is_none_or(|t| *t >= 0.0);
        if !allowed {
            return f64::INFINITY;
        }
        (pass(form, &parameters(x), line, values).0 / (size * size)).max(1e-30).ln()
    };
    let start = [values[0] / (2.0 * size), 0.5, std::f64::consts::LN_2];
    let steps = [0.2 * start[0].abs().max(0.1), -0.2, 0.4];
    let free = if form.optimised() { 3 } else { 2 };
    let found = nelder_mead(objective, &start[..free], &steps[..free], STOP);
    let parameters = parameters(&found.at);
    let variance = pass(form, &parameters, line, values).0;
    Fitted { form, parameters, line, variance }
}

impl Theta {
    /// Takes `form`: "DOTM" (the default), "DSTM", "OTM", "STM", or "auto" for the one with the
    /// least error on the history.
    ///
    /// # Errors
    /// For another form.
    pub fn take(options: &mut Options) -> Result<Self> {
        let form = options.choice("form", &["DOTM", "DSTM", "OTM", "STM", "auto"])?;
        Ok(Self { form: Form::ALL.into_iter().find(|own| own.name() == form) })
    }

    fn fit(&self, history: &History<'_>) -> Result<(Adjusted, Fitted)> {
        history.at_least(LEAST, self.name())?;
        let adjusted = Adjusted::of(history.values, adjustable(history));
        let forms = Form::ALL.into_iter().filter(|form| self.form.is_none_or(|own| own == *form));
        let fits = forms.map(|form| fit(form, &adjusted.values));
        let best = fits.min_by(|a, b| a.variance.total_cmp(&b.variance));
        let fitted = best.unwrap_or_else(|| fit(Form::Standard, &adjusted.values));
        Ok((adjusted, fitted))
    }
}

/// The longest season that fits twice, or 1.
fn adjustable(history: &History<'_>) -> usize {
    history.main_season()
}

impl Fitted {
    fn ahead(&self, adjusted: &Adjusted, known: usize, horizon: usize) -> Forecast {
        let p = &self.parameters;
        let (_, state) = pass(self.form, p, self.line, &adjusted.values[..known]);
        let mut mean = state.ahead(self.form, p, horizon);
        // The smoothing's own variance; the line's, with a slope that is half as steep as the
        // regression's, is what calibration adds.
        let mut spread: Vec<f64> = (0..horizon)
            .map(|k| (self.variance * (1.0 + k as f64 * p.alpha * p.alpha)).sqrt())
            .collect();
        adjusted.restore(known, &mut mean, &mut spread);
        Forecast::new(mean, spread).using(self.form.name())
    }
}

impl Forecaster for Theta {
    fn name(&self) -> &'static str {
        "theta"
    }

    fn forecast(&self, history: &History<'_>, horizon: usize, _: &dyn Guard) -> Result<Forecast> {
        let (adjusted, fitted) = self.fit(history)?;
        Ok(fitted.ahead(&adjusted, history.values.len(), horizon))
    }

    fn replay(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        _: &dyn Guard,
    ) -> Result<Replay> {
        let (adjusted, fitted) = self.fit(history)?;
        let then = origins
            .iter()
            .map(|&origin| {
                let steps = horizon.min(history.values.len() - origin);
                (origin, fitted.ahead(&adjusted, origin, steps))
            })
            .collect();
        Ok(Replay { now: fitted.ahead(&adjusted, history.values.len(), horizon), then })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    fn values() -> Vec<f64> {
        (0..40).map(|t| 10.0 + 0.5 * t as f64 + ((t * t * 31) % 17) as f64 / 5.0).collect()
    }

    /// The paper's equations with powers, and the line fitted anew at each value.
    fn naive(form: Form, p: &Parameters, values: &[f64]) -> f64 {
        let mut level = p.alpha * values[0] + (1.0 - p.alpha) * p.level;
        let mut squares = 0.0;
        let whole = line(values);
        for i in 1..values.len() {
            let (a, b) = if form.dynamic() { line(&values[..i]) } else { whole };
            let rest = 1.0 - p.alpha;
            let drift = a * rest.powi(i as i32) + b * (1.0 - rest.powi(i as i32 + 1)) / p.alpha;
            let error = values[i] - level - (1.0 - 1.0 / p.theta) * drift;
            if i >= SETTLING {
                squares += error * error;
            }
            level = p.alpha * values[i] + rest * level;
        }
        squares / (values.len() - SETTLING) as f64
    }

    #[test]
    fn every_form_follows_the_paper() {
        let p = Parameters { level: 4.0, alpha: 0.37, theta: 2.6 };
        for form in Form::ALL {
            let own = pass(form, &p, line(&values()), &values()).0;
            let expected = naive(form, &p, &values());
            assert!((own - expected).abs() < 1e-9 * expected, "{form:?} {own} {expected}");
        }
    }

    #[test]
    fn a_fit_is_at_least_as_good_as_a_grid() {
        for form in Form::ALL {
            let fitted = fit(form, &values());
            for alpha in [0.15, 0.3, 0.5, 0.7, 0.9] {
                for theta in [1.5, 2.0, 3.0, 8.0] {
                    let theta = if form.optimised() { theta } else { 2.0 };
                    let p = Parameters { level: 5.0, alpha, theta };
                    let (grid, _) = pass(form, &p, line(&values()), &values());
                    assert!(fitted.variance <= grid * 1.001, "{form:?} {alpha} {theta}");
                }
            }
        }
    }

    #[test]
    fn a_trend_goes_on_and_constants_stay() {
        let history = History { start: 0, step: 1, values: &values(), seasons: &[] };
        let forecast = Theta::default().forecast(&history, 5, &Unguarded).expect("long enough");
        assert!(forecast.mean.windows(2).all(|pair| pair[1] > pair[0]), "{forecast:?}");
        let flat = History { values: &[7.0; 12], ..history };
        let forecast = Theta::default().forecast(&flat, 3, &Unguarded).expect("long enough");
        assert!(forecast.mean.iter().all(|m| (m - 7.0).abs() < 1e-2), "{forecast:?}");
    }
}
