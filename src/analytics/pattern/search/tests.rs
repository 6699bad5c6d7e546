use proptest::prelude::*;

use super::*;
use crate::kernels::Unguarded;

/// The distance under warping by its definition, over the whole table.
fn naive_dtw(x: &[f64], y: &[f64], band: usize) -> f64 {
    let m = y.len();
    let mut table = vec![vec![f64::INFINITY; m + 1]; m + 1];
    table[0][0] = 0.0;
    for i in 0..m {
        for j in 0..m {
            if i.abs_diff(j) <= band {
                let before = table[i][j].min(table[i][j + 1]).min(table[i + 1][j]);
                table[i + 1][j + 1] = (x[i] - y[j]).powi(2) + before;
            }
        }
    }
    table[m][m].sqrt()
}

fn z(window: &[f64]) -> Vec<f64> {
    match moments(window) {
        Some((mean, spread)) => window.iter().map(|v| (v - mean) / spread).collect(),
        None => vec![0.0; window.len()],
    }
}

/// The nearest, one after the other, of places that do not overlap by more than half.
fn naive(
    values: &[f64],
    query: &[f64],
    k: usize,
    distance: impl Fn(&[f64], &[f64]) -> f64,
) -> Vec<f64> {
    let m = query.len();
    let all: Vec<f64> = values
        .windows(m)
        .map(|w| {
            if w.iter().all(|v| v.is_finite()) { distance(&z(w), &z(query)) } else { f64::INFINITY }
        })
        .collect();
    let mut taken: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    while found.len() < k {
        let free = (0..all.len()).filter(|at| {
            all[*at].is_finite() && taken.iter().all(|t| t.abs_diff(*at) >= m.div_ceil(2))
        });
        let Some(best) = free.min_by(|a, b| all[*a].total_cmp(&all[*b])) else { break };
        taken.push(best);
        found.push(all[best]);
    }
    found
}

proptest! {
    #[test]
    fn hits_are_the_nearest_of_all_places(
        values in prop::collection::vec(prop_oneof![9 => -5.0f64..5.0, 1 => Just(f64::NAN), 2 => Just(1.0)], 0..120),
        query in prop::collection::vec(-3.0f64..3.0, 3..12),
        band in 0usize..6,
    ) {
        let euclid = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let got = euclidean(&values, &query, 3, &Unguarded).expect("runs");
        let want = naive(&values, &query, 3, euclid);
        prop_assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(&want) {
            prop_assert!((got.distance - want).abs() < 1e-6, "{:?} for {}", got, want);
        }
        let got = warped(&values, &query, 3, band, &Unguarded).expect("runs");
        let want = naive(&values, &query, 3, |a, b| naive_dtw(a, b, band));
        prop_assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(&want) {
            prop_assert!((got.distance - want).abs() < 1e-9, "{:?} for {}", got, want);
        }
    }
}

#[test]
fn a_shape_is_found_at_any_level_and_size_and_when_it_is_stretched() {
    let shape: Vec<f64> = (0..40).map(|i| (f64::from(i) / 6.0).sin() * f64::from(i)).collect();
    let mut values: Vec<f64> = (0..900).map(|i| f64::from(i * 7919 % 101) / 101.0).collect();
    for (i, value) in shape.iter().enumerate() {
        values[300 + i] = 1000.0 + 0.01 * value;
    }
    let hits = euclidean(&values, &shape, 2, &Unguarded).expect("runs");
    assert!(hits[0].index == 300 && hits[0].distance < 1e-6, "{hits:?}");
    for i in 0..40 {
        // Ahead by two in the middle.
        let bend = (f64::from(i) / 39.0 * std::f64::consts::PI).sin() * 2.0;
        let at = f64::from(i) + bend;
        values[600 + i as usize] = (at / 6.0).sin() * at;
    }
    let straight = euclidean(&values, &shape, 2, &Unguarded).expect("runs");
    let bent = warped(&values, &shape, 2, 4, &Unguarded).expect("runs");
    assert_eq!(bent[1].index.abs_diff(600).min(3), bent[1].index.abs_diff(600));
    assert!(bent[1].distance < 0.8 * straight[1].distance, "{bent:?} {straight:?}");
}

#[test]
fn a_query_without_a_shape_is_refused() {
    for query in [vec![], vec![1.0, 2.0], vec![1.0; 9], vec![1.0, f64::NAN, 2.0]] {
        assert!(euclidean(&[1.0, 2.0, 3.0], &query, 1, &Unguarded).is_err());
    }
    assert_eq!(warped(&[1.0], &[1.0, 2.0, 3.0], 1, 1, &Unguarded).expect("runs"), []);
}
