//! ASOF JOIN: to each row of the left side the latest row of the right side that is not after it.
//!
//! Both sides are parts, joined before Polars' SQL runs. Columns of the joined table are called
//! `side.column`, and the names in the query are written so.

use std::ops::ControlFlow;

use sqlparser::ast::{
    self, BinaryOperator, JoinConstraint, JoinOperator, SelectItem, TableFactor, VisitMut,
    VisitorMut,
};

use super::{Names, Rest, all, table};
use crate::error::nearest;
use crate::model::TimeRange;
use crate::query::expr::Expr;
use crate::query::{Finish, ReadQuery};
use crate::sql::clauses::LEFT;
use crate::sql::lower::{chain, outside};
use crate::sql::select::{Row, names, pushed, same};
use crate::sql::{AsofJoin, Found, Miss, Native, Planner, Query};

impl Rest<'_> {
    /// A SELECT from an ASOF JOIN of two.
    pub(super) fn asof(
        &mut self,
        select: &mut ast::Select,
        order: Option<&mut ast::OrderBy>,
    ) -> Found<()> {
        let [from] = select.from.as_slice() else {
            return outside("ASOF JOIN beside other tables in FROM".to_owned());
        };
        let [join] = from.joins.as_slice() else {
            return outside("ASOF JOIN beside other joins (join in a subquery)".to_owned());
        };
        let JoinOperator::AsOf { match_condition, constraint } = &join.join_operator else {
            return outside("ASOF JOIN beside other joins".to_owned());
        };
        let keep = matches!(match_condition, ast::Expr::Identifier(ident) if ident.value == LEFT);
        let planner = self.planner;
        let mut sides = Sides {
            planner,
            left: Side::of(planner, &from.relation)?,
            right: Side::of(planner, &join.relation)?,
        };
        let (mut by, mut on) = (Vec::new(), None);
        match constraint {
            JoinConstraint::On(condition) => {
                for condition in chain(condition, &BinaryOperator::And) {
                    match sides.condition(condition)? {
                        (pair, None) => by.push(pair),
                        (pair, Some(equal)) => on = Some((pair, equal)),
                    }
                }
            }
            JoinConstraint::Using(columns) => {
                let mut pairs = Vec::with_capacity(columns.len());
                for column in columns {
                    let ident = column.0.last().and_then(|part| part.as_ident());
                    let Some(ident) = ident else { return outside(format!("USING {column}")) };
                    let (Some(left), Some(right)) =
                        (sides.left.find(ident), sides.right.find(ident))
                    else {
                        return planner.wrong(ident, "USING takes columns that both sides have");
                    };
                    pairs.push((left.to_owned(), right.to_owned()));
                }
                // The last one is the time, as in DuckDB.
                on = pairs.pop().map(|pair| (pair, true));
                by = pairs;
            }
            _ => {}
        }
        let Some((on, equal)) = on else {
            return planner.wrong(
                &join.relation,
                "ASOF JOIN needs the times: ON a.host = b.host AND a.time >= b.time",
            );
        };
        // What the query names, before it is written anew.
        let named = Names::of(select, order.as_deref());
        sides.push(select, &on, &by)?;
        let of_left = by.iter().chain([&on]).map(|(left, _)| left.as_str());
        sides.left.keep(&named, &of_left.collect::<Vec<_>>());
        let of_right = by.iter().chain([&on]).map(|(_, right)| right.as_str());
        sides.right.keep(&named, &of_right.collect::<Vec<_>>());
        sides.rename(select, order)?;
        let name = format!("__asof{}", self.joins.len());
        if let Some(from) = select.from.first_mut() {
            from.joins.clear();
            from.relation = table(&name);
        }
        let (left, right) = (sides.left, sides.right);
        let left = (self.part(left.native), left.alias);
        let right = (self.part(right.native), right.alias);
        self.joins.push(AsofJoin { name, left, right, on, by, keep, equal });
        Ok(())
    }
}

/// One side of the join.
struct Side {
    alias: String,
    columns: Vec<String>,
    /// Those that are fields of a table.
    fields: Vec<String>,
    native: Native,
}

impl Side {
    fn of(planner: &Planner<'_>, relation: &TableFactor) -> Found<Self> {
        match relation {
            TableFactor::Table { name, alias, args: None, .. } => {
                let ident = planner.named_in_from(name)?;
                if planner.is_cte(&ident.value) {
                    return outside(format!(
                        "ASOF JOIN of the common table expression {ident} (write it as a subquery)"
                    ));
                }
                let schema = planner.catalog.table(&ident.value)?;
                let alias = alias.as_ref().map_or(ident, |alias| &alias.name).value.clone();
                let columns: Vec<String> = names(&schema).map(str::to_owned).collect();
                let read = ReadQuery { every_row: true, ..ReadQuery::default() };
                let native = Native { table: schema.name.clone(), query: Query::Read(read) };
                let fields = schema.fields.iter().map(|field| field.name.clone()).collect();
                Ok(Self { alias, columns, fields, native })
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let native = match planner.native(subquery) {
                    Ok(native) => native,
                    Err(Miss::Outside(reason)) => {
                        return outside(format!("ASOF JOIN of a subquery with {reason}"));
                    }
                    Err(error) => return Err(error),
                };
                let Some(alias) = alias else {
                    return planner.wrong(&**subquery, "a subquery in a join needs a name: AS b");
                };
                let columns = native.columns(&*planner.catalog.table(&native.table)?);
                let alias = alias.name.value.clone();
                Ok(Self { alias, columns, fields: Vec::new(), native })
            }
            other => outside(format!("ASOF JOIN of {other}")),
        }
    }

    fn find(&self, ident: &ast::Ident) -> Option<&str> {
        let exact = self.columns.iter().find(|name| **name == ident.value);
        let any = || self.columns.iter().find(|name| same(ident, name));
        exact.or_else(any).map(String::as_str)
    }

    /// Whether it reads a table as it is.
    fn is_table(&self) -> bool {
        matches!(&self.native.query, Query::Read(read) if read.finish == Finish::default())
    }

    /// Of a table's columns reads only those that are named, and those that the join needs.
    fn keep(&mut self, named: &Names, needed: &[&str]) {
        if !self.is_table() {
            return;
        }
        let Query::Read(read) = &mut self.native.query else { return };
        self.columns.retain(|name| named.has(name) || needed.contains(&name.as_str()));
        let outputs = self.columns.iter().map(|name| (name.clone(), Expr::column(name)));
        read.finish.select = Some(outputs.collect());
        read.fields =
            Some(self.fields.iter().filter(|f| self.columns.contains(f)).cloned().collect());
    }

    fn full(&self, column: &str) -> String {
        format!("{}.{column}", self.alias)
    }
}

struct Sides<'a> {
    planner: &'a Planner<'a>,
    left: Side,
    right: Side,
}

impl Sides<'_> {
    /// Whether a name means a column of the left side, and which.
    fn column(&self, expr: &ast::Expr) -> Found<Option<(bool, String)>> {
        match expr {
            ast::Expr::CompoundIdentifier(path) => {
                let [qualifier, ident] = path.as_slice() else { return Ok(None) };
                let side = [&self.left, &self.right];
                let Some(side) = side.into_iter().find(|side| same(qualifier, &side.alias)) else {
                    return self.planner.wrong(
                        qualifier,
                        format!(
                            "unknown table {:?} here; there are {:?} and {:?}",
                            qualifier.value, self.left.alias, self.right.alias
                        ),
                    );
                };
                let Some(name) = side.find(ident) else {
                    let near = nearest(&ident.value, side.columns.iter().map(String::as_str));
                    let what =
                        format!("unknown column {:?} of {:?}; {near}", ident.value, side.alias);
                    return self.planner.wrong(ident, what);
                };
                Ok(Some((std::ptr::eq(side, &self.left), name.to_owned())))
            }
            ast::Expr::Identifier(ident) => match (self.left.find(ident), self.right.find(ident)) {
                (Some(_), Some(_)) => self.planner.wrong(
                    ident,
                    format!(
                        "{ident} is a column of both sides; write {}.{ident} or {}.{ident}",
                        self.left.alias, self.right.alias
                    ),
                ),
                (Some(name), None) => Ok(Some((true, name.to_owned()))),
                (None, Some(name)) => Ok(Some((false, name.to_owned()))),
                (None, None) => Ok(None),
            },
            _ => Ok(None),
        }
    }

    /// A pair of columns, left and right, that must be equal; or, with whether equal times match,
    /// the times.
    fn condition(&self, condition: &ast::Expr) -> Found<((String, String), Option<bool>)> {
        let wants = "ASOF JOIN takes equalities and one comparison of times: ON a.host = b.host AND \
                     a.time >= b.time";
        let ast::Expr::BinaryOp { left, op, right } = condition else {
            return self.planner.wrong(condition, wants);
        };
        let (Some(a), Some(b)) = (self.column(left)?, self.column(right)?) else {
            return self.planner.wrong(condition, wants);
        };
        let (pair, turned) = match (a, b) {
            ((true, a), (false, b)) => ((a, b), false),
            ((false, a), (true, b)) => ((b, a), true),
            _ => return self.planner.wrong(condition, wants),
        };
        match (op, turned) {
            (BinaryOperator::Eq, _) => Ok((pair, None)),
            (BinaryOperator::GtEq, false) | (BinaryOperator::LtEq, true) => Ok((pair, Some(true))),
            (BinaryOperator::Gt, false) | (BinaryOperator::Lt, true) => Ok((pair, Some(false))),
            _ => self.planner.wrong(condition, format!("{wants}; the left side is the later")),
        }
    }

    /// Conditions of WHERE on the left table go into its part. Those on the right would change what
    /// is found, but for what follows from the left: equal tags are picked on both sides, and no
    /// row is found after the last of the left.
    fn push(
        &mut self,
        select: &mut ast::Select,
        on: &(String, String),
        by: &[(String, String)],
    ) -> Found<()> {
        if !self.left.is_table() {
            return Ok(());
        }
        let Some(selection) = select.selection.take() else { return Ok(()) };
        let schema = self.planner.catalog.table(&self.left.native.table)?;
        let (mut conditions, mut rest) = (Vec::new(), Vec::new());
        for condition in chain(&selection, &BinaryOperator::And) {
            let both = ast::visit_expressions(condition, |expr| match expr {
                ast::Expr::Identifier(ident) if self.right.find(ident).is_some() => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            });
            let mut row = Row::new(self.planner, &schema, Some(&self.left.alias));
            match self.planner.lower(condition, &mut row) {
                Ok(lowered) if both.is_continue() => conditions.push(lowered),
                _ => rest.push(condition.clone()),
            }
        }
        select.selection = all(rest);
        let pushed = pushed(conditions, &schema)?;
        let right = self.planner.catalog.table(&self.right.native.table)?;
        if self.right.is_table()
            && let Query::Read(read) = &mut self.right.native.query
        {
            for (tag, values) in &pushed.filter {
                let equal = by
                    .iter()
                    .find(|(left, right_tag)| left == tag && right.tags.contains(right_tag));
                if let Some((_, tag)) = equal {
                    read.filter.push((tag.clone(), values.clone()));
                }
            }
            if *on == ("time".to_owned(), "time".to_owned()) {
                read.range = TimeRange::new(None, pushed.range.end);
            }
        }
        if let Query::Read(read) = &mut self.left.native.query {
            read.range = pushed.range;
            (read.filter, read.predicate) = (pushed.filter, pushed.predicate);
        }
        Ok(())
    }

    /// Writes the names of a SELECT as those of the joined table.
    fn rename(&self, select: &mut ast::Select, order: Option<&mut ast::OrderBy>) -> Found<()> {
        let mut projection = Vec::new();
        for item in std::mem::take(&mut select.projection) {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let name = match &expr {
                        ast::Expr::Identifier(ident) => ident.value.clone(),
                        ast::Expr::CompoundIdentifier(path) => {
                            path.last().map_or_else(String::new, |ident| ident.value.clone())
                        }
                        other => other.to_string(),
                    };
                    let alias = ast::Ident::with_quote('"', name);
                    projection.push(SelectItem::ExprWithAlias { expr, alias });
                }
                SelectItem::Wildcard(_) => {
                    self.everything(&self.left, &mut projection);
                    self.everything(&self.right, &mut projection);
                }
                SelectItem::QualifiedWildcard(
                    ast::SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let side = [&self.left, &self.right];
                    let named = |side: &&Side| name.to_string().eq_ignore_ascii_case(&side.alias);
                    let Some(side) = side.into_iter().find(named) else {
                        return self.planner.wrong(&name, format!("unknown table {name} here"));
                    };
                    self.everything(side, &mut projection);
                }
                other => projection.push(other),
            }
        }
        select.projection = projection;
        let aliases = select.projection.iter().filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        });
        let mut renamed = Renamed { sides: self, aliases: Vec::new(), depth: 0, missed: None };
        let all_aliases = aliases.collect();
        let _ = select.projection.visit(&mut renamed);
        let _ = select.selection.visit(&mut renamed);
        let _ = select.group_by.visit(&mut renamed);
        let _ = select.having.visit(&mut renamed);
        let _ = select.qualify.visit(&mut renamed);
        renamed.aliases = all_aliases;
        if let Some(order) = order {
            let _ = order.visit(&mut renamed);
        }
        renamed.missed.map_or(Ok(()), Err)
    }

    /// All columns of a side; those whose name is taken end in `_right`.
    fn everything(&self, side: &Side, projection: &mut Vec<SelectItem>) {
        for name in &side.columns {
            let taken = projection.iter().any(|item| {
                matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value == *name)
            });
            let shown = if taken { format!("{name}_right") } else { name.clone() };
            projection.push(SelectItem::ExprWithAlias {
                expr: ast::Expr::Identifier(ast::Ident::with_quote('"', side.full(name))),
                alias: ast::Ident::with_quote('"', shown),
            });
        }
    }
}

/// Replaces the names of columns.
struct Renamed<'a> {
    sides: &'a Sides<'a>,
    /// Names that mean columns of the result.
    aliases: Vec<String>,
    depth: usize,
    missed: Option<Miss>,
}

impl VisitorMut for Renamed<'_> {
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
        let aliased = matches!(expr, ast::Expr::Identifier(ident)
            if self.aliases.iter().any(|alias| same(ident, alias)));
        let known = matches!(expr, ast::Expr::Identifier(_) | ast::Expr::CompoundIdentifier(_));
        if self.depth > 0 || aliased || !known {
            return ControlFlow::Continue(());
        }
        match self.sides.column(expr) {
            Ok(None) => {}
            Ok(Some((left, name))) => {
                let side = if left { &self.sides.left } else { &self.sides.right };
                *expr = ast::Expr::Identifier(ast::Ident::with_quote('"', side.full(&name)));
            }
            // The wildcard's own columns are written in full already.
            Err(missed) => {
                self.missed = Some(missed);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}
