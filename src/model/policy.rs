//! Downsampling policies: how long rows stay as they are, and what they become after that.

use serde::{Deserialize, Serialize};

use super::schema::{FieldDef, TableSchema};
use super::time::Timestamp;
use crate::error::{Error, Result};

/// One step of a policy: rows become one aggregate a series and `step`, kept until they are `age`
/// old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// The length of a bucket in nanoseconds; buckets start at its multiples since 1970.
    pub step: i64,
    /// Up to which age its aggregates are kept, in nanoseconds before now.
    pub age: i64,
}

/// What a table has to do with downsampling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Downsample {
    /// Nothing.
    #[default]
    None,
    /// Its rows become these, finest first, when they are past its retention.
    Policy(Vec<Level>),
    /// It holds the aggregates of `table`, one a series and `step`; its retention is their age.
    Of {
        /// The table whose rows they were.
        table: String,
        /// The length of their buckets in nanoseconds.
        step: i64,
    },
}

impl Downsample {
    /// Whether it is [`Self::None`].
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The levels of a policy, finest first; of all else there is none.
    pub fn levels(&self) -> &[Level] {
        match self {
            Self::Policy(levels) => levels,
            Self::None | Self::Of { .. } => &[],
        }
    }
}

/// A duration in the largest unit of which it is a whole number: `5m`.
pub fn short_duration(ns: i64) -> String {
    const UNITS: [(i64, &str); 7] = [
        (86_400_000_000_000, "d"),
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let unit = UNITS.iter().find(|(unit, _)| ns != 0 && ns % unit == 0);
    unit.map_or_else(|| format!("{ns}ns"), |(unit, name)| format!("{}{name}", ns / unit))
}

/// The name of the table that holds the aggregates of `table` of one step, such as `cpu@5m`.
pub fn level_name(table: &str, step: i64) -> String {
    format!("{table}@{}", short_duration(step))
}

/// The greatest multiple of `step` up to `time`; where none can be told, the least time.
pub fn floor_to(time: Timestamp, step: i64) -> Timestamp {
    time.div_euclid(step).checked_mul(step).unwrap_or(Timestamp::MIN)
}

/// Up to where each level has given its rows on: first that of the rows themselves, then one for
/// each of `levels`. They descend, and each is a multiple of the step of what follows, so that no
/// bucket is ever cut.
pub fn floors(retention: i64, levels: &[Level], now: Timestamp) -> Vec<Timestamp> {
    let ages = std::iter::once(retention).chain(levels.iter().map(|level| level.age));
    let steps = levels.iter().chain(levels.last()).map(|level| level.step);
    ages.zip(steps).map(|(age, step)| floor_to(now.saturating_sub(age), step)).collect()
}

/// Checks a policy.
///
/// # Errors
/// [`Error::InvalidArgument`] with what is wrong and what would do.
pub fn check_levels(levels: &[Level], retention: Option<i64>) -> Result<()> {
    let Some(first) = levels.first() else { return Ok(()) };
    let Some(retention) = retention else {
        return Err(Error::invalid(
            "downsample needs a retention: without one rows are kept as they are for ever, and \
             nothing would be rolled up; give retention=\"7d\" as well",
        ));
    };
    for Level { step, age } in levels {
        if *step <= 0 || *age <= 0 {
            return Err(Error::invalid(format!(
                "downsample takes positive steps and ages, got a step of {step} ns kept for {age} ns"
            )));
        }
    }
    if first.age <= retention {
        return Err(Error::invalid(format!(
            "downsample keeps {} aggregates until they are {} old, which is no longer than the \
             retention of the rows themselves, {}; give it a greater age",
            short_duration(first.step),
            short_duration(first.age),
            short_duration(retention)
        )));
    }
    for pair in levels.windows(2) {
        let [finer, coarser] = [pair[0], pair[1]];
        let (small, large) = (short_duration(finer.step), short_duration(coarser.step));
        if coarser.step <= finer.step {
            return Err(Error::invalid(format!(
                "the steps of downsample ascend, and {small} stands before {large}"
            )));
        }
        if coarser.step % finer.step != 0 {
            return Err(Error::invalid(format!(
                "each step of downsample is a multiple of the finer one before it, and {large} is \
                 none of {small}"
            )));
        }
        if coarser.age <= finer.age {
            return Err(Error::invalid(format!(
                "downsample keeps {large} aggregates until they are {} old, no longer than the \
                 {small} ones that they are made of ({}); coarser ones are kept longer",
                short_duration(coarser.age),
                short_duration(finer.age)
            )));
        }
    }
    Ok(())
}

impl TableSchema {
    /// The table that holds this one's aggregates of one level.
    pub fn of_level(&self, level: Level, fields: Vec<FieldDef>) -> Self {
        Self {
            name: level_name(&self.name, level.step),
            tags: self.tags.clone(),
            fields,
            duplicates: super::Duplicates::Keep,
            retention: Some(level.age),
            codec: None,
            cold_after: None,
            downsample: Downsample::Of { table: self.name.clone(), step: level.step },
        }
    }

    /// The table and the step of which this one holds the aggregates.
    pub fn level_of(&self) -> Option<(&str, i64)> {
        match &self.downsample {
            Downsample::Of { table, step } => Some((table, *step)),
            Downsample::None | Downsample::Policy(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: i64 = 60_000_000_000;

    fn levels(pairs: &[(i64, i64)]) -> Vec<Level> {
        pairs.iter().map(|&(step, age)| Level { step, age }).collect()
    }

    #[test]
    fn floors_descend_and_never_cut_a_bucket() {
        let levels = levels(&[(5 * M, 100 * M), (60 * M, 1000 * M)]);
        for now in [-7, 0, 123_456 * M + 17, i64::MIN + 1, i64::MAX] {
            let floors = floors(10 * M, &levels, now);
            assert!(floors.windows(2).all(|pair| pair[0] >= pair[1]), "{floors:?}");
            let whole = |at: usize, step: i64| floors[at] == i64::MIN || floors[at] % step == 0;
            assert!(whole(0, 5 * M) && whole(1, 60 * M) && whole(2, 60 * M), "{floors:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_policy_says_why() {
        let bad = [
            (levels(&[(5, 10)]), None, "needs a retention"),
            (levels(&[(5, 10)]), Some(10), "greater age"),
            (levels(&[(0, 10)]), Some(1), "positive"),
            (levels(&[(5, 10), (5, 20)]), Some(1), "ascend"),
            (levels(&[(5, 10), (12, 20)]), Some(1), "multiple"),
            (levels(&[(5, 10), (10, 10)]), Some(1), "kept longer"),
        ];
        for (levels, retention, what) in bad {
            let error = check_levels(&levels, retention).expect_err(what).to_string();
            assert!(error.contains(what), "{error}");
        }
        assert!(check_levels(&[], None).is_ok());
        assert!(check_levels(&levels(&[(5, 10), (10, 20)]), Some(1)).is_ok());
    }

    #[test]
    fn durations_are_named_by_their_largest_unit() {
        let named = [(5 * M, "5m"), (60 * M, "1h"), (90 * M, "90m"), (1_500_000, "1500us")];
        for (ns, name) in named {
            assert_eq!(short_duration(ns), name);
        }
        assert_eq!(level_name("cpu", 1440 * M), "cpu@1d");
    }
}
