//! Doubles come back bit for bit in every encoding and whatever the blocks, and hostile bytes give
//! exactly the number asked for or are corrupt. Numbers and their sum are those of the doubles.

use super::super::{Damage, Numbers, Pieces, corrupt, decoded, effort, ends};
use kymograph::Error;
use kymograph::codec::{Choice, Doubles, Encoding, decimal_sum, encode_f64};

#[derive(arbitrary::Arbitrary, Debug)]
enum Input {
    Written { values: Values, cuts: Vec<u16>, choice: (bool, Option<u8>), damage: Vec<Damage> },
    Hostile(Pieces),
}

#[derive(arbitrary::Arbitrary, Debug)]
struct Values {
    numbers: Numbers,
    kind: Kind,
    /// What stands where instead.
    others: Vec<(u16, f64)>,
}

#[derive(arbitrary::Arbitrary, Debug)]
enum Kind {
    Bits,
    Tenths(u8),
    Of(f64),
}

impl Values {
    fn doubles(&self) -> Vec<f64> {
        let numbers = self.numbers.values();
        let numbers = numbers.iter();
        let mut values: Vec<f64> = match self.kind {
            Kind::Bits => numbers.map(|n| f64::from_bits(*n as u64)).collect(),
            Kind::Tenths(e) => numbers.map(|n| *n as f64 / 10f64.powi(i32::from(e) % 24)).collect(),
            Kind::Of(unit) => numbers.map(|n| *n as f64 * unit).collect(),
        };
        let n = values.len().max(1);
        for &(at, other) in &self.others {
            if let Some(value) = values.get_mut(usize::from(at) % n) {
                *value = other;
            }
        }
        values
    }
}

/// Bits, so that NaN equals itself.
fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Decodes everything, even past what fails; `None` when anything did.
fn decode(pieces: &Pieces) -> Option<Vec<f64>> {
    let reader = corrupt(Doubles::open(pieces.encoding(), &pieces.shared))?;
    reader.detail();
    let (mut out, mut whole) = (Vec::new(), true);
    for (n, block) in pieces.blocks() {
        let before = out.len();
        let result = reader.decode(block, n, &mut out);
        let decoded = decoded(result, n, out.len() - before);
        let mut numbers = Vec::new();
        if let Some(exponent) = corrupt(reader.decode_numbers(block, n, &mut numbers)).flatten() {
            let doubles: Vec<f64> =
                numbers.iter().map(|&number| decimal_sum(number.into(), exponent)).collect();
            let exact = numbers.iter().all(|number| number.unsigned_abs() < 1 << 53);
            assert!(!decoded || !exact || bits(&doubles) == bits(&out[before..]));
            let sum = numbers.iter().map(|&number| i128::from(number)).sum();
            assert_eq!(corrupt(reader.sum_numbers(block, n)), Some(Some((sum, exponent))));
        } else {
            assert!(numbers.is_empty());
            assert_eq!(corrupt(reader.sum_numbers(block, n)).flatten(), None);
        }
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
        Input::Written { values, cuts, choice: (cold, encoding), damage } => {
            let values = values.doubles();
            let ends = ends(values.len(), &cuts);
            let encoding = encoding.map(|at| Encoding::ALL[usize::from(at) % Encoding::ALL.len()]);
            let choice = Choice { effort: effort(cold), encoding };
            let encoded = match encode_f64(&values, &ends, choice) {
                Ok(encoded) => encoded,
                Err(Error::InvalidArgument(_)) => return,
                Err(other) => panic!("{other}"),
            };
            let back = decode(&Pieces::of(&encoded, &ends, &damage));
            assert!(!damage.is_empty() || back.map(|back| bits(&back)) == Some(bits(&values)));
        }
        Input::Hostile(pieces) => drop(decode(&pieces)),
    }
}
