//! One contract for every store.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use object_store::memory::InMemory;
use proptest::prelude::*;

use super::*;

/// Runs `test` on every kind of store, each empty.
fn on_every_store(test: impl Fn(&dyn Store)) {
    let dir = tempfile::tempdir().unwrap();
    for (name, sync) in [("synced", SyncPolicy::Always), ("quick", SyncPolicy::Never)] {
        test(&LocalStore::create(dir.path().join(name).join("deep"), sync).unwrap());
    }
    test(&MemoryStore::new());
    for prefix in ["", "bucket/prefix"] {
        test(&RemoteStore::new("remote", Arc::new(InMemory::new()), prefix).unwrap());
    }
    test(&FaultStore::new(Arc::new(MemoryStore::new())));
}

fn write(store: &dyn Store, path: &str, pieces: &[&[u8]]) {
    let mut object = store.create(path).unwrap();
    pieces.iter().for_each(|piece| object.write_all(piece).unwrap());
    assert_eq!(object.len(), pieces.iter().map(|p| p.len() as u64).sum::<u64>());
    object.finish().unwrap();
}

fn paths(store: &dyn Store, prefix: &str) -> Vec<String> {
    store.list(prefix).unwrap().into_iter().map(|e| e.path).collect()
}

#[test]
fn objects_are_read_whole_and_in_part() {
    on_every_store(|store| {
        store.put_new("a/b", b"0123456789").unwrap();
        assert_eq!(store.read("a/b").unwrap(), "0123456789");
        assert_eq!(store.size("a/b").unwrap(), 10);
        for (offset, len, part) in [(0, 10, "0123456789"), (3, 4, "3456"), (9, 1, "9"), (10, 0, "")]
        {
            assert_eq!(store.read_range("a/b", offset, len).unwrap(), part);
        }
        for (offset, len) in [(0, 11), (10, 1), (11, 0), (u64::MAX, 1), (1, usize::MAX)] {
            let error = store.read_range("a/b", offset, len).unwrap_err();
            assert!(matches!(error, Error::Corrupt(_)), "{store:?} {offset} {len}: {error}");
        }
    });
}

#[test]
fn what_is_absent_is_not_found() {
    on_every_store(|store| {
        for error in [
            store.read("a/b").unwrap_err(),
            store.read_range("a/b", 0, 1).unwrap_err(),
            store.read_range("a/b", 0, 0).unwrap_err(),
            store.size("a/b").unwrap_err(),
        ] {
            assert!(matches!(&error, Error::NotFound(m) if m.contains("a/b")), "{error:?}");
        }
        store.delete("a/b").unwrap();
        assert!(store.list("a").unwrap().is_empty() && store.list("").unwrap().is_empty());
    });
}

#[test]
fn a_new_object_never_replaces_one() {
    on_every_store(|store| {
        store.put_new("x", b"first").unwrap();
        assert!(matches!(store.put_new("x", b"second"), Err(Error::Conflict(_))));
        assert_eq!(store.read("x").unwrap(), "first");
        assert_eq!(paths(store, ""), ["x"]);
        store.delete("x").unwrap();
        assert!(matches!(store.read("x"), Err(Error::NotFound(_))));
        store.put_new("x", b"third").unwrap();
        assert_eq!(store.read_range("x", 0, 5).unwrap(), "third");
    });
}

#[test]
fn one_of_many_makes_a_new_object() {
    on_every_store(|store| {
        let barrier = Barrier::new(8);
        let won: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8u8)
                .map(|i| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        store.put_new("m/1", &[i; 100]).is_ok()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(won.iter().filter(|w| **w).count(), 1);
        let winner = won.iter().position(|w| *w).unwrap() as u8;
        assert_eq!(store.read("m/1").unwrap(), vec![winner; 100]);
    });
}

#[test]
fn an_unfinished_object_is_nowhere() {
    on_every_store(|store| {
        let mut object = store.create("s/1").unwrap();
        object.write_all(b"half").unwrap();
        assert!(matches!(store.read("s/1"), Err(Error::NotFound(_))));
        assert!(store.list("").unwrap().is_empty());
        drop(object);
        assert!(store.list("").unwrap().is_empty());
        write(store, "s/1", &[b"who", b"", b"le"]);
        assert_eq!(store.read("s/1").unwrap(), "whole");
        assert_eq!(store.read_range("s/1", 0, 5).unwrap(), "whole");
        write(store, "s/1", &[b"after"]);
        assert_eq!(store.read_range("s/1", 0, 5).unwrap(), "after");
        write(store, "s/2", &[]);
        assert_eq!(store.size("s/2").unwrap(), 0);
    });
}

#[test]
fn a_listing_is_sorted_and_of_its_folder() {
    on_every_store(|store| {
        for path in ["b/2", "b/10", "bb/1", "b/c/1", "a"] {
            store.put_new(path, path.as_bytes()).unwrap();
        }
        assert_eq!(paths(store, ""), ["a", "b/10", "b/2", "b/c/1", "bb/1"]);
        for folder in ["b", "b/"] {
            assert_eq!(paths(store, folder), ["b/10", "b/2", "b/c/1"]);
        }
        assert_eq!(paths(store, "b/c"), ["b/c/1"]);
        let sizes: Vec<u64> = store.list("b").unwrap().iter().map(|e| e.size).collect();
        assert_eq!(sizes, [4, 3, 5]);
    });
}

#[test]
fn a_log_grows_under_its_readers() {
    on_every_store(|store| {
        if !store.is_local() {
            let error = store.append("wal/1").unwrap_err();
            assert!(matches!(&error, Error::InvalidArgument(m) if m.contains("local disk")));
            return;
        }
        let log = store.append("wal/1").unwrap();
        log.write(b"abc").unwrap();
        assert_eq!(store.read_range("wal/1", 1, 2).unwrap(), "bc");
        log.write(b"def").unwrap();
        log.sync().unwrap();
        assert_eq!((log.len(), store.size("wal/1").unwrap()), (6, 6));
        assert_eq!(store.read_range("wal/1", 2, 4).unwrap(), "cdef");
        assert!(matches!(store.append("wal/1"), Err(Error::Conflict(_))));
    });
}

#[test]
fn paths_stay_inside_the_store() {
    let wrong =
        ["", "/etc/passwd", "..", "a/../b", "a//b", "a/", "./a", "a/.tmp", "a\\b", "C:a", "a\0b"];
    on_every_store(|store| {
        for path in wrong {
            let errors = [
                store.read(path).err(),
                store.read_range(path, 0, 0).err(),
                store.size(path).err(),
                store.put_new(path, b"").err(),
                store.create(path).err(),
                store.delete(path).err(),
            ];
            for error in errors {
                assert!(matches!(error, Some(Error::InvalidArgument(_))), "{path:?}: {error:?}");
            }
        }
        assert!(store.list("").unwrap().is_empty());
    });
}

#[test]
fn a_file_in_another_processs_hands_outlives_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let writer = LocalStore::create(dir.path(), SyncPolicy::Never).unwrap();
    let reader = LocalStore::open(dir.path(), SyncPolicy::Never).unwrap();
    writer.put_new("segment/1", b"kept").unwrap();
    assert_eq!(reader.read_range("segment/1", 0, 4).unwrap(), "kept");
    writer.delete("segment/1").unwrap();
    assert_eq!(reader.read_range("segment/1", 0, 4).unwrap(), "kept");
    assert!(matches!(writer.read_range("segment/1", 0, 4), Err(Error::NotFound(_))));
}

#[test]
fn a_crashed_writers_files_are_hidden_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = LocalStore::create(dir.path(), SyncPolicy::Never).unwrap();
    store.remove_stray().unwrap();
    let mut object = store.create("s/1").unwrap();
    object.write_all(&[1; 1 << 20]).unwrap();
    std::mem::forget(object);
    let stray = || std::fs::read_dir(dir.path().join(".tmp")).map_or(0, Iterator::count);
    assert_eq!((stray(), store.list("").unwrap().len()), (1, 0));
    store.remove_stray().unwrap();
    assert_eq!(stray(), 0);
    write(&store, "s/1", &[b"again"]);
    assert_eq!(store.read("s/1").unwrap(), "again");
    assert_eq!(stray(), 0);
}

#[test]
fn a_large_remote_object_goes_in_parts() {
    let store = RemoteStore::new("remote", Arc::new(InMemory::new()), "p").unwrap();
    let whole: Vec<u8> = (0..50u32 << 20).map(|i| (i ^ (i >> 13)) as u8).collect();
    let pieces: Vec<&[u8]> = whole.chunks(3_333_333).collect();
    write(&store, "segment/1", &pieces);
    assert!(store.read("segment/1").unwrap() == whole);
    let exact = &whole[..16 << 20];
    write(&store, "segment/2", &[exact]);
    assert!(store.read("segment/2").unwrap() == exact);
    let mut dropped = store.create("segment/3").unwrap();
    dropped.write_all(&whole).unwrap();
    drop(dropped);
    assert_eq!(paths(&store, ""), ["segment/1", "segment/2"]);
}

#[test]
fn a_remote_store_can_be_called_from_anywhere() {
    use rayon::prelude::*;
    let store = RemoteStore::new("remote", Arc::new(InMemory::new()), "").unwrap();
    let outer = tokio::runtime::Builder::new_current_thread().build().unwrap();
    outer.block_on(async { store.put_new("x", b"inside another runtime").unwrap() });
    (0..64).into_par_iter().for_each(|_| assert_eq!(store.read("x").unwrap().len(), 22));
    outer.block_on(async move { drop(store) });
}

#[test]
fn locations_choose_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db.ky");
    let path = path.to_str().unwrap();
    let options = StoreOptions::default();
    let reading = StoreOptions { create: false, ..StoreOptions::default() };
    assert!(matches!(open_url(path, &reading), Err(Error::NotFound(_))));
    let store = open_url(path, &options).unwrap();
    assert!(store.is_local() && store.describe() == path);
    assert_eq!(open_url(&format!("file://{path}"), &reading).unwrap().describe(), path);
    for location in ["", "memory:", "memory://"] {
        assert_eq!(open_url(location, &options).unwrap().describe(), "memory");
    }
    for location in ["file://host/x", "ftp://host/x"] {
        let error = open_url(location, &options).unwrap_err();
        assert!(matches!(&error, Error::InvalidArgument(m) if m.contains(location)), "{error}");
    }
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = open_url(file.to_str().unwrap(), &options).unwrap_err();
    assert!(matches!(error, Error::InvalidArgument(_)), "{error}");
}

#[cfg(feature = "remote")]
#[test]
fn remote_addresses_are_parsed_and_their_options_checked() {
    let remote = |pairs: &[(&str, &str)]| StoreOptions {
        remote: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..StoreOptions::default()
    };
    let keys = [("region", "eu-west-1"), ("access_key_id", "a"), ("secret_access_key", "b")];
    let store = open_url("s3://bucket/some/prefix", &remote(&keys)).unwrap();
    assert!(!store.is_local() && store.describe() == "s3://bucket/some/prefix");
    let error = open_url("s3://bucket/x", &remote(&[("regoin", "eu")])).unwrap_err();
    assert!(error.to_string().contains("regoin"), "{error}");
    let account = [("account_name", "a"), ("access_key", "YQ==")];
    assert!(open_url("az://container/x", &remote(&account)).is_ok());
}

#[test]
fn faults_come_when_told_and_do_what_they_are_told() {
    let store = FaultStore::new(Arc::new(MemoryStore::new()));
    store.fail(FaultKind::PutNew, 1, false);
    store.put_new("a", b"1").unwrap();
    assert!(matches!(store.put_new("b", b"1"), Err(Error::Storage { .. })));
    store.put_new("b", b"1").unwrap();
    assert_eq!(store.calls(FaultKind::PutNew), 3);

    let effect = FaultEffect::LostReply;
    store.arm(Fault { kind: FaultKind::PutNew, after: 0, lasting: false, effect });
    assert!(matches!(store.put_new("c", b"1"), Err(Error::Storage { .. })));
    assert_eq!(store.read("c").unwrap(), "1");

    let log = store.append("wal").unwrap();
    let effect = FaultEffect::Partial(2);
    store.arm(Fault { kind: FaultKind::AppendWrite, after: 0, lasting: false, effect });
    assert!(log.write(b"abc").is_err());
    assert_eq!(store.read("wal").unwrap(), "ab");

    store.fail(FaultKind::Read, 0, true);
    assert!(store.read("c").is_err() && store.size("c").is_err());
    store.disarm();
    assert!(store.read("c").is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every store against a map of paths to bytes.
    #[test]
    fn stores_agree_with_a_map(
        steps in prop::collection::vec(
            (0..4u8, 0..5u8, prop::collection::vec(any::<u8>(), 0..40)), 1..40)
    ) {
        on_every_store(|store| {
            let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
            for (step, name, bytes) in &steps {
                let path = format!("d{}/{name}", name % 2);
                match step {
                    0 => {
                        let put = store.put_new(&path, bytes).is_ok();
                        assert_eq!(put, !model.contains_key(&path));
                        model.entry(path.clone()).or_insert_with(|| bytes.clone());
                    }
                    1 => {
                        write(store, &path, &[bytes]);
                        model.insert(path.clone(), bytes.clone());
                    }
                    2 => {
                        store.delete(&path).unwrap();
                        model.remove(&path);
                    }
                    _ => {}
                }
                let half = model.get(&path).map(|b| &b[b.len() / 2..]);
                let offset = model.get(&path).map_or(0, |b| b.len() / 2);
                let read = store.read_range(&path, offset as u64, half.map_or(0, <[u8]>::len));
                assert_eq!(read.ok().as_deref(), half);
            }
            let listed = store.list("").unwrap();
            let expected = model.iter().map(|(p, b)| Entry { path: p.clone(), size: b.len() as u64 });
            assert_eq!(listed, expected.collect::<Vec<_>>());
        });
    }
}
