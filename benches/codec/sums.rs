//! What a sum takes, in the second-level cache and from memory: over plain doubles, over blocks
//! that are decoded one after the other, and straight from the blocks where that is possible.

use std::hint::black_box;

use kymograph::codec::simd::{self, Level};
use kymograph::codec::{Doubles, Encoded, decimal_sum};
use serde_json::{Value, json};

use crate::table::{Table, figure};
use crate::timing::speed;
use crate::{BLOCK, CHUNK, Options, kernels};

/// Bytes that no cache holds.
const MEMORY: usize = 512 << 20;

#[inline(always)]
fn portable(values: &[f64]) -> f64 {
    let mut sums = [0.0; 32];
    let (chunks, rest) = values.as_chunks::<32>();
    for chunk in chunks {
        for lane in 0..32 {
            sums[lane] += chunk[lane];
        }
    }
    sums.iter().chain(rest).sum()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn avx512(values: &[f64]) -> f64 {
    portable(values)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(values: &[f64]) -> f64 {
    portable(values)
}

/// The sum of doubles, by the best instructions that there are.
fn sum(values: &[f64]) -> f64 {
    #[cfg(target_arch = "x86_64")]
    match simd::best() {
        // SAFETY: `best` found the features of this level.
        Level::Avx512 => return unsafe { avx512(values) },
        // SAFETY: as above.
        Level::Avx2 => return unsafe { avx2(values) },
        Level::Portable => {}
    }
    portable(values)
}

/// A column's blocks over and over, as bytes.
struct Copies {
    reader: Doubles,
    encoded: Encoded,
    bytes: Vec<u8>,
}

impl Copies {
    fn of(encoded: Encoded, bytes: usize) -> Self {
        let copies = bytes.div_ceil(encoded.blocks.len());
        Self {
            reader: Doubles::open(encoded.encoding, &encoded.shared).unwrap(),
            bytes: encoded.blocks.repeat(copies),
            encoded,
        }
    }

    fn values(&self) -> usize {
        self.bytes.len() / self.encoded.blocks.len() * CHUNK
    }

    /// The sum by `threads` threads of whole copies.
    fn sum(&self, threads: usize) -> f64 {
        let copies: Vec<&[u8]> = self.bytes.chunks_exact(self.encoded.blocks.len()).collect();
        shared_out(&copies, threads, |copies| {
            let mut out = Vec::with_capacity(BLOCK);
            let mut total = 0.0;
            for copy in copies {
                let mut start = 0;
                for &end in &self.encoded.ends {
                    out.clear();
                    self.reader.decode(&copy[start..end], BLOCK, &mut out).unwrap();
                    total += sum(&out);
                    start = end;
                }
            }
            total
        })
    }
}

impl Copies {
    /// The sum by `threads` threads straight from the blocks; `None` where these do not allow it.
    fn fused(&self, threads: usize) -> Option<f64> {
        self.reader.sum_numbers(self.encoded.block(0), BLOCK).unwrap()?;
        let copies: Vec<&[u8]> = self.bytes.chunks_exact(self.encoded.blocks.len()).collect();
        Some(shared_out(&copies, threads, |copies| {
            let mut total = 0.0;
            for copy in copies {
                let mut start = 0;
                for &end in &self.encoded.ends {
                    let sum = self.reader.sum_numbers(&copy[start..end], BLOCK).unwrap();
                    total += sum.map_or(0.0, |(sum, exponent)| decimal_sum(sum, exponent));
                    start = end;
                }
            }
            total
        }))
    }
}

/// The total of `part` over even parts, a thread each.
fn shared_out<T: Sync>(all: &[T], threads: usize, part: impl Fn(&[T]) -> f64 + Sync) -> f64 {
    if threads == 1 {
        return part(all);
    }
    std::thread::scope(|scope| {
        let parts = all.chunks(all.len().div_ceil(threads));
        let running: Vec<_> = parts.map(|values| scope.spawn(|| part(values))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// Measures and prints.
pub(crate) fn measure(options: &Options) -> Value {
    let mut lines: Vec<(String, f64, [f64; 3])> = Vec::new();
    if options.wants("sum plain doubles") {
        let cached = vec![0.1; CHUNK];
        let plain: Vec<f64> = (0..MEMORY / 8).map(|at| at as f64).collect();
        let from_memory = |threads| {
            speed(plain.len(), || {
                black_box(shared_out(black_box(&plain), threads, sum));
            })
        };
        let in_cache = speed(CHUNK, || {
            black_box(sum(black_box(&cached)));
        });
        let speeds = [in_cache, from_memory(1), from_memory(2)];
        lines.push(("sum plain doubles".to_owned(), 64.0, speeds));
    }
    for (name, encoded) in kernels::doubles() {
        let (name, bits) = (format!("sum {name}"), encoded.size() as f64 * 8.0 / CHUNK as f64);
        if !options.wants(&name) {
            continue;
        }
        let cached = Copies::of(encoded.clone(), 1);
        let in_cache = speed(cached.values(), || {
            black_box(black_box(&cached).sum(1));
        });
        let copies = Copies::of(encoded, MEMORY);
        let from_memory = |threads| {
            speed(copies.values(), || {
                black_box(black_box(&copies).sum(threads));
            })
        };
        let fused = name.replacen("sum", "fused", 1);
        lines.push((name, bits, [in_cache, from_memory(1), from_memory(2)]));
        if cached.fused(1).is_some() {
            let of = |copies: &Copies, threads| {
                speed(copies.values(), || {
                    black_box(black_box(copies).fused(threads));
                })
            };
            lines.push((fused, bits, [of(&cached, 1), of(&copies, 1), of(&copies, 2)]));
        }
    }
    if !lines.is_empty() {
        let heads = ["bits", "in L2", "memory", "memory, 2 threads"];
        let table = Table::new("Sums, M values/s", 44, &heads);
        for (name, bits, speeds) in &lines {
            let mut cells = vec![figure(*bits, 2)];
            cells.extend(speeds.iter().map(|speed| figure(*speed, 0)));
            table.line(name, &cells);
        }
    }
    let lines = lines.into_iter().map(|(name, bits, [cache, one, two])| {
        json!({"name": name, "bits": bits, "cache": cache, "memory": one, "memory_2": two})
    });
    lines.collect()
}
