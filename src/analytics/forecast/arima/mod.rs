//! Seasonal ARIMA, of orders that are given or found.
//!
//! The order is searched stepwise by AICc (Hyndman and Khandakar, 2008), with differences by the
//! KPSS test and the strength of the season; every fit is by exact maximum likelihood. A history
//! with several seasons is modelled with the shortest, and one of more than 5,000 steps by its last
//! 5,000. Missing values were filled before (the column
//! `filled` tells how many).

mod likelihood;
mod model;
mod polynomial;
mod select;
mod unit_root;

pub use likelihood::{Filtered, Process};
pub use model::{Model, Order};
pub use select::{Limits, automatic, given};

use super::{Forecast, Forecaster, History, Method, Replay};
use crate::analytics::Options;
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// `arima` by its name.
pub(super) const METHOD: Method =
    Method { name: "arima", cheap: false, make: |options| Ok(Box::new(Arima::take(options)?)) };

/// Lags beyond this cost more than they tell.
const MOST_SEASON: usize = 366;
/// Lags of a given order, together: what a fit takes grows with their square.
const MOST_LAGS: usize = 800;
/// Values further back than this do not count in a fit.
const MOST_VALUES: usize = 5_000;
const MOST_PARAMETERS: usize = 50;

/// A seasonal ARIMA.
#[derive(Clone, Debug, Default)]
pub struct Arima {
    order: Option<[usize; 3]>,
    seasonal_order: Option<[usize; 3]>,
    season: Option<usize>,
    constant: Option<bool>,
}

impl Arima {
    /// Takes `order` ([p, d, q]; found when neither order is given), `seasonal_order` ([P, D, Q]),
    /// `season` (steps; the history's shortest) and `constant` (whether the differenced series has a
    /// mean; without any difference when an order is given).
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for orders that are not three counts, or larger than can be fitted.
    pub fn take(options: &mut Options) -> Result<Self> {
        let order = three(options, "order")?;
        let seasonal_order = three(options, "seasonal_order")?;
        let season = options.count("season", 1)?;
        if let Some(season) = season.filter(|season| *season > MOST_SEASON) {
            return Err(Error::invalid(format!(
                "arima takes a season of at most {MOST_SEASON} steps, got {season}"
            )));
        }
        let constant =
            if options.has("constant") { Some(options.flag("constant", true)?) } else { None };
        let [p, d, q] = order.unwrap_or_default();
        let [sp, sd, sq] = seasonal_order.unwrap_or_default();
        let lags = p.max(q) + sp.max(sq) * season.unwrap_or(1);
        if p + q + sp + sq > MOST_PARAMETERS || d > 3 || sd > 2 || lags > MOST_LAGS {
            return Err(Error::invalid(format!(
                "arima({p},{d},{q})({sp},{sd},{sq}) is larger than can be fitted: at most \
                 {MOST_PARAMETERS} coefficients, {MOST_LAGS} lags, 3 differences and 2 seasonal ones"
            )));
        }
        Ok(Self { order, seasonal_order, season, constant })
    }

    /// The model of a history.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a history too short for the order, and when the guard ends
    /// the work.
    pub fn fit(&self, history: &History<'_>, guard: &dyn Guard) -> Result<Model> {
        let values = &history.values[history.values.len().saturating_sub(MOST_VALUES)..];
        let found = || {
            let fits = |m: &&usize| **m >= 2 && **m <= MOST_SEASON && 2 * **m < values.len();
            history.seasons.iter().find(fits).copied().unwrap_or(1)
        };
        let season = self.season.unwrap_or_else(found);
        let model = if self.order.is_none() && self.seasonal_order.is_none() {
            automatic(values, season, Limits::default(), self.constant, guard)?
        } else {
            let [ar, differences, ma] = self.order.unwrap_or_default();
            let [seasonal_ar, seasonal_differences, seasonal_ma] =
                self.seasonal_order.unwrap_or_default();
            let constant = self.constant.unwrap_or(differences + seasonal_differences == 0);
            let order = Order {
                ar,
                differences,
                ma,
                seasonal_ar,
                seasonal_differences,
                seasonal_ma,
                season,
                constant,
            };
            if season < 2 && seasonal_ar + seasonal_differences + seasonal_ma > 0 {
                return Err(Error::invalid(format!(
                    "{order} needs a season of 2 or more steps, and none was given or found"
                )));
            }
            given(values, order, guard)?
        };
        model.ok_or_else(|| {
            Error::invalid(format!("{} values are too few for this arima", values.len()))
        })
    }
}

fn three(options: &mut Options, name: &'static str) -> Result<Option<[usize; 3]>> {
    let Some(counts) = options.counts(name, 0)? else { return Ok(None) };
    match <[usize; 3]>::try_from(counts) {
        Ok(three) => Ok(Some(three)),
        Err(other) => {
            Err(Error::invalid(format!("{name} is three counts such as [1, 1, 1], got {other:?}")))
        }
    }
}

impl Forecaster for Arima {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn forecast(
        &self,
        history: &History<'_>,
        horizon: usize,
        guard: &dyn Guard,
    ) -> Result<Forecast> {
        let model = self.fit(history, guard)?;
        let (mean, spread) = model.predict(history.values, horizon);
        Ok(Forecast::new(mean, spread).using(model.order.to_string()))
    }

    /// Earlier forecasts are by the coefficients of the whole.
    fn replay(
        &self,
        history: &History<'_>,
        horizon: usize,
        origins: &[usize],
        guard: &dyn Guard,
    ) -> Result<Replay> {
        let model = self.fit(history, guard)?;
        let (mean, spread) = model.predict(history.values, horizon);
        let now = Forecast::new(mean, spread).using(model.order.to_string());
        let mut then = Vec::with_capacity(origins.len());
        for &origin in origins {
            guard.poll()?;
            let Some(past) = history.values.get(..origin) else { continue };
            if let Some(model) = model.after(past) {
                let (mean, spread) = model.predict(past, horizon);
                then.push((origin, Forecast::new(mean, spread)));
            }
        }
        Ok(Replay { now, then })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::Value;
    use crate::kernels::Unguarded;

    fn values() -> Vec<f64> {
        let noise = |t: usize| ((t * t) as f64 * 0.37).sin();
        (0..150).map(|t| 10.0 + 4.0 * f64::from(u8::from(t % 6 == 2)) + noise(t)).collect()
    }

    fn counts(of: [i64; 3]) -> Value {
        Value::List(of.map(Value::Int).to_vec())
    }

    fn arima(given: Vec<(&str, Value)>) -> Result<Arima> {
        let mut options = Options::new(given.into_iter().map(|(n, v)| (n.to_owned(), v)));
        let arima = Arima::take(&mut options)?;
        options.finish("arima")?;
        Ok(arima)
    }

    #[test]
    fn a_given_order_is_the_one_that_is_used() {
        let values = values();
        let history = History { start: 0, step: 1, values: &values, seasons: &[6] };
        let arima =
            arima(vec![("order", counts([1, 0, 1])), ("seasonal_order", counts([0, 1, 1]))]);
        let forecast = arima.expect("valid").forecast(&history, 6, &Unguarded).expect("fits");
        assert_eq!(forecast.used.as_deref(), Some("arima(1,0,1)(0,1,1)[6]"));
        assert_eq!(forecast.mean.len(), 6);
    }

    #[test]
    fn replayed_forecasts_are_made_of_what_came_before() {
        let mut values = values();
        let fit = |values: &[f64]| {
            let history = History { start: 0, step: 1, values, seasons: &[6] };
            let arima = arima(vec![("order", counts([1, 0, 0]))]).expect("valid");
            arima.replay(&history, 4, &[1, 60, 149], &Unguarded).expect("fits")
        };
        let replay = fit(&values);
        assert_eq!(replay.then.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [60, 149]);
        // A change after an origin moves the coefficients a little, and nothing else.
        values[140] += 0.01;
        let other = fit(&values);
        assert!((replay.then[0].1.mean[0] - other.then[0].1.mean[0]).abs() < 0.01);
    }

    #[test]
    fn a_long_history_is_fitted_by_its_end() {
        let values: Vec<f64> = (0..6_000).map(|t| 5.0 + ((t * t) as f64 * 0.37).sin()).collect();
        let fit = |values: &[f64]| {
            let history = History { start: 0, step: 1, values, seasons: &[] };
            let arima = arima(vec![("order", counts([1, 0, 0]))]).expect("valid");
            arima.replay(&history, 2, &[5_500], &Unguarded).expect("fits")
        };
        assert_eq!(fit(&values).now, fit(&values[1_000..]).now);
        assert_eq!(fit(&values).then[0].0, 5_500);
    }

    #[test]
    fn a_guard_ends_the_search() {
        struct Ends(std::sync::atomic::AtomicUsize);
        impl Guard for Ends {
            fn poll(&self) -> Result<()> {
                match self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                    0..20 => Ok(()),
                    _ => Err(Error::Cancelled("by the test".to_owned())),
                }
            }
            fn charge(&self, _: usize) -> Result<()> {
                Ok(())
            }
            fn release(&self, _: usize) {}
        }
        let values = values();
        let history = History { start: 0, step: 1, values: &values, seasons: &[6] };
        let guard = Ends(std::sync::atomic::AtomicUsize::new(0));
        let error = Arima::default().forecast(&history, 3, &guard).expect_err("cancelled");
        assert!(matches!(error, Error::Cancelled(_)), "{error}");
    }

    #[test]
    fn orders_that_cannot_be_are_refused() {
        for bad in [
            vec![("order", Value::List(vec![Value::Int(1)]))],
            vec![("order", counts([90, 0, 0]))],
            vec![("order", counts([0, 9, 0]))],
            vec![("season", Value::Int(5_000))],
        ] {
            assert!(arima(bad.clone()).is_err(), "{bad:?}");
        }
        let seasonal = arima(vec![("seasonal_order", counts([1, 0, 0]))]).expect("valid");
        let history = History { start: 0, step: 1, values: &values(), seasons: &[] };
        let error = seasonal.forecast(&history, 3, &Unguarded).expect_err("no season").to_string();
        assert!(error.contains("season"), "{error}");
    }
}
