//! The state of a detector as bytes, for another process or another day.
//!
//! ```text
//! "KYDT" | version u16 | length of the name u8 | name | payload (postcard) | crc32 of all before
//! ```
//!
//! Numbers are little-endian. What reads a payload checks all of it: a detector that was loaded
//! goes on, bit for bit, as the one that was saved; any other bytes are an error.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Detector, methods};
use crate::error::{Error, Result};

const MAGIC: &[u8; 4] = b"KYDT";
const VERSION: u16 = 1;
/// Detectors within detectors: an ensemble of ensembles, and no deeper.
const MOST_DEPTH: usize = 3;

/// What a detector wrote about itself.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    bytes: &'a [u8],
    depth: usize,
}

impl Payload<'_> {
    /// Decodes the whole of it; what was decoded is still to be checked.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for bytes that are too few, too many or of another shape.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        match postcard::take_from_bytes(self.bytes) {
            Ok((state, [])) => Ok(state),
            Ok((_, rest)) => Err(Error::corrupt(format!(
                "the state of a detector has {} bytes too many",
                rest.len()
            ))),
            Err(error) => Err(Error::corrupt(format!("the state of a detector: {error}"))),
        }
    }

    /// Loads a detector that saved itself within this one.
    ///
    /// # Errors
    /// As [`load`]; and for detectors too deep within each other.
    pub fn member(&self, bytes: &[u8]) -> Result<Box<dyn Detector>> {
        if self.depth == MOST_DEPTH {
            return Err(Error::corrupt(format!(
                "detectors stand within each other more than {MOST_DEPTH} deep"
            )));
        }
        load_at(bytes, self.depth + 1)
    }
}

/// The error of a state that cannot have been saved by a detector; `what` is what is wrong in it.
pub fn unsound(what: &str) -> Error {
    Error::corrupt(format!("the state of a detector is unsound: {what}"))
}

/// The bytes of a detector's state.
pub fn save(name: &str, state: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(name.as_bytes());
    // Writing to memory fails for no state of a detector; were there one, it would not load.
    let mut bytes = postcard::to_extend(state, bytes).unwrap_or_default();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// The detector that these bytes were saved from.
///
/// # Errors
/// [`Error::Corrupt`] for bytes that fail their checksum or are no state of a detector, and
/// [`Error::InvalidArgument`] for those of a later version or of a method that is not known here.
pub fn load(bytes: &[u8]) -> Result<Box<dyn Detector>> {
    load_at(bytes, 0)
}

fn load_at(bytes: &[u8], depth: usize) -> Result<Box<dyn Detector>> {
    let (name, payload) = open(bytes, depth)?;
    let Some(method) = methods::method(name) else {
        let known = methods::methods().iter().map(|method| method.name);
        return Err(Error::invalid(format!(
            "the state is of a detector of the method {name:?}, which is not known here; {}",
            crate::error::nearest(name, known)
        )));
    };
    (method.load)(&payload).map_err(|error| error.within(format!("the state of {name:?}")))
}

/// The name and the payload, once the checksum is right.
pub(super) fn open(bytes: &[u8], depth: usize) -> Result<(&str, Payload<'_>)> {
    let no_state = || Error::corrupt("these bytes are not the state of a detector");
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(no_state)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(no_state)?;
    let (rest, checksum) = rest.split_last_chunk::<4>().ok_or_else(no_state)?;
    let all = &bytes[..bytes.len() - 4];
    if u32::from_le_bytes(*checksum) != crc32fast::hash(all) {
        return Err(Error::corrupt("the state of a detector fails its checksum"));
    }
    match u16::from_le_bytes(*version) {
        0 => return Err(no_state()),
        1..=VERSION => {}
        version => {
            return Err(Error::invalid(format!(
                "the state of a detector is of version {version}; this one reads up to {VERSION}"
            )));
        }
    }
    let (&length, rest) = rest.split_first().ok_or_else(no_state)?;
    let (name, bytes) = rest.split_at_checked(length.into()).ok_or_else(no_state)?;
    let name = std::str::from_utf8(name).map_err(|_| no_state())?;
    Ok((name, Payload { bytes, depth }))
}
