//! Where nodes run, and who watches.
//!
//! A host carries out the world's commands. [`simulation`] runs nodes as tasks of this
//! process in virtual time.
//!
//! - [`task`]: one node inside this process.
//! - [`clocks`]: its clock, if it has one of its own.
//! - [`disk`]: its disk, in memory.
//! - [`twin`]: a second process of the same node.

mod clocks;
pub(crate) mod disk;
mod error;
pub(crate) mod simulation;
pub(crate) mod task;
pub(crate) mod twin;

use std::io::Write as _;
use std::time::Duration;

use maelstrom::Panic;

pub use error::{NodeFailure, RunError};
pub use task::Program;

use checkers::Report;
use checkers::history::Op;

use crate::net::{NetCounts, Traffic};
use crate::settings::Settings;
use crate::trace::TraceLines;
use crate::world::{Idle, Progress, Quirks, Tally};
use crate::{messages, quiescence};

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

    /// The next lines of the trace. Only called when a trace is asked for.
    fn trace(&mut self, lines: &TraceLines) {
        let _ = lines;
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

impl RunStats {
    /// Adds to a report what the checks of a history cannot know.
    pub fn add_to(&self, settings: &Settings, report: &mut Report) {
        let outcome = messages::outcome(self, report, settings.strict);
        report.add("net", outcome);
        if let (Some(idle), Some(promise)) = (&self.idle, settings.promise) {
            report.add("quiescence", quiescence::outcome(idle, promise));
        }
    }
}
