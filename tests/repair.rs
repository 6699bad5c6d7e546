//! A damaged database goes on with what is whole, and says what is lost.

mod common;

use std::sync::Arc;

use common::rich::{Rows, TABLES, answer, figures, files, options, rich};
use common::{Cell, batch, copy, spec, write};
use kymograph::db::{Database, Loss, Mode, Options, Repair, check_with};
use kymograph::model::Duplicates;
use kymograph::storage::vfs::{MemoryStore, Store};
use kymograph::storage::{manifest, wal};
use kymograph::{Error, Result};

fn repaired(store: &MemoryStore) -> Result<Database> {
    Database::open_with(Arc::new(store.clone()), Options { repair: true, ..options() })
}

fn damage_of(store: &MemoryStore) -> Vec<String> {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let report = check_with(&store).expect("a store that can be listed");
    report.damage.into_iter().map(|d| format!("{}: {}", d.file, d.what)).collect()
}

/// Tags of a row by name, as a loss has them.
fn tags_of(table: &str, row: &[Cell]) -> Vec<(&'static str, String)> {
    let names: &[&'static str] = if table == "machine" { &["site", "unit"] } else { &["host"] };
    names
        .iter()
        .zip(&row[1..])
        .filter_map(|(name, cell)| match cell {
            Cell::Text(text) => Some((*name, text.clone())),
            _ => None,
        })
        .collect()
}

/// Whether a loss can be that of a row.
fn covers(loss: &Loss, table: &str, row: &[Cell]) -> bool {
    let Cell::Time(time) = row[0] else { panic!("{row:?}") };
    let own = tags_of(table, row);
    let of_series = loss.series.as_ref().is_none_or(|series| {
        series.iter().map(|(k, v)| (k.as_str(), v)).eq(own.iter().map(|(k, v)| (*k, v)))
    });
    loss.table.as_ref().is_none_or(|own| own == table)
        && of_series
        && loss.span.is_none_or(|(first, last)| first <= time && time <= last)
}

/// What is missing is reported, and nothing is there that was not; only a lost version may bring
/// back what it had deleted or replaced.
fn account(report: &Repair, before: &[Rows], after: &[Rows], what: &str) {
    let version_lost = report.lost.iter().any(|loss| loss.file.starts_with("manifest/"));
    for (table, (before, after)) in TABLES.iter().zip(before.iter().zip(after)) {
        for row in before.iter().filter(|row| !after.contains(row)) {
            let told = report.lost.iter().any(|loss| covers(loss, table, row));
            assert!(told, "{what}: {table} lost {row:?} and {:?} does not say so", report.lost);
        }
        let new: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
        // Where the last write wins, a lost write shows the one before it.
        let shows_older = *table == "machine" && !report.lost.is_empty();
        assert!(new.is_empty() || version_lost || shows_older, "{what}: {table} made {new:?}");
        assert!(after.len() <= before.len() || version_lost, "{what}: {table} has more rows");
    }
}

/// Repairs and checks all that holds of any repair.
fn repair(left: &MemoryStore, before: &[Rows], what: &str) -> (Repair, Vec<Rows>) {
    let bytes: Vec<(String, Vec<u8>)> = files(left);
    let db = repaired(left).unwrap_or_else(|error| panic!("{what}: {error}"));
    let report = db.repaired().expect("it was asked to").clone();
    let after = answer(&db).unwrap_or_else(|error| panic!("{what}: {error}"));
    account(&report, before, &after, what);
    figures(&db).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(damage_of(left), Vec::<String>::new(), "{what}");
    for each in &report.quarantined {
        let Some(kept) = &each.kept else { continue };
        let original = bytes.iter().find(|(path, _)| *path == each.file).expect("it was there");
        assert_eq!(left.read(kept).expect("it is kept"), original.1, "{what}");
    }
    write(&db, &[("z", 1, 1.0)]).unwrap_or_else(|error| panic!("{what}: {error}"));
    db.compact().unwrap_or_else(|error| panic!("{what}: {error}"));
    drop(db);
    let db = repaired(left).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(db.repaired(), Some(&Repair::default()), "{what}: nothing is left to repair");
    let again = answer(&db).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(again[0].len(), after[0].len() + 1, "{what}");
    assert_eq!(again[1..], after[1..], "{what}");
    (report, after)
}

fn refused(store: &MemoryStore) -> String {
    match Database::open_with(Arc::new(copy(store)), options()) {
        Err(Error::Corrupt(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn newest(store: &MemoryStore, folder: &str) -> String {
    store.list(folder).expect("a store that works").pop().expect("a file").path
}

fn flip(store: &MemoryStore, path: &str, at: usize) {
    let mut bytes = store.read(path).expect("a file").to_vec();
    bytes[at] ^= 16;
    store.overwrite(path, &bytes);
}

#[test]
fn a_whole_database_is_left_as_it_is() {
    let (left, rows) = rich().expect("a small database");
    let version = manifest::newest_version(&left).expect("listed");
    let db = repaired(&left).expect("whole");
    assert_eq!(db.repaired(), Some(&Repair::default()));
    assert_eq!(answer(&db).expect("whole"), rows);
    assert_eq!(manifest::newest_version(&left).expect("listed"), version);
    drop(db);
    let plain = Database::open_with(Arc::new(left.clone()), options()).expect("whole");
    assert_eq!(plain.repaired(), None);
    assert!(left.list("quarantine").expect("listed").is_empty());
}

#[test]
fn only_the_writer_repairs() {
    let (left, _) = rich().expect("a small database");
    for options in [
        Options { repair: true, mode: Mode::Read, ..options() },
        Options { repair: true, as_of: Some(1), ..options() },
    ] {
        let refused = Database::open_with(Arc::new(left.clone()), options);
        assert!(matches!(refused, Err(Error::InvalidArgument(m)) if m.contains("repair=True")));
    }
}

#[test]
fn a_damaged_record_of_the_log_costs_itself_only() {
    let (whole, rows) = rich().expect("a small database");
    let path = wal::path(*wal::files(&whole).expect("listed").last().expect("a log"));
    let len = whole.read(&path).expect("a log").len();
    for at in (20..len).step_by(11) {
        let left = copy(&whole);
        flip(&left, &path, at);
        let message = refused(&left);
        assert!(message.contains("repair=True") && message.contains("lose"), "{message}");
        let (report, after) = repair(&left, &rows, &format!("log byte {at}"));
        assert_eq!(report.quarantined.len(), 1);
        assert_eq!(report.lost.len(), 1, "{:?}", report.lost);
        assert!(report.lost[0].what.contains("1 write"), "{:?}", report.lost);
        let gone: usize = rows.iter().zip(&after).map(|(a, b)| a.len() - b.len()).sum();
        assert!(gone <= 30, "more than one write is gone: {gone}");
    }
}

#[test]
fn a_log_that_is_cut_short_costs_the_records_behind_the_cut() {
    let (whole, rows) = rich().expect("a small database");
    let path = wal::path(*wal::files(&whole).expect("listed").last().expect("a log"));
    let bytes = whole.read(&path).expect("a log");
    let mut before = 0;
    for len in (0..bytes.len()).step_by(13) {
        let left = copy(&whole);
        left.overwrite(&path, &bytes[..len]);
        let message = refused(&left);
        assert!(message.contains(&path) && message.contains("acknowledged"), "{message}");
        let (_, after) = repair(&left, &rows, &format!("log cut to {len}"));
        let kept: usize = after.iter().map(Vec::len).sum();
        assert!(kept >= before, "{len}");
        before = kept;
    }
}

#[test]
fn a_missing_log_is_known_by_its_mark_and_by_the_next_log() {
    let (whole, rows) = rich().expect("a small database");
    let number = *wal::files(&whole).expect("listed").last().expect("a log");
    // A second unclean end leaves a second log, which names the first.
    let db = Database::open_with(Arc::new(whole.clone()), options()).expect("whole");
    let left = copy(&whole);
    drop(db);
    for with_mark in [true, false] {
        let left = copy(&left);
        left.delete(&wal::path(number)).expect("a store that works");
        if !with_mark {
            left.delete(&wal::mark::path(number)).expect("a store that works");
        }
        let message = refused(&left);
        assert!(message.contains(&wal::path(number)) && message.contains("missing"), "{message}");
        assert!(damage_of(&left).iter().any(|d| d.starts_with(&wal::path(number))));
        let (report, _) = repair(&left, &rows, "a missing log");
        assert_eq!(report.quarantined[0].kept, None);
    }
}

#[test]
fn a_damaged_mark_is_put_away_and_costs_nothing() {
    let (left, rows) = rich().expect("a small database");
    let number = *wal::files(&left).expect("listed").last().expect("a log");
    flip(&left, &wal::mark::path(number), 30);
    let (report, after) = repair(&left, &rows, "a mark");
    assert_eq!((report.quarantined.len(), report.lost.len()), (1, 0));
    assert_eq!(after, rows);
}

#[test]
fn a_damaged_newest_manifest_falls_back_and_takes_lost_segments_in() {
    let store = MemoryStore::new();
    let db = Database::open_with(Arc::new(store.clone()), options()).expect("new");
    write(&db, &[("a", 1, 1.0), ("b", 1, 1.5)]).expect("written");
    db.flush().expect("flushed");
    write(&db, &[("a", 2, 2.0), ("c", 2, 2.5)]).expect("written");
    db.flush().expect("flushed");
    write(&db, &[("a", 3, 3.0)]).expect("written");
    let before = common::rows(&db).expect("rows");
    let left = copy(&store);
    drop(db);
    let path = newest(&left, "manifest");
    flip(&left, &path, 40);
    let message = refused(&left);
    assert!(message.contains(&path) && message.contains("repair=True"), "{message}");
    let db = repaired(&left).expect("repaired");
    let report = db.repaired().expect("a report");
    // The second flush was in the damaged version only, and its log is gone.
    assert_eq!(common::rows(&db).expect("rows"), before, "{report:?}");
    assert!(report.quarantined.iter().any(|q| q.file == path && q.kept.is_some()));
    assert_eq!(damage_of(&left), Vec::<String>::new());
}

#[test]
fn a_merge_that_no_version_lists_any_more_does_not_double_its_rows() {
    let store = MemoryStore::new();
    let db = Database::open_with(Arc::new(store.clone()), options()).expect("new");
    for time in 0..4 {
        write(&db, &[("a", time, 1.0), ("a", time, 1.0), ("b", time, 1.5)]).expect("written");
        db.flush().expect("flushed");
    }
    db.compact().expect("merged");
    let before = common::rows(&db).expect("rows");
    let left = copy(&store);
    drop(db);
    flip(&left, &newest(&left, "manifest"), 40);
    let db = repaired(&left).expect("repaired");
    assert_eq!(common::rows(&db).expect("rows"), before);
    assert_eq!(damage_of(&left), Vec::<String>::new());
}

#[test]
fn a_manifest_that_is_whole_is_needed() {
    let (left, _) = rich().expect("a small database");
    for entry in left.list("manifest").expect("listed") {
        flip(&left, &entry.path, 40);
    }
    let error = repaired(&left).expect_err("nothing to go on from");
    assert!(matches!(&error, Error::Corrupt(m) if m.contains("backup")), "{error}");
    for entry in left.list("manifest").expect("listed") {
        left.delete(&entry.path).expect("a store that works");
    }
    let segments = left.list("segment").expect("listed").len();
    for repair in [true, false] {
        let options = Options { repair, ..options() };
        let error = Database::open_with(Arc::new(left.clone()), options).expect_err("no manifest");
        assert!(matches!(&error, Error::Corrupt(m) if m.contains("manifest")), "{error}");
    }
    assert_eq!(left.list("segment").expect("listed").len(), segments, "nothing was removed");
}

#[test]
fn a_segment_loses_the_damaged_chunk_and_names_it() {
    let store = MemoryStore::new();
    let db = Database::open_with(Arc::new(store.clone()), options()).expect("new");
    let hosts = ["a", "b", "c", "d"];
    let many: Vec<(&str, i64, f64)> =
        (0..400).map(|i| (hosts[i % 4], i as i64, (i * 7 % 13) as f64)).collect();
    db.write(&[batch("cpu", &many)], &spec("cpu", Duplicates::Keep)).expect("written");
    db.flush().expect("flushed");
    let before = common::rows(&db).expect("rows");
    let left = copy(&store);
    drop(db);
    // The first chunk stands behind the header, and its series is the first.
    let path = newest(&left, "segment");
    flip(&left, &path, 60);
    let store: Arc<dyn Store> = Arc::new(left.clone());
    let found = check_with(&store).expect("listed").damage;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].table.as_deref(), found[0].span), (Some("cpu"), Some((0, 396))));
    let series = found[0].series.as_ref().expect("it is known");
    assert_eq!(series.get("host").map(String::as_str), Some("a"));
    let db = repaired(&left).expect("repaired");
    let report = db.repaired().expect("a report");
    let [loss] = report.lost.as_slice() else { panic!("{report:?}") };
    assert_eq!(
        (loss.table.as_deref(), loss.span, loss.rows),
        (Some("cpu"), Some((0, 396)), Some(100))
    );
    assert_eq!(loss.series.as_ref(), Some(series));
    let kept: Vec<_> = before.iter().filter(|row| row.0 != "a").cloned().collect();
    assert_eq!(common::rows(&db).expect("rows"), kept);
    assert_eq!(damage_of(&left), Vec::<String>::new());
}

#[test]
fn a_missing_segment_costs_what_the_manifest_says_of_it() {
    let (whole, rows) = rich().expect("a small database");
    for entry in whole.list("segment").expect("listed") {
        let left = copy(&whole);
        left.delete(&entry.path).expect("a store that works");
        repair(&left, &rows, &format!("{} is missing", entry.path));
    }
}

#[test]
fn any_damage_can_be_repaired_and_is_accounted_for() {
    let (whole, rows) = rich().expect("a small database");
    let step = std::env::var("KYMOGRAPH_DAMAGE_STEP");
    let step: usize = step.map_or(97, |n| n.parse().expect("a number"));
    let mut repairs = 0;
    for (path, bytes) in files(&whole) {
        for at in (0..bytes.len()).step_by(step) {
            let left = copy(&whole);
            flip(&left, &path, at);
            repair(&left, &rows, &format!("{path} byte {at}"));
            let left = copy(&whole);
            left.overwrite(&path, &bytes[..at]);
            repair(&left, &rows, &format!("{path} cut to {at}"));
            repairs += 2;
        }
    }
    println!("{repairs} damaged databases repaired");
}

#[test]
fn a_repair_that_is_cut_short_is_made_again() {
    use kymograph::storage::vfs::{FaultKind, FaultStore};
    let (whole, rows) = rich().expect("a small database");
    let log = wal::path(*wal::files(&whole).expect("listed").last().expect("a log"));
    let segment = newest(&whole, "segment");
    for kind in FaultKind::ALL {
        for after in 0.. {
            let left = copy(&whole);
            flip(&left, &log, 60);
            flip(&left, &segment, 60);
            let faults = FaultStore::new(Arc::new(left.clone()));
            faults.fail(kind, after, true);
            let options = Options { repair: true, ..options() };
            let opened = Database::open_with(Arc::new(faults.clone()), options);
            let done = opened.is_ok();
            drop(opened);
            let crashed = copy(&left);
            repair_again(&crashed, &rows, &format!("{kind:?} {after}"));
            if done || after > 60 {
                break;
            }
        }
    }
}

fn repair_again(left: &MemoryStore, rows: &[Rows], what: &str) {
    let db = repaired(left).unwrap_or_else(|error| panic!("{what}: {error}"));
    let after = answer(&db).unwrap_or_else(|error| panic!("{what}: {error}"));
    for (before, after) in rows.iter().zip(&after) {
        assert!(after.len() <= before.len(), "{what}: rows from nowhere");
        assert!(after.len() + 60 >= before.len(), "{what}: more is gone than was damaged");
    }
    assert_eq!(damage_of(left), Vec::<String>::new(), "{what}");
}

#[test]
fn a_removed_newest_manifest_shows_by_the_mark_and_its_segment_is_taken_in() {
    let store = MemoryStore::new();
    let db = Database::open_with(Arc::new(store.clone()), options()).expect("new");
    write(&db, &[("a", 1, 1.0)]).expect("written");
    db.flush().expect("flushed");
    write(&db, &[("a", 2, 2.0), ("b", 2, 2.5)]).expect("written");
    db.flush().expect("flushed");
    write(&db, &[("a", 3, 3.0)]).expect("written");
    let before = common::rows(&db).expect("rows");
    let left = copy(&store);
    drop(db);
    left.delete(&newest(&left, "manifest")).expect("a store that works");
    let message = refused(&left);
    assert!(message.contains("missing") && message.contains("repair=True"), "{message}");
    let db = repaired(&left).expect("repaired");
    assert_eq!(common::rows(&db).expect("rows"), before);
    assert_eq!(damage_of(&left), Vec::<String>::new());
}
