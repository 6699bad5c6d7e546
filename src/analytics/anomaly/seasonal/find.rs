//! The season of a stretch of history, by its autocorrelation.
//!
//! Extremes are clipped and missing cells left out; a season is the first lag whose correlation is
//! nearly the highest of all peaks, set finer by the peaks at its multiples.

use realfft::RealFftPlanner;

/// Fewer values tell nothing of seasons.
const FEWEST: usize = 32;
/// The least correlation of a season.
const LEAST: f64 = 0.2;
/// A peak stands above the lowest correlation before it by as much.
const PROMINENCE: f64 = 0.2;
/// A peak of this share of the highest is taken, were it earlier.
const NEARLY: f64 = 0.9;
/// Of a season, at least this many are to be seen.
const TIMES: usize = 2;

/// The season in cells, not always a whole number, of values of which NaN is missing.
pub(in crate::analytics::anomaly) fn season(values: &[f64]) -> Option<f64> {
    let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    if known.len() < FEWEST || known.len() * 2 < values.len() {
        return None;
    }
    let correlations = autocorrelation(values, &known, values.len() / TIMES);
    let first = first_peak(&correlations)?;
    Some(refine(&correlations, first))
}

/// Autocorrelation up to a lag, each lag by the pairs that there are.
fn autocorrelation(values: &[f64], known: &[f64], most: usize) -> Vec<f64> {
    let mut sorted = known.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| sorted[(share * (sorted.len() - 1) as f64) as usize];
    let (low, high) = (quantile(0.01), quantile(0.99));
    let clipped = |value: f64| value.clamp(low, high);
    let mean = known.iter().map(|value| clipped(*value)).sum::<f64>() / known.len() as f64;
    // A size of one, so that squares are far from both ends of what a number can be.
    let size = known.iter().map(|value| (clipped(*value) - mean).abs()).fold(0.0, f64::max);
    if !(size > 0.0 && size.is_finite()) {
        return Vec::new();
    }
    let value = |value: &f64| if value.is_nan() { 0.0 } else { (clipped(*value) - mean) / size };
    let there = |value: &f64| if value.is_nan() { 0.0 } else { 1.0 };
    let products = correlate(values.iter().map(value).collect());
    let pairs = correlate(values.iter().map(there).collect());
    let variance = products[0] / pairs[0];
    let enough = known.len() as f64 / 8.0;
    (0..=most.min(values.len() - 1))
        .map(|lag| if pairs[lag] < enough { 0.0 } else { products[lag] / pairs[lag] / variance })
        .collect()
}

/// Sums of products at each distance.
fn correlate(mut values: Vec<f64>) -> Vec<f64> {
    let rows = values.len();
    let size = (2 * rows).next_power_of_two();
    values.resize(size, 0.0);
    let mut planner = RealFftPlanner::<f64>::new();
    let (forward, back) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let mut spectrum = forward.make_output_vec();
    // The lengths are those of the plan: neither way can fail.
    if forward.process(&mut values, &mut spectrum).is_err() {
        return vec![0.0; rows];
    }
    for frequency in &mut spectrum {
        *frequency = (*frequency * frequency.conj()).re.into();
    }
    if back.process(&mut spectrum, &mut values).is_err() {
        return vec![0.0; rows];
    }
    values.truncate(rows);
    values.iter_mut().for_each(|value| *value /= size as f64);
    values
}

/// The highest correlation within a fifth around a lag.
fn highest_near(correlations: &[f64], lag: usize) -> f64 {
    let reach = (lag / 5).max(1);
    let (from, to) = ((lag - reach).max(1), (lag + reach + 1).min(correlations.len()));
    correlations[from..to].iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn first_peak(correlations: &[f64]) -> Option<usize> {
    let mut lowest = f64::INFINITY;
    let mut peaks = Vec::new();
    for lag in 2..correlations.len().saturating_sub(1) {
        let own = correlations[lag];
        lowest = lowest.min(correlations[lag - 1]);
        let peak = own >= correlations[lag - 1] && own > correlations[lag + 1];
        if peak && own >= LEAST && own - lowest >= PROMINENCE {
            peaks.push((lag, own));
        }
    }
    let highest = peaks.iter().map(|(_, own)| *own).fold(f64::NEG_INFINITY, f64::max);
    let good = |(lag, own): &&(usize, f64)| {
        *own >= NEARLY * highest && *own >= highest_near(correlations, *lag)
    };
    peaks.iter().find(good).map(|(lag, _)| *lag)
}

/// The season by the peak at its largest multiple that is in sight.
fn refine(correlations: &[f64], first: usize) -> f64 {
    let top = |near: f64, reach: f64| {
        let from = ((near - reach).floor().max(1.0) as usize).min(correlations.len() - 1);
        let to = ((near + reach).ceil() as usize).min(correlations.len() - 2);
        (from..=to).max_by(|a, b| correlations[*a].total_cmp(&correlations[*b]))
    };
    let (mut season, mut times) = (first as f64, 1.0);
    while season * times * 2.0 + 1.0 < (correlations.len() - 1) as f64 {
        let near = season * times * 2.0;
        let Some(lag) = top(near, (first as f64 / 4.0).clamp(1.0, 0.02 * near + 1.0)) else {
            break;
        };
        times *= 2.0;
        season = lag as f64 / times;
    }
    let lag = (season * times).round() as usize;
    let (before, own, after) = (correlations[lag - 1], correlations[lag], correlations[lag + 1]);
    let bend = before - 2.0 * own + after;
    let off = if bend < 0.0 { (0.5 * (before - after) / bend).clamp(-0.5, 0.5) } else { 0.0 };
    (lag as f64 + off) / times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(rows: usize, period: f64, noise: f64) -> Vec<f64> {
        let mut state = 0x9e37_79b9_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / f64::from(1u32 << 31) - 0.5
        };
        let value = |at: usize| {
            let phase = at as f64 / period * std::f64::consts::TAU;
            phase.sin() + 0.5 * (3.0 * phase).cos() + noise * random()
        };
        (0..rows).map(value).collect()
    }

    #[test]
    fn the_first_of_like_seasons_is_found_to_a_fraction_of_a_cell() {
        for (period, rows) in [(24.0, 300), (24.0, 3000), (37.3, 2000), (288.0, 1500)] {
            let found = season(&wave(rows, period, 1.0)).expect("a season");
            assert!((found / period - 1.0).abs() < 0.01, "{period} in {rows}: {found}");
        }
    }

    #[test]
    fn missing_cells_and_spikes_do_not_hide_it() {
        let mut values = wave(2000, 48.0, 0.5);
        for at in (0..2000).step_by(171) {
            values[at] = 1e6;
        }
        values[300..500].fill(f64::NAN);
        let found = season(&values).expect("a season");
        assert!((found / 48.0 - 1.0).abs() < 0.01, "{found}");
    }

    #[test]
    fn noise_trends_and_constants_have_none() {
        assert_eq!(season(&wave(2000, 1e9, 1.0)), None);
        assert_eq!(season(&(0..2000).map(f64::from).collect::<Vec<_>>()), None);
        assert_eq!(season(&[5.0; 500]), None);
        assert_eq!(season(&[f64::NAN; 500]), None);
        assert_eq!(season(&[1.0, 2.0]), None);
    }

    #[test]
    fn autocorrelation_is_the_naive_one() {
        let mut values = wave(200, 17.0, 1.0);
        values[20..31].fill(f64::NAN);
        let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
        let fast = autocorrelation(&values, &known, 60);
        let (low, high) = {
            let mut sorted = known.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            (sorted[(0.01 * 188.0) as usize], sorted[(0.99 * 188.0) as usize])
        };
        let clipped: Vec<f64> = values.iter().map(|value| value.clamp(low, high)).collect();
        let mean = known.iter().map(|value| value.clamp(low, high)).sum::<f64>() / 189.0;
        let at = |lag: usize| {
            let products: Vec<f64> = (0..200 - lag)
                .map(|at| (clipped[at] - mean) * (clipped[at + lag] - mean))
                .filter(|product| !product.is_nan())
                .collect();
            products.iter().sum::<f64>() / products.len() as f64
        };
        for (lag, fast) in fast.iter().enumerate().take(60) {
            assert!((fast - at(lag) / at(0)).abs() < 1e-9, "{lag}");
        }
    }
}
