//! `peers`: each series against the others at the same time.
//!
//! Expected is the median of all series at that time, the deviation their median absolute deviation
//! (as that of a normal distribution), or what that has usually been (exponentially weighted, the
//! last 256 times), whichever is wider: a few series that happen to agree make no other an anomaly.
//! Series share a time when they fall into one slot of `every` (found when not given: the median of
//! the series' own steps); several rows of a series in one slot count as their mean. Fewer than
//! `min_peers` (3) values at a time give no score.
//!
//! With `causal=false` the usual deviation is the median of those at all times.

use serde::{Deserialize, Serialize};

use super::settings::learnable;
use super::state::{self, unsound};
use super::{Scored, explain};
use crate::analytics::numeric::rolling::SortedWindow;
use crate::analytics::{Column, Grid, Input, Options, Table};
use crate::error::Result;
use crate::kernels::Guard;

use super::detect::Rows;

/// The weight of a new time in the usual deviation.
const WEIGHT: f64 = 2.0 / 257.0;
/// Times between two looks at the guard.
const POLL: usize = 1 << 10;

/// Scores series against each other, time by time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peers {
    min_peers: u32,
    /// Times that were learnt from.
    count: u64,
    usual: f64,
    /// The usual deviation of the whole, once that is known.
    whole: Option<f64>,
}

/// What is usual among the series at one time.
#[derive(Clone, Copy, Debug)]
struct Usual {
    median: f64,
    deviation: f64,
    peers: usize,
}

impl Peers {
    /// One that scores from so many values at a time on; of fewer than three there is no telling
    /// which is the odd one.
    pub fn new(min_peers: usize) -> Self {
        let min_peers = u32::try_from(min_peers).unwrap_or(u32::MAX).max(3);
        Self { min_peers, count: 0, usual: 0.0, whole: None }
    }

    /// Scores the values of all series at one time, a missing one as NaN, and learns from them.
    pub fn update_all(&mut self, _time: i64, values: &[f64]) -> Vec<Scored> {
        let usual = self.learn(values);
        values.iter().map(|value| Self::score(usual, *value)).collect()
    }

    fn score(usual: Option<Usual>, value: f64) -> Scored {
        usual.map_or(Scored::NONE, |usual| Scored::around(value, usual.median, usual.deviation))
    }

    fn learn(&mut self, values: &[f64]) -> Option<Usual> {
        let mut sorted = SortedWindow::new(values.len());
        values.iter().for_each(|value| sorted.push(learnable(*value).unwrap_or(f64::NAN)));
        let peers = sorted.sorted().len();
        if peers < self.min_peers as usize {
            return None;
        }
        let median = sorted.median();
        let now = sorted.mad_sigma(median);
        let deviation = now.max(self.whole.unwrap_or(self.usual));
        self.count = self.count.saturating_add(1);
        self.usual += (now - self.usual) * WEIGHT.max(1.0 / self.count as f64);
        Some(Usual { median, deviation, peers })
    }

    /// Its state: [`Self::load`] reads it.
    pub fn save(&self) -> Vec<u8> {
        state::save("peers", self)
    }

    /// What was saved.
    ///
    /// # Errors
    /// [`crate::Error::Corrupt`] for bytes that are not its state.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        let (name, payload) = state::open(bytes, 0)?;
        if name != "peers" {
            return Err(unsound(&format!("it is of {name:?}, not of peers")));
        }
        let peers: Self = payload.decode()?;
        let sound = |usual: f64| usual.is_finite() && usual >= 0.0;
        match peers.min_peers >= 3 && sound(peers.usual) && peers.whole.is_none_or(sound) {
            true => Ok(peers),
            false => Err(unsound("its deviation")),
        }
    }
}

/// One row of one series.
struct Place {
    slot: i128,
    series: usize,
    row: usize,
}

/// `detect` with the method `peers`; `options` are already without those of every method.
pub(super) struct Across {
    min_peers: usize,
    every: Option<i64>,
}

impl Across {
    pub(super) fn take(options: &mut Options) -> Result<Self> {
        let min_peers = options.count("min_peers", 3)?.unwrap_or(3);
        Ok(Self { min_peers, every: options.duration("every")? })
    }

    pub(super) fn run(
        &self,
        inputs: &[Input<'_>],
        causal: bool,
        threshold: f64,
        guard: &dyn Guard,
    ) -> Result<Table> {
        let places = self.places(inputs, guard)?;
        let mut peers = Peers::new(self.min_peers);
        if !causal {
            let mut pass = peers.clone();
            let mut all = Vec::new();
            each_time(inputs, &places, guard, |values, _| {
                pass.usual = 0.0;
                all.extend(pass.learn(values).map(|usual| usual.deviation));
            })?;
            let mut sorted = SortedWindow::new(all.len());
            all.iter().for_each(|deviation| sorted.push(*deviation));
            peers.whole = Some(sorted.median()).filter(|usual| !usual.is_nan());
        }
        let starts: Vec<usize> = inputs
            .iter()
            .scan(0, |next, input| {
                let start = *next;
                *next += input.times.len();
                Some(start)
            })
            .collect();
        let total = inputs.iter().map(|input| input.times.len()).sum();
        let mut found = vec![(Scored::NONE, 0); total];
        each_time(inputs, &places, guard, |values, rows| {
            let usual = peers.learn(values);
            for place in rows {
                let value = inputs[place.series].values()[place.row];
                let scored = Peers::score(usual, value);
                found[starts[place.series] + place.row] = (scored, usual.map_or(0, |u| u.peers));
            }
        })?;
        let mut rows = Rows::with_capacity(total);
        let (mut times, mut values, mut series) = (Vec::new(), Vec::new(), Vec::new());
        for (at, input) in inputs.iter().enumerate() {
            times.extend_from_slice(input.times);
            values.extend_from_slice(input.values());
            series.extend(std::iter::repeat_n(at as u32, input.times.len()));
        }
        for ((scored, peers), value) in found.iter().zip(&values) {
            rows.push(scored, threshold, || {
                let seen = explain::seen(*value, scored);
                format!("{seen}; expected is the median of {peers} series at that time")
            });
        }
        let mut table = rows.table(&times, &values, "peers");
        table.columns.insert(0, (String::new(), Column::Series(series)));
        Ok(table)
    }

    /// Every row of every series by the slot of its time.
    fn places(&self, inputs: &[Input<'_>], guard: &dyn Guard) -> Result<Vec<Place>> {
        let mut steps = Vec::new();
        for input in inputs.iter().filter(|input| !input.times.is_empty()) {
            guard.poll()?;
            steps.push(Grid::new(input.times, input.values(), None)?.step);
        }
        steps.sort_unstable();
        let usual = steps.get(steps.len() / 2).copied().unwrap_or(1);
        let step = i128::from(self.every.unwrap_or(usual).max(1));
        let first = inputs.iter().filter_map(|input| input.times.first()).min();
        let start = i128::from(first.copied().unwrap_or(0));
        let mut places = Vec::new();
        for (series, input) in inputs.iter().enumerate() {
            let slot = |time: &i64| (i128::from(*time) - start + step / 2).div_euclid(step);
            let rows = input.times.iter().enumerate();
            places.extend(rows.map(|(row, time)| Place { slot: slot(time), series, row }));
        }
        places.sort_unstable_by_key(|place| (place.slot, place.series, place.row));
        Ok(places)
    }
}

/// Calls for each slot with one value a series, and the rows behind them.
fn each_time(
    inputs: &[Input<'_>],
    places: &[Place],
    guard: &dyn Guard,
    mut call: impl FnMut(&[f64], &[Place]),
) -> Result<()> {
    let mut values = vec![f64::NAN; inputs.len()];
    for (at, rows) in places.chunk_by(|a, b| a.slot == b.slot).enumerate() {
        if at % POLL == 0 {
            guard.poll()?;
        }
        values.fill(f64::NAN);
        for own in rows.chunk_by(|a, b| a.series == b.series) {
            let series = own[0].series;
            let known = own.iter().map(|place| inputs[series].values()[place.row]);
            let (sum, count) = known
                .filter_map(learnable)
                .fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
            values[series] = sum / count;
        }
        call(&values, rows);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    fn across(series: &[(Vec<i64>, Vec<f64>)], causal: bool) -> Table {
        let fields: Vec<[(&str, &[f64]); 1]> =
            series.iter().map(|(_, values)| [("v", values.as_slice())]).collect();
        let inputs: Vec<Input<'_>> = series
            .iter()
            .zip(&fields)
            .map(|((times, _), fields)| Input { times, fields })
            .collect();
        let across = Across { min_peers: 3, every: None };
        across.run(&inputs, causal, 0.5, &Unguarded).expect("a table")
    }

    /// Five that move together, at times that are not quite the same.
    fn five() -> Vec<(Vec<i64>, Vec<f64>)> {
        let one = |k: i64| {
            let times: Vec<i64> = (0..200).map(|t| t * 100 + k).collect();
            let own = |t: i64| ((t * (k + 3) * 31) % 17) as f64 / 17.0;
            let values = (0..200).map(|t| (t as f64 / 9.0).sin() * 50.0 + own(t)).collect();
            (times, values)
        };
        (0..5).map(one).collect()
    }

    #[test]
    fn the_one_that_leaves_the_others_is_found_and_their_common_way_is_not() {
        for causal in [true, false] {
            let mut series = five();
            series[3].1[150] += 12.0;
            let table = across(&series, causal);
            let Some(Column::Bool(anomaly)) = table.column("anomaly") else { panic!("none") };
            assert!(anomaly[3 * 200 + 150]);
            assert!(anomaly.iter().filter(|anomaly| **anomaly).count() < 20);
            let Some(Column::Text(why)) = table.column("explanation") else { panic!("none") };
            let why = why[3 * 200 + 150].as_deref().expect("explained");
            assert!(why.ends_with("the median of 5 series at that time"), "{why}");
        }
    }

    #[test]
    fn two_series_give_no_score_and_a_gap_of_one_is_no_gap_of_the_others() {
        let mut series = five();
        series.truncate(3);
        series[0].0.drain(40..60);
        series[0].1.drain(40..60);
        let table = across(&series, true);
        assert_eq!(table.rows(), 580);
        let score = table.floats("score").expect("scores");
        // The second and third, while the first is away.
        assert!(score[180 + 40..180 + 60].iter().all(|score| score.is_nan()));
        assert!(score[..180].iter().all(|score| !score.is_nan()));
        assert_eq!(across(&[], true).rows(), 0);
        assert_eq!(across(&[(vec![], vec![])], true).rows(), 0);
    }

    #[test]
    fn a_stream_is_the_batch_also_from_a_saved_state() {
        let mut series = five();
        for (times, _) in &mut series {
            times.iter_mut().for_each(|time| *time -= *time % 100);
        }
        series[2].1[77] = f64::NAN;
        series[1].1[78] = f64::INFINITY;
        let table = across(&series, true);
        let score = table.floats("score").expect("scores");
        let mut peers = Peers::new(3);
        for at in 0..200 {
            let values: Vec<f64> = series.iter().map(|(_, values)| values[at]).collect();
            if at == 90 {
                peers = Peers::load(&peers.save()).expect("its own bytes");
            }
            for (k, scored) in peers.update_all(at as i64, &values).iter().enumerate() {
                assert_eq!(scored.score.to_bits(), score[k * 200 + at].to_bits());
            }
        }
        assert!(score[2 * 200 + 77].is_nan());
        assert_eq!(score[200 + 78], 1.0);
        let mut bytes = peers.save();
        assert!(state::load(&bytes).is_err(), "no detector of one series");
        bytes[20] ^= 1;
        assert!(Peers::load(&bytes).is_err());
    }
}
