//! Statements of the query language: planned here, run on one state of the database.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema, TimeUnit};

use super::{Database, analyze};
use crate::analytics;
use crate::error::{Error, Result};
use crate::model::{TableSchema, TimeRange};
use crate::query::expr::{Expr, Literal, Type};
use crate::query::{self, AggregateQuery, AnalyzeQuery, ChunkSource, Filter, QueryContext};
use crate::sql::{self, Catalog, Native, Outside, Parameters, Plan, Query, Statement};

/// The answer to a statement.
#[derive(Debug)]
pub enum SqlAnswer {
    /// Rows.
    Rows(RecordBatch),
    /// The parts of a query that Polars finishes, all of one moment.
    Unfinished {
        /// What is left to do.
        outside: Outside,
        /// Each part's name and rows.
        parts: Vec<(String, RecordBatch)>,
        /// The lines of `EXPLAIN ANALYZE`, when that was asked.
        explained: Option<Vec<String>>,
    },
}

impl Database {
    /// Plans and runs one statement of SQL.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] that points at line and column, [`Error::NotFound`] for unknown
    /// tables, and as [`Self::read`].
    pub fn sql(
        &self,
        text: &str,
        parameters: &Parameters,
        context: &QueryContext,
    ) -> Result<SqlAnswer> {
        self.ready()?;
        let tables = Tables { db: self, context, now: self.now(), moment: RefCell::new(None) };
        let statement = sql::plan(text, parameters, &tables)?;
        // What subqueries saw, the rest must see.
        let moment = tables.moment.into_inner();
        let db = moment.as_ref().unwrap_or(self);
        match statement {
            Statement::Query(Plan::Native(native)) => {
                Ok(SqlAnswer::Rows(db.run(&native, context)?))
            }
            Statement::Query(Plan::Outside(outside)) => {
                let parts = db.run_parts(&outside, context)?;
                Ok(SqlAnswer::Unfinished { outside, parts, explained: None })
            }
            Statement::Explain { plan, analyze } => db.explain(plan, analyze, context),
            Statement::Tables => {
                let tables = db.tables()?;
                Ok(SqlAnswer::Rows(texts(&[("table", tables)])?))
            }
            Statement::Describe(table) => Ok(SqlAnswer::Rows(described(&db.schema(&table)?)?)),
        }
    }

    /// A condition on the rows of a table, from its text.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] that points at line and column, [`Error::NotFound`] for an
    /// unknown table.
    pub fn condition(&self, table: &str, text: &str, parameters: &Parameters) -> Result<Expr> {
        let columns = sql::row_columns(&self.schema(table)?);
        sql::condition(text, parameters, &columns, self.now())
    }

    /// A condition on the groups of an aggregate query of fields, from its text.
    ///
    /// # Errors
    /// As [`Self::condition`].
    pub fn having(&self, table: &str, query: &AggregateQuery, text: &str) -> Result<Expr> {
        let columns = query::result_columns(&self.schema(table)?, query)?;
        sql::condition(text, &Parameters::None, &columns, self.now())
            .map_err(|e| e.within("having"))
    }

    /// A condition on the rows of an analysis' result, from its text.
    ///
    /// # Errors
    /// As [`Self::condition`], and [`Error::NotFound`] for an unknown analysis.
    pub fn alert(&self, table: &str, query: &AnalyzeQuery, text: &str) -> Result<Expr> {
        let columns = analyze::columns(query, &self.schema(table)?)?.ok_or_else(|| {
            Error::invalid("alert: the columns of this analysis are not known before it is run")
        })?;
        sql::condition(text, &Parameters::None, &columns, self.now()).map_err(|e| e.within("alert"))
    }

    /// Runs a query of one table.
    fn run(&self, native: &Native, context: &QueryContext) -> Result<RecordBatch> {
        self.answer_all(&native.scopes(), context, |sources, context| {
            execute(sources, &native.query, context)
        })
    }

    /// Runs the parts of a query on one moment.
    fn run_parts(
        &self,
        outside: &Outside,
        context: &QueryContext,
    ) -> Result<Vec<(String, RecordBatch)>> {
        let wanted: Vec<Vec<(&str, &Filter, TimeRange)>> =
            outside.parts.iter().map(|(_, part)| part.scopes()).collect();
        self.answer_all(&wanted.concat(), context, |mut sources, context| {
            let parts = outside.parts.iter().zip(&wanted);
            parts
                .map(|((name, part), wanted)| {
                    let (own, rest) = sources.split_at(wanted.len());
                    sources = rest;
                    Ok((name.clone(), execute(own, &part.query, context)?))
                })
                .collect()
        })
    }

    fn explain(&self, plan: Plan, analyze: bool, context: &QueryContext) -> Result<SqlAnswer> {
        match plan {
            Plan::Native(native) => {
                let (lines, _) = self.explain_part(&native, analyze, context)?;
                Ok(SqlAnswer::Rows(texts(&[("plan", lines)])?))
            }
            Plan::Outside(outside) => {
                let mut lines = vec![format!("Polars, for {}", outside.reason)];
                lines.push(format!("  SQL: {}", outside.sql));
                for join in &outside.joins {
                    let by = join.by.iter().map(|(left, right)| format!("{left} = {right}, "));
                    lines.push(format!(
                        "  {}: {} ASOF JOIN {}, {}{} {} {}",
                        join.name,
                        join.left.0,
                        join.right.0,
                        by.collect::<String>(),
                        join.on.0,
                        if join.equal { ">=" } else { ">" },
                        join.on.1
                    ));
                }
                let mut parts = Vec::new();
                for (name, part) in &outside.parts {
                    let (of_part, rows) = self.explain_part(part, analyze, context)?;
                    lines.push(format!("  {name}:"));
                    lines.extend(of_part.into_iter().map(|line| format!("    {line}")));
                    parts.extend(rows.map(|rows| (name.clone(), rows)));
                }
                if analyze {
                    let explained = Some(lines);
                    return Ok(SqlAnswer::Unfinished { outside, parts, explained });
                }
                Ok(SqlAnswer::Rows(texts(&[("plan", lines)])?))
            }
        }
    }

    /// What a query of one table does, and its rows when it was run.
    fn explain_part(
        &self,
        native: &Native,
        analyze: bool,
        context: &QueryContext,
    ) -> Result<(Vec<String>, Option<RecordBatch>)> {
        // All of the table, so that what is left out can be counted.
        let none = Filter::new();
        let mut wanted = native.scopes();
        wanted[0] = (&native.table, &none, TimeRange::ALL);
        self.answer_all(&wanted, context, |sources, context| {
            let source = first(sources)?;
            let mut lines = match &native.query {
                Query::Aggregate(query) => query::explain::aggregate(source, query, context)?,
                Query::Read(query) => query::explain::read(source, query, context)?,
                Query::Last(query) => query::explain::last(source, query, context)?,
                Query::Analyze(query) => query.explain(source, context)?,
            };
            if !analyze {
                return Ok((lines, None));
            }
            let begin = Instant::now();
            let before = context.memory.used();
            let rows = execute(sources, &native.query, context)?;
            lines.push(format!(
                "  took:       {:.3} ms, {} rows, {} bytes of memory charged",
                begin.elapsed().as_secs_f64() * 1e3,
                rows.num_rows(),
                context.memory.used() - before
            ));
            Ok((lines, Some(rows)))
        })
    }
}

/// Runs a query on its sources: its table, and for some analyses that of events.
fn execute(
    sources: &[&dyn ChunkSource],
    query: &Query,
    context: &QueryContext,
) -> Result<RecordBatch> {
    let source = first(sources)?;
    match query {
        Query::Aggregate(query) => query::aggregate(source, query, context),
        Query::Read(query) => query::read(source, query, context),
        Query::Last(query) => query::last(source, query, context),
        Query::Analyze(query) => analyze::analyze(sources, query, context),
    }
}

fn first<'a>(sources: &[&'a dyn ChunkSource]) -> Result<&'a dyn ChunkSource> {
    sources.first().copied().ok_or_else(|| Error::Internal("a query without a source".to_owned()))
}

/// The database as planning sees it.
struct Tables<'a> {
    db: &'a Database,
    context: &'a QueryContext,
    now: i64,
    /// The moment that subqueries were run at, from the first on.
    moment: RefCell<Option<Database>>,
}

impl Catalog for Tables<'_> {
    fn table(&self, name: &str) -> Result<Arc<TableSchema>> {
        let moment = self.moment.borrow();
        let db = moment.as_ref().unwrap_or(self.db);
        let names = db.tables()?;
        let exact = names.iter().find(|known| *known == name);
        let mut any = names.iter().filter(|known| known.eq_ignore_ascii_case(name));
        match (exact, any.next(), any.next()) {
            (Some(name), ..) | (None, Some(name), None) => Ok(Arc::new(db.schema(name)?)),
            (None, Some(a), Some(b)) => Err(Error::invalid(format!(
                "{name:?} may be {a:?} or {b:?}; write it in their case"
            ))),
            (None, None, _) => Err(Error::unknown("table", name, names.iter().map(String::as_str))),
        }
    }

    fn column(&self, query: &Native) -> Result<Vec<Literal>> {
        let mut moment = self.moment.borrow_mut();
        let db = match &mut *moment {
            Some(db) => db,
            empty => {
                let moment = self.db.snapshot()?;
                empty.insert(Database { pruning: self.db.pruning, ..moment })
            }
        };
        let rows = db.run(query, self.context)?;
        if rows.num_columns() != 1 {
            return Err(Error::invalid(format!(
                "SQL: a subquery among values has one column, and this one has {}",
                rows.num_columns()
            )));
        }
        literals(rows.column(0))
    }

    fn analyses(&self) -> Vec<&'static str> {
        analytics::functions().map(|function| function.name).collect()
    }

    fn analysis(
        &self,
        query: &AnalyzeQuery,
        schema: &TableSchema,
    ) -> Result<Option<Vec<(String, Type)>>> {
        analyze::columns(query, schema)
    }

    fn now(&self) -> i64 {
        self.now
    }
}

/// The values of a column.
fn literals(column: &ArrayRef) -> Result<Vec<Literal>> {
    let failed = |e: arrow_schema::ArrowError| Error::Internal(e.to_string());
    let ty = Type::of(column.data_type());
    let plain = match ty {
        Type::Int => cast(column, &DataType::Int64),
        Type::Float => cast(column, &DataType::Float64),
        Type::Str => cast(column, &DataType::Utf8),
        Type::Time => cast(column, &DataType::Timestamp(TimeUnit::Nanosecond, None)),
        Type::Bool | Type::Null => Ok(Arc::clone(column)),
        Type::Interval | Type::Other => {
            return Err(Error::invalid(format!(
                "SQL: a subquery among values cannot have a column of {}",
                ty.name()
            )));
        }
    };
    let plain = plain.map_err(failed)?;
    let value = |row: usize| match ty {
        _ if plain.is_null(row) => Literal::Null,
        Type::Int => Literal::Int(plain.as_primitive::<Int64Type>().value(row)),
        Type::Float => Literal::Float(plain.as_primitive::<Float64Type>().value(row)),
        Type::Str => Literal::Str(plain.as_string::<i32>().value(row).to_owned()),
        Type::Time => Literal::Time(plain.as_primitive::<TimestampNanosecondType>().value(row)),
        Type::Bool => Literal::Bool(plain.as_boolean().value(row)),
        _ => Literal::Null,
    };
    Ok((0..plain.len()).map(value).collect())
}

/// A table's columns with what they are.
fn described(schema: &TableSchema) -> Result<RecordBatch> {
    let mut rows = vec![("time".to_owned(), "time".to_owned(), "TIMESTAMP".to_owned())];
    rows.extend(
        schema.tags.iter().map(|tag| (tag.clone(), "tag".to_owned(), "VARCHAR".to_owned())),
    );
    rows.extend(schema.fields.iter().map(|field| {
        let ty = Type::from(field.ty).name();
        (field.name.clone(), "field".to_owned(), ty.to_owned())
    }));
    let (mut names, mut kinds, mut types) = (Vec::new(), Vec::new(), Vec::new());
    for (name, kind, ty) in rows {
        names.push(name);
        kinds.push(kind);
        types.push(ty);
    }
    texts(&[("column", names), ("kind", kinds), ("type", types)])
}

/// Columns of text.
fn texts(columns: &[(&str, Vec<String>)]) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, _)| Field::new(*name, DataType::Utf8, false)).collect();
    let arrays = columns
        .iter()
        .map(|(_, values)| Arc::new(StringArray::from_iter_values(values)) as ArrayRef)
        .collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| Error::Internal(e.to_string()))
}
