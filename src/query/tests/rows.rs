//! read, last, sum and series.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::memory::{FIELDS, MemorySource, cell, cells, names};
use crate::Error;
use crate::chunk::Stats;
use crate::kernels::testing::{
    OutRow, TYPES, aggregate_points, agrees, exact, flat, mixed, naive, part_of, parts, points_of,
    range,
};
use crate::model::{Duplicates, TimeRange, Value};
use crate::query::{
    Finish, Function, LastQuery, QueryContext, ReadQuery, SeriesQuery, SumQuery, last, read,
    series, sum,
};

const ALL: [usize; 5] = [0, 1, 2, 3, 4];

fn table(mode: Duplicates, data: Vec<Vec<crate::chunk::Part>>, which: u64) -> MemorySource {
    let tags = [(Some("a"), Some("x")), (Some("a"), Some("y")), (None, Some("x"))];
    MemorySource::new(
        mode,
        tags.iter().zip(data).map(|(&(h, r), p)| (h, r, mixed(p, mode, which))).collect(),
    )
}

fn host(source: &MemorySource, at: usize) -> Option<Value> {
    source.series[at].0.tags[0].as_deref().map(|h| Value::Str(h.to_owned()))
}

/// Every row of the table with the position of its series.
fn expected(source: &MemorySource, range: TimeRange, mode: Duplicates) -> Vec<(usize, OutRow)> {
    let of_series = |(at, (_, parts)): (usize, &(_, Vec<crate::chunk::Part>))| {
        naive(flat(parts, range), &ALL, mode).into_iter().map(move |row| (at, row))
    };
    source.series.iter().enumerate().flat_map(of_series).collect()
}

fn check(
    batch: &arrow_array::RecordBatch,
    source: &MemorySource,
    wanted: &[(usize, OutRow)],
) -> Result<(), TestCaseError> {
    prop_assert_eq!(batch.num_rows(), wanted.len());
    for (row, (at, (time, values))) in wanted.iter().enumerate() {
        prop_assert_eq!(cell(batch, "time", row), Some(Value::I64(*time)));
        prop_assert_eq!(cell(batch, "host", row), host(source, *at));
        for (name, value) in FIELDS.iter().zip(values) {
            prop_assert_eq!(exact(&cell(batch, name, row)), exact(value));
        }
    }
    Ok(())
}

fn modes() -> impl Strategy<Value = Duplicates> {
    prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn reading_gives_the_rows(
        data in prop::collection::vec(parts(), 3),
        which in any::<u64>(),
        range in range(),
        mode in modes(),
        limit in prop_oneof![Just(None), (0..60usize).prop_map(Some), (900..2000usize).prop_map(Some)],
    ) {
        let source = table(mode, data, which);
        let finish = Finish::limit(limit);
        let query = ReadQuery { range, finish, ..ReadQuery::default() };
        let batch = read(&source, &query, &QueryContext::default()).unwrap();
        let mut wanted = expected(&source, range, mode);
        wanted.truncate(limit.unwrap_or(usize::MAX));
        check(&batch, &source, &wanted)?;
    }

    #[test]
    fn the_last_row_is_the_last_that_is_read(
        data in prop::collection::vec(parts(), 3),
        which in any::<u64>(),
        range in range(),
        mode in modes(),
        by_host in any::<bool>(),
    ) {
        let source = table(mode, data, which);
        let by = by_host.then(|| vec!["host".to_owned()]);
        let query = LastQuery { by, range, ..LastQuery::default() };
        let batch = last(&source, &query, &QueryContext::default()).unwrap();
        let mut wanted: Vec<(usize, OutRow)> = Vec::new();
        for (at, row) in expected(&source, range, mode) {
            let same = |other: usize| {
                at == other || (by_host && host(&source, at) == host(&source, other))
            };
            match wanted.iter_mut().find(|(other, _)| same(*other)) {
                Some(latest) if row.0 >= latest.1.0 => *latest = (at, row),
                Some(_) => {}
                None => wanted.push((at, row)),
            }
        }
        check(&batch, &source, &wanted)?;
    }

    #[test]
    fn statistics_are_those_of_the_points(
        data in prop::collection::vec(parts(), 3),
        which in any::<u64>(),
        range in range(),
        mode in modes(),
        field in 0..5usize,
    ) {
        let source = table(mode, data, which);
        let query = SumQuery { field: FIELDS[field].to_owned(), filter: vec![], range };
        let found = sum(&source, &query, &QueryContext::default()).unwrap();
        let points: Vec<(i64, Value)> = source.series.iter()
            .flat_map(|(_, parts)| points_of(flat(parts, range), field, mode)).collect();
        let wanted = |function| aggregate_points(&points, function, TYPES[field]);
        prop_assert_eq!(found.as_ref().map_or(0, Stats::count), points.len() as u64);
        let Some(stats) = found else { return Ok(()) };
        prop_assert_eq!(stats.field_type(), TYPES[field]);
        let ends = match &stats {
            Stats::F64(s) => {
                let nans = points.iter().filter(|(_, v)| matches!(v, Value::F64(v) if v.is_nan()));
                prop_assert_eq!(s.nans, nans.count() as u64);
                prop_assert!(agrees(&Some(Value::F64(s.sum)), &wanted(Function::Sum)));
                prop_assert!(agrees(&Some(Value::F64(s.min)), &wanted(Function::Min)));
                prop_assert!(agrees(&Some(Value::F64(s.max)), &wanted(Function::Max)));
                [Value::F64(s.ends.first), Value::F64(s.ends.last)]
            }
            Stats::I64(s) => {
                prop_assert_eq!(Some(Value::I64(s.sum as i64)), wanted(Function::Sum));
                prop_assert_eq!(Some(Value::I64(s.min)), wanted(Function::Min));
                [Value::I64(s.ends.first), Value::I64(s.ends.last)]
            }
            Stats::Bool(s) => {
                prop_assert_eq!(Some(Value::I64(s.trues as i64)), wanted(Function::Sum));
                [Value::Bool(s.ends.first), Value::Bool(s.ends.last)]
            }
            Stats::Str(s) => {
                prop_assert_eq!(Some(Value::Str(s.max.clone())), wanted(Function::Max));
                [Value::Str(s.ends.first.clone()), Value::Str(s.ends.last.clone())]
            }
        };
        let [first, last] = ends.map(Some);
        prop_assert!(agrees(&first, &wanted(Function::First)));
        prop_assert!(agrees(&last, &wanted(Function::Last)));
    }

    #[test]
    fn series_know_their_extent(
        data in prop::collection::vec(parts(), 3),
        which in any::<u64>(),
        range in range(),
        mode in modes(),
    ) {
        let source = table(mode, data, which);
        let query = SeriesQuery { range, ..SeriesQuery::default() };
        let batch = series(&source, &query, &QueryContext::default()).unwrap();
        prop_assert_eq!(names(&batch), ["host", "region", "first_time", "last_time", "rows"]);
        let rows = expected(&source, range, mode);
        let of_series: Vec<&[(usize, OutRow)]> = rows.chunk_by(|a, b| a.0 == b.0).collect();
        prop_assert_eq!(batch.num_rows(), of_series.len());
        for (row, own) in of_series.iter().enumerate() {
            prop_assert_eq!(cell(&batch, "host", row), host(&source, own[0].0));
            let times = own.iter().map(|(_, (time, _))| *time);
            let (first, last) = (times.clone().min(), times.max());
            prop_assert_eq!(cell(&batch, "first_time", row), first.map(Value::I64));
            prop_assert_eq!(cell(&batch, "last_time", row), last.map(Value::I64));
            prop_assert_eq!(cell(&batch, "rows", row), Some(Value::I64(own.len() as i64)));
        }
    }
}

#[test]
fn columns_come_in_the_order_asked() {
    let part = part_of(&[4], 0, &[(1, 2.5), (3, 4.5)]);
    let source = MemorySource::new(Duplicates::Keep, vec![(Some("a"), None, vec![part])]);
    let fields = Some(vec!["load".to_owned(), "usage".to_owned()]);
    let query = ReadQuery { fields, ..ReadQuery::default() };
    let batch = read(&source, &query, &QueryContext::default()).unwrap();
    assert_eq!(names(&batch), ["time", "host", "region", "load", "usage"]);
    assert_eq!(cells(&batch, "load"), [Some(Value::F64(2.5)), Some(Value::F64(4.5))]);
    assert_eq!(cells(&batch, "usage"), [None, None]);
    assert_eq!(cells(&batch, "region"), [None, None]);
}

#[test]
fn every_row_is_there_whatever_the_fields() {
    let a = part_of(&[0], 0, &[(1, 1.0), (2, 2.0)]);
    let b = part_of(&[4], 1, &[(2, 20.0), (3, 30.0)]);
    for duplicates in [Duplicates::Keep, Duplicates::Last] {
        let parts = vec![a.clone(), b.clone()];
        let source = MemorySource::new(duplicates, vec![(Some("a"), None, parts)]);
        let run = |fields: Vec<&str>, every_row, limit| {
            let fields = Some(fields.into_iter().map(str::to_owned).collect());
            let finish = Finish::limit(limit);
            let query = ReadQuery { fields, every_row, finish, ..ReadQuery::default() };
            read(&source, &query, &QueryContext::default()).unwrap()
        };
        let load = |v: f64| Some(Value::F64(v));
        assert_eq!(cells(&run(vec!["load"], false, None), "load"), [load(20.0), load(30.0)]);
        let all = run(vec!["load"], true, None);
        assert_eq!(cells(&all, "load"), [None, load(20.0), load(30.0)]);
        assert_eq!(run(vec!["load"], true, Some(2)).num_rows(), 2);
        assert_eq!(run(vec![], true, None).num_rows(), 3);
    }
}

#[test]
fn what_cannot_be_read_is_said() {
    let source = MemorySource::new(Duplicates::Keep, vec![]);
    let run = |fields: Option<Vec<&str>>, range| {
        let fields = fields.map(|f| f.into_iter().map(str::to_owned).collect());
        read(
            &source,
            &ReadQuery { fields, range, ..ReadQuery::default() },
            &QueryContext::default(),
        )
    };
    let invalid = |result: crate::Result<_>| matches!(result, Err(Error::InvalidArgument(_)));
    assert!(invalid(run(Some(vec!["load", "load"]), TimeRange::ALL)));
    assert!(invalid(run(None, TimeRange::new(Some(1), Some(0)))));
    assert!(matches!(run(Some(vec!["lod"]), TimeRange::ALL), Err(Error::NotFound(_))));
    let none = run(Some(vec![]), TimeRange::ALL).unwrap();
    assert_eq!(names(&none), ["time", "host", "region"]);
    let empty = run(None, TimeRange::ALL).unwrap();
    assert_eq!((empty.num_rows(), empty.num_columns()), (0, 8));
    let no_field = run(Some(vec![]), TimeRange::ALL).unwrap();
    assert_eq!(names(&no_field), ["time", "host", "region"]);
}
