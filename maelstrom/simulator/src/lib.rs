//! Tests of Maelstrom nodes in virtual time, reproducible from a seed.
//!
//! - [`Simulation`]: a test of a node in a few lines; start here. [`Settings`] has all
//!   that a test can be asked to do, [`Finished`] what came of it.
//! - [`Scenario`]: such a test step by step: ask, cut, kill, wait.
//! - [`cluster`]: the same around machines alone, for the algorithm without its node.
//! - [`swarm`]: such tests over many seeds, each with faults of its own.
//! - [`fuzz`]: noise that a node has to survive.
//! - [`explain`]: why a run failed, in a sentence or two.
//! - [`trace`]: what happened in a run, message by message.
//! - [`storage`]: crashes at every operation of a disk, for what keeps records on one.
//! - [`World`]: what is around the nodes, a pure state machine, for whoever runs nodes in
//!   another way: clients, who do what a `workload` says, a network (`net`), services
//!   like `lin-kv` (`service`) and faults (`nemesis`). `host` runs nodes as tasks of this
//!   process in virtual time.
//!
//! The verdicts on histories are those of [`checkers`].

/// An enum whose variants have names: `ALL` lists them, `name` says what each is called on
/// the command line, on the wire or in the history.
macro_rules! named {
    ($(#[$of_all:meta])* $vis:vis enum $kind:ident {
        $($(#[$of_one:meta])* $variant:ident = $name:literal,)+
    }) => {
        $(#[$of_all])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        $vis enum $kind {
            $($(#[$of_one])* $variant,)+
        }

        impl $kind {
            /// All of them.
            $vis const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// What it is called.
            $vis fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

mod alter;
pub mod cluster;
pub mod explain;
mod flags;
pub mod fuzz;
mod host;
mod links;
mod messages;
mod nemesis;
mod net;
mod queue;
mod quiescence;
mod request;
mod scenario;
mod service;
mod settings;
mod simulation;
pub mod storage;
pub mod swarm;
mod topology;
pub mod trace;
mod workload;
mod world;

pub use host::twin::serves;
pub use host::{NodeFailure, Observer, Program, RunError};
pub use links::{Links, LinksError};
pub use nemesis::{Change, DiskFault, Effect, Fault, Skew, Targets};
pub use net::{
    Address, Cause, Conditions, Counts, Edge, Elsewhere, Message, NetCounts, ServiceName, Traffic,
    TrafficEvent, What,
};
pub use scenario::Scenario;
#[doc(no_inline)]
pub use settings::{Availability, CheckBudget, Promise, Workload};
pub use settings::{Latency, LatencyDist, PlannedFault, SeqKv, Settings, Topology, Values};
pub use simulation::{Finished, Simulation};
pub use workload::Unsupported;
pub use world::{
    Command, FaultKind, Idle, Late, NodeFault, Phase, Printed, Progress, Quirk, Quirks, RunStats,
    Tally, World,
};

/// What services are asked and what they answer, for services that are elsewhere.
pub mod requests {
    pub use crate::service::request::{Reply, Request};
}

/// The README's example, so that it compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
