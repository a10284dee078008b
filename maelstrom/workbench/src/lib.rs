//! A native test bench for Maelstrom nodes in any language: the command line.
//!
//! What happens around the nodes is the [`simulator`]'s, the verdicts are those of
//! [`checkers`].
//!
//! - [`host`]: nodes as child processes, in real time.
//! - [`challenge`]: the challenges, their flags and limits.
//! - [`report`]: what people see of a test, and the store.
//! - [`cli`]: the command line.

pub mod challenge;
pub mod cli;
pub mod host;
pub mod report;
