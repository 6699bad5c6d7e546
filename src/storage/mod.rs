//! Storage: the log, the head, segments and manifests, all files through one seam, [`vfs`].

pub mod head;
pub mod lease;
pub mod lock;
pub mod manifest;
pub mod network;
pub mod process;
pub mod rewrite;
pub mod segment;
pub mod tiers;
pub mod vfs;
pub mod wal;
