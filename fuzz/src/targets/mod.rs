//! One function a target, so that a test can run kept inputs through the same code.

pub mod chunk;
pub mod codec_bool;
pub mod codec_f64;
pub mod codec_i64;
pub mod codec_str;
pub mod codec_times;
pub mod cold;
pub mod detector;
pub mod ingest;
pub mod manifest;
pub mod mark;
pub mod segment;
pub mod sql;
pub mod texts;
pub mod wal;

/// A target: its name and what runs one input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const ALL: [Target; 15] = [
    ("chunk", chunk::run),
    ("codec_bool", codec_bool::run),
    ("codec_f64", codec_f64::run),
    ("codec_i64", codec_i64::run),
    ("codec_str", codec_str::run),
    ("codec_times", codec_times::run),
    ("cold", cold::run),
    ("detector", detector::run),
    ("ingest", ingest::run),
    ("manifest", manifest::run),
    ("mark", mark::run),
    ("segment", segment::run),
    ("sql", sql::run),
    ("texts", texts::run),
    ("wal", wal::run),
];
