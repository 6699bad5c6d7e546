//! Series by the values of some of their tags.

use std::collections::BTreeMap;

use crate::query::SeriesRef;

/// The series whose tags of `by` hold the same values.
#[derive(Debug)]
pub(crate) struct Group {
    /// One value a tag of `by`.
    pub(crate) key: Vec<Option<Box<str>>>,
    /// Its series, in the order given.
    pub(crate) series: Vec<SeriesRef>,
}

/// Groups ordered by their values, an absent tag first. `by` are positions of tags.
pub(crate) fn groups(series: Vec<SeriesRef>, by: &[usize]) -> Vec<Group> {
    let mut groups: BTreeMap<Vec<Option<Box<str>>>, Vec<SeriesRef>> = BTreeMap::new();
    for one in series {
        let key = by.iter().map(|&tag| one.key.tags.get(tag).cloned().flatten()).collect();
        groups.entry(key).or_default().push(one);
    }
    groups.into_iter().map(|(key, series)| Group { key, series }).collect()
}
