use super::*;

/// Row by row, one pass for the sums and one for the deviations: what the definitions say.
fn naive(times: &[i64], column: &Column, range: std::ops::Range<usize>) -> Option<Stats> {
    let rows: Vec<usize> = range.filter(|&i| column.is_valid(i)).collect();
    let (&start, &end) = (rows.first()?, rows.last()?);
    let (first_time, last_time) = (times[start], times[end]);
    let count = rows.len() as u64;
    Some(match &column.values {
        Values::F64(v) => {
            let values = || rows.iter().map(|&i| v[i]);
            let numbers = || values().filter(|x| !x.is_nan());
            let sum: f64 = values().sum();
            let mean = sum / count as f64;
            Stats::F64(FloatStats {
                count,
                nans: values().filter(|x| x.is_nan()).count() as u64,
                min: numbers().reduce(f64::min).unwrap_or(f64::NAN),
                max: numbers().reduce(f64::max).unwrap_or(f64::NAN),
                sum,
                m2: values().map(|x| (x - mean) * (x - mean)).sum(),
                ends: Ends { first: v[start], first_time, last: v[end], last_time },
            })
        }
        Values::I64(v) => {
            let values = || rows.iter().map(|&i| v[i]);
            let sum: i128 = values().map(i128::from).sum();
            let mean = sum as f64 / count as f64;
            Stats::I64(IntStats {
                count,
                min: values().min()?,
                max: values().max()?,
                sum,
                m2: values().map(|x| (x as f64 - mean) * (x as f64 - mean)).sum(),
                ends: Ends { first: v[start], first_time, last: v[end], last_time },
            })
        }
        Values::Bool(v) => Stats::Bool(BoolStats {
            count,
            trues: rows.iter().filter(|&&i| v[i]).count() as u64,
            ends: Ends { first: v[start], first_time, last: v[end], last_time },
        }),
        Values::Str(v) => {
            let values = || rows.iter().map(|&i| v.get(i));
            let (first, last) = (v.get(start).to_owned(), v.get(end).to_owned());
            Stats::Str(StrStats {
                count,
                min: values().min()?.to_owned(),
                max: values().max()?.to_owned(),
                ends: Ends { first, first_time, last, last_time },
            })
        }
    })
}

/// Equal, or both NaN, or as near as another order of adding `size` may lead.
pub(super) fn near(a: f64, b: f64, size: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-12 * size
}

fn assert_near(got: Option<&Stats>, want: Option<&Stats>, size: f64) {
    match (got, want) {
        (Some(Stats::F64(got)), Some(Stats::F64(want))) => {
            assert_eq!((got.count, got.nans), (want.count, want.nans));
            assert!(near(got.min, want.min, 0.0) && near(got.max, want.max, 0.0));
            assert_eq!(got.ends.first.to_bits(), want.ends.first.to_bits());
            assert_eq!(got.ends.last.to_bits(), want.ends.last.to_bits());
            assert_eq!(got.ends.first_time, want.ends.first_time);
            assert_eq!(got.ends.last_time, want.ends.last_time);
            assert!(near(got.sum, want.sum, size), "{} {}", got.sum, want.sum);
            assert!(near(got.m2, want.m2, size * size), "{} {}", got.m2, want.m2);
        }
        (Some(Stats::I64(got)), Some(Stats::I64(want))) => {
            assert!(near(got.m2, want.m2, want.m2), "{} {}", got.m2, want.m2);
            assert_eq!(&IntStats { m2: want.m2, ..got.clone() }, want);
        }
        (got, want) => assert_eq!(got, want),
    }
}

/// The sum of magnitudes, or NaN where sums have no certain value: with infinities of both
/// signs, or where a partial sum may overflow.
pub(super) fn magnitude(column: &Column) -> f64 {
    match &column.values {
        Values::F64(v) => v.iter().filter(|x| !x.is_nan()).map(|x| x.abs()).sum(),
        _ => 0.0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_naive_twin_agrees(
        column in (1..300usize).prop_flat_map(column),
        ends in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
    ) {
        let n = column.len();
        let times: Vec<i64> = (0..n as i64).map(|i| i / 2).collect();
        let (a, b) = (ends.0.index(n + 1), ends.1.index(n + 1));
        let range = a.min(b)..a.max(b);
        let (got, want) = (
            Stats::of(&times, &column, range.clone()),
            naive(&times, &column, range),
        );
        let size = magnitude(&column);
        if size < 1e150 {
            assert_near(got.as_ref(), want.as_ref(), size);
        } else if let (Some(Stats::F64(mut got)), Some(Stats::F64(want))) = (got, want) {
            // Sums past the range depend on the order of adding; all else does not.
            (got.sum, got.m2) = (want.sum, want.m2);
            assert_near(Some(&Stats::F64(got)), Some(&Stats::F64(want)), size);
        }
    }
}

#[test]
fn nan_and_nothing() {
    let of = |values: Vec<f64>| {
        let times: Vec<i64> = (0..values.len() as i64).collect();
        let n = values.len();
        Stats::of(&times, &Column::new(Values::F64(values)), 0..n)
    };
    assert_eq!(of(vec![]), None);
    let Some(Stats::F64(all)) = of(vec![f64::NAN; 20]) else { panic!("doubles") };
    assert!(all.min.is_nan() && all.max.is_nan() && all.sum.is_nan());
    assert_eq!((all.count, all.nans), (20, 20));
    let Some(Stats::F64(one)) = of(vec![f64::NAN, 3.0, f64::NAN]) else { panic!("doubles") };
    assert_eq!((one.min, one.max, one.nans), (3.0, 3.0, 2));
    assert!(one.sum.is_nan() && one.m2.is_nan());
}

#[test]
fn integer_sums_are_exact_at_both_ends() {
    for value in [i64::MIN, i64::MAX, -1] {
        let column = Column::new(Values::I64(vec![value; 1000]));
        let times = vec![0; 1000];
        let Some(Stats::I64(stats)) = Stats::of(&times, &column, 0..1000) else { panic!("ints") };
        assert_eq!(stats.sum, i128::from(value) * 1000);
    }
}
