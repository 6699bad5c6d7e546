//! The arguments of table functions: names, times, lengths of time, values of options.

use sqlparser::ast;

use crate::error::nearest;
use crate::model::TableSchema;
use crate::query::Setting;
use crate::query::expr::{Expr, Interval, Literal, Operator, Type};
use crate::sql::select::{Nowhere, same};
use crate::sql::{Found, Miss, Planner};

impl Planner<'_> {
    pub(super) fn ident<'e>(&self, expr: &'e ast::Expr, what: &str) -> Found<&'e ast::Ident> {
        match expr {
            ast::Expr::Identifier(ident) => Ok(ident),
            ast::Expr::Nested(inner) => self.ident(inner, what),
            other => self.wrong(other, format!("expected the name of {what}, found {other}")),
        }
    }

    pub(super) fn field(&self, ident: &ast::Ident, schema: &TableSchema) -> Found<String> {
        let names = || schema.fields.iter().map(|field| field.name.as_str());
        self.one_of(ident, names, "field", &schema.name)
    }

    pub(super) fn tags(&self, value: &ast::Expr, schema: &TableSchema) -> Found<Vec<String>> {
        let names = || schema.tags.iter().map(String::as_str);
        let one = |tag: &ast::Expr| {
            let quoted;
            let ident = match tag {
                ast::Expr::Value(value) => match &value.value {
                    ast::Value::SingleQuotedString(text) => {
                        quoted = ast::Ident::with_quote('"', text.clone());
                        &quoted
                    }
                    _ => self.ident(tag, "a tag")?,
                },
                other => self.ident(other, "a tag")?,
            };
            self.one_of(ident, names, "tag", &schema.name)
        };
        items(value).into_iter().map(one).collect()
    }

    /// The name that an identifier means: exactly, else in any case.
    fn one_of<'n, I: Iterator<Item = &'n str>>(
        &self,
        ident: &ast::Ident,
        names: impl Fn() -> I,
        what: &str,
        table: &str,
    ) -> Found<String> {
        let exact = names().find(|name| *name == ident.value);
        match exact.or_else(|| names().find(|name| same(ident, name))) {
            Some(name) => Ok(name.to_owned()),
            None => {
                let near = nearest(&ident.value, names());
                let given = &ident.value;
                self.wrong(ident, format!("unknown {what} {given:?} of table {table:?}; {near}"))
            }
        }
    }

    /// A time; a length of time is so long ago.
    pub(super) fn time(&self, value: &ast::Expr) -> Found<i64> {
        let lowered = self.lower(value, &mut Nowhere)?;
        let literal = self.constant(&lowered, value)?;
        let expr = match literal {
            Literal::Int(ns) | Literal::Time(ns) => return Ok(ns),
            Literal::Interval(_) => {
                let now = Expr::Literal(Literal::Time(self.catalog.now()));
                now.binary(Operator::Subtract, Expr::Literal(literal))
            }
            other => {
                let of = Box::new(Expr::Literal(other));
                Expr::Cast { of, to: Type::Time, attempt: false }
            }
        };
        match self.constant(&expr, value)? {
            Literal::Time(ns) => Ok(ns),
            _ => self.wrong(value, format!("{value} is no time; '2026-01-01' or 1d would be")),
        }
    }

    pub(super) fn length(&self, value: &ast::Expr) -> Found<Interval> {
        let lowered = self.lower(value, &mut Nowhere)?;
        match self.constant(&lowered, value)? {
            Literal::Interval(length) => Ok(length),
            Literal::Int(nanos) => Ok(Interval { months: 0, nanos }),
            Literal::Str(text) => Interval::parse(&text).or_else(|error| self.wrong(value, error)),
            _ => self.wrong(value, format!("{value} is no length of time; 5m would be")),
        }
    }

    /// The value of an option: a constant, a word, or a list or a map of these.
    pub(super) fn setting(&self, value: &ast::Expr) -> Found<Setting> {
        let several = |values: &[ast::Expr]| {
            let values = values.iter().map(|one| self.setting(one)).collect::<Found<_>>();
            Ok(Setting::List(values?))
        };
        match value {
            ast::Expr::Identifier(word) => Ok(Setting::One(Literal::Str(word.value.clone()))),
            ast::Expr::Nested(inner) => self.setting(inner),
            ast::Expr::Array(array) => several(&array.elem),
            ast::Expr::Tuple(values) => several(values),
            ast::Expr::Dictionary(fields) => {
                let named = fields
                    .iter()
                    .map(|field| Ok((field.key.value.clone(), self.setting(&field.value)?)));
                Ok(Setting::Map(named.collect::<Found<_>>()?))
            }
            other => match self.lower(other, &mut Nowhere) {
                Ok(lowered) => Ok(Setting::One(self.constant(&lowered, other)?)),
                Err(Miss::Outside(what)) => {
                    self.wrong(other, format!("an option takes a constant, not {what}"))
                }
                Err(error) => Err(error),
            },
        }
    }
}

/// The values of a list, or the one value.
pub(super) fn items(value: &ast::Expr) -> Vec<&ast::Expr> {
    match value {
        ast::Expr::Array(array) => array.elem.iter().collect(),
        ast::Expr::Tuple(values) => values.iter().collect(),
        ast::Expr::Nested(inner) => items(inner),
        one => vec![one],
    }
}
