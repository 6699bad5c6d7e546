//! Headers and records: bytes <-> numbers and slices.

use crate::error::{Error, Result};
use crate::planted::{self, Bug};

/// The longest payload, packed or not, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 30;

pub(super) const HEADER: usize = 20;
pub(super) const RECORD: usize = 24;
const MAGIC: [u8; 4] = *b"KYWL";
const FORMAT: u16 = 1;
/// Flag of a header: the file is fsynced, and its records tell how far.
const SYNCED: u16 = 1;

/// The header of the file with this number, `synced` where it is fsynced.
pub(super) fn header(number: u64, synced: bool) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..6].copy_from_slice(&FORMAT.to_le_bytes());
    bytes[6..8].copy_from_slice(&(u16::from(synced) * SYNCED).to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..16]);
    bytes[16..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Checks a header, and says whether the file is fsynced.
///
/// # Errors
/// [`Error::Corrupt`] for anything but what [`header`] makes for `number`.
pub(super) fn check_header(bytes: &[u8; HEADER], number: u64) -> Result<bool> {
    let expected = header(number, false);
    if let Some(synced) = [false, true].into_iter().find(|synced| *bytes == header(number, *synced))
    {
        return Ok(synced);
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

/// The fewest bytes of a file with so many records.
pub(super) fn least_bytes(records: u64) -> Option<u64> {
    records.checked_mul(RECORD as u64 + 1)?.checked_add(HEADER as u64)
}

/// `place` is the record's sequence and how far the file was durable.
fn checksum(number: u64, length: [u8; 4], place: [u8; 16], payload: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&number.to_le_bytes());
    crc.update(&length);
    crc.update(&place);
    crc.update(payload);
    crc.finalize()
}

/// Puts a record into `out`, in place of what is there. `durable` is how far the file is known to
/// be durable when the record is appended.
///
/// # Errors
/// [`Error::LimitExceeded`] for a payload past [`MAX_PAYLOAD`], [`Error::Internal`] for an empty
/// one.
pub(super) fn encode(
    out: &mut Vec<u8>,
    number: u64,
    sequence: u64,
    durable: u64,
    payload: &[u8],
) -> Result<()> {
    if payload.is_empty() {
        return Err(Error::Internal("an empty payload for the write-ahead log".to_owned()));
    }
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= MAX_PAYLOAD);
    let Some(length) = length.map(u32::to_le_bytes) else {
        return Err(too_large(payload.len()));
    };
    let mut place = [0; 16];
    place[..8].copy_from_slice(&sequence.to_le_bytes());
    place[8..].copy_from_slice(&durable.to_le_bytes());
    out.clear();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(number, length, place, payload).to_le_bytes());
    out.extend_from_slice(&place);
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
    /// How far the file was known to be durable when it was appended.
    pub(super) durable: u64,
    pub(super) payload: &'a [u8],
}

/// The record at the beginning of `bytes`, or why there is none.
pub(super) fn decode(bytes: &[u8], number: u64) -> Result<Record<'_>, &'static str> {
    let (head, rest) =
        bytes.split_first_chunk::<RECORD>().ok_or("the file ends inside a record's header")?;
    let [l0, l1, l2, l3, c0, c1, c2, c3, place @ ..] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length == 0 || length > MAX_PAYLOAD {
        return Err("a record's length is impossible");
    }
    let payload = rest.get(..length).ok_or("the file ends inside a record")?;
    if u32::from_le_bytes([c0, c1, c2, c3]) != checksum(number, [l0, l1, l2, l3], place, payload)
        && !planted::is(Bug::TornRecordAccepted)
    {
        return Err("a record's checksum is wrong");
    }
    let [s0, s1, s2, s3, s4, s5, s6, s7, durable @ ..] = place;
    let sequence = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
    Ok(Record { sequence, durable: u64::from_le_bytes(durable), payload })
}

/// Where the next valid record begins in `bytes`, which stand at `offset` in the file.
///
/// Every byte may begin one, since a damaged length says nothing. A record's sequence is bounded
/// by where it stands, which turns nearly every false beginning away; the work that is left for
/// bytes made to defeat that is cut off, which is an error: damage is reported, not passed over.
pub(super) fn next_valid(
    bytes: &[u8],
    offset: u64,
    number: u64,
) -> Result<Option<usize>, &'static str> {
    let mut work = bytes.len().saturating_mul(64).max(1 << 20);
    for (at, window) in bytes.windows(RECORD).enumerate() {
        let length = u32::from_le_bytes([window[0], window[1], window[2], window[3]]) as usize;
        if length == 0 || length > bytes.len() - at - RECORD {
            continue;
        }
        let mut sequence = [0; 8];
        sequence.copy_from_slice(&window[8..16]);
        let before = (offset.saturating_add(at as u64)) / (RECORD as u64 + 1);
        if u64::from_le_bytes(sequence) > before {
            continue;
        }
        if decode(&bytes[at..], number).is_ok() {
            return Ok(Some(at));
        }
        match work.checked_sub(length) {
            Some(left) => work = left,
            None => return Err("bytes that are made to look like records follow"),
        }
    }
    Ok(None)
}

/// The furthest position that a valid record in `bytes`, which stand at `offset` in the file, knows
/// to be durable; `None` when there is no valid record.
pub(super) fn told_durable(
    bytes: &[u8],
    offset: u64,
    number: u64,
) -> Result<Option<u64>, &'static str> {
    let (mut at, mut told) = (0, None);
    while let Some(skip) = next_valid(&bytes[at..], offset + at as u64, number)? {
        let record = decode(&bytes[at + skip..], number)?;
        told = told.max(Some(record.durable));
        at += skip + RECORD + record.payload.len();
    }
    Ok(told)
}
