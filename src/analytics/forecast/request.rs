//! What every forecast is asked for, whatever the method.

use super::Prepared;
use crate::analytics::{Input, Options, Value};
use crate::error::{Error, Result};

/// The most steps ahead.
const MOST_STEPS: usize = 1_000_000;

/// How far ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Horizon {
    Steps(usize),
    /// Nanoseconds; steps that begin within them count.
    Duration(i64),
}

/// How far ahead, how sure, and at which steps.
#[derive(Clone, Debug)]
pub struct Request {
    horizon: Horizon,
    /// Levels of the intervals in percent, each within 0..100 (exclusive), as they were given.
    pub levels: Vec<f64>,
    seasons: Option<Vec<usize>>,
    every: Option<i64>,
}

impl Request {
    /// Takes `horizon` (steps, or a duration such as "24h"; required), `levels` (percent; 95),
    /// `seasons` (steps; found when not given) and `every` (a step; the usual one).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a missing horizon and for values out of range.
    pub fn take(options: &mut Options) -> Result<Self> {
        let horizon = match options.take("horizon") {
            None => {
                let what = "horizon is required: a count of steps, or a duration such as \"24h\"";
                return Err(Error::invalid(what));
            }
            Some(value) => Self::horizon(&value)?,
        };
        let mut levels = Vec::new();
        for level in options.numbers("levels")?.unwrap_or_else(|| vec![95.0]) {
            if !(level > 0.0 && level < 100.0) {
                return Err(Error::invalid(format!(
                    "levels are percentages above 0 and below 100, got {level}"
                )));
            }
            if !levels.contains(&level) {
                levels.push(level);
            }
        }
        let seasons = options.counts("seasons", 1)?;
        let every = options.duration("every")?;
        Ok(Self { horizon, levels, seasons, every })
    }

    fn horizon(value: &Value) -> Result<Horizon> {
        let wrong = || {
            Error::invalid(format!(
                "horizon is a count of 1 to {MOST_STEPS} steps or a duration such as \"24h\", got \
                 {value:?}"
            ))
        };
        match value {
            Value::Text(text) => {
                let mut one = Options::new([("horizon".to_owned(), Value::Text(text.clone()))]);
                Ok(Horizon::Duration(one.duration("horizon")?.ok_or_else(wrong)?))
            }
            number => {
                let steps = number.number().filter(|n| n.fract() == 0.0 && *n >= 1.0);
                let steps = steps.filter(|n| *n <= MOST_STEPS as f64).ok_or_else(wrong)?;
                Ok(Horizon::Steps(steps as usize))
            }
        }
    }

    /// A series made ready, and how many steps of it are asked for.
    ///
    /// # Errors
    /// Those of [`Prepared::new`], and when a duration holds too many steps.
    pub fn prepare(&self, input: &Input<'_>) -> Result<(Prepared, usize)> {
        let prepared = Prepared::new(input, self.every, self.seasons.as_deref())?;
        let steps = match self.horizon {
            Horizon::Steps(steps) => steps,
            Horizon::Duration(span) => {
                let steps = (span / prepared.step().max(1)).max(1);
                usize::try_from(steps).unwrap_or(usize::MAX)
            }
        };
        if steps.saturating_add(prepared.ahead) > MOST_STEPS {
            return Err(Error::invalid(format!(
                "a horizon of {steps} steps of {} ns is too long; at most {MOST_STEPS} steps work",
                prepared.step()
            )));
        }
        Ok((prepared, steps))
    }

    /// What is said when an interval of this level is named: 95 is `lower_95`.
    pub fn column(side: &str, level: f64) -> String {
        format!("{side}_{level}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(given: &[(&str, Value)]) -> Result<Request> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        Request::take(&mut Options::new(given))
    }

    #[test]
    fn a_horizon_is_steps_or_a_duration() {
        let times: Vec<i64> = (0..10).map(|t| t * 60_000_000_000).collect();
        let input = Input { times: &times, fields: &[("", &[1.0; 10])] };
        let steps = |value: Value| {
            let request = take(&[("horizon", value)]).expect("a horizon");
            request.prepare(&input).expect("regular").1
        };
        assert_eq!(steps(Value::Int(7)), 7);
        assert_eq!(steps(Value::Text("1h".to_owned())), 60);
        assert_eq!(steps(Value::Text("1s".to_owned())), 1);
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_would_work() {
        let horizon = ("horizon", Value::Int(3));
        assert!(take(&[]).expect_err("none").to_string().contains("required"));
        for bad in [Value::Int(0), Value::Float(1.5), Value::Bool(true), Value::Int(1 << 40)] {
            let error = take(&[("horizon", bad)]).expect_err("no horizon").to_string();
            assert!(error.contains("24h"), "{error}");
        }
        for level in [0.0, 100.0, -5.0] {
            assert!(take(&[horizon.clone(), ("levels", Value::Float(level))]).is_err());
        }
    }

    #[test]
    fn columns_have_no_trailing_zeros() {
        assert_eq!(Request::column("lower", 95.0), "lower_95");
        assert_eq!(Request::column("upper", 99.9), "upper_99.9");
    }
}
