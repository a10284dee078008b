//! A native test bench for Maelstrom nodes in any language: the command line.
//!
//! What happens around the nodes is the [`simulator`]'s, the verdicts are those of
//! [`checkers`].
//!
//! - [`main`]: the command line; [`SettingsFlags`] for other commands that run tests.
//! - [`Processes::run`]: nodes as child processes, in real time; [`run`](run()): nodes wherever
//!   they are, by what [`Nodes`] asks of them. [`Processes`] are such nodes.
//! - [`Challenge`]: the challenges, their flags and limits.
//! - [`report`]: what people see of a test, and the store.

// Nodes are processes of Unix, with groups, signals and pipes.
#![cfg(unix)]

mod challenge;
mod cli;
mod host;
pub mod report;
mod serve;
mod templates;

pub use challenge::Challenge;
pub use cli::{Remote, SettingsFlags, main, main_with};
pub use host::log::Log as NodeLog;
pub use host::process::{ProcessOptions, Processes};
pub use host::run::{Nodes, Output, Test, Watch, run};
pub use host::signals::ExitOnInterrupt;
