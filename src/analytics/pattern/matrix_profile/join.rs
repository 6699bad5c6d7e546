//! The whole matrix: of a series with itself, or of one with another.

use rayon::prelude::*;

use super::sweep::{Best, NONE, sweep};
use super::windows::{Kind, LANES, Windows, frame};
use super::{MatrixProfile, Measure, Nearest, exclusion_of};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Windows that are compared at most: places are 32 bits wide.
const MOST: usize = u32::MAX as usize - 2 * LANES;

/// The matrix profile of a series with itself, in the current rayon pool; the same for any number
/// of threads. `exclusion` stands for [`exclusion_of`] the window when it is not given. Time grows
/// with the square of the number of windows: 20,000 take some tens of milliseconds.
///
/// # Errors
/// [`Error::InvalidArgument`] for a window of fewer than 3 values (2 when plain), and what the
/// guard says.
pub fn profile(
    values: &[f64],
    window: usize,
    exclusion: Option<usize>,
    measure: Measure,
    guard: &dyn Guard,
) -> Result<MatrixProfile> {
    check(values.len(), window, measure)?;
    let exclusion = exclusion.unwrap_or_else(|| exclusion_of(window));
    let windows = Windows::of(values, window, measure);
    let count = windows.count();
    let (right, left) = matrix(&windows, &windows, exclusion.saturating_add(1), guard)?;
    let flats = Others::new(&windows);
    let sides = (0..count).into_par_iter().with_min_len(256).map(|at| {
        let before = 0..at.saturating_sub(exclusion);
        let after = at.saturating_add(exclusion).saturating_add(1).min(count)..count;
        let left = flats.complete(&windows, &windows, at, left.places[at], before);
        let right = flats.complete(&windows, &windows, at, right.places[at], after);
        (if left.0 <= right.0 { left } else { right }, left, right)
    });
    let sides: Vec<_> = sides.collect();
    Ok(MatrixProfile {
        window,
        exclusion,
        nearest: Nearest::of(sides.iter().map(|side| side.0)),
        left: Nearest::of(sides.iter().map(|side| side.1)),
        right: Nearest::of(sides.iter().map(|side| side.2)),
    })
}

/// The nearest in `reference` of each window of `query`. Nothing is left out.
///
/// # Errors
/// As [`profile`].
pub fn join(
    query: &[f64],
    reference: &[f64],
    window: usize,
    measure: Measure,
    guard: &dyn Guard,
) -> Result<Nearest> {
    check(query.len().max(reference.len()), window, measure)?;
    let (centre, scale) = frame([query, reference]);
    let rows = Windows::framed(query, window, measure, centre, scale);
    let columns = Windows::framed(reference, window, measure, centre, scale);
    // Diagonals that begin in the first row, then those that begin in the first column.
    let (upper, _) = matrix(&rows, &columns, 0, guard)?;
    let (_, lower) = matrix(&columns, &rows, 1, guard)?;
    let best = upper.merge(&lower);
    let flats = Others::new(&columns);
    let nearest: Vec<_> = (0..rows.count())
        .into_par_iter()
        .with_min_len(256)
        .map(|at| flats.complete(&rows, &columns, at, best.places[at], 0..columns.count()))
        .collect();
    Ok(Nearest::of(nearest.into_iter()))
}

pub(super) fn check(values: usize, window: usize, measure: Measure) -> Result<()> {
    let least = if measure == Measure::Normalized { 3 } else { 2 };
    if window < least {
        return Err(Error::invalid(format!(
            "window is a count of values of at least {least}, got {window}"
        )));
    }
    if values > MOST {
        return Err(Error::LimitExceeded(format!(
            "a matrix profile takes at most {MOST} values, got {values}"
        )));
    }
    Ok(())
}

/// The best of rows and of columns among the cells from a diagonal on.
fn matrix(
    rows: &Windows,
    columns: &Windows,
    first: usize,
    guard: &dyn Guard,
) -> Result<(Best, Best)> {
    let none = || (Best::new(rows.count()), Best::new(columns.count()));
    let diagonals: Vec<usize> = (first..columns.count()).step_by(LANES).collect();
    // Interleaved, since diagonals grow shorter.
    let groups = (2 * rayon::current_num_threads()).min(diagonals.len());
    (0..groups)
        .into_par_iter()
        .map(|group| {
            let (mut best_rows, mut best_columns) = none();
            for diagonal in diagonals.iter().skip(group).step_by(groups) {
                guard.poll()?;
                sweep(rows, columns, *diagonal, &mut best_rows, &mut best_columns);
            }
            Ok((best_rows, best_columns))
        })
        .try_reduce_with(|one, other| Ok((one.0.merge(&other.0), one.1.merge(&other.1))))
        .unwrap_or_else(|| Ok(none()))
}

/// Where the flat and the other windows of a series are: those without a score of their own.
struct Others {
    flat: Vec<usize>,
    varied: Vec<usize>,
}

impl Others {
    fn new(windows: &Windows) -> Self {
        let varied = |at: &usize| windows.kinds[*at] == Kind::Varied;
        Self { flat: windows.flats.clone(), varied: (0..windows.count()).filter(varied).collect() }
    }

    /// The nearest of a window within a range, when `place` is the best of those that differ.
    fn complete(
        &self,
        rows: &Windows,
        columns: &Windows,
        at: usize,
        place: u32,
        range: std::ops::Range<usize>,
    ) -> (f64, Option<usize>) {
        let first = |of: &[usize]| {
            let place = of.get(of.partition_point(|place| *place < range.start)).copied();
            place.filter(|place| range.contains(place))
        };
        let unlike = (rows.length as f64).sqrt();
        match rows.kinds[at] {
            Kind::Missing => (f64::INFINITY, None),
            Kind::Flat => match (first(&self.flat), first(&self.varied)) {
                (Some(flat), _) => (0.0, Some(flat)),
                (None, Some(varied)) => (unlike, Some(varied)),
                (None, None) => (f64::INFINITY, None),
            },
            Kind::Varied => {
                let best = (place != NONE).then_some(place as usize);
                let distance =
                    best.map_or(f64::INFINITY, |place| rows.distance(at, columns, place));
                match first(&self.flat) {
                    Some(flat) if unlike < distance => (unlike, Some(flat)),
                    _ => (distance, best),
                }
            }
        }
    }
}

impl Nearest {
    fn of(pairs: impl Iterator<Item = (f64, Option<usize>)>) -> Self {
        let (distances, neighbors) = pairs.unzip();
        Self { distances, neighbors }
    }
}
