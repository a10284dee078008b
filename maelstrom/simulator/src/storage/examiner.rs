//! Looks, after each operation of a disk, at what a crash there would leave behind.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::sync::{Arc, Mutex};

use maelstrom::disk::{Disk, File};
use maelstrom::journal::Sync;
use rustc_hash::FxHasher;

use super::medium::Medium;
use super::model::{Contents, Fate, Model};
use super::probe::{Operation, Watcher, probe};
use super::script::lock;
use super::{Failure, Open, Opening, Recoverable, Tried, contents};
use crate::host::disk::SimulatedDisk;
use crate::nemesis::DiskFault;

/// Writes are torn at each of so many last bytes,
const TORN_BYTES: usize = 40;
/// and before those at so many places or fewer.
const TORN_PLACES: usize = 4;
/// So many of both on a real disk.
const REAL_PLACES: usize = 2;
/// In so many ways what is not synced is lost at random.
const LOSSES: u64 = 2;
/// Every so manieth state is written to, and opened once more.
const CONTINUED: usize = 10;
/// After so many operations since one failed, nothing is looked at any more.
const AFTERMATH: usize = 6;
/// For so many operations a disk stays full.
const FULL_FOR: usize = 5;

/// Whose logs are examined.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) open: Open,
    pub(super) sync: Sync,
}

impl Subject {
    pub(super) fn open(
        self,
        disk: Disk,
        fresh_incarnation: u64,
        discard_corrupt: bool,
    ) -> Result<Box<dyn Recoverable>, Failure> {
        (self.open)(disk, Opening { fresh_incarnation, sync: self.sync, discard_corrupt })
    }
}

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) enum Plan {
    /// All that a crash can leave behind, after each operation and within each write.
    Everything,
    /// After each operation, with what is not synced and without.
    Ends,
    /// The same for some time after an operation that fails.
    Failing(Fault),
    /// Nothing: operations are counted.
    Nothing,
}

/// Which operation fails, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The disk fails once.
    Io,
    /// There is no space for it.
    Full,
    /// There is no space for some time, nor when the machine has been started again.
    StaysFull,
}

/// How closely a state is looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    Opened,
    /// What is found has to stay if the machine dies then.
    Stays,
    /// And crashes while it is opened are tried, at each operation.
    Interrupted,
}

pub(super) struct Examiner {
    medium: Medium,
    subject: Subject,
    model: Arc<Mutex<Model>>,
    plan: Plan,
    /// What has happened at least.
    fate: Fate,
    /// States, and how closely they were looked at.
    pub(super) seen: BTreeMap<u64, Option<Depth>>,
    /// The operation that failed.
    pub(super) struck: Option<Operation>,
    pub(super) tried: Tried,
    pub(super) failure: Option<String>,
}

impl Examiner {
    pub(super) fn new(
        medium: Medium,
        subject: Subject,
        model: Arc<Mutex<Model>>,
        plan: Plan,
    ) -> Self {
        Self {
            medium,
            subject,
            model,
            plan,
            fate: Fate::Killed,
            seen: BTreeMap::new(),
            struck: None,
            tried: Tried::default(),
            failure: None,
        }
    }

    /// The disk that it watches.
    pub(super) fn watch(self) -> (Disk, Arc<Mutex<Self>>) {
        let disk = self.medium.disk();
        let examiner = Arc::new(Mutex::new(self));
        (probe(disk, Arc::<Mutex<Self>>::clone(&examiner)), examiner)
    }

    /// Whether what failed did so for lack of space, once, and before anything else was
    /// decided. That must not end a log.
    pub(super) fn may_go_on(&self) -> bool {
        let is_once = matches!(self.plan, Plan::Failing(Fault { kind: Kind::Full, .. }));
        is_once && matches!(self.struck, Some(Operation::Write | Operation::Create))
    }

    /// What is there between two operations.
    fn between(&mut self) -> io::Result<()> {
        let (depth, losses) = match self.plan {
            Plan::Everything => (Depth::Interrupted, LOSSES),
            Plan::Ends => (Depth::Opened, 0),
            Plan::Failing(Fault { at, .. }) => {
                let is_over = self.tried.disk_operations > at + AFTERMATH;
                if self.struck.is_none() || is_over {
                    return Ok(());
                }
                (Depth::Stays, 0)
            }
            Plan::Nothing => return Ok(()),
        };
        let Medium::Memory(disk) = self.medium.clone() else {
            return self.killed_on_real_disk("killed");
        };
        let dead = disk.fork(0);
        dead.forget_unsynced();
        self.examine(&dead, Fate::Dead, depth, "everything unsynced lost")?;
        for seed in 0..losses {
            let fork = disk.fork(seed << 32 | self.tried.disk_operations as u64);
            fork.damage(DiskFault::LoseUnsynced);
            self.examine(&fork, Fate::Dead, Depth::Opened, "something unsynced lost")?;
        }
        self.examine(&disk.fork(0), Fate::Killed, depth, "killed")
    }

    /// The last write has been carried out up to some byte, in memory.
    fn torn(&mut self, disk: &SimulatedDisk, kept: usize) -> io::Result<()> {
        let killed = disk.fork(0);
        killed.cut(kept);
        if kept.is_multiple_of(3) {
            let dead = killed.fork(0);
            dead.reboot();
            self.examine(&dead, Fate::Dead, Depth::Opened, "the machine dead within a write")?;
        }
        let is_deep = kept.is_multiple_of(32);
        let depth = if is_deep { Depth::Interrupted } else { Depth::Opened };
        self.examine(&killed, Fate::Killed, depth, "killed within a write")
    }

    fn killed_on_real_disk(&mut self, how: &str) -> io::Result<()> {
        self.tried.states += 1;
        let copy = self.medium.copy(0)?;
        let examined = self.opened(&copy.disk(), Fate::Killed).and_then(|found| {
            let is_continued = self.tried.states.is_multiple_of(CONTINUED);
            if is_continued { self.goes_on(&copy.disk(), found) } else { Ok(()) }
        });
        examined.map_err(|error| self.fail(how, &error))
    }

    /// Opens what is there, which has to be what the model allows, unless the same was
    /// there before.
    pub(super) fn examine(
        &mut self,
        disk: &SimulatedDisk,
        fate: Fate,
        depth: Depth,
        how: &str,
    ) -> io::Result<()> {
        let fate = fate.max(self.fate);
        let mut hasher = FxHasher::default();
        (disk.fingerprint(), fate, lock(&self.model).version).hash(&mut hasher);
        let looked_at = self.seen.entry(hasher.finish()).or_insert(None);
        if *looked_at >= Some(depth) {
            return Ok(());
        }
        *looked_at = Some(depth);
        self.tried.states += 1;
        self.recovers(disk, fate, depth).map_err(|error| self.fail(how, &error))
    }

    fn fail(&mut self, how: &str, error: &Failure) -> io::Error {
        let operation = self.tried.disk_operations;
        self.failure = Some(format!("{how} at operation {operation} of the disk: {error}"));
        io::Error::other("the examination has failed")
    }

    fn recovers(&mut self, disk: &SimulatedDisk, fate: Fate, depth: Depth) -> Result<(), Failure> {
        let opened = match depth {
            Depth::Interrupted => self.interrupted(disk, fate)?,
            _ => self.opened(&disk.disk(), fate),
        };
        let found = match opened {
            Err(_) if disk.is_full() => {
                disk.upset(DiskFault::Full, false);
                self.opened(&disk.disk(), fate)?
            }
            opened => opened?,
        };
        if depth != Depth::Opened && self.subject.sync != Sync::Never {
            let dead = disk.fork(0);
            dead.forget_unsynced();
            dead.upset(DiskFault::Full, false);
            let again = contents(self.reopen(&dead.disk())?.as_ref())?;
            if again != found {
                return Err(format!("found {again:?} after {found:?} had been shown").into());
            }
        }
        disk.upset(DiskFault::Full, false);
        let is_continued = self.tried.states.is_multiple_of(CONTINUED);
        if is_continued { self.goes_on(&disk.disk(), found) } else { Ok(()) }
    }

    fn reopen(&self, disk: &Disk) -> Result<Box<dyn Recoverable>, Failure> {
        let fresh = lock(&self.model).incarnation + 1;
        self.subject.open(disk.clone(), fresh, false)
    }

    /// What is found there, if it is allowed. What is damaged may be refused; then it is
    /// what it has after it was discarded.
    fn opened(&self, disk: &Disk, fate: Fate) -> Result<Contents, Failure> {
        let log = match self.reopen(disk) {
            Err(_) if fate == Fate::Damaged => {
                let fresh = lock(&self.model).incarnation + 1;
                self.subject.open(disk.clone(), fresh, true)?
            }
            opened => opened?,
        };
        let found = contents(log.as_ref())?;
        lock(&self.model).check(&found, log.incarnation(), fate)?;
        Ok(found)
    }

    /// The same with crashes while it is opened, at each operation. What those leave behind is
    /// wrong if this fails.
    fn interrupted(
        &mut self,
        disk: &SimulatedDisk,
        fate: Fate,
    ) -> Result<Result<Contents, Failure>, Failure> {
        let medium = Medium::Memory(disk.clone());
        let model = Arc::clone(&self.model);
        let mut inner = Self::new(medium, self.subject, model, Plan::Ends);
        (inner.fate, inner.seen) = (fate, std::mem::take(&mut self.seen));
        let (watched, inner) = inner.watch();
        let opened = self.opened(&watched, fate);
        let mut inner = lock(&inner);
        self.seen = std::mem::take(&mut inner.seen);
        self.tried.states += inner.tried.states;
        self.tried.in_recovery += inner.tried.disk_operations;
        match inner.failure.take() {
            Some(failure) => Err(format!("while it was opened, {failure}").into()),
            None => Ok(opened),
        }
    }

    /// Whether a damaged log is refused; if not, it has what is allowed.
    pub(super) fn is_refused(&self, disk: &SimulatedDisk) -> Result<bool, Failure> {
        let Ok(log) = self.reopen(&disk.fork(0).disk()) else { return Ok(true) };
        let found = contents(log.as_ref())?;
        lock(&self.model).check(&found, log.incarnation(), Fate::Damaged)?;
        Ok(false)
    }

    /// Has a damaged log discarded, on a disk that stops after each operation.
    pub(super) fn is_discarded(&mut self, disk: &SimulatedDisk) -> Result<(), Failure> {
        self.interrupted(&disk.fork(0), Fate::Damaged)?.map(drop)
    }

    /// Writes to it as if nothing had been.
    fn goes_on(&self, disk: &Disk, mut found: Contents) -> Result<(), Failure> {
        let mut log = self.reopen(disk)?;
        log.append(&[b"more"])?;
        log.sync()?;
        drop(log);
        found.records.push(b"more".to_vec());
        found.end += 1;
        let again = contents(self.reopen(disk)?.as_ref())?;
        match again == found {
            true => Ok(()),
            false => Err(format!("found {again:?} after continuing, not {found:?}").into()),
        }
    }
}

impl Watcher for Examiner {
    fn begins(&mut self, operation: Operation) {
        let (Plan::Failing(fault), Medium::Memory(disk)) = (self.plan, &self.medium) else {
            return;
        };
        let done = self.tried.disk_operations;
        if done == fault.at {
            self.struck = Some(operation);
            disk.fail_next(fault.kind != Kind::Io);
            disk.upset(DiskFault::Full, fault.kind == Kind::StaysFull);
        } else if done == fault.at + FULL_FOR {
            disk.upset(DiskFault::Full, false);
        }
    }

    fn ended(&mut self, operation: Operation) -> io::Result<()> {
        self.tried.disk_operations += 1;
        // There they do nothing.
        let is_sync = matches!(operation, Operation::Sync | Operation::SyncNames);
        match self.medium {
            Medium::Real(_) if is_sync => Ok(()),
            _ => self.between(),
        }
    }

    fn write(&mut self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let all = bytes.len();
        let is_real = matches!(self.medium, Medium::Real(_));
        let (last, places) =
            if is_real { (REAL_PLACES, REAL_PLACES) } else { (TORN_BYTES, TORN_PLACES) };
        let stride = all.div_ceil(places).max(1);
        let mut cuts = (1..all).filter(|cut| cut + last >= all || cut % stride == 0);
        match (self.plan, self.medium.clone()) {
            (Plan::Everything, Medium::Memory(disk)) => {
                file.write_at(offset, bytes)?;
                cuts.try_for_each(|cut| self.torn(&disk, cut))
            }
            (Plan::Everything, Medium::Real(_)) => {
                // The longer beginning of a write is written over the shorter one.
                for cut in cuts {
                    file.write_at(offset, &bytes[..cut])?;
                    self.killed_on_real_disk("killed within a write")?;
                }
                file.write_at(offset, bytes)
            }
            _ => file.write_at(offset, bytes),
        }
    }
}
