//! The aggregate functions: their names, what they work on, what they need computed.

use crate::error::{Error, Result, nearest};
use crate::model::FieldType;

/// An aggregate function of one field's points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// How many points.
    Count,
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
    /// The value of the earliest point.
    First,
    /// The value of the latest point.
    Last,
    /// The 50th percentile.
    Median,
    /// A percentile from 0 to 100, linearly interpolated.
    Percentile(f64),
}

/// What has to be computed of the points of a field; their count always is.
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
}

impl Needs {
    /// Everything that [`crate::chunk::Stats`] holds.
    pub const STATISTICS: Self =
        Self { sum: true, extremes: true, deviations: true, ends: true, values: false };
}

const NAMED: [(&str, Function); 10] = [
    ("count", Function::Count),
    ("sum", Function::Sum),
    ("mean", Function::Mean),
    ("min", Function::Min),
    ("max", Function::Max),
    ("std", Function::Std),
    ("var", Function::Var),
    ("first", Function::First),
    ("last", Function::Last),
    ("median", Function::Median),
];

impl Function {
    /// From its name: `mean`, or `p95` and `p99.9` for percentiles.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] with the nearest names, or for a percentile outside 0 to 100.
    pub fn parse(name: &str) -> Result<Self> {
        if let Some((_, function)) = NAMED.iter().find(|(known, _)| *known == name) {
            return Ok(*function);
        }
        let digits = name.strip_prefix('p').unwrap_or("");
        let plain = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        match digits.parse::<f64>() {
            Ok(percent) if plain && percent <= 100.0 => Ok(Self::Percentile(percent)),
            Ok(_) if plain => Err(Error::invalid(format!(
                "percentile {name:?} is not between \"p0\" and \"p100\""
            ))),
            _ => {
                let known = NAMED.iter().map(|(known, _)| *known).chain(["p95", "p99.9"]);
                Err(Error::invalid(format!("unknown function {name:?}; {}", nearest(name, known))))
            }
        }
    }

    /// Its name, as columns carry it: `usage_mean`, `usage_p99.9`.
    pub fn name(self) -> String {
        match self {
            Self::Percentile(percent) => format!("p{percent}"),
            named => NAMED
                .iter()
                .find(|(_, function)| *function == named)
                .map_or_else(String::new, |(name, _)| (*name).to_owned()),
        }
    }

    /// The type of what it makes of points of type `ty`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming what works on the type.
    pub fn output(self, ty: FieldType) -> Result<FieldType> {
        use Function::{Count, First, Last, Max, Mean, Median, Min, Percentile, Std, Sum, Var};
        match (self, ty) {
            (Count, _) | (Sum, FieldType::Bool) => Ok(FieldType::I64),
            (Min | Max | First | Last, ty) | (Sum, ty @ (FieldType::F64 | FieldType::I64)) => {
                Ok(ty)
            }
            (Mean, FieldType::F64 | FieldType::I64 | FieldType::Bool)
            | (Std | Var | Median | Percentile(_), FieldType::F64 | FieldType::I64) => {
                Ok(FieldType::F64)
            }
            (_, FieldType::Bool) => Err(Error::invalid(format!(
                "{:?} does not work on bool; count, sum, mean, min, max, first and last do",
                self.name()
            ))),
            (_, ty) => Err(Error::invalid(format!(
                "{:?} does not work on {}; count, min, max, first and last do",
                self.name(),
                ty.name()
            ))),
        }
    }

    /// Adds what it needs to `needs`.
    pub fn require(self, needs: &mut Needs) {
        match self {
            Self::Count => {}
            Self::Sum | Self::Mean => needs.sum = true,
            Self::Min | Self::Max => needs.extremes = true,
            Self::Std | Self::Var => (needs.sum, needs.deviations) = (true, true),
            Self::First | Self::Last => needs.ends = true,
            Self::Median | Self::Percentile(_) => needs.values = true,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for name in ["count", "mean", "median", "p95", "p99.9", "p0", "p100"] {
            assert_eq!(Function::parse(name).unwrap().name(), name);
        }
        let error = Function::parse("maen").unwrap_err().to_string();
        assert!(error.contains("unknown function \"maen\"; the nearest are \"mean\""), "{error}");
        for bad in ["p101", "p", "p-1", "pinf", "p1e1", "P95", "p1.2.3", ""] {
            assert!(Function::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_does_not_work_says_what_does() {
        let error = Function::Mean.output(FieldType::Str).unwrap_err().to_string();
        assert!(error.contains("count, min, max, first and last"), "{error}");
        assert!(Function::Std.output(FieldType::Bool).is_err());
        assert_eq!(Function::Sum.output(FieldType::Bool).unwrap(), FieldType::I64);
        assert_eq!(Function::Min.output(FieldType::Str).unwrap(), FieldType::Str);
    }
}
