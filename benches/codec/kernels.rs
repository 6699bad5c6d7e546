//! What decoding takes once bytes lie in the second-level cache, form by form, at each level of
//! instructions.

use std::hint::black_box;

use kymograph::codec::simd::{self, Level};
use kymograph::codec::{
    Choice, Doubles, Effort, Encoded, Encoding, Longs, decode_bool, encode_f64, encode_i64,
    encode_truths,
};
use serde_json::{Value, json};

use crate::data::Random;
use crate::rivals::{each_block, ends};
use crate::table::{Table, figure};
use crate::timing::speed;
use crate::{BLOCK, CHUNK, Options, machine};

/// The levels that this machine has.
fn levels() -> Vec<Level> {
    let all = [Level::Portable, Level::Avx2, Level::Avx512];
    all.into_iter().filter(|level| *level <= simd::best()).collect()
}

/// A chunk of doubles that an encoding keeps in one form.
pub(crate) fn doubles() -> Vec<(&'static str, Encoded)> {
    let mut random = Random(11);
    let listed: Vec<f64> = (0..200).map(|_| random.unit() * 1000.0).collect();
    let (mut walk, mut ramp, mut held) = (5_000_000, 0, 0);
    let mut column = |name, encoding, value: &mut dyn FnMut(&mut Random) -> f64| {
        let values: Vec<f64> = (0..CHUNK).map(|_| value(&mut random)).collect();
        let choice = Choice { effort: Effort::Hot, encoding: Some(encoding) };
        (name, encode_f64(&values, &ends(CHUNK), choice).unwrap())
    };
    let hundredths = |number: i64| number as f64 / 100.0;
    vec![
        column("decimal, frames of 10 bits", Encoding::Decimal, &mut |r| hundredths(r.below(1024))),
        column("decimal, one value in 100 patched", Encoding::Decimal, &mut |r| {
            hundredths(if r.below(100) == 0 { 1_000_000 + r.below(9_000) } else { r.below(1024) })
        }),
        column("decimal, differences of 6 bits", Encoding::Decimal, &mut |r| {
            walk += r.below(64) - 31;
            hundredths(walk)
        }),
        column("decimal, a line and 4 bits", Encoding::Decimal, &mut |r| {
            ramp += 1000;
            hundredths(ramp + r.below(16))
        }),
        column("decimal, runs of 20", Encoding::Decimal, &mut |r| {
            held = if r.below(20) == 0 { r.below(1024) } else { held };
            hundredths(held)
        }),
        column("decimal and 3 bits of rest", Encoding::Decimal, &mut |r| {
            let value = hundredths(512 + r.below(512));
            f64::from_bits(value.to_bits() + r.below(4) as u64)
        }),
        column("dictionary of 200", Encoding::Dictionary, &mut |r| listed[r.below(200) as usize]),
        column("alp_rd", Encoding::Split, &mut |r| 40.0 + r.unit()),
        column("pattern", Encoding::Pattern, &mut |r| 40.0 + r.unit()),
        column("gorilla", Encoding::Gorilla, &mut |r| hundredths(r.below(1024))),
        column("raw", Encoding::Raw, &mut |r| r.unit()),
    ]
}

/// Measures and prints the speed of each form at each level.
pub(crate) fn measure(options: &Options) -> Value {
    let levels = levels();
    let (mut lines, mut found) = (Vec::new(), Vec::new());
    let mut line = |name: String, encoded: &Encoded, decode: &mut dyn FnMut()| {
        if !options.wants(&format!("kernel {name}")) {
            return;
        }
        let speeds: Vec<f64> = levels
            .iter()
            .map(|level| {
                simd::limit(*level);
                speed(CHUNK, &mut *decode)
            })
            .collect();
        simd::limit(simd::best());
        let bits = encoded.size() as f64 * 8.0 / CHUNK as f64;
        for (level, speed) in levels.iter().zip(&speeds) {
            let level = machine::level(*level);
            found.push(json!({"name": name, "bits": bits, "level": level, "decode": speed}));
        }
        lines.push((name, bits, speeds));
    };
    for width in [4, 10, 16, 24, 40] {
        let mut random = Random(12 + width);
        let values: Vec<i64> = (0..CHUNK).map(|_| random.below(1 << width)).collect();
        let encoded = encode_i64(&values, &ends(CHUNK), Effort::Hot);
        let reader = Longs::open(encoded.encoding, &encoded.shared).unwrap();
        let mut out = Vec::with_capacity(BLOCK);
        line(format!("integers, codes of {width} bits unpacked"), &encoded, &mut || {
            for block in 0..encoded.ends.len() {
                out.clear();
                reader.decode(black_box(encoded.block(block)), BLOCK, &mut out).unwrap();
                black_box(&out);
            }
        });
    }
    for (name, encoded) in doubles() {
        let ends = ends(CHUNK);
        line(name.to_owned(), &encoded, &mut || {
            each_block(black_box(&encoded), &ends, |block| {
                black_box(block);
            });
        });
    }
    for (name, encoded) in doubles() {
        let reader = Doubles::open(encoded.encoding, &encoded.shared).unwrap();
        let mut out = Vec::with_capacity(BLOCK);
        line(format!("{name}, compared"), &encoded, &mut || {
            for block in 0..encoded.ends.len() {
                out.clear();
                reader.within(black_box(encoded.block(block)), BLOCK, 1.0, 5.0, &mut out).unwrap();
                black_box(&out);
            }
        });
    }
    for (name, change) in [("truths, runs of 100", 100), ("truths, a coin", 2)] {
        let (mut random, mut held) = (Random(13), false);
        let values = std::iter::repeat_with(|| {
            held ^= random.below(change) == 0;
            held
        });
        let encoded = encode_truths(&values.take(CHUNK).collect::<Vec<_>>(), &ends(CHUNK));
        let mut out = Vec::with_capacity(BLOCK);
        line(name.to_owned(), &encoded, &mut || {
            for block in 0..encoded.ends.len() {
                out.clear();
                decode_bool(black_box(encoded.block(block)), BLOCK, &mut out).unwrap();
                black_box(&out);
            }
        });
    }
    if !lines.is_empty() {
        let mut heads = vec!["bits"];
        heads.extend(levels.iter().map(|level| machine::level(*level)));
        let table = Table::new("Decoding 64 blocks in L2, one thread, M values/s", 44, &heads);
        for (name, bits, speeds) in lines {
            let mut cells = vec![figure(bits, 2)];
            cells.extend(speeds.iter().map(|speed| figure(*speed, 0)));
            table.line(&format!("kernel {name}"), &cells);
        }
    }
    Value::Array(found)
}
