//! Patterns: components, seasons, trends, changes, motifs, shapes and features.

pub mod changepoints;
pub mod classify;
pub mod decompose;
pub mod features;
pub mod matrix_profile;
pub mod motifs;
pub mod search;
pub mod seasons;
pub mod trend;

use crate::analytics::Function;

/// Patterns, as functions.
pub const FUNCTIONS: &[Function] = &[
    seasons::FUNCTION,
    decompose::FUNCTION,
    trend::FUNCTION,
    changepoints::FUNCTION,
    matrix_profile::function::FUNCTION,
    motifs::MOTIFS,
    motifs::DISCORDS,
    search::FUNCTION,
    classify::FUNCTION,
    features::FUNCTION,
];
