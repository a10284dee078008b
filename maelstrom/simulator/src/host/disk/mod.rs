//! A node's disk in memory, which can be broken.
//!
//! Files and their names each have what is durable and what is not synced yet. A
//! killed process loses neither; a machine that dies ([`SimulatedDisk::damage`])
//! loses some of what was not synced. Chance comes from a generator of the disk's
//! own, so the same seed breaks the same bytes.
//!
//! What a node sees is what [`maelstrom::disk`] promises and no more: a new file's
//! name is lost without a sync of the directory even when its contents were synced,
//! which most file systems are kinder about.

mod file;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use maelstrom::disk::{self, Contents, Disk, Storage};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustc_hash::FxHasher;

use crate::nemesis::DiskFault;
use file::Inode;

/// A node's disk. Clones are the same one.
#[derive(Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

struct State {
    node: usize,
    rng: StdRng,
    names: BTreeMap<String, SharedInode>,
    /// Changes of names since the last sync, each with what the name stood for.
    unsynced: Vec<Vec<(String, Option<SharedInode>)>>,
    /// The inode that was written to last.
    newest: Weak<Mutex<Inode>>,
    lock: Weak<Held>,
    is_full: bool,
    is_slow: bool,
    /// After so many more calls, one fails with this error of the operating system.
    fails_in: Option<(u32, i32)>,
    /// How long what was done takes, of which nobody knows yet.
    elapsed: Duration,
    /// Whether anything was created, written or locked since this was reset.
    is_used: bool,
    /// Counts the starts of the machine.
    boots: u64,
}

type SharedInode = Arc<Mutex<Inode>>;

/// How long a write takes, a sync, and any other call; what each byte adds to it that is
/// read or written; and how many times as long it takes on a slow disk.
const WRITE: Duration = Duration::from_micros(20);
const SYNC: Duration = Duration::from_millis(2);
const CALL: Duration = Duration::from_micros(5);
const BYTE: Duration = Duration::from_nanos(1);
const SLOWNESS: u32 = 100;
/// One that fails once does so with one of so many calls.
const CALLS: u32 = 12;
/// What the operating system says when a disk fails, and when it is full.
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Keeps the lock until it is dropped.
struct Held;

impl SimulatedDisk {
    pub(crate) fn new(node: usize, seed: u64) -> Self {
        let seed = seed ^ 0x6469_736b_7321 ^ (node as u64) << 48;
        Self(Arc::new(Mutex::new(State {
            node,
            rng: StdRng::seed_from_u64(seed),
            names: BTreeMap::new(),
            unsynced: Vec::new(),
            newest: Weak::new(),
            lock: Weak::new(),
            is_full: false,
            is_slow: false,
            fails_in: None,
            elapsed: Duration::ZERO,
            is_used: false,
            boots: 0,
        })))
    }

    pub(crate) fn disk(&self) -> Disk {
        Disk::new(self.clone())
    }

    /// Does to the disk of a node that was just killed what this fault does.
    pub(crate) fn damage(&self, fault: DiskFault) {
        let mut state = self.state();
        match fault {
            DiskFault::LoseUnsynced => state.lose_unsynced(),
            DiskFault::Torn => state.tear(),
            DiskFault::Flip => state.flip(),
            _ => {}
        }
    }

    /// Lets this be wrong from now on, or no longer.
    pub(crate) fn upset(&self, fault: DiskFault, is_so: bool) {
        let mut state = self.state();
        match fault {
            DiskFault::Full => state.is_full = is_so,
            DiskFault::Slow => state.is_slow = is_so,
            DiskFault::FailOnce => {
                let calls = state.rng.random_range(0..CALLS);
                state.fails_in = is_so.then_some((calls, EIO));
            }
            _ => {}
        }
    }

    /// The next call fails: for lack of space, or because the disk does.
    pub(crate) fn fail_next(&self, is_full: bool) {
        self.state().fails_in = Some((0, if is_full { ENOSPC } else { EIO }));
    }

    /// The same disk again, with a fate of its own: what is done to one does not show on
    /// the other. Nobody has locked the new one.
    pub(crate) fn fork(&self, seed: u64) -> Self {
        let state = self.state();
        let mut copies: BTreeMap<*const Mutex<Inode>, SharedInode> = BTreeMap::new();
        let mut copy = |inode: &SharedInode| {
            let copied = || Arc::new(Mutex::new(lock(inode).clone()));
            Arc::clone(copies.entry(Arc::as_ptr(inode)).or_insert_with(copied))
        };
        let names = state.names.iter().map(|(name, inode)| (name.clone(), copy(inode))).collect();
        let mut change = |change: &Vec<(String, Option<SharedInode>)>| {
            let former = |(name, inode): &(String, Option<SharedInode>)| {
                (name.clone(), inode.as_ref().map(&mut copy))
            };
            change.iter().map(former).collect()
        };
        let unsynced = state.unsynced.iter().map(&mut change).collect();
        let newest = state.newest.upgrade().map(|inode| Arc::downgrade(&copy(&inode)));
        let new = Self::new(state.node, seed);
        *new.state() = State {
            node: state.node,
            rng: StdRng::seed_from_u64(seed),
            names,
            unsynced,
            newest: newest.unwrap_or_default(),
            lock: Weak::new(),
            elapsed: Duration::ZERO,
            ..*state
        };
        new
    }

    /// The machine dies, and all that was not synced is lost.
    pub(crate) fn forget_unsynced(&self) {
        let mut state = self.state();
        state.boots += 1;
        state.take_back_names(0);
        state.names.values().for_each(|inode| lock(inode).forget_unsynced());
    }

    /// The machine dies when all was written.
    pub(crate) fn reboot(&self) {
        self.state().boots += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.state().is_full
    }

    /// Flips a bit of a file.
    pub(crate) fn flip(&self, name: &str, place: usize, bit: u32) {
        if let Some(inode) = self.state().names.get(name) {
            lock(inode).flip(place, bit);
        }
    }

    /// Tells disks apart on which something different is found, or may be after a crash.
    pub(crate) fn fingerprint(&self) -> u64 {
        let state = self.state();
        let mut hasher = FxHasher::default();
        (state.boots, state.is_full, state.unsynced.is_empty()).hash(&mut hasher);
        for (name, inode) in &state.names {
            name.hash(&mut hasher);
            lock(inode).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Keeps so many bytes of the last write, as far as it is not synced; the rest of it
    /// never reached the disk.
    pub(crate) fn cut(&self, kept: usize) {
        if let Some(newest) = self.state().newest.upgrade() {
            lock(&newest).cut(kept);
        }
    }

    /// Whether a process that was started on it since the last call of
    /// [`begin_incarnation`](Self::begin_incarnation) keeps something there.
    pub(crate) fn is_used(&self) -> bool {
        self.state().is_used
    }

    /// A process starts on it. Somebody made room for it if there was none.
    pub(crate) fn begin_incarnation(&self) {
        let mut state = self.state();
        (state.is_used, state.is_full) = (false, false);
        (state.is_slow, state.fails_in) = (false, None);
        state.elapsed = Duration::ZERO;
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let files = state.names.iter();
        files.map(|(name, inode)| (name.clone(), lock(inode).bytes().to_vec())).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl State {
    /// A call begins, which takes so long. Fails if it is its turn to.
    fn begin(&mut self, time: Duration) -> io::Result<()> {
        self.elapsed += if self.is_slow { time * SLOWNESS } else { time };
        match &mut self.fails_in {
            None => Ok(()),
            Some((0, error)) => {
                let failed = io::Error::from_raw_os_error(*error);
                self.fails_in = None;
                Err(failed)
            }
            Some((calls, _)) => {
                *calls -= 1;
                Ok(())
            }
        }
    }

    /// Begins a call that changes names. One that fails may have been carried out, unless
    /// that takes space which is not there.
    fn begin_change(&mut self) -> (bool, io::Result<()>) {
        let begun = self.begin(CALL);
        let is_full = begun.as_ref().is_err_and(disk::is_full);
        (begun.is_ok() || (!is_full && self.rng.random()), begun)
    }

    /// Each unsynced write is there or not, and perhaps the last of them in part;
    /// of the unsynced names, the first few.
    fn lose_unsynced(&mut self) {
        self.boots += 1;
        let kept = self.rng.random_range(0..=self.unsynced.len());
        self.take_back_names(kept);
        for inode in self.names.values() {
            lock(inode).lose_unsynced(&mut self.rng);
        }
    }

    /// Takes back all but the first few changes of names that are not synced.
    fn take_back_names(&mut self, kept: usize) {
        let lost = self.unsynced.split_off(kept);
        self.unsynced.clear();
        // A file that nobody can find any more may still be found by what its name
        // stood for before.
        for (name, former) in lost.into_iter().rev().flatten() {
            match former {
                Some(inode) => self.names.insert(name, inode),
                None => self.names.remove(&name),
            };
        }
    }

    fn tear(&mut self) {
        self.boots += 1;
        if let Some(newest) = self.newest.upgrade() {
            lock(&newest).tear(&mut self.rng);
        }
        self.unsynced.clear();
        self.names.values().for_each(|inode| lock(inode).sync());
    }

    fn flip(&mut self) {
        let sizes = self.names.values().map(|inode| lock(inode).bytes().len());
        let total: usize = sizes.sum();
        if total == 0 || self.rng.random() {
            return;
        }
        let mut place = self.rng.random_range(0..total);
        let bit = self.rng.random_range(0..8);
        for inode in self.names.values() {
            let mut inode = lock(inode);
            let length = inode.bytes().len();
            if place < length {
                return inode.flip(place, bit);
            }
            place -= length;
        }
    }

    fn change(&mut self, changes: impl IntoIterator<Item = (String, Option<SharedInode>)>) {
        self.is_used = true;
        let mut former = Vec::new();
        for (name, inode) in changes {
            let before = match inode {
                Some(inode) => self.names.insert(name.clone(), inode),
                None => self.names.remove(&name),
            };
            former.push((name, before));
        }
        former.reverse();
        self.unsynced.push(former);
    }

    fn find(&self, name: &str) -> io::Result<SharedInode> {
        let found = self.names.get(name).cloned();
        found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no file {name:?}")))
    }
}

impl fmt::Display for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the disk of n{}", self.state().node)
    }
}

impl Storage for SimulatedDisk {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn Contents>> {
        let mut state = self.state();
        state.begin(CALL)?;
        let inode = match state.find(name) {
            Err(_) if create && state.is_full => return Err(full()),
            Err(_) if create => {
                let inode = SharedInode::default();
                state.change([(name.to_owned(), Some(inode.clone()))]);
                inode
            }
            found => found?,
        };
        drop(state);
        Ok(Box::new(Open { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.find(from)?;
        let (is_done, done) = state.begin_change();
        // It may need another block of the directory.
        if done.is_ok() && state.is_full && state.rng.random() {
            return Err(full());
        }
        if is_done && from != to {
            state.change([(from.to_owned(), None), (to.to_owned(), Some(inode))]);
        }
        done
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.find(name)?;
        let (is_done, done) = state.begin_change();
        if is_done {
            state.change([(name.to_owned(), None)]);
        }
        done
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.begin(CALL)?;
        Ok(state.names.keys().cloned().collect())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.begin(SYNC)?;
        state.unsynced.clear();
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.state();
        state.begin(CALL)?;
        if state.lock.strong_count() > 0 {
            let problem = format!("another process uses the disk of n{}", state.node);
            return Err(io::Error::new(io::ErrorKind::WouldBlock, problem));
        }
        let held = Arc::new(Held);
        state.lock = Arc::downgrade(&held);
        state.is_used = true;
        Ok(Box::new(held))
    }

    fn boot(&self) -> Option<String> {
        Some(format!("boot {}", self.state().boots))
    }

    fn elapsed(&self) -> Option<Duration> {
        Some(std::mem::take(&mut self.state().elapsed))
    }
}

/// An open file. The disk and the inode are never locked at the same time, but by
/// [`State`].
struct Open {
    disk: SimulatedDisk,
    inode: SharedInode,
}

impl Open {
    /// Begins a write of so many bytes; how many of them reach the file, and why not all.
    fn begin(&self, length: usize) -> (usize, io::Result<()>) {
        let mut state = self.disk.state();
        state.is_used = true;
        state.newest = Arc::downgrade(&self.inode);
        let begun = state.begin(WRITE + transfer(length));
        let begun = if state.is_full { begun.and_then(|()| Err(full())) } else { begun };
        let room = if begun.is_ok() { length } else { state.rng.random_range(0..=length / 2) };
        (room, begun)
    }
}

impl Contents for Open {
    fn length(&self) -> io::Result<u64> {
        Ok(lock(&self.inode).bytes().len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let inode = lock(&self.inode);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(inode.bytes().len());
        let rest = &inode.bytes()[offset..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        drop(inode);
        self.disk.state().begin(CALL + transfer(count))?;
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let (room, begun) = self.begin(bytes.len());
        if room > 0 {
            lock(&self.inode).write(offset, &bytes[..room]);
        }
        begun
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let present = lock(&self.inode).bytes().len();
        let (_, begun) = self.begin(0);
        match begun {
            Err(error) if length > present || !disk::is_full(&error) => return Err(error),
            _ => {}
        }
        lock(&self.inode).truncate(length);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let begun = self.disk.state().begin(SYNC);
        let mut inode = lock(&self.inode);
        match &begun {
            Ok(()) => inode.sync(),
            // As Linux does it: what could not be written counts as written.
            Err(_) => inode.forsake(),
        }
        begun
    }
}

/// How much longer a call takes with so many bytes.
fn transfer(bytes: usize) -> Duration {
    BYTE * u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(ENOSPC)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
