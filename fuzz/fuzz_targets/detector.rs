#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kymograph_fuzz::targets::detector::run(data));
