//! One script of work in which a call of the disk fails, and what must be true of it after.

use std::collections::HashMap;
use std::sync::Arc;

use kymograph::db::{Database, Durability, Options, check_with};
use kymograph::storage::vfs::simulated::{Call, Dice, DiskFault, Failure, SimulatedDisk};
use kymograph::storage::vfs::{LocalStore, Store, SyncPolicy};

use super::model::{self, Change, Rows};
use super::work::{Account, Op};

const ROOT: &str = "/db";

/// EIO, ENOSPC, EDQUOT, EINTR, EMFILE of Linux, and the half of what was asked for.
pub(crate) const FAILURES: [Failure; 6] = [
    Failure::Errno(5),
    Failure::Errno(28),
    Failure::Errno(122),
    Failure::Errno(4),
    Failure::Errno(24),
    Failure::Short,
];

fn options() -> Options {
    Options {
        background: false,
        threads: 1,
        direct_points: 30,
        history: 2,
        durability: Some(Durability::Full),
        ..Options::default()
    }
}

pub(crate) fn open(disk: &SimulatedDisk) -> kymograph::Result<(Database, Arc<dyn Store>)> {
    let disk = Arc::new(disk.clone());
    let store = LocalStore::create_on(disk, ROOT, SyncPolicy::Always, 8192)?;
    let store: Arc<dyn Store> = Arc::new(store);
    Ok((Database::open_with(Arc::clone(&store), options())?, store))
}

/// Some work of every kind; failures are part of it. Says how the script was answered. With `stop`
/// it ends behind the change in which that failure came, with nothing flushed since.
fn script(
    disk: &SimulatedDisk,
    account: &mut Account,
    stop: Option<DiskFault>,
) -> Vec<kymograph::Error> {
    let mut dice = Dice::new(11);
    let mut errors = Vec::new();
    let (db, _) = match open(disk) {
        Ok(open) => open,
        Err(error) => return vec![error],
    };
    errors.extend(db.create_table(model::expiring()).err());
    let mut snapshot = None;
    for at in 0..18 {
        let mut change = account.change(&mut dice);
        while at < 5 && matches!(change, Change::Delete { .. }) {
            change = account.change(&mut dice);
        }
        errors.extend(account.apply(&db, change, || None).err());
        if stop.is_some_and(|fault| disk.calls(fault.call) > fault.after) {
            return errors;
        }
        errors.extend(match at {
            3 | 9 => db.flush().err(),
            5 => db.snapshot().map(|taken| snapshot = Some(taken)).err(),
            7 => db.compact_run("a", 0, 2).err(),
            11 => db.compact().err(),
            13 => model::found(&db).err(),
            14 => {
                snapshot = None;
                None
            }
            15 => db.compact().err(),
            _ => None,
        });
    }
    drop(snapshot);
    errors.extend(db.close().err());
    errors
}

/// The calls of each kind in a script without a failure.
pub(crate) fn calls() -> HashMap<Call, u64> {
    let disk = SimulatedDisk::new();
    let errors = script(&disk, &mut Account::new(0), None);
    assert!(errors.is_empty(), "{errors:?}");
    Call::ALL.into_iter().map(|call| (call, disk.calls(call))).collect()
}

/// Runs the script with a failure in it; what is left must be right whether the process ends or
/// the power goes.
pub(crate) fn scenario(fault: DiskFault) -> Result<(), String> {
    let disk = SimulatedDisk::new();
    disk.arm(fault);
    let mut account = Account::new(0);
    let errors = script(&disk, &mut account, None);
    for error in &errors {
        if matches!(error, kymograph::Error::Internal(_)) {
            return Err(format!("an internal error: {error}"));
        }
    }
    if let (Failure::Errno(28), true) = (fault.failure, fault.lasting) {
        let text: Vec<String> = errors.iter().map(ToString::to_string).collect();
        if errors.iter().any(kymograph::Error::is_full)
            && !text.iter().any(|text| text.contains("the disk is full"))
        {
            return Err(format!("no error says that the disk is full: {text:?}"));
        }
    }
    disk.disarm();
    left(disk.after_kill(), &account).map_err(|what| format!("after the process: {what}"))?;
    let disk = SimulatedDisk::new();
    disk.arm(fault);
    let mut account = Account::new(0);
    script(&disk, &mut account, Some(fault));
    disk.disarm();
    let cut = disk.after_cut(&mut Dice::new(fault.after));
    left(cut, &account).map_err(|what| format!("after a power cut: {what}"))
}

fn left(disk: SimulatedDisk, account: &Account) -> Result<(), String> {
    let (db, store) = open(&disk).map_err(|e| format!("it does not open: {e}"))?;
    let found = model::found(&db).map_err(|e| format!("it cannot be read: {e}"))?;
    explained(account, &found)?;
    let go_on = || -> kymograph::Result<()> {
        match db.create_table(model::expiring()) {
            // A write made the table after its making had failed.
            Err(kymograph::Error::Conflict(_)) => {}
            other => other?,
        }
        let rows = vec![(0, account.start, 999_999)];
        model::apply(&db, &Change::Write { table: 0, rows })?;
        db.flush()?;
        db.compact()?;
        Ok(())
    };
    go_on().map_err(|e| format!("it does not go on: {e}"))?;
    let damage = check_with(&store).map_err(|e| e.to_string())?.damage;
    if !damage.is_empty() {
        return Err(format!("a check finds {damage:?}"));
    }
    let again = model::found(&db).map_err(|e| format!("it cannot be read again: {e}"))?;
    if again[0].len() != found[0].len() + 1 {
        return Err(format!("{} rows became {}", found[0].len(), again[0].len()));
    }
    Ok(())
}

/// Every acknowledged write is there, none is there by half, and nothing is there that was deleted
/// or never written. Several changes may be open, so each row is judged on its own.
pub(crate) fn explained(account: &Account, found: &Rows) -> Result<(), String> {
    let covers = |op: &Op, own: usize, row: &model::Row| match &op.change {
        Change::Delete { table, host, from, to } => {
            *table == own && host.is_none_or(|host| host == row.0) && (*from..*to).contains(&row.1)
        }
        Change::Write { .. } => false,
    };
    for (table, rows) in found.iter().enumerate() {
        if let Some(twice) = rows.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("twice: {twice:?}"));
        }
        if let Some(row) = rows.iter().find(|row| !account.ever.contains(&(table, **row))) {
            return Err(format!("from nowhere: {row:?}"));
        }
    }
    for (at, op) in account.ops.iter().enumerate() {
        let Change::Write { table, rows } = &op.change else { continue };
        let mut there = Vec::new();
        for row in rows.iter().filter(|row| *table != 2 || row.1 >= account.floor()) {
            let is_there = found[*table].binary_search(row).is_ok();
            let mut after = account.ops[at + 1..].iter().filter(|op| covers(op, *table, row));
            let deleted = after.clone().any(|op| op.acknowledged);
            if deleted && is_there {
                return Err(format!("{row:?} came back"));
            }
            // In table b a later row, of this write or another, may have taken its place.
            if after.next().is_none() && *table != 1 {
                there.push(is_there);
            }
        }
        if there.iter().any(|is| *is) != there.iter().all(|is| *is) && !there.is_empty() {
            return Err(format!("half of {:?}", op.change));
        }
        if op.acknowledged && there.contains(&false) {
            return Err(format!("lost: {:?}", op.change));
        }
    }
    Ok(())
}
