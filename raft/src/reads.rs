//! Linearizable reads without the log (§8; thesis, 6.4): ReadIndex, from any node.
//!
//! Whoever is asked a query asks the leader up to where it has to wait, waits until so
//! much is applied, and answers from its own state machine. The leader says so once it knows
//! that it was the leader after the question came: a majority has acknowledged it since.
//! The node that asks has done so by asking.
//!
//! ```text
//!   fresh ──a batch──▶ asked ──the leader says up to where──▶ ready ──applied──▶ answered
//!     ▲                  │                                    │
//!     └──another leader, or no answer───────another leader─────┘
//! ```

use std::collections::BTreeMap;

use maelstrom::machine::{Client, Time, draw_incarnation};

use crate::role::{Leader, Read, Role};
use crate::{Bug, Index, Part, Payload, Raft, Reads, Reply, Server, SessionId, StateMachine};

type Batch<Q> = Vec<(Client, Q)>;

/// Queries without an answer.
#[derive(Clone, Debug)]
pub(crate) struct Queries<Q> {
    fresh: Batch<Q>,
    /// By the number under which the leader was asked, and when.
    pub(crate) asked: BTreeMap<u64, (Time, Batch<Q>)>,
    /// By what has to be applied first.
    ready: BTreeMap<Index, Batch<Q>>,
    last: u64,
}

impl<Q> Queries<Q> {
    /// No queries yet. Numbers go on from `last`, which no former incarnation of the node has
    /// come near: what was said of its queries says nothing of these.
    pub(crate) fn new(last: u64) -> Self {
        Self { fresh: Vec::new(), asked: BTreeMap::new(), ready: BTreeMap::new(), last }
    }

    pub(crate) fn add(&mut self, client: Client, query: Q) {
        self.fresh.push((client, query));
    }

    /// The number under which the leader is to be asked for all queries that came since.
    /// No number is used twice: what is said of one batch says nothing of another.
    pub(crate) fn ask(&mut self, now: Time, reuse: bool) -> Option<u64> {
        if self.fresh.is_empty() {
            return None;
        }
        if let Some(mut entry) = self.asked.last_entry().filter(|_| reuse) {
            entry.get_mut().1.append(&mut self.fresh);
            return Some(self.last);
        }
        self.last += 1;
        self.asked.insert(self.last, (now, std::mem::take(&mut self.fresh)));
        Some(self.last)
    }

    /// The leader says what has to be applied first.
    pub(crate) fn may_read_at(&mut self, number: u64, index: Index) {
        if let Some((_, batch)) = self.asked.remove(&number) {
            self.ready.entry(index).or_default().extend(batch);
        }
    }

    /// Those that can be answered when so much is applied.
    pub(crate) fn take_ready(&mut self, applied: Index) -> Batch<Q> {
        let mut batch = Vec::new();
        while let Some(entry) = self.ready.first_entry().filter(|entry| *entry.key() <= applied) {
            batch.extend(entry.remove());
        }
        batch
    }

    /// All are to be asked again, for there is another leader. What has to be applied first
    /// may have been cut off before it was committed, so those are asked again as well that
    /// have heard that.
    pub(crate) fn ask_all_again(&mut self) {
        self.ask_again(Time::MAX);
        self.fresh.extend(std::mem::take(&mut self.ready).into_values().flatten());
    }

    /// All that were asked before `before` are to be asked again.
    pub(crate) fn ask_again(&mut self, before: Time) {
        while let Some(entry) = self.asked.first_entry().filter(|entry| entry.get().0 <= before) {
            self.fresh.extend(entry.remove().1);
        }
    }

    /// All clients that wait.
    pub(crate) fn clients(&self) -> impl Iterator<Item = Client> {
        let asked = self.asked.values().map(|(_, batch)| batch);
        let batches = asked.chain(self.ready.values()).chain([&self.fresh]);
        batches.flatten().map(|(client, _)| *client)
    }

    /// A client waits no longer. Returns whether it asked something here.
    pub(crate) fn give_up(&mut self, client: Client) -> bool {
        let asked = self.asked.values_mut().map(|(_, batch)| batch);
        let mut batches = asked.chain(self.ready.values_mut()).chain([&mut self.fresh]);
        batches.any(|batch| {
            let before = batch.len();
            batch.retain(|(other, _)| *other != client);
            batch.len() < before
        })
    }
}

impl<S: StateMachine> Raft<S> {
    /// Passes on what this node's clients wait for.
    pub(crate) fn send_requests(&mut self) {
        let Some(leader) = self.leader() else { return self.seek_leader() };
        let soon = self.soon();
        if let Some(before) = self.now.checked_sub(self.patience()) {
            self.commands.retry(before);
            self.queries.ask_again(before);
        }
        if !self.commands.unsent.is_empty() {
            // Entries from now on are not before that: a leader has told it.
            let born = if self.is_leader() { self.log_time() } else { self.log_time.1 };
            let unique = || SessionId { born, unique: draw_incarnation(&mut self.rng) };
            let session = self.commands.session(born, self.options.session_expiry, unique);
            let proposals = self.commands.take(self.now, session);
            match leader == self.me {
                true => self.propose(leader, proposals),
                false => self.outbox.outgoing(leader, soon).proposals.extend(proposals),
            }
        }
        let reuse = self.options.bugs.has(Bug::ReuseReadContext);
        match self.queries.ask(self.now, reuse) {
            Some(number) if leader == self.me => self.begin_read(self.server(), number),
            Some(number) => self.outbox.say(leader, soon, Part::Read(number)),
            None => {}
        }
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
        for (client, query) in self.queries.take_ready(self.replica.applied) {
            let response = self.replica.machine.query(&query);
            self.out.reply(client, Reply::Response(response));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_an_entry_of_a_former_leader_is_asked_for_again() {
        let mut queries = Queries::new(0);
        queries.add(Client(1), ());
        let number = queries.ask(Time::ZERO, false).unwrap();
        queries.may_read_at(number, Index::from(9));
        queries.ask_all_again();
        assert!(queries.take_ready(Index::from(9)).is_empty());
        assert_eq!(queries.ask(Time::ZERO, false), Some(number + 1));
    }
}
