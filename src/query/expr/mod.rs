//! Expressions over the columns of rows: what SQL says of fields, tags and times.
//!
//! Three-valued logic; null in, null out, but where a function says otherwise. Doubles compare as
//! numbers do but for NaN, which equals itself and is greater than all else, as in DuckDB and
//! Polars; -0.0 equals 0.0. Integers and doubles meet as doubles. `/` is the division of doubles;
//! `//` and `%` of integers by zero are null.

mod arithmetic;
mod bucket;
mod calendar;
mod cast;
mod choice;
mod coerce;
mod compare;
mod compile;
mod evaluate;
mod function;
mod instant;
mod interval;
mod logic;
mod membership;
mod node;
mod pattern;
mod show;
#[cfg(test)]
mod tests;
mod types;
mod value;

pub use evaluate::Evaluator;
pub use function::Scalar;
pub(crate) use instant::iso as time_text;
pub use types::Type;

/// A value that stands in the text of a query, or was given as a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// No value, of any type.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Text.
    Str(String),
    /// Nanoseconds since 1970, UTC.
    Time(i64),
    /// A length of time.
    Interval(Interval),
}

/// A length of time: months, whose length depends on where they start, and nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// Whole months.
    pub months: i32,
    /// Days and less; a day is 24 hours.
    pub nanos: i64,
}

/// An operator between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`: numbers; a time and an interval; two intervals.
    Add,
    /// `-`: numbers; a time and an interval; two times (an interval of nanoseconds).
    Subtract,
    /// `*`
    Multiply,
    /// `/`: always a double.
    Divide,
    /// `//`: of integers rounded towards zero, of doubles down.
    DivideWhole,
    /// `%`: the sign of the dividend.
    Remainder,
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `AND`
    And,
    /// `OR`
    Or,
    /// `||`: text; null when either is.
    Concat,
}

/// An expression over named columns.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `time`, a tag or a field; over a result: one of its columns.
    Column(String),
    /// A constant.
    Literal(Literal),
    /// `-x`
    Negate(Box<Expr>),
    /// `NOT x`
    Not(Box<Expr>),
    /// `x IS NULL`
    IsNull(Box<Expr>),
    /// Two operands.
    Binary(Box<Expr>, Operator, Box<Expr>),
    /// `x IN (a, b)`; null when nothing equals and x or any of the list is null.
    In(Box<Expr>, Vec<Expr>),
    /// `x LIKE pattern`
    Like {
        /// What is matched.
        of: Box<Expr>,
        /// `%` any text, `_` any character, `\` escapes.
        pattern: Box<Expr>,
        /// `ILIKE`: upper and lower case are the same.
        fold: bool,
    },
    /// `x ~ pattern`: whether a regular expression (of the `regex` crate) is found in x.
    Matches {
        /// What is searched.
        of: Box<Expr>,
        /// The regular expression.
        pattern: Box<Expr>,
        /// `~*`: upper and lower case are the same.
        fold: bool,
    },
    /// `CASE WHEN condition THEN value ... ELSE value END`
    Case(Vec<(Expr, Expr)>, Option<Box<Expr>>),
    /// `CAST(x AS type)`; with `attempt` (`TRY_CAST`) null where it cannot be, else an error.
    Cast {
        /// What is cast.
        of: Box<Expr>,
        /// To what.
        to: Type,
        /// Null instead of an error.
        attempt: bool,
    },
    /// A function of as many values as it takes.
    Call(Scalar, Vec<Expr>),
}

impl Expr {
    /// A column.
    pub fn column(name: impl Into<String>) -> Self {
        Self::Column(name.into())
    }

    /// `self operator other`
    pub fn binary(self, operator: Operator, other: Self) -> Self {
        Self::Binary(Box::new(self), operator, Box::new(other))
    }

    /// The names of the columns that it reads, in their order, each once.
    pub fn columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.visit(&mut |expr| {
            if let Self::Column(name) = expr
                && !names.contains(&name.as_str())
            {
                names.push(name.as_str());
            }
        });
        names
    }

    /// Calls `see` with the expression and all within it.
    pub fn visit<'a>(&'a self, see: &mut impl FnMut(&'a Self)) {
        see(self);
        match self {
            Self::Column(_) | Self::Literal(_) => {}
            Self::Negate(of) | Self::Not(of) | Self::IsNull(of) | Self::Cast { of, .. } => {
                of.visit(see);
            }
            Self::Binary(a, _, b) => {
                a.visit(see);
                b.visit(see);
            }
            Self::In(of, list) => {
                of.visit(see);
                list.iter().for_each(|one| one.visit(see));
            }
            Self::Like { of, pattern, .. } | Self::Matches { of, pattern, .. } => {
                of.visit(see);
                pattern.visit(see);
            }
            Self::Case(whens, otherwise) => {
                for (condition, value) in whens {
                    condition.visit(see);
                    value.visit(see);
                }
                if let Some(otherwise) = otherwise {
                    otherwise.visit(see);
                }
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|one| one.visit(see)),
        }
    }
}
