//! Maelstrom nodes on several machines: the same programs, workloads, faults and verdicts, over
//! a network that is real.
//!
//! - [`agent`]: runs on each machine, and has nodes there.
//! - [`fleet`]: the nodes of a test that run on agents, for `workbench test --cluster`.
//! - [`wire`]: what both say to each other over NATS: subjects and payloads.
//! - [`link`]: the connection to NATS.
//! - [`services`]: `lin-kv` and the others, on [`etcd`].
//! - [`local`]: a cluster on this machine.
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
mod etcd;
mod fleet;
mod link;
mod local;
mod services;
mod wire;

pub use cli::main;
