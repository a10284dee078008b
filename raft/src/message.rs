//! What nodes say to one another. All that one has to say to another at a moment goes in one
//! message, a [`Packet`]: acknowledgements, forwarded commands and reads ride on each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use maelstrom::Message;
use maelstrom::machine::Rank;
use serde::{Deserialize, Serialize};

use crate::{Change, Config, Entry, Index, LogTime, Position, Proposal, Snapshot, Term, TextPart};

/// A message: what a node says in its current term.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Packet<C> {
    /// The sender's current term. Who is behind takes it over (§5.1).
    pub term: Term,
    /// Which incarnation of it.
    pub incarnation: u64,
    /// What it says. With nothing, it lets know its term.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part<C>>,
}

impl<C> Message for Packet<C> {
    const TYPE: &'static str = "raft";
}

/// One thing that is said.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part<C> {
    /// Who begins a cluster, from whoever has no entries.
    Hello(Hello),
    /// To who says hello: there are entries.
    Begun,
    /// These servers found the cluster. It says nothing to who knows of members.
    Found(Config),
    /// *RequestVote* of figure 2: may I lead in this term?
    RequestVote(VoteRequest),
    /// *RequestVote*'s results, where it is a yes, to this incarnation of the candidate. (A no
    /// is not told.)
    Vote(Ballot, u64),
    /// *AppendEntries* of figure 2.
    Append(Append<C>),
    /// *AppendEntries*' results.
    Appended(Appended),
    /// *InstallSnapshot* of figure 13.
    Chunk(Chunk),
    /// *InstallSnapshot*'s results.
    Received(Received),
    /// To the leader: have these commands in the log.
    Propose(Vec<Proposal<C>>),
    /// To the leader: have this be so. Members change if those before are named in this entry.
    Change(Index, Change),
    /// From a node whose clients wait, and which is no member: who leads has it follow.
    Seek,
    /// *TimeoutNow* of the thesis, 3.10: stand for election.
    LeadNow,
    /// To the leader: up to where does a read have to wait? With a number that comes
    /// back. It also says that the sender took the receiver for the leader of the term
    /// after the read came.
    Read(u64),
    /// The answer to a read: its number, and the entry that has to be applied.
    ReadAt(u64, Index),
}

/// Says who begins a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Which time the founder asks. Zero for nobody who asks, or who has heard of a cluster.
    pub round: (u64, u64),
    /// Who has heard of no cluster, in this round.
    pub new: BTreeMap<Rank, u64>,
    /// Whether the sender is the first server of its node.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_first: bool,
}

/// Which kind of vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ballot {
    /// Whether one would vote so, which binds nobody (thesis, 9.6).
    PreVote,
    /// A vote (§5.2).
    Vote,
}

/// Asks for a vote: in the packet's term, or, for a pre-vote, in the one after it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct VoteRequest {
    /// Of which kind.
    pub ballot: Ballot,
    /// Whether the leader wants it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub handed_over: bool,
    /// `lastLogIndex` and `lastLogTerm`: the candidate's last entry.
    pub last: Position,
}

/// Entries for a follower; none to let it know that the leader is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Append<C> {
    /// `prevLogIndex` and `prevLogTerm`: the entry before them.
    pub previous: Position,
    /// The entries.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<Arc<Entry<C>>>,
    /// `leaderCommit`: up to where the leader knows that all is committed.
    pub commit: Index,
    /// Up to where the leader's own log is safe.
    pub safe: Index,
    /// The log's time. It goes on when there is nothing to append, too.
    pub time: LogTime,
    /// How long the follower is to wait for the leader at least, in milliseconds; 0 while the
    /// leader does not know how long answers take.
    pub election_ms: u32,
    /// Counts the leader's questions whether it leads still. The acknowledgement has it.
    pub question: u64,
    /// Whether the leader waits for the acknowledgement. One that it does not wait for
    /// comes with something else, or a little later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub urgent: bool,
}

/// What a follower has of the leader's log.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Appended {
    /// Up to where its log is the leader's, and safe.
    pub matched: Index,
    /// The leader's latest question that it has heard.
    pub question: u64,
    /// An append that does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
}

/// Why an append does not fit.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Rejected {
    /// The place before its entries, where the follower has no such entry.
    pub previous: Index,
    /// The conflict hint (§5.3): the follower's last entry that the leader's log may
    /// have.
    pub hint: Position,
}

/// A part of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chunk {
    /// Of which one.
    pub snapshot: Snapshot,
    /// Which one it is of all that the leader sends: another time it may be in other words.
    pub number: u64,
    /// What comes next of its text.
    pub part: TextPart,
    /// Whether it is the last one.
    #[serde(rename = "done")]
    pub is_last: bool,
}

/// What a follower has of a snapshot.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Received {
    /// Which one of the leader's.
    pub number: u64,
    /// So much from its beginning.
    pub bytes: usize,
}
