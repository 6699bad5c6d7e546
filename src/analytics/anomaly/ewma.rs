//! `ewma`: how many standard deviations from an exponentially weighted mean, the deviation being
//! that of the mean's own one-step errors, weighted alike.
//!
//! Options: `span` (30 points; the weight of a new value is 2 / (span + 1)) or `alpha` (that weight
//! itself), and `min_points` (16: from how many values on there are scores). The first values weigh
//! as in a plain mean. After Roberts, "Control Chart Tests Based on Geometric Moving Averages"
//! (1959), but of single values instead of the mean. A point is O(1).
//!
//! With `causal=false` the deviation is that of the errors of a whole pass, all weighted the same;
//! the mean runs anew from the first point.

use serde::{Deserialize, Serialize};

use super::settings::{MOST_VALUE, learnable};
use super::state::{self, Payload, unsound};
use super::{Detector, Method, Scored};
use crate::analytics::Options;
use crate::error::{Error, Result};

/// `ewma` by its name.
pub(super) const METHOD: Method = Method { name: "ewma", build, load };

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Ewma {
    alpha: f64,
    min_points: u32,
    /// Values that were learnt from.
    count: u64,
    mean: f64,
    /// The weighted mean of the squared errors, of which there is one less than values.
    variance: f64,
    /// The variance of the whole, once that was studied.
    whole: Option<f64>,
}

fn build(options: &mut Options) -> Result<Box<dyn Detector>> {
    let (span, alpha) = (options.number("span")?, options.number("alpha")?);
    let alpha = match (span, alpha) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("ewma takes span or alpha, not both"));
        }
        (_, Some(alpha)) if alpha > 0.0 && alpha < 1.0 => alpha,
        (_, Some(alpha)) => {
            return Err(Error::invalid(format!("alpha is above 0 and below 1, got {alpha}")));
        }
        (Some(span), _) if span > 1.0 => 2.0 / (span + 1.0),
        (Some(span), _) => return Err(Error::invalid(format!("span is above 1, got {span}"))),
        (None, None) => 2.0 / 31.0,
    };
    let min_points = options.count("min_points", 2)?.unwrap_or(16).min(u32::MAX as usize) as u32;
    Ok(Box::new(Ewma { alpha, min_points, count: 0, mean: 0.0, variance: 0.0, whole: None }))
}

fn load(payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
    let state: Ewma = payload.decode()?;
    let variance = |variance: f64| (0.0..=5.0 * MOST_VALUE * MOST_VALUE).contains(&variance);
    let sound = state.alpha > 0.0
        && state.alpha < 1.0
        && state.min_points >= 2
        && state.mean.abs() <= 2.0 * MOST_VALUE
        && variance(state.variance)
        && state.whole.is_none_or(variance);
    match sound {
        true => Ok(Box::new(state)),
        false => Err(unsound("its mean and variance")),
    }
}

impl Ewma {
    fn learn(&mut self, value: f64) {
        let error = value - self.mean;
        // As in a plain mean until that would weigh less.
        let weight = |count: u64| self.alpha.max(1.0 / count as f64);
        match self.count {
            0 => self.mean = value,
            count => {
                self.variance += weight(count) * (error * error - self.variance);
                self.mean += weight(count + 1) * error;
            }
        }
        self.count = self.count.saturating_add(1);
    }
}

impl Detector for Ewma {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn study(&mut self, _: &[i64], values: &[f64]) -> Result<()> {
        let start = Self { count: 0, mean: 0.0, variance: 0.0, whole: None, ..*self };
        let mut pass = start;
        let (mut sum, mut count) = (0.0, 0.0);
        for value in values.iter().filter_map(|value| learnable(*value)) {
            if pass.count > 0 {
                count += 1.0;
                sum += ((value - pass.mean).powi(2) - sum) / count;
            }
            pass.learn(value);
        }
        *self = Self { whole: (count > 0.0).then_some(sum), ..start };
        Ok(())
    }

    fn update(&mut self, _: i64, value: f64) -> Scored {
        let least = if self.whole.is_some() { 1 } else { self.min_points.into() };
        let scored = match self.count >= least {
            true => Scored::around(value, self.mean, self.whole.unwrap_or(self.variance).sqrt()),
            false => Scored::NONE,
        };
        if let Some(value) = learnable(value) {
            self.learn(value);
        }
        scored
    }

    fn save(&self) -> Vec<u8> {
        state::save(METHOD.name, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::Value;

    fn build_with(given: &[(&str, f64)]) -> Result<Box<dyn Detector>> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), Value::Float(*value)));
        build(&mut Options::new(given))
    }

    #[test]
    fn it_is_the_recursion_written_out() {
        let values: Vec<f64> = (0..100).map(|at| f64::from(at * at % 17)).collect();
        let mut detector = build_with(&[("alpha", 0.2), ("min_points", 3.0)]).expect("built");
        for (at, value) in values.iter().enumerate() {
            let scored = detector.update(0, *value);
            // Weights: a plain mean of the first five, then a fifth for each new one.
            let mut mean = values[0];
            let mut errors = Vec::new();
            for (k, value) in values[..at].iter().enumerate().skip(1) {
                errors.push(value - mean);
                mean += (value - mean) * 0.2f64.max(1.0 / (k + 1) as f64);
            }
            let mut variance = 0.0;
            for (k, error) in errors.iter().enumerate() {
                let weight = 0.2f64.max(1.0 / (k + 1) as f64);
                variance = (1.0 - weight) * variance + weight * error * error;
            }
            if at < 3 {
                assert!(scored.score.is_nan());
                continue;
            }
            assert!((scored.expected - mean).abs() < 1e-9);
            assert!(((scored.upper - mean) / 3.0 - variance.sqrt()).abs() < 1e-9);
        }
    }

    #[test]
    fn weights_out_of_range_are_refused() {
        let error = |given: &[(&str, f64)]| build_with(given).expect_err("refused").to_string();
        assert!(error(&[("alpha", 1.0)]).contains("alpha"));
        assert!(error(&[("span", 1.0)]).contains("span"));
        assert!(error(&[("span", 9.0), ("alpha", 0.2)]).contains("not both"));
    }
}
