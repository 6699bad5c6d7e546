//! Memory that all queries of a database share: a query reserves before it starts, and waits in
//! line while there is not enough.
//!
//! Nobody waits while holding a reservation, so that two queries never wait for each other. One
//! that outgrows what it reserved takes more only where it is free; otherwise it stops, gives all
//! back, and starts over with a reservation as large as it needs. A worker of a thread pool cannot
//! wait at all: while it waits for its part of a query it takes up other work, and so may stand on
//! the very query whose end it would wait for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::sync::{Condvar, Mutex};

/// Bytes that a reservation grows by at least, where they are free.
const STEP: usize = 1 << 20;

/// The bytes that queries may hold together, and who waits for some.
#[derive(Debug)]
pub(super) struct Memory {
    total: usize,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    /// Below 0 while workers hold more than there was.
    free: isize,
    /// In the order of arrival.
    waiting: VecDeque<Arc<Ticket>>,
}

/// A query that waits.
#[derive(Debug)]
struct Ticket {
    bytes: usize,
    served: Mutex<bool>,
    called: Condvar,
}

impl Memory {
    pub(super) fn new(total: usize) -> Arc<Self> {
        let total = total.min(isize::MAX as usize);
        let line = Line { free: total as isize, waiting: VecDeque::new() };
        Arc::new(Self { total, line: Mutex::new(line) })
    }

    /// All there is.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Bytes that are reserved.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.total.saturating_add_signed(-self.line.lock().free)
    }

    /// Reserves bytes, at most all there are, once those who came before have theirs. `look` is
    /// asked while it waits; it says how long until it wants to be asked again.
    ///
    /// # Errors
    /// That of `look`.
    pub(super) fn reserve(
        self: &Arc<Self>,
        bytes: usize,
        mut look: impl FnMut() -> Result<Duration>,
    ) -> Result<Reservation> {
        let bytes = bytes.min(self.total);
        let ticket = {
            let mut line = self.line.lock();
            if line.waiting.is_empty() && line.has(bytes) {
                line.free -= bytes as isize;
                return Ok(self.reservation(bytes));
            }
            let (served, called) = (Mutex::new(false), Condvar::new());
            let ticket = Arc::new(Ticket { bytes, served, called });
            line.waiting.push_back(Arc::clone(&ticket));
            ticket
        };
        loop {
            let often = match look() {
                Ok(often) => often,
                Err(error) => {
                    self.leave(&ticket);
                    return Err(error);
                }
            };
            let mut served = ticket.served.lock();
            if !*served {
                ticket.called.wait_for(&mut served, often);
            }
            if *served {
                return Ok(self.reservation(bytes));
            }
        }
    }

    /// Reserves bytes, at most all there are, without waiting, even where they are not free: for
    /// workers of a thread pool.
    pub(super) fn reserve_now(self: &Arc<Self>, bytes: usize) -> Reservation {
        let bytes = bytes.min(self.total);
        self.line.lock().free -= bytes as isize;
        self.reservation(bytes)
    }

    fn reservation(self: &Arc<Self>, bytes: usize) -> Reservation {
        let held = Held { bytes, short: None };
        Reservation { memory: Arc::clone(self), held: Mutex::new(held) }
    }

    /// Takes a ticket out of the line, and gives back what it was served meanwhile.
    fn leave(&self, ticket: &Arc<Ticket>) {
        let mut line = self.line.lock();
        line.waiting.retain(|other| !Arc::ptr_eq(other, ticket));
        if *ticket.served.lock() {
            line.free += ticket.bytes as isize;
        }
        line.serve();
    }

    fn give_back(&self, bytes: usize) {
        let mut line = self.line.lock();
        line.free += bytes as isize;
        line.serve();
    }

    /// Takes bytes that are free, whoever waits: the line moves when queries end, and this is one
    /// that runs.
    fn take(&self, least: usize) -> Option<usize> {
        let mut line = self.line.lock();
        let taken = [least.max(STEP), least].into_iter().find(|bytes| line.has(*bytes))?;
        line.free -= taken as isize;
        Some(taken)
    }
}

impl Line {
    fn has(&self, bytes: usize) -> bool {
        isize::try_from(bytes).is_ok_and(|bytes| bytes <= self.free)
    }

    /// Serves from the front as far as the free bytes go.
    fn serve(&mut self) {
        while let Some(first) = self.waiting.front()
            && self.has(first.bytes)
        {
            self.free -= first.bytes as isize;
            *first.served.lock() = true;
            first.called.notify_all();
            self.waiting.pop_front();
        }
    }
}

/// Bytes of a query that runs, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    memory: Arc<Memory>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    bytes: usize,
    /// What was needed when there was not enough.
    short: Option<usize>,
}

impl Reservation {
    /// Grows to at least `bytes`; whether that went.
    pub(super) fn cover(&self, bytes: usize) -> bool {
        let mut held = self.held.lock();
        let Some(more) = bytes.checked_sub(held.bytes).filter(|more| *more > 0) else {
            return true;
        };
        match self.memory.take(more) {
            Some(taken) => held.bytes += taken,
            None => held.short = held.short.max(Some(bytes)),
        }
        bytes <= held.bytes
    }

    /// How much to reserve instead, when it was too small for its query and more would do.
    pub(super) fn instead(&self) -> Option<usize> {
        let held = self.held.lock();
        let needed = held.short?;
        (held.bytes < self.memory.total && needed <= self.memory.total)
            .then(|| needed.max(held.bytes.saturating_mul(4)).min(self.memory.total))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let bytes = self.held.lock().bytes;
        self.memory.give_back(bytes);
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::error::Error;

    fn patient() -> Result<Duration> {
        Ok(Duration::from_secs(1))
    }

    fn hurried() -> Result<Duration> {
        Err(Error::Cancelled("too late".to_owned()))
    }

    #[test]
    fn whoever_comes_first_is_served_first() -> Result<()> {
        let memory = Memory::new(100);
        let first = memory.reserve(70, hurried)?;
        assert!(memory.reserve(40, hurried).is_err());
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for bytes in [90, 10] {
                let waiting = memory.line.lock().waiting.len();
                let (memory, order) = (&memory, &order);
                scope.spawn(move || {
                    let _own = memory.reserve(bytes, patient).expect("its turn");
                    order.lock().push(bytes);
                });
                while memory.line.lock().waiting.len() == waiting {
                    std::thread::yield_now();
                }
            }
            // The small one would fit, and still waits for its turn.
            assert_eq!(memory.used(), 70);
            drop(first);
        });
        order.lock().sort_unstable();
        assert_eq!(*order.lock(), [10, 90]);
        assert_eq!(memory.used(), 0);
        Ok(())
    }

    #[test]
    fn a_worker_does_not_wait_and_what_it_owes_is_paid_back() -> Result<()> {
        let memory = Memory::new(100);
        let (first, second) = (memory.reserve(80, hurried)?, memory.reserve_now(50));
        assert_eq!(memory.used(), 130);
        assert!(!second.cover(51));
        drop(first);
        assert!(memory.reserve(60, hurried).is_err());
        assert!(memory.reserve(50, hurried).is_ok());
        drop(second);
        assert_eq!(memory.used(), 0);
        Ok(())
    }

    #[test]
    fn a_reservation_grows_where_bytes_are_free_and_says_what_it_needs() -> Result<()> {
        let memory = Memory::new(100);
        let (own, other) = (memory.reserve(10, hurried)?, memory.reserve(50, hurried)?);
        assert!(own.cover(50));
        assert!(!own.cover(51));
        assert_eq!(own.instead(), Some(100));
        assert_eq!(other.instead(), None);
        drop((own, other));
        let all = memory.reserve(usize::MAX, hurried)?;
        assert!(!all.cover(101));
        assert_eq!(all.instead(), None);
        Ok(())
    }
}
