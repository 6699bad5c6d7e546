//! The evaluator against an interpreter that takes one row at a time.

use std::cmp::Ordering;

use arrow_array::ArrayRef;
use proptest::prelude::*;

use super::build::*;
use crate::query::expr::{Evaluator, Expr, Literal, Operator, Scalar, Type};

/// A row that cannot be computed.
struct Fails;

type Found = std::result::Result<Literal, Fails>;

fn number(value: &Literal) -> f64 {
    match value {
        Literal::Int(value) => *value as f64,
        Literal::Float(value) => *value,
        other => panic!("{other:?} is no number"),
    }
}

/// By the rules of the module: numbers as doubles if they differ in type, NaN on top.
fn order(a: &Literal, b: &Literal) -> Ordering {
    match (a, b) {
        (Literal::Int(a), Literal::Int(b)) => a.cmp(b),
        (Literal::Bool(a), Literal::Bool(b)) => a.cmp(b),
        (Literal::Str(a), Literal::Str(b)) => a.cmp(b),
        _ => {
            let (a, b) = (number(a), number(b));
            match (a.is_nan(), b.is_nan()) {
                (false, false) => a.partial_cmp(&b).expect("no NaN"),
                (a, b) => a.cmp(&b),
            }
        }
    }
}

fn binary(a: &Literal, operator: Operator, b: &Literal) -> Found {
    use Operator::*;
    if let And | Or = operator {
        let decides = Literal::Bool(operator == Or);
        return Ok(if *a == decides || *b == decides {
            decides
        } else if *a == Literal::Null || *b == Literal::Null {
            Literal::Null
        } else {
            Literal::Bool(operator == And)
        });
    }
    if *a == Literal::Null || *b == Literal::Null {
        return Ok(Literal::Null);
    }
    let ordering = || order(a, b);
    Ok(match operator {
        Equal => Literal::Bool(ordering().is_eq()),
        NotEqual => Literal::Bool(ordering().is_ne()),
        Less => Literal::Bool(ordering().is_lt()),
        AtMost => Literal::Bool(ordering().is_le()),
        Greater => Literal::Bool(ordering().is_gt()),
        AtLeast => Literal::Bool(ordering().is_ge()),
        Concat => match (a, b) {
            (Literal::Str(a), Literal::Str(b)) => Literal::Str(format!("{a}{b}")),
            other => panic!("{other:?}"),
        },
        _ => match (a, operator, b) {
            (Literal::Int(a), Add, Literal::Int(b)) => {
                Literal::Int(a.checked_add(*b).ok_or(Fails)?)
            }
            (Literal::Int(a), Subtract, Literal::Int(b)) => {
                Literal::Int(a.checked_sub(*b).ok_or(Fails)?)
            }
            (Literal::Int(a), Multiply, Literal::Int(b)) => {
                Literal::Int(a.checked_mul(*b).ok_or(Fails)?)
            }
            (Literal::Int(_), DivideWhole | Remainder, Literal::Int(0)) => Literal::Null,
            (Literal::Int(a), DivideWhole, Literal::Int(b)) => {
                Literal::Int(a.checked_div(*b).ok_or(Fails)?)
            }
            (Literal::Int(a), Remainder, Literal::Int(b)) => Literal::Int(a.wrapping_rem(*b)),
            _ => {
                let (a, b) = (number(a), number(b));
                Literal::Float(match operator {
                    Add => a + b,
                    Subtract => a - b,
                    Multiply => a * b,
                    Divide => a / b,
                    DivideWhole => (a / b).floor(),
                    _ => a % b,
                })
            }
        },
    })
}

fn interpret(expr: &Expr, row: &dyn Fn(&str) -> Literal) -> Found {
    let of = |expr: &Expr| interpret(expr, row);
    Ok(match expr {
        Expr::Column(name) => row(name),
        Expr::Literal(literal) => literal.clone(),
        Expr::Negate(x) => match of(x)? {
            Literal::Int(value) => Literal::Int(value.checked_neg().ok_or(Fails)?),
            Literal::Float(value) => Literal::Float(-value),
            other => other,
        },
        Expr::Not(x) => match of(x)? {
            Literal::Bool(value) => Literal::Bool(!value),
            other => other,
        },
        Expr::IsNull(x) => Literal::Bool(of(x)? == Literal::Null),
        Expr::Binary(a, operator, b) => binary(&of(a)?, *operator, &of(b)?)?,
        Expr::In(x, list) => {
            let x = of(x)?;
            let mut answer = Literal::Bool(false);
            for one in list {
                let equal = binary(&x, Operator::Equal, &of(one)?)?;
                answer = binary(&answer, Operator::Or, &equal)?;
            }
            answer
        }
        Expr::Case(whens, otherwise) => {
            for (condition, value) in whens {
                if of(condition)? == Literal::Bool(true) {
                    return of(value);
                }
            }
            otherwise.as_ref().map_or(Ok(Literal::Null), |otherwise| of(otherwise))?
        }
        Expr::Call(Scalar::Coalesce, arguments) => {
            for argument in arguments {
                let value = of(argument)?;
                if value != Literal::Null {
                    return Ok(value);
                }
            }
            Literal::Null
        }
        Expr::Call(scalar @ (Scalar::Greatest | Scalar::Least), arguments) => {
            let mut best = Literal::Null;
            for argument in arguments {
                let value = of(argument)?;
                let wanted =
                    if *scalar == Scalar::Greatest { Ordering::Greater } else { Ordering::Less };
                if value != Literal::Null
                    && (best == Literal::Null || order(&value, &best) == wanted)
                {
                    best = value;
                }
            }
            best
        }
        other => panic!("the twin has no {other}"),
    })
}

/// Random choices from one number.
struct Choices(u64);

impl Choices {
    fn below(&mut self, count: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % count
    }

    fn of<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

const INTS: [i64; 8] = [0, 1, -1, 2, 7, -5, i64::MAX, i64::MIN];
const FLOATS: [f64; 9] =
    [0.0, -0.0, 1.0, -1.5, 2.5, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
const TEXTS: [&str; 5] = ["", "a", "b", "ab", "é"];

fn leaf(choices: &mut Choices, ty: Type) -> Expr {
    let named = choices.below(3) > 0;
    match ty {
        Type::Int if named => column(choices.of(&["i", "j"])),
        Type::Int => int(choices.of(&INTS)),
        Type::Float if named => column(choices.of(&["x", "y"])),
        Type::Float => float(choices.of(&FLOATS)),
        Type::Str if named => column(choices.of(&["s", "u"])),
        Type::Str => text(choices.of(&TEXTS)),
        _ if named => column(choices.of(&["b", "c"])),
        _ => truth(choices.below(2) == 0),
    }
}

fn random(choices: &mut Choices, ty: Type, depth: usize) -> Expr {
    use Operator::*;
    if depth == 0 || choices.below(6) == 0 {
        return leaf(choices, ty);
    }
    let below = |choices: &mut Choices, ty| random(choices, ty, depth - 1);
    match (choices.below(9), ty) {
        (0, _) => {
            let condition = below(choices, Type::Bool);
            let second = below(choices, Type::Bool);
            let whens = vec![(condition, below(choices, ty)), (second, below(choices, ty))];
            let otherwise = (choices.below(2) > 0).then(|| Box::new(below(choices, ty)));
            Expr::Case(whens, otherwise)
        }
        (1, _) => call("coalesce", [below(choices, ty), below(choices, ty)]),
        (2, _) => {
            let name = choices.of(&["greatest", "least"]);
            call(name, [below(choices, ty), below(choices, ty), below(choices, ty)])
        }
        (3, Type::Int | Type::Float) => Expr::Negate(Box::new(below(choices, ty))),
        (_, Type::Int) => {
            let operator = choices.of(&[Add, Subtract, Multiply, DivideWhole, Remainder]);
            op(below(choices, ty), operator, below(choices, ty))
        }
        (_, Type::Float) => {
            let operator = choices.of(&[Add, Subtract, Multiply, Divide, DivideWhole, Remainder]);
            let first = choices.of(&[Type::Int, Type::Float]);
            op(below(choices, first), operator, below(choices, ty))
        }
        (_, Type::Str) => op(below(choices, ty), Concat, below(choices, ty)),
        (3, _) => Expr::Not(Box::new(below(choices, ty))),
        (4, _) => {
            let of = choices.of(&[Type::Int, Type::Float, Type::Str, Type::Bool]);
            Expr::IsNull(Box::new(below(choices, of)))
        }
        (5, _) => {
            let of = choices.of(&[Type::Int, Type::Float, Type::Str, Type::Bool]);
            let constants = choices.below(2) == 0;
            let mut list = Vec::new();
            for _ in 0..1 + choices.below(4) {
                let literal = leaf(choices, of);
                match (constants, literal) {
                    (true, Expr::Column(_)) => list.push(null()),
                    (true, literal) => list.push(literal),
                    (false, _) => list.push(below(choices, of)),
                }
            }
            Expr::In(Box::new(below(choices, of)), list)
        }
        (6, _) => {
            let operator = choices.of(&[And, Or]);
            op(below(choices, ty), operator, below(choices, ty))
        }
        _ => {
            let operator = choices.of(&[Equal, NotEqual, Less, AtMost, Greater, AtLeast]);
            let a = choices.of(&[Type::Int, Type::Float, Type::Str, Type::Bool]);
            let b = if a == Type::Int && choices.below(3) == 0 { Type::Float } else { a };
            op(below(choices, a), operator, below(choices, b))
        }
    }
}

fn some<T: Clone>(choices: &mut Choices, from: &[T], rows: usize) -> Vec<Option<T>> {
    (0..rows).map(|_| (choices.below(5) > 0).then(|| choices.of(from))).collect()
}

fn table(choices: &mut Choices, rows: usize) -> Vec<(&'static str, ArrayRef)> {
    vec![
        ("i", ints(&some(choices, &INTS, rows))),
        ("j", ints(&some(choices, &INTS[..6], rows))),
        ("x", floats(&some(choices, &FLOATS, rows))),
        ("y", floats(&some(choices, &FLOATS, rows))),
        ("s", tags(&some(choices, &TEXTS, rows))),
        ("u", texts(&some(choices, &TEXTS, rows))),
        ("b", truths(&some(choices, &[true, false], rows))),
        ("c", truths(&some(choices, &[true, false], rows))),
    ]
}

/// Equal bit for bit, but for the bits of NaN.
fn same(a: &Literal, b: &Literal) -> bool {
    match (a, b) {
        (Literal::Float(a), Literal::Float(b)) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
        }
        (a, b) => a == b,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_row_is_what_the_interpreter_says(seed: u64, rows in 0_usize..40) {
        let mut choices = Choices(seed);
        let ty = choices.of(&[Type::Int, Type::Float, Type::Str, Type::Bool]);
        let expr = random(&mut choices, ty, 4);
        let table = table(&mut choices, rows);
        let columns: Vec<Vec<Literal>> = table
            .iter()
            .map(|(name, _)| values(&column(name), &table))
            .collect::<crate::error::Result<_>>()
            .expect("columns");
        let wanted: Vec<Found> = (0..rows)
            .map(|row| {
                interpret(&expr, &|name| {
                    let place = table.iter().position(|(known, _)| *known == name);
                    columns[place.expect("a column")][row].clone()
                })
            })
            .collect();
        let types: Vec<(String, Type)> = table
            .iter()
            .map(|(name, array)| ((*name).to_owned(), Type::of(array.data_type())))
            .collect();
        let fails = wanted.iter().any(Result::is_err);
        match Evaluator::new(&expr, &types).and_then(|_| values(&expr, &table)) {
            // A part that a null or a constant makes void may be passed over, faults and all.
            Ok(found) => {
                for (row, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                    if let Ok(wanted) = wanted {
                        // Where types meet in doubles, a whole number is one.
                        let wanted = match (found, wanted) {
                            (Literal::Float(_), Literal::Int(wanted)) => Literal::Float(*wanted as f64),
                            _ => wanted.clone(),
                        };
                        prop_assert!(same(found, &wanted), "{} row {}: {:?}, not {:?}", expr, row, found, wanted);
                    }
                }
            }
            // Constants fail without any row.
            Err(why) => prop_assert!(fails || rows == 0, "{}: {}", expr, why),
        }
    }
}
