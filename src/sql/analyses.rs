//! Table functions: analyses of the series of a table, `FROM changepoints(cpu, usage, by => [host])`.

mod values;

use sqlparser::ast::{self, Distinct, FunctionArg, FunctionArgExpr, LimitClause, TableFactor};

use super::aggregates::has_aggregate;
use super::condition::Columns;
use super::lower::{Scope, outside};
use super::select::{Row, expr_of, name_of, pushed, same};
use super::statements::{DETECT, FORECAST};
use super::{Found, Native, Planner, Query};
use crate::error::{Error, nearest};
use crate::model::{TableSchema, TimeRange};
use crate::query::expr::{Evaluator, Expr, Literal, Type};
use crate::query::predicate::conjuncts;
use crate::query::{AnalyzeQuery, Bucket, Events, Filter, Finish, Setting};
use values::items;

/// How long before an anomaly an event is told, unless `within` says so: an hour.
const WITHIN: i64 = 3_600_000_000_000;

/// An analysis with the columns of its result, where they are known.
pub(super) struct Analysis {
    table: String,
    query: AnalyzeQuery,
    columns: Option<Vec<(String, Type)>>,
}

impl Analysis {
    /// All of its rows.
    pub(super) fn whole(mut self) -> Native {
        self.query.finish.select = self.columns.as_deref().map(all);
        Native { table: self.table, query: Query::Analyze(Box::new(self.query)) }
    }
}

fn all(columns: &[(String, Type)]) -> Vec<(String, Expr)> {
    columns.iter().map(|(name, _)| (name.clone(), Expr::column(name))).collect()
}

/// The table function of FROM, where that is all there is.
pub(super) fn function_of(
    select: &ast::Select,
) -> Option<(&ast::ObjectName, &ast::TableFunctionArgs, Option<&ast::TableAlias>)> {
    let [from] = select.from.as_slice() else { return None };
    match &from.relation {
        TableFactor::Table { name, alias, args: Some(args), .. } if from.joins.is_empty() => {
            Some((name, args, alias.as_ref()))
        }
        _ => None,
    }
}

/// The columns of a result, which may be called by the name of the function.
struct Outputs<'a> {
    columns: Columns<'a>,
    alias: &'a str,
}

impl Scope for Outputs<'_> {
    fn column(&mut self, path: &[ast::Ident]) -> Found<Expr> {
        match path {
            [first, rest @ ..] if !rest.is_empty() && same(first, self.alias) => {
                self.columns.column(rest)
            }
            path => self.columns.column(path),
        }
    }

    fn aggregate(&mut self, call: &ast::Function) -> Found<Expr> {
        outside(format!("the aggregate {} of an analysis", call.name))
    }
}

impl Planner<'_> {
    /// The plan of a SELECT from a table function, where nothing is left for Polars.
    pub(super) fn of_function(
        &self,
        select: &ast::Select,
        order: Option<&ast::OrderBy>,
        limit: Option<&LimitClause>,
    ) -> Found<Native> {
        let Some((name, args, alias)) = function_of(select) else {
            return outside("a table function beside others".to_owned());
        };
        let mut analysis = self.analysis(name, args)?;
        self.only_known(select)?;
        let grouped = match &select.group_by {
            ast::GroupByExpr::All(_) => true,
            ast::GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
        };
        let aggregates = select.projection.iter().any(|i| expr_of(i).is_some_and(has_aggregate));
        if grouped || aggregates || select.having.is_some() || select.qualify.is_some() {
            return outside("groups of the rows of an analysis".to_owned());
        }
        if alias.is_some_and(|alias| !alias.columns.is_empty()) {
            return outside("an alias with columns".to_owned());
        }
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return outside("DISTINCT ON".to_owned()),
        };
        let Some(columns) = &analysis.columns else {
            return outside("an analysis whose columns are known once it is run".to_owned());
        };
        let shown = alias.map_or_else(|| name.to_string(), |alias| alias.name.value.clone());
        let columns = Columns { planner: self, columns };
        let mut scope = Outputs { columns, alias: &shown };
        let mut outputs = Vec::new();
        for item in &select.projection {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    let lowered = self.lower(expr, &mut scope)?;
                    outputs.push((name_of(expr, &lowered), lowered));
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => {
                    outputs.push((alias.value.clone(), self.lower(expr, &mut scope)?));
                }
                ast::SelectItem::Wildcard(options) if plain(options) => {
                    outputs.extend(all(scope.columns.columns));
                }
                other => return outside(format!("{other} of an analysis")),
            }
        }
        let outputs = super::select::distinct_names(outputs);
        let having = select.selection.as_ref().map(|e| self.lower(e, &mut scope)).transpose()?;
        let order = self.order(order, &outputs, &mut scope)?;
        let (limit, offset) = self.limits(limit)?;
        analysis.query.finish =
            Finish { having, select: Some(outputs), distinct, order, offset, limit };
        Ok(Native { table: analysis.table, query: Query::Analyze(Box::new(analysis.query)) })
    }

    /// An analysis from its call.
    pub(super) fn analysis(
        &self,
        name: &ast::ObjectName,
        args: &ast::TableFunctionArgs,
    ) -> Found<Analysis> {
        let written = name.to_string();
        let function = match written.as_str() {
            FORECAST => "forecast".to_owned(),
            DETECT => "detect".to_owned(),
            other => other.trim_matches('"').to_lowercase(),
        };
        let known = self.catalog.analyses();
        if !known.contains(&function.as_str()) {
            let near = nearest(&function, known);
            return self.wrong(name, format!("unknown table function {function:?}; {near}"));
        }
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        for arg in &args.args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if named.is_empty() => {
                    positional.push(expr);
                }
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                    named.push((name, expr));
                }
                other => {
                    return self.wrong(
                        name,
                        format!(
                            "{function} takes a table, fields and then options as in \
                             {function}(cpu, usage, by => [host]), not {other}"
                        ),
                    );
                }
            }
        }
        let Some((table, fields)) = positional.split_first() else {
            return self.wrong(name, format!("{function} needs a table: {function}(cpu, usage)"));
        };
        let table = self.ident(table, "a table")?;
        let schema = match self.catalog.table(&table.value) {
            Ok(schema) => schema,
            Err(Error::NotFound(what) | Error::InvalidArgument(what)) => {
                return self.wrong(table, what);
            }
            Err(error) => return Err(error.into()),
        };
        let mut query = AnalyzeQuery::new(&function, &[]);
        for field in fields {
            query.fields.push(self.field(self.ident(field, "a field")?, &schema)?);
        }
        let mut alert = None;
        for (key, value) in named {
            if key.value == "alert" {
                alert = Some(value);
            } else {
                self.argument(&mut query, key, value, &schema)?;
            }
        }
        let columns = match self.catalog.analysis(&query, &schema) {
            Ok(columns) => columns,
            Err(Error::NotFound(what) | Error::InvalidArgument(what)) => {
                return self.wrong(name, what);
            }
            Err(error) => return Err(error.into()),
        };
        let mut analysis = Analysis { table: schema.name.clone(), query, columns };
        if let Some(alert) = alert {
            self.alert(&mut analysis, alert)?;
        }
        Ok(analysis)
    }

    /// One argument by name.
    fn argument(
        &self,
        query: &mut AnalyzeQuery,
        key: &ast::Ident,
        value: &ast::Expr,
        schema: &TableSchema,
    ) -> Found<()> {
        match key.value.to_lowercase().as_str() {
            "by" => query.by = Some(self.tags(value, schema)?),
            "start" => {
                let start = self.time(value)?;
                query.range = query.range.intersect(&TimeRange::new(Some(start), None));
            }
            "end" => {
                let end = self.time(value)?;
                query.range = query.range.intersect(&TimeRange::new(None, Some(end)));
            }
            "every" => query.every = Some(Bucket::of(self.length(value)?)),
            "where" | "filter" => {
                let mut row = Row::new(self, schema, None);
                let condition = self.lower(value, &mut row)?;
                let conditions = conjuncts(&condition).into_iter().cloned().collect();
                let pushed = pushed(conditions, schema)?;
                query.range = query.range.intersect(&pushed.range);
                query.filter.extend(pushed.filter);
                query.predicate = pushed.predicate;
            }
            "related" => {
                for one in items(value) {
                    query.related.push(self.field(self.ident(one, "a field")?, schema)?);
                }
            }
            "events" => {
                let table = self.ident(value, "a table")?;
                let table = match self.catalog.table(&table.value) {
                    Ok(found) => found.name.clone(),
                    Err(error) => return self.wrong(table, error),
                };
                query.events =
                    Some(Events { table, field: None, filter: Filter::new(), within: WITHIN });
            }
            "__using" => self.method(query, value)?,
            name => query.settings.push((name.to_owned(), self.setting(value)?)),
        }
        Ok(())
    }

    /// `USING method(option = value, option => value)`
    fn method(&self, query: &mut AnalyzeQuery, value: &ast::Expr) -> Found<()> {
        let text = |text: &str| Setting::One(Literal::Str(text.to_owned()));
        let call = match value {
            ast::Expr::Function(call) => call,
            other => {
                let method = self.ident(other, "a method")?;
                query.settings.push(("method".to_owned(), text(&method.value.to_lowercase())));
                return Ok(());
            }
        };
        query.settings.push(("method".to_owned(), text(&call.name.to_string().to_lowercase())));
        let ast::FunctionArguments::List(list) = &call.args else { return Ok(()) };
        for arg in &list.args {
            let (key, value) = match arg {
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => (name, value),
                FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::BinaryOp {
                    left,
                    op: ast::BinaryOperator::Eq,
                    right,
                })) => (self.ident(left, "an option")?, &**right),
                other => {
                    let what = format!("options have names, as in trees = 200, not {other}");
                    return self.wrong(call, what);
                }
            };
            query.settings.push((key.value.to_lowercase(), self.setting(value)?));
        }
        Ok(())
    }

    /// `ALERT ON score > 0.8`
    fn alert(&self, analysis: &mut Analysis, value: &ast::Expr) -> Found<()> {
        let Some(columns) = &mut analysis.columns else {
            return self
                .wrong(value, "the columns of this analysis are not known before it is run");
        };
        let lowered = self.lower(value, &mut Columns { planner: self, columns })?;
        match Evaluator::new(&lowered, columns).map(|evaluator| evaluator.ty()) {
            Ok(Type::Bool | Type::Null) => {}
            Ok(ty) => {
                let what = format!("{value} is {}; ALERT ON takes a condition", ty.name());
                return self.wrong(value, what);
            }
            Err(error) => return self.wrong(value, error),
        }
        columns.push(("alert".to_owned(), Type::Bool));
        analysis.query.alert = Some(lowered);
        Ok(())
    }
}

/// Whether a star has nothing left out nor renamed.
fn plain(options: &ast::WildcardAdditionalOptions) -> bool {
    options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_ilike.is_none()
}
