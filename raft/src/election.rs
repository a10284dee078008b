//! Elections (§5.2, §5.4.1), with what the thesis adds so that nobody disturbs a leader
//! that works: pre-votes (9.6), and followers that hold on to their leader (4.2.3).

use std::collections::BTreeSet;

use maelstrom::machine::RoundTrip;

use crate::role::{Campaign, Leader, Role};
use crate::{Ballot, Bug, Index, Packet, Part, Payload, Raft, Server, StateMachine, VoteRequest};

impl<S: StateMachine> Raft<S> {
    /// Figure 2, followers and candidates: the election timeout has passed. Asks first
    /// whether it would be voted for; the term goes up only if so.
    pub(crate) fn stand_for_election(&mut self) {
        self.make_founders();
        if self.is_early() || !self.may_stand() {
            return self.become_follower(None);
        }
        if !matches!(self.role, Role::Follower(_)) {
            self.wait_longer();
        }
        self.campaign(Ballot::PreVote, false);
    }

    /// Whether it is a voter, or was one until a change that may not be committed: then it
    /// may be the only one with the entry that removes it (thesis, 4.2.2).
    pub(crate) fn may_stand(&self) -> bool {
        let (log, me) = (self.log(), self.server());
        let (_, committed) = log.config_at(self.commit);
        log.config().has_voter(me) || committed.has_voter(me)
    }

    /// Figure 2, candidates: goes over to the next term, and votes for itself.
    pub(crate) fn become_candidate(&mut self, handed_over: bool) {
        let vote = Some(self.server()).filter(|_| !self.options.bugs.has(Bug::ForgetOwnVote));
        self.persistent.set_vote(self.term().next(), vote);
        self.campaign(Ballot::Vote, handed_over);
    }

    fn campaign(&mut self, ballot: Ballot, handed_over: bool) {
        let request = VoteRequest { ballot, handed_over, last: self.log().last() };
        let (ask_at, election_at) = (self.now, self.now + self.election_timeout());
        let granted = BTreeSet::new();
        self.set_role(Role::Candidate(Campaign { request, granted, ask_at, election_at }));
    }

    /// Figure 2, candidates: asks all others, and those who do not answer again and again.
    pub(crate) fn ask_for_votes(&mut self) {
        let (now, heartbeat, config) = (self.now, self.heartbeat(), self.log().config().clone());
        let Role::Candidate(campaign) = &mut self.role else { return };
        if now < campaign.ask_at {
            return;
        }
        campaign.ask_at = now + heartbeat;
        let (request, granted) = (campaign.request, campaign.granted.clone());
        let has_granted = |rank| granted.iter().any(|server| server.rank == rank);
        for rank in config.members().into_keys() {
            if rank != self.me && config.is_voter(rank) && !has_granted(rank) {
                self.tell_founders(rank);
                self.outbox.say(rank, now, Part::RequestVote(request));
            }
        }
    }

    /// Figure 2, *RequestVote*, receiver: votes once a term, and for nobody whose log is
    /// less up to date. A pre-vote binds nobody, and is refused while there is a leader, from
    /// whom a node that was removed gets the entry that says so.
    pub(crate) fn consider_vote(&mut self, from: Server, request: VoteRequest) {
        let VoteRequest { ballot, last, handed_over } = request;
        self.host(from);
        let bugs = self.options.bugs;
        let is_up_to_date = last >= self.log().last() || bugs.has(Bug::VoteForAnyLog);
        let is_first = self.role.may_vote() && self.persistent.vote().is_none_or(|one| one == from);
        let is_free = handed_over || !self.has_leader();
        let grants = is_up_to_date && is_free && (ballot == Ballot::PreVote || is_first);
        if ballot == Ballot::Vote && grants || !grants && bugs.has(Bug::RefusalResetsTimer) {
            self.put_off_election();
        }
        if !grants {
            return;
        }
        if ballot == Ballot::Vote && self.persistent.vote().is_none() {
            self.persistent.set_vote(self.term(), Some(from));
        }
        self.outbox.say(from.rank, self.now, Part::Vote(ballot, from.incarnation));
    }

    fn put_off_election(&mut self) {
        let election_at = self.now + self.election_timeout();
        match &mut self.role {
            Role::Follower(follower) => follower.election_at = election_at,
            role if role.may_vote() => self.become_follower(None),
            _ => {}
        }
    }

    /// Whether there is a leader that works, as far as this node knows: of this term or a
    /// former one, for who heard that one may have given it a lease. What a former incarnation
    /// heard nobody knows.
    fn has_leader(&self) -> bool {
        let holds_on = |heard| self.role.may_vote() && self.now < heard + self.election;
        self.is_leader() || self.heard.is_some_and(holds_on)
    }

    /// A candidate of a later term asks for votes while the leader works: it is not
    /// listened to (thesis, 4.2.3).
    pub(crate) fn is_disruptive(&self, packet: &Packet<S::Command>) -> bool {
        let asks = |part: &Part<_>| matches!(part, Part::RequestVote(one) if !one.handed_over);
        packet.parts.iter().any(asks) && self.has_leader()
    }

    /// A vote for a former incarnation of this node is none for this one.
    pub(crate) fn take_vote(&mut self, from: Server, ballot: Ballot, candidate: u64) {
        if let Role::Candidate(campaign) = &mut self.role
            && campaign.request.ballot == ballot
            && candidate == self.incarnation
        {
            campaign.granted.insert(from);
        }
    }

    /// Figure 2, candidates: with the votes of a majority it goes on. Its own one counts when it
    /// is safe.
    pub(crate) fn count_votes(&mut self) {
        let (is_safe, me) = (self.may_speak(), self.server());
        let Role::Candidate(campaign) = &mut self.role else { return };
        campaign.granted.extend(is_safe.then_some(me));
        let Campaign { request, granted, .. } = campaign;
        if self.persistent.log().config().is_quorum(|server| granted.contains(&server)) {
            match request.ballot {
                Ballot::PreVote => self.become_candidate(false),
                Ballot::Vote => self.become_leader(),
            }
        }
    }

    /// Figure 2, leaders: lets all know at once, with an entry that says nothing, or, as the
    /// log's first one, who has founded the cluster.
    fn become_leader(&mut self) {
        let last = self.log().last().index;
        let mut members = self.log().config().members();
        members.remove(&self.me);
        let mut leader = Leader {
            first: last.next(),
            committed: [last.next(); 2],
            question_sent: true,
            check_at: self.now + self.election,
            ..Leader::default()
        };
        leader.set_members(members, last, self.now);
        for entry in self.log().after(self.commit) {
            if let Payload::Command(proposal) = &entry.payload {
                leader.proposed.insert(proposal.id);
            }
        }
        self.log_time = (self.now, self.log().last_time().max(self.log_time()));
        self.round_trip = RoundTrip::default();
        self.set_role(Role::Leader(leader));
        let founders =
            Some(self.log().config()).filter(|_| self.log().config_index() == Index::ZERO);
        self.append(vec![founders.cloned().map_or(Payload::Noop, Payload::Config)]);
        let Role::Leader(leader) = &self.role else { return };
        leader.peers.keys().for_each(|&rank| self.outbox.append_urgently(rank, self.now));
    }
}
