//! A test suite for storages: whatever implements [`Log`] has to pass it.
//!
//! [`behaves`] compares a log with a simple one. [`survives_crashes`] does the same on a
//! disk that may stop at every single operation: after each it looks at what a restart
//! would find. Both do what a seed says.
//!
//! ```
//! use maelstrom::journal::{Journal, Log, Options};
//! use simulator::storage::{Script, survives_crashes};
//!
//! let tried = survives_crashes(&Script::new(1, 40), |disk| {
//!     let (journal, ()) = Journal::open(disk, Options::new("n0", 1), || (), |(), _| Ok(()))?;
//!     Ok(Box::new(journal))
//! })?;
//! assert!(tried.disk_operations > 40 && tried.states > tried.disk_operations);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod crash;
mod model;
mod script;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

use maelstrom::disk::Disk;
use maelstrom::journal::{Index, Log};

pub use crash::{Tried, survives_crashes};
use model::{Contents, Model};

/// Opens a log on a disk, with all that is there.
pub type Open = fn(Disk) -> Result<Box<dyn Log>, Failure>;

/// What a log failed with.
pub type Failure = Box<dyn Error + Send + std::marker::Sync>;

/// What is done to a log.
#[derive(Clone, Debug)]
pub struct Script {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// How many calls there are: of [`append`](Log::append), most of them followed by
    /// [`sync`](Log::sync), and of [`snapshot`](Log::snapshot).
    pub calls: usize,
    /// How many calls of [`snapshot`](Log::snapshot) there are among them.
    pub snapshots: usize,
    /// An empty directory for a real disk; otherwise it is in memory. A real one forgets
    /// nothing, so only kills and torn writes are tried there.
    pub directory: Option<PathBuf>,
}

impl Script {
    /// So many calls on a disk in memory, and two snapshots.
    pub fn new(seed: u64, calls: usize) -> Self {
        Self { seed, calls, snapshots: 2, directory: None }
    }
}

/// Does to a log that is empty what a script says, and compares it after every call with
/// what it should be.
///
/// # Errors
///
/// What is wrong, and after which call.
pub fn behaves(script: &Script, log: &mut dyn Log) -> Result<(), Failure> {
    let model = Mutex::default();
    for call in script::calls(script) {
        step(&call, log, &model)?;
    }
    Ok(())
}

/// Makes a call, and compares.
fn step(call: &script::Call, log: &mut dyn Log, model: &Mutex<Model>) -> Result<(), Failure> {
    call.perform(log, model).map_err(|error| format!("{call:?}: {error}"))?;
    let (found, expected) = (contents(log)?, script::lock(model).contents());
    if found != expected {
        return Err(format!("after {call:?}: {found:?}, not {expected:?}").into());
    }
    Ok(())
}

/// All that a log has.
fn contents(log: &dyn Log) -> io::Result<Contents> {
    use maelstrom::journal::Entry;
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
