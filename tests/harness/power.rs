//! Lives of databases on a disk that loses power at any call, also while they recover.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kymograph::db::{Database, Durability, Options, check_with};
use kymograph::storage::vfs::simulated::{Dice, SimulatedDisk};
use kymograph::storage::vfs::{LocalStore, Store, SyncPolicy};

use super::model::{self, Change, Rows};
use super::work::{self, Account};

const ROOT: &str = "/data/db";

/// What rounds of power cuts did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) cuts: u64,
    /// Of these while a database was being opened.
    pub(crate) during_recovery: u64,
    pub(crate) kills: u64,
    pub(crate) opens: u64,
    pub(crate) steps: u64,
    pub(crate) acknowledged: u64,
    /// Acknowledged writes of `interval` and `os` that a cut took.
    pub(crate) allowed_losses: u64,
    /// Databases of durability `os` that a cut left unreadable.
    pub(crate) os_unreadable: u64,
    pub(crate) checks: u64,
}

/// One database through its sessions.
struct Life<'a> {
    dice: Dice,
    figures: &'a mut Figures,
    disk: SimulatedDisk,
    account: Account,
    /// For each operation of the account whether it must still be there.
    musts: Vec<bool>,
    /// Whether what was acknowledged without an fsync is promised to outlive a cut.
    full: bool,
    /// A session of durability `os` may have left anything unsynced, older data too.
    loose: bool,
    /// And the power went since.
    torn: bool,
    recovering: bool,
}

fn open(disk: &SimulatedDisk, options: &Options) -> kymograph::Result<(Database, Arc<dyn Store>)> {
    let sync = match options.durability {
        Some(Durability::Os) => SyncPolicy::Never,
        _ => SyncPolicy::Always,
    };
    let store = LocalStore::create_on(Arc::new(disk.clone()), ROOT, sync, 4096)?;
    let store: Arc<dyn Store> = Arc::new(store);
    let db = Database::open_with(Arc::clone(&store), options.clone())?;
    Ok((db, store))
}

fn log() -> std::path::PathBuf {
    Path::new(ROOT).join("wal")
}

/// The log's newest file and how long it is.
fn end_of_log(disk: &SimulatedDisk) -> Option<(String, usize)> {
    let name = disk.names(&log()).pop()?;
    let (len, _) = disk.extent(&log().join(&name))?;
    Some((name, len))
}

/// Runs lives until there were so many cuts.
pub(crate) fn rounds(seed: u64, cuts: u64, figures: &mut Figures) -> Result<(), String> {
    let mut number = 0;
    while figures.cuts < cuts {
        number += 1;
        let own = seed.wrapping_add(number);
        let before = figures.cuts;
        life(own, cuts, figures).map_err(|what| format!("life {own}: {what}"))?;
        if figures.cuts / 10_000 > before / 10_000 && figures.cuts < cuts {
            println!("so far {figures:?}");
        }
    }
    Ok(())
}

/// One database.
pub(crate) fn life(seed: u64, cuts: u64, figures: &mut Figures) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let sessions = 2 + dice.below(30);
    let mut life = Life {
        dice,
        figures,
        disk: SimulatedDisk::new(),
        account: Account::new(seed % 1000 * 1_000_000),
        musts: Vec::new(),
        full: true,
        loose: false,
        torn: false,
        recovering: false,
    };
    for _ in 0..sessions {
        if life.figures.cuts >= cuts || !life.session()? {
            break;
        }
    }
    Ok(())
}

/// Tells a life's story when `KYMOGRAPH_POWER_TRACE` is set.
fn tell(event: impl FnOnce() -> String) {
    static TOLD: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    if *TOLD.get_or_init(|| std::env::var("KYMOGRAPH_POWER_TRACE").is_ok()) {
        println!("{}", event());
    }
}

impl Life<'_> {
    /// Opens, compares, works, and ends by a cut, a kill or a close. False when the database is
    /// gone for good, as durability `os` may have it.
    fn session(&mut self) -> Result<bool, String> {
        let durability = match self.dice.below(8) {
            0..=4 => Durability::Full,
            5 => Durability::Interval(Duration::from_secs(3600)),
            6 => Durability::Interval(Duration::from_micros(300)),
            _ => Durability::Os,
        };
        let options = work::options(&mut self.dice, durability);
        self.recovering = true;
        let (db, store) = loop {
            if self.dice.one_in(3) {
                self.disk.cut_after(self.dice.below(40) as u64);
            }
            self.figures.opens += 1;
            let opened = open(&self.disk, &options).and_then(|(db, store)| {
                db.create_table(model::expiring())?;
                let found = model::found(&db)?;
                Ok((db, store, found))
            });
            match opened {
                Ok((db, store, found)) => {
                    tell(|| {
                        format!("open {durability:?}, {:?} rows", found.each_ref().map(Vec::len))
                    });
                    let was_torn = self.torn;
                    self.compare(found)?;
                    if was_torn {
                        // Parts of what was lost may come back by and by, so that no model knows
                        // what is right from here on; but it has to work.
                        self.go_on(&db)?;
                        return Ok(false);
                    }
                    break (db, store);
                }
                Err(_) if self.disk.is_off() => {
                    self.figures.during_recovery += 1;
                    self.loose |= durability == Durability::Os;
                    self.cut();
                }
                Err(_) if self.torn => {
                    self.figures.os_unreadable += 1;
                    return Ok(false);
                }
                Err(error) => return Err(format!("it does not open: {error}")),
            }
        };
        self.full = durability == Durability::Full;
        self.loose = durability == Durability::Os;
        self.recovering = false;
        self.account.direct_points = options.direct_points;
        if self.dice.one_in(4) && !self.disk.is_off() {
            self.check(&store, &db)?;
        }
        self.work(db, &store)
    }

    /// The power goes, or is gone, and comes back.
    fn cut(&mut self) {
        self.figures.cuts += 1;
        tell(|| format!("cut, recovering {}", self.recovering));
        let log = log();
        for (op, must) in self.account.ops.iter().zip(&mut self.musts) {
            // What is in no log is in a segment, and so is what was in a log that is gone.
            *must &= self.full
                || op.logged.as_ref().is_none_or(|(name, end)| {
                    self.disk.extent(&log.join(name)).is_none_or(|(_, synced)| synced >= *end)
                });
        }
        if self.loose {
            self.torn = true;
        }
        self.disk = self.disk.after_cut(&mut self.dice);
    }

    /// Whether what was found is what may be left, and the account goes on from it.
    fn compare(&mut self, found: Rows) -> Result<(), String> {
        if self.torn {
            for (table, rows) in found.iter().enumerate() {
                let twice = rows.windows(2).find(|pair| pair[0] == pair[1]);
                let invented = rows.iter().find(|row| !self.account.ever.contains(&(table, **row)));
                if twice.is_some() || invented.is_some() {
                    return Err(format!("rows twice {twice:?} or from nowhere {invented:?}"));
                }
            }
        } else {
            let lost = self.explain(&found)?;
            self.figures.allowed_losses += lost;
        }
        self.account.adopt(found);
        self.musts.clear();
        Ok(())
    }

    /// How many acknowledged changes are missing, all of which may be; an error when no allowed
    /// outcome is what was found.
    fn explain(&self, found: &Rows) -> Result<u64, String> {
        let ops = &self.account.ops;
        let optional: Vec<usize> =
            (0..ops.len()).filter(|at| ops[*at].acknowledged && !self.musts[*at]).collect();
        let open = ops.iter().rposition(|op| !op.acknowledged);
        for kept in (0..=optional.len()).rev() {
            for with_open in [false, true] {
                // A write that passes the log by needs nothing that is in it.
                let apart = |at: usize| match &ops[at].change {
                    Change::Write { rows, .. } => rows.len() as u64 >= self.account.direct_points,
                    Change::Delete { .. } => false,
                };
                if with_open && !open.is_some_and(|at| kept == optional.len() || apart(at)) {
                    continue;
                }
                let there = |at: usize| {
                    let early = optional.binary_search(&at).is_ok_and(|place| place < kept);
                    self.musts[at] || early || (with_open && open == Some(at))
                };
                let changes =
                    ops.iter().enumerate().filter(|(at, _)| there(*at)).map(|(_, op)| &op.change);
                if model::visible(&self.account.base, changes, self.account.floor()) == *found {
                    return Ok((optional.len() - kept) as u64);
                }
            }
        }
        let musts = (0..ops.len()).filter(|at| self.musts[*at]).map(|at| &ops[at].change);
        let least = model::visible(&self.account.base, musts, self.account.floor());
        let (given, last) = (optional.len(), open.map(|at| &ops[at]));
        Err(format!(
            "after the cut no allowed outcome is there; beside what must be ({given} may be, open \
             is {last:?}): {}",
            model::difference(found, &least)
        ))
    }

    fn go_on(&mut self, db: &Database) -> Result<(), String> {
        let rows = vec![(0, self.account.start, 1)];
        let change = Change::Write { table: 0, rows };
        let work = || -> kymograph::Result<()> {
            model::apply(db, &change)?;
            db.flush()?;
            model::found(db).map(drop)
        };
        match work() {
            Err(error) if !self.disk.is_off() => Err(format!("it does not go on: {error}")),
            _ => Ok(()),
        }
    }

    fn check(&mut self, store: &Arc<dyn Store>, db: &Database) -> Result<(), String> {
        self.figures.checks += 1;
        let checked = || -> kymograph::Result<Vec<String>> {
            let report = check_with(store)?;
            let mut wrong: Vec<String> =
                report.damage.iter().map(|d| format!("{}: {}", d.file, d.what)).collect();
            for (version, _) in db.versions()? {
                let options = Options { as_of: Some(version), threads: 1, ..Options::default() };
                let old = Database::open_with(Arc::clone(store), options)?;
                let found = model::found(&old)?;
                let mut values = found.iter().flatten().map(|row| row.2);
                if let Some(value) = values.find(|value| self.account.erased.contains(value)) {
                    wrong.push(format!("version {version} shows {value}, which was erased"));
                }
            }
            Ok(wrong)
        };
        match checked() {
            _ if self.disk.is_off() => Ok(()),
            Ok(wrong) if wrong.is_empty() => Ok(()),
            Ok(wrong) => Err(format!("a check finds {wrong:?}")),
            Err(error) => Err(format!("a check fails: {error}")),
        }
    }

    fn work(&mut self, db: Database, store: &Arc<dyn Store>) -> Result<bool, String> {
        if self.dice.one_in(2) && !self.disk.is_off() {
            self.disk.cut_after(self.dice.below(150) as u64);
        }
        let mut held = Vec::new();
        for _ in 0..1 + self.dice.below(25) {
            self.figures.steps += 1;
            let disk = self.disk.clone();
            let logged = || end_of_log(&disk);
            let step = work::step(&db, &mut self.account, &mut held, &mut self.dice, logged)?;
            let new = self.account.ops.len() - self.musts.len();
            tell(|| format!("step {step:?}, {:?}", self.account.ops.last().filter(|_| new > 0)));
            self.musts.extend(self.account.ops.iter().rev().take(new).map(|op| op.acknowledged));
            match step {
                _ if self.disk.is_off() => break,
                Ok(()) => {}
                Err(error) => return Err(format!("a step fails with the power on: {error}")),
            }
        }
        self.figures.acknowledged += self.musts.iter().filter(|must| **must).count() as u64;
        if !self.disk.is_off() && self.dice.one_in(4) {
            self.check(store, &db)?;
        }
        match self.dice.below(8) {
            6 if !self.disk.is_off() => {
                self.figures.kills += 1;
                self.disk = self.disk.after_kill();
            }
            7 if !self.disk.is_off() => {
                held.clear();
                match db.close() {
                    _ if self.disk.is_off() => self.cut(),
                    Ok(()) => {
                        self.account.flushed();
                    }
                    Err(error) => return Err(format!("a close fails: {error}")),
                }
            }
            _ => self.cut(),
        }
        Ok(true)
    }
}
