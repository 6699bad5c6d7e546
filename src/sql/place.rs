//! Where syntax stands in the text.

use sqlparser::ast::{self, Spanned};
use sqlparser::tokenizer::Location;

/// Syntax that knows its place; line 0 where it does not.
pub(super) trait Place {
    /// Its first character.
    fn place(&self) -> Location;
}

impl Place for ast::Ident {
    fn place(&self) -> Location {
        self.span.start
    }
}

impl Place for ast::Interval {
    fn place(&self) -> Location {
        self.value.span().start
    }
}

impl Place for ast::Expr {
    fn place(&self) -> Location {
        self.span().start
    }
}

impl Place for ast::Function {
    fn place(&self) -> Location {
        self.name.span().start
    }
}

impl Place for ast::ObjectName {
    fn place(&self) -> Location {
        self.span().start
    }
}

impl Place for ast::Query {
    fn place(&self) -> Location {
        self.span().start
    }
}

impl Place for ast::TableFactor {
    fn place(&self) -> Location {
        self.span().start
    }
}

impl Place for ast::SelectItem {
    fn place(&self) -> Location {
        self.span().start
    }
}
