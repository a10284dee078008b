//! A disk that fails when it is told to.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use maelstrom::disk::{Contents, Disk, File, Storage};

/// What is wrong with it.
#[derive(Default)]
pub(crate) struct Faults {
    /// How often the machine has died.
    pub(crate) boots: u32,
    /// Files whose names begin like this have room for so many bytes that they do not have
    /// yet.
    pub(crate) full: Option<(&'static str, u64)>,
    pub(crate) syncs_that_fail: u32,
    /// These operations fail.
    pub(crate) failing: Range<u32>,
    /// After so many operations the process is dead: nothing is done any more.
    pub(crate) dies_after: Option<u32>,
    /// How many syncs of files there were,
    syncs: u32,
    /// and operations that change something.
    operations: u32,
    inodes: BTreeMap<String, Arc<Mutex<Inode>>>,
}

/// What is durable of a file. Names always are, in this disk.
#[derive(Default)]
struct Inode {
    durable: Vec<u8>,
    /// What was written since the last sync. One that fails forgets it, as systems do.
    dirty: Vec<Range<usize>>,
}

impl Inode {
    fn sync(&mut self, bytes: &[u8]) {
        for range in self.dirty.drain(..) {
            self.durable.resize(self.durable.len().max(range.end), 0);
            self.durable[range.clone()].copy_from_slice(&bytes[range]);
        }
    }
}

/// A disk, and faults that come and go.
#[derive(Clone)]
pub(crate) struct Faulty {
    disk: Disk,
    faults: Arc<Mutex<Faults>>,
}

impl Faulty {
    pub(crate) fn new(disk: Disk) -> Self {
        Self { disk, faults: Arc::default() }
    }

    pub(crate) fn disk(&self) -> Disk {
        Disk::new(self.clone())
    }

    pub(crate) fn syncs(&self) -> u32 {
        self.faults.lock().unwrap().syncs
    }

    pub(crate) fn operations(&self) -> u32 {
        self.faults.lock().unwrap().operations
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap());
    }

    /// The machine dies, and starts again.
    pub(crate) fn lose_power(&self) {
        let mut faults = self.faults.lock().unwrap();
        faults.boots += 1;
        for (name, inode) in &faults.inodes {
            let mut inode = inode.lock().unwrap();
            inode.dirty.clear();
            let file = self.disk.open(name).unwrap();
            file.truncate(0).unwrap();
            file.write_at(0, &inode.durable).unwrap();
        }
    }

    /// An operation that changes something, unless it fails.
    fn operate(&self) -> io::Result<MutexGuard<'_, Faults>> {
        let mut faults = self.faults.lock().unwrap();
        let count = faults.operations;
        faults.operations += 1;
        let is_dead = faults.dies_after.is_some_and(|dies_after| count >= dies_after);
        if is_dead || faults.failing.contains(&count) {
            return Err(io::Error::other("broken"));
        }
        Ok(faults)
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

impl Storage for Faulty {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn Contents>> {
        let file = match self.disk.open(name) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                drop(self.operate()?);
                self.disk.create(name)?
            }
            opened => opened?,
        };
        let mut faults = self.faults.lock().unwrap();
        let inode = match faults.inodes.get(name) {
            Some(inode) => Arc::clone(inode),
            None => {
                let inode = Inode { durable: file.read()?, dirty: Vec::new() };
                Arc::new(Mutex::new(inode))
            }
        };
        faults.inodes.insert(name.to_owned(), Arc::clone(&inode));
        Ok(Box::new(FaultyFile { file, name: name.to_owned(), inode, disk: self.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut faults = self.operate()?;
        if let Some(inode) = faults.inodes.remove(from) {
            faults.inodes.insert(to.to_owned(), inode);
        }
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.operate()?.inodes.remove(name);
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync(&self) -> io::Result<()> {
        self.operate().map(drop)
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(self.disk.lock()?))
    }

    fn boot(&self) -> Option<String> {
        Some(self.faults.lock().unwrap().boots.to_string())
    }
}

struct FaultyFile {
    file: File,
    name: String,
    inode: Arc<Mutex<Inode>>,
    disk: Faulty,
}

impl Contents for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut faults = self.disk.operate()?;
        let taken = self.file.length()?.saturating_sub(offset);
        let mut written = bytes.len();
        if let Some((start, room)) = &mut faults.full
            && self.name.starts_with(*start)
        {
            let new = (bytes.len() as u64).saturating_sub(taken);
            let lacking = new.saturating_sub(*room);
            *room -= new - lacking;
            written -= usize::try_from(lacking).unwrap();
        }
        let start = usize::try_from(offset).unwrap();
        self.inode.lock().unwrap().dirty.push(start..start + written);
        self.file.write_at(offset, &bytes[..written])?;
        if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        drop(self.disk.operate()?);
        self.inode.lock().unwrap().durable.truncate(usize::try_from(length).unwrap());
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        let operated = self.disk.operate();
        let mut inode = self.inode.lock().unwrap();
        let is_broken = match operated {
            Ok(mut faults) => {
                faults.syncs += 1;
                let is_broken = faults.syncs_that_fail > 0;
                faults.syncs_that_fail -= u32::from(is_broken);
                is_broken
            }
            Err(_) => true,
        };
        if is_broken {
            inode.dirty.clear();
            return Err(io::Error::other("broken"));
        }
        inode.sync(&self.file.read()?);
        Ok(())
    }
}
