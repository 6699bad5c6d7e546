//! What a query may ask of rows that were rolled up: only their aggregates remain.

use super::asked::Asked;
use super::row_map::Mapping;
use crate::error::{Error, Result};
use crate::kernels::{Function, Source};
use crate::model::TimeRange;
use crate::model::policy::short_duration;
use crate::query::expr::time_text;
use crate::query::predicate::Predicate;
use crate::query::{ChunkSource, RolledUp};

/// Refuses what needs rows where some of the range are there as aggregates only.
///
/// # Errors
/// [`Error::InvalidArgument`] with `what` needs them, and from which time on there are rows.
pub(crate) fn needs_rows(source: &dyn ChunkSource, range: TimeRange, what: &str) -> Result<()> {
    let levels = source.levels(range);
    let Some(until) = levels.iter().map(|level| level.until).max() else { return Ok(()) };
    let name = &source.schema().name;
    Err(Error::invalid(format!(
        "{what} needs the rows themselves, and of table {name:?} rows before {} remain only as {} \
         aggregates; ask with start={:?} or later, or for count, rows, sum, mean, min, max, std, \
         var, first, last, delta, increase or rate of fields",
        time_text(until),
        steps(&levels),
        time_text(until)
    )))
}

/// `5m and 1h`.
fn steps(levels: &[RolledUp]) -> String {
    let steps: Vec<String> = levels.iter().map(|level| short_duration(level.step)).collect();
    steps.join(" and ")
}

/// The levels that a query is answered from, for people.
pub(super) fn levels_text(levels: &[RolledUp]) -> String {
    let one = |level: &RolledUp| {
        let step = short_duration(level.step);
        format!("{step} aggregates of [{}, {})", time_text(level.from), time_text(level.until))
    };
    let all: Vec<String> = levels.iter().map(one).collect();
    format!("rows, {}", all.join(", "))
}

/// Checks that aggregates are enough for what is asked, where there are such in the range.
///
/// # Errors
/// [`Error::InvalidArgument`] as [`needs_rows`] has it.
pub(super) fn check(source: &dyn ChunkSource, asked: &Asked, range: TimeRange) -> Result<()> {
    match needs(asked) {
        Some(what) => needs_rows(source, range, &what),
        None => Ok(()),
    }
}

/// Whether a condition tells rows of one series and range apart.
pub(super) fn tells_rows_apart(predicate: &Predicate) -> bool {
    !predicate.tests().is_empty() || predicate.rest().is_some()
}

/// What of a query needs rows.
fn needs(asked: &Asked) -> Option<String> {
    let condition = asked.mapping.as_ref().and_then(Mapping::condition);
    if condition.is_some_and(tells_rows_apart) {
        return Some("a condition on fields".to_owned());
    }
    for output in &asked.outputs {
        let function = output.ask.function;
        if !works_on_aggregates(function) {
            return Some(format!("{:?}", function.name()));
        }
        let input = asked.plan.inputs.get(output.ask.at).map(|input| input.source);
        if function.inputs() == 1 && matches!(input, Some(Source::Mapped(_))) {
            return Some(format!("{:?}, an expression over each row,", output.name));
        }
    }
    None
}

fn works_on_aggregates(function: Function) -> bool {
    match function {
        Function::Count
        | Function::Rows
        | Function::Sum
        | Function::Mean
        | Function::Min
        | Function::Max
        | Function::Std
        | Function::Var
        | Function::StdPop
        | Function::VarPop
        | Function::First
        | Function::Last
        | Function::Increase
        | Function::Rate
        | Function::Delta => true,
        Function::Median
        | Function::Percentile(_)
        | Function::ApproxPercentile(_)
        | Function::Distinct
        | Function::Mode
        | Function::Histogram { .. }
        | Function::ArgMin
        | Function::ArgMax
        | Function::Corr
        | Function::CovarPop
        | Function::CovarSamp
        | Function::RegrSlope
        | Function::RegrIntercept
        | Function::RegrR2
        | Function::TimeWeighted
        | Function::TimeWeightedLinear => false,
    }
}
