//! The columns of a model: Fourier terms of seasonalities, and the days of holidays.

use std::collections::{BTreeMap, HashSet};

use super::settings::{Holiday, Mode, Seasonality};

const DAY: i64 = 86_400_000_000_000;

/// What a column is.
#[derive(Clone, Debug)]
enum Term {
    /// The sine or cosine of so many turns in so many days.
    Wave { turns: f64, period: f64, cosine: bool },
    /// 1 on these days since 1970.
    Days(HashSet<i64>),
}

/// A column with its prior.
#[derive(Clone, Debug)]
pub(super) struct Feature {
    term: Term,
    /// The standard deviation of its coefficient's prior.
    pub prior_scale: f64,
    pub mode: Mode,
}

/// The columns of seasonalities and holidays, in an order of their own.
pub(super) fn features(
    seasonalities: &[Seasonality],
    holidays: &[Holiday],
    holidays_mode: Mode,
) -> Vec<Feature> {
    let mut all = Vec::new();
    for season in seasonalities {
        for turns in 1..=season.fourier_order {
            for cosine in [false, true] {
                all.push(Feature {
                    term: Term::Wave { turns: turns as f64, period: season.period, cosine },
                    prior_scale: season.prior_scale,
                    mode: season.mode,
                });
            }
        }
    }
    let mut days: BTreeMap<(&str, i64), (HashSet<i64>, f64)> = BTreeMap::new();
    for holiday in holidays {
        for offset in holiday.lower_window..=holiday.upper_window {
            let key = (holiday.name.as_str(), offset);
            let entry = days.entry(key).or_insert_with(|| (HashSet::new(), holiday.prior_scale));
            entry.0.extend(holiday.days.iter().map(|day| day + offset));
        }
    }
    all.extend(days.into_values().map(|(days, prior_scale)| Feature {
        term: Term::Days(days),
        prior_scale,
        mode: holidays_mode,
    }));
    all
}

impl Feature {
    /// Its values at these times.
    pub(super) fn column(&self, times: &[i64]) -> Vec<f64> {
        match &self.term {
            Term::Wave { turns, period, cosine } => {
                let angle = |time: &i64| {
                    let days = *time as f64 / DAY as f64;
                    // Whole turns say nothing, and large angles lose digits.
                    ((turns / period) * days).fract() * std::f64::consts::TAU
                };
                let wave = |time: &i64| if *cosine { angle(time).cos() } else { angle(time).sin() };
                times.iter().map(wave).collect()
            }
            Term::Days(days) => {
                let on = |time: &i64| f64::from(u8::from(days.contains(&time.div_euclid(DAY))));
                times.iter().map(on).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_has_its_period_and_a_holiday_its_days() {
        let season = Seasonality {
            name: "weekly".to_owned(),
            period: 7.0,
            fourier_order: 2,
            prior_scale: 10.0,
            mode: Mode::Additive,
        };
        let holiday = Holiday {
            name: "fair".to_owned(),
            days: vec![10, 20],
            lower_window: -1,
            upper_window: 0,
            prior_scale: 3.0,
        };
        let features = features(&[season], &[holiday], Mode::Multiplicative);
        assert_eq!(features.len(), 6);
        let times: Vec<i64> = (0..28).map(|day| day * DAY + DAY / 2).collect();
        let columns: Vec<_> = features.iter().map(|f| f.column(&times)).collect();
        assert!((columns[0][1] - (1.5 / 7.0 * std::f64::consts::TAU).sin()).abs() < 1e-12);
        assert!((columns[3][1] - columns[3][8]).abs() < 1e-9);
        let days = |column: &[f64]| (0..28).filter(|d| column[*d] == 1.0).collect::<Vec<_>>();
        assert_eq!((days(&columns[4]), days(&columns[5])), (vec![9, 19], vec![10, 20]));
        assert_eq!((features[5].prior_scale, features[5].mode), (3.0, Mode::Multiplicative));
    }
}
