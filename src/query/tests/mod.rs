//! Queries against a source in memory, and against row-by-row computations.

mod aggregate;
mod fill;
mod memory;
mod relate;
mod rows;
