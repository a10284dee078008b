//! A native test bench for Maelstrom nodes in any language.
//!
//! - [`settings`]: what a test run is asked to do.
//! - [`world`]: the simulated world around the nodes, a pure state machine. It has
//!   clients, who do what a [`workload`] says, a network ([`net`]), services like
//!   `lin-kv` ([`service`]) and faults ([`nemesis`]).
//! - [`host`]: where nodes run: as child processes in real time, or as tasks of
//!   this process in virtual time.
//! - [`simulation`]: tests in virtual time as a few lines of Rust; start here to
//!   test a node of your own.
//! - [`scenario`]: such tests step by step: ask, cut, kill, wait.
//! - [`swarm`]: such tests over many seeds, each with faults of its own.
//! - [`conformance`]: one scenario on both hosts, held against each other.
//! - [`links`]: which nodes can hear each other at all.
//! - [`challenge`]: the challenges, their flags and limits.
//! - [`fuzz`]: noise that a node has to survive.
//! - [`history`]: what clients did and saw, one operation at a time.
//! - [`checker`]: history in, verdict with witnesses out.
//! - [`report`]: what people see of a test, and the store.
//! - [`cli`]: the command line.

mod alter;
pub mod challenge;
pub mod checker;
pub mod cli;
pub mod conformance;
pub mod fuzz;
pub mod history;
pub mod host;
pub mod links;
pub mod nemesis;
pub mod net;
pub mod report;
pub mod scenario;
pub mod service;
pub mod settings;
pub mod simulation;
pub mod swarm;
pub mod workload;
pub mod world;
