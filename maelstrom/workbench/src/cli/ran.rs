//! A run that is over, as commands hand it on.

use std::path::PathBuf;
use std::time::Duration;

use checkers::Report;

/// The kind of finding of a run that somebody ended.
pub(super) const INTERRUPTED: &str = "interrupted";

/// A run, and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    /// What was run.
    pub title: String,
    /// What came of it.
    pub report: Report,
    /// What decided all that was drawn.
    pub seed: u64,
    /// The command that runs it again.
    pub command: String,
    /// Where all of it is kept.
    pub folder: PathBuf,
    /// How long it took, with all that was done to check it.
    pub time: Duration,
}

impl Ran {
    /// Whether somebody ended it.
    pub(super) fn is_interrupted(&self) -> bool {
        self.report.findings().any(|finding| finding.kind == INTERRUPTED)
    }
}
