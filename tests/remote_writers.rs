//! Several writers on one object store that loses replies, refuses, stalls and does things late:
//! each acknowledged write is there once, versions follow one another, and nothing leaks.

mod common;
#[path = "common/objects.rs"]
mod objects;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{batch, quiet, rows, spec, write};
use kymograph::db::{Database, Mode, Options, check_with};
use kymograph::model::{Duplicates, TimeRange};
use kymograph::storage::manifest::{self, Tier};
use kymograph::storage::vfs::{Patience, RemoteStore, Store};
use kymograph::{Error, Result};
use objects::FaultyObjects;

const WRITERS: usize = 16;

fn store(objects: &FaultyObjects) -> Arc<dyn Store> {
    let patience =
        Patience { call: Duration::from_millis(400), upload: Duration::from_millis(400), tries: 3 };
    let remote = RemoteStore::new("remote", Arc::new(objects.clone()), "db");
    Arc::new(remote.expect("a runtime starts").with_patience(patience))
}

fn open(objects: &FaultyObjects, options: Options) -> Result<Database> {
    Database::open_with(store(objects), options)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |v| v.parse().expect("a number"))
}

/// Objects that no version lists, and segments that a version lists and that are not there.
fn orphans_and_missing(store: &dyn Store) -> (Vec<String>, Vec<String>) {
    let mut listed = BTreeSet::new();
    for version in manifest::versions(store).expect("a store that works") {
        let manifest = manifest::load(store, version).expect("a whole version");
        assert!(manifest.segments().all(|meta| meta.tier == Tier::Local));
        listed.extend(manifest.segments().map(|meta| meta.path()));
    }
    let list = |folder: &str| store.list(folder).expect("a store that works");
    let there: BTreeSet<String> =
        list("segment").into_iter().chain(list("clock")).map(|entry| entry.path).collect();
    (there.difference(&listed).cloned().collect(), listed.difference(&there).cloned().collect())
}

#[test]
fn of_many_writers_every_acknowledged_row_is_there_once() -> Result<()> {
    let commits = number("KYMOGRAPH_REMOTE_COMMITS", 6);
    let seed = number("KYMOGRAPH_SEED", 1);
    let objects = FaultyObjects::new(seed);
    drop(open(&objects, quiet())?);
    objects.fail(40);
    let began = Instant::now();
    // By row: whether it was acknowledged.
    let mut fates: BTreeMap<(String, i64), bool> = BTreeMap::new();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| {
                let objects = &objects;
                scope.spawn(move || {
                    let options = Options { threads: 1, ..quiet() };
                    let host = format!("w{number:02}");
                    let mut own = Vec::new();
                    let mut db = None;
                    for commit in 0..commits as i64 {
                        let open_now = match db.take() {
                            Some(open) => open,
                            None => loop {
                                if let Ok(open) = open(objects, options.clone()) {
                                    break open;
                                }
                            },
                        };
                        let outcome = write(&open_now, &[(&host, commit, commit as f64)]);
                        assert!(!matches!(outcome, Err(Error::Conflict(_))), "{outcome:?}");
                        own.push(((host.clone(), commit), outcome.is_ok()));
                        // Now and then another does what writers do beside writing.
                        if commit % 16 == number as i64 {
                            drop(open_now.compact());
                        }
                        // And most keep their handle, also after a failure.
                        if commit % 7 != 6 {
                            db = Some(open_now);
                        }
                    }
                    own
                })
            })
            .collect();
        for writer in writers {
            fates.extend(writer.join().expect("a writer that works"));
        }
    });
    let elapsed = began.elapsed();
    objects.fail(0);

    let db = open(&objects, quiet())?;
    let mut found: BTreeMap<(String, i64), usize> = BTreeMap::new();
    for (host, time, value) in rows(&db)? {
        assert_eq!(value, time as f64);
        *found.entry((host, time)).or_default() += 1;
    }
    for (row, acknowledged) in &fates {
        let times = found.remove(row).unwrap_or(0);
        assert!(times == 1 || (!acknowledged && times == 0), "{row:?} is there {times} times");
    }
    assert!(found.is_empty(), "rows from nowhere: {found:?}");
    let acknowledged = fates.values().filter(|done| **done).count();
    println!(
        "seed {seed}: {WRITERS} writers x {commits}: {acknowledged} of {} acknowledged, {} calls \
         failed, {:.1} s",
        fates.len(),
        objects.failed(),
        elapsed.as_secs_f64()
    );
    assert!(acknowledged * 2 > fates.len(), "most writes work");
    assert!(objects.failed() > 10, "faults were meant to be met");
    assert_eq!(objects.overwritten(), None);

    let store = store(&objects);
    let versions = manifest::versions(store.as_ref())?;
    assert!(versions.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{versions:?}");
    assert_eq!(check_with(&store)?.damage, []);
    let (_, missing) = orphans_and_missing(store.as_ref());
    assert!(missing.is_empty(), "{missing:?}");
    let expected = rows(&db)?.len();
    drop(db);
    // With grace everything young stays, without it everything dead goes, and nothing else.
    let before = store.list("segment")?.len();
    open(&objects, quiet())?.collect()?;
    assert_eq!(store.list("segment")?.len(), before);
    let db = open(&objects, Options { grace: Duration::ZERO, ..quiet() })?;
    db.compact()?;
    db.collect()?;
    let (orphans, missing) = orphans_and_missing(store.as_ref());
    assert_eq!((orphans, missing), (vec![], vec![]));
    assert!(manifest::versions(store.as_ref())?.len() <= 65);
    assert_eq!(rows(&db)?.len(), expected);
    assert_eq!(check_with(&store)?.damage, []);
    Ok(())
}

/// Two writers that each know nothing of what the other did last.
fn two() -> Result<(FaultyObjects, Database, Database)> {
    let objects = FaultyObjects::new(7);
    let (a, b) = (open(&objects, quiet())?, open(&objects, quiet())?);
    Ok((objects, a, b))
}

#[test]
fn a_loser_goes_on_top_of_the_winner_and_the_later_write_wins() -> Result<()> {
    let (objects, a, b) = two()?;
    let last = spec("cpu", Duplicates::Last);
    for round in 0..6 {
        // Each writer is behind by the other's version.
        let (db, value) = if round % 2 == 0 { (&a, 1.0) } else { (&b, 2.0) };
        let value = value + f64::from(round);
        db.write(&[batch("cpu", &[("x", 1, value), ("x", 10 + i64::from(round), 0.0)])], &last)?;
        let reader = open(&objects, Options { mode: Mode::Read, ..quiet() })?;
        let found = rows(&reader)?;
        assert_eq!(found.len(), round as usize + 2);
        assert_eq!(found[0], ("x".to_owned(), 1, value), "round {round}");
    }
    a.compact()?;
    b.write(&[batch("cpu", &[("x", 1, 77.0)])], &last)?;
    a.compact()?;
    assert_eq!(rows(&a)?[0].2, 77.0);
    assert_eq!(objects.overwritten(), None);
    assert_eq!(check_with(&store(&objects))?.damage, []);
    Ok(())
}

#[test]
fn fields_and_tables_that_two_writers_make_at_once_are_all_there() -> Result<()> {
    let (_, a, b) = two()?;
    let field = |name: &str, at: i64| {
        let plain = batch("cpu", &[("x", at, 1.0)]);
        let values = plain.fields()[0].1.clone();
        let fields = vec![(name.to_owned(), values)];
        kymograph::model::Batch::new("cpu", plain.series().to_vec(), vec![0], vec![at], fields)
    };
    let keep = spec("cpu", Duplicates::Keep);
    a.write(&[field("f", 1)?], &keep)?;
    // Encoded as the first field of a new table, which it is no more.
    b.write(&[field("g", 2)?], &keep)?;
    a.write(&[field("h", 3)?], &keep)?;
    b.write(&[field("f", 4)?], &keep)?;
    let schema = b.schema("cpu")?;
    let names: Vec<&str> = schema.fields.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["f", "g", "h"]);
    assert_eq!(b.stats()?.rows, 4);
    assert_eq!(b.check()?.damage, []);
    // A table of another shape is refused, one of the same is fine.
    let other = spec("cpu", Duplicates::Last);
    let schema = kymograph::model::TableSchema { name: "new".to_owned(), ..schema.clone() };
    a.create_table(schema.clone())?;
    b.create_table(schema.clone())?;
    let wrong = kymograph::model::TableSchema { duplicates: Duplicates::Last, ..schema };
    assert!(matches!(b.create_table(wrong), Err(Error::Conflict(_))));
    // What duplicates do is the table's, whoever writes.
    b.write(&[field("f", 4)?], &other)?;
    assert_eq!(b.stats()?.rows, 5);
    Ok(())
}

#[test]
fn deletes_and_policies_of_a_writer_that_is_behind_hold_for_the_newest_version() -> Result<()> {
    let (_, a, b) = two()?;
    write(&a, &[("x", 1, 1.0), ("y", 1, 1.0)])?;
    // This one never saw the table.
    let y = [("host".to_owned(), vec![Some("y".to_owned())])];
    b.delete("cpu", &y, TimeRange::ALL)?;
    write(&a, &[("y", 2, 2.0)])?;
    assert_eq!(rows(&a)?, common::owned(&[("x", 1, 1.0), ("y", 2, 2.0)]));
    b.set_retention("cpu", Some(i64::MAX))?;
    write(&a, &[("z", 3, 3.0)])?;
    assert_eq!(a.schema("cpu")?.retention, Some(i64::MAX));
    b.compact()?;
    assert_eq!(rows(&b)?, common::owned(&[("x", 1, 1.0), ("y", 2, 2.0), ("z", 3, 3.0)]));
    assert!(matches!(b.set_retention("cup", None), Err(Error::NotFound(_))));
    Ok(())
}

#[test]
fn a_reader_in_another_process_keeps_its_files_for_the_time_of_grace() -> Result<()> {
    let objects = FaultyObjects::new(3);
    let options = |grace| Options { grace, history: 0, ..quiet() };
    let db = open(&objects, options(Duration::from_secs(600)))?;
    write(&db, &[("x", 1, 1.0)])?;
    let version = write(&db, &[("x", 2, 1.0)])?.version;
    let reader = open(&objects, Options { as_of: Some(version), ..quiet() })?;
    let expected = rows(&reader)?;
    // Opened anew, so that nothing is in memory.
    let stale = open(&objects, Options { as_of: Some(version), ..quiet() })?;
    for at in 3..6 {
        write(&db, &[("x", at, 1.0)])?;
        db.compact()?;
    }
    assert_eq!(db.collect()?, kymograph::db::Collected::default());
    assert_eq!(rows(&stale)?, expected);
    db.close()?;
    let db = open(&objects, options(Duration::ZERO))?;
    assert!(db.collect()?.objects >= 4);
    assert_eq!(orphans_and_missing(store(&objects).as_ref()), (vec![], vec![]));
    assert_eq!(manifest::versions(store(&objects).as_ref())?.len(), 1);
    assert_eq!(rows(&db)?.len(), 5);
    Ok(())
}

#[test]
fn a_stalled_store_is_an_error_and_what_happened_is_found_out_before_the_next_change() -> Result<()>
{
    let objects = FaultyObjects::new(5);
    let db = open(&objects, quiet())?;
    write(&db, &[("x", 1, 1.0)])?;
    objects.fail(1);
    let began = Instant::now();
    let error = write(&db, &[("x", 2, 1.0)]).expect_err("nothing answers");
    assert!(matches!(error, Error::Storage { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    objects.fail(0);
    write(&db, &[("x", 3, 1.0)])?;
    let found: Vec<i64> = rows(&db)?.into_iter().map(|row| row.1).collect();
    assert!(found == [1, 3] || found == [1, 2, 3], "{found:?}");
    assert_eq!(db.check()?.damage, []);
    Ok(())
}
