//! A codec's size and speed on one series: ours, pco, zstd.

use std::hint::black_box;

use kymograph::codec::{Choice, Doubles, Encoded, encode_f64};
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress_into};

use crate::timing::speed;
use crate::{BLOCK, CHUNK};

/// What was measured.
pub(crate) struct Measured {
    /// The encoding of each chunk, in the order of first use.
    pub(crate) encodings: Vec<&'static str>,
    /// Bits a value.
    pub(crate) bits: f64,
    /// Million values a second; NaN where it was not measured.
    pub(crate) encode: f64,
    /// Million values a second, what blocks share opened with them.
    pub(crate) decode: f64,
}

/// Where the blocks of `n` values end.
pub(crate) fn ends(n: usize) -> Vec<usize> {
    (1..=n.div_ceil(BLOCK)).map(|block| (block * BLOCK).min(n)).collect()
}

fn bits(bytes: usize, n: usize) -> f64 {
    bytes as f64 * 8.0 / n as f64
}

/// Calls `block` with each block of a column, decoded into one buffer.
pub(crate) fn each_block(encoded: &Encoded, ends: &[usize], mut block: impl FnMut(&[f64])) {
    let reader = Doubles::open(encoded.encoding, &encoded.shared).unwrap();
    let (mut out, mut start) = (Vec::with_capacity(BLOCK), 0);
    for (at, &end) in ends.iter().enumerate() {
        out.clear();
        reader.decode(encoded.block(at), end - start, &mut out).unwrap();
        block(&out);
        start = end;
    }
}

/// Our own, by an effort and perhaps in one encoding.
pub(crate) fn ours(values: &[f64], choice: Choice) -> Measured {
    let chunks: Vec<(&[f64], Vec<usize>)> =
        values.chunks(CHUNK).map(|chunk| (chunk, ends(chunk.len()))).collect();
    let encode = || -> Vec<Encoded> {
        chunks.iter().map(|(chunk, ends)| encode_f64(chunk, ends, choice).unwrap()).collect()
    };
    let encoded = encode();
    let mut encodings = Vec::new();
    for ((chunk, ends), encoded) in chunks.iter().zip(&encoded) {
        let mut at = 0;
        each_block(encoded, ends, |block| {
            same(block, &chunk[at..at + block.len()]);
            at += block.len();
        });
        assert_eq!(at, chunk.len());
        if !encodings.contains(&encoded.encoding.name()) {
            encodings.push(encoded.encoding.name());
        }
    }
    Measured {
        encodings,
        bits: bits(encoded.iter().map(Encoded::size).sum(), values.len()),
        encode: speed(values.len(), || {
            black_box(encode());
        }),
        decode: speed(values.len(), || {
            for ((_, ends), encoded) in chunks.iter().zip(&encoded) {
                each_block(black_box(encoded), ends, |block| {
                    black_box(block);
                });
            }
        }),
    }
}

/// pco's simple form of doubles, at a level.
pub(crate) fn pco(values: &[f64], level: usize) -> Measured {
    let config = ChunkConfig::default().with_compression_level(level);
    let chunks: Vec<Vec<u8>> =
        values.chunks(CHUNK).map(|chunk| simple_compress(chunk, &config).unwrap()).collect();
    let mut out = vec![0.0; CHUNK];
    for (chunk, bytes) in values.chunks(CHUNK).zip(&chunks) {
        simple_decompress_into(bytes, &mut out[..chunk.len()]).unwrap();
        same(&out[..chunk.len()], chunk);
    }
    Measured {
        encodings: Vec::new(),
        bits: bits(chunks.iter().map(Vec::len).sum(), values.len()),
        encode: f64::NAN,
        decode: speed(values.len(), || {
            for bytes in &chunks {
                simple_decompress_into(black_box(bytes), &mut out).unwrap();
                black_box(&out);
            }
        }),
    }
}

/// zstd on the bytes of doubles, at a level.
pub(crate) fn zstd(values: &[f64], level: i32) -> Measured {
    let raw: Vec<Vec<u8>> = values
        .chunks(CHUNK)
        .map(|chunk| chunk.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let chunks: Vec<Vec<u8>> =
        raw.iter().map(|chunk| zstd::bulk::compress(chunk, level).unwrap()).collect();
    let mut out = vec![0; CHUNK * 8];
    let mut decompressor = zstd::bulk::Decompressor::new().unwrap();
    for (chunk, bytes) in raw.iter().zip(&chunks) {
        let n = decompressor.decompress_to_buffer(bytes, &mut out[..]).unwrap();
        assert!(out[..n] == chunk[..], "zstd: other bytes");
    }
    Measured {
        encodings: Vec::new(),
        bits: bits(chunks.iter().map(Vec::len).sum(), values.len()),
        encode: f64::NAN,
        decode: speed(values.len(), || {
            for bytes in &chunks {
                decompressor.decompress_to_buffer(black_box(&bytes[..]), &mut out[..]).unwrap();
                black_box(&out);
            }
        }),
    }
}

fn same(decoded: &[f64], values: &[f64]) {
    let equal = decoded.len() == values.len()
        && decoded.iter().zip(values).all(|(a, b)| a.to_bits() == b.to_bits());
    assert!(equal, "other values came back");
}
