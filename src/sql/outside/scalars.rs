//! Expressions of a table's columns, computed by the table's part and named as columns.

use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{self, SelectItem, VisitMut, VisitorMut};

use super::Rest;
use crate::model::TableSchema;
use crate::query::expr::{Evaluator, Expr, Literal, time_text};
use crate::sql::aggregates::has_aggregate;
use crate::sql::select::{Nowhere, Row, same};
use crate::sql::{Found, Miss};

/// The one table of a SELECT, the name that the query has for it, and its part.
pub(super) type Only = (Arc<TableSchema>, String, usize);

/// Goes over the expressions of one SELECT, not of its subqueries.
pub(super) struct Scalars<'r, 'p> {
    rest: &'r mut Rest<'p>,
    only: Option<&'r Only>,
    /// The columns of the one relation, where they are known.
    known: &'r [String],
    computed: Vec<(String, Expr)>,
    depth: usize,
    /// Names of the result.
    aliases: Vec<String>,
    /// The next expression is the number in a cast to a double.
    within_double: bool,
    missed: Option<Miss>,
}

impl<'r, 'p> Scalars<'r, 'p> {
    /// Replaces expressions by columns, and subqueries by parts; returns the columns to compute.
    pub(super) fn replace(
        rest: &'r mut Rest<'p>,
        select: &mut ast::Select,
        order: Option<&mut ast::OrderBy>,
        only: Option<&'r Only>,
        known: &'r [String],
    ) -> Found<Vec<(String, Expr)>> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && !matches!(expr, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_))
            {
                let alias = ast::Ident::with_quote('"', expr.to_string());
                *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            }
            // Polars takes a whole number alone for one of 32 bits.
            if let SelectItem::ExprWithAlias { expr, .. } = item
                && whole_number(expr)
            {
                *expr = cast(expr.clone(), ast::DataType::BigInt(None));
            }
        }
        let aliases = select.projection.iter().filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        });
        let aliases = aliases.collect();
        let mut own = Self {
            rest,
            only,
            known,
            computed: Vec::new(),
            depth: 0,
            aliases,
            within_double: false,
            missed: None,
        };
        let _ = select.projection.visit(&mut own);
        let _ = select.selection.visit(&mut own);
        let _ = select.group_by.visit(&mut own);
        let _ = select.having.visit(&mut own);
        let _ = select.named_window.visit(&mut own);
        let _ = select.qualify.visit(&mut own);
        for from in &mut select.from {
            for join in &mut from.joins {
                let _ = join.join_operator.visit(&mut own);
            }
        }
        if let Some(order) = order {
            let _ = order.visit(&mut own);
        }
        match own.missed {
            Some(missed) => Err(missed),
            None => Ok(own.computed),
        }
    }

    fn simplify(&mut self, expr: &mut ast::Expr) -> Found<()> {
        if is_whole(expr) {
            return Ok(());
        }
        // What a cast of ours holds is visited next.
        if is_double(expr) {
            self.within_double = true;
            return Ok(());
        }
        if std::mem::take(&mut self.within_double) {
            self.within_double = matches!(expr, ast::Expr::UnaryOp { .. });
            return Ok(());
        }
        match expr {
            ast::Expr::Subquery(query) => return self.rest.block(query).map(drop),
            ast::Expr::InSubquery { subquery, .. } | ast::Expr::Exists { subquery, .. } => {
                return self.rest.block(subquery).map(drop);
            }
            // Polars tells names apart by their case.
            ast::Expr::Identifier(ident) => {
                let exact = |name: &&String| **name == ident.value;
                if self.known.iter().chain(&self.aliases).find(exact).is_none()
                    && let Some(name) = self.known.iter().find(|name| same(ident, name))
                {
                    *ident = ast::Ident::with_quote('"', name.as_str());
                }
                return Ok(());
            }
            ast::Expr::CompoundIdentifier(_) => return Ok(()),
            ast::Expr::Function(call) if is_end(call) => {
                skip_nulls(call);
                return Ok(());
            }
            ast::Expr::Value(value) => {
                // Polars takes a number with a point for a decimal.
                if let ast::Value::Number(digits, _) = &value.value
                    && digits.parse::<i64>().is_err()
                {
                    *expr = double(digits.clone());
                    self.within_double = true;
                }
                return Ok(());
            }
            _ => {}
        }
        if has_aggregate(expr) || has_query_or_window(expr) {
            return Ok(());
        }
        let planner = self.rest.planner;
        if let Ok(lowered) = planner.lower(expr, &mut Nowhere) {
            match Evaluator::new(&lowered, &[])?.constant() {
                // A time that is text to Polars would come out as text: where a part can, it
                // computes it.
                Some(Literal::Time(_)) if self.only.is_some() => {}
                Some(constant) => {
                    if let Some(value) = value(&constant) {
                        self.within_double = is_double(&value);
                        *expr = value;
                    }
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
        let Some((schema, alias, _)) = self.only else { return Ok(()) };
        let mut row = Row::new(planner, schema, Some(alias));
        // What is not known here, an alias for one, is left as it is.
        let Ok(lowered) = planner.lower(expr, &mut row) else { return Ok(()) };
        let known = self.computed.iter().find(|(_, known)| *known == lowered);
        let name = match known {
            Some((name, _)) => name.clone(),
            None => {
                let name = format!("__c{}", self.computed.len());
                self.computed.push((name.clone(), lowered));
                name
            }
        };
        *expr = ast::Expr::Identifier(ast::Ident::new(name));
        Ok(())
    }
}

impl VisitorMut for Scalars<'_, '_> {
    type Break = ();

    fn pre_visit_query(&mut self, _query: &mut ast::Query) -> ControlFlow<()> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut ast::Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        // Which quantile must be a bare number.
        if let ast::Expr::Function(call) = expr
            && call.name.to_string().to_lowercase().starts_with("quantile")
            && let ast::FunctionArguments::List(list) = &mut call.args
        {
            for argument in &mut list.args {
                if let ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(of)) = argument
                    && is_double(of)
                    && let ast::Expr::Cast { expr: number, .. } = of
                {
                    *of = (**number).clone();
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if self.depth == 0
            && let Err(missed) = self.simplify(expr)
        {
            self.missed = Some(missed);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn has_query_or_window(expr: &ast::Expr) -> bool {
    let flow = ast::visit_expressions(expr, |expr| match expr {
        ast::Expr::Subquery(_) | ast::Expr::InSubquery { .. } | ast::Expr::Exists { .. } => {
            ControlFlow::Break(())
        }
        ast::Expr::Function(call) if call.over.is_some() => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    flow.is_break()
}

/// `first(x)` or `last(x)`, perhaps with the time as second argument, which rows come by here.
pub(super) fn is_end(call: &ast::Function) -> bool {
    let ast::FunctionArguments::List(list) = &call.args else { return false };
    let name = call.name.to_string().to_lowercase();
    let by_time = |argument: &ast::FunctionArg| {
        matches!(argument, ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(
            ast::Expr::Identifier(ident))) if ident.value.eq_ignore_ascii_case("time"))
    };
    call.over.is_none()
        && matches!(name.as_str(), "first" | "last")
        && match list.args.as_slice() {
            [_] => true,
            [_, time] => by_time(time),
            _ => false,
        }
}

/// Leaves the first argument, and the rows in which it is not null, as aggregates have it.
fn skip_nulls(call: &mut ast::Function) {
    let ast::FunctionArguments::List(list) = &mut call.args else { return };
    list.args.truncate(1);
    let [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(of))] = list.args.as_slice() else {
        return;
    };
    let valid = ast::Expr::IsNotNull(Box::new(of.clone()));
    let condition = match call.filter.take() {
        Some(filter) => ast::Expr::BinaryOp {
            left: Box::new(ast::Expr::Nested(filter)),
            op: ast::BinaryOperator::And,
            right: Box::new(valid),
        },
        None => valid,
    };
    call.filter = Some(Box::new(condition));
}

/// Whether it is a cast that [`double`] made.
fn is_double(expr: &ast::Expr) -> bool {
    let number = |expr: &ast::Expr| matches!(expr, ast::Expr::Value(value) if matches!(value.value, ast::Value::Number(..)));
    match expr {
        ast::Expr::Cast { kind: ast::CastKind::Cast, expr, data_type, .. } => {
            *data_type == ast::DataType::Double(ast::ExactNumberInfo::None)
                && match &**expr {
                    ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => number(expr),
                    expr => number(expr),
                }
        }
        _ => false,
    }
}

/// A number that Polars takes for a double.
fn double(digits: String) -> ast::Expr {
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits.to_owned()),
        None => (false, digits),
    };
    let number = ast::Expr::value(ast::Value::Number(digits, false));
    let expr = match negative {
        true => ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr: Box::new(number) },
        false => number,
    };
    cast(expr, ast::DataType::Double(ast::ExactNumberInfo::None))
}

fn cast(expr: ast::Expr, data_type: ast::DataType) -> ast::Expr {
    ast::Expr::Cast { kind: ast::CastKind::Cast, expr: Box::new(expr), data_type, format: None }
}

/// Whether it is a whole number that was cast already.
fn is_whole(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Cast { kind: ast::CastKind::Cast, expr, data_type, .. }
        if *data_type == ast::DataType::BigInt(None) && whole_number(expr))
}

/// Whether it is a whole number, of either sign.
fn whole_number(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Value(value) => {
            matches!(&value.value, ast::Value::Number(digits, _) if digits.parse::<i64>().is_ok())
        }
        ast::Expr::UnaryOp { op: ast::UnaryOperator::Minus, expr } => whole_number(expr),
        ast::Expr::Nested(expr) => whole_number(expr),
        _ => false,
    }
}

/// A constant as Polars reads it.
fn value(constant: &Literal) -> Option<ast::Expr> {
    let value = match constant {
        Literal::Null => ast::Value::Null,
        Literal::Bool(value) => ast::Value::Boolean(*value),
        Literal::Int(value) if *value >= 0 => ast::Value::Number(value.to_string(), false),
        Literal::Float(value) if value.is_finite() => return Some(double(format!("{value:?}"))),
        Literal::Str(text) => ast::Value::SingleQuotedString(text.clone()),
        // Polars compares times with text.
        Literal::Time(ns) => ast::Value::SingleQuotedString(time_text(*ns)),
        _ => return None,
    };
    Some(ast::Expr::value(value))
}
