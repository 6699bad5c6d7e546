//! Pages of `pco`, reached through columns of integers: these come back, and damaged or hostile
//! pages and tables give exactly the number asked for or are corrupt.

use super::super::{Damage, Numbers, Pieces, corrupt, decoded, ends};
use kymograph::codec::{Effort, Encoding, Longs, encode_i64};

#[derive(arbitrary::Arbitrary, Debug)]
enum Input {
    Written { numbers: Numbers, cuts: Vec<u16>, damage: Vec<Damage> },
    Hostile(Pieces),
}

/// Fewer integers are never cold.
const COLD_FROM: usize = 256;

/// Decodes everything, even past what fails; `None` when anything did.
fn decode(pieces: &Pieces, shared: &[u8]) -> Option<Vec<i64>> {
    let reader = corrupt(Longs::open(Encoding::Integers, shared))?;
    let (mut out, mut whole) = (Vec::new(), true);
    for (n, block) in pieces.blocks() {
        let before = out.len();
        let result = reader.decode(block, n, &mut out);
        whole &= decoded(result, n, out.len() - before);
    }
    whole.then_some(out)
}

/// What blocks share whose `pco` header and metadata are `tables`: the flag of cold ones, and their
/// length as a varint of two bytes.
fn framed(tables: &[u8]) -> Vec<u8> {
    let tables = &tables[..tables.len().min((1 << 14) - 1)];
    let mut shared = vec![1, tables.len() as u8 | 0x80, (tables.len() >> 7) as u8];
    shared.extend_from_slice(tables);
    shared
}

/// Runs one input.
pub fn run(data: &[u8]) {
    super::super::given(data, one);
}

fn one(input: Input) {
    match input {
        Input::Written { numbers, cuts, damage } => {
            let few = numbers.values();
            let rounds = if few.is_empty() { 0 } else { COLD_FROM.div_ceil(few.len()) };
            let values = few.repeat(rounds);
            let ends = ends(values.len(), &cuts);
            let encoded = encode_i64(&values, &ends, Effort::Cold);
            let pieces = Pieces::of(&encoded, &ends, &damage);
            let back = decode(&pieces, &pieces.shared);
            assert!(!damage.is_empty() || back == Some(values));
        }
        Input::Hostile(pieces) => drop(decode(&pieces, &framed(&pieces.shared))),
    }
}
