//! One tree: random splits of a sample, laid out so that every row takes the same number of steps.

use rand::Rng;

/// A split: rows whose `field` is at most the threshold go left.
#[derive(Clone, Copy, Debug)]
struct Split {
    threshold: f64,
    field: usize,
}

/// Where a branch has ended the way goes on to the left, which nothing refuses.
const ENDED: Split = Split { threshold: f64::INFINITY, field: 0 };

/// Rows that go down at once: the steps of one wait for memory, those of others don't.
pub(super) const ABREAST: usize = 8;

/// A tree of full depth: split `k` has its branches at `2k + 1` and `2k + 2`.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    depth: u32,
    splits: Vec<Split>,
    /// Of each split the range of its field among the rows that it split.
    ranges: Vec<[f64; 2]>,
    /// The length of the path to each leaf, from the left.
    paths: Vec<f64>,
}

impl Tree {
    /// Grows one from a sample, one slice a field, all of one length of at least 1.
    pub(super) fn grow(sample: &[Vec<f64>], random: &mut impl Rng) -> Self {
        let rows = sample.first().map_or(0, Vec::len);
        let depth = rows.max(1).next_power_of_two().trailing_zeros();
        let leaves = 1usize << depth;
        let mut tree = Self {
            depth,
            splits: vec![ENDED; leaves - 1],
            ranges: vec![[f64::NEG_INFINITY, f64::INFINITY]; leaves - 1],
            paths: vec![0.0; leaves],
        };
        let mut order: Vec<u32> = (0..rows as u32).collect();
        // Branches still to be grown: place, depth and rows.
        let mut open = vec![(0, 0, 0..rows)];
        let mut fields = Vec::with_capacity(sample.len());
        while let Some((place, level, range)) = open.pop() {
            let rows = &mut order[range.clone()];
            let split = match level < depth && rows.len() > 1 {
                true => Self::split(sample, rows, &mut fields, random),
                false => None,
            };
            let Some((split, range_of_field)) = split else {
                // The leaf that the way to the left ends at.
                let leaf = ((place + 1) << (depth - level)) - leaves;
                tree.paths[leaf] = f64::from(level) + usual_path(rows.len());
                continue;
            };
            tree.splits[place] = split;
            tree.ranges[place] = range_of_field;
            let column = &sample[split.field];
            let mut left = 0;
            for at in 0..rows.len() {
                if column[rows[at] as usize] <= split.threshold {
                    rows.swap(left, at);
                    left += 1;
                }
            }
            let middle = range.start + left;
            open.push((2 * place + 1, level + 1, range.start..middle));
            open.push((2 * place + 2, level + 1, middle..range.end));
        }
        tree
    }

    /// A field that is not constant, by chance, and a threshold within its range.
    fn split(
        sample: &[Vec<f64>],
        rows: &[u32],
        fields: &mut Vec<usize>,
        random: &mut impl Rng,
    ) -> Option<(Split, [f64; 2])> {
        fields.clear();
        fields.extend(0..sample.len());
        while !fields.is_empty() {
            let field = fields.swap_remove(below(random, fields.len()));
            let column = &sample[field];
            let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
            for row in rows {
                let value = column[*row as usize];
                least = if value < least { value } else { least };
                most = if value > most { value } else { most };
            }
            if least < most {
                let share = unit(random);
                // In shares, since the range itself may be infinite.
                let threshold = (least * (1.0 - share) + most * share).max(least);
                // At the greatest itself nothing would go right.
                let threshold = if threshold < most { threshold } else { least };
                return Some((Split { threshold, field }, [least, most]));
            }
        }
        None
    }

    /// Adds the lengths of the paths of rows that stand one behind the other, `fields` values each;
    /// none of them NaN.
    pub(super) fn add_paths(&self, rows: &[f64], fields: usize, lengths: &mut [f64]) {
        let mut groups = rows.chunks_exact(ABREAST * fields);
        let mut sums = lengths.chunks_exact_mut(ABREAST);
        for (group, sums) in (&mut groups).zip(&mut sums) {
            let mut places = [0usize; ABREAST];
            for _ in 0..self.depth {
                for (lane, place) in places.iter_mut().enumerate() {
                    let split = self.splits[*place];
                    let right = group[lane * fields + split.field] > split.threshold;
                    *place = 2 * *place + 1 + usize::from(right);
                }
            }
            for (sum, place) in sums.iter_mut().zip(places) {
                *sum += self.paths[place - self.splits.len()];
            }
        }
        let rest = groups.remainder().chunks_exact(fields);
        for (row, sum) in rest.zip(sums.into_remainder()) {
            *sum += self.path(row);
        }
    }

    /// The length of one row's path.
    pub(super) fn path(&self, row: &[f64]) -> f64 {
        let mut place = 0;
        for _ in 0..self.depth {
            let split = self.splits[place];
            place = 2 * place + 1 + usize::from(row[split.field] > split.threshold);
        }
        self.paths[place - self.splits.len()]
    }

    /// The length that a row's path would usually have had, had the row been in the sample: where
    /// its value lies outside of what was split, the split would have set it apart with the
    /// probability that a threshold from the wider range falls between.
    pub(super) fn path_within(&self, row: &[f64]) -> f64 {
        let (mut place, mut level, mut still, mut length) = (0, 0.0, 1.0, 0.0);
        for _ in 0..self.depth {
            let Split { threshold, field } = self.splits[place];
            let (value, [least, most]) = (row[field], self.ranges[place]);
            let apart = match value {
                value if value > most => (value - most) / (value - least),
                value if value < least => (least - value) / (most - value),
                _ => 0.0,
            };
            level += 1.0;
            length += still * apart * level;
            still *= 1.0 - apart;
            place = 2 * place + 1 + usize::from(value > threshold);
        }
        length + still * self.paths[place - self.splits.len()]
    }
}

/// The usual length of a path in a tree of so many rows: that of an unsuccessful search in a binary
/// search tree.
pub(super) fn usual_path(rows: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        rows => {
            let rows = rows as f64;
            2.0 * ((rows - 1.0).ln() + EULER) - 2.0 * (rows - 1.0) / rows
        }
    }
}

/// A number within 0..1.
pub(super) fn unit(random: &mut impl Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// A whole number below `end`, which is above zero.
pub(super) fn below(random: &mut impl Rng, end: usize) -> usize {
    ((u128::from(random.next_u64()) * end as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn every_row_of_a_sample_of_distinct_rows_goes_its_own_way() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let sample: Vec<Vec<f64>> =
            (0..3).map(|_| (0..19).map(|_| unit(&mut random)).collect()).collect();
        let tree = Tree::grow(&sample, &mut random);
        assert_eq!((tree.depth, tree.splits.len(), tree.paths.len()), (5, 31, 32));
        let rows: Vec<f64> = (0..19).flat_map(|at| [0, 1, 2].map(|f| sample[f][at])).collect();
        let mut abreast = vec![0.0; 19];
        tree.add_paths(&rows, 3, &mut abreast);
        let alone: Vec<f64> = rows.chunks(3).map(|row| tree.path(row)).collect();
        assert_eq!(abreast, alone);
        // The leaves of a binary tree share one whole; one at full depth may hold several rows.
        let depth = |path: &f64| 0.5f64.powi(path.floor().min(5.0) as i32);
        let mut leaves: Vec<(u64, f64)> = alone.iter().map(|p| (p.to_bits(), depth(p))).collect();
        assert!(alone.iter().all(|path| *path >= 1.0 && *path < 10.0));
        leaves.retain(|(path, _)| f64::from_bits(*path) < 5.0);
        assert!(leaves.iter().map(|(_, share)| share).sum::<f64>() <= 1.0);
        let full = alone.iter().filter(|path| **path > 5.0).count();
        assert!(full != 1, "one row alone at full depth has a path of 5");
    }

    #[test]
    fn a_row_outside_of_the_sample_is_set_apart_as_soon_as_it_is_far() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(4);
        let column: Vec<f64> = (0..64).map(|_| unit(&mut random)).collect();
        let tree = Tree::grow(std::slice::from_ref(&column), &mut random);
        for value in &column {
            assert_eq!(tree.path_within(&[*value]), tree.path(&[*value]));
        }
        let paths = [1.0, 1.2, 2.0, 9.0, 1e9].map(|value| tree.path_within(&[value]));
        assert!(paths.is_sorted_by(|a, b| a > b), "{paths:?}");
        assert!((paths[4] - 1.0).abs() < 1e-6);
        assert_eq!(tree.path(&[1e9]), tree.path(&[2.0]));
    }

    #[test]
    fn extremes_and_constants_end() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(2);
        for column in [
            vec![5.0; 40],
            vec![f64::MIN, f64::MAX, 0.0, f64::MAX],
            vec![0.0, f64::MIN_POSITIVE * f64::EPSILON],
            vec![1.0, 1.0 + f64::EPSILON],
            vec![3.0],
        ] {
            let tree = Tree::grow(&[column.clone(), vec![0.0; column.len()]], &mut random);
            for value in &column {
                assert!(tree.path(&[*value, 0.0]).is_finite());
            }
        }
        let tree = Tree::grow(&[vec![1.0, 1.0 + f64::EPSILON]], &mut random);
        assert_eq!((tree.path(&[1.0]), tree.path(&[1.0 + f64::EPSILON])), (1.0, 1.0));
    }
}
