//! What a point of a series looks like to a forest.

use serde::{Deserialize, Serialize};

/// Numbers a point.
pub(super) const FEATURES: usize = 3;

/// What they are, for an explanation.
pub(super) const NAMES: [&str; FEATURES] =
    ["its value", "its change from the last value", "its distance from the values just before"];

/// Values just before, of which the median counts: one far value leaves no trace in it.
const BEFORE: usize = 10;

/// Turns values into rows: the value, its difference from the one before, and its difference from
/// the median of the (up to) ten before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Features {
    before: Vec<f64>,
}

impl Features {
    /// The row of a finite value; `None` for the first.
    pub(super) fn of(&self, value: f64) -> Option<[f64; FEATURES]> {
        let last = self.before.last()?;
        let mut sorted = [0.0; BEFORE];
        let sorted = &mut sorted[..self.before.len()];
        sorted.copy_from_slice(&self.before);
        sorted.sort_unstable_by(f64::total_cmp);
        // The upper one of two in the middle.
        Some([value, value - last, value - sorted[sorted.len() / 2]])
    }

    /// Takes a value, of a size that is learnt from.
    pub(super) fn push(&mut self, value: f64) {
        if self.before.len() == BEFORE {
            self.before.remove(0);
        }
        self.before.push(value);
    }

    pub(super) fn is_sound(&self) -> bool {
        self.before.len() <= BEFORE && self.before.iter().all(|value| value.is_finite())
    }
}
