//! Headers and records: bytes <-> numbers and slices.

use crate::error::{Error, Result};

/// The longest payload, packed or not, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 30;

pub(super) const HEADER: usize = 20;
pub(super) const RECORD: usize = 16;
const MAGIC: [u8; 4] = *b"KYWL";
const FORMAT: u16 = 1;

/// The header of the file with this number.
pub(super) fn header(number: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Checks a header.
///
/// # Errors
/// [`Error::Corrupt`] for anything but what [`header`] makes for `number`.
pub(super) fn check_header(bytes: &[u8; HEADER], number: u64) -> Result<()> {
    let expected = header(number);
    if *bytes == expected {
        return Ok(());
    }
    let what = if bytes[..4] != MAGIC {
        "the magic number is wrong".to_owned()
    } else if bytes[16..] != crc32fast::hash(&bytes[..16]).to_le_bytes() {
        "the header's checksum is wrong".to_owned()
    } else if bytes[4..6] != expected[4..6] {
        let format = u16::from_le_bytes([bytes[4], bytes[5]]);
        format!("format {format} is not {FORMAT}; a newer kymograph may read it")
    } else {
        "the header names another file".to_owned()
    };
    Err(Error::corrupt(what))
}

fn checksum(number: u64, length: [u8; 4], sequence: [u8; 8], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&number.to_le_bytes());
    crc.update(&length);
    crc.update(&sequence);
    crc.update(payload);
    crc.finalize()
}

/// Puts a record into `out`, in place of what is there.
///
/// # Errors
/// [`Error::LimitExceeded`] for a payload past [`MAX_PAYLOAD`], [`Error::Internal`] for an empty
/// one.
pub(super) fn encode(out: &mut Vec<u8>, number: u64, sequence: u64, payload: &[u8]) -> Result<()> {
    if payload.is_empty() {
        return Err(Error::Internal("an empty payload for the write-ahead log".to_owned()));
    }
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_PAYLOAD);
    let Some(length) = length.map(u32::to_le_bytes) else {
        return Err(too_large(payload.len()));
    };
    let sequence = sequence.to_le_bytes();
    out.clear();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(number, length, sequence, payload).to_le_bytes());
    out.extend_from_slice(&sequence);
    out.extend_from_slice(payload);
    Ok(())
}

pub(super) fn too_large(bytes: usize) -> Error {
    Error::LimitExceeded(format!(
        "a write of {bytes} bytes is too large for the write-ahead log, which takes {MAX_PAYLOAD}; \
         write it in parts"
    ))
}

/// A record that passed its checksum.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) sequence: u64,
    pub(super) payload: &'a [u8],
}

/// The record at the beginning of `bytes`, or why there is none.
pub(super) fn decode(bytes: &[u8], number: u64) -> Result<Record<'_>, &'static str> {
    let (head, rest) =
        bytes.split_first_chunk::<RECORD>().ok_or("the file ends inside a record's header")?;
    let [l0, l1, l2, l3, c0, c1, c2, c3, sequence @ ..] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length == 0 || length > MAX_PAYLOAD {
        return Err("a record's length is impossible");
    }
    let payload = rest.get(..length).ok_or("the file ends inside a record")?;
    if u32::from_le_bytes([c0, c1, c2, c3]) != checksum(number, [l0, l1, l2, l3], sequence, payload)
    {
        return Err("a record's checksum is wrong");
    }
    Ok(Record { sequence: u64::from_le_bytes(sequence), payload })
}

/// Whether a valid record begins anywhere in `bytes`, which stand at `offset` in the file.
///
/// Every byte may begin one, since a damaged length says nothing. A record's sequence is bounded
/// by where it stands, which turns nearly every false beginning away; the work that is left for
/// bytes made to defeat that is cut off, and then counts as found: damage is reported, not
/// passed over.
pub(super) fn any_valid(bytes: &[u8], offset: u64, number: u64) -> bool {
    let mut work = bytes.len().saturating_mul(64).max(1 << 20);
    for (at, window) in bytes.windows(RECORD).enumerate() {
        let length = u32::from_le_bytes([window[0], window[1], window[2], window[3]]) as usize;
        if length == 0 || length > bytes.len() - at - RECORD {
            continue;
        }
        let mut sequence = [0; 8];
        sequence.copy_from_slice(&window[8..]);
        let before = (offset.saturating_add(at as u64)) / (RECORD as u64 + 1);
        if u64::from_le_bytes(sequence) > before {
            continue;
        }
        if decode(&bytes[at..], number).is_ok() {
            return true;
        }
        match work.checked_sub(length) {
            Some(left) => work = left,
            None => return true,
        }
    }
    false
}
