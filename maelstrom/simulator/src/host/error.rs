//! Why a run did not go through.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::workload::Unsupported;
use crate::world::{FaultKind, NodeFault};

/// Why a run did not go through.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The settings do not go with the workload.
    #[error(transparent)]
    Workload(#[from] Unsupported),
    /// The settings ask for what this host cannot do.
    #[error("{0}")]
    Impossible(String),
    /// A node did something that it may not do. The only variant that is about
    /// the node rather than the bench.
    #[error(transparent)]
    Node(Box<NodeFailure>),
    /// A node's process could not be started.
    #[error("cannot start node n{node} with {}: {source}. {hint}", .program.display())]
    Start {
        /// Its index: 0 for `n0`.
        node: usize,
        /// What was to be run.
        program: PathBuf,
        /// Why it did not.
        source: io::Error,
        /// What may be behind it, in a sentence.
        hint: String,
    },
    /// Something of the bench's own did not work.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it did not work.
        source: io::Error,
    },
    /// In virtual time, nodes found so much to do in one instant that time never
    /// went on: they answer each other, or themselves, without end.
    #[error("nodes keep each other busy without end at {at:?}")]
    Livelock {
        /// The instant, since the run began.
        at: std::time::Duration,
    },
    /// The bench was told to stop.
    #[error("interrupted by {signal}")]
    Interrupted {
        /// The signal's name.
        signal: &'static str,
    },
}

impl RunError {
    /// The class of what went wrong, as findings have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Node(failure) => match failure.fault.kind {
                FaultKind::TwoProcesses => "two-processes-on-one-directory",
                _ => "node-failure",
            },
            Self::Livelock { .. } => "livelock",
            Self::Interrupted { .. } => "interrupted",
            Self::Workload(_) | Self::Impossible(_) | Self::Start { .. } | Self::Io { .. } => {
                "bench-failure"
            }
        }
    }

    /// Something of the bench's own that did not work.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

impl From<NodeFault> for RunError {
    fn from(fault: NodeFault) -> Self {
        let (hint, stderr, is_reason, log) = Default::default();
        Self::Node(Box::new(NodeFailure { fault, hint, stderr, is_reason, log }))
    }
}

/// A node's fault, with what it said before.
#[derive(Debug)]
pub struct NodeFailure {
    /// What it did.
    pub fault: NodeFault,
    /// What may be behind it, in a sentence.
    pub hint: Option<String>,
    /// The lines of its standard error that are worth showing.
    pub stderr: Vec<String>,
    /// Whether the first of them looks like the reason.
    pub is_reason: bool,
    /// Where all of its standard error is.
    pub log: PathBuf,
}

impl std::error::Error for NodeFailure {}

impl fmt::Display for NodeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, hint, stderr, is_reason, log } = self;
        write!(f, "{fault}.")?;
        if let Some(hint) = hint {
            write!(f, " {hint}")?;
        }
        // A line that is no message says all by itself.
        if fault.kind.is_of_a_line() {
            return Ok(());
        }
        let log = log.display();
        match (stderr.is_empty(), is_reason) {
            (true, _) => write!(f, " It wrote nothing to standard error.")?,
            (_, true) => write!(
                f,
                " What looks like the reason, in its standard error (all of it is in {log}):"
            )?,
            (_, false) => write!(f, " Its standard error (all of it is in {log}):")?,
        }
        stderr.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}
