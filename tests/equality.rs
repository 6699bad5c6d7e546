//! Random queries against a plain reading of the rows: in every state of the data, with pruning and
//! without any, they must give the same.
//!
//! `KYMOGRAPH_EQUALITY_QUERIES` is how many there are, `KYMOGRAPH_EQUALITY_SEED` where the seeds
//! start. A failure names the seed of the table and the number of the query.

#[path = "equality/ask.rs"]
mod ask;
mod common;
#[path = "equality/condition.rs"]
mod condition;
#[path = "equality/oracle.rs"]
mod oracle;
#[path = "equality/random.rs"]
mod random;
#[path = "equality/world.rs"]
mod world;

use std::time::{Duration, Instant};

use ask::{Agree, Expected, Query};
use common::Cell;
use random::Random;
use world::{STATES, Size, World};

/// Queries of one table.
const OF_SMALL: u64 = 1_000;
const OF_BLOCKS: u64 = 150;
const OF_CHUNKS: u64 = 20;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |n| n.parse().expect("a number"))
}

fn agrees(got: &Cell, expected: &Cell, agree: Agree) -> bool {
    match (got, expected) {
        _ if agree == Agree::Unknown => true,
        (Cell::Float(a), Cell::Float(b)) => match agree {
            Agree::Bits => a.to_bits() == b.to_bits(),
            _ if a == b || (a.is_nan() && b.is_nan()) => true,
            Agree::Rounded(size) => (a - b).abs() <= 1e-9 * size.max(a.abs()).max(b.abs()),
            Agree::Value | Agree::Unknown => false,
        },
        _ => got == expected,
    }
}

/// Where two results differ, if anywhere.
fn difference(got: &[Vec<Cell>], expected: &Expected) -> Option<String> {
    let counted = |row: &&Vec<Cell>| match &expected.counts {
        Some(counts) => counts.iter().any(|&at| row[at] != Cell::Int(0)),
        None => true,
    };
    let got: Vec<&Vec<Cell>> = got.iter().filter(counted).collect();
    let wanted: Vec<&Vec<Cell>> = expected.rows.iter().filter(counted).collect();
    if got.len() != wanted.len() {
        return Some(format!("{} rows, not {}: {got:?}, not {wanted:?}", got.len(), wanted.len()));
    }
    for (row, (got, wanted)) in got.iter().zip(&wanted).enumerate() {
        let same = got.len() == wanted.len()
            && got
                .iter()
                .zip(wanted.iter())
                .zip(&expected.agree)
                .all(|((a, b), agree)| agrees(a, b, *agree));
        if !same {
            return Some(format!("row {row}: {got:?}, not {wanted:?}"));
        }
    }
    None
}

/// Asks one state of a table with pruning and without.
fn wrong(world: &World, state: usize, query: &Query, expected: &Expected) -> Option<String> {
    let db = &world.states[state];
    let pruned = match query.run(db) {
        Ok(rows) => rows,
        Err(error) => return Some(format!("{}: {error}", STATES[state])),
    };
    if let Some(what) = difference(&pruned, expected) {
        return Some(format!("{}: {what}", STATES[state]));
    }
    let whole = match query.run(&db.unpruned()) {
        Ok(rows) => rows,
        Err(error) => return Some(format!("{} without pruning: {error}", STATES[state])),
    };
    let same =
        Expected { rows: pruned, agree: expected.agree.clone(), counts: expected.counts.clone() };
    let what = difference(&whole, &same)?;
    Some(format!("{} without pruning, against with: {what}", STATES[state]))
}

#[test]
fn random_queries_answer_as_the_rows_do() {
    let queries = number("KYMOGRAPH_EQUALITY_QUERIES", 20_000);
    let seed = number("KYMOGRAPH_EQUALITY_SEED", 1);
    let (begin, mut done, mut table) = (Instant::now(), 0, 0);
    let mut failures = Vec::new();
    let mut said = Instant::now();
    while done < queries && failures.len() < 5 {
        let mut random = Random::new(seed.wrapping_mul(0x1_0000_0001).wrapping_add(table));
        let (size, most) = match table % 40 {
            39 => (Size::Chunks, OF_CHUNKS),
            at if at % 8 == 7 => (Size::Blocks, OF_BLOCKS),
            _ => (Size::Small, OF_SMALL),
        };
        let world = World::new(&mut random, size);
        for query in 0..most.min(queries - done) {
            let (asked, expected) = ask::next(&mut random, &world);
            let state = (query % STATES.len() as u64) as usize;
            done += 1;
            if let Some(what) = wrong(&world, state, &asked, &expected) {
                failures.push(format!(
                    "seed {seed}, table {table} ({size:?}, {:?}), query {query}\n  {asked:?}\n  {what}",
                    world.duplicates
                ));
                break;
            }
        }
        table += 1;
        if said.elapsed() > Duration::from_secs(60) {
            said = Instant::now();
            eprintln!("{done} queries, {} failures, {:?}", failures.len(), begin.elapsed());
        }
    }
    let took = begin.elapsed();
    let rate = done as f64 / took.as_secs_f64();
    println!(
        "seed {seed}: {done} random queries of {table} tables, with and without pruning, {} \
         mismatches, {took:.1?}, {rate:.0} queries/s",
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
