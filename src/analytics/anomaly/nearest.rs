//! `nearest`: how far the last points are, as a shape, from the most similar stretch before them:
//! the left matrix profile (Yeh et al., "Matrix Profile I", ICDM 2016; Lu et al., "DAMP", KDD 2022)
//! of values as they are, so that a change of level counts as much as one of shape.
//!
//! Options: `window` (12: points of a stretch) and `history` (3000: how many points back a similar
//! stretch is looked for). The distance is put in relation to those of the points before, of which
//! the mean square is kept. Values that are missing are passed over. A point is O(history x window)
//! at worst; most stretches are given up after a few values.
//!
//! With `causal=false` the scale of the distances is that of all points.

use serde::{Deserialize, Serialize};

use super::settings::{MOST_POINTS, learnable};
use super::state::{self, Payload, unsound};
use super::{Detector, Method, Scored, floor, score_of};
use crate::analytics::Options;
use crate::error::{Error, Result};

/// `nearest` by its name.
pub(super) const METHOD: Method = Method { name: "nearest", build, load };

/// How fast the scale of the distances forgets, a point.
const FORGET: f64 = 1e-3;
/// Distances before there is a score.
const ENOUGH: u32 = 16;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Nearest {
    window: usize,
    history: usize,
    /// The last values, the oldest first; up to twice the history, and cut then.
    values: Vec<f64>,
    square: f64,
    seen: u32,
}

fn build(options: &mut Options) -> Result<Box<dyn Detector>> {
    let window = options.count("window", 2)?.unwrap_or(12);
    let history = options.count("history", 4)?.unwrap_or(3000.max(window.saturating_mul(2)));
    if history > MOST_POINTS || window.saturating_mul(2) > history {
        return Err(Error::invalid(format!(
            "history is at least twice the window of {window} and at most {MOST_POINTS}, got \
             {history}"
        )));
    }
    Ok(Box::new(Nearest { window, history, values: Vec::new(), square: 0.0, seen: 0 }))
}

fn load(payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
    let nearest: Nearest = payload.decode()?;
    let sizes = nearest.window >= 2
        && nearest.history <= MOST_POINTS
        && nearest.window.saturating_mul(2) <= nearest.history
        && nearest.values.len() <= 2 * nearest.history;
    if !sizes || !nearest.values.iter().all(|value| learnable(*value) == Some(*value)) {
        return Err(unsound("its history"));
    }
    if !(0.0..1e306).contains(&nearest.square) {
        return Err(unsound("its scale"));
    }
    Ok(Box::new(nearest))
}

impl Nearest {
    /// The mean square distance to the nearest stretch that does not overlap, with the value that
    /// this stretch ends on; `None` without one.
    fn distance(&self) -> Option<(f64, f64)> {
        let window = self.window;
        let begin = self.values.len().saturating_sub(self.history);
        let held = &self.values[begin..];
        let last = held.len().checked_sub(window)?;
        let query = &held[last..];
        let (mut best, mut at) = (f64::INFINITY, None);
        for start in (0..(last + 1).checked_sub(window)?).rev() {
            let other = &held[start..start + window];
            let mut sum = 0.0;
            // From the newest: an unusual last value gives most stretches up at once.
            for (a, b) in query.iter().zip(other).rev() {
                sum += (a - b) * (a - b);
                if sum >= best {
                    break;
                }
            }
            if sum < best {
                (best, at) = (sum, Some(other[window - 1]));
            }
        }
        at.map(|like| (best / window as f64, like))
    }
}

impl Detector for Nearest {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn rewind(&mut self) {
        self.values.clear();
    }

    fn update(&mut self, _: i64, value: f64) -> Scored {
        let Some(learnt) = learnable(value) else {
            return match value.is_infinite() {
                true => Scored { score: 1.0, ..Scored::NONE },
                false => Scored::NONE,
            };
        };
        if self.values.len() == 2 * self.history {
            self.values.drain(..self.history);
        }
        self.values.push(learnt);
        let Some((square, like)) = self.distance() else { return Scored::NONE };
        let enough = self.seen >= ENOUGH;
        let scale = self.square.sqrt().max(floor(like));
        self.seen = self.seen.saturating_add(1);
        let gain = FORGET.max(1.0 / f64::from(self.seen));
        self.square = (1.0 - gain) * self.square + gain * square;
        if !enough {
            return Scored::NONE;
        }
        Scored { score: score_of(square.sqrt() / scale), expected: like, ..Scored::NONE }
    }

    fn save(&self) -> Vec<u8> {
        state::save(METHOD.name, self)
    }
}
