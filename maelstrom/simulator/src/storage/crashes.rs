//! Scripts that run on a disk which stops everywhere, which fails, or which is damaged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use maelstrom::disk::Disk;

use super::examiner::{Depth, Examiner, Fault, Kind, Plan, Subject};
use super::medium::Medium;
use super::model::{Fate, Model};
use super::script::{Call, calls, lock};
use super::{Failure, Open, Recoverable, Script, Tried, contents, step};
use crate::host::disk::SimulatedDisk;
use crate::nemesis::DiskFault;

/// After so many calls, the log is closed and opened.
const REOPENED: usize = 25;
/// The same where it is run from there with each operation that can fail.
const WINDOW: usize = 10;
/// So many calls are made after one that failed.
const CALLS_AFTER: usize = 2;
/// Every so manieth byte is damaged,
const STRIDE: usize = 13;
/// and in every file each of so many last ones.
const LAST: usize = 100;
/// So many times in a script.
const DAMAGED: usize = 10;
/// Every so manieth log that is refused is discarded.
const DISCARDED: usize = 16;

impl Script {
    /// Does to a log what the script says, on a disk that stops after each of its operations,
    /// within each write, with what was not synced and without it, and again at each operation
    /// while what is left is opened. There has to be everything that the policy promises, and
    /// otherwise what was done last, up to some record. Then it is written to, now and then, as
    /// if nothing had been. Nobody else can open the log meanwhile.
    ///
    /// # Errors
    ///
    /// What is wrong, and at which operation.
    pub fn survives_crashes(&self, open: Open) -> Result<Tried, Failure> {
        let medium = Medium::of(self);
        let run =
            Run::new(&medium, Subject { open, sync: self.sync }, Model::new(), Plan::Everything);
        for window in calls(self).chunks(REOPENED) {
            let mut log = run.open()?;
            for call in window {
                run.step(call, log.as_mut())?;
                if run.subject.open(medium.disk(), 0, false).is_ok() {
                    return Err(format!("after {call:?}: two have it open at a time").into());
                }
            }
        }
        let tried = lock(&run.examiner).tried;
        Ok(tried)
    }

    /// Does the same on a disk of which each operation fails in turn: because of the disk, and
    /// for lack of space, with every other one for some time. The log may fail, but until it is
    /// opened again it must not lose what it has reported, and a disk that was full must not
    /// end it. Crashes are tried at the operations after that.
    ///
    /// # Errors
    ///
    /// What is wrong, and which operation had failed.
    pub fn survives_failures(&self, open: Open) -> Result<Tried, Failure> {
        let subject = Subject { open, sync: self.sync };
        let mut model = Model::new();
        let (mut disk, mut tried) = (SimulatedDisk::new(0, self.seed), Tried::default());
        for window in calls(self).chunks(WINDOW) {
            let next = disk.fork(0);
            let run =
                Run::new(&Medium::Memory(next.clone()), subject, model.clone(), Plan::Nothing);
            run.perform(window)?;
            let operations = lock(&run.examiner).tried.disk_operations;
            let mut seen = BTreeMap::new();
            for at in 0..operations {
                let full = if at.is_multiple_of(2) { Kind::Full } else { Kind::StaysFull };
                for kind in [Kind::Io, full] {
                    let (fork, fault) = (disk.fork(at as u64), Fault { at, kind });
                    let medium = Medium::Memory(fork.clone());
                    let failing = Run::new(&medium, subject, model.clone(), Plan::Failing(fault));
                    lock(&failing.examiner).seen = std::mem::take(&mut seen);
                    let done = failing.perform(window).and_then(|()| failing.finish(&fork));
                    done.map_err(|error| failing.describe(fault, &error))?;
                    let mut examiner = lock(&failing.examiner);
                    seen = std::mem::take(&mut examiner.seen);
                    tried.states += examiner.tried.states;
                }
            }
            tried.disk_operations += operations;
            (disk, model) = (next, lock(&run.model).clone());
        }
        Ok(tried)
    }

    /// Does to a log what the script says, and flips bits of its files. It must refuse to open,
    /// or what was reported has to be there, or it has to go on as another incarnation. The
    /// same holds when the damaged log is discarded, and a crash comes between.
    ///
    /// # Errors
    ///
    /// What is wrong, and which bit was flipped.
    pub fn notices_damage(&self, open: Open) -> Result<Tried, Failure> {
        let disk = SimulatedDisk::new(0, self.seed);
        let medium = Medium::Memory(disk.clone());
        let run = Run::new(&medium, Subject { open, sync: self.sync }, Model::new(), Plan::Nothing);
        let mut tried = Tried::default();
        let calls = calls(self);
        for part in calls.chunks(calls.len().div_ceil(DAMAGED)) {
            let mut log = run.open()?;
            for call in part {
                run.step(call, log.as_mut())?;
            }
            for is_dead in [false, true] {
                let fork = disk.fork(0);
                if is_dead {
                    fork.reboot();
                }
                run.damage(&fork, &mut tried)?;
            }
        }
        Ok(tried)
    }
}

/// A script at work.
struct Run {
    medium: Medium,
    subject: Subject,
    model: Arc<Mutex<Model>>,
    watched: Disk,
    examiner: Arc<Mutex<Examiner>>,
}

impl Run {
    fn new(medium: &Medium, subject: Subject, model: Model, plan: Plan) -> Self {
        let model = Arc::new(Mutex::new(model));
        let examiner = Examiner::new(medium.clone(), subject, Arc::clone(&model), plan);
        let (watched, examiner) = examiner.watch();
        Self { medium: medium.clone(), subject, model, watched, examiner }
    }

    /// Opens the log, which has to be what it was.
    fn open(&self) -> Result<Box<dyn Recoverable>, Failure> {
        let fresh = lock(&self.model).incarnation + 1;
        let opened = match self.subject.open(self.watched.clone(), fresh, false) {
            Err(_) if self.has_struck() => {
                self.lift();
                self.subject.open(self.watched.clone(), fresh, false)
            }
            opened => opened,
        };
        self.examined()?;
        let log = opened?;
        let (found, incarnation) = (contents(log.as_ref())?, log.incarnation());
        let mut model = lock(&self.model);
        model.check(&found, incarnation, Fate::Killed)?;
        model.opened(found, incarnation, self.subject.sync);
        Ok(log)
    }

    /// Makes a call, and compares what there is with what should be.
    fn step(&self, call: &Call, log: &mut dyn Recoverable) -> Result<(), Failure> {
        let done = step(call, log, &self.model);
        self.examined()?;
        done
    }

    /// Opens the log and makes calls, some more after an operation has failed.
    fn perform(&self, calls: &[Call]) -> Result<(), Failure> {
        let mut log = self.open()?;
        let mut left = CALLS_AFTER;
        for call in calls {
            let had_struck = self.has_struck();
            let done = call.perform(log.as_mut(), &self.model);
            self.examined()?;
            match done {
                Err(error) if !self.has_struck() => return Err(error.into()),
                Err(error) if had_struck && self.may_go_on() => {
                    return Err(format!("there is room again, and yet: {error}").into());
                }
                _ => {}
            }
            if self.has_struck() {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
        }
        Ok(())
    }

    /// After an operation has failed, the process is killed and started again.
    fn finish(&self, disk: &SimulatedDisk) -> Result<(), Failure> {
        disk.upset(DiskFault::Full, false);
        let mut examiner = lock(&self.examiner);
        let done = examiner.examine(&disk.fork(0), Fate::Killed, Depth::Stays, "killed at last");
        drop(examiner);
        self.examined()?;
        Ok(done?)
    }

    fn has_struck(&self) -> bool {
        lock(&self.examiner).struck.is_some()
    }

    /// Whether what failed was for lack of space, and there is some now.
    fn may_go_on(&self) -> bool {
        lock(&self.examiner).may_go_on()
    }

    fn lift(&self) {
        if let Medium::Memory(disk) = &self.medium {
            disk.upset(DiskFault::Full, false);
        }
    }

    fn examined(&self) -> Result<(), Failure> {
        match lock(&self.examiner).failure.take() {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    }

    fn describe(&self, Fault { at, kind }: Fault, error: &Failure) -> Failure {
        let struck = lock(&self.examiner).struck;
        format!("operation {at} had failed ({kind:?}, {struck:?}): {error}").into()
    }

    /// Flips bits of a disk, one at a time.
    fn damage(&self, disk: &SimulatedDisk, tried: &mut Tried) -> Result<(), Failure> {
        let mut examiner = lock(&self.examiner);
        for (name, bytes) in disk.files() {
            let length = bytes.len();
            let is_tried = |place: &usize| place + LAST >= length || place.is_multiple_of(STRIDE);
            for place in (0..length).filter(is_tried) {
                let describe = |error| format!("byte {place} of {name} is another: {error}");
                let flipped = disk.fork(0);
                flipped.flip(&name, place, u32::try_from(place % 8)?);
                tried.states += 1;
                if examiner.is_refused(&flipped).map_err(describe)? {
                    tried.refused += 1;
                    if tried.refused.is_multiple_of(DISCARDED) {
                        examiner.is_discarded(&flipped).map_err(describe)?;
                    }
                }
            }
        }
        Ok(())
    }
}
