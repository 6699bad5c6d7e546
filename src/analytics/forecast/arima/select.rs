//! The order found automatically: the stepwise search of Hyndman and Khandakar, "Automatic time
//! series forecasting: the forecast package for R" (2008).

use std::collections::HashSet;

use super::model::{Model, Order, Raw};
use super::unit_root;
use crate::analytics::numeric::levenberg::Precision;
use crate::error::Result;
use crate::kernels::Guard;

/// A search tries many models roughly; the best is fitted well.
const ROUGH: Precision = Precision { steps: 12, gain: 1e-4 };
const FINE: Precision = Precision { steps: 60, gain: 1e-9 };
const MODELS: usize = 94;
/// A root this near to the unit circle is none that a series tells of.
const RADIUS: f64 = 1.01;

/// What a search may not go beyond.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// p and q.
    pub ordinary: usize,
    /// P and Q.
    pub seasonal: usize,
    /// d.
    pub differences: usize,
    /// D.
    pub seasonal_differences: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { ordinary: 5, seasonal: 2, differences: 2, seasonal_differences: 1 }
    }
}

/// The model of these orders, fitted well; `None` for a series that is too short for them.
///
/// # Errors
/// When the guard ends the work.
pub fn given(values: &[f64], order: Order, guard: &dyn Guard) -> Result<Option<Model>> {
    let model = Model::fit(values, order, None, FINE, guard);
    guard.poll()?;
    Ok(model)
}

/// The model with the least AICc that a stepwise search meets; `None` for a series that is too
/// short for any. The values hold nothing that is missing. `constant` says whether there is a mean
/// or a drift; the search does when it is not given.
///
/// # Errors
/// When the guard ends the work.
pub fn automatic(
    values: &[f64],
    season: usize,
    limits: Limits,
    constant: Option<bool>,
    guard: &dyn Guard,
) -> Result<Option<Model>> {
    let season = if values.len() > 2 * season { season.max(1) } else { 1 };
    let mut base = Order {
        ar: 0,
        differences: 0,
        ma: 0,
        seasonal_ar: 0,
        seasonal_differences: 0,
        seasonal_ma: 0,
        season,
        constant: false,
    };
    if unit_root::constant(values) {
        return given(values, Order { constant: true, ..base }, guard);
    }
    let seasonal =
        limits.seasonal_differences > 0 && unit_root::seasonal_difference(values, season);
    base.seasonal_differences = usize::from(seasonal);
    base.differences =
        unit_root::differences(&super::model::difference(values, &base), limits.differences);
    let constants: &[bool] = match constant {
        Some(true) => &[true],
        None if base.differences + base.seasonal_differences <= 1 => &[true, false],
        _ => &[false],
    };
    if unit_root::constant(&super::model::difference(values, &base)) {
        return given(values, Order { constant: constants[0], ..base }, guard);
    }
    let third = values.len() / 3;
    let search = Search {
        values,
        base,
        constants,
        most: limits.ordinary.min(third),
        most_seasonal: if season > 1 { limits.seasonal.min(third / season) } else { 0 },
        seen: HashSet::new(),
        best: None,
        guard,
    };
    let Some(best) = search.run()? else { return Ok(None) };
    let fine = Model::fit(values, best.order, Some(&best.raw), FINE, guard);
    guard.poll()?;
    Ok(fine.filter(|fine| fine.log_likelihood >= best.log_likelihood).or(Some(best)))
}

struct Search<'a> {
    values: &'a [f64],
    base: Order,
    /// Whether a model may have a constant, the likelier first.
    constants: &'static [bool],
    most: usize,
    most_seasonal: usize,
    seen: HashSet<Order>,
    best: Option<Model>,
    guard: &'a dyn Guard,
}

impl Search<'_> {
    fn run(mut self) -> Result<Option<Model>> {
        let constant = self.constants[0];
        let capped = |ar: usize, ma: usize, sar: usize, sma: usize, constant: bool| Order {
            ar: ar.min(self.most),
            ma: ma.min(self.most),
            seasonal_ar: sar.min(self.most_seasonal),
            seasonal_ma: sma.min(self.most_seasonal),
            constant,
            ..self.base
        };
        let mut starts = vec![
            capped(2, 2, 1, 1, constant),
            capped(0, 0, 0, 0, constant),
            capped(1, 0, 1, 0, constant),
            capped(0, 1, 0, 1, constant),
        ];
        if self.constants.len() > 1 {
            starts.push(capped(0, 0, 0, 0, false));
        }
        for start in starts {
            self.consider(start)?;
        }
        while self.seen.len() < MODELS && self.step()? {}
        Ok(self.best)
    }

    /// Tries the neighbours of the best until one is better.
    fn step(&mut self) -> Result<bool> {
        let Some(from) = self.best.as_ref().map(|best| best.order) else {
            return Ok(false);
        };
        // Changes of (P, Q), then of (p, q), one or both by one, then of the constant.
        let near: [(isize, isize); 8] =
            [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)];
        let moved = |count: usize, by: isize, most: usize| {
            count.checked_add_signed(by).filter(|count| *count <= most)
        };
        let seasonal = near.iter().filter_map(|(ar, ma)| {
            Some(Order {
                seasonal_ar: moved(from.seasonal_ar, *ar, self.most_seasonal)?,
                seasonal_ma: moved(from.seasonal_ma, *ma, self.most_seasonal)?,
                ..from
            })
        });
        let ordinary = near.iter().filter_map(|(ar, ma)| {
            Some(Order {
                ar: moved(from.ar, *ar, self.most)?,
                ma: moved(from.ma, *ma, self.most)?,
                ..from
            })
        });
        let other = Order { constant: !from.constant, ..from };
        let constant = (self.constants.len() > 1).then_some(other);
        let all: Vec<Order> = seasonal.chain(ordinary).chain(constant).collect();
        for order in all {
            if self.seen.len() < MODELS && self.consider(order)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Fits an order that was not yet tried; whether it is the best now.
    fn consider(&mut self, order: Order) -> Result<bool> {
        if !self.seen.insert(order) {
            return Ok(false);
        }
        self.guard.poll()?;
        let near: Option<Raw> = self.best.as_ref().map(|best| best.raw.clone());
        let Some(model) = Model::fit(self.values, order, near.as_ref(), ROUGH, self.guard) else {
            return Ok(false);
        };
        let criterion = model.aicc();
        let better = self.best.as_ref().is_none_or(|best| criterion < best.aicc());
        if better && criterion.is_finite() && model.stable(RADIUS) {
            self.best = Some(model);
            return Ok(true);
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    #[test]
    fn a_seasonal_walk_is_forecast_in_its_season() {
        let mut state = 1u64;
        let mut noise = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / (1u64 << 31) as f64 - 0.5
        };
        let values: Vec<f64> =
            (0..240).map(|t| 20.0 * f64::from(t % 12 == 3) + t as f64 * 0.5 + noise()).collect();
        let model = automatic(&values, 12, Limits::default(), None, &Unguarded)
            .expect("unguarded")
            .expect("long enough");
        let (mean, spread) = model.predict(&values, 24);
        for (step, value) in mean.iter().enumerate() {
            let t = 240 + step;
            let truth = 20.0 * f64::from(u8::from(t % 12 == 3)) + t as f64 * 0.5;
            assert!((value - truth).abs() < 2.0, "step {step}: {value} is not {truth}");
        }
        assert!(spread.iter().all(|s| *s > 0.1 && *s < 5.0), "{spread:?}");
    }

    #[test]
    fn short_and_constant_series_have_a_model_or_none() {
        assert!(
            automatic(&[], 12, Limits::default(), None, &Unguarded).expect("unguarded").is_none()
        );
        assert!(
            automatic(&[1.0], 1, Limits::default(), None, &Unguarded).expect("unguarded").is_none()
        );
        for length in 2..30 {
            let values: Vec<f64> = (0..length).map(|t| (t as f64).sqrt()).collect();
            if let Some(model) =
                automatic(&values, 12, Limits::default(), None, &Unguarded).expect("unguarded")
            {
                assert!(model.predict(&values, 3).0.iter().all(|v| v.is_finite()), "{length}");
            }
        }
        let model = automatic(&[3.0; 50], 12, Limits::default(), None, &Unguarded)
            .expect("unguarded")
            .expect("a mean");
        assert!((model.predict(&[3.0; 50], 2).0[1] - 3.0).abs() < 1e-9);
    }
}
