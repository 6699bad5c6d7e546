//! How small and how fast the encodings are, beside their rivals, measured in one run.
//!
//! `cargo bench --bench codec -- [DATA_DIR] [FILTER] [--json PATH]`. `DATA_DIR` holds real series
//! (`alp/*.bin.gz`, `alp/vectors/*.csv`, `nab/**/*.csv`, `analytics/ett/ETTh1.csv`); without one
//! `../shared/data` beside the checkout is taken where it is, else series are generated. `FILTER`
//! is part of the names of lines. `--json` writes the figures for `benches/python/codecs.py`.
//!
//! A chunk is 65,536 values in blocks of 1,024; rivals compress such a chunk as one piece. A speed
//! is the median of [`timing::CLIPS`] clips of at least 20 ms, on one thread unless it says so.
#![expect(clippy::unwrap_used, reason = "a bench that cannot decode has nothing to say")]

mod data;
mod kernels;
mod machine;
mod rivals;
mod series;
mod sums;
mod table;
mod times;
mod timing;

use std::path::{Path, PathBuf};

use serde_json::json;

/// Values of a chunk.
const CHUNK: usize = 1 << 16;
/// Values of a block.
const BLOCK: usize = kymograph::codec::BLOCK;

/// What was asked for on the command line.
struct Options {
    data: Option<PathBuf>,
    filter: Option<String>,
    json: Option<PathBuf>,
}

impl Options {
    fn read() -> Self {
        let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
        let mut options = Self { data: None, filter: None, json: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            if argument == "--json" {
                options.json = Some(arguments.next().expect("--json wants a path").into());
            } else if argument.starts_with('-') {
                // `--bench`, which cargo adds.
            } else if options.data.is_none() && Path::new(&argument).is_dir() {
                options.data = Some(argument.into());
            } else {
                options.filter = Some(argument);
            }
        }
        if options.data.is_none() && usual.is_dir() {
            options.data = Some(usual);
        }
        options
    }

    fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }
}

fn main() {
    let options = Options::read();
    let machine = machine::named();
    println!("{machine}");
    let found = match &options.data {
        Some(folder) => data::read(folder),
        None => Vec::new(),
    };
    if found.is_empty() {
        println!("no data: give a DATA_DIR for the figures of real series; these are generated");
    }
    let found = if found.is_empty() { data::generated() } else { found };

    let lines = series::measure(found.iter().filter(|series| options.wants(&series.name)));
    series::print(&lines);
    let kernels = kernels::measure(&options);
    let sums = sums::measure(&options);
    let streams = times::streams(options.data.as_deref());
    let times = times::measure(&streams, &options);

    if let Some(path) = &options.json {
        let all = json!({
            "machine": machine,
            "megahertz": machine::megahertz(),
            "series": series::json(&lines),
            "kernels": kernels,
            "sums": sums,
            "times": times,
        });
        std::fs::write(path, format!("{all:#}\n")).unwrap();
        println!("\nwrote {}", path.display());
    }
}
