//! Every function against a row-by-row computation.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::kernels::filter::Verdict;
use crate::kernels::merge::Rows;
use crate::kernels::testing::push as push_value;
use crate::kernels::testing::{
    COURSES, FUNCTIONS, OutRow, TYPES, aggregate_points, agrees, course_of, fits, flat, mixed,
    naive, parts, points_of, range,
};
use crate::kernels::{Output, Unguarded};
use crate::model::{Column, Value};

fn plan() -> (Arc<Plan>, Vec<(usize, Ask)>) {
    let (mut plan, mut asked) = (Plan::default(), Vec::new());
    for (field, &ty) in TYPES.iter().enumerate() {
        for function in FUNCTIONS.iter().filter(|f| f.output(&[ty]).is_ok()) {
            asked.push((field, plan.ask(*function, &[(Source::Field(field), ty)])));
        }
    }
    (Arc::new(plan), asked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn folding_is_going_row_by_row(
        series in prop::collection::vec(parts(), 1..3),
        range in range(),
        which in any::<u64>(),
        mode in prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)],
        every in prop_oneof![Just(None), Just(Some(7i64)), Just(Some(1000)), Just(Some(i64::MAX))],
    ) {
        let series: Vec<_> = series.into_iter().map(|p| mixed(p, mode, which)).collect();
        let (plan, asked) = plan();
        let bucketing = every.map_or(Bucketing::all(), |e| Bucketing::even(e, 0).unwrap());
        let empty = || Accumulator::new(Arc::clone(&plan), TYPES.into(), bucketing.clone());
        let mut all = empty();
        for parts in &series {
            let mut own = empty();
            own.fold_series(parts, range, mode, None, &Unguarded).unwrap();
            all.merge(own, &Unguarded).unwrap();
        }
        let asks: Vec<Ask> = asked.iter().map(|(_, ask)| *ask).collect();
        let mut starts = Vec::new();
        let mut columns = cells_of(&asked);
        all.finish(&asks, mode, &Unguarded, &mut starts, &mut columns).unwrap();

        let mut rows: BTreeMap<i64, ()> = BTreeMap::new();
        let bucket = |t: i64| every.map_or(0, |e| t.div_euclid(e).saturating_mul(e));
        for parts in &series {
            // Parts without any field hold no point and are not asked for.
            rows.extend(flat(parts, range).iter().filter(|r| !r.fields.is_empty())
                .map(|r| (bucket(r.time), ())));
        }
        if mode == Duplicates::Last {
            // Where duplicates replace, a bucket needs a point.
            let points = |parts: &Vec<crate::chunk::Part>| (0..TYPES.len())
                .flat_map(|field| points_of(flat(parts, range), field, mode))
                .collect::<Vec<_>>();
            rows = series.iter().flat_map(points).map(|(time, _)| (bucket(time), ())).collect();
        }
        prop_assert_eq!(&starts, &rows.keys().copied().collect::<Vec<_>>());
        for ((field, Ask { function, .. }), column) in asked.iter().zip(&columns) {
            let Cells::Column(column) = column else { panic!("no lists were asked for") };
            let points: Vec<_> =
                series.iter().flat_map(|p| points_of(flat(p, range), *field, mode)).collect();
            for (row, &start) in starts.iter().enumerate() {
                let own: Vec<_> =
                    points.iter().filter(|(t, _)| bucket(*t) == start).cloned().collect();
                let expected = aggregate_points(&own, *function, TYPES[*field]);
                prop_assert!(
                    fits(*function, &column.get(row), &expected),
                    "field {field} {function:?} at {start}: {:?}, expected {expected:?}",
                    column.get(row)
                );
            }
        }
    }
}

/// The rows that a read of `fields` gives, those without any value left out where duplicates
/// replace.
fn rows_of(parts: &[Part], range: TimeRange, fields: &[usize], mode: Duplicates) -> Vec<OutRow> {
    let mut rows = naive(flat(parts, range), fields, mode);
    rows.retain(|(_, v)| mode == Duplicates::Keep || v.iter().any(Option::is_some));
    rows
}

/// Keeps rows whose field 0 is above a number, and computes field 0 plus field 1 and the time.
struct Sums(f64);

impl RowMap for Sums {
    fn fields(&self) -> &[usize] {
        &[0, 1]
    }

    fn filters(&self) -> bool {
        true
    }

    fn verdict(&self, _: (i64, i64), rows: usize, statistics: BlockStats<'_>) -> Verdict {
        match statistics(0) {
            Some(Some(Stats::F64(s))) if s.nans == 0 && s.max <= self.0 => Verdict::None,
            Some(Some(Stats::F64(s)))
                if s.nans == 0 && s.count == rows as u64 && s.min > self.0 =>
            {
                Verdict::All
            }
            Some(None) => Verdict::None,
            _ => Verdict::Some,
        }
    }

    fn apply(&self, rows: Rows, wanted: &[usize]) -> Result<(Rows, Vec<Column>)> {
        let at = |field| wanted.binary_search(&field).unwrap();
        let (a, b) = (&rows.columns[at(0)], &rows.columns[at(1)]);
        let mut sums = Column::empty(FieldType::F64);
        let mut kept = Rows {
            times: Vec::new(),
            columns: rows.columns.iter().map(|c| Column::empty(c.values.field_type())).collect(),
        };
        for (row, time) in rows.times.iter().enumerate() {
            let Some(Value::F64(x)) = a.get(row) else { continue };
            if x > self.0 {
                kept.times.push(*time);
                for (to, from) in kept.columns.iter_mut().zip(&rows.columns) {
                    to.push_from(from, row);
                }
                match b.get(row) {
                    Some(Value::I64(y)) => push_value(&mut sums, &Value::F64(x + y as f64)),
                    _ => sums.push_null(),
                }
            }
        }
        Ok((kept, vec![sums]))
    }
}

type Groups<T> = BTreeMap<i64, T>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    #[test]
    fn courses_follow_time_in_each_series(
        series in prop::collection::vec(parts(), 1..3),
        range in range(),
        which in any::<u64>(),
        mode in prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)],
        sliding in prop_oneof![Just((1000i64, 1000i64)), Just((7, 7)), Just((30, 10)), Just((10, 15))],
    ) {
        let series: Vec<_> = series.into_iter().map(|p| mixed(p, mode, which)).collect();
        let (width, step) = sliding;
        let mut plan = Plan::default();
        let fields = [0, 1, 4];
        let asked: Vec<(usize, Ask)> = fields.iter().flat_map(|&field| {
            let functions = COURSES.into_iter().chain([Function::Count]);
            functions.map(|f| (field, plan.ask(f, &[(Source::Field(field), TYPES[field])])))
                .collect::<Vec<_>>()
        }).collect();
        let bucketing = Bucketing::sliding(width, step, 3).unwrap();
        let plan = Arc::new(plan);
        let empty = || Accumulator::new(Arc::clone(&plan), TYPES.into(), bucketing.clone());
        let mut all = empty();
        for parts in &series {
            let mut own = empty();
            own.fold_series(parts, range, mode, None, &Unguarded).unwrap();
            all.merge(own, &Unguarded).unwrap();
        }
        let asks: Vec<Ask> = asked.iter().map(|(_, ask)| *ask).collect();
        let (mut starts, mut columns) = (Vec::new(), cells_of(&asked));
        all.finish(&asks, mode, &Unguarded, &mut starts, &mut columns).unwrap();
        for ((field, Ask { function, .. }), column) in asked.iter().zip(&columns) {
            let Cells::Column(column) = column else { panic!("no lists were asked for") };
            for (row, &start) in starts.iter().enumerate() {
                let points: Vec<Vec<(i64, f64)>> = series.iter().map(|parts| {
                    rows_of(parts, range, &[*field], mode).into_iter()
                        .filter(|(time, _)| (start..start + width).contains(time))
                        .filter_map(|(time, values)| match &values[0] {
                            Some(Value::F64(v)) => Some((time, *v)),
                            Some(Value::I64(v)) => Some((time, *v as f64)),
                            _ => None,
                        }).collect()
                }).collect();
                let expected = match function {
                    Function::Count => {
                        Some(Value::I64(points.iter().map(Vec::len).sum::<usize>() as i64))
                    }
                    function => course_of(&points, *function).map(Value::F64),
                };
                prop_assert!(
                    agrees(&column.get(row), &expected),
                    "field {field} {function:?} at {start}: {:?}, expected {expected:?}",
                    column.get(row)
                );
            }
        }
    }

    #[test]
    fn rows_are_those_of_a_read(
        series in prop::collection::vec(parts(), 1..3),
        range in range(),
        which in any::<u64>(),
        mode in prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)],
        every in prop_oneof![Just(7i64), Just(1000)],
        above in prop_oneof![Just(None), (-2000.0..3.0f64).prop_map(Some)],
        count_rows in any::<bool>(),
    ) {
        let series: Vec<_> = series.into_iter().map(|p| mixed(p, mode, which)).collect();
        let mut plan = Plan::default();
        let field = |field: usize| (Source::Field(field), TYPES[field]);
        let mut asked = vec![
            plan.ask(Function::ArgMax, &[field(3), field(4)]),
            plan.ask(Function::ArgMin, &[field(0), field(1)]),
            plan.ask(Function::Corr, &[field(0), field(1)]),
            plan.ask(Function::RegrSlope, &[field(0), field(4)]),
            plan.ask(Function::CovarSamp, &[field(4), field(0)]),
        ];
        if above.is_some() {
            asked.push(plan.ask(Function::Sum, &[(Source::Mapped(0), FieldType::F64)]));
            asked.push(plan.ask(Function::Count, &[field(3)]));
        }
        if count_rows {
            asked.push(plan.ask(Function::Rows, &[]));
        }
        let map = above.map(Sums);
        let (plan, bucketing) = (Arc::new(plan), Bucketing::even(every, 0).unwrap());
        let mut all = Accumulator::new(Arc::clone(&plan), TYPES.into(), bucketing);
        for parts in &series {
            let map = map.as_ref().map(|map| map as &dyn RowMap);
            all.fold_series(parts, range, mode, map, &Unguarded).unwrap();
        }
        let types = |ask: &Ask| match ask.function {
            Function::ArgMax => FieldType::Str,
            Function::Count | Function::Rows => FieldType::I64,
            _ => FieldType::F64,
        };
        let mut columns: Vec<Cells> =
            asked.iter().map(|ask| Cells::empty(Output::Value(types(ask)))).collect();
        let mut starts = Vec::new();
        all.finish(&asked, mode, &Unguarded, &mut starts, &mut columns).unwrap();

        // Of these fields, or of all where rows are counted.
        let fields: Vec<usize> = if count_rows { vec![0, 1, 2, 3, 4] } else { vec![0, 1, 3, 4] };
        let mut groups: Groups<Vec<(i64, Vec<Option<Value>>)>> = BTreeMap::new();
        for parts in &series {
            let mut rows = naive(flat(parts, range), &fields, mode);
            if !count_rows {
                rows = rows_of(parts, range, &fields, mode);
            }
            for (time, mut values) in rows {
                if !count_rows {
                    values.insert(2, None);
                }
                let passes = above.is_none_or(|above| {
                    matches!(values[0], Some(Value::F64(x)) if x > above)
                });
                if passes {
                    groups.entry(time.div_euclid(every) * every).or_default().push((time, values));
                }
            }
        }
        prop_assert_eq!(&starts, &groups.keys().copied().collect::<Vec<_>>());
        for (ask, column) in asked.iter().zip(&columns) {
            let Cells::Column(column) = column else { panic!("no lists were asked for") };
            for (row, rows) in groups.values().enumerate() {
                let expected = of_rows(ask.function, rows);
                prop_assert!(
                    near(&column.get(row), &expected),
                    "{:?} at {}: {:?}, expected {expected:?}", ask.function, starts[row],
                    column.get(row)
                );
            }
        }
    }

    #[test]
    fn times_are_values_of_rows(
        series in prop::collection::vec(parts(), 1..3),
        range in range(),
        which in any::<u64>(),
        mode in prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)],
        every in prop_oneof![Just(7i64), Just(1000)],
        above in prop_oneof![Just(None), (-2000.0..3.0f64).prop_map(Some)],
        distinct in any::<bool>(),
    ) {
        let series: Vec<_> = series.into_iter().map(|p| mixed(p, mode, which)).collect();
        let mut plan = Plan::default();
        let time = [(Source::Time, FieldType::I64)];
        let mut asked = vec![plan.ask(Function::Rows, &[])];
        let functions = [Function::Count, Function::Min, Function::Max, Function::First, Function::Last];
        asked.extend(functions.map(|function| plan.ask(function, &time)));
        if distinct {
            asked.push(plan.ask(Function::Distinct, &time));
        }
        let map = above.map(Sums);
        let (plan, bucketing) = (Arc::new(plan), Bucketing::even(every, 0).unwrap());
        let mut all = Accumulator::new(Arc::clone(&plan), TYPES.into(), bucketing);
        let mut groups: Groups<Vec<i64>> = BTreeMap::new();
        for parts in &series {
            let map = map.as_ref().map(|map| map as &dyn RowMap);
            all.fold_series(parts, range, mode, map, &Unguarded).unwrap();
            for (time, values) in naive(flat(parts, range), &[0, 1, 2, 3, 4], mode) {
                if above.is_none_or(|above| matches!(values[0], Some(Value::F64(x)) if x > above)) {
                    groups.entry(time.div_euclid(every) * every).or_default().push(time);
                }
            }
        }
        let mut columns = vec![Cells::empty(Output::Value(FieldType::I64)); asked.len()];
        let mut starts = Vec::new();
        all.finish(&asked, mode, &Unguarded, &mut starts, &mut columns).unwrap();
        prop_assert_eq!(&starts, &groups.keys().copied().collect::<Vec<_>>());
        for (ask, column) in asked.iter().zip(&columns) {
            let Cells::Column(column) = column else { panic!("no lists were asked for") };
            for (row, times) in groups.values().enumerate() {
                let expected = match ask.function {
                    Function::Min | Function::First => times.iter().min().copied(),
                    Function::Max | Function::Last => times.iter().max().copied(),
                    Function::Distinct => {
                        Some(times.iter().collect::<std::collections::BTreeSet<_>>().len() as i64)
                    }
                    _ => Some(times.len() as i64),
                };
                prop_assert_eq!(column.get(row), expected.map(Value::I64), "{:?}", ask.function);
            }
        }
    }
}

fn number_of(value: &Option<Value>) -> Option<f64> {
    match value {
        Some(Value::F64(v)) => Some(*v),
        Some(Value::I64(v)) => Some(*v as f64),
        _ => None,
    }
}

/// Correlations of a few points lose more digits than sums do.
fn near(a: &Option<Value>, b: &Option<Value>) -> bool {
    match (a, b) {
        (Some(Value::F64(a)), Some(Value::F64(b))) => {
            (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-6 * (1.0 + a.abs().max(b.abs()))
        }
        _ => a == b,
    }
}

/// The functions of `rows_are_those_of_a_read`, by their definition.
fn of_rows(function: Function, rows: &[(i64, Vec<Option<Value>>)]) -> Option<Value> {
    let pairs = |a: usize, b: usize| -> Vec<(f64, f64)> {
        rows.iter().filter_map(|(_, v)| Some((number_of(&v[a])?, number_of(&v[b])?))).collect()
    };
    let best = |value: usize, key: usize, greatest: bool| {
        let mut best: Option<(f64, i64, Value)> = None;
        for (time, row) in rows {
            let (Some(own), Some(key)) = (row[value].clone(), number_of(&row[key])) else {
                continue;
            };
            let wins = best.as_ref().is_none_or(|(other, at, _)| {
                if key == *other || (key.is_nan() && other.is_nan()) {
                    time < at
                } else {
                    !key.is_nan()
                        && (other.is_nan() || if greatest { key > *other } else { key < *other })
                }
            });
            if wins {
                best = Some((key, *time, own));
            }
        }
        best.map(|(_, _, value)| value)
    };
    let moments = |pairs: &[(f64, f64)]| {
        let n = pairs.len() as f64;
        let x = pairs.iter().map(|p| p.0).sum::<f64>() / n;
        let y = pairs.iter().map(|p| p.1).sum::<f64>() / n;
        let sum = |f: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|p| f(p.0 - x, p.1 - y)).sum();
        let (xx, yy, xy): (f64, f64, f64) =
            (sum(&|x, _| x * x), sum(&|_, y| y * y), sum(&|x, y| x * y));
        let nan = pairs.iter().any(|p| p.0.is_nan() || p.1.is_nan());
        let varies = |of: fn(&(f64, f64)) -> f64| pairs.iter().any(|p| of(p) != of(&pairs[0]));
        (n, xx, yy, xy, nan, varies(|p| p.0), varies(|p| p.1))
    };
    match function {
        Function::ArgMax => best(3, 4, true),
        Function::ArgMin => best(0, 1, false),
        Function::Rows => Some(Value::I64(rows.len() as i64)),
        Function::Count => {
            Some(Value::I64(rows.iter().filter(|(_, v)| v[3].is_some()).count() as i64))
        }
        Function::Sum => {
            let sums: Vec<f64> = pairs(0, 1).iter().map(|(x, y)| x + y).collect();
            (!sums.is_empty()).then(|| Value::F64(sums.iter().sum()))
        }
        Function::Corr | Function::RegrSlope | Function::CovarSamp => {
            let (pairs, cov) = match function {
                Function::Corr => (pairs(0, 1), false),
                Function::RegrSlope => (pairs(0, 4), false),
                _ => (pairs(4, 0), true),
            };
            if pairs.len() < 2 {
                return None;
            }
            let (n, xx, yy, xy, nan, x_varies, y_varies) = moments(&pairs);
            Some(Value::F64(match function {
                _ if nan => f64::NAN,
                _ if cov => xy / (n - 1.0),
                Function::RegrSlope if y_varies => xy / yy,
                Function::Corr if x_varies && y_varies => xy / (xx.sqrt() * yy.sqrt()),
                _ => return None,
            }))
        }
        other => panic!("{other:?} is not asked"),
    }
}

fn cells_of(asked: &[(usize, Ask)]) -> Vec<Cells> {
    asked
        .iter()
        .map(|(field, ask)| Cells::empty(ask.function.output(&[TYPES[*field]]).unwrap()))
        .collect()
}

#[test]
fn a_histogram_counts_what_is_outside_too() {
    let mut plan = Plan::default();
    let function = Function::Histogram { low: 0.0, high: 3.0, bins: 3 };
    let ask = plan.ask(function, &[(Source::Field(0), FieldType::F64)]);
    let values = [-1.0, 0.0, 0.5, 1.0, 2.999, 3.0, f64::NAN, f64::INFINITY];
    let points: Vec<(i64, f64)> = (0..).zip(values).collect();
    let part = crate::kernels::testing::part_of(&[0], 0, &points);
    let mut all = Accumulator::new(Arc::new(plan), TYPES.into(), Bucketing::all());
    let range = TimeRange::ALL;
    all.fold_series(&[part], range, Duplicates::Keep, None, &Unguarded).unwrap();
    let mut columns = vec![Cells::empty(Output::List(5))];
    all.finish(&[ask], Duplicates::Keep, &Unguarded, &mut Vec::new(), &mut columns).unwrap();
    let Cells::Lists(lists) = &columns[0] else { panic!("lists") };
    assert_eq!(lists.get(0), Some(&[1, 2, 1, 1, 3][..]));
}

#[test]
fn a_bucket_needs_a_positive_length() {
    for every in [0, -1, i64::MIN] {
        let error = Bucketing::even(every, 0).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    }
}
