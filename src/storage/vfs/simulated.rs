//! Test support: a file system in memory that forgets what was not synced.
//!
//! It stands below the steps of [`super::LocalStore`] and promises no more than POSIX does:
//!
//! - A file's bytes and its length are durable after its own sync. Of what was appended since, a
//!   power cut leaves any sectors of 512 bytes, in any order, some of them torn, and any length.
//! - A name is durable after the sync of its folder. Of the names made and taken away since, a cut
//!   leaves any subset, each name on its own; a rename is a name made and a name taken away. A
//!   folder whose own name is forgotten takes everything in it along.
//! - Of a note, which is written over in place, a cut leaves what any of its writes left, a mix of
//!   two of them, zeros or nothing.
//! - After a failed sync the bytes it was about are lost, whatever a later sync claims.
//!
//! Calls are counted; the one at which the power goes, and those that fail, are chosen by number.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::Mutex;

use super::disk::{Disk, DiskFile, DiskNote, Item};

/// What a power cut writes whole or not at all, if not torn.
pub const SECTOR: usize = 512;
/// What a file takes from the quota at a time.
const BLOCK: usize = 4096;

/// A small source of numbers that are the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Numbers of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// The kinds of calls, of [`Disk`] and of [`DiskFile`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// [`Disk::create_new`].
    Create,
    /// [`Disk::note`].
    Note,
    /// [`Disk::open`].
    Open,
    /// [`Disk::hard_link`].
    Link,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::unlink`].
    Unlink,
    /// [`Disk::mkdir`].
    Mkdir,
    /// [`Disk::sync_folder`].
    SyncFolder,
    /// [`Disk::list`].
    List,
    /// [`Disk::look`] and [`DiskFile::size`].
    Look,
    /// [`DiskFile::write`].
    Write,
    /// [`DiskNote::put`].
    Put,
    /// [`DiskFile::read_at`].
    Read,
    /// [`DiskFile::sync`].
    Sync,
    /// [`DiskFile::truncate`].
    Truncate,
}

impl Call {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::Create,
        Self::Note,
        Self::Open,
        Self::Link,
        Self::Rename,
        Self::Unlink,
        Self::Mkdir,
        Self::SyncFolder,
        Self::List,
        Self::Look,
        Self::Write,
        Self::Put,
        Self::Read,
        Self::Sync,
        Self::Truncate,
    ];
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// With this error number; nothing was done.
    Errno(i32),
    /// A write or read of fewer bytes than asked for, which is no error; another call does all it
    /// was asked to do.
    Short,
}

/// A failure that waits for its call.
#[derive(Clone, Copy, Debug)]
pub struct DiskFault {
    /// The calls it waits for.
    pub call: Call,
    /// How many of them pass first.
    pub after: u64,
    /// Whether all calls of the kind fail from then on, or one.
    pub lasting: bool,
    /// How.
    pub failure: Failure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(u64),
    Folder,
}

#[derive(Clone, Debug, Default)]
struct Folder {
    now: BTreeMap<OsString, Node>,
    durable: BTreeMap<OsString, Node>,
    /// What happened to names since the last sync, in order.
    since: Vec<(OsString, Option<Node>)>,
}

#[derive(Clone, Debug, Default)]
struct FileBytes {
    bytes: Vec<u8>,
    synced: usize,
    /// Of the synced bytes those that a failed sync lost.
    lost: Vec<Range<usize>>,
    /// Of a note, what it was before each time that it was written over.
    before: Vec<Vec<u8>>,
    links: usize,
}

#[derive(Clone, Debug, Default)]
struct State {
    folders: BTreeMap<PathBuf, Folder>,
    files: HashMap<u64, FileBytes>,
    next: u64,
    quota: Option<usize>,
    calls: u64,
    by_kind: HashMap<Call, u64>,
    /// The number of the call at which the power goes.
    cut_at: Option<u64>,
    off: bool,
    faults: Vec<DiskFault>,
    sync_time: std::time::Duration,
}

/// A file system in memory; clones share it.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedDisk {
    /// With an empty root folder.
    pub fn new() -> Self {
        let mut state = State::default();
        state.folders.insert(PathBuf::from("/"), Folder::default());
        Self(Arc::new(Mutex::new(state)))
    }

    /// Lets the power go at the call that comes after so many others.
    pub fn cut_after(&self, calls: u64) {
        let mut state = self.0.lock();
        state.cut_at = Some(state.calls + calls);
    }

    /// Whether the power is gone.
    pub fn is_off(&self) -> bool {
        self.0.lock().off
    }

    /// What is left when the power comes back, with the choices that the dice make; nothing works
    /// on `self` any more.
    #[must_use]
    pub fn after_cut(&self, dice: &mut Dice) -> Self {
        let mut state = self.0.lock();
        state.off = true;
        Self(Arc::new(Mutex::new(state.resolve(dice))))
    }

    /// What is left when the process dies and the machine goes on: everything, synced or not.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let mut state = self.0.lock();
        let left = State { cut_at: None, off: false, faults: Vec::new(), ..state.clone() };
        state.off = true;
        Self(Arc::new(Mutex::new(left)))
    }

    /// How many bytes all files may take, in blocks of 4 KiB; `None` for any number.
    pub fn set_quota(&self, quota: Option<usize>) {
        self.0.lock().quota = quota;
    }

    /// How many bytes all files take.
    pub fn used(&self) -> usize {
        self.0.lock().used()
    }

    /// Sets up a failure.
    pub fn arm(&self, fault: DiskFault) {
        self.0.lock().faults.push(fault);
    }

    /// Takes back every failure.
    pub fn disarm(&self) {
        self.0.lock().faults.clear();
    }

    /// How many calls of a kind there were, failed ones too.
    pub fn calls(&self, call: Call) -> u64 {
        self.0.lock().by_kind.get(&call).copied().unwrap_or(0)
    }

    /// How many calls there were.
    pub fn all_calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// A file's length and how much of it is synced.
    pub fn extent(&self, path: &Path) -> Option<(usize, usize)> {
        let state = self.0.lock();
        match state.node(path) {
            Some(Node::File(id)) => {
                let file = &state.files[&id];
                Some((file.bytes.len(), file.synced))
            }
            _ => None,
        }
    }

    /// Changes a file's bytes behind everybody's back.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        if let Some(Node::File(id)) = state.node(path)
            && let Some(file) = state.files.get_mut(&id)
        {
            change(&mut file.bytes);
            file.synced = file.bytes.len();
        }
    }

    /// How long a sync takes to return after it is done.
    pub fn set_sync_time(&self, time: std::time::Duration) {
        self.0.lock().sync_time = time;
    }

    /// The names of the files in a folder.
    pub fn names(&self, folder: &Path) -> Vec<String> {
        let state = self.0.lock();
        let names = state.folders.get(folder).map(|folder| folder.now.keys());
        names.into_iter().flatten().map(|name| name.to_string_lossy().into_owned()).collect()
    }
}

fn off() -> io::Error {
    io::Error::other("the power is gone")
}

/// A path's folder and its name there.
fn split(path: &Path) -> (PathBuf, OsString) {
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    (folder, path.file_name().map(OsString::from).unwrap_or_default())
}

impl State {
    fn node(&self, path: &Path) -> Option<Node> {
        if path == Path::new("/") {
            return Some(Node::Folder);
        }
        let (folder, name) = split(path);
        self.folders.get(&folder)?.now.get(&name).copied()
    }

    fn used(&self) -> usize {
        let linked = self.files.values().filter(|file| file.links > 0);
        linked.map(|file| file.bytes.len().div_ceil(BLOCK) * BLOCK).sum()
    }

    /// Counts a call. `Ok(true)` when it is to be cut short, the power being gone after it.
    fn call(&mut self, call: Call) -> io::Result<Option<Failure>> {
        if self.off {
            return Err(off());
        }
        self.calls += 1;
        *self.by_kind.entry(call).or_default() += 1;
        if self.cut_at.is_some_and(|at| self.calls > at) {
            self.off = true;
            // Whether the disk got the last call is up to its number.
            return if self.calls.is_multiple_of(2) { Err(off()) } else { Ok(None) };
        }
        let Some(at) = self.faults.iter().position(|fault| fault.call == call) else {
            return Ok(None);
        };
        let fault = &mut self.faults[at];
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(None);
        }
        let failure = fault.failure;
        if !fault.lasting {
            self.faults.remove(at);
        }
        match failure {
            Failure::Errno(number) if call != Call::Sync => {
                Err(io::Error::from_raw_os_error(number))
            }
            other => Ok(Some(other)),
        }
    }

    /// The reply to a call that was done: lost when the power went with it.
    fn reply<T>(&self, value: T) -> io::Result<T> {
        if self.off { Err(off()) } else { Ok(value) }
    }

    fn set(&mut self, path: &Path, node: Option<Node>) -> io::Result<()> {
        let (folder, name) = split(path);
        let folder = self.folders.get_mut(&folder).ok_or(ErrorKind::NotFound)?;
        let before = match node {
            Some(node) => folder.now.insert(name.clone(), node),
            None => folder.now.remove(&name),
        };
        folder.since.push((name, node));
        if let Some(Node::File(id)) = before {
            self.files.entry(id).and_modify(|file| file.links -= 1);
        }
        if let Some(Node::File(id)) = node {
            self.files.entry(id).and_modify(|file| file.links += 1);
        }
        Ok(())
    }

    fn new_name(&self, path: &Path) -> io::Result<()> {
        let (folder, name) = split(path);
        let folder = self.folders.get(&folder).ok_or(ErrorKind::NotFound)?;
        if folder.now.contains_key(&name) { Err(ErrorKind::AlreadyExists.into()) } else { Ok(()) }
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        match self.node(path) {
            Some(Node::File(id)) => Ok(id),
            Some(Node::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn resolve(&self, dice: &mut Dice) -> Self {
        let mut left = Self { next: self.next, quota: self.quota, ..Self::default() };
        self.resolve_folder(Path::new("/"), &mut left, dice);
        left
    }

    fn resolve_folder(&self, path: &Path, left: &mut Self, dice: &mut Dice) {
        let Some(folder) = self.folders.get(path) else { return };
        let mut names = folder.durable.clone();
        // Each name keeps the changes up to one of its own; at times all or none of them do.
        let whole = dice.below(4);
        let mut stopped: Vec<&OsString> = Vec::new();
        for (name, node) in &folder.since {
            let forgotten = match whole {
                0 => true,
                1 => false,
                _ => stopped.contains(&name) || dice.one_in(2),
            };
            if forgotten {
                stopped.push(name);
                continue;
            }
            match node {
                Some(node) => drop(names.insert(name.clone(), *node)),
                None => drop(names.remove(name)),
            }
        }
        for (name, node) in &names {
            match node {
                Node::Folder => self.resolve_folder(&path.join(name), left, dice),
                Node::File(id) => {
                    if let Some(there) = left.files.get_mut(id) {
                        there.links += 1;
                        continue;
                    }
                    let bytes = self.files[id].resolve(dice);
                    let synced = bytes.len();
                    let file = FileBytes { bytes, synced, links: 1, ..FileBytes::default() };
                    left.files.insert(*id, file);
                }
            }
        }
        let folder = Folder { now: names.clone(), durable: names, since: Vec::new() };
        left.folders.insert(path.to_owned(), folder);
    }
}

impl FileBytes {
    fn write_over(&mut self, bytes: &[u8]) {
        self.before.push(std::mem::replace(&mut self.bytes, bytes.to_vec()));
        self.synced = 0;
    }

    fn resolve(&self, dice: &mut Dice) -> Vec<u8> {
        if !self.before.is_empty() {
            return self.resolve_note(dice);
        }
        let (len, synced) = (self.bytes.len(), self.synced);
        let mut bytes = self.bytes.clone();
        let kind = dice.below(7);
        if synced < len {
            match kind {
                0 => bytes.truncate(synced),
                1 => {}
                2 => bytes.truncate(synced + dice.below(len - synced + 1)),
                3 => {
                    let whole = synced + dice.below(len - synced + 1);
                    bytes[whole..].fill(0);
                    bytes.truncate(whole + dice.below(len - whole + 1));
                }
                _ => {
                    bytes.truncate(len - if kind == 4 { dice.below(len - synced) } else { 0 });
                    let mut at = synced;
                    while at < bytes.len() {
                        let end = bytes.len().min((at / SECTOR + 1) * SECTOR);
                        match dice.below(4) {
                            0 | 1 => {}
                            2 => bytes[at..end].fill(0),
                            // Torn: a part of it is what was there before, nothing.
                            _ => {
                                let torn = at + dice.below(end - at);
                                if dice.one_in(2) {
                                    bytes[torn..end].fill(0);
                                } else {
                                    bytes[at..torn].fill(0);
                                }
                            }
                        }
                        at = end;
                    }
                }
            }
        }
        for lost in &self.lost {
            let end = lost.end.min(bytes.len());
            if lost.start < end && !dice.one_in(4) {
                bytes[lost.start..end].fill(0);
            }
        }
        bytes
    }
}

impl FileBytes {
    fn resolve_note(&self, dice: &mut Dice) -> Vec<u8> {
        let older = &self.before[dice.below(self.before.len())];
        match dice.below(5) {
            0 => self.bytes.clone(),
            1 => older.clone(),
            2 => vec![0; self.bytes.len()],
            3 => Vec::new(),
            // Torn.
            _ => {
                let mut bytes = self.bytes.clone();
                let at = dice.below(bytes.len() + 1);
                let torn = older.get(at..).unwrap_or_default();
                for (byte, was) in bytes[at..].iter_mut().zip(torn.iter().chain([0].iter().cycle()))
                {
                    *byte = *was;
                }
                bytes
            }
        }
    }
}

impl Disk for SimulatedDisk {
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.call(Call::Create)?;
        state.new_name(path)?;
        let id = state.next;
        state.next += 1;
        state.files.insert(id, FileBytes::default());
        state.set(path, Some(Node::File(id)))?;
        state.reply(Box::new(SimulatedFile { disk: self.clone(), id }) as Box<dyn DiskFile>)
    }

    fn note(&self, path: &Path) -> io::Result<Box<dyn DiskNote>> {
        let mut state = self.0.lock();
        state.call(Call::Note)?;
        let id = match state.node(path) {
            Some(Node::File(id)) => id,
            Some(Node::Folder) => return Err(ErrorKind::IsADirectory.into()),
            None => {
                let id = state.next;
                state.next += 1;
                state.files.insert(id, FileBytes::default());
                state.set(path, Some(Node::File(id)))?;
                id
            }
        };
        let file = SimulatedFile { disk: self.clone(), id };
        let file_bytes = state.files.get_mut(&id).ok_or(ErrorKind::NotFound)?;
        file_bytes.write_over(&[]);
        state.reply(Box::new(file) as Box<dyn DiskNote>)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.call(Call::Open)?;
        let id = state.file(path)?;
        state.reply(Box::new(SimulatedFile { disk: self.clone(), id }) as Box<dyn DiskFile>)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Call::Link)?;
        let id = state.file(from)?;
        state.new_name(to)?;
        state.set(to, Some(Node::File(id)))?;
        state.reply(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Call::Rename)?;
        let id = state.file(from)?;
        state.set(to, Some(Node::File(id)))?;
        state.set(from, None)?;
        state.reply(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Call::Unlink)?;
        state.file(path)?;
        state.set(path, None)?;
        state.reply(())
    }

    fn mkdir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Call::Mkdir)?;
        state.new_name(path)?;
        state.set(path, Some(Node::Folder))?;
        state.folders.insert(path.to_owned(), Folder::default());
        state.reply(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Call::SyncFolder)?;
        let folder = state.folders.get_mut(path).ok_or(ErrorKind::NotFound)?;
        folder.durable = folder.now.clone();
        folder.since.clear();
        state.reply(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Item>> {
        let mut state = self.0.lock();
        state.call(Call::List)?;
        let there = state.folders.get(folder).ok_or(ErrorKind::NotFound)?;
        let item = |(name, node): (&OsString, &Node)| match node {
            Node::Folder => Item { name: name.clone(), folder: true, size: 0 },
            Node::File(id) => {
                let size = state.files[id].bytes.len() as u64;
                Item { name: name.clone(), folder: false, size }
            }
        };
        let items = there.now.iter().map(item).collect();
        state.reply(items)
    }

    fn look(&self, path: &Path) -> io::Result<Item> {
        let mut state = self.0.lock();
        state.call(Call::Look)?;
        let (_, name) = split(path);
        let item = match state.node(path).ok_or(ErrorKind::NotFound)? {
            Node::Folder => Item { name, folder: true, size: 0 },
            Node::File(id) => {
                Item { name, folder: false, size: state.files[&id].bytes.len() as u64 }
            }
        };
        state.reply(item)
    }

    /// It has no clock: everything was written just now.
    fn modified(&self, path: &Path) -> io::Result<SystemTime> {
        self.look(path).map(|_| SystemTime::now())
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
}

impl SimulatedFile {
    fn with<T>(
        &self,
        call: Call,
        act: impl FnOnce(&mut FileBytes, Option<Failure>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.disk.0.lock();
        let failure = state.call(call)?;
        let file = state.files.get_mut(&self.id).ok_or(ErrorKind::NotFound)?;
        let value = act(file, failure)?;
        state.reply(value)
    }
}

impl DiskNote for SimulatedFile {
    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        self.with(Call::Put, |file, failure| {
            let len = match failure {
                Some(Failure::Short) => bytes.len() / 2,
                _ => bytes.len(),
            };
            file.write_over(&bytes[..len]);
            if len < bytes.len() { Err(ErrorKind::WriteZero.into()) } else { Ok(()) }
        })
    }
}

impl DiskFile for SimulatedFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let room = {
            let state = self.disk.0.lock();
            let file = state.files.get(&self.id).ok_or(ErrorKind::NotFound)?;
            let block = file.bytes.len().next_multiple_of(BLOCK) - file.bytes.len();
            match state.quota {
                Some(quota) => block + quota.saturating_sub(state.used()) / BLOCK * BLOCK,
                None => usize::MAX,
            }
        };
        self.with(Call::Write, |file, failure| {
            let mut len = bytes.len().min(room);
            if len == 0 && !bytes.is_empty() {
                return Err(ErrorKind::StorageFull.into());
            }
            if failure == Some(Failure::Short) {
                len = len.div_ceil(2);
            }
            file.bytes.extend_from_slice(&bytes[..len]);
            Ok(len)
        })
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(Call::Read, |file, failure| {
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(file.bytes.len());
            let mut len = bytes.len().min(file.bytes.len() - from);
            if failure == Some(Failure::Short) {
                len = len.div_ceil(2);
            }
            bytes[..len].copy_from_slice(&file.bytes[from..from + len]);
            Ok(len)
        })
    }

    fn sync(&self) -> io::Result<()> {
        let time = self.disk.0.lock().sync_time;
        let synced = self.with(Call::Sync, |file, failure| {
            let (from, to) = (file.synced, file.bytes.len());
            file.synced = to;
            file.before.clear();
            if let Some(Failure::Errno(number)) = failure {
                // The kernel counts the pages as written from here on.
                file.lost.push(from..to);
                return Err(io::Error::from_raw_os_error(number));
            }
            Ok(())
        });
        if !time.is_zero() {
            std::thread::sleep(time);
        }
        synced
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.with(Call::Truncate, |file, _| {
            let len = usize::try_from(len).unwrap_or(usize::MAX).min(file.bytes.len());
            file.bytes.truncate(len);
            file.synced = file.synced.min(len);
            Ok(())
        })
    }

    fn size(&self) -> io::Result<u64> {
        self.with(Call::Look, |file, _| Ok(file.bytes.len() as u64))
    }
}
