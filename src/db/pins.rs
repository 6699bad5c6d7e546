//! Versions that are being read: what may not be removed yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::storage::lease::Lease;
use crate::sync::Mutex;

/// The versions that queries and snapshots of a handle hold. A live reader's lease tells the writer
/// in another process of the oldest.
#[derive(Debug, Default)]
pub(super) struct Pins {
    held: Mutex<Held>,
    lease: Option<Lease>,
}

#[derive(Debug, Default)]
struct Held {
    /// Each version with how many hold it.
    versions: BTreeMap<u64, usize>,
    /// The reader is closed, and its lease ends with the last that holds a version.
    closed: bool,
}

impl Pins {
    pub(super) fn with_lease(lease: Option<Lease>) -> Arc<Self> {
        Arc::new(Self { held: Mutex::default(), lease })
    }

    /// Keeps a version from being collected.
    pub(super) fn pin(self: &Arc<Self>, version: u64) -> Pin {
        let mut held = self.held.lock();
        *held.versions.entry(version).or_default() += 1;
        // Of several holders of the oldest version the first has said so.
        if held.versions.first_key_value() == Some((&version, &1)) {
            self.tell(&held);
        }
        Pin { version, pins: Arc::clone(self) }
    }

    /// The oldest version that is held.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.held.lock().versions.keys().next().copied()
    }

    /// Whether a writer in another process keeps what is held.
    pub(super) fn has_lease(&self) -> bool {
        self.lease.is_some()
    }

    /// Ends the lease once nothing is held.
    pub(super) fn close(&self) {
        let mut held = self.held.lock();
        held.closed = true;
        self.tell(&held);
    }

    /// In a forked child: gives up what the fork brought along.
    pub(super) fn let_go(&self) {
        if let Some(lease) = &self.lease {
            lease.let_go();
        }
    }

    fn tell(&self, held: &Held) {
        if let Some(lease) = &self.lease {
            let oldest = held.versions.keys().next().copied();
            if held.closed && oldest.is_none() { lease.end() } else { lease.hold(oldest) }
        }
    }
}

/// Keeps a version's segments from being collected while it lives.
#[derive(Debug)]
pub(super) struct Pin {
    pub(super) version: u64,
    pins: Arc<Pins>,
}

impl Pin {
    /// One more of the same version.
    pub(super) fn another(&self) -> Self {
        self.pins.pin(self.version)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut held = self.pins.held.lock();
        let Some(count) = held.versions.get_mut(&self.version) else { return };
        *count -= 1;
        if *count == 0 {
            let oldest = held.versions.keys().next() == Some(&self.version);
            held.versions.remove(&self.version);
            if oldest {
                self.pins.tell(&held);
            }
        }
    }
}
