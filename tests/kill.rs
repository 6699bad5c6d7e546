//! A writer that is killed at any moment: each round is a process of its own, which announces what
//! it is about to do and what was acknowledged, and is killed in the phase that the round is for.

#![cfg(unix)]

mod common;
mod harness;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::model::{self, Change, Row};
use harness::{number, seed};
use kymograph::db::{Database, Durability, Mode, Options, check};
use kymograph::storage::vfs::simulated::Dice;

/// What a writer can be in when it dies. Moves between tiers are to be one more.
const PHASES: [&str; 6] = ["recovery", "write", "flush", "compaction", "retention", "close"];
const CHILD: &str = "KYMOGRAPH_KILL_CHILD";

fn durability(name: &str) -> Durability {
    match name {
        "interval" => Durability::Interval(Duration::from_millis(5)),
        other => Durability::parse(other).expect("a durability"),
    }
}

/// Write `n`'s rows: table a, or r with rows past their time.
fn rows_of(n: u64, start: i64) -> (usize, Vec<Row>) {
    let count = 1 + n * 7 % 40;
    let table = if n % 5 == 4 { 2 } else { 0 };
    let base = if n % 10 == 9 { start - 2 * model::RETENTION } else { start };
    let row = |i: u64| ((n % 4) as usize, base + (n * 100 + i) as i64, n * 100 + i);
    (table, (0..count).map(row).collect())
}

/// The killed process: this test in a process that the other one starts.
#[test]
fn child() {
    let Ok(given) = std::env::var(CHILD) else { return };
    let given: Vec<&str> = given.split('|').collect();
    let [path, mode, seed, start, next] = given[..] else { panic!("{given:?}") };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let (mut dice, start) = (Dice::new(number(seed)), number(start) as i64);
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        out.write_all(format!("{line}\n").as_bytes()).and_then(|()| out.flush()).expect("a pipe");
    };
    say("in recovery".to_owned());
    let options = Options {
        background: dice.one_in(3),
        threads: 1,
        durability: Some(durability(mode)),
        direct_points: if dice.one_in(2) { 30 } else { 1 << 40 },
        head_bytes: if dice.one_in(3) { 2048 } else { 64 << 20 },
        history: dice.below(3) as u64,
        cache_bytes: 64 << 10,
        ..Options::default()
    };
    let db = Database::open(path, options).expect("an open");
    db.create_table(model::expiring()).expect("a table");
    let mut n = number(next);
    while !dice.one_in(60) {
        match dice.below(12) {
            0 | 1 => {
                say("in flush".to_owned());
                db.flush().expect("a flush");
            }
            2 => {
                say("in compaction".to_owned());
                db.compact().expect("a compaction");
            }
            3 => {
                say("in compaction".to_owned());
                let table = if dice.one_in(2) { "a" } else { "r" };
                db.compact_run(table, dice.below(2), 2 + dice.below(3)).expect("a merge");
            }
            4 => {
                // Rows past their time in a segment of their own, and nothing else to do.
                n = (n / 10 + 1) * 10 + 9;
                let (table, rows) = rows_of(n, start);
                say(format!("try {n}"));
                model::apply(&db, &Change::Write { table, rows }).expect("a write");
                say(format!("ack {n}"));
                n += 1;
                db.flush().expect("a flush");
                say("in retention".to_owned());
                db.compact().expect("a compaction");
            }
            5 => {
                let from = start + (n.saturating_sub(dice.below(12) as u64) * 100) as i64;
                let to = from + 400;
                say(format!("erase {} {}", from - start, to - start));
                let change = Change::Delete { table: 0, host: None, from, to };
                model::apply(&db, &change).expect("a delete");
                say("erased".to_owned());
            }
            _ => {
                say("in write".to_owned());
                for _ in 0..1 + dice.below(6) {
                    let (table, rows) = rows_of(n, start);
                    say(format!("try {n}"));
                    model::apply(&db, &Change::Write { table, rows }).expect("a write");
                    say(format!("ack {n}"));
                    n += 1;
                }
            }
        }
        say("in idle".to_owned());
    }
    say("in close".to_owned());
    db.close().expect("a close");
    say("in end".to_owned());
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Acknowledged,
    Open,
}

/// What all processes of one database did.
#[derive(Debug, Default)]
struct Account {
    writes: BTreeMap<u64, Fate>,
    /// Deletes of table a, with the writes that came before them.
    deletes: Vec<(i64, i64, u64, Fate)>,
    next: u64,
}

impl Account {
    fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().expect("a whole line");
        match words[0] {
            "try" => {
                self.next = number(1) + 1;
                self.writes.insert(number(1), Fate::Open);
            }
            "ack" => drop(self.writes.insert(number(1), Fate::Acknowledged)),
            "erase" => {
                let bounds = (number(1) as i64, number(2) as i64);
                self.deletes.push((bounds.0, bounds.1, self.next, Fate::Open));
            }
            "erased" => {
                if let Some(delete) = self.deletes.last_mut() {
                    delete.3 = Fate::Acknowledged;
                }
            }
            _ => {}
        }
    }

    /// Compares with what a reader sees.
    fn check(&self, path: &Path, start: i64) -> Result<(), String> {
        let options = Options { mode: Mode::Read, threads: 1, ..Options::default() };
        let path = path.to_str().expect("UTF-8");
        let found = match Database::open(path, options) {
            Ok(db) => model::found(&db).map_err(|e| format!("a read fails: {e}"))?,
            // Killed before there was a version.
            Err(kymograph::Error::NotFound(_))
                if self.writes.values().all(|fate| *fate == Fate::Open) =>
            {
                return Ok(());
            }
            Err(error) => return Err(format!("it does not open: {error}")),
        };
        let mut explained = 0;
        for (n, fate) in &self.writes {
            let (table, rows) = rows_of(*n, start);
            let mut seen = Vec::new();
            for row in rows.iter().filter(|row| row.1 >= start - model::RETENTION) {
                let there = found[table].binary_search(row).is_ok();
                explained += usize::from(there);
                let after = self.deletes.iter().filter(|(from, to, before, _)| {
                    table == 0 && n < before && (*from..*to).contains(&(row.1 - start))
                });
                if after.clone().any(|delete| delete.3 == Fate::Acknowledged) && there {
                    return Err(format!("{row:?} came back"));
                }
                if after.count() == 0 {
                    seen.push(there);
                }
            }
            if seen.contains(&true) && seen.contains(&false) {
                return Err(format!("half of write {n}"));
            }
            if *fate == Fate::Acknowledged && seen.contains(&false) {
                return Err(format!("write {n} is lost"));
            }
        }
        let all: usize = found.iter().map(Vec::len).sum();
        if all == explained { Ok(()) } else { Err(format!("{all} rows, {explained} explained")) }
    }
}

fn start_child(path: &Path, mode: &str, seed: u64, start: i64, next: u64) -> Child {
    let given = format!("{}|{mode}|{seed}|{start}|{next}", path.display());
    Command::new(std::env::current_exe().expect("this program"))
        .args(["child", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, given)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process")
}

/// One life of a writer; says the phase it was killed in.
fn round(
    path: &Path,
    mode: &str,
    target: &str,
    account: &mut Account,
    start: i64,
    dice: &mut Dice,
) -> Result<String, String> {
    let mut child = start_child(path, mode, dice.roll() >> 1, start, account.next);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut phase = "start".to_owned();
    let once = matches!(target, "recovery" | "close");
    let mut skip = if once { 0 } else { dice.below(3) };
    let mut wait = Duration::ZERO;
    let mut killed = false;
    for line in lines.by_ref() {
        let Ok(line) = line else { break };
        // The test runner has begun its own line.
        let line = line.strip_prefix("test child ... ").unwrap_or(&line);
        account.line(line);
        if let Some(now) = line.strip_prefix("in ") {
            phase = now.to_owned();
            if now == target {
                if skip == 0 {
                    // In the middle of it: how long it takes differs by machine and by round.
                    wait = Duration::from_micros(dice.below(2500) as u64);
                    killed = true;
                    break;
                }
                skip -= 1;
            }
        }
    }
    if killed {
        let until = Instant::now() + wait;
        if wait > Duration::from_micros(200) {
            std::thread::sleep(wait);
        }
        while Instant::now() < until {
            std::hint::spin_loop();
        }
    }
    let _ = child.kill();
    // What it said before it died counts, whenever it is read.
    for line in lines {
        let Ok(line) = line else { break };
        account.line(&line);
        if let Some(now) = line.strip_prefix("in ") {
            phase = now.to_owned();
        }
    }
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("panicked") {
        return Err(format!("the writer failed: {said}"));
    }
    Ok(phase)
}

fn kills(mode: &str) {
    let rounds = number("KYMOGRAPH_KILL_ROUNDS", 8);
    let seed = seed("KYMOGRAPH_KILL_SEED");
    let mut dice = Dice::new(seed);
    let mut phases: BTreeMap<String, u64> = BTreeMap::new();
    let began = Instant::now();
    let mut done = 0;
    while done < rounds {
        // A kill leaves to the system what was written, whatever it is written to.
        let memory = Path::new("/dev/shm");
        let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let dir = dir.expect("a folder");
        let path = dir.path().join("db");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let start = now.expect("after 1970").as_nanos() as i64;
        let mut account = Account::default();
        for _ in 0..30.min(rounds - done) {
            let target = PHASES[dice.below(PHASES.len())];
            let what = |what: String| -> ! {
                panic!("{what}; mode {mode}, target {target}, KYMOGRAPH_KILL_SEED={seed}")
            };
            let phase = round(&path, mode, target, &mut account, start, &mut dice)
                .unwrap_or_else(|error| what(error));
            *phases.entry(phase).or_default() += 1;
            account.check(&path, start).unwrap_or_else(|error| what(error));
            done += 1;
        }
        let report = check(path.to_str().expect("UTF-8"), &Options::default()).expect("a check");
        assert!(report.damage.is_empty(), "{:?}", report.damage);
    }
    let ended = phases.remove("end").unwrap_or(0);
    println!(
        "{mode}: {} kills in {:.1} s, by phase {phases:?}; {ended} ended before",
        done - ended,
        began.elapsed().as_secs_f64()
    );
    assert!(done > ended, "nothing was killed at work");
}

#[test]
fn killed_writers_of_full_lose_nothing_acknowledged() {
    kills("full");
}

#[test]
fn killed_writers_of_interval_lose_nothing_acknowledged() {
    kills("interval");
}

#[test]
fn killed_writers_of_os_lose_nothing_acknowledged() {
    kills("os");
}
