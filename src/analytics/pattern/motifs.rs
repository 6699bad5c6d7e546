//! Motifs and discords: the windows that repeat best, and those that repeat worst.

use super::matrix_profile::MatrixProfile;
use super::matrix_profile::function::{Request, place, time};
use crate::analytics::{Column, Function, Input, Options, Table};
use crate::error::Result;
use crate::kernels::Guard;

/// `motifs`: options `window` (required), `k` (3), `exclusion`, `normalize`.
pub(super) const MOTIFS: Function = Function { name: "motifs", fields: (1, 1), run: run_motifs };
/// `discords`: the same options.
pub(super) const DISCORDS: Function =
    Function { name: "discords", fields: (1, 1), run: run_discords };

/// A window, and the one nearest to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Where the window begins.
    pub index: usize,
    /// How far the nearest is.
    pub distance: f64,
    /// Where the nearest begins.
    pub neighbor: usize,
}

/// The `k` pairs of windows that are nearest to each other, the nearest first. No window of a pair
/// overlaps one of a better pair.
pub fn motifs(profile: &MatrixProfile, k: usize) -> Vec<Found> {
    let mut taken: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for candidate in ordered(profile, |a, b| a.total_cmp(&b)) {
        if found.len() == k {
            break;
        }
        let apart = |at: usize| taken.iter().all(|other| other.abs_diff(at) >= profile.window);
        if apart(candidate.index) && apart(candidate.neighbor) {
            taken.extend([candidate.index, candidate.neighbor]);
            found.push(candidate);
        }
    }
    found
}

/// The `k` windows whose nearest is farthest, the farthest first, without overlap. Windows that
/// have no distance (a value is missing) are not among them.
pub fn discords(profile: &MatrixProfile, k: usize) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for candidate in ordered(profile, |a, b| b.total_cmp(&a)) {
        if found.len() == k {
            break;
        }
        if found.iter().all(|other| other.index.abs_diff(candidate.index) >= profile.window) {
            found.push(candidate);
        }
    }
    found
}

/// Windows that have a nearest, by their distance and then their place.
fn ordered(profile: &MatrixProfile, order: impl Fn(f64, f64) -> std::cmp::Ordering) -> Vec<Found> {
    let nearest = &profile.nearest;
    let all = nearest.distances.iter().zip(&nearest.neighbors).enumerate();
    let mut found: Vec<Found> = all
        .filter_map(|(index, (distance, neighbor))| {
            Some(Found { index, distance: *distance, neighbor: (*neighbor)? })
        })
        .collect();
    found.sort_by(|a, b| order(a.distance, b.distance).then(a.index.cmp(&b.index)));
    found
}

fn run_motifs(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    run("motifs", motifs, inputs, options, guard)
}

fn run_discords(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    run("discords", discords, inputs, options, guard)
}

fn run(
    name: &str,
    pick: fn(&MatrixProfile, usize) -> Vec<Found>,
    inputs: &[Input<'_>],
    options: &mut Options,
    guard: &dyn Guard,
) -> Result<Table> {
    let request = Request::take(options, name)?;
    let k = options.count("k", 1)?.unwrap_or(3);
    options.finish(name)?;
    Table::each(inputs, guard, |input| {
        let found = pick(&request.profile(input.values(), guard)?, k);
        let places = |of: fn(&Found) -> usize| -> Vec<i64> {
            found.iter().map(|found| place(Some(of(found)))).collect()
        };
        let (own, neighbors) = (places(|found| found.index), places(|found| found.neighbor));
        let times =
            |places: &[i64]| Column::Time(places.iter().map(|at| time(input.times, *at)).collect());
        Ok(Table::new([
            ("rank", Column::Int((1..=found.len() as i64).collect())),
            ("time", times(&own)),
            ("index", Column::Int(own)),
            ("distance", Column::Float(found.iter().map(|found| found.distance).collect())),
            ("neighbor_time", times(&neighbors)),
            ("neighbor", Column::Int(neighbors)),
        ]))
    })
}

#[cfg(test)]
mod tests {
    use super::super::matrix_profile::{Measure, profile};
    use super::*;
    use crate::kernels::Unguarded;

    fn noise(at: usize) -> f64 {
        let x = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }

    #[test]
    fn what_was_planted_twice_is_the_motif_and_what_is_odd_the_discord() {
        let mut values: Vec<f64> =
            (0..1200).map(|i| (i as f64 / 8.0).sin() + 0.3 * noise(i)).collect();
        for i in 0..50 {
            values[200 + i] = f64::from(i as u8 % 9);
            values[700 + i] = f64::from(i as u8 % 9);
            values[1000 + i] = 3.0 * noise(5000 + i);
        }
        let found = profile(&values, 50, None, Measure::Normalized, &Unguarded).expect("runs");
        let best = motifs(&found, 3);
        assert_eq!((best[0].index, best[0].neighbor), (200, 700));
        assert!(best[0].distance < 1e-6 && best.len() == 3);
        let ends: Vec<usize> = best.iter().flat_map(|f| [f.index, f.neighbor]).collect();
        for (at, one) in ends.iter().enumerate() {
            assert!(at % 2 == 1 || ends[..at].iter().all(|two| two.abs_diff(*one) >= 50));
        }
        let odd = discords(&found, 2);
        assert!(odd[0].index.abs_diff(1000) < 50, "{odd:?}");
        assert!(odd[0].distance >= odd[1].distance);
        assert!(odd[0].index.abs_diff(odd[1].index) >= 50);
    }

    #[test]
    fn a_series_without_windows_has_neither() {
        let found = profile(&[1.0; 4], 8, None, Measure::Normalized, &Unguarded).expect("runs");
        assert_eq!((motifs(&found, 3), discords(&found, 3)), (vec![], vec![]));
    }
}
