//! Every function against a row-by-row computation.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::kernels::Unguarded;
use crate::kernels::testing::{
    FUNCTIONS, TYPES, aggregate_points, agrees, flat, mixed, parts, points_of, range,
};

fn plan() -> (Arc<[FieldPlan]>, Vec<(usize, Function)>) {
    let mut asked = Vec::new();
    let fields = TYPES.iter().enumerate().map(|(field, &ty)| {
        let mut needs = Needs::default();
        for function in FUNCTIONS.iter().filter(|f| f.output(ty).is_ok()) {
            function.require(&mut needs);
            asked.push((field, *function));
        }
        FieldPlan { field, ty, needs }
    });
    (fields.collect(), asked)
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
        let mut all = Accumulator::new(Arc::clone(&plan), every).unwrap();
        for parts in &series {
            let mut own = Accumulator::new(Arc::clone(&plan), every).unwrap();
            own.fold_series(parts, range, mode, &Unguarded).unwrap();
            all.merge(own, &Unguarded).unwrap();
        }
        let (starts, columns) = all.finish(&asked, mode).unwrap();

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
        for ((field, function), column) in asked.iter().zip(&columns) {
            let points: Vec<_> =
                series.iter().flat_map(|p| points_of(flat(p, range), *field, mode)).collect();
            for (row, &start) in starts.iter().enumerate() {
                let own: Vec<_> =
                    points.iter().filter(|(t, _)| bucket(*t) == start).cloned().collect();
                let expected = aggregate_points(&own, *function, TYPES[*field]);
                prop_assert!(
                    agrees(&column.get(row), &expected),
                    "field {field} {function:?} at {start}: {:?}, expected {expected:?}",
                    column.get(row)
                );
            }
        }
    }
}

#[test]
fn a_bucket_needs_a_positive_length() {
    for every in [0, -1, i64::MIN] {
        let error = Accumulator::new(Arc::new([]), Some(every)).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
    }
}
