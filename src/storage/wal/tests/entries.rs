//! Payloads: bit for bit there and back, and never a panic on the way back.

use super::*;
use crate::error::Error;

fn one_batch(tags: &[&str], batch: Batch) -> WalEntry {
    WalEntry { batches: vec![WalBatch { tags: strings(tags), batch }] }
}

#[test]
fn every_type_null_and_edge_survives() {
    for entry in [sample(1), WalEntry::default()] {
        let decoded = WalEntry::decode(&entry.encode().unwrap()).unwrap();
        assert_eq!(canonical(&decoded), canonical(&entry));
    }
}

#[test]
fn regular_data_is_packed() {
    let rows = 1000;
    let series = (0..10).map(|i| SeriesKey::new([Some(format!("host{i}"))])).collect();
    let of = (0..rows).map(|r| r % 10).collect();
    let times = (0..i64::from(rows)).map(|r| r * 1_000_000_000).collect();
    let values = FieldArray::F64((0..rows).map(|r| f64::from(r / 10)).collect());
    let batch = Batch::new("cpu", series, of, times, vec![("usage".to_owned(), values)]).unwrap();
    let entry = one_batch(&["host"], batch);
    let payload = entry.encode().unwrap();
    assert!(payload.len() < rows as usize * 6, "{} bytes", payload.len());
    assert_eq!(canonical(&WalEntry::decode(&payload).unwrap()), canonical(&entry));
}

#[test]
fn slices_of_arrays_are_written_as_they_are_seen() {
    let whole = sample(3);
    let (batch, rows) = (&whole.batches[0].batch, 1..4usize);
    let fields = batch.fields().iter().map(|(name, values)| {
        let slice = match values {
            FieldArray::F64(a) => FieldArray::F64(a.slice(1, 3)),
            FieldArray::I64(a) => FieldArray::I64(a.slice(1, 3)),
            FieldArray::Bool(a) => FieldArray::Bool(a.slice(1, 3)),
            FieldArray::Str(a) => FieldArray::Str(a.slice(1, 3)),
        };
        (name.clone(), slice)
    });
    let (of, times) = (batch.series_of()[rows.clone()].to_vec(), batch.times()[rows].to_vec());
    let slice = Batch::new("cpu", batch.series().to_vec(), of, times, fields.collect()).unwrap();
    let entry = one_batch(&["host", "region"], slice);
    let decoded = WalEntry::decode(&entry.encode().unwrap()).unwrap();
    assert_eq!(canonical(&decoded), canonical(&entry));
}

#[test]
fn positions_take_one_two_or_four_bytes() {
    for series in [1u32, 2, 256, 257, 65_536, 65_537] {
        let keys = (0..series).map(|i| SeriesKey::new([Some(i.to_string())])).collect();
        let of = vec![series - 1, 0, series / 2];
        let batch = Batch::new("t", keys, of.clone(), vec![1, 2, 3], vec![]).unwrap();
        let decoded = WalEntry::decode(&one_batch(&["id"], batch).encode().unwrap()).unwrap();
        assert_eq!(decoded.batches[0].batch.series_of(), of);
        assert_eq!(decoded.batches[0].batch.series().len(), series as usize);
    }
}

#[test]
fn tags_that_came_later_are_absent() {
    let mut written = sample(1);
    let batch = written.batches.remove(0);
    let now = strings(&["host", "region", "rack"]);
    let same = batch.clone().into_batch(&now[..2]).unwrap();
    assert_eq!(same.series(), batch.batch.series());
    let wider = batch.clone().into_batch(&now).unwrap();
    assert_eq!(wider.series()[0], SeriesKey::new([Some("web01"), None, None]));
    assert_eq!(wider.times(), batch.batch.times());
    for other in [strings(&["region", "host"]), strings(&["host"])] {
        assert!(matches!(batch.clone().into_batch(&other), Err(Error::Corrupt(_))));
    }
    // A key that is shorter than the table's tags reads as absent too.
    let short = Batch::new("t", vec![SeriesKey::new([Some("a")])], vec![0], vec![1], vec![]);
    let entry = one_batch(&["host", "region"], short.unwrap());
    let decoded = WalEntry::decode(&entry.encode().unwrap()).unwrap();
    assert_eq!(decoded.batches[0].batch.series()[0], SeriesKey::new([Some("a"), None]));
}

#[test]
fn series_that_do_not_go_with_the_tags_are_refused() {
    let keys = vec![SeriesKey::new([Some("a")])];
    let batch = Batch::new("t", keys, vec![0], vec![1], vec![]).unwrap();
    assert!(matches!(one_batch(&[], batch).encode(), Err(Error::Internal(_))));
    let two = vec![SeriesKey::new([None::<&str>; 0]), SeriesKey::new([None::<&str>; 0])];
    let batch = Batch::new("t", two, vec![1], vec![1], vec![]).unwrap();
    assert!(matches!(one_batch(&[], batch).encode(), Err(Error::Internal(_))));
}

#[test]
fn every_truncated_payload_is_corrupt() {
    let payload = sample(1).encode().unwrap();
    let mut raw = vec![0];
    raw.extend(lz4_flex::block::decompress(&payload[5..], 1 << 16).unwrap());
    assert_eq!(canonical(&WalEntry::decode(&raw).unwrap()), canonical(&sample(1)));
    for whole in [payload, raw] {
        for len in 0..whole.len() {
            let error = WalEntry::decode(&whole[..len]).unwrap_err();
            assert!(matches!(error, Error::Corrupt(_)), "{len} bytes: {error}");
        }
        let longer = [whole.as_slice(), &[0]].concat();
        assert!(matches!(WalEntry::decode(&longer), Err(Error::Corrupt(_))));
    }
}

#[test]
fn lengths_are_not_believed() {
    let most = u32::MAX.to_le_bytes();
    let batch = |tags: u16, rows: [u8; 4], series: [u8; 4]| {
        let name = [1u8, 0, b't'];
        let mut bytes = vec![0, 1, 0, 0, 0];
        bytes.extend(name);
        bytes.extend(tags.to_le_bytes());
        (0..tags).for_each(|_| bytes.extend(name));
        bytes.extend(rows);
        bytes.extend(series);
        bytes.extend([0; 64]);
        bytes
    };
    let (none, one, two) = ([0; 4], 1u32.to_le_bytes(), 2u32.to_le_bytes());
    let wrongs = [
        [&[1][..], &most, &[0; 16]].concat(),
        [&[1][..], &4081u32.to_le_bytes(), &[0; 16]].concat(),
        [&[0][..], &most].concat(),
        batch(0, most, one),
        batch(0, most, none),
        batch(1, most, one),
        batch(1, most, two),
        batch(0, none, two),
        batch(1, none, most),
        batch(3, none, most),
        batch(1, one, none),
    ];
    for wrong in wrongs {
        let error = WalEntry::decode(&wrong).unwrap_err();
        assert!(matches!(error, Error::Corrupt(_)), "{wrong:?}: {error}");
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(entry in any_entry()) {
        let payload = entry.encode().unwrap();
        let decoded = WalEntry::decode(&payload).unwrap();
        prop_assert_eq!(canonical(&decoded), canonical(&entry));
        prop_assert_eq!(decoded.encode().unwrap(), payload);
    }

    /// Beneath the checksum: whatever decodes must be a whole entry, and nothing may panic.
    #[test]
    fn a_changed_byte_is_met_without_a_panic(at: prop::sample::Index, byte: u8, packed: bool) {
        let payload = sample(5).encode().unwrap();
        let mut bytes = if packed {
            payload
        } else {
            let body = lz4_flex::block::decompress(&payload[5..], 1 << 16).unwrap();
            [&[0][..], &body].concat()
        };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(entry) = WalEntry::decode(&bytes) {
            let again = WalEntry::decode(&entry.encode().unwrap()).unwrap();
            prop_assert_eq!(canonical(&again), canonical(&entry));
        }
    }

    #[test]
    fn any_bytes_are_met_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = WalEntry::decode(&bytes);
        let _ = WalEntry::decode(&[&[0, 1, 0, 0, 0][..], &bytes].concat());
    }
}
