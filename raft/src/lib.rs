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
//! # Where each rule is
//!
//! <!-- map -->
//! | paper | rule | function | file |
//! | --- | --- | --- | --- |
//! | figure 2, state | persistent state survives a crash | `replay` | `persistent.rs` |
//! | | what may be said of it before it is safe | `is_vote_safe`, `safe` | `persistent.rs` |
//! | | volatile state: `commitIndex`, `lastApplied` | `commit_index`, `applied_index` | `raft.rs` |
//! | | of leaders: `nextIndex`, `matchIndex` | `unknown` | `peer.rs` |
//! | figure 2, *RequestVote* | at most one vote a term; §5.4.1: for nobody who is behind | `consider_vote` | `election.rs` |
//! | figure 2, *AppendEntries* 1 | a former term is refused | `receive` | `raft.rs` |
//! | 2 | what does not fit is refused, with a hint | `conflict` | `replication.rs` |
//! | 3, 4 | what contradicts is cut off, what is new appended | `store` | `replication.rs` |
//! | 5 | `commitIndex` follows the leader's | `take_append`, `advance_commit` | `replication.rs` |
//! | figure 2, all servers | applies what is committed | `apply` | `replica.rs` |
//! | | goes over to a later term | `receive` | `raft.rs` |
//! | figure 2, followers | stands for election when the timer ends | `run_timers`, `stand_for_election` | `raft.rs`, `election.rs` |
//! | | a granted vote puts the election off | `put_off_election` | `election.rs` |
//! | figure 2, candidates | next term, own vote, asks all | `become_candidate`, `ask_for_votes` | `election.rs` |
//! | | a majority makes a leader | `count_votes`, `become_leader` | `election.rs` |
//! | | a leader of the term makes a follower | `take_append` | `replication.rs` |
//! | | a split vote ends with a random timeout (§5.2) | `election_timeout` | `timing.rs` |
//! | figure 2, leaders | heartbeats | `lead` | `replication.rs` |
//! | | commands go into the log | `propose`, `append` | `replication.rs` |
//! | | sends from `nextIndex` on | `next_append` | `replication.rs` |
//! | | `nextIndex`, `matchIndex` by the answers | `take_acknowledgement`, `acknowledge`, `reject` | `replication.rs`, `peer.rs` |
//! | | answers when the entry is applied | `answer` | `replica.rs` |
//! | | commits what a majority has, of its own term (§5.4.2) | `advance_commit` | `replication.rs` |
//! | §5.1, a cluster begins | who founds it, and that nobody remembers another one | `advance_founding` | `founding.rs` |
//! | | a majority with journals founds it | `make_founders` | `founding.rs` |
//! | §6 | joint consensus, new voters as learners first | `advance_change`, `towards` | `membership.rs`, `config.rs` |
//! | | a server without memory takes the place of the former one | `take_in` | `membership.rs` |
//! | | a configuration counts from when it is in the log | `config` | `log.rs` |
//! | §7, figure 13 | snapshots, in chunks | `compact`, `take_chunk`, `install` | `snapshot.rs` |
//! | §8, thesis 6.3 | commands take effect once | `apply` | `sessions.rs` |
//! | thesis, figure 6.1 | *ClientRequest*; *RegisterClient* there is none, for sessions say when they began | `take`, `session` | `commands.rs` |
//! | | *ClientQuery* | `ask`, `may_read_at` | `queries.rs` |
//! | thesis 3.1, 3.2 | figures 2 and 3 of the paper | as above | |
//! | thesis 3.10 | leadership is handed over | `hand_over`, `advance_handover`, `lead_now` | `handover.rs` |
//! | | and by whom removes itself | `leave` | `membership.rs` |
//! | thesis 4.2.1 | new voters catch up before they count | `towards`, `has_caught_up` | `config.rs`, `role.rs` |
//! | thesis 4.2.2 | who is removed stands for election until that is committed | `may_stand` | `election.rs` |
//! | | who was removed is told so | `removal_of`, `take_removal` | `election.rs` |
//! | thesis 4.2.3 | who hears a leader does not listen to candidates | `is_disruptive` | `election.rs` |
//! | thesis 6.2 | a leader without a majority steps down | `lead` | `replication.rs` |
//! | thesis 6.4 | reads without the log | `begin_read`, `confirm_reads` | `reads.rs` |
//! | thesis 6.4.1 | reads by a lease | `has_lease` | `reads.rs` |
//! | thesis 4.3 | joint consensus | `advance_change`, `is_quorum` | `membership.rs`, `config.rs` |
//! | thesis 9.6 | pre-votes | `stand_for_election`, `count_votes` | `election.rs` |
//! | thesis 10.2.1 | the leader writes while followers do | `append`, `own_match` | `replication.rs` |
//! | thesis 10.2.2 | pipelining and batches | `allowance`, `batch` | `peer.rs`, `replication.rs` |
//! <!-- /map -->
//!
//! # Beyond the paper
//!
//! *No voters with amnesia.* A member is a [`Server`]: a node from a start at which it
//! remembered nothing. Votes and acknowledgements count for the server that gave them. A node
//! that is started without its memory answers the leader as another server, and the leader
//! replaces the former one by it, as any voter by any other one: so nodes need no disk as long
//! as a majority remembers. Where all have forgotten everything, everything is lost.
//!
//! *Two of three are a majority.* A follower that gets an entry from a leader whose own log
//! is safe knows, in a cluster of up to three voters, that it is committed: the two of them
//! have it. It may answer before the leader knows (`advance_commit`). So there reads wait
//! for the last entry that is safe at the leader, and not for the last that it knows to be
//! committed (`read_index`).
//!
//! *Asking acknowledges.* A follower that asks the leader for a read in the leader's term has
//! acknowledged the leader after the read came. In a cluster of three that is a majority, so
//! a linearizable read costs two messages and no lease.
//!
//! *No more than are needed.* New entries and questions go to those followers that take them
//! at once and were heard last, as many as make a majority (`needed`). The others have them
//! with the next message that goes to them, a heartbeat at the latest.
//!
//! *One message a millisecond.* The first message to a node goes at once, and what there is to
//! say soon after waits for a moment and goes together (`Outbox`, which has a table of when
//! what is said).
//!
//! *Timeouts that were measured.* A leader knows how long answers take, and tells followers how
//! long to wait for it (`measure`). A candidate that hears nothing waits longer each time.
//!
//! *The log's time.* Sessions expire by it. The leader tells it with each heartbeat, for it
//! goes on where nothing is appended (`log_time`).
//!
//! # Map
//!
//! - `raft.rs`: the machine; `role.rs`, `peer.rs`: what only a follower, a candidate or a leader
//!   has, and a leader's view of a follower.
//! - `persistent.rs`, `record.rs`, `log.rs`, `entry.rs`, `config.rs`, `position.rs`: what is not forgotten.
//! - `founding.rs`, `election.rs`, `replication.rs`, `reads.rs`, `snapshot.rs`, `membership.rs`, `handover.rs`: the
//!   protocol.
//! - `replica.rs`, `sessions.rs`: the state machine, once.
//! - `commands.rs`, `queries.rs`, `wishes.rs`: what this node's clients wait for.
//! - `message.rs`, `outbox.rs`, `timing.rs`: what is said, and when.
//! - `fork.rs`: nodes that are copied, for tests that try everything.
//!
//! [paper]: https://raft.github.io/raft.pdf
//! [thesis]: https://github.com/ongardie/dissertation

mod commands;
mod config;
mod election;
mod entry;
mod fork;
mod founding;
mod handover;
mod injected_bugs;
mod log;
mod membership;
mod message;
mod options;
mod outbox;
mod peer;
mod persistent;
mod position;
mod queries;
mod raft;
mod reads;
mod record;
mod replica;
mod replication;
mod role;
mod sessions;
mod snapshot;
mod state_machine;
pub mod storage;
mod timing;
mod wishes;

pub use config::{Config, Server};
pub use entry::{CommandId, Entry, LogTime, Payload, Proposal, SessionId};
pub use injected_bugs::{Bug, Bugs};
pub use log::Log;
pub use message::{
    Append, Appended, Ballot, Chunk, Hello, Packet, Part, Received, Rejected, VoteRequest,
};
pub use options::{Options, Reads};
pub use position::{Index, Position, Term};
pub use raft::{Raft, Reply, Request};
pub use record::{Kept, Record};
pub use snapshot::Snapshot;
pub use state_machine::StateMachine;

/// The README's example, so that it compiles and holds.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
