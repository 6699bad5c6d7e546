//! Manifests and segments as any process sees them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::collect::{Remains, collect};
use super::pins::Pins;
use crate::error::Result;
use crate::storage::lease::Lease;
use crate::sync::Mutex;

/// What is on disk. Each step is seen by itself.
#[derive(Debug, Default)]
pub(super) struct Disk {
    /// Each version with its segments.
    manifests: Mutex<BTreeMap<u64, Vec<u64>>>,
    /// Each segment with its rows.
    segments: Mutex<BTreeMap<u64, Vec<u64>>>,
    pub(super) leases: Mutex<Vec<Lease>>,
}

impl Disk {
    pub(super) fn commit(&self, version: u64, segments: Vec<u64>) {
        assert!(self.manifests.lock().insert(version, segments).is_none(), "two commits of one");
    }

    pub(super) fn newest(&self) -> u64 {
        *self.manifests.lock().last_key_value().expect("the newest stays").0
    }

    pub(super) fn manifest(&self, version: u64) -> Option<Vec<u64>> {
        self.manifests.lock().get(&version).cloned()
    }

    pub(super) fn write(&self, segment: u64, rows: Vec<u64>) {
        assert!(self.segments.lock().insert(segment, rows).is_none(), "two segments of one id");
    }

    /// The rows of a segment that must be there.
    pub(super) fn read(&self, segment: u64) -> Vec<u64> {
        let segments = self.segments.lock();
        segments.get(&segment).expect("a segment of a version that is read").clone()
    }

    pub(super) fn segments(&self) -> Vec<u64> {
        self.segments.lock().keys().copied().collect()
    }
}

/// A writer that keeps no history, with what its own process reads.
pub(super) struct Collector {
    pub(super) disk: Arc<Disk>,
    pub(super) pins: Arc<Pins>,
    /// The version that its queries see.
    pub(super) shown: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Collector {
    pub(super) fn collect(&self, dead: &mut Vec<(u64, u64)>) {
        collect(self, dead);
    }
}

impl Remains for Collector {
    type Segment = u64;

    fn oldest_needed(&self) -> Result<u64> {
        let shown = (self.shown)();
        let pinned = self.pins.oldest().unwrap_or(u64::MAX);
        let leases = self.disk.leases.lock().clone();
        let leased = leases.iter().filter_map(Lease::version).min().unwrap_or(u64::MAX);
        Ok(shown.min(pinned).min(leased))
    }

    fn remove_manifests(&self, version: u64) -> Result<()> {
        let newest = self.disk.newest();
        let old: Vec<u64> = self.disk.manifests.lock().keys().copied().collect();
        for number in old.into_iter().filter(|number| *number < version.min(newest)) {
            self.disk.manifests.lock().remove(&number);
        }
        Ok(())
    }

    fn remove_segment(&self, id: &u64) -> bool {
        let id = *id;
        self.disk.segments.lock().remove(&id).is_some()
    }
}
