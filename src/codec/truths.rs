//! Truth values: a bit each, or lengths of runs, whichever is smaller for a block; the id of the
//! form stands in front.

use super::{raw, runs};
use crate::error::{Error, Result};

const BITS: u8 = 0;
const RUNS: u8 = 1;

/// Appends truth values in the smaller form.
pub fn encode_bool(values: &[bool], out: &mut Vec<u8>) {
    let start = out.len();
    out.push(RUNS);
    if runs::encode_within(values, values.len().div_ceil(8), out) {
        return;
    }
    out.truncate(start);
    out.push(BITS);
    raw::encode_bool(values, out);
}

/// Appends the `n` truth values of `bytes`; `n` sizes an allocation, so the caller has checked it.
///
/// # Errors
/// [`Error::Corrupt`] unless `bytes` hold exactly `n` truth values; `out` is then as it was.
pub fn decode_bool(bytes: &[u8], n: usize, out: &mut Vec<bool>) -> Result<()> {
    let (form, body) = bytes.split_first().ok_or_else(|| Error::corrupt("truths: no bytes"))?;
    super::append(out, n, |slots| match *form {
        BITS => raw::decode_bool(body, slots),
        RUNS => runs::decode(body, slots),
        other => Err(Error::corrupt(format!("truths: an unknown form {other}"))),
    })
}
