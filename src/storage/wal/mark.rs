//! The mark beside a file of the log: how far the file is known to be durable.
//!
//! ```text
//! mark := magic "KYWD" | format u16 = 1 | flags u16 = 0 | number u64 | after u64 | end u64
//!       | records u64 | version u64 | crc32 u32
//! ```
//!
//! A checksum tells a damaged record from a whole one, not a record that a crash cut short from
//! one that was acknowledged and damaged later. For that the durable position has to stand outside
//! of the bytes that it guards. It is overwritten in place after each fsync of the log and is never
//! fsynced itself: so it is never ahead of what is durable, and after a power cut it may be old,
//! torn or empty, which says nothing and harms nothing.

use super::{FOLDER, record};
use crate::error::{Error, Result};
use crate::storage::vfs::Store;

const MAGIC: [u8; 4] = *b"KYWD";
const FORMAT: u16 = 1;
/// Bytes of a mark.
pub const MARK: usize = 52;

/// How far a file of the log is known to be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The number of the file.
    pub number: u64,
    /// The file before it whose rows no segment had when this one was begun.
    pub after: Option<u64>,
    /// The file's first bytes that are durable.
    pub end: u64,
    /// The records in them.
    pub records: u64,
    /// The newest version that the file's writer has committed or found.
    pub version: u64,
}

/// What stands where a mark is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    /// Nothing is known: no mark, or an empty one.
    Nothing,
    /// Nothing is known: the bytes are no mark, for this reason.
    Damaged(String),
    /// So much is durable.
    Durable(Mark),
}

impl Marked {
    /// The mark, where there is one.
    pub fn durable(&self) -> Option<Mark> {
        match self {
            Self::Durable(mark) => Some(*mark),
            Self::Nothing | Self::Damaged(_) => None,
        }
    }
}

impl Mark {
    /// The mark's bytes.
    pub fn encode(&self) -> [u8; MARK] {
        let mut bytes = [0; MARK];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        let after = self.after.map_or(0, |after| after.saturating_add(1));
        bytes[16..24].copy_from_slice(&after.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.end.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.records.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.version.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..48]);
        bytes[48..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// From the bytes beside the file with this number.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for anything but what [`Self::encode`] makes for that file.
    pub fn decode(bytes: &[u8], number: u64) -> Result<Self> {
        let wrong = |what: String| Err(Error::corrupt(what));
        let Some(bytes) = bytes.first_chunk::<MARK>().filter(|_| bytes.len() == MARK) else {
            return wrong(format!("{} bytes, a mark has {MARK}", bytes.len()));
        };
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        if bytes[..4] != MAGIC {
            return wrong("the magic number is wrong".to_owned());
        }
        if bytes[48..] != crc32fast::hash(&bytes[..48]).to_le_bytes() {
            return wrong("the checksum is wrong".to_owned());
        }
        let format = u16::from_le_bytes([bytes[4], bytes[5]]);
        if format != FORMAT || bytes[6..8] != [0; 2] {
            return wrong(format!(
                "format {format} is not {FORMAT}; a newer kymograph may read it"
            ));
        }
        let mark = Self {
            number: word(8),
            after: word(16).checked_sub(1),
            end: word(24),
            records: word(32),
            version: word(40),
        };
        if mark.number != number {
            return wrong(format!("it is the mark of file {}", mark.number));
        }
        let least = record::least_bytes(mark.records);
        if least.is_none_or(|least| mark.end < least)
            || mark.after.is_some_and(|after| after >= number)
        {
            return wrong("a position that cannot be".to_owned());
        }
        Ok(mark)
    }
}

/// Writes the mark of a file anew whose bytes are known to be durable. That it cannot be written is
/// no failure: then less is guarded.
pub fn renew(store: &dyn Store, mark: &Mark) {
    if let Ok(Some(note)) = store.note(&path(mark.number)) {
        let _ = note.put(&mark.encode());
    }
}

/// Removes the mark of a file where a power cut left it in parts.
///
/// # Errors
/// [`Error::Storage`] when the store fails.
pub fn remove_damaged(store: &dyn Store, number: u64) -> Result<()> {
    match read(store, number)? {
        Marked::Damaged(_) => store.delete(&path(number)),
        Marked::Nothing | Marked::Durable(_) => Ok(()),
    }
}

/// The path of the mark of the file with this number.
pub fn path(number: u64) -> String {
    format!("{FOLDER}/{number:020}.durable")
}

/// The numbers of the files that have a mark, ascending.
///
/// # Errors
/// [`Error::Storage`] when the store fails.
pub fn numbers(store: &dyn Store) -> Result<Vec<u64>> {
    super::numbered(store, ".durable", path)
}

/// What the mark of the file with this number says.
///
/// A reader looks at it before it reads the file: the mark may be older than what it reads then,
/// and never newer.
///
/// # Errors
/// [`Error::Storage`] when the store fails.
pub fn read(store: &dyn Store, number: u64) -> Result<Marked> {
    let bytes = match store.read(&path(number)) {
        Ok(bytes) => bytes,
        Err(Error::NotFound(_)) => return Ok(Marked::Nothing),
        Err(error) => return Err(error),
    };
    // A length without its bytes is what a power cut can leave.
    if bytes.iter().all(|&b| b == 0) {
        return Ok(Marked::Nothing);
    }
    Ok(match Mark::decode(&bytes, number) {
        Ok(mark) => Marked::Durable(mark),
        Err(error) => Marked::Damaged(error.to_string()),
    })
}
