//! The correlation of two fields given others: of what those leave of both.

use super::correlate::Method;
use crate::analytics::numeric::distributions::correlation_two_sided;
use crate::analytics::numeric::least_squares::{Factors, center, condensed, dot, greatest};
use crate::analytics::numeric::ranks::ranks;
use crate::analytics::{Column, Input, Options, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// The least part of a column, in length, that conditions must leave.
const LEFT: f64 = 1e-10;

/// Centered columns, in few rows with the same products.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    columns: Vec<Vec<f64>>,
    rows: usize,
}

impl Columns {
    /// Of columns of finite values.
    ///
    /// # Errors
    /// When the guard says to stop.
    pub(super) fn of(mut columns: Vec<Vec<f64>>, guard: &dyn Guard) -> Result<Self> {
        let rows = columns.first().map_or(0, Vec::len);
        for column in &mut columns {
            center(column);
            let most = greatest(column);
            if most > 0.0 {
                column.iter_mut().for_each(|value| *value /= most);
            }
        }
        Ok(Self { columns: condensed(columns, guard)?, rows })
    }

    /// How many rows there were.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The correlation of two columns given others, and its probability if there is none; NaN where
    /// the others leave nothing of either.
    pub(super) fn partial(&self, x: usize, y: usize, given: &[usize]) -> (f64, f64) {
        let (mut a, mut b) = (self.columns[x].clone(), self.columns[y].clone());
        let wholes = [dot(&a, &a), dot(&b, &b)];
        let mut factors = Factors::new(a.len());
        for &at in given {
            factors.push(self.columns[at].clone());
        }
        factors.rotate(&mut a);
        factors.rotate(&mut b);
        let (a, b) = (&a[factors.rank()..], &b[factors.rank()..]);
        let left = [dot(a, a), dot(b, b)];
        if left.iter().zip(wholes).any(|(left, whole)| *left <= LEFT * LEFT * whole) {
            return (f64::NAN, f64::NAN);
        }
        let r = (dot(a, b) / (left[0].sqrt() * left[1].sqrt())).clamp(-1.0, 1.0);
        (r, correlation_two_sided(r, self.rows as f64 - 2.0 - factors.rank() as f64))
    }

    /// Of each pair (0, 1), (0, 2), .. given all the rest.
    fn all(&self, guard: &dyn Guard) -> Result<Vec<(f64, f64)>> {
        let count = self.columns.len();
        let places = || (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
        let mut factors = Factors::new(self.columns.first().map_or(0, Vec::len));
        for column in &self.columns {
            guard.poll()?;
            factors.push(column.clone());
        }
        if factors.rank() < count || self.rows <= count {
            // Some give others: pair by pair, what is left of each is told apart.
            let one = |(a, b): (usize, usize)| {
                guard.poll()?;
                let rest: Vec<usize> = (0..count).filter(|at| *at != a && *at != b).collect();
                Ok(self.partial(a, b, &rest))
            };
            return places().map(one).collect();
        }
        let inverse: Vec<Vec<f64>> = (0..count).map(|at| factors.inverse_row(at)).collect();
        let lengths: Vec<f64> = inverse.iter().map(|row| dot(row, row).sqrt()).collect();
        let df = self.rows as f64 - count as f64;
        Ok(places()
            .map(|(a, b)| {
                let r = -dot(&inverse[a], &inverse[b]) / (lengths[a] * lengths[b]);
                let r = r.clamp(-1.0, 1.0);
                (r, correlation_two_sided(r, df))
            })
            .collect())
    }
}

/// Runs `partial_correlation`; see the module of relations.
pub(super) fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let method = Method::take(options)?;
    if method == Method::Kendall {
        return Err(Error::invalid(
            "partial_correlation has no method \"kendall\"; \"pearson\" and \"spearman\" would work",
        ));
    }
    options.finish("partial_correlation")?;
    Table::each(inputs, guard, |input| {
        let whole = |row: &usize| input.fields.iter().all(|(_, values)| values[*row].is_finite());
        let rows: Vec<usize> = (0..input.times.len()).filter(whole).collect();
        let columns = input.fields.iter().map(|(_, values)| {
            let own: Vec<f64> = rows.iter().map(|row| values[*row]).collect();
            if method == Method::Spearman { ranks(&own) } else { own }
        });
        let found = Columns::of(columns.collect(), guard)?.all(guard)?;
        let count = input.fields.len();
        let places = || (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b)));
        let text = |at: usize| Some(input.fields[at].0.to_owned());
        Ok(Table::new([
            ("a", Column::Text(places().map(|(a, _)| text(a)).collect())),
            ("b", Column::Text(places().map(|(_, b)| text(b)).collect())),
            ("r", Column::Float(found.iter().map(|(r, _)| *r).collect())),
            ("p", Column::Float(found.iter().map(|(_, p)| *p).collect())),
            ("n", Column::Int(vec![rows.len() as i64; found.len()])),
        ]))
    })
}
