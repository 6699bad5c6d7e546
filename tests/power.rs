//! Power cuts at any call, on a disk that forgets what was not synced: what was promised is there
//! after the next open, whatever became of the rest, also when that open is cut short.

mod common;
mod harness;

use std::path::Path;
use std::time::{Duration, Instant};

use common::quiet;
use harness::model::{self, Change};
use harness::power::{self, Figures};
use harness::{number, seed};
use kymograph::db::{Database, Durability, Options};
use kymograph::storage::vfs::simulated::SimulatedDisk;
use kymograph::storage::vfs::{LocalStore, SyncPolicy};

#[test]
fn what_was_promised_survives_power_cuts() {
    let cuts = number("KYMOGRAPH_POWER_CUTS", 2000);
    let threads = number("KYMOGRAPH_POWER_THREADS", 1);
    let seed = seed("KYMOGRAPH_POWER_SEED");
    let began = Instant::now();
    let each = |thread: u64| {
        let mut figures = Figures::default();
        let own = seed.wrapping_add(thread << 40);
        let outcome = power::rounds(own, cuts / threads, &mut figures);
        println!("{figures:?}");
        outcome.unwrap_or_else(|what| panic!("{what}; KYMOGRAPH_POWER_SEED={seed}"));
        figures
    };
    let figures: Vec<Figures> = std::thread::scope(|scope| {
        let running: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || each(thread))).collect();
        running.into_iter().map(|thread| thread.join().expect("no finding")).collect()
    });
    let done: u64 = figures.iter().map(|figures| figures.cuts).sum();
    println!("{done} cuts in {:.1} s", began.elapsed().as_secs_f64());
    assert!(done >= cuts / threads * threads);
    assert!(figures.iter().all(|f| f.during_recovery > 0 && f.kills > 0 && f.checks > 0));
}

#[test]
fn interval_syncs_the_log_by_itself_in_its_time() {
    let disk = SimulatedDisk::new();
    let every = Duration::from_millis(20);
    let options = Options { durability: Some(Durability::Interval(every)), ..quiet() };
    let store = LocalStore::create_on(disk_of(&disk), "/db", SyncPolicy::Always, 0);
    let store = std::sync::Arc::new(store.expect("a store"));
    let db = Database::open_with(store, options).expect("an open");
    let log = || {
        let folder = Path::new("/db/wal");
        let name = disk.names(folder).pop().expect("a log");
        disk.extent(&folder.join(name)).expect("a file")
    };
    for value in 0..20 {
        let before = log().1;
        let rows = vec![(0, value as i64, value)];
        model::apply(&db, &Change::Write { table: 0, rows }).expect("a write");
        let (written, began) = (log().0, Instant::now());
        assert!(written > before);
        while log().1 < written {
            std::thread::sleep(Duration::from_millis(1));
            // The time of a busy machine is added to the promise, not of a forgotten sync.
            assert!(began.elapsed() < every + Duration::from_secs(10), "never synced");
        }
    }
}

fn disk_of(disk: &SimulatedDisk) -> std::sync::Arc<dyn kymograph::storage::vfs::disk::Disk> {
    std::sync::Arc::new(disk.clone())
}
