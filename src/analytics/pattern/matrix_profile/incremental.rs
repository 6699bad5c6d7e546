//! A matrix profile that takes one value at a time (as STUMPI does).

use serde::{Deserialize, Serialize};

use super::sweep::{FRESH, advance, find, score_row};
use super::windows::{Kind, LANES, Windows};
use super::{Measure, exclusion_of};
use crate::error::{Error, Result};

/// The nearest of the windows before one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// Infinite where there is none.
    pub distance: f64,
    /// Where the nearest begins, counted from the first value that was ever taken.
    pub neighbor: Option<u64>,
}

impl Match {
    /// Of a window that has no neighbour.
    pub const NONE: Self = Self { distance: f64::INFINITY, neighbor: None };

    fn offer(&mut self, distance: f64, neighbor: u64) {
        if distance < self.distance {
            *self = Self { distance, neighbor: Some(neighbor) };
        }
    }
}

/// The matrix profile of a series that grows. A value costs one pass over the windows that are
/// kept: some microseconds for 10,000.
///
/// The distances are those of [`super::profile`] but for rounding. Its state can be saved by serde:
/// what goes on from a saved state is, bit for bit, what would have gone on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Saved", try_from = "Saved")]
pub struct Incremental {
    windows: Windows,
    exclusion: usize,
    /// The newest windows that are compared; 0 for all.
    most: usize,
    centre: Option<f64>,
    /// Windows that were forgotten.
    gone: u64,
    /// Of the newest window with each before it.
    sums: Vec<f64>,
    /// Of each window, among those after it and before it; and the same as scores.
    nearest: Vec<Match>,
    scores: Vec<f64>,
    row: Vec<f64>,
}

impl Incremental {
    /// An empty one. `exclusion` stands for [`exclusion_of`] the window when it is not given;
    /// of more than `most` windows the oldest are forgotten, so that memory and time are bounded.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a window of fewer than 3 values (2 when plain), or for a
    /// `most` that leaves nothing to compare.
    pub fn new(
        window: usize,
        exclusion: Option<usize>,
        measure: Measure,
        most: Option<usize>,
    ) -> Result<Self> {
        super::join::check(0, window, measure)?;
        let exclusion = exclusion.unwrap_or_else(|| exclusion_of(window));
        if let Some(most) = most.filter(|most| *most <= exclusion.saturating_add(1)) {
            return Err(Error::invalid(format!(
                "most must be above the exclusion zone of {exclusion} windows by two or more, got \
                 {most}"
            )));
        }
        Ok(Self {
            windows: Windows::new(window, measure, 0.0, 1.0),
            exclusion,
            most: most.unwrap_or(0),
            centre: None,
            gone: 0,
            sums: Vec::new(),
            nearest: Vec::new(),
            scores: Vec::new(),
            row: Vec::new(),
        })
    }

    /// The length of a window, in values.
    pub fn window(&self) -> usize {
        self.windows.length
    }

    /// How many windows there were so far.
    pub fn count(&self) -> u64 {
        self.gone + self.windows.count() as u64
    }

    /// The nearest of each window that is kept, among all that it was compared with, and where the
    /// first of them begins. (The distance to a later window is told up to 1e-7 or so; that of
    /// [`Self::append`] is computed from the values.)
    pub fn nearest(&self) -> (u64, &[Match]) {
        (self.gone, &self.nearest)
    }

    /// Takes the next value, NaN for a missing one. `None` until a window is complete; then the
    /// nearest of the windows before the one that ends with this value.
    pub fn append(&mut self, value: f64) -> Option<Match> {
        if self.centre.is_none() && value.is_finite() {
            // Shapes don't depend on the level; sums are more exact around zero.
            let centre = if value.abs() < 1e100 { value } else { 0.0 };
            self.windows.recentre(centre);
            self.centre = Some(centre);
        }
        if !self.windows.push(value) {
            return None;
        }
        let at = self.windows.count() - 1;
        self.advance(at);
        let from = if self.most == 0 { 0 } else { (at + 1).saturating_sub(self.most) };
        let found = self.compare(at, from, at.saturating_sub(self.exclusion));
        self.nearest.push(found);
        self.scores.push(self.score_of(found.distance));
        if self.most > 0 && at >= self.most.saturating_add(self.most / 4 + LANES) {
            self.forget(at + 1 - self.most);
        }
        Some(found)
    }

    /// Brings the sums to the newest window.
    fn advance(&mut self, at: usize) {
        let windows = &self.windows;
        self.sums.push(0.0);
        self.sums.copy_within(..at, 1);
        let row = [windows.a[at], windows.b[at], windows.e[at]];
        let (a, b) = (&windows.a[1..=at.max(1)], &windows.b[1..=at.max(1)]);
        advance(&mut self.sums[1..], windows.measure, row, a, b);
        let anew = |column: usize| windows.seed(at, windows, column);
        if windows.drops.last() == Some(&at) {
            for (column, sum) in self.sums.iter_mut().enumerate() {
                *sum = anew(column);
            }
            return;
        }
        self.sums[0] = anew(0);
        for column in &windows.drops {
            self.sums[*column] = anew(*column);
        }
        // Each diagonal in its turn, so that rounding doesn't grow.
        let total = self.gone + at as u64;
        let turn = (FRESH as u64 - total % FRESH as u64) as usize % FRESH;
        for diagonal in (turn..=at).step_by(FRESH) {
            self.sums[at - diagonal] = anew(at - diagonal);
        }
    }

    /// The nearest of the window at `at` within `from..until`, and tells those what they gain.
    fn compare(&mut self, at: usize, from: usize, until: usize) -> Match {
        let windows = &self.windows;
        let mut found = Match::NONE;
        if from >= until || windows.kinds[at] == Kind::Missing {
            return found;
        }
        let unlike = (windows.length as f64).sqrt();
        let own = self.gone + at as u64;
        let flat = windows.kinds[at] == Kind::Flat;
        if !flat {
            self.row.resize(until - from, 0.0);
            let sums = &self.sums[from..until];
            score_row(&mut self.row, windows.measure, sums, windows.e[at], &windows.e[from..]);
            let mut gains = Vec::new();
            let best = find(&self.row, &self.scores[from..], &mut gains);
            for offset in gains {
                let distance = windows.distance(at, windows, from + offset);
                self.scores[from + offset] = self.row[offset];
                self.nearest[from + offset].offer(distance, own);
            }
            if let Some(best) = best.map(|offset| from + offset) {
                let distance = windows.distance(at, windows, best);
                found = Match { distance, neighbor: Some(self.gone + best as u64) };
            }
        }
        let flats = windows.flats.partition_point(|place| *place < from);
        let others: Box<dyn Iterator<Item = usize>> = if flat {
            Box::new(from..until)
        } else {
            Box::new(windows.flats[flats..].iter().copied().take_while(|place| *place < until))
        };
        let mut nearer = Vec::new();
        for other in others {
            let distance = match windows.kinds[other] {
                Kind::Flat if flat => 0.0,
                Kind::Missing => continue,
                _ => unlike,
            };
            found.offer(distance, self.gone + other as u64);
            if distance < self.nearest[other].distance {
                nearer.push((other, distance));
            }
        }
        for (other, distance) in nearer {
            self.nearest[other] = Match { distance, neighbor: Some(own) };
            self.scores[other] = self.score_of(distance);
        }
        found
    }

    /// The score of a distance.
    fn score_of(&self, distance: f64) -> f64 {
        match self.windows.measure {
            _ if distance.is_infinite() => f64::NEG_INFINITY,
            Measure::Normalized => 1.0 - distance * distance / (2.0 * self.windows.length as f64),
            Measure::Plain => -distance * distance,
        }
    }

    fn forget(&mut self, count: usize) {
        self.windows.forget(count);
        self.sums.drain(..count);
        self.nearest.drain(..count);
        self.scores.drain(..count);
        self.gone += count as u64;
    }
}

/// What is kept of a state: the windows follow from the values.
#[derive(Serialize, Deserialize)]
struct Saved {
    window: u64,
    exclusion: u64,
    measure: Measure,
    most: u64,
    centre: Option<f64>,
    gone: u64,
    /// Above the centre; NaN for missing ones.
    values: Vec<f64>,
    drops: Vec<u64>,
    peak: f64,
    sums: Vec<f64>,
    nearest: Vec<Match>,
    scores: Vec<f64>,
}

impl From<Incremental> for Saved {
    fn from(state: Incremental) -> Self {
        let windows = &state.windows;
        let there = windows.values.iter().zip(&windows.there);
        Self {
            window: windows.length as u64,
            exclusion: state.exclusion as u64,
            measure: windows.measure,
            most: state.most as u64,
            centre: state.centre,
            gone: state.gone,
            values: there.map(|(value, there)| if *there { *value } else { f64::NAN }).collect(),
            drops: windows.drops.iter().map(|at| *at as u64).collect(),
            peak: windows.peak,
            sums: state.sums,
            nearest: state.nearest,
            scores: state.scores,
        }
    }
}

impl TryFrom<Saved> for Incremental {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let damaged = || Error::corrupt("the state of a matrix profile contradicts itself");
        let size = |n: u64| usize::try_from(n).ok().filter(|n| *n < 1 << 40).ok_or_else(damaged);
        let most = Some(size(saved.most)?).filter(|most| *most > 0);
        let exclusion = Some(size(saved.exclusion)?);
        let mut own = Self::new(size(saved.window)?, exclusion, saved.measure, most)?;
        for value in saved.values {
            own.windows.push(value);
        }
        own.windows.recentre(saved.centre.unwrap_or(0.0));
        own.windows.peak = saved.peak;
        let count = own.windows.count();
        own.windows.drops = saved.drops.into_iter().map(size).collect::<Result<_>>()?;
        let drops = &own.windows.drops;
        let sound = drops.is_sorted()
            && drops.last().is_none_or(|last| *last < count)
            && [saved.sums.len(), saved.nearest.len(), saved.scores.len()] == [count; 3]
            && saved.centre.is_none_or(f64::is_finite)
            && saved.gone < 1 << 62;
        if !sound {
            return Err(damaged());
        }
        Ok(Self {
            centre: saved.centre,
            gone: saved.gone,
            sums: saved.sums,
            nearest: saved.nearest,
            scores: saved.scores,
            ..own
        })
    }
}
