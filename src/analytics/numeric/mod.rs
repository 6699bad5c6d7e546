//! Numerics that analyses share, one idea a file.

pub mod distributions;
pub mod fft;
pub mod least_squares;
pub mod levenberg;
pub mod minimize;
pub mod quantile;
pub mod ranks;
pub mod rolling;
