//! Percentiles in bounded memory: C. Masson, J. E. Rim and H. K. Lee, "DDSketch: A Fast and
//! Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", VLDB 2019.

use sketches_ddsketch::{Config, DDSketch};

/// The relative error of a value.
const ERROR: f64 = 0.005;
/// Most bins of either sign: 32 KiB, for numbers up to e^40 times the least. Past that the bins of
/// the numbers nearest to zero are put together.
const BINS: u32 = 4096;
/// Numbers closer to zero count as zero.
const LEAST: f64 = 1e-300;

/// The values of one bucket. Infinities and NaN, which have no bin, are counted.
pub(super) struct Sketch {
    finite: DDSketch,
    lowest: u64,
    highest: u64,
    nans: u64,
}

/// One sketch a bucket.
#[derive(Default)]
pub(super) struct Sketches {
    sketches: Vec<Sketch>,
    bytes: usize,
}

impl std::fmt::Debug for Sketches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sketches").field("count", &self.sketches.len()).finish_non_exhaustive()
    }
}

impl Sketches {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push_empty(&mut self) {
        let finite = DDSketch::new(Config::new(ERROR, BINS, LEAST));
        self.sketches.push(Sketch { finite, lowest: 0, highest: 0, nans: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.sketches.clear();
        self.bytes = 0;
    }

    pub(super) fn take(&mut self, slot: usize, values: &[f64]) {
        let sketch = &mut self.sketches[slot];
        let before = sketch.finite.length();
        for &value in values {
            if value.is_finite() {
                sketch.finite.add(value);
            } else if value.is_nan() {
                sketch.nans += 1;
            } else if value > 0.0 {
                sketch.highest += 1;
            } else {
                sketch.lowest += 1;
            }
        }
        self.bytes += (sketch.finite.length() - before) * 8;
    }

    pub(super) fn join(&mut self, slot: usize, other: &Self, from: usize) {
        let (own, theirs) = (&mut self.sketches[slot], &other.sketches[from]);
        let before = own.finite.length();
        own.finite.merge(&theirs.finite).expect("sketches of one configuration");
        own.lowest += theirs.lowest;
        own.highest += theirs.highest;
        own.nans += theirs.nans;
        self.bytes += own.finite.length().saturating_sub(before) * 8;
    }

    /// The percentile of a bucket by the closest rank below, NaN being the greatest; `None` of no
    /// value.
    pub(super) fn percentile(&self, slot: usize, percent: f64) -> Option<f64> {
        let sketch = &self.sketches[slot];
        let finite = sketch.finite.count() as u64;
        let all = sketch.lowest + finite + sketch.highest + sketch.nans;
        let rank = (all.checked_sub(1)? as f64 * (percent / 100.0)) as u64;
        if rank < sketch.lowest {
            return Some(f64::NEG_INFINITY);
        }
        let rank = rank - sketch.lowest;
        if rank >= finite {
            let past = rank - finite < sketch.highest;
            return Some(if past { f64::INFINITY } else { f64::NAN });
        }
        // Half a rank more, for the sketch rounds down.
        let part = (rank as f64 + 0.5) / (finite as f64 - 1.0).max(1.0);
        let part = if rank == 0 { 0.0 } else { part.min(1.0) };
        sketch.finite.quantile(part).ok().flatten()
    }
}
