//! A reader's lease as a writer in another process sees it.

use std::sync::Arc;

use crate::sync::Mutex;

#[derive(Clone, Debug, Default)]
pub(crate) struct Lease(Arc<Mutex<Option<u64>>>);

impl Lease {
    pub(crate) fn hold(&self, version: Option<u64>) {
        *self.0.lock() = version;
    }

    pub(crate) fn version(&self) -> Option<u64> {
        *self.0.lock()
    }

    pub(crate) fn end(&self) {
        *self.0.lock() = None;
    }

    pub(crate) fn let_go(&self) {}
}
