//! Sums over long series: cumulative statistics, edges, overlaps, deletions and retention must
//! come to what adding row by row comes to.

mod common;

use std::collections::BTreeMap;

use common::{batch, quiet, rows, spec};
use kymograph::chunk::{BLOCK_ROWS, CHUNK_ROWS, Stats};
use kymograph::db::{Database, Options};
use kymograph::model::{Duplicates, TableSchema, TimeRange};
use kymograph::query::{QueryContext, ReadQuery, SeriesQuery, SumQuery};
use kymograph::{Error, Result};

/// Count, sum, least, greatest.
type Total = Option<(u64, f64, f64, f64)>;

fn sum(db: &Database, range: TimeRange) -> Total {
    let query = SumQuery { field: "value".to_owned(), filter: Vec::new(), range };
    db.sum("cpu", &query, &QueryContext::default()).expect("a sum").map(|stats| match stats {
        Stats::F64(s) => (s.count, s.sum, s.min, s.max),
        other => panic!("{other:?}"),
    })
}

fn naive(points: &[(i64, f64)], range: TimeRange) -> Total {
    let inside: Vec<f64> = points.iter().filter(|p| range.contains(p.0)).map(|p| p.1).collect();
    let fold = |start: f64, f: fn(f64, f64) -> f64| inside.iter().copied().fold(start, f);
    (!inside.is_empty()).then(|| {
        let (least, most) = (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max));
        (inside.len() as u64, inside.iter().sum(), least, most)
    })
}

/// What a table under a duplicates rule should hold.
struct Twin {
    duplicates: Duplicates,
    kept: Vec<(i64, f64)>,
    last: BTreeMap<i64, f64>,
}

impl Twin {
    fn points(&self) -> Vec<(i64, f64)> {
        match self.duplicates {
            Duplicates::Keep => self.kept.clone(),
            Duplicates::Last => self.last.iter().map(|(t, v)| (*t, *v)).collect(),
        }
    }

    fn delete(&mut self, range: TimeRange) {
        self.kept.retain(|p| !range.contains(p.0));
        self.last.retain(|t, _| !range.contains(*t));
    }
}

fn compare(db: &Database, twin: &Twin, what: &str) {
    let points = twin.points();
    let (chunk, block) = (CHUNK_ROWS as i64, BLOCK_ROWS as i64);
    let edges = [
        0,
        1,
        block - 1,
        block,
        block + 1,
        chunk - 1,
        chunk,
        chunk + 1,
        2 * chunk,
        2 * chunk + 7,
        5 * chunk / 2,
        4 * chunk,
        9 * chunk,
    ];
    for (at, start) in edges.iter().enumerate() {
        for end in edges[at..].iter().map(|e| Some(*e)).chain([None]) {
            let range = TimeRange::new(Some(*start), end);
            assert_eq!(sum(db, range), naive(&points, range), "{what}: {range:?}");
        }
    }
    assert_eq!(sum(db, TimeRange::ALL), naive(&points, TimeRange::ALL), "{what}");
}

fn history(duplicates: Duplicates) -> Result<()> {
    let options = Options { direct_points: 2 * BLOCK_ROWS as u64, ..quiet() };
    let db = Database::in_memory(options)?;
    let mut twin = Twin { duplicates, kept: Vec::new(), last: BTreeMap::new() };
    let put = |twin: &mut Twin, times: &mut dyn Iterator<Item = i64>, value: i64| {
        let rows: Vec<(&str, i64, f64)> =
            times.map(|t| ("a", t, ((t * 7 + value) % 1000) as f64)).collect();
        for (_, time, value) in &rows {
            twin.kept.push((*time, *value));
            twin.last.insert(*time, *value);
        }
        db.write(&[batch("cpu", &rows)], &spec("cpu", duplicates)).map(drop)
    };
    let chunk = CHUNK_ROWS as i64;
    put(&mut twin, &mut (0..4 * chunk), 0)?;
    compare(&db, &twin, "one segment");
    put(&mut twin, &mut (4 * chunk..4 * chunk + 100), 1)?;
    compare(&db, &twin, "with a head");
    put(&mut twin, &mut (100..120), 2)?;
    compare(&db, &twin, "with a late head");
    db.flush()?;
    compare(&db, &twin, "late rows in a segment");
    put(&mut twin, &mut (chunk / 2..3 * chunk).step_by(3), 3)?;
    compare(&db, &twin, "a large late write");
    db.compact()?;
    compare(&db, &twin, "compacted");
    let gone = TimeRange::new(Some(chunk - 5), Some(chunk + 5));
    db.delete("cpu", &[], gone)?;
    twin.delete(gone);
    compare(&db, &twin, "deleted");
    put(&mut twin, &mut (chunk - 2..chunk + 2), 4)?;
    compare(&db, &twin, "written again");
    db.compact()?;
    compare(&db, &twin, "erased");
    assert_eq!(rows(&db)?.len(), twin.points().len());
    Ok(())
}

#[test]
fn sums_where_all_count() -> Result<()> {
    history(Duplicates::Keep)
}

#[test]
fn sums_where_the_last_counts() -> Result<()> {
    history(Duplicates::Last)
}

fn now() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    i64::try_from(since.as_nanos()).expect("before 2262")
}

#[test]
fn rows_past_retention_are_hidden_everywhere_and_then_dropped() -> Result<()> {
    const HOUR: i64 = 3_600_000_000_000;
    for duplicates in [Duplicates::Keep, Duplicates::Last] {
        let db = Database::in_memory(quiet())?;
        let schema =
            TableSchema::new("cpu", vec!["host".to_owned()], vec![], duplicates, Some(HOUR));
        db.create_table(schema?)?;
        let now = now();
        let (old, older, fresh) = (now - 2 * HOUR, now - 3 * HOUR, now - HOUR / 2);
        let put = |rows: &[(&str, i64, f64)]| {
            db.write(&[batch("cpu", rows)], &spec("cpu", duplicates)).map(drop)
        };
        let seen = |what: &str, expected: &[(i64, f64)]| {
            let found: Vec<_> = rows(&db).expect(what).iter().map(|row| (row.1, row.2)).collect();
            assert_eq!(found, expected, "{what}");
            assert_eq!(sum(&db, TimeRange::ALL), naive(expected, TimeRange::ALL), "{what}");
            let series = db
                .series("cpu", &SeriesQuery::default(), &QueryContext::default())
                .expect("series");
            assert_eq!(series.num_rows(), usize::from(!expected.is_empty()), "{what}");
        };
        put(&[("a", older, 1.0), ("a", old, 2.0)])?;
        seen("head, all old", &[]);
        db.flush()?;
        seen("segment, all old", &[]);
        put(&[("a", old, 4.0), ("a", fresh, 8.0)])?;
        seen("head", &[(fresh, 8.0)]);
        let snapshot = db.snapshot()?;
        seen("frozen", &[(fresh, 8.0)]);
        put(&[("a", fresh + 1, 16.0)])?;
        seen("frozen and head", &[(fresh, 8.0), (fresh + 1, 16.0)]);
        db.flush()?;
        seen("segments", &[(fresh, 8.0), (fresh + 1, 16.0)]);
        assert_eq!(db.stats()?.rows, 5);
        db.compact()?;
        seen("compacted", &[(fresh, 8.0), (fresh + 1, 16.0)]);
        assert_eq!(db.stats()?.rows, 2);
        assert_eq!(rows(&snapshot)?.len(), 1);
        db.set_retention("cpu", Some(HOUR / 4))?;
        seen("shorter", &[]);
        db.set_retention("cpu", None)?;
        seen("without", &[(fresh, 8.0), (fresh + 1, 16.0)]);
    }
    Ok(())
}

#[test]
fn ranges_that_end_before_they_start_are_refused() -> Result<()> {
    let db = Database::in_memory(quiet())?;
    common::write(&db, &[("a", 1, 1.0)])?;
    let range = TimeRange::new(Some(2), Some(1));
    let query = ReadQuery { range, ..ReadQuery::default() };
    let read = db.read("cpu", &query, &QueryContext::default());
    assert!(matches!(read, Err(Error::InvalidArgument(_))));
    assert!(matches!(db.delete("cpu", &[], range), Err(Error::InvalidArgument(_))));
    Ok(())
}

/// Work per series must not grow with their number: a measure, run by hand.
#[test]
#[ignore = "takes a while; prints times"]
fn many_series() -> Result<()> {
    for series in [50_000usize, 100_000, 200_000] {
        let db = Database::in_memory(Options { direct_points: 1000, ..quiet() })?;
        let names: Vec<String> = (0..series).map(|i| format!("host-{i:07}")).collect();
        for round in 0..3 {
            let rows: Vec<(&str, i64, f64)> =
                names.iter().map(|name| (name.as_str(), 10 - round / 2, 1.0)).collect();
            let batch = batch("cpu", &rows);
            let start = std::time::Instant::now();
            let met = db.write(&[batch], &spec("cpu", Duplicates::Last))?;
            eprintln!("{series} series, round {round}: {:?}, {met:?}", start.elapsed());
        }
        let start = std::time::Instant::now();
        assert_eq!(sum(&db, TimeRange::ALL).map(|s| s.0), Some(2 * series as u64));
        eprintln!("{series} series, sum: {:?}", start.elapsed());
        let start = std::time::Instant::now();
        db.compact()?;
        eprintln!("{series} series, compact: {:?}", start.elapsed());
    }
    Ok(())
}
