//! The cold tier: what moves and what does not, reads across tiers, erasure and retention there,
//! and places that are refused.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{copy, quiet, rows, write};
use kymograph::db::{Database, Mode, Options, check, check_tiers_with};
use kymograph::model::TimeRange;
use kymograph::storage::manifest::{self, Tier};
use kymograph::storage::vfs::{FaultKind, FaultStore, MemoryStore, Store};
use kymograph::{Error, Result};

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_nanos() as i64
}

fn options() -> Options {
    Options { cold_after: Some(7 * DAY), grace: Duration::ZERO, history: 2, ..quiet() }
}

fn open(local: &MemoryStore, cold: &MemoryStore, options: Options) -> Result<Database> {
    Database::open_tiered_with(Arc::new(local.clone()), Arc::new(cold.clone()), options)
}

/// The tiers of the segments of the newest version, by order of arrival.
fn tiers(local: &MemoryStore) -> Vec<Tier> {
    let newest = manifest::latest(local).expect("a whole version").expect("a database");
    newest.segments().map(|meta| meta.tier).collect()
}

fn sound(local: &MemoryStore, cold: &MemoryStore) {
    let (local, cold): (Arc<dyn Store>, Arc<dyn Store>) =
        (Arc::new(local.clone()), Arc::new(cold.clone()));
    assert_eq!(check_tiers_with(&local, &cold).expect("stores that work").damage, []);
}

fn objects(store: &MemoryStore) -> usize {
    store.list("segment").expect("memory works").len()
}

#[test]
fn old_segments_move_and_read_as_before() -> Result<()> {
    let (local, cold) = (MemoryStore::new(), MemoryStore::new());
    let db = open(&local, &cold, options())?;
    let now = now();
    // Old; young; of a clock that runs ahead by decades; the oldest there is.
    for times in [[now - 30 * DAY, now - 20 * DAY], [now - 6 * DAY, now], [now, i64::MAX - 1]] {
        write(&db, &[("a", times[0], 1.0), ("b", times[1], 2.0)])?;
        db.flush()?;
    }
    write(&db, &[("c", i64::MIN + 1, 3.0)])?;
    db.flush()?;
    let before = rows(&db)?;
    assert_eq!(tiers(&local), [Tier::Local; 4]);
    db.compact()?;
    // Compaction has cut at the age, so the old rows of the one local segment could go.
    assert_eq!(tiers(&local), [Tier::Cold, Tier::Local]);
    assert_eq!(rows(&db)?, before);
    let stats = db.stats()?;
    assert_eq!((stats.segments, stats.cold_segments, stats.rows), (2, 1, before.len() as u64));
    assert!(stats.cold_bytes > 0 && stats.cold_bytes < stats.bytes);
    sound(&local, &cold);
    // Nothing more to do, and nothing is done.
    let version = db.version()?;
    db.compact()?;
    assert_eq!(db.version()?, version);
    db.close()?;
    // Writers and readers find the place by themselves once the store is given.
    for mode in [Mode::Write, Mode::Read] {
        let again = open(&local, &cold, Options { mode, cold_after: None, ..options() })?;
        assert_eq!(rows(&again)?, before);
        again.close()?;
    }
    // And without it, the error says where the rest is.
    let error = Database::open_with(Arc::new(copy(&local)), quiet()).expect_err("cold is away");
    assert!(error.to_string().contains("/a/cold/store"), "{error}");
    Ok(())
}

#[test]
fn the_local_file_stays_while_a_readable_version_or_a_snapshot_needs_it() -> Result<()> {
    let (local, cold) = (MemoryStore::new(), MemoryStore::new());
    let db = open(&local, &cold, options())?;
    write(&db, &[("a", 1, 1.0)])?;
    let version = db.flush()?;
    let snapshot = db.snapshot()?;
    db.compact()?;
    assert_eq!((objects(&local), objects(&cold)), (1, 1));
    let old = open(&local, &cold, Options { as_of: Some(version), ..options() })?;
    assert_eq!(rows(&old)?, rows(&db)?);
    for at in 0..4 {
        write(&db, &[("b", now(), f64::from(at))])?;
        db.flush()?;
    }
    assert_eq!(objects(&local), 5, "the snapshot holds the first");
    assert_eq!(rows(&snapshot)?.len(), 1);
    drop(snapshot);
    write(&db, &[("b", now(), 9.0)])?;
    db.flush()?;
    assert_eq!(objects(&local), 5, "which went as the sixth came");
    assert_eq!(rows(&db)?.len(), 6);
    sound(&local, &cold);
    Ok(())
}

#[test]
fn deletes_erasure_and_retention_reach_the_cold_tier() -> Result<()> {
    let (local, cold) = (MemoryStore::new(), MemoryStore::new());
    let db = open(&local, &cold, options())?;
    let base = now() - 40 * DAY;
    for day in 0..10 {
        write(&db, &[("a", base + day * DAY, 1.0), ("secret", base + day * DAY, 2.0)])?;
        db.flush()?;
        db.compact()?;
    }
    assert_eq!(tiers(&local), [Tier::Cold; 10]);
    let secret = [("host".to_owned(), vec![Some("secret".to_owned())])];
    db.delete("cpu", &secret, TimeRange::new(None, Some(base + 5 * DAY)))?;
    assert_eq!(rows(&db)?.len(), 15);
    db.compact()?;
    assert_eq!(rows(&db)?.len(), 15);
    assert_eq!(tiers(&local), [Tier::Cold; 10]);
    // Not a byte of the name is left where all of its rows went.
    let holding = |store: &MemoryStore| {
        let list = store.list("").expect("memory works");
        let holds = |path: &str| {
            let bytes = store.read(path).expect("listed");
            bytes.windows(6).any(|window| window == b"secret")
        };
        list.iter().filter(|e| e.path.starts_with("segment") && holds(&e.path)).count()
    };
    assert_eq!((holding(&local), holding(&cold)), (0, 5));
    db.set_retention("cpu", Some(now() - base - 3 * DAY - HOUR))?;
    assert_eq!(rows(&db)?.len(), 11);
    db.compact()?;
    assert_eq!(tiers(&local).len(), 6);
    for _ in 0..4 {
        // What the history still lists stays; then it goes.
        write(&db, &[("z", now(), 1.0)])?;
        db.flush()?;
    }
    db.collect()?;
    assert_eq!(objects(&cold), 6);
    assert_eq!(rows(&db)?.len(), 15);
    sound(&local, &cold);
    // Versions from before the erasure are gone.
    assert!(db.versions()?.len() <= 3);
    Ok(())
}

#[test]
fn late_rows_meet_what_is_cold() -> Result<()> {
    let (local, cold) = (MemoryStore::new(), MemoryStore::new());
    let db = open(&local, &cold, options())?;
    let last = common::spec("cpu", kymograph::model::Duplicates::Last);
    let put = |value: f64| db.write(&[common::batch("cpu", &[("a", 5, value)])], &last);
    put(1.0)?;
    db.compact()?;
    assert_eq!(tiers(&local), [Tier::Cold]);
    let written = put(2.0)?;
    assert_eq!((written.replaced, written.late), (1, 0));
    assert_eq!(rows(&db)?, common::owned(&[("a", 5, 2.0)]));
    db.compact()?;
    assert_eq!(tiers(&local), [Tier::Cold; 2]);
    assert_eq!(put(3.0)?.replaced, 1);
    assert_eq!(rows(&db)?, common::owned(&[("a", 5, 3.0)]));
    Ok(())
}

#[test]
fn a_write_of_new_rows_asks_nothing_of_the_cold_tier_and_a_cold_tier_that_is_down_stops_none()
-> Result<()> {
    let local = MemoryStore::new();
    let cold = FaultStore::new(Arc::new(MemoryStore::new()));
    let open =
        || Database::open_tiered_with(Arc::new(local.clone()), Arc::new(cold.clone()), options());
    let db = open()?;
    write(&db, &[("a", 5, 1.0)])?;
    db.compact()?;
    db.close()?;
    for kind in FaultKind::ALL {
        cold.fail(kind, 0, true);
    }
    let db = open()?;
    let today = now();
    for at in 0..3 {
        write(&db, &[("new", today + at, 1.0), ("a", today + at, 1.0)])?;
        db.flush()?;
    }
    let error = rows(&db).expect_err("a part of it is away");
    assert!(error.to_string().contains("/a/cold/store"), "{error}");
    write(&db, &[("b", 7, 1.0)])?;
    assert!(db.compact().is_err(), "the old row cannot move");
    cold.disarm();
    db.compact()?;
    assert_eq!(rows(&db)?.len(), 8);
    Ok(())
}

#[test]
fn a_damaged_segment_does_not_move_and_holds_no_other_back() -> Result<()> {
    let (local, cold) = (MemoryStore::new(), MemoryStore::new());
    let db = open(&local, &cold, Options { cold_after: None, ..options() })?;
    write(&db, &[("a", 5, 1.0)])?;
    db.flush()?;
    db.close()?;
    let path = local.list("segment")?[0].path.clone();
    let sound = open(&local, &cold, Options { cold_after: None, ..options() })?;
    write(&sound, &[("a", 6, 1.0)])?;
    sound.flush()?;
    sound.close()?;
    let mut bytes = local.read(&path)?.to_vec();
    bytes[20] ^= 1;
    local.overwrite(&path, &bytes);
    // In the background, which moves the other one.
    let db = open(&local, &cold, Options { background: true, ..options() })?;
    let moved = || tiers(&local) == [Tier::Local, Tier::Cold];
    for _ in 0..200 {
        if moved() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(moved(), "{:?}", tiers(&local));
    let error = db.compact().expect_err("it is damaged");
    assert!(matches!(error, Error::Corrupt(_)), "{error}");
    assert_eq!(objects(&cold), 1);
    Ok(())
}

#[test]
fn an_upload_that_no_version_lists_is_collected_after_the_time_of_grace_only() -> Result<()> {
    let (local, cold) = (MemoryStore::new(), MemoryStore::new());
    let db = open(&local, &cold, Options { grace: Duration::from_secs(2), ..options() })?;
    write(&db, &[("a", 5, 1.0)])?;
    db.compact()?;
    cold.put_new("segment/00000000000000000009-abcd.seg", b"half of a segment")?;
    cold.put_new("clock/left", b"?")?;
    assert_eq!(db.collect()?.objects, 0);
    assert_eq!(objects(&cold), 2);
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(db.collect()?.objects, 1);
    assert_eq!((objects(&cold), cold.list("clock")?.len()), (1, 0));
    assert_eq!(rows(&db)?.len(), 1);
    Ok(())
}

#[test]
fn folders_hold_a_cold_tier_and_every_wrong_place_is_refused() -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name).to_str().expect("a plain name").to_owned();
    let with = |cold: Option<String>, cold_after| Options { cold, cold_after, ..quiet() };
    let refused = |options: Options| match Database::open(&at("db"), options) {
        Err(Error::InvalidArgument(message)) => message,
        other => panic!("not refused: {other:?}"),
    };
    let db = Database::open(&at("db"), with(Some(at("cold")), Some(DAY)))?;
    write(&db, &[("a", 5, 1.0)])?;
    db.compact()?;
    db.close()?;
    let stats = |options: Options| -> Result<(u64, usize)> {
        let db = Database::open(&at("db"), options)?;
        Ok((db.stats()?.cold_segments, rows(&db)?.len()))
    };
    // By itself, by another form of its name, as a reader.
    assert_eq!(stats(quiet())?, (1, 1));
    assert_eq!(stats(with(Some(format!("file://{}/", at("cold"))), None))?, (1, 1));
    assert_eq!(stats(Options { mode: Mode::Read, ..quiet() })?, (1, 1));
    assert_eq!(check(&at("db"), &quiet())?.damage, []);
    let message = refused(with(Some(at("elsewhere")), None));
    assert!(message.contains(&at("cold")) && message.contains("elsewhere"), "{message}");
    assert!(refused(with(Some(at("db/inside")), None)).contains("inside"));
    assert!(refused(with(Some("s3://k:secret@b/p".to_owned()), None)).contains("credential"));
    assert!(refused(with(None, Some(0))).contains("cold_after"));
    let fresh = Database::open(&at("fresh"), with(None, Some(DAY))).expect_err("no place");
    assert!(fresh.to_string().contains("cold="), "{fresh}");
    // Two databases share a place and never see each other's.
    let other = Database::open(&at("other"), with(Some(at("cold")), Some(DAY)))?;
    write(&other, &[("a", 6, 1.0)])?;
    other.compact()?;
    other.close()?;
    let none = Options { grace: Duration::ZERO, ..with(Some(at("cold")), None) };
    Database::open(&at("other"), none)?.collect()?;
    assert_eq!(stats(quiet())?, (1, 1));
    // A place that is away is named; damage there is found.
    std::fs::rename(at("cold"), at("away")).expect("renamed");
    let message = Database::open(&at("db"), quiet()).expect_err("it is away").to_string();
    assert!(message.contains(&at("cold")), "{message}");
    assert_eq!(check(&at("db"), &quiet())?.damage.len(), 1);
    std::fs::rename(at("away"), at("cold")).expect("renamed");
    Ok(())
}

#[test]
fn ranges_of_the_cold_tier_are_kept_on_the_disk_within_their_budget() -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name).to_str().expect("a plain name").to_owned();
    // Two blocks and their headers.
    let budget = (2 << 20) + 64;
    let options = Options {
        cold: Some(at("cold")),
        cold_after: Some(DAY),
        cold_cache: budget,
        cache_bytes: 1 << 16,
        direct_points: 1000,
        grace: Duration::ZERO,
        ..quiet()
    };
    let cached = || -> u64 {
        let Ok(files) = std::fs::read_dir(dir.path().join("db/cache")) else { return 0 };
        let sizes = files.flatten().filter_map(|file| file.metadata().ok());
        sizes.filter(|meta| meta.is_file()).map(|meta| meta.len()).sum()
    };
    let db = Database::open(&at("db"), options.clone())?;
    // Doubles that do not compress: several megabytes.
    let mut state = 1u64;
    let mut value = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        f64::from_bits(state >> 2)
    };
    for part in 0..3i64 {
        let many: Vec<(&str, i64, f64)> =
            (0..130_000).map(|i| ("a", part * 130_000 + i, value())).collect();
        write(&db, &many)?;
    }
    let before = rows(&db)?;
    db.compact()?;
    assert!(db.stats()?.cold_bytes > 5 << 19);
    assert_eq!(rows(&db)?, before);
    assert!(cached() > 1 << 20 && cached() <= budget, "{} bytes", cached());
    db.close()?;
    // It survives, and damage in it is no damage.
    for entry in std::fs::read_dir(dir.path().join("db/cache")).expect("made").flatten() {
        if entry.file_type().expect("read").is_file() {
            let mut bytes = std::fs::read(entry.path()).expect("read");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            std::fs::write(entry.path(), bytes).expect("written");
        }
    }
    let db = Database::open(&at("db"), options)?;
    assert_eq!(rows(&db)?, before);
    assert!(cached() <= budget);
    // What is erased goes from it too.
    db.delete("cpu", &[], TimeRange::ALL)?;
    db.compact()?;
    db.collect()?;
    assert_eq!(cached(), 0);
    Ok(())
}
