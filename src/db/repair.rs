//! Repair: a damaged database goes on with everything that can be verified.
//!
//! All that is damaged is kept in `quarantine/` first. Then one commit puts a version in place that
//! names only what is whole; until then nothing has changed, and a repair that was cut short is
//! simply made again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::Database;
use super::adopt::adopt;
use super::open::apply;
use super::state::State;
use crate::error::{Error, Result};
use crate::model::{Downsample, Duplicates, FieldDef, SeriesKey, TableSchema, Timestamp};
use crate::storage::manifest::{self, Manifest, SegmentMeta, Tier};
use crate::storage::segment::{Segment, SegmentWriter};
use crate::storage::vfs::Store;
use crate::storage::wal::{self, WalEntry, mark};

/// The folder of what was damaged.
const FOLDER: &str = "quarantine";

/// A file that was damaged, kept for whoever wants to look into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// The file, relative to the database.
    pub file: String,
    /// Where it is now; `None` when it was missing.
    pub kept: Option<String>,
    /// What is wrong with it.
    pub what: String,
}

/// Rows that are gone, as precisely as what is whole can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The file that held them, relative to the database.
    pub file: String,
    /// The table; `None` where nobody knows, as in a log.
    pub table: Option<String>,
    /// The series: each of its tags with its value; `None` when it can be any of the table.
    pub series: Option<BTreeMap<String, String>>,
    /// The first and the last of their times; `None` where nobody knows.
    pub span: Option<(Timestamp, Timestamp)>,
    /// At most so many rows; `None` where nobody knows.
    pub rows: Option<u64>,
    /// What happened to them.
    pub what: String,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repair {
    /// The files that were damaged.
    pub quarantined: Vec<Quarantined>,
    /// The rows that are gone.
    pub lost: Vec<Loss>,
    /// The version that was committed; `None` when nothing was damaged.
    pub version: Option<u64>,
}

/// A repair before its commit.
#[derive(Debug)]
pub(super) struct Prepared {
    report: Repair,
    /// As if it were the newest version: the commit on top of it is the first whole one.
    base: Manifest,
    state: Option<State>,
    next_wal: u64,
    /// Files that go once the commit is through.
    remove: Vec<String>,
}

impl Prepared {
    pub(super) fn take_state(&mut self) -> State {
        self.state.take().unwrap_or_else(|| State::new(self.base.clone()))
    }

    pub(super) fn next_wal(&self) -> u64 {
        self.next_wal
    }

    pub(super) fn base(&self) -> &Manifest {
        &self.base
    }
}

/// What is found out before anything is done.
struct Plan<'a> {
    store: &'a Arc<dyn Store>,
    report: Repair,
    base: Manifest,
    /// Whether `base` stands in for a damaged newer version.
    fell_back: bool,
    history_from: u64,
    remove: Vec<String>,
}

/// Finds out what is damaged and writes what replaces it; `None` when all is well.
pub(super) fn prepare(store: &Arc<dyn Store>) -> Result<Option<Prepared>> {
    let Some(mut plan) = Plan::of_manifests(store)? else { return Ok(None) };
    let known = plan.base.clone();
    let mut state = State::new(Manifest::default());
    let mut entries = Vec::new();
    let mut next_wal = known.wal_from;
    if store.is_local() {
        (entries, next_wal) = plan.logs()?;
    }
    plan.segments()?;
    if plan.fell_back {
        plan.know(&entries);
        adopt(store, &mut plan.base, &entries, &mut plan.report, &mut plan.remove)?;
    }
    if plan.report == Repair::default() {
        return Ok(None);
    }
    plan.quarantine()?;
    // The version that is committed is one above this.
    let newest = plan.base.version.saturating_add(1);
    plan.base.history_from = plan.base.history_from.max(plan.history_from).min(newest);
    let base = Arc::new(plan.base.clone());
    for entry in entries {
        apply(&mut state, &base, entry)?;
    }
    let mut found = State::new(plan.base.clone());
    found.head = state.head;
    if !found.head.is_empty() {
        found.head_since = Some(Instant::now());
    }
    Ok(Some(Prepared {
        report: plan.report,
        base: plan.base,
        state: Some(found),
        next_wal,
        remove: plan.remove,
    }))
}

/// The error of an open with what a repair would make of it.
pub(super) fn advise(store: &Arc<dyn Store>, error: Error) -> Error {
    let Error::Corrupt(message) = &error else { return error };
    let outlook = Plan::of_manifests(store).and_then(|plan| {
        let Some(mut plan) = plan else { return Ok(Repair::default()) };
        if store.is_local() {
            plan.logs()?;
        }
        Ok(plan.report)
    });
    match outlook {
        Ok(report) if !report.quarantined.is_empty() => {
            let lost: Vec<String> =
                report.lost.iter().map(|l| format!("{}: {}", l.file, l.what)).collect();
            let cost = if lost.is_empty() {
                "as far as manifests and logs show, nothing is lost by it".to_owned()
            } else {
                format!("that would lose {}", lost.join("; "))
            };
            Error::Corrupt(format!(
                "{message}. Opening it with repair=True (`kymograph repair`) quarantines what is \
                 damaged and goes on with the rest: {cost}"
            ))
        }
        _ => error,
    }
}

impl<'a> Plan<'a> {
    /// The newest whole version, with the damaged ones noted; `None` for an empty database.
    fn of_manifests(store: &'a Arc<dyn Store>) -> Result<Option<Self>> {
        let versions = manifest::versions(store.as_ref())?;
        let Some(listed) = versions.last().copied() else {
            return match store.list("segment/")?.is_empty() {
                true => Ok(None),
                false => Err(Error::corrupt(format!(
                    "{} has no manifest at all, and without one nobody knows what its segments \
                     are worth; put its folder manifest/ back from a backup",
                    store.describe()
                ))),
            };
        };
        let (mut report, mut base, mut history_from) = (Repair::default(), None, 0);
        let marked = if store.is_local() { wal::marked_version(store.as_ref())? } else { None };
        let newest = marked.map_or(listed, |marked| marked.max(listed));
        if newest > listed {
            let why = Error::corrupt("the file is missing, and a mark of the log tells of it");
            report.damaged(&manifest::path(newest), &why);
            history_from = newest.saturating_add(1);
        }
        for version in versions.iter().rev() {
            match manifest::load(store.as_ref(), *version) {
                Ok(found) => {
                    if base.is_none() {
                        base = Some(found);
                    }
                }
                Err(error @ (Error::Corrupt(_) | Error::NotFound(_))) => {
                    report.damaged(&manifest::path(*version), &error);
                    history_from = history_from.max(version + 1);
                }
                Err(error) => return Err(error),
            }
        }
        let Some(mut base) = base else {
            return Err(Error::corrupt(format!(
                "every manifest of {} is damaged, and without one nobody knows what its segments \
                 are worth; put one back from a backup",
                store.describe()
            )));
        };
        // The version that is lost may have expired some that its predecessor still counts.
        let counted = if base.version < newest { 0..0 } else { base.history_from..base.version };
        for version in counted {
            if !versions.contains(&version) {
                let why = Error::corrupt("the file is missing: versions have no gaps");
                report.damaged(&manifest::path(version), &why);
                history_from = history_from.max(version + 1);
            }
        }
        let fell_back = base.version < newest;
        if fell_back {
            let what = format!(
                "what version {newest} changed since version {} is undone, but for the rows that \
                 can be found",
                base.version
            );
            report.lost.push(Loss {
                file: manifest::path(newest),
                table: None,
                series: None,
                span: None,
                rows: None,
                what,
            });
        }
        base.version = newest;
        let remove = Vec::new();
        Ok(Some(Self { store, report, base, fell_back, history_from, remove }))
    }

    /// The log's valid entries and the number of the next file.
    fn logs(&mut self) -> Result<(Vec<WalEntry>, u64)> {
        let (store, from) = (self.store.as_ref(), self.base.wal_from);
        let files = wal::files(store)?;
        let marks = mark::numbers(store)?;
        let mut next = from;
        for number in files.iter().chain(&marks) {
            next = next.max(number.saturating_add(1));
        }
        // Before a version that is lost, logs that are gone are what its flushes covered.
        let missing = if self.fell_back { Vec::new() } else { wal::missing(store, from)? };
        for (path, why) in missing {
            self.report.quarantined.push(Quarantined {
                file: path.clone(),
                kept: None,
                what: why.clone(),
            });
            self.report.lost.push(Loss::of_log(&path, why));
        }
        for number in marks.into_iter().filter(|number| *number >= from) {
            if let wal::Marked::Damaged(why) = mark::read(store, number)? {
                self.report.damaged(&mark::path(number), &Error::corrupt(why));
            }
        }
        let mut entries = Vec::new();
        for number in files.into_iter().filter(|number| *number >= from) {
            match wal::read_entries(store, number, 0) {
                Ok(read) => entries.extend(read.entries.into_iter().map(|(_, entry)| entry)),
                Err(error @ Error::Corrupt(_)) => {
                    let path = wal::path(number);
                    self.report.damaged(&path, &error);
                    let salvaged = wal::salvage(store, number)?;
                    let kept = salvaged.entries.len();
                    entries.extend(salvaged.entries.into_iter().map(|(_, entry)| entry));
                    for lost in salvaged.lost.iter().filter(|lost| lost.records != Some(0)) {
                        let wal::Lost { at, end, records, why } = lost;
                        let how_many = match records {
                            Some(1) => "1 write".to_owned(),
                            Some(n) => format!("{n} writes"),
                            None => "one write or more".to_owned(),
                        };
                        let what = format!(
                            "{how_many} in bytes {at} to {end} ({why}); {kept} others are whole"
                        );
                        self.report.lost.push(Loss::of_log(&path, what));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok((entries, next))
    }

    /// Replaces each damaged segment by one of its undamaged chunks.
    fn segments(&mut self) -> Result<()> {
        let listed = self.store.list("segment/")?;
        let on_disk = listed.iter().filter_map(|entry| manifest::segment_number(&entry.path));
        let next = on_disk.max().map_or(0, |id| id.saturating_add(1));
        self.base.next_segment = self.base.next_segment.max(next);
        let current = self.base.clone();
        let mut seen = HashSet::new();
        for (name, table) in &current.tables {
            for (at, meta) in table.segments.iter().enumerate() {
                seen.insert(meta.id);
                if let Some(error) = damage(self.store, meta, Some(&table.schema))? {
                    let replaced = self.salvage(meta, &table.schema, &error)?;
                    if let Some(table) = self.base.tables.get_mut(name) {
                        table.segments[at] = Arc::new(replaced);
                    }
                    // Every version up to this one may list it.
                    self.history_from = self.base.version.saturating_add(1);
                }
            }
        }
        // A salvage that saved nothing has no rows.
        for table in self.base.tables.values_mut() {
            table.segments.retain(|meta| meta.rows > 0);
        }
        self.older(&current, &mut seen)
    }

    /// Segments that only older versions list: a damaged one ends the history before it.
    fn older(&mut self, current: &Manifest, seen: &mut HashSet<u64>) -> Result<()> {
        let from = self.history_from.max(current.history_from);
        for version in manifest::versions(self.store.as_ref())?.into_iter().rev() {
            if version < from || version >= current.version {
                continue;
            }
            let Ok(older) = manifest::load(self.store.as_ref(), version) else { continue };
            for meta in older.tables.values().flat_map(|table| &table.segments) {
                if !seen.insert(meta.id) {
                    continue;
                }
                if let Some(error) = damage(self.store, meta, None)? {
                    self.report.damaged(&meta.path(), &error);
                    self.remove.push(meta.path());
                    self.history_from = self.history_from.max(version + 1);
                }
            }
        }
        Ok(())
    }

    fn salvage(
        &mut self,
        meta: &Arc<SegmentMeta>,
        schema: &TableSchema,
        error: &Error,
    ) -> Result<SegmentMeta> {
        let path = meta.path();
        self.report.damaged(&path, error);
        self.remove.push(path.clone());
        let id = self.base.next_segment;
        self.base.next_segment += 1;
        // A segment with a name of its own is on a store that others write to as well.
        let own = (!meta.file.is_empty()).then(|| manifest::unique_name(id));
        let file = own.unwrap_or_default();
        let object = self.store.create(&manifest::file_path(id, &file))?;
        let mut writer = SegmentWriter::new(object, Arc::new(schema.clone()))?;
        let opened = Segment::open_damaged(Arc::clone(self.store), Arc::clone(meta));
        let salvaged = opened.and_then(|segment| {
            segment.check_table(schema)?;
            segment.salvage(schema.tags.len(), |series| writer.add(series))
        });
        let none = SegmentMeta { id, file: file.clone(), rows: 0, ..SegmentMeta::clone(meta) };
        let flaws = match salvaged {
            Ok(flaws) => flaws,
            Err(why @ (Error::Corrupt(_) | Error::NotFound(_))) => {
                self.report.lost.push(Loss {
                    file: path,
                    table: Some(schema.name.clone()),
                    series: None,
                    span: Some((meta.first_time, meta.last_time)),
                    rows: Some(meta.rows),
                    what: format!("all of {} series, as its index is lost: {why}", meta.series),
                });
                return Ok(none);
            }
            Err(error) => return Err(error),
        };
        for flaw in flaws {
            self.report.lost.push(Loss {
                file: path.clone(),
                table: Some(schema.name.clone()),
                series: flaw.series.map(|key| named(schema, &key)),
                span: flaw.span,
                rows: Some(flaw.rows),
                what: flaw.what,
            });
        }
        let Some(written) = writer.finish()? else { return Ok(none) };
        Ok(SegmentMeta {
            id,
            bytes: written.bytes,
            rows: written.rows,
            points: written.points,
            series: written.series,
            first_time: written.first_time,
            last_time: written.last_time,
            file,
            ..SegmentMeta::clone(meta)
        })
    }

    /// Makes an older version know the tables, tags and fields that the log names.
    fn know(&mut self, entries: &[WalEntry]) {
        for logged in entries.iter().flat_map(|entry| &entry.batches) {
            let name = logged.batch.table();
            let known = self.base.tables.get(name).map(|table| table.schema.clone());
            let mut schema = known.clone().unwrap_or(TableSchema {
                name: name.to_owned(),
                tags: Vec::new(),
                fields: Vec::new(),
                duplicates: Duplicates::Keep,
                retention: None,
                codec: None,
                cold_after: None,
                downsample: Downsample::None,
            });
            if schema.tags.len() < logged.tags.len() && logged.tags.starts_with(&schema.tags) {
                schema.tags.clone_from(&logged.tags);
            }
            for (field, values) in logged.batch.fields() {
                if schema.field_id(field).is_none() {
                    schema.fields.push(FieldDef { name: field.clone(), ty: values.field_type() });
                }
            }
            if known.as_ref() != Some(&schema) {
                self.base.set_schema(schema);
            }
        }
    }

    /// Keeps what is damaged in the quarantine.
    fn quarantine(&mut self) -> Result<()> {
        for damaged in &mut self.report.quarantined {
            if damaged.kept.is_none() {
                damaged.kept = keep(self.store.as_ref(), &damaged.file)?;
            }
        }
        Ok(())
    }
}

/// Keeps a file in the quarantine, under a name that is free there; `None` when it is missing.
pub(super) fn keep(store: &dyn Store, path: &str) -> Result<Option<String>> {
    for copy in 0u32.. {
        let kept = match copy {
            0 => format!("{FOLDER}/{path}"),
            _ => format!("{FOLDER}/{path}.{copy}"),
        };
        match store.keep_as(path, &kept) {
            Ok(()) => return Ok(Some(kept)),
            Err(Error::Conflict(_)) => {}
            Err(Error::NotFound(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// What is wrong with a segment, in one error. What is in the cold tier stays as it is.
fn damage(
    store: &Arc<dyn Store>,
    meta: &Arc<SegmentMeta>,
    schema: Option<&TableSchema>,
) -> Result<Option<Error>> {
    if meta.tier == Tier::Cold {
        return Ok(None);
    }
    let checked = Segment::open(Arc::clone(store), Arc::clone(meta)).and_then(|segment| {
        schema.map_or(Ok(()), |schema| segment.check_table(schema))?;
        Ok(segment.verify())
    });
    match checked {
        Ok(flaws) => {
            let what: Vec<String> = flaws.into_iter().map(|flaw| flaw.what).collect();
            Ok((!what.is_empty()).then(|| Error::corrupt(what.join("; "))))
        }
        Err(error @ (Error::Corrupt(_) | Error::NotFound(_))) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

/// A series' tags by name, those that it has.
pub(super) fn named(schema: &TableSchema, key: &SeriesKey) -> BTreeMap<String, String> {
    let tags = schema.tags.iter().zip(key.tags.iter());
    tags.filter_map(|(tag, value)| Some((tag.clone(), value.as_deref()?.to_owned()))).collect()
}

impl Repair {
    fn damaged(&mut self, file: &str, error: &Error) {
        let (file, what) = (file.to_owned(), error.to_string());
        self.quarantined.push(Quarantined { file, kept: None, what });
    }
}

impl Loss {
    fn of_log(path: &str, what: String) -> Self {
        let file = path.to_owned();
        Self { file, table: None, series: None, span: None, rows: None, what }
    }
}

impl Database {
    /// Commits a repair: what the log still had goes into segments, and the version that follows
    /// names nothing damaged.
    pub(super) fn finish_repair(&self, prepared: Prepared) -> Result<Repair> {
        let Prepared { mut report, remove, .. } = prepared;
        let _flushing = self.inner.flushing.lock();
        let mut writer = self.inner.writer.lock();
        let before = self.inner.state.read().view.manifest.version;
        self.flush_locked(&mut writer)?;
        if self.inner.state.read().view.manifest.version == before {
            // The log had nothing to flush.
            let wal_from = writer.wal.as_ref().map_or(writer.next_wal, |wal| wal.number());
            self.commit(&mut writer, |manifest, _| {
                manifest.wal_from = wal_from;
                Ok(())
            })?;
        }
        let store = self.inner.shared.store.as_ref();
        remove.iter().try_for_each(|path| store.delete(path))?;
        let manifest = Arc::clone(&self.inner.state.read().view.manifest);
        if store.is_local() {
            wal::remove_before(store, manifest.wal_from)?;
        }
        report.version = Some(manifest.version);
        Ok(report)
    }

    /// What the open of this handle repaired; `None` when it was opened without `repair`.
    pub fn repaired(&self) -> Option<&Repair> {
        self.inner.repaired.as_ref().and_then(|cell| cell.get())
    }
}
