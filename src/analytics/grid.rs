//! Times put on a regular grid: forecasts and seasons count steps, data has gaps and jitter.

use crate::error::{Error, Result};

/// The most slots of a grid for each row, beyond which its step is made coarser.
const SLOTS_PER_ROW: usize = 16;
/// Slots that are always allowed.
const FREE_SLOTS: usize = 4096;

/// Values at equal distances; where nothing was measured, NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// The time of the first slot, ns.
    pub start: i64,
    /// From slot to slot, ns.
    pub step: i64,
    /// One value a slot: the mean of those nearest to it, NaN for none.
    pub values: Vec<f64>,
    /// The slot of each row.
    pub slots: Vec<u32>,
}

impl Grid {
    /// Puts rows on a grid: of `step`, or of the median distance of rows with different times.
    /// A step of which a grid would be mostly empty is made coarser, unless it was given.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for times that descend, for a step that is not positive, and for
    /// a given step of which the grid would be mostly empty.
    pub fn new(times: &[i64], values: &[f64], step: Option<i64>) -> Result<Self> {
        debug_assert_eq!(times.len(), values.len());
        let (Some(&start), Some(&end)) = (times.first(), times.last()) else {
            let step = step.unwrap_or(1_000_000_000);
            return Ok(Self { start: 0, step, values: Vec::new(), slots: Vec::new() });
        };
        if times.windows(2).any(|pair| pair[1] < pair[0]) {
            return Err(Error::invalid("times must ascend; sort the rows by time first"));
        }
        let span = end.abs_diff(start);
        let most = (times.len().saturating_mul(SLOTS_PER_ROW)).max(FREE_SLOTS) as u64;
        let step = match step {
            Some(step) if step <= 0 => {
                return Err(Error::invalid(format!("every must be positive, got {step} ns")));
            }
            Some(step) if span / step.unsigned_abs() >= most => {
                return Err(Error::invalid(format!(
                    "{} rows over {span} ns are too few for steps of {step} ns; a step of at least \
                     {} ns would work",
                    times.len(),
                    span / most + 1
                )));
            }
            Some(step) => step,
            None => usual_step(times).max(i64::try_from(span / most + 1).unwrap_or(i64::MAX)),
        };
        let slot = |time: i64| {
            // Half a step up is nearest to the later slot.
            let distance = time.abs_diff(start);
            let step = step.unsigned_abs();
            (distance / step + u64::from(distance % step >= step.div_ceil(2))) as usize
        };
        let mut sums = vec![0.0; slot(end) + 1];
        let mut counts = vec![0u32; sums.len()];
        let mut slots = Vec::with_capacity(times.len());
        for (&time, &value) in times.iter().zip(values) {
            let at = slot(time);
            slots.push(at as u32);
            if !value.is_nan() {
                sums[at] += value;
                counts[at] += 1;
            }
        }
        let mean = |(sum, count): (f64, u32)| match count {
            0 => f64::NAN,
            1 => sum,
            count => sum / f64::from(count),
        };
        let values = sums.into_iter().zip(counts).map(mean).collect();
        Ok(Self { start, step, values, slots })
    }

    /// The time of a slot, which may be behind the last; saturates.
    pub fn time(&self, slot: usize) -> i64 {
        let ahead = self.step.saturating_mul(i64::try_from(slot).unwrap_or(i64::MAX));
        self.start.saturating_add(ahead)
    }

    /// The slots without a value.
    pub fn missing(&self) -> usize {
        self.values.iter().filter(|value| value.is_nan()).count()
    }
}

/// The median distance of rows with different times; a second where there is none.
fn usual_step(times: &[i64]) -> i64 {
    let mut steps: Vec<i64> = times
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .filter(|step| *step > 0)
        .collect();
    if steps.is_empty() {
        return 1_000_000_000;
    }
    let middle = steps.len() / 2;
    *steps.select_nth_unstable(middle).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_slots_without_values_and_equal_times_share_one() {
        let grid = Grid::new(&[0, 10, 10, 40], &[1.0, 2.0, 4.0, 5.0], None).expect("ascending");
        assert_eq!((grid.start, grid.step), (0, 30));
        let grid = Grid::new(&[0, 10, 10, 40], &[1.0, 2.0, 4.0, 5.0], Some(10)).expect("ascending");
        assert_eq!(grid.slots, [0, 1, 1, 4]);
        assert_eq!(grid.values[..2], [1.0, 3.0]);
        assert_eq!((grid.values[4], grid.missing(), grid.time(5)), (5.0, 2, 50));
    }

    #[test]
    fn extreme_times_neither_overflow_nor_fill_the_memory() {
        let grid = Grid::new(&[i64::MIN, 0, i64::MAX], &[1.0, 2.0, 3.0], None).expect("ascending");
        assert!(grid.values.len() <= FREE_SLOTS + 1, "{}", grid.values.len());
        assert_eq!(grid.values.iter().filter(|value| !value.is_nan()).count(), 3);
        let day = 86_400_000_000_000;
        let times = [0, 1, 2, 3, day];
        assert!(Grid::new(&times, &[0.0; 5], Some(1)).is_err());
        assert!(
            Grid::new(&times, &[0.0; 5], None).expect("coarser").values.len() <= FREE_SLOTS + 1
        );
    }

    #[test]
    fn descending_times_and_steps_below_one_are_refused() {
        assert!(Grid::new(&[1, 0], &[0.0; 2], None).is_err());
        assert!(Grid::new(&[0, 1], &[0.0; 2], Some(0)).is_err());
        assert_eq!(Grid::new(&[], &[], None).expect("empty").values.len(), 0);
    }
}
