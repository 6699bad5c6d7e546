//! `isolation_forest`: the forest over the rows of one or more fields.

use super::{Growth, IsolationForest};
use crate::analytics::{Column, Function, Input, Options, Table};
use crate::error::Result;
use crate::kernels::Guard;

/// `isolation_forest`: time and score of each row, by a forest grown from all rows of its series.
/// The score is the paper's: about 0.5 is usual, towards 1 is unusual; it is not that of `detect`.
/// Options: `trees` (100), `samples` (256 rows a tree), `seed` (0).
pub(in super::super) const FUNCTION: Function =
    Function { name: "isolation_forest", fields: (1, 64), run };

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let growth = Growth::take(options)?;
    options.finish("isolation_forest")?;
    let rows: usize = inputs.iter().map(|input| input.times.len()).sum();
    // Two columns, and the rows that have all values.
    guard.charge(rows.saturating_mul(24))?;
    let table = Table::each(inputs, guard, |input| {
        let columns: Vec<&[f64]> = input.fields.iter().map(|(_, values)| *values).collect();
        let forest = IsolationForest::fit(&columns, &growth, guard)?;
        let score = forest.score(&columns, guard)?;
        Ok(Table::new([
            ("time", Column::Time(input.times.to_vec())),
            ("score", Column::Float(score)),
        ]))
    });
    guard.release(rows.saturating_mul(24));
    table
}
