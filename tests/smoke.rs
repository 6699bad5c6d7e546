//! Every verb once, on a directory and in memory.

mod common;

use common::{Cell, cells, owned, quiet, rows, write};
use kymograph::db::{Database, Mode, Options};
use kymograph::kernels::Function;
use kymograph::model::TimeRange;
use kymograph::query::{AggregateQuery, QueryContext, SumQuery};
use kymograph::{Error, Result};

fn mean(db: &Database) -> Vec<Vec<Cell>> {
    let functions = vec![Function::Count, Function::Mean, Function::Max];
    let query = AggregateQuery {
        by: vec!["host".to_owned()],
        ..AggregateQuery::of_fields(&[("value".to_owned(), functions)])
    };
    cells(&db.aggregate("cpu", &query, &QueryContext::default()).expect("an aggregate"))
}

fn sum(db: &Database) -> f64 {
    let query = SumQuery { field: "value".to_owned(), filter: Vec::new(), range: TimeRange::ALL };
    match db.sum("cpu", &query, &QueryContext::default()).expect("a sum") {
        Some(kymograph::chunk::Stats::F64(stats)) => stats.sum,
        other => panic!("{other:?}"),
    }
}

fn through_its_life(db: &Database) -> Result<u64> {
    let first = write(db, &[("a", 10, 1.0), ("b", 10, 2.0), ("a", 20, 3.0)])?;
    assert_eq!((first.rows, first.points, first.late, first.replaced), (3, 3, 0, 0));
    let all = owned(&[("a", 10, 1.0), ("a", 20, 3.0), ("b", 10, 2.0)]);
    assert_eq!(rows(db)?, all);
    db.flush()?;
    assert_eq!(rows(db)?, all);
    let second = write(db, &[("a", 5, 4.0)])?;
    assert_eq!(second.late, 1);
    let all = owned(&[("a", 5, 4.0), ("a", 10, 1.0), ("a", 20, 3.0), ("b", 10, 2.0)]);
    let snapshot = db.snapshot()?;
    assert_eq!(rows(&snapshot)?, all);
    let version = db.flush()?;
    assert_eq!(rows(db)?, all);
    assert_eq!(sum(db), 10.0);
    db.compact()?;
    assert_eq!(rows(db)?, all);
    assert_eq!(sum(db), 10.0);
    db.delete(
        "cpu",
        &[("host".to_owned(), vec![Some("a".to_owned())])],
        TimeRange::new(None, Some(11)),
    )?;
    let left = owned(&[("a", 20, 3.0), ("b", 10, 2.0)]);
    assert_eq!(rows(db)?, left);
    assert_eq!(rows(&snapshot)?, all);
    assert_eq!(
        mean(db),
        [
            [Cell::Text("a".to_owned()), Cell::Int(1), Cell::Float(3.0), Cell::Float(3.0)],
            [Cell::Text("b".to_owned()), Cell::Int(1), Cell::Float(2.0), Cell::Float(2.0)],
        ]
    );
    db.compact()?;
    assert_eq!(rows(db)?, left);
    assert_eq!(rows(&snapshot)?, all, "a snapshot outlives an erasure");
    drop(snapshot);
    write(db, &[("c", 30, 5.0)])?;
    assert_eq!(rows(db)?.len(), 3);
    assert_eq!(db.check()?.damage, []);
    assert_eq!(db.stats()?.rows, 3);
    Ok(version)
}

#[test]
fn in_memory() -> Result<()> {
    through_its_life(&Database::in_memory(quiet())?).map(drop)
}

#[test]
fn in_a_directory() -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("metrics.ky");
    let path = path.to_str().expect("a plain name");
    let db = Database::open(path, quiet())?;
    through_its_life(&db)?;
    assert!(matches!(Database::open(path, quiet()), Err(Error::DatabaseLocked(_))));
    let live = Database::open(path, Options { mode: Mode::Read, ..quiet() })?;
    assert_eq!(rows(&live)?.len(), 3);
    write(&db, &[("d", 40, 6.0)])?;
    assert_eq!(rows(&live)?.len(), 4);
    let version = db.flush()?;
    assert_eq!(rows(&live)?.len(), 4);
    write(&db, &[("d", 50, 7.0)])?;
    assert_eq!(rows(&live)?, rows(&db)?);
    db.close()?;
    assert!(matches!(rows(&db), Err(Error::InvalidArgument(_))));
    assert_eq!(rows(&live)?.len(), 5);
    let again = Database::open(path, quiet())?;
    assert_eq!(rows(&again)?.len(), 5);
    let old = Database::open(path, Options { as_of: Some(version), ..quiet() })?;
    assert_eq!(rows(&old)?.len(), 4);
    Ok(())
}

#[test]
fn a_database_that_was_never_closed_is_free_and_whole_once_it_is_dropped() -> Result<()> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().to_str().expect("a plain name");
    for round in 0..5 {
        let db = Database::open(path, Options { background: true, ..quiet() })?;
        assert_eq!(db.version()?, if round == 0 { 1 } else { 2 });
        write(&db, &[("a", round, 1.0)])?;
        assert_eq!(rows(&db)?.len() as i64, round + 1);
    }
    Ok(())
}
