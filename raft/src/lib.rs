//! Raft consensus as a state machine: the whole of [the paper][paper], and what [the
//! thesis][thesis] adds to it.
//!
//! [`Raft`] is a [`Machine`](maelstrom::machine::Machine): inputs in, outputs out, no I/O, no
//! clock. A [`Driver`](maelstrom::machine::Driver) runs it as a node, a cluster in virtual time
//! tests it. What a user brings is a [`StateMachine`].
//!
//! Any node takes any request. Commands go to the leader and come back with the log: the node
//! that was asked answers when it applies its client's command. Queries are answered from
//! memory by the node that was asked, after the leader has said what it has to apply first.
//!
//! [paper]: https://raft.github.io/raft.pdf
//! [thesis]: https://github.com/ongardie/dissertation
#![doc = include_str!("../DESIGN.md")]
// So that its example holds.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]

mod changes;
mod commands;
mod config;
mod election;
mod entry;
#[cfg(feature = "injected-bugs")]
#[path = "../tests/all/explore/fork.rs"]
mod fork;
mod founding;
mod handover;
mod image;
mod injected_bugs;
mod log;
mod membership;
mod message;
mod options;
mod outbox;
mod peer;
mod persistent;
mod position;
mod raft;
mod reads;
mod replica;
mod replication;
mod role;
mod sessions;
mod snapshot;
mod state_machine;
pub mod storage;
mod timing;

pub use changes::Change;
pub use config::{Config, Server};
pub use entry::{CommandId, Entry, LogTime, Payload, Proposal, SessionId};
pub use image::TextPart;
pub use injected_bugs::{Bug, Bugs};
pub use log::Log;
pub use message::{
    Append, Appended, Ballot, Chunk, Hello, Packet, Part, Received, Rejected, VoteRequest,
};
pub use options::{Options, Reads};
pub use persistent::{Kept, Record};
pub use position::{Index, Position, Term};
pub use raft::{Raft, Reply, Request};
pub use snapshot::Snapshot;
pub use state_machine::StateMachine;
