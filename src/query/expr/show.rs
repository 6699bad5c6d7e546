//! Expressions as SQL, with the parentheses that they need.

use std::fmt;

use super::instant::{float_text, iso};
use super::{Expr, Literal, Operator};

/// How tightly what an expression is made of holds together.
type Level = u8;

const OR: Level = 1;
const AND: Level = 2;
const NOT: Level = 3;
const COMPARISON: Level = 4;
const CONCAT: Level = 5;
const SUM: Level = 6;
const PRODUCT: Level = 7;
const SIGN: Level = 8;
const WHOLE: Level = 9;

/// Words that cannot stand for a column unless quoted.
const RESERVED: [&str; 38] = [
    "all", "and", "as", "asc", "between", "by", "case", "cast", "cross", "desc", "distinct",
    "else", "end", "exists", "false", "fill", "from", "full", "group", "having", "in", "inner",
    "is", "join", "left", "like", "limit", "not", "null", "on", "or", "order", "right", "select",
    "then", "true", "when", "where",
];

impl Operator {
    /// As it stands in SQL.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::DivideWhole => "//",
            Self::Remainder => "%",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Concat => "||",
        }
    }

    fn level(self) -> Level {
        match self {
            Self::Or => OR,
            Self::And => AND,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::AtMost
            | Self::Greater
            | Self::AtLeast => COMPARISON,
            Self::Concat => CONCAT,
            Self::Add | Self::Subtract => SUM,
            Self::Multiply | Self::Divide | Self::DivideWhole | Self::Remainder => PRODUCT,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Bool(true) => f.write_str("TRUE"),
            Self::Bool(false) => f.write_str("FALSE"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) if value.is_finite() => f.write_str(&float_text(*value)),
            Self::Float(value) => write!(f, "CAST('{}' AS DOUBLE)", float_text(*value)),
            Self::Str(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Time(time) => write!(f, "TIMESTAMP '{}'", iso(*time)),
            Self::Interval(interval) => write!(f, "INTERVAL '{interval}'"),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(name) => column(f, name),
            Self::Literal(literal) => write!(f, "{literal}"),
            Self::Negate(of) => write!(f, "-{}", At(of, SIGN + 1)),
            Self::Not(of) => match &**of {
                Self::IsNull(of) => write!(f, "{} IS NOT NULL", At(of, CONCAT)),
                Self::In(of, list) => write!(f, "{} NOT IN ({})", At(of, CONCAT), List(list)),
                Self::Like { of, pattern, fold } => like(f, of, pattern, *fold, "NOT "),
                of => write!(f, "NOT {}", At(of, NOT)),
            },
            Self::IsNull(of) => write!(f, "{} IS NULL", At(of, CONCAT)),
            Self::Binary(a, operator, b) => {
                let level = operator.level();
                // A comparison does not chain, and parsers differ on what || binds to.
                let (left, right) = match level {
                    COMPARISON => (level + 1, level + 1),
                    CONCAT => (if is_concat(a) { CONCAT } else { WHOLE }, WHOLE),
                    _ => (level, level + 1),
                };
                write!(f, "{} {} {}", At(a, left), operator.sign(), At(b, right))
            }
            Self::In(of, list) => write!(f, "{} IN ({})", At(of, CONCAT), List(list)),
            Self::Like { of, pattern, fold } => like(f, of, pattern, *fold, ""),
            Self::Matches { of, pattern, fold } => {
                let operator = if *fold { "~*" } else { "~" };
                write!(f, "{} {operator} {}", At(of, WHOLE), At(pattern, WHOLE))
            }
            Self::Case(whens, otherwise) => {
                f.write_str("CASE")?;
                for (condition, value) in whens {
                    write!(f, " WHEN {condition} THEN {value}")?;
                }
                if let Some(otherwise) = otherwise {
                    write!(f, " ELSE {otherwise}")?;
                }
                f.write_str(" END")
            }
            Self::Cast { of, to, attempt } => {
                write!(f, "{}({of} AS {to})", if *attempt { "TRY_CAST" } else { "CAST" })
            }
            Self::Call(scalar, arguments) => {
                write!(f, "{}({})", scalar.name(), List(arguments))
            }
        }
    }
}

fn is_concat(expr: &Expr) -> bool {
    matches!(expr, Expr::Binary(_, Operator::Concat, _))
}

fn like(
    f: &mut fmt::Formatter<'_>,
    of: &Expr,
    pattern: &Expr,
    fold: bool,
    not: &str,
) -> fmt::Result {
    let operator = if fold { "ILIKE" } else { "LIKE" };
    write!(f, "{} {not}{operator} {}", At(of, CONCAT), At(pattern, CONCAT))
}

fn column(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && !RESERVED.contains(&name);
    if plain { f.write_str(name) } else { write!(f, "\"{}\"", name.replace('"', "\"\"")) }
}

/// An expression where one of at least that level can stand.
struct At<'a>(&'a Expr, Level);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.0 {
            Expr::Negate(_) => SIGN,
            Expr::Literal(Literal::Int(value)) if *value < 0 => SIGN,
            Expr::Literal(Literal::Float(value)) if value.is_sign_negative() => SIGN,
            Expr::Not(of) => match **of {
                Expr::IsNull(_) | Expr::In(..) | Expr::Like { .. } => COMPARISON,
                _ => NOT,
            },
            Expr::Binary(_, operator, _) => operator.level(),
            Expr::IsNull(_) | Expr::In(..) | Expr::Like { .. } | Expr::Matches { .. } => COMPARISON,
            Expr::Column(_)
            | Expr::Literal(_)
            | Expr::Case(..)
            | Expr::Cast { .. }
            | Expr::Call(..) => WHOLE,
        };
        if level < self.1 { write!(f, "({})", self.0) } else { write!(f, "{}", self.0) }
    }
}

struct List<'a>(&'a [Expr]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, expr) in self.0.iter().enumerate() {
            write!(f, "{}{expr}", if place > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}
