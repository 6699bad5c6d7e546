//! Reading: what is there, and how it ends.

use bytes::Bytes;

use super::mark::{self, Mark};
use super::record::{self, HEADER, RECORD};
use super::{Sequence, WalEntry, files, path};
use crate::error::{Error, Result};
use crate::planted::{self, Bug};
use crate::storage::manifest;
use crate::storage::vfs::Store;

/// How a file ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a whole record.
    Clean,
    /// With bytes that are no record: a write that a crash cut short, or in a live writer's file one
    /// that is on its way. In a file that is fsynced records may stand behind them that a power cut
    /// left, none of which knows these bytes to be durable. So nothing is lost that was promised to
    /// survive it.
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
    /// Whether the file is fsynced, so that its records tell how far it was durable.
    synced: bool,
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
        let (base, at, next, tail) = (from, 0, None, None);
        let mut reader = Self { number, name, bytes, base, at, next, synced: false, tail };
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
        // A crash can leave a length without its bytes, and a sector in parts; a header that was
        // synced is whole, and without one there is no record.
        let begun = [false, true].into_iter().any(|synced| {
            let own = record::header(self.number, synced);
            self.bytes.iter().zip(own).all(|(&byte, own)| byte == own || byte == 0)
        });
        match self.bytes.first_chunk::<HEADER>() {
            Some(header) => match record::check_header(header, self.number) {
                Ok(synced) => {
                    (self.at, self.next, self.synced) = (HEADER, Some(0), synced);
                }
                Err(_) if begun && self.bytes.iter().skip(HEADER).all(|&b| b == 0) => {
                    self.torn("the header was never finished");
                }
                Err(e) => return Err(e.within(&self.name)),
            },
            None => {
                if !begun {
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
    /// [`Error::Corrupt`] for a damaged record with a valid one after it, in a file that is fsynced
    /// only where that one knows the damaged one to have been durable; and for a valid record that
    /// is out of turn or holds no entry.
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
            Err(why) => match record::told_durable(&rest[1..], at + 1, self.number) {
                Ok(told) if told.is_none_or(|told| self.synced && told <= at) => {
                    self.torn(why);
                    return Ok(None);
                }
                Ok(_) => {
                    return Err(corrupt(&format!("{why}, and valid records follow")));
                }
                Err(more) => return Err(corrupt(&format!("{why}, and {more}"))),
            },
        };
        if self.next.is_some_and(|next| next != record.sequence)
            && !planted::is(Bug::RecordOutOfTurnAccepted)
        {
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
/// As [`WalReader::open`] and [`WalReader::read_next`], and [`Error::Corrupt`] when the entries end
/// before the file's [`Mark`].
pub fn read_entries(store: &dyn Store, number: u64, from_offset: u64) -> Result<WalRead> {
    let mark = mark::read(store, number)?.durable();
    let mut reader = WalReader::open(store, number, from_offset)?;
    let mut entries = Vec::new();
    while let Some(entry) = reader.read_next()? {
        entries.push(entry);
    }
    let next_offset = reader.next_offset();
    let tail = reader.tail.unwrap_or(Tail::Clean);
    if let Some(mark) = mark.filter(|mark| next_offset < mark.end) {
        let why = match &tail {
            Tail::Clean => "the file ends there",
            Tail::Torn { why, .. } => why,
        };
        let next = entries.last().map(|(sequence, _)| sequence + 1);
        let lost = match next.or((from_offset == 0).then_some(0)) {
            Some(next) => format!("{} of its {}", mark.records.saturating_sub(next), mark.records),
            None => "some of its".to_owned(),
        };
        return Err(Error::corrupt(format!(
            "{} at byte {next_offset}: {why}, and its mark says that it is durable up to byte {}: \
             {lost} records were acknowledged and are lost",
            reader.name, mark.end
        )));
    }
    Ok(WalRead { entries, next_offset, tail })
}

/// What is missing of the log from `from` on and of the versions: each path with the reason why it
/// is known.
///
/// What a mark tells of was there before it, so the marks are looked at first: what is missing then
/// was removed, by a flush of a writer's that may be at work or by nobody who knows the log.
///
/// # Errors
/// [`Error::Storage`] when the store fails.
pub fn missing(store: &dyn Store, from: u64) -> Result<Vec<(String, String)>> {
    let mut logs = Vec::new();
    let mut newest = None;
    for number in mark::numbers(store)?.into_iter().filter(|&number| number >= from) {
        let own = mark::path(number);
        let Some(Mark { after, records, version, .. }) = mark::read(store, number)?.durable()
        else {
            continue;
        };
        if records > 0 {
            logs.push((number, format!("{own} says that it held {records} records")));
        }
        if let Some(after) = after.filter(|after| *after >= from) {
            logs.push((after, format!("{own} says that it held records")));
        }
        newest = newest.max(Some((version, own)));
    }
    let files = files(store)?;
    logs.retain(|(number, _)| !files.contains(number));
    logs.sort_unstable();
    logs.dedup_by_key(|(number, _)| *number);
    let told = |path: String, why: String| (path, format!("the file is missing, and {why}"));
    let mut missing: Vec<_> = logs.into_iter().map(|(n, why)| told(path(n), why)).collect();
    if let Some((version, own)) = newest
        && manifest::newest_version(store)?.is_none_or(|there| there < version)
    {
        let why = format!("{own} says that version {version} was committed");
        missing.push(told(manifest::path(version), why));
    }
    Ok(missing)
}

/// The newest version that a mark tells of.
///
/// # Errors
/// [`Error::Storage`] when the store fails.
pub fn marked_version(store: &dyn Store) -> Result<Option<u64>> {
    let mut newest = None;
    for number in mark::numbers(store)? {
        newest = newest.max(mark::read(store, number)?.durable().map(|mark| mark.version));
    }
    Ok(newest)
}

/// Bytes of a file that hold no entry although something did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where they begin.
    pub at: u64,
    /// Where they end: the next valid record, or the end of the file or of its mark.
    pub end: u64,
    /// How many records they held, where that is known.
    pub records: Option<u64>,
    /// What is wrong with them.
    pub why: String,
}

/// What is valid in a damaged file.
#[derive(Debug, Default)]
pub struct Salvaged {
    /// The valid entries in order.
    pub entries: Vec<(Sequence, WalEntry)>,
    /// What lies between and behind them.
    pub lost: Vec<Lost>,
}

/// Reads the valid records of a file and goes on behind those that are not. A torn tail behind the
/// file's mark is no loss.
///
/// # Errors
/// [`Error::Storage`] when the store fails, [`Error::NotFound`] when there is no such file.
pub fn salvage(store: &dyn Store, number: u64) -> Result<Salvaged> {
    let mark = mark::read(store, number)?.durable();
    let bytes = store.read(&path(number))?;
    let (mut entries, mut lost) = (Vec::new(), Vec::new());
    let gone = |at: usize, end: usize, records: Option<u64>, why: &str| Lost {
        at: at as u64,
        end: end as u64,
        records,
        why: why.to_owned(),
    };
    let mut at = match bytes.first_chunk::<HEADER>().map(|h| record::check_header(h, number)) {
        Some(Ok(_)) => HEADER,
        // No record begins before the end of the header, whatever is in it.
        Some(Err(error)) if bytes.iter().any(|&b| b != 0) => {
            lost.push(gone(0, HEADER, Some(0), &error.to_string()));
            HEADER
        }
        _ => 0,
    };
    let mut next: Sequence = 0;
    while at >= HEADER && at < bytes.len() {
        let record = match record::decode(&bytes[at..], number) {
            Ok(record) => record,
            Err(why) => {
                match record::next_valid(&bytes[at + 1..], at as u64 + 1, number) {
                    Ok(Some(skip)) => {
                        lost.push(gone(at, at + 1 + skip, None, why));
                        at += 1 + skip;
                        continue;
                    }
                    Ok(None) => {}
                    Err(more) => lost.push(gone(at, bytes.len(), None, more)),
                }
                break;
            }
        };
        let end = at + RECORD + record.payload.len();
        if record.sequence < next {
            lost.push(gone(at, end, None, "a record is out of turn"));
            at = end;
            continue;
        }
        if let Some(missing) = record.sequence.checked_sub(next).filter(|&n| n > 0) {
            match lost.last_mut() {
                Some(last) if last.end == at as u64 => last.records = Some(missing),
                _ => lost.push(gone(at, at, Some(missing), "records are missing")),
            }
        }
        next = record.sequence.saturating_add(1);
        match WalEntry::decode(record.payload) {
            Ok(entry) => entries.push((record.sequence, entry)),
            Err(error) => lost.push(gone(at, end, Some(1), &error.to_string())),
        }
        at = end;
    }
    if let Some(mark) = mark.filter(|mark| (at as u64) < mark.end) {
        lost.push(Lost {
            at: at as u64,
            end: mark.end,
            records: Some(mark.records.saturating_sub(next)),
            why: "the valid records end before what the file's mark says is durable".to_owned(),
        });
    }
    Ok(Salvaged { entries, lost })
}
