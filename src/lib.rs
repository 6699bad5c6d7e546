//! kymograph: an embedded time-series analytics engine.
//!
//! The pure core: no Python anywhere in it. [`db::Database`] is the only door for bindings.
//! `ARCHITECTURE.md` has the code map and the invariants.

pub mod analytics;
pub mod chunk;
pub mod codec;
pub mod db;
pub mod error;
pub mod ingest;
pub mod kernels;
pub mod model;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
pub(crate) mod planted;
pub mod query;
pub mod sql;
pub mod storage;
mod sync;

pub use error::{Error, Result};
