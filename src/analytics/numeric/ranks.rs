//! Ranks, and how many values are tied.

use std::cmp::Ordering;

/// The rank of each value from 1, ties sharing the mean of theirs. Values must not be NaN; 0.0 and
/// -0.0 are tied.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let order = order(values);
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tied in order.chunk_by(|&a, &b| values[a as usize] == values[b as usize]) {
        // The mean of first + 1 ..= first + len.
        let rank = first as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for &at in tied {
            ranks[at as usize] = rank;
        }
        first += tied.len();
    }
    ranks
}

/// The places of the values from the least to the greatest, ties in their order.
pub fn order(values: &[f64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..values.len() as u32).collect();
    order.sort_by(|&a, &b| ascending(values[a as usize], values[b as usize]));
    order
}

/// The order of numbers that are not NaN.
pub fn ascending(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_share_the_mean_of_their_ranks() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0, 3.0]), [4.0, 1.0, 4.0, 2.0, 4.0]);
        assert_eq!(ranks(&[0.0, -0.0]), [1.5, 1.5]);
        assert_eq!(ranks(&[f64::INFINITY, 0.0, f64::NEG_INFINITY]), [3.0, 2.0, 1.0]);
        assert!(ranks(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn a_rank_is_one_more_than_those_below_and_half_of_those_tied(
            values in prop::collection::vec(-4..4i32, 0..60),
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            for (at, rank) in ranks(&values).into_iter().enumerate() {
                let below = values.iter().filter(|v| **v < values[at]).count() as f64;
                let tied = values.iter().filter(|v| **v == values[at]).count() as f64;
                prop_assert_eq!(rank, below + (tied + 1.0) / 2.0);
            }
        }
    }
}
