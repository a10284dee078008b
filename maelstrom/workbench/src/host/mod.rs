//! Nodes in real time, as child processes or elsewhere.
//!
//! - [`run`]: carries out the world's commands, wherever the nodes run.
//! - [`process`]: nodes as processes.
//! - [`child`]: one node's process and its pipes.
//! - [`log`]: what it logs.
//! - [`escaped`]: what it started and what left its process group.
//! - [`disk`]: breaking its files.
//! - [`twin`]: a second process of the same node.
//! - [`reasons`]: what a node said before it died.
//! - [`threads`]: threads of a node that ended.
//! - [`start`]: why a program cannot be started.
//! - [`alarm`]: a timer finer than a millisecond.
//! - [`signals`]: being interrupted.
//! - [`watchdog`]: no child outlives the bench, even if the bench is killed.

mod alarm;
mod child;
mod disk;
mod escaped;
pub(crate) mod log;
pub(crate) mod process;
mod reasons;
pub(crate) mod run;
pub(crate) mod signals;
mod start;
mod threads;
mod twin;
pub(crate) mod watchdog;

pub(crate) use start::{find_in_path, is_bare_name, is_executable};
