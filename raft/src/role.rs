//! What a node is, each with the state that belongs to it: a follower has no `nextIndex`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use maelstrom::machine::{Rank, Time};

use crate::peer::Peer;
use crate::{Ballot, CommandId, Config, Index, Raft, Server, StateMachine, VoteRequest};

/// What a node is in the current term.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// Takes what the leader sends, if there is one.
    Follower(Follower),
    /// Asks for votes (§5.2), or first whether it would be voted for (thesis, 9.6).
    Candidate(Campaign),
    /// Leads.
    Leader(Leader),
    /// Could not write, and takes part in nothing any more.
    Halted,
}

/// The state of a follower.
#[derive(Clone, Debug, Default)]
pub(crate) struct Follower {
    pub(crate) leader: Option<Server>,
    /// When it stands for election, unless the leader is heard before.
    pub(crate) election_at: Time,
    /// Up to where the log is known to be the leader's.
    pub(crate) verified: Index,
    /// Up to where the leader's log is safe.
    pub(crate) leader_safe: Index,
    /// The leader's latest question.
    pub(crate) question: u64,
    /// The last entry whose acknowledgement the leader waits for, and which waits for the
    /// disk.
    pub(crate) owes: Option<Index>,
    /// Whether it has asked all who leads, of a node that is no member.
    pub(crate) has_sought: bool,
}

impl Follower {
    pub(crate) fn of(leader: Option<Server>, committed: Index, election_at: Time) -> Self {
        // What is committed is in every leader's log.
        Self { leader, election_at, verified: committed, ..Self::default() }
    }
}

/// The state of who asks for votes.
#[derive(Clone, Debug)]
pub(crate) struct Campaign {
    pub(crate) request: VoteRequest,
    pub(crate) granted: BTreeSet<Server>,
    /// When it asks those again who have not granted it.
    pub(crate) ask_at: Time,
    /// When it tries anew.
    pub(crate) election_at: Time,
}

/// The state of a leader: figure 2's volatile state on leaders, and what its clients
/// wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leader {
    pub(crate) peers: BTreeMap<Rank, Peer>,
    /// The entry with which its term began.
    pub(crate) first: Index,
    /// Counts the questions whether it still leads.
    pub(crate) question: u64,
    /// Whether the latest one was asked of anybody.
    pub(crate) question_sent: bool,
    /// When the latest ones were asked first.
    pub(crate) asked: VecDeque<(u64, Time)>,
    /// Whether somebody was told to stand for election, which no lease outlives.
    pub(crate) told_anybody: bool,
    /// Reads that nobody has confirmed yet.
    pub(crate) reads: Vec<Read>,
    /// The commands that are in the log and not applied.
    pub(crate) proposed: BTreeSet<CommandId>,
    /// When it looks whether a majority was heard, each half election timeout.
    pub(crate) check_at: Time,
    /// What was committed at the last look but one, and at the last one.
    pub(crate) committed: [Index; 2],
    /// Who is to lead instead, and until when it waits for that.
    pub(crate) successor: Option<(Rank, Time)>,
    /// Whether that one was told to stand for election.
    pub(crate) told_successor: bool,
    /// How many snapshots it has begun to send.
    pub(crate) snapshots: u64,
    /// The members that somebody wants.
    pub(crate) target: Option<Config>,
}

impl Leader {
    /// What it knows of a server, of which the leader has heard nothing if it is another
    /// incarnation of that node.
    pub(crate) fn peer(&self, server: Server) -> Option<&Peer> {
        self.peers.get(&server.rank).filter(|peer| peer.server == server)
    }

    pub(crate) fn peer_mut(&mut self, server: Server) -> Option<&mut Peer> {
        self.peers.get_mut(&server.rank).filter(|peer| peer.server == server)
    }

    /// Whether it has what was committed an election timeout ago: however much comes, it is
    /// behind by no more than it takes to tell it.
    pub(crate) fn has_caught_up(&self, peer: &Peer) -> bool {
        self.committed[0] <= peer.matched
    }

    /// The other members follow, and until they have asked for nothing for long others, too.
    pub(crate) fn set_members(&mut self, members: BTreeMap<Rank, u64>, last: Index, now: Time) {
        for (rank, incarnation) in members {
            let unknown = || Peer::unknown(Server { rank, incarnation }, last, now);
            self.peers.entry(rank).or_insert_with(unknown);
        }
    }

    /// Whether it still leads is to be asked anew.
    pub(crate) fn next_question(&mut self, now: Time) {
        self.question += 1;
        self.question_sent = false;
        if self.asked.len() >= 64 {
            self.asked.pop_front();
        }
        self.asked.push_back((self.question, now));
    }
}

impl Role {
    /// When it stands for election.
    pub(crate) fn election_at(&self) -> Option<Time> {
        match self {
            Self::Follower(follower) => Some(follower.election_at),
            Self::Candidate(campaign) => Some(campaign.election_at),
            Self::Leader(_) | Self::Halted => None,
        }
    }

    /// Whether it has a vote to give in the current term: it follows, or asks for pre-votes.
    pub(crate) fn may_vote(&self) -> bool {
        match self {
            Self::Follower(_) => true,
            Self::Candidate(campaign) => campaign.request.ballot == Ballot::PreVote,
            Self::Leader(_) | Self::Halted => false,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Follower(_) => "follower",
            Self::Candidate(_) if self.may_vote() => "pre-candidate",
            Self::Candidate(_) => "candidate",
            Self::Leader(_) => "leader",
            Self::Halted => "halted",
        }
    }
}

impl<S: StateMachine> Raft<S> {
    /// Becomes something else: what was to be said is of another role, and what clients
    /// wait for is asked of another leader.
    pub(crate) fn set_role(&mut self, role: Role) {
        self.role = role;
        let now = (self.term(), self.role.name());
        if self.logged.replace(now) != Some(now) {
            // In the form that the bench's reports draw.
            tracing::info!(role = %now.1, term = now.0.number());
        }
        self.incoming = None;
        self.outbox.clear();
        self.commands.resend();
        self.queries.ask_all_again();
    }
}

/// A read that is to be linearizable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    /// Where it was asked.
    pub(crate) from: Server,
    /// Its number there.
    pub(crate) number: u64,
    /// What has to be applied before it is answered.
    pub(crate) index: Index,
    /// Whoever acknowledges this question has acknowledged the leader after the read came.
    pub(crate) question: u64,
}
