//! A test suite for storages: whatever keeps a [`Log`] has to pass it.
//!
//! [`behaves`](Script::behaves) compares a log with a simple one. The other tests do the same on a disk on
//! which things go wrong, and look at what is there when the log is opened again:
//!
//! | test | what goes wrong | what has to be there |
//! | --- | --- | --- |
//! | [`survives_crashes`](Script::survives_crashes) | the process or the machine dies, at any operation of the disk, and again while the log is opened; somebody else wants to open it | what the [policy](Sync) promises of what was reported |
//! | [`survives_failures`](Script::survives_failures) | any operation of the disk fails, or the disk is full; then the same | the same |
//! | [`notices_damage`](Script::notices_damage) | a bit of a file is another | everything, or nothing under the former incarnation |
//!
//! All do what a seed says.
//!
//! ```
//! use maelstrom::journal::{Journal, Options};
//! use simulator::storage::Script;
//!
//! let tried = Script::new(1, 20).survives_crashes(|disk, opening| {
//!     let options = Options {
//!         sync: opening.sync,
//!         discard_corrupt: opening.discard_corrupt,
//!         ..Options::new("n0", opening.fresh_incarnation)
//!     };
//!     let (journal, ()) = Journal::open(disk, options, || (), |(), _| Ok(()))?;
//!     Ok(Box::new(journal))
//! })?;
//! assert!(tried.disk_operations > 40 && tried.states > tried.disk_operations);
//! # Ok::<_, simulator::storage::Failure>(())
//! ```

mod crashes;
mod examiner;
mod medium;
mod model;
mod probe;
mod script;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use maelstrom::disk::Disk;
use maelstrom::journal::{Entry, Index, Journal, Log, Sync};

use model::{Contents, Model};
use script::{calls, lock};

/// Opens a log on a disk, with all that is there.
pub type Open = fn(Disk, Opening) -> Result<Box<dyn Recoverable>, Failure>;

/// What a log failed with.
pub type Failure = Box<dyn Error + Send + std::marker::Sync>;

/// How a log is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its incarnation from now on, if anything may be missing that was reported.
    pub fresh_incarnation: u64,
    /// What is promised of records.
    pub sync: Sync,
    /// Whether a log that is corrupt is discarded, and an empty one begun.
    pub discard_corrupt: bool,
}

/// A log that can be opened again.
pub trait Recoverable: Log {
    /// Another one if anything may be missing that was reported.
    fn incarnation(&self) -> u64;

    /// The same as [`Log::snapshot`]. Where records can be appended while a snapshot is
    /// written, `amid` does so, and is to be called between any two steps; the snapshot
    /// does not stand for them.
    ///
    /// # Errors
    ///
    /// As [`Log::snapshot`].
    fn snapshot_amid(
        &mut self,
        pieces: &mut dyn Iterator<Item = Vec<u8>>,
        amid: &mut dyn FnMut(&mut dyn Log),
    ) -> io::Result<()> {
        let _ = amid;
        self.snapshot(pieces)
    }
}

impl Recoverable for Journal {
    fn incarnation(&self) -> u64 {
        self.incarnation()
    }

    fn snapshot_amid(
        &mut self,
        pieces: &mut dyn Iterator<Item = Vec<u8>>,
        amid: &mut dyn FnMut(&mut dyn Log),
    ) -> io::Result<()> {
        let mut snapshot = self.begin_snapshot()?;
        for piece in pieces {
            amid(self);
            snapshot.push(&piece)?;
        }
        let written = snapshot.finish()?;
        amid(self);
        // What is not needed any more is removed when it is opened again.
        self.adopt(written).map(drop)
    }
}

/// What is done to a log.
#[derive(Clone, Debug)]
pub struct Script {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// How many calls there are: of [`append`](Log::append), some of them followed by
    /// [`sync`](Log::sync), and of [`snapshot`](Log::snapshot).
    pub calls: usize,
    /// How many calls of [`snapshot`](Log::snapshot) there are among them.
    pub snapshots: usize,
    /// What is promised of records that were appended.
    pub sync: Sync,
    /// An empty directory for a real disk; otherwise it is in memory. A real one forgets
    /// nothing and does not fail, so only kills and torn writes are tried there.
    pub directory: Option<PathBuf>,
}

impl Script {
    /// So many calls on a disk in memory, two snapshots, and a sync of every group.
    pub fn new(seed: u64, calls: usize) -> Self {
        Self { seed, calls, snapshots: 2, sync: Sync::EveryGroup, directory: None }
    }

    /// Does to a log that is empty what the script says, and compares it after every call with
    /// what it should be.
    ///
    /// # Errors
    ///
    /// What is wrong, and after which call.
    pub fn behaves(&self, log: &mut dyn Recoverable) -> Result<(), Failure> {
        let model = Mutex::new(Model::new());
        calls(self).iter().try_for_each(|call| step(call, log, &model))
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Operations that change what is on the disk, without crashes.
    pub disk_operations: usize,
    /// The same while a log was opened after a crash.
    pub in_recovery: usize,
    /// States of the disk that were opened.
    pub states: usize,
    /// How many of them were refused, because of damage.
    pub refused: usize,
}

/// Makes a call, and compares.
fn step(
    call: &script::Call,
    log: &mut dyn Recoverable,
    model: &Mutex<Model>,
) -> Result<(), Failure> {
    call.perform(log, model).map_err(|error| format!("{call:?}: {error}"))?;
    let (found, expected) = (contents(log)?, lock(model).now());
    match found == expected {
        true => Ok(()),
        false => Err(format!("after {call:?}: {found:?}, not {expected:?}").into()),
    }
}

/// All that a log has.
fn contents(log: &dyn Recoverable) -> io::Result<Contents> {
    let mut found = Contents::default();
    let mut next: Option<Index> = None;
    log.read(&mut |entry| {
        match entry {
            Entry::Piece(piece) => found.pieces.push(piece.to_vec()),
            Entry::Record(index, record) => {
                if next.is_some_and(|next| next != index) {
                    return Err(io::Error::other(format!("record {index} is out of order")));
                }
                next = Some(index + 1);
                found.records.push(record.to_vec());
            }
        }
        Ok(())
    })?;
    found.end = log.end();
    match next {
        Some(next) if next != found.end => Err(io::Error::other("the end is somewhere else")),
        _ => Ok(found),
    }
}
