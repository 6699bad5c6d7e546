//! Merging against a flat list of rows.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;

use super::*;
use crate::chunk::{PartData, PlainChunk};
use crate::kernels::testing::{FlatRow, OutRow, TYPES, exact, flat, naive, parts, range};
use crate::model::{Value, Values};

fn seen(rows: &Rows) -> Vec<(Timestamp, Vec<String>)> {
    rows.columns.iter().for_each(|c| assert_eq!(c.len(), rows.times.len()));
    let row = |i| rows.columns.iter().map(|c| exact(&c.get(i))).collect();
    rows.times.iter().enumerate().map(|(i, &t)| (t, row(i))).collect()
}

fn wanted(rows: Vec<OutRow>) -> Vec<(Timestamp, Vec<String>)> {
    rows.into_iter().map(|(t, values)| (t, values.iter().map(exact).collect())).collect()
}

fn modes() -> impl Strategy<Value = Duplicates> {
    prop_oneof![Just(Duplicates::Keep), Just(Duplicates::Last)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn merging_is_the_naive_merge(
        parts in parts(),
        range in range(),
        mode in modes(),
        fields in prop_oneof![
            Just(vec![0usize, 1, 2, 3, 4]), Just(vec![]), Just(vec![3, 0]), Just(vec![1]),
        ],
    ) {
        let rows = merge_parts(&parts, range, &fields, &TYPES, mode).unwrap();
        prop_assert_eq!(rows.columns.len(), fields.len());
        prop_assert_eq!(seen(&rows), wanted(naive(flat(&parts, range), &fields, mode)));
    }

    #[test]
    fn groups_hold_what_the_parts_held(parts in parts(), mode in modes()) {
        let groups = merge_groups(&parts, mode, &TYPES).unwrap();
        let all = flat(&parts, TimeRange::ALL);
        let fields: Vec<&Vec<usize>> = groups.iter().map(|g| &g.fields).collect();
        prop_assert!(fields.is_sorted());
        for (i, group) in groups.iter().enumerate() {
            let own = |row: &FlatRow| match mode {
                Duplicates::Keep => row.fields == group.fields,
                Duplicates::Last => row.fields.iter().any(|f| group.fields.contains(f))
                    || row.fields == group.fields,
            };
            for other in &groups[..i] {
                prop_assert!(mode == Duplicates::Keep
                    || !other.fields.iter().any(|f| group.fields.contains(f)));
            }
            let rows: Vec<FlatRow> = all.iter().filter(|row| own(row)).cloned().collect();
            let expected = naive(rows, &group.fields, mode);
            prop_assert_eq!(seen(&group.rows), wanted(expected));
        }
        let fields = [0, 1, 2, 3, 4];
        let anew: Vec<Part> =
            (0..).zip(&groups).map(|(at, g)| g.clone().into_part(at)).collect();
        let before = merge_parts(&parts, TimeRange::ALL, &[], &TYPES, mode).unwrap();
        let after = merge_parts(&anew, TimeRange::ALL, &[], &TYPES, mode).unwrap();
        prop_assert_eq!(before, after);
        let before = merge_parts(&parts, TimeRange::ALL, &fields, &TYPES, mode).unwrap();
        let after = merge_parts(&anew, TimeRange::ALL, &fields, &TYPES, mode).unwrap();
        prop_assert_eq!(seen(&before), seen(&after));
    }

    #[test]
    fn live_rows_are_those_in_range_and_not_deleted(
        mut times in prop::collection::vec(-30..30i64, 0..60),
        range in range(),
        holes in prop::collection::vec((-40..40i64, -3..20i64), 0..5),
    ) {
        times.sort_unstable();
        let deleted: Vec<TimeRange> =
            holes.iter().map(|&(a, n)| TimeRange::new(Some(a), Some(a + n))).collect();
        let live: Vec<usize> = live_rows(&times, range, &deleted).into_iter().flatten().collect();
        let naive: Vec<usize> = (0..times.len())
            .filter(|&i| range.contains(times[i]) && !deleted.iter().any(|d| d.contains(times[i])))
            .collect();
        prop_assert_eq!(live, naive);
    }
}

fn part(order: u64, fields: &[usize], rows: &[(i64, &[Option<f64>])]) -> Part {
    let columns = (0..fields.len())
        .map(|at| {
            let mut column = Column::empty(FieldType::F64);
            for (_, values) in rows {
                match values[at] {
                    Some(v) => column.push_from(&Column::new(Values::F64(vec![v])), 0),
                    None => column.push_null(),
                }
            }
            column
        })
        .collect();
    let times = rows.iter().map(|r| r.0).collect();
    Part {
        data: PartData::Plain(Arc::new(PlainChunk { times, columns })),
        fields: fields.into(),
        order,
        deleted: Arc::new([]),
    }
}

#[test]
fn narrow_events_pivot_into_wide_rows() {
    let types = [FieldType::F64; 2];
    let a = part(0, &[0], &[(1, &[Some(1.0)]), (2, &[Some(2.0)]), (2, &[Some(3.0)])]);
    let b = part(1, &[1], &[(2, &[Some(20.0)]), (3, &[Some(30.0)])]);
    let rows = merge_parts(&[a, b], TimeRange::ALL, &[0, 1], &types, Duplicates::Keep).unwrap();
    assert_eq!(rows.times, [1, 2, 2, 3]);
    let get = |c: usize| (0..4).map(|i| rows.columns[c].get(i)).collect::<Vec<_>>();
    let of = |v: [Option<f64>; 4]| v.map(|v| v.map(Value::F64)).to_vec();
    assert_eq!(get(0), of([Some(1.0), Some(2.0), Some(3.0), None]));
    assert_eq!(get(1), of([None, Some(20.0), None, Some(30.0)]));
}

#[test]
fn a_null_never_replaces_and_a_later_part_wins() {
    let types = [FieldType::F64; 2];
    let a = part(0, &[0, 1], &[(1, &[Some(1.0), Some(10.0)]), (5, &[None, Some(50.0)])]);
    let b = part(1, &[0, 1], &[(1, &[None, Some(11.0)]), (5, &[Some(5.0), None])]);
    let rows = merge_parts(&[a, b], TimeRange::ALL, &[0, 1], &types, Duplicates::Last).unwrap();
    assert_eq!(rows.times, [1, 5]);
    assert_eq!(rows.columns[0].values, Values::F64(vec![1.0, 5.0]));
    assert_eq!(rows.columns[1].values, Values::F64(vec![11.0, 50.0]));
}

#[test]
fn the_edges_of_time_survive() {
    let types = [FieldType::F64];
    let a = part(0, &[0], &[(i64::MIN, &[Some(1.0)]), (i64::MAX, &[Some(2.0)])]);
    let whole =
        merge_parts(std::slice::from_ref(&a), TimeRange::ALL, &[0], &types, Duplicates::Last)
            .unwrap();
    assert_eq!(whole.times, [i64::MIN, i64::MAX]);
    let range = TimeRange::new(None, Some(i64::MAX));
    let open = merge_parts(&[a], range, &[0], &types, Duplicates::Last).unwrap();
    assert_eq!(open.times, [i64::MIN]);
}

#[test]
fn a_column_of_another_type_is_corrupt() {
    let a = part(0, &[0], &[(1, &[Some(1.0)])]);
    let error =
        merge_parts(&[a], TimeRange::ALL, &[0], &[FieldType::Str], Duplicates::Keep).unwrap_err();
    assert!(matches!(error, crate::Error::Corrupt(_)), "{error}");
}
