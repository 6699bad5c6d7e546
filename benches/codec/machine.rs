//! Which machine this is.

use kymograph::codec::simd::{self, Level};

fn field(name: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// What instruction sets are called.
pub(crate) fn level(level: Level) -> &'static str {
    match level {
        Level::Portable => "portable",
        Level::Avx2 => "AVX2",
        Level::Avx512 => "AVX-512",
    }
}

/// Processor, cores and the best instruction set.
pub(crate) fn named() -> String {
    let model = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores, {}", level(simd::best()))
}

/// The clock that the processor reports, where it does.
pub(crate) fn megahertz() -> Option<f64> {
    field("cpu MHz")?.parse().ok()
}
