//! The matrix profile: of every window of a series, how far its nearest like is and where.
//!
//! A small distance is a repetition (a motif), a large one a window without its like (a discord).
//! Distances are exact: Yeh et al., "Matrix Profile I" (2016), by the diagonals of "Matrix Profile
//! XIV" (2019), with definitions as stumpy's: windows are z-normalised (or not), a window's
//! neighbours within a quarter of its length are left out, a flat window is at 0 from another and
//! at the root of the length from any that is not, and a window with a missing or an infinite
//! value is at infinity from all. Sums follow by recurrence and are made anew now and then, so that
//! rounding doesn't grow; the distances that are told are computed from the two windows.

pub(super) mod function;
mod incremental;
mod join;
mod sweep;
#[cfg(test)]
mod tests;
mod windows;

use serde::{Deserialize, Serialize};

pub use incremental::{Incremental, Match};
pub use join::{join, profile};

/// How windows are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Measure {
    /// The Euclidean distance of z-normalised windows: shapes, whatever their level and size;
    /// 0 to twice the root of the length.
    #[default]
    Normalized,
    /// The Euclidean distance of the values as they are.
    Plain,
}

/// The nearest of each window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nearest {
    /// Distances; infinite where there is none.
    pub distances: Vec<f64>,
    /// Where the nearest begins.
    pub neighbors: Vec<Option<usize>>,
}

/// The matrix profile of a series with itself. Window `i` begins at value `i`; there are as many
/// windows as values, less the window's length, plus one (none for a series that is shorter).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MatrixProfile {
    /// The length of a window, in values.
    pub window: usize,
    /// Windows that begin at most so far from each other are not compared.
    pub exclusion: usize,
    /// The nearest anywhere.
    pub nearest: Nearest,
    /// The nearest among those that begin before: what was known when the window was complete.
    pub left: Nearest,
    /// The nearest among those that begin after.
    pub right: Nearest,
}

/// The zone that is left out around a window when none is given: a quarter of it, rounded up.
pub fn exclusion_of(window: usize) -> usize {
    window.div_ceil(4)
}
