#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::sync::{Arc, Barrier};

use object_store::memory::InMemory;
use proptest::prelude::*;

use super::*;
use crate::model::{Duplicates, FieldDef, FieldType};
use crate::storage::vfs::{
    Fault, FaultEffect, FaultKind, FaultStore, MemoryStore, RemoteStore, Store,
};

fn schema(name: &str, tags: &[&str]) -> TableSchema {
    let fields = vec![
        FieldDef { name: "usage".to_owned(), ty: FieldType::F64 },
        FieldDef { name: "état \"q\"".to_owned(), ty: FieldType::Str },
    ];
    let tags = tags.iter().map(|t| (*t).to_owned()).collect();
    TableSchema::new(name, tags, fields, Duplicates::Last, Some(i64::MAX)).unwrap()
}

fn segment(id: u64, order: u64) -> Arc<SegmentMeta> {
    Arc::new(SegmentMeta {
        id,
        order,
        erased: order,
        bytes: u64::MAX,
        rows: 1 << 53,
        points: (1 << 53) + 1,
        series: 3,
        first_time: i64::MIN,
        last_time: i64::MAX,
        cold: false,
        tier: Tier::Local,
        file: String::new(),
    })
}

/// A manifest with something of everything.
fn full(version: u64) -> Manifest {
    let tombstone = Tombstone {
        order: 4,
        range: TimeRange { start: i64::MIN, end: Some(i64::MAX) },
        filter: vec![("host".to_owned(), vec![Some("a\n".to_owned()), None])],
        expired: true,
    };
    let all = Tombstone { order: 0, range: TimeRange::ALL, filter: Vec::new(), expired: false };
    let cpu = TableState {
        schema: schema("cpu", &["host", "region"]),
        segments: vec![segment(4, 2), segment(1, 2), segment(9, 5)],
        tombstones: vec![tombstone, all],
    };
    let empty = TableState { schema: schema("none", &[]), segments: vec![], tombstones: vec![] };
    Manifest {
        version,
        created: 1_700_000_000_000_000_001,
        history_from: 1,
        next_segment: 10,
        next_order: 6,
        wal_from: 3,
        tables: BTreeMap::from([("cpu".to_owned(), cpu), ("none".to_owned(), empty)]),
        offsets: BTreeMap::from([("topic/0".to_owned(), "1234".to_owned())]),
        cold: None,
    }
}

fn remote() -> FaultStore {
    let store = RemoteStore::new("remote", Arc::new(InMemory::new()), "db").unwrap();
    FaultStore::new(Arc::new(store))
}

#[test]
fn versions_are_committed_found_and_removed() {
    let store = MemoryStore::new();
    assert_eq!(latest(&store).unwrap(), None);
    assert_eq!(newest_version(&store).unwrap(), None);
    assert_eq!(newer_version(&store, 0).unwrap(), None);
    for version in 1..=12 {
        commit(&store, &full(version)).unwrap();
        assert_eq!(newest_version(&store).unwrap(), Some(version));
        assert_eq!(newer_version(&store, version - 1).unwrap(), Some(version));
        assert_eq!(newer_version(&store, version).unwrap(), None);
    }
    store.put_new("manifest/notes", b"not a version").unwrap();
    store.put_new("manifest/13", b"not a version's name").unwrap();
    assert_eq!(latest(&store).unwrap(), Some(full(12)));
    assert_eq!(load(&store, 3).unwrap(), full(3));
    assert_eq!(remove_before(&store, 9).unwrap(), 8);
    assert_eq!(versions(&store).unwrap(), [9, 10, 11, 12]);
    // A reader that fell behind what was removed.
    assert_eq!(newer_version(&store, 4).unwrap(), Some(12));
    let message = load(&store, 3).unwrap_err().to_string();
    assert!(message.contains("version 3") && message.contains("9 to 12"), "{message:?}");
    assert_eq!(remove_before(&store, u64::MAX).unwrap(), 3);
    assert_eq!(latest(&store).unwrap(), Some(full(12)));
}

#[test]
fn the_second_commit_of_a_version_conflicts_even_with_the_same_content() {
    for store in [&MemoryStore::new() as &dyn Store, &remote()] {
        commit(store, &full(1)).unwrap();
        let error = commit(store, &full(1)).unwrap_err();
        assert!(matches!(error, Error::Conflict(_)), "{error}");
    }
}

#[test]
fn of_many_writers_one_commits_each_version() {
    let dir = tempfile::tempdir().unwrap();
    let local =
        crate::storage::vfs::LocalStore::create(dir.path(), crate::storage::vfs::SyncPolicy::Never)
            .unwrap();
    for store in [&local as &dyn Store, &MemoryStore::new(), &remote()] {
        let barrier = Barrier::new(8);
        let wins: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        (1..=10).filter(|&v| commit(store, &full(v)).is_ok()).count()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        assert_eq!(wins, 10);
    }
}

#[test]
fn a_lost_reply_is_settled_by_reading_back() {
    let store = remote();
    let lost =
        Fault { kind: FaultKind::PutNew, after: 0, lasting: false, effect: FaultEffect::LostReply };
    store.arm(lost);
    commit(&store, &full(1)).unwrap();
    assert_eq!(latest(&store).unwrap(), Some(full(1)));

    // Nothing was written, and nothing is there: the same bytes go again.
    store.fail(FaultKind::PutNew, 0, false);
    commit(&store, &full(2)).unwrap();
    // Whether it was written cannot be seen at first.
    store.arm(lost);
    store.fail(FaultKind::Read, 0, false);
    commit(&store, &full(3)).unwrap();
    // The store stays silent: nobody knows, so nobody claims.
    store.arm(Fault { lasting: true, ..lost });
    store.fail(FaultKind::Read, 0, true);
    let error = commit(&store, &full(4)).unwrap_err();
    assert!(matches!(error, Error::Storage { .. }), "{error}");
    store.disarm();
    assert_eq!(latest(&store).unwrap(), Some(full(4)));

    // Another writer's commit is in the way, and this one's failure is no reply either.
    store.fail(FaultKind::PutNew, 0, false);
    let error = commit(&store, &full(2)).unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error}");
}

#[test]
fn a_local_failure_is_never_read_as_success() {
    let store = FaultStore::new(Arc::new(MemoryStore::new()));
    let effect = FaultEffect::LostReply;
    store.arm(Fault { kind: FaultKind::PutNew, after: 0, lasting: false, effect });
    assert!(matches!(commit(&store, &full(1)), Err(Error::Storage { .. })));
}

#[test]
fn a_damaged_newest_version_is_not_passed_over() {
    let store = MemoryStore::new();
    commit(&store, &full(1)).unwrap();
    commit(&store, &full(2)).unwrap();
    let path = "manifest/00000000000000000002";
    let whole = store.read(path).unwrap();
    store.overwrite(path, &whole[..whole.len() - 1]);
    let error = latest(&store).unwrap_err();
    assert!(matches!(&error, Error::Corrupt(m) if m.contains("version 2")), "{error}");
    store.overwrite(path, &full(3).encode(0).unwrap());
    assert!(matches!(latest(&store), Err(Error::Corrupt(_))));
    store.overwrite(path, &whole);
    assert_eq!(latest(&store).unwrap(), Some(full(2)));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_corrupt() {
    let whole = full(7).encode(0xfeed).unwrap();
    assert_eq!(Manifest::decode(&whole).unwrap(), full(7));
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            assert!(
                matches!(Manifest::decode(&bytes), Err(Error::Corrupt(_))),
                "bit {bit} of {at}"
            );
        }
        assert!(matches!(Manifest::decode(&whole[..at]), Err(Error::Corrupt(_))), "{at} bytes");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert!(matches!(Manifest::decode(&longer), Err(Error::Corrupt(_))));
}

#[test]
fn a_manifest_that_breaks_its_rules_is_not_committed() {
    let cpu = |m: &mut Manifest, change: &dyn Fn(&mut TableState)| {
        change(m.tables.get_mut("cpu").unwrap());
    };
    type Wrong<'a> = (&'a str, &'a dyn Fn(&mut Manifest));
    let wrongs: [Wrong<'_>; 13] = [
        ("version 0", &|m| m.version = 0),
        ("a history after it", &|m| m.history_from = m.version + 1),
        ("an id to come", &|m| m.next_segment = 9),
        ("an order to come", &|m| m.next_order = 5),
        ("an id twice", &|m| cpu(m, &|t| t.segments.push(segment(4, 5)))),
        ("cold and nowhere", &|m| cpu(m, &|t| Arc::make_mut(&mut t.segments[0]).tier = Tier::Cold)),
        ("a path", &|m| cpu(m, &|t| Arc::make_mut(&mut t.segments[0]).file = "../a".to_owned())),
        ("a file twice", &|m| {
            cpu(m, &|t| Arc::make_mut(&mut t.segments[0]).file = "ab".to_owned());
            cpu(m, &|t| Arc::make_mut(&mut t.segments[1]).file = "ab".to_owned());
        }),
        ("orders out of turn", &|m| cpu(m, &|t| t.segments.reverse())),
        ("another name", &|m| cpu(m, &|t| t.schema.name = "mem".to_owned())),
        ("a tag twice", &|m| cpu(m, &|t| t.schema.tags.push("host".to_owned()))),
        ("an unknown tag", &|m| cpu(m, &|t| t.tombstones[0].filter[0].0 = "rack".to_owned())),
        ("times reversed", &|m| {
            cpu(m, &|t| Arc::make_mut(&mut t.segments[0]).first_time = 1);
            cpu(m, &|t| Arc::make_mut(&mut t.segments[0]).last_time = 0);
        }),
    ];
    for (what, wrong) in wrongs {
        let mut manifest = full(1);
        wrong(&mut manifest);
        let error = commit(&MemoryStore::new(), &manifest).unwrap_err();
        assert!(matches!(error, Error::Internal(_)), "{what}: {error}");
    }
}

/// The same with two segments that have names of their own, one of them in the cold tier.
fn tiered(version: u64) -> Manifest {
    let mut manifest = full(version);
    let cpu = manifest.tables.get_mut("cpu").unwrap();
    for (at, tier) in [Tier::Cold, Tier::Local].into_iter().enumerate() {
        let meta = Arc::make_mut(&mut cpu.segments[at]);
        (meta.tier, meta.file) = (tier, format!("{:020}-{:032x}", meta.id, 0xfeed + at));
    }
    let location = "s3://bucket/prefix".to_owned();
    manifest.cold = Some(ColdPlace { location, folder: "00000000000000000002-ab".to_owned() });
    manifest
}

#[test]
fn the_golden_files_read_and_write_the_same() {
    golden("v1.bin", &full(7));
    golden("v1-tiers.bin", &tiered(7));
}

fn golden(name: &str, manifest: &Manifest) {
    let path = format!("{}/tests/fixtures/manifest/{name}", env!("CARGO_MANIFEST_DIR"));
    let path = path.as_str();
    let bytes = manifest.encode(0x0123_4567_89ab_cdef).unwrap();
    if std::env::var_os("KYMOGRAPH_BLESS").is_some() {
        std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, &bytes).unwrap();
    }
    let golden = std::fs::read(path).unwrap();
    assert_eq!(Manifest::decode(&golden).unwrap(), *manifest);
    assert_eq!(golden, bytes);
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(
        version in 1..u64::MAX,
        created: i64,
        wal_from: u64,
        nonce: u64,
        ranges in prop::collection::vec(any::<(i64, Option<i64>)>(), 0..4),
        times in prop::collection::vec(any::<(u64, i64, i64)>(), 0..6),
        values in prop::collection::vec(prop::option::of(".{0,6}"), 0..4),
        offsets in prop::collection::btree_map(".{0,6}", ".{0,6}", 0..4),
    ) {
        let mut manifest = full(version);
        (manifest.created, manifest.wal_from, manifest.offsets) = (created, wal_from, offsets);
        (manifest.next_segment, manifest.next_order) = (u64::MAX, u64::MAX);
        let cpu = manifest.tables.get_mut("cpu").unwrap();
        let filter = vec![("region".to_owned(), values)];
        cpu.tombstones = ranges
            .into_iter()
            .map(|(start, end)| {
                let range = TimeRange { start, end };
                Tombstone { order: u64::MAX, range, filter: filter.clone(), expired: false }
            })
            .collect();
        cpu.segments = (0..)
            .zip(times)
            .map(|(id, (bytes, a, b))| {
                let mut s = SegmentMeta::clone(&segment(id, id));
                (s.bytes, s.first_time, s.last_time) = (bytes, a.min(b), a.max(b));
                Arc::new(s)
            })
            .collect();
        let bytes = manifest.encode(nonce).unwrap();
        prop_assert_eq!(Manifest::decode(&bytes).unwrap(), manifest);
    }

    #[test]
    fn any_bytes_are_met_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Manifest::decode(&bytes).is_err());
    }
}
