//! Casts, with the values of DuckDB.

use super::build::*;
use crate::query::expr::{Expr, Interval, Literal, Type};

#[test]
fn casts_between_types() {
    use Literal::{Bool, Float, Int, Null};
    let string = |text: &str| Literal::Str(text.to_owned());
    for (of, to, wanted) in [
        (float(2.5), Type::Int, Int(2)),
        (float(3.5), Type::Int, Int(4)),
        (float(-2.5), Type::Int, Int(-2)),
        (truth(true), Type::Int, Int(1)),
        (truth(true), Type::Float, Float(1.0)),
        (int(2), Type::Bool, Bool(true)),
        (float(0.5), Type::Bool, Bool(true)),
        (float(f64::NAN), Type::Bool, Bool(true)),
        (text("yes"), Type::Bool, Bool(true)),
        (text("F"), Type::Bool, Bool(false)),
        (text(" 12 "), Type::Int, Int(12)),
        (text("2.5"), Type::Int, Int(3)),
        (text("1e3"), Type::Int, Int(1000)),
        (text("-9223372036854775808"), Type::Int, Int(i64::MIN)),
        (text(" 1.5 "), Type::Float, Float(1.5)),
        (text("Infinity"), Type::Float, Float(f64::INFINITY)),
        (text("5."), Type::Float, Float(5.0)),
        (int(1), Type::Float, Float(1.0)),
        (float(1.0), Type::Str, string("1.0")),
        (float(1e20), Type::Str, string("1e+20")),
        (float(1e-5), Type::Str, string("1e-05")),
        (float(1e15), Type::Str, string("1000000000000000.0")),
        (float(1e16), Type::Str, string("1e+16")),
        (float(123_456_789_012_345_678.0), Type::Str, string("1.2345678901234568e+17")),
        (float(0.0001), Type::Str, string("0.0001")),
        (float(f64::NEG_INFINITY), Type::Str, string("-inf")),
        (float(-0.0), Type::Str, string("-0.0")),
        (float(1.5e-10), Type::Str, string("1.5e-10")),
        (truth(true), Type::Str, string("true")),
        (time("2020-01-02T03:04:05.5"), Type::Str, string("2020-01-02 03:04:05.5+00")),
        (text("2020-01-01 10:00:00+02"), Type::Time, Literal::Time(1_577_865_600_000_000_000)),
        (interval("14 months"), Type::Str, string("1 year 2 months")),
        (text("1mo"), Type::Interval, Literal::Interval(Interval { months: 1, nanos: 0 })),
        (null(), Type::Int, Null),
    ] {
        let expr = cast(of, to);
        let found = constant(&expr).unwrap_or_else(|why| panic!("{expr}: {why}"));
        assert_eq!(found, wanted, "{expr}");
    }
}

#[test]
fn what_cannot_be_cast_is_an_error_or_null() {
    for (of, to, message) in [
        (text("abc"), Type::Float, "\"abc\" cannot be read as DOUBLE"),
        (text(""), Type::Int, "\"\" cannot be read as BIGINT"),
        (text("9223372036854775808"), Type::Int, "cannot be read as BIGINT"),
        (text("on"), Type::Bool, "cannot be read as BOOLEAN"),
        (float(1e19), Type::Int, "1e+19 is out of the range of BIGINT"),
        (float(f64::NAN), Type::Int, "nan is out of the range of BIGINT"),
        (text("now"), Type::Time, "\"now\" is no time"),
        (text("5"), Type::Interval, "5 has no unit"),
    ] {
        let why = constant(&cast(of.clone(), to)).expect_err("an error").to_string();
        assert!(why.contains(message), "{why}");
        let attempt = Expr::Cast { of: Box::new(of), to, attempt: true };
        assert_eq!(constant(&attempt).expect("null"), Literal::Null, "{attempt}");
    }
    for (of, to, message) in [
        (int(5), Type::Time, "to_timestamp(x) takes seconds"),
        (time("2020-01-01"), Type::Int, "epoch_ns(x) nanoseconds"),
        (truth(true), Type::Time, "there is no such cast"),
    ] {
        let attempt = Expr::Cast { of: Box::new(of), to, attempt: true };
        assert!(constant(&attempt).expect_err("never").to_string().contains(message));
    }
}

#[test]
fn names_of_types() {
    for (name, wanted) in [
        ("bigint", Type::Int),
        ("VARCHAR(20)", Type::Str),
        ("double precision", Type::Float),
        ("TIMESTAMP(3) WITH TIME ZONE", Type::Time),
    ] {
        assert_eq!(Type::parse(name).expect("a type"), wanted);
    }
    assert!(Type::parse("DATE").expect_err("no type").to_string().contains("date_trunc"));
    assert!(Type::parse("DECIMAL(9, 2)").expect_err("no type").to_string().contains("use DOUBLE"));
    assert!(Type::parse("DUBLE").expect_err("no type").to_string().contains("\"DOUBLE\""));
}
