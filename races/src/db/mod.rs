//! Pins, collection and states, as they are, and models of them.

#[path = "../../../src/db/collect.rs"]
mod collect;
mod disk;
mod leases;
#[path = "../../../src/db/memory.rs"]
mod memory;
#[path = "../../../src/db/pins.rs"]
mod pins;
mod share;
#[path = "../../../src/db/state.rs"]
pub(crate) mod state;
mod swap;
