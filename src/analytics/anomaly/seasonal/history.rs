//! What was seen, at equal distances and bounded: cells of a width that doubles when they are full.

use serde::{Deserialize, Serialize};

use super::core::within;

/// The most cells.
pub(super) const CELLS: usize = 8192;
/// Points from whose distances the first width is taken.
pub(super) const FIRST: usize = 64;

/// Means of values in cells of equal width.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct History {
    /// The first points, until there are enough to know their distance.
    first: Vec<(i64, f64)>,
    /// From row to row, ns; 0 while it is not known.
    step: i64,
    begin: i64,
    width: i64,
    /// Mean and count of each cell.
    cells: Vec<(f64, u32)>,
}

impl History {
    /// From row to row, ns; `None` while it is not known.
    pub(super) fn step(&self) -> Option<i64> {
        (self.step > 0).then_some(self.step)
    }

    /// A cell's width, ns.
    pub(super) fn width(&self) -> i64 {
        self.width
    }

    /// The cells' means, NaN for an empty cell.
    pub(super) fn means(&self) -> Vec<f64> {
        let mean = |cell: &(f64, u32)| if cell.1 == 0 { f64::NAN } else { cell.0 };
        self.cells.iter().map(mean).collect()
    }

    /// Times and means of the cells that are not empty.
    pub(super) fn points(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        self.cells.iter().enumerate().filter(|(_, cell)| cell.1 > 0).map(|(at, cell)| {
            let middle = self.width.saturating_mul(at as i64).saturating_add((self.width - 1) / 2);
            (self.begin.saturating_add(middle), cell.0)
        })
    }

    pub(super) fn is_sound(&self) -> bool {
        let cells = self.cells.iter().all(|(mean, _)| within(*mean));
        let first = self.first.iter().all(|(_, value)| within(*value));
        let known = self.step > 0 && self.width > 0;
        let unknown = self.step == 0 && self.cells.is_empty();
        self.cells.len() <= CELLS
            && self.first.len() <= FIRST
            && cells
            && first
            && (known || unknown)
    }

    /// Takes a finite value; times ascend.
    pub(super) fn push(&mut self, time: i64, value: f64) {
        if self.step > 0 {
            return self.place(time, value);
        }
        self.first.push((time, value));
        if self.first.len() < FIRST {
            return;
        }
        let distance = |pair: &[(i64, f64)]| pair[1].0.saturating_sub(pair[0].0);
        let mut steps: Vec<i64> = self.first.windows(2).map(distance).filter(|s| *s > 0).collect();
        if steps.len() < FIRST / 4 {
            // Nearly all at one time: wait for others.
            self.first.drain(..FIRST / 2);
            return;
        }
        let middle = steps.len() / 2;
        self.step = *steps.select_nth_unstable(middle).1;
        (self.begin, self.width) = (self.first[0].0, self.step);
        for (time, value) in std::mem::take(&mut self.first) {
            self.place(time, value);
        }
    }

    fn place(&mut self, time: i64, value: f64) {
        let mut cell = self.cell(time);
        if cell >= self.cells.len().saturating_add(CELLS / 2) {
            // A gap longer than half of what can be kept: what came before is another matter.
            self.cells.clear();
            (self.begin, self.width) = (time, self.step);
            cell = 0;
        }
        while cell >= CELLS {
            self.halve();
            cell = self.cell(time);
        }
        if cell >= self.cells.len() {
            self.cells.resize(cell + 1, (0.0, 0));
        }
        let (mean, count) = &mut self.cells[cell];
        *count = count.saturating_add(1);
        *mean += (value - *mean) / f64::from(*count);
    }

    fn cell(&self, time: i64) -> usize {
        let width = self.width.unsigned_abs();
        // Half a width early belongs to the cell, so that jitter does not change cells.
        let from = time.saturating_sub(self.begin).max(0).unsigned_abs();
        usize::try_from(from.saturating_add(width / 2) / width).unwrap_or(usize::MAX)
    }

    fn halve(&mut self) {
        let merge = |pair: &[(f64, u32)]| match pair {
            [(a, n), (b, m)] if n.saturating_add(*m) > 0 => {
                let (n, m) = (f64::from(*n), f64::from(*m));
                ((a * n + b * m) / (n + m), (n + m).min(1e9) as u32)
            }
            [cell, ..] => *cell,
            [] => (0.0, 0),
        };
        self.cells = self.cells.chunks(2).map(merge).collect();
        self.width = self.width.saturating_mul(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_widen_and_keep_means() {
        let mut history = History::default();
        for at in 0..40_000i64 {
            history.push(at * 10, (at / 8) as f64);
        }
        assert_eq!((history.step(), history.width()), (Some(10), 80));
        assert!(history.cells.len() <= CELLS);
        let total: u32 = history.cells.iter().map(|cell| cell.1).sum();
        assert_eq!(total, 40_000);
        assert!((history.cells[2000].0 - 2000.0).abs() < 1.0);
    }

    #[test]
    fn gaps_are_empty_cells_and_a_long_gap_begins_anew() {
        let mut history = History::default();
        (0..100i64).for_each(|at| history.push(at, 1.0));
        history.push(110, 2.0);
        assert!(history.means()[105].is_nan());
        assert_eq!(history.means()[110], 2.0);
        history.push(i64::MAX, 3.0);
        assert_eq!(history.means(), [3.0]);
    }

    #[test]
    fn equal_times_have_no_step() {
        let mut history = History::default();
        (0..1000).for_each(|_| history.push(5, 1.0));
        assert_eq!(history.step(), None);
        assert!(history.is_sound());
    }
}
