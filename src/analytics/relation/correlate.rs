//! The correlation of two fields.

use super::align;
use super::kendall::kendall;
use super::pearson::pearson;
use crate::analytics::numeric::distributions::correlation_two_sided;
use crate::analytics::numeric::ranks::ranks;
use crate::analytics::{Column, Input, Options, Table};
use crate::error::Result;
use crate::kernels::Guard;

/// How two columns go together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// In a line: Pearson's r.
    Pearson,
    /// In their order: Pearson's r of ranks, ties sharing the mean of theirs.
    Spearman,
    /// In their order, pair by pair: Kendall's tau-b.
    Kendall,
}

impl Method {
    /// The option `method`.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] for another word.
    pub fn take(options: &mut Options) -> Result<Self> {
        Ok(match options.choice("method", &["pearson", "spearman", "kendall"])? {
            "spearman" => Self::Spearman,
            "kendall" => Self::Kendall,
            _ => Self::Pearson,
        })
    }

    /// The correlation of pairs without NaN, and the probability of one at least as far from 0 if
    /// the pairs were independent of each other and of themselves. NaN for fewer than two pairs and
    /// where either side does not vary.
    pub fn of(self, x: &[f64], y: &[f64]) -> (f64, f64) {
        let r = match self {
            Self::Pearson => pearson(x, y),
            Self::Spearman => pearson(&ranks(x), &ranks(y)),
            Self::Kendall => return kendall(x, y),
        };
        (r, correlation_two_sided(r, x.len() as f64 - 2.0))
    }
}

/// Runs `correlate`; see the module of relations.
pub(super) fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let method = Method::take(options)?;
    let tolerance = options.duration("tolerance")?.map(i64::unsigned_abs);
    options.finish("correlate")?;
    Table::each(inputs, guard, |input| {
        let [(_, x), (_, y), ..] = input.fields else { return Ok(table(None)) };
        let pairs = align::of_rows(input.times, x, y, tolerance);
        let (r, p) = method.of(&pairs.0, &pairs.1);
        Ok(table(Some((r, p, pairs.0.len() as i64))))
    })
}

fn table(row: Option<(f64, f64, i64)>) -> Table {
    Table::new([
        ("r", Column::Float(row.iter().map(|row| row.0).collect())),
        ("p", Column::Float(row.iter().map(|row| row.1).collect())),
        ("n", Column::Int(row.iter().map(|row| row.2).collect())),
    ])
}
