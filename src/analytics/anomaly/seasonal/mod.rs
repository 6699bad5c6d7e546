//! `seasonal`: how far a point is from its season and the level of the last points.
//!
//! The expected value is a profile of the season (of several, one on what the other leaves) plus an
//! exponentially weighted level of what the points lately were above it; the deviation is
//! exponentially weighted as well. Times count, not rows: a gap or an irregular distance does not
//! shift the season. Values far out are clipped before the profile learns from them.
//!
//! Options: `seasons` (steps or durations such as "1d", one or a list of up to three; an empty list
//! for none; found from the data, and looked for again at fixed counts of points, when not given),
//! `alpha` (0.1: how fast the level follows), `beta` (0.01: how fast the deviation follows) and
//! `min_points` (6: from how many values on there are scores). A point is O(1), the search apart,
//! which is O(n log n) in at most [`history::CELLS`] cells each time their points have grown by half.
//!
//! With `causal=false` seasons, profile and deviation are at first those learnt from all points.

mod core;
mod find;
mod history;
mod profile;

use serde::{Deserialize, Serialize};

pub(super) use self::core::Core;
use super::state::{self, Payload, unsound};
use super::{Detector, Method, Scored};
use crate::analytics::Options;
use crate::error::{Error, Result};
pub(super) use find::season;

/// `seasonal` by its name.
pub(super) const METHOD: Method = Method {
    name: "seasonal",
    build: |options| build(METHOD.name, 0.1, options),
    load: |payload| load(METHOD.name, payload),
};

/// `spike` by its name: the same with an `alpha` of 0.5, which sees what is far from the last point
/// or two.
pub(super) const SPIKE: Method = Method {
    name: "spike",
    build: |options| build(SPIKE.name, 0.5, options),
    load: |payload| load(SPIKE.name, payload),
};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seasonal {
    #[serde(skip)]
    name: &'static str,
    core: Core,
    alpha: f64,
    beta: f64,
    min_points: u32,
    /// What the last points were above the season, and the variance around that.
    level: f64,
    variance: f64,
    seen: u32,
    /// Points since the beginning of this pass.
    passed: u32,
}

fn build(name: &'static str, alpha: f64, options: &mut Options) -> Result<Box<dyn Detector>> {
    let rate = |options: &mut Options, name, default| match options.fraction(name, default)? {
        rate if rate > 0.0 => Ok(rate),
        rate => Err(Error::invalid(format!("{name} is above 0 and at most 1, got {rate}"))),
    };
    Ok(Box::new(Seasonal {
        name,
        core: Core::take(options)?,
        alpha: rate(options, "alpha", alpha)?,
        beta: rate(options, "beta", 0.01)?,
        min_points: options.count("min_points", 2)?.unwrap_or(6).min(u32::MAX as usize) as u32,
        level: 0.0,
        variance: 0.0,
        seen: 0,
        passed: 0,
    }))
}

fn load(name: &'static str, payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
    let mut seasonal: Seasonal = payload.decode()?;
    seasonal.core.check()?;
    let rate = |rate: f64| rate > 0.0 && rate <= 1.0;
    if !rate(seasonal.alpha) || !rate(seasonal.beta) || seasonal.min_points < 2 {
        return Err(unsound("its options"));
    }
    let variance = seasonal.variance;
    if !core::within(seasonal.level) || !(0.0..1e306).contains(&variance) {
        return Err(unsound("its level"));
    }
    seasonal.name = name;
    Ok(Box::new(seasonal))
}

impl Detector for Seasonal {
    fn name(&self) -> &'static str {
        self.name
    }

    fn rewind(&mut self) {
        self.core.rewind();
        self.level = 0.0;
        self.passed = 0;
    }

    fn update(&mut self, time: i64, value: f64) -> Scored {
        let base = self.core.expected(time);
        let enough = self.seen >= self.min_points && self.passed > 0;
        let scored = match base {
            Some(base) if enough => Scored::around(value, base + self.level, self.variance.sqrt()),
            _ => match value.is_infinite() {
                true => Scored { score: 1.0, ..Scored::NONE },
                false => Scored::NONE,
            },
        };
        let Some((residual, shift)) = self.core.push(time, value) else { return scored };
        if self.passed == 0 {
            self.level = residual;
        } else {
            let distance = residual - self.level;
            let count = f64::from(self.seen) + 1.0;
            self.level += self.alpha.max(1.0 / count) * distance;
            let gain = self.beta.max(1.0 / count);
            self.variance = (1.0 - gain) * (self.variance + gain * distance * distance);
        }
        self.level -= shift;
        self.seen = self.seen.saturating_add(1);
        self.passed = self.passed.saturating_add(1);
        scored
    }

    fn note(&self) -> Option<String> {
        self.core.note()
    }

    fn save(&self) -> Vec<u8> {
        state::save(self.name, self)
    }
}
