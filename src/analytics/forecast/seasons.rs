//! Seasons of a history for which none are given.

use crate::analytics::pattern::seasons::find;

/// The most seasons that are looked for.
const MOST: usize = 2;

/// The lengths of the seasons of values at equal steps, the shortest first. Steps of which a whole
/// number (`yearly`) makes a year of the calendar are taken to have a yearly season once two years
/// are there; other seasons must stand out of noise ([`find`]).
pub(super) fn seasons(values: &[f64], yearly: Option<usize>) -> Vec<usize> {
    match yearly {
        Some(steps) if values.len() >= 2 * steps => vec![steps],
        Some(_) => Vec::new(),
        None => find(values, MOST).iter().map(|season| season.period).collect(),
    }
}
