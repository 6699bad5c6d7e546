//! Any bytes as the state of a detector: an error or a detector that goes on, whether the checksum
//! is right or not, and whose own state loads again.

use kymograph::Error;
use kymograph::analytics::anomaly::{Peers, state};

/// Points that a loaded detector takes.
const POINTS: i64 = 40;
/// The largest states that are loaded: a state of a forest costs the growth of one.
const MOST: usize = 1 << 14;

/// Runs one input, as it is and with the checksum that it should have.
pub fn run(data: &[u8]) {
    if data.len() > MOST {
        return;
    }
    load(data);
    let Some((all, _)) = data.split_last_chunk::<4>() else { return };
    load(&[all, &crc32fast::hash(all).to_le_bytes()].concat());
}

fn load(bytes: &[u8]) {
    match Peers::load(bytes) {
        Ok(mut peers) => {
            for at in 0..POINTS {
                let scored = peers.update_all(at, &[1.0, at as f64, f64::NAN, 2.0]);
                assert!(scored.iter().all(|s| s.score.is_nan() || (0.0..=1.0).contains(&s.score)));
            }
        }
        Err(error) => told(&error),
    }
    match state::load(bytes) {
        Ok(mut detector) => {
            for at in 0..POINTS {
                let value = if at % 11 == 7 { f64::NAN } else { (at % 5) as f64 };
                let _ = detector.update(at * 1_000_000_000, value);
            }
            let _ = (detector.votes(), detector.note());
            assert!(detector.save().starts_with(b"KYDT"));
        }
        Err(error) => told(&error),
    }
}

/// Bytes are corrupt, or of a later version or another method.
fn told(error: &Error) {
    assert!(matches!(error, Error::Corrupt(_) | Error::InvalidArgument(_)), "{error}");
}
