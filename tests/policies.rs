//! Downsampling: whatever passes ran when, queries over all levels give what the rows gave; whatever
//! call of the store fails in a pass, each point is there once.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use common::{Cell, array, batch, cells, copy, quiet, rows, spec, write};
use kymograph::Result;
use kymograph::db::{Clock, Database, Options, Policy, check_with};
use kymograph::model::policy::floors;
use kymograph::model::{Batch, Duplicates, Level, SeriesKey, TimeRange};
use kymograph::query::{
    AggregateQuery, Bucket, Finish, Function, LastQuery, QueryContext, SeriesQuery,
};
use kymograph::storage::vfs::{Fault, FaultEffect, FaultKind, FaultStore, MemoryStore, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A clock that a test sets.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn at(now: i64) -> Self {
        Self(Arc::new(AtomicI64::new(now)))
    }

    fn set(&self, now: i64) {
        self.0.store(now, Ordering::SeqCst);
    }

    fn options(&self) -> Options {
        let own = Arc::clone(&self.0);
        Options { clock: Clock::of(move || own.load(Ordering::SeqCst)), ..quiet() }
    }
}

fn policy(retention: i64, levels: &[(i64, i64)]) -> Policy {
    let levels = levels.iter().map(|&(step, age)| Level { step, age }).collect();
    Policy { retention: Some(retention), levels }
}

fn aggregated(db: &Database, query: &AggregateQuery) -> Result<Vec<Vec<Cell>>> {
    Ok(cells(&db.aggregate("cpu", query, &QueryContext::default())?))
}

fn of_value(functions: &[Function]) -> AggregateQuery {
    AggregateQuery::of_fields(&[("value".to_owned(), functions.to_vec())])
}

/// Count and sum of all there is, over all levels.
fn total(db: &Database) -> Result<(i64, f64)> {
    let found = aggregated(db, &of_value(&[Function::Count, Function::Sum]))?;
    Ok(match found.first().map(Vec::as_slice) {
        Some([Cell::Int(count), Cell::Float(sum)]) => (*count, *sum),
        None => (0, 0.0),
        Some(other) => panic!("{other:?}"),
    })
}

// --- a fault at every call ---

/// What became of the script's writes, by number: acknowledged or not. Write `n` puts two rows of
/// the value 10^n, so that a digit of the sum of all rows tells how often each is there: 0 or 2.
type Outcome = BTreeMap<u32, bool>;

fn script(store: &FaultStore) -> Outcome {
    let mut outcome = Outcome::new();
    let hand = Hand::at(1_000);
    let options = Options { direct_points: 1 << 20, history: 2, ..hand.options() };
    let Ok(db) = Database::open_with(Arc::new(store.clone()), options) else { return outcome };
    let mut put = |number: u32, time: i64| {
        let value = 10f64.powi(number as i32);
        let rows = [("a", time, value), ("b", time + 7, value)];
        outcome.insert(number, write(&db, &rows).is_ok());
    };
    put(0, 10);
    put(1, 890);
    drop(db.set_policy("cpu", &policy(100, &[(10, 400), (50, 1_000_000)])));
    put(2, 905);
    put(3, 950);
    drop(db.compact());
    // Behind the floor, and further back than the finer level.
    put(4, 880);
    put(5, 15);
    hand.set(1_200);
    drop(db.compact());
    put(6, 1_190);
    hand.set(2_000);
    drop(db.compact());
    outcome
}

fn check(left: &MemoryStore, outcome: &Outcome, what: &str) {
    let hand = Hand::at(2_000);
    let db = Database::open_with(Arc::new(left.clone()), hand.options())
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    let found = match total(&db) {
        Ok(found) => found,
        Err(kymograph::Error::NotFound(_)) => (0, 0.0),
        Err(error) => panic!("{what}: {error}"),
    };
    let mut digits = found.1 as u64;
    for (number, done) in outcome {
        let times = digits % 10;
        digits /= 10;
        let there = if *done { times == 2 } else { times == 0 || times == 2 };
        assert!(there, "{what}: write {number} is there {times} times: {found:?} {outcome:?}");
    }
    assert_eq!(digits, 0, "{what}: points from nowhere: {found:?}");
    let writes = (found.1 as u64).to_string().matches('2').count() as i64;
    assert_eq!(found.0, 2 * writes, "{what}: {found:?}");
    // And it goes on from there.
    write(&db, &[("z", 1_999, 1e8)]).unwrap_or_else(|e| panic!("{what}: {e}"));
    let more = policy(100, &[(10, 400), (50, 1_000_000)]);
    db.set_policy("cpu", &more).unwrap_or_else(|e| panic!("{what}: {e}"));
    hand.set(3_000);
    db.compact().unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!(total(&db).expect("readable"), (found.0 + 1, found.1 + 1e8), "{what}");
    assert_eq!(rows(&db).expect("readable"), [], "{what}: all is past the retention");
    let store: Arc<dyn Store> = Arc::new(left.clone());
    assert_eq!(check_with(&store).expect("a store that works").damage, [], "{what}");
}

fn every_call(kind: FaultKind, effect: FaultEffect, lasting: bool) -> u64 {
    let clean = FaultStore::new(Arc::new(MemoryStore::new()));
    let outcome = script(&clean);
    assert!(outcome.len() == 7 && outcome.values().all(|done| *done), "{outcome:?}");
    let calls = clean.calls(kind);
    for after in 0..calls {
        let memory = MemoryStore::new();
        let store = FaultStore::new(Arc::new(memory.clone()));
        store.arm(Fault { kind, after, lasting, effect });
        let outcome = script(&store);
        let what = format!("{kind:?} {after} {effect:?} lasting {lasting}");
        check(&copy(&memory), &outcome, &what);
        check(&memory.after_power_cut(0), &outcome, &what);
    }
    calls
}

#[test]
fn each_point_is_there_once_whatever_call_of_a_pass_fails() {
    let mut calls = 0;
    for kind in FaultKind::ALL {
        calls += every_call(kind, FaultEffect::Nothing, false);
        calls += every_call(kind, FaultEffect::Nothing, true);
        calls += every_call(kind, FaultEffect::LostReply, false);
    }
    assert!(calls > 300, "{calls}");
    eprintln!("{calls} faults, each with a kill and a power cut");
}

// --- random histories against a model ---

const HOSTS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
struct Point {
    host: &'static str,
    time: i64,
    /// The number of its write, which decides between points of one time.
    arrived: usize,
    value: f64,
    count: Option<i64>,
    up: Option<bool>,
    note: Option<String>,
    /// 0 for a row, otherwise the level that it is in.
    level: usize,
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(usize, i64, i64)>),
    /// To so much after, or before, the time that it is.
    Clock(i64),
    Flush,
    Pass,
    Reopen,
    Delete(Option<usize>, i64, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let row = (0usize..3, -400i64..200, -1_000i64..1_000);
    prop_oneof![
        5 => prop::collection::vec(row, 1..30).prop_map(Step::Write),
        4 => (-100i64..400).prop_map(Step::Clock),
        2 => Just(Step::Flush),
        3 => Just(Step::Pass),
        1 => Just(Step::Reopen),
        1 => (prop::option::of(0usize..3), -700i64..200, 0i64..300)
            .prop_map(|(host, start, length)| Step::Delete(host, start, length)),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let steps = (1i64..20, prop::collection::vec(2i64..5, 0..3));
    (steps, 20i64..300, prop::collection::vec(1i64..600, 3)).prop_map(|(steps, retention, more)| {
        let ((first, times), mut levels) = (steps, Vec::new());
        let (mut step, mut age) = (first, retention);
        for (at, further) in more.iter().enumerate().take(times.len() + 1) {
            age += further;
            levels.push((step, age));
            step *= times.get(at).copied().unwrap_or(1);
        }
        policy(retention, &levels)
    })
}

struct Twin {
    policy: Policy,
    duplicates: Duplicates,
    points: Vec<Point>,
}

impl Twin {
    fn write(&mut self, point: Point) {
        if self.duplicates == Duplicates::Last {
            // What was rolled up is no longer there to be replaced.
            let same =
                |p: &&mut Point| p.level == 0 && (p.host, p.time) == (point.host, point.time);
            if let Some(old) = self.points.iter_mut().find(same) {
                let (count, up) = (point.count.or(old.count), point.up.or(old.up));
                let note = point.note.clone().or(old.note.clone());
                *old = Point { count, up, note, ..point };
                return;
            }
        }
        self.points.push(point);
    }

    fn pass(&mut self, now: i64) {
        let retention = self.policy.retention.expect("every policy here has one");
        let floors = floors(retention, &self.policy.levels, now);
        for point in &mut self.points {
            if point.time < floors[point.level] {
                let next =
                    (point.level + 1..floors.len()).find(|level| point.time >= floors[*level]);
                point.level = next.unwrap_or(usize::MAX);
            }
        }
        self.points.retain(|point| point.level != usize::MAX);
    }

    fn delete(&mut self, host: Option<&str>, range: TimeRange) {
        let levels = self.policy.levels.clone();
        self.points.retain(|point| {
            let gone = match point.level {
                0 => range.contains(point.time),
                level => {
                    let step = levels[level - 1].step;
                    let bucket = point.time.div_euclid(step) * step;
                    range.start <= bucket && range.end.is_none_or(|end| bucket + step <= end)
                }
            };
            !gone || host.is_some_and(|host| host != point.host)
        });
    }

    /// Where a point counts: its own time, or the start of its bucket.
    fn place(&self, point: &Point) -> i64 {
        match point.level {
            0 => point.time,
            level => {
                let step = self.policy.levels[level - 1].step;
                point.time.div_euclid(step) * step
            }
        }
    }

    /// By host and bucket: the rows in the order of time and arrival.
    fn groups(&self, every: i64, range: TimeRange) -> BTreeMap<(String, i64), Vec<&Point>> {
        let mut groups: BTreeMap<(String, i64), Vec<&Point>> = BTreeMap::new();
        for point in &self.points {
            let place = self.place(point);
            if range.contains(place) {
                let key = (point.host.to_owned(), place.div_euclid(every) * every);
                groups.entry(key).or_default().push(point);
            }
        }
        groups.values_mut().for_each(|group| group.sort_by_key(|p| (p.time, p.arrived)));
        groups
    }
}

fn close(found: &Cell, wanted: f64) -> bool {
    matches!(found, Cell::Float(v) if (v - wanted).abs() <= 1e-9 * wanted.abs().max(1.0))
}

fn compare(db: &Database, twin: &Twin, every: i64, range: TimeRange, what: &str) {
    use Function::{Count, First, Last, Max, Mean, Min, Rows, Std, Sum};
    let of = |field: &str, functions: &[Function]| (field.to_owned(), functions.to_vec());
    let query = AggregateQuery {
        bucket: Some(Bucket::of_nanos(every)),
        by: vec!["host".to_owned()],
        range,
        ..AggregateQuery::of_fields(&[
            of("value", &[Rows, Count, Sum, Min, Max, First, Last, Mean, Std]),
            of("count", &[Count, Sum, Min, Max, First, Last]),
            of("up", &[Count, Sum, First, Last]),
            of("note", &[Count, Min, Max, First, Last]),
        ])
    };
    let found = aggregated(db, &query).unwrap_or_else(|e| panic!("{what}: {e}"));
    let groups = twin.groups(every, range);
    assert_eq!(found.len(), groups.len(), "{what}: {found:?} {groups:?}");
    for (row, ((host, start), points)) in found.iter().zip(&groups) {
        let told = format!("{what}: {host} {start}: {row:?} {points:?}");
        let int = |n: i64| Cell::Int(n);
        assert_eq!(row[..2], [Cell::Time(*start), Cell::Text(host.clone())], "{told}");
        let values: Vec<f64> = points.iter().map(|p| p.value).collect();
        let (n, sum) = (values.len(), values.iter().sum::<f64>());
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let doubles = [sum, least, most, values[0], values[n - 1]].map(Cell::Float);
        assert_eq!(row[2..4], [int(n as i64), int(n as i64)], "{told}");
        assert_eq!(row[4..9], doubles, "{told}");
        assert!(close(&row[9], sum / n as f64), "{told}");
        if n >= 2 {
            let mean = sum / n as f64;
            let m2: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
            assert!(close(&row[10], (m2 / (n - 1) as f64).sqrt()), "{told}");
        } else {
            assert_eq!(row[10], Cell::Null, "{told}");
        }
        let counts: Vec<i64> = points.iter().filter_map(|p| p.count).collect();
        assert_eq!(row[11], int(counts.len() as i64), "{told}");
        if let (Some(first), Some(last)) = (counts.first(), counts.last()) {
            let sum = counts.iter().map(|v| i128::from(*v)).sum::<i128>() as i64;
            let (least, most) =
                (*counts.iter().min().expect("some"), *counts.iter().max().expect("some"));
            assert_eq!(row[12..16], [sum, least, most, *first].map(int), "{told}");
            assert_eq!(row[16], int(*last), "{told}");
        }
        let ups: Vec<bool> = points.iter().filter_map(|p| p.up).collect();
        assert_eq!(row[17], int(ups.len() as i64), "{told}");
        if let (Some(first), Some(last)) = (ups.first(), ups.last()) {
            assert_eq!(row[18], int(ups.iter().filter(|up| **up).count() as i64), "{told}");
            assert_eq!(row[19..21], [Cell::Bool(*first), Cell::Bool(*last)], "{told}");
        }
        let notes: Vec<&String> = points.iter().filter_map(|p| p.note.as_ref()).collect();
        assert_eq!(row[21], int(notes.len() as i64), "{told}");
        if let (Some(first), Some(last)) = (notes.first(), notes.last()) {
            let (least, most) =
                (notes.iter().min().expect("some"), notes.iter().max().expect("some"));
            let texts = [least, most, first, last].map(|note| Cell::Text((*note).clone()));
            assert_eq!(row[22..26], texts, "{told}");
        }
    }
}

fn batch_of(points: &[Point]) -> Batch {
    let mut hosts: Vec<&str> = points.iter().map(|p| p.host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let place = |host: &str| hosts.binary_search(&host).expect("listed above") as u32;
    let column = |like: Cell, get: &dyn Fn(&Point) -> Option<Cell>| {
        array(&points.iter().map(get).collect::<Vec<_>>(), &like)
    };
    let fields = vec![
        ("value", column(Cell::Float(0.0), &|p| Some(Cell::Float(p.value)))),
        ("count", column(Cell::Int(0), &|p| p.count.map(Cell::Int))),
        ("up", column(Cell::Bool(true), &|p| p.up.map(Cell::Bool))),
        ("note", column(Cell::Text(String::new()), &|p| p.note.clone().map(Cell::Text))),
    ];
    Batch::new(
        "cpu",
        hosts.iter().map(|host| SeriesKey::new([Some(*host)])).collect(),
        points.iter().map(|p| place(p.host)).collect(),
        points.iter().map(|p| p.time).collect(),
        fields.into_iter().map(|(name, array)| (name.to_owned(), array)).collect(),
    )
    .expect("a whole batch")
}

fn history(policy: &Policy, duplicates: Duplicates, steps: &[Step]) {
    let hand = Hand::at(1_000);
    let memory = MemoryStore::new();
    let open = || {
        Database::open_with(Arc::new(memory.clone()), hand.options()).expect("a store that works")
    };
    let mut db = open();
    let mut twin = Twin { policy: policy.clone(), duplicates, points: Vec::new() };
    let mut arrived = 0;
    let first = vec![(0, 0, 7), (1, 0, 3)];
    for (at, step) in std::iter::once(&Step::Write(first)).chain(steps).enumerate() {
        let now = hand.0.load(Ordering::SeqCst);
        match step {
            Step::Write(rows) => {
                let points = rows.iter().map(|&(host, offset, value)| {
                    arrived += 1;
                    Point {
                        host: HOSTS[host],
                        time: now + offset,
                        arrived,
                        value: value as f64,
                        // Sums of these need more bits than a double has.
                        count: (value % 3 != 0).then_some(value * (1 << 43)),
                        up: (value % 4 != 0).then_some(value % 2 == 0),
                        note: (value % 5 != 0).then(|| format!("{}", value % 11)),
                        level: 0,
                    }
                });
                let points: Vec<Point> = points.collect();
                db.write(&[batch_of(&points)], &spec("cpu", duplicates)).expect("written");
                points.into_iter().for_each(|point| twin.write(point));
            }
            Step::Clock(by) => hand.set(now + by),
            Step::Flush => drop(db.flush().expect("flushed")),
            Step::Pass => {
                db.compact().expect("compacted");
                if at > 0 {
                    twin.pass(now);
                }
            }
            Step::Reopen => {
                drop(db);
                db = open();
            }
            Step::Delete(host, offset, length) => {
                let host = host.map(|host| HOSTS[host]);
                let start = now + offset;
                let range = TimeRange::new(Some(start), Some(start + length));
                let filter: Vec<(String, Vec<Option<String>>)> =
                    host.iter().map(|h| ("host".to_owned(), vec![Some((*h).to_owned())])).collect();
                db.delete("cpu", &filter, range).expect("deleted");
                twin.delete(host, range);
            }
        }
        if at == 0 {
            db.set_policy("cpu", policy).expect("a policy that can be");
        }
        let what = format!("step {at} {step:?} at {now}, {policy:?} {duplicates:?}");
        let coarsest = policy.levels.last().expect("a level").step;
        for every in [coarsest, coarsest * 7, policy.levels[0].step] {
            compare(&db, &twin, every, TimeRange::ALL, &what);
        }
        let near = TimeRange::new(Some(now - 333), Some(now - 11));
        compare(&db, &twin, coarsest, near, &what);
        let rows = twin.points.iter().filter(|p| p.level == 0).count();
        assert_eq!(
            db.read("cpu", &Default::default(), &QueryContext::default())
                .expect("readable")
                .num_rows(),
            rows,
            "{what}"
        );
        let series =
            db.series("cpu", &SeriesQuery::default(), &QueryContext::default()).expect("readable");
        let counted: Vec<i64> = cells(&series)
            .iter()
            .map(|row| match row[3] {
                Cell::Int(rows) => rows,
                _ => panic!("{row:?}"),
            })
            .collect();
        assert_eq!(counted.iter().sum::<i64>(), twin.points.len() as i64, "{what}");
    }
}

#[test]
fn random_histories_agree_with_a_model() {
    let cases = std::env::var("KYMOGRAPH_POLICY_CASES").ok().and_then(|n| n.parse().ok());
    let cases = cases.unwrap_or(60);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    eprintln!("{} histories", config.cases);
    let mut runner = TestRunner::new(config);
    let history_of = (any_policy(), any::<bool>(), prop::collection::vec(step(), 1..25));
    runner
        .run(&history_of, |(policy, last, steps)| {
            let duplicates = if last { Duplicates::Last } else { Duplicates::Keep };
            history(&policy, duplicates, &steps);
            Ok(())
        })
        .unwrap_or_else(|e| panic!("{e}"));
}

// --- single rules ---

fn filled(hand: &Hand) -> Result<Database> {
    let db = Database::in_memory(hand.options())?;
    let points: Vec<(&str, i64, f64)> = (0..1_000).map(|t| ("a", t, t as f64)).collect();
    write(&db, &points)?;
    Ok(db)
}

#[test]
fn a_far_future_moves_nothing_and_a_clock_that_jumps_back_brings_nothing_back() -> Result<()> {
    let hand = Hand::at(1_000);
    let db = filled(&hand)?;
    write(&db, &[("a", i64::MAX - 1, 1.0)])?;
    db.set_policy("cpu", &policy(400, &[(10, 800)]))?;
    db.compact()?;
    assert_eq!(rows(&db)?.len(), 401, "600..1000 and the one far ahead");
    assert_eq!(total(&db)?.0, 1_001 - 200, "and nothing before 200");
    for now in [10, i64::MIN, 1_000] {
        hand.set(now);
        db.compact()?;
        assert_eq!((rows(&db)?.len(), total(&db)?.0), (401, 801), "at {now}");
    }
    // A clock that went ahead and came back has rolled up, and takes nothing that is new.
    hand.set(5_000);
    db.compact()?;
    assert_eq!((rows(&db)?.len(), total(&db)?.0), (1, 1));
    hand.set(1_100);
    write(&db, &[("a", 1_050, 5.0)])?;
    db.compact()?;
    assert_eq!((rows(&db)?.len(), total(&db)?.0), (2, 2));
    Ok(())
}

#[test]
fn what_needs_rows_says_from_when_on_there_are_some() -> Result<()> {
    let hand = Hand::at(1_000);
    let db = filled(&hand)?;
    db.set_policy("cpu", &policy(400, &[(10, 800)]))?;
    db.compact()?;
    for function in [Function::Median, Function::Distinct, Function::TimeWeighted] {
        let mut query = of_value(&[function]);
        let error = aggregated(&db, &query).expect_err("there are aggregates").to_string();
        assert!(error.contains("10ns aggregates") && error.contains("start="), "{error}");
        query.range = TimeRange::new(Some(600), None);
        assert_eq!(aggregated(&db, &query)?.len(), 1);
    }
    let mut query = of_value(&[Function::Sum]);
    let above = |least: &str| {
        db.condition("cpu", least, &kymograph::sql::Parameters::None).expect("a condition")
    };
    query.predicate = Some(above("value > 3"));
    let error = aggregated(&db, &query).expect_err("a condition on fields").to_string();
    assert!(error.contains("a condition on fields needs the rows"), "{error}");
    // Conditions on times and tags do not need rows.
    query.predicate = Some(above("host = 'a' AND time < '1970-01-01T00:00:00.000000300Z'"));
    let sum: i64 = (200..300).sum();
    assert_eq!(aggregated(&db, &query)?, [[Cell::Float(sum as f64)]]);
    Ok(())
}

#[test]
fn the_course_of_counters_survives() -> Result<()> {
    let hand = Hand::at(1_000);
    let db = Database::in_memory(hand.options())?;
    // Starts again from 0 inside of buckets.
    let points: Vec<(&str, i64, f64)> = (0..1_000).map(|t| ("a", t, (t % 37) as f64)).collect();
    write(&db, &points)?;
    let mut query = of_value(&[Function::Increase, Function::Delta, Function::Rate]);
    let each = [
        None,
        Some(Bucket::of_nanos(100)),
        Some(Bucket { step: Some(50), ..Bucket::of_nanos(200) }),
    ];
    let ask = |query: &mut AggregateQuery| -> Result<Vec<_>> {
        each.iter()
            .map(|bucket| {
                query.bucket = bucket.clone();
                aggregated(&db, query)
            })
            .collect()
    };
    let before = ask(&mut query)?;
    for (at, (now, levels)) in
        [(1_000, &[(10, 5_000)][..]), (1_200, &[(10, 800), (50, 9_000)])].into_iter().enumerate()
    {
        hand.set(now);
        db.set_policy("cpu", &policy(333, levels))?;
        db.compact()?;
        for (found, wanted) in
            ask(&mut query)?.iter().flatten().flatten().zip(before.iter().flatten().flatten())
        {
            let same = match wanted {
                Cell::Float(wanted) => close(found, *wanted),
                wanted => found == wanted,
            };
            assert!(same, "{at}: {found:?} {wanted:?}");
        }
    }
    Ok(())
}

#[test]
fn last_falls_back_on_what_aggregates_know() -> Result<()> {
    let hand = Hand::at(1_000);
    let db = Database::in_memory(hand.options())?;
    write(&db, &[("old", 103, 1.0), ("old", 107, 2.0), ("old", 105, 3.0), ("new", 990, 4.0)])?;
    db.set_policy("cpu", &policy(100, &[(10, 5_000)]))?;
    db.compact()?;
    let last = |query: LastQuery| -> Result<Vec<Vec<Cell>>> {
        Ok(cells(&db.last("cpu", &query, &QueryContext::default())?))
    };
    let row = |host: &str, time: i64, value: f64| {
        vec![Cell::Time(time), Cell::Text(host.to_owned()), Cell::Float(value)]
    };
    let all = last(LastQuery::default())?;
    assert_eq!(all, [row("new", 990, 4.0), row("old", 107, 2.0)]);
    let one = last(LastQuery { by: Some(Vec::new()), ..LastQuery::default() })?;
    assert_eq!(one, [row("new", 990, 4.0)]);
    let finish = Finish::limit(Some(1));
    assert_eq!(last(LastQuery { finish, ..LastQuery::default() })?, [row("new", 990, 4.0)]);
    Ok(())
}

#[test]
fn aggregates_outlive_their_policy_until_their_own_age() -> Result<()> {
    let hand = Hand::at(1_000);
    let db = filled(&hand)?;
    db.set_policy("cpu", &policy(400, &[(10, 900)]))?;
    hand.set(1_050);
    // What is due is rolled up before the policy goes.
    db.set_policy("cpu", &Policy { retention: Some(400), levels: Vec::new() })?;
    assert_eq!((rows(&db)?.len(), total(&db)?.0), (350, 850), "150..650 in aggregates");
    hand.set(1_300);
    // Rows that are past the retention are dropped now; aggregates go when they are 900 old.
    assert_eq!((rows(&db)?.len(), total(&db)?.0), (100, 350));
    db.compact()?;
    assert_eq!((rows(&db)?.len(), total(&db)?.0), (100, 350));
    hand.set(2_000);
    db.compact()?;
    assert_eq!(total(&db)?, (0, 0.0));
    assert!(db.stats()?.levels.is_empty(), "nothing is left of the level");
    Ok(())
}

#[test]
fn points_of_one_time_stay_in_the_order_of_their_arrival() -> Result<()> {
    let hand = Hand::at(1_000);
    let db = Database::in_memory(hand.options())?;
    let point = |value: i64, count: Option<i64>| Point {
        host: "a",
        time: 10,
        arrived: 0,
        value: value as f64,
        count,
        up: None,
        note: None,
        level: 0,
    };
    let put = |point: Point| db.write(&[batch_of(&[point])], &spec("cpu", Duplicates::Keep));
    put(point(3, None))?;
    db.set_policy("cpu", &policy(100, &[(10, 5_000)]))?;
    let ends = of_value(&[Function::First, Function::Last]);
    // Of other fields than those before and after, which puts rows into groups of their own.
    for (value, count) in [(4, Some(1)), (5, None), (6, Some(2))] {
        db.compact()?;
        put(point(value, count))?;
        let wanted = [[Cell::Float(3.0), Cell::Float(value as f64)]];
        assert_eq!(aggregated(&db, &ends)?, wanted);
        db.flush()?;
        db.compact()?;
        assert_eq!(aggregated(&db, &ends)?, wanted);
    }
    Ok(())
}

#[test]
fn a_policy_does_not_bring_back_what_was_expired() -> Result<()> {
    let hand = Hand::at(1_000);
    let db = filled(&hand)?;
    db.set_retention("cpu", Some(100))?;
    assert_eq!(total(&db)?.0, 100);
    db.set_policy("cpu", &policy(100, &[(10, 900)]))?;
    assert_eq!(total(&db)?.0, 100);
    db.compact()?;
    assert_eq!(total(&db)?.0, 100);
    Ok(())
}

#[test]
fn older_versions_still_have_the_rows() -> Result<()> {
    let hand = Hand::at(1_000);
    let memory = MemoryStore::new();
    let db = Database::open_with(Arc::new(memory.clone()), hand.options())?;
    write(&db, &[("a", 10, 1.0), ("a", 11, 2.0)])?;
    let before = db.flush()?;
    db.set_policy("cpu", &policy(100, &[(10, 5_000)]))?;
    db.compact()?;
    assert_eq!((rows(&db)?.len(), total(&db)?), (0, (2, 3.0)));
    let options = Options { as_of: Some(before), ..hand.options() };
    let then = Database::open_with(Arc::new(memory), options)?;
    assert_eq!((rows(&then)?.len(), total(&then)?), (2, (2, 3.0)));
    Ok(())
}

#[test]
fn deleting_is_physical_in_every_level_after_compaction() -> Result<()> {
    let hand = Hand::at(1_000);
    let memory = MemoryStore::new();
    let db = Database::open_with(Arc::new(memory.clone()), hand.options())?;
    write(&db, &[("secret-host", 10, 1.0), ("other", 10, 2.0), ("secret-host", 990, 4.0)])?;
    db.set_policy("cpu", &policy(100, &[(10, 5_000)]))?;
    db.compact()?;
    let secret = [("host".to_owned(), vec![Some("secret-host".to_owned())])];
    db.delete("cpu", &secret, TimeRange::ALL)?;
    assert_eq!(total(&db)?, (1, 2.0));
    db.compact()?;
    // Versions that still have it go with the next commit.
    write(&db, &[("other", 995, 8.0)])?;
    db.flush()?;
    assert_eq!(total(&db)?, (2, 10.0));
    for entry in memory.list("segment/")? {
        let bytes = memory.read(&entry.path)?;
        assert!(!bytes.windows(6).any(|w| w == b"secret"), "{}", entry.path);
    }
    Ok(())
}

#[test]
fn names_of_levels_are_kept_for_them() -> Result<()> {
    let hand = Hand::at(1_000);
    let db = filled(&hand)?;
    db.set_policy("cpu", &policy(400, &[(10, 800)]))?;
    db.compact()?;
    assert_eq!(db.tables()?, ["cpu"]);
    assert!(db.schema("cpu@10ns")?.level_of().is_some());
    let mine =
        |table: &str| db.write(&[batch(table, &[("a", 1, 1.0)])], &spec(table, Duplicates::Keep));
    for (error, what) in [
        (mine("cpu@10ns").expect_err("a level").to_string(), "holds aggregates"),
        (mine("mem@5m").expect_err("a level").to_string(), "choose one without"),
        (
            db.delete("cpu@10ns", &[], TimeRange::ALL).expect_err("a level").to_string(),
            "delete there",
        ),
        (db.set_retention("cpu@10ns", None).expect_err("a level").to_string(), "set its policy"),
        (db.set_retention("cpu", None).expect_err("a policy").to_string(), "needs a retention"),
    ] {
        assert!(error.contains(what), "{error}");
    }
    let levels = db.stats()?.levels;
    assert_eq!((levels.len(), levels[0].aggregates, levels[0].in_policy), (1, 40, true));
    Ok(())
}
