//! `matrix_profile`: how unlike all earlier shapes the shape of the last points is.
//!
//! The last `window` points, brought to mean 0 and deviation 1, are compared with every earlier
//! window of that length that does not overlap them by more than three quarters; the distance to
//! the nearest (the left matrix profile: Yeh et al., "Matrix Profile I", ICDM 2016) becomes a z by
//! the distances of the last points: their median is 0, and the wider of their median absolute
//! deviation and what their 90 % quantile tells is a standard deviation, of at least a fiftieth of
//! the distance between shapes that have nothing in common. A shape that is nearer than usual has
//! z = 0. An unusual point makes every window unusual that holds it, so that scores stay high for up
//! to `window` points; a shape that has been there before is not unusual, however rare it is.
//!
//! `expected` is the value at the end of the nearest window, at the level and size of the last
//! points before this one; there are no bounds. Windows with a missing value have no score.
//!
//! Options: `window` (64 points), `history` (4096: how many windows it remembers), `min_points`
//! (the window: how many distances it waits for). A point is O(history), some microseconds.
//!
//! With `causal=false` each window is compared with all others, before and after; this takes time
//! with the square of the number of points, of which there may be 131,072. `history` does not count.

use serde::{Deserialize, Serialize};

use super::settings::learnable;
use super::state::{self, Payload, unsound};
use super::{Detector, Method, Scored, floor, score_of};
use crate::analytics::Options;
use crate::analytics::numeric::rolling::{Moments, Ring, SortedWindow};
use crate::analytics::pattern::matrix_profile::{Incremental, Measure, profile};
use crate::error::{Error, Result};
use crate::kernels::Unguarded;

/// `matrix_profile` by its name.
pub(super) const METHOD: Method = Method { name: "matrix_profile", build, load };

const MOST_WINDOW: usize = 1 << 12;
const MOST_HISTORY: usize = 1 << 16;
/// The most points that all windows are compared with all of.
const MOST_WHOLE: usize = 1 << 17;
/// Distances that tell what is usual.
const DISTANCES: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    window: usize,
    history: usize,
    min_points: usize,
}

/// The distances of a whole series.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Whole {
    /// Of each point the distance and the neighbour's last row, NaN and none where there is none.
    points: Vec<(f64, Option<u32>)>,
    values: Vec<f64>,
    /// The point that is scored next.
    next: usize,
    median: f64,
    deviation: f64,
}

#[derive(Serialize, Deserialize)]
struct State {
    settings: Settings,
    profile: Incremental,
    values: Ring,
    distances: Ring,
    whole: Option<Whole>,
}

#[derive(Clone, Debug)]
struct Detecting {
    settings: Settings,
    profile: Incremental,
    /// The values of the windows that are remembered.
    values: Ring,
    distances: SortedWindow,
    whole: Option<Whole>,
    /// How many points ago the neighbour of the last one was, and how far it is.
    last: Option<(u64, f64)>,
}

impl Settings {
    fn is_sound(&self) -> bool {
        (4..=MOST_WINDOW).contains(&self.window)
            && (2 * self.window..=MOST_HISTORY).contains(&self.history)
            && (2..=DISTANCES).contains(&self.min_points)
    }

    /// A new detector.
    fn start(self) -> Result<Detecting> {
        let most = Some(self.history);
        Ok(Detecting {
            settings: self,
            profile: Incremental::new(self.window, None, Measure::Normalized, most)?,
            values: Ring::new(self.kept()),
            distances: SortedWindow::new(DISTANCES),
            whole: None,
            last: None,
        })
    }

    /// Values that are kept: those of the remembered windows.
    fn kept(&self) -> usize {
        self.history + self.window
    }

    /// The least that counts as a standard deviation of distances.
    fn floor(&self) -> f64 {
        0.02 * (2.0 * self.window as f64).sqrt()
    }

    /// Median and standard deviation of distances.
    fn usual(&self, distances: &SortedWindow) -> (f64, f64) {
        let median = distances.median();
        let upper = (distances.quantile(0.9) - median) / 1.281_552;
        (median, distances.mad_sigma(median).max(upper).max(self.floor()))
    }
}

fn build(options: &mut Options) -> Result<Box<dyn Detector>> {
    let window = options.count("window", 4)?.unwrap_or(64);
    let history = options.count("history", 8)?.unwrap_or(4096.max(window.saturating_mul(4)));
    let given = options.count("min_points", 2)?;
    let min_points = given.unwrap_or(window.min(DISTANCES));
    let settings = Settings { window, history, min_points };
    if !settings.is_sound() {
        return Err(Error::invalid(format!(
            "matrix_profile takes a window of 4 to {MOST_WINDOW} points, a history of two windows to \
             {MOST_HISTORY} and min_points of 2 to {DISTANCES}; got {window}, {history} and \
             {min_points}"
        )));
    }
    Ok(Box::new(settings.start()?))
}

fn load(payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
    let State { settings, profile, values, distances, whole } = payload.decode()?;
    let whole_is_sound = |whole: &Whole| {
        whole.points.len() <= MOST_WHOLE
            && whole.values.len() == whole.points.len()
            && whole.next <= whole.points.len()
            && whole.deviation > 0.0
            && whole
                .points
                .iter()
                .all(|(_, end)| end.is_none_or(|end| (end as usize) < whole.points.len()))
    };
    let sound = settings.is_sound()
        && profile.window() == settings.window
        && values.is_sound(settings.kept())
        && distances.is_sound(DISTANCES)
        && whole.as_ref().is_none_or(whole_is_sound);
    match sound {
        true => Ok(Box::new(Detecting {
            profile,
            values,
            distances: SortedWindow::of(distances),
            whole,
            ..settings.start()?
        })),
        false => Err(unsound("its window or its distances")),
    }
}

impl Detecting {
    /// The value at the end of another window, as it would be at the level of this one: both windows
    /// without their last value tell level and size.
    fn expected(own: &[f64], other: &[f64]) -> f64 {
        let (Some((_, own)), Some((last, other))) = (own.split_last(), other.split_last()) else {
            return f64::NAN;
        };
        let moments = |values: &[f64]| {
            values.iter().fold(Moments::default(), |all, value| all.and(Moments::of(*value)))
        };
        let (own, other) = (moments(own), moments(other));
        let size = match other.deviation() > floor(other.mean) {
            true => own.deviation() / other.deviation(),
            false => 1.0,
        };
        own.mean + (last - other.mean) * size
    }

    fn scored(distance: f64, (median, deviation): (f64, f64), expected: f64) -> Scored {
        let z = ((distance - median) / deviation).max(0.0);
        Scored { score: score_of(z), expected, ..Scored::NONE }
    }

    /// The next point of a series that was studied as a whole.
    fn next_of_whole(&mut self) -> Scored {
        let window = self.settings.window;
        let Some(whole) = &mut self.whole else { return Scored::NONE };
        let at = whole.next;
        let Some((distance, end)) = whole.points.get(at).copied() else { return Scored::NONE };
        whole.next += 1;
        if distance.is_nan() {
            return Scored::NONE;
        }
        let ending =
            |end: usize| (end + 1).checked_sub(window).map(|from| &whole.values[from..=end]);
        let expected = match (ending(at), end.and_then(|end| ending(end as usize))) {
            (Some(own), Some(other)) => Self::expected(own, other),
            _ => f64::NAN,
        };
        self.last = end.map(|end| ((at as u64).abs_diff(u64::from(end)), distance));
        Self::scored(distance, (whole.median, whole.deviation), expected)
    }
}

impl Detector for Detecting {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn study(&mut self, _: &[i64], values: &[f64]) -> Result<()> {
        if values.len() > MOST_WHOLE {
            return Err(Error::invalid(format!(
                "matrix_profile with causal=false compares all windows with all, of at most \
                 {MOST_WHOLE} points, got {}; causal=true would work",
                values.len()
            )));
        }
        let known: Vec<f64> =
            values.iter().map(|value| learnable(*value).unwrap_or(f64::NAN)).collect();
        let window = self.settings.window;
        let all = profile(&known, window, None, Measure::Normalized, &Unguarded)?;
        let mut points = vec![(f64::NAN, None); known.len()];
        let mut distances = SortedWindow::new(known.len());
        for (start, distance) in all.nearest.distances.iter().enumerate() {
            if let (true, Some(other)) = (distance.is_finite(), all.nearest.neighbors[start]) {
                points[start + window - 1] = (*distance, u32::try_from(other + window - 1).ok());
                distances.push(*distance);
            }
        }
        let (median, deviation) = self.settings.usual(&distances);
        self.whole = Some(Whole { points, values: known, next: 0, median, deviation });
        Ok(())
    }

    fn update(&mut self, _: i64, value: f64) -> Scored {
        self.last = None;
        let mut scored = match self.whole {
            Some(_) => self.next_of_whole(),
            None => self.learn(value),
        };
        if !value.is_finite() {
            let knows =
                self.whole.is_some() || self.distances.sorted().len() >= self.settings.min_points;
            scored.score = if value.is_infinite() && knows { 1.0 } else { f64::NAN };
        }
        scored
    }

    fn note(&self) -> Option<String> {
        let (ago, distance) = self.last?;
        Some(format!(
            "the nearest shape of {} points ended {ago} points away, at a distance of {}",
            self.settings.window,
            super::explain::short(distance)
        ))
    }

    fn save(&self) -> Vec<u8> {
        let state = State {
            settings: self.settings,
            profile: self.profile.clone(),
            values: self.values.clone(),
            distances: self.distances.ring().clone(),
            whole: self.whole.clone(),
        };
        state::save(METHOD.name, &state)
    }
}

impl Detecting {
    fn learn(&mut self, value: f64) -> Scored {
        let known = learnable(value).unwrap_or(f64::NAN);
        self.values.push(known);
        let own = self.profile.count();
        let Some(nearest) = self.profile.append(known) else { return Scored::NONE };
        let Some(neighbor) = nearest.neighbor.filter(|_| nearest.distance.is_finite()) else {
            return Scored::NONE;
        };
        let ago = own - neighbor;
        let scored = match self.distances.sorted().len() >= self.settings.min_points {
            true => {
                self.last = Some((ago, nearest.distance));
                let expected = self.expected_of(ago);
                Self::scored(nearest.distance, self.settings.usual(&self.distances), expected)
            }
            false => Scored::NONE,
        };
        self.distances.push(nearest.distance);
        scored
    }

    /// What the window that ended so many points ago makes of the last.
    fn expected_of(&self, ago: u64) -> f64 {
        let window = self.settings.window;
        let Ok(ago) = usize::try_from(ago) else { return f64::NAN };
        if ago.saturating_add(window) > self.values.len() {
            return f64::NAN;
        }
        let back = |from: usize| -> Vec<f64> {
            let mut values: Vec<f64> = self.values.iter().rev().skip(from).take(window).collect();
            values.reverse();
            values
        };
        Self::expected(&back(0), &back(ago))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_an_earlier_window_is_expected_at_the_level_of_this_one() {
        let other = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(Detecting::expected(&[10.0, 20.0, 30.0, 0.0], &other), 40.0);
        assert_eq!(Detecting::expected(&[5.0; 4], &[2.0, 2.0, 2.0, 3.0]), 6.0);
    }

    #[test]
    fn a_beat_that_is_left_out_is_found_though_no_value_is_unusual() {
        let beat = |at: usize| match at % 20 {
            3 => 5.0,
            4 => -2.0,
            phase => (phase as f64 / 3.0).sin(),
        };
        let mut values: Vec<f64> = (0..900).map(beat).collect();
        // One beat comes in the middle of its time.
        values[803] = values[810];
        values[804] = values[811];
        let mut options = Options::new([("window".to_owned(), crate::analytics::Value::Int(20))]);
        let mut detector = build(&mut options).expect("built");
        let scores: Vec<f64> =
            values.iter().map(|value| detector.update(0, *value).score).collect();
        assert!(scores[60..803].iter().all(|score| *score < 0.3));
        assert!(scores[803..823].iter().any(|score| *score > 0.7), "{:?}", &scores[800..825]);
        let expected = detector.update(0, beat(900)).expected;
        assert!((expected - beat(900)).abs() < 0.2, "{expected}");
        assert!(detector.note().is_some_and(|note| note.contains("20 points")));
    }
}
