//! How long things take, what the log's time is, and when something is due next.

use std::time::Duration;

use maelstrom::machine::Time;
use rand::RngExt as _;

use crate::role::{Campaign, Role};
use crate::{LogTime, Raft, StateMachine};

impl<S: StateMachine> Raft<S> {
    /// A random time (§5.2).
    pub(crate) fn election_timeout(&mut self) -> Time {
        self.election.mul_f64(self.rng.random_range(1.0..2.0))
    }

    /// How often a leader is heard at least.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.options.heartbeat.max(self.election / 4)
    }

    /// How long something may be without an answer before it is sent again.
    pub(crate) fn patience(&self) -> Duration {
        self.options.retry.max(self.options.round * 4).max(self.election)
    }

    /// Nobody answers. Perhaps they do when nobody waits for it any more.
    pub(crate) fn wait_longer(&mut self) {
        if self.options.adaptive {
            let longest = self.election.max(self.options.election * 4);
            self.election = self.election.mul_f64(1.5).min(longest);
        }
    }

    /// A follower took so long to answer: two round trips make a leader, and there is to be
    /// time for some of them between two candidates.
    pub(crate) fn measure(&mut self, took: Duration) {
        // One that was paused says little about the network.
        self.round_trip.sample(took.min(self.election));
        if let Some(mean) = self.round_trip.mean().filter(|_| self.options.adaptive) {
            self.election = self.options.election.max(mean * 4);
        }
    }

    /// When something goes for which a client waits.
    pub(crate) fn soon(&self) -> Time {
        let (now, round) = (self.now, self.options.round);
        match &self.role {
            _ if round.is_zero() => now,
            Role::Leader(_) => {
                let gone = (now.as_nanos() % round.as_nanos()) as u64;
                now + round - Duration::from_nanos(gone)
            }
            // The leader speaks before, as long as anybody asks for anything.
            _ => now + round * 3 / 2,
        }
    }

    /// The log's time: by the clock, since a leader told it, or since this one leads.
    pub(crate) fn log_time(&self) -> LogTime {
        let (at, time) = self.log_time;
        time.after(self.now.saturating_sub(at))
    }

    pub(crate) fn next_timer(&self) -> Option<Time> {
        let (patience, heartbeat) = (self.patience(), self.heartbeat());
        let commands = self.commands.sent.front().map(|(at, _)| *at + patience);
        let queries = self.queries.asked.values().next().map(|(at, _)| *at + patience);
        let retries = [commands, queries, self.changes.ask_at()].into_iter().flatten();
        let retry = retries.min().filter(|_| self.leader().is_some());
        let due = self.outbox.next().filter(|_| self.may_speak()).map(|(at, _)| at);
        let timer = match &self.role {
            Role::Leader(leader) => {
                let heartbeats = leader.peers.values().map(|peer| peer.sent + heartbeat);
                let successor = leader.successor.map(|(_, until)| until);
                heartbeats.chain(successor).chain([leader.check_at]).min()
            }
            Role::Candidate(Campaign { ask_at, election_at, .. }) => Some(*ask_at.min(election_at)),
            role => role.election_at(),
        };
        [due, retry, timer, self.founding_at()].into_iter().flatten().min()
    }
}
