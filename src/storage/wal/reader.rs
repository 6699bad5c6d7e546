//! Reading: what is there, and how it ends.

use bytes::Bytes;

use super::record::{self, HEADER, RECORD};
use super::{Sequence, WalEntry, path};
use crate::error::{Error, Result};
use crate::storage::vfs::Store;

/// How a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a whole record.
    Clean,
    /// With bytes that are no record and have none after them: a write that a crash cut short, or
    /// in a live writer's file one that is on its way. No acknowledged record is lost by leaving
    /// them out, as a record is acknowledged when it is whole.
    Torn {
        /// Where the bytes begin.
        at: u64,
        /// What is wrong with them.
        why: String,
    },
}

/// What [`read_entries`] found.
#[derive(Debug)]
pub struct WalRead {
    /// The entries in order.
    pub entries: Vec<(Sequence, WalEntry)>,
    /// Where the next entry will begin: from here a live reader reads on.
    pub next_offset: u64,
    /// How the file ends.
    pub tail: Tail,
}

/// The entries of one file, one by one, as it was when the reader was opened.
#[derive(Debug)]
pub struct WalReader {
    number: u64,
    name: String,
    bytes: Bytes,
    /// Where in the file `bytes` begins.
    base: u64,
    at: usize,
    next: Option<Sequence>,
    tail: Option<Tail>,
}

impl WalReader {
    /// The entries from `from` on, which is 0 or what [`Self::next_offset`] said before.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such file, [`Error::Corrupt`] when its header is
    /// damaged or it is shorter than `from`.
    pub fn open(store: &dyn Store, number: u64, from: u64) -> Result<Self> {
        let path = path(number);
        let name = format!("{path} in {}", store.describe());
        let size = store.size(&path)?;
        let len = size.checked_sub(from).ok_or_else(|| {
            Error::corrupt(format!("{name} has {size} bytes, fewer than the {from} read before"))
        })?;
        let len = usize::try_from(len)
            .map_err(|_| Error::LimitExceeded(format!("{name} has {size} bytes")))?;
        let bytes = store.read_range(&path, from, len)?;
        let mut reader = Self { number, name, bytes, base: from, at: 0, next: None, tail: None };
        if from == 0 {
            reader.check_header()?;
        } else if from < HEADER as u64 {
            return Err(Error::invalid(format!(
                "offset {from} is inside the header; 0 or an offset that was read up to works"
            )));
        }
        Ok(reader)
    }

    /// Where the next entry will begin.
    pub fn next_offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// How the file ends, once [`Self::read_next`] gave `None`.
    pub fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    fn torn(&mut self, why: &str) {
        self.tail = Some(Tail::Torn { at: self.next_offset(), why: why.to_owned() });
    }

    fn check_header(&mut self) -> Result<()> {
        match self.bytes.first_chunk::<HEADER>() {
            Some(header) => match record::check_header(header, self.number) {
                Ok(()) => (self.at, self.next) = (HEADER, Some(0)),
                // A crash can leave a length without its bytes.
                Err(_) if self.bytes.iter().all(|&b| b == 0) => self.torn("the header is zeros"),
                Err(e) => return Err(e.within(&self.name)),
            },
            None => {
                let whole = record::header(self.number);
                if !whole.starts_with(&self.bytes) && self.bytes.iter().any(|&b| b != 0) {
                    return Err(Error::corrupt(format!("{}: not a log's header", self.name)));
                }
                self.torn("the file ends inside its header");
            }
        }
        Ok(())
    }

    /// The next entry, `None` at the end.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a damaged record with a valid one after it, and for a valid record
    /// that is out of turn or holds no entry.
    pub fn read_next(&mut self) -> Result<Option<(Sequence, WalEntry)>> {
        if self.tail.is_some() {
            return Ok(None);
        }
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            self.tail = Some(Tail::Clean);
            return Ok(None);
        }
        let at = self.next_offset();
        let corrupt = |why: &dyn std::fmt::Display| {
            Error::corrupt(format!("{} at byte {at}: {why}", self.name))
        };
        let record = match record::decode(rest, self.number) {
            Ok(record) => record,
            Err(why) if record::any_valid(&rest[1..], at + 1, self.number) => {
                return Err(corrupt(&format!("{why}, and valid records follow")));
            }
            Err(why) => {
                self.torn(why);
                return Ok(None);
            }
        };
        if self.next.is_some_and(|next| next != record.sequence) {
            return Err(corrupt(&format!("record {} is out of turn", record.sequence)));
        }
        let entry = WalEntry::decode(record.payload).map_err(|e| corrupt(&e))?;
        let sequence = record.sequence;
        self.at += RECORD + record.payload.len();
        self.next = Some(sequence.saturating_add(1));
        Ok(Some((sequence, entry)))
    }
}

/// Every entry of a file from an offset on: 0, or the `next_offset` of an earlier call.
///
/// # Errors
/// As [`WalReader::open`] and [`WalReader::read_next`].
pub fn read_entries(store: &dyn Store, number: u64, from_offset: u64) -> Result<WalRead> {
    let mut reader = WalReader::open(store, number, from_offset)?;
    let mut entries = Vec::new();
    while let Some(entry) = reader.read_next()? {
        entries.push(entry);
    }
    let next_offset = reader.next_offset();
    Ok(WalRead { entries, next_offset, tail: reader.tail.unwrap_or(Tail::Clean) })
}
