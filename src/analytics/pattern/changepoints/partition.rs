//! The best partition of a series into segments: by a penalty for each, or by their number.

use super::cost::{Segments, Squares};
use crate::codec::simd::dispatched;
use crate::error::Result;
use crate::kernels::Guard;

/// Steps between two rounds of pruning.
const ROUND: usize = 8;

/// Where segments after the first begin, in the partition of least cost plus `penalty` for each:
/// PELT (Killick, Fearnhead and Eckley, 2012), which is exact. Segments have at least `least`
/// values; a beginning is given up only where every later end allows the one that beats it.
pub(super) fn by_penalty(
    segments: &dyn Segments,
    penalty: f64,
    least: usize,
    guard: &dyn Guard,
) -> Result<Vec<usize>> {
    let n = segments.len();
    if n < 2 * least {
        return Ok(Vec::new());
    }
    let mut best = vec![f64::INFINITY; n + 1];
    best[0] = -penalty;
    let mut from = vec![0u32; n + 1];
    // Beginnings, and what lies before each costs.
    let (mut starts, mut before): (Vec<u32>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut costs = Vec::new();
    // Beginnings that a later one beats, and from which end on.
    let mut doomed = std::collections::VecDeque::new();
    let mut given_up = vec![usize::MAX; n + 1];
    for to in least..=n {
        if to % 256 == 0 {
            guard.poll()?;
        }
        let start = to - least;
        if best[start].is_finite() {
            starts.push(start as u32);
            before.push(best[start]);
        }
        costs.clear();
        costs.extend_from_slice(&before);
        segments.add(&starts, to, &mut costs);
        let (at, cost) = least_of(&costs);
        best[to] = cost + penalty;
        from[to] = starts[at];
        if to % ROUND != 0 {
            continue;
        }
        for (start, cost) in starts.iter().zip(&costs) {
            let slot = &mut given_up[*start as usize];
            if *cost > best[to] && *slot == usize::MAX {
                *slot = to + least;
                doomed.push_back(*slot);
            }
        }
        if doomed.front().is_some_and(|end| *end <= to + 1) {
            while doomed.front().is_some_and(|end| *end <= to + 1) {
                doomed.pop_front();
            }
            let kept = |at: &usize| given_up[starts[*at] as usize] > to + 1;
            let kept: Vec<usize> = (0..starts.len()).filter(kept).collect();
            starts = kept.iter().map(|at| starts[*at]).collect();
            before = kept.iter().map(|at| before[*at]).collect();
        }
    }
    let mut points = Vec::new();
    let mut to = from[n] as usize;
    while to > 0 {
        points.push(to);
        to = from[to] as usize;
    }
    points.reverse();
    Ok(points)
}

/// Where segments after the first begin, in the partition of least cost into `count` + 1 segments
/// of at least `least` values: by dynamic programming over ends, time n^2 for each segment.
/// Fewer points where not as many fit.
pub(super) fn by_count(
    segments: &dyn Segments,
    count: usize,
    least: usize,
    guard: &dyn Guard,
) -> Result<Vec<usize>> {
    let n = segments.len();
    let count = count.min((n / least.max(1)).saturating_sub(1));
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut best: Vec<f64> =
        (0..=n).map(|to| if to >= least { segments.cost(0, to) } else { f64::INFINITY }).collect();
    let mut from = vec![vec![0u32; n + 1]; count];
    let mut costs = Vec::new();
    let all: Vec<u32> = (0..=n as u32).collect();
    for (points, from) in from.iter_mut().enumerate() {
        let mut next = vec![f64::INFINITY; n + 1];
        let first = (points + 1) * least;
        for to in first + least..=n {
            if to % 64 == 0 {
                guard.poll()?;
            }
            costs.clear();
            costs.extend_from_slice(&best[first..=to - least]);
            segments.add(&all[first..=to - least], to, &mut costs);
            let (at, cost) = least_of(&costs);
            next[to] = cost;
            from[to] = (first + at) as u32;
        }
        best = next;
    }
    let mut points = Vec::new();
    let mut to = n;
    for from in from.iter().rev() {
        to = from[to] as usize;
        points.push(to);
    }
    points.reverse();
    Ok(points)
}

/// As [`by_count`], by penalties that are narrowed down until one gives as many points (as CROPS
/// does: Haynes, Eckley and Fearnhead, 2017); where none does, by dynamic programming.
pub(super) fn by_count_fast(
    segments: &dyn Segments,
    count: usize,
    least: usize,
    guard: &dyn Guard,
) -> Result<Vec<usize>> {
    let n = segments.len();
    let count = count.min((n / least.max(1)).saturating_sub(1));
    if count == 0 {
        return Ok(Vec::new());
    }
    let cost = |points: &[usize]| {
        let ends = points.iter().copied().chain([n]);
        ends.fold((0.0, 0), |(sum, from), to| (sum + segments.cost(from, to), to)).0
    };
    let mut few = (0, segments.cost(0, n));
    let mut penalty = few.1.abs() / (4.0 * count as f64);
    let mut many = None;
    for _ in 0..20 {
        let points = by_penalty(segments, penalty, least, guard)?;
        match points.len() {
            own if own == count => return Ok(points),
            own if own > count => {
                many = Some((own, cost(&points)));
                break;
            }
            own => few = (own, cost(&points)),
        }
        penalty /= 4.0;
    }
    while let Some((most, least_cost)) = many {
        let penalty = (few.1 - least_cost) / (most - few.0) as f64;
        if !penalty.is_finite() || penalty <= 0.0 {
            break;
        }
        let points = by_penalty(segments, penalty, least, guard)?;
        match points.len() {
            own if own == count => return Ok(points),
            own if own > few.0 && own < count => few = (own, cost(&points)),
            own if own > count && own < most => many = Some((own, cost(&points))),
            // No penalty gives as many.
            _ => break,
        }
    }
    by_count(segments, count, least, guard)
}

dispatched! {
    /// The place and the value of the least cost, the first of equals.
    fn least_of(costs: &[f64]) -> (usize, f64) {
        const WIDE: usize = 16;
        let mut lanes = [f64::INFINITY; WIDE];
        let (chunks, rest) = costs.as_chunks::<WIDE>();
        for chunk in chunks {
            for (lane, cost) in lanes.iter_mut().zip(chunk) {
                *lane = if *cost < *lane { *cost } else { *lane };
            }
        }
        let least = lanes.iter().chain(rest).fold(f64::INFINITY, |least, cost| least.min(*cost));
        let at = costs.iter().position(|cost| *cost == least).unwrap_or(0);
        (at, least)
    }

    fn add_squares(starts: &[u32], to: usize, sums: &[f64], squares: &[f64], costs: &mut [f64]) {
        let (sum_to, square_to, to) = (sums[to], squares[to], to as f64);
        let (Some(first), Some(last)) = (starts.first(), starts.last()) else { return };
        let (first, last) = (*first as usize, *last as usize);
        if last - first + 1 == starts.len() {
            let slots = costs.iter_mut().zip(&sums[first..=last]).zip(&squares[first..=last]);
            let longest = to - first as f64;
            for (at, ((cost, sum), square)) in slots.enumerate() {
                let sum = sum_to - sum;
                *cost += square_to - square - sum * sum / (longest - at as f64);
            }
            return;
        }
        for (start, cost) in starts.iter().zip(costs) {
            let at = *start as usize;
            let sum = sum_to - sums[at];
            *cost += square_to - squares[at] - sum * sum / (to - at as f64);
        }
    }
}

/// Sums of squares, many beginnings at once.
pub(super) struct Many<'a>(pub(super) &'a Squares);

impl Segments for Many<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn cost(&self, from: usize, to: usize) -> f64 {
        self.0.cost(from, to)
    }

    fn add(&self, starts: &[u32], to: usize, costs: &mut [f64]) {
        add_squares(starts, to, &self.0.sums, &self.0.squares, costs);
    }
}
