//! Correlations of many columns at once, by products of matrices, tile by tile.
//!
//! Standardized columns without missing values have r for their product. Pearson's r of columns
//! with missing values is made of six sums over the rows that both have, which are products of the
//! columns, of their squares and of what is present (0 or 1), with 0 for what is missing. These
//! sums lose digits where a column hardly varies over the shared rows beside how far they lie from
//! its mean; such pairs are left to a direct way.

use std::borrow::Cow;

use nalgebra::{DMatrix, DMatrixView};
use rayon::prelude::*;

use super::correlate::Method;
use super::pearson::standardized;
use crate::analytics::numeric::ranks::ranks;
use crate::error::Result;
use crate::kernels::Guard;

/// Columns of a tile.
const TILE: usize = 128;
/// The least part of a sum of squares that must be deviations.
const DEVIATION: f64 = 1e-3;

/// Correlations of columns of one length.
pub(super) struct Product {
    tiles: usize,
    /// Of tiles a <= b, in the order of [`Self::tile`].
    found: Vec<Found>,
    rows: usize,
}

/// Of the columns of two tiles: r, NaN where it was not found; and the rows of both, where these
/// are not all.
struct Found {
    r: DMatrix<f64>,
    n: Option<DMatrix<f64>>,
}

impl Product {
    /// Of columns of one length, NaN for missing values.
    ///
    /// # Errors
    /// What the guard says.
    pub(super) fn of(
        columns: &[Cow<'_, [f64]>],
        method: Method,
        guard: &dyn Guard,
    ) -> Result<Self> {
        let rows = columns.first().map_or(0, |values| values.len());
        let tiles = columns.len().div_ceil(TILE);
        if rows < 2 || method == Method::Kendall {
            return Ok(Self { tiles, found: Vec::new(), rows });
        }
        let bytes = columns.len() * (3 * rows + columns.len()) * size_of::<f64>();
        guard.charge(bytes)?;
        let prepared = columns
            .par_chunks(TILE)
            .map(|columns| {
                guard.poll()?;
                Ok(Tile::of(columns, rows, method))
            })
            .collect::<Result<Vec<_>>>()?;
        let places: Vec<(usize, usize)> =
            (0..tiles).flat_map(|a| (a..tiles).map(move |b| (a, b))).collect();
        let one = |(a, b): (usize, usize)| prepared[a].product(&prepared[b], guard);
        let found = places.into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
        guard.release(bytes);
        Ok(Self { tiles, found, rows })
    }

    fn tile(&self, a: usize, b: usize) -> usize {
        // The tiles of the rows above, and those of this row before it.
        a * self.tiles - a * a.saturating_sub(1) / 2 + b - a
    }

    /// r and the number of pairs of columns a < b; `None` where it is to be found directly.
    pub(super) fn found(&self, a: usize, b: usize) -> Option<(f64, usize)> {
        let found = self.found.get(self.tile(a / TILE, b / TILE))?;
        let place = (a % TILE, b % TILE);
        let r = found.r[place];
        let n = found.n.as_ref().map_or(self.rows, |n| n[place] as usize);
        (!r.is_nan()).then_some((r, n))
    }
}

/// Some columns, standardized.
struct Tile {
    rows: usize,
    count: usize,
    /// One below the other; all 0 for a column that has no product.
    values: Vec<f64>,
    /// Whether a column has one.
    usable: Vec<bool>,
    /// Where values are missing: squares, and 1 for what is present.
    holes: Option<(Vec<f64>, Vec<f64>)>,
}

impl Tile {
    fn of(columns: &[Cow<'_, [f64]>], rows: usize, method: Method) -> Self {
        let mut tile = Self {
            rows,
            count: columns.len(),
            values: vec![0.0; columns.len() * rows],
            usable: vec![false; columns.len()],
            holes: None,
        };
        let mut missing = false;
        for (at, column) in columns.iter().enumerate() {
            let present: Vec<f64> = column.iter().copied().filter(|v| !v.is_nan()).collect();
            let whole = present.len() == rows;
            let own = match method {
                // Ranks of what both have are other ranks.
                Method::Spearman if !whole => None,
                Method::Spearman => standardized(&ranks(&present)),
                _ => standardized(&present),
            };
            let Some(own) = own else { continue };
            missing |= !whole;
            tile.usable[at] = true;
            let out = tile.values[at * rows..(at + 1) * rows].iter_mut();
            let slots = out.zip(column.iter()).filter(|(_, value)| !value.is_nan());
            for ((out, _), value) in slots.zip(own) {
                *out = value;
            }
        }
        if missing {
            let squares = tile.values.iter().map(|value| value * value).collect();
            let there = |value: &f64| if value.is_nan() { 0.0 } else { 1.0 };
            let present = columns.iter().flat_map(|column| column.iter().map(there)).collect();
            tile.holes = Some((squares, present));
        }
        tile
    }

    fn view<'a>(&self, values: &'a [f64]) -> DMatrixView<'a, f64> {
        DMatrixView::from_slice(values, self.rows, self.count)
    }

    fn product(&self, other: &Self, guard: &dyn Guard) -> Result<Found> {
        let times = |a: &[f64], b: &[f64]| {
            guard.poll()?;
            Ok(self.view(a).tr_mul(&other.view(b)))
        };
        let mut r = times(&self.values, &other.values)?;
        let mut n = None;
        if self.holes.is_some() || other.holes.is_some() {
            let own = self.with_holes();
            let its = other.with_holes();
            let count = times(&own.1, &its.1)?;
            let (x, y) = (times(&self.values, &its.1)?, times(&own.1, &other.values)?);
            let (xx, yy) = (times(&own.0, &its.1)?, times(&own.1, &its.0)?);
            for (at, r) in r.iter_mut().enumerate() {
                let (n, x, y) = (count[at], x[at], y[at]);
                let (whole_x, whole_y) = (n * xx[at], n * yy[at]);
                let (of_x, of_y) = (whole_x - x * x, whole_y - y * y);
                *r = if n >= 2.0 && of_x > DEVIATION * whole_x && of_y > DEVIATION * whole_y {
                    (n * *r - x * y) / (of_x.sqrt() * of_y.sqrt())
                } else {
                    f64::NAN
                };
            }
            n = Some(count);
        }
        for (b, usable) in other.usable.iter().enumerate() {
            for (a, own) in self.usable.iter().enumerate() {
                let r = &mut r[(a, b)];
                *r = if *own && *usable { r.clamp(-1.0, 1.0) } else { f64::NAN };
            }
        }
        Ok(Found { r, n })
    }

    fn with_holes(&self) -> Cow<'_, (Vec<f64>, Vec<f64>)> {
        match &self.holes {
            Some(holes) => Cow::Borrowed(holes),
            None => Cow::Owned((
                self.values.iter().map(|value| value * value).collect(),
                vec![1.0; self.values.len()],
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_correlation_of_the_rows_that_both_have(
            columns in (2..7usize, 2..30usize).prop_flat_map(|(k, n)| {
                let one = prop_oneof![4 => -5.0..5.0f64, 1 => Just(f64::NAN), 1 => Just(2.0)];
                prop::collection::vec(prop::collection::vec(one, n), k)
            }),
            far in prop_oneof![Just(0.0), Just(1e6)],
            spearman in any::<bool>(),
        ) {
            let columns: Vec<Cow<'_, [f64]>> = columns
                .into_iter()
                .map(|column| Cow::Owned(column.into_iter().map(|v| v + far).collect()))
                .collect();
            let method = if spearman { Method::Spearman } else { Method::Pearson };
            let guard = crate::kernels::Unguarded;
            let product = Product::of(&columns, method, &guard).expect("unguarded");
            for a in 0..columns.len() {
                for b in a + 1..columns.len() {
                    let (x, y): (Vec<f64>, Vec<f64>) = columns[a]
                        .iter()
                        .zip(columns[b].iter())
                        .filter(|(x, y)| !x.is_nan() && !y.is_nan())
                        .unzip();
                    let (r, _) = method.of(&x, &y);
                    if let Some((found, n)) = product.found(a, b) {
                        prop_assert_eq!(n, x.len());
                        prop_assert!((found - r).abs() < 1e-8, "{} {}", found, r);
                    }
                }
            }
        }
    }

    #[test]
    fn many_tiles_are_each_in_their_place() {
        let rows = 40;
        let value = |column: usize, row: usize| ((column * 31 + row * row * 7) % 101) as f64;
        let columns: Vec<Cow<'_, [f64]>> = (0..2 * TILE + 50)
            .map(|column| {
                let hole = |row| column % 5 == 0 && row % 9 == column % 9;
                let of = |row| if hole(row) { f64::NAN } else { value(column, row) };
                Cow::Owned((0..rows).map(of).collect())
            })
            .collect();
        let guard = crate::kernels::Unguarded;
        let product = Product::of(&columns, Method::Pearson, &guard).expect("unguarded");
        for a in (0..columns.len()).step_by(13) {
            for b in a + 1..columns.len() {
                let pairs = columns[a].iter().zip(columns[b].iter());
                let (x, y): (Vec<f64>, Vec<f64>) =
                    pairs.filter(|(x, y)| !x.is_nan() && !y.is_nan()).unzip();
                let (r, n) = product.found(a, b).expect("varies");
                assert!((r - Method::Pearson.of(&x, &y).0).abs() < 1e-12, "{a} {b}");
                assert_eq!(n, x.len());
            }
        }
    }
}
