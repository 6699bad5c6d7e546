//! One seasonal ARIMA: its order, its fit by exact maximum likelihood, its predictions.
//!
//! The concentrated likelihood is a sum of squares: of the standardised innovations, scaled by the
//! geometric mean of their variances (Ansley, 1979), so that Levenberg-Marquardt maximises it.
//! Parameters are partial autocorrelations under the inverse of a hyperbolic tangent, which keeps
//! every step stationary and invertible (Monahan, 1984).

use super::likelihood::{Filtered, Process};
use super::polynomial;
use crate::analytics::numeric::levenberg::{self, Precision};
use crate::kernels::Guard;

/// The order (p,d,q)(P,D,Q)m and whether the differenced series has a mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// p: lags of the autoregression.
    pub ar: usize,
    /// d: ordinary differences.
    pub differences: usize,
    /// q: lags of the moving average.
    pub ma: usize,
    /// P: seasonal lags of the autoregression.
    pub seasonal_ar: usize,
    /// D: seasonal differences.
    pub seasonal_differences: usize,
    /// Q: seasonal lags of the moving average.
    pub seasonal_ma: usize,
    /// m: steps of a season; 1 for none.
    pub season: usize,
    /// Whether there is a mean: of the series, or as a drift of the differenced one.
    pub constant: bool,
}

impl Order {
    /// Parameters that are fitted, without the variance.
    pub fn parameters(&self) -> usize {
        self.ar + self.ma + self.seasonal_ar + self.seasonal_ma + usize::from(self.constant)
    }

    /// Values that differencing takes.
    pub fn lost(&self) -> usize {
        self.differences + self.seasonal_differences * self.season
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "arima({},{},{})", self.ar, self.differences, self.ma)?;
        let seasonal = [self.seasonal_ar, self.seasonal_differences, self.seasonal_ma];
        if seasonal != [0; 3] {
            let [ar, differences, ma] = seasonal;
            write!(f, "({ar},{differences},{ma})[{}]", self.season)?;
        }
        match (self.constant, self.differences + self.seasonal_differences) {
            (true, 0) => f.write_str(" with mean"),
            (true, _) => f.write_str(" with drift"),
            (false, _) => Ok(()),
        }
    }
}

/// A fitted model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its order.
    pub order: Order,
    /// Coefficients of the ordinary autoregression: w_t = ar_1 w_(t-1) + ...
    pub ar: Vec<f64>,
    /// Of the ordinary moving average: ... + e_t + ma_1 e_(t-1).
    pub ma: Vec<f64>,
    /// Of the seasonal autoregression.
    pub seasonal_ar: Vec<f64>,
    /// Of the seasonal moving average.
    pub seasonal_ma: Vec<f64>,
    /// The mean of the differenced series.
    pub mean: f64,
    /// The shocks' variance by maximum likelihood.
    pub variance: f64,
    /// The logarithm of the likelihood of the differenced series.
    pub log_likelihood: f64,
    /// Where the fit ended, to start another near it.
    pub(super) raw: Raw,
    process: Process,
    filtered: Filtered,
    differenced: usize,
}

/// Parameters without bounds, in the order ar, ma, seasonal ar, seasonal ma, mean (in units of the
/// differenced series' deviation).
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Raw {
    pub parts: [Vec<f64>; 4],
    pub mean: f64,
}

/// The furthest a partial autocorrelation comes to one.
const NEAREST: f64 = 0.9999;
/// Up to this length the likelihood is exact from the first step on.
const SHORT: usize = 400;

fn partial(raw: f64) -> f64 {
    raw.tanh() * NEAREST
}

impl Raw {
    fn flat(&self, order: &Order) -> Vec<f64> {
        let sizes = [order.ar, order.ma, order.seasonal_ar, order.seasonal_ma];
        let mut flat = Vec::with_capacity(order.parameters());
        for (part, size) in self.parts.iter().zip(sizes) {
            // A lag that the start does not have begins a little off zero: at zero the slopes of a
            // lag on both sides cancel.
            flat.extend((0..size).map(|at| part.get(at).copied().unwrap_or(0.05).clamp(-3.0, 3.0)));
        }
        if order.constant {
            flat.push(self.mean);
        }
        flat
    }

    fn of(flat: &[f64], order: &Order) -> Self {
        let mut rest = flat;
        let parts = [order.ar, order.ma, order.seasonal_ar, order.seasonal_ma].map(|size| {
            let (part, after) = rest.split_at(size);
            rest = after;
            part.to_vec()
        });
        Self { parts, mean: rest.first().copied().unwrap_or(0.0) }
    }

    /// The coefficients of the four polynomials; those of moving averages as they are added.
    fn coefficients(&self) -> [Vec<f64>; 4] {
        let [ar, ma, sar, sma] = self
            .parts
            .each_ref()
            .map(|part| polynomial::from_partial(part.iter().map(|raw| partial(*raw))));
        let negated = |of: Vec<f64>| of.iter().map(|c| -c).collect();
        [ar, negated(ma), sar, negated(sma)]
    }

    fn process(&self, season: usize) -> Process {
        let [ar, ma, sar, sma] = self.coefficients();
        let negated = |of: &[f64]| of.iter().map(|c| -c).collect::<Vec<_>>();
        let whole = polynomial::product(&negated(&ma), &negated(&sma), season);
        Process::new(polynomial::product(&ar, &sar, season), negated(&whole))
    }
}

/// The series after its differences.
pub(super) fn difference(values: &[f64], order: &Order) -> Vec<f64> {
    let mut all = values.to_vec();
    let lags = std::iter::repeat_n(order.season, order.seasonal_differences)
        .chain(std::iter::repeat_n(1, order.differences));
    for lag in lags {
        all = all.windows(lag + 1).map(|pair| pair[lag] - pair[0]).collect();
    }
    all
}

impl Model {
    /// Fits a series without missing values; `None` when it is too short for the order, and when the
    /// guard ended the work. `near` are parameters to start from.
    pub(super) fn fit(
        values: &[f64],
        order: Order,
        near: Option<&Raw>,
        precision: Precision,
        guard: &dyn Guard,
    ) -> Option<Self> {
        if values.len() < order.lost() + order.parameters() + 2 {
            return None;
        }
        let mut moved = difference(values, &order);
        let count = moved.len() as f64;
        let center = if order.constant { moved.iter().sum::<f64>() / count } else { 0.0 };
        let power = moved.iter().map(|w| (w - center).powi(2)).sum::<f64>() / count;
        let size = if power > 0.0 && power.is_finite() { power.sqrt() } else { 1.0 };
        for value in &mut moved {
            *value = (*value - center) / size;
        }
        let mut start = near.cloned().unwrap_or_default();
        start.mean = 0.0;
        let mut flat = start.flat(&order);
        let mut shifted = moved.clone();
        if moved.len() > SHORT {
            let found = levenberg::minimize(&flat, precision, |flat, out| {
                let raw = Raw::of(flat, &order);
                shift(&moved, raw.mean, &mut shifted);
                raw.process(order.season).conditional(&shifted, out);
                let (ar, season) = (order.ar + order.season * order.seasonal_ar, moved.len() / 4);
                // The first innovations stand for values before the series; they say little.
                out.drain(..ar.min(season));
                guard.poll().is_ok()
            });
            if let Some(found) = found {
                flat = found.x.iter().map(|x| x.clamp(-4.0, 4.0)).collect();
            }
        }
        let mut filtered = Filtered::default();
        let exact = |flat: &[f64], shifted: &mut Vec<f64>, filtered: &mut Filtered| {
            let raw = Raw::of(flat, &order);
            shift(&moved, raw.mean, shifted);
            raw.process(order.season).filter(shifted, filtered)
        };
        let found = levenberg::minimize(&flat, precision, |flat, out| {
            let valid = guard.poll().is_ok()
                && flat.iter().all(|x| x.abs() < 6.0)
                && exact(flat, &mut shifted, &mut filtered);
            if valid {
                let scale = (filtered.log_variance / (2.0 * count)).exp();
                out.clear();
                out.extend(filtered.innovations.iter().map(|e| e * scale));
            }
            valid
        })?;
        if !exact(&found.x, &mut shifted, &mut filtered) {
            return None;
        }
        let raw = Raw::of(&found.x, &order);
        let squares: f64 = filtered.innovations.iter().map(|e| e * e).sum();
        let variance = (squares / count).max(f64::MIN_POSITIVE);
        let log_likelihood = -0.5
            * (count * ((std::f64::consts::TAU * variance).ln() + 1.0 + 2.0 * size.ln())
                + filtered.log_variance);
        let [ar, ma, seasonal_ar, seasonal_ma] = raw.coefficients();
        for part in &mut filtered.innovations {
            *part *= size;
        }
        for part in &mut filtered.state {
            *part *= size;
        }
        Some(Self {
            order,
            ar,
            ma,
            seasonal_ar,
            seasonal_ma,
            mean: center + raw.mean * size,
            variance: variance * size * size,
            log_likelihood,
            process: raw.process(order.season),
            raw,
            filtered,
            differenced: moved.len(),
        })
    }

    /// The same coefficients after other values, such as the first of those it was fitted to; `None`
    /// when they are too few.
    pub fn after(&self, values: &[f64]) -> Option<Self> {
        if values.len() < self.order.lost() + self.order.parameters() + 2 {
            return None;
        }
        let mut moved = difference(values, &self.order);
        moved.iter_mut().for_each(|value| *value -= self.mean);
        let mut other = self.clone();
        self.process.filter(&moved, &mut other.filtered).then_some(other)
    }

    /// Akaike's criterion, corrected for short series (Hurvich and Tsai, 1989).
    pub fn aicc(&self) -> f64 {
        let parameters = self.order.parameters() as f64 + 1.0;
        let count = self.differenced as f64;
        let room = count - parameters - 1.0;
        if room <= 0.0 {
            return f64::INFINITY;
        }
        -2.0 * self.log_likelihood + 2.0 * parameters * count / room
    }

    /// The shocks' variance, corrected for the fitted parameters.
    pub fn unbiased_variance(&self) -> f64 {
        let count = self.differenced as f64;
        let parameters = self.order.parameters() as f64;
        self.variance * count / (count - parameters).max(1.0)
    }

    /// Whether no root of its polynomials lies near the unit circle, where a fit tells more of its
    /// bounds than of the series.
    pub fn stable(&self, radius: f64) -> bool {
        let negated = |of: &[f64]| of.iter().map(|c| -c).collect::<Vec<_>>();
        [&self.ar[..], &self.seasonal_ar, &negated(&self.ma), &negated(&self.seasonal_ma)]
            .iter()
            .all(|part| polynomial::roots_beyond(part, radius))
    }

    /// The means and standard deviations of the `horizon` steps after the series it was fitted to.
    pub fn predict(&self, values: &[f64], horizon: usize) -> (Vec<f64>, Vec<f64>) {
        let order = &self.order;
        let undone =
            polynomial::differences(order.differences, order.seasonal_differences, order.season);
        let sparse = polynomial::sparse(&undone);
        let mut all = values[values.len() - undone.len()..].to_vec();
        for step in self.process.predict(&self.filtered.state, horizon) {
            let past: f64 = sparse.iter().map(|(lag, c)| c * all[all.len() - lag]).sum();
            all.push(step + self.mean + past);
        }
        let own = self.process.psi(horizon);
        // The weights of shocks in the series itself: those of the differenced one, summed up.
        let mut weights = own;
        for at in 0..horizon {
            let past = sparse.iter().filter(|(lag, _)| *lag <= at);
            weights[at] += past.map(|(lag, c)| c * weights[at - lag]).sum::<f64>();
        }
        let (variance, mut power) = (self.unbiased_variance(), 0.0);
        let spread = weights.iter().map(|weight| {
            power += weight * weight;
            (variance * power).sqrt()
        });
        (all.split_off(undone.len()), spread.collect())
    }
}

fn shift(from: &[f64], by: f64, to: &mut [f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = from - by;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    const FINE: Precision = Precision { steps: 100, gain: 1e-12 };

    fn order(ar: usize, differences: usize, ma: usize, constant: bool) -> Order {
        Order {
            ar,
            differences,
            ma,
            seasonal_ar: 0,
            seasonal_differences: 0,
            seasonal_ma: 0,
            season: 1,
            constant,
        }
    }

    /// Noise that needs no generator: a linear congruence, turned into near normal values.
    pub(crate) fn noise(length: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut uniform = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        (0..length).map(|_| (0..12).map(|_| uniform()).sum::<f64>() - 6.0).collect()
    }

    #[test]
    fn coefficients_of_a_simulated_process_are_found_again() {
        let shocks = noise(5_000, 3);
        let mut values = vec![0.0; 5_000];
        for t in 2..5_000 {
            values[t] = 0.6 * values[t - 1] - 0.3 * values[t - 2] + shocks[t] + 0.4 * shocks[t - 1];
        }
        let values: Vec<f64> = values.iter().map(|v| v * 2.0 + 10.0).collect();
        let model =
            Model::fit(&values, order(2, 0, 1, true), None, FINE, &Unguarded).expect("long enough");
        for (own, true_one) in [(model.ar[0], 0.6), (model.ar[1], -0.3), (model.ma[0], 0.4)] {
            assert!((own - true_one).abs() < 0.08, "{own} is not {true_one}");
        }
        assert!((model.variance - 4.0).abs() < 0.3 && (model.mean - 10.0).abs() < 0.3, "{model:?}");
    }

    #[test]
    fn no_neighbouring_coefficient_is_likelier_than_the_fitted() {
        let values = noise(200, 9);
        let values: Vec<f64> = values.windows(2).map(|w| w[1] + 0.5 * w[0]).collect();
        let order = order(1, 0, 1, true);
        let model = Model::fit(&values, order, None, FINE, &Unguarded).expect("long enough");
        let start = model.raw.flat(&order);
        for at in 0..start.len() {
            for step in [-0.02, 0.02] {
                let mut near = start.clone();
                near[at] += step;
                let raw = Raw::of(&near, &order);
                let none = Precision { steps: 0, gain: 0.0 };
                let mut other = raw;
                other.mean = 0.0;
                let there =
                    Model::fit(&values, order, Some(&other), none, &Unguarded).expect("fits");
                assert!(there.log_likelihood <= model.log_likelihood + 1e-6);
            }
        }
    }

    #[test]
    fn a_random_walk_with_drift_goes_on_by_its_mean_step() {
        let values = [1.0, 3.0, 4.0, 7.0, 8.0, 11.0, 13.0];
        let model =
            Model::fit(&values, order(0, 1, 0, true), None, FINE, &Unguarded).expect("long enough");
        let (mean, spread) = model.predict(&values, 3);
        for (step, value) in mean.iter().enumerate() {
            assert!((value - (13.0 + 2.0 * (step as f64 + 1.0))).abs() < 1e-9, "{mean:?}");
        }
        assert!((spread[2] / spread[0] - 3.0f64.sqrt()).abs() < 1e-9, "{spread:?}");
    }

    #[test]
    fn a_series_too_short_or_constant_is_met_without_panic() {
        assert!(Model::fit(&[1.0; 3], order(2, 1, 2, true), None, FINE, &Unguarded).is_none());
        let model =
            Model::fit(&[4.0; 30], order(1, 0, 1, true), None, FINE, &Unguarded).expect("fits");
        let (mean, spread) = model.predict(&[4.0; 30], 2);
        assert!((mean[1] - 4.0).abs() < 1e-9 && spread[1].is_finite(), "{mean:?} {spread:?}");
    }
}
