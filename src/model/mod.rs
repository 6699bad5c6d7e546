//! The data model: times, tags, series keys, schemas, columns and batches. Knows no bytes on disk.

pub mod batch;
pub mod bitmap;
pub mod column;
pub mod iso;
pub mod limits;
pub mod policy;
pub mod schema;
pub mod series;
pub mod time;

pub use batch::{Batch, FieldArray};
pub use bitmap::Bitmap;
pub use column::{Column, StrValues, Value, Values};
pub use iso::parse_time;
pub use policy::{Downsample, Level};
pub use schema::{Duplicates, FieldDef, FieldType, TableSchema};
pub use series::{SeriesId, SeriesKey};
pub use time::{TimeRange, Timestamp};
