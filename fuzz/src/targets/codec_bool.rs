//! Truth values come back whatever the blocks, and hostile bytes give exactly the number asked for
//! or are corrupt.

use super::super::{Damage, Numbers, Pieces, decoded, ends};
use kymograph::codec::{decode_bool, encode_truths};

#[derive(arbitrary::Arbitrary, Debug)]
enum Input {
    Written { numbers: Numbers, cuts: Vec<u16>, damage: Vec<Damage> },
    Hostile(Pieces),
}

/// Decodes everything, even past what fails; `None` when anything did.
fn decode(pieces: &Pieces) -> Option<Vec<bool>> {
    let (mut out, mut whole) = (Vec::new(), true);
    for (n, block) in pieces.blocks() {
        let before = out.len();
        let result = decode_bool(block, n, &mut out);
        whole &= decoded(result, n, out.len() - before);
    }
    whole.then_some(out)
}

/// Runs one input.
pub fn run(data: &[u8]) {
    super::super::given(data, one);
}

fn one(input: Input) {
    match input {
        Input::Written { numbers, cuts, damage } => {
            let values: Vec<bool> = numbers.values().iter().map(|number| *number < 0).collect();
            let ends = ends(values.len(), &cuts);
            let back = decode(&Pieces::of(&encode_truths(&values, &ends), &ends, &damage));
            assert!(!damage.is_empty() || back == Some(values));
        }
        Input::Hostile(pieces) => drop(decode(&pieces)),
    }
}
