//! What a series usually is by the time: seasons found or given, and their profiles.

use serde::{Deserialize, Serialize};

use super::find;
use super::history::History;
use super::profile::Profile;
use crate::analytics::anomaly::settings::{MOST_VALUE, learnable};
use crate::analytics::anomaly::state::unsound;
use crate::analytics::options::duration;
use crate::analytics::{Options, Value};
use crate::error::{Error, Result};

/// The most seasons that can be given.
const MOST: usize = 3;
/// Seasons are looked for at the first time of so many points, and each half more.
const FIRST_CHECK: u64 = 128;
/// How fast the mean follows that stands for a season where none is known, a point.
const SLOW: f64 = 0.003;
/// A season that was found is taken when it foretells the later half of the history by so much
/// better than the mean of the last values does.
const BETTER: f64 = 0.95;
/// How fast that mean follows, a cell.
const NAIVE: f64 = 0.1;
/// Seasons as close as this are one.
const SAME: f64 = 0.01;

/// A season as it was given.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Length {
    Steps(u32),
    Ns(i64),
}

/// Whether a number can be a sum of a few values that are learnt from.
pub(super) fn within(value: f64) -> bool {
    value.abs() <= 16.0 * MOST_VALUE
}

/// Seasons and their profiles.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::analytics::anomaly) struct Core {
    /// `None` for those to be found.
    given: Option<Vec<Length>>,
    /// Whether seasons may still change.
    open: bool,
    history: History,
    /// The first time of all, from which phases are counted.
    origin: Option<i64>,
    profiles: Vec<Profile>,
    slow: f64,
    seen: u64,
    next_check: u64,
}

impl Core {
    /// Takes the option `seasons`.
    pub(in crate::analytics::anomaly) fn take(options: &mut Options) -> Result<Self> {
        let given = options.take("seasons").map(|value| lengths(&value)).transpose()?;
        Ok(Self {
            open: given.as_ref().is_none_or(|given| !given.is_empty()),
            given,
            history: History::default(),
            origin: None,
            profiles: Vec::new(),
            slow: 0.0,
            seen: 0,
            next_check: FIRST_CHECK,
        })
    }

    /// Whether it can have been saved: what a loaded state is asked.
    pub(in crate::analytics::anomaly) fn check(&self) -> Result<()> {
        let length = |length: &Length| match length {
            Length::Steps(steps) => *steps >= 2,
            Length::Ns(ns) => *ns > 0,
        };
        let given = self.given.as_ref().is_none_or(|g| g.len() <= MOST && g.iter().all(length));
        let profiles = self.profiles.len() <= MOST && self.profiles.iter().all(Profile::is_sound);
        let sound = self.next_check >= FIRST_CHECK
            && given
            && profiles
            && self.history.is_sound()
            && within(self.slow);
        if sound { Ok(()) } else { Err(unsound("its seasons")) }
    }

    /// Keeps what was learnt of the seasons; a pass from the beginning follows.
    pub(in crate::analytics::anomaly) fn rewind(&mut self) {
        self.open = false;
        self.history = History::default();
    }

    /// What is usual at a time; `None` before the first value.
    pub(in crate::analytics::anomaly) fn expected(&self, time: i64) -> Option<f64> {
        let time = time.saturating_sub(self.origin?);
        Some(self.by_profiles(time).unwrap_or(self.slow))
    }

    fn by_profiles(&self, time: i64) -> Option<f64> {
        let (first, others) = self.profiles.split_first()?;
        let others = others.iter().filter_map(|profile| profile.expected(time)).sum::<f64>();
        Some(first.expected(time)? + others)
    }

    /// Learns a value; tells its distance from what was usual, and by how much what is usual at this
    /// time changed since seasons were found with it. `None` for a value that is missing or infinite.
    pub(in crate::analytics::anomaly) fn push(
        &mut self,
        time: i64,
        value: f64,
    ) -> Option<(f64, f64)> {
        let value = learnable(value)?;
        let origin = *self.origin.get_or_insert(time);
        if self.seen == 0 {
            self.slow = value;
        }
        let from = time.saturating_sub(origin);
        let usual = self.by_profiles(from).unwrap_or(self.slow);
        self.seen = self.seen.saturating_add(1);
        self.slow += SLOW.max(1.0 / self.seen as f64) * (value - self.slow);
        learn(&mut self.profiles, from, value);
        if !self.open {
            return Some((value - usual, 0.0));
        }
        self.history.push(from, value);
        if !self.look() {
            return Some((value - usual, 0.0));
        }
        let now = self.by_profiles(from).unwrap_or(self.slow);
        Some((value - usual, now - usual))
    }

    /// Looks for seasons when it is time to; whether they are others than before.
    fn look(&mut self) -> bool {
        let Some(step) = self.history.step() else { return false };
        if let Some(given) = &self.given {
            let step = step as f64;
            let ns = |length: &Length| match length {
                Length::Steps(steps) => f64::from(*steps) * step,
                Length::Ns(ns) => *ns as f64,
            };
            self.profiles = given.iter().map(|length| Profile::new(ns(length), step)).collect();
            self.relearn();
            self.open = false;
            self.history = History::default();
            return true;
        }
        if self.seen < self.next_check {
            return false;
        }
        // 128, 192, 256, 384, 512 and so on.
        let next = self.next_check;
        let more = if next.is_power_of_two() { next / 2 } else { next / 3 };
        self.next_check = next.saturating_add(more);
        let cells = self.history.means();
        let Some(season) = find::season(&cells) else { return false };
        let width = self.history.width() as f64;
        let period = whole(season * width, step as f64);
        if self.profiles.first().is_some_and(|own| (own.period() / period - 1.0).abs() < SAME) {
            return false;
        }
        if !self.foretells(period, step as f64) {
            return false;
        }
        self.profiles = vec![Profile::new(period, step as f64)];
        self.relearn();
        true
    }

    fn relearn(&mut self) {
        for (time, value) in self.history.points() {
            learn(&mut self.profiles, time, value);
        }
    }

    /// Whether a season tells more of the later half of the history than the last values do.
    fn foretells(&self, period: f64, step: f64) -> bool {
        let mut profile = Profile::new(period, step.max(self.history.width() as f64));
        let points: Vec<(i64, f64)> = self.history.points().collect();
        let half = points.len() / 2;
        let (mut level, mut plain) = (0.0, points.first().map_or(0.0, |first| first.1));
        let (mut with, mut without) = (Vec::with_capacity(half), Vec::with_capacity(half));
        for (at, &(time, value)) in points.iter().enumerate() {
            if let Some(expected) = profile.expected(time) {
                let residual = value - expected;
                if at >= half {
                    with.push((residual - level).abs());
                    without.push((value - plain).abs());
                }
                level += NAIVE * (residual - level);
            }
            plain += NAIVE * (value - plain);
            profile.push(time, value);
        }
        with.len() > half / 2 && clipped_mean(&mut with) < BETTER * clipped_mean(&mut without)
    }

    /// The seasons, in words.
    pub(in crate::analytics::anomaly) fn note(&self) -> Option<String> {
        let told = |profile: &Profile| length(profile.period());
        let all: Vec<String> = self.profiles.iter().map(told).collect();
        (!all.is_empty()).then(|| format!("season of {}", all.join(" and of ")))
    }
}

/// Each profile learns what those before it leave.
fn learn(profiles: &mut [Profile], time: i64, value: f64) {
    let mut rest = value;
    for profile in profiles {
        let expected = profile.expected(time);
        profile.push(time, rest);
        rest -= expected.unwrap_or(rest);
    }
}

/// The mean with the largest tenth counted as what it begins with.
fn clipped_mean(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    values.sort_unstable_by(f64::total_cmp);
    let most = values[(values.len() - 1) * 9 / 10];
    values.iter().map(|value| value.min(most)).sum::<f64>() / values.len() as f64
}

/// A period as a whole number of steps where it is nearly one.
fn whole(period: f64, step: f64) -> f64 {
    let steps = (period / step).round();
    if steps >= 2.0 && (period / step / steps - 1.0).abs() < SAME { steps * step } else { period }
}

fn lengths(value: &Value) -> Result<Vec<Length>> {
    let single = std::slice::from_ref(value);
    let all = if let Value::List(all) = value { all.as_slice() } else { single };
    let one = |value: &Value| match value {
        Value::Text(text) => duration(text).map(Length::Ns),
        Value::Int(steps) => u32::try_from(*steps).ok().filter(|s| *s >= 2).map(Length::Steps),
        Value::Float(steps) if steps.fract() == 0.0 && (2.0..1e9).contains(steps) => {
            Some(Length::Steps(*steps as u32))
        }
        _ => None,
    };
    let lengths: Option<Vec<Length>> = all.iter().map(one).collect();
    lengths.filter(|lengths| lengths.len() <= MOST).ok_or_else(|| {
        Error::invalid(format!(
            "seasons is up to {MOST} of steps (at least 2) or durations such as \"1d\", got \
             {value:?}"
        ))
    })
}

/// A duration in ns as a person would write it.
fn length(ns: f64) -> String {
    let units = [(86_400e9, "d"), (3_600e9, "h"), (60e9, "m"), (1e9, "s"), (1e6, "ms")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ns >= *unit).unwrap_or((1.0, "ns"));
    let text = format!("{:.2}", ns / unit);
    format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000_000;

    fn core(seasons: Option<Value>) -> Core {
        let given = seasons.map(|value| ("seasons".to_owned(), value));
        Core::take(&mut Options::new(given)).expect("good options")
    }

    fn wave(at: i64) -> f64 {
        10.0 + (at as f64 / 60.0 * std::f64::consts::TAU).sin()
    }

    #[test]
    fn a_season_is_found_and_foretold_through_a_gap() {
        let mut core = core(None);
        for at in (0..600).filter(|at| !(300..337).contains(at)) {
            core.push(at * MINUTE, wave(at));
        }
        assert_eq!(core.note().as_deref(), Some("season of 1h"));
        for at in [617, 655, 1000] {
            let expected = core.expected(at * MINUTE).expect("known");
            assert!((expected - wave(at)).abs() < 0.1, "{at}: {expected}, not {}", wave(at));
        }
    }

    #[test]
    fn seasons_are_given_in_steps_and_durations() {
        for given in [Value::Int(60), Value::Text("1h".to_owned())] {
            let mut core = core(Some(Value::List(vec![given, Value::Int(420)])));
            (0..200).for_each(|at| {
                core.push(at * MINUTE, wave(at));
            });
            assert_eq!(core.note().as_deref(), Some("season of 1h and of 7h"));
            let expected = core.expected(215 * MINUTE).expect("known");
            assert!((expected - wave(215)).abs() < 0.05, "{expected}");
        }
        let mut none = core(Some(Value::List(vec![])));
        (0..600).for_each(|at| {
            none.push(at * MINUTE, wave(at));
        });
        assert_eq!(none.note(), None);
        for bad in [Value::Int(1), Value::Text("often".to_owned()), Value::Float(2.5)] {
            let mut options = Options::new([("seasons".to_owned(), bad)]);
            assert!(Core::take(&mut options).expect_err("bad").to_string().contains("\"1d\""));
        }
    }

    #[test]
    fn noise_has_no_season() {
        let mut core = core(None);
        let mut state = 1u64;
        for at in 0..5000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
            core.push(at * MINUTE, (state >> 33) as f64);
        }
        assert_eq!(core.note(), None);
    }
}
