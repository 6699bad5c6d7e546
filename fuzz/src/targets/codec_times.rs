//! Times come back, also by row, and hostile bytes give exactly the number asked for or are corrupt.

use super::super::{Damage, Numbers, Pieces, corrupt, decoded, effort, ends};
use kymograph::codec::{Times, encode_times};

#[derive(arbitrary::Arbitrary, Debug)]
enum Input {
    Written { numbers: Numbers, cold: bool, damage: Vec<Damage> },
    Hostile(Pieces),
}

/// Decodes everything, even past what fails; `None` when anything did.
fn decode(pieces: &Pieces) -> Option<Vec<i64>> {
    let reader = corrupt(Times::open(pieces.encoding(), &pieces.shared))?;
    let (mut out, mut first, mut whole) = (Vec::new(), 0, true);
    for (n, block) in pieces.blocks() {
        let before = out.len();
        let result = reader.decode(block, first..first + n, &mut out);
        whole &= decoded(result, n, out.len() - before);
        for (row, time) in (first..).zip(&out[before..]) {
            assert!(reader.at(row).is_none_or(|at| at == *time));
        }
        first += n;
    }
    whole.then_some(out)
}

/// Runs one input.
pub fn run(data: &[u8]) {
    super::super::given(data, one);
}

fn one(input: Input) {
    match input {
        Input::Written { numbers, cold, damage } => {
            let times = numbers.values();
            let encoded = encode_times(&times, effort(cold));
            let back = decode(&Pieces::of(&encoded, &ends(times.len(), &[]), &damage));
            assert!(!damage.is_empty() || back == Some(times));
        }
        Input::Hostile(pieces) => drop(decode(&pieces)),
    }
}
