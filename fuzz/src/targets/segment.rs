//! Any bytes as a segment: an error, or a segment of which everything can be asked. The first byte
//! says whether the rest is a whole file, or a footer's JSON behind some bytes of sections, which
//! then get a valid frame.

use std::sync::Arc;

use kymograph::model::{FieldType, SeriesKey};
use kymograph::storage::manifest::{SegmentMeta, Tier};
use kymograph::storage::segment::Segment;
use kymograph::storage::vfs::{MemoryStore, Store};
use serde_json::Value;

/// A file of the format's frame around sections and a footer.
fn framed(rest: &[u8]) -> Vec<u8> {
    let at = rest.iter().position(|byte| *byte == b'{').unwrap_or(rest.len());
    let (sections, footer) = rest.split_at(at);
    let mut file = b"KYSG\x01\0\0\0".to_vec();
    file.extend_from_slice(sections);
    // Section checksums are made right, so that what stands behind them is reached.
    let mut json: Value = serde_json::from_slice(footer).unwrap_or(Value::Null);
    let sum = |section: &mut Value| {
        let number = |key: &str| section[key].as_u64().and_then(|n| usize::try_from(n).ok());
        let range =
            number("offset").zip(number("len")).and_then(|(o, l)| Some(o..o.checked_add(l)?));
        if let Some(bytes) = range.and_then(|range| file.get(range)) {
            section["crc"] = crc32fast::hash(bytes).into();
        }
    };
    if let Some(footer) = json.as_object_mut() {
        for (name, value) in footer {
            match name.as_str() {
                "series_table" | "chunk_directory" | "sums" => sum(value),
                "dictionaries" | "postings" => {
                    value.as_array_mut().into_iter().flatten().for_each(sum);
                }
                _ => {}
            }
        }
    }
    let footer = if json.is_null() { footer.to_vec() } else { json.to_string().into_bytes() };
    file.extend_from_slice(&footer);
    file.extend_from_slice(&(footer.len() as u32).to_le_bytes());
    file.extend_from_slice(&crc32fast::hash(&footer).to_le_bytes());
    file.extend_from_slice(b"\x01\0\0\0KYSG");
    file
}

/// What the footer says of itself, so that the manifest agrees.
fn meta(file: &[u8]) -> SegmentMeta {
    let trailer = file.len().saturating_sub(16);
    let len =
        file.get(trailer..trailer + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
    let start = trailer.saturating_sub(len.unwrap_or(0) as usize);
    let footer: Value = serde_json::from_slice(&file[start..trailer]).unwrap_or(Value::Null);
    let count = |key: &str| footer[key].as_u64().unwrap_or(0);
    let time = |key: &str| footer[key].as_i64().unwrap_or(0);
    SegmentMeta {
        id: 1,
        order: 1,
        erased: 0,
        bytes: file.len() as u64,
        rows: count("rows"),
        points: count("points"),
        series: count("series"),
        first_time: time("first_time"),
        last_time: time("last_time"),
        cold: false,
        tier: Tier::Local,
        file: String::new(),
    }
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let file = if kind & 1 == 0 { rest.to_vec() } else { framed(rest) };
    let meta = Arc::new(meta(&file));
    let store = MemoryStore::new();
    let mut object = store.create(&meta.path()).expect("memory takes all");
    object.write_all(&file).expect("memory takes all");
    object.finish().expect("memory takes all");
    let Ok(segment) = Segment::open(Arc::new(store), Arc::clone(&meta)) else { return };
    let _ = segment.verify();
    let _ = segment.find(&SeriesKey::new([Some("a"), None]));
    let _ = segment.select(&[(0, vec![None, Some("a".to_owned())])]);
    for chunk in 0..segment.chunk_count().min(64) {
        let _ = segment.chunk_entry(chunk);
        for ty in [FieldType::F64, FieldType::I64, FieldType::Bool] {
            let _ = segment.sums(chunk, 0, ty, 0, 2);
        }
    }
}
