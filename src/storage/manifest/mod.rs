//! Manifests: version N of a database lists its tables, live segments and tombstones.
//!
//! A version is committed by making the object `manifest/{N:020}`, which fails when another writer
//! made it first; it never changes after that. Readers take the newest, or an older one by number.
//! `FORMAT.md` has the bytes.

mod commit;
mod frame;
mod place;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{SeriesKey, TableSchema, TimeRange, Timestamp};

pub use commit::{
    commit, latest, load, newer_version, newest_version, path, remove, remove_before, versions,
};
pub use place::{ColdPlace, Tier, file_path, segment_number, segment_path, unique_name};

/// The folder of the manifests.
pub const FOLDER: &str = "manifest";

/// One version of a database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its number; the first is 1.
    pub version: u64,
    /// When it was committed, in nanoseconds since the epoch, UTC.
    pub created: Timestamp,
    /// The oldest version that can still be read whole.
    pub history_from: u64,
    /// The id that the next segment gets; ids are never used twice.
    pub next_segment: u64,
    /// The order that the next flushed data gets.
    pub next_order: u64,
    /// The number of the first write-ahead log file that segments don't cover.
    pub wal_from: u64,
    /// The tables by name.
    pub tables: BTreeMap<String, TableState>,
    /// Each stream source's position up to which its data is in this version.
    pub offsets: BTreeMap<String, String>,
    /// Where segments of the cold tier are, once the database was given such a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<ColdPlace>,
}

/// One table in a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    /// Its tags, fields and policies.
    pub schema: TableSchema,
    /// Its live segments, ascending by order.
    pub segments: Vec<Arc<SegmentMeta>>,
    /// Deletions that are not physical yet.
    pub tombstones: Vec<Tombstone>,
}

/// A segment and what pruning asks of it before it is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentMeta {
    /// Its number, which names its file.
    pub id: u64,
    /// Of two rows with the same series and time, the one with the higher order came later.
    pub order: u64,
    /// Tombstones up to this order were applied when it was written.
    pub erased: u64,
    /// The size of its file.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Its values that are not null.
    pub points: u64,
    /// Its series.
    pub series: u64,
    /// The time of its first row.
    pub first_time: Timestamp,
    /// The time of its last row, itself inside.
    pub last_time: Timestamp,
    /// All of its chunks are in the cold form, which is a codec and no place: see [`Self::tier`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cold: bool,
    /// The store that its file is in.
    #[serde(default, skip_serializing_if = "Tier::is_local")]
    pub tier: Tier,
    /// The name of its file where the id alone does not make it: of a segment on an object store,
    /// where several writers may take one id, and of the cold tier. Empty elsewhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
}

impl SegmentMeta {
    /// The path of its file in the store of its tier.
    pub fn path(&self) -> String {
        file_path(self.id, &self.file)
    }
}

/// A deletion: hides rows until a compaction leaves them out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// It hides rows of segments with this order or a lower one; later rows are new.
    pub order: u64,
    /// The times that it hides.
    #[serde(with = "RangeFields")]
    pub range: TimeRange,
    /// The series that it hides: those with, for every tag named here, one of its values, `None`
    /// for a series without the tag. An empty list is every series.
    pub filter: Vec<(String, Vec<Option<String>>)>,
    /// What it hides was not deleted but is past its age, and where the table has a policy it is in
    /// this version as aggregates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
}

impl Tombstone {
    /// Whether it can hide rows of a segment: the segment's rows are older, and were not rid of
    /// what it hides when the segment was written.
    pub fn hides(&self, segment: &SegmentMeta) -> bool {
        let later = crate::planted::is(crate::planted::Bug::TombstoneHidesLaterRows);
        segment.order <= self.order + u64::from(later)
            && self.order > segment.erased
            && self.range.overlaps(segment.first_time, segment.last_time)
    }

    /// Whether it hides rows of a series.
    pub fn matches(&self, schema: &TableSchema, key: &SeriesKey) -> bool {
        self.filter.iter().all(|(tag, values)| {
            let at = schema.tags.iter().position(|known| known == tag);
            let own = at.and_then(|at| key.tags.get(at)).and_then(Option::as_deref);
            values.iter().any(|value| value.as_deref() == own)
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "TimeRange")]
struct RangeFields {
    start: Timestamp,
    end: Option<Timestamp>,
}

impl Manifest {
    /// The segments of all tables.
    pub fn segments(&self) -> impl Iterator<Item = &Arc<SegmentMeta>> {
        self.tables.values().flat_map(|table| &table.segments)
    }

    /// Gives a table this schema, and makes the table when it is new.
    pub fn set_schema(&mut self, schema: TableSchema) {
        match self.tables.get_mut(&schema.name) {
            Some(table) => table.schema = schema,
            None => {
                let (segments, tombstones) = (Vec::new(), Vec::new());
                let name = schema.name.clone();
                self.tables.insert(name, TableState { schema, segments, tombstones });
            }
        }
    }

    /// Whether a segment is in the cold tier.
    pub fn has_cold(&self) -> bool {
        self.segments().any(|meta| meta.tier == Tier::Cold)
    }

    /// Checks what every version keeps to: segment ids that are unique and below `next_segment`,
    /// names of files that are their own, a place for the cold tier where a segment is in it,
    /// orders that ascend and stay below `next_order`, schemas that work, tombstones of tags that
    /// the table has, and a history that does not begin after this version.
    ///
    /// # Errors
    /// [`Error::Corrupt`] with the first thing that is wrong.
    pub fn check(&self) -> Result<()> {
        let wrong =
            |what: String| Err(Error::corrupt(format!("manifest {}: {what}", self.version)));
        if self.version == 0 || self.history_from > self.version {
            return wrong(format!("its history begins at {}", self.history_from));
        }
        let (mut ids, mut names) = (HashSet::new(), HashSet::new());
        if self.cold.is_none() && self.has_cold() {
            return wrong("it has a cold segment and names no place for it".to_owned());
        }
        for (name, table) in &self.tables {
            if *name != table.schema.name {
                return wrong(format!("table {name:?} calls itself {:?}", table.schema.name));
            }
            if let Err(e) = table.schema.check() {
                return wrong(e.to_string());
            }
            let mut last_order = 0;
            for s in &table.segments {
                if s.id >= self.next_segment || !ids.insert(s.id) {
                    return wrong(format!("segment {} is named twice or not yet", s.id));
                }
                if !place::works(&s.file) || (s.tier == Tier::Cold && s.file.is_empty()) {
                    return wrong(format!("segment {} has the file {:?}", s.id, s.file));
                }
                if !s.file.is_empty() && !names.insert(&s.file) {
                    return wrong(format!("the file {:?} is two segments", s.file));
                }
                if s.order < last_order || s.order >= self.next_order {
                    return wrong(format!("segment {} has order {} out of turn", s.id, s.order));
                }
                if s.first_time > s.last_time {
                    return wrong(format!("segment {} ends before it begins", s.id));
                }
                last_order = s.order;
            }
            let tags = table.tombstones.iter().flat_map(|t| &t.filter).map(|(tag, _)| tag);
            if let Some(tag) = tags.into_iter().find(|tag| !table.schema.tags.contains(tag)) {
                return wrong(format!("a tombstone of table {name:?} names the tag {tag:?}"));
            }
        }
        Ok(())
    }
}
