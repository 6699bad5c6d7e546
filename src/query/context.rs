//! What bounds a query: a cancel token, a deadline, a memory budget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Stops a query from another thread; clones share it.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Stops every query that holds the token, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Self::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Memory that several queries share, of which one of them has some.
pub trait Share: std::fmt::Debug + Send + Sync {
    /// Sees to it that the query may hold `bytes` in all; `false` when there is not as much left.
    fn cover(&self, bytes: usize) -> bool;
}

/// A memory budget in bytes; clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: usize,
    used: Arc<AtomicUsize>,
    share: Option<Arc<dyn Share>>,
}

impl Budget {
    /// At most `limit` bytes at any one time.
    pub fn new(limit: usize) -> Self {
        Self { limit, used: Arc::default(), share: None }
    }

    /// What is left of this budget, out of a share of memory that queries have together.
    #[must_use]
    pub fn within(&self, share: Arc<dyn Share>) -> Self {
        let limit = self.limit.saturating_sub(self.used());
        Self { limit, used: Arc::default(), share: Some(share) }
    }

    /// Its limit in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Takes `bytes`.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] when the budget does not hold as many.
    pub fn charge(&self, bytes: usize) -> Result<()> {
        let take = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= self.limit);
        match self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(used) => match &self.share {
                Some(share) if !share.cover(used + bytes) => {
                    self.release(bytes);
                    Err(Error::LimitExceeded(format!(
                        "the memory that all queries of this database share is used up: this one \
                         holds {used} bytes and needs {bytes} more; narrow the range or the \
                         filter, aggregate over longer buckets, or open the database with a \
                         larger query_memory"
                    )))
                }
                _ => Ok(()),
            },
            Err(used) => Err(Error::LimitExceeded(format!(
                "the query's memory budget of {} bytes is used up: {used} are in use and {bytes} \
                 more were needed; narrow the range or the filter, aggregate over longer buckets, \
                 or raise the budget",
                self.limit
            ))),
        }
    }

    /// Gives `bytes` back.
    pub fn release(&self, bytes: usize) {
        let give = |used: usize| Some(used.saturating_sub(bytes));
        let _ = self.used.try_update(Ordering::Relaxed, Ordering::Relaxed, give);
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

/// The bounds of one query, polled for every block. What a query charges for its result is not
/// given back: a context serves one query.
#[derive(Clone, Debug, Default)]
pub struct QueryContext {
    /// Stops it from outside.
    pub cancel: CancelToken,
    /// When it must be done.
    pub deadline: Option<Instant>,
    /// How much memory it may hold.
    pub memory: Budget,
}

impl Guard for QueryContext {
    fn poll(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled("the query was cancelled".to_owned()));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::Cancelled("the query's deadline has passed".to_owned()));
        }
        Ok(())
    }

    fn charge(&self, bytes: usize) -> Result<()> {
        self.memory.charge(bytes)
    }

    fn release(&self, bytes: usize) {
        self.memory.release(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shared_and_names_itself() {
        let budget = Budget::new(100);
        let other = budget.clone();
        assert!(budget.charge(60).is_ok());
        let error = other.charge(60).expect_err("too much").to_string();
        assert!(error.contains("memory budget of 100 bytes"), "{error}");
        other.release(30);
        assert!(budget.charge(60).is_ok());
        assert_eq!(budget.used(), 90);
    }

    #[test]
    fn a_cancelled_or_late_query_stops() {
        let context = QueryContext::default();
        assert!(context.poll().is_ok());
        let late = QueryContext { deadline: Some(Instant::now()), ..context.clone() };
        assert!(matches!(late.poll(), Err(Error::Cancelled(_))));
        context.cancel.cancel();
        assert!(matches!(context.poll(), Err(Error::Cancelled(_))));
    }
}
