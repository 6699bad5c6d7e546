//! Frequencies.

use realfft::RealFftPlanner;

/// Of standardized values.
pub(super) fn features(z: &[f64]) -> Vec<(&'static str, f64)> {
    let powers = periodogram(z);
    let whole: f64 = powers.iter().sum();
    let entropy = if powers.len() < 2 || whole.is_nan() || whole <= 0.0 {
        f64::NAN
    } else {
        let of =
            |power: &f64| if *power > 0.0 { -(power / whole) * (power / whole).ln() } else { 0.0 };
        powers.iter().map(of).sum::<f64>() / (powers.len() as f64).ln()
    };
    let greatest = powers.iter().copied().enumerate().fold(None, |most, (at, power)| match most {
        Some((_, most_power)) if power <= most_power => most,
        _ => Some((at, power)),
    });
    let frequency = greatest.map_or(f64::NAN, |(at, _)| (at + 1) as f64 / z.len() as f64);
    vec![("spectral_entropy", entropy), ("dominant_frequency", frequency)]
}

/// Powers of the frequencies 1 / n, 2 / n, .. 1 / 2.
fn periodogram(z: &[f64]) -> Vec<f64> {
    if z.len() < 2 {
        return Vec::new();
    }
    let transform = RealFftPlanner::<f64>::new().plan_fft_forward(z.len());
    let (mut input, mut output) = (z.to_vec(), transform.make_output_vec());
    match transform.process(&mut input, &mut output) {
        Ok(()) => output[1..].iter().map(|value| value.norm_sqr()).collect(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_those_of_the_sums_of_sines_and_cosines() {
        let z: Vec<f64> = (0..15).map(|t| f64::from(t * t % 11) - 4.0).collect();
        for (at, power) in periodogram(&z).into_iter().enumerate() {
            let (mut sine, mut cosine) = (0.0, 0.0);
            for (t, value) in z.iter().enumerate() {
                let angle = std::f64::consts::TAU * (t * (at + 1)) as f64 / 15.0;
                sine += value * angle.sin();
                cosine += value * angle.cos();
            }
            assert!((power - sine * sine - cosine * cosine).abs() < 1e-9);
        }
        assert!(periodogram(&[1.0]).is_empty());
    }
}
