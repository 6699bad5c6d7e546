//! `zscore`: how many standard deviations from the mean of the last points.
//!
//! Options: `window` (256: how many of the last points count) and `min_points` (16: from how many
//! values on there are scores). The deviation is that of a sample. One far value widens it for as
//! long as the window holds it; `mad` is the robust kin. A point is O(log window).
//!
//! With `causal=false` mean and deviation are those of all points, the scored one among them.

use serde::{Deserialize, Serialize};

use super::settings::{Trailing, learnable};
use super::state::{self, Payload, unsound};
use super::{Detector, Method, Scored};
use crate::analytics::Options;
use crate::analytics::numeric::rolling::{Moments, Ring, RollingMoments};
use crate::error::Result;

/// `zscore` by its name.
pub(super) const METHOD: Method = Method { name: "zscore", build, load };

#[derive(Clone, Debug)]
struct ZScore {
    trailing: Trailing,
    rolling: RollingMoments,
    /// Mean and deviation of the whole, once that was studied.
    whole: Option<(f64, f64)>,
}

#[derive(Serialize, Deserialize)]
struct State {
    trailing: Trailing,
    ring: Ring,
    whole: Option<(f64, f64)>,
}

fn build(options: &mut Options) -> Result<Box<dyn Detector>> {
    let trailing = Trailing::take(options, 256, 16)?;
    Ok(Box::new(ZScore { trailing, rolling: RollingMoments::new(trailing.window), whole: None }))
}

fn load(payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
    let State { trailing, ring, whole } = payload.decode()?;
    if !trailing.is_sound() || !ring.is_sound(trailing.window) {
        return Err(unsound("its window"));
    }
    if whole
        .is_some_and(|(mean, deviation)| !mean.is_finite() || deviation.is_nan() || deviation < 0.0)
    {
        return Err(unsound("its mean and deviation"));
    }
    Ok(Box::new(ZScore { trailing, rolling: RollingMoments::of(ring), whole }))
}

impl Detector for ZScore {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn study(&mut self, _: &[i64], values: &[f64]) -> Result<()> {
        let mut all = RollingMoments::new(values.len());
        for value in values {
            all.push(learnable(*value).unwrap_or(f64::NAN));
        }
        let all = all.moments();
        self.whole = (all.count >= 2.0).then(|| (all.mean, all.deviation()));
        Ok(())
    }

    fn update(&mut self, _: i64, value: f64) -> Scored {
        if let Some((mean, deviation)) = self.whole {
            return Scored::around(value, mean, deviation);
        }
        let Moments { count, mean, .. } = self.rolling.moments();
        let enough = count >= self.trailing.min_points as f64;
        let scored = match enough {
            true => Scored::around(value, mean, self.rolling.moments().deviation()),
            false => Scored::NONE,
        };
        self.rolling.push(learnable(value).unwrap_or(f64::NAN));
        scored
    }

    fn save(&self) -> Vec<u8> {
        let (trailing, ring) = (self.trailing, self.rolling.ring().clone());
        state::save(METHOD.name, &State { trailing, ring, whole: self.whole })
    }
}
