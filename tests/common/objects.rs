//! An object store in memory that fails as object stores do.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use parking_lot::Mutex;

/// What can become of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// 500, and nothing was done.
    Refused,
    /// 500, and it was done.
    LostReply,
    /// No answer ever, and nothing was done.
    Stall,
    /// No answer ever, and it was done.
    StallDone,
    /// No answer ever, and it is done later, beside other calls.
    StallLate,
    /// Of a conditional put: it was done, the client beneath asked again after a lost reply, and
    /// met its own object.
    MeetsItself,
    /// Of a conditional put: 409, for another is on its way, and nothing was done.
    Busy,
}

const ALL: [Failure; 7] = [
    Failure::Refused,
    Failure::LostReply,
    Failure::Stall,
    Failure::StallDone,
    Failure::StallLate,
    Failure::MeetsItself,
    Failure::Busy,
];

/// The store; clones share the objects and the chances.
#[derive(Clone, Debug)]
pub(crate) struct FaultyObjects {
    inner: Arc<InMemory>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    seed: AtomicU64,
    /// A call in so many fails; 0 for none.
    one_in: AtomicU64,
    failed: AtomicU64,
    /// Puts that the server has and did not get to.
    late: Mutex<Vec<(Path, PutPayload, PutMode)>>,
    /// The last object that was put unconditionally over another.
    overwritten: Mutex<Option<String>>,
}

impl FaultyObjects {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State { seed: AtomicU64::new(seed), ..State::default() };
        Self { inner: Arc::default(), state: Arc::new(state) }
    }

    /// From now on one call in `one_in` fails; with 0 none does, and what was to be done late is not.
    pub(crate) fn fail(&self, one_in: u64) {
        self.state.one_in.store(one_in, Ordering::SeqCst);
        if one_in == 0 {
            self.state.late.lock().clear();
        }
    }

    /// How many calls failed.
    pub(crate) fn failed(&self) -> u64 {
        self.state.failed.load(Ordering::SeqCst)
    }

    /// An object that a put replaced: none should be.
    pub(crate) fn overwritten(&self) -> Option<String> {
        self.state.overwritten.lock().clone()
    }

    /// A number by chance: splitmix64.
    fn chance(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let at = self.state.seed.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
        let mixed = (at ^ (at >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn failure(&self) -> Option<Failure> {
        let one_in = self.state.one_in.load(Ordering::SeqCst);
        if one_in == 0 || !self.chance().is_multiple_of(one_in) {
            return None;
        }
        self.state.failed.fetch_add(1, Ordering::SeqCst);
        Some(ALL[(self.chance() % ALL.len() as u64) as usize])
    }

    /// Does what was left for later.
    async fn settle(&self) {
        if self.chance().is_multiple_of(3) {
            let late = self.state.late.lock().pop();
            if let Some((path, payload, mode)) = late {
                drop(self.inner.put_opts(&path, payload, mode.into()).await);
            }
        }
    }

    /// A call that changes nothing.
    async fn looked<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.settle().await;
        match self.failure() {
            None => call.await,
            Some(Failure::Stall | Failure::StallDone | Failure::StallLate) => {
                std::future::pending().await
            }
            Some(_) => Err(broken()),
        }
    }
}

fn broken() -> Error {
    Error::Generic { store: "faulty", source: "500 Internal Server Error".into() }
}

fn exists(path: &Path) -> Error {
    Error::AlreadyExists { path: path.to_string(), source: "412 Precondition Failed".into() }
}

impl fmt::Display for FaultyObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faulty")
    }
}

#[async_trait]
impl ObjectStore for FaultyObjects {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.settle().await;
        let conditional = opts.mode == PutMode::Create;
        if !conditional
            && let Ok(there) = self.inner.get(location).await
            && there.bytes().await? != payload.clone().into_iter().flatten().collect::<Vec<u8>>()
        {
            *self.state.overwritten.lock() = Some(location.to_string());
        }
        let mode = opts.mode.clone();
        let failure = self.failure();
        let done = match failure {
            None => return self.inner.put_opts(location, payload, opts).await,
            Some(Failure::LostReply | Failure::StallDone | Failure::MeetsItself) => {
                self.inner.put_opts(location, payload, opts).await.is_ok()
            }
            Some(Failure::StallLate) => {
                self.state.late.lock().push((location.clone(), payload, mode));
                false
            }
            Some(_) => false,
        };
        match failure {
            Some(Failure::Stall | Failure::StallDone | Failure::StallLate) => {
                std::future::pending().await
            }
            Some(Failure::MeetsItself) if conditional && done => Err(exists(location)),
            Some(Failure::Busy) if conditional => Err(exists(location)),
            _ => Err(broken()),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.looked(self.inner.put_multipart_opts(location, opts)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.looked(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        let each = locations.then(move |location| {
            let store = store.clone();
            async move {
                let location = location?;
                let failure = store.failure();
                if failure.is_none_or(|f| f != Failure::Refused && f != Failure::Busy) {
                    store.inner.delete(&location).await?;
                }
                if failure.is_some() { Err(broken()) } else { Ok(location) }
            }
        });
        each.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.failure() {
            None => self.inner.list(prefix),
            Some(Failure::Stall | Failure::StallDone | Failure::StallLate) => {
                futures_util::stream::pending().boxed()
            }
            // In the middle of it.
            Some(_) => {
                let broken = futures_util::stream::once(async { Err(broken()) });
                self.inner.list(prefix).take(2).chain(broken).boxed()
            }
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.looked(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.looked(self.inner.copy_opts(from, to, options)).await
    }
}
