//! Integers come back whatever the blocks, and hostile bytes give exactly the number asked for or
//! are corrupt. A block's sum is that of its integers.

use super::super::{Damage, Numbers, Pieces, corrupt, decoded, effort, ends};
use kymograph::codec::{Longs, encode_i64};

#[derive(arbitrary::Arbitrary, Debug)]
enum Input {
    Written { numbers: Numbers, cuts: Vec<u16>, cold: bool, damage: Vec<Damage> },
    Hostile(Pieces),
}

/// Decodes everything, even past what fails; `None` when anything did.
fn decode(pieces: &Pieces) -> Option<Vec<i64>> {
    let reader = corrupt(Longs::open(pieces.encoding(), &pieces.shared))?;
    reader.detail();
    let (mut out, mut whole) = (Vec::new(), true);
    for (n, block) in pieces.blocks() {
        let before = out.len();
        let result = reader.decode(block, n, &mut out);
        let decoded = decoded(result, n, out.len() - before);
        let sum = out[before..].iter().map(|&value| i128::from(value)).sum();
        assert_eq!(corrupt(reader.sum(block, n)), decoded.then_some(sum));
        whole &= decoded;
    }
    whole.then_some(out)
}

/// Runs one input.
pub fn run(data: &[u8]) {
    super::super::given(data, one);
}

fn one(input: Input) {
    match input {
        Input::Written { numbers, cuts, cold, damage } => {
            let values = numbers.values();
            let ends = ends(values.len(), &cuts);
            let encoded = encode_i64(&values, &ends, effort(cold));
            let back = decode(&Pieces::of(&encoded, &ends, &damage));
            assert!(!damage.is_empty() || back == Some(values));
        }
        Input::Hostile(pieces) => drop(decode(&pieces)),
    }
}
