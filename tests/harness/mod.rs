//! What the scenarios of failure share: random work against a model, on a disk that can lose
//! power. A finding is an error with its seed, so that a test can also ask whether a planted bug
//! is found.
#![allow(dead_code, reason = "no scenario uses all of it")]

pub(crate) mod crowd;
pub(crate) mod damage;
pub(crate) mod faults;
pub(crate) mod model;
pub(crate) mod power;
pub(crate) mod watch;
pub(crate) mod work;

/// A number from the environment, in the short or the long form of a test.
pub(crate) fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text:?} is no number")),
        Err(_) => default,
    }
}

/// The seed of a run: given, or the time, and printed either way.
pub(crate) fn seed(name: &str) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = number(name, now.expect("after 1970").as_nanos() as u64);
    println!("{name}={seed} repeats this run");
    seed
}
