//! Several methods at once: the middle of what they say.

use super::{Forecast, Forecaster, History, Replay, method};
use crate::analytics::Options;
use crate::analytics::numeric::quantile::median;
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Members of an ensemble that names none.
const USUAL: [&str; 3] = ["ets", "theta", "seasonal_naive"];

/// What the forecasts of members become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Middle {
    Median,
    Mean,
}

/// The median or the mean of its members, step by step. A member that cannot be fitted is left out.
pub struct Ensemble {
    members: Vec<Box<dyn Forecaster>>,
    middle: Middle,
}

impl Ensemble {
    /// Takes `members` (names of methods, which take their options from here too; ets, theta and
    /// seasonal_naive) and `combine` ("median" or "mean").
    ///
    /// # Errors
    /// For unknown members, for none, and for an ensemble within an ensemble.
    pub fn take(options: &mut Options) -> Result<Self> {
        let usual = || USUAL.map(str::to_owned).to_vec();
        let names = options.texts("members")?.unwrap_or_else(usual);
        if names.is_empty() || names.iter().any(|name| name == "ensemble") {
            return Err(Error::invalid(format!(
                "members are names of methods other than ensemble, such as {USUAL:?}; got \
                 {names:?}"
            )));
        }
        let middle = match options.choice("combine", &["median", "mean"])? {
            "mean" => Middle::Mean,
            _ => Middle::Median,
        };
        let members = names.iter().map(|name| method(name, options)).collect::<Result<_>>()?;
        Ok(Self { members, middle })
    }

    /// The median of these.
    pub(super) fn median(members: Vec<Box<dyn Forecaster>>) -> Self {
        Self { members, middle: Middle::Median }
    }

    fn combine(&self, forecasts: &[&Forecast]) -> Forecast {
        let steps = forecasts.iter().map(|f| f.mean.len()).min().unwrap_or(0);
        let mut column = vec![0.0; forecasts.len()];
        let mut of = |read: &dyn Fn(&Forecast) -> f64| {
            for (cell, forecast) in column.iter_mut().zip(forecasts) {
                *cell = read(forecast);
            }
            match self.middle {
                Middle::Median => median(&mut column),
                Middle::Mean => column.iter().sum::<f64>() / column.len() as f64,
            }
        };
        let mean = (0..steps).map(|k| of(&|f| f.mean[k])).collect();
        let spread = (0..steps).map(|k| of(&|f| f.spread[k])).collect();
        Forecast::new(mean, spread)
    }

    fn used(&self, forecasts: &[(&'static str, &Forecast)]) -> String {
        let name = |(name, forecast): &(&'static str, &Forecast)| match &forecast.used {
            Some(used) if used.starts_with("ETS") => used.clone(),
            Some(used) => format!("{name} {used}"),
            None => (*name).to_owned(),
        };
        let names: Vec<_> = forecasts.iter().map(name).collect();
        match (names.as_slice(), self.middle) {
            ([one], _) => one.clone(),
            (_, Middle::Median) => format!("median of {}", names.join(", ")),
            (_, Middle::Mean) => format!("mean of {}", names.join(", ")),
        }
    }

    /// What each member says; those that cannot are left out.
    fn each<T>(
        &self,
        guard: &dyn Guard,
        ask: impl Fn(&dyn Forecaster) -> Result<T>,
        sound: impl Fn(&T) -> bool,
    ) -> Result<Vec<(&'static str, T)>> {
        let mut answers = Vec::with_capacity(self.members.len());
        let mut first = None;
        for member in &self.members {
            guard.poll()?;
            match ask(member.as_ref()) {
                Ok(answer) if sound(&answer) => answers.push((member.name(), answer)),
                Ok(_) => {}
                Err(error @ Error::InvalidArgument(_)) => first = first.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        if answers.is_empty() {
            let none = || Error::invalid("no member came to a finite forecast");
            return Err(first.unwrap_or_else(none));
        }
        Ok(answers)
    }
}

fn finite(forecast: &Forecast) -> bool {
    forecast.mean.iter().chain(&forecast.spread).all(|value| value.is_finite())
}

impl Forecaster for Ensemble {
    fn name(&self) -> &'static str {
        "ensemble"
    }

    fn forecast(
        &self,
        history: &History<'_>,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Forecast> {
        let answers = self.each(guard, |m| m.forecast(history, horizon, guard), finite)?;
        let named: Vec<_> = answers.iter().map(|(name, forecast)| (*name, forecast)).collect();
        let forecasts: Vec<_> = answers.iter().map(|(_, forecast)| forecast).collect();
        Ok(self.combine(&forecasts).using(self.used(&named)))
    }

    fn replay(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        guard: &dyn Guard,
    ) -> Result<Replay> {
        let answers = self.each(
            guard,
            |member| member.replay(history, horizon, origins, guard),
            |replay| finite(&replay.now),
        )?;
        let named: Vec<_> = answers.iter().map(|(name, replay)| (*name, &replay.now)).collect();
        let now: Vec<_> = answers.iter().map(|(_, replay)| &replay.now).collect();
        let now = self.combine(&now).using(self.used(&named));
        // Origins that every member has replayed.
        let past = |origin: usize| -> Option<Vec<&Forecast>> {
            let of = |replay: &'_ Replay| replay.then.iter().position(|(own, _)| *own == origin);
            answers.iter().map(|(_, r)| of(r).map(|at| &r.then[at].1)).collect()
        };
        let then = origins
            .iter()
            .filter_map(|&origin| past(origin).map(|all| (origin, self.combine(&all))))
            .collect();
        Ok(Replay { now, then })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::Value;
    use crate::kernels::Unguarded;

    fn ensemble(members: &[&str], combine: &str) -> Result<Ensemble> {
        let members = members.iter().map(|name| Value::Text((*name).to_owned())).collect();
        Ensemble::take(&mut Options::new([
            ("members".to_owned(), Value::List(members)),
            ("combine".to_owned(), Value::Text(combine.to_owned())),
        ]))
    }

    #[test]
    fn the_middle_of_three_is_between_the_others() {
        let values = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
        let history = History { start: 0, step: 1, values: &values, seasons: &[2] };
        let of = |members: &[&str], combine| {
            let ensemble = ensemble(members, combine).expect("known members");
            ensemble.forecast(&history, 1, &Unguarded).expect("long enough")
        };
        // 6, 3 and 7.
        let all = ["naive", "seasonal_naive", "drift"];
        assert_eq!(of(&all, "median").mean, [6.0]);
        assert!((of(&all, "mean").mean[0] - 16.0 / 3.0).abs() < 1e-12);
        let used = of(&all, "median").used.expect("told");
        assert_eq!(used, "median of naive, seasonal_naive, drift");
    }

    #[test]
    fn a_member_that_cannot_is_left_out_and_none_is_an_error() {
        let history = History { start: 0, step: 1, values: &[5.0, 6.0], seasons: &[] };
        let some = ensemble(&["ets", "naive"], "median").expect("known members");
        let forecast = some.forecast(&history, 2, &Unguarded).expect("the naive can");
        assert_eq!((forecast.mean, forecast.used.as_deref()), (vec![6.0; 2], Some("naive")));
        let none = ensemble(&["ets", "theta"], "median").expect("known members");
        assert!(none.forecast(&history, 2, &Unguarded).is_err());
        assert!(ensemble(&[], "median").is_err() && ensemble(&["ensemble"], "mean").is_err());
    }
}
