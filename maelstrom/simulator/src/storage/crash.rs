//! A disk that looks, after each operation, at what a crash there would leave behind.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use maelstrom::disk::{Contents, Disk, File, Storage};

use super::model::Model;
use super::script::{self, calls};
use super::{Failure, Open, Script, contents, step};
use crate::host::disk::SimulatedDisk;
use crate::nemesis::DiskFault;

/// After so many calls, the log is closed and opened.
const REOPENED: usize = 40;
/// Writes are torn at each of so many last bytes,
const TORN_BYTES: usize = 48;
/// and before those at so many places or fewer.
const TORN_PLACES: usize = 8;
/// In so many ways what is not synced is lost at random.
const LOSSES: u64 = 3;
/// Every so manieth state is written to, and opened once more.
const CONTINUED: usize = 5;

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Operations that change what is on the disk. It was stopped after each of them.
    pub disk_operations: usize,
    /// States of the disk that were opened.
    pub states: usize,
}

/// Does to a log what a script says, on a disk that stops after each of its operations,
/// within each write, with what was not synced and without it; and opens what is left.
/// There has to be everything that was safe, and otherwise what was done last, up to some
/// record. Then it is written to, now and then, as if nothing had been.
///
/// # Errors
///
/// What is wrong, and at which operation.
pub fn survives_crashes(script: &Script, open: Open) -> Result<Tried, Failure> {
    let medium = match &script.directory {
        None => Medium::Memory(SimulatedDisk::new(0, script.seed)),
        Some(directory) => Medium::Real(directory.clone()),
    };
    let model = Arc::new(Mutex::new(Model::default()));
    let disk = medium.disk();
    let examiner = Examiner { medium, open, model, tried: Tried::default(), failure: None };
    let model = Arc::clone(&examiner.model);
    let examiner = Arc::new(Mutex::new(examiner));
    let probed = Disk::new(Probe { disk, examiner: Arc::clone(&examiner) });
    let outcome = run(script, open, &probed, &model);
    let examiner = lock(&examiner);
    match &examiner.failure {
        Some(failure) => Err(failure.clone().into()),
        None => outcome.map(|()| examiner.tried),
    }
}

fn run(script: &Script, open: Open, disk: &Disk, model: &Mutex<Model>) -> Result<(), Failure> {
    let mut log = open(disk.clone())?;
    for (count, call) in calls(script).enumerate() {
        step(&call, log.as_mut(), model)?;
        if count % REOPENED == REOPENED - 1 {
            drop(log);
            log = open(disk.clone())?;
            let mut model = script::lock(model);
            // What is seen has to stay.
            model.safe = model.now.end;
            if contents(log.as_ref())? != model.now {
                return Err("it is another log after it was closed and opened".into());
            }
        }
    }
    Ok(())
}

/// Looks at what crashes leave behind.
struct Examiner {
    medium: Medium,
    open: Open,
    model: Arc<Mutex<Model>>,
    tried: Tried,
    failure: Option<String>,
}

enum Medium {
    Memory(SimulatedDisk),
    Real(PathBuf),
}

impl Medium {
    fn disk(&self) -> Disk {
        match self {
            Self::Memory(disk) => disk.disk(),
            Self::Real(directory) => unsynced(&directory.join("disk")),
        }
    }
}

impl Examiner {
    /// An operation has been carried out.
    fn operated(&mut self) -> io::Result<()> {
        self.tried.disk_operations += 1;
        if let Medium::Memory(disk) = &self.medium {
            let disk = disk.clone();
            let forgetful = disk.fork(0);
            forgetful.forget_unsynced();
            self.open(&forgetful.disk(), "everything unsynced lost")?;
            for seed in 0..LOSSES {
                let fork = disk.fork(seed << 32 | self.tried.disk_operations as u64);
                fork.damage(DiskFault::LoseUnsynced);
                self.open(&fork.disk(), "something unsynced lost")?;
            }
        }
        self.killed("killed")
    }

    /// The process has been killed.
    fn killed(&mut self, how: &str) -> io::Result<()> {
        let copy = match &self.medium {
            Medium::Memory(disk) => disk.fork(0).disk(),
            Medium::Real(directory) => copy(directory)?,
        };
        self.open(&copy, how)
    }

    /// The last write has been carried out up to some byte, in memory.
    fn torn(&mut self, kept: usize) -> io::Result<()> {
        let Medium::Memory(disk) = &self.medium else { return Ok(()) };
        let killed = disk.fork(0);
        killed.cut(kept);
        let dead = killed.fork(0);
        dead.reboot();
        self.open(&killed.disk(), "killed within a write")?;
        self.open(&dead.disk(), "the machine dead within a write")
    }

    /// Opens what is there, which has to be what the model allows.
    fn open(&mut self, disk: &Disk, how: &str) -> io::Result<()> {
        self.tried.states += 1;
        let is_continued = self.tried.states.is_multiple_of(CONTINUED);
        self.recover(disk, is_continued).map_err(|error| {
            let operation = self.tried.disk_operations;
            self.failure = Some(format!("{how} at operation {operation} of the disk: {error}"));
            io::Error::other("the examination has failed")
        })
    }

    fn recover(&self, disk: &Disk, is_continued: bool) -> Result<(), Failure> {
        let mut log = (self.open)(disk.clone())?;
        let mut found = contents(log.as_ref())?;
        let model = script::lock(&self.model);
        if !model.allows(&found) {
            let (safe, now) = (model.safe, &model.now);
            return Err(format!("found {found:?}; {safe} records of this are safe: {now:?}").into());
        }
        if is_continued {
            log.append(&[b"more"])?;
            log.sync()?;
            drop(log);
            found.records.push(b"more".to_vec());
            found.end += 1;
            let again = contents((self.open)(disk.clone())?.as_ref())?;
            if again != found {
                return Err(format!("found {again:?} after continuing, not {found:?}").into());
            }
        }
        Ok(())
    }
}

/// A disk that tells an examiner of each operation that changes something.
struct Probe {
    disk: Disk,
    examiner: Arc<Mutex<Examiner>>,
}

impl Probe {
    fn operated<T>(&self, done: io::Result<T>) -> io::Result<T> {
        let done = done?;
        lock(&self.examiner).operated()?;
        Ok(done)
    }
}

impl Storage for Probe {
    fn open(&self, name: &str, create: bool) -> io::Result<Box<dyn Contents>> {
        let file = match self.disk.open(name) {
            Err(error) if create && error.kind() == io::ErrorKind::NotFound => {
                self.operated(self.disk.create(name))?
            }
            opened => opened?,
        };
        Ok(Box::new(ProbedFile { file, examiner: Arc::clone(&self.examiner) }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.operated(self.disk.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.operated(self.disk.remove(name))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn sync(&self) -> io::Result<()> {
        self.operated(self.disk.sync())
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
    examiner: Arc<Mutex<Examiner>>,
}

impl Contents for ProbedFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut examiner = lock(&self.examiner);
        let is_real = matches!(examiner.medium, Medium::Real(_));
        let all = bytes.len();
        let stride = all.div_ceil(TORN_PLACES).max(1);
        let cuts = (1..all).filter(|cut| cut + TORN_BYTES >= all || cut % stride == 0);
        if is_real {
            // The longer beginning of a write is written over the shorter one.
            for cut in cuts {
                self.file.write_at(offset, &bytes[..cut])?;
                examiner.killed("killed within a write")?;
            }
            self.file.write_at(offset, bytes)?;
        } else {
            self.file.write_at(offset, bytes)?;
            cuts.into_iter().try_for_each(|cut| examiner.torn(cut))?;
        }
        examiner.operated()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.truncate(length)?;
        lock(&self.examiner).operated()
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()?;
        lock(&self.examiner).operated()
    }
}

/// A real directory whose syncs do nothing: where only processes die, nobody can tell.
struct Unsynced(Disk);

struct UnsyncedFile(File);

fn unsynced(directory: &Path) -> Disk {
    Disk::new(Unsynced(Disk::in_directory(directory)))
}

/// A copy of the disk in a directory, beside it.
fn copy(directory: &Path) -> io::Result<Disk> {
    let (from, to) = (directory.join("disk"), directory.join("copy"));
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    fs::create_dir(&to)?;
    for name in Disk::in_directory(&from).list()? {
        fs::copy(from.join(&name), to.join(&name))?;
    }
    Ok(unsynced(&to))
}

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

fn lock(examiner: &Mutex<Examiner>) -> MutexGuard<'_, Examiner> {
    examiner.lock().unwrap_or_else(PoisonError::into_inner)
}
