//! Execution of the plans: from a [`super::ChunkSource`] to Arrow, in parallel on the current
//! rayon pool. Results do not depend on the number of threads.

mod aggregate;
mod arrange;
mod fill;
mod frame;
mod group;
mod last;
mod read;
mod series;
mod sum;

pub use aggregate::aggregate;
#[cfg(test)]
pub(crate) use frame::time_type;
pub(crate) use frame::{Frame, Tags};
pub(crate) use group::{Group, groups};
pub use last::last;
pub use read::read;
pub use series::series;
pub use sum::sum;
