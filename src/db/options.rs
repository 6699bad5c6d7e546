//! How a database is opened.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::error::{Error, Result};

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Acknowledged means fsynced: survives a power cut. Waiting writers share one fsync.
    Full,
    /// Acknowledged means written: survives a kill; a power cut costs at most this long.
    Interval(Duration),
    /// Acknowledged means written: survives a kill; the operating system fsyncs when it likes.
    Os,
    /// Acknowledged means in memory: a kill costs what was not flushed.
    Memory,
    /// On an object store: acknowledged means that the conditional put succeeded.
    Remote,
}

impl Durability {
    /// From the name that users write.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] with the names there are.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "full" => Ok(Self::Full),
            "interval" => Ok(Self::Interval(Duration::from_millis(200))),
            "os" => Ok(Self::Os),
            "memory" => Ok(Self::Memory),
            "remote" => Ok(Self::Remote),
            _ => Err(Error::invalid(format!(
                "durability={name:?} is not known; it is \"full\", \"interval\", \"os\", \
                 \"memory\" or, on an object store, \"remote\""
            ))),
        }
    }
}

/// What a handle may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The one writer, which also reads.
    Write,
    /// A live reader beside a writer.
    Read,
}

/// How a database is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Writer or live reader.
    pub mode: Mode,
    /// An older version to read instead of the newest.
    pub as_of: Option<u64>,
    /// What an acknowledged write survives; `None` chooses by the store.
    pub durability: Option<Durability>,
    /// Bytes of recent rows in memory at which they are flushed to a segment.
    pub head_bytes: usize,
    /// Age of the oldest row in memory at which it is flushed.
    pub flush_age: Duration,
    /// Bytes of chunks kept in memory.
    pub cache_bytes: usize,
    /// Older versions that stay readable.
    pub history: u64,
    /// Threads for queries and compression; 0 means one a core.
    pub threads: usize,
    /// Points at which a write goes straight into a segment.
    pub direct_points: u64,
    /// Whether a background thread flushes, compacts and drops what retention says.
    pub background: bool,
    /// Options of the object store: credentials, region, endpoint.
    pub store: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Write,
            as_of: None,
            durability: None,
            head_bytes: 64 << 20,
            flush_age: Duration::from_secs(60),
            cache_bytes: 256 << 20,
            history: 64,
            threads: 0,
            direct_points: 262_144,
            background: true,
            store: BTreeMap::new(),
        }
    }
}
