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

mod calls;
mod file;

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use maelstrom::disk::Disk;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustc_hash::FxHasher;

use crate::nemesis::DiskFault;
use calls::{EIO, ENOSPC, Held};
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

/// A disk that fails once does so with one of so many calls.
const CALLS: u32 = 12;

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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
