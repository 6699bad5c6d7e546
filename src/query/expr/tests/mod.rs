//! Expressions against values that DuckDB gave, and against a row by row twin.

mod build;
mod casts;
mod columns;
mod functions;
mod operators;
mod show;
mod times;
mod twin;
