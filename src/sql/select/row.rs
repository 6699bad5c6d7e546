//! Names where rows of one table are looked at.

use sqlparser::ast;

use crate::error::nearest;
use crate::model::TableSchema;
use crate::query::expr::{Expr, Type};
use crate::sql::lower::Scope;
use crate::sql::{Found, Planner};

/// The columns of one table.
pub(in crate::sql) struct Row<'a> {
    planner: &'a Planner<'a>,
    pub(in crate::sql) schema: &'a TableSchema,
    alias: Option<&'a str>,
}

/// Whether an identifier means a name: exactly, or in any case where it stands without quotes.
pub(in crate::sql) fn same(ident: &ast::Ident, name: &str) -> bool {
    ident.value == name || (ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case(name))
}

impl<'a> Row<'a> {
    pub(in crate::sql) fn new(
        planner: &'a Planner<'a>,
        schema: &'a TableSchema,
        alias: Option<&'a str>,
    ) -> Self {
        Self { planner, schema, alias }
    }

    /// `time`, tags and fields by name.
    pub(in crate::sql) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        names(self.schema)
    }

    /// Each column under its own name.
    pub(in crate::sql) fn everything(&self) -> impl Iterator<Item = (String, Expr)> + use<'a> {
        self.names().map(|name| (name.to_owned(), Expr::column(name)))
    }

    /// Checks that `x.*` names this table.
    pub(in crate::sql) fn qualified(
        &self,
        item: &ast::SelectItem,
        of: &ast::SelectItemQualifiedWildcardKind,
    ) -> Found<()> {
        let table = self.alias.unwrap_or(&self.schema.name);
        let named = match of {
            ast::SelectItemQualifiedWildcardKind::ObjectName(name) => match name.0.as_slice() {
                [ast::ObjectNamePart::Identifier(ident)] => same(ident, table),
                _ => false,
            },
            ast::SelectItemQualifiedWildcardKind::Expr(_) => false,
        };
        match named {
            true => Ok(()),
            false => self.planner.wrong(item, format!("{item} is not of {table:?}")),
        }
    }

    /// The column that an identifier means, an exact name before one of another case.
    pub(in crate::sql) fn find(&self, ident: &ast::Ident) -> Option<&'a str> {
        let exact = self.names().find(|name| ident.value == *name);
        exact.or_else(|| self.names().find(|name| same(ident, name)))
    }
}

/// `time`, tags and fields of a table.
pub(in crate::sql) fn names(schema: &TableSchema) -> impl Iterator<Item = &str> {
    let tags = schema.tags.iter().map(String::as_str);
    std::iter::once("time").chain(tags).chain(schema.fields.iter().map(|f| f.name.as_str()))
}

/// Each column of a table with its type.
pub(in crate::sql) fn columns(schema: &TableSchema) -> Vec<(String, Type)> {
    let mut columns = vec![("time".to_owned(), Type::Time)];
    columns.extend(schema.tags.iter().map(|tag| (tag.clone(), Type::Str)));
    columns.extend(schema.fields.iter().map(|field| (field.name.clone(), field.ty.into())));
    columns
}

impl Scope for Row<'_> {
    fn column(&mut self, path: &[ast::Ident]) -> Found<Expr> {
        let (qualifier, ident) = match path {
            [ident] => (None, ident),
            [qualifier, ident] => (Some(qualifier), ident),
            _ => return self.planner.wrong(&path[0], "a column is named as table.column"),
        };
        if let Some(qualifier) = qualifier {
            let table = self.alias.unwrap_or(&self.schema.name);
            if !same(qualifier, table) {
                return self
                    .planner
                    .wrong(qualifier, format!("unknown table {:?} here", qualifier.value));
            }
        }
        match self.find(ident) {
            Some(name) => Ok(Expr::column(name)),
            None => {
                let near = nearest(&ident.value, self.names());
                let table = &self.schema.name;
                self.planner.wrong(
                    ident,
                    format!("unknown column {:?} of table {table:?}; {near}", ident.value),
                )
            }
        }
    }

    fn aggregate(&mut self, call: &ast::Function) -> Found<Expr> {
        self.planner.wrong(
            call,
            format!(
                "{} is an aggregate, which stands in SELECT, HAVING and ORDER BY, and not within \
                 another",
                call.name
            ),
        )
    }
}

/// Where there are no columns.
pub(in crate::sql) struct Nowhere;

impl Scope for Nowhere {
    fn column(&mut self, path: &[ast::Ident]) -> Found<Expr> {
        let name: Vec<&str> = path.iter().map(|ident| ident.value.as_str()).collect();
        crate::sql::lower::outside(format!("the column {} where a constant stands", name.join(".")))
    }

    fn aggregate(&mut self, call: &ast::Function) -> Found<Expr> {
        crate::sql::lower::outside(format!("{} where a constant stands", call.name))
    }
}
