//! Operators, with values from DuckDB where they are not our own to choose.

use super::build::*;
use crate::query::expr::Operator::*;
use crate::query::expr::{Evaluator, Expr, Interval, Literal, Type};

fn is(expr: Expr, wanted: Literal) {
    let found = constant(&expr).unwrap_or_else(|why| panic!("{expr}: {why}"));
    assert_eq!(format!("{found:?}"), format!("{wanted:?}"), "{expr}");
}

fn fails(expr: Expr, message: &str) {
    let why = constant(&expr).expect_err(&expr.to_string()).to_string();
    assert!(why.contains(message), "{expr}: {why}");
}

const NAN: f64 = f64::NAN;

#[test]
fn arithmetic_of_numbers() {
    is(op(int(2), Add, int(3)), Literal::Int(5));
    is(op(int(2), Add, float(0.5)), Literal::Float(2.5));
    is(op(int(1), Divide, int(4)), Literal::Float(0.25));
    is(op(int(1), Divide, int(0)), Literal::Float(f64::INFINITY));
    is(op(int(-5), DivideWhole, int(2)), Literal::Int(-2));
    is(op(int(5), DivideWhole, int(-2)), Literal::Int(-2));
    is(op(float(-5.0), DivideWhole, int(2)), Literal::Float(-3.0));
    is(op(int(5), DivideWhole, int(0)), Literal::Null);
    is(op(int(5), Remainder, int(0)), Literal::Null);
    is(op(int(-5), Remainder, int(3)), Literal::Int(-2));
    is(op(int(i64::MIN), Remainder, int(-1)), Literal::Int(0));
    is(op(float(-5.5), Remainder, float(3.0)), Literal::Float(-2.5));
    is(op(float(5.5), Remainder, float(0.0)), Literal::Float(NAN));
    is(op(null(), Add, int(1)), Literal::Null);
    is(Expr::Negate(Box::new(float(0.0))), Literal::Float(-0.0));
    fails(
        op(int(i64::MAX), Add, int(1)),
        "integer overflow in 9223372036854775807 + 1; cast one side to DOUBLE",
    );
    fails(op(int(i64::MIN), Subtract, int(1)), "integer overflow");
    fails(op(int(1 << 62), Multiply, int(2)), "integer overflow");
    fails(op(int(i64::MIN), DivideWhole, int(-1)), "integer overflow");
    fails(Expr::Negate(Box::new(int(i64::MIN))), "integer overflow");
    fails(op(truth(true), Add, int(1)), "there is no BOOLEAN + BIGINT");
    fails(op(text("a"), Add, text("b")), "joined by ||");
}

#[test]
fn what_stands_under_a_null_does_not_overflow() {
    let nulls = ints(&[Some(1), None, Some(3)]);
    let big = op(column("a"), Add, int(i64::MAX - 3));
    assert!(values(&big, &[("a", nulls)]).is_ok());
    let masked = arrow_select::nullif::nullif(&ints(&[Some(1), Some(9), Some(3)]), &mask());
    let masked = masked.expect("nulls");
    assert_eq!(values(&big, &[("a", masked)]).expect("no overflow")[1], Literal::Null);
}

fn mask() -> arrow_array::BooleanArray {
    arrow_array::BooleanArray::from(vec![false, true, false])
}

#[test]
fn doubles_compare_as_numbers_with_nan_on_top() {
    for (a, b) in [(0.0, -0.0), (NAN, NAN), (NAN, -NAN)] {
        is(op(float(a), Equal, float(b)), Literal::Bool(true));
        is(op(float(a), Less, float(b)), Literal::Bool(false));
        is(op(float(a), AtLeast, float(b)), Literal::Bool(true));
    }
    is(op(float(f64::INFINITY), Less, float(NAN)), Literal::Bool(true));
    is(op(float(-NAN), Greater, float(f64::INFINITY)), Literal::Bool(true));
    is(op(float(NAN), NotEqual, float(1.0)), Literal::Bool(true));
    is(op(int(1), Equal, float(1.0)), Literal::Bool(true));
    is(op(int(1), Equal, text("1")), Literal::Bool(true));
    is(op(truth(true), Equal, int(1)), Literal::Bool(true));
    is(op(text("a"), Less, text("b")), Literal::Bool(true));
    fails(op(int(1), Equal, text("a")), "'a' cannot be read as BIGINT");
}

#[test]
fn three_valued_logic() {
    let all = [Some(true), Some(false), None];
    let mut a = Vec::new();
    let mut b = Vec::new();
    for x in all {
        for y in all {
            a.push(x);
            b.push(y);
        }
    }
    let table = [("a", truths(&a)), ("b", truths(&b))];
    let as_literals = |values: Vec<Option<bool>>| -> Vec<Literal> {
        values.into_iter().map(|v| v.map_or(Literal::Null, Literal::Bool)).collect()
    };
    let and = a.iter().zip(&b).map(|(a, b)| match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    });
    let or = a.iter().zip(&b).map(|(a, b)| match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    });
    let found = values(&op(column("a"), And, column("b")), &table).expect("AND");
    assert_eq!(found, as_literals(and.collect()));
    let found = values(&op(column("a"), Or, column("b")), &table).expect("OR");
    assert_eq!(found, as_literals(or.collect()));
    for constant in all {
        let literal = Expr::Literal(constant.map_or(Literal::Null, Literal::Bool));
        let and = op(column("a"), And, literal.clone());
        let other = [("a", truths(&a)), ("b", truths(&vec![constant; a.len()]))];
        assert_eq!(
            values(&and, &other).expect("AND"),
            values(&op(column("a"), And, column("b")), &other).expect("AND"),
        );
    }
    let not = Expr::Not(Box::new(column("a")));
    let wanted = a.iter().map(|a| a.map(|a| !a)).collect();
    assert_eq!(values(&not, &table).expect("NOT"), as_literals(wanted));
    fails(op(int(1), And, truth(true)), "AND takes conditions, not BIGINT");
}

#[test]
fn times_and_intervals() {
    let at = |text| time(text);
    let day = Literal::Interval(Interval { months: 0, nanos: 86_400_000_000_000 });
    let stamp = |text| Literal::Time(crate::model::parse_time(text).expect("a time"));
    is(op(at("2020-01-02"), Subtract, at("2020-01-01")), day.clone());
    is(op(at("2021-01-31"), Add, interval("1 month")), stamp("2021-02-28"));
    is(op(at("2021-03-31T10:00"), Subtract, interval("1 month")), stamp("2021-02-28T10:00"));
    is(op(at("2021-03-31T10:00"), Add, interval("1 month 1 day")), stamp("2021-05-01T10:00"));
    is(op(interval("5m"), Add, at("2020-01-01")), stamp("2020-01-01T00:05"));
    is(op(at("2020-01-01"), Add, text("1h30m")), stamp("2020-01-01T01:30"));
    is(op(at("2020-01-02"), Subtract, text("2020-01-01")), day.clone());
    is(op(text("2020-01-01"), Add, interval("1 day")), stamp("2020-01-02"));
    is(op(at("2020-01-01"), Less, text("2020-01-01 00:00:00.000000001")), Literal::Bool(true));
    is(
        op(interval("90 minutes"), Multiply, float(1.5)),
        Literal::Interval(Interval { months: 0, nanos: 8_100_000_000_000 }),
    );
    is(
        op(int(2), Multiply, interval("1 month 12h")),
        Literal::Interval(Interval { months: 2, nanos: 86_400_000_000_000 }),
    );
    is(op(interval("1 day"), Divide, int(0)), Literal::Null);
    fails(op(at("2020-01-01"), Less, text("yesterday")), "\"yesterday\" is no time");
    fails(op(at("2020-01-01"), Add, int(1)), "add an interval");
    fails(op(at("2262-01-01"), Add, interval("1 year")), "outside 1677-09-21 .. 2262-04-11");
    fails(op(interval("1 month"), Less, interval("30 days")), "how long a month is");
    fails(op(at("2020-01-01"), Equal, int(0)), "TIMESTAMP and BIGINT do not meet");
}

#[test]
fn in_and_like() {
    let within = |x: Expr, list: Vec<Expr>| Expr::In(Box::new(x), list);
    is(within(text("x"), vec![text("a"), null()]), Literal::Null);
    is(within(text("a"), vec![text("a"), null()]), Literal::Bool(true));
    is(within(null(), vec![int(1)]), Literal::Null);
    is(within(float(NAN), vec![float(-NAN)]), Literal::Bool(true));
    is(within(float(-0.0), vec![int(0)]), Literal::Bool(true));
    is(within(int(3), vec![float(2.5), int(3)]), Literal::Bool(true));
    let like = |of: &str, pattern: &str, fold| Expr::Like {
        of: Box::new(text(of)),
        pattern: Box::new(text(pattern)),
        fold,
    };
    for (of, pattern, fold, wanted) in [
        ("a\nb", "a%b", false, true),
        ("a\nb", "a_b", false, true),
        ("a%b", "a\\%b", false, true),
        ("axb", "a\\%b", false, false),
        ("HÉ", "hé", true, true),
        ("HÉ", "hé", false, false),
        ("abc", "%", false, true),
        ("abc", "ab%", false, true),
        ("abc", "%bc", false, true),
        ("abc", "%b%", false, true),
        ("abc", "abc", false, true),
        ("abc", "%%c%", false, true),
        ("abc", "a%%", false, true),
        ("abc", "b%", false, false),
        ("a.c", "a.c", false, true),
        ("abc", "a.c", false, false),
        ("", "%", false, true),
        ("", "_", false, false),
    ] {
        is(like(of, pattern, fold), Literal::Bool(wanted));
    }
    fails(like("a", "a\\", false), "ends in \\");
    let matches = |of: &str, pattern: &str, fold| Expr::Matches {
        of: Box::new(text(of)),
        pattern: Box::new(text(pattern)),
        fold,
    };
    is(matches("web1", "^web[0-9]+$", false), Literal::Bool(true));
    is(matches("WEB1", "web", false), Literal::Bool(false));
    is(matches("WEB1", "web", true), Literal::Bool(true));
    fails(matches("a", "(", false), "'(' is no regular expression");
}

#[test]
fn a_branch_fails_for_its_own_rows_only() {
    let table = [("x", ints(&[Some(1), Some(0), None, Some(i64::MAX)]))];
    let case = Expr::Case(
        vec![
            (op(column("x"), Greater, int(10)), int(-1)),
            (op(column("x"), Equal, int(0)), cast(text("0"), Type::Int)),
        ],
        Some(Box::new(op(column("x"), Add, int(i64::MAX - 1)))),
    );
    let found = values(&case, &table).expect("no branch fails");
    let wanted = [Literal::Int(i64::MAX), Literal::Int(0), Literal::Null, Literal::Int(-1)];
    assert_eq!(found, wanted);
    let never = Expr::Case(vec![(truth(false), cast(text("a"), Type::Int))], None);
    assert_eq!(values(&never, &table).expect("never taken")[0], Literal::Null);
    let coalesce = call("coalesce", [column("x"), cast(text("7"), Type::Int)]);
    assert_eq!(values(&coalesce, &table).expect("values")[2], Literal::Int(7));
}

#[test]
fn names_and_types_are_checked_before_any_row() {
    let columns = [
        ("usage".to_owned(), Type::Float),
        ("host".to_owned(), Type::Str),
        ("l".to_owned(), Type::Other),
    ];
    let error = |expr: Expr| Evaluator::new(&expr, &columns).expect_err("no").to_string();
    assert!(error(column("usge")).contains("the nearest are \"usage\""));
    assert!(error(op(column("host"), Less, int(3))).contains("VARCHAR and BIGINT do not meet"));
    assert!(error(op(column("l"), Equal, int(3))).contains("lists can only be"));
    assert_eq!(
        error(call("round", [column("host")])),
        "round(host): round(x[, digits]) takes a number as its first argument, and got VARCHAR"
    );
    assert!(error(call("round", [])).contains("round(x[, digits]) was given 0 arguments"));
}
