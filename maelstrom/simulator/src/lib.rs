//! Tests of Maelstrom nodes in virtual time, reproducible from a seed.
//!
//! - [`settings`]: what a test run is asked to do; as [`flags`], too.
//! - [`world`]: the simulated world around the nodes, a pure state machine. It has
//!   clients, who do what a [`workload`] says, a network ([`net`]), services like
//!   `lin-kv` ([`service`]) and faults ([`nemesis`]).
//! - [`host`]: nodes as tasks of this process, in virtual time.
//! - [`simulation`]: tests in virtual time as a few lines of Rust; start here to
//!   test a node of your own.
//! - [`scenario`]: such tests step by step: ask, cut, kill, wait.
//! - [`cluster`]: the same around machines alone, for the algorithm without its node.
//! - [`swarm`]: such tests over many seeds, each with faults of its own.
//! - [`links`]: which nodes can hear each other at all.
//! - [`fuzz`]: noise that a node has to survive.
//! - [`messages`], [`quiescence`]: what is judged of messages.
//!
//! The verdicts on histories are those of [`checkers`].

mod alter;
pub mod cluster;
mod flags;
pub mod fuzz;
pub mod host;
pub mod links;
mod messages;
pub mod nemesis;
pub mod net;
mod quiescence;
pub mod scenario;
pub mod service;
pub mod settings;
pub mod simulation;
pub mod swarm;
pub mod workload;
pub mod world;

/// The README's example, so that it compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
