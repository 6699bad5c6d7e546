//! Random work on a database, with the model's account of it.

use std::time::Duration;

use kymograph::db::{Database, Durability, Options};
use kymograph::storage::vfs::simulated::Dice;

use super::model::{self, Change, Row, Rows, TABLES};

/// What became of a change.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) change: Change,
    pub(crate) acknowledged: bool,
    /// In the log at the time: its file, and where its record ends.
    pub(crate) logged: Option<(String, usize)>,
}

/// The account of a database's life.
#[derive(Debug)]
pub(crate) struct Account {
    /// What was there when it was last opened and found right.
    pub(crate) base: Rows,
    /// What was done since.
    pub(crate) ops: Vec<Op>,
    /// Values that were deleted, and those that a compaction has erased since.
    pub(crate) deleted: Vec<u64>,
    pub(crate) erased: Vec<u64>,
    /// Every row ever tried.
    pub(crate) ever: std::collections::HashSet<(usize, Row)>,
    pub(crate) next_value: u64,
    pub(crate) start: i64,
    /// Rows from which on a write passes the log by.
    pub(crate) direct_points: u64,
}

impl Account {
    pub(crate) fn new(next_value: u64) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            base: Rows::default(),
            ops: Vec::new(),
            deleted: Vec::new(),
            erased: Vec::new(),
            ever: Default::default(),
            next_value,
            start: now.expect("after 1970").as_nanos() as i64,
            direct_points: u64::MAX,
        }
    }

    /// Rows of table `r` before this are past their time; those that it is given are an hour away
    /// from it on either side.
    pub(crate) fn floor(&self) -> i64 {
        self.start - model::RETENTION
    }

    /// All that was acknowledged.
    pub(crate) fn expected(&self) -> Rows {
        let done = self.ops.iter().filter(|op| op.acknowledged).map(|op| &op.change);
        model::visible(&self.base, done, self.floor())
    }

    fn rows(&mut self, table: usize, count: usize, dice: &mut Dice) -> Vec<Row> {
        let past = table == 2 && dice.one_in(3);
        let rows: Vec<Row> = (0..count)
            .map(|_| {
                self.next_value += 1;
                let time = self.start + dice.below(60) as i64;
                let time = if past { time - 2 * model::RETENTION } else { time };
                (dice.below(4), time, self.next_value)
            })
            .collect();
        self.ever.extend(rows.iter().map(|row| (table, *row)));
        rows
    }

    pub(crate) fn change(&mut self, dice: &mut Dice) -> Change {
        let table = dice.below(TABLES.len());
        if dice.one_in(9) {
            let from = self.start + dice.below(50) as i64;
            let host = dice.one_in(2).then(|| dice.below(4));
            return Change::Delete { table, host, from, to: from + 1 + dice.below(30) as i64 };
        }
        let count = match dice.below(12) {
            0 => 40 + dice.below(160),
            1..=3 => 6 + dice.below(10),
            _ => 1 + dice.below(4),
        };
        Change::Write { table, rows: self.rows(table, count, dice) }
    }

    /// Makes a change, and says whether it went through.
    pub(crate) fn apply(
        &mut self,
        db: &Database,
        change: Change,
        logged: impl FnOnce() -> Option<(String, usize)>,
    ) -> kymograph::Result<()> {
        let before = matches!(change, Change::Delete { .. }).then(|| self.expected());
        let result = model::apply(db, &change);
        self.ops.push(Op { change, acknowledged: result.is_ok(), logged: None });
        if result.is_ok() {
            let small = |change: &Change| match change {
                Change::Write { rows, .. } => (rows.len() as u64) < self.direct_points,
                Change::Delete { .. } => false,
            };
            if let Some(op) = self.ops.last_mut().filter(|op| small(&op.change)) {
                op.logged = logged();
            }
            if let Some(before) = before {
                let after = self.expected();
                for (was, is) in before.iter().zip(&after) {
                    self.deleted.extend(was.iter().filter(|r| !is.contains(r)).map(|r| r.2));
                }
            }
        }
        result
    }

    /// Everything acknowledged so far is in segments now.
    pub(crate) fn flushed(&mut self) {
        self.ops.iter_mut().filter(|op| op.acknowledged).for_each(|op| op.logged = None);
    }

    /// What was found is right, and the account goes on from there.
    pub(crate) fn adopt(&mut self, found: Rows) {
        self.ops.clear();
        // A delete that power cut short may not have happened.
        let there = |value: &u64| found.iter().flatten().any(|row| row.2 == *value);
        self.deleted.retain(|value| !there(value));
        self.base = found;
    }
}

/// Random options for the next open; the durability is the caller's.
pub(crate) fn options(dice: &mut Dice, durability: Durability) -> Options {
    Options {
        background: false,
        threads: 1,
        durability: Some(durability),
        direct_points: if dice.one_in(2) { 1 << 40 } else { 8 + dice.below(40) as u64 },
        head_bytes: if dice.one_in(4) { 4096 } else { 64 << 20 },
        history: if dice.one_in(3) { 30 } else { dice.below(4) as u64 },
        cache_bytes: if dice.one_in(2) { 0 } else { 64 << 10 },
        flush_age: Duration::from_secs(3600),
        ..Options::default()
    }
}

/// One random step. An error of the engine is returned as it is; a wrong answer is a finding.
pub(crate) fn step(
    db: &Database,
    account: &mut Account,
    held: &mut Vec<(Database, Rows)>,
    dice: &mut Dice,
    logged: impl FnOnce() -> Option<(String, usize)>,
) -> Result<kymograph::Result<()>, String> {
    macro_rules! engine {
        ($call:expr) => {
            match $call {
                Ok(value) => value,
                Err(error) => return Ok(Err(error)),
            }
        };
    }
    match dice.below(40) {
        0..=2 => {
            engine!(db.flush());
            account.flushed();
        }
        3 => {
            engine!(db.compact());
            account.flushed();
            let deleted = std::mem::take(&mut account.deleted);
            account.erased.extend(deleted);
        }
        4 | 5 => {
            let table = TABLES[dice.below(TABLES.len())];
            engine!(db.compact_run(table, dice.below(3), 2 + dice.below(3)));
        }
        6 | 7 => {
            let found = engine!(model::found(db));
            let expected = account.expected();
            if found != expected {
                return Err(format!("a read is wrong: {}", model::difference(&found, &expected)));
            }
        }
        8 if held.len() < 2 => held.push((engine!(db.snapshot()), account.expected())),
        9 if !held.is_empty() => {
            let (snapshot, expected) = held.swap_remove(dice.below(held.len()));
            let found = engine!(model::found(&snapshot));
            if found != expected {
                let what = model::difference(&found, &expected);
                return Err(format!("a snapshot changed: {what}"));
            }
        }
        _ => {
            let change = account.change(dice);
            engine!(account.apply(db, change, logged));
        }
    }
    Ok(Ok(()))
}
