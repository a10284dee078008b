//! Where nodes run, and who watches.
//!
//! A host carries out the world's commands. [`process`] runs nodes as child
//! processes in real time, [`simulation`] as tasks of this process in virtual
//! time.
//!
//! - [`child`]: one node's process and its pipes.
//! - [`task`]: one node inside this process.
//! - [`clocks`]: its clock, if it has one of its own.
//! - [`disk`]: its disk, in memory.
//! - [`twin`]: a second process of the same node.
//! - [`lines`]: bytes to lines.
//! - [`reasons`]: what a node said before it died.
//! - [`start`]: why a program cannot be started.
//! - [`alarm`]: a timer finer than a millisecond.
//! - [`signals`]: being interrupted.
//! - [`watchdog`]: no child outlives the bench, even if the bench is killed.

mod alarm;
mod child;
mod clocks;
pub(crate) mod disk;
mod error;
mod lines;
pub mod process;
mod reasons;
pub mod signals;
pub mod simulation;
mod start;
pub(crate) mod task;
mod twin;
pub mod watchdog;

use std::io::Write as _;
use std::time::Duration;

use maelstrom::Panic;

pub use error::{NodeFailure, RunError};
pub(crate) use start::{find_in_path, is_bare_name, is_executable};
pub use task::Program;

use crate::history::Op;
use crate::net::{NetCounts, Traffic};
use crate::world::{Idle, Progress, Quirks, Tally};

/// Watches a test while it runs.
pub trait Observer {
    /// The next operation of the history.
    fn op(&mut self, op: &Op);

    /// Where the test stands, about five times a second.
    fn progress(&mut self, progress: &Progress) {
        let _ = progress;
    }

    /// A message was sent or received. Only called when the settings log traffic
    /// or a journal is asked for.
    fn traffic(&mut self, traffic: &Traffic) {
        let _ = traffic;
    }

    /// A node panicked, so long after the start. Told by nodes that use this
    /// workspace's library.
    fn panic(&mut self, node: usize, at: Duration, panic: &Panic) {
        let _ = (node, at, panic);
    }

    /// A line that a node logged. Only called when the settings say so; unless
    /// overridden it goes to standard error.
    fn node_log(&mut self, node: usize, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let _ = writeln!(std::io::stderr(), "n{node}: {line}");
    }
}

/// What remains of a run that went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunStats {
    /// Messages.
    pub net: NetCounts,
    /// Operations.
    pub tally: Tally,
    /// The nodes that never sent anything to another node or to a service.
    pub silent: Vec<usize>,
    /// What nodes did that is odd but no fault.
    pub quirks: Quirks,
    /// What nodes said in idle time, if the settings state a promise.
    pub idle: Option<Idle>,
}
