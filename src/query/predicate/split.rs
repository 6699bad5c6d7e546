//! What a condition says of times, and of single fields.

use crate::error::Result;
use crate::kernels::filter::Test;
use crate::model::{FieldType, TableSchema, TimeRange, Timestamp};
use crate::query::expr::{Evaluator, Expr, Literal, Operator, Type};

/// Integers up to this are doubles without rounding.
const EXACT: f64 = (1u64 << 53) as f64;

/// The operands of AND, to any depth, in their order.
pub(crate) fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    let (mut todo, mut parts) = (vec![expr], Vec::new());
    while let Some(expr) = todo.pop() {
        match expr {
            Expr::Binary(left, Operator::And, right) => todo.extend([right, left].map(|e| &**e)),
            other => parts.push(other),
        }
    }
    parts
}

/// A comparison of a column with what is constant: the column's name, and the operator as if it
/// stood on the left.
fn compared(expr: &Expr) -> Option<(&str, Operator, &Expr)> {
    let Expr::Binary(left, operator, right) = expr else { return None };
    let mirrored = match operator {
        Operator::Equal | Operator::NotEqual => *operator,
        Operator::Less => Operator::Greater,
        Operator::AtMost => Operator::AtLeast,
        Operator::Greater => Operator::Less,
        Operator::AtLeast => Operator::AtMost,
        _ => return None,
    };
    match (&**left, &**right) {
        (Expr::Column(name), constant) if constant.columns().is_empty() => {
            Some((name, *operator, constant))
        }
        (constant, Expr::Column(name)) if constant.columns().is_empty() => {
            Some((name, mirrored, constant))
        }
        _ => None,
    }
}

fn constant(expr: &Expr) -> Result<Option<Literal>> {
    Ok(Evaluator::new(expr, &[])?.constant())
}

/// The times that a comparison of `time` with a constant lets through.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] when the constant is no time.
pub(crate) fn times(conjunct: &Expr) -> Result<Option<TimeRange>> {
    let Some(("time", operator, other)) = compared(conjunct) else { return Ok(None) };
    // Text beside a time is a time.
    let other = Expr::Cast { of: Box::new(other.clone()), to: Type::Time, attempt: false };
    let Some(Literal::Time(at)) = constant(&other)? else { return Ok(None) };
    // The last time of all has none after it, and nothing ends before the first.
    let never = TimeRange::new(Some(at), Some(at));
    let from = |start: Option<Timestamp>| start.map_or(never, |s| TimeRange::new(Some(s), None));
    let next = at.checked_add(1);
    Ok(Some(match operator {
        Operator::AtLeast => from(Some(at)),
        Operator::Greater => from(next),
        Operator::Less => TimeRange::new(None, Some(at)),
        Operator::AtMost => TimeRange::new(None, next),
        Operator::Equal => TimeRange::new(Some(at), next),
        _ => return Ok(None),
    }))
}

/// The field and the test that a conjunct is, where it is one.
///
/// # Errors
/// [`crate::Error::InvalidArgument`] when a constant cannot be computed.
pub(super) fn test(conjunct: &Expr, schema: &TableSchema) -> Result<Option<(usize, Test)>> {
    let field = |name: &str| schema.fields.iter().position(|field| field.name == name);
    let column = |expr: &Expr| match expr {
        Expr::Column(name) => field(name),
        _ => None,
    };
    match conjunct {
        Expr::IsNull(of) => return Ok(column(of).map(|field| (field, Test::Null))),
        Expr::Not(of) => {
            let Expr::IsNull(of) = &**of else { return Ok(None) };
            return Ok(column(of).map(|field| (field, Test::Valid)));
        }
        Expr::In(of, list) => {
            let Some(field) = column(of) else { return Ok(None) };
            let mut any = None;
            for one in list {
                if !one.columns().is_empty() {
                    return Ok(None);
                }
                let Some(value) = constant(one)? else { return Ok(None) };
                let own = comparison(schema.fields[field].ty, Operator::Equal, &value);
                let Some(own) = own else { return Ok(None) };
                any = Some(any.map_or(own.clone(), |any| either(any, own)));
            }
            return Ok(any.map(|test| (field, test)));
        }
        _ => {}
    }
    let Some((name, operator, other)) = compared(conjunct) else { return Ok(None) };
    let Some(field) = field(name) else { return Ok(None) };
    let Some(value) = constant(other)? else { return Ok(None) };
    Ok(comparison(schema.fields[field].ty, operator, &value).map(|test| (field, test)))
}

/// What passes either of two comparisons of one field.
fn either(a: Test, b: Test) -> Test {
    match (a, b) {
        (Test::Doubles { spans: mut a, nan: x }, Test::Doubles { spans: b, nan: y }) => {
            a.extend(b);
            Test::Doubles { spans: a, nan: x || y }
        }
        (Test::Integers(mut a), Test::Integers(b)) => {
            a.extend(b);
            Test::Integers(a)
        }
        (Test::Never, other) | (other, _) => other,
    }
}

/// The test that compares a field with a constant, where numbers tell it.
fn comparison(ty: FieldType, operator: Operator, value: &Literal) -> Option<Test> {
    match (ty, value) {
        (FieldType::F64 | FieldType::I64, Literal::Null) => Some(Test::Never),
        (FieldType::F64, Literal::Int(value)) => Some(doubles(operator, *value as f64)),
        (FieldType::F64, Literal::Float(value)) => Some(doubles(operator, *value)),
        (FieldType::I64, Literal::Int(value)) => Some(integers(operator, *value)),
        (FieldType::I64, Literal::Float(value)) => mixed(operator, *value),
        _ => None,
    }
}

fn doubles(operator: Operator, value: f64) -> Test {
    const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);
    let below = || (value > ALL.0).then(|| (ALL.0, value.next_down()));
    let above = || (value < ALL.1).then(|| (value.next_up(), ALL.1));
    let (spans, nan) = if value.is_nan() {
        match operator {
            Operator::Equal | Operator::AtLeast => (vec![], true),
            Operator::Greater => (vec![], false),
            Operator::AtMost => (vec![ALL], true),
            _ => (vec![ALL], false),
        }
    } else {
        match operator {
            Operator::Equal => (vec![(value, value)], false),
            Operator::Less => (Vec::from_iter(below()), false),
            Operator::AtMost => (vec![(ALL.0, value)], false),
            Operator::Greater => (Vec::from_iter(above()), true),
            Operator::AtLeast => (vec![(value, ALL.1)], true),
            _ => (below().into_iter().chain(above()).collect(), true),
        }
    };
    Test::Doubles { spans, nan }
}

fn integers(operator: Operator, value: i64) -> Test {
    let below = || value.checked_sub(1).map(|high| (i64::MIN, high));
    let above = || value.checked_add(1).map(|low| (low, i64::MAX));
    Test::Integers(match operator {
        Operator::Equal => vec![(value, value)],
        Operator::Less => Vec::from_iter(below()),
        Operator::AtMost => vec![(i64::MIN, value)],
        Operator::Greater => Vec::from_iter(above()),
        Operator::AtLeast => vec![(value, i64::MAX)],
        _ => below().into_iter().chain(above()).collect(),
    })
}

/// Integers beside a double: they meet as doubles, which is plain below 2^53.
fn mixed(operator: Operator, value: f64) -> Option<Test> {
    if value.is_nan() || value.abs() >= EXACT {
        return None;
    }
    if value.fract() == 0.0 {
        return Some(integers(operator, value as i64));
    }
    let (low, high) = (value.floor() as i64, value.ceil() as i64);
    Some(match operator {
        Operator::Equal => Test::Integers(Vec::new()),
        Operator::Less | Operator::AtMost => integers(Operator::AtMost, low),
        Operator::Greater | Operator::AtLeast => integers(Operator::AtLeast, high),
        _ => Test::Integers(vec![(i64::MIN, i64::MAX)]),
    })
}
