//! Statistics of the last so many values, kept up from value to value.
//!
//! A missing value (NaN) takes a place in the window and counts in no statistic. Each statistic is a
//! function of what stands in the window and of nothing that has left it: no sum is added to and
//! subtracted from, so that one huge value does not spoil those after it.

mod function;
mod moments;
mod ring;
mod sorted;

pub(in crate::analytics) use function::FUNCTION;
pub use moments::{Moments, RollingMoments};
pub use ring::Ring;
pub use sorted::SortedWindow;

/// The standard deviation of a normal distribution by its median absolute deviation:
/// 1 / the normal distribution's upper quartile.
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;
