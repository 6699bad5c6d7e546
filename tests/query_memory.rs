//! Memory that queries share: together they stay within it, by waiting, and none fails that would
//! fit alone.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{batch, quiet, spec};
use kymograph::db::{Database, Options};
use kymograph::model::Duplicates;
use kymograph::query::{Budget, QueryContext, ReadQuery};
use kymograph::{Error, Result};

const ROWS: i64 = 50_000;
/// Of one query that reads them all, about.
const NEEDED: usize = ROWS as usize * 24;

fn filled(query_memory: usize) -> Result<Database> {
    let db = Database::in_memory(Options { query_memory: Some(query_memory), ..quiet() })?;
    let rows: Vec<_> = (0..ROWS).map(|time| ("a", time, time as f64)).collect();
    db.write(&[batch("cpu", &rows)], &spec("cpu", Duplicates::Keep))?;
    db.flush()?;
    Ok(db)
}

fn rows(db: &Database, context: &QueryContext) -> Result<usize> {
    Ok(db.read("cpu", &ReadQuery::default(), context)?.num_rows())
}

#[test]
fn queries_that_would_not_fit_together_take_turns() -> Result<()> {
    // Far more than it is at first reserved for each, and not enough for two.
    let db = filled(NEEDED * 3 / 2)?;
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                let found = rows(&db, &QueryContext::default()).expect("its turn");
                assert_eq!(found as i64, ROWS);
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(done.into_inner(), 24);
    // As the main thread of an interpreter asks.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let often = Duration::from_millis(1);
                let found = db.watched(often, || rows(&db, &QueryContext::default()), || ());
                assert_eq!(found.expect("its turn") as i64, ROWS);
            });
        }
    });
    Ok(())
}

#[test]
fn workers_of_a_pool_do_not_wait_for_each_other() -> Result<()> {
    let db = filled(NEEDED * 3 / 2)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    pool.scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|_| {
                let found = rows(&db, &QueryContext::default());
                assert_eq!(found.expect("memory that is not there") as i64, ROWS);
            });
        }
    });
    Ok(())
}

#[test]
fn a_query_that_would_not_fit_alone_says_what_to_do() -> Result<()> {
    let db = filled(NEEDED / 4)?;
    let error = rows(&db, &QueryContext::default()).expect_err("too much");
    assert!(matches!(error, Error::LimitExceeded(_)), "{error}");
    assert!(error.to_string().contains("query_memory"), "{error}");
    // Its own budget is named where that is what it passes.
    let own = QueryContext { memory: Budget::new(10_000), ..QueryContext::default() };
    let error = rows(&db, &own).expect_err("too much").to_string();
    assert!(error.contains("budget of 10000 bytes"), "{error}");
    // Nothing is left behind.
    let late = QueryContext {
        deadline: Some(Instant::now() + Duration::from_secs(5)),
        ..QueryContext::default()
    };
    let first =
        ReadQuery { finish: kymograph::query::Finish::limit(Some(1)), ..Default::default() };
    assert_eq!(db.read("cpu", &first, &late)?.num_rows(), 1);
    Ok(())
}
