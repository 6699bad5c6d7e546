//! Clocks.

use std::time::{Duration, Instant};

/// Clips of a measurement; the median of them stands.
pub(crate) const CLIPS: usize = 5;
const CLIP: Duration = Duration::from_millis(20);

/// Seconds of a call.
pub(crate) fn seconds(mut call: impl FnMut()) -> f64 {
    call();
    let clip = || {
        let (start, mut calls) = (Instant::now(), 0);
        while calls == 0 || start.elapsed() < CLIP {
            call();
            calls += 1;
        }
        start.elapsed().as_secs_f64() / f64::from(calls)
    };
    median(std::iter::repeat_with(clip).take(CLIPS).collect())
}

/// Million values a second of a call that handles `n`.
pub(crate) fn speed(n: usize, call: impl FnMut()) -> f64 {
    n as f64 / seconds(call) / 1e6
}

/// The middle one, or the mean of the two there; NaN of none.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let n = numbers.len();
    mean(&numbers[n.saturating_sub(1) / 2..(n / 2 + 1).min(n)])
}

/// NaN of none.
pub(crate) fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}
