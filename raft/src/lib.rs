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
//! ```text
//! client        n1                      n0, the leader              n2
//!   │─ write ──▶│── propose ───────────▶│ appends                   │
//!   │           │◀─ append ─────────────│  (n2 has it with the next │
//!   │           │ appends; n0 and n1    │   heartbeat, or whatever  │
//!   │◀─ done ───│ are a majority of 3   │   is sent to it before)   │
//!   │           │                       │                           │
//!   │─ read ───▶│── read ──────────────▶│ n1 takes n0 for the leader: a majority
//!   │           │◀─ read at #7 ─────────│                           │
//!   │◀─ value ──│ has applied #7        │                           │
//! ```
//!
//! # What holds
//!
//! - The five properties of the paper's figure 3, whatever is lost, late, doubled, paused or
//!   killed. The tests look at them after every step.
//! - Nothing is said in a term before the term and the vote in it are safe, and entries
//!   are acknowledged when they are safe; `persistent.rs` is the one place that knows.
//! - No record is longer than a journal takes: a longer command is refused
//!   ([`storage::MAX_COMMAND_BYTES`]), and snapshots are in parts.
//! - A node that has lost its memory is another server, and a learner until it has all that
//!   was committed: no vote, and no acknowledgement, of the former one is taken for its own.
//! - A command takes effect once, however often it is sent.
//! - An error is definite only where the command was sent to nobody. A node that cannot write
//!   answers all who wait, and takes part in nothing any more.
//!
//! # Map
//!
//! - `raft.rs`: the machine; `role.rs`, `peer.rs`: what only a follower, a candidate or a leader
//!   has, and a leader's view of a follower.
//! - `persistent.rs`, `log.rs`, `entry.rs`, `config.rs`, `position.rs`: what is not forgotten.
//! - `founding.rs`, `election.rs`, `replication.rs`, `reads.rs`, `snapshot.rs`, `membership.rs`, `handover.rs`: the
//!   protocol.
//! - `replica.rs`, `sessions.rs`, `image.rs`: the state machine, once, and as text.
//! - `commands.rs`, `reads.rs`, `changes.rs`: what this node's clients wait for.
//! - `message.rs`, `outbox.rs`, `timing.rs`: what is said, and when.
//!
//! [paper]: https://raft.github.io/raft.pdf
//! [thesis]: https://github.com/ongardie/dissertation
#![doc = include_str!("../DESIGN.md")]

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

/// The README's example, so that it compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
