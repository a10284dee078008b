//! A disk that fails when it is told to.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

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
    /// How many of files there were.
    syncs: u32,
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

    pub(crate) fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap());
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

impl Storage for Faulty {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn Contents>> {
        let file = if create { self.disk.create(name) } else { self.disk.open(name) }?;
        Ok(Box::new(FaultyFile { file, name: name.to_owned(), disk: self.clone() }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync()
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
        let mut faults = self.disk.faults.lock().unwrap();
        let room = match &mut faults.full {
            Some((start, room)) if self.name.starts_with(*start) => room,
            _ => return self.file.write_at(offset, bytes),
        };
        let written = bytes.len().min(usize::try_from(*room).unwrap());
        *room -= written as u64;
        self.file.write_at(offset, &bytes[..written])?;
        if written == bytes.len() { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        let mut faults = self.disk.faults.lock().unwrap();
        faults.syncs += 1;
        match faults.syncs_that_fail {
            0 => self.file.sync(),
            _ => {
                faults.syncs_that_fail -= 1;
                Err(io::Error::other("broken"))
            }
        }
    }
}
