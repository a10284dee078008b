//! Changes of the members (§6): any change at once, by joint consensus.
//!
//! ```text
//!  old voters ──▶ old voters, new ones as learners ──▶ joint ──▶ new voters
//!                 until they have caught up            both majorities
//! ```
//!
//! Each arrow is an entry of the log, which counts from when it is in a log, and is not
//! followed by another before it is committed. The first one waits for an entry of the
//! leader's own term to be committed, so that a leader knows of what former ones began.

use std::time::Duration;

use crate::peer::Peer;
use crate::role::{Follower, Role};
use crate::{Bug, Change, Config, Index, Part, Payload, Raft, Server, StateMachine};

/// For how long a node that is no member gets the log after it has asked for something.
const GUESTS: Duration = Duration::from_secs(2);

impl<S: StateMachine> Raft<S> {
    /// A leader goes about the latest change that somebody wants who knows the members as
    /// they are: a message that comes late changes nothing.
    pub(crate) fn begin_change(&mut self, before: Index, change: &Change) {
        if let Change::Lead(rank) = *change {
            return self.hand_over(rank);
        }
        let (config, is_current) = (self.log().config(), before == self.log().config_index());
        let is_possible = |members: &Config| is_current && members.is_final_among(self.nodes);
        let Some(members) = change.members(config).filter(is_possible) else { return };
        let (now, me) = (config.members(), self.server());
        let met = |rank| self.founding.met.get(&rank).map(|&(incarnation, _)| incarnation);
        let members = members.resolved(|Server { rank, .. }| match rank == me.rank {
            true => me.incarnation,
            // One that was never heard is replaced by whoever answers.
            false => now.get(&rank).copied().or_else(|| met(rank)).unwrap_or(0),
        });
        if let Role::Leader(leader) = &mut self.role {
            leader.target = Some(members);
        }
    }

    /// Who is no member and asks the leader for something follows it as a learner does, until
    /// it has asked for nothing for long: so it serves clients, and hears that it was removed.
    pub(crate) fn host(&mut self, server: Server) {
        let (config, last, now) = (self.log().config(), self.log().last().index, self.now);
        let is_member = config.is_voter(server.rank) || config.is_learner(server.rank);
        let Role::Leader(leader) = &mut self.role else { return };
        if is_member {
            return;
        }
        if leader.peer(server).is_none() {
            leader.peers.insert(server.rank, Peer::unknown(server, last, now));
            self.outbox.append_urgently(server.rank, now);
        }
        if let Some(peer) = leader.peer_mut(server) {
            peer.guest_until = now + GUESTS;
        }
    }

    /// A node that is no member of a cluster that it has heard of, and whose clients wait, looks
    /// for a leader, once for each time that it would stand for election if it were.
    pub(crate) fn seek_leader(&mut self) {
        let (nodes, me, now) = (self.nodes, self.me, self.now);
        if self.clients().next().is_none() || self.is_new() || self.may_stand() {
            return;
        }
        if let Role::Follower(follower @ Follower { has_sought: false, .. }) = &mut self.role {
            follower.has_sought = true;
            let others = (0..nodes).filter(|&rank| rank != me);
            others.for_each(|rank| self.outbox.say(rank, now, Part::Seek));
        }
    }

    /// A member has lost its memory, and is another server now: that one takes its place, as
    /// any other would. What is late of a former one changes nothing while the latter is there,
    /// and if it has changed something the latter takes its place again when it speaks.
    pub(crate) fn take_in(&mut self, server: Server) {
        let (config, last) = (self.persistent.log().config(), self.persistent.log().last().index);
        let Role::Leader(leader) = &mut self.role else { return };
        let Some(peer) = leader.peers.get(&server.rank) else { return };
        let is_other = peer.server != server;
        let is_there = peer.matched > Index::ZERO && self.now < peer.heard + self.election;
        let is_settled = !is_other && leader.target.is_none() && config.keeps(server);
        if is_settled || is_other && is_there {
            return;
        }
        if is_other {
            // It is the one that is there, and may be a voter whose acknowledgements are needed.
            leader.peers.insert(server.rank, Peer::unknown(server, last, self.now));
        }
        let target = leader.target.clone().unwrap_or_else(|| config.without_outgoing());
        let replaced = target.resolved(|member| match member.rank == server.rank {
            true => server.incarnation,
            false => member.incarnation,
        });
        if replaced != target {
            leader.target = Some(replaced);
        }
    }

    /// Takes the next step of a change, when the last one is committed.
    pub(crate) fn advance_change(&mut self) {
        let (bugs, me) = (self.options.bugs, self.server());
        let Role::Leader(leader) = &mut self.role else { return };
        let log = self.persistent.log();
        let (config, is_committed) = (log.config(), log.config_index() <= self.commit);
        let early = bugs.has(Bug::ChangeBeforeNoop);
        if self.commit < leader.first && !early || !is_committed {
            return;
        }
        let step = if early {
            leader.target.as_ref().and_then(|target| config.one_voter_towards(target))
        } else if config.is_joint() {
            Some(config.without_outgoing())
        } else if !config.has_voter(me) && !bugs.has(Bug::RemovedLeaderGoesOn) {
            return self.leave();
        } else {
            let lacks = |server: &Server| match leader.peer(*server) {
                Some(peer) => !leader.has_caught_up(peer),
                None => *server != me,
            };
            // Whoever is wanted and was never heard decides nothing before it is taken in.
            let can_decide = |target: &&Config| target.is_quorum(|one| one.incarnation != 0);
            let target = leader.target.as_ref().filter(can_decide);
            target.and_then(|target| config.towards(target, lacks, bugs.has(Bug::SkipJoint)))
        };
        if let Some(config) = step {
            // Once the entry is there that names them, they are wanted no more. (Where they are
            // the members already, the entry says so to who wants them.)
            leader.target.take_if(|target| *target == config);
            self.append_config(&config);
        }
    }

    /// What it led over is decided, and it is not one of them any more. Whoever has most of
    /// the log is told to lead.
    fn leave(&mut self) {
        let (now, config) = (self.now, self.persistent.log().config());
        let Role::Leader(leader) = &self.role else { return };
        leader.peers.keys().for_each(|&rank| self.outbox.append(rank, now));
        let voters = leader.peers.values().filter(|peer| config.has_voter(peer.server));
        if let Some(successor) = voters.max_by_key(|peer| peer.matched) {
            self.outbox.say(successor.server.rank, now, Part::LeadNow);
        }
        // There is no later: what is due goes at once.
        self.outbox.sent.clear();
        self.flush();
        self.become_follower(None);
    }

    fn append_config(&mut self, config: &Config) {
        self.append(vec![Payload::Config(config.clone())]);
        let (last, now) = (self.log().last().index, self.now);
        let mut members = config.members();
        members.remove(&self.me);
        let Role::Leader(leader) = &mut self.role else { return };
        leader.set_members(members, last, now);
        leader.peers.keys().for_each(|&rank| self.outbox.append_urgently(rank, now));
    }
}
