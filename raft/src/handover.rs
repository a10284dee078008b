//! Leadership is handed over (thesis, 3.10): to whom a client names, once it has the whole
//! log. The leader takes no commands meanwhile, and goes on if it takes too long.

use maelstrom::machine::Rank;

use crate::role::Role;
use crate::{Part, Raft, StateMachine};

impl<S: StateMachine> Raft<S> {
    /// Begins to hand over, unless that is under way, to a voter that was heard of late and has
    /// caught up: nobody is served meanwhile.
    pub(crate) fn hand_over(&mut self, successor: Rank) {
        let (now, config) = (self.now, self.persistent.log().config());
        let Role::Leader(leader) = &mut self.role else { return };
        let is_ready = leader.peers.get(&successor).is_some_and(|peer| {
            let is_there = now < peer.heard + self.election / 2;
            config.has_voter(peer.server) && is_there && leader.has_caught_up(peer)
        });
        if is_ready && leader.successor.is_none() {
            leader.successor = Some((successor, now + self.election));
            leader.told_successor = false;
            self.outbox.append_urgently(successor, now);
        }
    }

    /// Tells the successor to stand for election when it has everything.
    pub(crate) fn advance_handover(&mut self) {
        let last = self.log().last().index;
        let Role::Leader(leader) = &mut self.role else { return };
        let Some((successor, until)) = leader.successor else { return };
        if until <= self.now {
            leader.successor = None;
            return self.commands.resend();
        }
        let matched = leader.peers.get(&successor).map(|peer| peer.matched);
        if matched == Some(last) && !leader.told_successor {
            (leader.told_successor, leader.told_anybody) = (true, true);
            self.outbox.say(successor, self.now, Part::LeadNow);
        }
    }

    /// *TimeoutNow*: stands for election at once, and the others know that the leader wants
    /// it.
    pub(crate) fn lead_now(&mut self) {
        if matches!(self.role, Role::Follower(_)) && self.may_stand() {
            self.become_candidate(true);
        }
    }
}
