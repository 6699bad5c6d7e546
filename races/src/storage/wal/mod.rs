//! The log's writer, as it is, and models of it.

mod model;
/// How far a file is durable, as the writer notes it.
pub(crate) mod mark {
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Mark {
        pub(crate) number: u64,
        pub(crate) after: Option<u64>,
        pub(crate) end: u64,
        pub(crate) records: u64,
        pub(crate) version: u64,
    }

    impl Mark {
        /// What the model of a file looks at.
        pub(crate) fn encode(&self) -> [u8; 8] {
            self.end.to_le_bytes()
        }
    }

    pub(crate) fn path(number: u64) -> String {
        super::path(number)
    }
}
#[path = "../../../../src/storage/wal/record.rs"]
mod record;
#[path = "../../../../src/storage/wal/writer.rs"]
mod writer;

fn path(number: u64) -> String {
    number.to_string()
}
