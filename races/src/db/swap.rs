//! Writes, flushes, compactions, snapshots and queries of one process: a query sees each row once, none of
//! those is missing that were acknowledged before it, and its files stay until it is done.

use std::sync::Arc;

use crate::sync::thread;

use super::disk::{Collector, Disk};
use super::pins::Pins;
use super::state::State;
use crate::storage::manifest::{Manifest, SegmentMeta};
use crate::sync::{Mutex, RwLock};
use crate::try_schedules;

const ROWS: u64 = 3;

/// What only the writer may touch, as in `db::Writer`.
struct Writer {
    next_segment: u64,
    next_order: u64,
    dead: Vec<(u64, u64)>,
}

struct Database {
    disk: Arc<Disk>,
    state: Arc<RwLock<State>>,
    writer: Mutex<Writer>,
    flushing: Mutex<()>,
    compacting: Mutex<()>,
    pins: Arc<Pins>,
    acknowledged: Mutex<u64>,
}

impl Database {
    fn new() -> Self {
        let disk = Arc::new(Disk::default());
        disk.commit(1, Vec::new());
        let first = Manifest { version: 1, segments: Vec::new() };
        Self {
            disk,
            state: Arc::new(RwLock::new(State::new(first))),
            writer: Mutex::new(Writer { next_segment: 1, next_order: 1, dead: Vec::new() }),
            flushing: Mutex::new(()),
            compacting: Mutex::new(()),
            pins: Arc::default(),
            acknowledged: Mutex::new(0),
        }
    }

    fn write(&self, row: u64) {
        let writer = self.writer.lock();
        self.state.write().head.rows.push(row);
        drop(writer);
        *self.acknowledged.lock() = row;
    }

    fn next_segment(&self) -> u64 {
        let mut writer = self.writer.lock();
        writer.next_segment += 1;
        writer.next_segment - 1
    }

    /// Commits, shows and collects, as `Database::commit` and the end of a flush do.
    fn commit(&self, writer: &mut Writer, segments: Vec<u64>, covered: &[u64]) {
        let current = Arc::clone(&self.state.read().view.manifest);
        let version = current.version + 1;
        self.disk.commit(version, segments.clone());
        let dropped = current.segments.iter().map(|meta| meta.id);
        writer.dead.extend(dropped.filter(|id| !segments.contains(id)).map(|id| (id, version)));
        let segments = segments
            .into_iter()
            .map(|id| Arc::new(SegmentMeta { id, ..SegmentMeta::default() }))
            .collect();
        self.state.write().show(Manifest { version, segments }, covered);
        let state = Arc::clone(&self.state);
        let shown = Arc::new(move || state.read().view.manifest.version);
        let (disk, pins) = (Arc::clone(&self.disk), Arc::clone(&self.pins));
        Collector { disk, pins, shown }.collect(&mut writer.dead);
    }

    fn segments(&self) -> Vec<u64> {
        self.state.read().view.manifest.segments.iter().map(|meta| meta.id).collect()
    }

    /// Freezes what the head holds, beside any flush, as a snapshot does.
    fn snapshot(&self) {
        let mut writer = self.writer.lock();
        writer.next_order += 1;
        self.state.write().freeze(writer.next_order);
    }

    fn flush(&self) {
        let _flushing = self.flushing.lock();
        let view = {
            let mut writer = self.writer.lock();
            writer.next_order += 1;
            self.state.write().freeze(writer.next_order);
            Arc::clone(&self.state.read().view)
        };
        if view.frozen.is_empty() {
            return;
        }
        let rows = view.frozen.iter().flat_map(|frozen| frozen.head.rows.clone()).collect();
        let id = self.next_segment();
        self.disk.write(id, rows);
        let mut writer = self.writer.lock();
        let mut segments = self.segments();
        segments.push(id);
        let covered: Vec<u64> = view.frozen.iter().map(|frozen| frozen.order).collect();
        self.commit(&mut writer, segments, &covered);
    }

    fn compact(&self) {
        let _compacting = self.compacting.lock();
        let inputs = self.segments();
        if inputs.len() < 2 {
            return;
        }
        let id = self.next_segment();
        self.disk.write(id, inputs.iter().flat_map(|id| self.disk.read(*id)).collect());
        let mut writer = self.writer.lock();
        let mut segments = self.segments();
        segments.retain(|id| !inputs.contains(id));
        segments.insert(0, id);
        self.commit(&mut writer, segments, &[]);
    }

    fn query(&self) {
        let before = *self.acknowledged.lock();
        let (view, captured, pin) = {
            let state = self.state.read();
            let pin = self.pins.pin(state.view.manifest.version);
            (Arc::clone(&state.view), state.head.rows.clone(), pin)
        };
        let mut rows = Vec::new();
        for meta in &view.manifest.segments {
            rows.extend(self.disk.read(meta.id));
        }
        rows.extend(view.frozen.iter().flat_map(|frozen| frozen.head.rows.clone()));
        rows.extend(captured);
        drop(pin);
        rows.sort_unstable();
        let last = rows.len() as u64;
        assert_eq!(rows, (1..=last).collect::<Vec<_>>(), "each row once, a prefix of the writes");
        assert!(last >= before, "{before} were acknowledged, {last} are seen");
    }
}

#[test]
fn a_query_sees_each_row_once_whatever_is_flushed_and_merged() {
    try_schedules("states", || {
        let db = Arc::new(Database::new());
        let run = |work: fn(&Database)| {
            let db = Arc::clone(&db);
            thread::spawn(move || work(&db))
        };
        let threads = [
            run(|db| (1..=ROWS).for_each(|row| db.write(row))),
            run(|db| (0..2).for_each(|_| db.flush())),
            run(|db| db.compact()),
            run(|db| {
                db.query();
                db.snapshot();
                db.query();
            }),
        ];
        for thread in threads {
            thread.join().expect("a thread without a panic");
        }
        db.flush();
        db.compact();
        db.query();
        assert_eq!(db.segments(), db.disk.segments(), "what no version lists is removed");
    });
}
