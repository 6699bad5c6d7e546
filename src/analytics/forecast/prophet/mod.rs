//! The model of Prophet (Taylor and Letham, "Forecasting at scale", 2018), fitted here.
//!
//! Parameters, scaling and priors are those of the package, and so is what is looked for: the most
//! likely parameters. What differs is how: exact lasso steps instead of a quasi-Newton method, and a
//! variance in closed form instead of simulated futures.

mod design;
mod fit;
mod lasso;
mod model;
mod settings;

pub use model::Model;
pub use settings::{Growth, Holiday, Mode, Seasonality, Settings, Usual};

use super::{Forecast, Forecaster, History, Method, Prepared};
use crate::analytics::Input;
use crate::error::Result;
use crate::kernels::Guard;

/// `prophet` by its name.
pub(super) const METHOD: Method = Method {
    name: "prophet",
    cheap: false,
    make: |options| Ok(Box::new(Prophet::new(Settings::take(options)?))),
};

/// Prophet's model as a method. Its seasons are those of the calendar; the history's seasons in
/// steps are not used. It takes rows at their own times, without those that are missing; where it
/// only gets steps, it takes these.
#[derive(Clone, Debug, Default)]
pub struct Prophet {
    settings: Settings,
    rows: Option<Rows>,
}

/// The rows of a series, and the steps that they were put on.
#[derive(Clone, Debug)]
struct Rows {
    times: Vec<i64>,
    values: Vec<f64>,
    steps: Prepared,
}

impl Rows {
    /// How many rows belong to the first so many steps: those nearer to the last of them than to
    /// the one after.
    fn before(&self, steps: usize) -> usize {
        let (last, next) = (self.steps.time(steps.saturating_sub(1)), self.steps.time(steps));
        let between = last.saturating_add(next.saturating_sub(last) / 2);
        self.times.partition_point(|time| *time < between.max(last.saturating_add(1)))
    }
}

impl Prophet {
    /// With these settings.
    pub fn new(settings: Settings) -> Self {
        Self { settings, rows: None }
    }
}

impl Forecaster for Prophet {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn forecast(
        &self,
        history: &History<'_>,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Forecast> {
        guard.poll()?;
        let steps = history.values.len();
        let (model, ahead): (_, Vec<i64>) = match &self.rows {
            Some(rows) => {
                let known = rows.before(steps);
                let model =
                    Model::fit(&rows.times[..known], &rows.values[..known], &self.settings, guard)?;
                (model, (steps..steps + horizon).map(|at| rows.steps.time(at)).collect())
            }
            None => {
                let time = |at: usize| {
                    let at = i64::try_from(at).unwrap_or(i64::MAX);
                    history.start.saturating_add(history.step.saturating_mul(at))
                };
                let times: Vec<i64> = (0..steps).map(time).collect();
                let model = Model::fit(&times, history.values, &self.settings, guard)?;
                (model, (steps..steps + horizon).map(time).collect())
            }
        };
        let (mean, spread) = model.predict(&ahead);
        Ok(Forecast::new(mean, spread))
    }

    fn of_rows(&self, rows: &Input<'_>, prepared: &Prepared) -> Option<Box<dyn Forecaster>> {
        let values = rows.values().iter().map(|value| value / prepared.unit).collect();
        let rows = Rows { times: rows.times.to_vec(), values, steps: prepared.clone() };
        let mut settings = self.settings.clone();
        settings.cap = settings.cap.map(|cap| cap / prepared.unit);
        settings.floor /= prepared.unit;
        Some(Box::new(Self { settings, rows: Some(rows) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    const HOUR: i64 = 3_600_000_000_000;

    #[test]
    fn rows_are_taken_at_their_own_times_and_a_prefix_by_its_steps() {
        // An hour apart but for a quarter that every third is late; a gap from 50 to 69.
        let times: Vec<i64> = (0..200)
            .filter(|at| !(50..70).contains(at))
            .map(|at| at * HOUR + if at % 3 == 1 { HOUR / 4 } else { 0 })
            .collect();
        let values: Vec<f64> = times.iter().map(|time| 3.0 + *time as f64 / 1e14).collect();
        let input = Input { times: &times, fields: &[("", &values)] };
        let prepared = Prepared::new(&input, Some(HOUR), None).expect("ascending");
        let history = prepared.history();
        let own = Prophet::default().of_rows(&input, &prepared).expect("takes rows");
        let direct = Model::fit(&times, &values, &Settings::default(), &Unguarded).expect("fits");
        let (mean, _) = direct.predict(&[200 * HOUR, 201 * HOUR]);
        let forecast = own.forecast(&history, 2, &Unguarded).expect("fits");
        assert_eq!(forecast.mean, mean);
        let direct = Model::fit(&times[..80], &values[..80], &Settings::default(), &Unguarded)
            .expect("fits");
        let (mean, _) = direct.predict(&[100 * HOUR]);
        let forecast = own.forecast(&history.prefix(100), 1, &Unguarded).expect("fits");
        assert_eq!(forecast.mean, mean);
    }
}
