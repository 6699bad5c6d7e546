//! What must hold of a footer before anything is counted, allocated or looked up by it.

use super::reader::{CHUNK_ENTRY, SERIES_ENTRY};
use super::{Footer, HEADER, Section, TRAILER};
use crate::error::{Error, Result};
use crate::storage::manifest::SegmentMeta;

/// The footer of a file of `size` bytes, checked against itself and the manifest.
pub(super) fn footer(footer: Footer, size: u64, meta: &SegmentMeta) -> Result<Footer> {
    let wrong = |what: &str| Err(Error::corrupt(format!("footer: {what}")));
    let says = (size, footer.series, footer.rows, footer.points);
    if says != (meta.bytes, meta.series, meta.rows, meta.points)
        || (footer.first_time, footer.last_time) != (meta.first_time, meta.last_time)
    {
        return wrong("it is not the segment that the manifest names");
    }
    let (tags, fields) = (footer.tags.len(), footer.fields.len());
    if footer.dictionaries.len() != tags || footer.postings.len() != tags {
        return wrong("a tag without its dictionary or postings");
    }
    let ascending = |group: &Vec<usize>| group.is_sorted_by(|a, b| a < b);
    if !footer.groups.iter().all(|g| ascending(g) && g.last().is_none_or(|last| *last < fields)) {
        return wrong("a group of fields that there are not");
    }
    if footer.series == 0 || footer.series > footer.chunks || u32::try_from(footer.chunks).is_err()
    {
        return wrong("impossible counts");
    }
    let width = (SERIES_ENTRY + 4 * tags) as u64;
    if footer.series.checked_mul(width) != Some(footer.series_table.len)
        || footer.chunks.checked_mul(CHUNK_ENTRY as u64) != Some(footer.chunk_directory.len)
    {
        return wrong("counts that do not go with the lengths of its sections");
    }
    let inside = |section: &Section| {
        let end = section.offset.checked_add(section.len);
        section.offset >= HEADER as u64
            && end.is_some_and(|end| end <= size.saturating_sub(TRAILER as u64))
    };
    let tables = [&footer.series_table, &footer.chunk_directory, &footer.sums];
    let each = footer.dictionaries.iter().chain(&footer.postings).chain(tables);
    if !each.into_iter().all(inside) {
        return wrong("a section outside of the file");
    }
    Ok(footer)
}
