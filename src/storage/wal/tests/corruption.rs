//! Whole files: every damage is told, and no entry is invented.

use super::*;
use crate::error::Error;
use crate::storage::vfs::{MemoryStore, Store};

const ENTRIES: i64 = 4;

/// A file of [`ENTRIES`] samples, and where its header and each record end.
fn file(number: u64) -> (Vec<u8>, Vec<usize>) {
    let store = MemoryStore::new();
    let writer = WalWriter::create(&store, number, None, 1, WalSync::Os).unwrap();
    let mut ends = vec![writer.len() as usize];
    for i in 0..ENTRIES {
        ends.push(writer.append(&sample(i).encode().unwrap()).unwrap().end as usize);
    }
    (store.read(&path(number)).unwrap().to_vec(), ends)
}

fn read(number: u64, bytes: &[u8], from: u64) -> crate::Result<WalRead> {
    let store = MemoryStore::new();
    store.put_new(&path(number), bytes).unwrap();
    read_entries(&store, number, from)
}

/// The read entries are the first ones that were written, unchanged; says how many.
fn prefix(read: &WalRead) -> usize {
    for (i, (sequence, entry)) in read.entries.iter().enumerate() {
        assert_eq!(*sequence, i as u64);
        assert_eq!(canonical(entry), canonical(&sample(i as i64)));
    }
    read.entries.len()
}

#[test]
fn a_whole_file_is_read_to_its_end() {
    let (bytes, ends) = file(9);
    let whole = read(9, &bytes, 0).unwrap();
    assert_eq!((prefix(&whole), whole.tail), (4, Tail::Clean));
    assert_eq!(whole.next_offset as usize, bytes.len());
    for (skipped, &from) in ends.iter().enumerate() {
        let rest = read(9, &bytes, from as u64).unwrap();
        assert_eq!(rest.entries.len(), ENTRIES as usize - skipped);
        assert!(rest.entries.first().is_none_or(|(sequence, _)| *sequence == skipped as u64));
        assert_eq!((rest.next_offset as usize, rest.tail), (bytes.len(), Tail::Clean));
    }
}

#[test]
fn every_truncation_leaves_a_prefix() {
    let (bytes, ends) = file(9);
    for len in 0..bytes.len() {
        let cut = read(9, &bytes[..len], 0).unwrap();
        let whole = ends.iter().filter(|&&end| end <= len).count();
        assert_eq!(prefix(&cut), whole.saturating_sub(1), "{len} bytes");
        let from = whole.checked_sub(1).map_or(0, |i| ends[i]);
        assert_eq!(cut.next_offset as usize, from);
        match cut.tail {
            Tail::Clean => assert!(from == len && len > 0, "{len} bytes"),
            Tail::Torn { at, why } => {
                assert!((from < len || len == 0) && at as usize == from && !why.is_empty());
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_corrupt_or_a_torn_last_record() {
    let (bytes, ends) = file(9);
    let last = ends[ends.len() - 2];
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            match read(9, &bytes, 0) {
                Err(Error::Corrupt(m)) => assert!(at < last, "bit {bit} of {at}: {m}"),
                Ok(read) => {
                    assert!(at >= last, "bit {bit} of {at} passed");
                    assert_eq!(prefix(&read), 3);
                    assert!(matches!(read.tail, Tail::Torn { at, .. } if at as usize == last));
                }
                Err(e) => panic!("bit {bit} of {at}: {e}"),
            }
        }
    }
}

#[test]
fn what_a_crash_leaves_behind_the_last_record_is_a_torn_tail() {
    let (bytes, ends) = file(9);
    let other = file(8).0;
    let same_number = &bytes[ends[0]..ends[1]];
    for tail in [&[0; 1][..], &[0; 4096], &[0xff; 100], &other[20..], &other[20..50]] {
        let read = read(9, &[&bytes, tail].concat(), 0).unwrap();
        assert_eq!(prefix(&read), 4);
        assert!(matches!(read.tail, Tail::Torn { at, .. } if at as usize == bytes.len()));
    }
    let twice = read(9, &[&bytes, same_number].concat(), 0);
    assert!(matches!(twice, Err(Error::Corrupt(_))), "a record that stands there again");
    let gap = read(9, &[&bytes[..ends[1]], &bytes[ends[2]..]].concat(), 0);
    assert!(matches!(gap, Err(Error::Corrupt(_))), "a record that is missing");
}

/// A fsynced file of which so many records at its beginning are durable, and where each ends.
fn fsynced(durable: i64) -> (Vec<u8>, Vec<usize>) {
    let store = MemoryStore::new();
    let writer = WalWriter::create(&store, 9, None, 1, WalSync::Full).unwrap();
    let mut ends = vec![writer.len() as usize];
    for i in 0..ENTRIES {
        let position = writer.append(&sample(i).encode().unwrap()).unwrap();
        if i < durable {
            writer.wait_durable(position).unwrap();
        }
        ends.push(position.end as usize);
    }
    (store.read(&path(9)).unwrap().to_vec(), ends)
}

#[test]
fn a_hole_is_torn_where_no_later_record_knows_it_to_have_been_durable() {
    for durable in 0..=ENTRIES {
        let (whole, ends) = fsynced(durable);
        for hole in 0..ENTRIES as usize {
            let mut bytes = whole.clone();
            bytes[ends[hole] + 30] ^= 1;
            match read(9, &bytes, 0) {
                Ok(read) => {
                    // The last durable record has no later one that knows.
                    assert!(hole as i64 >= durable.min(ENTRIES - 1), "{hole} of {durable}");
                    assert_eq!(prefix(&read), hole);
                    assert!(
                        matches!(read.tail, Tail::Torn { at, .. } if at as usize == ends[hole])
                    );
                }
                Err(Error::Corrupt(_)) => assert!((hole as i64) < durable, "{hole} of {durable}"),
                Err(e) => panic!("{e}"),
            }
        }
    }
}

#[test]
fn a_file_under_another_number_or_of_another_kind_is_corrupt() {
    let (bytes, _) = file(9);
    assert!(matches!(read(8, &bytes, 0), Err(Error::Corrupt(_))));
    assert!(matches!(read(9, b"KYMF", 0), Err(Error::Corrupt(_))));
    assert!(matches!(read(9, &[1; 64], 0), Err(Error::Corrupt(_))));
    let mut newer = bytes.clone();
    newer[4] = 2;
    let crc = crc32fast::hash(&newer[..16]).to_le_bytes();
    newer[16..20].copy_from_slice(&crc);
    let error = read(9, &newer, 0).unwrap_err();
    assert!(matches!(&error, Error::Corrupt(m) if m.contains("newer")), "{error}");
    for nothing in [&[][..], &[0; 20], &[0; 4096]] {
        let read = read(9, nothing, 0).unwrap();
        assert!(read.entries.is_empty() && read.next_offset == 0);
        assert!(matches!(read.tail, Tail::Torn { at: 0, .. }));
    }
    assert!(matches!(read(9, &bytes, 3), Err(Error::InvalidArgument(_))));
    assert!(matches!(read(9, &bytes, bytes.len() as u64 + 1), Err(Error::Corrupt(_))));
    assert!(matches!(read_entries(&MemoryStore::new(), 9, 0), Err(Error::NotFound(_))));
}

#[test]
fn a_live_reader_follows_a_writer() {
    let (bytes, ends) = file(9);
    let (mut seen, mut offset) = (0, 0);
    for len in (0..=bytes.len()).step_by(7).chain([bytes.len()]) {
        let more = read(9, &bytes[..len], offset).unwrap();
        for (sequence, entry) in &more.entries {
            assert_eq!(*sequence, seen);
            assert_eq!(canonical(entry), canonical(&sample(seen as i64)));
            seen += 1;
        }
        offset = more.next_offset;
        assert!(offset == 0 || ends.contains(&(offset as usize)));
    }
    assert_eq!((seen, offset as usize), (ENTRIES as u64, bytes.len()));
}

#[test]
fn bytes_made_to_look_like_records_end_the_search() {
    // Every fourth byte begins a plausible length and a plausible sequence.
    let mut bytes = file(9).0;
    bytes.extend([0xff; 16]);
    let block =
        [0x00, 0x00, 0x02, 0x00, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(block.repeat(40_000));
    let before = std::time::Instant::now();
    assert!(matches!(read(9, &bytes, 0), Err(Error::Corrupt(_))));
    assert!(before.elapsed().as_secs() < 10);
}

#[test]
fn the_golden_file_reads_and_writes_the_same() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/wal/v1.wal");
    let (bytes, _) = file(9);
    if std::env::var_os("KYMOGRAPH_BLESS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(golden).parent().unwrap()).unwrap();
        std::fs::write(golden, &bytes).unwrap();
    }
    let golden = std::fs::read(golden).unwrap();
    let old = read(9, &golden, 0).unwrap();
    assert_eq!((prefix(&old), old.tail), (ENTRIES as usize, Tail::Clean));
    assert_eq!(golden, bytes);
}

proptest! {
    #[test]
    fn any_damage_leaves_a_prefix_or_is_told(
        cuts in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..40usize, prop::collection::vec(any::<u8>(), 0..40)),
            1..4,
        )
    ) {
        let (mut bytes, _) = file(9);
        for (at, removed, put) in cuts {
            let at = at.index(bytes.len());
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, put);
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        match read(9, &bytes, 0) {
            Ok(read) => {
                prefix(&read);
            }
            Err(e) => prop_assert!(matches!(e, Error::Corrupt(_)), "{}", e),
        }
    }
}

#[test]
fn a_header_in_parts_is_a_file_that_was_never_begun() {
    let whole = file(9).0[..20].to_vec();
    for from in 0..20 {
        for to in from..=20 {
            for len in [to, 20, 600] {
                let mut torn = whole.clone();
                torn[from..to].fill(0);
                torn.resize(len, 0);
                if torn.starts_with(&whole) {
                    continue;
                }
                let read = read(9, &torn, 0).unwrap();
                assert_eq!((prefix(&read), read.next_offset), (0, 0), "{from}..{to} of {len}");
                assert!(matches!(read.tail, Tail::Torn { at: 0, .. }));
            }
        }
    }
    let mut strange = whole.clone();
    strange[1] ^= 1;
    assert!(matches!(read(9, &strange, 0), Err(Error::Corrupt(_))));
    assert!(matches!(read(9, &strange[..4], 0), Err(Error::Corrupt(_))));
    let mut kept = file(9).0;
    kept[..8].fill(0);
    assert!(matches!(read(9, &kept, 0), Err(Error::Corrupt(_))), "records follow");
}
