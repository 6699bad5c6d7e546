//! An object written in pieces: one put when small, otherwise a multipart upload with a few parts
//! on their way at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload};

use super::patience::{self, Patience, back_off};
use super::runtime::{Pending, Runtime};
use crate::error::{Error, Result};
use crate::storage::vfs::WriteObject;

/// Parts have one size but for the last, as R2 wants, above the least (5 MiB) that S3 takes.
/// S3 allows 10,000 of them: 80 GiB an object.
const PART: usize = 8 << 20;
const IN_FLIGHT: usize = 4;

#[derive(Debug)]
pub(super) struct Upload {
    context: String,
    store: Arc<dyn ObjectStore>,
    path: Path,
    runtime: Arc<Runtime>,
    patience: Patience,
    buffer: Vec<u8>,
    len: u64,
    parts: Option<Box<dyn MultipartUpload>>,
    waiting: VecDeque<Pending<object_store::Result<()>>>,
    failed: bool,
}

impl Upload {
    pub(super) fn new(
        context: String,
        store: Arc<dyn ObjectStore>,
        path: Path,
        runtime: Arc<Runtime>,
        patience: Patience,
    ) -> Self {
        let (buffer, waiting) = (Vec::new(), VecDeque::new());
        Self {
            context,
            store,
            path,
            runtime,
            patience,
            buffer,
            len: 0,
            parts: None,
            waiting,
            failed: false,
        }
    }

    fn checked<T>(&mut self, outcome: Result<object_store::Result<T>>) -> Result<T> {
        let flat = match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(e)) => Err(Error::storage(&self.context, e.into())),
            Err(e) => Err(e.within(&self.context)),
        };
        self.failed |= flat.is_err();
        flat
    }

    fn wait_until_at_most(&mut self, waiting: usize) -> Result<()> {
        while self.waiting.len() > waiting {
            let Some(part) = self.waiting.pop_front() else { break };
            let outcome = part.wait(self.patience.upload);
            self.checked(outcome)?;
        }
        Ok(())
    }

    fn send(&mut self, part: Vec<u8>) -> Result<()> {
        if self.parts.is_none() {
            let (store, path) = (self.store.clone(), self.path.clone());
            let start = async move { store.put_multipart(&path).await };
            let started = self.runtime.block_on(self.patience.call, start);
            self.parts = Some(self.checked(started)?);
        }
        self.wait_until_at_most(IN_FLIGHT - 1)?;
        if let Some(parts) = &mut self.parts {
            self.waiting.push_back(self.runtime.spawn(parts.put_part(part.into())));
        }
        Ok(())
    }

    fn usable(&self) -> Result<()> {
        if self.failed {
            let before = std::io::Error::other("an earlier piece failed");
            return Err(Error::storage(&self.context, before));
        }
        Ok(())
    }
}

impl WriteObject for Upload {
    fn write_all(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.usable()?;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PART - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            self.len += now.len() as u64;
            bytes = later;
            if self.buffer.len() == PART {
                let part = std::mem::take(&mut self.buffer);
                self.send(part)?;
            }
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.usable()?;
        let rest = std::mem::take(&mut self.buffer);
        if self.parts.is_none() {
            return self.put(rest.into());
        }
        if !rest.is_empty() {
            self.send(rest)?;
        }
        self.wait_until_at_most(0)?;
        let Some(mut parts) = self.parts.take() else { return Ok(()) };
        let done =
            self.runtime.block_on(self.patience.upload, async move { parts.complete().await });
        // A completion becomes visible whole or not at all: one of the right size is this one,
        // whose reply was lost.
        if !matches!(done, Ok(Ok(_))) && self.is_there() {
            return Ok(());
        }
        self.checked(done).map(|_| ())
    }
}

impl Upload {
    /// Puts a small object; the same bytes again when that fails in a way that may pass.
    fn put(&mut self, bytes: Bytes) -> Result<()> {
        let mut tries = 0;
        loop {
            tries += 1;
            let (store, path) = (self.store.clone(), self.path.clone());
            let payload = PutPayload::from(bytes.clone());
            let put = async move { store.put(&path, payload).await };
            let put = self.runtime.block_on(self.patience.upload, put);
            let passes = match &put {
                Ok(Ok(_)) => false,
                Ok(Err(e)) => patience::passes(e),
                Err(_) => true,
            };
            if !passes || tries >= self.patience.tries {
                return self.checked(put).map(|_| ());
            }
            back_off(tries);
        }
    }

    fn is_there(&self) -> bool {
        let (store, path) = (self.store.clone(), self.path.clone());
        let head =
            self.runtime.block_on(self.patience.call, async move { store.head(&path).await });
        matches!(head, Ok(Ok(meta)) if meta.size == self.len)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(mut parts) = self.parts.take() {
            // Best effort: what is left of a failed abort is the bucket's lifecycle rule's.
            let waiting = std::mem::take(&mut self.waiting);
            waiting.into_iter().for_each(|part| drop(part.wait(self.patience.upload)));
            let _ = self.runtime.block_on(self.patience.call, async move { parts.abort().await });
        }
    }
}
