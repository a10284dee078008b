//! A disk that tells somebody of each operation that changes something.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use maelstrom::disk::{Contents, Disk, File, Storage};

use super::script::lock;

/// What changes a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Rename,
    Remove,
    SyncNames,
    Write,
    Truncate,
    Sync,
}

/// Whoever is told.
pub(super) trait Watcher: Send {
    /// It is about to be carried out.
    fn begins(&mut self, operation: Operation);

    /// It was.
    ///
    /// # Errors
    ///
    /// When nothing more has to be done.
    fn ended(&mut self, operation: Operation) -> io::Result<()>;

    /// Writes these bytes, perhaps in several parts.
    ///
    /// # Errors
    ///
    /// As [`ended`](Self::ended), and when they cannot be written.
    fn write(&mut self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()>;
}

type Shared = Arc<Mutex<dyn Watcher>>;

/// The same disk, with a watcher.
pub(super) fn probe(disk: Disk, watcher: Shared) -> Disk {
    Disk::new(Probe { disk, watcher })
}

struct Probe {
    disk: Disk,
    watcher: Shared,
}

fn watched<T>(
    watcher: &Shared,
    operation: Operation,
    call: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    let mut watcher = lock(watcher);
    watcher.begins(operation);
    let done = call();
    watcher.ended(operation)?;
    done
}

impl Storage for Probe {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn Contents>> {
        let file = match self.disk.open(name) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                watched(&self.watcher, Operation::Create, || self.disk.create(name))?
            }
            opened => opened?,
        };
        Ok(Box::new(ProbedFile { file, watcher: Arc::clone(&self.watcher) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        watched(&self.watcher, Operation::Rename, || self.disk.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        watched(&self.watcher, Operation::Remove, || self.disk.remove(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync(&self) -> io::Result<()> {
        watched(&self.watcher, Operation::SyncNames, || self.disk.sync())
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(self.disk.lock()?))
    }

    fn boot(&self) -> Option<String> {
        self.disk.boot()
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

struct ProbedFile {
    file: File,
    watcher: Shared,
}

impl Contents for ProbedFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut watcher = lock(&self.watcher);
        watcher.begins(Operation::Write);
        let written = watcher.write(&self.file, offset, bytes);
        watcher.ended(Operation::Write)?;
        written
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        watched(&self.watcher, Operation::Truncate, || self.file.truncate(length))
    }

    fn sync(&self) -> io::Result<()> {
        watched(&self.watcher, Operation::Sync, || self.file.sync())
    }
}
