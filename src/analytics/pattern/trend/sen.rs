//! The median of the slopes of all pairs, and other places in their order.

use crate::error::Result;
use crate::kernels::Guard;

/// Values of a group up to which all slopes are held; beyond, they are counted.
const HELD: usize = 2000;

/// Slopes of all pairs of different times, in order.
pub(super) enum Slopes<'a> {
    Held(Vec<f64>),
    Counted { groups: &'a [(Vec<f64>, Vec<f64>)], total: f64, guard: &'a dyn Guard },
}

/// The slopes within groups of times, which ascend, and values; there are `total` of them.
pub(super) fn quantiles<'a>(
    groups: &'a [(Vec<f64>, Vec<f64>)],
    total: f64,
    guard: &'a dyn Guard,
) -> Result<Slopes<'a>> {
    if groups.iter().map(|(times, _)| times.len()).sum::<usize>() > HELD {
        return Ok(Slopes::Counted { groups, total, guard });
    }
    let mut slopes = Vec::new();
    for (times, values) in groups {
        guard.poll()?;
        for later in 1..times.len() {
            for earlier in 0..later {
                let apart = times[later] - times[earlier];
                if apart > 0.0 {
                    slopes.push((values[later] - values[earlier]) / apart);
                }
            }
        }
    }
    slopes.sort_unstable_by(f64::total_cmp);
    Ok(Slopes::Held(slopes))
}

impl Slopes<'_> {
    fn total(&self) -> usize {
        match self {
            Self::Held(slopes) => slopes.len(),
            Self::Counted { total, .. } => *total as usize,
        }
    }

    /// The slope at a place in their order.
    fn at(&self, place: usize) -> Result<f64> {
        match self {
            Self::Held(slopes) => Ok(slopes[place.min(slopes.len() - 1)]),
            Self::Counted { groups, guard, .. } => slope_at(groups, place, *guard),
        }
    }

    pub(super) fn median(&self) -> Result<f64> {
        let n = self.total();
        let upper = self.at(n / 2)?;
        if n % 2 == 1 { Ok(upper) } else { Ok(f64::midpoint(self.at(n / 2 - 1)?, upper)) }
    }

    /// The slopes that lie so many signs out from the middle (Sen's limits, as scipy places them).
    pub(super) fn limits(&self, reach: f64) -> Result<(f64, f64)> {
        let n = self.total();
        let lower = ((n as f64 - reach) / 2.0).round_ties_even() - 1.0;
        let upper = ((n as f64 + reach) / 2.0).round_ties_even();
        Ok((self.at(lower.max(0.0) as usize)?, self.at((upper.max(0.0) as usize).min(n - 1))?))
    }
}

/// The slope at a place in the order of all slopes within groups, to the last bits, without holding
/// them: a slope has as many below it as pairs swap when the values are taken above a line of that
/// slope, which merging counts in n log n.
///
/// # Errors
/// What the guard says.
pub fn slope_at(groups: &[(Vec<f64>, Vec<f64>)], place: usize, guard: &dyn Guard) -> Result<f64> {
    // Halves the ordered bits of doubles.
    let (mut low, mut high) = (ordered(f64::MIN), ordered(f64::MAX));
    let mut work = Vec::new();
    while low < high {
        guard.poll()?;
        let middle = low + (high - low) / 2;
        let slope = unordered(middle);
        let up_to: u64 = groups.iter().map(|group| count_up_to(group, slope, &mut work)).sum();
        if up_to > place as u64 { high = middle } else { low = middle + 1 }
    }
    Ok(unordered(low))
}

fn ordered(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn unordered(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits })
}

/// Pairs of different times of slope at most this.
fn count_up_to((times, values): &(Vec<f64>, Vec<f64>), slope: f64, work: &mut Vec<f64>) -> u64 {
    let origin = times.first().copied().unwrap_or(0.0);
    // Above a line that steep, a pair of at most that slope doesn't rise.
    let above = |at: usize| values[at] - slope * (times[at] - origin);
    let mut rest: Vec<f64> = (0..times.len()).map(above).collect();
    let mut tied = 0;
    let mut from = 0;
    while from < times.len() {
        let same = times[from..].iter().take_while(|time| **time == times[from]).count().max(1);
        // Equal times in descending order of what is left, so that each of their pairs counts.
        rest[from..from + same].sort_unstable_by(|a, b| b.total_cmp(a));
        tied += (same * (same - 1) / 2) as u64;
        from += same;
    }
    not_rising(&mut rest, work) - tied
}

/// Pairs of which the later is not greater; sorts, by merging.
fn not_rising(values: &mut [f64], work: &mut Vec<f64>) -> u64 {
    let n = values.len();
    if n <= 24 {
        let mut count = 0;
        for at in 1..n {
            let value = values[at];
            let mut to = at;
            while to > 0 && values[to - 1] >= value {
                values[to] = values[to - 1];
                to -= 1;
            }
            count += (at - to) as u64;
            values[to] = value;
        }
        return count;
    }
    let middle = n / 2;
    let (left, right) = values.split_at_mut(middle);
    let mut count = not_rising(left, work) + not_rising(right, work);
    work.clear();
    work.extend_from_slice(left);
    let (mut i, mut j) = (0, middle);
    for to in 0..n {
        if i < work.len() && (j >= n || work[i] < values[j]) {
            values[to] = work[i];
            i += 1;
        } else if j < n {
            // All that is left of the left half is not less.
            count += (work.len() - i) as u64;
            values[to] = values[j];
            j += 1;
        }
    }
    count
}

/// The median; the mean of the middle two for an even count. Of none, NaN.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    let n = values.len();
    if n == 0 {
        return f64::NAN;
    }
    let (below, upper, _) = values.select_nth_unstable_by(n / 2, f64::total_cmp);
    let upper = *upper;
    if n % 2 == 1 {
        return upper;
    }
    f64::midpoint(below.iter().copied().fold(f64::NEG_INFINITY, f64::max), upper)
}

/// Ranks from 1 on; equal values share the mean of theirs.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let value = values[order[from]];
        let same = order[from..].iter().take_while(|row| values[**row] == value).count().max(1);
        for row in &order[from..from + same] {
            ranks[*row] = from as f64 + (same as f64 + 1.0) / 2.0;
        }
        from += same;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::Unguarded;

    proptest! {
        #[test]
        fn counted_slopes_are_those_in_order(rows in prop::collection::vec((0i32..40, -9i32..9), 2..70), at in 0.0f64..1.0) {
            let mut rows = rows;
            rows.sort();
            let group = (rows.iter().map(|r| f64::from(r.0)).collect(), rows.iter().map(|r| f64::from(r.1)).collect());
            let groups = [group];
            let Slopes::Held(all) = quantiles(&groups, 0.0, &Unguarded).expect("runs") else {
                panic!("few");
            };
            if !all.is_empty() {
                let place = (at * all.len() as f64) as usize;
                let got = slope_at(&groups, place, &Unguarded).expect("runs");
                prop_assert!((got - all[place]).abs() < 1e-12, "{} for {}", got, all[place]);
            }
        }
    }

    #[test]
    fn many_values_are_counted_to_the_same_slopes() {
        let n = HELD + 1;
        let times: Vec<f64> = (0..n).map(|i| i as f64 * 60.0).collect();
        let values: Vec<f64> =
            (0..n).map(|i| (i * 7919 % 1009) as f64 + 0.001 * i as f64).collect();
        let mut slopes = Vec::new();
        for j in 0..n {
            slopes.extend((0..j).map(|i| (values[j] - values[i]) / (times[j] - times[i])));
        }
        slopes.sort_by(f64::total_cmp);
        let groups = [(times, values)];
        let counted = quantiles(&groups, slopes.len() as f64, &Unguarded).expect("runs");
        assert!(matches!(counted, Slopes::Counted { .. }));
        let want = median(slopes.clone());
        assert!((counted.median().expect("runs") - want).abs() < 1e-12);
        for place in [0, 17, slopes.len() - 1] {
            let got = counted.at(place).expect("runs");
            assert!((got - slopes[place]).abs() < 1e-12 * slopes[place].abs().max(1.0));
        }
    }
}
