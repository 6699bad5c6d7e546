//! The tests of failure, asked whether they find bugs that are known to be there: each of them is
//! planted in turn, and some part of the harness must find it; with none planted nothing is found.

mod common;
mod harness;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use harness::model::{self, Change};
use harness::power::{self, Figures};
use harness::{crowd, damage, faults, number, seed};
use kymograph::Error;
use kymograph::db::{Database, Options};
use kymograph::model::TimeRange;
use kymograph::planted::{Bug, plant};
use kymograph::query::{QueryContext, SumQuery};
use kymograph::storage::vfs::simulated::{Call, Dice, DiskFault, SimulatedDisk};

/// Attempts within which a bug must be found.
const BOUND: u64 = 60;

/// Two commits of one name: the second is told.
fn names() -> Result<(), String> {
    let (_db, store) = faults::open(&SimulatedDisk::new()).map_err(|e| e.to_string())?;
    store.put_new("manifest/two", b"one").map_err(|e| e.to_string())?;
    match store.put_new("manifest/two", b"two") {
        Err(Error::Conflict(_)) => Ok(()),
        other => Err(format!("two writers committed one version: {other:?}")),
    }
}

/// Two writers of one folder: the second is refused.
fn lock() -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let path = dir.path().to_str().ok_or("UTF-8")?;
    let options = Options { background: false, threads: 1, ..Options::default() };
    let _one = Database::open(path, options.clone()).map_err(|e| e.to_string())?;
    match Database::open(path, options) {
        Err(Error::DatabaseLocked(_)) => Ok(()),
        other => Err(format!("two writers hold one lock: {:?}", other.map(drop))),
    }
}

/// Sums over a run of several chunks, which are answered from its tree.
fn sums() -> Result<(), String> {
    let options =
        Options { background: false, threads: 1, direct_points: 1000, ..Options::default() };
    let db = Database::in_memory(options).map_err(|e| e.to_string())?;
    let rows: Vec<_> = (0..330_000u64).map(|i| (0, i as i64, i)).collect();
    model::apply(&db, &Change::Write { table: 0, rows }).map_err(|e| e.to_string())?;
    for (from, to) in [(0, 330_000), (1, 329_999), (70_000, 300_000)] {
        let range = TimeRange::new(Some(from), Some(to));
        let query = SumQuery { field: "value".to_owned(), filter: Vec::new(), range };
        let sum = db.sum("a", &query, &QueryContext::default()).map_err(|e| e.to_string())?;
        let expected: f64 = (from..to).map(|i| i as f64).sum();
        match sum {
            Some(kymograph::chunk::Stats::F64(s)) if s.sum == expected => {}
            other => return Err(format!("the sum of [{from}, {to}) is {other:?}")),
        }
    }
    Ok(())
}

/// What was erased is in no version that can still be opened.
fn erasure() -> Result<(), String> {
    let disk = SimulatedDisk::new();
    let (db, store) = faults::open(&disk).map_err(|e| e.to_string())?;
    let write = Change::Write { table: 0, rows: vec![(0, 1, 1), (0, 2, 2)] };
    let delete = Change::Delete { table: 0, host: None, from: 1, to: 2 };
    let work = || -> kymograph::Result<Vec<u64>> {
        model::apply(&db, &write)?;
        db.flush()?;
        model::apply(&db, &delete)?;
        db.compact()?;
        Ok(db.versions()?.into_iter().map(|(version, _)| version).collect())
    };
    for version in work().map_err(|e| e.to_string())? {
        let options = Options { as_of: Some(version), threads: 1, ..Options::default() };
        let old = Database::open_with(Arc::clone(&store), options).map_err(|e| e.to_string())?;
        let found = model::found(&old).map_err(|e| e.to_string())?;
        if found[0].iter().any(|row| row.2 == 1) {
            return Err(format!("version {version} shows what was erased"));
        }
    }
    Ok(())
}

/// One attempt of every part; says which found what.
fn attempt(seed: u64, at: u64, calls: &[(Call, u64)]) -> Result<(), (&'static str, String)> {
    let part = |name: &'static str, run: &mut dyn FnMut() -> Result<(), String>| match catch_unwind(
        AssertUnwindSafe(run),
    ) {
        Ok(outcome) => outcome.map_err(|what| (name, what)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Err((name, format!("a panic: {}", text.unwrap_or_default())))
        }
    };
    let own = seed.wrapping_add(at << 32);
    let mut dice = Dice::new(own);
    if at == 0 {
        part("names", &mut names)?;
        part("lock", &mut lock)?;
        part("sums", &mut sums)?;
        part("erasure", &mut erasure)?;
        part("every byte", &mut damage::every_byte)?;
        part("out of turn", &mut damage::out_of_turn)?;
    }
    part("power", &mut || power::rounds(own, 150, &mut Figures::default()))?;
    for _ in 0..24 {
        // Half of them where a wrong answer costs most.
        let some = dice.one_in(2);
        let worst = |call: Call| matches!(call, Call::Sync | Call::Write);
        let calls: Vec<_> = calls.iter().filter(|(call, _)| !some || worst(*call)).collect();
        let (call, count) = *calls[dice.below(calls.len())];
        let (after, lasting) = (dice.below(count as usize) as u64, dice.one_in(2));
        let failure = faults::FAILURES[dice.below(faults::FAILURES.len())];
        let fault = DiskFault { call, after, lasting, failure };
        part("faults", &mut || faults::scenario(fault))?;
    }
    part("crowd", &mut || crowd::round(own))?;
    for round in 0..8 {
        part("damage", &mut || damage::round(own + round))?;
    }
    Ok(())
}

#[test]
fn every_planted_bug_is_found_and_none_is_imagined() {
    let clean = number("KYMOGRAPH_PLANTED_CLEAN", 3);
    let only = std::env::var("KYMOGRAPH_PLANTED_ONLY").ok();
    let seed = seed("KYMOGRAPH_PLANTED_SEED");
    plant(None);
    let mut calls: Vec<(Call, u64)> =
        faults::calls().into_iter().filter(|(_, count)| *count > 0).collect();
    calls.sort_by_key(|(call, _)| format!("{call:?}"));
    for at in 0..clean {
        attempt(seed, at, &calls).unwrap_or_else(|(part, what)| {
            panic!("with nothing planted {part} finds {what}; KYMOGRAPH_PLANTED_SEED={seed}")
        });
    }
    println!("nothing planted: {clean} attempts, nothing found");
    let (mut found, mut missed) = (BTreeMap::new(), Vec::new());
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let all: Arc<[Bug]> = Bug::ALL.into();
    let chosen = |bug: &&Bug| {
        let name = format!("{bug:?}");
        only.as_ref().is_none_or(|only| only.split(',').any(|one| one == name))
    };
    for bug in all.iter().filter(chosen) {
        plant(Some(*bug));
        let began = Instant::now();
        let caught = (0..BOUND).find_map(|at| {
            attempt(seed.wrapping_add(*bug as u64), at, &calls).err().map(|by| (at + 1, by))
        });
        plant(None);
        let seconds = began.elapsed().as_secs_f64();
        match caught {
            Some((attempts, (part, what))) => {
                let short: String = what.chars().take(90).collect();
                println!("{bug:?}: by {part} in attempt {attempts}, {seconds:.1} s: {short}");
                *found.entry(part).or_insert(0) += 1;
            }
            None => {
                println!("{bug:?}: NOT FOUND in {BOUND} attempts, {seconds:.1} s");
                missed.push(*bug);
            }
        }
    }
    std::panic::set_hook(hook);
    println!("{} bugs, found by {found:?}", found.values().sum::<u32>());
    assert!(missed.is_empty(), "not found: {missed:?}; KYMOGRAPH_PLANTED_SEED={seed}");
}
