//! What one table does not answer alone: Polars' SQL over parts that do.
//!
//! Each subquery, common table expression and operand of UNION that has a plan of its own becomes a
//! part. Tables that are left become parts too, that read the columns named in the query, with the
//! conditions of WHERE that speak of the table alone, and, where there is only one table, with
//! every expression of its columns computed: Polars then sees columns, and functions, intervals and
//! the rules of arithmetic are kymograph's throughout.

mod asof;
mod render;
mod scalars;

use sqlparser::ast::{self, SetExpr, TableFactor};

use super::lower::chain;
use super::select::{Row, pushed};
use super::{AsofJoin, Found, Miss, Native, Outside, Planner, Query};
use crate::error::{Error, Result};
use crate::query::expr::Expr;
use crate::query::{Finish, OrderBy, ReadQuery};
use scalars::Scalars;

impl Planner<'_> {
    /// The plan of a query that Polars finishes.
    pub(super) fn outside(&self, mut query: ast::Query, reason: String) -> Result<Outside> {
        let mut rest =
            Rest { planner: self, parts: Vec::new(), joins: Vec::new(), ctes: Vec::new() };
        match rest.query(&mut query) {
            Ok(()) => {}
            Err(Miss::Error(error)) => return Err(error),
            Err(Miss::Outside(what)) => {
                return Err(Error::invalid(format!(
                    "SQL: this cannot be run: {what}, in a query that goes to Polars for {reason}"
                )));
            }
        }
        Ok(Outside {
            sql: render::rendered(&mut query),
            reason,
            parts: rest.parts,
            joins: rest.joins,
        })
    }
}

/// A query while its parts are taken out.
struct Rest<'a> {
    planner: &'a Planner<'a>,
    parts: Vec<(String, Native)>,
    joins: Vec<AsofJoin>,
    /// Common table expressions that are parts, with their columns.
    ctes: Vec<(String, Vec<String>)>,
}

/// A table in FROM that is to become a part.
struct Source {
    /// The name that the query has for it.
    alias: ast::Ident,
    table: String,
    /// Whether rows that a condition of WHERE drops may be dropped before the join.
    droppable: bool,
}

impl Rest<'_> {
    /// Takes the parts out of a query that has no plan of its own.
    fn query(&mut self, query: &mut ast::Query) -> Found<()> {
        let outer = self.planner.ctes.borrow().len();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let name = cte.alias.name.value.clone();
                let parts = self.parts.len();
                if !with.recursive && self.block(&mut cte.query)? {
                    let (_, native) = &self.parts[parts];
                    let columns = native.columns(&*self.planner.catalog.table(&native.table)?);
                    self.ctes.push((name, columns));
                }
                self.planner.ctes.borrow_mut().push(cte.alias.name.value.clone());
            }
        }
        // Nulls come last unless it says otherwise; Polars puts them first where it goes down.
        if let Some(ast::OrderBy { kind: ast::OrderByKind::Expressions(keys), .. }) =
            &mut query.order_by
        {
            for key in keys {
                key.options.nulls_first.get_or_insert(false);
            }
        }
        let done = match &mut *query.body {
            SetExpr::Select(select) => self.select(select, query.order_by.as_mut()),
            _ => self.set(&mut query.body),
        };
        self.planner.ctes.borrow_mut().truncate(outer);
        done
    }

    /// A subquery: a part where it can be one, which it tells.
    fn block(&mut self, query: &mut ast::Query) -> Found<bool> {
        match self.planner.native(query) {
            Ok(native) => {
                let name = self.part(native);
                *query = all_of(&name);
                Ok(true)
            }
            Err(Miss::Outside(_)) => self.query(query).map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// The operands of UNION, EXCEPT and INTERSECT.
    fn set(&mut self, body: &mut SetExpr) -> Found<()> {
        match body {
            SetExpr::SetOperation { left, right, .. } => {
                self.set(left)?;
                self.set(right)
            }
            SetExpr::Query(query) => self.block(query).map(drop),
            SetExpr::Select(_) => {
                let mut query = whole(body.clone());
                self.block(&mut query)?;
                *body = *query.body;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn part(&mut self, native: Native) -> String {
        let name = format!("__part{}", self.parts.len());
        self.parts.push((name.clone(), native));
        name
    }

    fn select(&mut self, select: &mut ast::Select, order: Option<&mut ast::OrderBy>) -> Found<()> {
        let is_asof =
            |join: &ast::Join| matches!(join.join_operator, ast::JoinOperator::AsOf { .. });
        if select.from.iter().any(|from| from.joins.iter().any(is_asof)) {
            return self.asof(select, order);
        }
        // What the query names, before anything is replaced.
        let names = Names::of(select, order.as_deref());
        let mut sources = Vec::new();
        let mut relations = 0;
        for from in &mut select.from {
            // The rows of a table that an outer join fills up cannot be dropped before it.
            let outer = |join: &ast::Join, right: bool| match &join.join_operator {
                ast::JoinOperator::Left(_) | ast::JoinOperator::LeftOuter(_) => right,
                ast::JoinOperator::Right(_) | ast::JoinOperator::RightOuter(_) => !right,
                ast::JoinOperator::FullOuter(_) => true,
                _ => false,
            };
            let kept = from.joins.iter().any(|join| outer(join, false));
            self.relation(&mut from.relation, !kept, &mut sources)?;
            relations += 1 + from.joins.len();
            for at in 0..from.joins.len() {
                let filled = outer(&from.joins[at], true)
                    || from.joins[at + 1..].iter().any(|later| outer(later, false));
                self.relation(&mut from.joins[at].relation, !filled, &mut sources)?;
            }
        }
        let alone = relations == 1;
        let mut replaced = Vec::new();
        for source in &sources {
            let part = self.scan(source, select, &names, &sources, relations)?;
            replaced.push((source.alias.clone(), self.part(part)));
        }
        for from in &mut select.from {
            rename(&mut from.relation, &replaced);
            from.joins.iter_mut().for_each(|join| rename(&mut join.relation, &replaced));
        }
        let only = match (alone, sources.as_slice()) {
            (true, [source]) => {
                let schema = self.planner.catalog.table(&source.table)?;
                Some((schema, source.alias.value.clone(), self.parts.len() - 1))
            }
            _ => None,
        };
        let mut order = order;
        let known = match (&only, select.from.as_slice()) {
            (Some((schema, ..)), _) => super::select::names(schema).map(str::to_owned).collect(),
            (None, [from]) if alone => self.columns_of(&from.relation),
            _ => Vec::new(),
        };
        let order_by = order.as_deref_mut();
        let computed = Scalars::replace(self, select, order_by, only.as_ref(), &known)?;
        if let Some((schema, _, part)) = only
            && let Some((_, Native { query: Query::Read(read), .. })) = self.parts.get_mut(part)
        {
            if let Some(outputs) = &mut read.finish.select {
                // What is computed may have been all that a column was read for.
                let names = Names::of(select, order.as_deref());
                outputs.retain(|(name, _)| names.has(name));
                outputs.extend(computed);
                if outputs.is_empty() {
                    outputs.push(("time".to_owned(), Expr::column("time")));
                }
            }
            read.fields = Some(fields_of(read, &schema));
        }
        Ok(())
    }

    /// The columns of a common table expression, where they are known.
    fn columns_of(&self, relation: &TableFactor) -> Vec<String> {
        let TableFactor::Table { name, .. } = relation else { return Vec::new() };
        let [ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return Vec::new() };
        let cte = self.ctes.iter().rev().find(|(cte, _)| *cte == ident.value);
        cte.map_or_else(Vec::new, |(_, columns)| columns.clone())
    }

    /// Looks at a relation of FROM: a table to become a part, or a subquery.
    fn relation(
        &mut self,
        relation: &mut TableFactor,
        droppable: bool,
        sources: &mut Vec<Source>,
    ) -> Found<()> {
        match relation {
            TableFactor::Table { name, alias, args: None, .. } => {
                let ident = self.planner.named_in_from(name)?;
                let cte = self.planner.cte(&ident.value);
                if let Some(cte) = cte {
                    // Polars tells names apart by their case.
                    let shown = alias.as_ref().map_or(ident, |alias| &alias.name).clone();
                    *name = ast::ObjectName::from(vec![ast::Ident::with_quote('"', cte)]);
                    alias.get_or_insert(named(shown));
                } else {
                    let table = self.planner.catalog.table(&ident.value)?.name.clone();
                    let alias = alias.as_ref().map_or(ident, |alias| &alias.name).clone();
                    sources.push(Source { alias, table, droppable });
                }
                Ok(())
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                let native = self.planner.analysis(name, args)?.whole();
                let shown = match alias {
                    Some(alias) => alias.name.clone(),
                    None => ast::Ident::new(name.to_string().trim_matches('"')),
                };
                let mut part = table(&self.part(native));
                if let TableFactor::Table { alias, .. } = &mut part {
                    *alias = Some(named(shown));
                }
                *relation = part;
                Ok(())
            }
            TableFactor::Derived { subquery, .. } => self.block(subquery).map(drop),
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.relation(&mut table_with_joins.relation, false, sources)?;
                for join in &mut table_with_joins.joins {
                    self.relation(&mut join.relation, false, sources)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A part that reads what the query needs of one table; takes the conditions that it applies
    /// out of WHERE.
    fn scan(
        &self,
        source: &Source,
        select: &mut ast::Select,
        names: &Names,
        sources: &[Source],
        relations: usize,
    ) -> Found<Native> {
        let schema = self.planner.catalog.table(&source.table)?;
        let mut conditions = Vec::new();
        if source.droppable
            && let Some(selection) = select.selection.take()
        {
            let mut left = Vec::new();
            for condition in chain(&selection, &ast::BinaryOperator::And) {
                let alone =
                    relations == 1 || self.speaks_of(condition, source, sources, relations)?;
                let mut row = Row::new(self.planner, &schema, Some(&source.alias.value));
                match self.planner.lower(condition, &mut row) {
                    Ok(lowered) if alone => conditions.push(lowered),
                    _ => left.push(condition.clone()),
                }
            }
            select.selection = all(left);
        }
        let pushed = pushed(conditions, &schema)?;
        // The first and the last of a group are those by time.
        let by_time = relations == 1 && names.ends;
        let order = by_time.then(|| OrderBy::column("time", false)).into_iter().collect();
        let wanted = |name: &&str| *name == "time" || names.has(name);
        let outputs: Vec<(String, Expr)> = super::select::names(&schema)
            .filter(wanted)
            .map(|name| (name.to_owned(), Expr::column(name)))
            .collect();
        let fields = schema.fields.iter().map(|field| field.name.clone());
        let fields = fields.filter(|name| names.has(name)).collect();
        Ok(Native {
            table: source.table.clone(),
            query: Query::Read(ReadQuery {
                fields: Some(fields),
                filter: pushed.filter,
                range: pushed.range,
                every_row: true,
                predicate: pushed.predicate,
                finish: Finish { select: Some(outputs), order, ..Finish::default() },
            }),
        })
    }

    /// Whether every column of a condition is surely one of `source`.
    fn speaks_of(
        &self,
        condition: &ast::Expr,
        source: &Source,
        sources: &[Source],
        relations: usize,
    ) -> Found<bool> {
        use std::ops::ControlFlow;
        let mut schemas = Vec::with_capacity(sources.len());
        for other in sources {
            schemas.push((other.alias.value.as_str(), self.planner.catalog.table(&other.table)?));
        }
        let holds = |ident: &ast::Ident, alias: &str| {
            schemas.iter().any(|(name, schema)| {
                *name == alias
                    && super::select::names(schema).any(|name| super::select::same(ident, name))
            })
        };
        let own = source.alias.value.as_str();
        let flow = ast::visit_expressions(condition, |expr| {
            let ours = match expr {
                ast::Expr::Identifier(ident) => {
                    // With a relation whose columns are not known here, a bare name is anyone's.
                    relations == sources.len()
                        && holds(ident, own)
                        && !schemas.iter().any(|(name, _)| *name != own && holds(ident, name))
                }
                ast::Expr::CompoundIdentifier(path) => {
                    path.len() == 2 && super::select::same(&path[0], own)
                }
                _ => true,
            };
            if ours { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        Ok(flow.is_continue())
    }
}

/// The fields that a read must decode for its outputs.
fn fields_of(read: &ReadQuery, schema: &crate::model::TableSchema) -> Vec<String> {
    let outputs = read.finish.select.iter().flatten();
    let used: Vec<&str> = outputs.flat_map(|(_, expr)| expr.columns()).collect();
    let fields = schema.fields.iter().map(|field| field.name.clone());
    fields.filter(|name| used.contains(&name.as_str())).collect()
}

/// The names that stand in a SELECT.
struct Names {
    words: std::collections::HashSet<String>,
    all: bool,
    /// `first` or `last` are asked for.
    ends: bool,
}

impl Names {
    fn of(select: &ast::Select, order: Option<&ast::OrderBy>) -> Self {
        use std::ops::ControlFlow;
        let mut words = std::collections::HashSet::new();
        let mut ends = false;
        let mut see = |expr: &ast::Expr| {
            match expr {
                ast::Expr::Identifier(ident) => {
                    words.insert(ident.value.to_lowercase());
                }
                ast::Expr::CompoundIdentifier(path) => {
                    words.extend(path.iter().map(|ident| ident.value.to_lowercase()));
                }
                ast::Expr::Function(call) => ends |= scalars::is_end(call),
                _ => {}
            }
            ControlFlow::<()>::Continue(())
        };
        let _ = ast::visit_expressions(select, &mut see);
        if let Some(order) = order {
            let _ = ast::visit_expressions(order, &mut see);
        }
        // USING names its columns in no expression.
        for join in select.from.iter().flat_map(|from| &from.joins) {
            if let Some(ast::JoinConstraint::Using(columns)) = constraint(&join.join_operator) {
                words.extend(columns.iter().map(|column| column.to_string().to_lowercase()));
            }
        }
        let natural = select.from.iter().flat_map(|from| &from.joins).any(|join| {
            matches!(constraint(&join.join_operator), Some(ast::JoinConstraint::Natural))
        });
        let star = |item: &ast::SelectItem| super::select::expr_of(item).is_none();
        Self { words, all: natural || select.projection.iter().any(star), ends }
    }

    fn has(&self, name: &str) -> bool {
        self.all || self.words.contains(&name.to_lowercase())
    }
}

fn constraint(join: &ast::JoinOperator) -> Option<&ast::JoinConstraint> {
    use ast::JoinOperator as J;
    match join {
        J::Join(c)
        | J::Inner(c)
        | J::Left(c)
        | J::LeftOuter(c)
        | J::Right(c)
        | J::RightOuter(c)
        | J::FullOuter(c)
        | J::Semi(c)
        | J::LeftSemi(c)
        | J::RightSemi(c)
        | J::Anti(c)
        | J::LeftAnti(c)
        | J::RightAnti(c) => Some(c),
        J::AsOf { constraint, .. } => Some(constraint),
        _ => None,
    }
}

/// Puts the parts in the place of their tables.
fn rename(relation: &mut TableFactor, replaced: &[(ast::Ident, String)]) {
    if let TableFactor::NestedJoin { table_with_joins, .. } = relation {
        rename(&mut table_with_joins.relation, replaced);
        table_with_joins.joins.iter_mut().for_each(|join| rename(&mut join.relation, replaced));
        return;
    }
    let TableFactor::Table { name, alias, .. } = relation else { return };
    let shown = match (&alias, name.0.as_slice()) {
        (Some(alias), _) => alias.name.clone(),
        (None, [ast::ObjectNamePart::Identifier(ident)]) => ident.clone(),
        _ => return,
    };
    if let Some((_, part)) = replaced.iter().find(|(alias, _)| *alias == shown) {
        *name = ast::ObjectName::from(vec![ast::Ident::new(part)]);
        *alias = Some(named(shown));
    }
}

/// The conditions as one, where there are any.
fn all(conditions: Vec<ast::Expr>) -> Option<ast::Expr> {
    conditions.into_iter().reduce(|left, right| ast::Expr::BinaryOp {
        left: Box::new(left),
        op: ast::BinaryOperator::And,
        right: Box::new(right),
    })
}

fn named(name: ast::Ident) -> ast::TableAlias {
    ast::TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

/// `SELECT * FROM part`
fn all_of(part: &str) -> ast::Query {
    let text = format!("SELECT * FROM {part}");
    let parsed = sqlparser::parser::Parser::parse_sql(&super::dialect::Kymograph, &text);
    match parsed.ok().and_then(|mut statements| statements.pop()) {
        Some(ast::Statement::Query(query)) => *query,
        _ => unreachable!("the text is SQL"),
    }
}

/// A table in FROM.
fn table(name: &str) -> TableFactor {
    match *all_of(name).body {
        SetExpr::Select(mut select) if select.from.len() == 1 => select.from.remove(0).relation,
        _ => unreachable!("the query is of one table"),
    }
}

/// A query of a body alone.
fn whole(body: SetExpr) -> ast::Query {
    let mut query = all_of("x");
    query.body = Box::new(body);
    query
}
