//! Expressions as SQL.

use super::build::*;
use crate::query::expr::Operator::*;
use crate::query::expr::{Expr, Literal, Type};

#[test]
fn parentheses_stand_where_they_are_needed() {
    let (a, b, c) = (|| column("a"), || column("b"), || column("c"));
    for (expr, wanted) in [
        (op(op(a(), Add, b()), Multiply, c()), "(a + b) * c"),
        (op(op(a(), Multiply, b()), Add, c()), "a * b + c"),
        (op(a(), Subtract, op(b(), Subtract, c())), "a - (b - c)"),
        (op(op(a(), Subtract, b()), Subtract, c()), "a - b - c"),
        (op(a(), Subtract, int(-1)), "a - -1"),
        (Expr::Negate(Box::new(Expr::Negate(Box::new(a())))), "-(-a)"),
        (Expr::Negate(Box::new(int(-1))), "-(-1)"),
        (op(op(a(), Or, b()), And, c()), "(a OR b) AND c"),
        (Expr::Not(Box::new(op(a(), And, b()))), "NOT (a AND b)"),
        (Expr::Not(Box::new(Expr::IsNull(Box::new(a())))), "a IS NOT NULL"),
        (op(op(a(), Less, b()), Equal, c()), "(a < b) = c"),
        (op(op(a(), Concat, b()), Concat, op(b(), Add, c())), "a || b || (b + c)"),
        (
            Expr::In(Box::new(op(a(), Add, b())), vec![int(1), text("it's")]),
            "a + b IN (1, 'it''s')",
        ),
        (
            Expr::Case(vec![(a(), int(1)), (b(), int(2))], Some(Box::new(c()))),
            "CASE WHEN a THEN 1 WHEN b THEN 2 ELSE c END",
        ),
        (Expr::Cast { of: Box::new(a()), to: Type::Int, attempt: true }, "TRY_CAST(a AS BIGINT)"),
        (call("ceiling", [column("Über"), column("select")]), "ceil(\"Über\", \"select\")"),
        (float(1.0), "1.0"),
        (float(f64::INFINITY), "CAST('inf' AS DOUBLE)"),
        (time("2020-01-02T03:04:05.5"), "TIMESTAMP '2020-01-02T03:04:05.5Z'"),
        (interval("1mo 5m"), "INTERVAL '1 month 00:05:00'"),
        (Expr::Literal(Literal::Null), "NULL"),
    ] {
        assert_eq!(expr.to_string(), wanted);
    }
    let like = Expr::Like { of: Box::new(a()), pattern: Box::new(text("x%")), fold: true };
    assert_eq!(Expr::Not(Box::new(like)).to_string(), "a NOT ILIKE 'x%'");
    let found = Expr::Matches { of: Box::new(a()), pattern: Box::new(text("^x")), fold: false };
    assert_eq!(op(found, And, b()).to_string(), "a ~ '^x' AND b");
}
