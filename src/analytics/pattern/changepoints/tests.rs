use proptest::prelude::*;

use super::cost::{Medians, Segments, Squares};
use super::partition::{Many, by_count, by_count_fast, by_penalty};
use super::*;
use crate::kernels::Unguarded;

/// The least cost of any partition, tried one by one over ends; by penalty, and by count.
fn naive(segments: &dyn Segments, penalty: f64, least: usize) -> f64 {
    let n = segments.len();
    let mut best = vec![f64::INFINITY; n + 1];
    best[0] = -penalty;
    for to in 1..=n {
        for from in 0..to {
            if to - from >= least {
                best[to] = best[to].min(best[from] + segments.cost(from, to) + penalty);
            }
        }
    }
    best[n]
}

fn naive_count(segments: &dyn Segments, count: usize, least: usize) -> f64 {
    let n = segments.len();
    let mut best = vec![f64::INFINITY; n + 1];
    best[0] = 0.0;
    for _ in 0..=count {
        let mut next = vec![f64::INFINITY; n + 1];
        for (to, next) in next.iter_mut().enumerate() {
            for (from, best) in best[..to].iter().enumerate() {
                if to - from >= least {
                    *next = next.min(best + segments.cost(from, to));
                }
            }
        }
        best = next;
    }
    best[n]
}

fn cost(segments: &dyn Segments, points: &[usize]) -> f64 {
    let mut from = 0;
    points
        .iter()
        .chain([&segments.len()])
        .map(|to| {
            let c = segments.cost(from, *to);
            from = *to;
            c
        })
        .sum()
}

proptest! {
    #[test]
    fn partitions_are_the_best_there_are(
        values in prop::collection::vec((0u8..4, -1.0f64..1.0), 2..80),
        penalty in 0.05f64..20.0,
        least in 1usize..9,
        count in 0usize..6,
    ) {
        let values: Vec<f64> = values.iter().map(|(level, rest)| f64::from(*level) * 2.0 + rest).collect();
        let squares = Squares::new(&values, None);
        let normal = Squares::new(&values, Some(1e-3));
        let medians = Medians::new(&values);
        let all: [&dyn Segments; 3] = [&Many(&squares), &normal, &medians];
        for segments in all {
            if values.len() < 2 * least {
                continue;
            }
            let points = by_penalty(segments, penalty, least, &Unguarded).expect("runs");
            let got = cost(segments, &points) + penalty * points.len() as f64;
            let want = naive(segments, penalty, least);
            prop_assert!((got - want).abs() < 1e-7 * want.abs().max(1.0), "{} for {}", got, want);
            for by in [by_count, by_count_fast] {
                let points = by(segments, count, least, &Unguarded).expect("runs");
                prop_assert_eq!(points.len(), count.min(values.len() / least - 1));
                let want = naive_count(segments, points.len(), least);
                let got = cost(segments, &points);
                prop_assert!((got - want).abs() < 1e-7 * want.abs().max(1.0), "{} for {}", got, want);
                let ends = [&[0], points.as_slice(), &[values.len()]].concat();
                prop_assert!(ends.windows(2).all(|pair| pair[1] - pair[0] >= least));
            }
        }
    }
}

fn noise_at(at: usize) -> f64 {
    let x = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (x >> 11) as f64 / (1u64 << 53) as f64 - 0.5
}

#[test]
fn steps_are_found_where_they_are_with_confidence() {
    let values: Vec<f64> = (0..600).map(|i| [1.0, 4.0, 2.0][i / 200] + noise_at(i)).collect();
    for cost in [Cost::L2, Cost::L1, Cost::Normal] {
        let found = find(&values, cost, Number::Usual, 2, &Unguarded).expect("runs");
        let places: Vec<usize> = found.iter().map(|point| point.index).collect();
        assert_eq!(places, [200, 400], "{cost:?}");
        assert!(found.iter().all(|point| point.confidence > 0.999));
        assert!((found[0].before - 1.0).abs() < 0.1 && (found[0].after - 4.0).abs() < 0.1);
    }
}

#[test]
fn a_change_of_variance_is_one_for_the_normal_cost() {
    let values: Vec<f64> =
        (0..400).map(|i| noise_at(i) * if i < 200 { 1.0 } else { 8.0 }).collect();
    let found = find(&values, Cost::Normal, Number::Usual, 5, &Unguarded).expect("runs");
    assert!(found.len() == 1 && found[0].index.abs_diff(200) < 6, "{found:?}");
}

#[test]
fn noise_has_no_changes_and_steps_without_noise_do() {
    for start in 0..20 {
        let values: Vec<f64> = (0..500).map(|i| noise_at(i + 1000 * start)).collect();
        assert_eq!(find(&values, Cost::L2, Number::Usual, 2, &Unguarded).expect("runs"), []);
    }
    let values: Vec<f64> = (0..100).map(|i| f64::from(u8::from(i >= 37))).collect();
    let found = find(&values, Cost::L2, Number::Usual, 2, &Unguarded).expect("runs");
    assert_eq!(found.iter().map(|p| p.index).collect::<Vec<_>>(), [37]);
    for values in [vec![], vec![1.0], vec![3.0; 50], vec![0.1; 50]] {
        for cost in [Cost::L2, Cost::L1, Cost::Normal] {
            assert_eq!(find(&values, cost, Number::Usual, 2, &Unguarded).expect("runs"), []);
        }
    }
}
