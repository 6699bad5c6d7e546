//! `isolation_forest`: a forest over what the last points look like.
//!
//! A point is its value, its change from the last value and its distance from the median of the ten
//! before. The forest is grown anew from the trailing window at fixed counts of values, so that
//! scores depend on what came before and on nothing else. A plain forest cannot tell how far outside
//! of all known points a new one lies; here each split counts as it would have been, had the point
//! been in the sample (as in Guha et al., "Robust Random Cut Forest Based Anomaly Detection on
//! Streams", ICML 2016). The score becomes a z by the scores of the window itself: their median is 0,
//! and their 90 % quantile is as far out as that of a normal distribution. Where all of the window
//! had one value and the point has another, it scores as with `zscore`: a forest cannot split what
//! is one. A forest has no bounds, so there are none; `expected` is the median of the window.
//!
//! Options: `window` (1024 points), `min_points` (64 values until the first forest), `refit` (256
//! values from forest to forest, fewer at first), `trees` (100), `samples` (256 points a tree),
//! `seed` (0). A point takes some microseconds, a new forest some milliseconds.
//!
//! With `causal=false` one forest is grown from all points, or from some 16,000 at even distances,
//! and none after.

use serde::{Deserialize, Serialize};

use super::features::{FEATURES, Features, NAMES};
use super::{Growth, IsolationForest};
use crate::analytics::Options;
use crate::analytics::anomaly::settings::{Trailing, learnable};
use crate::analytics::anomaly::state::{self, Payload, unsound};
use crate::analytics::anomaly::{Detector, Method, Scored, floor, score_of};
use crate::analytics::numeric::rolling::SortedWindow;
use crate::error::{Error, Result};
use crate::kernels::Unguarded;

/// `isolation_forest` by its name.
pub(in super::super) const METHOD: Method = Method { name: "isolation_forest", build, load };

/// The most points that a window has, and a study learns from.
const MOST_ROWS: usize = 1 << 14;

type Row = [f64; FEATURES];

/// What is saved: the forest is grown again from the rows that it was grown from.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    trailing: Trailing,
    refit: usize,
    growth: Growth,
    features: Features,
    /// The last rows, the oldest first: at most a window of them.
    rows: std::collections::VecDeque<Row>,
    /// Values since the forest was grown, and forests before it.
    since: usize,
    grown: u64,
    /// What the forest was grown from; empty before the first.
    learnt: Vec<Row>,
    /// Whether there is no forest after this one.
    whole: bool,
}

#[derive(Clone, Debug)]
struct Detecting {
    state: State,
    forest: Option<Grown>,
    /// The row of the last point.
    last: Option<Row>,
}

/// A forest, and what is usual in what it was grown from.
#[derive(Clone, Debug)]
struct Grown {
    forest: IsolationForest,
    median: f64,
    deviation: f64,
    /// Of each feature median, deviation, least and most.
    features: [[f64; 4]; FEATURES],
}

fn build(options: &mut Options) -> Result<Box<dyn Detector>> {
    let trailing = Trailing::take(options, 1024, 64)?;
    if trailing.window > MOST_ROWS {
        return Err(Error::invalid(format!(
            "window is at most {MOST_ROWS} for an isolation forest, got {}",
            trailing.window
        )));
    }
    let state = State {
        trailing,
        refit: options.count("refit", 1)?.unwrap_or(256),
        growth: Growth::take(options)?,
        features: Features::default(),
        rows: std::collections::VecDeque::new(),
        since: 0,
        grown: 0,
        learnt: Vec::new(),
        whole: false,
    };
    Ok(Box::new(Detecting { state, forest: None, last: None }))
}

fn load(payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
    let state: State = payload.decode()?;
    let most = if state.whole { MOST_ROWS } else { state.trailing.window };
    let finite = |row: &Row| row.iter().all(|value| value.is_finite());
    let sound = state.trailing.is_sound()
        && state.trailing.window <= MOST_ROWS
        && state.refit >= 1
        && state.growth.is_sound()
        && state.features.is_sound()
        && state.rows.len() <= state.trailing.window
        && state.learnt.len() <= most
        && state.rows.iter().all(finite)
        && state.learnt.iter().all(finite);
    if !sound {
        return Err(unsound("its rows or how it grows"));
    }
    let forest = Grown::new(&state)?;
    Ok(Box::new(Detecting { state, forest, last: None }))
}

impl Grown {
    fn new(state: &State) -> Result<Option<Self>> {
        if state.learnt.is_empty() {
            return Ok(None);
        }
        let columns: [Vec<f64>; FEATURES] =
            std::array::from_fn(|at| state.learnt.iter().map(|row| row[at]).collect());
        let slices = columns.each_ref().map(Vec::as_slice);
        let growth = Growth { seed: state.growth.seed.wrapping_add(state.grown), ..state.growth };
        let forest = IsolationForest::fit(&slices, &growth, &Unguarded)?;
        let scores = sorted(&forest.score(&slices, &Unguarded)?);
        let median = scores.median();
        // Scores of a flat cloud hardly differ: a hundredth is the least that counts.
        let deviation = ((scores.quantile(0.9) - median) / 1.281_552).max(0.01);
        let features = slices.map(|values| {
            let values = sorted(values);
            let median = values.median();
            [median, values.mad_sigma(median), values.quantile(0.0), values.quantile(1.0)]
        });
        Ok(Some(Self { forest, median, deviation, features }))
    }

    fn score(&self, row: &Row) -> Scored {
        let z = (self.forest.score_within(row) - self.median) / self.deviation;
        let beside = self.features.iter().zip(row).map(|([median, _, least, most], value)| {
            // What was constant.
            if least == most { ((value - median) / floor(*median)).abs() } else { 0.0 }
        });
        let z = beside.fold(z.max(0.0), f64::max);
        Scored { score: score_of(z), expected: self.features[0][0], ..Scored::NONE }
    }
}

fn sorted(values: &[f64]) -> SortedWindow {
    let mut ring = crate::analytics::numeric::rolling::Ring::new(values.len());
    for value in values {
        ring.push(*value);
    }
    SortedWindow::of(ring)
}

impl Detecting {
    fn learn(&mut self, value: f64) {
        let state = &mut self.state;
        let row = state.features.of(value);
        state.features.push(value);
        let (Some(row), false) = (row, state.whole) else { return };
        if state.rows.len() == state.trailing.window {
            state.rows.pop_front();
        }
        state.rows.push_back(row);
        state.since = state.since.saturating_add(1);
        // While the window fills, forests come as often as it doubles.
        let due = match state.learnt.len() {
            0 => state.trailing.min_points,
            learnt => state.refit.min(learnt),
        };
        if state.since >= due {
            state.since = 0;
            state.grown += 1;
            state.learnt = state.rows.iter().copied().collect();
            // Nothing stops it but a guard, and it has none.
            self.forest = Grown::new(state).unwrap_or_default();
        }
    }
}

impl Detector for Detecting {
    fn name(&self) -> &'static str {
        METHOD.name
    }

    fn study(&mut self, _: &[i64], values: &[f64]) -> Result<()> {
        let mut features = Features::default();
        let mut rows = Vec::with_capacity(values.len());
        for value in values.iter().filter_map(|value| learnable(*value)) {
            rows.extend(features.of(value));
            features.push(value);
        }
        let every = rows.len().div_ceil(MOST_ROWS).max(1);
        let state = &mut self.state;
        state.learnt = rows.into_iter().step_by(every).collect();
        state.rows.clear();
        state.features = Features::default();
        (state.since, state.grown, state.whole) = (0, 0, true);
        self.forest = Grown::new(state)?;
        Ok(())
    }

    fn rewind(&mut self) {
        self.state.features = Features::default();
    }

    fn update(&mut self, _: i64, value: f64) -> Scored {
        let usual = self.forest.as_ref().map_or(f64::NAN, |grown| grown.features[0][0]);
        self.last = None;
        let Some(learnt) = learnable(value) else {
            // An infinite value is unusual to any forest, a missing one has no score.
            let score = match value.is_infinite() && self.forest.is_some() {
                true => 1.0,
                false => f64::NAN,
            };
            return Scored { score, expected: usual, ..Scored::NONE };
        };
        self.last = self.state.features.of(learnt);
        let scored = match (&self.forest, &self.last) {
            (Some(grown), Some(row)) => grown.score(row),
            _ => Scored { expected: usual, ..Scored::NONE },
        };
        self.learn(learnt);
        scored
    }

    fn note(&self) -> Option<String> {
        let (grown, row) = (self.forest.as_ref()?, self.last.as_ref()?);
        let out = |at: usize| {
            let [median, deviation, ..] = grown.features[at];
            (row[at] - median).abs() / deviation.max(floor(median))
        };
        let most = (0..FEATURES).max_by(|a, b| out(*a).total_cmp(&out(*b)))?;
        Some(format!("{} stands out most", NAMES[most]))
    }

    fn save(&self) -> Vec<u8> {
        state::save(METHOD.name, &self.state)
    }
}
