//! Hostile bytes under a good checksum: opening and reading everything never panics, and what
//! decodes has the rows that it should. What decodes whole is encoded again and must come back.
#![no_main]

use kymograph::Error;
use kymograph::chunk::Chunk;
use kymograph::model::Column;
use libfuzzer_sys::fuzz_target;

type Rows = (Vec<i64>, Vec<Column>);

fn corrupt<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Error::Corrupt(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Reads everything, even past what fails; `None` when anything did.
fn read(chunk: &Chunk) -> Option<Rows> {
    let mut times = Vec::new();
    let mut columns: Vec<Column> =
        (0..chunk.columns()).map(|c| Column::empty(chunk.column_type(c))).collect();
    let mut whole = true;
    for block in 0..chunk.blocks() {
        let (rows, before) = (chunk.block_rows(block).len(), times.len());
        let decoded = corrupt(chunk.decode_times(block, &mut times)).is_some();
        assert_eq!(times.len() - before, if decoded { rows } else { 0 });
        whole &= decoded;
        chunk.times_encoding(block);
        for (c, column) in columns.iter_mut().enumerate() {
            let before = column.len();
            let decoded = corrupt(chunk.decode_column(c, block, column)).is_some();
            assert_eq!(column.len() - before, if decoded { rows } else { 0 });
            whole &= decoded;
            chunk.encoding(c, block);
            chunk.stats(c, block);
        }
    }
    (0..chunk.columns()).for_each(|c| drop(chunk.chunk_stats(c)));
    whole.then_some((times, columns))
}

fuzz_target!(|body: &[u8]| {
    let mut bytes = body.to_vec();
    bytes.extend(crc32fast::hash(body).to_le_bytes());
    let Some(chunk) = corrupt(Chunk::open(bytes.into())) else { return };
    let Some((times, columns)) = read(&chunk) else { return };
    let mut again = Vec::new();
    Chunk::encode(&times, &columns, &mut again);
    let chunk = Chunk::open(again.into()).expect("what was encoded opens");
    let (times_again, columns_again) = read(&chunk).expect("what was encoded decodes");
    assert_eq!(times_again, times);
    for (a, b) in columns_again.iter().zip(&columns) {
        assert!((0..b.len()).all(|i| format!("{:?}", a.get(i)) == format!("{:?}", b.get(i))));
    }
});
