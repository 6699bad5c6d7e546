//! Aggregate functions: from the call to what is computed.

use sqlparser::ast::{self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::lower::{Scope, outside};
use super::{Found, Planner};
use crate::query::Function;
use crate::query::expr::{Expr, Literal};

/// Aggregates of one value that need no more than their name; each by all its names.
const SIMPLE: [(&[&str], Function); 23] = [
    (&["sum"], Function::Sum),
    (&["avg", "mean"], Function::Mean),
    (&["min", "bool_and"], Function::Min),
    (&["max", "bool_or"], Function::Max),
    (&["stddev", "stddev_samp", "std"], Function::Std),
    (&["stddev_pop"], Function::StdPop),
    (&["variance", "var_samp", "var"], Function::Var),
    (&["var_pop"], Function::VarPop),
    (&["median"], Function::Median),
    (&["first", "any_value"], Function::First),
    (&["last"], Function::Last),
    (&["mode"], Function::Mode),
    (&["count_distinct"], Function::Distinct),
    (&["rate"], Function::Rate),
    (&["increase"], Function::Increase),
    (&["delta"], Function::Delta),
    (&["arg_min", "argmin", "min_by"], Function::ArgMin),
    (&["arg_max", "argmax", "max_by"], Function::ArgMax),
    (&["corr"], Function::Corr),
    (&["covar", "covar_samp"], Function::CovarSamp),
    (&["covar_pop"], Function::CovarPop),
    (&["regr_slope"], Function::RegrSlope),
    (&["regr_intercept"], Function::RegrIntercept),
];

/// Aggregates with constants among their arguments, or forms of their own.
const SPECIAL: [&str; 13] = [
    "count",
    "regr_r2",
    "percentile",
    "quantile",
    "quantile_cont",
    "percentile_cont",
    "approx_percentile",
    "approx_quantile",
    "time_weighted_average",
    "time_weighted_avg",
    "twa",
    "histogram",
    "candlestick",
];

fn simple(name: &str) -> Option<Function> {
    let found = SIMPLE.iter().find(|(names, _)| names.contains(&name));
    found.map(|(_, function)| *function)
}

/// Whether a name, in lower case, is that of an aggregate function.
pub(super) fn is_aggregate(name: &str) -> bool {
    simple(name).is_some() || SPECIAL.contains(&name)
}

/// Whether an aggregate stands anywhere in an expression, but for those of subqueries.
pub(super) fn has_aggregate(expr: &ast::Expr) -> bool {
    use std::ops::ControlFlow;
    let flow = ast::visit_expressions(expr, |expr| match expr {
        ast::Expr::Function(call)
            if call.over.is_none() && is_aggregate(&call.name.to_string().to_lowercase()) =>
        {
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    flow.is_break()
}

/// An aggregate: the function and what it is of.
pub(super) type Call = (Function, Vec<Expr>);

impl Planner<'_> {
    /// The call of an aggregate; `row` is the scope of its arguments.
    pub(super) fn aggregate(&self, call: &ast::Function, row: &mut dyn Scope) -> Found<Call> {
        let name = call.name.to_string().to_lowercase();
        let (distinct, arguments) = self.aggregate_arguments(call)?;
        let (function, mut inputs) = match (name.as_str(), arguments) {
            ("count", None) if !distinct => (Function::Rows, Vec::new()),
            (_, None) => return self.wrong(call, format!("{name} does not take *")),
            ("count", Some(arguments)) => {
                self.takes(call, &arguments, 1..=1)?;
                let of = self.lower(arguments[0], row)?;
                match (distinct, &of) {
                    (true, _) => (Function::Distinct, vec![of]),
                    (false, Expr::Literal(literal)) if *literal != Literal::Null => {
                        (Function::Rows, Vec::new())
                    }
                    (false, _) => (Function::Count, vec![of]),
                }
            }
            (_, Some(_)) if distinct && !matches!(name.as_str(), "min" | "max") => {
                return outside(format!("{name}(DISTINCT ...)"));
            }
            ("percentile_cont", Some(arguments)) => {
                self.takes(call, &arguments, 1..=1)?;
                let percent = self.fraction(arguments[0], call, 1.0)?;
                let [order] = call.within_group.as_slice() else {
                    return self.wrong(
                        call,
                        "percentile_cont(0.95) is followed by WITHIN GROUP (ORDER BY x)",
                    );
                };
                (Function::Percentile(percent), vec![self.lower(&order.expr, row)?])
            }
            ("percentile" | "quantile" | "quantile_cont", Some(arguments)) => {
                self.takes(call, &arguments, 2..=2)?;
                let whole = if name == "percentile" { 100.0 } else { 1.0 };
                let percent = self.fraction(arguments[1], call, whole)?;
                (Function::Percentile(percent), vec![self.lower(arguments[0], row)?])
            }
            ("approx_percentile" | "approx_quantile", Some(arguments)) => {
                self.takes(call, &arguments, 2..=2)?;
                let whole = if name == "approx_percentile" { 100.0 } else { 1.0 };
                let percent = self.fraction(arguments[1], call, whole)?;
                (Function::ApproxPercentile(percent), vec![self.lower(arguments[0], row)?])
            }
            ("time_weighted_average" | "time_weighted_avg" | "twa", Some(arguments)) => {
                self.takes(call, &arguments, 1..=2)?;
                let linear = match arguments.get(1) {
                    None => false,
                    Some(way) => match self.constant(&self.lower(way, row)?, call)? {
                        Literal::Str(way) if way.eq_ignore_ascii_case("linear") => true,
                        Literal::Str(way) if way.eq_ignore_ascii_case("step") => false,
                        _ => return self.wrong(call, format!("{name}(x, 'step' or 'linear')")),
                    },
                };
                let function =
                    if linear { Function::TimeWeightedLinear } else { Function::TimeWeighted };
                (function, vec![self.lower(arguments[0], row)?])
            }
            ("histogram", Some(arguments)) => {
                self.takes(call, &arguments, 4..=4)?;
                let low = self.number_of(arguments[1], call)?;
                let high = self.number_of(arguments[2], call)?;
                let bins = self.number_of(arguments[3], call)?;
                if !(low < high && (1.0..=100_000.0).contains(&bins) && bins.fract() == 0.0) {
                    return self.wrong(
                        call,
                        format!(
                            "histogram({low}, {high}, {bins}) cannot be: low < high and 1 to \
                             100,000 bins"
                        ),
                    );
                }
                let function = Function::Histogram { low, high, bins: bins as usize };
                (function, vec![self.lower(arguments[0], row)?])
            }
            ("regr_r2", Some(arguments)) => {
                self.takes(call, &arguments, 2..=2)?;
                (Function::RegrR2, self.lower_all(&arguments, row)?)
            }
            (_, Some(arguments)) => {
                let Some(function) = simple(&name) else {
                    return self.wrong(call, format!("{name} cannot stand here"));
                };
                match function.inputs() {
                    // `first(x, time)` as TimescaleDB writes it.
                    1 if matches!(function, Function::First | Function::Last)
                        && arguments.len() == 2
                        && self.lower(arguments[1], row)? == Expr::column("time") =>
                    {
                        (function, vec![self.lower(arguments[0], row)?])
                    }
                    arity => {
                        self.takes(call, &arguments, arity..=arity)?;
                        (function, self.lower_all(&arguments, row)?)
                    }
                }
            }
        };
        if let Some(condition) = &call.filter {
            let condition = self.lower(condition, row)?;
            // Rows that do not pass give null, which no aggregate counts.
            let of = match inputs.first() {
                Some(first) => first.clone(),
                None => Expr::Literal(Literal::Int(1)),
            };
            let passing = Expr::Case(vec![(condition, of)], None);
            if function == Function::Rows {
                return Ok((Function::Count, vec![passing]));
            }
            inputs[0] = passing;
        }
        Ok((function, inputs))
    }

    /// Whether DISTINCT, and the arguments; none of them: `*`.
    pub(super) fn aggregate_arguments<'a>(
        &self,
        call: &'a ast::Function,
    ) -> Found<(bool, Option<Vec<&'a ast::Expr>>)> {
        let FunctionArguments::List(list) = &call.args else {
            return self.wrong(call, format!("{} needs arguments in parentheses", call.name));
        };
        let distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
        if !list.clauses.is_empty() {
            return outside(format!("a clause within {}()", call.name));
        }
        let mut arguments = Vec::with_capacity(list.args.len());
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => arguments.push(expr),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => return Ok((distinct, None)),
                other => return self.wrong(call, format!("{} does not take {other}", call.name)),
            }
        }
        if arguments.is_empty() && call.name.to_string().eq_ignore_ascii_case("count") {
            return Ok((distinct, None));
        }
        Ok((distinct, Some(arguments)))
    }

    fn lower_all(&self, exprs: &[&ast::Expr], row: &mut dyn Scope) -> Found<Vec<Expr>> {
        exprs.iter().map(|expr| self.lower(expr, row)).collect()
    }

    pub(super) fn takes(
        &self,
        call: &ast::Function,
        arguments: &[&ast::Expr],
        wanted: std::ops::RangeInclusive<usize>,
    ) -> Found<()> {
        if wanted.contains(&arguments.len()) {
            return Ok(());
        }
        let (from, to) = (wanted.start(), wanted.end());
        let takes = if from == to { from.to_string() } else { format!("{from} to {to}") };
        self.wrong(call, format!("{} takes {takes} arguments, got {}", call.name, arguments.len()))
    }

    /// A constant from 0 to `whole`, in percent.
    fn fraction(&self, expr: &ast::Expr, call: &ast::Function, whole: f64) -> Found<f64> {
        let number = self.number_of(expr, call)?;
        if (0.0..=whole).contains(&number) {
            return Ok(number * (100.0 / whole));
        }
        self.wrong(call, format!("{} takes a fraction of 0 to {whole}, got {number}", call.name))
    }

    fn number_of(&self, expr: &ast::Expr, call: &ast::Function) -> Found<f64> {
        match self.constant(&self.lower(expr, &mut super::select::Nowhere)?, call)? {
            Literal::Int(number) => Ok(number as f64),
            Literal::Float(number) => Ok(number),
            other => self.wrong(call, format!("{} takes a number there, got {other:?}", call.name)),
        }
    }
}
