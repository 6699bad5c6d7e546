//! Test support: a store that fails on command.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{AppendFile, Entry, NoteFile, Store, WriteObject};
use crate::error::{Error, Result};

/// A kind of call that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// [`Store::read`], [`Store::read_range`], [`Store::size`] and [`Store::modified`].
    Read,
    /// [`Store::list`].
    List,
    /// [`Store::put_new`].
    PutNew,
    /// [`Store::create`].
    Create,
    /// [`WriteObject::write_all`].
    Write,
    /// [`WriteObject::finish`].
    Finish,
    /// [`Store::delete`].
    Delete,
    /// [`Store::append`].
    Append,
    /// [`AppendFile::write`].
    AppendWrite,
    /// [`AppendFile::sync`].
    AppendSync,
    /// [`Store::note`].
    Note,
    /// [`NoteFile::put`].
    NotePut,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 12] = [
        Self::Read,
        Self::List,
        Self::PutNew,
        Self::Create,
        Self::Write,
        Self::Finish,
        Self::Delete,
        Self::Append,
        Self::AppendWrite,
        Self::AppendSync,
        Self::Note,
        Self::NotePut,
    ];
}

/// What a failing call does before it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultEffect {
    /// Nothing.
    Nothing,
    /// Writes this many of its bytes; for the kinds that write, otherwise nothing.
    Partial(usize),
    /// All it was asked to do: only the reply is lost.
    LostReply,
    /// Nothing, and it does not fail: it panics.
    Panic,
    /// All it was asked to do, and then it panics.
    LatePanic,
}

/// A fault that waits for its call.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The calls it waits for.
    pub kind: FaultKind,
    /// How many of them pass first.
    pub after: u64,
    /// Whether all calls of the kind fail from then on, or one.
    pub lasting: bool,
    /// What the failing call does first.
    pub effect: FaultEffect,
}

#[derive(Debug, Default)]
struct Faults {
    calls: HashMap<FaultKind, u64>,
    armed: Vec<Fault>,
    /// The error number of what fails, where it has one.
    errno: Option<i32>,
}

#[derive(Clone, Debug, Default)]
struct Injector(Arc<Mutex<Faults>>);

impl Injector {
    /// Counts a call and says how it fails, if it does.
    fn call(&self, kind: FaultKind) -> Option<FaultEffect> {
        let mut faults = self.0.lock();
        *faults.calls.entry(kind).or_default() += 1;
        let at = faults.armed.iter().position(|f| f.kind == kind)?;
        let fault = &mut faults.armed[at];
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        let effect = fault.effect;
        if !fault.lasting {
            faults.armed.remove(at);
        }
        Some(effect)
    }

    /// Runs `act` on the bytes that get through.
    fn run<T>(
        &self,
        kind: FaultKind,
        path: &str,
        bytes: &[u8],
        act: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<T> {
        let writes = matches!(kind, FaultKind::Write | FaultKind::AppendWrite | FaultKind::NotePut);
        let error = || {
            let errno = self.0.lock().errno;
            let other = || io::Error::other("injected fault");
            let source = errno.map_or_else(other, io::Error::from_raw_os_error);
            Error::storage(format!("{kind:?} of {path:?}"), source)
        };
        match self.call(kind) {
            None => act(bytes),
            Some(FaultEffect::Panic) => panic!("injected panic in {kind:?} of {path:?}"),
            Some(FaultEffect::LatePanic) => {
                let _ = act(bytes);
                panic!("injected panic after {kind:?} of {path:?}")
            }
            Some(FaultEffect::LostReply) => act(bytes).and_then(|_| Err(error())),
            Some(FaultEffect::Partial(n)) if writes => {
                act(&bytes[..n.min(bytes.len())]).and_then(|_| Err(error()))
            }
            Some(_) => Err(error()),
        }
    }
}

/// A store that counts the calls to the one beneath it, and fails those it is told to.
#[derive(Clone, Debug)]
pub struct FaultStore {
    inner: Arc<dyn Store>,
    faults: Injector,
}

impl FaultStore {
    /// Over `inner`, without a fault yet; clones share their faults.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, faults: Injector::default() }
    }

    /// Sets up a fault; of several for one kind the earliest set goes first.
    pub fn arm(&self, fault: Fault) {
        self.faults.0.lock().armed.push(fault);
    }

    /// Sets up a fault that does nothing before it fails.
    pub fn fail(&self, kind: FaultKind, after: u64, lasting: bool) {
        self.arm(Fault { kind, after, lasting, effect: FaultEffect::Nothing });
    }

    /// What fails from now on fails with this error number.
    pub fn set_errno(&self, errno: i32) {
        self.faults.0.lock().errno = Some(errno);
    }

    /// Takes back every fault.
    pub fn disarm(&self) {
        self.faults.0.lock().armed.clear();
    }

    /// How many calls of a kind there were, failed ones too.
    pub fn calls(&self, kind: FaultKind) -> u64 {
        self.faults.0.lock().calls.get(&kind).copied().unwrap_or(0)
    }
}

impl Store for FaultStore {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn read(&self, path: &str) -> Result<Bytes> {
        self.faults.run(FaultKind::Read, path, &[], |_| self.inner.read(path))
    }

    fn read_range(&self, path: &str, offset: u64, len: usize) -> Result<Bytes> {
        self.faults.run(FaultKind::Read, path, &[], |_| self.inner.read_range(path, offset, len))
    }

    fn size(&self, path: &str) -> Result<u64> {
        self.faults.run(FaultKind::Read, path, &[], |_| self.inner.size(path))
    }

    fn modified(&self, path: &str) -> Result<i64> {
        self.faults.run(FaultKind::Read, path, &[], |_| self.inner.modified(path))
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.faults.run(FaultKind::List, prefix, &[], |_| self.inner.list(prefix))
    }

    fn put_new(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.faults.run(FaultKind::PutNew, path, bytes, |b| self.inner.put_new(path, b))
    }

    fn create(&self, path: &str) -> Result<Box<dyn WriteObject>> {
        let inner = self.faults.run(FaultKind::Create, path, &[], |_| self.inner.create(path))?;
        Ok(Box::new(FaultObject { inner, faults: self.faults.clone(), path: path.to_owned() }))
    }

    fn delete(&self, path: &str) -> Result<()> {
        self.faults.run(FaultKind::Delete, path, &[], |_| self.inner.delete(path))
    }

    fn append(&self, path: &str) -> Result<Box<dyn AppendFile>> {
        let inner = self.faults.run(FaultKind::Append, path, &[], |_| self.inner.append(path))?;
        Ok(Box::new(FaultAppend { inner, faults: self.faults.clone(), path: path.to_owned() }))
    }

    fn note(&self, path: &str) -> Result<Option<Box<dyn NoteFile>>> {
        let inner = self.faults.run(FaultKind::Note, path, &[], |_| self.inner.note(path))?;
        Ok(inner.map(|inner| {
            let (faults, path) = (self.faults.clone(), path.to_owned());
            Box::new(FaultNote { inner, faults, path }) as Box<dyn NoteFile>
        }))
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }

    fn remove_stray(&self) -> Result<()> {
        self.inner.remove_stray()
    }

    fn settle(&self) -> Result<()> {
        self.inner.settle()
    }

    fn is_full(&self) -> bool {
        self.inner.is_full()
    }
}

#[derive(Debug)]
struct FaultObject {
    inner: Box<dyn WriteObject>,
    faults: Injector,
    path: String,
}

impl WriteObject for FaultObject {
    fn write_all(&mut self, bytes: &[u8]) -> Result<()> {
        self.faults.run(FaultKind::Write, &self.path, bytes, |b| self.inner.write_all(b))
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let Self { inner, faults, path } = *self;
        faults.run(FaultKind::Finish, &path, &[], |_| inner.finish())
    }
}

#[derive(Debug)]
struct FaultNote {
    inner: Box<dyn NoteFile>,
    faults: Injector,
    path: String,
}

impl NoteFile for FaultNote {
    fn put(&self, bytes: &[u8]) -> Result<()> {
        self.faults.run(FaultKind::NotePut, &self.path, bytes, |b| self.inner.put(b))
    }
}

#[derive(Debug)]
struct FaultAppend {
    inner: Box<dyn AppendFile>,
    faults: Injector,
    path: String,
}

impl AppendFile for FaultAppend {
    fn write(&self, bytes: &[u8]) -> Result<()> {
        self.faults.run(FaultKind::AppendWrite, &self.path, bytes, |b| self.inner.write(b))
    }

    fn sync(&self) -> Result<()> {
        self.faults.run(FaultKind::AppendSync, &self.path, &[], |_| self.inner.sync())
    }

    fn len(&self) -> u64 {
        self.inner.len()
    }
}
