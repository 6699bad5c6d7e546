//! Relations: which series go together, which goes before which.
//!
//! | function | what it says |
//! | --- | --- |
//! | `correlate` | how two fields go together: r, its probability `p` if they did not, pairs `n` |
//! | `cross_correlate` | the same with the second field moved by each lag, both ways |
//! | `correlation_matrix` | of every pair of columns: all fields of all series |
//! | `partial_correlation` | of every pair of fields, given all other fields |
//! | `granger` | whether the past of one field tells more of another than its own past |
//! | `causal_graph` | which past values of which fields each field goes with, given the others |
//! | `regress` | the first field as a sum of the others, now and some steps before |
//!
//! # Missing values
//! Correlations take the pairs that are complete, so that each pair may rest on other rows; the
//! rest take the rows or steps that are complete in all their columns. `n` tells how many. What
//! counts lags puts the rows on a regular grid first ([`super::Grid`]), so that a gap is steps
//! without values, not a jump. An infinity is a missing value where least squares are fitted; a
//! correlation of infinities is none, but ranks know them.
//!
//! # What probabilities mean
//! Those of correlations take pairs to be independent of each other, which values that follow each
//! other in time seldom are: two random walks look related. `cross_correlate` has `effective=true`,
//! which counts fewer pairs the more either field goes with its own past (Bretherton et al. 1999);
//! `granger`, `causal_graph` and `regress(hac=true)` take the past into account in their own ways.
//!
//! # What `causal_graph` assumes
//! No hidden common cause of two fields; the same relations all the time (stationarity); linear
//! relations with errors near normal; no cause that is quicker than a step, except where
//! `contemporaneous=true` shows such links without a direction; no more than `max_lag` steps from
//! cause to effect. Where these fail, a link is an association that the other fields do not explain.

pub mod align;
mod causal_graph;
mod correlate;
mod cross_correlate;
mod granger;
mod kendall;
mod lagged;
mod matrix;
mod partial;
mod pearson;
mod product;
mod regress;
#[cfg(test)]
mod tests;

use crate::analytics::Function;

pub use correlate::Method;

/// Relations, as functions.
pub const FUNCTIONS: &[Function] = &[
    Function { name: "correlate", fields: (2, 2), run: correlate::run },
    Function { name: "cross_correlate", fields: (2, 2), run: cross_correlate::run },
    Function { name: "correlation_matrix", fields: (1, usize::MAX), run: matrix::run },
    Function { name: "partial_correlation", fields: (3, usize::MAX), run: partial::run },
    Function { name: "granger", fields: (2, usize::MAX), run: granger::run },
    Function { name: "causal_graph", fields: (2, usize::MAX), run: causal_graph::run },
    Function { name: "regress", fields: (2, usize::MAX), run: regress::run },
];
