//! Counting pairs.

use super::sen;
use crate::analytics::numeric::fft::lagged_products;

/// Pairs of values by the order of their times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Those that rise less those that fall.
    pub score: f64,
    /// Of the score, were the order random.
    pub variance: f64,
    /// Pairs of different times.
    pub distinct_times: f64,
    /// Pairs of different values.
    pub distinct_values: f64,
}

impl Pairs {
    /// Both together, no pair being across them.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            score: self.score + other.score,
            variance: self.variance + other.variance,
            distinct_times: self.distinct_times + other.distinct_times,
            distinct_values: self.distinct_values + other.distinct_values,
        }
    }

    /// Kendall's tau-b.
    pub fn tau(&self) -> f64 {
        let most = (self.distinct_times * self.distinct_values).sqrt();
        if most > 0.0 { self.score / most } else { 0.0 }
    }
}

/// Counts the pairs of finite values over times that ascend, in n log n.
pub fn pairs(times: &[f64], values: &[f64]) -> Pairs {
    let n = values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0; n];
    let mut ties = Vec::new();
    for (at, row) in order.iter().enumerate() {
        if at == 0 || values[order[at - 1]] != values[*row] {
            ties.push(0.0);
        }
        ranks[*row] = ties.len();
        if let Some(last) = ties.last_mut() {
            *last += 1.0;
        }
    }
    let mut seen = Counts::new(ties.len());
    let mut score = 0i64;
    let mut time_ties = Vec::new();
    let mut from = 0;
    while from < n {
        let same = times[from..].iter().take_while(|time| **time == times[from]).count().max(1);
        for rank in &ranks[from..from + same] {
            let (below, up_to) = (seen.up_to(rank - 1), seen.up_to(*rank));
            score += below - (from as i64 - up_to);
        }
        for rank in &ranks[from..from + same] {
            seen.add(*rank);
        }
        time_ties.push(same as f64);
        from += same;
    }
    let n = n as f64;
    let both = |ties: &[f64], of: fn(f64) -> f64| ties.iter().map(|t| of(*t)).sum::<f64>();
    let triple = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
    let pair = |t: f64| t * (t - 1.0);
    let three = |t: f64| t * (t - 1.0) * (t - 2.0);
    let (x2, y2) = (both(&time_ties, pair), both(&ties, pair));
    let mut variance = (triple(n) - both(&time_ties, triple) - both(&ties, triple)) / 18.0
        + x2 * y2 / (2.0 * pair(n)).max(1.0);
    if n > 2.0 {
        variance += both(&time_ties, three) * both(&ties, three) / (9.0 * three(n));
    }
    Pairs {
        score: score as f64,
        variance: variance.max(0.0),
        distinct_times: (pair(n) - x2) / 2.0,
        distinct_values: (pair(n) - y2) / 2.0,
    }
}

/// Counts of ranks that can be summed up to any, in a binary indexed tree (Fenwick, 1994).
struct Counts(Vec<i64>);

impl Counts {
    fn new(ranks: usize) -> Self {
        Self(vec![0; ranks + 1])
    }

    fn add(&mut self, rank: usize) {
        let mut at = rank;
        while at < self.0.len() {
            self.0[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    fn up_to(&self, rank: usize) -> i64 {
        let (mut at, mut sum) = (rank, 0);
        while at > 0 {
            sum += self.0[at];
            at &= at - 1;
        }
        sum
    }
}

/// By how much autocorrelation of what is left of the trend raises the variance of the score:
/// Hamed and Rao's sum over the significant correlations of ranks.
pub(super) fn inflation(times: &[f64], values: &[f64], slope: f64) -> f64 {
    let n = values.len();
    if n < 4 {
        return 1.0;
    }
    let rest: Vec<f64> =
        values.iter().zip(times).map(|(value, time)| value - slope * time).collect();
    let mut ranks = sen::ranks(&rest);
    let mean = (n as f64 + 1.0) / 2.0;
    ranks.iter_mut().for_each(|rank| *rank -= mean);
    let products = lagged_products(&ranks, n - 1);
    let limit = 1.959_963_984_540_054 / (n as f64).sqrt();
    let count = n as f64;
    let sum: f64 = (1..n)
        .map(|lag| {
            let r = if products[0] > 0.0 { products[lag] / products[0] } else { 0.0 };
            let left = count - lag as f64;
            if r.abs() > limit { left * (left - 1.0) * (left - 2.0) * r } else { 0.0 }
        })
        .sum();
    let raised = 1.0 + 2.0 / (count * (count - 1.0) * (count - 2.0)) * sum;
    if raised > 0.0 { raised } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The exact variance by Kendall's formula and the score, pair by pair.
    fn naive(times: &[f64], values: &[f64]) -> (f64, f64, f64) {
        let (mut score, mut by_time, mut by_value) = (0.0, 0.0, 0.0);
        for j in 0..values.len() {
            for i in 0..j {
                let sign = |a: f64, b: f64| {
                    if a < b {
                        1.0
                    } else if a > b {
                        -1.0
                    } else {
                        0.0
                    }
                };
                score += sign(times[i], times[j]) * sign(values[i], values[j]);
                by_time += f64::from(times[i] != times[j]);
                by_value += f64::from(values[i] != values[j]);
            }
        }
        (score, by_time, by_value)
    }

    proptest! {
        #[test]
        fn pairs_are_those_of_two_loops(rows in prop::collection::vec((0i32..20, -5i32..5), 0..60)) {
            let mut rows = rows;
            rows.sort();
            let times: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
            let values: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
            let got = pairs(&times, &values);
            let want = naive(&times, &values);
            prop_assert_eq!((got.score, got.distinct_times, got.distinct_values), want);
        }
    }

    #[test]
    fn the_variance_is_that_of_all_orders() {
        // Every permutation of values with ties, over times with ties.
        let (times, values) = ([0.0, 1.0, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 3.0, 3.0]);
        let (mut squares, mut count) = (0.0, 0.0);
        let mut orders = vec![vec![]];
        for _ in 0..5 {
            orders = orders
                .into_iter()
                .flat_map(|order: Vec<usize>| {
                    (0..5)
                        .filter(|i| !order.contains(i))
                        .map(|i| [order.clone(), vec![i]].concat())
                        .collect::<Vec<_>>()
                })
                .collect();
        }
        for order in orders {
            let shuffled: Vec<f64> = order.iter().map(|i| values[*i]).collect();
            squares += pairs(&times, &shuffled).score.powi(2);
            count += 1.0;
        }
        let want = squares / count;
        let got = pairs(&times, &values).variance;
        assert!((got - want).abs() < 1e-9, "{got} for {want}");
    }
}
