//! Dynamic time warping within a band (Sakoe and Chiba, 1978), of few places.

use super::{Hit, apart, moments};
use crate::error::Result;
use crate::kernels::Guard;

/// The query with its envelope: the least and the greatest within the band of each value.
struct Query<'a> {
    values: &'a [f64],
    lower: Vec<f64>,
    upper: Vec<f64>,
    band: usize,
    /// Its places by how far from 0 they are: those that are likely to add most come first.
    order: Vec<usize>,
}

impl<'a> Query<'a> {
    fn new(values: &'a [f64], band: usize) -> Self {
        let m = values.len();
        let around = |at: usize| &values[at.saturating_sub(band)..(at + band + 1).min(m)];
        let mut order: Vec<usize> = (0..m).collect();
        order.sort_by(|a, b| values[*b].abs().total_cmp(&values[*a].abs()));
        Self {
            values,
            lower: (0..m)
                .map(|at| around(at).iter().copied().fold(f64::INFINITY, f64::min))
                .collect(),
            upper: (0..m)
                .map(|at| around(at).iter().copied().fold(f64::NEG_INFINITY, f64::max))
                .collect(),
            band,
            order,
        }
    }

    /// A squared distance that no path falls below (Keogh, 2002): values outside the envelope.
    fn bound(&self, window: &[f64], mean: f64, scale: f64) -> f64 {
        let mut sum = 0.0;
        for at in &self.order {
            let value = (window[*at] - mean) * scale;
            let out = (value - self.upper[*at]).max(self.lower[*at] - value).max(0.0);
            sum += out * out;
        }
        // The ends are matched with each other whatever the path (Kim, Park and Chu, 2001).
        let last = window.len() - 1;
        let ends = [0, last].map(|at| ((window[at] - mean) * scale - self.values[at]).powi(2));
        sum.max(ends[0] + ends[1])
    }

    /// The least squared distance over all paths, or infinity as soon as it is above `most`.
    fn distance(&self, window: &[f64], most: f64, rows: &mut [Vec<f64>; 2]) -> f64 {
        let m = self.values.len();
        let [before, own] = rows;
        before.clear();
        before.resize(m + 1, f64::INFINITY);
        before[0] = 0.0;
        for (i, value) in window.iter().enumerate() {
            own.clear();
            own.resize(m + 1, f64::INFINITY);
            let (from, to) = (i.saturating_sub(self.band), (i + self.band + 1).min(m));
            let mut least = f64::INFINITY;
            for j in from..to {
                let apart = value - self.values[j];
                let cost = apart * apart + before[j].min(before[j + 1]).min(own[j]);
                own[j + 1] = cost;
                least = least.min(cost);
            }
            if least > most {
                return f64::INFINITY;
            }
            std::mem::swap(before, own);
        }
        before[m]
    }
}

pub(super) fn search(
    values: &[f64],
    query: &[f64],
    k: usize,
    band: usize,
    guard: &dyn Guard,
) -> Result<Vec<Hit>> {
    let m = query.len();
    let query = Query::new(query, band.min(m - 1));
    let mut places = Vec::new();
    for (index, window) in values.windows(m).enumerate() {
        if index % 1024 == 0 {
            guard.poll()?;
        }
        if window.iter().all(|value| value.is_finite()) {
            let (mean, spread) = moments(window).unwrap_or((window[0], f64::INFINITY));
            let bound = query.bound(window, mean, 1.0 / spread);
            places.push(Place { index, mean, scale: 1.0 / spread, bound, known: false });
        }
    }
    // Until no place is left whose bound is below the best distance.
    places.sort_by(|a, b| a.bound.total_cmp(&b.bound).then(a.index.cmp(&b.index)));
    let mut hits: Vec<Hit> = Vec::new();
    let mut rows = [Vec::new(), Vec::new()];
    let mut shape = Vec::new();
    while hits.len() < k {
        let mut best: Option<(f64, usize)> = None;
        for (turn, place) in places.iter_mut().enumerate() {
            if turn % 64 == 0 {
                guard.poll()?;
            }
            if !apart(&hits, place.index, m) {
                continue;
            }
            let most = best.map_or(f64::INFINITY, |best| best.0);
            if place.bound > most {
                continue;
            }
            if !place.known {
                let window = &values[place.index..place.index + m];
                shape.clear();
                shape.extend(window.iter().map(|value| (value - place.mean) * place.scale));
                let distance = query.distance(&shape, most, &mut rows);
                place.known = distance.is_finite();
                // Given up above the best: at least that far.
                place.bound = if place.known { distance } else { place.bound.max(most) };
            }
            let own = (place.bound, place.index);
            if place.known
                && best.is_none_or(|best| own.0.total_cmp(&best.0).then(own.1.cmp(&best.1)).is_lt())
            {
                best = Some(own);
            }
        }
        let Some((squared, index)) = best else { break };
        hits.push(Hit { index, distance: squared.sqrt() });
    }
    Ok(hits)
}

/// A window, with a bound of its squared distance, or the distance itself once it is known.
struct Place {
    index: usize,
    mean: f64,
    scale: f64,
    bound: f64,
    known: bool,
}
