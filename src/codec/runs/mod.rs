//! Truth values as lengths of runs: one byte for the first value, then a varint for each run's
//! length, which is never 0.

#[cfg(test)]
mod tests;

use super::varint;
use crate::error::{Error, Result};

/// Appends truth values, or gives up once they take `limit` bytes, and says whether it finished.
pub(crate) fn encode_within(values: &[bool], limit: usize, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.push(u8::from(values.first().copied().unwrap_or(false)));
    for run in values.chunk_by(|a, b| a == b) {
        if out.len() - start >= limit {
            return false;
        }
        varint::write(run.len() as u64, out);
    }
    out.len() - start < limit
}

/// Fills `out`.
///
/// # Errors
/// [`Error::Corrupt`] unless the runs are exactly as long as `out`.
pub(crate) fn decode(mut bytes: &[u8], mut out: &mut [bool]) -> Result<()> {
    let mut value = match varint::take(&mut bytes, 1)? {
        [0] => false,
        [1] => true,
        _ => return Err(Error::corrupt("runs: the first value is neither true nor false")),
    };
    while !bytes.is_empty() {
        let run = varint::read(&mut bytes)?;
        let cut = usize::try_from(run).ok().filter(|run| *run > 0);
        let (slots, rest) = cut
            .and_then(|run| out.split_at_mut_checked(run))
            .ok_or_else(|| Error::corrupt(format!("runs: a run of {run} values")))?;
        slots.fill(value);
        value = !value;
        out = rest;
    }
    if out.is_empty() { Ok(()) } else { Err(Error::corrupt("runs: too few values")) }
}
