//! Random conditions on rows, and what they say of a row by three-valued logic.

use kymograph::model::FieldType;
use kymograph::query::{Expr, Literal, expr::Operator};

use crate::common::Cell;
use crate::random::Random;
use crate::world::{FIELDS, HOSTS, RACKS, Row, TAGS};

const COMPARISONS: [Operator; 6] = [
    Operator::Equal,
    Operator::NotEqual,
    Operator::Less,
    Operator::AtMost,
    Operator::Greater,
    Operator::AtLeast,
];

/// A condition; `depth` bounds how deep it nests, `time` is around where the rows are.
pub(crate) fn random(random: &mut Random, depth: usize, time: Option<(i64, i64)>) -> Expr {
    if depth > 0 && random.percent(55) {
        let left = self::random(random, depth - 1, time);
        return match random.below(5) {
            0 => Expr::Not(Box::new(left)),
            1 => left.binary(Operator::Or, self::random(random, depth - 1, time)),
            _ => left.binary(Operator::And, self::random(random, depth - 1, time)),
        };
    }
    match random.below(12) {
        0 => {
            let (tag, value) = if random.percent(50) {
                (TAGS[0], random.one_of(&HOSTS))
            } else {
                (TAGS[1], random.one_of(&RACKS))
            };
            let column = Expr::column(tag);
            match value {
                Some(value) => column.binary(Operator::Equal, text(value)),
                None => Expr::IsNull(Box::new(column)),
            }
        }
        1 if time.is_some() => {
            let (first, last) = time.unwrap_or_default();
            let at = random.between(first - 2, last + 3);
            let operator = random.one_of(&COMPARISONS);
            Expr::column("time").binary(operator, Expr::Literal(Literal::Time(at)))
        }
        2 | 3 => {
            let is_null = Expr::IsNull(Box::new(Expr::column(random.one_of(&FIELDS).0)));
            if random.percent(50) { is_null } else { Expr::Not(Box::new(is_null)) }
        }
        4 => {
            let (name, ty) = random.one_of(&FIELDS);
            let list = (0..1 + random.below(3)).map(|_| constant(random, name, ty)).collect();
            Expr::In(Box::new(Expr::column(name)), list)
        }
        _ => {
            let (name, ty) = random.one_of(&FIELDS);
            let (column, other) = (Expr::column(name), constant(random, name, ty));
            let operator = random.one_of(&COMPARISONS);
            if random.percent(80) {
                column.binary(operator, other)
            } else {
                other.binary(operator, column)
            }
        }
    }
}

fn text(text: &str) -> Expr {
    Expr::Literal(Literal::Str(text.to_owned()))
}

fn constant(random: &mut Random, name: &str, ty: FieldType) -> Expr {
    let small = random.between(-400, 400);
    Expr::Literal(match ty {
        FieldType::Bool => Literal::Bool(random.percent(50)),
        FieldType::Str => Literal::Str(random.one_of(&["", "q", "zz", "é", "m"]).to_owned()),
        FieldType::F64 => Literal::Float(match name {
            "w" => random.one_of(&[f64::NAN, f64::INFINITY, 0.0, -0.0, 1.5, f64::MAX, 1e-310]),
            "d" => small as f64 / 100.0,
            _ => small as f64 / 4.0,
        }),
        FieldType::I64 if random.percent(15) => Literal::Float(small as f64 / 2.0),
        FieldType::I64 if name == "x" => {
            Literal::Int(random.one_of(&[i64::MIN, i64::MAX, 0, 1, 1 << 53, small]))
        }
        FieldType::I64 => Literal::Int(small),
    })
}

/// A value of a row or of the text.
fn value(expr: &Expr, row: &Row) -> Cell {
    let tag = |at: usize| row.key[at].map_or(Cell::Null, |tag| Cell::Text(tag.to_owned()));
    match expr {
        Expr::Column(name) if name == "time" => Cell::Time(row.time),
        Expr::Column(name) => match TAGS.iter().position(|tag| tag == name) {
            Some(at) => tag(at),
            None => {
                let at = FIELDS.iter().position(|(field, _)| field == name);
                row.cells[at.expect("a column of the table")].clone()
            }
        },
        Expr::Literal(Literal::Null) => Cell::Null,
        Expr::Literal(Literal::Bool(v)) => Cell::Bool(*v),
        Expr::Literal(Literal::Int(v)) => Cell::Int(*v),
        Expr::Literal(Literal::Float(v)) => Cell::Float(*v),
        Expr::Literal(Literal::Str(v)) => Cell::Text(v.clone()),
        Expr::Literal(Literal::Time(v)) => Cell::Time(*v),
        other => panic!("{other:?} is no value"),
    }
}

/// Less, equal or greater; NaN is equal to itself and above all else, integers and doubles meet as
/// doubles.
fn order(a: &Cell, b: &Cell) -> std::cmp::Ordering {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let doubles = |a: f64, b: f64| match (a.is_nan(), b.is_nan()) {
        (true, true) => Equal,
        (true, false) => Greater,
        (false, true) => Less,
        _ => a.partial_cmp(&b).expect("no NaN"),
    };
    match (a, b) {
        (Cell::Float(a), Cell::Float(b)) => doubles(*a, *b),
        (Cell::Int(a), Cell::Float(b)) => doubles(*a as f64, *b),
        (Cell::Float(a), Cell::Int(b)) => doubles(*a, *b as f64),
        (Cell::Int(a), Cell::Int(b)) | (Cell::Time(a), Cell::Time(b)) => a.cmp(b),
        (Cell::Bool(a), Cell::Bool(b)) => a.cmp(b),
        (Cell::Text(a), Cell::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        other => panic!("{other:?} do not compare"),
    }
}

fn compared(a: &Cell, operator: Operator, b: &Cell) -> Option<bool> {
    if *a == Cell::Null || *b == Cell::Null {
        return None;
    }
    let order = order(a, b);
    Some(match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::AtMost => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::AtLeast => order.is_ge(),
        other => panic!("{other:?} compares nothing"),
    })
}

/// Whether a condition holds for a row; `None` where that is unknown.
pub(crate) fn holds(condition: &Expr, row: &Row) -> Option<bool> {
    match condition {
        Expr::Not(of) => holds(of, row).map(|holds| !holds),
        Expr::IsNull(of) => Some(value(of, row) == Cell::Null),
        Expr::In(of, list) => {
            let of = value(of, row);
            let each: Vec<Option<bool>> =
                list.iter().map(|one| compared(&of, Operator::Equal, &value(one, row))).collect();
            if each.contains(&Some(true)) {
                Some(true)
            } else if each.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        Expr::Binary(a, Operator::And, b) => match (holds(a, row), holds(b, row)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Expr::Binary(a, Operator::Or, b) => match (holds(a, row), holds(b, row)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Expr::Binary(a, operator, b) => compared(&value(a, row), *operator, &value(b, row)),
        other => panic!("{other:?} is no condition"),
    }
}
