//! Strings come back whatever the blocks, and hostile bytes give exactly the number asked for or are
//! corrupt.

use super::super::{Damage, Pieces, corrupt, decoded, ends};
use kymograph::codec::{Strings, encode_strs};
use kymograph::model::StrValues;

#[derive(arbitrary::Arbitrary, Debug)]
enum Input {
    /// Each string as often as it says.
    Written {
        strings: Vec<(String, u8)>,
        cuts: Vec<u16>,
        damage: Vec<Damage>,
    },
    /// Numbers among text that all of them share.
    Named {
        text: String,
        numbers: Vec<u16>,
        cuts: Vec<u16>,
        damage: Vec<Damage>,
    },
    Hostile(Pieces),
}

/// Most bytes of a hostile block's strings, and of those that are kept of all blocks. A block may
/// rightly repeat the longest string of a list, which can be [`GROWTH`] times the list.
const MOST_TEXT: usize = 32 << 20;
/// Most bytes that a byte of a list stands for.
const GROWTH: usize = 1024;

/// Decodes everything, even past what fails; `None` when anything did.
fn decode(pieces: &Pieces) -> Option<StrValues> {
    let reader = corrupt(Strings::open(pieces.encoding(), &pieces.shared))?;
    reader.detail();
    let (mut out, mut whole) = (StrValues::default(), true);
    for (n, block) in pieces.blocks() {
        let before = out.len();
        let result = reader.decode(block, n, &mut out);
        whole &= decoded(result, n, out.len() - before);
        if out.byte_len() > MOST_TEXT {
            return None;
        }
    }
    whole.then_some(out)
}

fn check(values: &StrValues, cuts: &[u16], damage: &[Damage]) {
    let ends = ends(values.len(), cuts);
    let back = decode(&Pieces::of(&encode_strs(values, &ends), &ends, damage));
    assert!(!damage.is_empty() || back.as_ref() == Some(values));
}

/// Runs one input.
pub fn run(data: &[u8]) {
    super::super::given(data, one);
}

fn one(input: Input) {
    match input {
        Input::Written { strings, cuts, damage } => {
            let each = |(string, n): &(String, u8)| vec![string.clone(); usize::from(*n)];
            check(&strings.iter().flat_map(each).take(4096).collect(), &cuts, &damage);
        }
        Input::Named { text, numbers, cuts, damage } => {
            let named = numbers.iter().map(|number| format!("{text}{number}"));
            check(&named.collect(), &cuts, &damage);
        }
        Input::Hostile(pieces) => {
            let most = MOST_TEXT / GROWTH / (1 + pieces.shared.len());
            drop(decode(&pieces.at_most(most)));
        }
    }
}
