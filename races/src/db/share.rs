//! Queries that reserve memory, wait in line, grow, give up: never more than there is, nobody left
//! waiting, nothing lost.

use std::sync::Arc;
use std::time::Duration;

use crate::sync::thread;

use super::memory::Memory;
use crate::error::Error;
use crate::sync::Mutex;
use crate::try_schedules;

const STEPS: usize = 1 << 20;
const TOTAL: usize = 4 * STEPS;

#[test]
fn queries_never_hold_more_than_there_is_and_all_get_their_turn() {
    try_schedules("query memory", || {
        let (memory, held) = (Memory::new(TOTAL), Arc::new(Mutex::new(0)));
        let query = |steps: usize, patience: u32| {
            let (memory, held) = (Arc::clone(&memory), Arc::clone(&held));
            thread::spawn(move || {
                let mut looks = 0;
                let look = || {
                    looks += 1;
                    if looks > patience {
                        return Err(Error::Cancelled(String::new()));
                    }
                    Ok(Duration::ZERO)
                };
                let Ok(own) = memory.reserve(steps * STEPS, look) else { return };
                let mut holds = steps * STEPS;
                let change = |by: usize| {
                    let mut held = held.lock();
                    *held += by;
                    assert!(*held <= TOTAL, "more is held than there is");
                };
                change(holds);
                thread::yield_now();
                if own.cover(holds + STEPS) {
                    change(STEPS);
                    holds += STEPS;
                } else {
                    assert!(own.instead().is_some_and(|bytes| bytes > holds) || holds == TOTAL);
                }
                *held.lock() -= holds;
            })
        };
        let queries = [query(1, u32::MAX), query(3, u32::MAX), query(4, u32::MAX), query(2, 1)];
        for query in queries {
            query.join().expect("a query without a panic");
        }
        assert_eq!(memory.used(), 0, "all is given back");
    });
}
