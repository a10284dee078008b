//! Linearizable reads without the log (§8; thesis, 6.4): ReadIndex, from any node.
//!
//! Whoever is asked a query asks the leader up to where it has to wait, waits until so
//! much is applied, and answers from its own state machine. The leader says so once it knows
//! that it was the leader after the question came: a majority has acknowledged it since.
//! The node that asks has done so by asking.

use std::collections::BTreeMap;

use maelstrom::machine::draw_incarnation;

use crate::config::Server;
use crate::entry::{Payload, Proposal, SessionId};
use crate::injected_bugs::Bug;
use crate::message::Part;
use crate::options::Reads;
use crate::position::Index;
use crate::raft::{Raft, Reply};
use crate::role::{Leader, Read, Role};
use crate::state_machine::StateMachine;

impl<S: StateMachine> Raft<S> {
    /// Passes on what this node's clients wait for.
    pub(crate) fn send_requests(&mut self) {
        let Some(leader) = self.leader() else { return self.seek_leader() };
        let soon = self.soon();
        if let Some(before) = self.now.checked_sub(self.patience()) {
            self.commands.retry(before);
            self.queries.ask_again(before);
        }
        if self.commands.has_unsent() {
            let proposals = self.take_commands();
            match leader == self.me {
                true => self.propose(leader, proposals),
                false => self.outbox.propose(leader, soon, proposals),
            }
        }
        let reuse = self.options.bugs.has(Bug::ReuseReadContext);
        match self.queries.ask(self.now, reuse) {
            Some(number) if leader == self.me => self.begin_read(self.server(), number),
            Some(number) => self.outbox.say(leader, soon, Part::Read(number)),
            None => {}
        }
    }

    fn take_commands(&mut self) -> Vec<Proposal<S::Command>> {
        let (born, expiry) = (self.told_log_time(), self.options.session_expiry);
        let unique = || SessionId { born, unique: draw_incarnation(&mut self.rng) };
        let session = self.commands.session(born, expiry, unique);
        self.commands.take(self.now, session)
    }

    /// Thesis, 6.4, steps 1 and 2: what a read has to wait for.
    pub(crate) fn begin_read(&mut self, from: Server, number: u64) {
        if self.options.reads == Reads::Log {
            self.append(vec![Payload::Noop]);
        }
        let (index, has_lease) = (self.read_index(), self.has_lease());
        let Role::Leader(leader) = &mut self.role else { return };
        // Where there is a lease nobody has to be asked, unless it ends before that is looked at.
        let question = leader.question + u64::from(leader.question_sent);
        if question > leader.question && !has_lease {
            leader.next_question(self.now);
        }
        leader.reads.push(Read { from, number, index, question });
    }

    /// The last entry whose command may have been answered. What is committed in former
    /// terms the leader knows with the first entry of its own.
    fn read_index(&self) -> Index {
        let bugs = self.options.bugs;
        if self.options.reads == Reads::Log {
            return self.log().last().index;
        }
        // Nobody has been told that more of the leader's own log is safe.
        let is_overtaken = self.may_be_overtaken() && !bugs.has(Bug::ReadKnownCommits);
        let known = self.commit.max(if is_overtaken { self.own_match() } else { Index::ZERO });
        match &self.role {
            Role::Leader(leader) if !bugs.has(Bug::ReadBeforeNoop) => known.max(leader.first),
            _ => known,
        }
    }

    /// Whether a follower may see that an entry is committed before the leader does: one
    /// that is a majority together with the leader, by the members as they are or, while
    /// a change of them is not committed, as they were.
    fn may_be_overtaken(&self) -> bool {
        let (members, me) = (self.log().config().members(), self.me);
        self.commit < self.log().config_index()
            || members.into_keys().any(|rank| rank != me && self.is_follower_enough(rank))
    }

    /// Thesis, 6.4, step 3: lets go on the reads that a majority has confirmed, and asks
    /// the others' voters.
    pub(crate) fn confirm_reads(&mut self) {
        let (soon, has_lease) = (self.soon(), self.has_lease());
        let Role::Leader(leader) = &mut self.role else { return };
        let mut reads = std::mem::take(&mut leader.reads);
        let is_logged = |index| self.options.reads == Reads::Log && index <= self.commit;
        let mut acknowledged = BTreeMap::new();
        let confirmed = reads.extract_if(.., |read| {
            let with = || self.acknowledged_with(read.from);
            let is_confirmed = has_lease || is_logged(read.index);
            is_confirmed || read.question <= *acknowledged.entry(read.from).or_insert_with(with)
        });
        let confirmed: Vec<Read> = confirmed.collect();
        if let Role::Leader(leader) = &mut self.role {
            leader.reads = reads;
        }
        self.ask_whether_it_leads();
        for Read { from, number, index, .. } in confirmed {
            match from.rank == self.me {
                true => self.queries.may_read_at(number, index),
                false => {
                    self.outbox.say(from.rank, soon, Part::ReadAt(number, index));
                    self.tell_when_committed(from.rank, index);
                }
            }
        }
    }

    /// The latest question that a majority has acknowledged, together with the one who asks.
    fn acknowledged_with(&self, asks: Server) -> u64 {
        let Role::Leader(leader) = &self.role else { return 0 };
        let careless = self.options.bugs.has(Bug::CountOldAcknowledgements);
        let me = self.server();
        self.log().config().agreed(|server| {
            match leader.peer(server).map_or(0, |peer| peer.question) {
                _ if server == me || server == asks => u64::MAX,
                question if careless && question > 0 => u64::MAX,
                question => question,
            }
        })
    }

    /// Thesis, 6.4.1: whether a majority has acknowledged a question that was asked so short a
    /// time ago that they still hold on to this leader, however their clocks differ. (A
    /// leader that hands over has them not hold on.)
    fn has_lease(&self) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        if self.options.reads != Reads::Lease || leader.told_anybody {
            return false;
        }
        let acknowledged = self.acknowledged_with(self.server());
        let careless = self.options.bugs.has(Bug::LeaseIgnoresDrift);
        let drift = if careless { 0.0 } else { self.options.drift };
        let lasts = self.options.election.div_f64(1.0 + drift);
        let asked = leader.asked.iter().rev().find(|(question, _)| *question <= acknowledged);
        asked.is_some_and(|&(_, at)| self.now < at + lasts)
    }

    /// Asks the followers, once for all reads that wait.
    fn ask_whether_it_leads(&mut self) {
        let Role::Leader(Leader { reads, question_sent: false, .. }) = &self.role else { return };
        if let Some(read) = reads.last() {
            // Where those that were heard last do not answer, the next heartbeat asks all.
            let (needed, soon) = (self.needed(read.from.rank), self.soon());
            needed.into_iter().for_each(|one| self.outbox.append_urgently(one.rank, soon));
        }
    }

    /// Answers the queries whose entries are applied.
    pub(crate) fn answer_queries(&mut self) {
        for (client, query) in self.queries.take_ready(self.replica.applied()) {
            let response = self.replica.machine().query(&query);
            self.out.reply(client, Reply::Response(response));
        }
    }
}
