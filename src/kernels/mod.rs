//! Kernels: merging and aggregating parts. They know blocks and columns, and nothing of queries
//! or of where the parts came from.

pub mod aggregate;
pub mod filter;
pub mod function;
pub mod guard;
pub mod merge;
pub mod partial;
pub mod percentile;
pub mod slices;
#[cfg(test)]
pub(crate) mod testing;

pub use aggregate::{
    Accumulator, Ask, Bins, BlockStats, Bucketing, Cells, InputPlan, Lists, PairNeeds, PairPlan,
    Plan, RowMap, Source,
};
pub use filter::Verdict;
pub use function::{Function, Needs, Output};
pub use guard::{Guard, Unguarded};
pub use merge::{Group, Rows, merge_every_row, merge_groups, merge_parts, merge_parts_guarded};
pub use partial::{Partial, Partials, Roller, partial_fields};
