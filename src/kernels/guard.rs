//! What stops a long kernel: cancellation, a deadline, a memory budget.

use crate::error::Result;

/// Asked by kernels before each block.
pub trait Guard: Sync {
    /// Whether to go on.
    ///
    /// # Errors
    /// When the work was cancelled or its deadline has passed.
    fn poll(&self) -> Result<()>;

    /// Takes `bytes` from the memory budget.
    ///
    /// # Errors
    /// When the budget does not hold as many.
    fn charge(&self, bytes: usize) -> Result<()>;

    /// Gives `bytes` back to the memory budget.
    fn release(&self, bytes: usize);
}

/// No limits: background work.
#[derive(Clone, Copy, Debug)]
pub struct Unguarded;

impl Guard for Unguarded {
    fn poll(&self) -> Result<()> {
        Ok(())
    }

    fn charge(&self, _bytes: usize) -> Result<()> {
        Ok(())
    }

    fn release(&self, _bytes: usize) {}
}

/// Memory charged to a guard, given back when dropped.
pub(crate) struct Hold<'a> {
    guard: &'a dyn Guard,
    bytes: usize,
}

impl<'a> Hold<'a> {
    pub(crate) fn new(guard: &'a dyn Guard) -> Self {
        Self { guard, bytes: 0 }
    }

    pub(crate) fn grow(&mut self, bytes: usize) -> Result<()> {
        self.guard.charge(bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.guard.release(self.bytes);
    }
}
