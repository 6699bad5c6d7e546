//! How fast frames become batches: 10 tags as plain strings, as string views and as
//! dictionaries, each with 10 fields of f64, in the shape of TSBS' cpu-only (hosts take turns);
//! and narrow events. Prints the best and the median of 7 runs.
//!
//! `INGEST_ROWS` (default 2,000,000) and `INGEST_HOSTS` (default 4,000) set the size;
//! `RAYON_NUM_THREADS=1` gives the rate of one core.

use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use arrow_schema::{DataType, Field, Schema};
use kymograph::Result;
use kymograph::ingest::{FrameOptions, Ingested, OnError, events, wide};

const RUNS: usize = 7;
const TAGS: [(&str, usize); 10] = [
    ("hostname", usize::MAX),
    ("region", 9),
    ("datacenter", 25),
    ("rack", 100),
    ("os", 3),
    ("arch", 2),
    ("team", 4),
    ("service", 20),
    ("service_version", 2),
    ("service_environment", 3),
];

fn size(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, a)| Field::new(*name, a.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, a)| a).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).expect("columns are as long")
}

fn tag(name: &str, distinct: usize, rows: usize, hosts: usize, ty: &DataType) -> ArrayRef {
    let values = (0..rows).map(|row| format!("{name}_{}", row % hosts % distinct));
    arrow_cast::cast(&StringArray::from_iter_values(values), ty).expect("strings cast to strings")
}

fn report(name: &str, rows: usize, cells: usize, mut run: impl FnMut() -> Result<Ingested>) {
    let mut seconds: Vec<f64> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let read = run().expect("the frame is good");
            let took = start.elapsed().as_secs_f64();
            assert_eq!(read.rows as usize, rows);
            took
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let rate = |seconds: f64| rows as f64 / seconds / 1e6;
    println!(
        "{name:<28} {:>8.2} M rows/s best {:>8.2} median {:>8.1} M tag cells/s",
        rate(seconds[0]),
        rate(seconds[RUNS / 2]),
        rate(seconds[RUNS / 2]) * cells as f64,
    );
}

fn main() {
    let (rows, hosts) = (size("INGEST_ROWS", 2_000_000), size("INGEST_HOSTS", 4_000));
    println!("{rows} rows, {hosts} hosts, {} threads", rayon::current_num_threads());
    let times = TimestampNanosecondArray::from_iter_values((0..rows).map(|r| (r / hosts) as i64));
    let times: ArrayRef = Arc::new(times);
    let values: ArrayRef =
        Arc::new(Float64Array::from_iter_values((0..rows).map(|r| (r % 97) as f64)));
    let tags: Vec<String> = TAGS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let opts = FrameOptions {
        table: "cpu",
        time: "time",
        tags: &tags,
        frame_tags: &tags,
        fields: &[],
        max_series: u64::MAX,
        on_error: OnError::Raise,
    };
    let dictionary = DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let shapes = [
        ("wide, large strings", DataType::LargeUtf8),
        ("wide, string views", DataType::Utf8View),
        ("wide, dictionaries", dictionary),
    ];
    for (name, ty) in shapes {
        let fields: Vec<String> = (0..10).map(|i| format!("usage_{i}")).collect();
        let mut columns = vec![("time", Arc::clone(&times))];
        columns.extend(TAGS.iter().map(|(name, n)| (*name, tag(name, *n, rows, hosts, &ty))));
        columns.extend(fields.iter().map(|f| (f.as_str(), Arc::clone(&values))));
        let frame = batch(columns);
        report(name, rows, TAGS.len(), || {
            wide(std::slice::from_ref(&frame), frame.schema_ref(), &opts)
        });
    }

    let node = vec!["node".to_owned()];
    let metrics = (0..rows).map(|row| format!("metric_{}", row / hosts % 10));
    let frame = batch(vec![
        ("time", times),
        ("node", tag("node", usize::MAX, rows, hosts, &DataType::Utf8View)),
        ("metric", Arc::new(StringArray::from_iter_values(metrics))),
        ("value", values),
    ]);
    let opts = FrameOptions { tags: &node, frame_tags: &node, ..opts };
    report("narrow, 10 metrics", rows, 2, || {
        events(std::slice::from_ref(&frame), frame.schema_ref(), "metric", "value", &opts)
    });
}
