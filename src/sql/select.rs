//! A block of a query over one table: from syntax to a plan of [`crate::query`].

mod groups;
mod predicate;
mod row;

use sqlparser::ast::{
    self, Distinct, GroupByExpr, LimitClause, OrderByKind, OrderBySort, SelectItem, SetExpr,
    TableFactor,
};

use groups::{Groups, Keys};
pub(super) use predicate::{Pushed, pushed};
pub(super) use row::{Nowhere, Row, columns, names, same};

use super::aggregates::has_aggregate;
use super::clauses::LATEST;
use super::lower::{Scope, outside};
use super::{Found, Miss, Native, Planner, Query};
use crate::model::{Duplicates, TableSchema};
use crate::query::expr::{Expr, Literal};
use crate::query::predicate::conjuncts;
use crate::query::{AggregateQuery, Finish, LastQuery, OrderBy, ReadQuery};

/// A column of the result: its name, and what it is.
type Output = (String, Expr);

impl Planner<'_> {
    /// The plan of a query, where one table answers it.
    pub(super) fn native(&self, query: &ast::Query) -> Found<Native> {
        if query.with.is_some() {
            return outside("a common table expression".to_owned());
        }
        if query.fetch.is_some() || !query.locks.is_empty() || !query.pipe_operators.is_empty() {
            return outside("FETCH, FOR or a pipe".to_owned());
        }
        let select = match &*query.body {
            SetExpr::Select(select) => select,
            SetExpr::Query(inner) if query.order_by.is_none() && query.limit_clause.is_none() => {
                return self.native(inner);
            }
            SetExpr::SetOperation { op, .. } => return outside(op.to_string()),
            _ => return outside("a query that is no SELECT".to_owned()),
        };
        self.select(select, query.order_by.as_ref(), query.limit_clause.as_ref())
    }

    fn select(
        &self,
        select: &ast::Select,
        order: Option<&ast::OrderBy>,
        limit: Option<&LimitClause>,
    ) -> Found<Native> {
        if super::analyses::function_of(select).is_some() {
            return self.of_function(select, order, limit);
        }
        let (name, alias) = self.one_table(select)?;
        let schema = match self.catalog.table(&name.value) {
            Ok(schema) => schema,
            Err(error) => {
                let at = name.span.start;
                return Err(Miss::Error(
                    error.within(format!("SQL, line {}, column {}", at.line, at.column)),
                ));
            }
        };
        self.only_known(select)?;
        let mut row = Row::new(self, &schema, alias.map(|alias| alias.value.as_str()));
        let conditions = match &select.selection {
            Some(condition) => {
                let condition = self.lower(condition, &mut row)?;
                conjuncts(&condition).into_iter().cloned().collect()
            }
            None => Vec::new(),
        };
        let pushed = pushed(conditions, &schema)?;
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) => true,
            Some(Distinct::On(_)) => return outside("DISTINCT ON".to_owned()),
        };
        let (limit, offset) = self.limits(limit)?;
        let finish = Finish { distinct, offset, limit, ..Finish::default() };

        let latest = select.qualify.as_ref().map(|qualify| self.latest(qualify, &mut row));
        let latest = latest.transpose()?;
        let grouped = match &select.group_by {
            GroupByExpr::All(_) => true,
            GroupByExpr::Expressions(keys, _) => !keys.is_empty(),
        };
        let aggregates = grouped
            || select.having.is_some()
            || select.projection.iter().any(|item| expr_of(item).is_some_and(has_aggregate));
        let tags_alone = distinct && latest.is_none() && self.names_tags_alone(select, &mut row);
        let query = if aggregates || tags_alone {
            if latest.is_some() {
                return outside("LATEST ON with aggregates".to_owned());
            }
            self.groups(select, order, &schema, row, pushed, finish, tags_alone)?
        } else {
            self.rows(select, order, &schema, row, pushed, finish, latest)?
        };
        Ok(Native { table: schema.name.clone(), query })
    }

    /// The one table of FROM, and its alias.
    fn one_table<'a>(
        &self,
        select: &'a ast::Select,
    ) -> Found<(&'a ast::Ident, Option<&'a ast::Ident>)> {
        let [from] = select.from.as_slice() else {
            let what = if select.from.is_empty() { "no table" } else { "several tables" };
            return outside(what.to_owned());
        };
        if let Some(join) = from.joins.first() {
            let asof = matches!(join.join_operator, ast::JoinOperator::AsOf { .. });
            return outside(if asof { "ASOF JOIN" } else { "JOIN" }.to_owned());
        }
        match &from.relation {
            TableFactor::Table { name, alias, args: None, sample: None, .. } => {
                let ident = self.named_in_from(name)?;
                if self.is_cte(&ident.value) {
                    return outside("a common table expression".to_owned());
                }
                let alias = alias.as_ref();
                if alias.is_some_and(|alias| !alias.columns.is_empty()) {
                    return outside("an alias with columns".to_owned());
                }
                Ok((ident, alias.map(|alias| &alias.name)))
            }
            TableFactor::Derived { .. } => outside("a subquery in FROM".to_owned()),
            other => outside(format!("{other} in FROM")),
        }
    }

    /// Refuses what a SELECT can have and has no meaning here.
    pub(super) fn only_known(&self, select: &ast::Select) -> Found<()> {
        let unknown = [
            (select.top.is_some(), "TOP"),
            (select.into.is_some(), "INTO"),
            (!select.lateral_views.is_empty(), "LATERAL VIEW"),
            (select.prewhere.is_some(), "PREWHERE"),
            (!select.connect_by.is_empty(), "CONNECT BY"),
            (!select.cluster_by.is_empty(), "CLUSTER BY"),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY"),
            (!select.sort_by.is_empty(), "SORT BY"),
            (!select.named_window.is_empty(), "WINDOW"),
            (select.exclude.is_some(), "EXCLUDE"),
        ];
        match unknown.iter().find(|(found, _)| *found) {
            Some((_, what)) => outside((*what).to_owned()),
            None => Ok(()),
        }
    }

    pub(super) fn limits(&self, limit: Option<&LimitClause>) -> Found<(Option<usize>, usize)> {
        let count = |expr: &ast::Expr| -> Found<Option<usize>> {
            let value = self.constant(&self.lower(expr, &mut Nowhere)?, expr)?;
            match value {
                Literal::Null => Ok(None),
                Literal::Int(count) if count >= 0 => Ok(Some(count as usize)),
                _ => self.wrong(expr, format!("a whole number of rows from 0 on, not {expr}")),
            }
        };
        match limit {
            None => Ok((None, 0)),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if !limit_by.is_empty() {
                    return outside("LIMIT BY".to_owned());
                }
                let offset = offset.as_ref().map(|offset| count(&offset.value)).transpose()?;
                let limit = limit.as_ref().map(count).transpose()?;
                Ok((limit.flatten(), offset.flatten().unwrap_or(0)))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                Ok((count(limit)?, count(offset)?.unwrap_or(0)))
            }
        }
    }

    /// `LATEST ON time PARTITION BY ...`: the tags.
    fn latest(&self, qualify: &ast::Expr, row: &mut Row<'_>) -> Found<Vec<String>> {
        let ast::Expr::Function(call) = qualify else {
            return outside("QUALIFY".to_owned());
        };
        if call.name.to_string() != LATEST {
            return outside("QUALIFY".to_owned());
        }
        let arguments = self.arguments(call)?;
        let Some((time, by)) = arguments.split_first() else {
            return self.wrong(call, "LATEST ON time PARTITION BY tags");
        };
        if self.lower(time, row)? != Expr::column("time") {
            return self.wrong(*time, format!("LATEST ON takes time, got {time}"));
        }
        let mut tags = Vec::with_capacity(by.len());
        for tag in by {
            match self.lower(tag, row)? {
                Expr::Column(name) if row.schema.tags.contains(&name) => tags.push(name),
                _ => return self.wrong(*tag, format!("PARTITION BY takes tags, got {tag}")),
            }
        }
        Ok(tags)
    }

    /// Whether the projection names tags and nothing else: its distinct rows are groups of series.
    fn names_tags_alone(&self, select: &ast::Select, row: &mut Row<'_>) -> bool {
        select.projection.iter().all(|item| {
            matches!(expr_of(item).map(|expr| self.lower(expr, row)),
                Some(Ok(Expr::Column(name))) if row.schema.tags.contains(&name))
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a SELECT")]
    fn rows(
        &self,
        select: &ast::Select,
        order: Option<&ast::OrderBy>,
        schema: &TableSchema,
        mut row: Row<'_>,
        pushed: Pushed,
        mut finish: Finish,
        latest: Option<Vec<String>>,
    ) -> Found<Query> {
        let mut outputs = Vec::new();
        for item in &select.projection {
            self.row_item(item, &mut row, &mut outputs)?;
        }
        let outputs = distinct_names(outputs);
        finish.order = self.order(order, &outputs, &mut row)?;
        let mut used: Vec<&str> = outputs.iter().flat_map(|(_, expr)| expr.columns()).collect();
        used.extend(finish.order.iter().flat_map(|by| by.by.columns()));
        let fields: Vec<String> = schema
            .fields
            .iter()
            .map(|field| field.name.clone())
            .filter(|name| used.contains(&name.as_str()))
            .collect();
        let everything = std::iter::once("time")
            .chain(schema.tags.iter().map(String::as_str))
            .chain(schema.fields.iter().map(|field| field.name.as_str()));
        let as_stored = outputs.iter().map(|(name, expr)| (name.as_str(), expr));
        let as_stored = as_stored.eq(everything
            .map(|name| (name, Expr::column(name)))
            .collect::<Vec<_>>()
            .iter()
            .map(|(name, expr)| (*name, expr)));
        finish.select = (!as_stored).then_some(outputs);
        let Pushed { range, filter, predicate } = pushed;
        Ok(match latest {
            Some(by) => Query::Last(LastQuery {
                by: Some(by),
                fields: Some(fields),
                filter,
                range,
                predicate,
                finish,
                every_row: true,
            }),
            None => Query::Read(ReadQuery {
                fields: Some(fields),
                filter,
                range,
                every_row: true,
                predicate,
                finish,
            }),
        })
    }

    fn row_item(
        &self,
        item: &SelectItem,
        row: &mut Row<'_>,
        outputs: &mut Vec<Output>,
    ) -> Found<()> {
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let lowered = self.lower(expr, row)?;
                outputs.push((name_of(expr, &lowered), lowered));
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                outputs.push((alias.value.clone(), self.lower(expr, row)?));
            }
            SelectItem::Wildcard(options) | SelectItem::QualifiedWildcard(_, options) => {
                if let SelectItem::QualifiedWildcard(of, _) = item {
                    row.qualified(item, of)?;
                }
                let left_out = self.excluded(options, row)?;
                outputs.extend(row.everything().filter(|(name, _)| !left_out.contains(name)));
            }
            SelectItem::ExprWithAliases { .. } => {
                return outside("an expression with several aliases".to_owned());
            }
        }
        Ok(())
    }

    /// The columns that `* EXCLUDE (...)` leaves out.
    fn excluded(
        &self,
        options: &ast::WildcardAdditionalOptions,
        row: &mut Row<'_>,
    ) -> Found<Vec<String>> {
        if options.opt_replace.is_some()
            || options.opt_rename.is_some()
            || options.opt_ilike.is_some()
        {
            return outside("a star with REPLACE, RENAME or ILIKE".to_owned());
        }
        let mut names = Vec::new();
        if let Some(exclude) = &options.opt_exclude {
            let columns = match exclude {
                ast::ExcludeSelectItem::Single(name) => vec![name],
                ast::ExcludeSelectItem::Multiple(names) => names.iter().collect(),
            };
            for name in columns {
                let idents: Vec<ast::Ident> =
                    name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
                if let Expr::Column(name) = row.column(&idents)? {
                    names.push(name);
                }
            }
        }
        if let Some(except) = &options.opt_except {
            for ident in std::iter::once(&except.first_element).chain(&except.additional_elements) {
                if let Expr::Column(name) = row.column(std::slice::from_ref(ident))? {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a SELECT")]
    fn groups(
        &self,
        select: &ast::Select,
        order: Option<&ast::OrderBy>,
        schema: &TableSchema,
        row: Row<'_>,
        pushed: Pushed,
        mut finish: Finish,
        tags_alone: bool,
    ) -> Found<Query> {
        let keys = Keys::of(self, select, row, tags_alone)?;
        let mut groups = Groups::new(self, keys);
        let mut outputs = Vec::new();
        for item in &select.projection {
            groups.item(item, &mut outputs)?;
        }
        let shown = groups.shown();
        let outputs = distinct_names(groups.keys.with_unnamed(outputs));
        groups.alias(&select.projection);
        finish.having = select.having.as_ref().map(|e| self.lower(e, &mut groups)).transpose()?;
        finish.order = self.order(order, &outputs, &mut groups)?;
        finish.select = Some(outputs);
        // Rows make a group, whatever they hold. Where duplicates replace, only an aggregate of rows
        // asks for those without a point of the fields named.
        if groups.aggregates.is_empty() || schema.duplicates == Duplicates::Last {
            groups.count_rows();
        }
        let fill = groups.keys.fills(self, shown, groups.aggregates.len())?;
        let Keys { bucket, by, .. } = groups.keys;
        let Pushed { range, filter, predicate } = pushed;
        let one_row = bucket.is_none() && by.is_empty() && !schema.name.is_empty();
        Ok(Query::Aggregate(AggregateQuery {
            aggregates: groups.aggregates,
            bucket,
            by,
            filter,
            range,
            predicate,
            fill,
            one_row,
            finish,
        }))
    }

    /// ORDER BY: names of the result first, then positions, then expressions.
    pub(super) fn order(
        &self,
        order: Option<&ast::OrderBy>,
        outputs: &[Output],
        scope: &mut dyn Scope,
    ) -> Found<Vec<OrderBy>> {
        let Some(order) = order else { return Ok(Vec::new()) };
        let direction = |by: Expr, options: &ast::OrderByOptions| -> Found<OrderBy> {
            let descending = match &options.sort {
                None | Some(OrderBySort::Asc) => false,
                Some(OrderBySort::Desc) => true,
                Some(OrderBySort::Using(_)) => return outside("ORDER BY USING".to_owned()),
            };
            Ok(OrderBy { by, descending, nulls_first: options.nulls_first.unwrap_or(false) })
        };
        let keys = match &order.kind {
            OrderByKind::All(options) => {
                let all = outputs.iter().map(|(name, _)| direction(Expr::column(name), options));
                return all.collect();
            }
            OrderByKind::Expressions(keys) => keys,
        };
        let mut out = Vec::with_capacity(keys.len());
        for key in keys {
            let by = match self.output_named(&key.expr, outputs)? {
                Some(name) => Expr::column(name),
                None => self.lower(&key.expr, scope)?,
            };
            out.push(direction(by, &key.options)?);
        }
        Ok(out)
    }

    /// The output that a position or a name in ORDER BY means.
    fn output_named<'a>(
        &self,
        expr: &ast::Expr,
        outputs: &'a [Output],
    ) -> Found<Option<&'a String>> {
        match expr {
            ast::Expr::Value(value) => match &value.value {
                ast::Value::Number(digits, _) => {
                    let nth = digits.parse::<usize>().ok().and_then(|nth| nth.checked_sub(1));
                    match nth.and_then(|nth| outputs.get(nth)) {
                        Some((name, _)) => Ok(Some(name)),
                        None => self
                            .wrong(expr, format!("position {digits} of {} columns", outputs.len())),
                    }
                }
                _ => Ok(None),
            },
            ast::Expr::Identifier(ident) => {
                Ok(outputs.iter().map(|(name, _)| name).find(|name| same(ident, name)))
            }
            _ => Ok(None),
        }
    }
}

/// The expression of a projection's item, where it is one.
pub(super) fn expr_of(item: &SelectItem) -> Option<&ast::Expr> {
    match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    }
}

/// The name of a column without alias: that of the column it shows, else its text.
pub(super) fn name_of(expr: &ast::Expr, lowered: &Expr) -> String {
    match (expr, lowered) {
        (ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_), Expr::Column(name)) => {
            name.clone()
        }
        _ => expr.to_string(),
    }
}

/// Names that come again get a number, as in DuckDB.
pub(super) fn distinct_names(outputs: Vec<Output>) -> Vec<Output> {
    let mut seen = std::collections::HashSet::new();
    let mut out = Vec::with_capacity(outputs.len());
    for (name, expr) in outputs {
        let mut own = name.clone();
        let mut nth = 0;
        while !seen.insert(own.clone()) {
            nth += 1;
            own = format!("{name}_{nth}");
        }
        out.push((own, expr));
    }
    out
}
