//! Analytics: anomalies, forecasts, patterns and relations. Works on columns; knows no storage.
//!
//! Every analysis is a [`Function`]: series in, options by name, one [`Table`] out. The same list
//! ([`functions`]) serves arrays, the database's verbs and the query language, so that names and
//! options are the same three ways. A missing value is NaN; a gap is a time that is not there.

pub mod anomaly;
pub mod forecast;
mod function;
mod grid;
pub mod lstm;
pub mod numeric;
mod options;
pub mod pattern;
pub mod relation;

pub use function::{Column, Function, Input, Table, function, functions};
pub use grid::Grid;
pub use options::{Options, Value};
