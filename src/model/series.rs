//! Series keys: the canonical encoding of a table and its tags, and its 128-bit id.

use xxhash_rust::xxh3::xxh3_128;

/// The 128-bit hash of a series key, the same in every process.
pub type SeriesId = u128;

/// The tags of one series, one slot a tag of the table; `None` where the series lacks the tag.
///
/// Ordered by its values in the table's tag order, an absent tag first: the order of segments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey {
    /// One value a tag of the table, in the table's order.
    pub tags: Box<[Option<Box<str>>]>,
}

impl SeriesKey {
    /// From one value a tag, in the table's order.
    pub fn new<S: AsRef<str>>(tags: impl IntoIterator<Item = Option<S>>) -> Self {
        Self { tags: tags.into_iter().map(|t| t.map(|v| v.as_ref().into())).collect() }
    }

    /// The canonical bytes: the table's name, then each tag that is present, sorted by tag name,
    /// as name and value; every string behind its length as u32 little-endian.
    pub fn canonical(&self, table: &str, tag_names: &[String]) -> Vec<u8> {
        let mut present: Vec<(&str, &str)> = tag_names
            .iter()
            .zip(&self.tags)
            .filter_map(|(name, value)| value.as_deref().map(|v| (name.as_str(), v)))
            .collect();
        present.sort_unstable();
        let mut bytes = Vec::with_capacity(64);
        let strings = std::iter::once(table).chain(present.into_iter().flat_map(|(n, v)| [n, v]));
        for text in strings {
            let len = u32::try_from(text.len()).expect("a tag is shorter than 4 GiB");
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }

    /// The id: XXH3-128 of [`Self::canonical`].
    pub fn id(&self, table: &str, tag_names: &[String]) -> SeriesId {
        xxh3_128(&self.canonical(table, tag_names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_ignores_tag_order_and_absent_tags() {
        let names = |n: &[&str]| n.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let a = SeriesKey::new([Some("web"), Some("eu")]);
        let b = SeriesKey::new([Some("eu"), None, Some("web")]);
        let id = a.id("cpu", &names(&["host", "region"]));
        assert_eq!(id, b.id("cpu", &names(&["region", "rack", "host"])));
        assert_ne!(id, a.id("mem", &names(&["host", "region"])));
    }

    #[test]
    fn lengths_keep_neighbours_apart() {
        let names = vec!["a".to_owned(), "b".to_owned()];
        let x = SeriesKey::new([Some("12"), Some("3")]);
        let y = SeriesKey::new([Some("1"), Some("23")]);
        assert_ne!(x.id("t", &names), y.id("t", &names));
    }
}
