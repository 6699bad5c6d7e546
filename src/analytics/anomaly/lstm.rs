//! `lstm`: how far a point lies from what a small recurrent network says comes next.
//!
//! The network is told the last change, the level and where the value stood a season ago, and says
//! the next change. It is trained, from the same first weights, on the trailing `window` of points:
//! first after `min_points`, then each time as many more points have come as half the window, so that a
//! score depends on what came before it and on nothing else. At each training the season is found
//! anew in the window, unless `season` gives it. The deviation is that of the last errors: the
//! larger of 1.4826 times their median size and half the size that one in twenty passes. A value far
//! off is told to the network as one six deviations off; a missing one as the expected.
//!
//! Options: `window` (1024), `min_points` (256), `season` (steps; found when not given, 1 for none),
//! `cells` (12), `epochs` (8: passes a training), `seed` (1). A point is O(cells^2), a training
//! O(window epochs cells^2). With `causal=false` one network is trained on the last window of all
//! points, and scores them from the first.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::settings::{MOST_VALUE, learnable};
use super::state::{self, Payload, unsound};
use super::{Detector, Method, Scored, floor};
use crate::analytics::Options;
use crate::analytics::lstm::{Network, Samples, State as Cells, Training, train};
use crate::error::{Error, Result};
use crate::kernels::Unguarded;

/// `lstm` by its name.
pub(super) const METHOD: Method = Method { name: "lstm", build, load };

/// Numbers that the network is told a step.
const INPUTS: usize = 4;
/// Errors that the deviation is of.
const ERRORS: usize = 256;
/// The fewest of them for a score.
const FEWEST: usize = 16;
/// Deviations that the network is told of at most.
const FURTHEST: f64 = 6.0;
const MOST_CELLS: usize = 256;
const MOST_SEASON: usize = 1 << 16;
const MOST_WINDOW: usize = 1 << 16;
const MOST_EPOCHS: usize = 200;
/// The longest season that is looked for.
const MOST_LAG: usize = 2_048;
/// The least autocorrelation of a season.
const CLEAR: f64 = 0.3;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    window: usize,
    min_points: usize,
    season: Option<usize>,
    cells: usize,
    epochs: usize,
    seed: u64,
}

/// What was trained, and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Trained {
    network: Network,
    cells: Cells,
    /// The usual size of a change.
    scale: f64,
    season: usize,
    /// The next change, in units of the scale.
    next: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lstm {
    settings: Settings,
    /// The last values as they were told, at most a window.
    values: VecDeque<f64>,
    /// The sizes of the last errors.
    errors: VecDeque<f64>,
    trained: Option<Trained>,
    /// Points until the next training; none once all was studied.
    until: Option<usize>,
    /// Whether there was a training, and so there are scores.
    begun: bool,
}

fn build(options: &mut Options) -> Result<Box<dyn Detector>> {
    let window = options.count("window", 32)?.unwrap_or(1_024);
    let min_points = options.count("min_points", 32)?.unwrap_or(window.min(256));
    let season = options.count("season", 1)?;
    let cells = options.count("cells", 1)?.unwrap_or(12);
    let epochs = options.count("epochs", 1)?.unwrap_or(8);
    let seed = options.count("seed", 0)?.unwrap_or(1) as u64;
    let settings = Settings { window, min_points, season, cells, epochs, seed };
    if !settings.is_sound() {
        return Err(Error::invalid(format!(
            "lstm takes a window of at most {MOST_WINDOW}, min_points of at most the window, a \
             season of at most {MOST_SEASON}, at most {MOST_CELLS} cells and {MOST_EPOCHS} epochs; got \
             {window}, {min_points}, {season:?}, {cells} and {epochs}"
        )));
    }
    let until = Some(min_points);
    Ok(Box::new(Lstm {
        settings,
        values: VecDeque::new(),
        errors: VecDeque::new(),
        trained: None,
        until,
        begun: false,
    }))
}

fn load(payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
    let lstm: Lstm = payload.decode()?;
    let settings = lstm.settings;
    if !settings.is_sound() {
        return Err(unsound("its settings"));
    }
    let most = MOST_VALUE;
    if lstm.values.len() > settings.window || !lstm.values.iter().all(|v| v.abs() <= most) {
        return Err(unsound("its values"));
    }
    // A difference of two values is at most twice as large, what is added to it by far less.
    if lstm.errors.len() > ERRORS || lstm.errors.iter().any(|e| !(0.0..=4.0 * most).contains(e)) {
        return Err(unsound("its errors"));
    }
    if lstm.until.is_some_and(|until| until > settings.window) {
        return Err(unsound("its next training"));
    }
    if let Some(trained) = &lstm.trained {
        let whole = trained.network.is_sound(INPUTS, settings.cells, 1)
            && trained.cells.is_sound(settings.cells)
            && trained.scale >= f64::MIN_POSITIVE
            && trained.scale <= 4.0 * most
            && (1..=MOST_SEASON).contains(&trained.season)
            && trained.next.abs() <= MOST_CHANGE;
        if !whole {
            return Err(unsound("its network"));
        }
    }
    Ok(Box::new(lstm))
}

/// The largest change that a network may say, in units of the usual one.
const MOST_CHANGE: f64 = 1e6;

impl Settings {
    fn is_sound(&self) -> bool {
        (32..=MOST_WINDOW).contains(&self.window)
            && (32..=self.window).contains(&self.min_points)
            && self.season.is_none_or(|season| (1..=MOST_SEASON).contains(&season))
            && (1..=MOST_CELLS).contains(&self.cells)
            && (1..=MOST_EPOCHS).contains(&self.epochs)
    }
}

/// What the network is told of the last of these values.
fn tell(values: &VecDeque<f64>, at: usize, season: usize, scale: f64) -> [f64; INPUTS] {
    let now = values[at];
    let then = |back: usize| at.checked_sub(back).map(|at| values[at]);
    let since = |back: usize| then(back).map_or(0.0, |then| now - then);
    // Where the next value stood a season ago, from here.
    let ahead = if season > 1 { then(season - 1).map_or(0.0, |then| then - now) } else { 0.0 };
    [since(1), since(2), since(season.max(8)), ahead].map(|d| (d / scale).asinh())
}

impl Lstm {
    /// The season of the window: the lag with the first clear peak of the autocorrelation.
    fn season(&self) -> usize {
        self.settings.season.unwrap_or_else(|| {
            let values: Vec<f64> = self.values.iter().copied().collect();
            peak(&values)
        })
    }

    /// Trains on the window; nothing is left of a network where nothing changes.
    fn train(&mut self) -> Result<()> {
        let season = self.season();
        let count = self.values.len();
        let first = !std::mem::replace(&mut self.begun, true);
        if first {
            self.errors.clear();
        }
        let changes: Vec<f64> =
            (1..count).map(|at| (self.values[at] - self.values[at - 1]).abs()).collect();
        let scale = changes.iter().map(|c| c / changes.len() as f64).sum::<f64>();
        let size = self.values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        if scale.is_nan() || scale <= floor(size) {
            self.trained = None;
            return Ok(());
        }
        let mut from = Vec::with_capacity(count * INPUTS);
        let mut targets = Vec::with_capacity(count);
        for at in 0..count - 1 {
            from.extend(tell(&self.values, at, season, scale));
            // What the season does not yet reach back for would teach to do without it.
            let known = at + 1 >= season || 2 * season > count;
            let target = (self.values[at + 1] - self.values[at]) / scale;
            targets.push(if known { target } else { f64::NAN });
        }
        let samples = Samples { inputs: INPUTS, outputs: 1, from: &from, targets: &targets };
        let Settings { cells, epochs, seed, .. } = self.settings;
        let training =
            Training { cells, epochs, seed, rate: 0.02, piece: 16, ..Training::default() };
        let (network, _) = train(&samples, None, &training, &Unguarded)?;
        let mut trained = Trained { network, cells: Cells::new(cells), scale, season, next: 0.0 };
        for at in 0..count {
            if at > 0 && first {
                let error = self.values[at] - self.values[at - 1] - trained.next * scale;
                push(&mut self.errors, error.abs(), ERRORS);
            }
            trained.step(&self.values, at);
        }
        self.trained = Some(trained);
        Ok(())
    }

    fn deviation(&self) -> f64 {
        let mut sizes: Vec<f64> = self.errors.iter().copied().collect();
        let last = sizes.len() - 1;
        let (middle, high) = (last / 2, last - last / 20);
        let high = *sizes.select_nth_unstable_by(high, f64::total_cmp).1;
        let middle = *sizes.select_nth_unstable_by(middle, f64::total_cmp).1;
        (1.4826 * middle).max(high / 2.0)
    }

    /// What comes next: the network's word, or the last value.
    fn expected(&self) -> Option<f64> {
        let last = *self.values.back()?;
        Some(match &self.trained {
            Some(trained) => last + trained.next * trained.scale,
            None => last,
        })
    }
}

impl Trained {
    fn step(&mut self, values: &VecDeque<f64>, at: usize) {
        let mut said = [0.0];
        let told = tell(values, at, self.season, self.scale);
        self.network.step(&told, &mut self.cells, &mut said);
        self.next = said[0].clamp(-MOST_CHANGE, MOST_CHANGE);
    }
}

fn push(to: &mut VecDeque<f64>, value: f64, most: usize) {
    if to.len() == most {
        to.pop_front();
    }
    to.push_back(value);
}

/// The first lag, behind the autocorrelation's fall below zero, at which it comes near its highest;
/// 1 when that is low.
fn peak(values: &[f64]) -> usize {
    let most = (values.len() / 3).min(MOST_LAG);
    let mean = values.iter().map(|v| v / values.len() as f64).sum::<f64>();
    let largest = values.iter().fold(0.0f64, |m, v| m.max((v - mean).abs()));
    if largest == 0.0 {
        return 1;
    }
    let rest: Vec<f64> = values.iter().map(|v| (v - mean) / largest).collect();
    let power: f64 = rest.iter().map(|r| r * r).sum();
    let at = |lag: usize| {
        crate::analytics::numeric::levenberg::dot(&rest[lag..], &rest[..rest.len() - lag]) / power
    };
    let all: Vec<f64> = (0..most).map(at).collect();
    let Some(first) = all.iter().position(|height| *height < 0.0) else { return 1 };
    let highest = all[first..].iter().fold(0.0f64, |m, height| m.max(*height));
    if highest < CLEAR {
        return 1;
    }
    // A multiple of the season is as high; the first is meant.
    let near = |lag: &usize| all[*lag] >= 0.9 * highest && all[*lag] >= all[lag - 1];
    let peak = |lag: &usize| near(lag) && all.get(lag + 1).is_none_or(|next| *next <= all[*lag]);
    (first.max(1)..most).find(peak).unwrap_or(1)
}

impl Detector for Lstm {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn study(&mut self, times: &[i64], values: &[f64]) -> Result<()> {
        (self.until, self.begun, self.trained) = (None, false, None);
        self.errors.clear();
        self.rewind();
        let last = values.len().saturating_sub(self.settings.window);
        for (&time, &value) in times.iter().zip(values).skip(last) {
            self.update(time, value);
        }
        if self.values.len() >= 3 {
            self.train()?;
        }
        self.rewind();
        Ok(())
    }

    fn rewind(&mut self) {
        self.values.clear();
        if let Some(trained) = &mut self.trained {
            trained.cells = Cells::new(self.settings.cells);
            trained.next = 0.0;
        }
    }

    fn update(&mut self, _: i64, value: f64) -> Scored {
        let Some(expected) = self.expected() else {
            // Nothing came before.
            if let Some(value) = learnable(value) {
                push(&mut self.values, value, self.settings.window);
                if let Some(trained) = &mut self.trained {
                    trained.step(&self.values, 0);
                }
                self.count();
            }
            return Scored::NONE;
        };
        let enough = self.errors.len() >= FEWEST;
        let deviation = if enough { self.deviation().max(floor(expected)) } else { 0.0 };
        let scored = match self.begun && enough {
            true => Scored::around(value, expected, deviation),
            false => Scored::NONE,
        };
        let told = match learnable(value) {
            Some(value) => {
                let error = (value - expected).abs();
                push(&mut self.errors, error.min(4.0 * MOST_VALUE), ERRORS);
                let reach = FURTHEST * deviation;
                if enough { value.clamp(expected - reach, expected + reach) } else { value }
            }
            None => expected,
        };
        push(&mut self.values, told.clamp(-MOST_VALUE, MOST_VALUE), self.settings.window);
        let at = self.values.len() - 1;
        if let Some(trained) = &mut self.trained {
            trained.step(&self.values, at);
        }
        self.count();
        scored
    }

    fn save(&self) -> Vec<u8> {
        state::save(METHOD.name, self)
    }
}

impl Lstm {
    /// Counts a point, and trains when it is time.
    fn count(&mut self) {
        let Some(until) = self.until else { return };
        if until > 1 {
            self.until = Some(until - 1);
            return;
        }
        self.until = Some((self.settings.window / 2).max(1));
        // Unguarded training has no errors; were there one, the network before would go on.
        let _ = self.train();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::Value;

    fn detector(given: &[(&str, i64)]) -> Box<dyn Detector> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), Value::Int(*value)));
        build(&mut Options::new(given)).expect("valid")
    }

    #[test]
    fn a_beat_left_out_is_seen_though_its_value_is_usual() {
        let value = |t: i64| {
            let noise = ((t * t) as f64 * 0.37).sin() * 0.05;
            if t % 12 == 4 && t != 12 * 70 + 4 { 5.0 + noise } else { noise }
        };
        let mut detector = detector(&[("window", 512), ("epochs", 20)]);
        let scores: Vec<f64> =
            (0..1_000).map(|t| detector.update(t * 1_000_000_000, value(t)).score).collect();
        let missed = scores[12 * 70 + 4];
        assert!(missed > 0.5, "{missed}");
        let alarms = scores[600..840].iter().filter(|score| **score >= 0.5).count();
        assert!(alarms < 6, "{alarms}");
    }

    #[test]
    fn a_season_is_the_first_peak_and_noise_has_none() {
        let seasonal: Vec<f64> = (0..300).map(|t| (f64::from(t) * 0.2618).sin()).collect();
        assert_eq!(peak(&seasonal), 24);
        let noise: Vec<f64> = (0..300).map(|t| (f64::from(t * t) * 0.37).sin()).collect();
        assert_eq!(peak(&noise), 1);
        assert_eq!((peak(&[]), peak(&[1.0; 40])), (1, 1));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for bad in
            [("cells", 100_000), ("epochs", 1 << 40), ("window", 1 << 40), ("season", 1 << 40)]
        {
            let given = [(bad.0.to_owned(), Value::Int(bad.1))];
            assert!(build(&mut Options::new(given)).is_err(), "{bad:?}");
        }
    }
}
