//! `drift`: a small but lasting distance from the season, by two sums of how far points lie above
//! and below it (Page's CUSUM; "Continuous Inspection Schemes", Biometrika 1954).
//!
//! The distance is that of a `seasonal` detector in its own standard deviations over the last
//! thousand points or so, at most five; each point takes one of it away. What it finds is what
//! never has one far point. The options are those of `seasonal`; a point is O(1).
//!
//! With `causal=false` the season is that of all points.

use serde::{Deserialize, Serialize};

use super::seasonal::Core;
use super::state::{self, Payload, unsound};
use super::{Detector, Method, Scored, score_of};
use crate::analytics::Options;
use crate::error::Result;

/// `drift` by its name.
pub(super) const METHOD: Method = Method { name: "drift", build, load };

/// How fast the scale of the distances forgets, a point.
const FORGET: f64 = 0.002;
/// What each point takes away, and the most that it adds before, in standard deviations.
const ALLOWED: f64 = 1.0;
const MOST: f64 = 20.0;
/// A sum of so many standard deviations is as unusual as one point of one: a lasting shift by two
/// needs six points to count as three.
const SUM: f64 = 2.0;
/// Points before there is a score.
const ENOUGH: u32 = 16;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Drift {
    core: Core,
    square: f64,
    seen: u32,
    above: f64,
    below: f64,
}

fn build(options: &mut Options) -> Result<Box<dyn Detector>> {
    Ok(Box::new(Drift { core: Core::take(options)?, square: 0.0, seen: 0, above: 0.0, below: 0.0 }))
}

fn load(payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
    let drift: Drift = payload.decode()?;
    drift.core.check()?;
    let sums = [drift.square, drift.above, drift.below];
    if !sums.iter().all(|sum| (0.0..1e306).contains(sum)) {
        return Err(unsound("its sums"));
    }
    Ok(Box::new(drift))
}

impl Detector for Drift {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn rewind(&mut self) {
        self.core.rewind();
        (self.above, self.below) = (0.0, 0.0);
    }

    fn update(&mut self, time: i64, value: f64) -> Scored {
        let expected = self.core.expected(time);
        let Some((residual, _)) = self.core.push(time, value) else {
            return Scored {
                score: if value.is_infinite() { 1.0 } else { f64::NAN },
                expected: expected.unwrap_or(f64::NAN),
                ..Scored::NONE
            };
        };
        let enough = self.seen >= ENOUGH;
        if enough {
            let scale = self.square.sqrt().max(super::floor(value - residual));
            let size = (residual / scale).clamp(-MOST, MOST);
            self.above = (self.above + size - ALLOWED).max(0.0);
            self.below = (self.below - size - ALLOWED).max(0.0);
        }
        self.seen = self.seen.saturating_add(1);
        let gain = FORGET.max(1.0 / f64::from(self.seen));
        self.square = (1.0 - gain) * self.square + gain * residual * residual;
        if !enough {
            return Scored::NONE;
        }
        let score = score_of(self.above.max(self.below) / SUM);
        Scored { score, expected: value - residual, ..Scored::NONE }
    }

    fn save(&self) -> Vec<u8> {
        state::save(METHOD.name, self)
    }
}
