//! Chunks written once and kept: every version from the first decodes them to the values here,
//! and the encoder still writes those bytes. `KYMOGRAPH_BLESS=1` writes files that are missing
//! or have changed on purpose; a file that changed needs a word in `src/chunk/FORMAT.md`.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use kymograph::chunk::Chunk;
use kymograph::codec::{Choice, Effort, Encoding};
use kymograph::model::{Bitmap, Column, FieldType, Values};

struct Golden {
    name: &'static str,
    times: Vec<i64>,
    columns: Vec<Column>,
    /// How each column is to be encoded; empty for the best.
    choices: Vec<Choice>,
}

const T0: i64 = 1_700_000_000_000_000_000;

/// The finalizer of SplitMix64: numbers that no encoding makes smaller.
fn noise(i: usize) -> u64 {
    let z = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB)
}

fn holey(values: Values, valid: impl Fn(usize) -> bool) -> Column {
    let validity: Bitmap = (0..values.len()).map(valid).collect();
    Column { values, validity: Some(validity) }
}

fn texts(n: usize, of: impl Fn(usize) -> String) -> Values {
    Values::Str((0..n).map(of).collect())
}

const FLOATS: [&str; 7] =
    ["raw", "gorilla", "decimal", "scaled", "dictionary", "alp_rd", "pattern"];

fn named(name: &str) -> Encoding {
    Encoding::ALL.iter().copied().find(|e| e.name() == name).unwrap()
}

fn hot() -> Choice {
    Choice { effort: Effort::Hot, encoding: None }
}

/// Degrees in radians, few of them distinct: nothing that an encoding of doubles cannot hold.
fn doubles() -> Column {
    let degrees = (0..1324).map(|i| (noise(i) % 300) as f64 / 10.0);
    Column::new(Values::F64(degrees.map(f64::to_radians).collect()))
}

fn goldens() -> Vec<Golden> {
    let hard_f64 = [0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, f64::INFINITY, -1.5];
    let hard_f64 = hard_f64.map(f64::to_bits).into_iter();
    let nans = [0x7ff0_0000_0000_0001, 0x7ff8_0000_0000_0000, 0xffff_dead_beef_cafe];
    let hard_f64: Vec<f64> = hard_f64.chain(nans).map(f64::from_bits).collect();
    let hard_i64 = vec![i64::MIN, i64::MAX, 0, -1, 1, i64::MIN + 1, i64::MAX - 1, 42, -42, 7];
    vec![
        Golden {
            name: "short_one_field",
            times: (0..20).map(|i| T0 + i * 10_000_000_000).collect(),
            columns: vec![Column::new(Values::F64(
                (0..20).map(|i| 20.0 + f64::from(i) / 4.0).collect(),
            ))],
            choices: Vec::new(),
        },
        Golden {
            name: "short_hard_values",
            times: vec![i64::MIN, i64::MIN, -1, 0, 0, 1, T0, T0 + 1, i64::MAX - 1, i64::MAX],
            columns: vec![
                Column::new(Values::F64(hard_f64)),
                Column::new(Values::I64(hard_i64)),
                Column::new(Values::Bool((0..10).map(|i| i % 3 == 0).collect())),
                Column::new(texts(10, |i| ["", "é", "🦀", "错误"][i % 4].to_owned())),
            ],
            choices: Vec::new(),
        },
        Golden {
            name: "short_nulls",
            times: (0..100).map(|i| T0 + i * 1_000_000_000 + i % 7 * 1_000_000).collect(),
            columns: vec![
                holey(Values::F64((0..100).map(|i| f64::from(i) * 0.5).collect()), |i| i % 3 > 0),
                holey(Values::I64((0..100).map(|i| i * i).collect()), |i| i < 50),
                holey(Values::Bool(vec![true; 100]), |_| false),
                holey(texts(100, |i| format!("job {i:04} was moved")), |i| i != 4),
            ],
            choices: Vec::new(),
        },
        Golden {
            name: "full_every_encoding",
            times: {
                let mut times: Vec<i64> = (0..1324).map(|i| T0 + i * 1_000_000_000).collect();
                times[700] += 250_123_457;
                times
            },
            columns: vec![
                Column::new(Values::F64((0..1324).map(|i| (i % 50) as f64 / 8.0).collect())),
                Column::new(Values::F64(vec![f64::NAN; 1324])),
                Column::new(Values::F64((0..1324).map(|i| f64::from_bits(noise(i))).collect())),
                Column::new(Values::I64((0..1324).map(|i| i * 5 - 9).collect())),
                Column::new(Values::I64((0..1324).map(|i| (noise(i) % 900) as i64).collect())),
                Column::new(Values::I64((0..1324).map(|i| noise(i) as i64).collect())),
                Column::new(Values::I64(vec![-77; 1324])),
                Column::new(Values::Bool((0..1324).map(|i| i / 300 % 2 == 1).collect())),
                Column::new(Values::Bool((0..1324).map(|i| noise(i) % 2 == 1).collect())),
                Column::new(texts(1324, |i| ["up", "down", "unknown"][i % 3].to_owned())),
            ],
            choices: Vec::new(),
        },
        Golden {
            name: "full_each_encoding_of_doubles",
            times: (0..1324)
                .map(|i| T0 + i * 15_000_000_000 + (noise(i as usize) % 5) as i64)
                .collect(),
            columns: FLOATS.map(|_| doubles()).to_vec(),
            choices: FLOATS.map(|name| Choice { encoding: Some(named(name)), ..hot() }).to_vec(),
        },
        Golden {
            name: "full_cold",
            times: (0..1324)
                .map(|i| T0 + i * 15_000_000_000 + (noise(i as usize) % 5) as i64)
                .collect(),
            columns: vec![
                doubles(),
                Column::new(Values::I64((0..1324).map(|i| (noise(i) % 900) as i64).collect())),
                Column::new(texts(1324, |i| format!("job {:04}", noise(i) % 300))),
            ],
            choices: vec![Choice { effort: Effort::Cold, encoding: None }; 3],
        },
        Golden {
            name: "full_nulls",
            times: (0..2100)
                .scan(T0, |at, i| {
                    *at += [60, 300, 300, 86_400][(noise(i) % 4) as usize] * 1_000_000_000;
                    Some(*at)
                })
                .collect(),
            columns: vec![
                holey(Values::F64((0..2100).map(|i| f64::from(i % 9)).collect()), |i| i >= 1024),
                holey(Values::I64((0..2100).map(|i| i % 100).collect()), |i| i % 5 > 0),
                holey(Values::Bool((0..2100).map(|i| i > 7).collect()), |i| i != 2050),
                holey(texts(2100, |i| format!("{}", i % 4)), |i| noise(i).is_multiple_of(2)),
            ],
            choices: Vec::new(),
        },
    ]
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/chunk")
        .join(format!("{name}.bin"))
}

fn blessing() -> bool {
    std::env::var_os("KYMOGRAPH_BLESS").is_some_and(|v| v == "1")
}

fn stored(golden: &Golden) -> Vec<u8> {
    let mut bytes = Vec::new();
    Chunk::encode(&golden.times, &golden.columns, &golden.choices, &mut bytes).unwrap();
    let path = path(golden.name);
    if blessing() {
        std::fs::write(&path, &bytes).unwrap();
        return bytes;
    }
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn kept_chunks_decode_to_known_values() {
    for golden in goldens() {
        let chunk = Chunk::open(stored(&golden).into()).unwrap();
        assert_eq!(chunk.rows(), golden.times.len(), "{}", golden.name);
        assert_eq!(chunk.columns(), golden.columns.len(), "{}", golden.name);
        let mut times = Vec::new();
        (0..chunk.blocks()).for_each(|b| chunk.decode_times(b, &mut times).unwrap());
        assert_eq!(times, golden.times, "{}", golden.name);
        for (c, want) in golden.columns.iter().enumerate() {
            let mut got = Column::empty(chunk.column_type(c));
            (0..chunk.blocks()).for_each(|b| chunk.decode_column(c, b, &mut got).unwrap());
            assert_eq!(got.len(), want.len());
            for i in 0..want.len() {
                assert_eq!(got.is_valid(i), want.is_valid(i), "{} {c} {i}", golden.name);
                if want.is_valid(i) {
                    // Debug tells -0.0 from 0.0; the bits of NaN are compared below.
                    assert_eq!(format!("{:?}", got.get(i)), format!("{:?}", want.get(i)));
                }
            }
            if let (Values::F64(got), Values::F64(want), None) =
                (&got.values, &want.values, &want.validity)
            {
                assert!(got.iter().zip(want).all(|(a, b)| a.to_bits() == b.to_bits()));
            }
        }
    }
}

#[test]
fn the_encoder_still_writes_those_bytes() {
    for golden in goldens() {
        let mut bytes = Vec::new();
        Chunk::encode(&golden.times, &golden.columns, &golden.choices, &mut bytes).unwrap();
        assert!(bytes == stored(&golden), "{} is written otherwise than it was", golden.name);
    }
}

#[test]
fn every_encoding_is_among_them() {
    let mut seen = BTreeSet::new();
    for golden in goldens() {
        let chunk = Chunk::open(stored(&golden).into()).unwrap();
        seen.insert(chunk.times_encoding().0.name());
        seen.extend((0..chunk.columns()).map(|c| chunk.encoding(c).0.name()));
    }
    let all: BTreeSet<&str> = Encoding::ALL.iter().map(|e| e.name()).collect();
    assert_eq!(seen, all);
}

#[test]
fn types_are_what_they_were() {
    let golden = goldens().swap_remove(1);
    let chunk = Chunk::open(stored(&golden).into()).unwrap();
    let types: Vec<FieldType> = (0..4).map(|c| chunk.column_type(c)).collect();
    assert_eq!(types, [FieldType::F64, FieldType::I64, FieldType::Bool, FieldType::Str]);
}
