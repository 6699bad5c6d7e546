//! The exact innovations of a stationary ARMA process, in O(n max(p, q + 1)).
//!
//! The Kalman filter of Harvey's form by the Chandrasekhar recursions (Morf, Sidhu and Kailath,
//! 1974; Mélard, "Algorithm AS 197", 1984): the change of the state's covariance has rank one, so
//! that two vectors stand for the matrix. Once the innovations' variance has come down to that of
//! the shocks, the sparse difference equation goes on alone.

use super::polynomial;

/// An ARMA process with shocks of variance one: w_t = sum ar_i w_(t-i) + e_t + sum ma_j e_(t-j).
#[derive(Clone, Debug, Default)]
pub struct Process {
    ar: Vec<f64>,
    ma: Vec<f64>,
    sparse_ar: Vec<(usize, f64)>,
    sparse_ma: Vec<(usize, f64)>,
}

/// What a filter leaves: standardised innovations, their log variances' sum, and the state.
#[derive(Clone, Debug, Default)]
pub struct Filtered {
    /// Innovations over the root of their variance, in units of the shocks' variance.
    pub innovations: Vec<f64>,
    /// The sum of the logarithms of those variances.
    pub log_variance: f64,
    /// The state predicted for the step after the last.
    pub state: Vec<f64>,
}

/// How near the innovations' variance comes to its limit before it is taken for it.
const STEADY: f64 = 1e-10;

impl Process {
    /// Of these coefficients, written out over all lags.
    pub fn new(ar: Vec<f64>, ma: Vec<f64>) -> Self {
        let (sparse_ar, sparse_ma) = (polynomial::sparse(&ar), polynomial::sparse(&ma));
        Self { ar, ma, sparse_ar, sparse_ma }
    }

    /// Weights of past shocks.
    pub fn psi(&self, count: usize) -> Vec<f64> {
        polynomial::psi(&self.sparse_ar, &self.sparse_ma, count)
    }

    fn dimension(&self) -> usize {
        self.ar.len().max(self.ma.len() + 1)
    }

    /// The autocovariances at lags 0..=most; `None` when the process is not stationary.
    fn autocovariances(&self, most: usize) -> Option<Vec<f64>> {
        let (order, reach) = (self.ar.len(), self.ma.len());
        let partial = polynomial::to_partial(&self.ar)?;
        // Of the autoregression alone, by Levinson's recursion upwards.
        let mut own = vec![partial.iter().map(|r| 1.0 / (1.0 - r * r)).product::<f64>()];
        let (mut row, mut variance) = (Vec::with_capacity(order), own[0]);
        let mut before = Vec::with_capacity(order);
        for r in &partial {
            let past: f64 =
                row.iter().zip(own.iter().rev()).map(|(a, g): (&f64, &f64)| a * g).sum();
            own.push(past + r * variance);
            variance *= 1.0 - r * r;
            before.clone_from(&row);
            for (a, b) in row.iter_mut().zip(before.iter().rev()) {
                *a -= r * b;
            }
            row.push(*r);
        }
        for at in own.len()..=most + reach {
            own.push(self.sparse_ar.iter().map(|(lag, c)| c * own[at - lag]).sum());
        }
        let weight = |at: usize| if at == 0 { 1.0 } else { self.ma[at - 1] };
        let mut all = vec![0.0; most + 1];
        for shift in 0..=reach {
            let c: f64 = (0..=reach - shift).map(|at| weight(at) * weight(at + shift)).sum();
            if c == 0.0 {
                continue;
            }
            for (lag, value) in all.iter_mut().enumerate() {
                *value += c * own[lag.abs_diff(shift)];
                if shift > 0 {
                    *value += c * own[lag + shift];
                }
            }
        }
        all[0].is_finite().then_some(all)
    }

    /// The innovations of a series without missing values; false when the process is not
    /// stationary. The parts of `out` are filled anew.
    pub fn filter(&self, values: &[f64], out: &mut Filtered) -> bool {
        let size = self.dimension();
        let Some(covariances) = self.autocovariances(size) else { return false };
        let psi = self.psi(size);
        let weight =
            |at: usize| if at == 0 { 1.0 } else { self.ma.get(at - 1).copied().unwrap_or(0.0) };
        // The covariance of the state with its first part, by the state's own definition.
        let first: Vec<f64> = (0..size)
            .map(|i| {
                let past: f64 = self
                    .ar
                    .iter()
                    .enumerate()
                    .skip(i)
                    .map(|(j, a)| a * covariances[j + 1 - i])
                    .sum();
                past + (i..size).map(|j| weight(j) * psi[j - i]).sum::<f64>()
            })
            .collect();
        let mut ar = self.ar.clone();
        ar.resize(size, 0.0);
        let mut variance = first[0];
        let mut gain: Vec<f64> = (0..size)
            .map(|i| ar[i] * first[0] + first.get(i + 1).copied().unwrap_or(0.0))
            .collect();
        let mut change = gain.clone();
        let mut factor = -1.0 / variance;
        let mut state = vec![0.0; size];
        out.innovations.clear();
        out.log_variance = 0.0;
        let warm = self.ar.len().max(self.ma.len());
        // Innovations as they are, for the difference equation.
        let mut raw: Vec<f64> = Vec::with_capacity(values.len());
        for &value in values {
            if raw.len() >= warm && variance - 1.0 < STEADY {
                break;
            }
            let innovation = value - state[0];
            let scaled = innovation / variance;
            raw.push(innovation);
            out.innovations.push(innovation / variance.sqrt());
            out.log_variance += variance.ln();
            let (top, lead) = (state[0], change[0]);
            let next = variance + factor * lead * lead;
            let (up, down) = (factor * lead, lead / next);
            for i in 0..size - 1 {
                state[i] = ar[i] * top + state[i + 1] + gain[i] * scaled;
                let moved = ar[i] * lead + change[i + 1];
                gain[i] += up * moved;
                change[i] = moved - gain[i] * down;
            }
            let last = size - 1;
            state[last] = ar[last] * top + gain[last] * scaled;
            let moved = ar[last] * lead;
            gain[last] += up * moved;
            change[last] = moved - gain[last] * down;
            if next.is_nan() || next <= 0.0 {
                return false;
            }
            factor *= next / variance;
            variance = next;
        }
        let steady = raw.len();
        for at in steady..values.len() {
            let mut innovation = values[at];
            for (lag, c) in &self.sparse_ar {
                innovation -= c * values[at - lag];
            }
            for (lag, c) in &self.sparse_ma {
                innovation -= c * raw[at - lag];
            }
            raw.push(innovation);
        }
        out.innovations.extend_from_slice(&raw[steady..]);
        if steady < values.len() {
            let last = values.len() - 1;
            for (i, part) in state.iter_mut().enumerate() {
                let known =
                    self.ar.iter().enumerate().skip(i).map(|(j, a)| a * values[last + i - j]);
                let shocks = self.ma.iter().enumerate().skip(i).map(|(j, m)| m * raw[last + i - j]);
                *part = known.sum::<f64>() + shocks.sum::<f64>();
            }
        }
        out.state = state;
        out.log_variance.is_finite()
    }

    /// The innovations of a series before which nothing was: conditional on zeros.
    pub fn conditional(&self, values: &[f64], out: &mut Vec<f64>) {
        out.clear();
        let warm = self.ar.len().max(self.ma.len()).min(values.len());
        for (at, value) in values.iter().enumerate().take(warm) {
            let mut innovation = *value;
            for (lag, c) in self.sparse_ar.iter().take_while(|(lag, _)| *lag <= at) {
                innovation -= c * values[at - lag];
            }
            for (lag, c) in self.sparse_ma.iter().take_while(|(lag, _)| *lag <= at) {
                innovation -= c * out[at - lag];
            }
            out.push(innovation);
        }
        for at in warm..values.len() {
            let mut innovation = values[at];
            for (lag, c) in &self.sparse_ar {
                innovation -= c * values[at - lag];
            }
            for (lag, c) in &self.sparse_ma {
                innovation -= c * out[at - lag];
            }
            out.push(innovation);
        }
    }

    /// What the state says of the next `horizon` steps.
    pub fn predict(&self, state: &[f64], horizon: usize) -> Vec<f64> {
        let mut state = state.to_vec();
        let mut ahead = Vec::with_capacity(horizon);
        for _ in 0..horizon {
            let top = state[0];
            ahead.push(top);
            state.rotate_left(1);
            if let Some(last) = state.last_mut() {
                *last = 0.0;
            }
            for (part, a) in state.iter_mut().zip(&self.ar) {
                *part += a * top;
            }
        }
        ahead
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;

    fn series(length: usize) -> Vec<f64> {
        (0..length).map(|t| ((t * t) as f64 * 0.37).sin() + 0.3 * (t as f64 * 0.9).cos()).collect()
    }

    /// Covariances from the weights of many past shocks.
    fn slow_covariances(process: &Process, most: usize) -> Vec<f64> {
        let psi = process.psi(4_000);
        (0..=most).map(|lag| psi.iter().zip(&psi[lag..]).map(|(a, b)| a * b).sum()).collect()
    }

    fn processes() -> Vec<Process> {
        vec![
            Process::new(vec![], vec![]),
            Process::new(vec![0.7], vec![]),
            Process::new(vec![], vec![-0.6, 0.2]),
            Process::new(vec![1.2, -0.5], vec![0.4]),
            Process::new(
                polynomial::product(&[0.5], &[0.3], 4),
                polynomial::product(&[0.3], &[0.6], 4).iter().map(|c| -c).collect(),
            ),
        ]
    }

    #[test]
    fn the_likelihood_is_that_of_the_whole_normal_distribution() {
        let values = series(40);
        for process in processes() {
            let gamma = slow_covariances(&process, values.len());
            let matrix = DMatrix::from_fn(40, 40, |i, j| gamma[i.abs_diff(j)]);
            let factor = matrix.cholesky().expect("positive definite");
            let log_determinant: f64 = factor.l().diagonal().iter().map(|d| 2.0 * d.ln()).sum();
            let column = DVector::from_column_slice(&values);
            let sum = column.dot(&factor.solve(&column));
            let mut out = Filtered::default();
            assert!(process.filter(&values, &mut out));
            let own: f64 = out.innovations.iter().map(|e| e * e).sum();
            assert!((own - sum).abs() < 1e-7 * sum, "{process:?}: {own} is not {sum}");
            assert!((out.log_variance - log_determinant).abs() < 1e-7, "{process:?}");
        }
    }

    #[test]
    fn predictions_are_the_normal_distributions_conditional_means() {
        let values = series(40);
        for process in processes() {
            let gamma = slow_covariances(&process, values.len() + 6);
            let factor = DMatrix::from_fn(40, 40, |i, j| gamma[i.abs_diff(j)]);
            let factor = factor.cholesky().expect("positive definite");
            let weights = factor.solve(&DVector::from_column_slice(&values));
            let mut out = Filtered::default();
            assert!(process.filter(&values, &mut out));
            for (step, own) in process.predict(&out.state, 6).iter().enumerate() {
                let other: f64 = (0..40).map(|i| gamma[40 + step - i] * weights[i]).sum();
                assert!((own - other).abs() < 1e-7, "{process:?}, step {step}: {own}, {other}");
            }
        }
    }

    #[test]
    fn a_process_that_is_not_stationary_is_refused() {
        let mut out = Filtered::default();
        assert!(!Process::new(vec![1.0], vec![]).filter(&series(10), &mut out));
        assert!(!Process::new(vec![1.5], vec![0.2]).filter(&series(10), &mut out));
    }
}
