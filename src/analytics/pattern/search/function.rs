//! Search as a function.

use super::{euclidean, warped};
use crate::analytics::{Column, Function, Input, Options, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// `search`: options `query` (required), `measure`, `k` (5), `band` (0.1).
pub(in crate::analytics::pattern) const FUNCTION: Function =
    Function { name: "search", fields: (1, 1), run };

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let Some(query) = options.numbers("query")? else {
        return Err(Error::invalid("search needs query, the list of numbers to look for"));
    };
    let measure = options.choice("measure", &["z", "dtw"])?;
    let k = options.count("k", 1)?.unwrap_or(5);
    let band = options.fraction("band", 0.1)?;
    options.finish("search")?;
    let band = (band * query.len() as f64).floor() as usize;
    Table::each(inputs, guard, |input| {
        let hits = match measure {
            "dtw" => warped(input.values(), &query, k, band, guard)?,
            _ => euclidean(input.values(), &query, k, guard)?,
        };
        let time = |at: usize| input.times[at];
        Ok(Table::new([
            ("rank", Column::Int((1..=hits.len() as i64).collect())),
            ("time", Column::Time(hits.iter().map(|hit| time(hit.index)).collect())),
            (
                "end",
                Column::Time(hits.iter().map(|hit| time(hit.index + query.len() - 1)).collect()),
            ),
            ("index", Column::Int(hits.iter().map(|hit| hit.index as i64).collect())),
            ("distance", Column::Float(hits.iter().map(|hit| hit.distance).collect())),
        ]))
    })
}
