//! The windows of a series, with what the recurrences need of each.

use super::Measure;
use crate::codec::simd::dispatched;

/// Diagonals that are followed at once.
pub(super) const LANES: usize = 32;
/// A window this much smaller than one before it starts its sums of products anew: what is left of
/// the large products' rounding would show.
const DROP: f64 = 1e-4;
/// Numbers beyond this count as missing: their squares must stay finite.
const REACH: f64 = 1e100;

/// What a window holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Values that differ.
    Varied,
    /// One value all along, which has no shape.
    Flat,
    /// A missing or infinite value.
    Missing,
}

/// The windows of a series.
///
/// `a` and `b` are what a sum of products changes by from window to window; `e` is what makes a
/// score of it, NaN for windows that have none. All three have [`LANES`] more slots than there are
/// windows, without effect, so that lanes may look past the end.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub(super) length: usize,
    pub(super) measure: Measure,
    centre: f64,
    scale: f64,
    /// Above the centre and scaled; 0 for what is missing.
    pub(super) values: Vec<f64>,
    /// Whether each is there.
    pub(super) there: Vec<bool>,
    /// Means of windows; 0 where windows are not normalised.
    pub(super) means: Vec<f64>,
    pub(super) a: Vec<f64>,
    pub(super) b: Vec<f64>,
    pub(super) e: Vec<f64>,
    pub(super) kinds: Vec<Kind>,
    /// Windows that are flat, ascending.
    pub(super) flats: Vec<usize>,
    /// Windows at which sums of products start anew, ascending.
    pub(super) drops: Vec<usize>,
    /// The greatest norm since the last of those.
    pub(super) peak: f64,
    /// Values at the end that are there, and that are equal.
    present: usize,
    equal: usize,
    last: f64,
}

impl Windows {
    pub(super) fn new(length: usize, measure: Measure, centre: f64, scale: f64) -> Self {
        Self {
            length,
            measure,
            centre,
            scale,
            values: Vec::new(),
            there: Vec::new(),
            means: Vec::new(),
            a: vec![0.0; LANES],
            b: vec![0.0; LANES],
            e: vec![f64::NAN; LANES],
            kinds: Vec::new(),
            flats: Vec::new(),
            drops: Vec::new(),
            peak: 0.0,
            present: 0,
            equal: 0,
            last: f64::NAN,
        }
    }

    /// Those of a whole series, around a middle value and scaled by a power of two.
    pub(super) fn of(values: &[f64], length: usize, measure: Measure) -> Self {
        let (centre, scale) = frame([values]);
        Self::framed(values, length, measure, centre, scale)
    }

    pub(super) fn framed(
        values: &[f64],
        length: usize,
        measure: Measure,
        centre: f64,
        scale: f64,
    ) -> Self {
        let mut own = Self::new(length, measure, centre, scale);
        for value in values {
            own.push(*value);
        }
        own
    }

    /// Values that come are taken above this level.
    pub(super) fn recentre(&mut self, centre: f64) {
        self.centre = centre;
    }

    pub(super) fn count(&self) -> usize {
        self.kinds.len()
    }

    pub(super) fn window(&self, at: usize) -> &[f64] {
        &self.values[at..at + self.length]
    }

    /// Takes the next value; whether that completes a window.
    pub(super) fn push(&mut self, value: f64) -> bool {
        let kept = value * self.scale - self.centre * self.scale;
        let there = kept.abs() <= REACH;
        let kept = if there { kept } else { 0.0 };
        self.present = if there { self.present + 1 } else { 0 };
        self.equal = if there && self.last == kept { self.equal + 1 } else { usize::from(there) };
        self.last = if there { kept } else { f64::NAN };
        self.values.push(kept);
        self.there.push(there);
        if self.values.len() < self.length {
            return false;
        }
        self.describe();
        true
    }

    /// Adds the window that ends with the last value.
    fn describe(&mut self) {
        let at = self.values.len() - self.length;
        let (mean, norm) = match self.measure {
            Measure::Normalized => moments(self.window(at)),
            Measure::Plain => (0.0, dot(self.window(at), self.window(at), 0.0, 0.0).sqrt()),
        };
        let kind = match self.measure {
            _ if self.present < self.length => Kind::Missing,
            // A norm too small to divide by is that of a flat window.
            Measure::Normalized if self.equal >= self.length || norm < 1e-150 => Kind::Flat,
            _ => Kind::Varied,
        };
        let (before, after) = match at {
            0 => (0.0, 0.0),
            _ => (self.values[at - 1], self.values[at + self.length - 1]),
        };
        let (a, b, e) = match self.measure {
            Measure::Normalized => {
                let mean_before = if at == 0 { 0.0 } else { self.means[at - 1] };
                let b = if at == 0 { 0.0 } else { (after - mean) + (before - mean_before) };
                ((after - before) / 2.0, b, 1.0 / norm)
            }
            Measure::Plain => (after, before, 0.0),
        };
        let e = if kind == Kind::Varied { e } else { f64::NAN };
        self.means.push(mean);
        self.kinds.push(kind);
        if kind == Kind::Flat {
            self.flats.push(at);
        }
        for (slots, value, rest) in
            [(&mut self.a, a, 0.0), (&mut self.b, b, 0.0), (&mut self.e, e, f64::NAN)]
        {
            slots[at] = value;
            slots.push(rest);
        }
        if kind == Kind::Varied && norm < self.peak * DROP {
            self.drops.push(at);
            self.peak = norm;
        }
        self.peak = self.peak.max(norm);
    }

    /// Forgets the first windows, as many.
    pub(super) fn forget(&mut self, count: usize) {
        for slots in [&mut self.values, &mut self.means, &mut self.a, &mut self.b, &mut self.e] {
            slots.drain(..count);
        }
        self.there.drain(..count);
        self.kinds.drain(..count);
        for places in [&mut self.drops, &mut self.flats] {
            places.retain(|at| *at >= count);
            places.iter_mut().for_each(|at| *at -= count);
        }
    }

    /// The sum that the recurrence goes on from, of one window of each, from the values.
    pub(super) fn seed(&self, at: usize, other: &Self, other_at: usize) -> f64 {
        let (x, y) = (self.window(at), other.window(other_at));
        match self.measure {
            Measure::Normalized => dot(x, y, self.means[at], other.means[other_at]),
            Measure::Plain => apart(x, y, [0.0, 1.0], [0.0, 1.0]),
        }
    }

    /// The distance of two windows that are not flat, from the values.
    pub(super) fn distance(&self, at: usize, other: &Self, other_at: usize) -> f64 {
        let (x, y) = (self.window(at), other.window(other_at));
        match self.measure {
            Measure::Normalized => {
                let own = [self.means[at], self.e[at]];
                let others = [other.means[other_at], other.e[other_at]];
                (apart(x, y, own, others) * self.length as f64).sqrt()
            }
            Measure::Plain => apart(x, y, [0.0, 1.0], [0.0, 1.0]).sqrt() / self.scale,
        }
    }
}

/// A middle value (spikes don't move it), and the power of two that brings distances to it to at
/// most about one.
pub(super) fn frame<'a>(series: impl IntoIterator<Item = &'a [f64]>) -> (f64, f64) {
    let mut finite: Vec<f64> =
        series.into_iter().flatten().copied().filter(|v| v.is_finite()).collect();
    if finite.is_empty() {
        return (0.0, 1.0);
    }
    let middle = finite.len() / 2;
    let centre = *finite.select_nth_unstable_by(middle, f64::total_cmp).1;
    let reach =
        finite.iter().fold(0.0f64, |reach, value| reach.max((value / 2.0 - centre / 2.0).abs()));
    if reach == 0.0 {
        return (centre, 1.0);
    }
    let exponent = -(reach.log2().floor()) - 2.0;
    (centre, exponent.clamp(-1000.0, 1000.0).exp2())
}

dispatched! {
    /// The mean and the root of the sum of squared deviations.
    fn moments(window: &[f64]) -> (f64, f64) {
        let n = window.len() as f64;
        let sum = |around: f64| lanes(window, window, |x, _| x - around);
        let first = sum(0.0) / n;
        // What the first mean's rounding left.
        let mean = first + sum(first) / n;
        (mean, lanes(window, window, |x, _| (x - mean) * (x - mean)).sqrt())
    }

    /// The sum of products of deviations.
    pub(super) fn dot(x: &[f64], y: &[f64], x_mean: f64, y_mean: f64) -> f64 {
        lanes(x, y, |x, y| (x - x_mean) * (y - y_mean))
    }

    /// The sum of squared differences of values, each less the first of two numbers and times the
    /// second.
    fn apart(x: &[f64], y: &[f64], x_as: [f64; 2], y_as: [f64; 2]) -> f64 {
        lanes(x, y, |x, y| {
            let d = (x - x_as[0]) * x_as[1] - (y - y_as[0]) * y_as[1];
            d * d
        })
    }
}

/// A sum over pairs, in sixteen partial sums whatever the machine.
#[inline(always)]
fn lanes(x: &[f64], y: &[f64], of: impl Fn(f64, f64) -> f64) -> f64 {
    const WIDE: usize = 16;
    let mut sums = [0.0; WIDE];
    let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks::<WIDE>(), y.as_chunks::<WIDE>());
    for (x, y) in xs.iter().zip(ys) {
        for lane in 0..WIDE {
            sums[lane] += of(x[lane], y[lane]);
        }
    }
    for (lane, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        sums[lane] += of(*x, *y);
    }
    let mut half = WIDE / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}
