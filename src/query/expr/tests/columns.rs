//! Columns as they come in: dictionaries, narrow types, nulls; and as they go out.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, StringArray, UInt32Array, UInt64Array};
use arrow_schema::DataType;

use super::build::*;
use crate::query::expr::Operator::{Add, Concat, Equal, Less};
use crate::query::expr::{Evaluator, Expr, Literal, Type};

const HOSTS: [Option<&str>; 6] =
    [Some("web1"), Some("db2"), None, Some("web3"), Some("db2"), Some("web1")];

/// Expressions that read one tag, or that and other columns.
fn over_tags() -> Vec<Expr> {
    let host = || column("host");
    vec![
        Expr::Like { of: Box::new(host()), pattern: Box::new(text("web%")), fold: false },
        op(host(), Equal, text("db2")),
        op(host(), Less, text("w")),
        Expr::IsNull(Box::new(host())),
        Expr::In(Box::new(host()), vec![text("db2"), null()]),
        call("coalesce", [host(), text("none")]),
        call("upper", [host()]),
        op(host(), Concat, column("region")),
        op(op(host(), Equal, text("db2")), Equal, op(column("n"), Less, int(3))),
        Expr::Case(vec![(op(column("n"), Less, int(3)), host())], Some(Box::new(text("x")))),
        call("concat", [host(), column("n")]),
        call("regexp_extract", [host(), text("[0-9]")]),
        cast(call("right", [host(), int(1)]), Type::Int),
    ]
}

#[test]
fn a_dictionary_gives_what_its_texts_give() {
    let n = ints(&[Some(1), Some(2), Some(3), None, Some(2), Some(9)]);
    let plain = [("host", texts(&HOSTS)), ("region", texts(&HOSTS)), ("n", n.clone())];
    let narrow: ArrayRef = Arc::new(StringArray::from(HOSTS.to_vec()));
    let narrow = [("host", narrow.clone()), ("region", narrow), ("n", n.clone())];
    let tagged = [("host", tags(&HOSTS)), ("region", tags(&HOSTS)), ("n", n)];
    for expr in over_tags() {
        let wanted = values(&expr, &plain).unwrap_or_else(|why| panic!("{expr}: {why}"));
        assert_eq!(values(&expr, &tagged).expect("of a dictionary"), wanted, "{expr}");
        assert_eq!(values(&expr, &narrow).expect("of Utf8"), wanted, "{expr}");
    }
}

#[test]
fn a_value_that_no_row_has_is_no_error() {
    // "nobody's" stands in the dictionary and cannot be cast.
    let last = cast(call("right", [column("host"), int(1)]), Type::Int);
    let found = values(&last, &[("host", tags(&HOSTS))]).expect("all end in a digit");
    assert_eq!(found[0], Literal::Int(1));
    assert_eq!(found[2], Literal::Null);
}

#[test]
fn a_column_alone_is_passed_on() {
    let host = tags(&HOSTS);
    let evaluator =
        Evaluator::new(&column("host"), &[("host".to_owned(), Type::Str)]).expect("a column");
    let found = evaluator.evaluate(&[Arc::clone(&host)], HOSTS.len()).expect("the column");
    assert!(Arc::ptr_eq(&found, &host));
    assert!(found.as_dictionary_opt::<UInt32Type>().is_some());
}

#[test]
fn narrow_and_unsigned_numbers_are_widened() {
    let counts: ArrayRef = Arc::new(UInt32Array::from(vec![Some(u32::MAX), None]));
    let found = values(&op(column("n"), Add, int(1)), &[("n", counts)]).expect("a sum");
    assert_eq!(found, [Literal::Int(1 << 32), Literal::Null]);
    let large: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    let why = values(&op(column("n"), Add, int(1)), &[("n", large)]).expect_err("too large");
    assert!(why.to_string().contains("holds values that BIGINT cannot"), "{why}");
}

#[test]
fn no_columns_and_no_rows() {
    let one = Evaluator::new(&int(1), &[]).expect("a constant");
    assert_eq!(one.evaluate(&[], 5).expect("five").len(), 5);
    assert_eq!(one.evaluate(&[], 0).expect("none").len(), 0);
    let none = Evaluator::new(&null(), &[]).expect("null");
    assert_eq!(*none.evaluate(&[], 2).expect("nulls").data_type(), DataType::Null);
    assert_eq!(none.filter(&[], 2).expect("none").count_set_bits(), 0);
    assert!(one.filter(&[], 2).is_err());
    let empty = [("host", tags(&[])), ("region", texts(&[])), ("n", ints(&[]))];
    for expr in over_tags() {
        assert_eq!(values(&expr, &empty).expect("no rows").len(), 0, "{expr}");
    }
}
