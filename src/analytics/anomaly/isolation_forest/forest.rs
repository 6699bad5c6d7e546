//! A forest of random trees over rows of several fields.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::Growth;
use super::tree::{Tree, below, usual_path};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Rows that are scored together: they and a tree fit the nearest cache.
const BLOCK: usize = 512;

/// A grown forest. It is the same on any number of threads.
#[derive(Clone, Debug)]
pub struct IsolationForest {
    fields: usize,
    trees: Vec<Tree>,
    /// The usual length of a path, by which lengths become scores.
    usual: f64,
}

impl IsolationForest {
    /// Grows a forest from columns of one length. Rows with a value that is missing or infinite are
    /// left out; of none the forest knows nothing, and every score is 0.5.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no column or columns of unequal length; the guard's.
    pub fn fit(columns: &[&[f64]], growth: &Growth, guard: &dyn Guard) -> Result<Self> {
        let Some(first) = columns.first() else {
            return Err(Error::invalid("an isolation forest needs at least one field"));
        };
        if columns.iter().any(|column| column.len() != first.len()) {
            return Err(Error::invalid("the fields of an isolation forest have unequal lengths"));
        }
        let whole = |row: &usize| columns.iter().all(|column| column[*row].is_finite());
        let rows: Vec<usize> = (0..first.len()).filter(whole).collect();
        let samples = growth.samples.min(rows.len());
        let grow = |at: usize| {
            guard.poll()?;
            let seed = growth.seed ^ (at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let drawn = draw(rows.len(), samples, &mut random);
            let sample = |column: &&[f64]| drawn.iter().map(|at| column[rows[*at]]).collect();
            let sample: Vec<Vec<f64>> = columns.iter().map(sample).collect();
            Ok(Tree::grow(&sample, &mut random))
        };
        let trees = (0..growth.trees).into_par_iter().map(grow).collect::<Result<Vec<_>>>()?;
        Ok(Self { fields: columns.len(), trees, usual: usual_path(samples) })
    }

    /// The score of each row, in 0..1: 2 to the power of minus its mean path by the usual one. About
    /// 0.5 is usual, towards 1 is unusual. NaN for a row with a missing value.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for other columns than the forest was grown from; the guard's.
    pub fn score(&self, columns: &[&[f64]], guard: &dyn Guard) -> Result<Vec<f64>> {
        let rows = columns.first().map_or(0, |column| column.len());
        if columns.len() != self.fields || columns.iter().any(|column| column.len() != rows) {
            return Err(Error::invalid(format!(
                "the forest was grown from {} fields; as many of one length are needed, got {}",
                self.fields,
                columns.len()
            )));
        }
        let mut scores = vec![0.0; rows];
        scores.par_chunks_mut(BLOCK).enumerate().try_for_each(|(block, scores)| {
            guard.poll()?;
            let start = block * BLOCK;
            let mut rows = vec![0.0; scores.len() * self.fields];
            for (field, column) in columns.iter().enumerate() {
                let values = &column[start..start + scores.len()];
                for (place, value) in rows[field..].iter_mut().step_by(self.fields).zip(values) {
                    *place = *value;
                }
            }
            for tree in &self.trees {
                tree.add_paths(&rows, self.fields, scores);
            }
            for (score, row) in scores.iter_mut().zip(rows.chunks_exact(self.fields)) {
                let missing = row.iter().any(|value| value.is_nan());
                *score = if missing { f64::NAN } else { self.score_of(*score) };
            }
            Ok(())
        })?;
        Ok(scores)
    }

    /// The score of one row of as many values as there are fields.
    pub fn score_row(&self, row: &[f64]) -> f64 {
        if row.iter().any(|value| value.is_nan()) {
            return f64::NAN;
        }
        self.score_of(self.trees.iter().fold(0.0, |sum, tree| sum + tree.path(row)))
    }

    /// The score that one finite row would usually have, had the trees been grown with it: unlike
    /// [`Self::score_row`] this tells how far outside of all known rows it lies.
    pub fn score_within(&self, row: &[f64]) -> f64 {
        self.score_of(self.trees.iter().fold(0.0, |sum, tree| sum + tree.path_within(row)))
    }

    /// The score of paths of such a length in sum.
    fn score_of(&self, lengths: f64) -> f64 {
        if self.usual == 0.0 {
            return 0.5;
        }
        (-lengths / (self.trees.len() as f64 * self.usual)).exp2()
    }
}

/// So many different numbers below `end` (R. Floyd's algorithm), ascending.
fn draw(end: usize, count: usize, random: &mut Xoshiro256PlusPlus) -> Vec<usize> {
    if count == end {
        return (0..end).collect();
    }
    let mut drawn: Vec<usize> = Vec::with_capacity(count);
    for last in end - count..end {
        let number = below(random, last + 1);
        match drawn.binary_search(&number) {
            // Nothing so far is as great as the last.
            Ok(_) => drawn.push(last),
            Err(place) => drawn.insert(place, number),
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::super::tree::unit;
    use super::*;
    use crate::kernels::Unguarded;

    fn cloud(rows: usize) -> Vec<Vec<f64>> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut column = || (0..rows).map(|_| unit(&mut random) + unit(&mut random)).collect();
        let mut columns: Vec<Vec<f64>> = (0..3).map(|_| column()).collect();
        columns[0][7] = 6.0;
        columns[2][9] = f64::NAN;
        columns
    }

    fn slices(columns: &[Vec<f64>]) -> Vec<&[f64]> {
        columns.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn what_stands_apart_has_the_highest_score() {
        let columns = cloud(250);
        let columns = slices(&columns);
        let forest = IsolationForest::fit(&columns, &Growth::default(), &Unguarded).expect("grown");
        let scores = forest.score(&columns, &Unguarded).expect("scored");
        assert!(scores[9].is_nan());
        assert!(scores.iter().all(|score| score.is_nan() || (0.0..1.0).contains(score)));
        let best = (0..250).max_by(|a, b| {
            let score = |at: &usize| if scores[*at].is_nan() { 0.0 } else { scores[*at] };
            score(a).total_cmp(&score(b))
        });
        assert_eq!(best, Some(7));
        for at in [0, 7, 241, 248, 249] {
            let row: Vec<f64> = columns.iter().map(|column| column[at]).collect();
            assert_eq!(forest.score_row(&row), scores[at]);
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let columns = cloud(3000);
        let columns = slices(&columns);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            pool.install(|| {
                let growth = Growth::default();
                let forest = IsolationForest::fit(&columns, &growth, &Unguarded).expect("grown");
                let scores = forest.score(&columns, &Unguarded).expect("scored");
                scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>()
            })
        };
        assert_eq!(run(1), run(3));
    }

    #[test]
    fn a_draw_has_different_numbers_and_each_is_as_likely() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut times = [0; 10];
        for _ in 0..10_000 {
            let drawn = draw(10, 4, &mut random);
            assert!(drawn.len() == 4 && drawn.is_sorted_by(|a, b| a < b));
            drawn.iter().for_each(|at| times[*at] += 1);
        }
        assert!(times.iter().all(|times| (3800..4200).contains(times)), "{times:?}");
        assert_eq!(draw(3, 3, &mut random), [0, 1, 2]);
    }

    #[test]
    fn nothing_to_learn_from_is_no_panic() {
        for column in [vec![], vec![f64::NAN; 4], vec![1.0], vec![f64::INFINITY, 2.0]] {
            let forest =
                IsolationForest::fit(&[&column], &Growth::default(), &Unguarded).expect("grown");
            let scores = forest.score(&[&column], &Unguarded).expect("scored");
            assert_eq!(scores.len(), column.len());
            assert!(scores.iter().all(|score| score.is_nan() || *score == 0.5));
        }
        assert!(IsolationForest::fit(&[], &Growth::default(), &Unguarded).is_err());
        assert!(IsolationForest::fit(&[&[1.0], &[]], &Growth::default(), &Unguarded).is_err());
    }
}
