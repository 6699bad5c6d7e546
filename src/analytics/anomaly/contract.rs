//! What every detector keeps, for every detector: a new method is one more row of [`CASES`].

use proptest::prelude::*;

use super::{Detector, Scored, build, methods, state};
use crate::analytics::{Options, Value};

/// A method with options that make it work on a few hundred points.
type Case = (&'static str, &'static [(&'static str, i64)]);

/// Every method, at least once.
const CASES: &[Case] = &[
    ("ewma", &[]),
    ("ewma", &[("span", 5), ("min_points", 2)]),
    ("forecast", &[]),
    ("forecast", &[("window", 100), ("refit", 7), ("min_points", 20), ("seasons", 24)]),
    ("iqr", &[]),
    ("iqr", &[("window", 40), ("min_points", 2)]),
    ("lstm", &[]),
    ("lstm", &[("window", 64), ("min_points", 32), ("epochs", 3), ("cells", 4)]),
    ("isolation_forest", &[]),
    ("isolation_forest", &[("window", 60), ("refit", 30), ("trees", 20), ("min_points", 20)]),
    ("mad", &[]),
    ("mad", &[("window", 41), ("min_points", 2)]),
    ("matrix_profile", &[]),
    ("matrix_profile", &[("window", 12), ("history", 100), ("min_points", 20)]),
    ("zscore", &[]),
    ("zscore", &[("window", 20), ("min_points", 2)]),
    ("auto", &[]),
    ("drift", &[]),
    ("ensemble", &[]),
    // A history in which no far value is like another: one that was seen before is usual to it.
    ("nearest", &[("window", 4), ("history", 50)]),
    ("seasonal", &[]),
    ("seasonal", &[("seasons", 24)]),
    ("spike", &[]),
];

fn options(case: &Case) -> Options {
    Options::new(case.1.iter().map(|(name, value)| ((*name).to_owned(), Value::Int(*value))))
}

fn detector(case: &Case) -> Box<dyn Detector> {
    let mut options = options(case);
    let detector = build(case.0, &mut options).expect("a detector");
    options.finish(case.0).expect("options that it knows");
    detector
}

/// As bits, of which NaN has one kind.
fn bits(scored: Scored) -> [u64; 4] {
    [scored.score, scored.expected, scored.lower, scored.upper].map(|value| match value.is_nan() {
        true => f64::NAN.to_bits(),
        false => value.to_bits(),
    })
}

fn scores(detector: &mut dyn Detector, times: &[i64], values: &[f64]) -> Vec<[u64; 4]> {
    times.iter().zip(values).map(|(t, v)| bits(detector.update(*t, *v))).collect()
}

/// A season, noise, a missing stretch and some far values, at minutes.
fn series(points: usize, seed: u64) -> (Vec<i64>, Vec<f64>) {
    let mut state = seed | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let value = |at: usize| match at {
        // As none of the others.
        923 => -20.0,
        at if at % 97 == 50 => 25.0,
        at if (130..137).contains(&at) => f64::NAN,
        at => 5.0 + 2.0 * (at as f64 / 24.0 * std::f64::consts::TAU).sin() + random(),
    };
    let values = (0..points).map(value).collect();
    ((0..points as i64).map(|at| at * 60_000_000_000).collect(), values)
}

#[test]
fn every_method_has_a_case() {
    for method in methods() {
        assert!(CASES.iter().any(|(name, _)| *name == method.name), "{}", method.name);
        assert_eq!(
            build(method.name, &mut Options::default()).expect("defaults").name(),
            method.name
        );
    }
}

#[test]
fn learning_and_scoring_is_the_same_in_any_portions() {
    let (times, values) = series(400, 7);
    for case in CASES {
        let whole = scores(&mut *detector(case), &times, &values);
        for cut in [0, 1, 133, 250, 399] {
            let prefix = scores(&mut *detector(case), &times[..cut], &values[..cut]);
            assert_eq!(prefix, whole[..cut], "{case:?}: a prefix of {cut}");
            let mut fitted = detector(case);
            fitted.fit(&times[..cut], &values[..cut]).expect("fits");
            let rest = scores(&mut *fitted, &times[cut..], &values[cut..]);
            assert_eq!(rest, whole[cut..], "{case:?}: fitted to {cut}");
        }
    }
}

#[test]
fn a_loaded_state_goes_on_bit_for_bit() {
    let (times, values) = series(400, 11);
    for case in CASES {
        for studied in [false, true] {
            let fresh = || {
                let mut detector = detector(case);
                if studied {
                    detector.study(&times, &values).expect("studies");
                }
                detector
            };
            let whole = scores(&mut *fresh(), &times, &values);
            for cut in [0, 1, 2, 17, 135, 211, 399] {
                let mut first = fresh();
                assert_eq!(scores(&mut *first, &times[..cut], &values[..cut]), whole[..cut]);
                let bytes = first.save();
                let mut second = state::load(&bytes).expect("its own bytes");
                assert_eq!(second.name(), case.0);
                assert_eq!(second.save(), bytes, "{case:?}: saved again at {cut}");
                let rest = scores(&mut *second, &times[cut..], &values[cut..]);
                assert_eq!(rest, whole[cut..], "{case:?}: loaded at {cut}, studied {studied}");
            }
        }
    }
}

#[test]
fn a_far_value_is_an_anomaly_and_few_others_are() {
    let (times, values) = series(1000, 3);
    for case in CASES {
        for causal in [true, false] {
            let mut detector = detector(case);
            if !causal {
                detector.study(&times, &values).expect("studies");
            }
            let scores: Vec<f64> =
                times.iter().zip(&values).map(|(t, v)| detector.update(*t, *v).score).collect();
            let far = scores[923];
            assert!(far >= 0.5, "{case:?} gives {far}, causal {causal}");
            // A window of shapes has some of a far value in it as long as it is in sight.
            // What looks at the whole has the far value in sight before it, too.
            let ahead = if causal { 0 } else { 64 };
            let usual = |at: &usize| {
                let sight = at.saturating_sub(64)..=(at + ahead).min(999);
                values[sight].iter().all(|value| (0.0..20.0).contains(value))
            };
            let usual = (0..1000).filter(|at| usual(at) && scores[*at] >= 0.5).count();
            // Fits remember a far value of their first cycles as a part of the season.
            let most = if case.0 == "forecast" { 20 } else { 10 };
            assert!(usual < most, "{case:?} finds {usual} usual points unusual, causal {causal}");
        }
    }
}

#[test]
fn a_change_after_a_constant_has_a_high_finite_score() {
    for case in CASES {
        for constant in [0.0, 5.0, -1e12, 1e-12] {
            let mut detector = detector(case);
            let mut last = Scored::NONE;
            for at in 0..600 {
                last = detector.update(at * 1_000_000_000, constant);
                assert!(last.score.is_nan() || last.score < 0.01, "{case:?}: {constant} {last:?}");
            }
            assert!(!last.score.is_nan(), "{case:?} has no score after 600 points");
            let changed = detector.update(600 * 1_000_000_000, constant + constant.abs().max(1.0));
            assert!((0.9..=1.0).contains(&changed.score), "{case:?}: {constant} {changed:?}");
        }
    }
}

#[test]
fn damaged_bytes_are_an_error() {
    let (times, values) = series(60, 5);
    for case in CASES {
        let mut detector = detector(case);
        scores(&mut *detector, &times, &values);
        let bytes = detector.save();
        for at in 0..bytes.len() {
            assert!(state::load(&bytes[..at]).is_err(), "{case:?}: cut at {at}");
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            assert!(state::load(&damaged).is_err(), "{case:?}: changed at {at}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(state::load(&longer).is_err(), "{case:?}: a byte more");
    }
}

/// The bytes with a checksum that is right.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&checksum);
    bytes
}

#[test]
fn a_later_version_and_an_unknown_method_say_so() {
    let bytes = detector(&CASES[0]).save();
    let mut later = bytes.clone();
    later[4] = 9;
    let error = state::load(&sealed(later)).expect_err("a later version").to_string();
    assert!(error.contains("version 9"), "{error}");
    let mut unknown = bytes;
    unknown[7] = b'Z';
    let error = state::load(&sealed(unknown)).expect_err("an unknown method").to_string();
    assert!(error.contains(&format!("\"Z{}\"", &CASES[0].0[1..])), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_payload_with_other_bytes_never_panics(
        points in 0usize..90,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in prop::option::of(any::<prop::sample::Index>()),
        studied in any::<bool>(),
    ) {
        let (times, values) = series(points, 9);
        for case in CASES {
            let mut detector = detector(case);
            if studied {
                detector.study(&times, &values).expect("studies");
            }
            scores(&mut *detector, &times, &values);
            let mut bytes = detector.save();
            let head = 7 + case.0.len();
            for (at, byte) in &changes {
                let at = head + at.index(bytes.len() - head);
                bytes[at] = *byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(head + 4 + cut.index(bytes.len() - head - 3));
            }
            if let Ok(mut loaded) = state::load(&sealed(bytes)) {
                scores(&mut *loaded, &times, &values);
                let again = loaded.save();
                prop_assert!(state::load(&again).is_ok(), "{case:?}: what it saves, it loads");
            }
        }
    }

    #[test]
    fn any_numbers_at_any_times_give_scores_in_their_range(
        points in prop::collection::vec((any::<i64>(), prop_oneof![
            4 => -10.0..10.0f64,
            2 => any::<f64>(),
            1 => Just(0.0),
            1 => prop_oneof![
                Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY),
                Just(f64::MAX), Just(f64::MIN), Just(f64::MIN_POSITIVE),
            ],
        ]), 0..120),
        equal in any::<bool>(),
    ) {
        let mut times: Vec<i64> = points.iter().map(|(t, _)| if equal { t % 9 } else { *t }).collect();
        times.sort_unstable();
        for case in CASES {
            let mut detector = detector(case);
            for (&time, &(_, value)) in times.iter().zip(&points) {
                let scored = detector.update(time, value);
                prop_assert!(scored.score.is_nan() || (0.0..=1.0).contains(&scored.score), "{case:?}: {scored:?}");
                prop_assert!(!value.is_nan() || scored.score.is_nan(), "{case:?} scores what is missing");
                prop_assert_eq!(scored.lower.is_nan(), scored.upper.is_nan());
                prop_assert!(scored.lower.is_nan() || scored.lower <= scored.upper, "{case:?}: {scored:?}");
            }
            let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
            if detector.study(&times, &values).is_ok() {
                for (time, value) in times.iter().zip(&values) {
                    let score = detector.update(*time, *value).score;
                    prop_assert!(score.is_nan() || (0.0..=1.0).contains(&score), "{case:?}: {score}");
                }
            }
        }
    }
}
