//! Along diagonals of the matrix of distances, many at once.
//!
//! On a diagonal the sum of products of one cell follows from that of the cell before it by two
//! products (mpx: Zimmerman et al., "Matrix Profile XIV", 2019; the recurrence of centred sums is
//! Kahan's form of Welford's). Lanes are diagonals next to each other, so that a row's cells are
//! next to each other in memory. Cells that are better than the best so far are rare (the k-th of
//! a column is with probability 1 / k): the hot loop only looks whether there is one.

use super::Measure;
use super::windows::{LANES, Windows};
use crate::codec::simd::dispatched;

/// No neighbour.
pub(super) const NONE: u32 = u32::MAX;
/// Cells of a diagonal after which its sum is made anew from the values.
pub(super) const FRESH: usize = 4096;

/// The best cell of each row or column so far, with [`LANES`] slots past the end.
///
/// Better is a greater score, or the same at a lower place: the best of any cells in any order is
/// the same, so that threads may share them out as they like.
#[derive(Clone, Debug)]
pub(super) struct Best {
    pub(super) scores: Vec<f64>,
    pub(super) places: Vec<u32>,
}

impl Best {
    pub(super) fn new(count: usize) -> Self {
        Self { scores: vec![f64::NEG_INFINITY; count + LANES], places: vec![NONE; count + LANES] }
    }

    #[inline(always)]
    fn offer(&mut self, at: usize, score: f64, place: usize) {
        let place = place as u32;
        if score > self.scores[at] || (score == self.scores[at] && place < self.places[at]) {
            self.scores[at] = score;
            self.places[at] = place;
        }
    }

    pub(super) fn merge(mut self, other: &Self) -> Self {
        for (at, (score, place)) in other.scores.iter().zip(&other.places).enumerate() {
            self.offer(at, *score, *place as usize);
        }
        self
    }
}

/// The change of a sum from cell to cell: of a row and a column.
#[inline(always)]
fn step(measure: Measure, row: [f64; 3], a: f64, b: f64) -> f64 {
    match measure {
        Measure::Normalized => row[0] * b + a * row[1],
        Measure::Plain => (row[0] - a) * (row[0] - a) - (row[1] - b) * (row[1] - b),
    }
}

/// The score of a sum: the correlation, or the squared distance below zero.
#[inline(always)]
fn score(measure: Measure, sum: f64, row: f64, column: f64) -> f64 {
    match measure {
        Measure::Normalized => sum * row * column,
        Measure::Plain => row + column - sum,
    }
}

#[inline(always)]
fn block(slots: &[f64], at: usize) -> &[f64; LANES] {
    match slots[at..].first_chunk() {
        Some(block) => block,
        None => &[f64::NAN; LANES],
    }
}

#[inline(always)]
fn run(
    measure: Measure,
    sums: &mut [f64; LANES],
    (rows, columns): (&Windows, &Windows),
    (from, to): (usize, usize),
    diagonal: usize,
    best_rows: &mut Best,
    best_columns: &mut Best,
) {
    for at in from..to {
        let row = [rows.a[at], rows.b[at], rows.e[at]];
        let first = at + diagonal;
        let (a, b) = (block(&columns.a, first), block(&columns.b, first));
        let (e, best) = (block(&columns.e, first), block(&best_columns.scores, first));
        let best_row = best_rows.scores[at];
        let mut scores = [0.0; LANES];
        let mut better = 0u64;
        for lane in 0..LANES {
            sums[lane] += step(measure, row, a[lane], b[lane]);
            scores[lane] = score(measure, sums[lane], row[2], e[lane]);
            better += u64::from(scores[lane] >= best[lane]) + u64::from(scores[lane] >= best_row);
        }
        if better > 0 {
            offer(&scores, at, first, best_rows, best_columns);
        }
    }
}

#[inline(always)]
fn offer(
    scores: &[f64; LANES],
    row: usize,
    column: usize,
    best_rows: &mut Best,
    best_columns: &mut Best,
) {
    for (lane, score) in scores.iter().enumerate() {
        best_columns.offer(column + lane, *score, row);
        best_rows.offer(row, *score, column + lane);
    }
}

dispatched! {
    fn run_normalized(
        sums: &mut [f64; LANES],
        sides: (&Windows, &Windows),
        range: (usize, usize),
        diagonal: usize,
        best_rows: &mut Best,
        best_columns: &mut Best,
    ) {
        run(Measure::Normalized, sums, sides, range, diagonal, best_rows, best_columns);
    }

    fn run_plain(
        sums: &mut [f64; LANES],
        sides: (&Windows, &Windows),
        range: (usize, usize),
        diagonal: usize,
        best_rows: &mut Best,
        best_columns: &mut Best,
    ) {
        run(Measure::Plain, sums, sides, range, diagonal, best_rows, best_columns);
    }
}

/// All cells of the diagonals from `diagonal` on, as many as there are lanes: of column = row +
/// diagonal.
pub(super) fn sweep(
    rows: &Windows,
    columns: &Windows,
    diagonal: usize,
    best_rows: &mut Best,
    best_columns: &mut Best,
) {
    let measure = rows.measure;
    let end = rows.count().min(columns.count().saturating_sub(diagonal));
    let run = match measure {
        Measure::Normalized => run_normalized,
        Measure::Plain => run_plain,
    };
    let mut sums = [0.0; LANES];
    let mut from = 0;
    for (row, lanes) in fresh(rows, columns, diagonal, end) {
        run(&mut sums, (rows, columns), (from, row), diagonal, best_rows, best_columns);
        let own = [rows.a[row], rows.b[row], rows.e[row]];
        let first = row + diagonal;
        let mut scores = [f64::NAN; LANES];
        for lane in 0..LANES.min(columns.count() - first) {
            let column = first + lane;
            sums[lane] = if lanes & (1 << lane) > 0 {
                rows.seed(row, columns, column)
            } else {
                sums[lane] + step(measure, own, columns.a[column], columns.b[column])
            };
            scores[lane] = score(measure, sums[lane], own[2], columns.e[column]);
        }
        offer(&scores, row, first, best_rows, best_columns);
        from = row + 1;
    }
    run(&mut sums, (rows, columns), (from, end), diagonal, best_rows, best_columns);
}

/// The rows, ascending, at which lanes start anew, as bits.
fn fresh(rows: &Windows, columns: &Windows, diagonal: usize, end: usize) -> Vec<(usize, u32)> {
    let every = FRESH.max(8 * rows.length);
    let mut starts: Vec<(usize, u32)> =
        (0..end).step_by(every).map(|row| (row, u32::MAX)).collect();
    starts.extend(rows.drops.iter().take_while(|row| **row < end).map(|row| (*row, u32::MAX)));
    for column in &columns.drops {
        for lane in 0..LANES {
            if let Some(row) = column.checked_sub(diagonal + lane).filter(|row| *row < end) {
                starts.push((row, 1 << lane));
            }
        }
    }
    starts.sort_unstable();
    starts.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 |= next.1;
        }
        same
    });
    starts
}

dispatched! {
    /// Moves a row's sums on to the next row: `sums` are those of the row before, one place on.
    pub(super) fn advance(sums: &mut [f64], measure: Measure, row: [f64; 3], a: &[f64], b: &[f64]) {
        match measure {
            Measure::Normalized => {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += step(Measure::Normalized, row, *a, *b);
                }
            }
            Measure::Plain => {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += step(Measure::Plain, row, *a, *b);
                }
            }
        }
    }

    /// The scores of a row.
    pub(super) fn score_row(scores: &mut [f64], measure: Measure, sums: &[f64], row: f64, e: &[f64]) {
        match measure {
            Measure::Normalized => {
                for ((slot, sum), e) in scores.iter_mut().zip(sums).zip(e) {
                    *slot = score(Measure::Normalized, *sum, row, *e);
                }
            }
            Measure::Plain => {
                for ((slot, sum), e) in scores.iter_mut().zip(sums).zip(e) {
                    *slot = score(Measure::Plain, *sum, row, *e);
                }
            }
        }
    }

    /// The place of the greatest score of a row, the first of equals, and the places of scores
    /// that are greater than those kept.
    pub(super) fn find(row: &[f64], kept: &[f64], gains: &mut Vec<usize>) -> Option<usize> {
        let (mut best, mut place) = (f64::NEG_INFINITY, None);
        for (at, (row, kept)) in row.chunks(LANES).zip(kept.chunks(LANES)).enumerate() {
            let better: u64 = row
                .iter()
                .zip(kept)
                .map(|(score, kept)| u64::from(*score > best) + u64::from(*score > *kept))
                .sum();
            if better == 0 {
                continue;
            }
            for (lane, (score, kept)) in row.iter().zip(kept).enumerate() {
                if *score > best {
                    (best, place) = (*score, Some(at * LANES + lane));
                }
                if *score > *kept {
                    gains.push(at * LANES + lane);
                }
            }
        }
        place
    }
}
