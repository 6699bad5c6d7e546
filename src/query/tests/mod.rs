//! Queries against a source in memory, and against row-by-row computations.

mod aggregate;
mod fill;
mod language;
mod memory;
mod predicate;
mod relate;
mod rows;
