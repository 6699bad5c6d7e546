//! A private runtime on a thread of its own, so that any thread can wait for a future: blocking
//! inside somebody else's runtime would panic.

use std::future::Future;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

use crate::error::{Error, Result};

/// The runtime; it ends when this is dropped, with whatever it still runs.
#[derive(Debug)]
pub(super) struct Runtime {
    handle: Handle,
    /// Of the task that keeps the thread in its runtime.
    keep: AbortHandle,
}

/// The outcome of a future that runs.
#[derive(Debug)]
pub(super) struct Pending<T> {
    outcome: Receiver<T>,
    task: AbortHandle,
}

impl Runtime {
    pub(super) fn start() -> Result<Self> {
        let failed = |e| Error::storage("starting the thread for an object store", e);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let kept = handle.spawn(std::future::pending::<()>());
        let keep = kept.abort_handle();
        std::thread::Builder::new()
            .name("kymograph-remote".to_owned())
            .spawn(move || {
                // An error says that the task was aborted, which is the signal.
                let _ = runtime.block_on(kept);
            })
            .map_err(failed)?;
        Ok(Self { handle, keep })
    }

    /// Starts `future`.
    pub(super) fn spawn<F>(&self, future: F) -> Pending<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (done, outcome) = sync_channel(1);
        let task = self.handle.spawn(async move {
            // Nobody waits any more when this fails.
            let _ = done.send(future.await);
        });
        Pending { outcome, task: task.abort_handle() }
    }

    /// Runs `future` and waits for it, at most for `timeout`.
    pub(super) fn block_on<F>(&self, timeout: Duration, future: F) -> Result<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn(future).wait(timeout)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.keep.abort();
    }
}

impl<T> Pending<T> {
    /// Waits for the outcome; past `timeout` the future is given up, wherever it stands.
    ///
    /// # Errors
    /// [`Error::Storage`] past the timeout, when the future panicked, or when the thread is gone,
    /// as after a fork.
    pub(super) fn wait(self, timeout: Duration) -> Result<T> {
        self.outcome.recv_timeout(timeout).map_err(|why| {
            let source = match why {
                RecvTimeoutError::Timeout => {
                    self.task.abort();
                    let what = format!("no answer within {} s", timeout.as_secs_f64());
                    io::Error::new(io::ErrorKind::TimedOut, what)
                }
                RecvTimeoutError::Disconnected => {
                    io::Error::other("the call ended without an answer")
                }
            };
            Error::storage("waiting for an object store", source)
        })
    }
}
