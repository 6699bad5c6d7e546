//! Seasons: lengths after which a series repeats itself.
//!
//! A season has to pass two tests that err in different ways (after Vlachos, Yu and Castelli, "On
//! periodicity detection and structural periodic similarity", 2005). Its frequency must stand out
//! of the periodogram of differences, against the median of frequencies around it: differencing
//! turns a random walk into white noise, and a median around follows whatever colour is left. And
//! the series, less its moving mean over one season, must correlate with itself one season later,
//! more than for lengths nearby, and two seasons later, too, which a passing wave does not. What a
//! season explains is taken out before the next is looked for.

use crate::analytics::numeric::fft::{cosines, lagged_products, periodogram};
use crate::analytics::{Column, Function, Grid, Input, Options, Table};
use crate::error::Result;
use crate::kernels::Guard;

/// The probability of noise at which a frequency stands out, over all frequencies.
const CHANCE: f64 = 0.01;
/// The fewest cycles that a season is seen for.
const CYCLES: usize = 3;
/// Frequencies that are looked at in one round, the most outstanding first.
const CANDIDATES: usize = 6;
/// Waves of which the most outstanding may be one, in a season.
const MULTIPLES: usize = 4;
/// The least correlation with one season later.
const CORRELATION: f64 = 0.12;

/// `seasons`: options `most` (3) and `every`.
pub(super) const FUNCTION: Function = Function { name: "seasons", fields: (1, 1), run };

/// A season.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Season {
    /// Its length, in steps.
    pub period: usize,
    /// The share of the variance that it explains of a series without trend and other seasons,
    /// corrected for what it would explain of noise: 0 to 1.
    pub strength: f64,
    /// How likely noise is to bring forth a frequency that stands out as much.
    pub p: f64,
}

/// Up to `most` seasons of values at equal distances, NaN for missing ones, the shortest first.
/// A season is found from three cycles on; about one in a hundred series of white noise, random
/// walks and autoregressions is said to have one.
pub fn find(values: &[f64], most: usize) -> Vec<Season> {
    let Some(mut rest) = without_gaps(values) else { return Vec::new() };
    clip(&mut rest);
    let mut found: Vec<Season> = Vec::new();
    while found.len() < most {
        let Some(season) = strongest(&rest, &found) else { break };
        take_out(&mut rest, season.period);
        found.push(season);
    }
    found.sort_by_key(|season| season.period);
    // A wave within a season that was found on its own.
    let periods: Vec<usize> = found.iter().map(|season| season.period).collect();
    let within = |p: usize| periods.iter().any(|q| *q == 2 * p || *q == 3 * p);
    found.retain(|season| !within(season.period));
    found
}

/// Straight lines over gaps; `None` when too little is there.
pub(super) fn without_gaps(values: &[f64]) -> Option<Vec<f64>> {
    let there = |value: &f64| value.abs() < 1e100;
    let first = values.iter().position(there)?;
    let last = values.iter().rposition(there)?;
    let mut rest = values[first..=last].to_vec();
    let present = rest.iter().filter(|value| there(value)).count();
    if present < 4 * CYCLES.max(2) || present * 2 < rest.len() {
        return None;
    }
    let mut before = 0;
    for at in 1..rest.len() {
        if !there(&rest[at]) {
            continue;
        }
        let (from, to) = (rest[before], rest[at]);
        for (step, gap) in rest[before..at].iter_mut().enumerate().skip(1) {
            *gap = from + (to - from) * step as f64 / (at - before) as f64;
        }
        before = at;
    }
    Some(rest)
}

/// Brings values that are far out nearer, so that a spike is not taken for all frequencies.
fn clip(values: &mut [f64]) {
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / n;
    let (mut products, mut squares) = (0.0, 0.0);
    for (at, value) in values.iter().enumerate() {
        let t = at as f64 - middle;
        products += t * (value - mean);
        squares += t * t;
    }
    let slope = if squares > 0.0 { products / squares } else { 0.0 };
    for (at, value) in values.iter_mut().enumerate() {
        *value -= mean + slope * (at as f64 - middle);
    }
    let mut sorted = values.to_vec();
    let centre = *sorted.select_nth_unstable_by(values.len() / 2, f64::total_cmp).1;
    sorted.iter_mut().for_each(|value| *value = (*value - centre).abs());
    let spread = 1.4826 * *sorted.select_nth_unstable_by(values.len() / 2, f64::total_cmp).1;
    if spread > 0.0 {
        for value in values.iter_mut() {
            *value = value.clamp(centre - 6.0 * spread, centre + 6.0 * spread);
        }
    }
}

/// The season of the most outstanding frequency that passes.
fn strongest(values: &[f64], known: &[Season]) -> Option<Season> {
    let n = values.len();
    let longest = n / CYCLES;
    let (period, p) = candidates(values).into_iter().find_map(|(near, p)| {
        let period = (1..=MULTIPLES).find_map(|times| {
            let period = confirmed(values, near, times, longest)?;
            let new = |known: &Season| period.abs_diff(known.period) * 10 > known.period.max(10);
            known.iter().all(new).then_some(period)
        });
        Some((period?, p))
    })?;
    let period = whole_cycle(values, period, longest);
    let strength = strength(&level(values, period), period);
    (strength > 0.0).then_some(Season { period, strength, p })
}

/// Periods that noise is unlikely to bring forth, and how likely: of frequencies that stand out,
/// and of the lag that all frequencies together stand out at, which a short pulse has.
fn candidates(values: &[f64]) -> Vec<(f64, f64)> {
    let differences: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let n = differences.len() as f64;
    let power = even(&periodogram(&differences));
    if power.len() < 4 {
        return Vec::new();
    }
    let tests = (power.len() - 1) as f64;
    let chance = |k: usize| (tests * (-power[k]).exp()).min(1.0);
    let mut peaks: Vec<usize> = (CYCLES..power.len())
        .filter(|k| power[*k] >= power[k - 1] && power.get(k + 1).is_none_or(|p| power[*k] >= *p))
        .filter(|k| chance(*k) < CHANCE)
        .collect();
    peaks.sort_by(|a, b| power[*b].total_cmp(&power[*a]));
    peaks.truncate(CANDIDATES);
    let mut all: Vec<(f64, f64)> = peaks.into_iter().map(|k| (n / k as f64, chance(k))).collect();
    // Powers are the squared modulus of a transform: their own transform is an autocorrelation.
    let flat = lags(&power);
    let lag = (2..flat.len()).max_by(|a, b| flat[*a].total_cmp(&flat[*b]).then(b.cmp(a)));
    if let Some(lag) = lag {
        let p = n / 2.0 * (-flat[lag] * flat[lag] * n / 2.0).exp();
        if flat[lag] > 0.0 && p < CHANCE {
            all.push((lag as f64, p));
        }
    }
    all
}

/// Powers over what is usual around them: about exponentially distributed, of mean one, where the
/// series is noise of whatever colour.
fn even(power: &[f64]) -> Vec<f64> {
    let top = power.iter().copied().fold(0.0, f64::max);
    if top <= 0.0 {
        return Vec::new();
    }
    let count = power.len() as f64;
    let wave = |k: usize| 2.0 - 2.0 * (std::f64::consts::PI * k as f64 / count).cos();
    // Differences of a walk plus white noise have the power `walk + wave`: that which leaves the
    // powers most alike.
    let spread = |walk: f64| {
        let log = |k: usize| (power[k] / (walk + wave(k)) + 1e-12 * top).ln();
        let mut logs: Vec<f64> = (1..power.len()).map(log).collect();
        let quarter = logs.len() / 4;
        let low = *logs.select_nth_unstable_by(quarter, f64::total_cmp).1;
        let high = logs.len() - 1 - quarter;
        *logs.select_nth_unstable_by(high, f64::total_cmp).1 - low
    };
    let walks = [0.003, 0.03, 0.1, 0.3, 1.0, 4.0, 1000.0];
    let spreads = walks.map(spread);
    let walk = (0..walks.len())
        .min_by(|a, b| spreads[*a].total_cmp(&spreads[*b]))
        .map_or(1.0, |at| walks[at]);
    let mut over: Vec<f64> = (0..power.len()).map(|k| power[k] / (walk + wave(k))).collect();
    over[0] = 0.0;
    let least = 1e-9 * over.iter().copied().fold(0.0, f64::max);
    // The mean of exponentially distributed powers is their median over ln 2.
    let usual = around(&over).into_iter().map(|usual| usual / std::f64::consts::LN_2 + least);
    over.iter().zip(usual).map(|(over, usual)| over / usual).collect()
}

/// The autocorrelation of which these are the powers, at lags up to a third of the series.
fn lags(power: &[f64]) -> Vec<f64> {
    // Mirrored, the powers are a real series of the original length.
    let mut whole = power.to_vec();
    whole.extend(power[1..power.len() - 1].iter().rev());
    let sums = cosines(&whole);
    let total = sums[0].max(f64::MIN_POSITIVE);
    sums.iter().take(whole.len() / CYCLES + 1).map(|sum| sum / total).collect()
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// The median of the powers around each frequency.
fn around(power: &[f64]) -> Vec<f64> {
    let reach = (power.len() / 5).clamp(8, 64);
    let mut near = Vec::new();
    (0..power.len())
        .map(|k| {
            let to = (k + reach + 1).min(power.len());
            near.clear();
            near.extend_from_slice(&power[k.saturating_sub(reach).max(1).min(to)..to]);
            median(&mut near)
        })
        .collect()
}

/// The whole period, near a multiple of one, at which the series correlates with itself.
fn confirmed(values: &[f64], near: f64, times: usize, longest: usize) -> Option<usize> {
    let n = values.len() as f64;
    let cycles = n / near;
    let times = times as f64;
    let from = ((times * n / (cycles + 0.8)).floor() as usize).max(2);
    let to = ((times * n / (cycles - 0.8)).ceil() as usize).min(longest);
    if from > to || near * times > longest as f64 + 0.5 {
        return None;
    }
    let n = values.len();
    let flat = level(values, (near * times).round() as usize);
    let correlation = correlations(&flat, 2 * to + 2);
    // Many cycles tell lengths apart that one lag doesn't.
    let mut near: Vec<usize> = (from..=to).collect();
    near.sort_by(|a, b| correlation[*b].total_cmp(&correlation[*a]).then(a.cmp(b)));
    let top = correlation[*near.first()?];
    near.truncate(8);
    let strengths = near.iter().map(|period| (*period, strength(&flat, *period)));
    let period = strengths.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?.0;
    let own = correlation[period];
    // As high as chance brings one of many lags to.
    let least = CORRELATION.max(2.5 / ((n - period) as f64).sqrt());
    let ends = correlation[from - 1].max(correlation[to + 1]);
    let twice = (2 * period - 1..=2 * period + 1).map(|lag| correlation[lag]).fold(-1.0, f64::max);
    let peak = period == 2 || own >= ends && own >= 0.7 * top;
    (own > least && peak && twice > 0.5 * own).then_some(period)
}

/// A multiple of a period of which the series repeats itself much better: the wave that was found
/// is then one of several in a longer season.
fn whole_cycle(values: &[f64], period: usize, longest: usize) -> usize {
    let mut best = period;
    for times in 2..=4 {
        let longer = period * times;
        if longer > longest {
            break;
        }
        let flat = level(values, longer);
        if strength(&flat, best) < 0.7 * strength(&flat, longer) {
            best = longer;
        }
    }
    best
}

/// Less the moving mean over one period, which takes trends and walks away and leaves a season.
fn level(values: &[f64], period: usize) -> Vec<f64> {
    let n = values.len();
    let half = period / 2;
    let mut sums = Vec::with_capacity(n + 1);
    sums.push(0.0);
    let mut sum = 0.0;
    for value in values {
        sum += value;
        sums.push(sum);
    }
    let mean = |from: usize, to: usize| (sums[to] - sums[from]) / (to - from) as f64;
    (0..n)
        .map(|at| {
            // Whole periods at the ends, too: the nearest window that fits.
            let from = at.saturating_sub(half).min(n.saturating_sub(period));
            let to = (from + period).min(n);
            let smooth = if period.is_multiple_of(2) && to < n && at >= half {
                (mean(from, to) + mean(from + 1, to + 1)) / 2.0
            } else {
                mean(from, to)
            };
            values[at] - smooth
        })
        .collect()
}

/// Correlations with itself at lags up to `most`; short overlaps count in full.
fn correlations(values: &[f64], most: usize) -> Vec<f64> {
    let n = values.len();
    let products = lagged_products(values, most);
    let variance = products.first().copied().unwrap_or(0.0) / n as f64;
    let mut correlations: Vec<f64> = products
        .iter()
        .enumerate()
        .map(|(lag, sum)| if variance > 0.0 { sum / (n - lag) as f64 / variance } else { 0.0 })
        .collect();
    correlations.resize(most + 1, -1.0);
    correlations
}

/// The means of each phase.
fn phases(values: &[f64], period: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); period];
    for (at, value) in values.iter().enumerate() {
        let (sum, count) = &mut sums[at % period];
        *sum += value;
        *count += 1.0;
    }
    sums.into_iter().map(|(sum, count): (f64, f64)| sum / count.max(1.0)).collect()
}

/// The share of variance that the phases explain, corrected for their number.
fn strength(values: &[f64], period: usize) -> f64 {
    let means = phases(values, period);
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let total: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let rest: f64 =
        values.iter().enumerate().map(|(at, value)| (value - means[at % period]).powi(2)).sum();
    if total <= 0.0 || n <= period as f64 + 1.0 {
        return 0.0;
    }
    (1.0 - (rest / (n - period as f64)) / (total / (n - 1.0))).clamp(0.0, 1.0)
}

fn take_out(values: &mut [f64], period: usize) {
    let means = phases(&level(values, period), period);
    for (at, value) in values.iter_mut().enumerate() {
        *value -= means[at % period];
    }
}

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let most = options.count("most", 1)?.unwrap_or(3);
    let every = options.duration("every")?;
    options.finish("seasons")?;
    Table::each(inputs, guard, |input| {
        let grid = Grid::new(input.times, input.values(), every)?;
        let found = find(&grid.values, most);
        let duration = |season: &Season| grid.step.saturating_mul(season.period as i64);
        Ok(Table::new([
            ("period", Column::Int(found.iter().map(|s| s.period as i64).collect())),
            ("duration", Column::Int(found.iter().map(duration).collect())),
            ("strength", Column::Float(found.iter().map(|s| s.strength).collect())),
            ("p", Column::Float(found.iter().map(|s| s.p).collect())),
        ]))
    })
}
