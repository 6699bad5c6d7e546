//! Even steps, but for some gaps.

use std::ops::Range;

use crate::codec::varint;
use crate::error::{Error, Result};

/// Most rows of a column: those of a chunk.
const MOST_ROWS: usize = 1 << 16;

/// Even steps: runs of rows a step apart.
#[derive(Debug)]
pub(super) struct Steps {
    step: i64,
    /// First row and first time of each run.
    runs: Vec<(usize, i64)>,
}

impl Steps {
    /// `None` where gaps are so many that steps cannot pay.
    pub(super) fn of(values: &[i64]) -> Option<Self> {
        let &first = values.first()?;
        let last = values.len() - 1;
        let mut sample: Vec<i64> = (0..31)
            .map(|i| i * last / 31)
            .filter(|&at| at < last)
            .map(|at| values[at + 1].wrapping_sub(values[at]))
            .collect();
        sample.sort_unstable();
        let step = sample.get(sample.len() / 2).copied().unwrap_or(0);
        let mut runs = vec![(0, first)];
        for (at, pair) in values.array_windows::<2>().enumerate() {
            if pair[1].wrapping_sub(pair[0]) != step {
                if runs.len() > 4 + values.len() / 32 {
                    return None;
                }
                runs.push((at + 1, pair[1]));
            }
        }
        Some(Self { step, runs })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        varint::write_signed(self.runs[0].1, out);
        varint::write_signed(self.step, out);
        // How much later each run is than it would have been: mostly so many steps.
        let late =
            |pair: &[(usize, i64); 2]| pair[1].1.wrapping_sub(self.after(pair[0], pair[1].0));
        let whole = |late: i64| late.checked_rem(self.step) == Some(0);
        let steps = self.runs.array_windows().map(late).all(whole);
        let unit = if steps { self.step } else { 1 };
        varint::write((self.runs.len() as u64 - 1) << 1 | u64::from(steps), out);
        for pair in self.runs.array_windows() {
            varint::write((pair[1].0 - pair[0].0) as u64, out);
            varint::write_signed(late(pair).wrapping_div(unit), out);
        }
    }

    pub(super) fn read(shared: &mut &[u8]) -> Result<Self> {
        let first = varint::read_signed(shared)?;
        let mut steps = Self { step: varint::read_signed(shared)?, runs: vec![(0, first)] };
        let (gaps, unit) = match varint::read(shared)? {
            head if head & 1 == 1 => (head >> 1, steps.step),
            head => (head >> 1, 1),
        };
        if gaps > shared.len() as u64 {
            return Err(Error::corrupt(format!("regular: {gaps} gaps in {} bytes", shared.len())));
        }
        let mut before = (0, first);
        for _ in 0..gaps {
            let rows = varint::read(shared)?;
            let row = usize::try_from(rows)
                .ok()
                .filter(|rows| (1..MOST_ROWS).contains(rows))
                .map(|rows| before.0 + rows)
                .filter(|row| *row < MOST_ROWS)
                .ok_or_else(|| Error::corrupt(format!("regular: a gap after {rows} rows")))?;
            let late = varint::read_signed(shared)?.wrapping_mul(unit);
            before = (row, steps.after(before, row).wrapping_add(late));
            steps.runs.push(before);
        }
        Ok(steps)
    }

    /// The time of a row of the run that begins at `run`.
    fn after(&self, run: (usize, i64), row: usize) -> i64 {
        run.1.wrapping_add(self.step.wrapping_mul((row - run.0) as i64))
    }

    fn run_of(&self, row: usize) -> usize {
        self.runs.partition_point(|run| run.0 <= row) - 1
    }

    pub(super) fn fill(&self, first: usize, out: &mut [i64]) {
        let (mut at, mut run) = (first, self.run_of(first));
        let end = first + out.len();
        let mut rest = out;
        while at < end {
            let next = self.runs.get(run + 1).map_or(end, |run| run.0.min(end));
            let (slots, tail) = rest.split_at_mut(next - at);
            let mut time = self.after(self.runs[run], at);
            for slot in slots {
                *slot = time;
                time = time.wrapping_add(self.step);
            }
            (rest, at, run) = (tail, next, run + 1);
        }
    }

    /// The first time and the step of rows between which there is no gap.
    pub(super) fn even(&self, rows: &Range<usize>) -> Option<(i64, i64)> {
        let run = self.run_of(rows.start);
        let gap = self.runs.get(run + 1).is_some_and(|next| next.0 < rows.end);
        (!gap).then(|| (self.after(self.runs[run], rows.start), self.step))
    }

    /// The time of a row.
    pub(super) fn at(&self, row: usize) -> i64 {
        self.after(self.runs[self.run_of(row)], row)
    }
}
