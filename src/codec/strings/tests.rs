#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use proptest::prelude::*;

use super::*;
use crate::codec::testing::{hostile, noise, strings};
use crate::codec::whole_blocks;

fn decoded(encoded: &Encoded, shared: &[u8], ends: &[usize]) -> Result<StrValues> {
    let reader = Strings::open(encoded.encoding, shared)?;
    let (mut out, mut start) = (StrValues::default(), 0);
    for (block, &end) in ends.iter().enumerate() {
        reader.decode(encoded.block(block), end - start, &mut out)?;
        start = end;
    }
    Ok(out)
}

#[track_caller]
fn check(values: &StrValues, ends: &[usize]) -> Encoded {
    let chosen = encode(values, ends);
    assert_eq!(&decoded(&chosen, &chosen.shared, ends).unwrap(), values);
    for encoded in listed(values, ends).into_iter().chain([plain(values, ends)]) {
        assert_eq!(&decoded(&encoded, &encoded.shared, ends).unwrap(), values);
    }
    chosen
}

fn form(encoded: &Encoded) -> &'static str {
    let reader = Strings::open(encoded.encoding, &encoded.shared).unwrap();
    if reader.detail() == "plain" { "plain" } else { "list" }
}

/// Every damage to what is shared and to each block, in both forms.
fn hostile_to(values: &StrValues, ends: &[usize]) {
    for encoded in listed(values, ends).into_iter().chain([plain(values, ends)]) {
        hostile(&encoded.shared, values.len(), |shared| {
            decoded(&encoded, shared, ends).map(|out| out.len())
        });
        let reader = Strings::open(encoded.encoding, &encoded.shared).unwrap();
        let mut start = 0;
        for (block, &end) in ends.iter().enumerate() {
            hostile(encoded.block(block), end - start, |bytes| {
                let mut out = StrValues::default();
                out.push("before");
                let result = reader.decode(bytes, end - start, &mut out);
                assert!(result.is_ok() || out.len() == 1, "left as it was");
                assert_eq!(out.get(0), "before");
                result.map(|()| out.len() - 1)
            });
            start = end;
        }
    }
}

/// Strings with much in common at their fronts, cut anywhere between characters or inside.
fn fronts(most: usize) -> impl Strategy<Value = Vec<String>> {
    let word = proptest::sample::select(&["/", "a", "é", "è", "user", "🦀", "🦁"][..]);
    let path = prop::collection::vec(word, 0..9).prop_map(|words| words.concat());
    prop::collection::vec(path, 0..most)
}

fn blocks(n: usize, cut: usize) -> Vec<usize> {
    let cut = cut.min(n);
    let rest = whole_blocks(n - cut).into_iter().map(|end| end + cut);
    [0, cut].into_iter().chain(rest).collect()
}

proptest! {
    #[test]
    fn every_string_comes_back(
        values in prop_oneof![strings(2600), fronts(2600)],
        cut in 0..1024usize,
    ) {
        check(&values.iter().collect(), &blocks(values.len(), cut));
    }

    #[test]
    fn hostile_bytes(values in prop_oneof![strings(24), fronts(24)], cut in 0..12usize) {
        hostile_to(&values.iter().collect(), &blocks(values.len(), cut));
    }

    #[test]
    fn noise_is_no_value(
        head in 0..40u8,
        noise in prop::collection::vec(any::<u8>(), 0..200),
        n in 0..200usize,
    ) {
        let bytes: Vec<u8> = std::iter::once(head).chain(noise).collect();
        if let Ok(table) = Table::read(&bytes, n) {
            prop_assert_eq!(table.len(), n);
        }
        if let Ok(reader) = Strings::open(Encoding::Strings, &bytes) {
            prop_assert!(reader.detail().contains(" value"));
        }
    }
}

/// Two bits that tell how a table is written.
fn written(values: &[&str]) -> (u64, Vec<u8>) {
    let mut bytes = Vec::new();
    table::write(values, &mut bytes);
    let head = varint::read(&mut &bytes[..]).unwrap();
    (head & 3, bytes)
}

#[test]
fn all_four_tables_are_reached_and_stand_damage() {
    let plain = vec!["a".to_owned(), "bc".to_owned(), "ç".to_owned()];
    // Nothing that LZ4 finds again.
    let token = |i: u64| (0..12u64).map(move |j| char::from(33 + (noise(12 * i + j) % 94) as u8));
    let front = (0..20).map(|i| "https://example.org/".chars().chain(token(i)).collect()).collect();
    let plain_lz4 = (0..30).map(|i| format!("{} is the node of rack-17", i * 7 % 10)).collect();
    let front_lz4 = (0..40).map(|i| format!("node-{i:03}.rack-17.example.org/status")).collect();
    let tables: [Vec<String>; 4] = [plain, front, plain_lz4, front_lz4];
    for (form, values) in tables.iter().enumerate() {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let (got, bytes) = written(&values);
        assert_eq!(got, form as u64);
        let table = Table::read(&bytes, values.len()).unwrap();
        assert!((0..values.len()).map(|at| table.get(at)).eq(values.iter().copied()));
        hostile(&bytes, values.len(), |bytes| Ok(Table::read(bytes, values.len())?.len()));
        hostile_to(&values.iter().collect(), &blocks(values.len(), 10));
    }
}

#[test]
fn a_list_of_several_blocks_stands_damage() {
    let values: StrValues = (0..1100).map(|i| format!("order-{i:06}")).collect();
    let ends = whole_blocks(1100);
    let encoded = check(&values, &ends);
    assert_eq!(form(&encoded), "list");
    hostile(&encoded.shared, 1100, |shared| Ok(decoded(&encoded, shared, &ends)?.len()));
}

#[test]
fn edges_come_back() {
    for ends in [vec![], vec![0], vec![0, 0]] {
        assert_eq!(check(&StrValues::default(), &ends).size(), 0);
    }
    let long = "long ".repeat(13_107);
    let lengths: Vec<String> = (0..60).map(|i| long[..long.len() - i].to_owned()).collect();
    let unlike: Vec<String> = (0..8u64)
        .map(|i| (0..4096).map(|j| format!("{:016x}", noise(i << 20 | j))).collect())
        .collect();
    for values in [vec![String::new(); 3000], vec![long; 1500], lengths, unlike] {
        check(&values.iter().collect(), &whole_blocks(values.len()));
    }
}

#[test]
fn more_distinct_strings_than_a_chunk_has_are_written_plain() {
    let values: StrValues = (0..=MOST_LISTED).map(|i| format!("order-{i:06}")).collect();
    assert_eq!(form(&check(&values, &whole_blocks(values.len()))), "plain");
}

#[test]
fn a_table_that_would_grow_too_far_is_not_front_coded() {
    let long = "x".repeat(60_000);
    let values: Vec<&str> = (1..=200).map(|i| &long[..59_000 + i]).collect();
    let total: usize = values.iter().map(|value| value.len()).sum();
    let (form, bytes) = written(&values);
    assert_eq!(form, 2, "LZ4 alone");
    assert!(bytes.len() < total / 200);
}

/// A table with these numbers in front and `text` behind, whatever they say.
fn forged(form: u64, announced: Option<u64>, blocks: &[&[i64]], text: &[u8]) -> Vec<u8> {
    let mut section = Vec::new();
    announced.inspect(|&total| varint::write(total, &mut section));
    for (at, lengths) in blocks.iter().enumerate() {
        let mut block = Vec::new();
        integers::encode(lengths, &mut block);
        if at + 1 < blocks.len() {
            varint::write(block.len() as u64, &mut section);
        }
        section.extend_from_slice(&block);
    }
    let mut bytes = Vec::new();
    varint::write((section.len() as u64) << 2 | form, &mut bytes);
    bytes.extend_from_slice(&section);
    bytes.extend_from_slice(text);
    bytes
}

#[track_caller]
fn refused(bytes: &[u8], n: usize, why: &str) {
    let error = Table::read(bytes, n).map(|table| table.len()).unwrap_err();
    assert!(matches!(error, Error::Corrupt(_)) && error.to_string().contains(why), "{error}");
}

#[test]
fn great_sizes_are_refused_before_room_is_made() {
    assert!(Table::read(&forged(0, None, &[&[2, 1]], b"abc"), 2).is_ok());
    assert!(Table::read(&forged(1, Some(4), &[&[0, 1], &[2, 1]], b"abc"), 2).is_ok());
    let packed = [0; 100];
    refused(&forged(2, None, &[&[25_501]], &packed), 1, "out of 100 under LZ4");
    refused(&forged(2, None, &[&[u32::MAX.into(), 1]], &packed), 2, "past 4 GiB");
    refused(&forged(0, None, &[&[1 << 32]], &packed), 1, "a length past 4 GiB");
    refused(&forged(0, None, &[&[-1, 4]], &packed), 2, "a length past 4 GiB");
    // Front coded: every string repeats the one before.
    let mut fronts = vec![1000; 1000];
    fronts[0] = 0;
    let mut backs = vec![0; 1000];
    backs[0] = 1000;
    let honest = forged(1, Some(1_000_000), &[&fronts, &backs], &[b'z'; 1000]);
    assert!(Table::read(&honest, 1000).is_ok());
    let untrue = forged(1, Some(999_999), &[&fronts, &backs], &[b'z'; 1000]);
    refused(&untrue, 1000, "999999 bytes, front coded");
    let packed = lz4_flex::block::compress(&[b'z'; 1000]);
    let grown = forged(3, Some(1_000_000), &[&fronts, &backs], &packed);
    refused(&grown, 1000, "1000000 bytes, front coded");
    refused(&forged(1, Some(4), &[&[0, 2], &[1, 1]], b"ab"), 2, "a front of 2 bytes");
}

#[test]
fn what_is_not_a_column_of_strings_is_refused() {
    let mut out = StrValues::default();
    let plain = Strings::open(Encoding::Strings, &[]).unwrap();
    assert!(plain.decode(&[0], 0, &mut out).is_err());
    assert!(matches!(plain.decode(&[], MOST + 1, &mut out), Err(Error::Internal(_))));
    assert!(Strings::open(Encoding::Integers, &[]).is_err());
    for listed in [0, MOST_LISTED as u64 + 1, u64::MAX] {
        let mut shared = Vec::new();
        varint::write(listed, &mut shared);
        shared.extend(forged(0, None, &[&[1]], b"a"));
        assert!(Strings::open(Encoding::Strings, &shared).is_err());
    }
    refused(&forged(0, None, &[&[1]], b"\xff"), 1, "utf-8");
    refused(&forged(0, None, &[&[1, 1]], "ç".as_bytes()), 2, "inside a character");
    refused(&forged(0, None, &[&[1, 1]], b"abc"), 2, "3 bytes of text where 2 belong");
    let values: StrValues = ["up", "down", "up"].iter().collect();
    let list = listed(&values, &[3]).unwrap();
    let reader = Strings::open(list.encoding, &list.shared).unwrap();
    for place in [-1, 2, i64::MIN] {
        let mut block = Vec::new();
        integers::encode(&[0, place, 1], &mut block);
        assert!(reader.decode(&block, 3, &mut out).is_err());
    }
    assert!(out.is_empty());
}

fn host(i: u64) -> String {
    format!("host_{}", noise(i) % 1000)
}

fn url(i: u64) -> String {
    let r = noise(i);
    let page = noise((r % 300) * ((r >> 32) % 300) / 20);
    let section = ["articles", "products", "users/profile", "search"][(page % 4) as usize];
    format!("https://www.example.com/{section}/{}?ref={}", page % 100_000, page % 7)
}

fn line(i: u64) -> String {
    let r = noise(i);
    let (worker, job, ms) = (r % 16, i + r % 5, (r >> 20) % 5000);
    match r % 5 {
        0 => format!("worker-{worker}: job {job} started"),
        1 | 2 => format!("worker-{worker}: job {job} finished in {ms} ms"),
        3 => format!("connection from 10.0.{}.{} accepted", (r >> 8) % 4, (r >> 16) % 256),
        _ => format!("cache miss for key user:{} after {ms} us", (r >> 24) % 50_000),
    }
}

fn uuid(i: u64) -> String {
    let (a, b) = (noise(2 * i), noise(2 * i + 1));
    let (a3, b2) = (a >> 16 & 0xffff, b & 0xffff_ffff_ffff);
    format!("{:08x}-{a3:04x}-4{:03x}-{:04x}-{b2:012x}", a >> 32, a & 0xfff, b >> 48)
}

#[test]
fn strings_of_each_kind_take_the_form_and_the_size_that_suit_them() {
    let n = 16_384;
    for (name, make, wanted, most) in [
        ("hosts", (|i| host(i)) as fn(u64) -> String, "list", 1.30),
        ("urls", url, "list", 2.65),
        ("log lines", line, "list", 8.20),
        ("uuids", uuid, "plain", 34.8),
        ("uuids of 4,096", |i| uuid(noise(i) % 4096), "list", 10.2),
        ("orders", |i| format!("order-{i:010}"), "list", 0.35),
        ("one name", |_| "host_17".to_owned(), "list", 0.01),
    ] {
        let values: StrValues = (0..n).map(make).collect();
        let encoded = check(&values, &whole_blocks(values.len()));
        let bytes = encoded.size() as f64 / n as f64;
        assert_eq!(form(&encoded), wanted, "{name}");
        assert!(bytes < most, "{name}: {bytes} bytes a string");
    }
}

#[test]
fn short_columns_stay_tiny() {
    for (values, most) in [
        (vec!["ok"], 5),
        (vec!["ok"; 20], 8),
        (vec!["ok", "ok", "degraded", "ok", "error", "ok"], 27),
        (vec!["host_3", "host_14", "host_15", "host_92", "host_65"], 34),
        (vec![""; 9], 6),
    ] {
        let size = check(&values.iter().collect(), &[values.len()]).size();
        assert!(size <= most, "{size} bytes for {values:?}");
    }
}
