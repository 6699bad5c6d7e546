//! Damage in every file of a small database that has something of everything: the right answer or an
//! error, also for a reader that is open, and a check that names the file.
//!
//! The long form: `KYMOGRAPH_DAMAGE_FLIPS=100000 KYMOGRAPH_DAMAGE_STEP=1`, and
//! `KYMOGRAPH_DAMAGE_SEED` for other flips.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use common::copy;
use common::rich::{Rows, answer, figures, files, options, rich};
use kymograph::db::{Database, Mode, Options, check_with};
use kymograph::storage::vfs::{MemoryStore, Store};
use kymograph::storage::wal::mark;
use kymograph::{Error, Result};

fn count(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |n| n.parse().expect("a number"))
}

/// A generator of splitmix64: the same flips for the same seed, everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// What whole files answer.
struct Whole {
    left: MemoryStore,
    rows: Vec<Rows>,
    figures: Vec<Rows>,
}

impl Whole {
    fn new() -> Self {
        let (left, rows) = rich().expect("a small database");
        let store: Arc<dyn Store> = Arc::new(left.clone());
        assert_eq!(check_with(&store).expect("a store that works").damage, []);
        let db = open(&copy(&left), Mode::Write).expect("whole files");
        assert_eq!(answer(&db).expect("whole files"), rows);
        let figures = figures(&db).expect("whole files");
        drop(db);
        Self { left, rows, figures }
    }
}

fn open(store: &MemoryStore, mode: Mode) -> Result<Database> {
    Database::open_with(Arc::new(store.clone()), Options { mode, ..options() })
}

/// How often damage of a kind of file was found, and how often it did no harm.
#[derive(Default)]
struct Tally(BTreeMap<String, [usize; 2]>);

impl Tally {
    fn count(&mut self, path: &str, harmless: bool) {
        let kind = path.split('/').next().unwrap_or(path);
        let kind = if path.ends_with(".durable") { "mark" } else { kind };
        self.0.entry(kind.to_owned()).or_default()[usize::from(harmless)] += 1;
    }

    fn print(&self, what: &str, started: Instant) {
        let all: usize = self.0.values().flatten().sum();
        println!("{what}: {all} damaged copies in {:.1?}, 0 wrong answers", started.elapsed());
        for (kind, [found, harmless]) in &self.0 {
            println!("  {kind}: {found} refused, {harmless} answered right");
        }
    }
}

/// Whether the answer is right; an error must be one that names damage.
fn judge_answer(whole: &Whole, db: Result<&Database>, all: bool, what: &str) -> bool {
    let asked = db.and_then(|db| Ok((answer(db)?, if all { Some(figures(db)?) } else { None })));
    match asked {
        Ok((rows, figures)) => {
            assert!(rows == whole.rows, "{what}: wrong rows");
            assert!(figures.is_none_or(|f| f == whole.figures), "{what}: wrong figures");
            true
        }
        Err(Error::Corrupt(message)) => {
            assert!(!message.is_empty(), "{what}");
            false
        }
        Err(error) => panic!("{what}: {error:?}"),
    }
}

/// One damaged copy: what it answers, and what the check says of it.
fn judge(whole: &Whole, tally: &mut Tally, path: &str, bytes: &[u8], what: &str) {
    let damaged = copy(&whole.left);
    let live = open(&damaged, Mode::Read).expect("whole files");
    // One reader has its chunks in memory, the other meets the damage as it reads them.
    let fresh = open(&damaged, Mode::Read).expect("whole files");
    assert!(judge_answer(whole, Ok(&live), false, what));
    damaged.overwrite(path, bytes);
    let mut right = judge_answer(whole, Ok(&live), true, &format!("{what}, open reader"));
    right &= judge_answer(whole, Ok(&fresh), false, &format!("{what}, reader that reads on"));
    let store: Arc<dyn Store> = Arc::new(damaged.clone());
    let report = check_with(&store).expect("a store that can be listed");
    let named = report.damage.iter().any(|damage| damage.file == path);
    let nothing_known = path.ends_with(".durable") && bytes.iter().all(|byte| *byte == 0);
    assert!(named || nothing_known || path == "LOCK", "{what}: {:?}", report.damage);
    assert!(!named || !nothing_known, "{what}: an empty mark is no damage");
    for mode in [Mode::Read, Mode::Write] {
        let opened = open(&damaged, mode);
        let opened = opened.as_ref().map_err(again);
        let found = judge_answer(whole, opened, mode == Mode::Write, &format!("{what} {mode:?}"));
        right &= found;
        assert!(found || !path.ends_with(".durable"), "{what}: a mark that bars the log");
    }
    tally.count(path, right);
}

/// The same error once more: an error cannot be cloned.
fn again(error: &Error) -> Error {
    match error {
        Error::Corrupt(message) => Error::Corrupt(message.clone()),
        other => Error::Internal(other.to_string()),
    }
}

fn every_file(whole: &Whole, mut each: impl FnMut(&str, &[u8])) {
    let all = files(&whole.left);
    for kind in ["manifest/", "segment/", "wal/"] {
        assert!(all.iter().any(|(path, _)| path.starts_with(kind)), "{kind}");
    }
    assert!(all.iter().any(|(path, _)| path.ends_with(".durable")), "no mark");
    all.iter().for_each(|(path, bytes)| each(path, bytes));
}

#[test]
fn flipped_bits_are_found_or_do_no_harm() {
    let (whole, mut tally, started) = (Whole::new(), Tally::default(), Instant::now());
    whole.left.overwrite("LOCK", b"{\"pid\": 1}");
    let seed = count("KYMOGRAPH_DAMAGE_SEED", 1) as u64;
    let mut dice = Dice(seed);
    let all = files(&whole.left);
    // Each byte of a log and its mark, by turns in other bits.
    for (path, bytes) in all.iter().filter(|(path, _)| path.starts_with("wal/")) {
        for at in (0..bytes.len()).step_by(count("KYMOGRAPH_DAMAGE_STEP", 11)) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            judge(&whole, &mut tally, path, &damaged, &format!("{path} byte {at}"));
        }
    }
    for flip in 0..count("KYMOGRAPH_DAMAGE_FLIPS", 200) {
        let (path, bytes) = &all[dice.below(all.len())];
        let mut damaged = bytes.clone();
        for _ in 0..=dice.below(4) {
            let bit = dice.below(8 * damaged.len());
            damaged[bit / 8] ^= 1 << (bit % 8);
        }
        if damaged != *bytes {
            judge(
                &whole,
                &mut tally,
                path,
                &damaged,
                &format!("seed {seed} flip {flip} of {path}"),
            );
        }
    }
    tally.print(&format!("flips, seed {seed}"), started);
}

#[test]
fn truncations_are_found_or_do_no_harm() {
    let (whole, mut tally, started) = (Whole::new(), Tally::default(), Instant::now());
    let step = count("KYMOGRAPH_DAMAGE_STEP", 97);
    every_file(&whole, |path, bytes| {
        let step = if path.starts_with("wal/") { step.min(5) } else { step };
        for len in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
            judge(&whole, &mut tally, path, &bytes[..len], &format!("{path} cut to {len}"));
        }
    });
    tally.print("truncations", started);
}

#[test]
fn bytes_too_many_are_found_or_do_no_harm() {
    let (whole, mut tally) = (Whole::new(), Tally::default());
    every_file(&whole, |path, bytes| {
        // Behind the records of a log they are a write that a crash cut short.
        if path.ends_with(".wal") {
            return;
        }
        let longer = [bytes, &[0; 9]].concat();
        judge(&whole, &mut tally, path, &longer, &format!("{path} and 9 zeros"));
    });
}

#[test]
fn files_that_are_gone_are_found() {
    let whole = Whole::new();
    for (path, _) in files(&whole.left) {
        let damaged = copy(&whole.left);
        damaged.delete(&path).expect("a store that works");
        let store: Arc<dyn Store> = Arc::new(damaged.clone());
        let report = check_with(&store).expect("a store that can be listed");
        let named = report.damage.iter().any(|damage| damage.file == path);
        // Nothing says that there was a mark.
        assert!(named || path.ends_with(".durable"), "{path}: {:?}", report.damage);
        let opened = open(&damaged, Mode::Write);
        match opened.and_then(|db| answer(&db)) {
            Err(Error::NotFound(message) | Error::Corrupt(message)) => {
                assert!(message.contains(&path), "{message}");
            }
            Err(error) => panic!("{error}"),
            Ok(found) => assert!(found == whole.rows, "{path}"),
        }
    }
}

#[test]
fn a_mark_that_is_old_torn_or_empty_says_nothing_wrong() {
    let whole = Whole::new();
    let all = files(&whole.left);
    let (path, bytes) = all.iter().find(|(p, _)| p.ends_with(".durable")).expect("a mark");
    let number = path["wal/".len()..].trim_end_matches(".durable").parse().expect("a number");
    let now = mark::Mark::decode(bytes, number).expect("a whole mark");
    assert!(now.records >= 3 && now.end > 100 && now.version > 5, "{now:?}");
    let log = whole.left.read(&kymograph::storage::wal::path(number)).expect("its log");
    assert_eq!(now.end, log.len() as u64);
    let old = mark::Mark { end: 20, records: 0, ..now }.encode();
    let torn = [&bytes[..32], &old[32..]].concat();
    for (mark, damaged) in
        [(&old[..], false), (&torn, true), (&[0; mark::MARK], false), (&[], false)]
    {
        let left = copy(&whole.left);
        left.overwrite(path, mark);
        let store: Arc<dyn Store> = Arc::new(left.clone());
        let report = check_with(&store).expect("a store that works");
        assert_eq!(!report.damage.is_empty(), damaged, "{:?}", report.damage);
        assert_eq!(answer(&open(&left, Mode::Write).expect("whole")).expect("whole"), whole.rows);
        // What a power cut may leave of the log is no damage then.
        let left = copy(&whole.left);
        left.overwrite(path, mark);
        left.overwrite(&kymograph::storage::wal::path(number), &log[..log.len() - 1]);
        let rows = answer(&open(&left, Mode::Write).expect("a torn tail")).expect("a torn tail");
        assert!(rows != whole.rows);
    }
    // And behind the mark there may be a write that a crash cut short.
    let left = copy(&whole.left);
    left.overwrite(&kymograph::storage::wal::path(number), &[&log[..], &log[20..60]].concat());
    assert_eq!(answer(&open(&left, Mode::Write).expect("torn")).expect("torn"), whole.rows);
}
