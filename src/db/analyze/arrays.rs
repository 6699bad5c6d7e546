//! Analyses of arrays, without a database.

use std::sync::OnceLock;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use arrow_array::RecordBatch;

use super::result::{Keys, batch};
use super::{function, run};
use crate::analytics::Input;
use crate::error::{Error, Result};
use crate::query::{QueryContext, Setting};
use crate::storage::process::Home;

/// Pools by the process that started their threads: a fork copies a pool without its threads.
static POOLS: [OnceLock<(Home, rayon::ThreadPool)>; 8] = [const { OnceLock::new() }; 8];

/// Runs an analysis on series that are arrays, in parallel in a pool of this process. The result
/// has a column `series` of places in the list if there are `several`.
///
/// # Errors
/// [`Error::NotFound`] for an unknown analysis, [`Error::InvalidArgument`] for options that it does
/// not take and for times that descend, and as the context decides.
pub fn analyze_arrays(
    name: &str,
    series: &[Input<'_>],
    several: bool,
    settings: &[(String, Setting)],
    context: &QueryContext,
) -> Result<RecordBatch> {
    let function = function(name, series.first().map_or(1, |one| one.fields.len()))?;
    for one in series {
        if one.times.windows(2).any(|pair| pair[1] < pair[0]) {
            return Err(Error::invalid("times must ascend; sort the rows by time first"));
        }
    }
    let keys = if several { Keys::Places } else { Keys::Nothing };
    let work = || batch(run(function, series, settings, context)?, &keys);
    match pool()? {
        Some(pool) => pool.install(work),
        None => started()?.install(work),
    }
}

/// The pool of this process; `None` after as many forks within forks as there is room for.
fn pool() -> Result<Option<&'static rayon::ThreadPool>> {
    let here = Home::here();
    for place in &POOLS {
        if place.get().is_none() {
            // Started outside of the cell, so that a fork never finds it half initialised.
            let _ = place.set((here, started()?));
        }
        if let Some((home, pool)) = place.get()
            && *home == here
        {
            return Ok(Some(pool));
        }
    }
    Ok(None)
}

fn started() -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .thread_name(|i| format!("kymograph-a-{i}"))
        .build()
        .map_err(|e| Error::storage("starting the thread pool", std::io::Error::other(e)))
}

/// Runs `work` in a thread of its own while this thread looks around every `often`.
///
/// # Panics
/// When `work` does.
pub fn watched<T: Send>(
    often: Duration,
    work: impl FnOnce() -> T + Send,
    mut look: impl FnMut(),
) -> T {
    std::thread::scope(|scope| {
        let (done, finished) = std::sync::mpsc::sync_channel::<()>(1);
        let worker = scope.spawn(move || {
            let _done = done;
            work()
        });
        while finished.recv_timeout(often) == Err(RecvTimeoutError::Timeout) {
            look();
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
