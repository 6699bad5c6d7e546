//! The part of `src/storage` that the models need, and the log's writer as it is.

pub(crate) mod lease;
pub(crate) mod vfs;
pub(crate) mod wal;

/// A head that holds numbered rows.
pub(crate) mod head {
    #[derive(Debug, Default)]
    pub(crate) struct Head {
        pub(crate) rows: Vec<u64>,
    }

    impl Head {
        pub(crate) fn is_empty(&self) -> bool {
            self.rows.is_empty()
        }

        pub(crate) fn memory(&self) -> usize {
            self.rows.len()
        }
    }
}

/// A version: its number and its segments.
pub(crate) mod manifest {
    use std::sync::Arc;

    #[derive(Clone, Debug)]
    pub(crate) struct Manifest {
        pub(crate) version: u64,
        pub(crate) segments: Vec<Arc<SegmentMeta>>,
    }

    #[derive(Debug, Default)]
    pub(crate) struct SegmentMeta {
        pub(crate) id: u64,
        pub(crate) order: u64,
        pub(crate) tier: Tier,
    }

    /// The store of a segment: no model has a cold tier.
    #[derive(Clone, Copy, Debug, Default)]
    pub(crate) enum Tier {
        #[default]
        Local,
        Cold,
    }
}

/// A cold tier, which no model has.
pub(crate) mod tiers {
    use std::sync::Arc;

    use super::vfs::Store;

    #[derive(Debug)]
    pub(crate) struct ColdTier(Arc<dyn Store>);

    impl ColdTier {
        pub(crate) fn reading(&self) -> Arc<dyn Store> {
            Arc::clone(&self.0)
        }
    }
}

/// A segment that is open.
pub(crate) mod segment {
    use std::sync::Arc;

    use super::manifest::SegmentMeta;
    use super::vfs::Store;
    use crate::chunk::Chunk;
    use crate::error::Result;
    use crate::model::TableSchema;

    #[derive(Debug)]
    pub(crate) struct Segment(Arc<SegmentMeta>);

    impl Segment {
        pub(crate) fn open(_: Arc<dyn Store>, meta: Arc<SegmentMeta>) -> Result<Self> {
            Ok(Self(meta))
        }

        pub(crate) fn meta(&self) -> &Arc<SegmentMeta> {
            &self.0
        }

        pub(crate) fn check_table(&self, _: &TableSchema) -> Result<()> {
            Ok(())
        }

        pub(crate) fn read_chunk(&self, _: usize) -> Result<Chunk> {
            Ok(Chunk)
        }
    }
}
