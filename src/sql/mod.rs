//! The query language: SQL as DuckDB's users know it, with clauses for time series, planned into
//! the same logical plans that the fluent API builds.
//!
//! A text becomes tokens (`sqlparser`'s), parameters and clauses of time series are put in
//! (`parameters`, `clauses`), `sqlparser` makes syntax of them (`parse`), and each block of the
//! query that one table answers becomes a plan of [`crate::query`] (`select`, with `lower` for its
//! expressions and `aggregates` for its functions). What is left around such blocks (joins, window
//! functions, CTEs, set operations) goes to Polars' SQL (`outside`), over the blocks' results.

mod aggregates;
mod analyses;
mod clauses;
mod condition;
mod dialect;
mod lower;
mod outside;
mod parameters;
mod parse;
mod place;
mod select;
mod statements;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::sync::Arc;

pub use condition::{condition, row_columns};
pub use parameters::{Parameter, Parameters};
use parse::located;
use sqlparser::ast;

use crate::error::{Error, Result};
use crate::model::{TableSchema, TimeRange};
use crate::query::expr::{Literal, Type};
use crate::query::{AggregateQuery, AnalyzeQuery, Filter, LastQuery, ReadQuery};

/// What a statement asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// Rows.
    Query(Plan),
    /// How rows would be found; with `analyze` they are, and it is told what that took.
    Explain {
        /// Of what.
        plan: Plan,
        /// Whether it is run.
        analyze: bool,
    },
    /// `SHOW TABLES`
    Tables,
    /// `DESCRIBE table`
    Describe(String),
}

/// A query, planned.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// kymograph runs all of it.
    Native(Box<Native>),
    /// kymograph runs its parts, Polars the rest over their results.
    Outside(Outside),
}

/// A query of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Native {
    /// The table's name.
    pub table: String,
    /// What is asked of it.
    pub query: Query,
}

/// What can be asked of one table.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// Groups.
    Aggregate(AggregateQuery),
    /// Rows.
    Read(ReadQuery),
    /// The latest rows.
    Last(LastQuery),
    /// An analysis of its series.
    Analyze(Box<AnalyzeQuery>),
}

impl Native {
    /// Which series and times of which tables it reads: of its own, then of a table of events.
    pub fn scopes(&self) -> Vec<(&str, &Filter, TimeRange)> {
        let (filter, range) = match &self.query {
            Query::Aggregate(query) => (&query.filter, query.range),
            Query::Read(query) => (&query.filter, query.range),
            Query::Last(query) => (&query.filter, query.range),
            Query::Analyze(query) => return query.scopes(&self.table),
        };
        vec![(&self.table, filter, range)]
    }

    /// The names of the columns of its result; `schema` is its table's.
    fn columns(&self, schema: &TableSchema) -> Vec<String> {
        let finish = match &self.query {
            Query::Aggregate(query) => &query.finish,
            Query::Read(query) => &query.finish,
            Query::Last(query) => &query.finish,
            Query::Analyze(query) => &query.finish,
        };
        match &finish.select {
            Some(outputs) => outputs.iter().map(|(name, _)| name.clone()).collect(),
            None if matches!(self.query, Query::Analyze(_)) => Vec::new(),
            None => select::names(schema).map(str::to_owned).collect(),
        }
    }
}

/// A query that Polars finishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Outside {
    /// What Polars is asked, over the tables of `parts` and `joins`.
    pub sql: String,
    /// Why not all of it runs here.
    pub reason: String,
    /// Tables by the names that `sql` has for them.
    pub parts: Vec<(String, Native)>,
    /// Tables that are made of two parts, before `sql` runs.
    pub joins: Vec<AsofJoin>,
}

/// To each row of the left part, the latest row of the right part that is not after it.
#[derive(Clone, Debug, PartialEq)]
pub struct AsofJoin {
    /// The name that the SQL has for the result.
    pub name: String,
    /// The part, and the prefix of its columns in the result.
    pub left: (String, String),
    /// The same of the other.
    pub right: (String, String),
    /// The columns of times, left and right.
    pub on: (String, String),
    /// Columns that must be equal, left and right.
    pub by: Vec<(String, String)>,
    /// Whether rows of the left part stay that find none.
    pub keep: bool,
    /// Whether a row of equal time is found.
    pub equal: bool,
}

/// What planning needs to know of a database.
pub trait Catalog {
    /// The table called `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the nearest names.
    fn table(&self, name: &str) -> Result<Arc<TableSchema>>;

    /// The values of the one column of a subquery.
    ///
    /// # Errors
    /// As the query's run.
    fn column(&self, query: &Native) -> Result<Vec<Literal>>;

    /// The names of the analyses that there are.
    fn analyses(&self) -> Vec<&'static str>;

    /// The columns of an analysis' result; `None` where they are known only once it is run.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a number of fields that it does not take.
    fn analysis(
        &self,
        query: &AnalyzeQuery,
        schema: &TableSchema,
    ) -> Result<Option<Vec<(String, Type)>>>;

    /// What `now()` is: nanoseconds since 1970, UTC; the same for all of a query.
    fn now(&self) -> i64;
}

/// Plans one statement.
///
/// # Errors
/// [`Error::InvalidArgument`] that points at line and column, and [`Error::NotFound`] for unknown
/// names.
pub fn plan(text: &str, parameters: &Parameters, catalog: &dyn Catalog) -> Result<Statement> {
    let planner = Planner { text, catalog, ctes: RefCell::default() };
    match parse::parse(text, parameters)? {
        ast::Statement::Query(query) => Ok(Statement::Query(planner.query(*query)?)),
        ast::Statement::Explain { statement, analyze, .. } => match *statement {
            ast::Statement::Query(query) => {
                Ok(Statement::Explain { plan: planner.query(*query)?, analyze })
            }
            other => Err(unknown_statement(&other)),
        },
        ast::Statement::ShowTables { .. } => Ok(Statement::Tables),
        ast::Statement::ExplainTable { table_name, .. } => {
            Ok(Statement::Describe(planner.table_name(&table_name)?))
        }
        other => Err(unknown_statement(&other)),
    }
}

fn unknown_statement(statement: &ast::Statement) -> Error {
    let text = statement.to_string();
    let word = text.split_whitespace().next().unwrap_or("this");
    Error::invalid(format!(
        "SQL: {word} is not known; there are SELECT, WITH, FORECAST, DETECT ANOMALIES, EXPLAIN \
         [ANALYZE], SHOW TABLES and DESCRIBE. Tables are made, written and deleted from by create_table, write and delete"
    ))
}

/// Plans the queries of one text.
struct Planner<'a> {
    text: &'a str,
    catalog: &'a dyn Catalog,
    /// The names of common table expressions that can be seen where the planner is.
    ctes: RefCell<Vec<String>>,
}

/// Why a block of a query has no plan of its own here.
enum Miss {
    /// It is wrong.
    Error(Error),
    /// Polars may know it.
    Outside(String),
}

impl From<Error> for Miss {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What planning a block gives.
type Found<T> = std::result::Result<T, Miss>;

impl Planner<'_> {
    /// Plans a whole query.
    fn query(&self, query: ast::Query) -> Result<Plan> {
        match self.native(&query) {
            Ok(native) => Ok(Plan::Native(Box::new(native))),
            Err(Miss::Error(error)) => Err(error),
            Err(Miss::Outside(reason)) => Ok(Plan::Outside(self.outside(query, reason)?)),
        }
    }

    /// The common table expression that a name means, as it was written there.
    fn cte(&self, name: &str) -> Option<String> {
        self.ctes.borrow().iter().rev().find(|cte| cte.eq_ignore_ascii_case(name)).cloned()
    }

    /// Whether a name is that of a common table expression.
    fn is_cte(&self, name: &str) -> bool {
        self.cte(name).is_some()
    }

    /// The one word that names a table in FROM.
    fn named_in_from<'n>(&self, name: &'n ast::ObjectName) -> Found<&'n ast::Ident> {
        let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
            return self.wrong(name, format!("a table has a name of one part, not {name}"));
        };
        if ident.quote_style == Some('\'') {
            return self.wrong(ident, "FROM takes the name of a table, not text");
        }
        Ok(ident)
    }

    /// The name of a table as it was created, whatever case the query writes it in.
    fn table_name(&self, name: &ast::ObjectName) -> Result<String> {
        let parts: Vec<String> = name
            .0
            .iter()
            .filter_map(|part| part.as_ident().map(|ident| ident.value.clone()))
            .collect();
        Ok(self.catalog.table(&parts.join("."))?.name.clone())
    }
}
