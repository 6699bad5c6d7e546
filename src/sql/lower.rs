//! Expressions: from syntax to [`Expr`].

use sqlparser::ast::{
    self, BinaryOperator, CastKind, DataType, DateTimeField, DuplicateTreatment, FunctionArg,
    FunctionArgExpr, FunctionArguments, TrimWhereField, UnaryOperator, Value,
};

use super::place::Place;
use super::{Found, Miss, Planner, located};
use crate::query::expr::{Evaluator, Expr, Interval, Literal, Operator, Scalar, Type};

/// How deep an expression may nest.
const DEPTH: usize = 200;

/// What names and aggregates mean where an expression stands.
pub(super) trait Scope {
    /// What a name stands for.
    fn column(&mut self, path: &[ast::Ident]) -> Found<Expr>;

    /// What a whole expression stands for, asked before its parts: a key of groups.
    fn whole(&mut self, _expr: &ast::Expr) -> Found<Option<Expr>> {
        Ok(None)
    }

    /// What the call of an aggregate function stands for.
    fn aggregate(&mut self, call: &ast::Function) -> Found<Expr>;
}

impl Planner<'_> {
    /// An error at the place of some syntax.
    pub(super) fn wrong<T>(&self, at: &impl Place, what: impl std::fmt::Display) -> Found<T> {
        Err(Miss::Error(located(self.text, at.place(), &what.to_string())))
    }

    /// Syntax to an expression.
    pub(super) fn lower(&self, expr: &ast::Expr, scope: &mut dyn Scope) -> Found<Expr> {
        self.lower_at(expr, scope, 0)
    }

    fn lower_at(&self, expr: &ast::Expr, scope: &mut dyn Scope, depth: usize) -> Found<Expr> {
        if depth > DEPTH {
            return self.wrong(expr, format!("the expression nests deeper than {DEPTH}"));
        }
        if let Some(found) = scope.whole(expr)? {
            return Ok(found);
        }
        let mut lower = |expr: &ast::Expr| self.lower_at(expr, scope, depth + 1);
        let boxed = |expr: Expr| Box::new(expr);
        let not = |negated: bool, expr: Expr| match negated {
            true => Expr::Not(Box::new(expr)),
            false => expr,
        };
        Ok(match expr {
            ast::Expr::Identifier(ident) => scope.column(std::slice::from_ref(ident))?,
            ast::Expr::CompoundIdentifier(path) => scope.column(path)?,
            ast::Expr::Nested(inner) => lower(inner)?,
            ast::Expr::Value(value) => Expr::Literal(self.value(&value.value, expr)?),
            ast::Expr::TypedString(typed) => self.typed(typed, expr)?,
            ast::Expr::Interval(interval) => {
                Expr::Literal(Literal::Interval(self.interval(interval)?))
            }
            ast::Expr::UnaryOp { op, expr: of } => match op {
                UnaryOperator::Not => Expr::Not(boxed(lower(of)?)),
                UnaryOperator::Plus => lower(of)?,
                UnaryOperator::Minus => match &**of {
                    ast::Expr::Value(value) if matches!(value.value, Value::Number(..)) => {
                        Expr::Literal(self.number(&value.value, true, expr)?)
                    }
                    _ => Expr::Negate(boxed(lower(of)?)),
                },
                _ => return outside(format!("the operator {op}")),
            },
            ast::Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let operator = match op {
                    BinaryOperator::And => Operator::And,
                    _ => Operator::Or,
                };
                let parts: Vec<Expr> =
                    chain(expr, op).into_iter().map(lower).collect::<Found<_>>()?;
                balanced(parts, operator)
            }
            ast::Expr::BinaryOp { left, op, right } => {
                let (left, right) = (lower(left)?, lower(right)?);
                self.binary(left, op, right)?
            }
            ast::Expr::IsNull(of) => Expr::IsNull(boxed(lower(of)?)),
            ast::Expr::IsNotNull(of) => Expr::Not(boxed(Expr::IsNull(boxed(lower(of)?)))),
            ast::Expr::IsTrue(of) => truth(lower(of)?, true),
            ast::Expr::IsNotTrue(of) => Expr::Not(boxed(truth(lower(of)?, true))),
            ast::Expr::IsFalse(of) => truth(Expr::Not(boxed(lower(of)?)), true),
            ast::Expr::IsNotFalse(of) => {
                Expr::Not(boxed(truth(Expr::Not(boxed(lower(of)?)), true)))
            }
            ast::Expr::IsDistinctFrom(a, b) => Expr::Not(boxed(same(lower(a)?, lower(b)?))),
            ast::Expr::IsNotDistinctFrom(a, b) => same(lower(a)?, lower(b)?),
            ast::Expr::InList { expr: of, list, negated } => {
                let of = lower(of)?;
                let list = list.iter().map(&mut lower).collect::<Found<_>>()?;
                not(*negated, Expr::In(boxed(of), list))
            }
            ast::Expr::Between { expr: of, negated, low, high } => {
                let (of, low, high) = (lower(of)?, lower(low)?, lower(high)?);
                let from = of.clone().binary(Operator::AtLeast, low);
                not(*negated, from.binary(Operator::And, of.binary(Operator::AtMost, high)))
            }
            ast::Expr::Like { negated, any: false, expr: of, pattern, escape_char: None } => {
                let (of, pattern) = (boxed(lower(of)?), boxed(lower(pattern)?));
                not(*negated, Expr::Like { of, pattern, fold: false })
            }
            ast::Expr::ILike { negated, any: false, expr: of, pattern, escape_char: None } => {
                let (of, pattern) = (boxed(lower(of)?), boxed(lower(pattern)?));
                not(*negated, Expr::Like { of, pattern, fold: true })
            }
            ast::Expr::RLike { negated, expr: of, pattern, .. } => {
                let (of, pattern) = (boxed(lower(of)?), boxed(lower(pattern)?));
                not(*negated, Expr::Matches { of, pattern, fold: false })
            }
            ast::Expr::Cast { kind, expr: of, data_type, format: None } => {
                let Some(to) = cast_type(data_type) else {
                    return outside(format!("a cast to {data_type}"));
                };
                let attempt = matches!(kind, CastKind::TryCast | CastKind::SafeCast);
                let cast = Expr::Cast { of: boxed(lower(of)?), to, attempt };
                match data_type {
                    DataType::Date => self.call("date_trunc", vec![text("day"), cast], expr)?,
                    _ => cast,
                }
            }
            ast::Expr::Case { operand, conditions, else_result, .. } => {
                let operand = operand.as_deref().map(&mut lower).transpose()?;
                let mut whens = Vec::with_capacity(conditions.len());
                for when in conditions {
                    let condition = lower(&when.condition)?;
                    let condition = match &operand {
                        Some(operand) => operand.clone().binary(Operator::Equal, condition),
                        None => condition,
                    };
                    whens.push((condition, lower(&when.result)?));
                }
                let otherwise = else_result.as_deref().map(&mut lower).transpose()?;
                Expr::Case(whens, otherwise.map(Box::new))
            }
            ast::Expr::Extract { field, expr: of, .. } => {
                self.call("date_part", vec![text(&unit_name(field)), lower(of)?], expr)?
            }
            ast::Expr::Ceil { expr: of, .. } => self.call("ceil", vec![lower(of)?], expr)?,
            ast::Expr::Floor { expr: of, .. } => self.call("floor", vec![lower(of)?], expr)?,
            ast::Expr::Position { expr: of, r#in } => {
                self.call("strpos", vec![lower(r#in)?, lower(of)?], expr)?
            }
            ast::Expr::Substring { expr: of, substring_from, substring_for, .. } => {
                let mut arguments = vec![lower(of)?];
                arguments.push(match substring_from {
                    Some(from) => lower(from)?,
                    None => Expr::Literal(Literal::Int(1)),
                });
                if let Some(length) = substring_for {
                    arguments.push(lower(length)?);
                }
                self.call("substr", arguments, expr)?
            }
            ast::Expr::Trim { trim_where, trim_what, expr: of, trim_characters } => {
                let mut arguments = vec![lower(of)?];
                if let Some(what) = trim_what {
                    arguments.push(lower(what)?);
                }
                for what in trim_characters.iter().flatten() {
                    arguments.push(lower(what)?);
                }
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    Some(TrimWhereField::Both) | None => "trim",
                };
                self.call(name, arguments, expr)?
            }
            ast::Expr::Function(call) => self.function(call, scope, depth)?,
            ast::Expr::Subquery(query) => Expr::Literal(self.scalar(query)?),
            ast::Expr::InSubquery { expr: of, subquery, negated } => {
                let values = self.subquery(subquery)?.into_iter().map(Expr::Literal).collect();
                let of = lower(of)?;
                not(*negated, Expr::In(boxed(of), values))
            }
            other => return outside(format!("the expression {other}")),
        })
    }

    fn binary(&self, left: Expr, op: &BinaryOperator, right: Expr) -> Found<Expr> {
        let operator = match op {
            BinaryOperator::Plus => Operator::Add,
            BinaryOperator::Minus => Operator::Subtract,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::DuckIntegerDivide | BinaryOperator::MyIntegerDivide => {
                Operator::DivideWhole
            }
            BinaryOperator::Modulo => Operator::Remainder,
            BinaryOperator::Eq => Operator::Equal,
            BinaryOperator::NotEq => Operator::NotEqual,
            BinaryOperator::Lt => Operator::Less,
            BinaryOperator::LtEq => Operator::AtMost,
            BinaryOperator::Gt => Operator::Greater,
            BinaryOperator::GtEq => Operator::AtLeast,
            BinaryOperator::StringConcat => Operator::Concat,
            BinaryOperator::PGRegexMatch
            | BinaryOperator::PGRegexIMatch
            | BinaryOperator::PGRegexNotMatch
            | BinaryOperator::PGRegexNotIMatch => {
                let fold =
                    matches!(op, BinaryOperator::PGRegexIMatch | BinaryOperator::PGRegexNotIMatch);
                let found = Expr::Matches { of: Box::new(left), pattern: Box::new(right), fold };
                return Ok(match op {
                    BinaryOperator::PGRegexMatch | BinaryOperator::PGRegexIMatch => found,
                    _ => Expr::Not(Box::new(found)),
                });
            }
            other => return outside(format!("the operator {other}")),
        };
        Ok(left.binary(operator, right))
    }

    fn function(&self, call: &ast::Function, scope: &mut dyn Scope, depth: usize) -> Found<Expr> {
        let name = call.name.to_string().to_lowercase();
        if call.over.is_some() {
            return outside("a window function".to_owned());
        }
        if super::aggregates::is_aggregate(&name) {
            return scope.aggregate(call);
        }
        if matches!(name.as_str(), "now" | "current_timestamp" | "localtimestamp") {
            return Ok(Expr::Literal(Literal::Time(self.catalog.now())));
        }
        if call.filter.is_some() || !call.within_group.is_empty() {
            return self.wrong(call, format!("{name} is no aggregate"));
        }
        let arguments = self
            .arguments(call)?
            .into_iter()
            .map(|argument| self.lower_at(argument, scope, depth + 1))
            .collect::<Found<_>>()?;
        self.call(&name, arguments, call)
    }

    /// The arguments of a call, without DISTINCT, names or stars.
    pub(super) fn arguments<'a>(&self, call: &'a ast::Function) -> Found<Vec<&'a ast::Expr>> {
        let list = match &call.args {
            FunctionArguments::None => return Ok(Vec::new()),
            FunctionArguments::Subquery(_) => return outside("a subquery as argument".to_owned()),
            FunctionArguments::List(list) => list,
        };
        if matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct)) {
            return outside(format!("{}(DISTINCT ...)", call.name));
        }
        if !list.clauses.is_empty() {
            return outside(format!("a clause within {}()", call.name));
        }
        let expr = |argument: &'a FunctionArg| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
            other => self.wrong(call, format!("{} does not take {other}", call.name)),
        };
        list.args.iter().map(expr).collect()
    }

    /// A scalar function by its name.
    fn call(&self, name: &str, arguments: Vec<Expr>, at: &impl Place) -> Found<Expr> {
        let Ok(function) = Scalar::parse(name) else {
            return outside(format!("the function {name}"));
        };
        let expr = Expr::Call(function, arguments);
        // Constant calls are checked at once, for the sake of an error with a place.
        if expr.columns().is_empty()
            && let Err(error) = Evaluator::new(&expr, &[])
        {
            return self.wrong(at, error);
        }
        Ok(expr)
    }

    fn value(&self, value: &Value, at: &ast::Expr) -> Found<Literal> {
        Ok(match value {
            Value::Null => Literal::Null,
            Value::Boolean(value) => Literal::Bool(*value),
            Value::Number(..) => self.number(value, false, at)?,
            Value::SingleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::NationalStringLiteral(text) => Literal::Str(text.clone()),
            Value::DollarQuotedString(text) => Literal::Str(text.value.clone()),
            other => return self.wrong(at, format!("{other} cannot stand here")),
        })
    }

    fn number(&self, value: &Value, negative: bool, at: &ast::Expr) -> Found<Literal> {
        let text = format!("{}{value}", if negative { "-" } else { "" }).replace('_', "");
        if let Ok(whole) = text.parse::<i64>() {
            return Ok(Literal::Int(whole));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Literal::Float(number)),
            _ => self.wrong(at, format!("{text} is no number that a DOUBLE holds")),
        }
    }

    /// `TIMESTAMP '...'`, `DATE '...'`, `DOUBLE '...'`
    fn typed(&self, typed: &ast::TypedString, at: &ast::Expr) -> Found<Expr> {
        let Some(to) = cast_type(&typed.data_type) else {
            return outside(format!("a value of type {}", typed.data_type));
        };
        let Literal::Str(text) = self.value(&typed.value.value, at)? else {
            return self.wrong(at, format!("{} is followed by text in quotes", typed.data_type));
        };
        let of = Box::new(Expr::Literal(Literal::Str(text)));
        let cast = Expr::Cast { of, to, attempt: false };
        Ok(Expr::Literal(self.constant(&cast, at)?))
    }

    /// `INTERVAL '5 minutes'`, `INTERVAL 5 MINUTE`, `5m`
    pub(super) fn interval(&self, interval: &ast::Interval) -> Found<Interval> {
        let value = match &*interval.value {
            ast::Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => text.clone(),
                Value::Number(digits, _) => digits.clone(),
                other => return self.wrong(interval, format!("{other} is no length of time")),
            },
            other => return self.wrong(interval, format!("{other} is no constant length of time")),
        };
        let text = match &interval.leading_field {
            Some(unit) => format!("{value} {}", unit_name(unit)),
            None => value,
        };
        Interval::parse(&text).or_else(|error| self.wrong(interval, error))
    }

    /// The value of an expression without columns.
    pub(super) fn constant(&self, expr: &Expr, at: &impl Place) -> Found<Literal> {
        match Evaluator::new(expr, &[]).map(|evaluator| evaluator.constant()) {
            Ok(Some(literal)) => Ok(literal),
            Ok(None) => self.wrong(at, "this must be a constant"),
            Err(error) => self.wrong(at, error),
        }
    }

    /// The value of a subquery of one row and column.
    fn scalar(&self, query: &ast::Query) -> Found<Literal> {
        let mut values = self.subquery(query)?;
        match (values.pop(), values.len()) {
            (None, _) => Ok(Literal::Null),
            (Some(value), 0) => Ok(value),
            (Some(_), more) => self.wrong(
                query,
                format!("the subquery stands for one value and has {} rows", more + 1),
            ),
        }
    }

    /// The values of a subquery's one column.
    fn subquery(&self, query: &ast::Query) -> Found<Vec<Literal>> {
        let native = match self.native(query) {
            Err(Miss::Outside(reason)) => return outside(format!("a subquery with {reason}")),
            // A name that is not known may be one of the query around it.
            Err(Miss::Error(_)) => {
                return outside("a subquery that refers to what is around it".into());
            }
            Ok(native) => native,
        };
        Ok(self.catalog.column(&native)?)
    }
}

/// Not here, but perhaps in Polars.
pub(super) fn outside<T>(reason: String) -> Found<T> {
    Err(Miss::Outside(reason))
}

/// The operands of a chain of one operator, in their order.
pub(super) fn chain<'a>(expr: &'a ast::Expr, of: &BinaryOperator) -> Vec<&'a ast::Expr> {
    let (mut todo, mut parts) = (vec![expr], Vec::new());
    while let Some(expr) = todo.pop() {
        match expr {
            ast::Expr::BinaryOp { left, op, right } if op == of => {
                todo.push(right);
                todo.push(left);
            }
            ast::Expr::Nested(inner) if matches!(&**inner, ast::Expr::BinaryOp { op, .. } if op == of) =>
            {
                todo.push(inner);
            }
            other => parts.push(other),
        }
    }
    parts
}

/// A chain as a tree as flat as can be.
fn balanced(mut parts: Vec<Expr>, operator: Operator) -> Expr {
    while parts.len() > 1 {
        let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(left) = rest.next() {
            pairs.push(match rest.next() {
                Some(right) => left.binary(operator, right),
                None => left,
            });
        }
        parts = pairs;
    }
    parts.pop().unwrap_or(Expr::Literal(Literal::Bool(true)))
}

/// `x IS TRUE`: never null.
fn truth(of: Expr, value: bool) -> Expr {
    let otherwise = Some(Box::new(Expr::Literal(Literal::Bool(!value))));
    Expr::Case(vec![(of, Expr::Literal(Literal::Bool(value)))], otherwise)
}

/// `a IS NOT DISTINCT FROM b`: two nulls are the same.
fn same(a: Expr, b: Expr) -> Expr {
    let null = |expr: &Expr| Expr::IsNull(Box::new(expr.clone()));
    let both = null(&a).binary(Operator::And, null(&b));
    let equal = truth(a.binary(Operator::Equal, b), true);
    both.binary(Operator::Or, equal)
}

fn text(text: &str) -> Expr {
    Expr::Literal(Literal::Str(text.to_owned()))
}

fn unit_name(field: &DateTimeField) -> String {
    field.to_string().trim_matches('\'').to_lowercase()
}

/// The type that SQL's name stands for.
fn cast_type(ty: &DataType) -> Option<Type> {
    Some(match ty {
        DataType::Boolean | DataType::Bool => Type::Bool,
        DataType::TinyInt(_)
        | DataType::SmallInt(_)
        | DataType::Int(_)
        | DataType::Integer(_)
        | DataType::BigInt(_)
        | DataType::Int2(_)
        | DataType::Int4(_)
        | DataType::Int8(_)
        | DataType::Int64 => Type::Int,
        DataType::Double(_)
        | DataType::DoublePrecision
        | DataType::Float(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Float64
        | DataType::Real => Type::Float,
        DataType::Varchar(_)
        | DataType::Text
        | DataType::String(_)
        | DataType::Char(_)
        | DataType::CharVarying(_)
        | DataType::CharacterVarying(_) => Type::Str,
        DataType::Timestamp(..)
        | DataType::TimestampNtz(_)
        | DataType::Datetime(_)
        | DataType::Date => Type::Time,
        DataType::Interval { .. } => Type::Interval,
        _ => return None,
    })
}
