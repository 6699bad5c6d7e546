//! Kernels: merging and aggregating parts. They know blocks and columns, and nothing of queries
//! or of where the parts came from.

pub mod aggregate;
pub mod function;
pub mod guard;
pub mod merge;
pub mod percentile;
pub mod slices;
#[cfg(test)]
pub(crate) mod testing;

pub use aggregate::{Accumulator, FieldPlan};
pub use function::{Function, Needs};
pub use guard::{Guard, Unguarded};
pub use merge::{Group, Rows, merge_every_row, merge_groups, merge_parts, merge_parts_guarded};
