//! Bits a time, beside pco and Gorilla's differences of differences.

use std::hint::black_box;
use std::path::Path;

use kymograph::codec::{Effort, Times, encode_times};
use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress_into};
use serde_json::{Value, json};

use crate::data::{self, Random};
use crate::rivals::ends;
use crate::table::{Table, figure};
use crate::timing::{mean, speed};
use crate::{CHUNK, Options};

const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1_000_000_000;
const START: i64 = 1_451_606_400 * SECOND;

/// Times of one kind, nanoseconds.
pub(crate) struct Stream {
    name: String,
    times: Vec<i64>,
    /// Nanoseconds of what Gorilla counts in.
    unit: i64,
}

/// A chunk each of generated streams, and the times of the Numenta Anomaly Benchmark.
pub(crate) fn streams(folder: Option<&Path>) -> Vec<Stream> {
    let mut random = Random(21);
    let mut stream = |name: &str, unit, time: &mut dyn FnMut(&mut Random, i64) -> i64| Stream {
        name: format!("times {name}"),
        times: (0..CHUNK as i64).map(|at| START + time(&mut random, at)).collect(),
        unit,
    };
    let (mut minutes, mut arrivals, mut gaps) = (0, 0.0, 0);
    let mut found = vec![
        stream("every 10 s", SECOND, &mut |_, at| at * 10 * SECOND),
        stream("every 10 s, one in 1,000 missing", SECOND, &mut |r, _| {
            gaps += if r.below(1000) == 0 { 2 } else { 1 };
            gaps * 10 * SECOND
        }),
        stream("every 15 s within 2 ms", MILLISECOND, &mut |r, at| {
            at * 15 * SECOND + (r.below(5) - 2) * MILLISECOND
        }),
        stream("1 to 12 whole minutes apart", SECOND, &mut |r, _| {
            minutes += 1 + r.below(12);
            minutes * 60 * SECOND
        }),
        stream("Poisson, 1 a second, in microseconds", MICROSECOND, &mut |r, _| {
            arrivals -= (1.0 - r.unit()).ln() * 1e6;
            arrivals as i64 * MICROSECOND
        }),
    ];
    for path in folder.map(data::nab).unwrap_or_default() {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let times: Vec<i64> =
            text.lines().skip(1).filter_map(|line| parsed(line.get(..19)?)).collect();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        found.push(Stream { name: format!("times nab/{name}"), times, unit: SECOND });
    }
    found.retain(|stream| !stream.times.is_empty());
    found
}

/// Nanoseconds of `YYYY-MM-DD HH:MM:SS`; days by H. Hinnant's `days_from_civil` (2013).
fn parsed(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * SECOND)
}

/// Bits of Gorilla's times (T. Pelkonen et al., VLDB 2015, section 4.1.1) in units: a header of
/// 64, a first difference of 14, then differences of differences; no end of a block.
fn gorilla_bits(times: &[i64], unit: i64) -> usize {
    let differences: Vec<i64> =
        times.array_windows::<2>().map(|[before, after]| (after - before) / unit).collect();
    let changes = differences.array_windows::<2>().map(|[before, after]| after - before);
    let bits = changes.map(|change| match change {
        0 => 1,
        -63..=64 => 2 + 7,
        -255..=256 => 3 + 9,
        -2047..=2048 => 4 + 12,
        _ => 4 + 32,
    });
    64 + if differences.is_empty() { 0 } else { 14 } + bits.sum::<usize>()
}

struct Line {
    name: String,
    n: usize,
    /// Bytes of the hot form.
    bytes: usize,
    /// HOT, COLD, pco 12, Gorilla.
    bits: [f64; 4],
    /// HOT, COLD, pco 12.
    decode: [f64; 3],
    encode: f64,
}

fn line(stream: &Stream) -> Line {
    let (times, n) = (&stream.times, stream.times.len());
    let ends = ends(n);
    let bits = |bytes: usize| bytes as f64 * 8.0 / n as f64;
    let ours = |effort| {
        let encoded = encode_times(times, effort);
        let decode = |out: &mut Vec<i64>| {
            let reader = Times::open(encoded.encoding, &encoded.shared).unwrap();
            let mut start = 0;
            for (block, &end) in ends.iter().enumerate() {
                reader.decode(black_box(encoded.block(block)), start..end, out).unwrap();
                start = end;
            }
        };
        let mut out = Vec::with_capacity(n);
        decode(&mut out);
        assert!(out == *times, "{}: other times came back", stream.name);
        let decode = speed(n, || {
            out.clear();
            decode(&mut out);
            black_box(&out);
        });
        (encoded.size(), decode)
    };
    let (hot, hot_decode) = ours(Effort::Hot);
    let (cold, cold_decode) = ours(Effort::Cold);
    let config = ChunkConfig::default().with_compression_level(12);
    let pco = simple_compress(times, &config).unwrap();
    let mut out = vec![0i64; n];
    simple_decompress_into(&pco, &mut out).unwrap();
    assert!(out == *times, "{}: pco gives other times", stream.name);
    let pco_decode = speed(n, || {
        simple_decompress_into(black_box(&pco), &mut out).unwrap();
        black_box(&out);
    });
    let gorilla = gorilla_bits(times, stream.unit) as f64 / n as f64;
    Line {
        name: stream.name.clone(),
        n,
        bytes: hot,
        bits: [bits(hot), bits(cold), bits(pco.len()), gorilla],
        decode: [hot_decode, cold_decode, pco_decode],
        encode: speed(n, || {
            black_box(encode_times(black_box(times), Effort::Hot));
        }),
    }
}

/// Measures and prints.
pub(crate) fn measure(streams: &[Stream], options: &Options) -> Value {
    let wanted = streams.iter().filter(|stream| options.wants(&stream.name));
    let lines: Vec<Line> = wanted.map(line).collect();
    if !lines.is_empty() {
        let heads = [
            "times",
            "HOT",
            "COLD",
            "pco 12",
            "gorilla",
            "HOT bytes",
            "HOT enc",
            "HOT dec",
            "COLD dec",
            "pco dec",
        ];
        let table = Table::new("Times: bits a time; M times/s", 44, &heads);
        for line in &lines {
            let mut cells = vec![line.n.to_string()];
            cells.extend(line.bits.map(|bits| figure(bits, 3)));
            cells.push(line.bytes.to_string());
            cells.push(figure(line.encode, 0));
            cells.extend(line.decode.map(|speed| figure(speed, 0)));
            table.line(&line.name, &cells);
        }
        let nab: Vec<&Line> = lines.iter().filter(|line| line.name.contains("nab/")).collect();
        if !nab.is_empty() {
            let mut cells = vec![nab.len().to_string()];
            let bits = |at: usize| mean(&nab.iter().map(|line| line.bits[at]).collect::<Vec<_>>());
            cells.extend((0..4).map(|at| figure(bits(at), 3)));
            table.line("mean of nab", &cells);
        }
    }
    let lines = lines.into_iter().map(|line| {
        let ([hot, cold, pco, gorilla], [hot_decode, cold_decode, pco_decode]) =
            (line.bits, line.decode);
        json!({
            "name": line.name, "times": line.n, "bytes": line.bytes, "encode": line.encode,
            "bits": {"HOT": hot, "COLD": cold, "pco 12": pco, "gorilla": gorilla},
            "decode": {"HOT": hot_decode, "COLD": cold_decode, "pco 12": pco_decode},
        })
    });
    lines.collect()
}
