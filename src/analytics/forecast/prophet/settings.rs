//! The settings of a model, by the names that Prophet gives them.

use crate::analytics::{Options, Value};
use crate::error::{Error, Result};

const DAY: i64 = 86_400_000_000_000;

/// How the trend grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Along a line that bends at changepoints.
    Linear,
    /// Towards a capacity.
    Logistic,
    /// Not at all.
    Flat,
}

/// How a part joins the trend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is added.
    Additive,
    /// The trend is multiplied by 1 and it.
    Multiplicative,
}

/// Whether a usual seasonality is in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    /// When there is enough history.
    Auto,
    /// With this Fourier order; 0 for not at all.
    Order(usize),
}

/// A seasonality.
#[derive(Clone, Debug, PartialEq)]
pub struct Seasonality {
    /// Its name.
    pub name: String,
    /// Days of its period.
    pub period: f64,
    /// How many sines and cosines.
    pub fourier_order: usize,
    /// The standard deviation of their coefficients' prior.
    pub prior_scale: f64,
    /// How it joins the trend.
    pub mode: Mode,
}

/// A holiday with its days.
#[derive(Clone, Debug, PartialEq)]
pub struct Holiday {
    /// Its name.
    pub name: String,
    /// Days since 1970.
    pub days: Vec<i64>,
    /// The first day of it beside each of them, at most 0.
    pub lower_window: i64,
    /// The last, at least 0.
    pub upper_window: i64,
    /// The standard deviation of its coefficients' prior.
    pub prior_scale: f64,
}

/// All settings; the default is Prophet's.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How the trend grows.
    pub growth: Growth,
    /// The capacity, for logistic growth.
    pub cap: Option<f64>,
    /// What logistic growth starts from.
    pub floor: f64,
    /// Times (ns) at which the trend may bend; evenly among the rows when not given.
    pub changepoints: Option<Vec<i64>>,
    /// How many, when they are not given.
    pub n_changepoints: usize,
    /// The share of the rows that they lie in.
    pub changepoint_range: f64,
    /// The scale of their Laplace prior.
    pub changepoint_prior_scale: f64,
    /// The year, the week and the day.
    pub usual: [Usual; 3],
    /// How these join the trend, and those of `seasonalities` that do not say.
    pub seasonality_mode: Mode,
    /// The prior's standard deviation for these.
    pub seasonality_prior_scale: f64,
    /// More seasonalities.
    pub seasonalities: Vec<Seasonality>,
    /// Holidays.
    pub holidays: Vec<Holiday>,
    /// How they join the trend.
    pub holidays_mode: Mode,
    /// Whether values are scaled by their range, not by their largest size.
    pub minmax: bool,
    /// Whether the trend's future bends count among what is uncertain.
    pub trend_uncertainty: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            growth: Growth::Linear,
            cap: None,
            floor: 0.0,
            changepoints: None,
            n_changepoints: 25,
            changepoint_range: 0.8,
            changepoint_prior_scale: 0.05,
            usual: [Usual::Auto; 3],
            seasonality_mode: Mode::Additive,
            seasonality_prior_scale: 10.0,
            seasonalities: Vec::new(),
            holidays: Vec::new(),
            holidays_mode: Mode::Additive,
            minmax: false,
            trend_uncertainty: true,
        }
    }
}

/// Names, days and default Fourier orders of the usual seasonalities.
pub(super) const USUAL: [(&str, f64, usize); 3] =
    [("yearly", 365.25, 10), ("weekly", 7.0, 3), ("daily", 1.0, 4)];

/// More terms than any series tells apart, and fewer than would fill the memory.
const MOST_TERMS: usize = 1_000;

impl Settings {
    /// Takes Prophet's parameters by their names, `cap` and `floor` (numbers), `seasonality` (a word
    /// or words of yearly, weekly, daily and none: these and no other) and `seasonalities` (a list
    /// of maps of name, period in days, fourier_order, prior_scale and mode). `interval_width` is
    /// another name for `levels`; `uncertainty_samples` of 0 leaves out the trend's future bends.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for what Prophet would not take either, and for `mcmc_samples`
    /// above 0: the fit is the most likely one.
    pub fn take(options: &mut Options) -> Result<Self> {
        let plain = Self::default();
        let growth = match options.choice("growth", &["linear", "logistic", "flat"])? {
            "logistic" => Growth::Logistic,
            "flat" => Growth::Flat,
            _ => Growth::Linear,
        };
        let (cap, floor) = (options.number("cap")?, options.number("floor")?.unwrap_or(0.0));
        match (growth, cap) {
            (Growth::Logistic, None) => {
                return Err(Error::invalid("growth=\"logistic\" needs cap, the capacity"));
            }
            (Growth::Logistic, Some(cap)) if cap <= floor => {
                return Err(Error::invalid(format!(
                    "cap must be above floor, got {cap} and {floor}"
                )));
            }
            _ => {}
        }
        let changepoints = match options.take("changepoints") {
            None => None,
            Some(given) => Some(list(&given).map(time).collect::<Result<Vec<_>>>()?),
        };
        let n_changepoints = options.count("n_changepoints", 0)?.unwrap_or(plain.n_changepoints);
        let changepoint_range = options.fraction("changepoint_range", plain.changepoint_range)?;
        let changepoint_prior_scale =
            options.positive("changepoint_prior_scale", plain.changepoint_prior_scale)?;
        let seasonality_mode = mode(options, "seasonality_mode")?.unwrap_or(Mode::Additive);
        let seasonality_prior_scale = options.positive("seasonality_prior_scale", 10.0)?;
        let holidays_mode = mode(options, "holidays_mode")?.unwrap_or(seasonality_mode);
        let holidays_prior_scale = options.positive("holidays_prior_scale", 10.0)?;
        let words = options.texts("seasonality")?;
        let mut usual = [Usual::Auto; 3];
        let names = ["yearly_seasonality", "weekly_seasonality", "daily_seasonality"];
        for (at, name) in names.into_iter().enumerate() {
            usual[at] = usual_of(options, name, at, words.as_deref())?;
        }
        if let Some(word) = words.iter().flatten().find(|word| {
            *word != "none" && *word != "auto" && USUAL.iter().all(|(name, ..)| name != word)
        }) {
            return Err(Error::invalid(format!(
                "seasonality is of yearly, weekly, daily and none, got {word:?}; others go into \
                 seasonalities=[{{name, period, fourier_order}}]"
            )));
        }
        let mut seasonalities = Vec::new();
        for given in list(&options.take("seasonalities").unwrap_or(Value::List(Vec::new()))) {
            seasonalities.push(seasonality(given, seasonality_mode, seasonality_prior_scale)?);
        }
        let mut holidays: Vec<Holiday> = Vec::new();
        for given in list(&options.take("holidays").unwrap_or(Value::List(Vec::new()))) {
            let holiday = holiday(given, holidays_prior_scale)?;
            let other = holidays.iter().find(|other| {
                other.name == holiday.name && other.prior_scale != holiday.prior_scale
            });
            if other.is_some() {
                return Err(Error::invalid(format!(
                    "the rows of holiday {:?} have different values of prior_scale",
                    holiday.name
                )));
            }
            holidays.push(holiday);
        }
        let terms = seasonalities.iter().map(|season| 2 * season.fourier_order).sum::<usize>()
            + holidays
                .iter()
                .map(|h| (h.upper_window - h.lower_window) as usize + 1)
                .sum::<usize>()
            + n_changepoints
            + changepoints.as_ref().map_or(0, Vec::len);
        if terms > MOST_TERMS {
            return Err(Error::invalid(format!(
                "seasonalities, holidays and changepoints make {terms} terms; at most {MOST_TERMS} work"
            )));
        }
        if options.count("mcmc_samples", 0)?.unwrap_or(0) > 0 {
            return Err(Error::invalid(
                "mcmc_samples must be 0: the fit is the most likely one; the real prophet samples",
            ));
        }
        let trend_uncertainty = options.count("uncertainty_samples", 0)?.unwrap_or(1_000) > 0;
        if let Some(width) = options.number("interval_width")? {
            if !(width > 0.0 && width < 1.0) {
                return Err(Error::invalid(format!(
                    "interval_width is above 0 and below 1, got {width}"
                )));
            }
            // Rounded, so that 0.57 is a level of 57 and not of 56.99999999999999.
            options.give("levels", Value::Float((width * 1e11).round() / 1e9));
        }
        let minmax = options.choice("scaling", &["absmax", "minmax"])? == "minmax";
        Ok(Self {
            growth,
            cap,
            floor,
            changepoints,
            n_changepoints,
            changepoint_range,
            changepoint_prior_scale,
            usual,
            seasonality_mode,
            seasonality_prior_scale,
            seasonalities,
            holidays,
            holidays_mode,
            minmax,
            trend_uncertainty,
        })
    }

    /// The seasonalities of a history of these times: those that were given, and the usual ones that
    /// it is long and dense enough for.
    pub(super) fn seasonalities_of(&self, times: &[i64]) -> Vec<Seasonality> {
        let span = match times {
            [first, .., last] => last.saturating_sub(*first),
            _ => 0,
        };
        let nearest = times.windows(2).map(|p| p[1].saturating_sub(p[0])).filter(|d| *d > 0).min();
        let nearest = nearest.unwrap_or(i64::MAX);
        let enough = [
            span >= 730 * DAY,
            span >= 14 * DAY && nearest < 7 * DAY,
            span >= 2 * DAY && nearest < DAY,
        ];
        let mut all = self.seasonalities.clone();
        for (at, (name, period, order)) in USUAL.into_iter().enumerate() {
            let custom = self.seasonalities.iter().any(|season| season.name == name);
            let fourier_order = match self.usual[at] {
                Usual::Auto if enough[at] && !custom => order,
                Usual::Auto => 0,
                Usual::Order(order) => order,
            };
            if fourier_order > 0 {
                all.retain(|season| season.name != name);
                all.push(Seasonality {
                    name: name.to_owned(),
                    period,
                    fourier_order,
                    prior_scale: self.seasonality_prior_scale,
                    mode: self.seasonality_mode,
                });
            }
        }
        all
    }
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::List(values) => values.iter(),
        single => std::slice::from_ref(single).iter(),
    }
}

fn mode(options: &mut Options, name: &'static str) -> Result<Option<Mode>> {
    options.has(name).then(|| mode_of(name, &options.take(name).unwrap_or(Value::Null))).transpose()
}

fn mode_of(name: &str, value: &Value) -> Result<Mode> {
    match value {
        Value::Text(text) if text == "additive" => Ok(Mode::Additive),
        Value::Text(text) if text == "multiplicative" => Ok(Mode::Multiplicative),
        _ => Err(Error::invalid(format!(
            "{name} is \"additive\" or \"multiplicative\", got {value:?}"
        ))),
    }
}

fn usual_of(
    options: &mut Options,
    name: &'static str,
    at: usize,
    words: Option<&[String]>,
) -> Result<Usual> {
    let (word, _, order) = USUAL[at];
    match options.take(name) {
        None => Ok(match words {
            None => Usual::Auto,
            Some(words) if words.iter().any(|w| w == "auto") => Usual::Auto,
            Some(words) => Usual::Order(if words.iter().any(|w| w == word) { order } else { 0 }),
        }),
        Some(Value::Text(text)) if text == "auto" => Ok(Usual::Auto),
        Some(Value::Bool(on)) => Ok(Usual::Order(if on { order } else { 0 })),
        Some(Value::Int(order)) if (0..=MOST_TERMS as i64 / 2).contains(&order) => {
            Ok(Usual::Order(order as usize))
        }
        Some(other) => Err(Error::invalid(format!(
            "{name} is \"auto\", true, false or a Fourier order of 0 to {}, got {other:?}",
            MOST_TERMS / 2
        ))),
    }
}

/// The named parts of a map, each taken once.
struct Parts<'a> {
    of: &'a str,
    all: Vec<&'a (String, Value)>,
}

impl<'a> Parts<'a> {
    fn new(of: &'a str, value: &'a Value) -> Result<Self> {
        match value {
            Value::Map(all) => {
                Ok(Self { of, all: all.iter().filter(|(_, v)| *v != Value::Null).collect() })
            }
            other => Err(Error::invalid(format!("each of {of} is a map of names, got {other:?}"))),
        }
    }

    fn take(&mut self, name: &str) -> Option<&'a Value> {
        let at = self.all.iter().position(|(own, _)| own == name)?;
        Some(&self.all.remove(at).1)
    }

    fn need(&mut self, name: &str) -> Result<&'a Value> {
        let of = self.of;
        self.take(name).ok_or_else(|| Error::invalid(format!("each of {of} needs {name}")))
    }

    fn positive(&mut self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.number() {
            Some(number) if number > 0.0 && number.is_finite() => Ok(Some(number)),
            // As a frame's missing value stands for none.
            Some(number) if number.is_nan() => Ok(None),
            _ => Err(Error::invalid(format!("{name} is a number above 0, got {value:?}"))),
        }
    }

    fn whole(&mut self, name: &str, range: std::ops::RangeInclusive<i64>) -> Result<Option<i64>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.number().filter(|number| !number.is_nan());
        let whole = number.filter(|n| n.fract() == 0.0).map(|n| n as i64);
        match whole.filter(|n| range.contains(n)) {
            Some(whole) => Ok(Some(whole)),
            None if matches!(value, Value::Float(n) if n.is_nan()) => Ok(None),
            None => Err(Error::invalid(format!(
                "{name} is a whole number of {} to {}, got {value:?}",
                range.start(),
                range.end()
            ))),
        }
    }

    fn text(&mut self, name: &str) -> Result<String> {
        match self.need(name)? {
            Value::Text(text) => Ok(text.clone()),
            other => Err(Error::invalid(format!("{name} is a text, got {other:?}"))),
        }
    }

    fn finish(self) -> Result<()> {
        match self.all.first() {
            None => Ok(()),
            Some((name, _)) => Err(Error::invalid(format!("{} have no {name:?}", self.of))),
        }
    }
}

fn seasonality(value: &Value, usual_mode: Mode, scale: f64) -> Result<Seasonality> {
    let mut parts = Parts::new("seasonalities", value)?;
    let name = parts.text("name")?;
    let period = parts.positive("period")?;
    let order = parts.whole("fourier_order", 1..=MOST_TERMS as i64 / 2)?;
    let (Some(period), Some(order)) = (period, order) else {
        return Err(Error::invalid("each of seasonalities needs period (days) and fourier_order"));
    };
    let prior_scale = parts.positive("prior_scale")?.unwrap_or(scale);
    let mode = parts.take("mode").map_or(Ok(usual_mode), |value| mode_of("mode", value))?;
    parts.finish()?;
    Ok(Seasonality { name, period, fourier_order: order as usize, prior_scale, mode })
}

fn holiday(value: &Value, scale: f64) -> Result<Holiday> {
    let mut parts = Parts::new("holidays", value)?;
    let name = parts.text("holiday")?;
    let days = list(parts.need("ds")?).map(|ds| Ok(time(ds)?.div_euclid(DAY)));
    let days = days.collect::<Result<Vec<_>>>()?;
    let lower_window = parts.whole("lower_window", -366..=0)?.unwrap_or(0);
    let upper_window = parts.whole("upper_window", 0..=366)?.unwrap_or(0);
    let prior_scale = parts.positive("prior_scale")?.unwrap_or(scale);
    parts.finish()?;
    Ok(Holiday { name, days, lower_window, upper_window, prior_scale })
}

/// A time of an option: nanoseconds, or an ISO date or time, which is UTC when it names no zone.
fn time(value: &Value) -> Result<i64> {
    let read = |text: &str| {
        let ns = |stamp: jiff::Timestamp| i64::try_from(stamp.as_nanosecond()).ok();
        if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
            return ns(stamp);
        }
        let civil: jiff::civil::DateTime = text.parse().ok()?;
        ns(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    match value {
        Value::Int(ns) => Some(*ns),
        Value::Text(text) => read(text.trim()),
        _ => None,
    }
    .ok_or_else(|| {
        Error::invalid(format!("a day or time is an ISO text or whole nanoseconds, got {value:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(given: Vec<(&str, Value)>) -> Result<Settings> {
        let mut options =
            Options::new(given.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let settings = Settings::take(&mut options)?;
        options.finish("prophet")?;
        Ok(settings)
    }

    fn text(of: &str) -> Value {
        Value::Text(of.to_owned())
    }

    fn map(parts: Vec<(&str, Value)>) -> Value {
        Value::Map(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    #[test]
    fn nothing_given_is_the_default() {
        assert_eq!(take(vec![]).expect("defaults"), Settings::default());
    }

    #[test]
    fn one_word_means_this_seasonality_and_no_other() {
        let settings = take(vec![("seasonality", text("weekly"))]).expect("a word");
        assert_eq!(settings.usual, [Usual::Order(0), Usual::Order(3), Usual::Order(0)]);
        let words = Value::List(vec![text("weekly"), text("daily")]);
        let settings = take(vec![("seasonality", words), ("daily_seasonality", Value::Int(7))]);
        assert_eq!(
            settings.expect("words").usual,
            [Usual::Order(0), Usual::Order(3), Usual::Order(7)]
        );
        let error = take(vec![("seasonality", text("monthly"))]).expect_err("unknown").to_string();
        assert!(error.contains("seasonalities"), "{error}");
    }

    #[test]
    fn an_interval_width_is_a_level_unless_levels_are_given() {
        let level = |given: Vec<(&str, Value)>| {
            let given = given.into_iter().map(|(name, value)| (name.to_owned(), value));
            let mut options = Options::new(given);
            Settings::take(&mut options).expect("valid");
            options.numbers("levels").expect("numbers")
        };
        let width = ("interval_width", Value::Float(0.57));
        assert_eq!(level(vec![width.clone()]), Some(vec![57.0]));
        assert_eq!(level(vec![width, ("levels", Value::Int(80))]), Some(vec![80.0]));
        assert!(take(vec![("interval_width", Value::Int(80))]).is_err());
    }

    #[test]
    fn holidays_and_seasonalities_are_read_whole() {
        let holiday = map(vec![
            ("holiday", text("fair")),
            ("ds", Value::List(vec![text("2024-01-02"), text("1970-01-03T05:00:00")])),
            ("lower_window", Value::Int(-1)),
        ]);
        let season = map(vec![
            ("name", text("monthly")),
            ("period", Value::Float(30.5)),
            ("fourier_order", Value::Int(5)),
            ("mode", text("multiplicative")),
        ]);
        let settings = take(vec![
            ("holidays", Value::List(vec![holiday])),
            ("seasonalities", season),
            ("holidays_prior_scale", Value::Float(2.0)),
        ])
        .expect("valid");
        let own = &settings.holidays[0];
        assert_eq!(
            (own.days.as_slice(), own.lower_window, own.upper_window),
            (&[19_724, 2][..], -1, 0)
        );
        assert_eq!(own.prior_scale, 2.0);
        let own = &settings.seasonalities[0];
        assert_eq!((own.period, own.fourier_order, own.mode), (30.5, 5, Mode::Multiplicative));
    }

    #[test]
    fn what_prophet_refuses_is_refused() {
        for bad in [
            vec![("growth", text("logistic"))],
            vec![("growth", text("logistic")), ("cap", Value::Float(-1.0))],
            vec![("mcmc_samples", Value::Int(100))],
            vec![("yearly_seasonality", text("yes"))],
            vec![("holidays", map(vec![("holiday", text("x"))]))],
            vec![("holidays", map(vec![("holiday", text("x")), ("ds", text("soon"))]))],
            vec![("seasonalities", map(vec![("name", text("x")), ("period", Value::Int(3))]))],
            vec![("seasonalities", map(vec![("name", text("x")), ("periods", Value::Int(3))]))],
            vec![("n_changepoints", Value::Int(1_000_000))],
            vec![("changepoints", text("never"))],
        ] {
            assert!(take(bad.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn usual_seasonalities_need_a_long_and_dense_history() {
        let names = |days: i64, step: i64| {
            let times: Vec<i64> = (0..=days * DAY / step).map(|at| at * step).collect();
            let seasons = Settings::default().seasonalities_of(&times);
            seasons.into_iter().map(|season| season.name).collect::<Vec<_>>()
        };
        assert_eq!(names(800, DAY), ["yearly", "weekly"]);
        assert_eq!(names(20, DAY / 24), ["weekly", "daily"]);
        assert_eq!(names(729, 7 * DAY), Vec::<String>::new());
    }
}
