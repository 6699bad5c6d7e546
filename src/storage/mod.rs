//! Storage: the log, the head, segments and manifests, all files through one seam, [`vfs`].

pub mod head;
pub mod lock;
pub mod manifest;
pub mod rewrite;
pub mod segment;
pub mod vfs;
pub mod wal;
