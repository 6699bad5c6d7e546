//! A fitted model: from rows at any times to what is expected at any others.

use super::design::{Feature, features};
use super::fit::{Parameters, Problem, line, trend};
use super::settings::{Growth, Mode, Settings};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// A model fitted to rows.
#[derive(Clone, Debug)]
pub struct Model {
    growth: Growth,
    features: Vec<Feature>,
    parameters: Parameters,
    changepoints: Vec<f64>,
    /// The scaled capacity.
    cap: f64,
    floor: f64,
    size: f64,
    start: i64,
    span: f64,
    trend_uncertainty: bool,
}

impl Model {
    /// Fits rows at ascending times (ns); missing values are left out.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than two values, values at one time only, and
    /// changepoints outside of the history; and when the guard ends the work or has no room.
    pub fn fit(
        times: &[i64],
        values: &[f64],
        settings: &Settings,
        guard: &dyn Guard,
    ) -> Result<Self> {
        let known = || times.iter().zip(values).filter(|(_, value)| value.is_finite());
        let times: Vec<i64> = known().map(|(time, _)| *time).collect();
        let values: Vec<f64> = known().map(|(_, value)| *value).collect();
        let (Some(&start), Some(&end)) = (times.first(), times.last()) else {
            return Err(Error::invalid("prophet needs at least 2 values, got none"));
        };
        if start == end {
            return Err(Error::invalid("prophet needs values at 2 or more different times"));
        }
        let span = end as f64 - start as f64;
        let place = |time: i64| (time as f64 - start as f64) / span;
        let least = values.iter().fold(f64::INFINITY, |m, y| m.min(*y));
        let (floor, size) = scales(&values, least, settings);
        let changepoints = match &settings.changepoints {
            Some(given) => {
                if let Some(out) = given.iter().find(|time| **time < start || **time > end) {
                    return Err(Error::invalid(format!(
                        "changepoints must lie within the history of {start} to {end} ns, got {out}"
                    )));
                }
                let mut given: Vec<f64> = given.iter().map(|time| place(*time)).collect();
                given.sort_by(f64::total_cmp);
                given
            }
            None => spread(&times, settings).into_iter().map(place).collect(),
        };
        // Without any, Prophet keeps one at the start.
        let changepoints = if changepoints.is_empty() { vec![0.0] } else { changepoints };
        let seasonalities = settings.seasonalities_of(&times);
        let features = features(&seasonalities, &settings.holidays, settings.holidays_mode);
        // The columns, their slopes, and a few more.
        let terms = features.len() + changepoints.len();
        let bytes = times.len().saturating_mul(8 * (2 * terms + 16));
        guard.charge(bytes)?;
        let problem = Problem {
            growth: settings.growth,
            values: values.iter().map(|y| (y - floor) / size).collect(),
            times: times.iter().map(|time| place(*time)).collect(),
            cap: settings.cap.map_or(1.0, |cap| (cap - floor) / size),
            changepoints,
            tau: settings.changepoint_prior_scale,
            columns: features.iter().map(|feature| feature.column(&times)).collect(),
            scales: features.iter().map(|feature| feature.prior_scale).collect(),
            multiplies: features.iter().map(|f| f.mode == Mode::Multiplicative).collect(),
        };
        let parameters = problem.fit(guard);
        guard.release(bytes);
        let parameters = parameters?;
        Ok(Self {
            growth: settings.growth,
            features,
            parameters,
            changepoints: problem.changepoints,
            cap: problem.cap,
            floor,
            size,
            start,
            span,
            trend_uncertainty: settings.trend_uncertainty,
        })
    }

    /// Means and standard deviations at these times (ns).
    ///
    /// The future trend bends as often and as much as the past one did (Laplace, at the rate of the
    /// changepoints); its variance has a closed form for the bent line, which is carried through the
    /// slope of logistic growth. The errors' variance is added.
    pub fn predict(&self, times: &[i64]) -> (Vec<f64>, Vec<f64>) {
        let columns: Vec<Vec<f64>> = self.features.iter().map(|f| f.column(times)).collect();
        let p = &self.parameters;
        let bends = p.bends.len() as f64;
        let bend = p.bends.iter().map(|bend| bend.abs()).sum::<f64>() / bends + 1e-8;
        let row = |(at, time): (usize, &i64)| {
            let place = (*time as f64 - self.start as f64) / self.span;
            let argument = line(p, self.growth, &self.changepoints, place);
            let (trend, slope) = trend(self.growth, self.cap, argument);
            let (mut factor, mut sum) = (1.0, 0.0);
            for ((feature, column), coefficient) in
                self.features.iter().zip(&columns).zip(&p.coefficients)
            {
                match feature.mode {
                    Mode::Additive => sum += column[at] * coefficient,
                    Mode::Multiplicative => factor += column[at] * coefficient,
                }
            }
            let ahead = (place - 1.0).max(0.0);
            let moves = self.trend_uncertainty && self.growth != Growth::Flat;
            // Bends of variance 2 bend^2, `bends` of them a span, each times the way since.
            let drift = if moves { bends * 2.0 * bend * bend * ahead.powi(3) / 3.0 } else { 0.0 };
            let variance = p.noise * p.noise + drift * (slope * factor).powi(2);
            // The floor is part of Prophet's trend, which is what products multiply.
            let mean = (trend * self.size + self.floor) * factor + sum * self.size;
            (mean, variance.sqrt() * self.size)
        };
        times.iter().enumerate().map(row).unzip()
    }
}

/// What is taken off the values, and what they are divided by.
fn scales(values: &[f64], least: f64, settings: &Settings) -> (f64, f64) {
    let logistic = settings.growth == Growth::Logistic;
    let floor = match (settings.minmax, logistic) {
        (_, true) if settings.floor != 0.0 => settings.floor,
        (true, _) => least,
        (false, _) => 0.0,
    };
    let size = match (settings.minmax, settings.cap) {
        (true, Some(cap)) if logistic && settings.floor != 0.0 => cap - floor,
        (true, _) => values.iter().fold(0.0f64, |m, y| m.max(y - least)),
        (false, _) => values.iter().fold(0.0f64, |m, y| m.max((y - floor).abs())),
    };
    (floor, if size > 0.0 && size.is_finite() { size } else { 1.0 })
}

/// Changepoints evenly among the first rows.
fn spread(times: &[i64], settings: &Settings) -> Vec<i64> {
    let rows = (times.len() as f64 * settings.changepoint_range).floor() as usize;
    let count = settings.n_changepoints.min(rows.saturating_sub(1));
    let last = rows.saturating_sub(1) as f64;
    (1..=count).map(|at| times[even(last * at as f64 / count as f64)]).collect()
}

/// Rounded, halves to the even number, as NumPy does.
fn even(value: f64) -> usize {
    value.round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    const DAY: i64 = 86_400_000_000_000;

    #[test]
    fn a_weekly_shape_on_a_line_goes_on() {
        let times: Vec<i64> = (0..200).map(|day| day * DAY).collect();
        let truth = |day: i64| {
            10.0 + 0.1 * day as f64 + [0.0, 1.0, 3.0, 2.0, 0.0, -3.0, -3.0][(day % 7) as usize]
        };
        let values: Vec<f64> = (0..200).map(truth).collect();
        let model = Model::fit(&times, &values, &Settings::default(), &Unguarded).expect("fits");
        let ahead: Vec<i64> = (200..230).map(|day| day * DAY).collect();
        let (mean, spread) = model.predict(&ahead);
        for (at, mean) in mean.iter().enumerate() {
            let truth = truth(200 + at as i64);
            assert!((mean - truth).abs() < 0.15, "{at}: {mean} is not {truth}");
        }
        assert!(spread.windows(2).all(|pair| pair[1] >= pair[0]) && spread[0] > 0.0);
    }

    #[test]
    fn irregular_and_missing_rows_are_taken_as_they_are() {
        let mut times: Vec<i64> =
            (0..300).map(|at| at * DAY / 3 + (at * at % 7) * DAY / 40).collect();
        times[50] = times[49];
        let values: Vec<f64> = times
            .iter()
            .enumerate()
            .map(|(at, t)| if at % 11 == 0 { f64::NAN } else { 5.0 + *t as f64 / DAY as f64 * 0.2 })
            .collect();
        let model = Model::fit(&times, &values, &Settings::default(), &Unguarded).expect("fits");
        let (mean, _) = model.predict(&[110 * DAY]);
        assert!((mean[0] - 27.0).abs() < 0.3, "{mean:?}");
    }

    #[test]
    fn logistic_growth_stays_below_its_capacity() {
        let times: Vec<i64> = (0..100).map(|day| day * DAY).collect();
        let values: Vec<f64> =
            (0..100).map(|day| 8.0 / (1.0 + (-(f64::from(day) - 50.0) / 10.0).exp())).collect();
        let settings = Settings { growth: Growth::Logistic, cap: Some(8.0), ..Settings::default() };
        let model = Model::fit(&times, &values, &settings, &Unguarded).expect("fits");
        let (mean, _) = model.predict(&[120 * DAY, 400 * DAY]);
        assert!((mean[0] - 8.0).abs() < 0.2 && mean[1] <= 8.1, "{mean:?}");
    }

    #[test]
    fn too_little_is_refused_and_a_constant_is_not() {
        let fit = |times: &[i64], values: &[f64]| {
            Model::fit(times, values, &Settings::default(), &Unguarded)
        };
        assert!(fit(&[], &[]).is_err() && fit(&[1], &[1.0]).is_err());
        assert!(fit(&[1, 1], &[1.0, 2.0]).is_err() && fit(&[1, 2], &[1.0, f64::NAN]).is_err());
        for value in [0.0, 7.0, -1e-30, 1e200] {
            let (mean, spread) =
                fit(&[0, DAY, 2 * DAY], &[value; 3]).expect("fits").predict(&[3 * DAY]);
            assert!((mean[0] - value).abs() <= 0.05 * value.abs() + 1e-9, "{value}: {mean:?}");
            assert!(spread[0].is_finite());
        }
        let two = fit(&[0, DAY], &[1.0, 2.0]).expect("fits").predict(&[2 * DAY]);
        assert!(two.0[0].is_finite(), "{two:?}");
    }
}
