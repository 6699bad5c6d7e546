use super::*;
use crate::Error;

/// Small chunks of both layouts with every type, with nulls and without.
fn samples() -> Vec<Vec<u8>> {
    [20usize, 130].iter().flat_map(|&n| [true, false].map(|nulls| sample(n, nulls))).collect()
}

fn sample(n: usize, nulls: bool) -> Vec<u8> {
    let times: Vec<i64> = (0..n as i64).map(|i| 1_000 * i + i % 3).collect();
    let validity = || nulls.then(|| (0..n).map(|i| i % 4 != 1).collect::<Bitmap>());
    let values = [
        Values::F64((0..n).map(|i| (i % 9) as f64 / 4.0).collect()),
        Values::I64((0..n as i64).map(|i| i * i % 11).collect()),
        Values::Bool((0..n).map(|i| i % 5 == 0).collect()),
        Values::Str((0..n).map(|i| format!("state {}", i % 3)).collect()),
    ];
    let columns: Vec<Column> =
        values.into_iter().map(|values| Column { values, validity: validity() }).collect();
    let mut bytes = Vec::new();
    Chunk::encode(&times, &columns, &[], &mut bytes).unwrap();
    bytes
}

fn reseal(bytes: &mut [u8]) {
    let body = bytes.len() - layout::CHECKSUM;
    let sum = crc32fast::hash(&bytes[..body]);
    bytes[body..].copy_from_slice(&sum.to_le_bytes());
}

#[test]
fn every_damaged_byte_and_every_truncation_is_corrupt() {
    for bytes in samples() {
        for at in 0..bytes.len() {
            for flip in [1, 128, 255] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                assert!(matches!(Chunk::open(damaged.into()), Err(Error::Corrupt(_))));
            }
            let cut = Bytes::copy_from_slice(&bytes[..at]);
            assert!(matches!(Chunk::open(cut), Err(Error::Corrupt(_))));
        }
    }
}

/// Opens and reads everything; only a corruption may be told.
fn exercise(bytes: Vec<u8>) {
    let chunk = match Chunk::open(bytes.into()) {
        Ok(chunk) => chunk,
        Err(Error::Corrupt(_)) => return,
        Err(other) => panic!("{other}"),
    };
    for block in 0..chunk.blocks() {
        let rows = chunk.block_rows(block).len();
        let mut times = vec![5];
        match chunk.decode_times(block, &mut times) {
            Ok(()) => assert!(times.len() == rows + 1 && times[1..].is_sorted()),
            Err(Error::Corrupt(_)) => assert_eq!(times, [5]),
            Err(other) => panic!("{other}"),
        }
        for c in 0..chunk.columns() {
            chunk.encoding(c);
            drop(chunk.encoding_detail(c));
            chunk.stats(c, block);
            let mut out = Column::empty(chunk.column_type(c));
            out.push_null();
            let before = out.clone();
            match chunk.decode_column(c, block, &mut out) {
                Ok(()) => {
                    assert_eq!(out.len(), rows + 1);
                    assert_eq!(out.validity.map(|v| v.len()), Some(rows + 1));
                }
                Err(Error::Corrupt(_)) => assert_eq!(out, before),
                Err(other) => panic!("{other}"),
            }
        }
    }
    (0..chunk.columns()).for_each(|c| drop(chunk.chunk_stats(c)));
}

#[test]
fn damage_under_a_good_checksum_never_panics() {
    for bytes in samples() {
        for at in 0..bytes.len() - layout::CHECKSUM {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                reseal(&mut damaged);
                exercise(damaged);
            }
            let mut cut = bytes[..at].to_vec();
            cut.extend([0; layout::CHECKSUM]);
            reseal(&mut cut);
            exercise(cut);
        }
    }
}

proptest! {
    #[test]
    fn noise_never_panics(
        head in prop_oneof![Just(layout::FULL), Just(layout::SHORT), any::<u8>()],
        mut noise in prop::collection::vec(any::<u8>(), 4..400),
    ) {
        noise[0] = head;
        reseal(&mut noise);
        exercise(noise);
    }

    #[test]
    fn several_damages_never_panic(
        which in 0..4usize,
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = samples().swap_remove(which);
        for (at, byte) in damages {
            let at = at.index(bytes.len() - layout::CHECKSUM);
            bytes[at] = byte;
        }
        reseal(&mut bytes);
        exercise(bytes);
    }
}
