//! Log replication (§5.3), pipelined and in batches, and commit (§5.4.2).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use maelstrom::machine::Rank;

use crate::outbox::{Outgoing, batches};
use crate::peer::Peer;
use crate::role::Role;
use crate::{
    Append, Appended, Bug, Entry, Index, Packet, Part, Payload, Position, Proposal, Raft, Reads,
    Rejected, Server, StateMachine,
};

impl<S: StateMachine> Raft<S> {
    /// Figure 2, leaders: heartbeats. A leader that has not heard of a majority for an
    /// election timeout steps down (thesis, 6.2).
    pub(crate) fn lead(&mut self) {
        let (last, heartbeat) = (self.persistent.log().last().index, self.heartbeat());
        let (me, now) = (self.server(), self.now);
        let Role::Leader(leader) = &mut self.role else { return };
        let is_asked = !leader.reads.is_empty();
        for (&rank, peer) in &mut leader.peers {
            if peer.sent + heartbeat <= self.now {
                peer.sent = self.now;
                match is_asked || peer.matched < last {
                    true => self.outbox.append_urgently(rank, self.now),
                    false => self.outbox.append(rank, self.now),
                }
            }
        }
        if leader.check_at <= self.now {
            leader.check_at = self.now + self.election / 2;
            leader.committed = [leader.committed[1], self.commit.max(leader.first)];
            let members = self.persistent.log().config().members();
            leader.peers.retain(|rank, peer| members.contains_key(rank) || now < peer.guest_until);
            let heard = |server: Server| match leader.peer(server) {
                Some(peer) => self.now < peer.heard + self.election,
                None => server == me,
            };
            if !self.persistent.log().config().is_quorum(heard) {
                self.wait_longer();
                self.become_follower(None);
            }
        }
    }

    /// Figure 2, leaders: a command goes into the log, unless it is there already.
    pub(crate) fn propose(&mut self, from: Rank, proposals: Vec<Proposal<S::Command>>) {
        let Role::Leader(leader) = &mut self.role else { return };
        if leader.successor.is_some() {
            // They are sent again, to whoever leads then.
            return;
        }
        let mut payloads = Vec::new();
        for proposal in proposals {
            if !self.replica.sessions.has_seen(proposal.id) && leader.proposed.insert(proposal.id) {
                payloads.push(Payload::Command(proposal));
            }
        }
        if self.append(payloads) {
            self.send_to_a_majority(from);
            self.tell_when_committed(from, self.log().last().index);
        }
    }

    /// Sends what is new to as many followers as are needed; the others have it with the
    /// next heartbeat, and if one that is needed does not answer, before long.
    fn send_to_a_majority(&mut self, from: Rank) {
        // Who is a majority together with the leader waits for the leader's own log to be
        // safe in any case, so one message will do, and the leader waits for no answer.
        if from == self.me || self.is_stalled || !self.is_follower_enough(from) {
            let others = Some(from).filter(|&from| from != self.me);
            let (needed, soon) = (self.needed(from).into_iter(), self.soon());
            let ranks = needed.map(|one| one.rank).chain(others);
            ranks.for_each(|rank| self.outbox.append_urgently(rank, soon));
        }
    }

    /// Followers that are a majority together with the leader, unless its disk is full, and
    /// with `from`: those that take entries at once, and of these those that were heard last.
    pub(crate) fn needed(&self, from: Rank) -> Vec<Server> {
        let Role::Leader(leader) = &self.role else { return Vec::new() };
        let config = self.log().config();
        let is_other = |peer: &&Peer| peer.server.rank != from && config.has_voter(peer.server);
        let others = leader.peers.values().filter(is_other);
        let lately = self.now.saturating_sub(self.election / 2);
        let key = |peer: &Peer| (peer.is_ready(lately, &self.options), peer.heard);
        let mut others: Vec<_> = others.map(|peer| (key(peer), peer.server)).collect();
        others.sort_by(|one, other| other.cmp(one));
        let mut others: Vec<Server> = others.into_iter().map(|(_, one)| one).collect();
        if !self.options.round.is_zero() {
            // What each of them has to say waits for an append that it answers.
            return others;
        }
        let is_enough = |count: &usize| {
            let (me, chosen) = (self.server(), &others[..*count]);
            let counts = |one: Server| one == me && !self.is_stalled || one.rank == from;
            config.is_quorum(|one| counts(one) || chosen.contains(&one))
        };
        let count = (0..others.len()).find(is_enough).unwrap_or(others.len());
        others.truncate(count);
        others
    }

    /// A follower's client waits until this entry is committed.
    pub(crate) fn tell_when_committed(&mut self, follower: Rank, index: Index) {
        let Role::Leader(leader) = &mut self.role else { return };
        if let Some(peer) = leader.peers.get_mut(&follower) {
            peer.awaits = peer.awaits.max(index);
        }
    }

    /// Tells the followers whose clients wait, as soon as there is something to tell.
    pub(crate) fn tell_who_waits(&mut self) {
        let Role::Leader(leader) = &self.role else { return };
        for (&rank, peer) in &leader.peers {
            let may_have = peer.may_have(self.log().last().index, &self.options);
            let awaits = peer.awaits.min(may_have);
            if peer.told < awaits && peer.told < self.told_by(rank) {
                self.outbox.append(rank, self.soon());
            }
        }
    }

    /// Up to where an append tells a follower that all is committed.
    fn told_by(&self, rank: Rank) -> Index {
        let is_pair = self.is_follower_enough(rank);
        self.commit.max(if is_pair { self.own_match() } else { Index::ZERO })
    }

    /// Whether these two are a majority: each sees what is committed by itself.
    pub(crate) fn is_pair_enough(&self, other: Server) -> bool {
        let me = self.server();
        self.log().config().is_quorum(|server| server == me || server == other)
    }

    /// The same of the leader and a follower.
    pub(crate) fn is_follower_enough(&self, rank: Rank) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        leader.peers.get(&rank).is_some_and(|peer| self.is_pair_enough(peer.server))
    }

    /// Appends to the leader's own log; returns whether there was anything. That they are told
    /// before the leader's log is safe is right, for it counts itself later.
    pub(crate) fn append(&mut self, payloads: Vec<Payload<S::Command>>) -> bool {
        let term = self.term();
        if payloads.is_empty() || !self.is_leader() {
            return false;
        }
        let at = self.log_time();
        let entry = |payload| Arc::new(Entry { term, at, payload });
        let entries = payloads.into_iter().map(entry).collect();
        // A record holds no more than a message does.
        for entries in batches(entries, self.options.batch_bytes, |entry| entry.size(S::size)) {
            self.persistent.append(self.log().last().index, entries);
        }
        true
    }

    /// Figure 2, *AppendEntries*, receiver.
    pub(crate) fn take_append(&mut self, from: Server, append: Append<S::Command>) {
        if self.leader() != Some(from.rank) {
            self.become_follower(Some(from));
        }
        if append.election_ms > 0 {
            let told = Duration::from_millis(append.election_ms.into());
            self.election = self.options.election.max(told);
        }
        let (now, election_at) = (self.now, self.now + self.election_timeout());
        let Role::Follower(follower) = &mut self.role else { return };
        follower.election_at = election_at;
        (self.heard, self.log_time) = (Some(now), (now, append.time));
        follower.leader_safe = follower.leader_safe.max(append.safe);
        follower.question = follower.question.max(append.question);
        let Append { previous, entries, commit, urgent, .. } = append;
        if let Some(rejected) = self.conflict(previous) {
            self.outbox.outgoing(from.rank, now).rejected = Some(rejected);
            return self.outbox.acknowledge(from.rank, now);
        }
        let (verified, is_empty) = (previous.index + entries.len(), entries.is_empty());
        self.store(previous.index, entries);
        let safe = self.own_match();
        self.commit = self.commit.max(commit.min(verified));
        let Role::Follower(follower) = &mut self.role else { return };
        follower.verified = follower.verified.max(verified);
        let is_lacking = urgent && safe < verified;
        if is_lacking {
            follower.owes = follower.owes.max(Some(verified));
        }
        // Who leads is told at once, what is safe when it is.
        let is_due = (urgent || !self.options.round.is_zero()) && (is_empty || !is_lacking);
        let due = if is_due { now } else { now + self.heartbeat() / 2 };
        self.outbox.acknowledge(from.rank, due);
    }

    /// Whether the entry before a leader's is not in the log, and which one may be common
    /// (§5.3). All that a snapshot stands for is common.
    fn conflict(&self, previous: Position) -> Option<Rejected> {
        let log = self.log();
        if previous.index < log.base().index || log.contains(previous) {
            return None;
        }
        Some(Rejected { previous: previous.index, hint: log.last_up_to(previous) })
    }

    /// Figure 2, *AppendEntries*, receiver, 3 and 4: what contradicts the leader's entries
    /// is cut off, and nothing else, for the append may be an old one.
    fn store(&mut self, after: Index, entries: Vec<Arc<Entry<S::Command>>>) {
        let always = self.options.bugs.has(Bug::TruncateAlways);
        let (log, mut after) = (self.persistent.log(), after);
        let known = entries.iter().take_while(|entry| {
            let is_known = match log.term_of(after.next()) {
                Some(term) => term == entry.term,
                None => after < log.base().index,
            };
            if is_known {
                after = after.next();
            }
            is_known
        });
        let known = known.count();
        if known < entries.len() && after < self.commit {
            let error = format!("the leader contradicts what is committed behind {after:?}");
            return self.halt(&io::Error::other(error));
        }
        if known < entries.len() || always && after >= log.base().index {
            let new = entries.into_iter().skip(known).collect();
            self.persistent.append(after, new);
        }
    }

    /// Figure 2, leaders: `nextIndex` and `matchIndex` by what a follower says.
    pub(crate) fn take_acknowledgement(&mut self, from: Server, appended: &Appended) {
        let log = self.persistent.log();
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(peer) = leader.peer_mut(from) else { return };
        if appended.matched > log.last().index {
            return;
        }
        let mut had_to_wait = peer.allowance(&self.options) == 0 && peer.next <= log.last().index;
        let took = peer.acknowledge(appended, self.now);
        if let Some(Rejected { previous, hint }) = appended.rejected {
            had_to_wait |= peer.reject(previous, log.last_up_to(hint).index);
        }
        // What it lacks it gets at once when it was found where the logs part, or when the
        // window is open again.
        if had_to_wait && peer.allowance(&self.options) > 0 {
            self.outbox.append_urgently(from.rank, self.now);
        }
        if let Some(took) = took {
            self.measure(took);
        }
    }

    /// What this node's own log counts for.
    pub(crate) fn own_match(&self) -> Index {
        match self.options.bugs.has(Bug::EarlyAcknowledgement) {
            true => self.log().last().index,
            false => self.persistent.safe(),
        }
    }

    /// Figure 2, leaders: what a majority has is committed, once it contains an entry of
    /// the leader's own term (§5.4.2). In a cluster in which a follower and the leader are
    /// a majority the follower sees it as soon.
    pub(crate) fn advance_commit(&mut self) {
        let (own, me) = (self.own_match(), self.server());
        let config = self.log().config();
        let early = self.options.bugs.has(Bug::ConfigBeforeLog);
        let is_pair = |leader: Option<Server>| leader.is_some_and(|one| self.is_pair_enough(one));
        let agreed = match &self.role {
            Role::Leader(leader) => {
                let target = leader.target.as_ref().filter(|_| early);
                target.unwrap_or(config).agreed(|server| match leader.peer(server) {
                    Some(peer) => peer.matched,
                    None if server == me => own,
                    None => Index::ZERO,
                })
            }
            Role::Follower(follower) if is_pair(follower.leader) => {
                own.min(follower.verified).min(follower.leader_safe)
            }
            _ => return,
        };
        let is_own_term = self.log().term_of(agreed) == Some(self.term());
        if is_own_term || self.options.bugs.has(Bug::CommitOldTerms) {
            self.commit = self.commit.max(agreed);
        }
    }

    /// Whether what this node says in its term may be known: the term and the vote in it
    /// are safe.
    pub(crate) fn may_speak(&self) -> bool {
        self.persistent.is_vote_safe() || self.options.bugs.has(Bug::EarlyVote)
    }

    /// Sends what is due, with all that can go along.
    pub(crate) fn flush(&mut self) {
        if !self.may_speak() {
            return;
        }
        while let Some((to, outgoing)) = self.outbox.take(self.now) {
            // A log from elsewhere may name whom nobody knows.
            if to < self.nodes {
                self.send(to, outgoing);
            }
        }
    }

    fn send(&mut self, to: Rank, outgoing: Outgoing<S::Command>) {
        let (term, incarnation) = (self.term(), self.incarnation);
        let Outgoing { mut parts, proposals, append, urgent, acknowledge, rejected, .. } = outgoing;
        let append = append || self.lacks(to);
        if append {
            self.provide_snapshot(to);
        }
        let size = |proposal: &Proposal<_>| S::size(&proposal.command);
        let batches = batches(proposals, self.options.batch_bytes, size);
        let mut batches = batches.into_iter().map(Part::Propose);
        parts.extend(batches.next());
        if let Role::Follower(follower) = &self.role
            && acknowledge
        {
            let (matched, question) = (self.own_match().min(follower.verified), follower.question);
            parts.push(Part::Appended(Appended { matched, question, rejected }));
        }
        if append {
            // In front of what the follower does when it has the entries.
            let append = self.next_append(to, urgent).map(Part::Append);
            parts.splice(0..0, append);
            parts.extend(self.next_chunk(to));
        }
        self.out.send(to, Packet { term, incarnation, parts });
        for batch in batches {
            self.out.send(to, Packet { term, incarnation, parts: vec![batch] });
        }
        // The rest goes by and by, so that nobody else waits for it.
        if append && self.lacks(to) {
            let rest = self.outbox.outgoing(to, self.now);
            (rest.append, rest.urgent) = (true, urgent);
        }
    }

    /// Whether a follower lacks entries, or a part of its snapshot, that it may be sent.
    fn lacks(&self, follower: Rank) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        leader.peers.get(&follower).is_some_and(|peer| match peer.transfer() {
            Some(transfer) => transfer.has_next(self.options.window_bytes),
            None => peer.next <= self.log().last().index && peer.allowance(&self.options) > 0,
        })
    }

    /// What a follower is sent next. Without entries, it is still told what is committed.
    fn next_append(&mut self, to: Rank, urgent: bool) -> Option<Append<S::Command>> {
        let (safe, told, time) = (self.own_match(), self.told_by(to), self.log_time());
        let measured = self.round_trip.mean().map(|_| self.election.as_millis() as u32);
        let (election_ms, half) = (measured.unwrap_or(0), self.heartbeat() / 2);
        let Role::Leader(leader) = &mut self.role else { return None };
        if self.options.reads == Reads::Lease
            && leader.question_sent
            && leader.asked.back().is_none_or(|&(_, at)| at + half <= self.now)
        {
            leader.next_question(self.now);
        }
        let (log, peer) = (self.persistent.log(), leader.peers.get_mut(&to)?);
        // Who is sent a snapshot gets an append that fits everywhere with each heartbeat.
        let previous = log.position(peer.next.previous()).unwrap_or_default();
        let (allowance, mut bytes) = (peer.allowance(&self.options), 0);
        let fits = |entry: &&Arc<Entry<_>>| {
            let fits = bytes < allowance;
            bytes += if fits { entry.size(S::size) } else { 0 };
            fits
        };
        let entries: Vec<_> = log.after(previous.index).take_while(fits).cloned().collect();
        peer.send(entries.len(), bytes, urgent, self.now);
        peer.told = peer.told.max(told.min(previous.index + entries.len()));
        leader.question_sent = true;
        let (commit, question) = (self.commit, leader.question);
        Some(Append { previous, entries, commit, safe, time, election_ms, question, urgent })
    }
}
