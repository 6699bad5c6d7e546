//! Expressions and columns for the tests.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, LargeStringArray,
    StringArray, TimestampNanosecondArray, UInt32Array,
};

use arrow_schema::DataType;

use crate::error::Result;
use crate::query::expr::value::Value;
use crate::query::expr::{Evaluator, Expr, Interval, Literal, Operator, Scalar, Type};

pub(super) fn null() -> Expr {
    Expr::Literal(Literal::Null)
}

pub(super) fn int(value: i64) -> Expr {
    Expr::Literal(Literal::Int(value))
}

pub(super) fn float(value: f64) -> Expr {
    Expr::Literal(Literal::Float(value))
}

pub(super) fn text(value: &str) -> Expr {
    Expr::Literal(Literal::Str(value.to_owned()))
}

pub(super) fn truth(value: bool) -> Expr {
    Expr::Literal(Literal::Bool(value))
}

pub(super) fn time(value: &str) -> Expr {
    let ns = crate::model::parse_time(value).expect("a time");
    Expr::Literal(Literal::Time(ns))
}

pub(super) fn interval(value: &str) -> Expr {
    Expr::Literal(Literal::Interval(Interval::parse(value).expect("an interval")))
}

pub(super) fn column(name: &str) -> Expr {
    Expr::column(name)
}

pub(super) fn op(a: Expr, operator: Operator, b: Expr) -> Expr {
    a.binary(operator, b)
}

pub(super) fn call(name: &str, arguments: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::Call(Scalar::parse(name).expect("a function"), arguments.into_iter().collect())
}

pub(super) fn cast(of: Expr, to: Type) -> Expr {
    Expr::Cast { of: Box::new(of), to, attempt: false }
}

/// The value of an expression without columns.
pub(super) fn constant(expr: &Expr) -> Result<Literal> {
    let evaluator = Evaluator::new(expr, &[])?;
    let found = evaluator.constant();
    // Folded or not, a column of it must say the same.
    if !matches!(found, Some(Literal::Interval(Interval { months: 1.., .. }))) {
        let column = evaluator.evaluate(&[], 3)?;
        assert_eq!(column.len(), 3, "{expr}");
        let last = Value::Many(column).literal(evaluator.ty(), 2)?;
        assert_eq!(Some(format!("{last:?}")), found.map(|found| format!("{found:?}")), "{expr}");
    }
    evaluator.constant().ok_or_else(|| crate::error::Error::Internal("not folded".to_owned()))
}

/// The values of an expression over columns.
pub(super) fn values(expr: &Expr, table: &[(&str, ArrayRef)]) -> Result<Vec<Literal>> {
    let columns: Vec<(String, Type)> = table
        .iter()
        .map(|(name, array)| ((*name).to_owned(), Type::of(array.data_type())))
        .collect();
    let arrays: Vec<ArrayRef> = table.iter().map(|(_, array)| Arc::clone(array)).collect();
    let rows = arrays.first().map_or(1, |array| array.len());
    let evaluator = Evaluator::new(expr, &columns)?;
    let found = evaluator.evaluate(&arrays, rows)?;
    assert_eq!(found.len(), rows);
    if !matches!(expr, Expr::Column(_)) {
        assert_eq!(*found.data_type(), evaluator.ty().arrow(), "{expr}");
    }
    if evaluator.ty() == Type::Bool {
        let set = evaluator.filter(&arrays, rows)?;
        let truths = Value::Many(Arc::clone(&found));
        for row in 0..rows {
            let truth = truths.literal(Type::Bool, row)? == Literal::Bool(true);
            assert_eq!(set.value(row), truth, "{expr} in row {row}");
        }
    }
    let found = match found.data_type() {
        DataType::Dictionary(..) => arrow_cast::cast(&found, &DataType::LargeUtf8).expect("texts"),
        _ => found,
    };
    (0..rows).map(|row| Value::Many(Arc::clone(&found)).literal(evaluator.ty(), row)).collect()
}

pub(super) fn ints(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

pub(super) fn floats(values: &[Option<f64>]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

pub(super) fn truths(values: &[Option<bool>]) -> ArrayRef {
    Arc::new(BooleanArray::from(values.to_vec()))
}

pub(super) fn texts(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(LargeStringArray::from(values.to_vec()))
}

pub(super) fn times(values: &[Option<i64>]) -> ArrayRef {
    Arc::new(TimestampNanosecondArray::from(values.to_vec()).with_timezone("UTC"))
}

/// A dictionary with a value that no row has first.
pub(super) fn tags(values: &[Option<&str>]) -> ArrayRef {
    let mut known = vec!["nobody's"];
    known.extend(values.iter().flatten());
    known.sort_unstable();
    known.dedup();
    let keys: UInt32Array = values
        .iter()
        .map(|value| {
            let place = known.iter().position(|known| Some(*known) == *value)?;
            u32::try_from(place).ok()
        })
        .collect();
    let values = Arc::new(StringArray::from(known));
    Arc::new(DictionaryArray::<UInt32Type>::new(keys, values))
}
