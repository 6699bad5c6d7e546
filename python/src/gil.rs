//! The one place that releases the interpreter, maps errors, stops panics and polls Ctrl-C.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use kymograph::db::{Database, watched};
use kymograph::query::CancelToken;
use kymograph::{Error, Result};
use pyo3::intern;
use pyo3::prelude::*;

use crate::error::to_py;

/// How often Ctrl-C is looked for.
const POLL: Duration = Duration::from_millis(50);

fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("a panic without a message");
        Err(Error::Internal(text.to_owned()))
    })
}

fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    py.detach(work)
}

/// Runs core work with the interpreter released.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    detached(py, || guarded(work)).map_err(|error| to_py(py, &error))
}

/// The same for work of a database that a token can stop: Ctrl-C stops it within [`POLL`] and one
/// block.
///
/// Only the main thread gets signals, so only there is the work done in a thread of its own while
/// this thread looks for them.
pub(crate) fn run_cancellable<T: Send>(
    py: Python<'_>,
    db: &Database,
    cancel: &CancelToken,
    work: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    // A panic is caught where it happens, and so never reaches the scope.
    looking(py, cancel, work, |work, look| db.watched(POLL, || guarded(work), look))
}

/// The same for work of no database.
pub(crate) fn run_interruptible<T: Send>(
    py: Python<'_>,
    cancel: &CancelToken,
    work: impl FnOnce() -> Result<T> + Send,
) -> PyResult<T> {
    looking(py, cancel, work, |work, look| watched(POLL, || guarded(work), look))
}

fn looking<T: Send, W: FnOnce() -> Result<T> + Send>(
    py: Python<'_>,
    cancel: &CancelToken,
    work: W,
    watch: impl FnOnce(W, &mut dyn FnMut()) -> Result<T> + Send,
) -> PyResult<T> {
    let threading = py.import(intern!(py, "threading"))?;
    let main = threading.call_method0(intern!(py, "main_thread"))?;
    if !main.is(&threading.call_method0(intern!(py, "current_thread"))?) {
        return run(py, work);
    }
    let mut interrupt = None;
    let outcome = detached(py, || {
        watch(work, &mut || {
            if let Err(signal) = Python::attach(|py| py.check_signals()) {
                interrupt = Some(signal);
                cancel.cancel();
            }
        })
    });
    match interrupt {
        Some(signal) => Err(signal),
        None => outcome.map_err(|error| to_py(py, &error)),
    }
}
