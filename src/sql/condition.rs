//! Conditions that stand alone: over the rows of a table, or the columns of a result.

use std::cell::RefCell;

use sqlparser::ast;

use super::lower::{Scope, outside};
use super::parse::parse_expr;
use super::select::same;
use super::{Catalog, Found, Miss, Native, Parameters, Planner};
use crate::error::{Error, Result, nearest};
use crate::model::TableSchema;
use crate::query::AnalyzeQuery;
use crate::query::expr::{Evaluator, Expr, Literal, Type};

/// A condition over named columns: `usage_mean > 90 AND usage_count >= 10`.
///
/// # Errors
/// [`Error::InvalidArgument`] that points at line and column, names the columns that there are, or
/// says that it is neither true nor false. `now` is what `now()` is in it.
pub fn condition(
    text: &str,
    parameters: &Parameters,
    columns: &[(String, Type)],
    now: i64,
) -> Result<Expr> {
    let catalog = Alone { now };
    let planner = Planner { text, catalog: &catalog, ctes: RefCell::default() };
    let parsed = parse_expr(text, parameters)?;
    let lowered = match planner.lower(&parsed, &mut Columns { planner: &planner, columns }) {
        Ok(lowered) => lowered,
        Err(Miss::Error(error)) => return Err(error),
        Err(Miss::Outside(what)) => {
            return Err(Error::invalid(format!("SQL: {what} cannot stand in a condition")));
        }
    };
    match Evaluator::new(&lowered, columns)?.ty() {
        Type::Bool | Type::Null => Ok(lowered),
        ty => Err(Error::invalid(format!(
            "SQL: {text} is {}, and a condition is true or false; compare it, as in {text} > 0",
            ty.name()
        ))),
    }
}

/// The columns of a table's rows with their types, for a [`condition`] on them.
pub fn row_columns(schema: &TableSchema) -> Vec<(String, Type)> {
    super::select::columns(schema)
}

/// Named columns.
pub(super) struct Columns<'a> {
    pub(super) planner: &'a Planner<'a>,
    pub(super) columns: &'a [(String, Type)],
}

impl Scope for Columns<'_> {
    fn column(&mut self, path: &[ast::Ident]) -> Found<Expr> {
        let names = || self.columns.iter().map(|(name, _)| name.as_str());
        // Names such as `usage_p99.9` have a point of their own.
        let text = path.iter().map(|ident| ident.value.as_str()).collect::<Vec<_>>().join(".");
        let whole = ast::Ident { value: text, ..path[0].clone() };
        let exact = names().find(|name| *name == whole.value);
        match exact.or_else(|| names().find(|name| same(&whole, name))) {
            Some(name) => Ok(Expr::column(name)),
            None => {
                let near = nearest(&whole.value, names());
                self.planner.wrong(&path[0], format!("unknown column {:?}; {near}", whole.value))
            }
        }
    }

    fn aggregate(&mut self, call: &ast::Function) -> Found<Expr> {
        outside(format!("the aggregate {}", call.name))
    }
}

/// No tables: a condition reads none.
struct Alone {
    now: i64,
}

impl Catalog for Alone {
    fn table(&self, name: &str) -> Result<std::sync::Arc<TableSchema>> {
        Err(Error::invalid(format!("SQL: a condition reads no table, and this one names {name:?}")))
    }

    fn column(&self, _query: &Native) -> Result<Vec<Literal>> {
        Err(Error::invalid("SQL: a condition has no subquery"))
    }

    fn analyses(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn analysis(
        &self,
        query: &AnalyzeQuery,
        _schema: &TableSchema,
    ) -> Result<Option<Vec<(String, Type)>>> {
        Err(Error::invalid(format!("SQL: a condition runs no analysis such as {}", query.function)))
    }

    fn now(&self) -> i64 {
        self.now
    }
}
