//! Kendall's tau-b, in n log n steps (Knight 1966), with its probability as SciPy gives it.

use crate::analytics::numeric::distributions::normal_two_sided;
use crate::analytics::numeric::ranks::ascending;

/// What is known of the order of pairs.
struct Counts {
    n: f64,
    /// Pairs of pairs that are ordered one way by x and the other way by y.
    discordant: u64,
    /// Pairs of pairs tied in x, in y, and in both.
    tied: [u64; 3],
    /// For x and y: sums over ties of t (t - 1) (t - 2) and of t (t - 1) (2 t + 5).
    weights: [[f64; 2]; 2],
}

/// Tau-b and its two-sided probability, of pairs without NaN; NaN for fewer than two, or where
/// either does not vary.
///
/// The probability is exact without ties, for at most 33 pairs or at most one pair of pairs out of
/// order; else that of a normal distribution, with the variance that ties leave.
pub(super) fn kendall(x: &[f64], y: &[f64]) -> (f64, f64) {
    let counts = counts(x, y);
    let all = (counts.n * (counts.n - 1.0) / 2.0) as u64;
    let [x_tied, y_tied, both] = counts.tied;
    if all == x_tied || all == y_tied {
        return (f64::NAN, f64::NAN);
    }
    let concordant_less = (all + both) as f64 - (x_tied + y_tied + 2 * counts.discordant) as f64;
    let tau = concordant_less / ((all - x_tied) as f64 * (all - y_tied) as f64).sqrt();
    let tau = tau.clamp(-1.0, 1.0);
    let least = counts.discordant.min(all.saturating_sub(counts.discordant));
    if x_tied == 0 && y_tied == 0 && (counts.n <= 33.0 || least <= 1) {
        return (tau, exact(counts.n as u64, least));
    }
    let n = counts.n;
    let pairs = n * (n - 1.0);
    let [[x0, x1], [y0, y1]] = counts.weights;
    let variance = (pairs * (2.0 * n + 5.0) - x1 - y1) / 18.0
        + 2.0 * x_tied as f64 * y_tied as f64 / pairs
        + if n > 2.0 { x0 * y0 / (9.0 * pairs * (n - 2.0)) } else { 0.0 };
    (tau, normal_two_sided(concordant_less / variance.sqrt()))
}

fn counts(x: &[f64], y: &[f64]) -> Counts {
    let mut pairs: Vec<(f64, f64)> = x.iter().copied().zip(y.iter().copied()).collect();
    pairs.sort_by(|a, b| ascending(a.0, b.0).then(ascending(a.1, b.1)));
    let two = |ties: usize| (ties * (ties - 1) / 2) as u64;
    let weigh = |sums: &mut [f64; 2], ties: usize| {
        let t = ties as f64;
        sums[0] += t * (t - 1.0) * (t - 2.0);
        sums[1] += t * (t - 1.0) * (2.0 * t + 5.0);
    };
    let (mut tied, mut weights) = ([0; 3], [[0.0; 2]; 2]);
    for same in pairs.chunk_by(|a, b| a.0 == b.0) {
        tied[0] += two(same.len());
        weigh(&mut weights[0], same.len());
        tied[2] += same.chunk_by(|a, b| a.1 == b.1).map(|same| two(same.len())).sum::<u64>();
    }
    let mut own: Vec<f64> = pairs.into_iter().map(|(_, y)| y).collect();
    let mut scratch = own.clone();
    let discordant = exchanges(&mut own, &mut scratch);
    for same in own.chunk_by(|a, b| a == b) {
        tied[1] += two(same.len());
        weigh(&mut weights[1], same.len());
    }
    Counts { n: x.len() as f64, discordant, tied, weights }
}

/// Sorts by merging; how many neighbours a sort by exchange would have exchanged.
fn exchanges(values: &mut [f64], scratch: &mut [f64]) -> u64 {
    let n = values.len();
    let (mut count, mut width) = (0, 1);
    while width < n {
        let mut start = 0;
        while start < n {
            let (middle, end) = ((start + width).min(n), (start + 2 * width).min(n));
            let (mut i, mut j) = (start, middle);
            for out in &mut scratch[start..end] {
                if j >= end || (i < middle && values[i] <= values[j]) {
                    *out = values[i];
                    i += 1;
                } else {
                    *out = values[j];
                    count += (middle - i) as u64;
                    j += 1;
                }
            }
            start = end;
        }
        values.copy_from_slice(scratch);
        width *= 2;
    }
    count
}

/// The exact two-sided probability of `least` or fewer discordant pairs among `n` values without
/// ties (Kendall, "Rank Correlation Methods", 5.8), where `n` is at most 33 or `least` at most 1.
fn exact(n: u64, least: u64) -> f64 {
    let pairs = n * n.saturating_sub(1) / 2;
    if n <= 2 || 2 * least == pairs {
        return 1.0;
    }
    let factorial = |n: u64| (1..=n).map(|k| k as f64).product::<f64>();
    if least <= 1 {
        return (2.0 / factorial(n - least)).min(1.0);
    }
    // How many orders of j values have each number of discordant pairs.
    let least = least as usize;
    let mut orders = vec![0.0; least + 1];
    orders[0] = 1.0;
    for j in 2..=n as usize {
        let mut sums = Vec::with_capacity(least + 1);
        let mut sum = 0.0;
        for at in 0..=least {
            sum += orders[at];
            if at >= j {
                sum -= orders[at - j];
            }
            sums.push(sum);
        }
        orders = sums;
    }
    (2.0 * orders.iter().sum::<f64>() / factorial(n)).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn of_little_or_constant_there_is_none() {
        assert!(kendall(&[], &[]).0.is_nan());
        assert!(kendall(&[1.0], &[1.0]).0.is_nan());
        assert!(kendall(&[1.0, 1.0], &[1.0, 2.0]).0.is_nan());
    }

    #[test]
    fn perfect_orders_are_one_and_minus_one() {
        let x: Vec<f64> = (0..6).map(f64::from).collect();
        let down: Vec<f64> = x.iter().map(|v| -v).collect();
        assert_eq!(kendall(&x, &x), (1.0, 2.0 / 720.0));
        assert_eq!(kendall(&x, &down), (-1.0, 2.0 / 720.0));
    }

    #[test]
    fn the_exact_probability_counts_all_orders_of_five() {
        let x: Vec<f64> = (0..5).map(f64::from).collect();
        let mut orders = vec![vec![]];
        for value in 0..5 {
            orders = orders
                .iter()
                .flat_map(|order: &Vec<f64>| {
                    (0..=order.len()).map(|at| {
                        let mut order = order.clone();
                        order.insert(at, f64::from(value));
                        order
                    })
                })
                .collect();
        }
        let taus: Vec<f64> = orders.iter().map(|y| kendall(&x, y).0).collect();
        for (y, tau) in orders.iter().zip(&taus) {
            let share = taus.iter().filter(|t| t.abs() >= tau.abs() - 1e-9).count() as f64 / 120.0;
            assert!((kendall(&x, y).1 - share).abs() < 1e-12, "{y:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_count_over_all_pairs(
            pairs in prop::collection::vec((0..9i32, 0..9i32), 2..50),
        ) {
            let (x, y): (Vec<f64>, Vec<f64>) =
                pairs.iter().map(|(x, y)| (f64::from(*x), f64::from(*y))).unzip();
            let (mut less, mut with_x, mut with_y) = (0.0, 0.0f64, 0.0f64);
            let sign = |d: f64| if d == 0.0 { 0.0 } else { d.signum() };
            for i in 0..x.len() {
                for j in 0..i {
                    let (a, b) = (sign(x[i] - x[j]), sign(y[i] - y[j]));
                    less += a * b;
                    with_x += a * a;
                    with_y += b * b;
                }
            }
            let expected = less / (with_x * with_y).sqrt();
            let (tau, p) = kendall(&x, &y);
            if with_x * with_y == 0.0 {
                prop_assert!(tau.is_nan());
            } else {
                prop_assert!((tau - expected).abs() < 1e-12, "{} {}", tau, expected);
                prop_assert!((0.0..=1.0).contains(&p));
            }
        }
    }
}
