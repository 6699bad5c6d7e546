//! Bytes that change on the disk: a check says so, and no read is wrong, whatever they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kymograph::db::check_with;
use kymograph::storage::vfs::Store;
use kymograph::storage::vfs::simulated::{Dice, SimulatedDisk};

use super::faults::open;
use super::model::{self, Rows};
use super::work::Account;

const ROOT: &str = "/db";

/// Where a log's records begin.
fn records(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut all) = (20, Vec::new());
    while let Some(length) = bytes.get(at..at + 4) {
        all.push(at);
        at += 24 + u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    }
    all
}

/// Damages one file of a database, and asks the check.
pub(crate) fn round(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let disk = SimulatedDisk::new();
    let mut account = Account::new(0);
    let (db, store) = open(&disk).map_err(|e| format!("it does not open: {e}"))?;
    db.create_table(model::expiring()).map_err(|e| format!("no table: {e}"))?;
    for at in 0..14 {
        let change = account.change(&mut dice);
        account.apply(&db, change, || None).map_err(|e| format!("a change fails: {e}"))?;
        if at == 6 {
            db.flush().map_err(|e| format!("a flush fails: {e}"))?;
        }
    }
    drop(db);
    let expected = account.expected();
    let folder = ["manifest", "segment", "wal"][dice.below(3)];
    let folder = PathBuf::from(ROOT).join(folder);
    let names = disk.names(&folder);
    // Of versions and logs only the newest is read; any segment may be a listed one.
    let at = if folder.ends_with("segment") { dice.below(names.len()) } else { names.len() - 1 };
    damaged(&disk, &store, &folder.join(&names[at]), &expected, &mut dice)
}

fn damaged(
    disk: &SimulatedDisk,
    store: &Arc<dyn Store>,
    path: &Path,
    expected: &Rows,
    dice: &mut Dice,
) -> Result<(), String> {
    let log = path.parent().is_some_and(|folder| folder.ends_with("wal"));
    let mut what = None;
    disk.damage(path, |bytes| {
        if log {
            // The last record may be torn off by a crash, so that only what is before it counts.
            let records = records(bytes);
            let Some(last) = records.last().copied().filter(|_| records.len() > 2) else { return };
            if dice.one_in(2) {
                let gone = 1 + dice.below(records.len() - 2);
                bytes.drain(records[gone]..records[gone + 1]);
                what = Some(format!("record {gone} is gone"));
            } else {
                let at = dice.below(last);
                bytes[at] ^= 1 << dice.below(8);
                what = Some(format!("a bit at {at} of {last}"));
            }
            return;
        }
        let mut at = dice.below(bytes.len());
        let digits: Vec<usize> =
            (0..bytes.len()).filter(|at| bytes[*at].is_ascii_digit()).collect();
        if path.parent().is_some_and(|folder| folder.ends_with("manifest"))
            && !digits.is_empty()
            && dice.one_in(2)
        {
            // A number that stays one.
            at = digits[dice.below(digits.len())];
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
        } else {
            bytes[at] ^= 1 << dice.below(8);
        }
        what = Some(format!("byte {at} of {}", bytes.len()));
    });
    let Some(what) = what else { return Ok(()) };
    let what = format!("{} with {what}", path.display());
    if check_with(store).is_ok_and(|report| report.damage.is_empty()) {
        return Err(format!("{what}: the check finds nothing"));
    }
    // And nobody who does not ask for a check is told anything wrong.
    match open(disk).and_then(|(db, _)| model::found(&db)) {
        Ok(found) if found != *expected => {
            Err(format!("{what} is read: {}", model::difference(&found, expected)))
        }
        _ => Ok(()),
    }
}

/// One bit of every byte of a segment: a read is right or an error.
pub(crate) fn every_byte() -> Result<(), String> {
    let disk = SimulatedDisk::new();
    let rows: Vec<model::Row> = (0..8).map(|i| (i % 4, i as i64, i as u64)).collect();
    let mut expected = Rows::default();
    expected[0] = rows.clone();
    expected[0].sort_unstable();
    let change = model::Change::Write { table: 0, rows };
    let (db, _) = open(&disk).map_err(|e| e.to_string())?;
    model::apply(&db, &change).and_then(|()| db.flush()).map_err(|e| e.to_string())?;
    drop(db);
    let folder = Path::new(ROOT).join("segment");
    let path = folder.join(disk.names(&folder).first().ok_or("no segment")?);
    let len = disk.extent(&path).ok_or("no segment")?.0;
    for at in 0..len {
        let flip = |bytes: &mut Vec<u8>| bytes[at] ^= 1;
        disk.damage(&path, flip);
        match open(&disk).and_then(|(db, _)| model::found(&db)) {
            Ok(found) if found != expected => {
                let what = model::difference(&found, &expected);
                return Err(format!("byte {at} of {len} is read: {what}"));
            }
            _ => {}
        }
        disk.damage(&path, flip);
    }
    Ok(())
}

/// A record of the log where the next one should be, of the same length, so that only the order
/// tells: a read is right or an error.
pub(crate) fn out_of_turn() -> Result<(), String> {
    let disk = SimulatedDisk::new();
    let mut expected = Rows::default();
    let (db, _) = open(&disk).map_err(|e| e.to_string())?;
    for value in 1..=3 {
        let rows = vec![(0, value, value as u64)];
        expected[0].extend(&rows);
        model::apply(&db, &model::Change::Write { table: 0, rows }).map_err(|e| e.to_string())?;
    }
    drop(db);
    let folder = Path::new(ROOT).join("wal");
    let names = disk.names(&folder);
    let path = folder.join(names.last().ok_or("no log")?);
    let mut copied = false;
    disk.damage(&path, |bytes| {
        // The first makes the table and is longer.
        if let [.., one, two, last] = *records(bytes).as_slice()
            && two - one == last - two
        {
            bytes.copy_within(one..two, two);
            copied = true;
        }
    });
    if !copied {
        return Err(format!("{} has no two records of one length", path.display()));
    }
    match open(&disk).and_then(|(db, _)| model::found(&db)) {
        Ok(found) if found != expected => {
            Err(format!("a record twice is read: {}", model::difference(&found, &expected)))
        }
        _ => Ok(()),
    }
}
