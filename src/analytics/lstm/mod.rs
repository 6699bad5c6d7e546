//! A small recurrent network, trained here: long short-term memory with a linear head.
//!
//! Sources: Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000);
//! truncated backpropagation through time; Kingma and Ba, "Adam" (2015). One layer, double
//! precision, one thread: the same seed and series give the same weights, bit for bit, on one
//! machine.

mod network;
mod training;

pub use network::{Network, State};
pub use training::{Samples, Training, train};
