//! Points of two series at the same time, or as near as a tolerance allows.
//!
//! Without a tolerance points go together whose times are equal; of several at one time, the first
//! with the first, the second with the second. With one, each point of the first series goes with
//! the nearest of the second that is at most so far away, before it or behind it: the earlier of
//! two as near, the first of several at one time. A point of the second may serve several of the
//! first, and a point that finds none is left out. A missing value is no point.
//! The database's `correlate` pairs points by the same rules.

/// The points of a series: those of its rows that have a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    /// Nanoseconds UTC, ascending.
    pub times: Vec<i64>,
    /// Values, none of them NaN.
    pub values: Vec<f64>,
}

impl Points {
    /// Those of these rows.
    pub fn of(times: &[i64], values: &[f64]) -> Self {
        let (times, values) = times.iter().zip(values).filter(|(_, value)| !value.is_nan()).unzip();
        Self { times, values }
    }

    fn len(&self) -> usize {
        self.times.len()
    }
}

/// Pairs of values, as two columns.
pub type Pairs = (Vec<f64>, Vec<f64>);

/// Pairs of two fields of the same rows; see the module. Rows that have both come first; what is
/// left over at one time is paired in its order.
pub fn of_rows(times: &[i64], x: &[f64], y: &[f64], tolerance: Option<u64>) -> Pairs {
    if let Some(tolerance) = tolerance {
        return near(&Points::of(times, x), &Points::of(times, y), tolerance);
    }
    let mut pairs = (Vec::with_capacity(x.len()), Vec::with_capacity(x.len()));
    let (mut lone_x, mut lone_y) = (Vec::new(), Vec::new());
    let mut row = 0;
    for same in times.chunk_by(|a, b| a == b) {
        lone_x.clear();
        lone_y.clear();
        for row in row..row + same.len() {
            match (x[row].is_nan(), y[row].is_nan()) {
                (false, false) => {
                    pairs.0.push(x[row]);
                    pairs.1.push(y[row]);
                }
                (false, true) => lone_x.push(x[row]),
                (true, false) => lone_y.push(y[row]),
                (true, true) => {}
            }
        }
        row += same.len();
        for (x, y) in lone_x.iter().zip(&lone_y) {
            pairs.0.push(*x);
            pairs.1.push(*y);
        }
    }
    pairs
}

/// Pairs of two series; see the module.
pub fn of_points(x: &Points, y: &Points, tolerance: Option<u64>) -> Pairs {
    match tolerance {
        Some(tolerance) => near(x, y, tolerance),
        None => equal(x, y),
    }
}

fn equal(x: &Points, y: &Points) -> Pairs {
    let mut pairs = (Vec::new(), Vec::new());
    let (mut i, mut j) = (0, 0);
    while i < x.len() && j < y.len() {
        match x.times[i].cmp(&y.times[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                pairs.0.push(x.values[i]);
                pairs.1.push(y.values[j]);
                i += 1;
                j += 1;
            }
        }
    }
    pairs
}

fn near(x: &Points, y: &Points, tolerance: u64) -> Pairs {
    let mut pairs = (Vec::new(), Vec::new());
    let found = nearest(&x.times, &y.times, tolerance);
    for (value, found) in x.values.iter().zip(found) {
        if let Some(found) = found {
            pairs.0.push(*value);
            pairs.1.push(y.values[found]);
        }
    }
    pairs
}

/// For each time the place of the nearest of other times, within the tolerance; both ascend.
pub fn nearest<'a>(
    times: &'a [i64],
    others: &'a [i64],
    tolerance: u64,
) -> impl Iterator<Item = Option<usize>> + 'a {
    // Of those after a time only the first can be nearest; of those before or at it, the first of
    // the last time.
    let (mut after, mut before) = (0, None::<usize>);
    times.iter().map(move |&time| {
        while after < others.len() && others[after] <= time {
            if before.is_none_or(|b| others[b] != others[after]) {
                before = Some(after);
            }
            after += 1;
        }
        let near = [before, (after < others.len()).then_some(after)].into_iter().flatten();
        // `min_by_key` keeps the first of equals: the earlier.
        near.min_by_key(|&at| others[at].abs_diff(time))
            .filter(|&at| others[at].abs_diff(time) <= tolerance)
    })
}

/// The values of a series at times of others: of the nearest point within the tolerance (0: of
/// equal time), NaN where there is none. Both ascend.
pub fn onto(times: &[i64], points: &Points, tolerance: u64) -> Vec<f64> {
    nearest(times, &points.times, tolerance)
        .map(|found| found.map_or(f64::NAN, |at| points.values[at]))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAN: f64 = f64::NAN;

    fn points(times: &[i64]) -> Points {
        Points { times: times.to_vec(), values: (0..times.len()).map(|v| v as f64).collect() }
    }

    #[test]
    fn of_two_as_near_it_is_the_earlier_and_the_first_of_one_time() {
        let found: Vec<_> = nearest(&[10], &[8, 12], 2).collect();
        assert_eq!(found, [Some(0)]);
        let found: Vec<_> = nearest(&[10, 11, 20], &[8, 8, 12, 12], 2).collect();
        assert_eq!(found, [Some(0), Some(2), None]);
        let found: Vec<_> = nearest(&[i64::MIN, i64::MAX], &[0], u64::MAX).collect();
        assert_eq!(found, [Some(0), Some(0)]);
    }

    #[test]
    fn what_is_left_over_at_one_time_is_paired_in_its_order() {
        let times = [1, 1, 1, 2, 2];
        let pairs = of_rows(&times, &[1.0, NAN, 3.0, 4.0, NAN], &[NAN, 2.0, 9.0, NAN, NAN], None);
        assert_eq!(pairs, (vec![3.0, 1.0], vec![9.0, 2.0]));
    }

    #[test]
    fn points_of_equal_times_go_together_in_their_order() {
        let pairs = of_points(&points(&[1, 2, 2, 5]), &points(&[0, 2, 2, 2, 6]), None);
        assert_eq!(pairs, (vec![1.0, 2.0], vec![1.0, 2.0]));
    }

    #[test]
    fn a_time_without_a_point_within_the_tolerance_has_nan() {
        let found = onto(&[0, 5, 9], &points(&[1, 9]), 1);
        assert_eq!((found[0], found[2]), (0.0, 1.0));
        assert!(found[1].is_nan());
    }

    proptest! {
        #[test]
        fn the_nearest_is_that_of_all(
            mut times in prop::collection::vec(-30..30i64, 0..20),
            mut others in prop::collection::vec(-30..30i64, 0..20),
            tolerance in 0..12u64,
        ) {
            times.sort_unstable();
            others.sort_unstable();
            let found: Vec<_> = nearest(&times, &others, tolerance).collect();
            for (time, found) in times.iter().zip(found) {
                let least = others.iter().map(|other| other.abs_diff(*time)).min();
                let expected = least
                    .filter(|least| *least <= tolerance)
                    .and_then(|least| others.iter().position(|o| o.abs_diff(*time) == least));
                prop_assert_eq!(found, expected);
            }
        }
    }
}
