//! Hostile bytes under a good checksum, which replaces their last four: opening and reading
//! everything never panics, and what decodes has the rows that it should. What decodes whole is
//! encoded again, hot and cold, and must come back.

use super::super::{corrupt, decoded, effort};
use kymograph::chunk::Chunk;
use kymograph::codec::Choice;
use kymograph::model::Column;

type Rows = (Vec<i64>, Vec<Column>);

/// Reads everything, even past what fails; `None` when anything did.
fn read(chunk: &Chunk) -> Option<Rows> {
    let mut times = Vec::new();
    let mut columns: Vec<Column> =
        (0..chunk.columns()).map(|c| Column::empty(chunk.column_type(c))).collect();
    let mut whole = true;
    chunk.times_encoding();
    for block in 0..chunk.blocks() {
        let (rows, before) = (chunk.block_rows(block).len(), times.len());
        let result = chunk.decode_times(block, &mut times);
        whole &= decoded(result, rows, times.len() - before);
        for (c, column) in columns.iter_mut().enumerate() {
            let before = column.len();
            let result = chunk.decode_column(c, block, column);
            whole &= decoded(result, rows, column.len() - before);
            let mut numbers = vec![0; rows];
            corrupt(chunk.fill_numbers(c, block, &mut numbers));
            whole &= corrupt(chunk.verify_sum(c, block)).is_some();
            chunk.stats(c, block);
        }
    }
    for c in 0..chunk.columns() {
        chunk.encoding(c);
        corrupt(chunk.encoding_detail(c));
        chunk.chunk_stats(c);
    }
    whole.then_some((times, columns))
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let body = &data[..data.len().saturating_sub(4)];
    let mut bytes = body.to_vec();
    bytes.extend(crc32fast::hash(body).to_le_bytes());
    let Some(chunk) = corrupt(Chunk::open(bytes.into())) else { return };
    let Some((times, columns)) = read(&chunk) else { return };
    for cold in [false, true] {
        let choice = Choice { effort: effort(cold), encoding: None };
        let mut again = Vec::new();
        Chunk::encode(&times, &columns, &vec![choice; columns.len()], &mut again)
            .expect("the best encoding holds what it is chosen for");
        let chunk = Chunk::open(again.into()).expect("what was encoded opens");
        let (times_again, columns_again) = read(&chunk).expect("what was encoded decodes");
        assert_eq!(times_again, times);
        for (a, b) in columns_again.iter().zip(&columns) {
            assert!((0..b.len()).all(|i| format!("{:?}", a.get(i)) == format!("{:?}", b.get(i))));
        }
    }
}
