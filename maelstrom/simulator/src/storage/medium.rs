//! What the logs under test are on.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use maelstrom::disk::{Contents, Disk, File, Storage};

use super::Script;
use crate::host::disk::SimulatedDisk;

#[derive(Clone)]
pub(super) enum Medium {
    Memory(SimulatedDisk),
    Real(PathBuf),
}

impl Medium {
    pub(super) fn of(script: &Script) -> Self {
        match &script.directory {
            None => Self::Memory(SimulatedDisk::new(0, script.seed)),
            Some(directory) => Self::Real(directory.join("disk")),
        }
    }

    pub(super) fn disk(&self) -> Disk {
        match self {
            Self::Memory(disk) => disk.disk(),
            Self::Real(directory) => {
                let disk = Disk::in_directory(directory);
                // Opens it if it is there. Whoever has to make it syncs what it is in.
                let _ = disk.list();
                Disk::new(Unsynced(disk))
            }
        }
    }

    /// The same again, with a fate of its own. Of real ones there is one copy at a time.
    pub(super) fn copy(&self, seed: u64) -> io::Result<Self> {
        match self {
            Self::Memory(disk) => Ok(Self::Memory(disk.fork(seed))),
            Self::Real(directory) => {
                let to = directory.with_extension("copy");
                copy(directory, &to)?;
                Ok(Self::Real(to))
            }
        }
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir(to)?;
    for name in Disk::in_directory(from).list()? {
        fs::copy(from.join(&name), to.join(&name))?;
    }
    Ok(())
}

/// A real directory whose syncs do nothing: where only processes die, nobody can tell.
struct Unsynced(Disk);

struct UnsyncedFile(File);

impl Storage for Unsynced {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn Contents>> {
        let file = if create { self.0.create(name) } else { self.0.open(name) };
        Ok(Box::new(UnsyncedFile(file?)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove(name)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.0.list()
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send + Sync>> {
        Ok(Box::new(self.0.lock()?))
    }

    fn boot(&self) -> Option<String> {
        self.0.boot()
    }
}

impl fmt::Display for Unsynced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Contents for UnsyncedFile {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
