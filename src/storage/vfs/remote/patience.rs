//! How long a call to an object store is waited for, and how often it is made again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// What a call to an object store is given. The client beneath tries again on its own (on an
/// answer of 5xx, for at most three minutes); this bounds what it does, and stands in where it
/// gives up or hangs.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long one call may take.
    pub call: Duration,
    /// How long a piece of an upload may take.
    pub upload: Duration,
    /// How often a call that changes nothing when it is made twice is made.
    pub tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { call: Duration::from_secs(60), upload: Duration::from_secs(300), tries: 3 }
    }
}

/// Waits before try `tries + 1`: twice as long each time up to a second, and by chance up to half
/// of it less, so that many who failed together do not come back together.
pub(crate) fn back_off(tries: u32) {
    let most = 20u64.saturating_mul(1 << tries.min(6)).min(1000);
    let chance = RandomState::new().hash_one(tries) % (most / 2 + 1);
    std::thread::sleep(Duration::from_millis(most - chance));
}

/// Whether another try of the same call may do better.
pub(super) fn passes(error: &object_store::Error) -> bool {
    match error {
        object_store::Error::Generic { .. } => true,
        #[cfg(feature = "remote")]
        object_store::Error::JoinError { .. } => true,
        _ => false,
    }
}
