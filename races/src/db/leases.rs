//! Readers in other processes against a writer that replaces everything it has, again and again.

use std::sync::Arc;

use crate::sync::thread;

use super::disk::{Collector, Disk};
use super::pins::Pins;
use crate::storage::lease::Lease;
use crate::try_schedules;

const VERSIONS: u64 = 6;

/// Version n has one segment, n.
fn replace_all(disk: &Arc<Disk>) {
    let mut dead = Vec::new();
    for version in 2..=VERSIONS {
        disk.write(version, vec![version]);
        disk.commit(version, vec![version]);
        dead.push((version - 1, version));
        let shown = Arc::new(move || version);
        let collector = Collector { disk: Arc::clone(disk), pins: Arc::default(), shown };
        collector.collect(&mut dead);
    }
}

/// As a live reader opens and refreshes: a pin before it looks, the pin of what it found after.
fn look(disk: &Disk, pins: &Arc<Pins>, known: &mut u64) -> super::pins::Pin {
    let before = pins.pin(*known);
    loop {
        let newest = disk.newest();
        if newest == *known {
            return before;
        }
        // It may go between the listing and the read.
        if disk.manifest(newest).is_some() {
            *known = newest;
            return pins.pin(newest);
        }
    }
}

fn read(disk: &Disk, version: u64) {
    for _ in 0..2 {
        assert_eq!(disk.read(version), [version]);
        thread::yield_now();
    }
}

/// A live reader that asks twice.
fn live(disk: &Disk, pins: &Arc<Pins>) {
    let mut known = 0;
    for _ in 0..2 {
        let _kept = look(disk, pins, &mut known);
        read(disk, known);
    }
}

/// A live reader that holds what it sees, and gives it up oldest first.
fn snapshots(disk: &Disk, pins: &Arc<Pins>) {
    let (mut known, mut held) = (0, Vec::new());
    for _ in 0..3 {
        let pin = look(disk, pins, &mut known);
        held.push((known, pin));
    }
    while !held.is_empty() {
        held.iter().for_each(|(version, _)| read(disk, *version));
        held.remove(0);
    }
}

/// A reader of an older version, which it has when its manifest is there.
fn older(disk: &Disk, pins: &Arc<Pins>) {
    let _pin = pins.pin(2);
    if disk.manifest(2).is_some() {
        read(disk, 2);
    }
}

#[test]
fn a_reader_has_the_files_of_its_version_until_it_is_done() {
    try_schedules("leases", || {
        let disk = Arc::new(Disk::default());
        disk.write(1, vec![1]);
        disk.commit(1, vec![1]);
        let reader = |work: fn(&Disk, &Arc<Pins>)| {
            let disk = Arc::clone(&disk);
            thread::spawn(move || {
                let lease = Lease::default();
                disk.leases.lock().push(lease.clone());
                work(&disk, &Pins::with_lease(Some(lease)));
            })
        };
        let readers = [reader(live), reader(snapshots), reader(older)];
        replace_all(&disk);
        for reader in readers {
            reader.join().expect("a reader without a panic");
        }
        // Nobody reads any more: the next commit leaves only what it lists.
        disk.write(VERSIONS + 1, Vec::new());
        disk.commit(VERSIONS + 1, vec![VERSIONS + 1]);
        let shown = Arc::new(|| VERSIONS + 1);
        let mut dead: Vec<_> = (1..=VERSIONS).map(|id| (id, id + 1)).collect();
        Collector { disk: Arc::clone(&disk), pins: Arc::default(), shown }.collect(&mut dead);
        assert_eq!(disk.segments(), [VERSIONS + 1]);
    });
}
