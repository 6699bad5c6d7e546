//! How many values lie in each of some equal bins.

use crate::kernels::aggregate::plan::Bins;

/// The counts of each bucket, one bucket's after the other's.
#[derive(Debug)]
pub(super) struct Histogram {
    pub(super) bins: Bins,
    counts: Vec<i64>,
}

impl Histogram {
    pub(super) fn new(bins: Bins) -> Self {
        Self { bins, counts: Vec::new() }
    }

    fn width(&self) -> usize {
        self.bins.count + 2
    }

    pub(super) fn state_bytes(&self) -> usize {
        self.width() * 8
    }

    pub(super) fn push_empty(&mut self) {
        self.counts.resize(self.counts.len() + self.width(), 0);
    }

    pub(super) fn clear(&mut self) {
        self.counts.clear();
    }

    pub(super) fn take(&mut self, slot: usize, values: &[f64]) {
        let (bins, start) = (self.bins, slot * self.width());
        let counts = &mut self.counts[start..start + bins.count + 2];
        values.iter().for_each(|&value| counts[place(bins, value)] += 1);
    }

    pub(super) fn join(&mut self, slot: usize, other: &Self, from: usize) {
        let start = slot * self.width();
        let own = &mut self.counts[start..start + self.bins.count + 2];
        own.iter_mut().zip(other.counts(from)).for_each(|(own, theirs)| *own += theirs);
    }

    pub(super) fn counts(&self, slot: usize) -> &[i64] {
        &self.counts[slot * self.width()..(slot + 1) * self.width()]
    }
}

/// The place among the counts: 0 below, the last above and for NaN.
fn place(bins: Bins, value: f64) -> usize {
    if value < bins.low {
        0
    } else if value < bins.high {
        let part = (value - bins.low) / (bins.high - bins.low);
        // Rounding must not carry the greatest values past the last bin.
        ((part * bins.count as f64) as usize).min(bins.count - 1) + 1
    } else {
        bins.count + 1
    }
}
