//! How a database is opened.

use std::collections::BTreeMap;
use std::time::Duration;

use super::clock::Clock;
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
    /// Bytes that all queries may hold together: past them queries wait, each at most until its
    /// deadline. `None` is half of the memory that the process may use.
    pub query_memory: Option<usize>,
    /// Older versions that stay readable.
    pub history: u64,
    /// Threads for queries and compression; 0 means one a core.
    pub threads: usize,
    /// Points at which a write goes straight into a segment.
    pub direct_points: u64,
    /// Whether a background thread flushes, compacts and drops what retention says.
    pub background: bool,
    /// What says which rows are past their retention.
    pub clock: Clock,
    /// Whether a damaged database is repaired when it is opened: what is damaged is quarantined, and
    /// what can be verified stays.
    pub repair: bool,
    /// Whether a writer may open a database on a network file system, where locks and fsyncs may
    /// not mean what they say.
    pub network_filesystem: bool,
    /// Most series that a table takes; a write that would pass it is refused.
    pub max_series: u64,
    /// How long a query may take when it does not say itself; `None` for no bound.
    pub query_timeout: Option<Duration>,
    /// Options of the object store: credentials, region, endpoint.
    pub store: BTreeMap<String, String>,
    /// Where segments go whose rows are all older than `cold_after`: a folder or an object store's
    /// address. `None` takes the place that the database has already.
    pub cold: Option<String>,
    /// The age of a segment's last row, in nanoseconds by the clock, from which on it belongs into
    /// the cold tier; `None` moves nothing. Not a table's `cold_after`, which is about codecs.
    pub cold_after: Option<i64>,
    /// Options of the cold tier's store; empty takes those of `store`.
    pub cold_store: BTreeMap<String, String>,
    /// Bytes of the cold tier that are kept on the local disk.
    pub cold_cache: u64,
    /// How long an object of a store without file locks stays once no readable version lists it:
    /// what a reader in another process may still read, and what a writer in another process may
    /// be about to commit.
    pub grace: Duration,
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
            query_memory: None,
            history: 64,
            threads: 0,
            direct_points: 262_144,
            background: true,
            clock: Clock::default(),
            repair: false,
            network_filesystem: false,
            max_series: 10_000_000,
            query_timeout: None,
            store: BTreeMap::new(),
            cold: None,
            cold_after: None,
            cold_store: BTreeMap::new(),
            cold_cache: 1 << 30,
            grace: Duration::from_secs(900),
        }
    }
}
