//! Test support: bugs that are known, so that the tests can be asked whether they find them.
//!
//! With the feature `planted` one bug at a time is chosen while the program runs; without it
//! [`is`] is a constant false, and nothing of a bug is compiled.

#![cfg_attr(not(feature = "planted"), allow(unreachable_pub, reason = "public for tests only"))]

macro_rules! bugs {
    ($($name:ident),* $(,)?) => {
        /// A bug that can be planted.
        #[cfg_attr(not(feature = "planted"), allow(dead_code, reason = "chosen by tests only"))]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum Bug {
            $($name),*
        }

        #[cfg(feature = "planted")]
        impl Bug {
            /// Every bug.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

bugs! {
    LogFsyncSkipped,
    FsyncBeforeWrite,
    LinkedNameNotSynced,
    RenamedNameNotSynced,
    LogNameNotSynced,
    NewFolderNotSynced,
    ManifestNotSynced,
    SegmentNotSynced,
    SettleSkipped,
    AcknowledgedBeforeFsync,
    AcknowledgedBeforeWrite,
    GroupCommitCoversTooMuch,
    FsyncErrorIgnored,
    FsyncTriedAgain,
    WriteErrorIgnored,
    ShortWriteIgnored,
    InputsDeletedBeforeCommit,
    PinnedSegmentCollected,
    ListedSegmentCollected,
    ManifestOverwritten,
    LogCoveredTooFar,
    LogRemovedBeforeCommit,
    LogReplayedTwice,
    ReplayStopsAtFirstFile,
    TornRecordAccepted,
    RecordOutOfTurnAccepted,
    ChunkChecksumIgnored,
    ManifestChecksumIgnored,
    SectionChecksumIgnored,
    TombstoneHidesLaterRows,
    StrangersMerged,
    HeadLostByCompaction,
    CompactionKeepsTheFirst,
    RetentionDropsPartlyLive,
    HistoryKeptAtErasure,
    CacheKeyedByOrder,
    FlushLosesArrivals,
    SegmentNumberReused,
    SumsLoseANode,
    LockNotTaken,
}

#[cfg(feature = "planted")]
mod chosen {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Bug;

    static CHOSEN: AtomicU8 = AtomicU8::new(0);

    /// Plants a bug in place of the one before, or none.
    pub fn plant(bug: Option<Bug>) {
        CHOSEN.store(bug.map_or(0, |bug| bug as u8 + 1), Ordering::SeqCst);
    }

    pub(crate) fn is(bug: Bug) -> bool {
        CHOSEN.load(Ordering::Relaxed) == bug as u8 + 1
    }
}

#[cfg(feature = "planted")]
pub(crate) use chosen::is;
#[cfg(feature = "planted")]
pub use chosen::plant;

/// Whether a bug is planted.
#[cfg(not(feature = "planted"))]
#[inline(always)]
pub(crate) const fn is(_: Bug) -> bool {
    false
}
