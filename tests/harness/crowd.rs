//! Several writers and one who flushes and compacts, all at once, until the power goes.

use std::collections::BTreeSet;
use std::time::Duration;

use kymograph::storage::vfs::simulated::{Dice, SimulatedDisk};

use super::faults::open;
use super::model::{self, Change};

/// What was acknowledged to any of them is there, before the cut and after it.
pub(crate) fn round(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let disk = SimulatedDisk::new();
    let (db, _) = open(&disk).map_err(|e| format!("it does not open: {e}"))?;
    model::apply(&db, &Change::Write { table: 0, rows: vec![(0, 0, 0)] })
        .map_err(|e| format!("a write fails: {e}"))?;
    disk.set_sync_time(Duration::from_micros(100));
    disk.cut_after(100 + dice.below(700) as u64);
    let quiet = dice.one_in(2);
    let written: Vec<(Vec<u64>, Option<u64>)> = std::thread::scope(|scope| {
        let writer = |thread: u64| {
            let (db, disk) = (db.clone(), disk.clone());
            scope.spawn(move || {
                let mut acknowledged = Vec::new();
                for number in 1.. {
                    if disk.is_off() {
                        break;
                    }
                    let value = thread * 1_000_000 + number;
                    let rows = vec![(thread as usize, value as i64, value)];
                    match model::apply(&db, &Change::Write { table: 0, rows }) {
                        Ok(()) => acknowledged.push(value),
                        Err(_) => return (acknowledged, Some(value)),
                    }
                }
                (acknowledged, None)
            })
        };
        let writers: Vec<_> = (0..4).map(writer).collect();
        while !quiet && !disk.is_off() {
            // A failure is for the writers to notice.
            if db.flush().and_then(|_| db.compact_run("a", 0, 4)).is_err() {
                break;
            }
        }
        writers.into_iter().map(|w| w.join().expect("no panic")).collect()
    });
    let acknowledged: BTreeSet<u64> = written.iter().flat_map(|w| w.0.iter().copied()).collect();
    let open_ones: BTreeSet<u64> = written.iter().filter_map(|w| w.1).collect();
    let left = disk.after_cut(&mut dice);
    drop(db);
    let (db, _) = open(&left).map_err(|e| format!("it does not open: {e}"))?;
    let found = model::found(&db).map_err(|e| format!("it cannot be read: {e}"))?;
    let there: BTreeSet<u64> = found[0].iter().map(|row| row.2).filter(|v| *v != 0).collect();
    let lost: Vec<_> = acknowledged.difference(&there).take(5).collect();
    if !lost.is_empty() {
        return Err(format!("acknowledged to a crowd and lost: {lost:?}"));
    }
    let strange = there.iter().find(|v| !acknowledged.contains(v) && !open_ones.contains(v));
    match strange {
        Some(value) => Err(format!("{value} was never written")),
        None if found[0].len() != there.len() + 1 => Err("rows twice".to_owned()),
        None => Ok(()),
    }
}
