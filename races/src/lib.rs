//! Models of what runs at once in a database: the log's group commit, pins and leases against the
//! removal of old files, and the swap of states between writes, flushes and queries.
//!
//! What is modelled is the core's own source, included by its path. What stands around it (files, a
//! head of rows, segments) is as small as the models need. Each model is run under so many schedules
//! that Shuttle chooses, half of them at random and half by priorities that change at few places,
//! which finds rare orders sooner. `RACES_SCHEDULES` says how many a model (2,000), `RACES_SEED`
//! repeats a run. Built with `RACES_REAL` set, the models use the real locks and threads instead.
#![cfg(test)]

mod db;
#[path = "../../src/error.rs"]
mod error;
#[path = "../../src/planted.rs"]
mod planted;
mod storage;
#[path = "../../src/sync.rs"]
mod sync;

/// What `db/state.rs` names of chunks.
mod chunk {
    #[derive(Clone, Debug)]
    pub(crate) struct Chunk;

    impl Chunk {
        pub(crate) fn bytes(&self) -> &[u8] {
            &[]
        }
    }
}

/// What `db/state.rs` names of the model.
mod model {
    #[derive(Debug)]
    pub(crate) struct TableSchema;
}

fn number(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no whole number")),
        Err(_) => otherwise,
    }
}

/// Runs a model under as many schedules as are asked for.
fn try_schedules(name: &str, model: fn()) {
    let schedules = number("RACES_SCHEDULES", 2_000) as usize;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = number("RACES_SEED", now.map_or(0, |now| now.as_millis() as u64));
    let began = std::time::Instant::now();
    println!("{name}: RACES_SEED={seed}");
    let done = run_all(model, schedules, seed);
    assert_eq!(done, schedules, "some schedules were left out");
    println!("{name}: {done} schedules in {:.1} s", began.elapsed().as_secs_f64());
}

#[cfg(shuttle)]
fn run_all(model: fn(), schedules: usize, seed: u64) -> usize {
    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    let (random, few) = (schedules.div_ceil(2), schedules / 2);
    let mut done = 0;
    done += shuttle::Runner::new(RandomScheduler::new_from_seed(seed, random), Default::default())
        .run(model);
    if few > 0 {
        let scheduler = PctScheduler::new_from_seed(seed, 3, few);
        done += shuttle::Runner::new(scheduler, Default::default()).run(model);
    }
    done
}

/// With the real locks and threads, in whatever order the machine runs them: for a sanitizer.
#[cfg(not(shuttle))]
fn run_all(model: fn(), schedules: usize, _: u64) -> usize {
    (0..schedules).for_each(|_| model());
    schedules
}
