//! kymograph: an embedded time-series analytics engine.
//!
//! The pure core: no Python anywhere in it. [`db::Database`] is the only door for bindings.
//! `ARCHITECTURE.md` has the code map and the invariants.

pub mod chunk;
pub mod codec;
pub mod db;
pub mod error;
pub mod ingest;
pub mod kernels;
pub mod model;
pub mod query;
pub mod sql;
pub mod storage;

pub use error::{Error, Result};
