//! A disk that fills up: what was acknowledged stays, reads go on, and deletes, retention and
//! compaction make room on the very handle that met the full disk.

mod common;
mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use harness::model::{self, Change, Row};
use harness::{number, seed};
use kymograph::Error;
use kymograph::db::{Database, Durability, Options, check_with};
use kymograph::model::TimeRange;
use kymograph::storage::vfs::disk::{Disk, SystemDisk};
use kymograph::storage::vfs::simulated::{Dice, SimulatedDisk};
use kymograph::storage::vfs::{LocalStore, Store, SyncPolicy};

/// The room there is, bytes.
const ROOM: usize = 3 << 19;
/// What the store keeps back of it.
const RESERVE: usize = 128 << 10;

/// A small file system.
enum Small {
    /// Mounted in a folder of its own.
    Mounted(tempfile::TempDir),
    Simulated(SimulatedDisk),
}

impl Small {
    /// A mounted one where that is allowed, otherwise one in memory with a quota.
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let size = format!("size={ROOM}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if mounted {
            println!("on a tmpfs of {ROOM} bytes");
            return Self::Mounted(dir);
        }
        println!("on a simulated disk with a quota of {ROOM} bytes: mounting is not permitted");
        let disk = SimulatedDisk::new();
        disk.set_quota(Some(ROOM));
        Self::Simulated(disk)
    }

    fn disk(&self) -> Arc<dyn Disk> {
        match self {
            Self::Mounted(_) => Arc::new(SystemDisk),
            Self::Simulated(disk) => Arc::new(disk.clone()),
        }
    }

    fn root(&self, round: u64) -> PathBuf {
        match self {
            Self::Mounted(dir) => dir.path().join(format!("db{round}")),
            Self::Simulated(_) => PathBuf::from(format!("/db{round}")),
        }
    }

    fn clear(&self, round: u64) {
        match self {
            Self::Mounted(_) => std::fs::remove_dir_all(self.root(round)).expect("removable"),
            Self::Simulated(disk) => {
                let root = self.root(round);
                for folder in ["segment", "manifest", "wal", ".tmp", ""] {
                    for name in disk.names(&root.join(folder)) {
                        // A folder has no bytes.
                        let _ = disk.unlink(&root.join(folder).join(name));
                    }
                }
            }
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if let Self::Mounted(dir) = self {
            let _ = Command::new("umount").arg(dir.path()).status();
        }
    }
}

fn options(dice: &mut Dice) -> Options {
    Options {
        background: false,
        threads: 1,
        durability: Some(if dice.one_in(3) {
            Durability::Interval(std::time::Duration::from_millis(1))
        } else {
            Durability::Full
        }),
        direct_points: if dice.one_in(3) { 900 } else { 1 << 40 },
        head_bytes: 32 << 10,
        history: dice.below(8) as u64,
        ..Options::default()
    }
}

fn open(
    disk: &Arc<dyn Disk>,
    root: &Path,
    options: Options,
) -> kymograph::Result<(Database, Arc<dyn Store>)> {
    let store = LocalStore::create_on(Arc::clone(disk), root, SyncPolicy::Always, RESERVE)?;
    let store: Arc<dyn Store> = Arc::new(store);
    Ok((Database::open_with(Arc::clone(&store), options)?, store))
}

struct Round<'a> {
    dice: &'a mut Dice,
    start: i64,
    next: u64,
    /// Rows of tables a and r that were acknowledged, and those whose answer was an error.
    rows: [Vec<Row>; 2],
    open: [Vec<Row>; 2],
}

impl Round<'_> {
    /// Writes until there is no room.
    fn fill(&mut self, db: &Database) {
        for _ in 0..10_000 {
            let count = 200 + self.dice.below(1000);
            let which = usize::from(self.dice.one_in(4));
            let past = which == 1 && self.dice.one_in(2);
            let start = if past { self.start - 2 * model::RETENTION } else { self.start };
            let rows: Vec<Row> = (0..count)
                .map(|_| {
                    self.next += 1;
                    // Values that no encoding makes small, and that are whole and unlike.
                    let mixed = self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12;
                    (self.dice.below(4), start + self.next as i64, mixed)
                })
                .collect();
            let change = Change::Write { table: which * 2, rows: rows.clone() };
            match model::apply(db, &change) {
                Ok(()) => self.rows[which].extend(rows),
                Err(error) => {
                    assert!(error.is_full(), "{error}");
                    assert!(error.to_string().contains("the disk is full"), "{error}");
                    self.open[which].extend(rows);
                    return;
                }
            }
        }
        panic!("the disk never fills");
    }

    /// All that was acknowledged is there, and nothing else but what is open.
    fn check(&self, db: &Database) {
        let found = model::found(db).expect("a read while the disk is full");
        for (which, table) in [0, 2].into_iter().enumerate() {
            let floor = if table == 2 { self.start - model::RETENTION } else { i64::MIN };
            let there: std::collections::HashSet<&Row> = found[table].iter().collect();
            assert_eq!(there.len(), found[table].len(), "rows twice");
            let mut expected = self.rows[which].iter().filter(|row| row.1 >= floor);
            let missing = expected.clone().find(|row| !there.contains(row));
            assert!(missing.is_none(), "an acknowledged row is lost: {missing:?}");
            let known = expected.by_ref().count();
            let open = self.open[which].iter().filter(|row| there.contains(row)).count();
            assert_eq!(known + open, there.len(), "rows from nowhere");
        }
    }
}

fn round(small: &Small, number: u64, dice: &mut Dice) -> [u64; 4] {
    let (disk, root) = (small.disk(), small.root(number));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let start = now.expect("after 1970").as_nanos() as i64;
    let mut figures = [0; 4];
    let own = options(dice);
    let (mut db, mut store) = open(&disk, &root, own).expect("an open with room");
    db.create_table(model::expiring()).expect("room for a table");
    let mut round = Round {
        dice,
        start,
        next: number << 20,
        rows: Default::default(),
        open: Default::default(),
    };
    for _ in 0..2 {
        round.fill(&db);
        round.check(&db);
        for _ in 0..3 {
            // Still full, and harmless.
            let first = round.next + 1;
            round.next += 1000;
            let rows: Vec<Row> = (first..first + 1000).map(|i| (0, start + i as i64, i)).collect();
            match model::apply(&db, &Change::Write { table: 0, rows: rows.clone() }) {
                Ok(()) => round.rows[0].extend(rows),
                Err(error) => {
                    assert!(error.is_full(), "{error}");
                    round.open[0].extend(rows);
                }
            }
        }
        if round.dice.one_in(3) {
            // A full disk must not bar the one who comes to make room.
            let _ = db.close();
            drop(db);
            let own = options(round.dice);
            (db, store) = open(&disk, &root, own).expect("an open of a full disk");
            figures[0] += 1;
        }
        if round.dice.one_in(2) {
            // Retention alone: what is past its time goes, and everything else stays.
            db.compact().map_or_else(|e| assert!(e.is_full(), "{e}"), drop);
            round.check(&db);
            figures[1] += 1;
        }
        let deleted = db.delete("a", &[], TimeRange::ALL);
        deleted.unwrap_or_else(|e| panic!("a delete on a full disk: {e}"));
        (round.rows[0], round.open[0]) = Default::default();
        round.check(&db);
        // What only merges may still find no room; what erases has made some.
        db.compact().map_or_else(|e| assert!(e.is_full(), "{e}"), drop);
        round.check(&db);
        figures[2] += 1;
        let first = round.next + 1;
        round.next += 100;
        let rows: Vec<Row> = (first..first + 100).map(|i| (1, start + i as i64, i)).collect();
        // On the same handle: there is room again.
        model::apply(&db, &Change::Write { table: 0, rows: rows.clone() }).expect("a write");
        round.rows[0].extend(rows);
        round.check(&db);
    }
    db.close().expect("a close with room");
    drop(db);
    let damage = check_with(&store).expect("a check").damage;
    assert!(damage.is_empty(), "{damage:?}");
    let own = options(round.dice);
    let (db, _) = open(&disk, &root, own).expect("an open with room");
    round.check(&db);
    figures[3] += 1;
    drop(db);
    small.clear(number);
    figures
}

#[test]
fn a_full_disk_loses_nothing_and_deletes_make_room() {
    let rounds = number("KYMOGRAPH_FULL_ROUNDS", 3);
    let mut dice = Dice::new(seed("KYMOGRAPH_FULL_SEED"));
    let small = Small::new();
    let mut all = [0; 4];
    for number in 0..rounds {
        let figures = round(&small, number, &mut dice);
        all.iter_mut().zip(figures).for_each(|(all, one)| *all += one);
    }
    let [reopened, retained, deleted, ended] = all;
    println!(
        "{rounds} rounds: reopened while full {reopened}, retention while full {retained}, deletes \
         and compactions while full {deleted}, opened after {ended}"
    );
    assert_eq!(ended, rounds);
}

#[test]
fn a_quota_is_a_full_disk_too() {
    let small = {
        let disk = SimulatedDisk::new();
        disk.set_quota(Some(ROOM));
        Small::Simulated(disk)
    };
    let mut dice = Dice::new(seed("KYMOGRAPH_FULL_SEED"));
    for number in 0..number("KYMOGRAPH_FULL_ROUNDS", 2) {
        round(&small, number, &mut dice);
    }
}

#[test]
fn what_does_not_fit_leaves_what_is_there() {
    let disk = SimulatedDisk::new();
    disk.set_quota(Some(40 << 10));
    let (db, _) = open(
        &(Arc::new(disk.clone()) as Arc<dyn Disk>),
        Path::new("/db"),
        Options { background: false, threads: 1, ..Options::default() },
    )
    .expect("no room for a reserve is no failure");
    let small = Change::Write { table: 0, rows: vec![(0, 1, 1)] };
    let error = model::apply(&db, &small).expect_err("what room there is is kept for deletes");
    assert!(matches!(error, Error::Storage { .. }) && error.is_full(), "{error}");
    disk.set_quota(None);
    model::apply(&db, &small).expect("there is room now");
    assert_eq!(model::found(&db).expect("a read")[0], vec![(0, 1, 1)]);
}
