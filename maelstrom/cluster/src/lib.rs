//! Maelstrom nodes on several machines: the same programs, workloads, faults and verdicts, over
//! a network that is real.
//!
//! - [`agent`]: runs on each machine, and has nodes there.
//! - [`crew`]: the agents of a run, and what is wanted of them.
//! - [`fleet`]: the nodes of a test that run on agents, for `workbench test --cluster`;
//!   [`unheard`]: messages of which no agent says what became of them.
//! - [`gateway`]: nodes that stay up, and a door for clients from outside.
//! - [`wire`]: what both say to each other over NATS: subjects and payloads.
//! - [`link`]: the connection to NATS; [`outages`]: when it was away.
//! - [`services`]: `lin-kv` and the others, on [`etcd`].
//! - [`local`]: a cluster on this machine; [`namespaces`]: with a network in it, and [`mesh`]: NATS
//!   there; [`ip`]: the command that makes both.
//! - [`cli`]: the command `workbench-cluster`.
//!
//! A message from node to node goes from agent to agent. The receiver's agent is the edge of
//! the network: the faults that the nemesis decides on happen there. Whoever runs a test sees
//! every message as well, which is how messages are counted and nodes' mistakes are found; all
//! clients are there, so that one clock stamps the history.
//!
//! Everything here needs the feature `nats`.

#![cfg_attr(not(feature = "nats"), allow(rustdoc::broken_intra_doc_links))]
#![cfg(all(unix, feature = "nats"))]

mod agent;
mod cli;
mod crew;
mod etcd;
mod fleet;
mod gateway;
mod ip;
mod link;
mod local;
mod mesh;
mod namespaces;
mod outages;
mod services;
mod unheard;
mod wire;

pub use cli::main;
