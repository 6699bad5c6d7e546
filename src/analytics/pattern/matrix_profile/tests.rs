use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;
use crate::codec::simd::{Level, limit};
use crate::kernels::Unguarded;

fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..n).map(|_| random.random::<f64>() - 0.5).collect()
}

fn walk(n: usize, seed: u64) -> Vec<f64> {
    let mut level = 0.0;
    noise(n, seed)
        .iter()
        .map(|step| {
            level += step;
            level
        })
        .collect()
}

/// The distance by its definition.
fn distance(x: &[f64], y: &[f64], measure: Measure) -> f64 {
    if x.iter().chain(y).any(|v| !v.is_finite()) {
        return f64::INFINITY;
    }
    let flat = |x: &[f64]| x.iter().all(|v| *v == x[0]);
    let shape = |x: &[f64]| -> Vec<f64> {
        let n = x.len() as f64;
        let mean = x.iter().map(|v| v - x[0]).sum::<f64>() / n + x[0];
        let spread = (x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        x.iter().map(|v| (v - mean) / spread).collect()
    };
    let (x, y) = match measure {
        Measure::Plain => (x.to_vec(), y.to_vec()),
        Measure::Normalized => match (flat(x), flat(y)) {
            (true, true) => return 0.0,
            (false, false) => (shape(x), shape(y)),
            _ => return (x.len() as f64).sqrt(),
        },
    };
    x.iter().zip(&y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
}

/// Distances to the nearest anywhere, before and after, one by one.
fn naive(values: &[f64], window: usize, exclusion: usize, measure: Measure) -> Vec<[f64; 3]> {
    let windows: Vec<&[f64]> = values.windows(window).collect();
    let mut all = vec![[f64::INFINITY; 3]; windows.len()];
    for i in 0..windows.len() {
        for j in i + exclusion + 1..windows.len() {
            let d = distance(windows[i], windows[j], measure);
            all[i][2] = all[i][2].min(d);
            all[j][1] = all[j][1].min(d);
        }
    }
    for sides in &mut all {
        sides[0] = sides[1].min(sides[2]);
    }
    all
}

fn close(got: f64, want: f64, tolerance: f64) -> bool {
    got == want || (got - want).abs() <= tolerance
}

fn check(values: &[f64], window: usize, measure: Measure, tolerance: f64) {
    let got = profile(values, window, None, measure, &Unguarded).expect("a window");
    let want = naive(values, window, got.exclusion, measure);
    assert_eq!(got.nearest.distances.len(), want.len());
    for (at, want) in want.iter().enumerate() {
        for (side, want) in [&got.nearest, &got.left, &got.right].into_iter().zip(want) {
            let own = side.distances[at];
            assert!(close(own, *want, tolerance), "{own} for {want} at {at}");
            assert_eq!(own.is_finite(), side.neighbors[at].is_some());
            if let Some(other) = side.neighbors[at] {
                let said =
                    distance(&values[at..at + window], &values[other..other + window], measure);
                assert!(close(own, said, tolerance), "{own} at {at}, but {other} is at {said}");
                assert!(at.abs_diff(other) > got.exclusion);
            }
        }
    }
}

/// Values with gaps, infinities, plateaus, repetitions and spikes.
fn awkward(n: usize, seed: u64) -> Vec<f64> {
    let mut values = walk(n, seed);
    values[n / 5..n / 4].fill(3.25);
    for at in n / 2..n / 2 + n / 20 {
        values[at] = values[at - n / 3];
    }
    values[n / 3] = f64::NAN;
    values[n / 3 + 40] = f64::INFINITY;
    values[2 * n / 3] = 1e6;
    values[n - 30] = -0.1;
    values
}

#[test]
fn distances_are_those_of_every_pair() {
    for (n, window, seed) in [(300, 20, 1), (257, 3, 2), (420, 64, 3), (65, 33, 4)] {
        for measure in [Measure::Normalized, Measure::Plain] {
            check(&noise(n, seed), window, measure, 1e-9);
            check(&walk(n, seed), window, measure, 1e-9);
        }
    }
}

#[test]
fn gaps_plateaus_repetitions_and_spikes_are_as_defined() {
    for seed in 0..4 {
        check(&awkward(500, seed), 16, Measure::Normalized, 1e-7);
        check(&awkward(500, seed), 16, Measure::Plain, 1e-7);
    }
}

#[test]
fn a_spike_does_not_spoil_what_comes_after_it() {
    let mut values = noise(400, 5);
    values[100] = 1e9;
    values[260] = -1e12;
    check(&values, 20, Measure::Normalized, 1e-6);
}

#[test]
fn a_level_does_not_matter_to_shapes() {
    let values: Vec<f64> = noise(300, 6).iter().map(|v| 1e9 + v).collect();
    check(&values, 16, Measure::Normalized, 1e-6);
    let tiny: Vec<f64> = noise(300, 6).iter().map(|v| v * 1e-140).collect();
    check(&tiny, 16, Measure::Normalized, 1e-6);
}

#[test]
fn a_long_series_starts_its_sums_anew() {
    let values = walk(3 * super::sweep::FRESH / 2, 7);
    let got = profile(&values, 50, None, Measure::Normalized, &Unguarded).expect("a window");
    for at in (0..got.nearest.distances.len()).step_by(997) {
        let own = &values[at..at + 50];
        let others = values.windows(50).enumerate().filter(|(j, _)| j.abs_diff(at) > got.exclusion);
        let want = others
            .map(|(_, other)| distance(own, other, Measure::Normalized))
            .fold(f64::INFINITY, f64::min);
        assert!(close(got.nearest.distances[at], want, 1e-9));
    }
}

#[test]
fn no_window_is_no_row_and_too_short_a_window_is_refused() {
    for values in [vec![], vec![1.0], vec![f64::NAN; 5]] {
        let got = profile(&values, 6, None, Measure::Normalized, &Unguarded).expect("a window");
        assert!(got.nearest.distances.is_empty());
    }
    let got = profile(&[1.0; 7], 7, None, Measure::Normalized, &Unguarded).expect("a window");
    assert_eq!(got.nearest.neighbors, [None]);
    let got = profile(&[f64::NAN; 50], 7, None, Measure::Normalized, &Unguarded).expect("a window");
    assert!(got.nearest.distances.iter().all(|d| d.is_infinite()));
    assert!(profile(&[1.0; 7], 2, None, Measure::Normalized, &Unguarded).is_err());
}

#[test]
fn threads_and_instruction_sets_do_not_change_a_bit() {
    let mut values = walk(2_000, 8);
    values[900] = 1e7;
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| profile(&values, 40, None, Measure::Normalized, &Unguarded).expect("runs"))
    };
    let one = run(1);
    assert_eq!(one, run(3));
    for level in [Level::Portable, Level::Avx2, Level::Avx512] {
        limit(level);
        assert_eq!(one, run(2), "{level:?}");
    }
}

#[test]
fn a_join_finds_the_nearest_in_the_other_series() {
    for (measure, window) in [(Measure::Normalized, 12), (Measure::Plain, 7)] {
        let (query, reference) = (awkward(260, 9), awkward(410, 10));
        for (query, reference) in [(&query, &reference), (&reference, &query)] {
            let got = join(query, reference, window, measure, &Unguarded).expect("a window");
            for (at, own) in query.windows(window).enumerate() {
                let others = reference.windows(window).map(|other| distance(own, other, measure));
                let want = others.fold(f64::INFINITY, f64::min);
                assert!(close(got.distances[at], want, 1e-7), "{} {want}", got.distances[at]);
            }
        }
    }
}

#[test]
fn appending_gives_the_left_profile_and_in_the_end_the_whole() {
    for (measure, seed) in [(Measure::Normalized, 11), (Measure::Plain, 12)] {
        for values in [walk(600, seed), awkward(600, seed)] {
            let whole = profile(&values, 20, None, measure, &Unguarded).expect("a window");
            let mut state = Incremental::new(20, None, measure, None).expect("a window");
            let found: Vec<Match> = values.iter().filter_map(|v| state.append(*v)).collect();
            assert_eq!(found.len(), whole.left.distances.len());
            for (got, want) in found.iter().zip(&whole.left.distances) {
                assert!(close(got.distance, *want, 1e-6), "{got:?} for {want}");
            }
            for (got, want) in state.nearest().1.iter().zip(&whole.nearest.distances) {
                assert!(close(got.distance, *want, 1e-6), "{got:?} for {want}");
            }
        }
    }
}

#[test]
fn a_bounded_state_looks_back_so_far_and_no_further() {
    let values = awkward(900, 13);
    let (window, most) = (10, 100);
    let mut state = Incremental::new(window, None, Measure::Normalized, Some(most)).expect("new");
    let found: Vec<Match> = values.iter().filter_map(|v| state.append(*v)).collect();
    for (at, got) in found.iter().enumerate() {
        let own = &values[at..at + window];
        let others = (at + 1).saturating_sub(most)..at.saturating_sub(3);
        let want = others
            .map(|j| distance(own, &values[j..j + window], Measure::Normalized))
            .fold(f64::INFINITY, f64::min);
        assert!(close(got.distance, want, 1e-6), "{got:?} for {want} at {at}");
    }
    assert!(state.nearest().1.len() < 2 * most);
    assert_eq!(state.count(), found.len() as u64);
}

#[test]
fn a_saved_state_goes_on_bit_for_bit() {
    let values = awkward(900, 14);
    for most in [None, Some(120)] {
        for cut in [0, 1, 9, 300, 777] {
            let mut state = Incremental::new(12, None, Measure::Normalized, most).expect("new");
            for value in &values[..cut] {
                state.append(*value);
            }
            let bytes = postcard::to_stdvec(&state).expect("bytes");
            let mut loaded: Incremental = postcard::from_bytes(&bytes).expect("a state");
            for value in &values[cut..] {
                assert_eq!(state.append(*value), loaded.append(*value));
            }
        }
    }
}

proptest! {
    #[test]
    fn damaged_states_are_errors_or_states(cut in 0usize..4000, flip in any::<u8>(), more in any::<[f64; 3]>()) {
        let mut state = Incremental::new(5, None, Measure::Normalized, Some(20)).expect("new");
        for value in noise(40, 15) {
            state.append(value);
        }
        let mut bytes = postcard::to_stdvec(&state).expect("bytes");
        let at = cut % bytes.len();
        bytes[at] ^= flip;
        if let Ok(mut state) = postcard::from_bytes::<Incremental>(&bytes) {
            for value in more {
                state.append(value);
            }
        }
        let _ = postcard::from_bytes::<Incremental>(&bytes[..at]);
    }

    #[test]
    fn any_values_give_a_profile(values in prop::collection::vec(any::<f64>(), 0..80), window in 3usize..20) {
        for measure in [Measure::Normalized, Measure::Plain] {
            let got = profile(&values, window, None, measure, &Unguarded).expect("a window");
            prop_assert!(got.nearest.distances.iter().all(|d| *d >= 0.0));
            let mut state = Incremental::new(window, None, measure, Some(30)).expect("new");
            for value in &values {
                if let Some(found) = state.append(*value) {
                    prop_assert!(found.distance >= 0.0);
                }
            }
        }
    }
}
