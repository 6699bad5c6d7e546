//! The cold form of integers: `pco` (M. Loncaric et al., "Pcodec: Better Compression for Numerical
//! Sequences", 2025) in its wrapped format, a page a block, so that blocks stay apart.
//!
//! It finds what is left of order in numbers (bins, differences, multiples) and codes it by
//! entropy: smaller than any frame, and some ten times slower to decode. Only compaction of cold
//! data chooses it.

#[cfg(test)]
mod tests;

use pco::wrapped::{ChunkCompressor, ChunkDecompressor, FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DecompressorScratch, PagingSpec};

use crate::error::{Error, Result};

/// What compression may cost; of 0 to 12. The next levels take twice as long for a hundredth.
const LEVEL: usize = 8;

/// The pages of a column, compressed.
pub(crate) struct Pages {
    compressor: ChunkCompressor,
    shared: Vec<u8>,
}

impl Pages {
    /// Compresses `values`, whose blocks end at `ends`; `None` where there is nothing to gain: no
    /// values, or some that `pco` does not take.
    pub(crate) fn of(values: &[i64], ends: &[usize]) -> Option<Self> {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let lengths = starts.zip(ends).map(|(start, end)| end - start).filter(|n| *n > 0).collect();
        let config = ChunkConfig::default()
            .with_compression_level(LEVEL)
            .with_paging_spec(PagingSpec::Exact(lengths));
        let file = FileCompressor::default();
        let compressor = file.chunk_compressor(values, &config).ok()?;
        let shared = file.write_header(Vec::new()).ok()?;
        let shared = compressor.write_meta(shared).ok()?;
        Some(Self { compressor, shared })
    }

    /// What all pages share.
    pub(crate) fn shared(&self) -> &[u8] {
        &self.shared
    }

    /// Appends a page; blocks without values have none.
    pub(crate) fn write(&mut self, page: usize, out: &mut Vec<u8>) {
        self.compressor.write_page(page, out).expect("a page in memory is always written");
    }
}

/// What is needed to read pages.
#[derive(Debug)]
pub(crate) struct Reader(ChunkDecompressor<i64>);

impl Reader {
    /// Reads what all pages share.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when `pco` does not read it, or not to its end.
    pub(crate) fn open(shared: &[u8]) -> Result<Self> {
        let (file, rest) = FileDecompressor::new(shared).map_err(refused)?;
        let (chunk, rest) = file.chunk_decompressor(rest).map_err(refused)?;
        if rest.is_empty() { Ok(Self(chunk)) } else { Err(Error::corrupt("cold: bytes too many")) }
    }

    /// Fills `out`.
    ///
    /// # Errors
    /// [`Error::Corrupt`] unless the page holds exactly that many integers.
    pub(crate) fn decode(&self, page: &[u8], out: &mut [i64]) -> Result<()> {
        if out.is_empty() {
            return if page.is_empty() {
                Ok(())
            } else {
                Err(Error::corrupt("cold: a page of none"))
            };
        }
        let mut scratch = DecompressorScratch::default();
        let mut reader = self
            .0
            .page_decompressor_with_scratch(page, out.len(), &mut scratch)
            .map_err(refused)?;
        let progress = reader.read(out).map_err(refused)?;
        let rest = reader.into_src();
        if progress.finished && progress.n_processed == out.len() && rest.is_empty() {
            Ok(())
        } else {
            Err(Error::corrupt(format!("cold: a page that is not of {} integers", out.len())))
        }
    }
}

fn refused(error: pco::errors::PcoError) -> Error {
    Error::corrupt(format!("cold: {error}"))
}
