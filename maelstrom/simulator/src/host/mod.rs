//! Where nodes run, and who watches.
//!
//! A host carries out the world's commands. [`simulation`] runs nodes as tasks of this
//! process in virtual time.
//!
//! - [`task`]: one node inside this process.
//! - [`clocks`]: its clock, if it has one of its own.
//! - [`disk`]: its disk, in memory.
//! - [`twin`]: a second process of the same node.
//! - [`logs`]: what nodes log.

mod clocks;
pub(crate) mod disk;
mod error;
mod logs;
pub(crate) mod simulation;
pub(crate) mod task;
pub(crate) mod twin;

use std::io::Write as _;
use std::time::Duration;

use maelstrom::Panic;

pub use error::{NodeFailure, RunError};
pub use task::Program;

use checkers::history::Op;

use crate::net::Traffic;
use crate::trace::TraceLines;
use crate::world::Progress;

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
