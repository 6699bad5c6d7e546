//! Options that several detectors share.

use serde::{Deserialize, Serialize};

use crate::analytics::Options;
use crate::error::{Error, Result};

/// The most points that a detector keeps.
pub(super) const MOST_POINTS: usize = 1 << 20;

/// The largest size of a value that is learnt from: squares of it and their sums are finite.
pub(super) const MOST_VALUE: f64 = 1e150;

/// A value as it is learnt from: `None` for what is missing or infinite, and a size of at most
/// [`MOST_VALUE`].
pub(super) fn learnable(value: f64) -> Option<f64> {
    value.is_finite().then(|| value.clamp(-MOST_VALUE, MOST_VALUE))
}

/// How many of the last points count, and from how many on there are scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Trailing {
    pub(super) window: usize,
    pub(super) min_points: usize,
}

impl Trailing {
    /// `window` (how many of the last points count, missing ones among them) and `min_points` (from
    /// how many values on there are scores).
    pub(super) fn take(options: &mut Options, window: usize, min_points: usize) -> Result<Self> {
        let window = options.count("window", 2)?.unwrap_or(window);
        if window > MOST_POINTS {
            return Err(Error::invalid(format!("window is at most {MOST_POINTS}, got {window}")));
        }
        let given = options.count("min_points", 2)?;
        let min_points = given.unwrap_or(min_points.min(window));
        if min_points > window {
            return Err(Error::invalid(format!(
                "min_points is at most the window of {window}, got {min_points}"
            )));
        }
        Ok(Self { window, min_points })
    }

    /// Whether [`Self::take`] could have given it: what a loaded state is asked.
    pub(super) fn is_sound(&self) -> bool {
        (2..=MOST_POINTS).contains(&self.window) && (2..=self.window).contains(&self.min_points)
    }
}
