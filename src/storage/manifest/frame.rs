//! A manifest's bytes.
//!
//! ```text
//! manifest := magic "KYMF" | version u16 | flags u16 = 0 | nonce u64 | length u32 | crc32 u32 | body
//! body     := JSON, `length` bytes
//! ```
//!
//! The checksum covers everything before it and the body. The nonce is the committer's own, so
//! that two writers never make the same bytes and each can tell its own commit from another's.

use crate::error::{Error, Result};

use super::Manifest;

const MAGIC: [u8; 4] = *b"KYMF";
const FORMAT: u16 = 1;
const CRC_AT: usize = 20;
const HEADER: usize = 24;

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(body);
    crc.finalize()
}

impl Manifest {
    /// The bytes of the object, marked with `nonce`.
    ///
    /// # Errors
    /// [`Error::Internal`] when the manifest breaks its own rules, [`Error::LimitExceeded`] past
    /// 4 GiB.
    pub fn encode(&self, nonce: u64) -> Result<Vec<u8>> {
        self.check().map_err(|e| Error::Internal(e.to_string()))?;
        let body = serde_json::to_vec(self).map_err(|e| Error::Internal(e.to_string()))?;
        let length = u32::try_from(body.len()).map_err(|_| {
            Error::LimitExceeded(format!("a manifest of {} bytes; 4 GiB fit", body.len()))
        })?;
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&nonce.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        let crc = checksum(&bytes, &body);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// From the bytes of an object.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for anything but what [`Self::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let wrong = |what: &str| Error::corrupt(format!("manifest: {what}"));
        let (header, body) =
            bytes.split_first_chunk::<HEADER>().ok_or_else(|| wrong("too short for its header"))?;
        let [m0, m1, m2, m3, v0, v1, ..] = *header;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(wrong("the magic number is wrong"));
        }
        let crc = u32::from_le_bytes([header[20], header[21], header[22], header[23]]);
        if crc != checksum(&header[..CRC_AT], body)
            && !crate::planted::is(crate::planted::Bug::ManifestChecksumIgnored)
        {
            return Err(wrong("the checksum is wrong"));
        }
        let format = u16::from_le_bytes([v0, v1]);
        if format != FORMAT {
            return Err(wrong(&format!(
                "format {format} is not {FORMAT}; a newer kymograph may read it"
            )));
        }
        let length = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
        if length as usize != body.len() {
            return Err(wrong("the length is wrong"));
        }
        let manifest: Self =
            serde_json::from_slice(body).map_err(|e| wrong(&format!("the body: {e}")))?;
        manifest.check()?;
        Ok(manifest)
    }
}
