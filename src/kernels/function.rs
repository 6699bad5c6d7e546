//! The aggregate functions: their names, what they work on, what they need computed.

use crate::error::{Error, Result, nearest};
use crate::model::FieldType;

/// An aggregate function of the points of one input, of two, or of rows.
///
/// The functions from [`Self::Increase`] on look at the points of each series on its own, in the
/// order of time, inside the bucket only; several series add up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// How many points.
    Count,
    /// How many rows, also those whose fields are all null.
    Rows,
    /// The sum.
    Sum,
    /// The arithmetic mean.
    Mean,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// The sample standard deviation; null of fewer than two points.
    Std,
    /// The sample variance; null of fewer than two points.
    Var,
    /// The standard deviation of all there is.
    StdPop,
    /// The variance of all there is.
    VarPop,
    /// The value of the earliest point.
    First,
    /// The value of the latest point.
    Last,
    /// The 50th percentile.
    Median,
    /// A percentile from 0 to 100, linearly interpolated.
    Percentile(f64),
    /// A percentile from 0 to 100 in bounded memory: a value at most 0.5 % away from that of the
    /// closest rank below.
    ApproxPercentile(f64),
    /// How many distinct values; NaN is one.
    Distinct,
    /// The most frequent value; of several the least, NaN being the greatest.
    Mode,
    /// How many values lie in each of `bins` equal bins of `[low, high)`, with those below before
    /// and those above (NaN, too) after: `bins + 2` numbers.
    Histogram {
        /// Where the first bin starts.
        low: f64,
        /// Where the last bin ends.
        high: f64,
        /// How many bins.
        bins: usize,
    },
    /// The first input where the second is least; of several the earliest. Passes over NaN as
    /// [`Self::Min`] does.
    ArgMin,
    /// The first input where the second is greatest; of several the earliest.
    ArgMax,
    /// Pearson's correlation; null of fewer than two pairs or where either does not vary.
    Corr,
    /// The covariance of all pairs.
    CovarPop,
    /// The sample covariance; null of fewer than two pairs.
    CovarSamp,
    /// The slope of the line through the pairs (y, x) with the least squares; null where x does not
    /// vary.
    RegrSlope,
    /// Where that line meets x = 0.
    RegrIntercept,
    /// How much of y's variance that line explains, from 0 to 1; 1 where y does not vary.
    RegrR2,
    /// Last less first, plus what was lost where a counter started again from 0: at a value below
    /// the one before.
    Increase,
    /// The increase a second between the first and the last point.
    Rate,
    /// Last less first.
    Delta,
    /// The mean weighted by how long each value held, until the next one; of no duration the plain
    /// mean.
    TimeWeighted,
    /// The same with a straight line from each point to the next.
    TimeWeightedLinear,
}

/// What a function makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Values of a field's type.
    Value(FieldType),
    /// Lists of so many integers.
    List(usize),
}

/// What has to be computed of the points of an input; their count always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// The sum.
    pub sum: bool,
    /// The least and the greatest.
    pub extremes: bool,
    /// The sum of squared deviations, which includes the sum.
    pub deviations: bool,
    /// The earliest and the latest.
    pub ends: bool,
    /// All the values, for percentiles.
    pub values: bool,
    /// How often each value is there.
    pub tally: bool,
    /// A sketch of how the values are distributed.
    pub sketch: bool,
    /// The points of each series in the order of time.
    pub course: bool,
}

impl Needs {
    /// Everything that [`crate::chunk::Stats`] holds.
    pub const STATISTICS: Self = Self {
        sum: true,
        extremes: true,
        deviations: true,
        ends: true,
        values: false,
        tally: false,
        sketch: false,
        course: false,
    };

    /// Whether statistics hold all of it.
    pub fn in_statistics(self) -> bool {
        !(self.values || self.tally || self.sketch || self.course)
    }
}

/// Most bins of a histogram.
const MOST_BINS: usize = 10_000;

const NAMED: [(&str, Function); 20] = [
    ("count", Function::Count),
    ("rows", Function::Rows),
    ("sum", Function::Sum),
    ("mean", Function::Mean),
    ("min", Function::Min),
    ("max", Function::Max),
    ("std", Function::Std),
    ("var", Function::Var),
    ("std_pop", Function::StdPop),
    ("var_pop", Function::VarPop),
    ("first", Function::First),
    ("last", Function::Last),
    ("median", Function::Median),
    ("distinct", Function::Distinct),
    ("mode", Function::Mode),
    ("increase", Function::Increase),
    ("rate", Function::Rate),
    ("delta", Function::Delta),
    ("twa", Function::TimeWeighted),
    ("twa_linear", Function::TimeWeightedLinear),
];

/// Names of functions that only SQL asks for.
const OF_TWO: [(&str, Function); 8] = [
    ("arg_min", Function::ArgMin),
    ("arg_max", Function::ArgMax),
    ("corr", Function::Corr),
    ("covar_pop", Function::CovarPop),
    ("covar_samp", Function::CovarSamp),
    ("regr_slope", Function::RegrSlope),
    ("regr_intercept", Function::RegrIntercept),
    ("regr_r2", Function::RegrR2),
];

impl Function {
    /// From its name: `mean` or `avg`, `p95` and `p99.9` for percentiles, `approx_p95` for those in
    /// bounded memory. Functions of two inputs have no name here.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] with the nearest names, or for a percentile outside 0 to 100.
    pub fn parse(name: &str) -> Result<Self> {
        if name == "avg" {
            return Ok(Self::Mean);
        }
        if let Some((_, function)) = NAMED.iter().find(|(known, _)| *known == name) {
            return Ok(*function);
        }
        let (make, rest): (fn(f64) -> Self, &str) = match name.strip_prefix("approx_") {
            Some(rest) => (Self::ApproxPercentile, rest),
            None => (Self::Percentile, name),
        };
        let digits = rest.strip_prefix('p').unwrap_or("");
        let plain = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        match digits.parse::<f64>() {
            Ok(percent) if plain && percent <= 100.0 => Ok(make(percent)),
            Ok(_) if plain => Err(Error::invalid(format!(
                "percentile {name:?} is not between \"p0\" and \"p100\""
            ))),
            _ => {
                let known =
                    NAMED.iter().map(|(known, _)| *known).chain(["p95", "p99.9", "approx_p95"]);
                Err(Error::invalid(format!("unknown function {name:?}; {}", nearest(name, known))))
            }
        }
    }

    /// Its name, as columns carry it: `usage_mean`, `usage_p99.9`.
    pub fn name(self) -> String {
        match self {
            Self::Percentile(percent) => format!("p{percent}"),
            Self::ApproxPercentile(percent) => format!("approx_p{percent}"),
            Self::Histogram { .. } => "histogram".to_owned(),
            named => NAMED
                .iter()
                .chain(&OF_TWO)
                .find(|(_, function)| *function == named)
                .map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }

    /// How many inputs it takes: none for [`Self::Rows`].
    pub fn inputs(self) -> usize {
        match self {
            Self::Rows => 0,
            named if OF_TWO.iter().any(|(_, function)| *function == named) => 2,
            _ => 1,
        }
    }

    /// What it makes of inputs of these types.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming what works on the type, for another number of inputs, and
    /// for a percentile or a histogram that cannot be.
    pub fn output(self, inputs: &[FieldType]) -> Result<Output> {
        use FieldType::{Bool, F64, I64, Str};
        self.check()?;
        let value = match (self, inputs) {
            (Self::Rows, []) | (Self::Count | Self::Distinct, [_]) | (Self::Sum, [Bool]) => I64,
            (Self::Min | Self::Max | Self::First | Self::Last | Self::Mode, &[ty])
            | (Self::Sum, &[ty @ (F64 | I64)])
            | (Self::ArgMin | Self::ArgMax, &[ty, _]) => ty,
            (Self::Histogram { bins, .. }, [F64 | I64]) => return Ok(Output::List(bins + 2)),
            (Self::Mean, [Bool]) => F64,
            (_, [F64 | I64]) if self.inputs() == 1 => F64,
            (_, [F64 | I64, F64 | I64]) if self.inputs() == 2 => F64,
            (_, types) if types.len() != self.inputs() => {
                let (takes, given) = (self.inputs(), types.len());
                let inputs = if takes == 1 { "input" } else { "inputs" };
                return Err(Error::invalid(format!(
                    "{:?} takes {takes} {inputs} and was given {given}",
                    self.name()
                )));
            }
            (_, [_, _]) => {
                return Err(Error::invalid(format!(
                    "{:?} works on two columns of f64 or i64",
                    self.name()
                )));
            }
            (_, [Bool]) => {
                return Err(Error::invalid(format!(
                    "{:?} does not work on bool; count, sum, mean, min, max, first, last, \
                     distinct and mode do",
                    self.name()
                )));
            }
            (_, types) => {
                let ty = types.first().copied().unwrap_or(Str);
                return Err(Error::invalid(format!(
                    "{:?} does not work on {}; count, min, max, first, last, distinct and mode do",
                    self.name(),
                    ty.name()
                )));
            }
        };
        Ok(Output::Value(value))
    }

    fn check(self) -> Result<()> {
        match self {
            Self::Percentile(percent) | Self::ApproxPercentile(percent)
                if !(0.0..=100.0).contains(&percent) =>
            {
                Err(Error::invalid(format!("percentile {percent} is not between 0 and 100")))
            }
            Self::Histogram { low, high, bins }
                if !(low < high && (high - low).is_finite() && (1..=MOST_BINS).contains(&bins)) =>
            {
                Err(Error::invalid(format!(
                    "a histogram of {bins} bins from {low} to {high} cannot be; it has 1 to \
                     {MOST_BINS} bins between two numbers, the lower first"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is 0, not null, where there is no point.
    pub fn counts(self) -> bool {
        matches!(self, Self::Count | Self::Rows | Self::Distinct)
    }

    /// Whether it makes of its first input one of that input's own values.
    pub fn picks(self) -> bool {
        matches!(
            self,
            Self::Min
                | Self::Max
                | Self::First
                | Self::Last
                | Self::Mode
                | Self::ArgMin
                | Self::ArgMax
        )
    }

    /// Adds what it needs of its one input to `needs`.
    pub fn require(self, needs: &mut Needs) {
        match self {
            Self::Sum | Self::Mean => needs.sum = true,
            Self::Min | Self::Max => needs.extremes = true,
            Self::Std | Self::Var | Self::StdPop | Self::VarPop => {
                (needs.sum, needs.deviations) = (true, true);
            }
            Self::First | Self::Last => needs.ends = true,
            Self::Median | Self::Percentile(_) => needs.values = true,
            Self::ApproxPercentile(_) => needs.sketch = true,
            Self::Distinct | Self::Mode => needs.tally = true,
            Self::Increase
            | Self::Rate
            | Self::Delta
            | Self::TimeWeighted
            | Self::TimeWeightedLinear => needs.course = true,
            Self::Count
            | Self::Rows
            | Self::Histogram { .. }
            | Self::ArgMin
            | Self::ArgMax
            | Self::Corr
            | Self::CovarPop
            | Self::CovarSamp
            | Self::RegrSlope
            | Self::RegrIntercept
            | Self::RegrR2 => {}
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        let names = ["count", "mean", "median", "p95", "p99.9", "p0", "p100", "approx_p95"];
        for name in names.into_iter().chain(NAMED.map(|(name, _)| name)) {
            assert_eq!(Function::parse(name).unwrap().name(), name);
        }
        assert_eq!(Function::parse("avg").unwrap(), Function::Mean);
        let error = Function::parse("maen").unwrap_err().to_string();
        assert!(error.contains("unknown function \"maen\"; the nearest are \"mean\""), "{error}");
        for bad in ["p101", "p", "p-1", "pinf", "p1e1", "P95", "p1.2.3", "", "approx_", "corr"] {
            assert!(Function::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_does_not_work_says_what_does() {
        let error = Function::Mean.output(&[FieldType::Str]).unwrap_err().to_string();
        assert!(error.contains("count, min, max, first, last"), "{error}");
        assert!(Function::Std.output(&[FieldType::Bool]).is_err());
        let value = |function: Function, types: &[FieldType]| function.output(types).unwrap();
        assert_eq!(value(Function::Sum, &[FieldType::Bool]), Output::Value(FieldType::I64));
        assert_eq!(value(Function::Min, &[FieldType::Str]), Output::Value(FieldType::Str));
        assert_eq!(
            value(Function::ArgMin, &[FieldType::Str, FieldType::F64]),
            Output::Value(FieldType::Str)
        );
        assert_eq!(value(Function::Rows, &[]), Output::Value(FieldType::I64));
        let bins = Function::Histogram { low: 0.0, high: 1.0, bins: 3 };
        assert_eq!(value(bins, &[FieldType::I64]), Output::List(5));
        let error = Function::Corr.output(&[FieldType::F64]).unwrap_err().to_string();
        assert!(error.contains("takes 2 inputs and was given 1"), "{error}");
        assert!(Function::Corr.output(&[FieldType::F64, FieldType::Str]).is_err());
        for (low, high, bins) in [(1.0, 1.0, 3), (f64::NAN, 1.0, 3), (0.0, 1.0, 0)] {
            let bad = Function::Histogram { low, high, bins };
            assert!(bad.output(&[FieldType::F64]).is_err());
        }
        assert!(Function::Percentile(101.0).output(&[FieldType::F64]).is_err());
    }
}
