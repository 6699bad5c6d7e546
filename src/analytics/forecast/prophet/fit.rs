//! The most likely parameters: Gauss-Newton steps, each an exact lasso.
//!
//! The objective is Prophet's (Taylor and Letham, "Forecasting at scale", 2018, and the model of
//! its package): normal errors with a half-normal prior for their deviation, normal priors for rate,
//! offset and coefficients, a Laplace prior for the bends of the trend. With additive parts and a
//! trend of lines one step per deviation is exact; products and logistic growth take a few.

use nalgebra::DMatrix;

use super::lasso;
use super::settings::Growth;
use crate::analytics::numeric::levenberg::dot;
use crate::error::Result;
use crate::kernels::Guard;

/// The standard deviations of the priors of rate and offset, and of the errors' deviation.
const RATE: f64 = 5.0;
const NOISE: f64 = 0.5;

/// What is fitted: scaled values, their times from 0 to 1, and the columns of the model.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub growth: Growth,
    pub values: Vec<f64>,
    pub times: Vec<f64>,
    /// The scaled capacity, for logistic growth.
    pub cap: f64,
    pub changepoints: Vec<f64>,
    /// The scale of the bends' prior.
    pub tau: f64,
    /// Columns, the deviations of their coefficients' priors, and whether they multiply.
    pub columns: Vec<Vec<f64>>,
    pub scales: Vec<f64>,
    pub multiplies: Vec<bool>,
}

/// What was fitted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameters {
    pub rate: f64,
    pub offset: f64,
    pub bends: Vec<f64>,
    pub coefficients: Vec<f64>,
    /// The errors' standard deviation.
    pub noise: f64,
}

const STEPS: usize = 200;
/// The least gain of the objective, which counts in the units of a log likelihood.
const GAIN: f64 = 1e-9;

/// The argument of the trend at a scaled time: a line that bends.
pub(super) fn line(p: &Parameters, growth: Growth, changepoints: &[f64], time: f64) -> f64 {
    let bends = changepoints.iter().zip(&p.bends).filter(|(at, _)| time > **at);
    let bent: f64 = bends.map(|(at, bend)| bend * (time - at)).sum();
    match growth {
        Growth::Linear => p.rate * time + p.offset + bent,
        Growth::Logistic => p.rate * (time - p.offset) + bent,
        Growth::Flat => p.offset,
    }
}

/// The trend at a scaled time, and its slope by the argument.
pub(super) fn trend(growth: Growth, cap: f64, argument: f64) -> (f64, f64) {
    if growth != Growth::Logistic {
        return (argument, 1.0);
    }
    let share = 1.0 / (1.0 + (-argument).exp());
    (cap * share, cap * share * (1.0 - share))
}

impl Problem {
    /// Parameters in one row: rate and offset, bends, coefficients. Flat growth has an offset alone.
    fn unpack(&self, x: &[f64], noise: f64) -> Parameters {
        let bends = self.changepoints.len();
        Parameters {
            rate: x[0],
            offset: x[1],
            bends: x[2..2 + bends].to_vec(),
            coefficients: x[2 + bends..].to_vec(),
            noise,
        }
    }

    /// Trend, its slope, and the multiplier and the sum of the columns, per row.
    fn parts(&self, p: &Parameters) -> (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>) {
        let rows = self.times.len();
        let (mut trends, mut slopes) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        for time in &self.times {
            let argument = line(p, self.growth, &self.changepoints, *time);
            let (trend, slope) = trend(self.growth, self.cap, argument);
            trends.push(trend);
            slopes.push(slope);
        }
        let (mut factor, mut sum) = (vec![1.0; rows], vec![0.0; rows]);
        for ((column, coefficient), multiplies) in
            self.columns.iter().zip(&p.coefficients).zip(&self.multiplies)
        {
            let to = if *multiplies { &mut factor } else { &mut sum };
            for (to, value) in to.iter_mut().zip(column) {
                *to += value * coefficient;
            }
        }
        (trends, slopes, factor, sum)
    }

    fn residuals(&self, p: &Parameters) -> Vec<f64> {
        let (trend, _, factor, sum) = self.parts(p);
        let fitted = trend.iter().zip(&factor).zip(&sum).map(|((t, f), s)| t * f + s);
        self.values.iter().zip(fitted).map(|(y, fitted)| y - fitted).collect()
    }

    /// The errors' deviation that is most likely for a sum of squares.
    fn noise(&self, squares: f64) -> f64 {
        // n / s - SSR / s^3 + s / NOISE^2 = 0, a quadratic in s^2.
        let (count, precision) = (self.values.len() as f64, 1.0 / (NOISE * NOISE));
        let square = 2.0 * squares / (count + (count * count + 4.0 * precision * squares).sqrt());
        square.sqrt().max(1e-9)
    }

    /// What is minimised, with the most likely deviation.
    fn objective(&self, x: &[f64], squares: f64) -> f64 {
        let noise = self.noise(squares);
        let bends = self.changepoints.len();
        let square = |x: f64, scale: f64| 0.5 * (x / scale).powi(2);
        let mut sum = squares / (2.0 * noise * noise) + self.values.len() as f64 * noise.ln();
        sum += square(noise, NOISE) + square(x[0], RATE) + square(x[1], RATE);
        sum += x[2..2 + bends].iter().map(|bend| bend.abs() / self.tau).sum::<f64>();
        sum + x[2 + bends..].iter().zip(&self.scales).map(|(x, s)| square(*x, *s)).sum::<f64>()
    }

    /// Rate and offset through the first and the last value, as Prophet starts.
    fn start(&self) -> (f64, f64) {
        let (first, last) = (self.values[0], self.values[self.values.len() - 1]);
        match self.growth {
            Growth::Linear => (last - first, first),
            Growth::Flat => (0.0, self.values.iter().sum::<f64>() / self.values.len() as f64),
            Growth::Logistic => {
                let ratio = |y: f64| self.cap / y.clamp(0.01 * self.cap, 0.99 * self.cap);
                let (mut a, b) = (ratio(first), ratio(last));
                if (a - b).abs() <= 0.01 {
                    a *= 1.05;
                }
                let (a, b) = ((a - 1.0).ln(), (b - 1.0).ln());
                (a - b, a / (a - b))
            }
        }
    }

    /// The derivatives of the fitted values by each parameter.
    fn slopes(&self, p: &Parameters) -> Vec<Vec<f64>> {
        let (trend, slope, factor, _) = self.parts(p);
        let weight: Vec<f64> = slope.iter().zip(&factor).map(|(s, f)| s * f).collect();
        let by = |of: &dyn Fn(f64) -> f64| -> Vec<f64> {
            self.times.iter().zip(&weight).map(|(t, w)| of(*t) * w).collect()
        };
        let mut all = match self.growth {
            Growth::Linear => vec![by(&|t| t), weight.clone()],
            Growth::Logistic => vec![by(&|t| t - p.offset), by(&|_| -p.rate)],
            Growth::Flat => vec![vec![0.0; weight.len()], weight.clone()],
        };
        for at in &self.changepoints {
            let bent = self.growth != Growth::Flat;
            all.push(by(&|t| if bent { (t - at).max(0.0) } else { 0.0 }));
        }
        for (column, multiplies) in self.columns.iter().zip(&self.multiplies) {
            all.push(match multiplies {
                true => column.iter().zip(&trend).map(|(x, t)| x * t).collect(),
                false => column.clone(),
            });
        }
        all
    }

    /// The most likely parameters.
    ///
    /// # Errors
    /// When the guard ends the work.
    pub(super) fn fit(&self, guard: &dyn Guard) -> Result<Parameters> {
        let bends = self.changepoints.len();
        let size = 2 + bends + self.columns.len();
        let (rate, offset) = self.start();
        let mut x = vec![0.0; size];
        (x[0], x[1]) = (rate, offset);
        let mut prior = vec![1.0 / (RATE * RATE); 2];
        prior.resize(2 + bends, 0.0);
        prior.extend(self.scales.iter().map(|scale| 1.0 / (scale * scale)));
        let weights: Vec<f64> = (0..size)
            .map(|at| if (2..2 + bends).contains(&at) { 1.0 / self.tau } else { 0.0 })
            .collect();
        let exact = self.growth != Growth::Logistic && self.multiplies.iter().all(|m| !m);
        let mut residuals = self.residuals(&self.unpack(&x, 1.0));
        let mut squares = dot(&residuals, &residuals);
        let mut now = self.objective(&x, squares);
        let mut slopes = self.slopes(&self.unpack(&x, 1.0));
        let mut gram = products(&slopes, guard)?;
        let mut damping = 0.0;
        for _ in 0..STEPS {
            guard.poll()?;
            let precision = 1.0 / self.noise(squares).powi(2);
            let mut matrix = &gram * precision;
            let mut right: Vec<f64> = (0..size)
                .map(|i| {
                    let own: f64 = (0..size).map(|j| matrix[(i, j)] * x[j]).sum();
                    own + dot(&slopes[i], &residuals) * precision
                })
                .collect();
            for i in 0..size {
                let extra = damping * matrix[(i, i)];
                matrix[(i, i)] += prior[i] + extra;
                right[i] += extra * x[i];
            }
            let mut there = x.clone();
            if !lasso::solve(&matrix, &right, &weights, &mut there) {
                break;
            }
            let next = self.residuals(&self.unpack(&there, 1.0));
            let reached = dot(&next, &next);
            let objective = self.objective(&there, reached);
            if objective < now {
                let gain = now - objective;
                (x, residuals, squares, now) = (there, next, reached, objective);
                damping = if damping < 1e-6 { 0.0 } else { damping * 0.1 };
                if gain < GAIN {
                    break;
                }
                if !exact {
                    slopes = self.slopes(&self.unpack(&x, 1.0));
                    gram = products(&slopes, guard)?;
                }
            } else if exact || damping > 1e8 {
                break;
            } else {
                damping = (damping * 10.0).max(1e-4);
            }
        }
        Ok(self.unpack(&x, self.noise(squares)))
    }
}

/// All products of columns.
fn products(columns: &[Vec<f64>], guard: &dyn Guard) -> Result<DMatrix<f64>> {
    let size = columns.len();
    let mut all = DMatrix::zeros(size, size);
    for i in 0..size {
        guard.poll()?;
        for j in i..size {
            let sum = dot(&columns[i], &columns[j]);
            all[(i, j)] = sum;
            all[(j, i)] = sum;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    pub(super) fn problem(growth: Growth, multiplies: bool) -> Problem {
        let times: Vec<f64> = (0..200).map(|t| f64::from(t) / 199.0).collect();
        let wave: Vec<f64> = (0..200).map(|t| (f64::from(t) * 0.7).sin()).collect();
        let values = times.iter().zip(&wave).enumerate().map(|(at, (t, w))| {
            0.3 + 0.4 * t - 0.5 * (t - 0.5).max(0.0) + 0.1 * w + 0.02 * (at as f64 * 1.3).sin()
        });
        Problem {
            growth,
            values: values.collect(),
            times,
            cap: 1.2,
            changepoints: vec![0.2, 0.35, 0.5, 0.65],
            tau: 0.05,
            columns: vec![wave],
            scales: vec![10.0],
            multiplies: vec![multiplies],
        }
    }

    #[test]
    fn no_step_in_any_direction_is_likelier() {
        for growth in [Growth::Linear, Growth::Logistic, Growth::Flat] {
            for multiplies in [false, true] {
                let problem = problem(growth, multiplies);
                let p = problem.fit(&Unguarded).expect("unguarded");
                let mut x = vec![p.rate, p.offset];
                x.extend(&p.bends);
                x.extend(&p.coefficients);
                let at = |x: &[f64]| {
                    let rest = problem.residuals(&problem.unpack(x, 1.0));
                    problem.objective(x, dot(&rest, &rest))
                };
                let best = at(&x);
                for i in 0..x.len() {
                    for step in [-1e-4, 1e-4] {
                        let mut near = x.clone();
                        near[i] += step;
                        assert!(at(&near) > best - 1e-6, "{growth:?} {multiplies}: {i} {step}");
                    }
                }
            }
        }
    }

    #[test]
    fn slopes_are_those_of_finite_differences() {
        for growth in [Growth::Linear, Growth::Logistic, Growth::Flat] {
            let problem = problem(growth, true);
            let x = [0.8, 0.1, 0.3, 0.0, -0.4, 0.2, 0.15];
            let slopes = problem.slopes(&problem.unpack(&x, 1.0));
            let here = problem.residuals(&problem.unpack(&x, 1.0));
            for i in 0..x.len() {
                let mut near = x;
                near[i] += 1e-6;
                let there = problem.residuals(&problem.unpack(&near, 1.0));
                for (row, slope) in slopes[i].iter().enumerate() {
                    let difference = (here[row] - there[row]) / 1e-6;
                    assert!((difference - slope).abs() < 1e-4, "{growth:?}: {i}, row {row}");
                }
            }
        }
    }
}
