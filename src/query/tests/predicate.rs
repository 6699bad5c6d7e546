//! Conditions on rows, against the same condition over all rows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_select::filter::filter_record_batch;
use proptest::prelude::*;

use super::memory::{FIELDS, MemorySource, cell, names};
use crate::Error;
use crate::kernels::testing::{exact, mixed, parts, range};
use crate::model::{Duplicates, TimeRange};
use crate::query::expr::{Evaluator, Expr, Literal, Operator, Type};
use crate::query::{Finish, LastQuery, QueryContext, ReadQuery, last, read};

fn table(mode: Duplicates, data: Vec<Vec<crate::chunk::Part>>, which: u64) -> MemorySource {
    let tags = [(Some("a"), Some("x")), (Some("a"), Some("y")), (None, Some("x"))];
    let series = tags.iter().zip(data).map(|(&(h, r), p)| (h, r, mixed(p, mode, which)));
    MemorySource::new(mode, series.collect())
}

fn operators() -> impl Strategy<Value = Operator> {
    prop::sample::select(vec![
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::AtMost,
        Operator::Greater,
        Operator::AtLeast,
    ])
}

fn constants() -> impl Strategy<Value = Literal> {
    prop_oneof![
        4 => (-1000..1000i64).prop_map(Literal::Int),
        4 => (-4000..4000i64).prop_map(|v| Literal::Float(v as f64 / 4.0)),
        2 => (0..5i64).prop_map(Literal::Int),
        1 => Just(Literal::Float(f64::NAN)),
        1 => Just(Literal::Float(1e300)),
        1 => Just(Literal::Float(-0.0)),
        1 => Just(Literal::Null),
    ]
}

fn numbers() -> impl Strategy<Value = Expr> {
    prop::sample::select(vec!["usage", "ops", "load"]).prop_map(Expr::column)
}

fn conditions() -> impl Strategy<Value = Expr> {
    let literal = || constants().prop_map(Expr::Literal);
    let text = |values: Vec<&'static str>| {
        prop::sample::select(values).prop_map(|v| Expr::Literal(Literal::Str(v.to_owned())))
    };
    let leaf = prop_oneof![
        8 => (numbers(), operators(), literal()).prop_map(|(a, op, b)| a.binary(op, b)),
        2 => (literal(), operators(), numbers()).prop_map(|(a, op, b)| a.binary(op, b)),
        2 => (numbers(), operators(), numbers()).prop_map(|(a, op, b)| a.binary(op, b)),
        2 => (numbers(), prop::collection::vec(literal(), 1..4))
            .prop_map(|(a, list)| Expr::In(Box::new(a), list)),
        1 => prop::sample::select(FIELDS.to_vec())
            .prop_map(|name| Expr::IsNull(Box::new(Expr::column(name)))),
        2 => prop::sample::select(FIELDS.to_vec()).prop_map(|name| {
            Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::column(name)))))
        }),
        1 => (operators(), text(vec!["a", "b"])).prop_map(|(op, v)| Expr::column("host").binary(op, v)),
        1 => (operators(), text(vec!["on", ""])).prop_map(|(op, v)| Expr::column("state").binary(op, v)),
        1 => Just(Expr::column("up")),
        2 => (operators(), -50..5000i64)
            .prop_map(|(op, t)| Expr::column("time").binary(op, Expr::Literal(Literal::Time(t)))),
    ];
    let either = (leaf.clone(), leaf.clone()).prop_map(|(a, b)| a.binary(Operator::Or, b));
    let one = prop_oneof![6 => leaf, 1 => either];
    prop::collection::vec(one, 1..4)
        .prop_map(|all| all.into_iter().reduce(|a, b| a.binary(Operator::And, b)).unwrap())
}

/// The rows of a batch for which a condition over its columns is true.
fn naive(batch: &RecordBatch, condition: &Expr) -> RecordBatch {
    let schema = batch.schema();
    let columns: Vec<(String, Type)> =
        schema.fields().iter().map(|f| (f.name().clone(), Type::of(f.data_type()))).collect();
    let evaluator = Evaluator::new(condition, &columns).unwrap();
    let arrays: Vec<ArrayRef> = batch.columns().iter().map(Arc::clone).collect();
    let kept = evaluator.filter(&arrays, batch.num_rows()).unwrap();
    filter_record_batch(batch, &BooleanArray::new(kept, None)).unwrap()
}

fn same(a: &RecordBatch, b: &RecordBatch) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.num_rows(), b.num_rows());
    prop_assert_eq!(names(a), names(b));
    for name in names(a) {
        for row in 0..a.num_rows() {
            prop_assert_eq!(exact(&cell(a, &name, row)), exact(&cell(b, &name, row)));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn rows_are_those_that_pass(
        data in prop::collection::vec(parts(), 3),
        which in any::<u64>(),
        range in range(),
        mode in prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)],
        condition in conditions(),
        limit in prop_oneof![2 => Just(None), 1 => (0..60usize).prop_map(Some)],
    ) {
        let source = table(mode, data, which);
        let context = QueryContext::default();
        let all = read(&source, &ReadQuery { range, ..ReadQuery::default() }, &context).unwrap();
        let expected = naive(&all, &condition);
        let rows = limit.map_or(expected.num_rows(), |limit| limit.min(expected.num_rows()));
        let predicate = Some(condition.clone());
        let finish = Finish::limit(limit);
        let query = ReadQuery { range, finish, predicate, ..ReadQuery::default() };
        same(&read(&source, &query, &context).unwrap(), &expected.slice(0, rows))?;

        // Each series is a group: its last row is the last one that passes.
        let query = LastQuery { range, predicate: Some(condition), ..LastQuery::default() };
        let found = last(&source, &query, &context).unwrap();
        let key = |batch: &RecordBatch, row: usize| (cell(batch, "host", row), cell(batch, "region", row));
        let ends: Vec<usize> = (0..expected.num_rows())
            .filter(|&row| row + 1 == expected.num_rows() || key(&expected, row) != key(&expected, row + 1))
            .collect();
        prop_assert_eq!(found.num_rows(), ends.len());
        for (row, end) in ends.into_iter().enumerate() {
            same(&found.slice(row, 1), &expected.slice(end, 1))?;
        }
    }

    #[test]
    fn a_field_that_only_tells_is_not_shown(
        data in prop::collection::vec(parts(), 3),
        which in any::<u64>(),
        condition in conditions(),
    ) {
        let source = table(Duplicates::Keep, data, which);
        let context = QueryContext::default();
        let all = read(&source, &ReadQuery { every_row: true, ..ReadQuery::default() }, &context).unwrap();
        let expected = naive(&all, &condition);
        let query = ReadQuery {
            fields: Some(vec!["state".to_owned(), "usage".to_owned()]),
            predicate: Some(condition),
            every_row: true,
            ..ReadQuery::default()
        };
        let found = read(&source, &query, &context).unwrap();
        prop_assert_eq!(names(&found), ["time", "host", "region", "state", "usage"]);
        prop_assert_eq!(found.num_rows(), expected.num_rows());
        for name in names(&found) {
            for row in 0..found.num_rows() {
                prop_assert_eq!(exact(&cell(&found, &name, row)), exact(&cell(&expected, &name, row)));
            }
        }
    }
}

#[test]
fn conditions_are_checked_as_a_whole() {
    let source = table(Duplicates::Keep, vec![vec![], vec![], vec![]], 0);
    let run = |predicate: Expr| {
        let range = TimeRange::ALL;
        let query = ReadQuery { predicate: Some(predicate), range, ..ReadQuery::default() };
        read(&source, &query, &QueryContext::default())
    };
    let unknown = Expr::column("usgae").binary(Operator::Greater, Expr::Literal(Literal::Int(1)));
    let error = run(unknown).unwrap_err();
    assert!(matches!(&error, Error::NotFound(text) if text.contains("usage")), "{error}");
    let error = run(Expr::column("usage")).unwrap_err();
    assert!(error.to_string().contains("BOOLEAN"), "{error}");
}
