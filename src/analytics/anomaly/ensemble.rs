//! `ensemble`: several detectors of one series, their scores made comparable and put together.
//!
//! Each member's score is put in relation to those that it gave before ([`super::tail`]): a member
//! that is loud by nature counts no more than one that is quiet. What is put together are negative
//! logarithms of probabilities, so that a mean is a geometric one. From it half a decade is taken
//! for each decade that the history is longer than 1000 points, since in a longer history more of
//! the usual is as rare.
//!
//! Options: `members` (names of methods, or maps of `method` and its options; those of `auto` by
//! default), `vote` ("mixed": half their mean, half their maximum; "mean", "max", "median", or
//! "majority": what more than half of them reach),
//! `calibrate` (true; with false the members' own scores, as standard deviations, are put together)
//! and `onset` (false; with true only the beginning of an anomaly has its full score: a point that is
//! less rare than one of the last 300, or than one of the last twentieth of a shorter history, keeps
//! a quarter).
//!
//! Expected value and bounds are those of the first member that has some. A point costs what it
//! costs the members, and O(1).
//!
//! With `causal=false` each member learns from all points in its own way, and so do the relations.

use serde::{Deserialize, Serialize};

use super::state::{self, Payload, unsound};
use super::tail::Tail;
use super::{Detector, Method, Scored, build as build_member, discord, score_of, sigmas_of};
use crate::analytics::{Options, Value};
use crate::error::{Error, Result};

/// `ensemble` by its name.
pub(super) const METHOD: Method = Method {
    name: "ensemble",
    build: |options| Ok(Box::new(take(METHOD.name, options, false)?)),
    load: |payload| Ok(Box::new(load(METHOD.name, payload)?)),
};

/// The members where none are named.
const MEMBERS: [&str; 4] = ["seasonal", "spike", "drift", "nearest"];
/// The most members.
const MOST: usize = 16;
const VOTES: [&str; 5] = ["mixed", "mean", "max", "median", "majority"];

/// Decades taken off for each decade of points beyond (or missing to) [`USUAL`].
const LENGTH: f64 = 0.5;
const USUAL: f64 = 1000.0;
/// Histories shorter than this count as so long.
const SHORTEST: f64 = 50.0;
/// For how many points an anomaly counts as told, and the share of a shorter history.
const TOLD: u64 = 300;
const TOLD_SHARE: u64 = 20;
/// What is left of the score of what was told.
const REST: f64 = 0.25;

/// Members, and what each one's scores were so far.
pub(super) struct Ensemble {
    name: &'static str,
    members: Vec<Box<dyn Detector>>,
    judged: Judged,
    votes: Vec<(&'static str, f64)>,
    /// How unlike the rest the stretch around each point is, and the next point, once the whole was
    /// studied by one that looks at it.
    whole: Option<(Vec<f64>, usize)>,
    looks: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Judged {
    vote: u8,
    calibrate: bool,
    onset: bool,
    tails: Vec<Tail>,
    points: u64,
    /// The rarest of the last points, and the point that it was.
    peak: Option<(f64, u64)>,
}

#[derive(Serialize, Deserialize)]
struct State {
    members: Vec<Vec<u8>>,
    judged: Judged,
    votes: Vec<f64>,
    whole: Option<(Vec<f64>, usize)>,
}

/// One with the options that were given.
pub(super) fn take(name: &'static str, options: &mut Options, onset: bool) -> Result<Ensemble> {
    let members = match options.take("members") {
        None => MEMBERS.iter().map(|name| Value::Text((*name).to_owned())).collect(),
        Some(Value::List(members)) => members,
        Some(one) => vec![one],
    };
    if !(1..=MOST).contains(&members.len()) {
        return Err(Error::invalid(format!(
            "members is 1 to {MOST} methods, got {}",
            members.len()
        )));
    }
    let members = members.iter().map(member).collect::<Result<Vec<_>>>()?;
    let vote = options.choice("vote", &VOTES)?;
    let judged = Judged {
        vote: VOTES.iter().position(|known| *known == vote).unwrap_or(0) as u8,
        calibrate: options.flag("calibrate", true)?,
        onset: options.flag("onset", onset)?,
        tails: vec![Tail::new(); members.len()],
        points: 0,
        peak: None,
    };
    Ok(Ensemble { name, members, judged, votes: Vec::new(), whole: None, looks: onset })
}

fn member(given: &Value) -> Result<Box<dyn Detector>> {
    let (name, mut options) = match given {
        Value::Text(name) => (name.clone(), Options::default()),
        Value::Map(map) => {
            let mut options = Options::new(map.iter().map(|(k, v)| (k.clone(), v.clone())));
            let name = options.text("method")?.ok_or_else(|| {
                Error::invalid("a member given as a map needs its \"method\" in it")
            })?;
            (name, options)
        }
        other => {
            return Err(Error::invalid(format!(
                "a member is the name of a method or a map with \"method\", got {other:?}"
            )));
        }
    };
    if name == METHOD.name {
        return Err(Error::invalid("an ensemble is no member of an ensemble; name its members"));
    }
    let member = build_member(&name, &mut options)?;
    options.finish(&format!("the member {name:?}"))?;
    Ok(member)
}

/// One that was saved.
pub(super) fn load(name: &'static str, payload: &Payload<'_>) -> Result<Ensemble> {
    let State { members, judged, votes, whole } = payload.decode()?;
    if !(1..=MOST).contains(&members.len()) || judged.tails.len() != members.len() {
        return Err(unsound("its members"));
    }
    let peak = judged.peak.is_none_or(|(peak, _)| peak.is_finite());
    if usize::from(judged.vote) >= VOTES.len() || !judged.tails.iter().all(Tail::is_sound) || !peak
    {
        return Err(unsound("its votes"));
    }
    let members = members.iter().map(|bytes| payload.member(bytes)).collect::<Result<Vec<_>>>()?;
    if members.iter().any(|member| member.name() == METHOD.name) {
        return Err(unsound("an ensemble within an ensemble"));
    }
    if !votes.is_empty() && votes.len() != members.len() {
        return Err(unsound("its last votes"));
    }
    let votes = members.iter().zip(votes).map(|(member, vote)| (member.name(), vote)).collect();
    if whole.as_ref().is_some_and(|(all, _)| !all.iter().all(|s| (0.0..=1e6).contains(s))) {
        return Err(unsound("its stretches"));
    }
    Ok(Ensemble { name, members, judged, votes, whole, looks: name != METHOD.name })
}

impl Judged {
    /// The members' measures as one, whatever their unit.
    fn together(&self, mut measures: Vec<f64>) -> Option<f64> {
        measures.retain(|measure| !measure.is_nan());
        if measures.is_empty() {
            return None;
        }
        measures.sort_unstable_by(f64::total_cmp);
        let count = measures.len();
        Some(match VOTES[usize::from(self.vote)] {
            "mixed" => {
                let mean = measures.iter().sum::<f64>() / count as f64;
                f64::midpoint(mean, measures[count - 1])
            }
            "mean" => measures.iter().sum::<f64>() / count as f64,
            "max" => measures[count - 1],
            "median" => f64::midpoint(measures[(count - 1) / 2], measures[count / 2]),
            _ => measures[(count - 1) / 2],
        })
    }

    /// The share of its score that a point keeps which is so rare.
    fn keeps(&mut self, rarity: f64) -> f64 {
        if !self.onset {
            return 1.0;
        }
        let told = TOLD.min(self.points / TOLD_SHARE);
        match self.peak {
            Some((peak, at)) if self.points.saturating_sub(at) <= told && rarity <= peak => REST,
            _ => {
                self.peak = Some((rarity, self.points));
                1.0
            }
        }
    }
}

/// How many standard deviations out is as rare, both sides together, as 10^-rarity (Hastings'
/// approximation; Abramowitz and Stegun, 26.2.23; within 0.0005).
fn sigmas(rarity: f64) -> f64 {
    let t = (2.0 * (rarity.max(0.0) * std::f64::consts::LN_10 + std::f64::consts::LN_2)).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    (t - above / below).max(0.0)
}

impl Ensemble {
    fn learn(&mut self, times: &[i64], values: &[f64]) {
        for (&time, &value) in times.iter().zip(values) {
            self.update(time, value);
        }
    }
}

impl Detector for Ensemble {
    fn name(&self) -> &'static str {
        self.name
    }

    fn study(&mut self, times: &[i64], values: &[f64]) -> Result<()> {
        for member in &mut self.members {
            member.study(times, values)?;
        }
        self.learn(times, values);
        self.rewind();
        if self.looks {
            self.whole = discord::sigmas(values)?.map(|sigmas| (sigmas, 0));
        }
        Ok(())
    }

    fn rewind(&mut self) {
        self.members.iter_mut().for_each(|member| member.rewind());
        self.judged.peak = None;
        self.votes.clear();
        if let Some((_, next)) = &mut self.whole {
            *next = 0;
        }
    }

    fn update(&mut self, time: i64, value: f64) -> Scored {
        let whole = self.whole.as_mut().and_then(|(sigmas, next)| {
            let own = sigmas.get(*next).copied();
            *next = next.saturating_add(1);
            own
        });
        self.votes.clear();
        let mut bounds: Option<Scored> = None;
        let mut measures = Vec::with_capacity(self.members.len());
        for (member, tail) in self.members.iter_mut().zip(&mut self.judged.tails) {
            let scored = member.update(time, value);
            let better = |held: &Scored| held.lower.is_nan() && !scored.lower.is_nan();
            if bounds.is_none() && !scored.expected.is_nan() || bounds.as_ref().is_some_and(better)
            {
                bounds = Some(scored);
            }
            let (measure, vote) = if scored.score.is_nan() || value.is_infinite() {
                (f64::NAN, scored.score)
            } else if self.judged.calibrate {
                let size = sigmas_of(scored.score);
                let rarity = tail.rarity(size).unwrap_or(f64::NAN);
                tail.push(size);
                (rarity, if rarity.is_nan() { rarity } else { score_of(sigmas(rarity)) })
            } else {
                (sigmas_of(scored.score).min(1e12), scored.score)
            };
            self.votes.push((member.name(), vote));
            measures.push(measure);
        }
        let bounds = bounds.unwrap_or(Scored::NONE);
        if value.is_nan() {
            return Scored { score: f64::NAN, ..bounds };
        }
        if value.is_infinite() {
            return Scored { score: 1.0, ..bounds };
        }
        self.judged.points = self.judged.points.saturating_add(1);
        if let Some(sigmas) = whole {
            self.votes.push(("discord", score_of(sigmas)));
        }
        let Some(measure) = self.judged.together(measures) else {
            return Scored { score: whole.map_or(f64::NAN, score_of), ..bounds };
        };
        let (rarity, sigmas) = if self.judged.calibrate {
            let length = (self.judged.points as f64).max(SHORTEST) / USUAL;
            let rarity = (measure - LENGTH * length.log10()).min(2.0 * measure);
            (rarity, sigmas(rarity))
        } else {
            (measure, measure)
        };
        let score = match whole {
            // A point alone counts as three standard deviations at most: shapes are what the whole
            // tells, and they decide beyond.
            Some(whole) => score_of(whole.max(sigmas.min(3.0) + 1e-3 * whole)),
            None => self.judged.keeps(rarity) * score_of(sigmas),
        };
        Scored { score, ..bounds }
    }

    fn votes(&self) -> Vec<(&'static str, f64)> {
        self.votes.clone()
    }

    fn note(&self) -> Option<String> {
        self.members.iter().find_map(|member| member.note())
    }

    fn save(&self) -> Vec<u8> {
        let members = self.members.iter().map(|member| member.save()).collect();
        let votes = self.votes.iter().take(self.members.len()).map(|(_, vote)| *vote).collect();
        state::save(
            self.name,
            &State { members, judged: self.judged.clone(), votes, whole: self.whole.clone() },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ensemble(given: &[(&str, Value)]) -> Result<Ensemble> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        take(METHOD.name, &mut Options::new(given), false)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn rarity_becomes_the_standard_deviations_of_a_normal() {
        for (share, z) in [(1.0, 0.0), (0.3173, 1.0), (0.0027, 3.0), (1.973e-9, 6.0)] {
            assert!((sigmas(-f64::log10(share)) - z).abs() < 2e-3, "{share}");
        }
        let all: Vec<f64> = (0..3000).map(|at| sigmas(f64::from(at) / 10.0)).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn votes_are_put_together_as_named() {
        let together = |vote: &str, measures: &[f64]| {
            let ensemble = ensemble(&[("vote", text(vote))]).expect("an ensemble");
            ensemble.judged.together(measures.to_vec())
        };
        let measures = [4.0, 1.0, f64::NAN, 2.0, 9.0];
        for (vote, is) in
            [("mixed", 6.5), ("mean", 4.0), ("max", 9.0), ("median", 3.0), ("majority", 2.0)]
        {
            assert_eq!(together(vote, &measures), Some(is), "{vote}");
        }
        assert_eq!(together("mean", &[f64::NAN]), None);
    }

    #[test]
    fn members_are_named_with_options_and_bad_ones_refused() {
        let map = |pairs: &[(&str, Value)]| {
            Value::Map(pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect())
        };
        let members = Value::List(vec![
            text("zscore"),
            map(&[("method", text("nearest")), ("window", Value::Int(5))]),
            text("auto"),
        ]);
        let good = ensemble(&[("members", members)]).expect("three members");
        let names: Vec<&str> = good.members.iter().map(|member| member.name()).collect();
        assert_eq!(names, ["zscore", "nearest", "auto"]);
        for (bad, told) in [
            (text("zscor"), "zscore"),
            (text("ensemble"), "no member"),
            (Value::List(vec![]), "1 to 16"),
            (Value::Int(3), "name of a method"),
            (map(&[("window", Value::Int(5))]), "\"method\""),
            (map(&[("method", text("nearest")), ("windw", Value::Int(5))]), "windw"),
        ] {
            let error = ensemble(&[("members", bad)]).err().expect("refused").to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn with_onset_a_lasting_anomaly_is_told_once() {
        let run = |onset: bool| {
            let given = [("onset", Value::Bool(onset)), ("members", text("zscore"))];
            let mut ensemble = ensemble(&given).expect("an ensemble");
            let value =
                |at: i64| ((at * 37) % 101) as f64 / 100.0 + if at < 900 { 0.0 } else { 5.0 };
            let scores = (0..910).map(|at| ensemble.update(at, value(at)).score);
            scores.filter(|score| *score >= 0.5).count()
        };
        assert_eq!(run(true), 1);
        assert!(run(false) > 5);
    }

    #[test]
    fn without_calibration_one_member_is_as_it_is_alone() {
        let given = [("calibrate", Value::Bool(false)), ("members", text("zscore"))];
        let mut together = ensemble(&given).expect("an ensemble");
        let mut alone = build_member("zscore", &mut Options::default()).expect("zscore");
        for at in 0..200 {
            let value = ((at * 37) % 101) as f64;
            let (a, b) = (together.update(at, value), alone.update(at, value));
            let alike = (a.score - b.score).abs() <= 1e-12;
            assert!(alike || (a.score.is_nan() && b.score.is_nan()), "{a:?} is not {b:?}");
            assert_eq!(
                (a.lower.to_bits(), a.upper.to_bits()),
                (b.lower.to_bits(), b.upper.to_bits())
            );
        }
    }
}
