//! What it costs to describe a stretch of a series by one segment.

/// What is constant within a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cost {
    /// The mean: the sum of squared deviations from it.
    #[default]
    L2,
    /// The median: the sum of absolute deviations from it. Outliers count less.
    L1,
    /// Mean and variance of a normal distribution: twice the negative log-likelihood, but for a
    /// constant.
    Normal,
}

/// The cost of any stretch of a series.
pub(super) trait Segments: Sync {
    fn len(&self) -> usize;

    /// Of the values `from..to`, which are not none.
    fn cost(&self, from: usize, to: usize) -> f64;

    /// Adds to each of `costs` that of the values from its place in `starts` up to `to`.
    fn add(&self, starts: &[u32], to: usize, costs: &mut [f64]) {
        for (start, cost) in starts.iter().zip(costs) {
            *cost += self.cost(*start as usize, to);
        }
    }
}

/// Running sums, and of squares, above a middle value.
pub(super) struct Squares {
    pub(super) sums: Vec<f64>,
    pub(super) squares: Vec<f64>,
    /// The least variance of a normal segment; `None` for sums of squares.
    least: Option<f64>,
}

impl Squares {
    pub(super) fn new(values: &[f64], least: Option<f64>) -> Self {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let (mut sums, mut squares) = (vec![0.0], vec![0.0]);
        let (mut sum, mut square) = (Exact::default(), Exact::default());
        for value in values {
            let value = value - mean;
            sum.add(value);
            square.add(value * value);
            sums.push(sum.value());
            squares.push(square.value());
        }
        Self { sums, squares, least }
    }
}

impl Segments for Squares {
    fn len(&self) -> usize {
        self.sums.len() - 1
    }

    fn cost(&self, from: usize, to: usize) -> f64 {
        let n = (to - from) as f64;
        let sum = self.sums[to] - self.sums[from];
        let rest = (self.squares[to] - self.squares[from] - sum * sum / n).max(0.0);
        self.least.map_or(rest, |least| {
            // Below the least variance, the likelihood at the least.
            let variance = (rest / n).max(least);
            n * (variance.ln() + rest / n / variance - 1.0)
        })
    }
}

/// A sum without the rounding of its steps (Neumaier, 1974).
#[derive(Default)]
struct Exact {
    sum: f64,
    lost: f64,
}

impl Exact {
    fn add(&mut self, value: f64) {
        let next = self.sum + value;
        let big = if self.sum.abs() >= value.abs() { (self.sum, value) } else { (value, self.sum) };
        self.lost += (big.0 - next) + big.1;
        self.sum = next;
    }

    fn value(&self) -> f64 {
        self.sum + self.lost
    }
}

/// Sums of absolute deviations from the median of any stretch, in log n: a tree of counts and sums
/// over ranks for each beginning of the series, sharing what they have in common.
pub(super) struct Medians {
    sorted: Vec<f64>,
    /// The root of the tree of the first values, as many as its place.
    roots: Vec<u32>,
    nodes: Vec<Node>,
}

#[derive(Clone, Copy, Default)]
struct Node {
    left: u32,
    right: u32,
    count: u32,
    sum: f64,
}

impl Medians {
    pub(super) fn new(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let sorted: Vec<f64> = order.iter().map(|row| values[*row]).collect();
        let mut ranks = vec![0; values.len()];
        for (rank, row) in order.iter().enumerate() {
            ranks[*row] = rank;
        }
        let mut own = Self { sorted, roots: vec![0], nodes: vec![Node::default()] };
        for (rank, value) in ranks.into_iter().zip(values) {
            let before = own.roots[own.roots.len() - 1];
            let root = own.with(before, 0..values.len(), rank, *value);
            own.roots.push(root);
        }
        own
    }

    /// The tree with one value more.
    fn with(&mut self, of: u32, ranks: std::ops::Range<usize>, rank: usize, value: f64) -> u32 {
        let mut node = self.nodes[of as usize];
        node.count += 1;
        node.sum += value;
        if ranks.len() > 1 {
            let middle = ranks.start + ranks.len() / 2;
            if rank < middle {
                node.left = self.with(node.left, ranks.start..middle, rank, value);
            } else {
                node.right = self.with(node.right, middle..ranks.end, rank, value);
            }
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }
}

impl Segments for Medians {
    fn len(&self) -> usize {
        self.roots.len() - 1
    }

    fn cost(&self, from: usize, to: usize) -> f64 {
        let (mut low, mut high) = (self.roots[from] as usize, self.roots[to] as usize);
        let mut ranks = 0..self.sorted.len();
        let of = |low: usize, high: usize| {
            let (low, high) = (self.nodes[low], self.nodes[high]);
            (high.count - low.count, high.sum - low.sum)
        };
        let (count, total) = of(low, high);
        let mut place = count / 2;
        let (mut below, mut below_sum) = (0, 0.0);
        while ranks.len() > 1 {
            let middle = ranks.start + ranks.len() / 2;
            let (lefts, rights) = (self.nodes[low], self.nodes[high]);
            let (left, left_sum) = of(lefts.left as usize, rights.left as usize);
            if place < left {
                (low, high) = (lefts.left as usize, rights.left as usize);
                ranks.end = middle;
            } else {
                place -= left;
                below += left;
                below_sum += left_sum;
                (low, high) = (lefts.right as usize, rights.right as usize);
                ranks.start = middle;
            }
        }
        let median = self.sorted[ranks.start];
        let (below, above) = (f64::from(below), f64::from(count - below));
        ((total - below_sum - median * above) + (median * below - below_sum)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn costs_are_those_of_the_values(values in prop::collection::vec(-1e3f64..1e3, 1..60), a in 0usize..60, b in 0usize..60) {
            let (from, to) = (a.min(b) % values.len(), a.max(b) % values.len() + 1);
            let (from, to) = (from.min(to - 1), to);
            let own = &values[from..to];
            let n = own.len() as f64;
            let mean = own.iter().sum::<f64>() / n;
            let squares: f64 = own.iter().map(|v| (v - mean).powi(2)).sum();
            let got = Squares::new(&values, None).cost(from, to);
            prop_assert!((got - squares).abs() < 1e-6, "{} for {}", got, squares);
            let got = Squares::new(&values, Some(1e-3)).cost(from, to);
            let variance = (squares / n).max(1e-3);
            let want = n * (variance.ln() + squares / n / variance - 1.0);
            prop_assert!((got - want).abs() < 1e-4 * n, "{} for {}", got, want);
            let mut sorted = own.to_vec();
            sorted.sort_by(f64::total_cmp);
            let median = sorted[sorted.len() / 2];
            let want: f64 = own.iter().map(|v| (v - median).abs()).sum();
            let got = Medians::new(&values).cost(from, to);
            prop_assert!((got - want).abs() < 1e-8, "{} for {}", got, want);
        }
    }
}
