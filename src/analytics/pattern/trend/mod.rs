//! Whether a series rises or falls, and by how much.
//!
//! The Mann-Kendall test (Mann, 1945; Kendall, 1975) counts pairs that rise less pairs that fall,
//! with Kendall's correction for ties and one for continuity; its slope is Sen's (1968), the median
//! of the slopes of all pairs, with the limits that follow from the same variance. With a season,
//! pairs are of one phase only (Hirsch, Slack and Smith, 1982). With `autocorrelated`, the variance
//! is that of Hamed and Rao (1998), since values that hang together repeat their evidence.

mod kendall;
mod sen;

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::erf::erfc;

pub use kendall::{Pairs, pairs};
pub use sen::slope_at;

use crate::analytics::{Column, Function, Grid, Input, Options, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// `trend`: options `alpha` (0.05), `season`, `autocorrelated` (false), `every`.
pub(super) const FUNCTION: Function = Function { name: "trend", fields: (1, 1), run };

/// A trend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// How likely as clear a trend is among values in random order, rising and falling alike.
    pub p: f64,
    /// Kendall's tau-b of values and times: -1 to 1.
    pub tau: f64,
    /// The standard normal deviate of the test.
    pub z: f64,
    /// The median slope, in units of the values by those of the times.
    pub slope: f64,
    /// Where the line of that slope through the median value is at time 0.
    pub intercept: f64,
    /// Limits of the slope at the confidence asked for.
    pub lower: f64,
    /// The upper one.
    pub upper: f64,
}

/// What to test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// One less the confidence of the limits: above 0 and below 1.
    pub alpha: f64,
    /// Whether the variance allows for autocorrelation (Hamed and Rao).
    pub autocorrelated: bool,
}

/// The trend of values over times that ascend; missing values are left out. `phases` tells which
/// pairs are compared, those of one phase; a single phase compares all. `None` for fewer than three
/// values.
///
/// # Errors
/// What the guard says.
pub fn trend(
    times: &[f64],
    values: &[f64],
    phases: &[usize],
    settings: &Settings,
    guard: &dyn Guard,
) -> Result<Option<Trend>> {
    let count = phases.iter().max().map_or(1, |most| most + 1);
    let mut groups = vec![(Vec::new(), Vec::new()); count];
    for (row, (time, value)) in times.iter().zip(values).enumerate() {
        if value.is_finite() {
            let (times, values) = &mut groups[phases.get(row).copied().unwrap_or(0)];
            times.push(*time);
            values.push(*value);
        }
    }
    groups.retain(|(times, _)| times.len() > 1);
    let present: usize = groups.iter().map(|(times, _)| times.len()).sum();
    if present < 3 {
        return Ok(None);
    }
    let mut all = Pairs::default();
    for (times, values) in &groups {
        guard.poll()?;
        all = all.plus(pairs(times, values));
    }
    if all.distinct_times == 0.0 {
        return Ok(None);
    }
    let middle = sen::quantiles(&groups, all.distinct_times, guard)?;
    let slope = middle.median()?;
    let mut variance = all.variance;
    if settings.autocorrelated {
        let rests: f64 = groups
            .iter()
            .map(|(times, values)| {
                pairs(times, values).variance * kendall::inflation(times, values, slope)
            })
            .sum();
        variance = rests;
    }
    let z = if variance > 0.0 && all.score != 0.0 {
        (all.score - all.score.signum()) / variance.sqrt()
    } else {
        0.0
    };
    let normal = Normal::standard();
    let reach = normal.inverse_cdf(1.0 - settings.alpha / 2.0) * variance.sqrt();
    let (lower, upper) = middle.limits(reach)?;
    let median = |values: Vec<f64>| sen::median(values);
    let mid_value = median(groups.iter().flat_map(|(_, values)| values.iter().copied()).collect());
    let mid_time = median(groups.iter().flat_map(|(times, _)| times.iter().copied()).collect());
    Ok(Some(Trend {
        p: erfc(z.abs() / std::f64::consts::SQRT_2),
        tau: all.tau(),
        z,
        slope,
        intercept: mid_value - slope * mid_time,
        lower,
        upper,
    }))
}

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let alpha = options.fraction("alpha", 0.05)?;
    let season = options.count("season", 2)?;
    let autocorrelated = options.flag("autocorrelated", false)?;
    let every = options.duration("every")?;
    options.finish("trend")?;
    if alpha <= 0.0 || alpha >= 1.0 {
        return Err(Error::invalid(format!("alpha lies between 0 and 1, got {alpha}")));
    }
    let settings = Settings { alpha, autocorrelated };
    Table::each(inputs, guard, |input| {
        let start = input.times.first().copied().unwrap_or(0);
        let seconds: Vec<f64> =
            input.times.iter().map(|time| time.abs_diff(start) as f64 / 1e9).collect();
        let phases = match season {
            None => Vec::new(),
            Some(season) => {
                let slots = Grid::new(input.times, input.values(), every)?.slots;
                slots.into_iter().map(|slot| slot as usize % season).collect()
            }
        };
        let found = trend(&seconds, input.values(), &phases, &settings, guard)?;
        let direction = match found {
            None => None,
            Some(found) if found.p >= alpha => Some("none"),
            Some(found) if found.z > 0.0 => Some("increasing"),
            Some(_) => Some("decreasing"),
        };
        let number = |of: fn(&Trend) -> f64| {
            let number = found.as_ref().map_or(f64::NAN, of);
            Column::Float(vec![if number.is_finite() { number } else { f64::NAN }])
        };
        Ok(Table::new([
            ("direction", Column::Text(vec![direction.map(str::to_owned)])),
            ("p", number(|t| t.p)),
            ("tau", number(|t| t.tau)),
            ("slope", number(|t| t.slope)),
            ("intercept", number(|t| t.intercept)),
            ("slope_lower", number(|t| t.lower)),
            ("slope_upper", number(|t| t.upper)),
            ("z", number(|t| t.z)),
        ]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    const PLAIN: Settings = Settings { alpha: 0.05, autocorrelated: false };

    fn of(values: &[f64]) -> Trend {
        let times: Vec<f64> = (0..values.len()).map(|i| i as f64).collect();
        trend(&times, values, &[], &PLAIN, &Unguarded).expect("runs").expect("enough")
    }

    #[test]
    fn a_line_has_its_slope_and_its_intercept() {
        let values: Vec<f64> = (0..50).map(|i| 7.0 - 0.25 * f64::from(i)).collect();
        let found = of(&values);
        assert_eq!((found.slope, found.lower, found.upper, found.tau), (-0.25, -0.25, -0.25, -1.0));
        assert!((found.intercept - 7.0).abs() < 1e-12 && found.p < 1e-10);
    }

    #[test]
    fn gaps_are_left_out_and_constants_have_no_trend() {
        let found = of(&[1.0, f64::NAN, 3.0, 4.0, f64::INFINITY, 6.0]);
        assert_eq!(found.slope, 1.0);
        let found = of(&[2.0; 9]);
        assert_eq!((found.slope, found.p, found.z), (0.0, 1.0, 0.0));
        let none = trend(&[0.0; 4], &[1.0, 2.0, 3.0, 4.0], &[], &PLAIN, &Unguarded).expect("runs");
        assert_eq!(none, None);
    }

    #[test]
    fn a_season_is_not_a_trend() {
        // Falls within each cycle, rises from cycle to cycle.
        let values: Vec<f64> = (0..80).map(|i| f64::from(i / 8) * 0.1 - f64::from(i % 8)).collect();
        let times: Vec<f64> = (0..80).map(f64::from).collect();
        let phases: Vec<usize> = (0..80).map(|i| i % 8).collect();
        let found =
            trend(&times, &values, &phases, &PLAIN, &Unguarded).expect("runs").expect("enough");
        assert!(found.p < 1e-6 && found.z > 0.0);
        assert!((found.slope - 0.1 / 8.0).abs() < 1e-12);
    }

    #[test]
    fn values_that_hang_together_are_less_evidence() {
        let mut level = 0.0;
        let values: Vec<f64> = (0..200)
            .map(|i| {
                level = 0.9 * level + ((i * 7919 % 101) as f64 / 50.0 - 1.0);
                level + 0.004 * i as f64
            })
            .collect();
        let times: Vec<f64> = (0..200).map(|i| i as f64).collect();
        let careful = Settings { autocorrelated: true, ..PLAIN };
        let found =
            trend(&times, &values, &[], &careful, &Unguarded).expect("runs").expect("enough");
        assert!(found.z.abs() < of(&values).z.abs());
    }
}
