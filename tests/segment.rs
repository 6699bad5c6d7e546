//! The segment format: what version 1 wrote is read for good, and no damage passes.

use std::sync::Arc;

use kymograph::chunk::CHUNK_ROWS;
use kymograph::model::{
    Column, Duplicates, FieldDef, FieldType, SeriesKey, StrValues, TableSchema, Values,
};
use kymograph::storage::manifest::{SegmentMeta, Tier};
use kymograph::storage::rewrite::{Coding, encode_rows};
use kymograph::storage::segment::{EncodedGroup, EncodedSeries, Segment, SegmentWriter};
use kymograph::storage::vfs::{MemoryStore, Store};
use kymograph::{Error, Result};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/segment/v1.seg");

fn schema() -> Arc<TableSchema> {
    let field = |name: &str, ty| FieldDef { name: name.to_owned(), ty };
    let fields = vec![field("usage", FieldType::F64), field("state", FieldType::Str)];
    let tags = vec!["host".to_owned(), "rack".to_owned()];
    Arc::new(TableSchema::new("cpu", tags, fields, Duplicates::Keep, None).expect("a schema"))
}

/// Series 0 has one chunk of both fields and two of the first; series 1 has none of the tags.
fn write(store: &MemoryStore) -> Result<SegmentMeta> {
    let times =
        |from: i64, rows: usize| (0..rows as i64).map(|i| from + 10 * i).collect::<Vec<_>>();
    let floats =
        |rows: usize| Column::new(Values::F64((0..rows).map(|i| i as f64 / 8.0).collect()));
    let mut texts = StrValues::default();
    ["up", "down", "", "up"].into_iter().for_each(|text| texts.push(text));
    let group = |fields: &[usize], times: &[i64], columns: &[Column]| -> Result<EncodedGroup> {
        Ok(EncodedGroup {
            fields: Arc::from(fields),
            chunks: encode_rows(times, columns, Coding::default())?,
        })
    };
    let object = store.create(&SegmentMeta::path(&meta(0)))?;
    let mut writer = SegmentWriter::new(object, schema())?;
    writer.add(&EncodedSeries {
        key: Arc::new(SeriesKey::new([None::<&str>, None])),
        groups: vec![group(&[0], &times(5, 3), &[floats(3)])?],
    })?;
    writer.add(&EncodedSeries {
        key: Arc::new(SeriesKey::new([Some("web01"), None])),
        groups: vec![
            group(&[0, 1], &times(0, 4), &[floats(4), Column::new(Values::Str(texts))])?,
            group(&[0], &times(1, CHUNK_ROWS + 5), &[floats(CHUNK_ROWS + 5)])?,
        ],
    })?;
    let written = writer.finish()?.expect("it has rows");
    Ok(SegmentMeta {
        bytes: written.bytes,
        rows: written.rows,
        points: written.points,
        series: written.series,
        first_time: written.first_time,
        last_time: written.last_time,
        ..meta(0)
    })
}

fn meta(bytes: u64) -> SegmentMeta {
    SegmentMeta {
        id: 1,
        order: 1,
        erased: 0,
        bytes,
        rows: CHUNK_ROWS as u64 + 12,
        points: CHUNK_ROWS as u64 + 16,
        series: 2,
        first_time: 0,
        last_time: 10 * (CHUNK_ROWS as i64 + 4) + 1,
        cold: false,
        tier: Tier::Local,
        file: String::new(),
    }
}

fn open(bytes: &[u8]) -> Result<Segment> {
    let store = MemoryStore::new();
    let meta = meta(bytes.len() as u64);
    store.overwrite(&meta.path(), bytes);
    Segment::open(Arc::new(store), Arc::new(meta))
}

/// The fixture; written anew with `KYMOGRAPH_BLESS=1`, which only a new format version may do.
fn fixture() -> Vec<u8> {
    if std::env::var_os("KYMOGRAPH_BLESS").is_some() {
        let store = MemoryStore::new();
        let path = write(&store).expect("a segment").path();
        let bytes = store.read(&path).expect("it was written");
        std::fs::create_dir_all(std::path::Path::new(FIXTURE).parent().expect("a folder"))
            .and_then(|()| std::fs::write(FIXTURE, bytes))
            .expect("a folder to write to");
    }
    std::fs::read(FIXTURE).expect("the fixture is part of the repository")
}

fn content(segment: &Segment) -> Result<()> {
    segment.check_table(&schema())?;
    assert_eq!((segment.series_count(), segment.chunk_count()), (2, 4));
    let web = SeriesKey::new([Some("web01"), None]);
    assert_eq!(segment.series_key(0, 2)?, SeriesKey::new([None::<&str>, None]));
    assert_eq!(segment.series_key(1, 3)?, SeriesKey::new([Some("web01"), None, None]));
    assert_eq!(segment.find(&web)?, Some(1));
    assert_eq!(segment.find(&SeriesKey::new([Some("web02"), None]))?, None);
    assert_eq!(segment.series_id(1)?, web.id("cpu", &schema().tags));
    let select = |tag: usize, value: Option<&str>| {
        let any_of = [(tag, vec![value.map(str::to_owned)])];
        segment.select(&any_of).map(|found| found.map(|f| f.iter().collect::<Vec<_>>()))
    };
    assert_eq!(select(0, Some("web01"))?, Some(vec![1]));
    assert_eq!(select(0, None)?, Some(vec![0]));
    assert_eq!(select(1, None)?, Some(vec![0, 1]));
    assert_eq!(select(2, Some("new"))?, Some(vec![]));
    assert_eq!((segment.chunks_of(0)?, segment.chunks_of(1)?), (0..1, 1..4));
    let both = segment.read_chunk(1)?;
    let (mut times, mut texts) = (Vec::new(), Column::empty(FieldType::Str));
    both.decode_times(0, &mut times)?;
    both.decode_column(1, 0, &mut texts)?;
    assert_eq!(times, [0, 10, 20, 30]);
    let Values::Str(texts) = texts.values else { panic!("strings") };
    assert_eq!((0..4).map(|i| texts.get(i)).collect::<Vec<_>>(), ["up", "down", "", "up"]);
    let sum = segment.sums(2, 0, FieldType::F64, 0, 2)?.flatten();
    let Some(kymograph::chunk::Stats::F64(sum)) = sum else { panic!("a run of two chunks") };
    assert_eq!(sum.count, CHUNK_ROWS as u64 + 5);
    assert_eq!(sum.ends.last, (CHUNK_ROWS + 4) as f64 / 8.0);
    assert!(segment.verify().is_empty());
    Ok(())
}

#[test]
fn what_version_1_wrote_is_read() -> Result<()> {
    content(&open(&fixture())?)
}

#[test]
fn what_is_written_now_is_read() -> Result<()> {
    let store = MemoryStore::new();
    let meta = write(&store)?;
    content(&Segment::open(Arc::new(store), Arc::new(meta))?)
}

#[test]
fn every_flipped_byte_is_found() {
    let bytes = fixture();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        match open(&damaged) {
            Ok(segment) => assert!(!segment.verify().is_empty(), "byte {at}"),
            Err(Error::Corrupt(message)) => assert!(message.contains("segment/"), "{message}"),
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}

#[test]
fn every_truncation_is_found() {
    let bytes = fixture();
    for len in 0..bytes.len() {
        // Neither with the manifest's size nor with one that goes along.
        assert!(open(&bytes[..len]).is_err(), "cut to {len}");
    }
}

/// The fixture with its footer's JSON changed and its checksum right.
fn with_footer(change: &dyn Fn(&mut serde_json::Value)) -> Vec<u8> {
    let bytes = fixture();
    let trailer = bytes.len() - 16;
    let len = u32::from_le_bytes(bytes[trailer..trailer + 4].try_into().expect("four")) as usize;
    let mut footer = serde_json::from_slice(&bytes[trailer - len..trailer]).expect("JSON");
    change(&mut footer);
    let footer = serde_json::to_vec(&footer).expect("JSON");
    let mut out = bytes[..trailer - len].to_vec();
    out.extend_from_slice(&footer);
    out.extend_from_slice(&(footer.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&footer).to_le_bytes());
    out.extend_from_slice(&bytes[trailer + 8..]);
    out
}

#[test]
fn hostile_footers_are_refused_at_the_open() {
    assert!(open(&with_footer(&|_| {})).is_ok());
    let numbers = [0u64, 1, 3, 5, 1 << 20, 1 << 32, (1 << 61) + 1, i64::MAX as u64, u64::MAX];
    let refused =
        |what: &str, change: &dyn Fn(&mut serde_json::Value)| match open(&with_footer(change)) {
            Err(Error::Corrupt(_)) => {}
            Err(error) => panic!("{what}: {error}"),
            Ok(_) => panic!("{what}: opened"),
        };
    for number in numbers {
        for count in ["series", "chunks", "rows", "points"] {
            refused(count, &|footer| footer[count] = number.into());
        }
        for section in ["series_table", "chunk_directory"] {
            refused(section, &|footer| footer[section]["len"] = number.into());
        }
    }
    for number in &numbers[5..] {
        for section in ["series_table", "chunk_directory", "sums"] {
            refused(section, &|footer| footer[section]["offset"] = (*number).into());
        }
        refused("group", &|footer| footer["groups"][0][0] = (*number).into());
        refused("dictionary", &|footer| footer["dictionaries"][0]["len"] = (*number).into());
    }
    refused("group", &|footer| footer["groups"][0] = serde_json::json!([0, 0]));
    refused("tags", &|footer| footer["tags"] = serde_json::json!(["host"]));
    refused("tags", &|footer| footer["tags"] = serde_json::json!(["host", "rack", "more"]));
    refused("postings", &|footer| footer["postings"] = serde_json::json!([]));
    refused("series and its table", &|footer| {
        footer["series"] = (u64::MAX / 28 + 2).into();
        footer["series_table"]["len"] = 40.into();
    });
}

#[test]
fn a_segment_of_another_table_is_not_mistaken_for_one_of_this() -> Result<()> {
    let segment = open(&fixture())?;
    let mut other = TableSchema::clone(&schema());
    other.name = "mem".to_owned();
    assert!(matches!(segment.check_table(&other), Err(Error::Corrupt(_))));
    let mut other = TableSchema::clone(&schema());
    other.fields[0].ty = FieldType::I64;
    assert!(matches!(segment.check_table(&other), Err(Error::Corrupt(_))));
    Ok(())
}
