//! Why a point is unusual, in words.

use super::{Detector, Scored, sigmas_of};

/// A number as a person would write it: at most six digits that count.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    if !(1e-4..1e9).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = (5 - size.log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Seen against expected, direction and size.
pub(super) fn seen(value: f64, scored: &Scored) -> String {
    let sigmas = sigmas_of(scored.score);
    let size = match sigmas {
        sigmas if sigmas > 1000.0 => "more than 1000 sigmas".to_owned(),
        sigmas => format!("{sigmas:.1} sigmas"),
    };
    if scored.expected.is_nan() {
        return format!("{} is unusual by {size}", short(value));
    }
    let bounds = match scored.lower.is_finite() && scored.upper.is_finite() {
        true => format!(" (usual: {} to {})", short(scored.lower), short(scored.upper)),
        false => String::new(),
    };
    let expected = short(scored.expected);
    match value.partial_cmp(&scored.expected) {
        Some(std::cmp::Ordering::Greater) => {
            format!("{} is above the expected {expected}{bounds} by {size}", short(value))
        }
        Some(std::cmp::Ordering::Less) => {
            format!("{} is below the expected {expected}{bounds} by {size}", short(value))
        }
        _ => format!("{} is as expected, but its surroundings are unusual by {size}", short(value)),
    }
}

/// The explanation of the last point of a detector; members count as voting from the threshold on.
pub(super) fn explain(
    detector: &dyn Detector,
    value: f64,
    scored: &Scored,
    threshold: f64,
) -> String {
    let mut text = seen(value, scored);
    if let Some(note) = detector.note() {
        text.push_str("; ");
        text.push_str(&note);
    }
    let mut votes = detector.votes();
    votes.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let told = |of: Vec<&(&str, f64)>| {
        let one = |(name, score): &&(&str, f64)| match score.is_nan() {
            true => format!("{name} (no score)"),
            false => format!("{name} {score:.2}"),
        };
        of.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let (voted, rest): (Vec<_>, Vec<_>) = votes.iter().partition(|(_, score)| *score >= threshold);
    if !voted.is_empty() {
        text.push_str(&format!("; voted: {}", told(voted)));
    }
    if !rest.is_empty() {
        text.push_str(&format!("; did not: {}", told(rest)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;

    struct Two;
    impl Detector for Two {
        fn name(&self) -> &'static str {
            "two"
        }
        fn fit(&mut self, _: &[i64], _: &[f64]) -> Result<()> {
            Ok(())
        }
        fn update(&mut self, _: i64, _: f64) -> Scored {
            Scored::NONE
        }
        fn votes(&self) -> Vec<(&'static str, f64)> {
            vec![("a", 0.1), ("b", 0.9), ("c", f64::NAN), ("d", 0.95)]
        }
        fn save(&self) -> Vec<u8> {
            Vec::new()
        }
    }

    #[test]
    fn numbers_are_as_a_person_would_write_them() {
        let cases = [
            (0.0, "0"),
            (5.0, "5"),
            (1234.5678, "1234.57"),
            (0.1 + 0.2, "0.3"),
            (-2.5e-7, "-2.500e-7"),
            (1e12, "1.000e12"),
            (123_456_789.0, "123456789"),
            (100.0, "100"),
            (f64::INFINITY, "inf"),
        ];
        for (value, text) in cases {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn an_explanation_tells_direction_size_and_who_voted() {
        let scored = Scored::around(12.0, 6.0, 1.0);
        let text = explain(&Two, 12.0, &scored, 0.5);
        assert_eq!(
            text,
            "12 is above the expected 6 (usual: 3 to 9) by 6.0 sigmas; voted: d 0.95, b 0.90; did \
             not: c (no score), a 0.10"
        );
        let scored = Scored { score: 1.0, expected: f64::NAN, ..Scored::NONE };
        assert!(explain(&Two, 1.0, &scored, 0.5).starts_with("1 is unusual by more than 1000 sig"));
    }
}
