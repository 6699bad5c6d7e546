//! How fast each encoding is and how small: million values a second in and out, bits a value.
//!
//! `cargo bench --bench codec`, or with a part of a line's name to run only those. Each number is
//! the median of [`RUNS`] runs over blocks of 1,024 values of generated walks.
#![expect(clippy::unwrap_used, reason = "a bench that cannot decode has nothing to say")]

use std::hint::black_box;
use std::time::Instant;

use kymograph::codec::{self, delta_of_delta, gorilla, packed, raw, regular, runs};
use kymograph::model::StrValues;

const BLOCK: usize = 1024;
const BLOCKS: usize = 256;
const RUNS: usize = 9;

/// xorshift64*: the same walks on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: u64) -> i64 {
        (self.next() % n) as i64
    }
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Times `encode` and `decode` over all blocks; `decode` must refill what it is given.
fn measure<T>(
    name: &str,
    blocks: &[T],
    encode: impl Fn(&T, &mut Vec<u8>),
    mut decode: impl FnMut(&[u8]),
) {
    if std::env::args().skip(1).any(|arg| !arg.starts_with('-') && !name.contains(&arg)) {
        return;
    }
    let encoded: Vec<Vec<u8>> = blocks
        .iter()
        .map(|block| {
            let mut out = Vec::new();
            encode(block, &mut out);
            out
        })
        .collect();
    let mut out = Vec::new();
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let start = Instant::now();
        for block in blocks {
            out.clear();
            encode(black_box(block), &mut out);
            black_box(&out);
        }
        writes.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        encoded.iter().for_each(|bytes| decode(black_box(bytes)));
        reads.push(start.elapsed().as_secs_f64());
    }
    let values = (blocks.len() * BLOCK) as f64;
    let bits = encoded.iter().map(Vec::len).sum::<usize>() as f64 * 8.0 / values;
    let speed = |seconds| values / median(seconds) / 1e6;
    println!("{name:34} {:9.0} {:9.0} {bits:9.2}", speed(writes), speed(reads));
}

fn blocks<T>(mut value: impl FnMut() -> T) -> Vec<Vec<T>> {
    (0..BLOCKS).map(|_| (0..BLOCK).map(|_| value()).collect()).collect()
}

fn doubles() {
    let mut random = Random(1);
    let mut at = 50.0;
    let walk = blocks(|| {
        at += random.below(2001) as f64 / 1000.0 - 1.0;
        at
    });
    let mut random = Random(2);
    let mut level = 500;
    let decimals = blocks(|| {
        level = (level + random.below(11) - 5).clamp(0, 1000);
        level as f64 / 10.0
    });
    let mut random = Random(3);
    let mut held = 20.5;
    let sensor = blocks(|| {
        if random.below(10) == 0 {
            held = (random.below(80) + 160) as f64 / 8.0;
        }
        held
    });
    let mut out = vec![0.0; BLOCK];
    let mut grown = Vec::with_capacity(BLOCK);
    for (name, data) in [("walk", walk), ("decimals", decimals), ("sensor", sensor)] {
        let line = format!("gorilla f64 {name}");
        measure(
            &line,
            &data,
            |v, o| gorilla::encode(v, o),
            |b| gorilla::decode(b, &mut out).unwrap(),
        );
        let line = format!("chosen f64 {name}");
        let encode = |v: &Vec<f64>, o: &mut Vec<u8>| {
            codec::encode_f64(v, o);
        };
        measure(&line, &data, encode, |b| {
            grown.clear();
            codec::decode_f64(b, BLOCK, &mut grown).unwrap();
        });
        let line = format!("raw f64 {name}");
        measure(
            &line,
            &data,
            |v, o| raw::encode_f64(v, o),
            |b| raw::decode_f64(b, &mut out).unwrap(),
        );
    }
}

fn integers() {
    let mut time = 0;
    let steady = blocks(|| {
        time += 10_000_000_000;
        time
    });
    let (mut random, mut time) = (Random(4), 0);
    let millis = blocks(|| {
        time += 10_000_000_000 + random.below(9) * 1_000_000;
        time
    });
    let (mut random, mut time) = (Random(5), 0);
    let nanos = blocks(|| {
        time += 10_000_000_000 + random.below(200_000);
        time
    });
    let (mut random, mut time) = (Random(6), 0);
    let gaps = blocks(|| {
        time += 10_000_000_000 * if random.below(200) == 0 { 7 } else { 1 };
        time
    });
    let (mut random, mut count) = (Random(7), 0);
    let counter = blocks(|| {
        count += random.below(1500);
        count
    });
    let mut out = vec![0; BLOCK];
    let mut grown = Vec::with_capacity(BLOCK);
    let kinds = [
        ("steady", steady),
        ("millis", millis),
        ("nanos", nanos),
        ("gaps", gaps),
        ("counter", counter),
    ];
    for (name, data) in kinds {
        if name == "steady" {
            let encode = |v: &Vec<i64>, o: &mut Vec<u8>| regular::encode(v, o);
            measure("regular i64 steady", &data, encode, |b| regular::decode(b, &mut out).unwrap());
        }
        let line = format!("delta_of_delta i64 {name}");
        let encode = |v: &Vec<i64>, o: &mut Vec<u8>| delta_of_delta::encode(v, o);
        measure(&line, &data, encode, |b| delta_of_delta::decode(b, &mut out).unwrap());
        let line = format!("packed i64 {name}");
        let encode = |v: &Vec<i64>, o: &mut Vec<u8>| packed::encode(v, o);
        measure(&line, &data, encode, |b| packed::decode(b, &mut out).unwrap());
        let line = format!("chosen i64 {name}");
        let encode = |v: &Vec<i64>, o: &mut Vec<u8>| {
            codec::encode_i64(v, o);
        };
        measure(&line, &data, encode, |b| {
            grown.clear();
            codec::decode_i64(b, BLOCK, &mut grown).unwrap();
        });
    }
}

fn truth_values() {
    let (mut random, mut state) = (Random(8), false);
    let switches = blocks(|| {
        state ^= random.below(100) == 0;
        state
    });
    let mut random = Random(9);
    let coins = blocks(|| random.below(2) == 0);
    let mut out = vec![false; BLOCK];
    for (name, data) in [("switches", switches), ("coins", coins)] {
        let line = format!("runs bool {name}");
        measure(&line, &data, |v, o| runs::encode(v, o), |b| runs::decode(b, &mut out).unwrap());
        let line = format!("raw bool {name}");
        measure(
            &line,
            &data,
            |v, o| raw::encode_bool(v, o),
            |b| raw::decode_bool(b, &mut out).unwrap(),
        );
    }
}

fn strings() {
    let mut random = Random(10);
    let states = blocks(|| ["running", "stopped", "failed"][random.below(3) as usize].to_owned());
    let mut random = Random(11);
    let lines = blocks(|| {
        format!("GET /api/v1/items/{} took {} us", random.below(9999), random.below(999))
    });
    for (name, data) in [("states", states), ("lines", lines)] {
        let data: Vec<StrValues> = data.iter().map(|block| block.iter().collect()).collect();
        let mut out = StrValues::default();
        let encode = |v: &StrValues, o: &mut Vec<u8>| {
            codec::encode_str(v, o);
        };
        measure(&format!("dict_lz4 str {name}"), &data, encode, |b| {
            out.clear();
            codec::decode_str(b, BLOCK, &mut out).unwrap();
        });
    }
}

fn main() {
    println!("{:34} {:>9} {:>9} {:>9}", "", "enc M/s", "dec M/s", "bits/val");
    doubles();
    integers();
    truth_values();
    strings();
}
